#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""One TCP connection whose every byte is checked.

    stream.py send ADDRESS PORT MB_PER_SECOND    until SIGTERM or the connection breaks; 0: no limit
    stream.py recv PORT                          takes one connection, until it ends

The receiver prints the bytes received so far as a line every 50 ms. On SIGUSR1 it sends some back,
and the sender prints, likewise, how many of those it has had. Either ends with 1 and a sentence when
a byte is wrong or the connection broke.
"""

import random
import select
import signal
import socket
import sys
import time

PERIOD = 65521  # a prime: no segment size divides it
PATTERN = random.Random(1).randbytes(PERIOD)
TWICE = memoryview(PATTERN * 3)
ANSWER = 1000  # bytes


def send(address, port, rate):
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sock = socket.create_connection((address, port), 10)
    sock.settimeout(60)
    sent = heard = 0
    start = time.monotonic()
    while not stopped:
        heard = hear(sock, heard)
        at = sent % PERIOD
        sent += sock.send(TWICE[at : at + 65536])
        if rate:
            ahead = sent / (rate * 1e6) - (time.monotonic() - start)
            # After standing still the link is not flooded to catch up.
            if ahead < -0.1:
                start = time.monotonic() - sent / (rate * 1e6)
            elif ahead > 0:
                time.sleep(min(ahead, 0.1))
    sock.shutdown(socket.SHUT_WR)
    hear(sock, heard)
    sock.close()


def hear(sock, heard):
    """Takes what has come back; returns how much it is by now."""
    while select.select([sock], [], [], 0)[0]:
        data = sock.recv(ANSWER)
        if not data:
            break  # the receiver has ended: it says why, if that was too early
        at = heard % PERIOD
        if data != TWICE[at : at + len(data)]:
            sys.exit(f"wrong bytes between {heard} and {heard + len(data)} of what came back")
        heard += len(data)
        print(heard, flush=True)
    return heard


def recv(port):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    listener.listen(1)
    print("ready", flush=True)
    sock, _ = listener.accept()
    listener.close()
    received = answered = 0

    def answer(*_):
        nonlocal answered
        at = answered % PERIOD
        sock.sendall(TWICE[at : at + ANSWER])
        answered += ANSWER

    signal.signal(signal.SIGUSR1, answer)
    told = 0.0
    buf = bytearray(65536)
    while True:
        try:
            n = sock.recv_into(buf)
        except OSError as e:
            sys.exit(f"the connection broke after {received} bytes: {e.strerror}")
        at = received % PERIOD
        if memoryview(buf)[:n] != TWICE[at : at + n]:
            sys.exit(f"wrong bytes between {received} and {received + n}")
        received += n
        now = time.monotonic()
        if now - told >= 0.05 or n == 0:
            print(received, flush=True)
            told = now
        if n == 0:
            return


def main(args):
    if len(args) == 4 and args[0] == "send":
        return send(args[1], int(args[2]), float(args[3]))
    if len(args) == 2 and args[0] == "recv":
        return recv(int(args[1]))
    sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Whether bytes arrive as they were sent, over TCP and UDP, IPv4 or IPv6.

    whole.py serve PORT              says ready, then serves one client
    whole.py send ADDRESS PORT KB    exits with 0 if all came whole, else says what did not

The server answers a TCP stream with its SHA-256, and every datagram with itself. The stream is
random, so that no part of it can stand for another.
"""

import hashlib
import os
import socket
import sys
import threading

SECONDS = 20
DATAGRAMS = (1, 2, 17, 63, 512, 1001, 1400)
TRIES = 5  # a datagram may get lost


def echo(s):
    while True:
        data, sender = s.recvfrom(65536)
        s.sendto(data, sender)


def serve(port):
    tcp = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    udp.bind(("", port))
    threading.Thread(target=echo, args=(udp,), daemon=True).start()
    print("ready", flush=True)
    client, _ = tcp.accept()
    client.settimeout(SECONDS)
    digest = hashlib.sha256()
    while data := client.recv(1 << 20):
        digest.update(data)
    client.sendall(digest.digest())
    client.recv(1)  # until the client has had its answers


def echoed(udp, data):
    for _ in range(TRIES):
        udp.send(data)
        try:
            while (got := udp.recv(65536)) and len(got) != len(data):
                pass  # an answer that was late
            return got == data
        except TimeoutError:
            pass
    return False


def send(address, port, kb):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    tcp = socket.create_connection((address, port), SECONDS)
    for size in DATAGRAMS:
        udp = socket.socket(family, socket.SOCK_DGRAM)
        udp.settimeout(1)
        udp.connect((address, port))
        if not echoed(udp, os.urandom(size)):
            sys.exit(f"a datagram of {size} bytes does not come back as it was")
    data = os.urandom(kb * 1024)
    tcp.sendall(data)
    tcp.shutdown(socket.SHUT_WR)
    answer = b""
    while len(answer) < 32 and (part := tcp.recv(32)):
        answer += part
    if answer != hashlib.sha256(data).digest():
        sys.exit(f"{kb} KB of TCP do not arrive as they were")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

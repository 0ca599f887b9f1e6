#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A line of UDP probes: how long does the path between two guests stand still?

The sender sends numbered probes a fixed time apart. The receiver writes a record for each to its
standard output: number, when sent, when received, as three 64-bit little-endian integers in ns of
Unix time. The time of arrival is the kernel's, so a slow receiver does not look like a gap.

    probe.py send ADDRESS PORT INTERVAL_US    until SIGTERM; then prints how many were sent
    probe.py recv PORT                        until SIGTERM
"""

import ctypes
import os
import signal
import socket
import struct
import sys
import time

PROBE = struct.Struct("<QQ")
RECORD = struct.Struct("<QQQ")
SO_TIMESTAMPNS = 35
PR_SET_TIMERSLACK = 29


def precise():
    """What is measured is the router, not how soon the machine runs us."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        pass
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0)


def send(address, port, interval_us):
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    precise()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, port))
    interval = interval_us * 1000
    sent = 0
    due = time.monotonic_ns()
    while not stopped:
        now = time.monotonic_ns()
        if now < due:
            time.sleep((due - now) / 1e9)
        # Probes that are late are not made up for: a burst would hide a gap.
        due = max(due + interval, time.monotonic_ns())
        try:
            sock.send(PROBE.pack(sent, time.time_ns()))
        except OSError:
            pass  # refused or no buffer: sent into the void, and counted as lost
        sent += 1
    print(sent, flush=True)


def recv(port):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    precise()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.bind(("", port))
    os.write(2, b"ready\n")
    while True:
        data, control, _, _ = sock.recvmsg(64, 128)
        rx = time.time_ns()
        for level, kind, value in control:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                s, ns = struct.unpack("qq", value[:16])
                rx = s * 1000000000 + ns
        if len(data) == PROBE.size:
            number, tx = PROBE.unpack(data)
            os.write(1, RECORD.pack(number, tx, rx))


def main(args):
    if len(args) == 4 and args[0] == "send":
        return send(args[1], int(args[2]), int(args[3]))
    if len(args) == 2 and args[0] == "recv":
        return recv(int(args[1]))
    sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""In the guest: runs commands for the host, one at a time on each virtio-serial port.

The host (machine.py) sends a byte 0 and a line of JSON: an id, the command, and perhaps what time it
is. The answer begins with the id (`begin`), so that what a predecessor on the port left unread is
told apart; then come frames: a letter ('o' output, 'e' errors, 'x' exit status), a length, and so
many bytes. Until the command ends, the host sends signals for it, a byte each. Who hangs up ends it.
"""

import glob
import json
import os
import select
import signal
import struct
import subprocess
import threading
import time

FRAME = struct.Struct("<cI")
PORTS = "/dev/vport*"
SLACK = 0.2  # seconds that a command's own children may hold its output open


def begin(name):
    return b"\xffbegin " + name.encode() + b"\n"


def say(fd, data):
    while data:
        data = data[os.write(fd, data) :]


def frame(fd, kind, data):
    say(fd, FRAME.pack(kind, len(data)) + data)


class Port:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR)
        self.unread = b""

    def serve(self):
        while True:
            data = os.read(self.fd, 65536)
            if not data:  # nobody is there
                self.unread = b""
                time.sleep(0.05)
                continue
            self.unread += data
            self.requests()

    def requests(self):
        while b"\0" in self.unread:
            _, _, rest = self.unread.partition(b"\0")
            line, end, after = rest.partition(b"\n")
            if not end:
                return
            self.unread = after
            try:
                # Somebody may have been killed while he asked.
                request = json.loads(line.rpartition(b"\0")[2])
            except ValueError:
                continue
            if "now_ns" in request:
                time.clock_settime_ns(time.CLOCK_REALTIME, request["now_ns"])
            self.run(request)

    def run(self, request):
        say(self.fd, begin(request["id"]))
        try:
            child = subprocess.Popen(
                request["argv"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        except OSError as e:
            frame(self.fd, b"e", f"{request['argv'][0]}: {e.strerror}\n".encode())
            frame(self.fd, b"x", b"127")
            return
        with child:
            if self.relay(child):
                frame(self.fd, b"x", str(child.wait()).encode())
            else:
                self.end(child)

    def relay(self, child):
        """Until the command has ended: true; false: the host is gone, or has another request."""
        kinds = {child.stdout.fileno(): b"o", child.stderr.fileno(): b"e"}
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        for fd in kinds:
            poll.register(fd, select.POLLIN)
        until = None
        while kinds and (until is None or time.monotonic() < until):
            for fd, event in poll.poll(100):
                if fd == self.fd:
                    if event & select.POLLHUP:
                        if self.is_alone():
                            return False
                    elif not self.signals(child):
                        return False
                    continue
                data = os.read(fd, 65536)
                if data:
                    frame(self.fd, kinds[fd], data)
                else:
                    poll.unregister(fd)
                    del kinds[fd]
            if until is None and child.poll() is not None:
                until = time.monotonic() + SLACK
        return True

    def is_alone(self):
        """The host has hung up for good; our predecessor's end may have been told to us late."""
        poll = select.poll()
        poll.register(self.fd, 0)
        for _ in range(10):
            time.sleep(0.03)
            if not poll.poll(0):
                return False
        return True

    def signals(self, child):
        for i, number in enumerate(data := os.read(self.fd, 65536)):
            if number == 0:
                self.unread = data[i:]
                return False
            try:
                os.killpg(child.pid, number)
            except OSError:
                pass  # it has just ended
        return True

    @staticmethod
    def end(child):
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except OSError:
            pass


def main():
    threads = [threading.Thread(target=Port(path).serve) for path in sorted(glob.glob(PORTS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()

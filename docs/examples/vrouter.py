#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A client of the control API in Python, over nothing but the contract (vrouter.proto).

Needs Debian's python3-protobuf and protobuf-compiler: protoc makes the module of messages when the
program starts. As a program it says whether the router is well, makes two nexthops of a kind that
harms nobody in one go, lists them and deletes them. With --events it prints the next N things that
happen instead:

    vrouter.py [--socket PATH] [--proto PATH/vrouter.proto] [--events N]
"""

import argparse
import importlib
import os
import socket
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# In the source tree, and where `make install` puts it.
PROTOS = (
    os.path.join(HERE, "../../proto/vrouter.proto"),
    os.path.join(HERE, "../../../vrouter/proto/vrouter.proto"),
)


def load(proto=None):
    """The module of messages, made from the contract."""
    proto = proto or next(p for p in PROTOS if os.path.exists(p))
    folder, name = os.path.split(os.path.abspath(proto))
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(["protoc", "-I", folder, "--python_out", out, name], check=True)
        sys.path.insert(0, out)
        try:
            return importlib.import_module(name.replace(".proto", "_pb2"))
        finally:
            sys.path.remove(out)


class Refused(Exception):
    """The router said no; the text is its sentence, `result` all of its answer."""

    def __init__(self, result):
        super().__init__(result.text)
        self.result = result


class Router:
    """One connection. Requests may be sent ahead of their answers, which come in order."""

    def __init__(self, pb, path="/run/vrouter/control.sock", seconds=10):
        self.pb = pb
        self.last_id = 0
        self.events = []  # that came while an answer was waited for
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(seconds)
        self.socket.connect(path)

    def close(self):
        self.socket.close()

    def object(self, kind, **fields):
        """An object of a kind; a field is named as in the contract, a part of one is a dict."""
        made = self.pb.Object()
        content = getattr(made, kind)
        content.SetInParent()
        self._fill(content, fields)
        return made

    def _fill(self, message, fields):
        for name, value in fields.items():
            if isinstance(value, dict):
                getattr(message, name).SetInParent()
                self._fill(getattr(message, name), value)
            elif isinstance(value, (list, tuple)):
                getattr(message, name).extend(value)
            else:
                setattr(message, name, value)

    def send(self, op, made):
        """Sends without waiting; returns the id that the answer will have."""
        self.last_id += 1
        request = self.pb.Request(id=self.last_id, op=op, object=made)
        data = request.SerializeToString()
        self.socket.sendall(struct.pack("!I", len(data)) + data)
        return self.last_id

    def _read(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise ConnectionError("the router closed the connection")
            data += part
        return data

    def _message(self):
        (size,) = struct.unpack("!I", self._read(4))
        return self.pb.Response.FromString(self._read(size))

    def receive(self):
        """The next answer; Refused if it says so. Events are kept for event()."""
        answer = self._message()
        while answer.HasField("event"):
            self.events.append(answer)
            answer = self._message()
        if not answer.more and answer.result.code != self.pb.Result.OK:
            raise Refused(answer.result)
        return answer

    def watch(self, *kinds):
        """From now on, what happens to objects of these kinds comes out of event()."""
        for kind in kinds:
            self.call(self.pb.WATCH, kind)

    def event(self):
        """The next event, however long it takes: a Response with `event` and `object`."""
        if self.events:
            return self.events.pop(0)
        self.socket.settimeout(None)
        return self._message()

    def call(self, op, kind, **fields):
        """One request and its answer's object, if it has one."""
        self.send(op, self.object(kind, **fields))
        answer = self.receive()
        return getattr(answer.object, kind) if answer.HasField("object") else None

    def add(self, kind, **fields):
        self.call(self.pb.ADD, kind, **fields)

    def delete(self, kind, **key):
        self.call(self.pb.DEL, kind, **key)

    def get(self, kind, **key):
        return self.call(self.pb.GET, kind, **key)

    def list(self, kind, **choice):
        """All objects of a kind."""
        self.send(self.pb.LIST, self.object(kind, **choice))
        found = []
        while True:
            answer = self.receive()
            if not answer.more:
                return found
            found.append(getattr(answer.object, kind))


def main():
    parser = argparse.ArgumentParser(description="A tour of the router's control API.")
    parser.add_argument("--socket", default="/run/vrouter/control.sock")
    parser.add_argument("--proto")
    parser.add_argument("--events", type=int, metavar="N")
    args = parser.parse_args()

    pb = load(args.proto)
    router = Router(pb, args.socket)
    if args.events:
        router.watch("process", "slot", "port", "vif", "table")
        for _ in range(args.events):
            print(router.event().event.text, flush=True)
        return
    status = router.get("status")
    print("healthy" if status.healthy else "not healthy: " + "; ".join(status.reasons))
    # Two requests at once, then their answers.
    for number in (1, 2):
        router.send(pb.ADD, router.object("nexthop", id=number, type=pb.Nexthop.DISCARD))
    for _ in range(2):
        router.receive()
    for nexthop in router.list("nexthop"):
        print(f"nexthop {nexthop.id}: {pb.Nexthop.Type.Name(nexthop.type).lower()}")
    for number in (1, 2):
        router.delete("nexthop", id=number)
    try:
        router.get("nexthop", id=1)
    except Refused as e:
        print(f"refused: {e}")
    router.close()


if __name__ == "__main__":
    main()

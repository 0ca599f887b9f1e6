#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Measures the control API: rates of changes, what others wait for meanwhile, memory, and how long a
vr-ctl that was killed is away. vr-primary and vr-ctl only, and this program as their clients.

Started by run.sh, in a lab (deploy/lib.sh), with VR_LAB, VR_BUILD, and

  ROUTES       of the full table (default 1000000)
  JSON         not empty: print one JSON line for each figure

Requests are encoded before the clock starts. A figure that has a goal says so; what it prints is
explained in docs/performance.md. It ends with 1 if something was refused or is missing.
"""

import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "deploy", "lab"))

from lab import Lab, LabError, until  # noqa: E402

ADD, GET, LIST = 1, 4, 5
HELLO, NEXTHOP, BRIDGE, ROUTE, FLOW = 1, 17, 18, 19, 23
MESSAGE_MAX = 1 << 20
SINGLES = 100000  # changes sent one by one
FLOWS = 1000000
FLOW_ENTRIES_DEFAULT = 524288
# Routes of a full BGP table by prefix length, in thousandths (2024, rounded).
LENGTHS = {24: 597, 23: 99, 22: 117, 21: 53, 20: 46, 19: 26, 18: 14, 17: 8, 16: 14, 15: 3, 14: 2,
           13: 1, 12: 1, 11: 1, 10: 1, 9: 1, 8: 16}


# --- what goes over the socket -------------------------------------------------


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def data(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


def framed(request):
    return struct.pack("!I", len(request)) + request


def single(op, obj):
    return framed(number(1, 1) + number(2, op) + data(3, obj))


def batches(objects):
    """Requests of as many ADDs as fit into a message."""
    frames, changes, size = [], [], 0
    for obj in objects:
        change = data(1, number(1, ADD) + data(2, obj))
        if size + len(change) > MESSAGE_MAX - 64:
            frames.append(framed(number(1, 1) + data(4, b"".join(changes))))
            changes, size = [], 0
        changes.append(change)
        size += len(change)
    return frames + [framed(number(1, 1) + data(4, b"".join(changes)))]


def route(vrf, address, length, nexthop):
    prefix = struct.pack("!IB", address, length)
    return data(ROUTE, number(1, vrf) + data(2, prefix) + number(3, nexthop))


def full_table(n, seed=1, first_nexthop=1):
    """n routes of VRF 1, with the prefix lengths of a full BGP table and 64 nexthops."""
    chosen = random.Random(seed)
    lengths = list(LENGTHS)
    weights = list(LENGTHS.values())
    seen, routes = set(), []
    while len(routes) < n:
        for length in chosen.choices(lengths, weights, k=n - len(routes)):
            address = chosen.randrange(1 << 24, 224 << 24) >> 32 - length << 32 - length
            if (address, length) in seen:
                continue
            seen.add((address, length))
            routes.append(route(1, address, length, first_nexthop + chosen.randrange(64)))
    return routes


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.rest = b""

    def close(self):
        self.socket.close()

    def answers(self, n, final=lambda answer: True):
        """Reads until n answers were final; returns how many there were in all."""
        total = 0
        while n > 0:
            more = self.socket.recv(1 << 20)
            if not more:
                raise LabError("vr-ctl closed the connection")
            rest, at = self.rest + more, 0
            while len(rest) - at >= 4:
                size = int.from_bytes(rest[at : at + 4], "big")
                if len(rest) - at - 4 < size:
                    break
                answer = rest[at + 4 : at + 4 + size]
                at += 4 + size
                total += 1
                n -= final(answer)
            self.rest = rest[at:]
        return total

    def ask(self, frame):
        self.socket.sendall(frame)
        self.answers(1)

    def pipeline(self, frames):
        """Sends all, and reads the answers meanwhile; seconds until the last."""
        blob, refused = b"".join(frames), []

        def judge(answer):
            # id 1, then a Result that begins with its code unless that is OK.
            if answer[2] != 0x12 or answer[3] > 0x7F or answer[4] == 0x08:
                refused.append(answer)
            return True

        start = time.monotonic()
        sender = threading.Thread(target=self.socket.sendall, args=(blob,), daemon=True)
        sender.start()
        self.answers(len(frames), judge)
        sender.join()
        if refused:
            raise LabError(f"{len(refused)} of {len(frames)} were refused: {refused[0][:200]}")
        return time.monotonic() - start

    def list(self, kind):
        """Objects there are, and the seconds it took."""
        start = time.monotonic()
        self.socket.sendall(single(LIST, data(kind, b"")))
        # The final answer has no object and `more` unset: id 1, and Result.
        total = self.answers(1, lambda answer: answer[2:3] == b"\x12")
        return total - 1, time.monotonic() - start


class Pinger:
    """Another client, in a process of its own: asks hello again and again while something runs."""

    PING = single(GET, data(HELLO, b""))

    def __init__(self, path):
        self.reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self.run(path, writer)
        os.close(writer)
        time.sleep(0.1)

    def run(self, path, writer):
        stop = []
        signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
        client, waits = Client(path), []
        while not stop:
            start = time.monotonic()
            client.ask(self.PING)
            waits.append(time.monotonic() - start)
            time.sleep(0.0005)
        waits.sort()
        worst = {"n": len(waits), "longest": waits[-1], "p99": waits[len(waits) * 99 // 100]}
        os.write(writer, json.dumps(worst).encode())
        os._exit(0)

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        with os.fdopen(self.reader) as said:
            result = json.loads(said.read())
        os.waitpid(self.pid, 0)
        return result


# --- measuring ----------------------------------------------------------------


class Control:
    def __init__(self):
        self.routes = int(os.environ.get("ROUTES") or 1000000)
        self.lab = Lab(os.path.join(os.environ["VR_LAB"], "control"))
        self.router = self.ctl = None
        if not os.environ.get("JSON"):
            print(f"\n{'figure':<52}{'value':>12}  {'goal':<14}")

    def show(self, what, value, unit, goal=""):
        if os.environ.get("JSON"):
            print(json.dumps({"name": f"control: {what}", "value": value, "unit": unit}), flush=True)
        else:
            print(f"{what:<52}{value:>12,.{0 if value >= 100 else 1}f}  {unit} {goal}", flush=True)

    def start(self, name, **conf):
        options = {"mbufs": 2048, "eal-extra-mb": 16, "vifs": 64, "region-spare-mb": 0}
        options.update({"nexthops": 131072, "bridge-entries": 131072, "flow-entries": 0}, **conf)
        self.router = self.lab.router(name, slots=("10@1",), conf=options)
        self.router.start("vr-primary")
        self.start_ctl()
        # It serves before it is attached to EAL, which is a long turn of its own.
        until(self.ctl_is_ready, 30, "vr-ctl is attached")

    def ctl_is_ready(self):
        processes = self.router.ask("process list")
        return any(p["role"] == "ctl" and p["state"] == "ready" for p in processes)

    def start_ctl(self):
        self.ctl = self.router.start("vr-ctl")
        until(self.answers_hello, 30, "vr-ctl answers", every=0.001)

    def answers_hello(self):
        try:
            client = Client(self.router.socket)
        except OSError:
            return False
        client.ask(Pinger.PING)
        client.close()
        return True

    def client(self):
        return Client(self.router.socket)

    def timed(self, client, frames, n):
        """Changes a second of vr-ctl's CPU time, and of the clock."""
        before = self.cpu()
        seconds = client.pipeline(frames)
        return n / (self.cpu() - before), n / seconds

    def cpu(self):
        with open(f"/proc/{self.ctl.pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9

    def show_rate(self, what, rates, goal=""):
        self.show(what, rates[1], "/s", goal)
        self.show("  in a second of vr-ctl's CPU time", rates[0], "/s")

    def memory(self, what="VmRSS"):
        with open(f"/proc/{self.ctl.pid}/status", encoding="ascii") as status:
            return next(int(l.split()[1]) for l in status if l.startswith(what + ":")) * 1024

    def table(self, name):
        return next(t for t in self.router.ask("table list") if t["name"] == name)

    def stalls(self, work):
        """The work's result, and what another client waits for meanwhile."""
        self.router.vrctl("reset set counters=true")
        pinger = Pinger(self.router.socket)
        try:
            result = work()
        finally:
            waits = pinger.stop()
        # Nobody forwards here, so the router is not well and vrctl ends with 4.
        said = json.loads(self.router.vrctl_run("--json", "status").stdout)
        turn = said["status"]["longest_turn_us"]
        return result, (turn / 1e3, waits["longest"] * 1e3, waits["p99"] * 1e3)

    def show_waits(self, waits):
        """By vr-ctl's CPU what it can help, by the clock what a loaded machine adds."""
        self.show("  vr-ctl's longest turn, of its CPU", waits[0], "ms", "(<= 10)")
        self.show("  another client's longest wait", waits[1], "ms", "(<= 10)")
        self.show("  99 % of its waits are below", waits[2], "ms")

    def small_objects(self):
        client = self.client()
        idle = self.stalls(lambda: time.sleep(2))[1]
        self.show("idle: vr-ctl's longest turn, of its CPU", idle[0], "ms")
        self.show("idle: another client's longest wait", idle[1], "ms")
        nexthops = [data(NEXTHOP, number(1, i) + number(2, 1)) for i in range(SINGLES)]
        macs = [b"\x02\0" + struct.pack("!I", i) for i in range(SINGLES)]
        bridges = [data(BRIDGE, number(1, 1) + data(2, m) + number(3, 1)) for m in macs]
        for name, objects in (("nexthops", nexthops), ("bridge entries", bridges)):
            half = len(objects) // 2
            frames = [single(ADD, obj) for obj in objects[:half]]
            self.show_rate(f"{name} added one by one", self.timed(client, frames, half))
            frames = batches(objects[half:])
            self.show_rate(f"{name} added in batches", self.timed(client, frames, half))
        client.close()

    def many_routes(self):
        client, routes = self.client(), full_table(self.routes)
        frames = [single(ADD, obj) for obj in routes[:SINGLES]]
        rates = self.timed(client, frames, SINGLES)
        self.show_rate("routes added one by one", rates, "(>= 100,000)")
        frames, n = batches(routes[SINGLES:]), len(routes) - SINGLES
        rates, waits = self.stalls(lambda: self.timed(client, frames, n))
        self.show_rate("routes added in batches", rates, "(>= 300,000)")
        self.show_waits(waits)
        rates = self.timed(client, frames[:4], n * 4 / len(frames))
        self.show_rate("routes added again in batches", rates)
        table = self.table("route")
        if int(table["used"]) != self.routes:
            raise LabError(f"{table['used']} routes are in the table, not {self.routes}")
        self.show(f"region for {self.routes} routes", int(table["size_bytes"]) / 1e6, "MB", "(<= 160)")
        client.close()

    def fill_flows(self):
        """As many flows as there is room for, or almost; returns how many."""
        done = self.router.run(os.path.join("..", "bench", "flow_fill_bench"), seconds=60)
        if done.returncode != 0:
            raise LabError(f"flow_fill_bench: {done.stderr.strip()}")
        return int(done.stdout)

    def dump(self, what, kind, there):
        client, before = self.client(), self.memory()
        (n, seconds), waits = self.stalls(lambda: client.list(kind))
        if n != there:
            raise LabError(f"{n} {what} were listed, not {there}")
        self.show(f"{what} dumped ({n} of them)", n / seconds, "/s")
        self.show_waits(waits)
        growth = max(0, self.memory("VmHWM") - before)
        self.show("  vr-ctl's memory grows by", growth / (1 << 20), "MiB", "(<= 64)")
        client.close()

    def kill(self, n, goal, flows=0):
        """From the start of the next vr-ctl to its first answer, the best of three."""
        times = []
        for _ in range(3):
            self.ctl.kill()
            self.ctl.wait()
            start = time.monotonic()
            self.start_ctl()
            times.append((time.monotonic() - start) * 1e3)
        also = f" and {flows} flows" if flows else ""
        self.show(f"killed with {n} routes{also}, back after", min(times), "ms", goal)
        if flows and int(self.table("flow")["used"]) != 2 * flows:
            raise LabError("the next vr-ctl has not found all flows")
        if int(self.table("route")["used"]) != n:
            raise LabError("the next vr-ctl has not found all routes")

    def stop(self):
        self.lab.close()
        self.lab = Lab(os.path.join(os.environ["VR_LAB"], "control"))

    def run(self):
        self.start("full", routes=self.routes)
        self.small_objects()
        self.many_routes()
        self.dump("routes", ROUTE, self.routes)
        self.kill(self.routes, "")
        self.stop()
        self.start("flows", routes=1000, **{"flow-entries": 2 * FLOWS})
        self.dump("flows", FLOW, self.fill_flows())
        self.stop()
        self.start("some", routes=100000, **{"flow-entries": FLOW_ENTRIES_DEFAULT})
        client = self.client()
        client.pipeline(batches(full_table(100000)))
        client.close()
        self.kill(100000, "(<= 200)", flows=self.fill_flows())
        self.stop()
        self.start("vrfs", routes=40960, vrfs=4096)
        client = self.client()
        objects = [route(v, 10 << 24 | i << 8, 24, i) for v in range(4096) for i in range(10)]
        client.pipeline(batches(objects))
        client.close()
        self.show("region for 4096 VRFs with 10 routes each",
                  int(self.table("route")["size_bytes"]) / 1e6, "MB", "(<= 64)")
        self.stop()


def main():
    # So that what is open gets closed.
    for number_ in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number_, lambda *_: sys.exit(130))
    control = Control()
    try:
        control.run()
    except (LabError, OSError) as failure:
        sys.exit(f"bench: control: {failure}")
    finally:
        control.lab.close()


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The show of deploy/demo.sh, which prepares and removes what this needs.

Every command that a person could type is printed before its output, and it is the printed line that
is run.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
LAB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lab")
sys.path[:0] = [LAB, os.path.join(LAB, "vm")]

from lab import Lab, LabError, Probes, Stream, address, mac, until  # noqa: E402
from machine import Machine, hardware  # noqa: E402
from network import Network, join, two_networks  # noqa: E402

TTY = sys.stdout.isatty()
CHARS_BEFORE, CHARS_AFTER = 20, 50  # of the line of probes


def style(code, text):
    return f"\033[{code}m{text}\033[0m" if TTY else text


def say(text=""):
    print(text, flush=True)


class Show:
    """With four guests in network namespaces, on taps: two in the network red, two in blue."""

    PROBE_MS = 1
    CHAR_MS = 10  # what one character of the line of probes stands for
    LATE_MS = 5  # until a probe that has arrived has been read
    MB_PER_SECOND = 10
    AGENTS = 0

    def __init__(self):
        self.steps = 0
        self.failed = []
        self.figures = {}
        self.lab = Lab(os.environ["VR_LAB"])
        self.router = self.lab.router("r")
        self.make_guests()
        self.environment = dict(
            os.environ,
            VRCTL_SOCKET=self.router.socket,
            PATH=self.router.bin_dir + ":" + os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        )

    # --- what is different with other guests

    def make_guests(self):
        (self.red, self.blue), guests = two_networks(self.lab, (10, 11))
        self.red1, self.red2, self.blue1, self.blue2 = guests

    def configuration(self):
        red, blue = self.red, self.blue
        return red.text(blue) + "\n" + blue.text(red) + "\n" + red.deny_from(blue)

    def guests(self):
        self.step("Four guests in two virtual networks, in network namespaces, each on a tap")
        say("""
     red, 10.1.0.0/24                                     blue, 10.2.0.0/24
     red-1  10.1.0.1 ─┐                                ┌─ blue-1  10.2.0.1
                      ├─ bridged ── routed ── bridged ─┤
     red-2  10.1.0.2 ─┘                                └─ blue-2  10.2.0.2
""")
        self.apply()
        for g in (self.red1, self.red2, self.blue1, self.blue2):
            join(g)

    def apply(self):
        path = os.path.join(self.router.dir, "network.conf")
        with open(path, "w") as f:
            f.write(self.configuration())
        self.type(f"grep -A6 'red-1:' {path}")
        self.type(f"vrctl apply {path}")

    def arrived(self, probes, begin, end):
        """Whether probes did between two times, which have just passed."""
        for record in reversed(probes.records):
            if record[2] < begin:
                break
            if record[2] < end:
                return True
        return False

    # --- how it looks

    def step(self, title):
        self.steps += 1
        say()
        say(style("1", f"{self.steps}. {title}"))

    def note(self, text):
        say("   " + style("2", text))

    def type(self, line, status=0):
        """Prints a command, runs exactly it, prints what it says."""
        say("   " + style("36", "$ " + line))
        done = subprocess.run(
            ["/bin/bash", "-c", line],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=60,
        )  # fmt: skip
        for out in done.stdout.splitlines():
            say("   " + out)
        if done.returncode != status:
            raise LabError(f"this command ended with {done.returncode}, not {status}: {line}")
        return done.stdout

    def type_in(self, guest, line, status=0):
        """In a guest."""
        return self.type(shlex.join(guest.command()) + " " + line, status)

    def held(self, ok, good, bad=None):
        """A line of the verdict."""
        say("   " + (style("32", "ok  ") if ok else style("31", "BAD ")) + " " + (good if ok else bad or good))
        if not ok:
            self.failed.append(bad or good)

    # --- the steps

    def run(self):
        self.start()
        self.guests()
        self.ping()
        self.deny()
        self.stream()
        self.find_worker()
        self.kill()
        self.answer()
        self.verdict()

    def start(self):
        r = self.router
        self.step("Start the processes")
        say("   " + style("36", f"$ export PATH={r.bin_dir}:$PATH VRCTL_SOCKET={r.socket}"))
        say("   " + style("36", f"$ vr-primary --config {r.config} --spawn --spawn-workers 2 "
            f"--spawn-agents {self.AGENTS} 2>>{r.log} &"))  # fmt: skip
        r.start_all(workers=2, agents=self.AGENTS)
        self.type("vrctl status")
        self.type("vrctl process list")

    def ping(self):
        self.step("They reach each other: in red bridged, to blue routed")
        until(lambda: self.red1.ping(self.red2, count=1, wait=1)[1], 30, "red-1 reaches red-2")
        self.type_in(self.red1, f"ping -n -c 2 -i 0.2 {self.red2.address}")
        self.ping_routed()

    def ping_routed(self):
        self.type_in(self.red1, f"ping -n -c 2 -i 0.2 {self.blue1.address}")
        self.note("whom red-1 knows by ARP: red-2 answered for itself, the router for the gateway")
        self.type_in(self.red1, "ip neigh")

    def deny(self):
        self.step("Policy: red may begin what it likes with blue, blue nothing with red")
        self.type("vrctl rule list")
        self.type_in(self.blue2, f"timeout 1 bash -c ': </dev/tcp/{self.red1.address}/22'", status=124)
        self.note("no answer, not even a refusal")
        self.type("vrctl drops where reason=flow-denied")

    def stream(self):
        self.step("Two TCP streams from red-1, every byte checked, at default offloads")
        self.tcp = self.begin_stream(self.red2, 7001)
        self.begin_talk()
        self.type("vrctl flow list where protocol=6")

    def begin_stream(self, receiver, port):
        tcp = Stream(self.red1, receiver, port=port, mb_per_second=self.MB_PER_SECOND)
        if not tcp.moves():
            raise LabError(f"the TCP stream does not move: {tcp.broken() or 'no bytes arrive'}")
        tcp.to = receiver.name
        return tcp

    def begin_talk(self):
        self.talk = self.begin_stream(self.blue2, 7002)
        self.note("what blue-2 answers gets through only because red-1 began: by the flow, not by a rule")

    def find_worker(self):
        self.step("Which worker carries the packets from red-1?")
        slot = self.router.slot_of(self.red1.port)
        before = self.router.slot(slot)
        rx = self.vif_rx(1)
        self.type_in(self.red1, f"ping -q -n -c 50 -i 0.01 {self.red2.address}")
        after = self.router.slot(slot)
        self.slot, self.pid = slot, int(after["pid"])
        packets = int(after["packets"]) - int(before["packets"])
        say(f"   slot {slot}: {before['packets']} packets before, {after['packets']} after; "
            f"vif 1: {rx} before, {self.vif_rx(1)} after")  # fmt: skip
        if packets < 50:
            raise LabError(f"slot {slot} moved {packets} packets, not the 50 pings and more")
        self.type("vrctl slot list")
        self.note(f"slot {slot} does: process {self.pid}")

    def vif_rx(self, number):
        return self.router.counters().get((number, "rx_packets"), 0)

    def pause_talk(self):
        """The stream to blue-2 stands still, so that we choose who speaks first afterwards."""
        self.talk.pause()
        self.note("the stream to blue-2 is paused (SIGSTOP to its sender), that to red-2 goes on")

        def quiet():
            before = self.talk_packets()
            time.sleep(0.2)
            return self.talk_packets() == before

        until(quiet, 10, "the stream to blue-2 is quiet")
        self.packets_before = self.talk_packets()

    def talk_packets(self):
        """(there, back) of the stream to blue-2, by its flow."""
        (flow,) = self.router.ask(f"flow list protocol=6 destination_port={self.talk.port}")
        return tuple(int(flow["state"][way]["packets"]) for way in ("forward", "reverse"))

    def connections(self):
        """Flows of the streams: (index, generation) -> when it was made, ms of Unix time."""
        return {
            (f["index"], f["generation"]): int(f["state"]["created_time_ms"])
            for f in self.router.ask("flow list protocol=6")
            if f["state"]["progress"] == "established"
        }

    def kill(self):
        self.step(f"Kill it, with probes from red-1 to red-2 {self.PROBE_MS} ms apart")
        r = self.router
        self.pause_talk()
        self.state_before = r.state()
        self.routes_before = r.used("route")
        self.connections_before = self.connections()
        if self.pid not in r.pids_of("vr-fwd"):
            raise LabError(f"process {self.pid} is not a worker of ours")
        probes = Probes(self.red1, self.red2, interval_us=self.PROBE_MS * 1000)
        time.sleep(0.5)
        self.bytes_before = self.tcp.bytes
        self.port_before = self.tcp_ports()
        say("   " + style("36", f"$ kill -9 {self.pid}"))
        self.note(f"each character is {self.CHAR_MS} ms: '.' probes arrived, '_' none did, '|' the kill")
        self.live_line(probes)
        until(lambda: self.new_pid() not in (0, self.pid), 10, f"slot {self.slot} has a new process")
        time.sleep(0.5)
        self.tcp_moves = self.tcp.moves()
        self.probes = probes.stop()

    def answer(self):
        self.step("The first packet of the paused stream after the kill comes from blue-2")
        before, between = self.packets_before, self.talk_packets()
        self.held(
            between == before,
            f"nothing yet: {between[0]} packets there and {between[1]} back, as before the kill",
            f"packets came before the answer: {before} before the kill, {between} now",
        )
        self.talk.answer()
        try:
            until(lambda: self.talk_packets()[1] > between[1], 5, "the answer")
        except LabError:
            pass
        there, back = self.talk_packets()
        self.held(
            back > between[1],
            f"blue-2 sends: it gets through, {back - between[1]} more back; red-1's kernel acknowledges, "
            f"{there - between[0]} more there",
            "blue-2 sends, and it does not get through",
        )
        self.talk.resume()
        self.held(
            self.talk.moves() and self.talk.heard > 0,
            f"red-1 goes on: it has taken the {self.talk.heard} bytes of the answer, and sends again",
            f"the stream to blue-2 stopped: {self.talk.broken() or 'no more bytes arrive'}",
        )
        self.type_in(self.blue2, f"timeout 1 bash -c ': </dev/tcp/{self.red1.address}/22'", status=124)
        self.note("blue-2 still cannot begin anything")
        self.type("vrctl flow list where protocol=6 progress=established")

    def streams(self):
        return [self.tcp, self.talk]

    def tcp_ports(self):
        out = self.red2.run("ss", "-tnH", "state", "established").stdout.split()
        return [w for w in out if ":" in w]

    def new_pid(self):
        return int(self.router.slot(self.slot).get("pid", 0))

    def live_line(self, probes):
        start, char = time.time_ns(), self.CHAR_MS * 1000000
        sys.stdout.write("   ")
        for i in range(CHARS_BEFORE + CHARS_AFTER):
            if i == CHARS_BEFORE:
                self.killed_ns = time.time_ns()
                os.kill(self.pid, signal.SIGKILL)
                sys.stdout.write(style("31", "|"))
            end = start + (i + 1) * char
            # A little later than the interval's end, so that what arrived in it has been read.
            time.sleep(max(0, (end + self.LATE_MS * 1000000 - time.time_ns()) / 1e9))
            sys.stdout.write("." if self.arrived(probes, end - char, end) else style("31", "_"))
            sys.stdout.flush()
        say()

    def verdict(self):
        r, p = self.router, self.probes
        self.step("What that did")
        r.wait_well()
        gap, began = p.longest_gap(self.killed_ns)
        state = r.state()
        audit = r.audit()
        routes = r.used("route")
        now = self.connections()
        kept = [k for k, made in self.connections_before.items() if now.get(k) == made]
        pid = self.new_pid()
        self.figures = {
            "pings_sent": p.sent,
            "pings_lost": p.lost,
            "outage_ms": round(gap, 1),
            "flows_before": len(self.connections_before),
            "flows_after": len(kept),
            "routes_before": self.routes_before,
            "routes_after": routes,
            "mbufs_unaccounted": audit["unaccounted"],
        }
        self.held(True, f"{p.sent} probes sent, {p.lost} lost")
        self.held(0 < gap < 1000, f"longest gap at the receiver {gap:.1f} ms", f"the path stood still for {gap:.0f} ms")
        self.held(pid not in (0, self.pid), f"slot {self.slot}: process {self.pid} before, {pid} now")
        for kind in ("vif", "nexthop", "bridge", "route", "rule"):
            n = len(state[kind])
            self.held(
                state[kind] == self.state_before[kind],
                f"{kind}: {n} before, {n} after, none changed",
                f"{kind}: {len(self.state_before[kind])} before, {n} after, or one changed",
            )
        self.held(
            len(kept) == len(self.connections_before) > 0,
            f"flows of streams: {len(kept)} before, {len(kept)} after, same index, generation and creation time",
            f"flows of streams: {self.connections_before} before, {now} after",
        )
        self.held(
            state["used"] == self.state_before["used"],
            "all other tables as before",
            f"tables changed: {self.state_before['used']} before, {state['used']} after",
        )
        self.held(
            audit["unaccounted"] == 0 and audit["twice"] == 0,
            f"packet buffers: {audit['size']}, {audit['unaccounted']} unaccounted for, "
            f"{audit['twice']} owned twice, {audit.get('quarantined', 0)} in quarantine",
        )
        same = set(self.port_before) <= set(self.tcp_ports())
        self.held(
            self.tcp_moves and same and not self.tcp.broken(),
            f"the stream to red-2 goes on, same connection: {(self.tcp.bytes - self.bytes_before) / 1e6:.1f} MB since the kill",
            f"the stream to red-2 stopped: {self.tcp.broken() or 'no more bytes arrive'}",
        )
        for stream in self.streams():
            broken = stream.stop()
            self.held(not broken, f"{stream.bytes / 1e6:.1f} MB to {stream.to}, every byte as sent", broken)
        self.type("vrctl process list")
        self.type("vrctl mempool audit")

    def next(self):
        say()
        say(style("1", "Worth typing next, in another terminal (as root)"))
        say(style("36", f"   export PATH={self.router.bin_dir}:$PATH VRCTL_SOCKET={self.router.socket}"))
        say(style("36", f"   {shlex.join(self.red1.command())} ping -i 0.01 {self.red2.address}"))
        say(style("36", f"   kill -9 {self.new_pid()}; sleep 0.2; vrctl process list"))
        say(style("36", "   vrctl drops"))


class VmShow(Show):
    """With guests in virtual machines, over vhost-user."""

    # They may be emulated, and then everything takes longer.
    PROBE_MS = 5
    CHAR_MS = 40
    LATE_MS = 0
    MB_PER_SECOND = 2
    AGENTS = 1
    seen = 0

    def make_guests(self):
        self.red = Network("red", 1)
        self.red1, self.red2 = (
            Machine(self.lab, name, os.path.join(self.router.dir, f"{name}.sock"), mac(n), address(n))
            for n, name in ((1, "red-1"), (2, "red-2"))
        )
        for n, g, slot in ((1, self.red1, 10), (2, self.red2, 11)):
            g.port = g.name
            self.red.add(n, g, f"vhost.path={g.socket} vhost.slot={slot}")

    def configuration(self):
        return self.red.text()

    def guests(self):
        self.step("Two guests, red-1 and red-2, in virtual machines, each on a vhost-user socket")
        self.apply()
        for g in (self.red1, self.red2):
            g.start()
            self.note(f"QEMU is process {g.qemu.pid}; the guest is {g.address}")
        begin = time.monotonic()
        for g in (self.red1, self.red2):
            g.wait_up()
        self.note(f"both have booted, {'KVM' if hardware() else 'emulated'}, after {time.monotonic() - begin:.1f} s")

    # A stream that is paused, and rules, are shown without virtual machines.

    def ping_routed(self):
        pass

    def deny(self):
        pass

    def begin_talk(self):
        pass

    def pause_talk(self):
        pass

    def answer(self):
        pass

    def streams(self):
        return [self.tcp]

    def arrived(self, probes, begin, end):
        # A guest's clock is not quite ours: what counts is when its word got here.
        seen, self.seen = self.seen, len(probes.records)
        return self.seen > seen


def stay():
    say()
    say("Runs until Ctrl-C.")
    stopped = []
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, lambda *_: stopped.append(1))
    while not stopped:
        time.sleep(0.2)


def main():
    mode = next((a for a in sys.argv[1:] if a != "--vm"), "check")

    def interrupted(*_):
        raise KeyboardInterrupt

    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, interrupted)

    show = None
    status = 1
    try:
        show = VmShow() if "--vm" in sys.argv else Show()
        show.run()
        status = 1 if show.failed else 0
        if mode != "check":
            show.next()
        if mode == "stay":
            stay()
    except KeyboardInterrupt:
        status = 130
    except (LabError, subprocess.TimeoutExpired) as e:
        say()
        say(style("31", f"failed: {e}"))
        if show:
            say("the router's last words:" + show.router.log_tail(30))
    finally:
        if mode == "keep" and status == 0:
            say()
            say(f"Left running in {show.lab.dir}. To end it: sudo deploy/demo.sh --stop")
        elif show:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            show.lab.close()
            if mode == "stay":
                say("Stopped; nothing is left behind.")
        if show and show.figures and mode == "check":
            if show.failed:
                say("did not hold: " + "; ".join(show.failed))
            print(json.dumps(show.figures), flush=True)
    sys.exit(status)


if __name__ == "__main__":
    main()

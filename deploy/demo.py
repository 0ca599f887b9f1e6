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

TTY = sys.stdout.isatty()
CHARS_BEFORE, CHARS_AFTER = 20, 50  # of the line of probes


def style(code, text):
    return f"\033[{code}m{text}\033[0m" if TTY else text


def say(text=""):
    print(text, flush=True)


class Show:
    """With guests in network namespaces, on taps."""

    PROBE_MS = 1
    CHAR_MS = 10  # what one character of the line of probes stands for
    LATE_MS = 5  # until a probe that has arrived has been read
    MB_PER_SECOND = 10

    def __init__(self):
        self.steps = 0
        self.failed = []
        self.figures = {}
        self.lab = Lab(os.environ["VR_LAB"])
        self.router = self.lab.router("r")
        self.red1, self.red2 = self.make_guests()
        self.environment = dict(
            os.environ,
            VRCTL_SOCKET=self.router.socket,
            PATH=self.router.bin_dir + ":" + os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        )

    # --- what is different with other guests

    def make_guests(self):
        return [self.lab.guest(name) for name in ("red-1", "red-2")]

    def guests(self):
        self.step("Two guests, red-1 and red-2, in network namespaces, each on a tap")
        for n, g, slot in ((1, self.red1, 10), (2, self.red2, 11)):
            tap = self.port_of(g.name, n)
            self.add_vif(n, g, f"tap.name={tap} tap.slot={slot}")
            g.take(tap, mac(n), address(n))
            self.note(f"the other end of {tap} is {address(n)} in namespace {g.netns}")

    def port_of(self, name, n):
        return self.lab.tap_name(name, n)

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

    def type(self, line, quiet=False):
        """Prints a command, runs exactly it, prints what it says."""
        say("   " + style("36", "$ " + line))
        done = subprocess.run(
            ["/bin/bash", "-c", line],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=60,
        )  # fmt: skip
        if not quiet or done.returncode != 0:
            for out in done.stdout.splitlines():
                say("   " + out)
        if done.returncode != 0:
            raise LabError(f"this command ended with {done.returncode}: {line}")
        return done.stdout

    def type_in(self, guest, line):
        """In a guest."""
        return self.type(shlex.join(guest.command()) + " " + line)

    def held(self, ok, good, bad=None):
        """A line of the verdict."""
        say("   " + (style("32", "ok  ") if ok else style("31", "BAD ")) + " " + (good if ok else bad or good))
        if not ok:
            self.failed.append(bad or good)

    # --- the steps

    def run(self):
        self.start()
        self.guests()
        self.bridge()
        self.ping()
        self.stream()
        self.find_worker()
        self.kill()
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

    def add_vif(self, n, guest, transport):
        self.type(f"vrctl vif add id={n} name={guest.name} type=virtual vrf=1 nexthop={n} {transport}", quiet=True)

    def bridge(self):
        self.step("How to reach them: nexthops, and bridge entries that name them")
        self.type("vrctl nexthop add id=1 type=encap vrf=1 vif=1", quiet=True)
        self.type("vrctl nexthop add id=2 type=encap vrf=1 vif=2", quiet=True)
        self.type("vrctl nexthop add id=100 type=flood vrf=1 members=1,2", quiet=True)
        self.type(f"vrctl bridge add vrf=1 mac={mac(1)} nexthop=1", quiet=True)
        self.type(f"vrctl bridge add vrf=1 mac={mac(2)} nexthop=2", quiet=True)
        self.type("vrctl bridge add vrf=1 mac=ff:ff:ff:ff:ff:ff nexthop=100", quiet=True)
        self.type("vrctl bridge list")

    def ping(self):
        self.step("They reach each other")
        until(lambda: self.red1.ping(self.red2, count=1, wait=1)[1], 30, "red-1 reaches red-2")
        self.type_in(self.red1, f"ping -n -c 3 -i 0.2 {self.red2.address}")

    def stream(self):
        self.step("A TCP stream from red-1 to red-2, every byte checked, at default offloads")
        self.tcp = Stream(self.red1, self.red2, mb_per_second=self.MB_PER_SECOND)
        if not self.tcp.moves():
            raise LabError(f"the TCP stream does not move: {self.tcp.broken() or 'no bytes arrive'}")
        self.note(f"{self.tcp.bytes / 1e6:.1f} MB so far")
        self.type("vrctl vif list")

    def find_worker(self):
        self.step("Which worker carries the packets from red-1?")
        slot = self.router.slot_of(self.port_of("red-1", 1))
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

    def kill(self):
        self.step(f"Kill it, with probes from red-1 to red-2 {self.PROBE_MS} ms apart")
        r = self.router
        self.state_before = r.state()
        self.flows_before, self.routes_before = r.used("flow"), r.used("route")
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
        flows, routes = r.used("flow"), r.used("route")
        pid = self.new_pid()
        self.figures = {
            "pings_sent": p.sent,
            "pings_lost": p.lost,
            "outage_ms": round(gap, 1),
            "flows_before": self.flows_before,
            "flows_after": flows,
            "routes_before": self.routes_before,
            "routes_after": routes,
            "mbufs_unaccounted": audit["unaccounted"],
        }
        self.held(True, f"{p.sent} probes sent, {p.lost} lost")
        self.held(0 < gap < 1000, f"longest gap at the receiver {gap:.1f} ms", f"the path stood still for {gap:.0f} ms")
        self.held(pid not in (0, self.pid), f"slot {self.slot}: process {self.pid} before, {pid} now")
        for kind in ("vif", "nexthop", "bridge"):
            n = len(state[kind])
            self.held(
                state[kind] == self.state_before[kind],
                f"{kind}: {n} before, {n} after, none changed",
                f"{kind}: {len(self.state_before[kind])} before, {n} after, or one changed",
            )
        self.held(
            state["used"] == self.state_before["used"],
            f"all tables as before; flows {flows}, routes {routes}",
            f"tables changed: {self.state_before['used']} before, {state['used']} after",
        )
        self.held(
            audit["unaccounted"] == 0 and audit["twice"] == 0,
            f"packet buffers: {audit['size']}, {audit['unaccounted']} unaccounted for, "
            f"{audit['twice']} owned twice, {audit.get('quarantined', 0)} in quarantine",
        )
        same = self.tcp_ports() == self.port_before
        self.held(
            self.tcp_moves and same and not self.tcp.broken(),
            f"the TCP stream goes on, same connection: {(self.tcp.bytes - self.bytes_before) / 1e6:.1f} MB since the kill",
            f"the TCP stream stopped: {self.tcp.broken() or 'no more bytes arrive'}",
        )
        broken = self.tcp.stop()
        self.held(not broken, f"{self.tcp.bytes / 1e6:.1f} MB in all, every byte as sent", broken)
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
    seen = 0

    def make_guests(self):
        return [
            Machine(self.lab, name, os.path.join(self.router.dir, f"{name}.sock"), mac(n), address(n))
            for n, name in ((1, "red-1"), (2, "red-2"))
        ]

    def guests(self):
        r = self.router
        self.step("Two guests, red-1 and red-2, in virtual machines, each on a vhost-user socket")
        say("   " + style("36", f"$ vr-vhost --config {r.config} --agent 0 2>>{r.log} &"))
        self.lab.popen([r.program("vr-vhost"), "--config", r.config, "--agent", "0"], log=r.log).is_router = True
        for n, g, slot in ((1, self.red1, 10), (2, self.red2, 11)):
            self.add_vif(n, g, f"vhost.path={g.socket} vhost.slot={slot}")
            g.start()
            self.note(f"QEMU is process {g.qemu.pid}; the guest is {g.address}")
        begin = time.monotonic()
        for g in (self.red1, self.red2):
            g.wait_up()
        self.note(f"both have booted, {'KVM' if hardware() else 'emulated'}, after {time.monotonic() - begin:.1f} s")

    def port_of(self, name, n):
        return name

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

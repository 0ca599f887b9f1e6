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
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lab"))

from lab import Lab, LabError, Probes, Stream, address, mac, until  # noqa: E402

TTY = sys.stdout.isatty()
CHAR_MS = 10  # what one character of the line of probes stands for
BEFORE_MS, AFTER_MS = 200, 500


def style(code, text):
    return f"\033[{code}m{text}\033[0m" if TTY else text


def say(text=""):
    print(text, flush=True)


class Show:
    def __init__(self, mode):
        self.mode = mode
        self.steps = 0
        self.failed = []
        self.figures = {}
        self.lab = Lab(os.environ["VR_LAB"])
        self.router = self.lab.router("r")
        self.red1 = self.lab.guest("red-1")
        self.red2 = self.lab.guest("red-2")
        self.environment = dict(
            os.environ,
            VRCTL_SOCKET=self.router.socket,
            PATH=self.router.bin_dir + ":" + os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        )

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
        say("   " + style("36", f"$ vr-primary --config {r.config} --spawn --spawn-workers 2 2>>{r.log} &"))
        r.start_all(workers=2)
        self.type("vrctl status")
        self.type("vrctl process list")

    def guests(self):
        self.step("Two guests, red-1 and red-2, in network namespaces, each on a tap")
        for n, g, slot in ((1, self.red1, 10), (2, self.red2, 11)):
            tap = self.lab.tap_name(g.name, n)
            self.type(
                f"vrctl vif add id={n} name={g.name} type=virtual vrf=1 nexthop={n} tap.name={tap} tap.slot={slot}",
                quiet=True,
            )
            g.take(tap, mac(n), address(n))
            self.note(f"the other end of {tap} is {address(n)} in namespace {g.netns}")

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
        self.type(f"ip netns exec {self.red1.netns} ping -n -c 3 -i 0.2 {self.red2.address}")

    def stream(self):
        self.step("A TCP stream from red-1 to red-2, every byte checked, at default offloads")
        self.tcp = Stream(self.red1, self.red2, mb_per_second=10)
        if not self.tcp.moves():
            raise LabError(f"the TCP stream does not move: {self.tcp.broken() or 'no bytes arrive'}")
        self.note(f"{self.tcp.bytes / 1e6:.1f} MB so far")
        self.type("vrctl vif list")

    def find_worker(self):
        self.step("Which worker carries the packets from red-1?")
        slot = self.router.slot_of(self.lab.tap_name("red-1", 1))
        before = self.router.slot(slot)
        rx = self.vif_rx(1)
        self.type(f"ip netns exec {self.red1.netns} ping -q -n -c 50 -i 0.01 {self.red2.address}")
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
        self.step("Kill it, with probes from red-1 to red-2 1 ms apart")
        r = self.router
        self.state_before = r.state()
        self.flows_before, self.routes_before = r.used("flow"), r.used("route")
        if self.pid not in r.pids_of("vr-fwd"):
            raise LabError(f"process {self.pid} is not a worker of ours")
        probes = Probes(self.red1, self.red2)
        time.sleep(0.5)
        self.bytes_before = self.tcp.bytes
        self.port_before = self.tcp_ports()
        say("   " + style("36", f"$ kill -9 {self.pid}"))
        self.note(f"each character is {CHAR_MS} ms: '.' probes arrived, '_' none did, '|' the kill")
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
        start = time.time_ns()
        sys.stdout.write("   ")
        for i in range((BEFORE_MS + AFTER_MS) // CHAR_MS):
            if i == BEFORE_MS // CHAR_MS:
                self.killed_ns = time.time_ns()
                os.kill(self.pid, signal.SIGKILL)
                sys.stdout.write(style("31", "|"))
            end = start + (i + 1) * CHAR_MS * 1000000
            # A little later than the interval's end, so that what arrived in it has been read.
            time.sleep(max(0, (end + 5000000 - time.time_ns()) / 1e9))
            count = 0
            for record in reversed(probes.records):
                if record[2] < end - CHAR_MS * 1000000:
                    break
                count += record[2] < end
            sys.stdout.write("." if count else style("31", "_"))
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
        say(style("36", f"   ip netns exec {self.red1.netns} ping -i 0.01 {self.red2.address}"))
        say(style("36", f"   kill -9 {self.new_pid()}; sleep 0.2; vrctl process list"))
        say(style("36", "   vrctl drops"))


def stay():
    say()
    say("Runs until Ctrl-C.")
    stopped = []
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, lambda *_: stopped.append(1))
    while not stopped:
        time.sleep(0.2)


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else "check"

    def interrupted(*_):
        raise KeyboardInterrupt

    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, interrupted)

    show = None
    status = 1
    try:
        show = Show(mode)
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

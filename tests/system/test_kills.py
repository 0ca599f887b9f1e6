# SPDX-License-Identifier: BSD-3-Clause
"""
Workers are killed over and over, under traffic on tap, null and ring ports: every mbuf is accounted
for after each death, none has two owners, and the primary still makes ports and starts processes.

KILLS=N sets how often (the suite's own number is small); KILLS_BIN=DIR names programs built with
FLAVOUR=fault, which then die at injected points instead of at random.
"""

import collections
import json
import os
import random
import signal
import statistics
import subprocess
import threading
import time

from lab import REPO, until
from runner import test

KILLS = int(os.environ.get("KILLS", "30"))
NULL, RING = 5, 6


SENDER = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end = time.monotonic() + 3600
while time.monotonic() < end:
    for _ in range(20):
        try:
            s.sendto(b"x" * 100, ("10.1.0.66", 9))
        except OSError:
            pass
    time.sleep(0.001)
"""


def add_floods(t, r, guest):
    """
    net_null gives frames without end, of which none finds its way; what the guest sends to
    10.1.0.66 goes through a ring port (out, and in again) and ends in null.
    """
    r.vrctl(f"vif add id={NULL} name=n0 type=virtual vrf=5 device.name=n0 "
            "device.devargs=net_null0,size=64,copy=1")
    r.vrctl(f"vif add id={RING} name=r0 type=virtual vrf=6 device.name=r0 device.devargs=net_ring0")
    for vif in (NULL, RING):
        r.vrctl(f"nexthop add id={vif} type=encap vrf=1 vif={vif}")
    r.vrctl(f"bridge add vrf=1 mac=02:00:00:00:00:66 nexthop={RING}")
    r.vrctl(f"bridge add vrf=6 mac=02:00:00:00:00:66 nexthop={NULL}")
    guest.ip("-n", guest.netns, "neigh", "add", "10.1.0.66", "lladdr", "02:00:00:00:00:66", "dev", guest.tap)
    t.after(guest.popen("/usr/bin/python3", "-c", SENDER).kill)


class Churn:
    """Adds and removes a tap and a null device until told to stop; counts what was refused."""

    def __init__(self, t, r):
        self.r, self.tap = r, t.lab.tap_name("churn", 8)
        self.done, self.refused = 0, []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def say(self, *args):
        done = self.r.vrctl_run(*args)
        if done.returncode != 0:
            self.refused.append((args[1:3], (done.stdout + done.stderr).strip()))
        self.done += done.returncode == 0

    def run(self):
        while not self.over.is_set():
            self.say("vif", "add", "id=8", "name=churn", "type=virtual", "vrf=8", f"tap.name={self.tap}")
            self.say("vif", "add", "id=9", "name=n1", "type=physical", "vrf=8",
                     "device.name=n1", "device.devargs=net_null1")
            self.say("vif", "del", "id=9")
            self.say("vif", "del", "id=8")

    def stop(self):
        self.over.set()
        self.thread.join()


def deaths(r):
    return sum(int(s.get("restarts", 0)) for s in r.ask("slot list"))


def check_memory(r, so_far):
    """An audit that was not disturbed: workers may go on dying by themselves."""
    for _ in range(20):
        done = r.vrctl_run("--json", "mempool", "audit")
        audit = json.loads(done.stdout)
        audit = audit[0] if isinstance(audit, list) else audit
        if not audit["unpaused"]:
            break
        time.sleep(0.02)
    assert not audit["unpaused"], f"after {so_far} deaths no audit comes to its end: {audit}"
    assert audit["unaccounted"] == 0 and audit["twice"] == 0, f"after {so_far} deaths: {audit}"
    return audit


def workers(r):
    return {s["id"]: s.get("pid", 0) for s in r.ask("slot list")}


def kill_at_random(r, times, check_every=1):
    """Returns how long each successor took to be animating again, in ms as the primary measured."""
    took = []
    for k in range(times):
        time.sleep(random.uniform(0.0, 0.03))
        number, pid = random.choice([w for w in workers(r).items() if w[1]])
        r.kill(pid)
        until(lambda: workers(r).get(number) not in (0, None, pid), 10,
              f"slot {number} has a process again after {k + 1} kills")
        if k % check_every == 0:
            check_memory(r, k + 1)
        for p in r.ask("process list"):
            us = int(p.get("death_recovered_us", p.get("death", {}).get("recovered_us", 0)) or 0)
            if us and p.get("role") == "fwd" and p.get("pid") == workers(r).get(number):
                took.append(us / 1000)
    return took


def figures(r, took):
    audit = check_memory(r, "all")
    text = f"quarantined {audit['quarantined']}, unaccounted {audit['unaccounted']}, twice {audit['twice']}"
    if took:
        text += (f"; back after {statistics.median(took):.1f} ms in the median, "
                 f"{max(took):.1f} at most")
    return text


@test(seconds=60 + KILLS * 3)
def killed_workers_lose_no_mbuf_on_taps_null_and_ring_ports(t):
    r, a, b = t.pair()
    add_floods(t, r, a)
    state = r.state()
    took = kill_at_random(r, KILLS)
    assert r.state() == state
    sent, received, said = a.ping(b, count=20, interval=0.01)
    assert received >= 19, said
    t.note(f"{KILLS} kills; {figures(r, took)}")


@test(seconds=60 + KILLS * 3)
def workers_die_while_ports_come_and_go(t):
    r, a, b = t.pair()
    add_floods(t, r, a)
    churn = Churn(t, r)
    t.after(churn.stop)
    runtime = eal_runtime_files(r)
    for k in range(KILLS):
        kill_at_random(r, 1, check_every=10)
        # After each: the primary adds a port, and has started a process.
        tap = t.lab.tap_name("after", 7)
        r.vrctl(f"vif add id=7 name=after type=virtual vrf=7 tap.name={tap}")
        r.vrctl("vif del id=7")
    churn.stop()
    assert not churn.refused, churn.refused[:5]
    assert churn.done > KILLS, f"only {churn.done} changes of ports"
    check_memory(r, KILLS)
    left = eal_runtime_files(r)
    assert len(left) <= len(runtime), f"left behind: {sorted(left - runtime)}"
    t.note(f"{KILLS} kills during {churn.done} changes of ports; {figures(r, [])}")


def eal_runtime_files(r):
    base = "/var/run/dpdk"
    return {
        os.path.join(d, name)
        for d in os.listdir(base) if d.startswith(r.instance)
        for name in os.listdir(os.path.join(base, d))
    } if os.path.isdir(base) else set()


@test(seconds=120 + KILLS * 3)
def workers_die_at_every_injected_point(t):
    bin_dir = os.environ.get("KILLS_BIN")
    if not bin_dir:
        t.skip("needs programs with injected deaths: make FLAVOUR=fault, KILLS_BIN=build/fault/bin")
    points = os.path.join(t.lab.dir, "points")
    os.environ.update(VR_FAULT="*:300", VR_FAULT_PROGRAM="vr-fwd", VR_FAULT_LOG=points)
    try:
        r, a, b = t.pair(bin_dir=bin_dir, conf={"backoff-ms": 20})
        add_floods(t, r, a)
    finally:
        for name in ("VR_FAULT", "VR_FAULT_PROGRAM", "VR_FAULT_LOG"):
            del os.environ[name]
    state = r.state()
    pinging = a.popen("ping", "-q", "-i", "0.01", "10.1.0.2", stdout=subprocess.DEVNULL)
    t.after(pinging.kill)
    last = deaths(r)
    first = last
    until_time = time.monotonic() + 60 + KILLS
    while last - first < KILLS and time.monotonic() < until_time:
        time.sleep(0.05)
        now = deaths(r)
        if now != last:
            check_memory(r, now - first)
        last = now
    assert r.state() == state
    with open(points) as f:
        hit = collections.Counter(line.strip() for line in f)
    assert last - first >= KILLS, f"only {last - first} deaths"
    t.note(f"{last - first} deaths at {len(hit)} points: "
           + ", ".join(f"{n} {c}" for n, c in sorted(hit.items())) + f"; {figures(r, [])}")


@test
def workers_come_back_though_control_stands_still(t):
    # EAL tells every process about devices when one attaches; one that does not read holds up none.
    r = t.router(conf={"port": "r0=net_ring0"}).start_all()
    ctl = r.pids_of("vr-ctl")[0]
    t.after(os.kill, ctl, signal.SIGCONT)
    r.kill(ctl, signal.SIGSTOP)
    for n in range(20):
        before = r.pids_of("vr-fwd")
        r.kill(before[0])
        until(lambda: len(r.pids_of("vr-fwd")) == 2 and before[0] not in r.pids_of("vr-fwd"), 5,
              f"two workers after {n + 1} deaths")
    r.kill(ctl, signal.SIGCONT)
    until(lambda: all(s.get("pid") for s in r.ask("slot list")), 10, "control answers again")

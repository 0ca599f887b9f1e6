# SPDX-License-Identifier: BSD-3-Clause
"""What happens is told as it happens."""

import json
import os
import queue
import subprocess
import sys
import threading

from lab import until
from runner import REPO, test


class Watching:
    """`vrctl --json events` of some kinds, and what it has said so far."""

    def __init__(self, t, r, *kinds):
        self.r = r
        self.events, self.lines = [], queue.Queue()
        self.process = subprocess.Popen(
            [r.program("vrctl"), "--socket", r.socket, "--json", "events", *kinds],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        t.after(self.close)
        self.said = []
        for stream, sink in ((self.process.stdout, self.lines.put), (self.process.stderr, self.said.append)):
            threading.Thread(target=self.collect, args=(stream, sink), daemon=True).start()

    @staticmethod
    def collect(stream, sink):
        for line in stream:
            sink(line)

    def close(self):
        self.process.kill()
        self.process.wait()

    def begin(self, vif=250):
        """It watches once it has seen something happen."""

        def seen():
            self.r.vrctl(f"vif add id={vif} type=virtual")
            self.r.vrctl(f"vif del id={vif}")
            return self.find("removed", "vif")

        until(seen, 20, "vrctl events watches")
        return self

    def find(self, what, kind, **fields):
        while not self.lines.empty():
            self.events.append(json.loads(self.lines.get()))
        for e in self.events:
            if e["event"]["what"] == what and kind in e:
                if all(e[kind].get(k) == v for k, v in fields.items()):
                    return e
        return None

    def wait(self, what, kind, seconds=20, **fields):
        until(lambda: self.find(what, kind, **fields), seconds, f"{kind} {fields} {what}")
        return self.find(what, kind, **fields)


@test
def a_killed_worker_is_told_from_its_death_to_its_recovery(t):
    r = t.router().start_all()
    watching = Watching(t, r).begin()
    victim = next(p["pid"] for p in r.ask("process list") if p["role"] == "fwd" and 10 in p["slots"])
    r.kill(victim)
    died = watching.wait("died", "process", pid=victim)
    assert died["process"]["death"]["why"] == "killed by signal 9 (Killed)", died
    assert died["event"]["text"].endswith("died: killed by signal 9 (Killed)"), died
    watching.wait("orphaned", "slot", id=10)
    watching.wait("repaired", "slot", id=10)
    watching.wait("animated", "slot", id=10)
    back = watching.wait("recovered", "process")
    assert back["process"]["pid"] != victim and back["process"]["restarts"] == 1, back
    order = [e["event"]["sequence"] for e in watching.events]
    assert order == list(range(1, len(order) + 1)), order


@test
def ports_vifs_and_full_tables_are_told(t):
    r = t.router(conf={"nexthops": 64, "bridge-entries": 64}).start_all()
    watching = Watching(t, r).begin()
    tap = t.lab.tap_name("e", 1)
    r.vrctl(f"vif add id=7 type=virtual vrf=1 tap.name={tap}")
    watching.wait("added", "port", name=tap)
    watching.wait("added", "vif", id=7)
    r.vrctl("vif add id=7 type=virtual vrf=2 tap.name=" + tap)
    changed = watching.wait("changed", "vif", id=7)
    assert changed["vif"]["vrf"] == 2, changed
    r.vrctl("vif del id=7")
    watching.wait("removed", "vif", id=7)
    watching.wait("removed", "port", name=tap)
    # The table rounds its size up.
    for n in range(1024):
        done = r.vrctl_run("bridge", "add", "vrf=1", f"mac=02:00:00:00:{n >> 8:02x}:{n & 255:02x}", "nexthop=1")
        if done.returncode != 0:
            break
    assert done.returncode == 1 and "bridge-entries" in done.stderr, done
    full = watching.wait("full", "table", name="bridge")
    assert full["table"]["used"] == n, (full, n)
    r.vrctl("reset set tables=yes")
    watching.wait("room", "table", name="bridge")


@test
def who_watches_connects_again_when_control_was_killed(t):
    r = t.router().start_all()
    watching = Watching(t, r, "vif", "process").begin()
    (control,) = r.pids_of("vr-ctl")
    r.kill(control)
    until(lambda: any("connected again" in line for line in watching.said), 20, "connected again")
    assert "connecting again" in watching.said[0], watching.said
    watching.events.clear()
    watching.begin(vif=251)


@test
def scripts_end_after_as_many_events_as_they_want(t):
    r = t.router().start_all()
    said = []
    done = threading.Thread(target=lambda: said.append(r.vrctl_run("events", "vif", "--count", "2", seconds=30)))
    done.start()

    def ended():
        r.vrctl("vif add id=9 type=virtual")
        r.vrctl("vif del id=9")
        return not done.is_alive()

    until(ended, 25, "two events")
    assert said[0].returncode == 0, said
    lines = said[0].stdout.splitlines()
    assert len(lines) == 2 and all("vif 9 was" in line for line in lines), lines
    refused = r.vrctl("events nexthop", expect=2)
    assert "process, slot, port, table, vif" in refused, refused


@test
def the_example_in_python_watches_too(t):
    r = t.router().start_all()
    example = os.path.join(REPO, "docs/examples/vrouter.py")
    done = subprocess.Popen(
        [sys.executable, example, "--socket", r.socket, "--events", "2"], stdout=subprocess.PIPE, text=True
    )
    t.after(done.kill)

    def ended():
        r.vrctl("vif add id=9 type=virtual")
        r.vrctl("vif del id=9")
        return done.poll() is not None

    until(ended, 25, "two events")
    lines = done.stdout.read().splitlines()
    assert done.returncode == 0 and len(lines) == 2, lines
    assert all("vif 9 was" in line for line in lines), lines

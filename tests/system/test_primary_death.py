# SPDX-License-Identifier: BSD-3-Clause
"""The primary dies: forwarding goes on; the next one takes over what there is."""

import time

from lab import Probes, until
from runner import test


def alone(t, **options):
    """A router whose processes were all started by us, and two guests."""
    r = t.router(**options)
    r.primary = r.start("vr-primary")
    r.workers = [r.start("vr-fwd", "--slots", s.partition("@")[0]) for s in r.slots]
    r.ctl = r.start("vr-ctl")
    r.wait_well()
    a, b = t.lab.guest("a"), t.lab.guest("b")
    r.connect([a, b])
    return r, a, b


@test
def a_ping_goes_on_when_the_primary_is_killed(t):
    r, a, b = alone(t)
    a.ping(b, count=2)
    probes = Probes(a, b)
    time.sleep(0.2)
    r.kill(r.primary.pid)
    r.primary.wait()
    time.sleep(1.0)
    assert not r.pids_of("vr-primary")
    sent, received, said = a.ping(b, count=50, interval=0.01)
    probes.stop()
    assert received == sent == 50, said
    t.note(f"{probes.lost} of {probes.sent} probes lost")
    assert probes.lost == 0, f"{probes.lost} of {probes.sent} probes lost"


@test
def what_the_primary_started_outlives_it(t):
    r, a, b = t.pair()
    a.ping(b, count=2)
    others = [p for p, name in r.pids() if name != "vr-primary"]
    assert len(others) >= 3, r.pids()
    r.kill(r.primary.pid)
    r.primary.wait()
    time.sleep(0.5)
    assert sorted(p for p, _ in r.pids()) == sorted(others), (others, r.pids())
    sent, received, said = a.ping(b, count=20, interval=0.01)
    assert received == sent, said


@test(seconds=120)
def a_new_primary_takes_over_tables_and_processes(t):
    r, a, b = alone(t)
    a.ping(b, count=5)
    state, counters = r.state(), r.counters()
    created = r.status()["created_time_ms"]
    probes = Probes(a, b)
    time.sleep(0.2)
    killed = time.time_ns()
    r.kill(r.primary.pid)
    r.primary.wait()
    r.primary = r.start("vr-primary")
    r.wait_well(30)
    until(lambda: a.ping(b, count=1, wait=1)[1] == 1, 20, "a ping arrives")
    time.sleep(0.3)
    probes.stop()
    gap, _ = probes.longest_gap(killed)
    t.note(f"longest gap {gap:.0f} ms, {probes.lost} of {probes.sent} probes lost")
    now = r.counters()
    assert r.status()["created_time_ms"] == created, "the region was made anew"
    assert r.state() == state, f"{state}\n{r.state()}"
    for key, value in counters.items():
        assert now[key] >= value, f"counter {key} went back from {value} to {now[key]}"
    sent, received, said = a.ping(b, count=20, interval=0.01)
    assert received == sent, said
    audit = r.audit()
    assert audit["unaccounted"] == 0 and audit["twice"] == 0, audit


@test(seconds=120)
def a_new_primary_can_replace_a_worker_and_add_a_port(t):
    r, a, b = alone(t)
    r.kill(r.primary.pid)
    r.primary.wait()
    r.primary = r.start("vr-primary")
    r.wait_well(30)
    c = t.lab.guest("c")
    tap = t.lab.tap_name("c", 3)
    r.vrctl(f"vif add id=3 name=c type=virtual vrf=1 nexthop=3 tap.name={tap}")
    r.vrctl("nexthop add id=3 type=encap vrf=1 vif=3")
    r.vrctl("bridge add vrf=1 mac=02:00:00:00:00:03 nexthop=3")
    r.vrctl("nexthop add id=100 type=flood vrf=1 members=1,2,3")
    c.take(tap, "02:00:00:00:00:03", "10.1.0.3")
    sent, received, said = c.ping(a, count=5)
    assert received >= 4, said
    pid = int(r.slot(10)["pid"])
    r.kill(pid)
    r.start("vr-fwd", "--slots", "10")
    until(lambda: r.slot(10).get("pid") not in (None, 0, pid), 10, "slot 10 has a process again")
    sent, received, said = a.ping(b, count=10, interval=0.05)
    assert received >= 9, said


@test(seconds=120)
def everything_is_killed_and_the_tables_are_still_there(t):
    r, a, b = alone(t)
    a.ping(b, count=5)
    state, counters = r.state(), r.counters()
    for pid, _ in r.pids():
        r.kill(pid)
    until(lambda: not r.pids() or r.reap(), 5, "all are dead")
    a.close(), b.close()
    r.primary = r.start("vr-primary")
    for s in r.slots:
        r.start("vr-fwd", "--slots", s.partition("@")[0])
    r.start("vr-ctl")
    r.wait_well(30)
    now = r.state()
    assert now["vif"] == state["vif"] and now["nexthop"] == state["nexthop"] and now["bridge"] == state["bridge"], (
        state,
        now,
    )
    after = r.counters()
    for key, value in counters.items():
        assert after[key] >= value, f"counter {key} went back from {value} to {after[key]}"

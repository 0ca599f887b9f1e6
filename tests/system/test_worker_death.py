# SPDX-License-Identifier: BSD-3-Clause
"""A worker dies or hangs under traffic: traffic goes on, nothing is forgotten, nothing leaks."""

import os
import signal
import statistics
import threading
import time

from lab import Probes, Stream, until
from runner import test


def death_of(r, pid, number):
    """Kills the worker of a slot; waits for its successor; returns the new pid."""
    r.kill(pid)
    return until(
        lambda: (lambda s: s.get("pid") not in (None, 0, pid) and s["pid"])(r.slot(number)),
        10,
        f"slot {number} has a process again",
    )


@test
def a_killed_worker_is_replaced_and_a_ping_goes_on(t):
    r, a, b = t.pair()
    a.ping(b, count=2)
    result = []
    pinging = threading.Thread(target=lambda: result.append(a.ping(b, count=200, interval=0.01)))
    pinging.start()
    time.sleep(0.5)
    before = int(r.slot(10)["pid"])
    death_of(r, before, 10)
    pinging.join()
    sent, received, said = result[0]
    t.note(f"{sent - received} of {sent} pings lost")
    assert sent == 200 and received >= 100, said
    sent, received, said = a.ping(b, count=20, interval=0.01)
    assert sent == received, said


@test(seconds=120)
def ten_deaths_in_a_row_change_no_table_and_lose_no_buffer(t):
    r, a, b = t.pair()
    state, counters = r.state(), r.counters()
    stream = Stream(a, b, mb_per_second=20)
    gaps = []
    for _ in range(10):
        probes = Probes(a, b)
        time.sleep(0.2)
        killed = time.time_ns()
        death_of(r, int(r.slot(10)["pid"]), 10)
        time.sleep(0.3)
        gap, _ = probes.stop().longest_gap(killed)
        gaps.append(gap)
        now = r.counters()
        for key, value in counters.items():
            assert now[key] >= value, f"counter {key} went back from {value} to {now[key]}"
        counters = now
    assert stream.moves(20), stream.broken() or "the stream stands still"
    broken = stream.stop()
    assert not broken, broken
    assert r.state() == state, f"{state}\n{r.state()}"
    audit = r.audit()
    assert audit["unaccounted"] == 0 and audit["twice"] == 0, audit
    assert audit.get("foreign", 0) == 0 and audit.get("unpaused", 0) == 0, audit
    slot = r.slot(10)
    assert slot["restarts"] == 10, slot
    t.note(f"longest gap {statistics.median(gaps):.1f} ms in the median, {max(gaps):.1f} at most")


@test
def the_slot_of_the_other_worker_is_not_disturbed(t):
    r = t.router().start_all(workers=2)
    # Both guests on slot 11, whose worker stays alive.
    a, b = t.lab.guest("a"), t.lab.guest("b")
    r.connect([a, b])
    for n, g in ((1, a), (2, b)):
        r.vrctl(f"vif del id={n}")
    t.lab.guests.clear()
    a.close(), b.close()
    a, b = t.lab.guest("c"), t.lab.guest("d")
    slots = r.slots
    r.slots = ("11@1",)
    r.connect([a, b])
    r.slots = slots
    a.ping(b, count=2)
    probes = Probes(a, b)
    time.sleep(0.3)
    killed = time.time_ns()
    death_of(r, int(r.slot(10)["pid"]), 10)
    time.sleep(0.5)
    gap, _ = probes.stop().longest_gap(killed)
    t.note(f"{probes.lost} of {probes.sent} lost, longest gap {gap:.1f} ms")
    assert probes.lost == 0, f"{probes.lost} of {probes.sent} probes lost"


@test
def a_hung_worker_is_killed_and_replaced(t):
    r, a, b = t.pair(conf={"hung-ms": 100})
    a.ping(b, count=2)
    pid = int(r.slot(10)["pid"])
    begin = time.monotonic()
    r.kill(pid, signal.SIGSTOP)
    until(lambda: r.slot(10).get("pid") not in (None, 0, pid), 10, "the stopped worker is replaced")
    t.note(f"replaced after {(time.monotonic() - begin) * 1000:.0f} ms, of which hung-ms 100")
    assert not os.path.exists(f"/proc/{pid}/exe") or pid not in r.pids_of("vr-fwd"), "the stopped process still lives"
    sent, received, said = a.ping(b, count=20, interval=0.01)
    assert received >= 19, said
    audit = r.audit()
    assert audit["unaccounted"] == audit["twice"] == 0, audit
    deaths = [p.get("death", {}) for p in r.ask("process list") if p.get("role") == "fwd"]
    assert any("hung" in str(d) for d in deaths), f"the process list does not say that it hung: {deaths}"


@test
def a_worker_that_keeps_dying_is_started_again_with_back_off(t):
    r, a, b = t.pair()
    for _ in range(5):
        death_of(r, int(r.slot(10)["pid"]), 10)
    time.sleep(0.2)
    sent, received, said = a.ping(b, count=10, interval=0.05)
    assert received >= 9, said


@test
def control_dies_and_forwarding_goes_on(t):
    r, a, b = t.pair()
    state = r.state()
    probes = Probes(a, b)
    (pid,) = r.pids_of("vr-ctl")
    killed = time.time_ns()
    r.kill(pid)
    until(lambda: r.pids_of("vr-ctl") not in ([], [pid]), 10, "vr-ctl is back")
    r.wait_well()
    gap, _ = probes.stop().longest_gap(killed)
    t.note(f"{probes.lost} of {probes.sent} probes lost, longest gap {gap:.1f} ms")
    assert probes.lost == 0, f"{probes.lost} probes lost"
    assert r.state() == state
    r.vrctl("nexthop add id=200 type=discard vrf=1")
    r.vrctl("nexthop del id=200")

# SPDX-License-Identifier: BSD-3-Clause
"""What a person finds out about packets that were dropped."""

import signal

from lab import until
from runner import test


@test
def dropped_packets_are_shown_with_what_they_were(t):
    r, a, b = t.pair()
    a.ping(b)
    r.vrctl("nexthop add id=1 type=discard vrf=1")
    r.vrctl("nexthop add id=2 type=discard vrf=1")
    a.run("ping", "-c", "3", "-i", "0.01", "-W", "1", b.address)
    until(lambda: r.ask("drops --last reason=discard"), 10, "a discarded packet is listed")
    last = r.ask("drops --last reason=discard")
    for p in last:
        assert p["reason"] == "discard" and p["by"] == f"slot {p['slot']}", p
        assert p["stage"] in ("nexthop", "flood") and p["length_bytes"] >= 42, p
        assert len(p["frame"].split(":")) == min(p["length_bytes"], 80), p
    assert any(a.address in p["text"] and b.address in p["text"] for p in last), last
    text = r.vrctl("drops --last")
    assert text.startswith("DROPPED") and "discard" in text, text

    vif = last[0]["vif"]
    assert {p["vif"] for p in r.ask(f"drops --last vif={vif}")} == {vif}
    assert r.ask("drops --last reason=runt") == []
    assert "no drop reason" in r.vrctl("drops --last reason=moon", expect=1)
    assert "slot 99" in r.vrctl("drops --last slot=99", expect=1)
    r.vrctl("--last vif list", expect=2)
    by_vif = r.ask("drops per=vif")
    assert any(d["reason"] == "discard" and d["vif"] == vif for d in by_vif), by_vif


@test
def dropped_packets_are_remembered_when_their_worker_dies(t):
    r, a, b = t.pair()
    a.ping(b)
    r.vrctl("nexthop add id=1 type=discard vrf=1")
    r.vrctl("nexthop add id=2 type=discard vrf=1")
    a.run("ping", "-c", "3", "-i", "0.01", "-W", "1", b.address)
    until(lambda: r.ask("drops --last reason=discard"), 10, "a discarded packet is listed")
    before = r.ask("drops --last reason=discard")
    old = r.pids_of("vr-fwd")
    for pid in old:
        r.kill(pid)
    until(lambda: len(r.pids_of("vr-fwd")) == len(old) and not set(old) & set(r.pids_of("vr-fwd")), 20, "others")
    r.wait_well()
    after = r.ask("drops --last reason=discard")
    assert all(p in after for p in before), (before, after)


@test
def status_tells_why_the_router_is_not_well(t):
    r, a, b = t.pair()
    a.ping(b)
    first = r.vrctl("status").splitlines()[0]
    assert first == "HEALTHY", first
    slots = r.ask("slot list")
    assert all(s["ring_size"] > 0 and s["ring_max"] <= s["ring_size"] for s in slots), slots

    r.vrctl("nexthop add id=1 type=discard vrf=1")
    r.vrctl("nexthop add id=2 type=discard vrf=1")
    a.run("ping", "-c", "3", "-i", "0.01", "-W", "1", b.address)
    ports = r.ask("port list")
    assert any(p["drops"] > 0 and p["top_drop"] == "discard" for p in ports), ports
    assert "discard" in r.vrctl("status")

    for how in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, signal.SIGKILL):  # the first is planned
        old = r.pids_of("vr-ctl")
        r.kill(old[0], how)
        until(lambda: r.pids_of("vr-ctl") not in ([], old), 20, "another vr-ctl")
        until(lambda: r.vrctl_run("status").returncode in (0, 4), 20, "it answers")
    done = r.vrctl_run("status")
    assert done.returncode == 4, done
    assert done.stdout.startswith("DEGRADED: ") and "process ctl ended 3 times in 60 s" in done.stdout, done.stdout
    t.note(done.stdout.splitlines()[0])

# SPDX-License-Identifier: BSD-3-Clause
"""Two guests reach each other through the router, and what it counts is what they sent."""

import time

from lab import Stream, until
from runner import test


@test
def guests_ping_each_other(t):
    _, a, b = t.pair()
    for one, other in ((a, b), (b, a)):
        sent, received, said = one.ping(other, count=50, interval=0.01)
        assert sent == received == 50, said


@test
def what_the_vifs_count_is_what_was_sent(t):
    r, a, b = t.pair()
    a.ping(b, count=3)  # ARP is done
    time.sleep(0.2)
    before = r.counters()
    a.ping(b, count=100, interval=0.01)
    time.sleep(0.2)
    after = r.counters()
    moved = {k: after[k] - before[k] for k in after if after[k] != before[k]}
    # A kernel may ask for the address again at any time.
    for vif in (1, 2):
        assert 100 <= moved.get((vif, "rx_packets"), 0) <= 104, moved
        assert 100 <= moved.get((vif, "tx_packets"), 0) <= 104, moved
        assert moved[(vif, "rx_bytes")] >= 100 * 98, moved
        assert (vif, "drops") not in moved, moved


@test
def a_tcp_stream_arrives_byte_for_byte_at_default_offloads(t):
    r, a, b = t.pair()
    before = r.counters()
    stream = Stream(a, b, mb_per_second=0)
    assert stream.moves(10, 50_000_000), stream.broken() or f"only {stream.bytes} bytes in 10 s"
    broken = stream.stop()
    assert not broken, broken
    after = r.counters()
    packets = after[(1, "rx_packets")] - before.get((1, "rx_packets"), 0)
    size = (after[(1, "rx_bytes")] - before.get((1, "rx_bytes"), 0)) / packets
    assert size > 1514, f"frames of {size:.0f} bytes on average: segmentation offload was not used"
    audit = r.audit()
    assert audit["unaccounted"] == audit["twice"] == 0, audit
    t.note(f"{stream.bytes / 1e6:.0f} MB, {size:.0f} bytes per frame")


@test
def a_tcp_stream_arrives_without_offloads_as_well(t):
    _, a, b = t.pair()
    if a.run("sh", "-c", "command -v ethtool").returncode != 0:
        t.skip("no ethtool")
    for g in (a, b):
        done = g.run("ethtool", "-K", g.tap, "tx", "off", "tso", "off", "gso", "off", "gro", "off", "sg", "off")
        if done.returncode != 0:
            t.skip(f"ethtool: {done.stderr.strip()}")
    stream = Stream(a, b, mb_per_second=0)
    assert stream.moves(10, 5_000_000), stream.broken() or f"only {stream.bytes} bytes in 10 s"
    broken = stream.stop()
    assert not broken, broken


@test
def broadcasts_reach_every_guest_but_the_sender(t):
    r = t.router().start_all()
    guests = [t.lab.guest(name) for name in ("a", "b", "c")]
    r.connect(guests)
    a, _, c = guests
    before = r.counters()
    sent, received, said = a.ping(c, count=5)  # needs ARP, a broadcast
    assert received == sent, said
    moved = {k: n - before.get(k, 0) for k, n in r.counters().items()}
    assert moved[(2, "tx_packets")] >= 1, moved


@test
def networks_are_apart(t):
    r = t.router().start_all()
    a, b = t.lab.guest("a"), t.lab.guest("b")
    r.connect([a, b])
    sent, received, _ = a.ping(b, count=2)
    assert sent == received
    r.vrctl("vif add id=2 name=b type=virtual vrf=2 nexthop=2 tap.name=" + b.tap)
    sent, received, said = b.ping(a, count=3, wait=1)
    assert received == 0, f"a guest of VRF 2 reached one of VRF 1: {said}"


@test
def a_packet_that_ends_is_counted_by_reason(t):
    r, a, b = t.pair()
    a.ping(b, count=2)
    r.vrctl("bridge del vrf=1 mac=02:00:00:00:00:02")
    before = {d["reason"]: int(d["packets"]) for d in r.ask("drops")}
    sent, received, said = a.ping(b, count=5, wait=1)
    assert received == 0, said
    after = {d["reason"]: int(d["packets"]) for d in r.ask("drops")}
    moved = after.get("no-bridge-entry", 0) - before.get("no-bridge-entry", 0)
    assert moved >= 5, f"no-bridge-entry rose by {moved}: {after}"


@test
def an_id_may_be_named_before_it_exists(t):
    r = t.router().start_all()
    a, b = t.lab.guest("a"), t.lab.guest("b")
    r.connect([a, b])
    a.ping(b, count=2)
    r.vrctl("bridge add vrf=1 mac=02:00:00:00:00:02 nexthop=77")
    sent, received, said = a.ping(b, count=3, wait=1)
    assert received == 0, said
    assert any(d["reason"] == "no-nexthop" and int(d["packets"]) for d in r.ask("drops")), r.vrctl("drops")
    r.vrctl("nexthop add id=77 type=encap vrf=1 vif=2")
    sent, received, said = a.ping(b, count=3)
    assert received == 3, said


@test
def idle_workers_of_shared_cores_sleep(t):
    r, a, b = t.pair()
    a.ping(b, count=2)
    time.sleep(0.5)

    def ticks():
        total = 0
        for pid in r.pids_of("vr-fwd"):
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total

    before = ticks()
    time.sleep(2)
    share = (ticks() - before) / 2  # 100 ticks per second: percent
    t.note(f"{share:.0f} % of a core")
    assert share < 60, f"idle workers take {share:.0f} % of a core"
    until(lambda: int(r.slot(10).get("sleeps", 0)) > 0, 2, "slot 10 slept")

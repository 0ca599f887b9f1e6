# SPDX-License-Identifier: BSD-3-Clause
"""
Two virtual networks whose guests' flows are decided by rules: what one side may begin goes on over
the death of a worker, whoever speaks first afterwards; what the other may not begin it never may.
"""

import time

from lab import Stream, until
from network import join, two_networks
from runner import test

TCP = 6


def networks(t):
    """A router with red and blue; red may begin anything, blue nothing with red."""
    r = t.router().start_all()
    (red, blue), guests = two_networks(t.lab, [s.partition("@")[0] for s in r.slots])
    r.apply(red.text(blue) + blue.text(red) + red.deny_from(blue))
    for g in guests:
        join(g)
    return r, guests


def connects(one, other, port):
    """Whether a TCP connection comes about; None: nothing comes back."""
    done = one.run("timeout", "2", "bash", "-c", f": </dev/tcp/{other.address}/{port}")
    return {0: True, 1: False, 124: None}[done.returncode]


def flow_of(r, stream):
    """The flow of a stream's connection."""
    found = r.ask(f"flow list protocol={TCP} destination_port={stream.port}")
    assert len(found) == 1, found
    return found[0]


def identity(flow):
    return flow["index"], flow["generation"], flow["state"]["created_time_ms"]


def packets(flow):
    return tuple(int(flow["state"][way]["packets"]) for way in ("forward", "reverse"))


def drops(r):
    return {d["reason"]: int(d["packets"]) for d in r.ask("drops")}


def quiet(r, stream):
    """The flow, when no packet has come for a while."""

    def unmoved():
        before = flow_of(r, stream)
        time.sleep(0.3)
        after = flow_of(r, stream)
        return after if packets(before) == packets(after) else None

    return until(unmoved, 10, "the stream is quiet")


def replaced(r, slot, pid):
    r.kill(pid)
    until(lambda: r.slot(slot).get("pid") not in (None, 0, pid), 10, f"slot {slot} has a process again")
    r.wait_well()


@test
def gateways_and_neighbours_are_found_by_arp(t):
    _, (red1, red2, blue1, _) = networks(t)
    for other, ttl in ((red2, 64), (blue1, 63)):
        sent, received, said = red1.ping(other, count=20)
        assert sent == received and f"ttl={ttl}" in said, said
    neighbours = red1.shell("ip neigh")
    assert f"{red1.network.gateway} dev {red1.tap} lladdr 00:00:5e:00:01:00" in neighbours, neighbours
    assert f"{red2.address} dev {red1.tap} lladdr {red2.mac}" in neighbours, neighbours


@test
def what_a_rule_denies_is_denied_one_way_only(t):
    r, (red1, red2, blue1, blue2) = networks(t)
    for blue in (blue1, blue2):
        for red in (red1, red2):
            assert connects(red, blue, 9) is False, f"{red.name} cannot reach {blue.name}"
            assert connects(blue, red, 9) is None, f"{blue.name} reaches {red.name}"
    assert drops(r).get("flow-denied", 0) >= 4, drops(r)
    for one, other in ((red1, red2), (blue1, blue2)):
        assert connects(one, other, 9) is False and connects(other, one, 9) is False


@test(seconds=120)
def a_stream_goes_on_though_the_answer_comes_first_after_a_kill(t):
    r, (red1, _, _, blue2) = networks(t)
    stream = Stream(red1, blue2, mb_per_second=5)
    assert stream.moves(10), stream.broken() or "the stream stands still"
    born = identity(flow_of(r, stream))
    for death in (1, 2, 3):
        stream.pause()
        before = quiet(r, stream)
        pid = int(r.slot(10)["pid"])
        replaced(r, 10, pid)
        between = flow_of(r, stream)
        assert packets(between) == packets(before), f"{before} before, {between} after"

        stream.answer()
        until(lambda: packets(flow_of(r, stream))[1] > packets(between)[1], 5, "the answer is let through")
        assert connects(blue2, red1, 9) is None, "what was denied is let through"
        stream.resume()
        until(lambda: stream.heard == 1000 * death or stream.broken(), 10, "the answer arrives whole")
        assert stream.moves(10), stream.broken() or "the stream stands still"
        assert identity(flow_of(r, stream)) == born
    broken = stream.stop()
    assert not broken, broken
    audit = r.audit()
    assert audit["unaccounted"] == audit["twice"] == 0, audit
    t.note(f"{stream.bytes / 1e6:.1f} MB over 3 deaths of the worker; flow {born[0]}, generation {born[1]}")


@test(seconds=120)
def flows_and_rules_outlive_the_process_that_writes_rules(t):
    r, (red1, _, _, blue2) = networks(t)
    stream = Stream(red1, blue2, mb_per_second=5)
    born = identity(flow_of(r, stream))
    rules = r.ask("rule list")
    old = r.pids_of("vr-ctl")[0]
    r.kill(old)
    until(lambda: [p for p in r.pids_of("vr-ctl") if p != old], 10, "there is a vr-ctl again")
    r.wait_well()
    assert r.ask("rule list") == rules
    assert stream.moves(10), stream.broken() or "the stream stands still"
    assert identity(flow_of(r, stream)) == born
    assert connects(blue2, red1, 9) is None, "what was denied is let through"
    broken = stream.stop()
    assert not broken, broken


@test
def a_change_of_rules_ends_what_it_forbids_and_nothing_else(t):
    r, (red1, red2, blue1, blue2) = networks(t)
    one, other = Stream(red1, blue2, port=7001, mb_per_second=5), Stream(red2, blue1, port=7002, mb_per_second=5)
    born = identity(flow_of(r, other))
    r.vrctl(f"rule add vif={red1.number} priority=20 direction=ingress destination_prefix=10.2.0.2/32 action=deny")
    until(lambda: flow_of(r, one)["state"]["forward"]["action"] == "drop", 5, "the stream is denied")
    assert not one.moves(2), "a denied stream goes on"
    assert other.moves(10), other.broken() or "the other stream stands still"
    assert identity(flow_of(r, other)) == born
    r.vrctl(f"rule del vif={red1.number} priority=20")
    assert one.moves(20), one.broken() or "it stands still though it is allowed again"

# SPDX-License-Identifier: BSD-3-Clause
"""Two guests of different subnets reach each other through the router, which routes IPv4 and IPv6."""

import threading
import time

from lab import Probes, Stream, mac, until
from runner import test

ROUTER_MAC = "00:00:5e:00:01:00"  # what every vif has unless it is told otherwise
INET, INET6 = "0800", "86dd"


def rewrite(n, ether_type):
    """The Ethernet header of packets for guest n."""
    return f"{mac(n)}:{ROUTER_MAC}:{ether_type}"


def join(r, guest, n):
    """A vif, and a way to 10.n.0.0/16 and fd00:n::/32 through it; nothing is bridged."""
    tap = r.lab.tap_name(guest.name, n)
    slot = str(r.slots[(n - 1) % len(r.slots)]).partition("@")[0]
    r.vrctl(f"vif add id={n} name={guest.name} type=virtual vrf=1 tap.name={tap} tap.slot={slot}")
    r.vrctl(f"nexthop add id={n} type=encap family=inet vrf=1 vif={n} rewrite={rewrite(n, INET)}")
    r.vrctl(f"nexthop add id=6{n} type=encap family=inet6 vrf=1 vif={n} rewrite={rewrite(n, INET6)}")
    r.vrctl(f"route add vrf=1 prefix=10.{n}.0.0/16 nexthop={n}")
    r.vrctl(f"route add vrf=1 prefix=fd00:{n}::/32 nexthop=6{n}")
    guest.take(tap, mac(n), f"10.{n}.0.1")
    guest.inet6 = f"fd00:{n}::1"
    guest.shell(
        f"""
        echo 0 >/proc/sys/net/ipv6/conf/{tap}/disable_ipv6
        echo 0 >/proc/sys/net/ipv6/conf/{tap}/accept_dad
        ip address add {guest.inet6}/64 dev {tap} nodad
        ip neighbour replace 10.{n}.0.254 lladdr {ROUTER_MAC} dev {tap} nud permanent
        ip neighbour replace fd00:{n}::fe lladdr {ROUTER_MAC} dev {tap} nud permanent
        ip route replace default via 10.{n}.0.254
        ip -6 route replace default via fd00:{n}::fe
        """
    )


def routed(t):
    r = t.router().start_all()
    a, b = t.lab.guest("a"), t.lab.guest("b")
    join(r, a, 1)
    join(r, b, 2)
    return r, a, b


def ping6(one, other, count):
    done = one.run("ping", "-6", "-n", "-c", str(count), "-i", "0.01", "-W", "2", other.inet6)
    return f" {count} received" in done.stdout, done.stdout + done.stderr


def drops(r):
    return {d["reason"]: int(d["packets"]) for d in r.ask("drops")}


@test
def guests_of_two_subnets_ping_each_other(t):
    _, a, b = routed(t)
    for one, other in ((a, b), (b, a)):
        sent, received, said = one.ping(other, count=50, interval=0.01)
        assert sent == received == 50, said
        assert "ttl=63" in said, said
        good, said = ping6(one, other, 50)
        assert good and "ttl=63" in said, said


@test
def a_routed_tcp_stream_arrives_byte_for_byte_at_default_offloads(t):
    r, a, b = routed(t)
    stream = Stream(a, b, mb_per_second=0)
    assert stream.moves(10, 50_000_000), stream.broken() or f"only {stream.bytes} bytes in 10 s"
    broken = stream.stop()
    assert not broken, broken
    now = r.counters()
    size = now[(1, "rx_bytes")] / now[(1, "rx_packets")]
    assert size > 1514, f"frames of {size:.0f} bytes on average: segmentation offload was not used"
    audit = r.audit()
    assert audit["unaccounted"] == audit["twice"] == 0, audit
    t.note(f"{stream.bytes / 1e6:.0f} MB, {size:.0f} bytes per frame")


@test(seconds=120)
def routed_traffic_outlives_its_worker_and_its_control(t):
    r, a, b = routed(t)
    state = r.state()
    stream = Stream(a, b, mb_per_second=20)
    for _ in range(3):
        probes = Probes(a, b)
        time.sleep(0.2)
        killed = time.time_ns()
        pid = int(r.slot(10)["pid"])
        r.kill(pid)
        until(lambda: r.slot(10).get("pid") not in (None, 0, pid), 10, "slot 10 has a process again")
        time.sleep(0.3)
        gap, _ = probes.stop().longest_gap(killed)
        t.note(f"{gap:.1f} ms without a probe")
        assert stream.moves(20), stream.broken() or "the stream stands still"
    old = r.pids_of("vr-ctl")[0]
    r.kill(old)
    until(lambda: [p for p in r.pids_of("vr-ctl") if p != old], 10, "there is a vr-ctl again")
    r.wait_well()
    assert stream.moves(20), stream.broken() or "the stream stands still"
    broken = stream.stop()
    assert not broken, broken
    assert r.state() == state
    good, said = ping6(a, b, 20)
    assert good, said
    audit = r.audit()
    assert audit["unaccounted"] == audit["twice"] == 0, audit


@test
def a_longer_prefix_takes_over_and_gives_back(t):
    r, a, b = routed(t)
    r.vrctl("nexthop add id=90 type=discard")
    r.vrctl("route add vrf=1 prefix=10.2.0.1/32 nexthop=90")
    sent, received, said = a.ping(b, count=3, wait=1)
    assert received == 0, said
    assert drops(r).get("discard", 0) >= 3, r.vrctl("drops")
    r.vrctl("route del vrf=1 prefix=10.2.0.1/32")
    sent, received, said = a.ping(b, count=5)
    assert sent == received, said
    assert "10.2.0.0/16" in r.vrctl("route list"), r.vrctl("route list")
    r.vrctl("route get vrf=1 prefix=10.2.0.1/32", expect=1)


@test
def what_cannot_be_routed_is_counted_by_reason(t):
    r, a, b = routed(t)
    a.run("ping", "-c", "2", "-i", "0.05", "-W", "1", "-t", "1", b.address)
    a.run("ping", "-c", "2", "-i", "0.05", "-W", "1", "10.3.0.1")
    counted = drops(r)
    assert counted.get("ttl-expired", 0) >= 2, counted
    assert counted.get("no-route", 0) >= 2, counted

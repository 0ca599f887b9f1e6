# SPDX-License-Identifier: BSD-3-Clause
"""
TCP between every pair of kinds of ports at default offloads: checksums and segmentation that a
stack leaves to its device are done by whoever is behind the packet's exit, and nothing is lost on
the way because of it.
"""

import json
import subprocess
import time

from lab import mac, until
from ports import device, flood, tap_guest, veth
from runner import test

SECONDS = 3
OFF = ("tx", "off", "tso", "off", "gso", "off", "gro", "off", "sg", "off")


def iperf(t, sender, receiver, seconds=SECONDS):
    """(bits per second, share of segments sent twice) of one TCP connection."""
    if receiver.run("sh", "-c", "command -v iperf3").returncode != 0:
        t.skip("no iperf3")
    server = receiver.popen("iperf3", "-s", "-1", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: ":5201 " in receiver.run("ss", "-ltn").stdout, 10, "iperf3 listens")
        before = segments(sender)
        done = sender.run("iperf3", "-c", receiver.address, "-t", str(seconds), "-J", seconds=seconds + 30)
        said = json.loads(done.stdout)
        assert "error" not in said, said["error"]
        out, again = (x - y for x, y in zip(segments(sender), before))
        return said["end"]["sum_received"]["bits_per_second"], again / max(out, 1)
    finally:
        server.kill()
        server.wait()


def segments(guest):
    """(segments sent, segments sent again) by a guest's TCP so far."""
    lines = guest.shell("grep ^Tcp: /proc/net/snmp").split("\n")
    values = dict(zip(lines[0].split(), lines[1].split()))
    return int(values["OutSegs"]), int(values["RetransSegs"])


def one_way(t, x, y, what):
    # TCP learns what the way bears; on a machine with neighbours once may be too few.
    for _ in range(3):
        rate, again = iperf(t, x, y)
        if again < 0.01:
            break
        time.sleep(1)
    t.note(f"{what}: {x.name} to {y.name} {rate / 1e6:.0f} Mbit/s, {again:.2%} sent again")
    assert rate > 0 and again < 0.01, f"{what}: {again:.2%} of the segments were sent again"


@test
def taps_pass_on_what_was_left_undone(t):
    r, a, b = t.pair()
    for x, y in ((a, b), (b, a)):
        one_way(t, x, y, "default offloads")
    for g in (a, b):
        done = g.run("ethtool", "-K", g.tap, *OFF)
        assert done.returncode == 0, done.stderr
    for x, y in ((a, b), (b, a)):
        one_way(t, x, y, "offloads off")
    assert r.audit()["unaccounted"] == 0


@test
def a_device_gets_whole_checksums_and_segments_that_fit(t):
    r = t.router().start_all()
    a = t.lab.guest("dev")
    device(r, 1, "up", f"net_af_packet0,iface={veth(t, a, 1)}")
    b = tap_guest(t, r, 2)
    flood(r, 1, 2)
    one_way(t, b, a, "tap to device")
    rate, again = iperf(t, a, b)
    t.note(f"back {rate / 1e6:.0f} Mbit/s, {again:.2%} sent again: the packet socket drops when it is full")
    assert rate > 0
    counted = {v["id"]: v["state"] for v in r.ask("vif list")}
    sizes = {n: int(s["rx_bytes"]) / int(s["rx_packets"]) for n, s in counted.items()}
    assert max(sizes.values()) > 1514, f"no frame that had to be cut came in: {sizes}"
    audit = r.audit()
    assert audit["unaccounted"] == audit["twice"] == 0, audit


ROUTER_MAC = "00:00:5e:00:01:00"


def side(t, underlay, n):
    """Router n with a guest, whose packets to the other's guest go through MPLS over UDP."""
    other, r, guest = 3 - n, t.router(f"r{n}").start_all(), t.lab.guest(f"g{n}")
    tap, up = t.lab.tap_name(f"g{n}", n), t.lab.tap_name(f"up{n}", n + 10)
    own, far = (f"02:00:00:00:0a:0{k}" for k in (n, other))
    r.vrctl(f"vif add id=1 name=g type=virtual vrf=1 tap.name={tap}")
    r.vrctl(f"vif add id=2 name=up type=physical ip=192.0.2.{n} mac={own} mtu=1600 tap.name={up}")
    r.vrctl(
        f"nexthop add id=10 type=tunnel vif=2 rewrite={far}:{own}:0800 tunnel.kind=mpls-udp "
        f"tunnel.source=192.0.2.{n} tunnel.destination=192.0.2.{other}"
    )
    r.vrctl(f"nexthop add id=11 type=encap family=inet vif=1 rewrite={mac(n)}:{ROUTER_MAC}:0800")
    r.vrctl(f"route add vrf=1 prefix=10.{other}.0.0/16 nexthop=10 label=77")
    r.vrctl("label add label=77 nexthop=11")
    guest.take(tap, mac(n), f"10.{n}.0.1")
    guest.shell(f"ip neighbour replace 10.{n}.0.254 lladdr {ROUTER_MAC} dev {tap} nud permanent")
    guest.shell(f"ip route add 10.{other}.0.0/16 via 10.{n}.0.254")
    guest.ip("link", "set", up, "netns", underlay.netns)
    underlay.shell(f"ip link set {up} master underlay mtu 1586 up")
    return r, guest


@test(seconds=120)
def tcp_goes_through_a_tunnel_between_two_routers(t):
    underlay = t.lab.guest("u")
    underlay.shell("ip link add underlay type bridge && ip link set underlay up")
    (r, a), (_, b) = (side(t, underlay, n) for n in (1, 2))
    sent, received, said = a.ping(b, count=5)
    assert sent == received, said
    one_way(t, a, b, "through MPLS over UDP")
    rate, again = iperf(t, b, a)
    t.note(f"back {rate / 1e6:.0f} Mbit/s, {again:.2%} sent again")
    assert rate > 0 and r.audit()["unaccounted"] == 0


@test
def tcp_goes_between_a_guest_and_the_host(t):
    r = t.router().start_all()
    guest, host = t.lab.guest("g"), t.lab.guest("h")
    taps = [t.lab.tap_name(g.name, n) for n, g in ((1, guest), (2, host))]
    r.vrctl(f"vif add id=1 name=g type=virtual vrf=1 tap.name={taps[0]}")
    r.vrctl(f"vif add id=2 name=vhost0 type=host vrf=1 ip=10.9.0.1 mac={mac(2)} tap.name={taps[1]}")
    r.vrctl("vif add id=3 name=agent type=agent")
    r.vrctl(f"nexthop add id=1 type=encap family=inet vif=1 rewrite={mac(1)}:{ROUTER_MAC}:0800")
    r.vrctl("nexthop add id=2 type=receive family=inet vif=2")
    r.vrctl("route add vrf=1 prefix=10.1.0.1/32 nexthop=1")
    r.vrctl("route add vrf=1 prefix=10.9.0.1/32 nexthop=2")
    guest.take(taps[0], mac(1), "10.1.0.1")
    host.take(taps[1], mac(2), "10.9.0.1")
    for end, gateway, far in ((guest, "10.1.0.254", "10.9.0.0/24"), (host, "10.9.0.254", "10.1.0.0/24")):
        end.shell(f"ip neighbour replace {gateway} lladdr {ROUTER_MAC} dev {end.tap} nud permanent")
        end.shell(f"ip route add {far} via {gateway}")
    sent, received, said = guest.ping(host, count=5)
    assert sent == received, said + str(r.ask("drops"))
    for x, y in ((guest, host), (host, guest)):
        one_way(t, x, y, "default offloads")
    assert r.audit()["unaccounted"] == 0

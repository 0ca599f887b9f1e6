# SPDX-License-Identifier: BSD-3-Clause
"""
TCP and UDP between every pair of kinds of vifs, both ways, IPv4 and IPv6, with default offloads and
without any: what a stack leaves to its device, checksums and segmentation, is done by whoever is
behind the packet's exit, every byte arrives, and next to nothing is sent twice because of it.

    tests/run.sh "offloads: tcp goes from"    shows the rates
"""

import json
import os
import subprocess
import time

from ends import KINDS, ROUTER_MAC, Ends
from lab import PYTHON, REPO, mac, until
from runner import test

SECONDS = 1
OFF = ("tx", "off", "tso", "off", "gso", "off", "gro", "off", "sg", "off")
WHOLE = os.path.join(REPO, "tests/lib/whole.py")
# Kinds whose stacks leave segmentation to the router: a device's is a NIC's business.
LEAVES_TSO = ("tap", "vhost", "host")


# --- figures


def snmp(end):
    """The counters of an end's stack, as nstat names them."""
    lines = end.shell("cat /proc/net/snmp").splitlines()
    counted = {}
    for names, values in zip(lines[::2], lines[1::2]):
        protocol, *names = names.split()
        counted.update((protocol[:-1] + n, int(v)) for n, v in zip(names, values.split()[1:]))
    for line in end.shell("cat /proc/net/snmp6").splitlines():
        name, value = line.split()
        counted[name] = int(value)
    return counted


def iperf(t, sender, receiver, seconds=SECONDS):
    """(Mbit/s, share of segments sent twice) of one TCP connection."""
    if receiver.run("sh", "-c", "command -v iperf3").returncode != 0:
        t.skip("no iperf3")
    server = receiver.popen("iperf3", "-s", "-1", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: ":5201 " in receiver.run("ss", "-ltn").stdout, 10, "iperf3 listens")
        before = snmp(sender)
        done = sender.run("iperf3", "-c", receiver.address, "-t", str(seconds), "-J", seconds=seconds + 30)
        said = json.loads(done.stdout)
        assert "error" not in said, said["error"]
        after = snmp(sender)
        out, again = (after[k] - before[k] for k in ("TcpOutSegs", "TcpRetransSegs"))
        return said["end"]["sum_received"]["bits_per_second"] / 1e6, again / max(out, 1)
    finally:
        server.kill()
        server.wait()


def one_way(t, x, y, what):
    """The rate; TCP learns what the way bears: on a machine with neighbours once may be too few."""
    for _ in range(3):
        rate, again = iperf(t, x, y)
        if again < 0.01:
            return rate, again
        time.sleep(1)
    raise AssertionError(f"{what}, {x.name} to {y.name}: {again:.2%} of the segments were sent again")


def whole(x, y, address, kb):
    server = y.popen(PYTHON, WHOLE, "serve", "7100", stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == "ready\n"
        done = x.run(PYTHON, WHOLE, "send", address, "7100", str(kb), seconds=60)
        assert done.returncode == 0, f"{x.name} to {y.name}, {address}: {done.stderr}"
    finally:
        server.kill()
        server.wait()


# --- every pair

WRONG = ("TcpInCsumErrors", "UdpInCsumErrors", "IcmpInCsumErrors", "IpInHdrErrors",
         "Udp6InCsumErrors", "Icmp6InCsumErrors", "Ip6InHdrErrors")  # fmt: skip


def unhurt(ends):
    for e in ends:
        counted = snmp(e)
        wrong = {k: counted[k] for k in WRONG if counted.get(k)}
        assert not wrong, f"{e.name} got frames whose checksums are wrong: {wrong}"


def hops(x, y):
    """The TTL that an answer of y has at x. What is for the host stays as it came, and what the host
    sends to its uplink is its own."""
    return 64 if x.kind == "host" or (x.kind, y.kind) == ("device", "host") else 63


def reaches(x, y):
    for address in (y.address, y.address6):
        # Some take a moment to be connected.
        until(lambda: x.run("ping", "-c", "1", "-W", "1", "-n", address).returncode == 0, 20,
              f"{x.name} reaches {address}")  # fmt: skip
        said = x.run("ping", "-c", "3", "-i", "0.01", "-n", address).stdout
        assert said.count(f"ttl={hops(x, y)} ") == 3, said


def mean_size(r, end):
    (vif,) = r.ask(f"vif get id={end.n}")
    return int(vif["state"]["rx_bytes"]) / int(vif["state"]["rx_packets"])


def from_one_to_every_kind(t, kind):
    net = Ends(t)
    x = net.add(kind)
    others = [net.add(k) for k in KINDS if not k == kind == "host"]
    for y in others:
        reaches(x, y)
    on = {}
    for y in others:
        on[y] = one_way(t, x, y, "default offloads")
        whole(x, y, y.address, 4096)
        whole(x, y, y.address6, 4096)
    size = mean_size(net.r, x)
    assert (size > 1514) == (kind in LEAVES_TSO), f"{x.name} sends frames of {size:.0f} bytes on average"
    for end in net.ends:
        done = end.run("ethtool", "-K", end.tap, *OFF)
        assert done.returncode == 0, done.stderr
    for y in others:
        off, again = iperf(t, x, y)
        whole(x, y, y.address6, 1024)
        t.note(f"{kind} to {y.kind} {on[y][0]:.0f} Mbit/s, {on[y][1]:.2%} sent again; off {off:.0f}, {again:.2%}")
        # Where no stack leaves anything to the router the two are the same, on a busy machine more
        # or less. Else whole frames of 64 KB go through, and that is several times as fast.
        more = 1 if kind in LEAVES_TSO and y.kind in LEAVES_TSO else 0.4
        assert on[y][0] > more * off, f"{kind} to {y.kind}: {on[y][0]:.0f} Mbit/s, with offloads off {off:.0f}"
    unhurt(net.ends)
    net.sound()


@test(seconds=150)
def tcp_goes_from_a_tap_to_every_kind(t):
    from_one_to_every_kind(t, "tap")


@test(seconds=150)
def tcp_goes_from_a_guest_to_every_kind(t):
    from_one_to_every_kind(t, "vhost")


@test(seconds=150)
def tcp_goes_from_a_memif_to_every_kind(t):
    from_one_to_every_kind(t, "memif")


@test(seconds=150)
def tcp_goes_from_a_device_to_every_kind(t):
    from_one_to_every_kind(t, "device")


@test(seconds=150)
def tcp_goes_from_the_host_to_every_kind(t):
    from_one_to_every_kind(t, "host")


# --- through a tunnel


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
    for x, y in ((a, b), (b, a)):
        rate, again = one_way(t, x, y, "through MPLS over UDP")
        t.note(f"{x.name} to {y.name} {rate:.0f} Mbit/s, {again:.2%} sent again")
    assert r.audit()["unaccounted"] == 0

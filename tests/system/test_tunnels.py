# SPDX-License-Identifier: BSD-3-Clause
"""Guests reach others through tunnels: against the kernel's vxlan device, and frames that scapy judges."""

import os
import struct
import subprocess

from lab import Stream, mac
from runner import test

ROUTER_MAC = "00:00:5e:00:01:00"  # what every vif has unless it is told otherwise
UNDERLAY, PEER = "192.0.2.1", "192.0.2.2"
GUEST, UPLINK, TUNNEL, INTO_VRF = 1, 2, 10, 30
VNI, LABEL = 77, 1234

# Sends the frames given as hexadecimal lines, and prints those that come within a second.
RAW = """
import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((sys.argv[1], 0))
print("ready", flush=True)
for line in sys.stdin:
    s.send(bytes.fromhex(line))
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    s.settimeout(max(0.01, end - time.monotonic()))
    try:
        frame, where = s.recvfrom(65536)
    except TimeoutError:
        break
    if where[2] != socket.PACKET_OUTGOING:
        print(frame.hex(), flush=True)
"""


def uplinked(t, kind):
    """A router with a guest in VRF 1, an uplink into the namespace of a peer, and a tunnel to it."""
    r = t.router().start_all()
    guest, peer = t.lab.guest("a"), t.lab.guest("p")
    taps = {n: t.lab.tap_name(g.name, n) for n, g in ((GUEST, guest), (UPLINK, peer))}
    r.vrctl(f"vif add id={GUEST} name=a type=virtual vrf=1 nexthop={GUEST} tap.name={taps[GUEST]}")
    r.vrctl(f"vif add id={UPLINK} name=up type=physical ip={UNDERLAY} tap.name={taps[UPLINK]}")
    r.vrctl(f"nexthop add id={GUEST} type=encap vif={GUEST}")
    tunnel(r, kind)
    guest.take(taps[GUEST], mac(1), "10.1.0.1")
    peer.take(taps[UPLINK], mac(2), PEER)
    peer.ip("-n", peer.netns, "neighbour", "replace", UNDERLAY, "lladdr", ROUTER_MAC, "dev", peer.tap)
    return r, guest, peer


def tunnel(r, kind):
    r.vrctl(
        f"nexthop add id={TUNNEL} type=tunnel vif={UPLINK} rewrite={mac(2)}:{ROUTER_MAC}:0800 "
        f"tunnel.kind={kind} tunnel.source={UNDERLAY} tunnel.destination={PEER}"
    )


def with_kernel_vxlan(t):
    r, guest, peer = uplinked(t, "vxlan")
    r.vrctl(f"nexthop add id={INTO_VRF} type=vrf-translate vrf=1")
    r.vrctl(f"nexthop add id=100 type=flood members={GUEST},{TUNNEL} labels=16777215,{VNI}")
    r.vrctl(f"vni add vni={VNI} nexthop={INTO_VRF}")
    r.vrctl(f"bridge add vrf=1 mac={mac(1)} nexthop={GUEST}")
    r.vrctl(f"bridge add vrf=1 mac={mac(3)} nexthop={TUNNEL} label={VNI}")
    r.vrctl(f"bridge add vrf=1 mac=ff:ff:ff:ff:ff:ff nexthop=100")
    peer.shell(
        f"""
        ip link add vx0 address {mac(3)} type vxlan id {VNI} local {PEER} remote {UNDERLAY} \
            dstport 4789 dev {peer.tap}
        ip link set vx0 up
        ip address add 10.1.0.2/24 dev vx0
        """
    )
    peer.address = "10.1.0.2"
    return r, guest, peer


def drops(r):
    return {d["reason"]: int(d["packets"]) for d in r.ask("drops")}


@test
def guests_ping_through_the_kernels_vxlan_both_ways(t):
    r, guest, peer = with_kernel_vxlan(t)
    for one, other in ((guest, peer), (peer, guest)):
        sent, received, said = one.ping(other, count=50, interval=0.01)
        assert sent == received == 50, said + str(drops(r))
        assert "ttl=64" in said, said


@test
def tcp_flows_through_the_kernels_vxlan_both_ways(t):
    r, guest, peer = with_kernel_vxlan(t)
    for number, (one, other) in enumerate(((guest, peer), (peer, guest))):
        stream = Stream(one, other, port=7001 + number, mb_per_second=0)
        assert stream.moves(20, 20_000_000), (stream.broken() or f"{stream.bytes} bytes") + str(drops(r))
        broken = stream.stop()
        assert not broken, broken
        t.note(f"{stream.bytes / 1e6:.0f} MB")
    assert drops(r).get("mtu", 0) == 0, drops(r)
    audit = r.audit()
    assert audit["unaccounted"] == audit["twice"] == 0, audit


@test
def a_vni_nobody_knows_is_counted(t):
    r, guest, peer = with_kernel_vxlan(t)
    r.vrctl(f"vni del vni={VNI}")
    sent, received, said = peer.ping(guest, count=3, wait=1)
    assert received == 0, said
    assert drops(r).get("invalid-vni", 0) >= 1, drops(r)


def exchange(peer, frames, guest=None, ping=None):
    """Sends frames into the underlay; what comes out of it within a second."""
    child = peer.popen("/usr/bin/python3", "-c", RAW, peer.tap, "1", stdin=-1, stdout=-1, text=True)
    assert child.stdout.readline() == "ready\n"
    if ping:
        guest.run("ping", "-c", "1", "-W", "1", ping)
    out, _ = child.communicate("".join(f + "\n" for f in frames), timeout=10)
    return [bytes.fromhex(line) for line in out.split()]


@test
def mpls_over_udp_and_gre_is_what_scapy_takes_and_makes(t):
    from scapy.contrib.mpls import MPLS
    from scapy.layers.inet import GRE, ICMP, IP, UDP
    from scapy.layers.l2 import Ether
    from scapy.packet import bind_layers

    bind_layers(UDP, MPLS, dport=6635)
    r, guest, peer = uplinked(t, "mpls-udp")
    judge(r, guest, peer, "mpls-udp", MPLS, GRE, ICMP, IP, UDP, Ether)
    tunnel(r, "mpls-gre")
    judge(r, guest, peer, "mpls-gre", MPLS, GRE, ICMP, IP, UDP, Ether)


def judge(r, guest, peer, kind, MPLS, GRE, ICMP, IP, UDP, Ether):
    r.vrctl(f"nexthop add id=11 type=encap family=inet vif={GUEST} rewrite={mac(1)}:{ROUTER_MAC}:0800")
    r.vrctl(f"route add vrf=1 prefix=10.9.0.0/16 nexthop={TUNNEL} label={LABEL}")
    r.vrctl(f"label add label={LABEL + 1} nexthop=11")
    guest.shell(f"ip neighbour replace 10.1.0.254 lladdr {ROUTER_MAC} dev {guest.tap} nud permanent")
    guest.shell("ip route replace 10.9.0.0/16 via 10.1.0.254")

    frames = [Ether(f) for f in exchange(peer, [], guest, "10.9.0.1")]
    ours = [f for f in frames if MPLS in f]
    assert ours, [f.summary() for f in frames]
    f = ours[0]
    assert (f[IP].src, f[IP].dst, f[IP].ttl) == (UNDERLAY, PEER, 64), f.show(dump=True)
    assert f[IP].len == len(f) - 14
    checksum = f[IP].chksum
    del f[IP].chksum
    assert Ether(bytes(f))[IP].chksum == checksum
    assert (f[MPLS].label, f[MPLS].s, f[MPLS].ttl) == (LABEL, 1, 63)
    assert (GRE in f) == (kind == "mpls-gre") and (UDP in f) == (kind == "mpls-udp")
    if kind == "mpls-udp":
        assert f[UDP].sport >= 49152 and f[UDP].chksum == 0
    inner = IP(bytes(f[MPLS].payload))
    assert (inner.src, inner.dst, inner.ttl) == ("10.1.0.1", "10.9.0.1", 63), inner.show(dump=True)

    # An echo request from over there; the guest's answer comes back with its own label.
    outer = UDP(sport=50000, dport=6635, chksum=0) if kind == "mpls-udp" else GRE(proto=0x8847)
    request = IP(src="10.9.0.1", dst="10.1.0.1") / ICMP(id=7, seq=9) / b"hello"
    sent = (
        Ether(src=mac(2), dst=ROUTER_MAC) / IP(src=PEER, dst=UNDERLAY) / outer
        / MPLS(label=LABEL + 1, s=1, ttl=64) / request
    )  # fmt: skip
    answers = [Ether(f) for f in exchange(peer, [bytes(sent).hex()])]
    answers = [IP(bytes(f[MPLS].payload)) for f in answers if MPLS in f]
    assert any(ICMP in a and a[ICMP].type == 0 and a[ICMP].id == 7 for a in answers), str(drops(r))


@test
def frames_in_mpls_over_udp_and_gre_are_what_scapy_takes_and_makes(t):
    from scapy.contrib.mpls import MPLS
    from scapy.layers.inet import GRE, ICMP, IP, UDP
    from scapy.layers.l2 import Ether
    from scapy.packet import bind_layers

    bind_layers(UDP, MPLS, dport=6635)
    r, guest, peer = uplinked(t, "mpls-udp")
    r.vrctl(f"bridge add vrf=1 mac={mac(3)} nexthop={TUNNEL} label={LABEL}")
    r.vrctl(f"label add label={LABEL + 1} nexthop={GUEST}")
    guest.shell(f"ip neighbour replace 10.1.0.3 lladdr {mac(3)} dev {guest.tap} nud permanent")

    def inside(frames, kind):
        """What is in the tunnel's frames, behind a label that is as it should be."""
        for f in (Ether(f) for f in frames):
            if MPLS not in f:
                continue
            assert (GRE in f) == (kind == "mpls-gre") and (UDP in f) == (kind == "mpls-udp"), f.summary()
            assert (f[IP].src, f[IP].dst, f[IP].ttl) == (UNDERLAY, PEER, 64), f.show(dump=True)
            assert (f[MPLS].label, f[MPLS].s, f[MPLS].ttl) == (LABEL, 1, 64), f.show(dump=True)
            yield Ether(bytes(f[MPLS].payload))

    for kind in ("mpls-udp", "mpls-gre"):
        tunnel(r, kind)
        out = list(inside(exchange(peer, [], guest, "10.1.0.3"), kind))
        assert any(f.dst == mac(3) and f.src == mac(1) and f[ICMP].type == 8 for f in out if ICMP in f), (kind, drops(r))
        outer = UDP(sport=50000, dport=6635, chksum=0) if kind == "mpls-udp" else GRE(proto=0x8847)
        sent = (
            Ether(src=mac(2), dst=ROUTER_MAC) / IP(src=PEER, dst=UNDERLAY) / outer / MPLS(label=LABEL + 1, s=1, ttl=64)
            / Ether(src=mac(3), dst=mac(1)) / IP(src="10.1.0.3", dst="10.1.0.1") / ICMP(id=7, seq=9) / b"hello"
        )  # fmt: skip
        back = list(inside(exchange(peer, [bytes(sent).hex()]), kind))
        assert any(f[ICMP].type == 0 and f[ICMP].id == 7 and f.dst == mac(3) for f in back if ICMP in f), (kind, drops(r))


def tshark(t, frames, *fields):
    """What tshark reads in each frame: a list of its fields' values."""
    path = os.path.join(t.lab.dir, "frames.pcap")
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, frame in enumerate(frames):
            f.write(struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame)
    command = ["tshark", "-r", path, "-n", "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    command += ["-T", "fields", "-E", "separator=|", "-E", "occurrence=a", "-E", "aggregator=,"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [line.split("|") for line in done.stdout.splitlines()]


@test
def tshark_finds_nothing_wrong_with_any_tunnel(t):
    r, guest, peer = uplinked(t, "vxlan")
    r.vrctl(f"bridge add vrf=1 mac={mac(3)} nexthop={TUNNEL} label={VNI}")
    r.vrctl(f"route add vrf=1 prefix=10.9.0.0/16 nexthop={TUNNEL} label={LABEL}")
    guest.shell(f"ip neighbour replace 10.1.0.3 lladdr {mac(3)} dev {guest.tap} nud permanent")
    guest.shell(f"ip neighbour replace 10.1.0.254 lladdr {ROUTER_MAC} dev {guest.tap} nud permanent")
    guest.shell("ip route replace 10.9.0.0/16 via 10.1.0.254")
    # By kind: where the guest pings, and what tshark calls the layers.
    kinds = {
        "vxlan": ("10.1.0.3", "eth:ethertype:ip:udp:vxlan:eth:ethertype:ip:icmp:data", "vxlan.vni", VNI),
        "mpls-udp": ("10.9.0.1", "eth:ethertype:ip:udp:mpls:ip:icmp:data", "mpls.label", LABEL),
        "mpls-gre": ("10.9.0.1", "eth:ethertype:ip:gre:mpls:ip:icmp:data", "mpls.label", LABEL),
    }
    for kind, (where, layers, field, value) in kinds.items():
        tunnel(r, kind)
        frames = exchange(peer, [], guest, where)
        ours = [
            line
            for line in tshark(
                t, frames, "frame.protocols", field, "ip.checksum.status", "icmp.checksum.status",
                "udp.srcport", "_ws.malformed", "_ws.expert.severity",
            )  # fmt: skip
            if line[1]
        ]
        assert ours, f"{kind}: {len(frames)} frames, none with {field}; {drops(r)}"
        said, number, ip_sums, icmp_sum, port, malformed, experts = ours[0]
        assert said == layers, f"{kind}: {said}"
        assert int(number, 0) == value, f"{kind}: {number}"
        assert ip_sums == "1,1" and icmp_sum == "1", f"{kind}: checksums {ip_sums}, {icmp_sum}"
        assert kind == "mpls-gre" or int(port) >= 49152, f"{kind}: port {port}"
        # No reply comes, which tshark remarks upon as a warning; an error would be more.
        assert not malformed and str(0x800000) not in experts.split(","), f"{kind}: {malformed} {experts}"


def members_of_flows(guest, peer):
    """Of 100 flows of a guest, which of the tunnels' far ends (the last byte) gets each."""
    child = peer.popen("/usr/bin/python3", "-c", RAW, peer.tap, "2", stdin=-1, stdout=-1, text=True)
    assert child.stdout.readline() == "ready\n"
    guest.run(
        "/usr/bin/python3", "-c",
        "import socket\n"
        "for k in range(3):\n"
        "  for port in range(5000, 5100):\n"
        "    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', port))\n"
        "    s.sendto(b'x', ('10.9.0.1', 9)); s.close()\n",
    )  # fmt: skip
    out, _ = child.communicate("", timeout=10)
    to = {}
    for line in out.split():
        f = bytes.fromhex(line)
        if f[12:14] == b"\x08\0" and f[23] == 17 and f[36:38] == b"\x19\xeb":
            inner = f[46:]
            to.setdefault(inner[20:22], set()).add(f[33])
    assert len(to) == 100, f"{len(to)} flows"
    assert all(len(s) == 1 for s in to.values()), to
    return {flow: s.pop() for flow, s in to.items()}


@test
def an_ecmp_of_tunnels_spreads_flows_and_keeps_each(t):
    r, guest, peer = uplinked(t, "mpls-udp")

    def member(n):
        r.vrctl(
            f"nexthop add id={TUNNEL + n} type=tunnel vif={UPLINK} rewrite={mac(2)}:{ROUTER_MAC}:0800 "
            f"tunnel.kind=mpls-udp tunnel.source={UNDERLAY} tunnel.destination=192.0.2.{2 + n}"
        )

    member(1)
    member(2)
    r.vrctl(
        f"nexthop add id=20 type=ecmp family=inet members={TUNNEL},{TUNNEL + 1},{TUNNEL + 2} labels=100,200,300"
    )
    r.vrctl("route add vrf=1 prefix=10.9.0.0/16 nexthop=20")
    guest.shell(f"ip neighbour replace 10.1.0.254 lladdr {ROUTER_MAC} dev {guest.tap} nud permanent")
    guest.shell("ip route add 10.9.0.0/16 via 10.1.0.254")
    before = members_of_flows(guest, peer)
    counts = [sum(m == end for m in before.values()) for end in (2, 3, 4)]
    assert all(15 <= n <= 55 for n in counts), counts
    # When one leaves, its flows go to both others, and theirs stay; they come back when it does.
    r.vrctl(f"nexthop del id={TUNNEL + 1}")
    without = members_of_flows(guest, peer)
    assert all(without[f] == m for f, m in before.items() if m != 3), (before, without)
    assert {without[f] for f, m in before.items() if m == 3} == {2, 4}, without
    member(1)
    assert members_of_flows(guest, peer) == before
    t.note(f"{counts} of 100 flows")

# SPDX-License-Identifier: BSD-3-Clause
"""Frames of every kind that are cut short, wrong in some byte, or nonsense harm nobody."""

import random
import struct

from lab import mac, until
from runner import test

ROUTER_MAC = "00:00:5e:00:01:00"  # what every vif has unless it is told otherwise
UNDERLAY, PEER = "192.0.2.1", "192.0.2.2"
GUEST, OTHER, UPLINK, VNI, LABEL = 1, 2, 3, 77, 1234
SEED = 20  # of what is drawn at random: the same frames each time

# Writes the frames of a file, each led by its length, to a device, not faster than a tap holds them.
# The kernel takes none that is shorter than its header.
SENDER = """
import socket, struct, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
data, at, n, sent = open(sys.argv[2], "rb").read(), 0, 0, 0
while at < len(data):
    (size,) = struct.unpack_from("!H", data, at)
    try:
        s.send(data[at + 2:at + 2 + size])
        sent += 1
    except OSError:
        pass
    at, n = at + 2 + size, n + 1
    if n % 100 == 0:
        time.sleep(0.02)
print(sent)
"""


def network(t):
    """Two guests with policy in VRF 1, bridged and routed; an uplink with all kinds of tunnels; an agent."""
    r = t.router(conf={"flow-entries": 65536}).start_all()  # many of them look like a new flow
    guest, other, peer = (t.lab.guest(n) for n in ("a", "b", "p"))
    taps = [t.lab.tap_name(g.name, n) for n, g in enumerate((guest, other, peer), 1)]
    into = "rewrite={}:" + ROUTER_MAC + ":{} "
    r.apply(
        f"""
        vif add id={GUEST} name=a type=virtual vrf=1 nexthop={GUEST} tap.name={taps[0]} flags=policy,dhcp_trap
        vif add id={OTHER} name=b type=virtual vrf=1 nexthop={OTHER} tap.name={taps[1]}
        vif add id={UPLINK} name=up type=physical ip={UNDERLAY} tap.name={taps[2]}
        vif add id=9 name=agent type=agent
        nexthop add id={GUEST} type=encap vif={GUEST}
        nexthop add id={OTHER} type=encap vif={OTHER}
        nexthop add id=11 type=encap family=inet vif={OTHER} {into.format(mac(2), "0800")}
        nexthop add id=12 type=encap family=inet6 vif={OTHER} {into.format(mac(2), "86dd")}
        nexthop add id=20 type=flood members={GUEST},{OTHER}
        nexthop add id=30 type=vrf-translate vrf=1
        nexthop add id=31 type=vrf-translate family=inet vrf=1
        bridge add vrf=1 mac=ff:ff:ff:ff:ff:ff nexthop=20
        bridge add vrf=1 mac={mac(1)} nexthop={GUEST}
        bridge add vrf=1 mac={mac(2)} nexthop={OTHER}
        route add vrf=1 prefix=10.2.0.0/24 nexthop=11 arp_proxy=yes
        route add vrf=1 prefix=fd00:2::/64 nexthop=12 arp_proxy=yes
        rule add vif={GUEST} priority=10 direction=ingress protocol=17 destination_ports=1 action=deny
        vni add vni={VNI} nexthop=30
        label add label={LABEL} nexthop=31
        """
    )
    guest.take(taps[0], mac(1), "10.1.0.1")
    other.take(taps[1], mac(2), "10.1.0.2")
    peer.take(taps[2], mac(3), PEER)
    # Some of them tell lies about who has an address, which kernels believe.
    for one, there in ((guest, other), (other, guest)):
        one.shell(f"ip neighbour replace {there.address} lladdr {there.mac} dev {one.tap} nud permanent")
    return r, guest, other, peer


def sound(source):
    """Frames that are all right, of all kinds: of a guest, and of the underlay."""
    from scapy.contrib.mpls import MPLS
    from scapy.layers.dhcp import BOOTP, DHCP
    from scapy.layers.inet import GRE, ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6, IPv6ExtHdrHopByHop
    from scapy.layers.l2 import ARP, Dot1Q, Ether
    from scapy.layers.vxlan import VXLAN

    ether = {"src": mac(1), "dst": mac(2)}
    routed = {"src": mac(1), "dst": ROUTER_MAC}
    inner = Ether(**ether) / IP(src="10.1.0.9", dst="10.1.0.2") / UDP(sport=1000, dport=2000) / (b"x" * 20)
    to_us = Ether(src=mac(3), dst=ROUTER_MAC) / IP(src=PEER, dst=UNDERLAY)
    frames = {
        "guest": [
            Ether(**ether) / IP(src="10.1.0.1", dst="10.1.0.2") / TCP(sport=1000, flags="S", options=[("MSS", 1460)]),
            Ether(**ether) / Dot1Q(vlan=7) / IP(src="10.1.0.1", dst="10.1.0.2") / UDP(),
            Ether(**routed) / IP(src="10.1.0.1", dst="10.2.0.1", options=b"\x94\x04\0\0") / UDP(sport=1, dport=1) / b"x",
            Ether(**routed) / IP(src="10.1.0.1", dst="10.2.0.1") / ICMP(type=3) / IP(dst="10.1.0.1") / UDP(),
            Ether(**routed) / IPv6(src="fd00:1::1", dst="fd00:2::1") / IPv6ExtHdrHopByHop() / UDP() / b"x",
            Ether(src=mac(1), dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=mac(1), psrc="10.1.0.1", pdst="10.2.0.9"),
            Ether(src=mac(1), dst="33:33:ff:00:00:09") / IPv6(src="fd00:1::1", dst="ff02::1:ff00:9", hlim=255)
            / ICMPv6ND_NS(tgt="fd00:2::9") / ICMPv6NDOptSrcLLAddr(lladdr=mac(1)),
            Ether(src=mac(1), dst="ff:ff:ff:ff:ff:ff") / IP(src="0.0.0.0", dst="255.255.255.255")
            / UDP(sport=68, dport=67) / BOOTP() / DHCP(options=["end"]),
        ],
        "underlay": [
            to_us / UDP(sport=50000, dport=4789, chksum=0) / VXLAN(vni=VNI, flags=8) / inner,
            to_us / UDP(sport=50000, dport=6635, chksum=0) / MPLS(label=LABEL, s=1, ttl=64)
            / IP(src="10.9.0.1", dst="10.2.0.1") / UDP() / b"x",
            to_us / GRE(proto=0x8847) / MPLS(label=LABEL, s=1, ttl=64) / IP(src="10.9.0.1", dst="10.2.0.1")
            / TCP(flags="S", options=[("MSS", 1460)]),
            to_us / ICMP(type=3, code=4) / IP(src=UNDERLAY, dst=PEER) / UDP(dport=4789),
        ],
    }  # fmt: skip
    return [bytes(f) for f in frames[source]]


def spoilt(frames, chance):
    """Each cut at every length, with every byte of its headers wrong in some ways; and nonsense."""
    for f in frames:
        for length in range(14, len(f)):
            yield f[:length]
        for at in range(min(len(f), 90)):
            for value in (0, 0xFF, f[at] ^ 1, f[at] ^ 0x80, chance.randrange(256)):
                yield f[:at] + bytes([value]) + f[at + 1 :]
        for _ in range(100):
            wrong = bytearray(f)
            for _ in range(chance.randrange(2, 8)):
                wrong[chance.randrange(12, len(wrong))] = chance.randrange(256)
            yield bytes(wrong)
    for _ in range(500):
        yield frames[0][:12] + chance.randbytes(chance.randrange(2, 1400))


def send(t, where, frames):
    path = f"{t.lab.dir}/frames-{where.name}"
    n = 0
    with open(path, "wb") as out:
        for f in frames:
            out.write(struct.pack("!H", len(f)) + f)
            n += 1
    done = where.run("/usr/bin/python3", "-c", SENDER, where.tap, path, seconds=60)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > n * 9 // 10, f"{done.stdout} of {n}"
    return n


@test(seconds=150)
def frames_that_are_wrong_in_any_way_harm_nobody(t):
    r, guest, other, peer = network(t)
    reached, sent, said = other.ping(guest, count=5)
    assert reached == sent == 5, said
    processes = r.pids()
    chance = random.Random(SEED)
    frames = send(t, guest, spoilt(sound("guest"), chance))
    frames += send(t, peer, spoilt(sound("underlay"), chance))
    reached, sent, said = other.ping(guest, count=20)
    drops = {d["reason"]: int(d["packets"]) for d in r.ask("drops")}
    assert reached == sent == 20, f"{said}{drops}"
    assert r.pids() == processes, (processes, r.pids())
    for reason in (
        "bad-ip-header", "bad-ip-checksum", "bad-l4-header", "bad-arp", "bad-tunnel-header", "invalid-vni",
        "invalid-label", "ttl-expired", "no-route", "no-bridge-entry", "flow-denied",
    ):  # fmt: skip
        assert drops.get(reason, 0) > 0, (reason, drops)
    audit = until(lambda: (a := r.audit())["unpaused"] == 0 and a, 10, "everybody pauses for an audit")
    assert audit["unaccounted"] == audit["twice"] == 0, audit
    t.note(f"{frames} frames")

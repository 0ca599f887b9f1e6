# SPDX-License-Identifier: BSD-3-Clause
"""What no device spreads goes to the slot of its flow, and its packets keep their order."""

import socket
import struct
import subprocess
import time

from lab import mac, until
from ports import tap_guest, veth
from runner import test

ROUTER_MAC = "00:00:5e:00:01:00"  # what every vif has unless it is told otherwise
UNDERLAY, PEER = "192.0.2.1", "192.0.2.2"
GUEST, UPLINK, LABEL, PORT = 1, 2, 1234, 7000
FLOWS, FIRST_PORT = 32, 5000

# Writes the frames of a file, each led by its length, to a device: so many a second.
FRAMES = """
import socket, struct, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
data, at, n, begin = open(sys.argv[2], "rb").read(), 0, 0, time.monotonic()
while at < len(data):
    (size,) = struct.unpack_from("!H", data, at)
    s.send(data[at + 2:at + 2 + size])
    at, n = at + 2 + size, n + 1
    time.sleep(max(0, begin + n / float(sys.argv[3]) - time.monotonic()))
"""

# As many datagrams of each of so many sockets, numbered, by turns.
DATAGRAMS = """
import socket, struct, sys, time
where, port, first, flows, each, rate = sys.argv[1], *map(int, sys.argv[2:])
sockets = []
for k in range(flows):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", first + k))
    sockets.append(s)
n, begin = 0, time.monotonic()
for number in range(each):
    for s in sockets:
        s.sendto(struct.pack("!I", number), (where, port))
        n += 1
        time.sleep(max(0, begin + n / rate - time.monotonic()))
"""

# Says a line for each datagram: the sender's port, and its number.
RECEIVER = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
s.bind(("", int(sys.argv[1])))
print("ready", flush=True)
while True:
    data, (_, port) = s.recvfrom(2048)
    print(port, struct.unpack("!I", data)[0], flush=True)
"""


class Received:
    """What comes to a guest: the numbers of each flow, in the order they came."""

    def __init__(self, t, guest):
        self.path = f"{t.lab.dir}/received-{guest.name}"
        with open(self.path, "w") as out:
            self.child = guest.popen("/usr/bin/python3", "-c", RECEIVER, str(PORT), stdout=out)
        until(lambda: self.lines(), 20, "the receiver is ready")

    def lines(self):
        with open(self.path) as f:
            return [line for line in f.read().split("\n") if line]

    def flows(self):
        flows = {}
        for line in self.lines()[1:]:
            words = line.split()
            if len(words) == 2:  # the last may be half written
                flows.setdefault(int(words[0]), []).append(int(words[1]))
        return flows

    def count(self):
        return sum(len(numbers) for numbers in self.flows().values())

    def settle(self, expected):
        """Waits for so many, or until nothing comes any more."""
        before = -1
        while before != self.count() < expected:
            before = self.count()
            time.sleep(1)

    def expect_order(self):
        for port, numbers in self.flows().items():
            assert numbers == sorted(set(numbers)), f"flow {port}: {numbers}"


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~((total >> 16) + total) & 0xFFFF


def ip_header(length, protocol, source, destination):
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 7, 0, 64, protocol, 0) + addresses
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:]


def in_gre(port, number):
    """A datagram of an inner flow to the guest, in MPLS over GRE, whose outer header is always the same."""
    inner = ip_header(12, 17, "10.1.0.9", "10.1.0.1") + struct.pack("!HHHHI", port, PORT, 12, 0, number)
    outer = struct.pack("!HHI", 0, 0x8847, LABEL << 12 | 1 << 8 | 64) + inner
    frame = ip_header(len(outer), 47, PEER, UNDERLAY) + outer
    return bytes.fromhex((ROUTER_MAC + mac(UPLINK)).replace(":", "")) + b"\x08\0" + frame


def shares(r, vif, counter):
    """What each of the two slots counted."""
    (v,) = r.ask(f"vif get id={vif}")
    by_slot = {s["slot"]: int(s.get(counter, 0)) for s in v["state"]["shares"] if "slot" in s}
    return [by_slot.get(10, 0), by_slot.get(11, 0)]


def behind_gre(t, spread):
    """A guest on a tap, and an uplink on a packet socket with one queue, into which a peer writes."""
    r = t.router(conf={"spread": spread}).start_all()
    guest = tap_guest(t, r, GUEST)
    peer = t.lab.guest("peer")
    here = veth(t, peer, UPLINK)
    r.vrctl(
        f"vif add id={UPLINK} name=up type=physical ip={UNDERLAY} device.name=up "
        f"device.devargs=net_af_packet0,iface={here}"
    )
    r.vrctl(f"nexthop add id=11 type=encap family=inet vif={GUEST} rewrite={mac(GUEST)}:{ROUTER_MAC}:0800")
    r.vrctl(f"label add label={LABEL} nexthop=11")
    return r, guest, peer


def send_in_gre(t, peer, each, rate):
    path = f"{t.lab.dir}/frames"
    with open(path, "wb") as f:
        for number in range(each):
            for flow in range(FLOWS):
                frame = in_gre(FIRST_PORT + flow, number)
                f.write(struct.pack("!H", len(frame)) + frame)
    return peer.popen("/usr/bin/python3", "-c", FRAMES, peer.tap, path, str(rate), stderr=subprocess.PIPE)


def send_datagrams(guest, where, each, rate):
    return guest.popen(
        "/usr/bin/python3", "-c", DATAGRAMS, where, *map(str, (PORT, FIRST_PORT, FLOWS, each, rate)),
        stderr=subprocess.PIPE,
    )  # fmt: skip


def expect_all(received, each):
    """Everything came, and in order."""
    received.settle(FLOWS * each)
    flows = received.flows()
    assert len(flows) == FLOWS, sorted(flows)
    for port, numbers in flows.items():
        assert numbers == list(range(each)), f"flow {port}: {numbers}"


def expect_deaths_survived(t, r, received, send, seconds):
    """While packets flow each worker dies once. Some are lost; none overtakes another."""
    sender = send()
    for pid in r.pids_of("vr-fwd"):
        until(lambda: received.count() > 0, 20, "packets flow")
        r.kill(pid)
        until(lambda: pid not in r.pids_of("vr-fwd"), 10, f"{pid} is gone")
        r.wait_well()
        before = {port: numbers[-1] for port, numbers in received.flows().items()}

        def all_go_on():
            now = received.flows()
            return len(now) == FLOWS and all(n[-1] > before.get(p, -1) for p, n in now.items())

        until(all_go_on, seconds, "each flow goes on after a worker's death", every=0.2)
    sender.kill()
    sender.wait()
    received.settle(10**9)
    received.expect_order()
    t.note(f"{received.count()} packets came")


@test(seconds=120)
def inner_flows_of_gre_are_spread_over_slots_and_keep_their_order(t):
    r, guest, peer = behind_gre(t, "gre")
    received = Received(t, guest)
    sender = send_in_gre(t, peer, 40, 400)
    assert sender.wait(60) == 0, sender.stderr.read()
    expect_all(received, 40)
    assert sum(shares(r, UPLINK, "rx_packets")) >= FLOWS * 40
    one, other = shares(r, GUEST, "tx_packets")
    assert min(one, other) >= FLOWS * 40 // 5, (one, other)
    handled = {s["id"]: int(s["packets"]) for s in r.ask("slot list")}
    assert all(n >= FLOWS * 40 // 5 for n in handled.values()), handled
    t.note(f"{one} and {other} packets")


@test(seconds=120)
def without_spreading_one_slot_does_it_all(t):
    r, guest, peer = behind_gre(t, "off")
    received = Received(t, guest)
    assert send_in_gre(t, peer, 5, 400).wait(60) == 0
    expect_all(received, 5)
    assert min(shares(r, GUEST, "tx_packets")) == 0, shares(r, GUEST, "tx_packets")


@test(seconds=180)
def inner_flows_of_gre_keep_their_order_though_workers_die(t):
    r, guest, peer = behind_gre(t, "gre")
    received = Received(t, guest)
    expect_deaths_survived(t, r, received, lambda: send_in_gre(t, peer, 2000, 400), 60)
    audit = until(lambda: (a := r.audit())["unpaused"] == 0 and a, 10, "everybody pauses for an audit")
    assert audit["unaccounted"] == audit["twice"] == 0, audit


@test(seconds=120)
def flows_of_a_guest_with_one_queue_are_spread_and_keep_their_order(t):
    r = t.router(conf={"spread": "ports"}).start_all()
    a, b = tap_guest(t, r, 1), tap_guest(t, r, 2)
    r.vrctl("nexthop add id=100 type=flood vrf=1 members=1,2")
    r.vrctl("bridge add vrf=1 mac=ff:ff:ff:ff:ff:ff nexthop=100")
    received = Received(t, b)
    sender = send_datagrams(a, b.address, 40, 400)
    assert sender.wait(60) == 0, sender.stderr.read()
    expect_all(received, 40)
    # One slot polls the port, and both decide.
    assert min(shares(r, 1, "rx_packets")) == 0, shares(r, 1, "rx_packets")
    one, other = shares(r, 2, "tx_packets")
    assert min(one, other) >= FLOWS * 40 // 5, (one, other)
    t.note(f"{one} and {other} packets")
    sent, got, said = a.ping(b, count=10)
    assert sent == got == 10, said


@test(seconds=180)
def flows_of_a_guest_with_one_queue_keep_their_order_though_workers_die(t):
    r = t.router(conf={"spread": "ports"}).start_all()
    a, b = tap_guest(t, r, 1), tap_guest(t, r, 2)
    r.vrctl("nexthop add id=100 type=flood vrf=1 members=1,2")
    r.vrctl("bridge add vrf=1 mac=ff:ff:ff:ff:ff:ff nexthop=100")
    received = Received(t, b)
    expect_deaths_survived(t, r, received, lambda: send_datagrams(a, b.address, 2000, 400), 60)

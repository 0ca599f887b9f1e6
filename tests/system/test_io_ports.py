# SPDX-License-Identifier: BSD-3-Clause
"""
Devices that only the primary can poll: af_packet on a veth pair, captures, bonds. One end of each
pair stays where the primary is, for there the device opens it.
"""

import os
import struct
import subprocess
import time

from lab import Probes, address, mac, until
from ports import device, flood, ip, reach, tap_guest, veth
from runner import test


def balanced(r):
    """An audit that reached everybody in time (on a busy machine not each does)."""

    def reached():
        audit = r.audit()
        return audit if audit["unpaused"] == 0 else None

    audit = until(reached, 10, "everybody pauses for an audit")
    assert audit["unaccounted"] == audit["twice"] == 0, audit
    return audit


def names(r):
    return {p["name"] for p in r.ask("port list")}


def on_packet_socket(t, **options):
    """A router, a guest behind an af_packet device, and one on a tap."""
    r = t.router(**options).start_all()
    a = t.lab.guest("a")
    here = veth(t, a, 1)
    device(r, 1, "up", f"net_af_packet0,iface={here}")
    b = tap_guest(t, r, 2)
    flood(r, 1, 2)
    return r, a, b, here


@test
def a_guest_behind_a_packet_socket_reaches_one_on_a_tap(t):
    r, a, b, here = on_packet_socket(t)
    for x, y in ((a, b), (b, a)):
        sent, received, said = x.ping(y, count=20)
        assert received == sent, said
    probes = Probes(a, b)
    for _ in range(10):
        audit = balanced(r)
        # The device copies, so nothing is unaccounted for by elimination.
        assert audit["ports"] == 0, audit
    probes.stop()
    assert probes.lost == 0 and probes.doubled == 0, f"{probes.lost} of {probes.sent} lost"
    (vif,) = [v for v in r.ask("vif list") if v["id"] == 1]
    assert int(vif["state"]["rx_packets"]) >= probes.sent, vif
    t.note(f"{probes.sent} probes, longest gap {probes.longest_gap()[0]:.1f} ms")


@test
def it_is_reached_again_after_its_slot_died(t):
    r, a, b, here = on_packet_socket(t)
    a.ping(b, count=2)
    probes = Probes(a, b)
    for _ in range(5):
        number = r.slot_of("up")
        pid = int(r.slot(number)["pid"])
        r.kill(pid)
        until(lambda: r.slot(number).get("pid") not in (None, 0, pid), 10, "the slot has a process again")
        time.sleep(0.2)
    probes.stop()
    gap, _ = probes.longest_gap()
    t.note(f"5 kills: {probes.lost} of {probes.sent} probes lost, longest gap {gap:.0f} ms")
    # They wait, in rings, until the successor has all it needs to send them.
    assert probes.lost == 0, r.vrctl("drops")
    sent, received, said = a.ping(b, count=20)
    assert received == sent, said
    balanced(r)


@test
def it_comes_and_goes_while_packets_flow(t):
    r, a, b, here = on_packet_socket(t)
    a.ping(b, count=2)
    flow = a.popen("ping", "-n", "-q", "-i", "0.002", b.address, stdout=subprocess.DEVNULL)
    for _ in range(10):
        r.vrctl("vif del id=1")
        assert "up" not in names(r)
        r.vrctl(
            f"vif add id=1 name=up type=virtual vrf=1 nexthop=1 device.name=up "
            f"device.devargs=net_af_packet0,iface={here}"
        )
    flow.terminate()
    sent, received, said = a.ping(b, count=20)
    assert received == sent, said
    balanced(r)
    r.vrctl("vif del id=1")
    said = r.vrctl(
        "vif add id=1 name=up type=virtual vrf=1 device.name=up device.devargs=net_af_packet0,iface=is-not-there",
        expect=1,
    )
    assert "net_af_packet0" in said, said
    balanced(r)


def capture(path, frames):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for n, frame in enumerate(frames):
            f.write(struct.pack("<IIII", n, 0, len(frame), len(frame)) + frame)


def frames_of(path):
    with open(path, "rb") as f:
        data = f.read()
    at, found = 24, []
    while at + 16 <= len(data):
        (n,) = struct.unpack_from("<8xI", data, at)
        found.append(data[at + 16 : at + 16 + n])
        at += 16 + n
    return found


def hex_mac(n):
    return bytes.fromhex(mac(n).replace(":", ""))


@test
def a_capture_is_played_to_a_guest_and_written_by_one(t):
    r = t.router().start_all()
    g = tap_guest(t, r, 2)
    played, written = os.path.join(r.dir, "in.pcap"), os.path.join(r.dir, "out.pcap")
    # More than the rings hold: what is played from a file waits.
    count = 5000
    capture(played, [hex_mac(2) + hex_mac(1) + b"\x88\xb5" + struct.pack(">I", n) + bytes(60) for n in range(count)])
    device(r, 1, "cap", f"net_pcap0,rx_pcap={played},tx_pcap={written}")

    def counted(id, key):
        (vif,) = [v for v in r.ask("vif list") if v["id"] == id]
        return int(vif["state"].get(key, 0))

    def early():
        """Those that were played before control had made the port's vif, or the way to the guest."""
        return sum(int(d["packets"]) for d in r.ask("drops"))

    until(lambda: counted(2, "tx_packets") + early() >= count, 10, f"{count} packets come in")
    assert not [d for d in r.ask("drops") if d["reason"] == "ring-full"], r.vrctl("drops")
    played_before = counted(2, "tx_packets")
    t.note(f"{played_before} to the guest")
    balanced(r)
    for slot in r.ask("slot list"):
        pid = int(slot["pid"])
        r.kill(pid)
        until(lambda: r.slot(slot["id"]).get("pid") not in (None, 0, pid), 10, "the slot has a process again")
    assert counted(2, "tx_packets") == played_before, "the capture was read again"
    script = (
        "import socket\n"
        "s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n"
        f"s.bind(('{g.tap}', 0))\n"
        f"for n in range(50): s.send({hex_mac(1) + hex_mac(2)!r} + b'\\x88\\xb5' + bytes([n]) * 50)\n"
    )
    done = g.run("/usr/bin/python3", "-c", script)
    assert done.returncode == 0, done.stderr
    until(lambda: counted(1, "tx_packets") == 50, 5, "50 packets go to the capture")
    time.sleep(0.3)  # they are on their way to the thread that writes
    balanced(r)
    r.vrctl("vif del id=1")
    found = [f for f in frames_of(written) if f[12:14] == b"\x88\xb5"]
    assert [f[14] for f in found] == list(range(50)), f"{len(found)} frames written"
    balanced(r)


@test
def a_bond_of_two_packet_sockets_carries_a_guest(t):
    a, hosts = t.lab.guest("a"), []
    for n in (1, 3):
        hosts.append(veth(t, a, n))
    r = t.router(name="r")
    with open(r.config, "a") as f:
        # The bond is named first: its members are made before it all the same.
        f.write("port = bond0=net_bonding0,mode=1,slave=m0,slave=net_af_packet1\n")
        f.write(f"port = m0=net_af_packet0,iface={hosts[0]}\n")
        f.write(f"port = m1=net_af_packet1,iface={hosts[1]}\n")
    r.start_all()
    assert {"bond0", "m0", "m1"} <= names(r), r.log_tail()
    device(r, 1, "bond0")
    b = tap_guest(t, r, 2)
    flood(r, 1, 2)
    sent, received, said = a.ping(b, count=20)
    assert received == sent, said
    (port,) = [p for p in r.ask("port list") if p["name"] == "bond0"]
    audit = balanced(r)
    t.note(f"bond {port['state']}, {audit['ports']} mbufs with the driver")
    for slot in r.ask("slot list"):
        pid = int(slot["pid"])
        r.kill(pid)
        until(lambda: r.slot(slot["id"]).get("pid") not in (None, 0, pid), 10, "the slot has a process again")
    sent, received, said = a.ping(b, count=20)
    assert received == sent, said
    balanced(r)


@test
def the_tap_driver_of_dpdk_serves_a_guest(t):
    r = t.router().start_all()
    a, tap = t.lab.guest("a"), t.lab.tap_name("n1", 1)
    device(r, 1, "nt", f"net_tap0,iface={tap}")
    a.take(tap, mac(1), address(1))
    b = tap_guest(t, r, 2)
    flood(r, 1, 2)
    sent, received, said = a.ping(b, count=20)
    assert received == sent, said
    balanced(r)
    r.vrctl("vif del id=1")
    balanced(r)


@test
def the_next_primary_polls_them_again(t):
    a = t.lab.guest("a")
    here = veth(t, a, 1)
    r = t.router()
    r.primary = r.start("vr-primary")
    for program, *args in (("vr-fwd", "--slots", "10,11"), ("vr-ctl",)):
        r.start(program, *args)
    r.wait_well()
    device(r, 1, "up", f"net_af_packet0,iface={here}")
    b = tap_guest(t, r, 2)
    flood(r, 1, 2)
    sent, received, said = a.ping(b, count=10)
    assert received == sent, said
    r.kill(r.primary.pid)
    r.primary.wait()
    r.primary = r.start("vr-primary")
    r.wait_well()

    def answers():
        sent, received, said = a.ping(b, count=5, wait=1)
        return received == sent

    until(answers, 10, "the guests reach each other again")
    balanced(r)


LACP = 0x8809


@test
def a_bond_keeps_its_protocol_alive_when_idle(t):
    a = t.lab.guest("a")
    here = veth(t, a, 1)
    r = t.router()
    with open(r.config, "a") as f:
        f.write(f"port = m0=net_af_packet0,iface={here}\n")
        f.write("port = bond0=net_bonding0,mode=4,slave=m0\n")
    script = (
        "import socket, time\n"
        f"s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons({LACP}))\n"
        f"s.bind(('{a.tap}', {LACP}))\n"
        "print('ready', flush=True)\n"
        "s.settimeout(0.5)\n"
        "n, end = 0, time.time() + 12\n"
        "while n < 2 and time.time() < end:\n"
        "    try: s.recv(200); n += 1\n"
        "    except OSError: pass\n"
        "print(n)\n"
    )
    listener = a.popen("/usr/bin/python3", "-c", script, stdout=subprocess.PIPE, text=True)
    listener.stdout.readline()
    r.start_all()
    assert "bond0" in names(r), r.log_tail()
    out, _ = listener.communicate(timeout=20)
    assert int(out) >= 2, f"{out} LACP frames came"
    balanced(r)
    assert "m0" in r.vrctl("port list")


@test
def a_member_belongs_to_its_bond(t):
    r = t.router(conf={"port": "n0=net_null0"}).start_all()
    said = r.vrctl(
        "vif add id=5 name=b type=virtual vrf=5 device.name=b device.devargs=net_bonding0,mode=1,slave=n0", expect=1
    )
    assert "n0" in said, said
    said = r.vrctl(
        "vif add id=5 name=b type=virtual vrf=5 device.name=b device.devargs=net_bonding0,mode=1,slave=nobody",
        expect=1,
    )
    assert "nobody" in said, said
    assert names(r) == {"n0"}, names(r)

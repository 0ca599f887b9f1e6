# SPDX-License-Identifier: BSD-3-Clause
"""
A vif on memif, shared memory with another program: dpdk-testpmd at its other end answers ARP and
echo requests (icmpecho), whoever of ours dies meanwhile.
"""

import os
import shutil
import subprocess

from lab import text_of, until
from ports import device, flood, tap_guest
from runner import test
from vhost_lab import sound

MEMIF, GUEST = 1, 2


class Echo:
    """What is at the other end, with the address of guest 1 in the eyes of others."""

    address = "10.1.0.1"


def echo(t, socket):
    program = shutil.which("dpdk-testpmd")
    if program is None:
        t.skip("needs dpdk-testpmd: apt-get install dpdk")
    prefix, log = t.lab.name("echo"), os.path.join(t.lab.dir, "echo")
    eal = ["--lcores", "0@(0,1),1@(0,1)", "--in-memory", "--no-pci", "--no-telemetry", "--single-file-segments", "-m", "64"]
    eal += ["--file-prefix", prefix, "--vdev", f"net_memif0,role=client,socket={socket},socket-abstract=no"]
    own = ["--forward-mode=icmpecho", "--nb-cores=1", "--total-num-mbufs=8192"]
    # It runs until its standard input ends.
    child = t.lab.popen([program, *eal, "--", *own], log=log, stdin=subprocess.PIPE)
    t.after(shutil.rmtree, f"/run/dpdk/{prefix}", True)
    return child, log


def beginning(t):
    """A router with a memif and a guest; the program behind the memif, and its log."""
    r = t.router().start_all()
    socket = os.path.join(t.lab.dir, "memif")
    device(r, MEMIF, "m0", f"net_memif0,role=server,socket={socket},socket-abstract=no")
    child, log = echo(t, socket)
    guest = tap_guest(t, r, GUEST)
    flood(r, MEMIF, GUEST)
    until(lambda: os.path.exists(socket), 10, "the socket is there")
    return r, guest, socket, child, log


def answered(guest):
    return guest.ping(Echo, count=1, wait=1)[1] == 1


def learn(r, guest, child, log):
    """Its MAC: testpmd answers in the name of its own, whatever that is."""
    guest.shell(f"ip neigh flush dev {guest.tap}")

    def learnt():
        assert child.poll() is None, text_of(log)[-2000:]
        guest.run("ping", "-c", "1", "-W", "1", Echo.address)
        for line in guest.shell("ip neigh show").splitlines():
            words = line.split()
            if words[0] == Echo.address and "lladdr" in words:
                return words[words.index("lladdr") + 1]
        return None

    theirs = until(learnt, 20, "memif's other end answers ARP")
    r.vrctl(f"bridge add vrf=1 mac={theirs} nexthop={MEMIF}")
    until(lambda: answered(guest), 10, "a ping is answered")
    sent, received, said = guest.ping(Echo, count=50, interval=0.01)
    assert sent == received, said


@test(seconds=90)
def a_memif_is_used_again_whenever_its_peer_comes_back(t):
    r, guest, socket, child, log = beginning(t)
    learn(r, guest, child, log)
    workers = r.pids_of("vr-fwd")
    for _ in range(3):
        child.kill()
        child.wait()
        until(lambda: not r.ask(f"vif get id={MEMIF}")[0]["state"].get("link_up"), 10, "the link is down")
        sent, received, _ = guest.ping(Echo, count=3, wait=1)
        assert received == 0, "somebody answers for the dead"
        child, log = echo(t, socket)
        learn(r, guest, child, log)
    assert r.pids_of("vr-fwd") == workers, "a worker died of it"
    sound(r, "afterwards")


@test(seconds=90)
def a_frame_too_long_for_memif_is_dropped_and_harms_no_other(t):
    r, guest, _, child, log = beginning(t)
    learn(r, guest, child, log)
    r.vrctl(f"vif set id={MEMIF} mtu=9000")
    guest.shell(f"ip link set dev {guest.tap} mtu 4000")
    guest.run("ping", "-c", "20", "-i", "0.01", "-W", "1", "-s", "3000", Echo.address)
    # Once around the ring, by the descriptors that the long ones may have had.
    sent, received, said = guest.ping(Echo, count=1100, interval=0.002)
    assert sent == received, said
    assert {d["reason"]: int(d["packets"]) for d in r.ask("drops")}.get("mtu") == 20
    sound(r, "afterwards")


@test(seconds=90)
def a_guest_reaches_what_is_behind_memif_over_a_workers_death(t):
    r, guest, _, child, log = beginning(t)
    learn(r, guest, child, log)
    for number in r.slots:
        slot = r.slot(int(str(number).partition("@")[0]))
        os.kill(int(slot["pid"]), 9)
        until(lambda: answered(guest), 20, "a ping is answered after the death")
    sent, received, said = guest.ping(Echo, count=50, interval=0.01)
    assert sent == received, said
    audit = sound(r, "afterwards")
    t.note(f"{audit['quarantined']} mbufs in quarantine")

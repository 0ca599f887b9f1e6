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


@test(seconds=90)
def a_guest_reaches_what_is_behind_memif_over_a_workers_death(t):
    r = t.router().start_all()
    socket = os.path.join(t.lab.dir, "memif")
    device(r, MEMIF, "m0", f"net_memif0,role=server,socket={socket},socket-abstract=no")
    child, log = echo(t, socket)
    guest = tap_guest(t, r, GUEST)
    flood(r, MEMIF, GUEST)
    until(lambda: os.path.exists(socket), 10, "the socket is there")

    def answered():
        return guest.ping(Echo, count=1, wait=1)[1] == 1

    # testpmd answers in the name of its own MAC, whatever that is.
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
    until(answered, 10, "a ping is answered")
    sent, received, said = guest.ping(Echo, count=50, interval=0.01)
    assert sent == received, said
    for number in r.slots:
        slot = r.slot(int(str(number).partition("@")[0]))
        os.kill(int(slot["pid"]), 9)
        until(answered, 20, "a ping is answered after the death")
    sent, received, said = guest.ping(Echo, count=50, interval=0.01)
    assert sent == received, said

    def balanced():
        audit = r.audit()
        return audit if audit["unpaused"] == 0 else None

    audit = until(balanced, 10, "everybody pauses for an audit")
    assert audit["unaccounted"] == audit["twice"] == 0, audit
    t.note(f"{audit['quarantined']} mbufs in quarantine")

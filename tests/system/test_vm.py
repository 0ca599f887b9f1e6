# SPDX-License-Identifier: BSD-3-Clause
"""
Guests in real virtual machines (deploy/lab/vm): their kernel's virtio driver, QEMU's vhost-user,
reboots, and every death there is, while they talk to each other and to a guest on a tap.
"""

import json
import os
import re
import subprocess
import sys
import time

from lab import HERE as LAB
from lab import Probes, Stream, address, mac, until
from runner import test

sys.path.append(os.path.join(LAB, "vm"))
from machine import Machine  # noqa: E402

VRF, FLOOD = 1, 100
PROBE_US = 5000


def router(t, agents=1):
    """Whose agent the primary starts, again and again, or with agents=0 the test."""
    return t.router().start_all(agents=agents)


def agent(r):
    return r.start("vr-vhost", "--agent", "0")


def vif(r, n, what):
    """A vif with the nexthop and the bridge entry that lead to it, and a place in the flood."""
    r.vrctl(f"vif add id={n} name=g{n} type=virtual vrf={VRF} nexthop={n} {what}")
    r.vrctl(f"nexthop add id={n} type=encap vrf={VRF} vif={n}")
    r.vrctl(f"bridge add vrf={VRF} mac={mac(n)} nexthop={n}")


def flood(r, numbers):
    members = ",".join(map(str, numbers))
    r.vrctl(f"nexthop add id={FLOOD} type=flood vrf={VRF} members={members}")
    r.vrctl(f"bridge add vrf={VRF} mac=ff:ff:ff:ff:ff:ff nexthop={FLOOD}")


def slot_for(r, n):
    return str(r.slots[n % len(r.slots)]).partition("@")[0]


def machine(t, r, n, queues=1, listens=True, **options):
    """Guest n, booting, on a vif of its own; the agent is the opposite of what QEMU is."""
    path = os.path.join(r.dir, f"g{n}.sock")
    server = "" if listens else " vhost.server=true"
    vif(r, n, f"vhost.path={path} vhost.agent=0 vhost.queues={queues} vhost.slot={slot_for(r, n)}{server}")
    return Machine(t.lab, f"g{n}", path, mac(n), address(n), queues=queues, listens=listens, **options).start()


def tap(t, r, n):
    name = t.lab.tap_name(f"g{n}", n)
    vif(r, n, f"tap.name={name} tap.slot={slot_for(r, n)}")
    g = t.lab.guest(f"g{n}")
    g.take(name, mac(n), address(n))
    g.interface = name
    return g


def up(*machines):
    for m in machines:
        m.wait_up()


def reach(a, b, seconds=20):
    """Pings until one comes back."""
    until(lambda: a.ping(b, count=1, wait=1)[1] == 1, seconds, f"{a.name} reaches {b.name}")


def sound(r):
    def ask():
        audit = r.audit()
        return audit if audit["unpaused"] == 0 else None

    audit = until(ask, 10, "an audit while all stand still")
    assert audit["unaccounted"] == 0 and audit["twice"] == 0, audit


def iperf(sender, receiver, seconds=2, streams=1, port=5201):
    """(Mbit/s, retransmits, segments sent) of a TCP connection."""
    server = receiver.popen("iperf3", "-s", "-1", "--forceflush", "-p", str(port), stdout=-1, stderr=-1, text=True)
    server.stdout.readline()
    time.sleep(0.3)
    done = sender.run("iperf3", "-c", receiver.address, "-p", str(port), "-t", str(seconds),
                      "-P", str(streams), "-J", seconds=seconds + 20)  # fmt: skip
    server.wait(10)
    said = json.loads(done.stdout)
    assert "error" not in said, said["error"]
    sent, received = said["end"]["sum_sent"], said["end"]["sum_received"]
    return received["bits_per_second"] / 1e6, sent.get("retransmits", 0), sent["bytes"] / 1448

# --- the tests


OFFLOADS = "tx sg tso gso gro"


def offloads(on, *guests):
    """Switches what the guest's kernel leaves to the router, and takes from it."""
    what = " ".join(f"{name} {'on' if on else 'off'}" for name in OFFLOADS.split())
    for g in guests:
        # Some depend on others, and ethtool says so with an exit status.
        g.shell(f"ethtool -K {g.interface} {what}", check=False)


def figures(t, pairs, what):
    """{pair: (Mbit/s, part of the segments that was sent again)}"""
    rates = {}
    for sender, receiver in pairs:
        rate, again, segments = iperf(sender, receiver)
        pair = f"{sender.name}-{receiver.name}"
        rates[pair] = rate, again / segments
        t.note(f"{what}: {pair} {rate:.0f} Mbit/s, {again} retransmits")
    return rates


@test(seconds=300)
def guests_talk_to_each_other_and_to_a_tap_with_and_without_offloads(t):
    r = router(t)
    begin = time.monotonic()
    a, b = machine(t, r, 1), machine(t, r, 2)
    c = tap(t, r, 3)
    flood(r, (1, 2, 3))
    up(a, b)
    t.note(f"up after {time.monotonic() - begin:.1f} s")
    pairs = ((a, b), (b, a), (a, c), (c, a))
    for sender, receiver in pairs:
        reach(sender, receiver)
        sent, received, said = sender.ping(receiver, count=20, interval=0.05, wait=5)
        assert received == sent, said
    assert [v["state"]["link_up"] for v in r.ask("vif list")] == [True] * 3
    streams = [Stream(s, d, port=7001 + i, mb_per_second=2) for i, (s, d) in enumerate(pairs)]
    for s in streams:
        assert s.moves(30, 1000000), s.broken() or "no more bytes"
    for s in streams:
        assert not s.stop(), s.broken()
    on = figures(t, pairs, "offloads on")
    offloads(False, a, b, c)
    assert "tcp-segmentation-offload: off" in a.shell("ethtool -k eth0")
    off = figures(t, pairs, "off")
    # The machine is shared with others, so a little lower is not lower.
    assert all(on[p][0] >= 0.7 * off[p][0] and on[p][1] < 0.01 for p in on), (on, off)
    sound(r)


def death(t, probes, streams, what, kill):
    """Kills, and wants every stream to go on; says how long the probes were away."""
    killed_ns = time.time_ns()
    kill()
    for s in streams:
        assert s.moves(30, 500000), f"{what}: {s.broken() or 'no more bytes'}"
    until(lambda: probes.records[-1][2] > killed_ns + 500000000, 30, f"{what}: probes arrive again")
    gap, _ = probes.longest_gap(killed_ns)
    t.note(f"{what}: gap {gap:.0f} ms")


@test(seconds=300)
def connections_of_guests_survive_the_death_of_the_agent_and_of_a_worker(t):
    r = router(t)
    a, b = machine(t, r, 1), machine(t, r, 2)
    c = tap(t, r, 3)
    flood(r, (1, 2, 3))
    up(a, b)
    reach(a, b)
    reach(c, a)
    streams = [Stream(a, b, 7001, 2), Stream(c, a, 7002, 2), Stream(b, c, 7003, 2)]
    ports = b.shell("ss -tnH state established")

    def agent_dies():
        (pid,) = r.pids_of("vr-vhost")
        r.kill(pid)

    def worker_dies():
        number = r.slot_of("g1")
        pid = int(r.slot(number)["pid"])
        r.kill(pid)
        until(lambda: r.slot(number).get("pid", 0) not in (0, pid), 20, "the slot has a new worker")

    probes = Probes(a, b, interval_us=PROBE_US)
    for k in range(3):
        death(t, probes, streams, f"agent's death {k + 1}", agent_dies)
    for k in range(2):
        death(t, probes, streams, f"worker's death {k + 1}", worker_dies)
    probes.stop()
    t.note(f"{probes.lost} of {probes.sent} probes lost, {probes.doubled} twice")
    assert b.shell("ss -tnH state established").count("7001") == ports.count("7001") == 1
    for s in streams:
        assert not s.stop(), s.broken()
    sound(r)


def queues_used(guest):
    """Which of its queue pairs the guest has received and sent packets by, by its own driver."""
    said = guest.shell("ethtool -S eth0")
    return [
        {int(n) for n in re.findall(rf"{way}_queue_(\d+)_packets: [1-9]", said)} for way in ("rx", "tx")
    ]


@test(seconds=300)
def guests_with_several_queues_reboot_and_lose_their_qemu(t):
    r = router(t)
    a, b = machine(t, r, 1, queues=2), machine(t, r, 2, queues=2)
    c = tap(t, r, 3)
    flood(r, (1, 2, 3))
    up(a, b)
    reach(a, b)

    def both_queues_work():
        until(lambda: iperf(a, b, 1, streams=4)[0] > 0 and queues_used(a)[1] == {0, 1}, 20, "a sends by both")
        until(lambda: iperf(c, b, 1, streams=4)[0] > 0 and queues_used(b)[0] == {0, 1}, 20, "b receives by both")

    assert "Combined:\t2" in a.shell("ethtool -l eth0")
    guest = r.ask("vif get id=1")[0]["state"]["guest"]
    assert guest["connected"] and guest["rx_queues"] == guest["tx_queues"] == 2, guest
    both_queues_work()
    # The other guest does not notice what happens to this one.
    stream = Stream(b, c, mb_per_second=2)
    before = a.boot_id()
    a.popen("reboot", "-f", stderr=subprocess.DEVNULL)
    begin = time.monotonic()
    until(lambda: a.is_up() and a.boot_id() != before, 90, "the guest has rebooted", 0.2)
    reach(a, b)
    t.note(f"rebooted within {time.monotonic() - begin:.1f} s")
    a.kill()
    assert os.path.exists(a.socket), "QEMU that was killed leaves its socket"
    begin = time.monotonic()
    a.start().wait_up()
    reach(a, b)
    t.note(f"back with a new QEMU within {time.monotonic() - begin:.1f} s")
    both_queues_work()
    assert stream.moves(10), stream.broken()
    assert not stream.stop(), stream.broken()
    sound(r)


@test(seconds=300)
def guests_whose_qemu_connects_find_the_next_agent(t):
    r = router(t, agents=0)
    child = agent(r)
    # And one of them takes no segmentation and no unfinished checksums from anybody.
    a, b = machine(t, r, 1, listens=False), machine(t, r, 2, listens=False, offloads=False)
    c = tap(t, r, 3)
    flood(r, (1, 2, 3))
    up(a, b)
    reach(a, b)
    reach(a, c)
    stream = Stream(a, b, mb_per_second=2)
    for k in range(2):
        begin = time.monotonic()
        r.kill(child.pid)
        child.wait()
        assert os.path.exists(a.socket), "an agent that was killed leaves its sockets"
        time.sleep(k)  # the second time there is none for a while
        child = agent(r)
        assert stream.moves(30), stream.broken() or "no more bytes"
        t.note(f"death {k + 1}: bytes again after {time.monotonic() - begin:.1f} s")
    a.kill()
    a.start().wait_up()
    reach(a, c)
    sound(r)

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
from vhost_lab import agent, returns, summary

sys.path.append(os.path.join(LAB, "vm"))
from machine import Machine  # noqa: E402

VRF, FLOOD = 1, 100
PROBE_US = 5000


def router(t, agents=1):
    """Whose agent the primary starts, again and again, or with agents=0 the test."""
    return t.router().start_all(agents=agents)


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


def tap(t, r, n, ip=None):
    name = t.lab.tap_name(f"g{n}", n)
    vif(r, n, f"tap.name={name} tap.slot={slot_for(r, n)}")
    g = t.lab.guest(f"g{n}")
    g.take(name, mac(n), ip or address(n))
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
TRIES = 4


def offloads(on, *guests):
    """Switches what the guest's kernel leaves to the router, and takes from it."""
    what = " ".join(f"{name} {'on' if on else 'off'}" for name in OFFLOADS.split())
    for g in guests:
        # Some depend on others, and ethtool says so with an exit status.
        g.shell(f"ethtool -K {g.interface} {what}", check=False)


def wrong_checksums(guest):
    """TCP segments with a wrong one that a guest has received since it began."""
    names, values = (line.split() for line in guest.shell("grep ^Tcp: /proc/net/snmp").splitlines())
    return int(dict(zip(names, values))["InCsumErrors"])


class Figures:
    """Of TCP with or without offloads, from one guest to another: the best there was."""

    def __init__(self):
        self.rate, self.again = 0, 1  # Mbit/s, and the part of the segments that was sent again

    def measure(self, sender, receiver):
        rate, again, segments = iperf(sender, receiver)
        self.rate, self.again = max(self.rate, rate), min(self.again, again / segments)

    def __str__(self):
        return f"{self.rate:.0f} Mbit/s, {self.again:.2%} sent again"


def compare(t, sender, receiver):
    """Default offloads are at least as fast as none, and few segments are lost on the way."""
    ends, on, off = (sender, receiver), Figures(), Figures()
    # The machine is shared with others, so a little lower is not lower, and once is not enough.
    for _ in range(TRIES):
        offloads(True, *ends)
        on.measure(*ends)
        offloads(False, *ends)
        assert "tcp-segmentation-offload: off" in sender.shell(f"ethtool -k {sender.interface}")
        off.measure(*ends)
        if on.rate >= 0.8 * off.rate and on.again < 0.01:
            break
    offloads(True, *ends)
    what = f"{sender.name} to {receiver.name}: offloads on {on}, off {off}"
    t.note(what)
    assert on.rate >= 0.8 * off.rate and on.again < 0.01, what
    wrong = {g.name: wrong_checksums(g) for g in ends}
    assert not any(wrong.values()), f"segments with wrong checksums: {wrong}"


@test(seconds=500)
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
    for sender, receiver in pairs:
        compare(t, sender, receiver)
    sound(r)


# --- through tunnels, and with the host

ROUTER_MAC = "00:00:5e:00:01:00"  # what every vif has unless it is told otherwise
UPLINK, MPLS, VXLAN, INTO_VRF, VNI, LABEL = 5, 10, 11, 30, 77, 1234


def underlay_mac(n):
    return f"02:00:00:00:0a:{n:02x}"


def underlay_ip(n):
    return f"192.0.2.{n}"


def host(t, r, n, ip):
    """The host's own interface, in a namespace."""
    name = t.lab.tap_name("host", n)
    r.vrctl(f"vif add id={n} name=vhost0 type=host vrf={VRF} ip={ip} mac={mac(n)} tap.name={name}")
    r.vrctl("vif add id=99 name=agent type=agent")  # host vifs trap to it
    r.vrctl(f"nexthop add id={n} type=receive family=inet vif={n}")
    r.vrctl(f"route add vrf={VRF} prefix={ip}/32 nexthop={n}")
    g = t.lab.guest("host")
    g.take(name, mac(n), ip)
    g.interface = name
    return g


def routed(r, g, n, *far):
    """The guest's own packets come routed, too, and it sends what is far to the router."""
    r.vrctl(
        f"nexthop add id={100 + n} type=encap family=inet vrf={VRF} vif={n} "
        f"rewrite={g.mac}:{ROUTER_MAC}:0800"
    )
    r.vrctl(f"route add vrf={VRF} prefix={g.address}/32 nexthop={100 + n}")
    r.vrctl(f"label add label={LABEL} nexthop={100 + n}")
    way(g, *far)


def way(g, *far):
    gateway = g.address.rpartition(".")[0] + ".254"
    g.shell(f"ip neighbour replace {gateway} lladdr {ROUTER_MAC} dev {g.interface} nud permanent")
    for prefix in far:
        g.shell(f"ip route add {prefix} via {gateway}")


def uplink(t, r, n, underlay):
    """The uplink of router n, on the underlay's bridge."""
    name = t.lab.tap_name(f"up{n}", n + 10)
    own, ip = underlay_mac(n), underlay_ip(n)
    r.vrctl(f"vif add id={UPLINK} name=up type=physical ip={ip} mac={own} tap.name={name}")
    until(lambda: os.path.exists(f"/sys/class/net/{name}"), 5, f"the tap {name} is there")
    underlay.ip("link", "set", name, "netns", underlay.netns)
    underlay.shell(f"ip link set {name} master underlay up")
    underlay.shell(f"ip neighbour replace {ip} lladdr {own} dev underlay nud permanent")


def tunnel(r, number, kind, n, other):
    """A nexthop of router n that leads through a tunnel to another's uplink."""
    r.vrctl(
        f"nexthop add id={number} type=tunnel vif={UPLINK} "
        f"rewrite={underlay_mac(other)}:{underlay_mac(n)}:0800 tunnel.kind={kind} "
        f"tunnel.source={underlay_ip(n)} tunnel.destination={underlay_ip(other)}"
    )


def mpls(r, n, other, prefix):
    """What goes to the prefix goes through MPLS over UDP to another router."""
    tunnel(r, MPLS, "mpls-udp", n, other)
    r.vrctl(f"route add vrf={VRF} prefix={prefix} nexthop={MPLS} label={LABEL}")


def vxlan(r, underlay, n, guest):
    """The kernel's own: a stack behind vxlan, in the guests' network, on the underlay's bridge."""
    underlay.shell(
        f"""
        echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
        ip address add {underlay_ip(n)}/24 dev underlay
        ip link add vx0 address {mac(n)} type vxlan id {VNI} local {underlay_ip(n)} \
            remote {underlay_ip(1)} dstport 4789 dev underlay
        ip link set vx0 up
        ip address add {address(n)}/24 dev vx0
        """
    )
    underlay.address, underlay.interface = address(n), "vx0"
    tunnel(r, VXLAN, "vxlan", 1, n)
    r.vrctl(f"nexthop add id={INTO_VRF} type=vrf-translate vrf={VRF}")
    r.vrctl(f"vni add vni={VNI} nexthop={INTO_VRF}")
    r.vrctl(f"bridge add vrf={VRF} mac={mac(n)} nexthop={VXLAN} label={VNI}")
    r.vrctl(f"nexthop add id={FLOOD} type=flood vrf={VRF} members={guest},{VXLAN} labels=16777215,{VNI}")
    r.vrctl(f"bridge add vrf={VRF} mac=ff:ff:ff:ff:ff:ff nexthop={FLOOD}")


@test(seconds=500)
def tcp_of_a_guest_goes_to_the_host_and_through_tunnels_with_and_without_offloads(t):
    r = router(t)
    a = machine(t, r, 1)
    underlay = t.lab.guest("vxlan")
    underlay.shell(f"ip link add underlay address {underlay_mac(3)} type bridge && ip link set underlay up")
    h = host(t, r, 4, "10.9.0.1")
    uplink(t, r, 1, underlay)
    vxlan(r, underlay, 3, 1)
    # Behind the other tunnel are a router and a guest of its own.
    r2 = t.router("r2").start_all()
    uplink(t, r2, 2, underlay)
    b = tap(t, r2, 2, "10.2.0.2")
    b.name = "mpls"
    mpls(r, 1, 2, "10.2.0.0/24")
    mpls(r2, 2, 1, "10.1.0.0/24")
    routed(r2, b, 2, "10.1.0.0/24")
    way(h, "10.1.0.0/24")
    up(a)
    routed(r, a, 1, "10.9.0.0/24", "10.2.0.0/24")
    pairs = [p for g in (h, underlay, b) for p in ((a, g), (g, a))]
    for sender, receiver in pairs:
        reach(sender, receiver)
    for sender, receiver in pairs:
        compare(t, sender, receiver)
    for one in (r, r2):
        dropped = {d["reason"]: int(d["packets"]) for d in one.ask("drops")}
        # Segments fit the tunnels: what ends agree on is clamped, and frames are cut to that.
        assert dropped.get("mtu", 0) == 0, dropped
        sound(one)


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


@test(seconds=300)
def an_agent_is_soon_back_for_guests_whose_qemu_listens(t):
    r = router(t, agents=0)
    child = agent(r)
    a, c = machine(t, r, 1), tap(t, r, 2)
    flood(r, (1, 2))
    up(a)
    reach(a, c)
    probes = Probes(a, c, interval_us=PROBE_US)
    ahead_ns = time.time_ns() - time.monotonic_ns()

    def came(begin):
        begin += ahead_ns
        n = len(probes.records)
        until(lambda: probes.records[-1][2] > begin, 30, "a probe arrives again")
        return next(p[2] for p in probes.records[n:] if p[2] > begin) - ahead_ns

    _, took = returns(r, child, came)
    probes.stop()
    t.note(summary(took) + f"; {probes.lost} of {probes.sent} probes lost, {probes.doubled} twice")
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
    before = until(a.boot_id, 30, "the guest answers")
    a.popen("reboot", "-f", stderr=subprocess.DEVNULL)
    begin = time.monotonic()
    until(lambda: a.boot_id() not in (None, before), 90, "the guest has rebooted", 0.2)
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

# SPDX-License-Identifier: BSD-3-Clause
"""The host behind the router: its tap, its uplink, and the agent, with real stacks."""

import json
import os
import socket
import struct
import subprocess
import sys
import tempfile

from lab import mac, until
from runner import REPO, test

HOST, UPLINK, AGENT = 0, 1, 2
UPLINK_MAC = "02:0a:00:00:00:01"


def host_and_uplink(t, agents=0, **options):
    """The host's tap is in the namespace 'host', the uplink's other end in 'peer'; no configuration
    but these two vifs."""
    r = t.router(**options)
    r.start_all(agents=agents)
    host, peer = t.lab.guest("host"), t.lab.guest("peer")
    host_tap, up_tap = t.lab.tap_name("vhost0", 1), t.lab.tap_name("up", 2)
    r.vrctl(f"vif add id={HOST} name=vhost0 type=host mac={UPLINK_MAC} tap.name={host_tap}")
    r.vrctl(f"vif add id={UPLINK} name=uplink type=physical mac={UPLINK_MAC} tap.name={up_tap} ip=192.0.2.1")
    with open(f"/sys/class/net/{host_tap}/address") as f:
        assert f.read().strip() == UPLINK_MAC
    host.take(host_tap, UPLINK_MAC, "192.0.2.1")
    peer.take(up_tap, "02:0a:00:00:00:63", "192.0.2.99")
    return r, host, peer


def reaches(one, other, count=10):
    sent, received, said = one.ping(other, count=count)
    assert sent == received == count, said


def drops(r):
    return {d["reason"]: int(d["packets"]) for d in r.ask("drops")}


def identity(guest):
    """Name, MAC, addresses and routes of the host's interface."""
    link = json.loads(guest.shell(f"ip -j -d address show dev {guest.tap}"))[0]
    return (
        link["ifname"],
        link["ifindex"],
        link["address"],
        [a["local"] for a in link["addr_info"]],
        guest.shell("ip route"),
    )


@test
def a_host_is_reachable_with_nothing_but_its_vif_and_the_uplinks(t):
    r, host, peer = host_and_uplink(t)
    reaches(peer, host)
    before = drops(r)  # of what kernels said before their interfaces were in place
    reaches(peer, host)
    reaches(host, peer)
    assert drops(r) == before, (drops(r), before)
    r.vrctl(f"vif add id={AGENT} name=agent type=agent")
    reaches(peer, host)
    reaches(host, peer)
    r.vrctl(f"vif del id={AGENT}")
    reaches(host, peer)
    shares = r.ask(f"vif get id={UPLINK}")[0]["state"]
    total = sum(int(s.get("rx_packets", 0)) for s in shares["shares"])
    assert total == int(shares["rx_packets"]) > 0, shares


def all_are_ready(r):
    """Not what `status` judges: who ends often is not well in its eyes."""
    done = r.vrctl_run("--json", "process", "list")
    if done.returncode != 0:
        return False
    states = [p["state"] for p in json.loads(done.stdout)]
    return len(states) == 3 + len(r.slots) and set(states) == {"ready"}


@test(seconds=150)
def the_hosts_tap_outlives_every_single_process(t):
    r, host, peer = host_and_uplink(t, agents=1)
    host.shell("ip route add 203.0.113.0/24 via 192.0.2.99")
    before = identity(host)
    reaches(peer, host)
    for program in ("vr-fwd", "vr-vhost", "vr-ctl", "vr-fwd", "vr-primary"):
        pid = r.pids_of(program)[0]
        r.kill(pid)
        if program == "vr-primary":
            r.primary.wait()
            assert identity(host) == before
            r.primary = r.start("vr-primary", "--spawn", "--spawn-workers", str(len(r.slots)),
                                "--spawn-agents", "1")
        until(lambda: pid not in r.pids_of(program), 10, f"{program} {pid} is gone")
        until(lambda: all_are_ready(r), 20, f"all is back after {program} was killed")
        assert identity(host) == before, f"after {program} was killed"
        until(lambda: host.ping(peer, count=1, wait=1)[1] == 1, 10, f"the host reaches its peer after {program}")
        reaches(peer, host)


@test
def the_router_answers_arp_and_neighbour_solicitations_of_a_kernel(t):
    r = t.router().start_all()
    a = t.lab.guest("a")
    tap = t.lab.tap_name("a", 1)
    r.vrctl(f"vif add id=1 name=a type=virtual vrf=1 tap.name={tap}")
    a.take(tap, mac(1), "10.1.0.1")
    a.shell(
        f"""
        echo 0 >/proc/sys/net/ipv6/conf/{tap}/disable_ipv6
        ip address add fd00:1::1/64 dev {tap} nodad
        """
    )
    router = "00:00:5e:00:01:00"

    def asked(address):
        a.shell(f"ip neighbour flush dev {tap}")
        a.run("ping", "-c", "1", "-W", "1", "-n", address)
        return a.shell(f"ip neighbour show {address}")

    assert router not in asked("10.1.0.9")
    r.vrctl("nexthop add id=9 type=discard family=inet")
    r.vrctl("nexthop add id=10 type=discard family=inet6")
    r.vrctl("route add vrf=1 prefix=10.1.0.0/24 nexthop=9 arp_proxy=yes")
    r.vrctl("route add vrf=1 prefix=fd00:1::/64 nexthop=10 arp_proxy=yes")
    assert router in asked("10.1.0.9"), asked("10.1.0.9")
    assert router in asked("fd00:1::9"), asked("fd00:1::9")
    r.vrctl("vif set id=1 flags=no_arp_proxy")
    assert router not in asked("10.1.0.9")
    assert drops(r).get("arp-refused", 0) > 0, drops(r)


class Agent:
    """A client of the control socket that knows nothing but the .proto."""

    def __init__(self, t, r):
        where = tempfile.mkdtemp(dir=t.lab.dir)
        proto = os.path.join(REPO, "proto")
        subprocess.run(["protoc", f"-I{proto}", f"--python_out={where}", os.path.join(proto, "vrouter.proto")], check=True)
        sys.path.insert(0, where)
        import vrouter_pb2

        self.pb = vrouter_pb2
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(r.socket)
        self.s.settimeout(10)
        self.events, self.n = [], 0
        t.after(self.s.close)

    def receive(self):
        def exactly(n):
            data = b""
            while len(data) < n:
                part = self.s.recv(n - len(data))
                assert part, "the server hung up"
                data += part
            return data

        (size,) = struct.unpack("!I", exactly(4))
        answer = self.pb.Response()
        answer.ParseFromString(exactly(size))
        return answer

    def ask(self, op, **fields):
        self.n += 1
        request = self.pb.Request(id=self.n, op=op, object=self.pb.Object(packet=self.pb.Packet(**fields)))
        data = request.SerializeToString()
        self.s.sendall(struct.pack("!I", len(data)) + data)
        while True:
            answer = self.receive()
            if not answer.HasField("event"):
                return answer.result
            self.events.append(answer)

    def trapped(self, reason):
        """The next packet trapped for this reason."""
        while True:
            answer = self.events.pop(0) if self.events else self.receive()
            if answer.HasField("event") and answer.object.packet.reason == reason:
                return answer.object.packet


@test
def an_agent_gets_what_is_trapped_and_injects_the_answer(t):
    r = t.router().start_all()
    a = t.lab.guest("a")
    tap = t.lab.tap_name("a", 1)
    agent = Agent(t, r)
    pb = agent.pb
    refused = agent.ask(pb.SET, command=pb.Packet.SWITCH, vif=1, frame=b"x" * 60)
    assert refused.code == pb.Result.NOT_FOUND and "vif" in refused.text, refused
    assert agent.ask(pb.WATCH).code == pb.Result.OK
    r.vrctl(f"vif add id={AGENT} name=agent type=agent")
    r.vrctl(f"vif add id=1 name=a type=virtual vrf=1 tap.name={tap}")
    r.vrctl("nexthop add id=5 type=encap vif=2")
    r.vrctl("bridge add vrf=1 mac=ff:ff:ff:ff:ff:ff nexthop=5")
    a.take(tap, mac(1), "10.1.0.1")
    ping = a.popen("ping", "-n", "-c", "3", "-W", "5", "10.1.0.9", stdout=subprocess.PIPE)
    request = agent.trapped(pb.Packet.NEXTHOP)
    assert request.vif == 1 and request.vrf == 1 and request.nexthop == 5, request
    frame = request.frame
    assert frame[12:14] == b"\x08\x06" and frame[38:42] == bytes([10, 1, 0, 9]), frame.hex()
    other = bytes.fromhex("02000000000a")
    answer = frame[6:12] + other + frame[12:20] + b"\x00\x02" + other + frame[38:42] + frame[22:32]
    done = agent.ask(pb.SET, command=pb.Packet.SWITCH, vif=1, frame=answer)
    assert done.code == pb.Result.OK, done
    until(lambda: "02:00:00:00:00:0a" in a.shell("ip neighbour show 10.1.0.9"), 10, "the answer arrived")
    ping.kill()
    now = r.counters()
    assert now[(AGENT, "tx_packets")] > 0 and now[(AGENT, "rx_packets")] == 1, now
    assert r.audit()["unaccounted"] == 0

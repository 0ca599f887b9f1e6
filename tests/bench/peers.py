# SPDX-License-Identifier: BSD-3-Clause
"""
Other dataplanes, measured on the same source and sink as ours: l3fwd, the
example of DPDK, and Open vSwitch on DPDK. Neither needs to be installed:
peers.sh builds or unpacks it below the build's folder. A case whose program
cannot be had here is left out.

Everything they make is in the case's directory, but for EAL's empty one in
/run/dpdk, which stop() removes. Open vSwitch runs in a network namespace
without a name, which ends with it, so that its bridges' taps are nobody's
business.
"""

import os
import re
import shutil
import subprocess

from bench import (
    BURST,
    FORWARDING_CORE,
    GUEST_A,
    GUEST_B,
    HERE,
    LABEL,
    MAIN_CORE,
    ROUTER,
    SINK_MAC,
    Dataplane,
    Failure,
    LeftOut,
    frame,
    outer,
)
from lab import text_of, until

PREFIXES = [f"10.2.{n}.0/24" for n in range(256)]
RING = 1024  # descriptors, as the source and the sink have

absent = {}  # what could not be had, and why, so that it is tried only once


def folder_of(peer):
    """Where the peer's files are; LeftOut if they cannot be had."""
    folder = os.path.join(os.environ["VR_BUILD"], "..", "bench-peers", peer)
    if peer not in absent:
        command = [os.path.join(HERE, "peers.sh"), peer, folder]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        absent[peer] = None if done.returncode == 0 else done.stderr.strip() or f"{command[0]} failed"
    if absent[peer]:
        raise LeftOut(absent[peer])
    return folder


def plugin():
    return os.path.join(os.environ["VR_LAB"], "plugins", "flowgen.so")


class Peer(Dataplane):
    def popen(self, command, **options):
        log = os.path.join(self.lab.dir, "log")
        child = self.lab.popen(command, log=log, **options)
        child.log = log
        return child

    def stop(self):
        super().stop()
        # EAL leaves it, empty.
        shutil.rmtree(f"/run/dpdk/{self.lab.mark}", ignore_errors=True)


class L3fwd(Peer):
    """Longest prefix match, 256 prefixes of 24 bits that lead to the sink; it counts nothing itself."""

    def __init__(self, bench):
        super().__init__(bench, dst=ROUTER, dsts=len(PREFIXES))

    def start(self):
        program = os.path.join(folder_of("l3fwd"), "l3fwd", "build", "l3fwd")
        rules = {"rule_ipv4": "".join(f"R{prefix} 1\n" for prefix in PREFIXES), "rule_ipv6": "Rfd00:2::/64 1\n"}
        # The main lcore forwards too, and another one would have a tx queue of its own.
        eal = ["--lcores", str(FORWARDING_CORE), "--in-memory", "--no-pci", "--no-telemetry", "-d", plugin()]
        eal += ["--file-prefix", self.lab.mark, "--vdev", self.source, "--vdev", self.sink]
        own = ["-p", "3", "-P", "--lookup", "lpm", f"--eth-dest=1,{GUEST_B}"]
        own += [f"--config=(0,0,{FORWARDING_CORE}),(1,0,{FORWARDING_CORE})"]
        own += [f"--rx-queue-size={RING}", f"--tx-queue-size={RING}"]
        for option, text in rules.items():
            path = os.path.join(self.lab.dir, option)
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            own.append(f"--{option}={path}")
        self.popen([program] + eal + ["--"] + own)

    def wanted(self, length):
        return frame(length, GUEST_B, SINK_MAC, ttl=63)


class Ovs(Peer):
    """
    Open vSwitch's userspace datapath: bridge br0 with the ports p1 (the source's)
    and p2 (the sink's), and the given OpenFlow rules, all of which must be hit.
    """

    RULES = ["in_port=1,actions=output:2"]
    RECEIVES = 1  # how often its datapath looks at a packet

    def __init__(self, bench, **options):
        super().__init__(bench, **options)
        self.root = self.daemon = self.environment = None

    # --- its programs

    def path(self, name):
        return os.path.join(self.lab.dir, name)

    def program(self, name):
        for folder in ("bin", "sbin", "lib/openvswitch-switch-dpdk"):
            path = os.path.join(self.root, "usr", folder, name)
            if os.path.exists(path):
                return path
        raise LeftOut(f"the packages of Open vSwitch have no {name}")

    def run(self, name, *args):
        done = subprocess.run(
            [self.program(name), *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env=self.environment,
        )
        if done.returncode != 0:
            self.check()  # A daemon's last words say more.
            raise Failure(f"{name} {' '.join(args)}: {(done.stdout + done.stderr).strip()}")
        return done.stdout

    def vsctl(self, *args):
        # Waits until the daemon has done it.
        return self.run("ovs-vsctl", f"--db=unix:{self.path('db.sock')}", "--timeout=20", *args)

    def appctl(self, *args):
        return self.run("ovs-appctl", "-t", self.path("daemon.ctl"), *args)

    def ofctl(self, command, *args, bridge="br0"):
        return self.run("ovs-ofctl", "-O", "OpenFlow13", command, f"unix:{self.path(bridge + '.mgmt')}", *args)

    # --- starting

    def start(self):
        self.root = folder_of("ovs")
        own = {name: self.lab.dir for name in ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR")}
        libraries = os.path.join(self.root, "usr", "lib", "x86_64-linux-gnu")
        self.environment = {**os.environ, **own, "LD_LIBRARY_PATH": libraries}

        schema = os.path.join(self.root, "usr/share/openvswitch/vswitch.ovsschema")
        self.run("ovsdb-tool", "create", self.path("conf.db"), schema)
        quiet = ["-vconsole:warn", "-vsyslog:off"]
        self.popen(
            [self.program("ovsdb-server"), self.path("conf.db"), f"--remote=punix:{self.path('db.sock')}"]
            + [f"--unixctl={self.path('db.ctl')}"] + quiet,
            env=self.environment,
        )  # fmt: skip
        until(lambda: self.check() or os.path.exists(self.path("db.sock")), 10, "ovsdb-server listens")
        extra = f"--no-pci --no-telemetry --file-prefix={self.lab.mark} -d {plugin()}"
        self.vsctl(
            "--no-wait", "init", "--", "set", "Open_vSwitch", ".",
            "other_config:dpdk-init=true", f'other_config:dpdk-extra="{extra}"',
            f"other_config:dpdk-lcore-mask={1 << MAIN_CORE:#x}", f"other_config:pmd-cpu-mask={1 << FORWARDING_CORE:#x}",
            "other_config:dpdk-socket-mem=256", "other_config:per-port-memory=true",
        )  # fmt: skip
        self.daemon = self.popen(
            ["unshare", "--net", self.program("ovs-vswitchd-dpdk"), f"unix:{self.path('db.sock')}"]
            + [f"--unixctl={self.path('daemon.ctl')}"] + quiet,
            env=self.environment,
        )  # fmt: skip
        until(lambda: self.check() or os.path.exists(self.path("daemon.ctl")), 20, "ovs-vswitchd listens")
        self.add_bridge("br0")
        self.connect()
        self.add_rules("br0", self.RULES)

    def add_bridge(self, name, mac=None):
        address = ["--", "set", "Bridge", name, f'other_config:hwaddr="{mac}"'] if mac else []
        self.vsctl(
            "add-br", name, "--", "set", "Bridge", name, "datapath_type=netdev", "fail_mode=secure",
            "protocols=OpenFlow13", *address,
        )  # fmt: skip

    def add_port(self, bridge, number, devargs):
        name = f"p{number}"
        self.add_interface(
            bridge, name, number, "type=dpdk", f'options:dpdk-devargs="{devargs}"',
            f"options:n_rxq_desc={RING}", f"options:n_txq_desc={RING}",
        )  # fmt: skip

    def add_interface(self, bridge, name, number, *settings):
        request = f"ofport_request={number}"
        self.vsctl("add-port", bridge, name, "--", "set", "Interface", name, request, *settings)
        error = self.vsctl("get", "Interface", name, "error").strip()
        if error != "[]":
            raise Failure(f"port {name}: {error}; log: {text_of(self.daemon.log)[-1000:]}")

    def connect(self):
        self.add_port("br0", 1, self.source)
        self.add_port("br0", 2, self.sink)

    def add_rules(self, bridge, rules):
        path = self.path(f"rules-{bridge}")
        with open(path, "w", encoding="ascii") as file:
            file.write("".join(f"{rule}\n" for rule in rules))
        self.ofctl("add-flows", path, bridge=bridge)

    # --- afterwards

    def verify(self, packets):
        said = self.appctl("dpif-netdev/pmd-stats-show")
        said = said[said.index(f"core_id {FORWARDING_CORE}:") :].partition("\nmain thread")[0]

        def counter(name):
            return int(re.search(rf"^\s*{name}: (\d+)", said, re.MULTILINE).group(1))

        if counter("packets received") != packets or counter("miss with failed upcall"):
            raise Failure(f"its PMD thread says something else than {packets} packets received:\n{said}")
        # Makes the rules' counters exact.
        self.appctl("revalidator/purge")
        hits = [int(n) for n in re.findall(r"n_packets=(\d+)", self.ofctl("dump-flows"))]
        if sum(hits) != packets * self.RECEIVES or 0 in hits:
            raise Failure(f"its rules were hit {sum(hits)} times, by {packets} packets: {hits}")


class OvsRouting(Ovs):
    """
    A rule for each of 256 prefixes of 24 bits. The number of flows is a multiple
    of that, so that each keeps to one destination: its cache tells flows apart
    by their addresses, and there would be many times more of them.
    """

    RULES = [
        f"ip,in_port=1,nw_dst={prefix},actions=dec_ttl,"
        f"mod_dl_src:{ROUTER},mod_dl_dst:{GUEST_B},output:2"
        for prefix in PREFIXES
    ]  # fmt: skip

    def __init__(self, bench):
        flows = -(-bench.flows // len(PREFIXES)) * len(PREFIXES)
        super().__init__(bench, dst=ROUTER, dsts=len(PREFIXES), flows=flows)

    def wanted(self, length):
        return frame(length, GUEST_B, ROUTER, ttl=63)


class OvsFlows(Ovs):
    """Each packet belongs to a connection that its connection tracker knows; the order is pseudo-random."""

    RULES = [
        "table=0,udp,in_port=1,actions=ct(commit,table=1)",
        "table=1,udp,in_port=1,ct_state=+trk-inv,actions=output:2",
    ]
    RECEIVES = 2

    def __init__(self, bench, flows):
        super().__init__(bench, flows=flows, shuffle=True)

    def verify(self, packets):
        super().verify(packets)
        known = int(self.appctl("dpctl/ct-get-nconns"))
        if known != self.flows:
            raise Failure(f"it knows {known} connections instead of {self.flows}")


class OvsTunnel(Ovs):
    """VXLAN between br0 and the underlay's bridge br1, whose port has the tunnel's address."""

    # Only UDP, for the address' own kernel has words to say to its neighbours.
    UNDERLAY_RULES = ["in_port=LOCAL,udp,actions=output:2", "in_port=1,actions=LOCAL"]

    def connect(self):
        self.add_bridge("br1", mac=ROUTER)
        for args in (("address", "add", "192.0.2.1/24", "dev", "br1"), ("link", "set", "br1", "up")):
            subprocess.run(["nsenter", f"--net=/proc/{self.daemon.pid}/ns/net", "ip", *args], check=True, timeout=10)
        until(lambda: "dev br1" in self.appctl("ovs/route/show"), 10, "Open vSwitch sees the underlay's route")
        self.appctl("tnl/neigh/set", "br1", "192.0.2.2", GUEST_B)
        self.add_ports()
        self.add_rules("br1", self.UNDERLAY_RULES)

    def add_vxlan(self, number):
        self.add_interface(
            "br0", "vxlan", number, "type=vxlan", "options:remote_ip=192.0.2.2", "options:local_ip=192.0.2.1",
            f"options:key={LABEL}", "options:df_default=false",
        )  # fmt: skip

    def add_ports(self):
        raise NotImplementedError


class OvsEncap(OvsTunnel):
    def ip_sent(self):
        return 64

    def ip4_headers(self):
        return [14, 64]

    def varies(self):
        return super().varies() | {34, 35}  # the outer source port

    def add_ports(self):
        self.add_port("br0", 1, self.source)
        self.add_vxlan(2)
        self.add_port("br1", 2, self.sink)

    def wanted(self, length):
        inner = frame(60)
        return outer("vxlan", inner, GUEST_B) + inner


class OvsDecap(OvsTunnel):
    def given(self):
        inner = frame(60)
        return outer("vxlan", inner, ROUTER) + inner

    def ip_given(self):
        return 64

    def add_ports(self):
        self.add_vxlan(1)
        self.add_port("br0", 2, self.sink)
        self.add_port("br1", 1, self.source)


CASES = {
    "l3fwd": L3fwd,
    "ovs:port": Ovs,
    "ovs:l3": OvsRouting,
    "ovs:vxlan-encap": OvsEncap,
    "ovs:vxlan-decap": OvsDecap,
    "ovs:flow-1": lambda bench: OvsFlows(bench, 1),
    "ovs:flow-10k": lambda bench: OvsFlows(bench, 10_000),
    "ovs:flow-100k": lambda bench: OvsFlows(bench, 100_000),
}

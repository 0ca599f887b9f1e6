# SPDX-License-Identifier: BSD-3-Clause
"""
Measures what a packet costs: TSC cycles of CPU time of the one forwarding
thread, which runs on core 1 between a source and a sink that cost next to
nothing (flowgen.c), in our processes and in dpdk-testpmd.

Started by run.sh (__main__.py), in a lab (deploy/lib.sh), with the variables

  VR_LAB       the lab's directory, with a hugetlbfs in huge/, and in plugins/
               a folder where EAL may load from
  VR_BUILD     the build's folder: programs with the source and sink in bench/
  CASES        which cases, by name, separated by spaces (default: all)
  JSON         not empty: print only one JSON line for each case
  DURATION     seconds of a measurement (default 3)
  REPEAT       measurements of each case, taken by turns; the median one is
               shown, and the quietest moment of them all (default 3)
  FLOWS        flows of the source (default 1000)

What it prints is explained in docs/performance.md. It ends with 1 if a case
failed or its result is wrong.
"""

import json
import mmap
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "deploy", "lab"))

from control import Client, batches, full_table  # noqa: E402
import guests  # noqa: E402
from lab import Lab, LabError, Router, text_of, until  # noqa: E402

MBUFS = 16384
BURST = 32
WINDOW = 0.015  # seconds: what comes between now and then leaves some of them alone
MAIN_CORE, FORWARDING_CORE = 0, 1
SLOT = 10

SINK_MAC = "02:00:00:00:aa:02"  # of the port that only sends
GUEST_A = "02:00:00:00:00:0a"  # sender in the frames
GUEST_B = "02:00:00:00:00:0b"  # receiver in the frames
ROUTER = "00:00:5e:00:01:00"  # a vif's own address
TESTPMD_PEER = "02:00:00:00:00:01"  # where testpmd's mac mode sends port 1's packets


class Failure(LabError):
    """A case whose result is wrong."""


class LeftOut(Exception):
    """A case that cannot be measured here; the text says why."""


def say(text):
    if not os.environ.get("JSON"):
        print(text, flush=True)


# --- frames ------------------------------------------------------------------


def mac_bytes(text):
    return bytes(int(part, 16) for part in text.split(":"))


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp(length):
    return struct.pack("!HHHH", 1024, 9, length, 0)


def ip_udp(length, ttl):
    """IPv4 and UDP headers and payload of a frame of 'length' bytes."""
    fields = (0x45, 0, length - 14, 0, 0, ttl, 17, 0)
    addresses = socket.inet_aton("10.1.0.1") + socket.inet_aton("10.2.0.1")
    ip = struct.pack("!BBHHHBBH", *fields) + addresses
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return (ip + udp(length - 34)).ljust(length - 14, b"\0")


def ip6_udp(length, hop_limit):
    ip = struct.pack("!IHBB", 6 << 28, length - 54, 17, hop_limit)
    for address in ("fd00:1::1", "fd00:2::1"):
        ip += socket.inet_pton(socket.AF_INET6, address)
    return (ip + udp(length - 54)).ljust(length - 14, b"\0")


def frame(length, dst=GUEST_B, src=GUEST_A, ttl=64, inet6=False):
    payload = b"\x86\xdd" + ip6_udp(length, ttl) if inet6 else b"\x08\x00" + ip_udp(length, ttl)
    return mac_bytes(dst) + mac_bytes(src) + payload


def mix(x):
    """As in flowgen.c."""
    x ^= x >> 16
    x = x * 0x7FEB352D & 0xFFFFFFFF
    x ^= x >> 15
    x = x * 0x846CA68B & 0xFFFFFFFF
    return x ^ x >> 16


def spread_address(flow):
    return (1 << 24) + (mix(flow) * (223 << 24) >> 32)


def sample_wrong(sample, dataplane, flows):
    """What is wrong with a frame that was sent, or an empty string."""
    if len(sample) < 60:
        return f"a frame of {len(sample)} bytes was sent"
    # Of varying lengths, the frame itself says which.
    length = struct.unpack("!H", sample[16:18])[0] + 14 if dataplane.imix else len(sample)
    wanted = dataplane.wanted(length)
    # The source writes the first bytes; what follows is what the buffer held before.
    end = min(len(wanted), len(sample), 60 if dataplane.imix else len(wanted))
    varies = dataplane.varies()
    for i in range(end):
        if wanted[i] != sample[i] and i not in varies:
            return f"byte {i} of the frame sent is {sample[i]:02x}, not {wanted[i]:02x}"
    for at in dataplane.ip4_headers():
        if checksum(sample[at : at + 20]) != 0:
            return f"the frame sent has a wrong IPv4 checksum in the header at byte {at}"
    source, ports = dataplane.source_at(), dataplane.ports_at()
    address, first = (struct.unpack_from("!I", text, source)[0] for text in (sample, wanted))
    flow = (address - first) * 1024 + struct.unpack_from("!H", sample, ports)[0] - 1024
    if not 0 <= flow < flows:
        return "the frame sent belongs to none of the flows"
    if dataplane.spread and struct.unpack_from("!I", sample, ports - 4)[0] != spread_address(flow):
        return "the frame sent has another flow's destination"
    return ""


# --- counters and clocks ------------------------------------------------------


class Stats:
    """struct flowgen_stats of flowgen.c, as 64-bit words."""

    MAGIC = 0x31676E65676C6F66
    TSC_HZ, OPEN, SAMPLE_LEN = 1, 2, 3
    RX, TX, SAMPLE = 8, 72, 136
    PACKETS, BYTES, BURSTS, NO_MBUF, THREAD = 0, 1, 2, 3, 4
    SIZE = 136 * 8 + 256

    def __init__(self, path):
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), self.SIZE)
        self.words = memoryview(self.map).cast("Q")

    @classmethod
    def ready(cls, path):
        if not os.path.exists(path) or os.path.getsize(path) < cls.SIZE:
            return False
        with open(path, "rb") as file:
            return struct.unpack("Q", file.read(8))[0] == cls.MAGIC

    def open(self, is_open):
        self.words[self.OPEN] = 1 if is_open else 0

    def rx(self, what=0):
        return self.words[self.RX + what]

    def tx(self):
        """Packets sent, by whichever queue."""
        return sum(self.words[self.TX + 8 * queue] for queue in range(8))

    def tsc_hz(self):
        return self.words[self.TSC_HZ]

    def sample(self):
        length = min(self.words[self.SAMPLE_LEN], 256)
        return bytes(self.map[self.SAMPLE * 8 : self.SAMPLE * 8 + length])


def process_of(thread):
    with open(f"/proc/{thread}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("Tgid:"):
                return int(line.split()[1])
    raise Failure(f"thread {thread} has no process")


class CpuClock:
    """CPU time a thread has had, in seconds."""

    def __init__(self, thread):
        self.path = f"/proc/{process_of(thread)}/task/{thread}/schedstat"

    def read(self):
        with open(self.path, encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9


# --- what is measured ---------------------------------------------------------


class Dataplane:
    """
    Forwards from the source's port to the sink's. start() brings it to where it
    does so as soon as the source is opened. verify() raises a Failure if it
    counted something else than 'packets', which went through; nothing moves then.
    """

    WARM_UP, LONGEST = 1.0, 3600  # seconds, at most

    def __init__(
        self, bench, dst=GUEST_B, src=GUEST_A, imix=False, dsts=1, inet6=False, flows=0, shuffle=False, spread=False
    ):
        self.lab = Lab(os.path.join(os.environ["VR_LAB"], "case"))
        self.dst, self.src, self.imix, self.dsts = dst, src, imix, dsts
        self.inet6, self.spread = inet6, spread
        self.flows = flows or bench.flows
        self.frame = os.path.join(self.lab.dir, "frame")
        self.source_stats = os.path.join(self.lab.dir, "source")
        self.sink_stats = os.path.join(self.lab.dir, "sink")
        with open(self.frame, "wb") as file:
            file.write(self.given())
        # Not longer than 127 bytes, DPDK's limit for devices that come later.
        self.source = f"net_flowgen0,frame={self.frame},flows={self.flows},stats={self.source_stats},closed=1"
        for name, value, default in (
            ("ip", self.ip_given(), 14),
            ("imix", int(imix), 0),
            ("dsts", dsts, 1),
            ("shuffle", int(shuffle), 0),
            ("spread", int(spread), 0),
        ):
            if value != default:
                self.source += f",{name}={value}"
        self.sink = f"net_flowgen1,sink=1,stats={self.sink_stats},mac={SINK_MAC}"

    def given(self):
        """The frame that comes in, as the first flow has it."""
        return frame(62 if self.inet6 else 60, dst=ROUTER if self.dst == ROUTER else GUEST_B, inet6=self.inet6)

    def ip_given(self):
        """Where the IP header begins in it whose addresses and ports are the flow's."""
        return 14

    def ip_sent(self):
        """The same for a frame that was sent."""
        return 14

    def source_at(self):
        return self.ip_sent() + (20 if self.inet6 else 12)

    def ports_at(self):
        return self.ip_sent() + (40 if self.inet6 else 20)

    def ip4_headers(self):
        """Where IPv4 headers begin in a frame that was sent."""
        return [] if self.inet6 else [self.ip_sent()]

    def varies(self):
        """The bytes of a frame that was sent in which flows differ."""
        source, ports = self.source_at(), self.ports_at()
        varies = {*range(source, source + 4), ports, ports + 1}
        if not self.inet6:
            varies |= {source - 2, source - 1}
        if self.spread:
            varies |= set(range(ports - 4, ports))
        if self.dsts > 1:
            varies.add(ports - 9 if self.inet6 else ports - 2)
        return varies

    def start(self):
        raise NotImplementedError

    def check(self):
        """Raises a Failure if a process has ended."""
        for child in self.lab.children:
            if child.poll() is not None:
                said = "\n    ".join([""] + text_of(child.log).splitlines()[-8:])
                raise Failure(f"{child.args[0]} ended with {child.returncode}:{said}")

    def wanted(self, length):
        """A frame as it leaves, but for what flows vary."""
        return frame(length, self.dst, self.src, inet6=self.inet6)

    def verify(self, packets):
        pass

    def stop(self):
        self.lab.close()
        shutil.rmtree(self.lab.dir)


class Testpmd(Dataplane):
    def __init__(self, bench, mode, **options):
        super().__init__(bench, **options)
        self.mode = mode
        self.child = None

    def start(self):
        program = shutil.which("dpdk-testpmd")
        if program is None:
            raise Failure("dpdk-testpmd is not installed: apt-get install dpdk")
        plugin = os.path.join(os.environ["VR_LAB"], "plugins", "flowgen.so")
        eal = ["--lcores", f"{MAIN_CORE},{FORWARDING_CORE}", "--main-lcore", str(MAIN_CORE)]
        eal += ["--in-memory", "--no-pci", "--no-telemetry", "-m", "128", "-d", plugin]
        eal += ["--file-prefix", self.lab.mark, "--vdev", self.source, "--vdev", self.sink]
        own = [f"--forward-mode={self.mode}", f"--burst={BURST}", "--nb-cores=1"]
        own += [f"--total-num-mbufs={MBUFS}", "--rxq=1", "--txq=1", "--rxd=1024", "--txd=1024"]
        own += ["--no-flush-rx"]  # what it threw away would be missing at the sink
        log = os.path.join(self.lab.dir, "log")
        # It runs until its standard input ends.
        command = [program] + eal + ["--"] + own
        self.child = self.lab.popen(command, log=log, stdin=subprocess.PIPE)
        self.child.log = log

    def stop(self):
        if self.child is not None:
            self.child.stdin.close()
            self.child.stdin = None
            try:
                self.child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                pass
        # EAL leaves it, empty.
        shutil.rmtree(f"/run/dpdk/{self.lab.mark}", ignore_errors=True)
        super().stop()


class OurRouter(Router):
    """Its processes have the source and the sink in them."""

    def program(self, name):
        folder = "bin" if name == "vrctl" else "bench"
        return os.path.join(os.environ["VR_BUILD"], folder, name)


class Ours(Dataplane):
    """vr-primary, vr-ctl and one vr-fwd, which has one slot."""

    MORE = {}  # options of the configuration

    def __init__(self, bench, worker_options=(), **options):
        super().__init__(bench, **options)
        self.worker_options = worker_options
        self.router = None

    def start(self):
        conf = {"poll": "busy", "mbufs": MBUFS, "burst": BURST, **self.MORE}
        slots = (f"{SLOT}@{FORWARDING_CORE}",)
        self.router = r = OurRouter(self.lab, slots=slots, conf=conf)
        self.lab.routers.append(r)
        for program, options in (
            ("vr-primary", ()),
            ("vr-fwd", ("--slots", str(SLOT), *self.worker_options)),
            ("vr-ctl", ()),
        ):
            r.start(program, *options).log = r.log
        r.wait_well()
        for n, devargs in ((1, self.source), (2, self.sink)):
            r.vrctl(
                f"vif add id={n} name=bench{n} type=virtual vrf=1 nexthop={n} "
                f"device.name=bench{n} device.devargs={devargs}"
            )
            r.vrctl(f"nexthop add id={n} type=encap vrf=1 vif={n}")
        r.vrctl(f"bridge add vrf=1 mac={GUEST_B} nexthop=2")

    def verify(self, packets):
        audit = self.router.audit()
        if audit["unaccounted"] or audit["twice"]:
            raise Failure(f"mbufs are missing, or owned twice: {audit}")


class OursCounting(Ours):
    def verify(self, packets):
        super().verify(packets)
        counted = self.router.counters()
        for counter in ((1, "rx_packets"), (2, "tx_packets")):
            if counted.get(counter, 0) != packets:
                vif, what = counter
                raise Failure(f"vif {vif} has {what}={counted.get(counter)} instead of {packets}")
        for drop in self.router.ask("drops"):
            if int(drop.get("packets", 0)) > 0:
                raise Failure(f"{drop['packets']} packets were dropped: {drop['reason']}")


class OursRouting(OursCounting):
    """256 prefixes of 24 bits (of IPv6: of 64), through as many nexthops as are asked for."""

    def __init__(self, bench, nexthops=1, dsts=256, **options):
        super().__init__(bench, dst=ROUTER, dsts=dsts, **options)
        self.nexthops = nexthops

    def start(self):
        super().start()
        family, kind = ("inet6", "86dd") if self.inet6 else ("inet", "0800")
        header = f"{GUEST_B}:{ROUTER}:{kind}"
        for n in range(self.nexthops):
            self.router.vrctl(f"nexthop add id={100 + n} type=encap family={family} vrf=1 vif=2 rewrite={header}")
        self.route()

    def route(self):
        for n in range(256):
            prefix = f"fd00:2:0:{n:x}::/64" if self.inet6 else f"10.2.{n}.0/24"
            self.router.vrctl(f"route add vrf=1 prefix={prefix} nexthop={100 + n % self.nexthops}")

    def wanted(self, length):
        return frame(length, GUEST_B, ROUTER, ttl=63, inet6=self.inet6)


class OursRoutingMillion(OursRouting):
    """A million routes with the prefix lengths of a full BGP table; destinations evenly spread."""

    MORE = {"routes": 1 << 20}

    def __init__(self, bench, **options):
        super().__init__(bench, nexthops=64, dsts=1, spread=True, shuffle=True, flows=1 << 20, **options)

    def route(self):
        self.router.vrctl("route add vrf=1 prefix=0.0.0.0/0 nexthop=100")
        client = Client(self.router.socket)
        client.pipeline(batches(full_table(1_000_000, first_nexthop=100)))
        client.close()


class OursFlows(OursCounting):
    """Each packet belongs to a flow, which a local policy lets pass; the order is pseudo-random."""

    MORE = {"flow-entries": 2_200_000, "flow-age-udp": 1000000}

    def __init__(self, bench, flows, **options):
        super().__init__(bench, flows=flows, shuffle=True, **options)

    def start(self):
        super().start()
        self.router.vrctl("rule add vif=1 priority=10 direction=egress action=deny")
        self.router.vrctl("vif set id=1 flags=policy")


class OursNewFlows(OursFlows):
    """Each packet begins a flow: Mpps are millions of new flows per second, until the table is full."""

    MORE = {"flow-entries": 16_000_000, "flow-age-udp": 1000000}
    WARM_UP, LONGEST = 0.3, 1

    def __init__(self, bench):
        super().__init__(bench, 1 << 24)

    def verify(self, packets):
        super().verify(packets)
        (stats,) = self.router.ask("flow stats")
        if int(stats["refused"]) or int(stats["created"]) != packets:
            raise Failure(f"{stats['created']} flows were made of {packets} packets, {stats['refused']} refused")


UNDERLAY = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))
LABEL = 1234


def outer(kind, inner, to, ttl=64, source_port=50000):
    """What stands before 'inner' in a tunnel of this kind, to the router or, 'to' its peer, from it."""
    shim = struct.pack("!II", 8 << 24, LABEL << 8) if kind == "vxlan" else struct.pack("!I", LABEL << 12 | 256 | ttl)
    port = 4789 if kind == "vxlan" else 6635
    udp = struct.pack("!HHHH", source_port, port, 8 + len(shim) + len(inner), 0)
    source, destination = UNDERLAY if to != ROUTER else UNDERLAY[::-1]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp + shim + inner), 0, 0, 64, 17, 0, source, destination)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    macs = bytes.fromhex((to + (ROUTER if to != ROUTER else GUEST_A)).replace(":", ""))
    return macs + b"\x08\x00" + ip + udp + shim


class OursEncap(OursCounting):
    """Frames into VXLAN, or routed packets into MPLSoUDP."""

    def __init__(self, bench, kind):
        self.kind, self.routed = kind, kind != "vxlan"
        super().__init__(bench, dst=ROUTER if self.routed else GUEST_B)

    def ip_sent(self):
        return 46 if self.routed else 64

    def ip4_headers(self):
        return [14, self.ip_sent()]

    def varies(self):
        return super().varies() | {18, 19, 24, 25, 34, 35}

    def start(self):
        super().start()
        r = self.router
        r.vrctl(
            f"nexthop add id=100 type=tunnel vif=2 rewrite={GUEST_B}:{ROUTER}:0800 tunnel.kind={self.kind} "
            "tunnel.source=192.0.2.1 tunnel.destination=192.0.2.2"
        )
        r.vrctl(f"bridge add vrf=1 mac={GUEST_B} nexthop=100 label={LABEL}")
        r.vrctl(f"route add vrf=1 prefix=10.0.0.0/8 nexthop=100 label={LABEL}")

    def wanted(self, length):
        inner = frame(60, self.dst, self.src, ttl=63 if self.routed else 64)
        inner = inner[14:] if self.routed else inner
        return outer(self.kind, inner, GUEST_B, ttl=63) + inner


class OursDecap(OursCounting):
    """Frames out of VXLAN, or packets out of MPLSoUDP; both to a guest."""

    def __init__(self, bench, kind):
        self.kind = kind
        super().__init__(bench)

    def given(self):
        inner = frame(60)
        inner = inner if self.kind == "vxlan" else inner[14:]
        return outer(self.kind, inner, ROUTER) + inner

    def ip_given(self):
        return 64 if self.kind == "vxlan" else 46

    def start(self):
        super().start()
        r = self.router
        r.vrctl("vif add id=1 name=bench1 type=physical ip=192.0.2.1 device.name=bench1")
        r.vrctl(f"nexthop add id=100 type=encap family=inet vif=2 rewrite={GUEST_B}:{GUEST_A}:0800")
        r.vrctl(f"vni add vni={LABEL} nexthop=2")
        r.vrctl(f"label add label={LABEL} nexthop=100")


CASES = {
    "testpmd:io": lambda bench: Testpmd(bench, "io"),
    "testpmd:mac": lambda bench: Testpmd(bench, "mac", dst=TESTPMD_PEER, src=SINK_MAC),
    "io": lambda bench: Ours(bench, worker_options=("--io-forward",)),
    "l2": OursCounting,
    "l2-imix": lambda bench: OursCounting(bench, imix=True),
    "l3": OursRouting,
    "l3-16": lambda bench: OursRouting(bench, nexthops=16),
    "l3-1m": OursRoutingMillion,
    "l3-imix": lambda bench: OursRouting(bench, imix=True),
    "l3-v6": lambda bench: OursRouting(bench, inet6=True),
    "vxlan-encap": lambda bench: OursEncap(bench, "vxlan"),
    "vxlan-decap": lambda bench: OursDecap(bench, "vxlan"),
    "mplsoudp-encap": lambda bench: OursEncap(bench, "mpls-udp"),
    "mplsoudp-decap": lambda bench: OursDecap(bench, "mpls-udp"),
    "flow-1": lambda bench: OursFlows(bench, 1),
    "flow-10k": lambda bench: OursFlows(bench, 10_000),
    "flow-100k": lambda bench: OursFlows(bench, 100_000),
    "flow-1m": lambda bench: OursFlows(bench, 1_000_000),
    "flow-new": OursNewFlows,
    "vhost-64": guests.measure,
    "vhost-imix": guests.measure,
    "vhost-testpmd": guests.measure,
}
REFERENCE = "testpmd:io"


# --- measuring ----------------------------------------------------------------


def measure(bench, name):
    if CASES[name] is guests.measure:
        return guests.measure(bench, name)
    dataplane = CASES[name](bench)
    try:
        dataplane.start()
        for path in (dataplane.source_stats, dataplane.sink_stats):
            until(lambda: dataplane.check() or Stats.ready(path), 10, "the ports are made")
        source, sink = Stats(dataplane.source_stats), Stats(dataplane.sink_stats)
        result = {"name": name, "flows": dataplane.flows}
        result.update(measure_running(bench, dataplane, source, sink))
        settle(source, sink)
        judge(bench, dataplane, source, sink)
        return result
    finally:
        dataplane.stop()


def measure_running(bench, dataplane, source, sink):
    source.open(True)
    until(lambda: dataplane.check() or sink.tx() > 0, 5, "a packet reaches the sink")
    time.sleep(dataplane.WARM_UP)
    dataplane.check()
    clock = CpuClock(source.rx(Stats.THREAD))

    begin = (time.monotonic(), clock.read(), sink.tx())
    quietest = quietest_window(sink, min(bench.duration, dataplane.LONGEST))
    end = (time.monotonic(), clock.read(), sink.tx())
    dataplane.check()
    seconds, cpu, packets = (after - before for before, after in zip(begin, end))
    if packets == 0:
        raise Failure("nothing moves")
    return {
        "packets": packets,
        "seconds": round(seconds, 3),
        "mpps": round(packets / seconds / 1e6, 2),
        "tsc_cycles_per_packet": round(cpu * source.tsc_hz() / packets, 1),
        "tsc_cycles_quietest": round(quietest * source.tsc_hz(), 1),
        "on_cpu_fraction": round(cpu / seconds, 3),
        "sample_frame": sink.sample().hex(),
    }


def quietest_window(sink, seconds):
    """Waits so long; the seconds a packet took in the window, of WINDOW each, in which it took least."""
    lowest, now = float("inf"), time.monotonic()
    end = now + seconds
    while now < end:
        # What holds us up between two of these makes the window longer, never shorter.
        begin, before = time.monotonic(), sink.tx()
        time.sleep(WINDOW)
        after, now = sink.tx(), time.monotonic()
        if after > before:
            lowest = min(lowest, (now - begin) / (after - before))
    return lowest


def settle(source, sink):
    """Closes the source and waits until nothing moves any more."""
    source.open(False)
    before = None
    while before != (source.rx(), sink.tx()):
        before = (source.rx(), sink.tx())
        time.sleep(0.05)


def judge(bench, dataplane, source, sink):
    if source.rx() != sink.tx():
        raise Failure(f"{source.rx()} packets were received, and {sink.tx()} sent")
    if source.rx(Stats.NO_MBUF) > 0:
        raise Failure("the source ran out of mbufs")
    wrong = sample_wrong(sink.sample(), dataplane, dataplane.flows)
    if wrong:
        raise Failure(wrong)
    dataplane.verify(source.rx())


class Bench:
    def __init__(self):
        self.duration = float(os.environ.get("DURATION") or 3)
        self.repeat = int(os.environ.get("REPEAT") or 3)
        self.flows = int(os.environ.get("FLOWS") or 1000)
        self.names = (os.environ.get("CASES") or " ".join(CASES)).split()
        unknown = [name for name in self.names if name not in CASES]
        if unknown:
            sys.exit(f"bench: no case '{unknown[0]}'; there are: {' '.join(CASES)}")

    def run(self):
        """All cases by turns; returns whether every line is to be believed."""
        results = {name: [] for name in self.names}
        good = True
        for turn in range(self.repeat):
            for name in list(results):
                say(f"bench: {name} ({turn + 1}/{self.repeat})")
                try:
                    results[name].append(measure(self, name))
                except LeftOut as reason:
                    print(f"bench: {name} is left out: {reason}", file=sys.stderr)
                    del results[name]
                except (LabError, OSError, subprocess.SubprocessError) as failure:
                    print(f"bench: {name}: {failure}", file=sys.stderr)
                    del results[name]
                    good = False
        self.show([summary(lines) for lines in results.values()])
        return good

    @staticmethod
    def show(lines):
        if os.environ.get("JSON"):
            for line in lines:
                print(json.dumps(line))
            return
        if not lines:
            return
        reference = [line for line in lines if line["name"] == REFERENCE]
        print()
        columns = f"{'case':<16}{'flows':>8}{'Mpps':>9}{'cycles':>9}{'quietest':>10}{'on CPU':>9}"
        print(f"{columns}{'x ' + REFERENCE:>15}")
        for line in lines:
            ratio = ""
            if reference:
                cycles = reference[0]["tsc_cycles_per_packet"]
                ratio = f"{line['tsc_cycles_per_packet'] / cycles:.2f}"
            print(
                f"{line['name']:<16}{line['flows']:>8}{line['mpps']:>9.2f}"
                f"{line['tsc_cycles_per_packet']:>9.1f}{line.get('tsc_cycles_quietest', ''):>10}"
                f"{line['on_cpu_fraction']:>9.3f}{ratio:>15}"
            )
        print("\ncycles: TSC cycles of CPU time per packet, source and sink included; quietest: of any 15 ms, by the clock")
        for line in lines:
            if "tsc_cycles_of_cpu_time" in line:
                print(
                    f"{line['name']}: agent {line['agent_quartiles'][1]} and worker {line['slot_quartiles'][1]} in loops "
                    f"that moved packets; of CPU time {line['tsc_cycles_of_cpu_time']}"
                )


def summary(lines):
    """The median line, with the quietest window of them all."""
    line = dict(sorted(lines, key=lambda line: line["tsc_cycles_per_packet"])[len(lines) // 2])
    if "tsc_cycles_quietest" in line:
        line["tsc_cycles_quietest"] = min(line["tsc_cycles_quietest"] for line in lines)
    return line


def main():
    # So that what is open gets closed.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(130))
    sys.exit(0 if Bench().run() else 1)

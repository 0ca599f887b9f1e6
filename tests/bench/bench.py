#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Measures what a packet costs: TSC cycles of CPU time of the one forwarding
thread on core 1, between a source and a sink that cost next to nothing
(flowgen.c), in our processes and in dpdk-testpmd.

Started by run.sh, as root, in a mount namespace of its own, with the variables

  VR_BUILD     folder of the build (bench/ and bin/ in it)
  CASES        which cases, by name, separated by spaces (default: all)
  JSON         not empty: print only one JSON line for each case
  SECONDS      length of a measurement (default 3)
  REPEAT       measurements of each case, taken by turns; the median one is
               shown (default 3)
  FLOWS        flows of the source (default 1000)

What it prints is explained in docs/performance.md. It ends with 1 if a case
failed or its result is wrong, 77 if nothing can be measured here.
"""

import atexit
import json
import mmap
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

HUGE_PAGE = 2 << 20
HUGE_PAGES = 256  # for either contender
WARM_UP = 1.0
MBUFS = 16384
BURST = 32
MAIN_CORE, FORWARDING_CORE = 0, 1

SOURCE_MAC = "02:00:00:00:aa:01"  # of the port that only receives
SINK_MAC = "02:00:00:00:aa:02"  # of the port that only sends
GUEST_A = "02:00:00:00:00:0a"  # sender in the frames
GUEST_B = "02:00:00:00:00:0b"  # receiver in the frames
TESTPMD_PEER = "02:00:00:00:00:01"  # where testpmd's mac mode sends port 1's packets

TESTPMD = "dpdk-testpmd"


class Failure(Exception):
    """A case that cannot be measured, or whose result is wrong."""


class NotHere(Exception):
    """Nothing can be measured on this machine."""


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


def ip_udp(length):
    """IPv4 and UDP headers and payload of a frame of 'length' bytes."""
    udp = struct.pack("!HHHH", 1024, 9, length - 34, 0)
    fields = (0x45, 0, length - 14, 0, 0, 64, 17, 0)
    addresses = socket.inet_aton("10.1.0.1") + socket.inet_aton("10.2.0.1")
    ip = struct.pack("!BBHHHBBH", *fields) + addresses
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return (ip + udp).ljust(length - 14, b"\0")


def frame(length, dst=GUEST_B, src=GUEST_A):
    return mac_bytes(dst) + mac_bytes(src) + b"\x08\x00" + ip_udp(length)


def sample_wrong(sample, length, dst, src, flows):
    """What is wrong with a frame that was sent, or an empty string."""
    if len(sample) < 42:
        return "no frame was sent"
    # The beginning is written by the source; what follows is whatever the buffer held.
    wanted = frame(length, dst, src)[:60]
    got = sample[:60]
    varies = list(range(24, 30)) + [34, 35]  # checksum, source address, source port
    for i, (byte, other) in enumerate(zip(wanted, got)):
        if byte != other and i not in varies:
            return f"byte {i} of the frame sent is {other:02x}, not {byte:02x}"
    if checksum(got[14:34]) != 0:
        return "the frame sent has a wrong IPv4 checksum"
    address = struct.unpack("!I", got[26:30])[0] - struct.unpack("!I", wanted[26:30])[0]
    port = struct.unpack("!H", got[34:36])[0] - 1024
    if not 0 <= port < 1024 or not 0 <= address * 1024 + port < flows:
        return "the frame sent belongs to none of the flows"
    return ""


# --- the machine --------------------------------------------------------------


def own_directory():
    """
    A file system of our own below /run. EAL loads a plug-in only from where
    nobody else can write, in no folder on the way, and /run is often mounted
    noexec. The mount ends with our mount namespace.
    """
    directory = tempfile.mkdtemp(prefix="vrbench.", dir="/run")
    atexit.register(os.rmdir, directory)
    mount = ["mount", "-t", "tmpfs", "-o", "mode=700", "bench", directory]
    if subprocess.run(mount, check=False).returncode != 0:
        raise NotHere("a tmpfs cannot be mounted (are you root?)")
    atexit.register(subprocess.run, ["umount", directory], check=False)
    return directory


class HugePages:
    """Enough free huge pages, in a mount of our own, given back at the end."""

    COUNT = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
    FREE = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"

    @staticmethod
    def _read(path):
        with open(path, encoding="ascii") as file:
            return int(file.read())

    def _set(self, count):
        with open(self.COUNT, "w", encoding="ascii") as file:
            file.write(str(count))

    def __init__(self, directory, pages):
        self.raised = 0
        self.directory = directory
        if not os.path.exists(self.COUNT):
            raise NotHere("this kernel has no huge pages of 2 MB")
        missing = pages - self._read(self.FREE)
        if missing > 0:
            before = self._read(self.COUNT)
            self._set(before + missing)
            self.raised = max(0, self._read(self.COUNT) - before)
        if self._read(self.FREE) < pages:
            self.give_back()
            raise NotHere(f"{pages} free huge pages of 2 MB are needed ({pages * 2} MiB)")
        os.mkdir(directory)
        mount = ["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "bench", directory]
        if subprocess.run(mount, check=False).returncode != 0:
            self.give_back()
            raise NotHere("hugetlbfs cannot be mounted")

    def give_back(self):
        subprocess.run(["umount", self.directory], check=False, stderr=subprocess.DEVNULL)
        if self.raised > 0:
            # What others reserved meanwhile stays.
            self._set(max(0, self._read(self.COUNT) - self.raised))
        self.raised = 0


class Children:
    """The processes we started; nothing else is ever signalled."""

    def __init__(self, log_directory):
        self.log_directory = log_directory
        self.running = []

    def start(self, name, command, **options):
        log = os.path.join(self.log_directory, f"{name}.log")
        with open(log, "wb") as out:
            out.write(f"--- {' '.join(command)}\n".encode())
            out.flush()
            child = subprocess.Popen(command, stdout=out, stderr=out, **options)
        child.name, child.log = name, log
        self.running.append(child)
        return child

    def stop(self):
        """Asks the youngest first; kills who does not listen."""
        for child in reversed(self.running):
            if child.stdin:
                child.stdin.close()
            if child.poll() is None:
                child.terminate()
            try:
                child.wait(timeout=6)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.running = []

    def check(self):
        for child in self.running:
            if child.poll() is not None:
                raise Failure(f"{child.name} ended with {child.returncode}: {last_lines(child.log)}")


def last_lines(path, n=8):
    with open(path, encoding="utf-8", errors="replace") as file:
        return "\n    ".join([""] + file.read().splitlines()[-n:])


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

    def tx(self, what=0):
        return self.words[self.TX + what]

    def tsc_hz(self):
        return self.words[self.TSC_HZ]

    def sample(self):
        length = min(self.words[self.SAMPLE_LEN], 256)
        return bytes(self.map[self.SAMPLE * 8 : self.SAMPLE * 8 + length])


def wait_until(condition, seconds, what, children):
    end = time.monotonic() + seconds
    while not condition():
        children.check()
        if time.monotonic() > end:
            logs = "".join(last_lines(child.log) for child in children.running)
            raise Failure(f"{what} did not happen within {seconds} s{logs}")
        time.sleep(0.01)


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


# --- what is measured ------------------------------------------------------------


class Dataplane:
    """
    Forwards from the source's port to the sink's. start() brings it to where it
    forwards as soon as the source is opened; verify() raises a Failure if it
    counts something else than 'packets', and is called when nothing moves.
    """

    length, imix, dst, src = 60, False, GUEST_B, GUEST_A

    def __init__(self, bench):
        self.bench = bench
        self.source_stats = os.path.join(bench.directory, "source.stats")
        self.sink_stats = os.path.join(bench.directory, "sink.stats")

    def source(self):
        return (
            f"net_flowgen0,frame={self.bench.frame_path},flows={self.bench.flows},"
            f"imix={int(self.imix)},stats={self.source_stats},mac={SOURCE_MAC},closed=1"
        )

    def sink(self):
        return f"net_flowgen1,sink=1,stats={self.sink_stats},mac={SINK_MAC}"

    def start(self):
        raise NotImplementedError

    def verify(self, packets):
        pass


class Testpmd(Dataplane):
    def __init__(self, bench, mode):
        super().__init__(bench)
        self.mode = mode
        if mode == "mac":
            self.dst, self.src = TESTPMD_PEER, SINK_MAC

    def start(self):
        if shutil.which(TESTPMD) is None:
            raise Failure("dpdk-testpmd is not installed (package dpdk)")
        eal = ["--lcores", f"{MAIN_CORE},{FORWARDING_CORE}", "--main-lcore", str(MAIN_CORE)]
        eal += ["--in-memory", "--no-pci", "--no-telemetry", "-m", "128"]
        eal += ["--file-prefix", self.bench.name, "-d", self.bench.plugin]
        eal += ["--vdev", self.source(), "--vdev", self.sink()]
        own = [f"--forward-mode={self.mode}", f"--burst={BURST}", "--nb-cores=1"]
        own += [f"--total-num-mbufs={MBUFS}", "--rxq=1", "--txq=1", "--rxd=1024", "--txd=1024"]
        own += ["--no-flush-rx"]  # what it threw away would be missing at the sink
        command = [TESTPMD] + eal + ["--"] + own
        # It runs until its standard input ends.
        self.bench.children.start("testpmd", command, stdin=subprocess.PIPE)


# --- measuring -------------------------------------------------------------------


def measure(bench, name, dataplane):
    for path in (dataplane.source_stats, dataplane.sink_stats):
        if os.path.exists(path):
            os.unlink(path)
    try:
        dataplane.start()
        return measure_running(bench, name, dataplane)
    finally:
        bench.children.stop()


def measure_running(bench, name, dataplane):
    for path in (dataplane.source_stats, dataplane.sink_stats):
        wait_until(lambda: Stats.ready(path), 10, "the making of the ports", bench.children)
    source, sink = Stats(dataplane.source_stats), Stats(dataplane.sink_stats)
    source.open(True)
    wait_until(lambda: sink.tx() > 0, 5, "a packet at the sink", bench.children)
    time.sleep(WARM_UP)
    bench.children.check()
    clock = CpuClock(source.rx(Stats.THREAD))

    begin = (time.monotonic(), clock.read(), sink.tx())
    time.sleep(bench.seconds)
    end = (time.monotonic(), clock.read(), sink.tx())
    bench.children.check()
    seconds, cpu, packets = (after - before for before, after in zip(begin, end))

    source.open(False)
    settle(source, sink)
    received, sent = source.rx(), sink.tx()
    if sent != received:
        raise Failure(f"{received} packets were received, and {sent} sent")
    if source.rx(Stats.NO_MBUF) > 0:
        raise Failure("the source ran out of mbufs")
    sample = sink.sample()
    # With lengths that vary the frame says its own.
    length = len(sample)
    if dataplane.imix and length > 60:
        length = struct.unpack("!H", sample[16:18])[0] + 14
    wrong = sample_wrong(sample, length, dataplane.dst, dataplane.src, bench.flows)
    if wrong:
        raise Failure(wrong)
    dataplane.verify(received)

    return {
        "name": name,
        "flows": bench.flows,
        "packets": packets,
        "seconds": round(seconds, 3),
        "mpps": round(packets / seconds / 1e6, 2),
        "tsc_cycles_per_packet": round(cpu * source.tsc_hz() / packets, 1),
        "on_cpu_fraction": round(cpu / seconds, 3),
        "sample_frame": sample.hex(),
    }


def settle(source, sink):
    """Waits until what was received has been sent, or nothing moves any more."""
    before = None
    while before != (source.rx(), sink.tx()):
        before = (source.rx(), sink.tx())
        time.sleep(0.05)


CASES = {
    "testpmd:io": lambda bench: Testpmd(bench, "io"),
    "testpmd:mac": lambda bench: Testpmd(bench, "mac"),
}
REFERENCE = "testpmd:io"


class Bench:
    def __init__(self):
        self.seconds = float(os.environ.get("SECONDS") or 3)
        self.repeat = int(os.environ.get("REPEAT") or 3)
        self.flows = int(os.environ.get("FLOWS") or 1000)
        self.names = (os.environ.get("CASES") or " ".join(CASES)).split()
        unknown = [name for name in self.names if name not in CASES]
        if unknown:
            raise NotHere(f"no case '{unknown[0]}'; there are: {' '.join(CASES)}")
        self.build = os.environ["VR_BUILD"]
        if os.sched_getaffinity(0) < {MAIN_CORE, FORWARDING_CORE}:
            raise NotHere(f"cores {MAIN_CORE} and {FORWARDING_CORE} are needed")

        self.directory = own_directory()
        self.name = os.path.basename(self.directory)
        self.plugin = shutil.copy(os.path.join(self.build, "bench", "flowgen.so"), self.directory)
        self.huge_directory = os.path.join(self.directory, "huge")
        pages = HugePages(self.huge_directory, HUGE_PAGES)
        atexit.register(pages.give_back)
        self.children = Children(self.directory)
        atexit.register(self.children.stop)
        self.frame_path = os.path.join(self.directory, "frame")
        with open(self.frame_path, "wb") as file:
            file.write(frame(60))

    def run(self):
        """All cases by turns; returns whether every line is to be believed."""
        results = {name: [] for name in self.names}
        good = True
        for turn in range(self.repeat):
            for name in list(results):
                say(f"bench: {name} ({turn + 1}/{self.repeat})")
                try:
                    results[name].append(measure(self, name, CASES[name](self)))
                except Failure as failure:
                    print(f"bench: {name}: {failure}", file=sys.stderr)
                    del results[name]
                    good = False
        self.show([median(lines) for lines in results.values()])
        return good

    def show(self, lines):
        if os.environ.get("JSON"):
            for line in lines:
                print(json.dumps(line))
            return
        reference = [line for line in lines if line["name"] == REFERENCE]
        print()
        print(f"{'case':<14}{'flows':>8}{'Mpps':>9}{'cycles':>9}{'on CPU':>9}{'x ' + REFERENCE:>15}")
        for line in lines:
            ratio = ""
            if reference:
                cycles = reference[0]["tsc_cycles_per_packet"]
                ratio = f"{line['tsc_cycles_per_packet'] / cycles:.2f}"
            print(
                f"{line['name']:<14}{line['flows']:>8}{line['mpps']:>9.2f}"
                f"{line['tsc_cycles_per_packet']:>9.1f}{line['on_cpu_fraction']:>9.3f}{ratio:>15}"
            )
        print("\ncycles: TSC cycles of CPU time per packet, source and sink included")


def median(lines):
    return sorted(lines, key=lambda line: line["tsc_cycles_per_packet"])[len(lines) // 2]


def main():
    # So that exit handlers run.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(130))
    try:
        good = Bench().run()
    except NotHere as reason:
        print(f"bench: {reason}", file=sys.stderr)
        sys.exit(77)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

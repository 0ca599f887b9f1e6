# SPDX-License-Identifier: BSD-3-Clause
"""A small laboratory: a router of its own, guests in network namespaces, traffic between them.

Used by the demo and the system tests, with root. Everything belongs to a lab, a directory whose
last part is its mark (deploy/lib.sh makes it and removes it with all that carries the mark, even
when we are killed). Only processes that were started here are ever signalled.
"""

import ctypes
import json
import os
import re
import shlex
import signal
import struct
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
PYTHON = "/usr/bin/python3"
PR_SET_CHILD_SUBREAPER = 36

# Fits in some 200 MB of hugepages for each EAL generation.
SMALL = {
    "mbufs": 16384,
    "eal-extra-mb": 32,
    "region-spare-mb": 2,
    "vifs": 256,
    "nexthops": 4096,
    "vrfs": 256,
    "labels": 1024,
    "stitched": 1024,
    "bridge-entries": 4096,
    "routes": 4096,
    "flow-entries": 8192,
    "guests": 16,
    "poll": "adaptive",
    "hung-ms": 1000,  # a machine that is shared keeps a CPU from us for longer than the default
}

# For programs of ours to begin: in a guest that is emulated this takes its time.
BEGIN_SECONDS = 40


class LabError(Exception):
    """Something the lab needs did not happen; the text says what."""


def tells_of_past_deaths(reason):
    """Whether what makes a router's state less than well is only that processes died lately, as tests want."""
    return re.fullmatch(r"(slot .* restarted|process .* ended) \d+ times in 60 s", reason) is not None


def until(condition, seconds, what, every=0.02):
    """Waits until condition() is true and returns its value; LabError names 'what' otherwise."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"{what}: not within {seconds} s")
        time.sleep(every)


def stat_of(pid):
    """(state, parent, start time) of a process, or None when there is none."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[1]), int(fields[19])


def alive(pid):
    stat = stat_of(pid)
    return stat is not None and stat[0] not in "ZX"


def text_of(path):
    try:
        with open(path, errors="replace") as f:
            return f.read()
    except OSError:
        return ""


class Lab:
    def __init__(self, directory):
        self.dir = directory
        self.mark = os.path.basename(os.environ["VR_LAB"])
        self.routers = []
        self.guests = []
        self.children = []
        os.makedirs(directory, exist_ok=True)
        # Orphans of a primary that was killed come to us, not to an init that may not reap.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def popen(self, command, log=None, **options):
        """Starts a process in a group of its own, so that Ctrl-C reaches only us."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("start_new_session", True)
        if log:
            with open(log, "ab") as out:
                options.setdefault("stdout", out)
                options.setdefault("stderr", out)
                child = subprocess.Popen(command, **options)
        else:
            child = subprocess.Popen(command, **options)
        self.children.append(child)
        return child

    def name(self, of):
        """A name that nobody else on the machine has, and that says to which lab it belongs."""
        if self.dir == os.environ["VR_LAB"]:
            return f"{self.mark}-{of}"
        return f"{self.mark}-{os.path.basename(self.dir)}-{of}"

    def tap_name(self, of, n):
        """Likewise, within the 15 bytes that a network interface may have."""
        mark = self.mark.rpartition("-")[2]
        if self.dir == os.environ["VR_LAB"]:
            return f"{of}-{mark}"[:15]
        return f"t{n}{os.path.basename(self.dir)[:5]}-{mark}"[:15]

    def router(self, name="r", **options):
        r = Router(self, name, **options)
        self.routers.append(r)
        return r

    def guest(self, name):
        g = Guest(self, name)
        self.guests.append(g)
        return g

    def close(self):
        """Ends everything; what is left over the shell's sweep finds by the mark."""
        for child in self.children:
            if child.poll() is None and not getattr(child, "is_router", False):
                child.kill()
        for r in self.routers:
            r.close()
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
            for pipe in (child.stdout, child.stderr):
                if pipe:
                    pipe.close()
        for g in self.guests:
            g.close()
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        self.routers, self.guests, self.children = [], [], []


class Router:
    """One instance: configuration, processes, and vrctl on its socket."""

    def __init__(self, lab, name="r", slots=("10@1", "11@1"), bin_dir=None, conf=None, huge=None):
        self.lab = lab
        self.dir = os.path.join(lab.dir, name)
        self.run_dir = os.path.join(self.dir, "run")
        self.bin_dir = bin_dir or os.environ.get("VR_BUILD", os.path.join(REPO, "build/release")) + "/bin"
        self.huge = huge or os.path.join(os.environ["VR_LAB"], "huge")
        self.instance = lab.name(name)
        self.config = os.path.join(self.dir, "vrouter.conf")
        self.socket = os.path.join(self.run_dir, "control.sock")
        self.log = os.path.join(self.dir, "log")
        self.slots = slots
        self.conf = dict(SMALL)
        self.conf.update(conf or {})
        os.makedirs(self.run_dir)
        self.write_config()

    def write_config(self):
        with open(self.config, "w") as f:
            f.write(f"run-dir = {self.run_dir}\n")
            f.write(f"hugepage-dir = {self.huge}\n")
            f.write(f"instance = {self.instance}\n")
            for key, value in self.conf.items():
                f.write(f"{key} = {value}\n")
            for slot in self.slots:
                f.write(f"slot = {slot}\n")

    def program(self, name):
        return os.path.join(self.bin_dir, name)

    # --- processes

    def start(self, program, *args, wrap=(), log=None, **options):
        """Starts one process; its log goes to our log file."""
        command = [*wrap, self.program(program), "--config", self.config, *args]
        child = self.lab.popen(command, log=log or self.log, **options)
        child.is_router = True
        return child

    def start_all(self, *args, workers=None, agents=0):
        """vr-primary starts the others, and we wait until all is well."""
        workers = workers or len(self.slots)
        self.primary = self.start("vr-primary", "--spawn", "--spawn-workers", str(workers),
                                  "--spawn-agents", str(agents), *args)  # fmt: skip
        self.wait_well()
        return self

    def run(self, program, *args, seconds=15, env=None):
        """Runs a program with our configuration to its end."""
        return subprocess.run(
            [self.program(program), "--config", self.config, *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=env,
        )

    def wait_well(self, seconds=20):
        self.last_said = ""
        try:
            until(self.is_well, seconds, "the router is up")
        except LabError as e:
            raise LabError(f"{e}; status: {self.last_said or 'no answer'}; log: {self.log_tail()}") from None

    def is_well(self):
        primary = getattr(self, "primary", None)
        if primary is not None and primary.poll() is not None:
            raise LabError(f"vr-primary ended with {primary.returncode}: {self.log_tail()}")
        if not os.path.exists(self.socket):
            return False
        done = self.vrctl_run("--json", "status")
        self.last_said = (done.stdout + done.stderr).strip()
        if done.returncode not in (0, 4):
            return False
        status = json.loads(done.stdout)["status"]
        return status["healthy"] or all(tells_of_past_deaths(r) for r in status["reasons"])

    def log_tail(self, lines=12):
        return "\n" + "\n".join("    " + l for l in text_of(self.log).splitlines()[-lines:])

    def pids(self):
        """Living processes of this router and nobody else's: those with our configuration."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as f:
                    args = f.read().split(b"\0")
            except OSError:
                continue
            if self.config.encode() in args and alive(int(entry)):
                program = os.path.basename(args[0]).decode()
                if program.startswith("vr-"):
                    found.append((int(entry), program))
        return found

    def pids_of(self, program):
        return sorted(pid for pid, name in self.pids() if name == program)

    def kill(self, pid, sig=signal.SIGKILL):
        if pid not in [p for p, _ in self.pids()]:
            raise LabError(f"{pid} is not a process of this router")
        os.kill(pid, sig)

    def close(self, seconds=6):
        """SIGTERM to all, the primary first; SIGKILL to what stays."""
        for sig, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 3)):
            pids = self.pids()
            for pid, program in sorted(pids, key=lambda p: p[1] != "vr-primary"):
                try:
                    os.kill(pid, signal.SIGCONT)
                    os.kill(pid, sig)
                except ProcessLookupError:
                    pass
            end = time.monotonic() + patience
            while self.pids() and time.monotonic() < end:
                self.reap()
                time.sleep(0.02)
            if not self.pids():
                break
        for name in os.listdir(self.huge):
            if name.startswith(self.instance):
                os.unlink(os.path.join(self.huge, name))

    def reap(self):
        for child in self.lab.children:
            child.poll()

    # --- control

    def vrctl_run(self, *args, seconds=15, text=""):
        return subprocess.run(
            [self.program("vrctl"), "--socket", self.socket, *args],
            input=text,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def vrctl(self, line, expect=0):
        """Runs one vrctl command given as a line; returns what it printed."""
        done = self.vrctl_run(*shlex.split(line))
        if done.returncode != expect:
            raise LabError(
                f"vrctl {line}: exit status {done.returncode} instead of {expect}: "
                f"{(done.stdout + done.stderr).strip()}"
            )
        return done.stdout if expect == 0 else done.stderr

    def apply(self, text):
        """Makes the configuration what the text says; returns what vrctl printed."""
        done = self.vrctl_run("apply", "-", text=text)
        if done.returncode != 0:
            raise LabError(f"vrctl apply: {(done.stdout + done.stderr).strip()}")
        return done.stdout

    def ask(self, line):
        """The objects a vrctl command shows, as dictionaries."""
        out = json.loads(self.vrctl("--json " + line))
        return out if isinstance(out, list) else [out]

    def status(self):
        return self.ask("status")[0]["status"]

    def used(self, table):
        """Entries used in a table; 0 where there is no such table yet."""
        for t in self.ask("table list"):
            if t["name"] == table:
                return int(t.get("used", 0))
        return 0

    def audit(self):
        """Sums over all pools: size, unaccounted, twice, quarantined and so on."""
        total = {}
        for pool in self.ask("mempool audit"):
            for key, value in pool.items():
                if isinstance(value, int) and not isinstance(value, bool):
                    total[key] = total.get(key, 0) + value
        return total

    def state(self):
        """All that must not change over a death: objects without what moves by itself."""
        return {
            "vif": [{k: v for k, v in o.items() if k != "state"} for o in self.ask("vif list")],
            "nexthop": [{k: v for k, v in o.items() if k != "state"} for o in self.ask("nexthop list")],
            "bridge": [{k: v for k, v in o.items() if k != "state"} for o in self.ask("bridge list")],
            "route": sorted(self.ask("route list"), key=json.dumps),
            "rule": self.ask("rule list"),
            "used": {
                t["name"]: t["used"]
                for t in self.ask("table list")
                if "used" in t and t["name"] not in ("processes", "grace", "flow")
            },
        }

    def counters(self):
        """(vif, counter) -> value."""
        return {
            (v["id"], k): int(n)
            for v in self.ask("vif list")
            for k, n in v.get("state", {}).items()
            if type(n) in (int, str) and str(n).isdigit()
        }

    def slot(self, number):
        for s in self.ask("slot list"):
            if s["id"] == number:
                return s
        raise LabError(f"no slot {number}")

    def slot_of(self, port):
        """Number of the slot that polls a port's first queue."""
        for p in self.ask("port list"):
            if p["name"] == port:
                return int(p["slots"][0])
        raise LabError(f"no port {port}")

    def connect(self, guests, vrf=1, flood=100):
        """Bridges guests: a vif on a tap, an encap nexthop and a bridge entry each, one flood."""
        for n, g in enumerate(guests, 1):
            slot = str(self.slots[(n - 1) % len(self.slots)]).partition("@")[0]
            tap = self.lab.tap_name(g.name, n)
            self.vrctl(
                f"vif add id={n} name={g.name} type=virtual vrf={vrf} nexthop={n} "
                f"tap.name={tap} tap.slot={slot}"
            )
            self.vrctl(f"nexthop add id={n} type=encap vrf={vrf} vif={n}")
            self.vrctl(f"bridge add vrf={vrf} mac={mac(n)} nexthop={n}")
            g.take(tap, mac(n), address(n))
        members = ",".join(str(n) for n in range(1, len(guests) + 1))
        self.vrctl(f"nexthop add id={flood} type=flood vrf={vrf} members={members}")
        self.vrctl(f"bridge add vrf={vrf} mac=ff:ff:ff:ff:ff:ff nexthop={flood}")


def mac(n):
    return f"02:00:00:00:00:{n:02x}"


def address(n):
    return f"10.1.0.{n}"


class Guest:
    """A network namespace with the other end of a tap in it."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.netns = lab.name(name)
        self.ip("netns", "add", self.netns)
        self.ip("-n", self.netns, "link", "set", "lo", "up")

    @staticmethod
    def ip(*args):
        done = subprocess.run(["ip", *args], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise LabError(f"ip {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def take(self, tap, mac_address, ip_address):
        """Moves the tap in here and gives it its addresses."""
        until(lambda: os.path.exists(f"/sys/class/net/{tap}"), 5, f"the tap {tap} is there")
        self.ip("link", "set", tap, "netns", self.netns)
        self.have(tap, mac_address, ip_address)

    def have(self, tap, mac_address, ip_address):
        """Gives the tap, which is in here, its addresses."""
        self.tap, self.mac, self.address = tap, mac_address, ip_address
        # Not a word that nobody asked for, so that counters can be compared.
        self.shell("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6", check=False)
        self.ip("-n", self.netns, "link", "set", tap, "address", mac_address, "up")
        self.ip("-n", self.netns, "address", "add", f"{ip_address}/24", "dev", tap)

    def command(self, *args):
        return ["ip", "netns", "exec", self.netns, *args]

    def run(self, *args, seconds=30):
        return subprocess.run(
            self.command(*args), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds
        )

    def shell(self, script, check=True, seconds=30):
        done = self.run("sh", "-c", script, seconds=seconds)
        if check and done.returncode != 0:
            raise LabError(f"in {self.name}: {script}: {(done.stdout + done.stderr).strip()}")
        return done.stdout

    def popen(self, *args, **options):
        return self.lab.popen(self.command(*args), **options)

    def ping(self, other, count=5, interval=0.02, wait=2):
        """(sent, received), and the text ping printed."""
        done = self.run(
            "ping", "-n", "-c", str(count), "-i", str(interval), "-W", str(wait), other.address,
            seconds=count * interval + wait + 10,
        )  # fmt: skip
        for line in done.stdout.splitlines():
            if "packets transmitted" in line:
                words = line.split()
                return int(words[0]), int(words[3]), done.stdout
        raise LabError(f"ping said: {(done.stdout + done.stderr).strip()}")

    def close(self):
        subprocess.run(["ip", "netns", "delete", self.netns], capture_output=True)


class Probes:
    """A line of probes from one guest to another, 1 ms apart (probe.py)."""

    def __init__(self, sender, receiver, port=7000, interval_us=1000):
        self.records = []  # (number, sent ns, received ns), Unix time
        self.sent = None
        probe = os.path.join(HERE, "probe.py")
        self.receiver = receiver.popen(
            PYTHON, probe, "recv", str(port), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.receiver.stderr.readline()  # ready
        self.thread = threading.Thread(target=self._collect, daemon=True)
        self.thread.start()
        self.sender = sender.popen(
            PYTHON, probe, "send", receiver.address, str(port), str(interval_us),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until(lambda: self.records or None, BEGIN_SECONDS, "the first probe arrives")

    def _collect(self):
        read = self.receiver.stdout.fileno()
        rest = b""
        while True:
            data = os.read(read, 65536)
            if not data:
                return
            rest += data
            whole = len(rest) // 24 * 24
            for at in range(0, whole, 24):
                self.records.append(struct.unpack_from("<QQQ", rest, at))
            rest = rest[whole:]

    def stop(self):
        self.sender.terminate()
        out, _ = self.sender.communicate(timeout=10)
        self.sent = int(out)
        time.sleep(0.3)  # the last ones arrive
        self.receiver.terminate()
        self.receiver.wait(10)
        self.thread.join(10)
        return self

    @property
    def received(self):
        return len({r[0] for r in self.records})

    @property
    def lost(self):
        return self.sent - self.received

    @property
    def doubled(self):
        return len(self.records) - self.received

    def longest_gap(self, since_ns=0):
        """(ms, ns of Unix time when it began), by the receiver's clock."""
        times = [r[2] for r in self.records]
        gaps = [(b - a, a) for a, b in zip(times, times[1:]) if b >= since_ns]
        gap, begin = max(gaps, default=(0, 0))
        return gap / 1e6, begin


class Stream:
    """One TCP connection between two guests, every byte checked (stream.py)."""

    def __init__(self, sender, receiver, port=7001, mb_per_second=20):
        self.port = port
        self.bytes = 0  # received
        self.heard = 0  # of what the receiver sent back
        self.error = ""
        stream = os.path.join(HERE, "stream.py")
        self.receiver = receiver.popen(
            PYTHON, stream, "recv", str(port), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.receiver.stdout.readline()  # ready
        self.sender = sender.popen(
            PYTHON, stream, "send", receiver.address, str(port), str(mb_per_second),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self._collect, self._hear)]
        for thread in self.threads:
            thread.start()
        until(lambda: self.bytes or self.broken(), BEGIN_SECONDS, "the first bytes arrive")

    def _collect(self):
        for line in self.receiver.stdout:
            self.bytes = int(line)

    def _hear(self):
        for line in self.sender.stdout:
            self.heard = int(line)

    def pause(self):
        """The sender stands still; what it has sent arrives."""
        os.kill(self.sender.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.sender.pid, signal.SIGCONT)

    def answer(self):
        """The receiver sends some bytes back (not from a virtual machine)."""
        os.kill(self.receiver.pid, signal.SIGUSR1)

    def broken(self):
        """Why the stream has ended, or ''."""
        for end in (self.receiver, self.sender):
            if not self.error and end.poll() is not None and end.returncode != 0:
                self.error = end.stderr.read().strip() or f"ended with {end.returncode}"
        return self.error

    def moves(self, seconds=5, by=200000):
        """Waits until more bytes came; false when they don't."""
        before = self.bytes
        try:
            until(lambda: self.bytes >= before + by or self.broken(), seconds, "bytes")
        except LabError:
            return False
        return not self.broken()

    def stop(self):
        self.sender.terminate()
        self.sender.wait(20)
        self.receiver.wait(20)
        for thread in self.threads:
            thread.join(10)
        return self.broken()

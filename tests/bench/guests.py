# SPDX-License-Identifier: BSD-3-Clause
"""
The cases of guests: two of our own (tests/lib/vhost_load.c) or two virtio-user ports of testpmd, a
vhost agent on core 0 and a worker on core 1. What is measured is the agent's cycles for a packet, which it moves twice, and the worker's.

Other than NICs, guests share the machine's cores with what is measured: whoever finds nothing to do
sleeps a little (poll = adaptive), or three threads on two cores would measure the scheduler. Agent and
slot count TSC cycles of loops that moved packets. A thread that loses its core within one counts that
too, so they are read every millisecond or so, and the median says what a packet costs. Beside it:
all CPU time of both threads, with vain polling and with falling asleep.
"""

import json
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import vhost_lab  # noqa: E402
from lab import Lab, LabError, Router, mac, text_of, until  # noqa: E402

WARM_UP = 1.0
AGENT_CORE, SLOT_CORE = 0, 1


def pump_of(pid):
    """The thread of a process that had most of its CPU time, and how much, in seconds."""
    times = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            times[thread] = int(file.read().split()[0]) / 1e9
    return max(times.values())


class Guests:
    def __init__(self, imix=False):
        self.imix = imix
        self.lab = Lab(os.path.join(os.environ["VR_LAB"], "case"))
        self.router = self.load = None

    def start(self):
        conf = {"poll": "adaptive", "sleep-us": 10, "mbufs": 16384, "agents": 2}
        self.router = r = Router(self.lab, slots=(f"10@{SLOT_CORE}",), conf=conf)
        self.lab.routers.append(r)
        vhost_lab.programs(r)
        r.start("vr-primary")
        self.worker = r.start("vr-fwd", "--slots", "10")
        r.start("vr-ctl")
        r.wait_well()
        sockets = [os.path.join(r.dir, name) for name in ("from.sock", "to.sock")]
        for g, path in enumerate(sockets, 1):
            r.vrctl(f"vif add id={g} name=g{g} type=virtual vrf=1 vhost.path={path} vhost.agent=0")
            r.vrctl(f"nexthop add id={g} type=encap vrf=1 vif={g}")
            r.vrctl(f"bridge add vrf=1 mac={mac(g)} nexthop={g}")
        self.agent = r.start("vr-vhost", "--agent", "0", "--core", str(AGENT_CORE))
        until(lambda: vhost_lab.is_ready(r, self.agent.pid), 10, "the agent is ready")
        self.guests_start(sockets)
        until(self.are_there, 10, "both guests are served")
        self.load.stdin.write("\n")
        self.load.stdin.flush()

    def load_start(self, *options):
        self.load = self.lab.popen(
            [self.router.program("vhost-load"), "--config", self.router.config, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def guests_start(self, sockets):
        self.load_start("--from", sockets[0], "--to", sockets[1], "--imix", str(int(self.imix)))

    def is_moving(self):
        return self.read()[2]["received"] > 0

    def are_there(self):
        if self.load.poll() is not None:
            raise LabError(f"vhost-load: {self.load.stdout.read().strip()}")
        states = [v.get("state", {}).get("guest", {}) for v in self.router.ask("vif list")]
        return all(g.get("connected") and int(g.get("rx_queues", 0)) > 0 for g in states)

    def read(self):
        """Counters, and both threads' CPU time."""
        cpu = [pump_of(child.pid) for child in (self.agent, self.worker)]
        self.load.stdin.write("\n")
        self.load.stdin.flush()
        line = self.load.stdout.readline()
        if not line.startswith("{"):
            raise LabError(f"{line.strip() or 'vhost-load ended'}; log: {text_of(self.router.log)[-600:]}")
        return time.monotonic(), cpu, json.loads(line)

    def end(self):
        """Stops sending; everything has arrived, is right, and is counted."""
        out, _ = self.load.communicate(timeout=30)
        last = json.loads(out.splitlines()[-1])
        if last["wrong"] or last["sent"] != last["received"]:
            raise LabError(f"{last['sent']} frames were sent, {last['received']} came, {last['wrong']} wrong")
        audit = vhost_lab.sound(self.router, "afterwards")
        counted = self.router.counters()
        for counter in ((1, "rx_packets"), (2, "tx_packets")):
            if counted.get(counter, 0) != last["sent"]:
                raise LabError(f"vif {counter[0]} has {counter[1]}={counted.get(counter)} instead of {last['sent']}")
        return audit

    def stop(self):
        self.lab.close()
        shutil.rmtree(self.lab.dir)


class TestpmdGuests(Guests):
    """
    Two ports of a testpmd that sends what it received by one from the other, so that the same frames
    go round and round. It never sleeps, so it gets a core only when agent and worker leave one.
    """

    FIRST = 12  # bursts of 32, in each direction

    def guests_start(self, sockets):
        program = shutil.which("dpdk-testpmd")
        if program is None:
            raise LabError("dpdk-testpmd is not installed: apt-get install dpdk")
        self.log = os.path.join(self.lab.dir, "testpmd")
        eal = ["--lcores", "0@(0,1),1@(0,1)", "--in-memory", "--single-file-segments", "--no-pci"]
        eal += ["--no-telemetry", "-m", "128", "--file-prefix", self.lab.mark]
        for g, path in enumerate(sockets, 1):
            eal += ["--vdev", f"net_virtio_user{g},path={path},server=1,queue_size=1024,mrg_rxbuf=1,mac={mac(g)}"]
        own = ["-i", "--forward-mode=io", "--nb-cores=1", "--burst=32", "--txd=1024", "--rxd=1024"]
        # What a port sends first is for the other one, and so is all it sends later.
        own += ["--no-flush-rx", "--total-num-mbufs=8192", "--txpkts=60"]
        own += [f"--eth-peer=0,{mac(2)}", f"--eth-peer=1,{mac(1)}"]
        self.testpmd = self.lab.popen(
            [program, *eal, "--", *own], log=self.log, stdin=subprocess.PIPE, text=True,
            preexec_fn=lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)),
        )  # fmt: skip
        self.load_start("--watch", "1")
        self.began = False

    def say(self, text):
        self.testpmd.stdin.write(text + "\n")
        self.testpmd.stdin.flush()

    def are_there(self):
        if self.testpmd.poll() is not None:
            raise LabError(f"testpmd: {text_of(self.log)[-600:]}")
        return super().are_there()

    def read(self):
        """All packets that the slot had have been received, for what gets lost fails the case."""
        when, cpu, figures = super().read()
        figures["received"] = figures["slot"]["packets"]
        return when, cpu, figures

    def is_moving(self):
        if not self.began:
            self.say(f"start tx_first {self.FIRST}")
            self.began = True
        return super().is_moving()

    def end(self):
        self.say("stop")
        self.load.communicate(timeout=30)

        def at_rest():
            before = self.router.counters()
            time.sleep(0.1)
            return before == self.router.counters()

        until(at_rest, 10, "nothing moves")
        vhost_lab.sound(self.router, "afterwards")
        counted = self.router.counters()
        for a, b in ((1, 2), (2, 1)):
            came, went = counted.get((a, "rx_packets"), 0), counted.get((b, "tx_packets"), 0)
            if came != went or came == 0:
                raise LabError(f"vif {a} has rx_packets={came}, and vif {b} tx_packets={went}")
        for drop in self.router.ask("drops"):
            if int(drop.get("packets", 0)) > 0:
                raise LabError(f"{drop['packets']} packets were dropped: {drop['reason']}")

    def stop(self):
        if getattr(self, "testpmd", None) is not None and self.testpmd.poll() is None:
            self.testpmd.stdin.close()
            self.testpmd.stdin = None
            try:
                self.testpmd.wait(timeout=10)
            except subprocess.TimeoutExpired:
                pass
        shutil.rmtree(f"/run/dpdk/{self.lab.mark}", ignore_errors=True)
        super().stop()


def measure(bench, name):
    case = TestpmdGuests() if name.endswith("testpmd") else Guests(imix=name.endswith("imix"))
    try:
        case.start()
        until(case.is_moving, 10, "a packet arrives")
        time.sleep(WARM_UP)
        begin = case.read()
        time.sleep(bench.duration)
        end = case.read()
        case.end()
    finally:
        case.stop()
    return figures(name, begin, end)


def figures(name, begin, end):
    seconds = end[0] - begin[0]
    packets = end[2]["received"] - begin[2]["received"]
    if packets == 0:
        raise LabError("nothing moves")
    tsc_hz = (end[2]["tsc"] - begin[2]["tsc"]) / seconds
    result = {"name": name, "flows": 1, "packets": packets, "seconds": round(seconds, 3)}
    busy = total = share = 0
    # The agent has every packet twice.
    for i, (who, times) in enumerate((("agent", 2), ("slot", 1))):
        was, now = begin[2][who], end[2][who]
        cpu = (end[1][i] - begin[1][i]) / seconds
        quartiles = [round(q * times, 1) for q in now["quartiles"]]
        result[f"{who}_quartiles"] = quartiles
        result[f"{who}_samples"] = now["samples"]
        result[f"{who}_burst"] = round((now["packets"] - was["packets"]) / max(1, now["bursts"] - was["bursts"]), 1)
        busy += quartiles[1]
        total += cpu * seconds * tsc_hz / packets
        share += cpu / 2
    result["mpps"] = round(packets / seconds / 1e6, 2)
    result["tsc_cycles_per_packet"] = round(busy, 1)
    result["tsc_cycles_of_cpu_time"] = round(total, 1)
    result["on_cpu_fraction"] = round(share, 3)
    return result

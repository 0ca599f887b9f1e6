# SPDX-License-Identifier: BSD-3-Clause
"""
Guests with a kernel's TCP, in seconds: dpdk-testpmd is a guest's virtio driver (net_virtio_user) and
forwards to a tap (net_tap), which is the guest's network interface, in a namespace.
"""

import os
import shutil
import subprocess

from lab import Stream, address, mac, text_of, until
from runner import test
from vhost_lab import agent, is_ready, router, sound

QUEUES = 2
FLOWS = 64


def slots_polled(r, vif):
    """What slots have received, by number, since they began."""
    return {s["id"]: int(s.get("packets", 0)) for s in r.ask("slot list")}


def testpmd(t, n, socket):
    """Guest n: its virtio driver and its namespace."""
    program = shutil.which("dpdk-testpmd")
    if program is None:
        t.skip("needs dpdk-testpmd: apt-get install dpdk")
    tap, prefix = t.lab.tap_name("guest", n), t.lab.name(f"g{n}")
    log = os.path.join(t.lab.dir, f"testpmd{n}")
    eal = ["--lcores", "0@(0,1),1@(0,1)", "--in-memory", "--single-file-segments", "--no-pci"]
    eal += ["--no-telemetry", "-m", "64", "--file-prefix", prefix]
    eal += ["--vdev", f"net_virtio_user0,path={socket},server=1,queues={QUEUES},cq=1,mrg_rxbuf=1,mac={mac(n)}"]
    eal += ["--vdev", f"net_tap0,iface={tap}"]
    own = ["--forward-mode=io", "--nb-cores=1", f"--rxq={QUEUES}", f"--txq={QUEUES}", "--no-flush-rx"]
    own += ["--total-num-mbufs=8192", "--enable-scatter", "--tx-offloads=0x8000"]
    guest = t.lab.guest(f"guest{n}")
    # It runs until its standard input ends.
    child = guest.popen(program, *eal, "--", *own, log=log, stdin=subprocess.PIPE)
    t.after(shutil.rmtree, f"/run/dpdk/{prefix}", True)
    guest.begin = lambda: guest.have(tap, mac(n), address(n))
    guest.fault = lambda: text_of(log)[-2000:] if child.poll() is not None else ""
    return guest


@test(seconds=90)
def guests_with_taps_reach_each_other_over_two_queue_pairs(t):
    r, sockets = router(t, 2)
    child = agent(r)
    until(lambda: is_ready(r, child.pid), 10, "the agent is ready")
    a, b = (testpmd(t, n, path[2:]) for n, path in enumerate(sockets, 1))

    def both_there():
        assert not a.fault() and not b.fault(), a.fault() or b.fault()
        states = [v.get("state", {}).get("guest", {}) for v in r.ask("vif list")]
        return all(g.get("connected") and int(g.get("rx_queues", 0)) == QUEUES for g in states)

    until(both_there, 20, "both guests are connected")
    a.begin()
    b.begin()
    a.shell(f"ip neigh replace {b.address} lladdr {b.mac} dev {a.tap}")
    b.shell(f"ip neigh replace {a.address} lladdr {a.mac} dev {b.tap}")
    until(lambda: a.ping(b, count=1, wait=1)[1] == 1, 20, "a ping is answered")
    sent, received, _ = a.ping(b, count=20)
    assert received == sent, (sent, received)

    # Flows of one guest reach both slots.
    before = slots_polled(r, 1)
    a.shell(
        "python3 -c 'import socket\n"
        f"for i in range({FLOWS}):\n"
        "  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"  [s.sendto(b\"x\", (\"{b.address}\", 9)) for _ in range(10)]'"
    )
    reached = {k: n - before[k] for k, n in slots_polled(r, 1).items()}
    assert all(n > FLOWS for n in reached.values()), reached

    # TCP goes on with the next agent.
    stream = Stream(a, b)
    assert stream.moves(10), stream.broken()
    r.kill(child.pid)
    child.wait()
    agent(r)
    assert stream.moves(20), stream.broken()
    stream.stop()
    guest = r.ask("vif list")[0]["state"]["guest"]
    t.note(f"{sent} pings, slots received {reached}, TCP moved {stream.bytes} bytes; "
           f"features {', '.join(guest['features'])}")
    assert "mrg_rxbuf" in guest["features"] and "mq" in guest["features"], guest
    sound(r, "afterwards")

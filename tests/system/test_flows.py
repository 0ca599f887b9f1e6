# SPDX-License-Identifier: BSD-3-Clause
"""Flows by local policy: what only state admits, what is denied, and what deaths leave of them."""

import os
import subprocess
import sys
import time

from lab import until
from runner import test

TCP, UDP = 6, 17

# A connection from one guest to the other over which the *other* says something when it is told to.
LISTENER = """
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", 7100))
s.listen(1)
print("ready", flush=True)
c, _ = s.accept()
for line in sys.stdin:
    c.sendall(line.encode())
"""
CALLER = """
import socket, sys
c = socket.create_connection((sys.argv[1], 7100), timeout=20)
print("connected", flush=True)
for line in c.makefile():
    print(line.strip(), flush=True)
"""


def start(guest, program, *args):
    return guest.popen(
        sys.executable, "-c", program, *args, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def connected(a, b):
    listener = start(b, LISTENER)
    assert listener.stdout.readline() == "ready\n"
    caller = start(a, CALLER, b.address)
    assert caller.stdout.readline() == "connected\n"
    return caller, listener


def policed(t):
    """Guest a may begin what it likes; nobody may begin anything with it."""
    r, a, b = t.pair()
    a.ping(b, count=2)
    for vif, nexthop in ((1, "1"), (2, "2")):
        r.vrctl(f"vif set id={vif} nexthop={nexthop}")
    r.vrctl("rule add vif=1 priority=10 direction=ingress action=allow")
    r.vrctl("rule add vif=1 priority=100 direction=egress action=deny")
    r.vrctl("vif set id=1 flags=policy")
    return r, a, b


def flow_of(r, port=7100):
    found = r.ask(f"flow list protocol={TCP} destination_port={port}")
    assert len(found) == 1, found
    return found[0]


def same(one, other):
    return (
        all(one[k] == other[k] for k in ("index", "generation", "source", "destination"))
        and one["state"]["created_time_ms"] == other["state"]["created_time_ms"]
    )


def drops(r):
    return {d["reason"]: int(d["packets"]) for d in r.ask("drops")}


@test
def only_answers_reach_a_guest_that_lets_nobody_begin(t):
    r, a, b = policed(t)
    sent, received, said = a.ping(b, count=5)
    assert sent == received == 5, said
    sent, received, said = b.ping(a, count=2, wait=1)
    assert received == 0, said
    assert drops(r).get("flow-denied", 0) >= 2, drops(r)
    r.vrctl("rule del vif=1 priority=100")
    sent, received, said = b.ping(a, count=5)
    assert sent == received == 5, said


@test(seconds=90)
def a_connection_answered_first_by_the_other_side_outlives_a_worker_and_a_control(t):
    r, a, b = policed(t)
    caller, listener = connected(a, b)
    before = flow_of(r)
    assert before["state"]["progress"] == "established", before

    pid = int(r.slot(10)["pid"])
    r.kill(pid)
    until(lambda: r.slot(10).get("pid") not in (None, 0, pid), 10, "slot 10 has a process again")
    listener.stdin.write("after the worker\n")  # against the flow's direction, and the first
    listener.stdin.flush()
    assert caller.stdout.readline() == "after the worker\n"
    assert same(flow_of(r), before), (flow_of(r), before)

    old = r.pids_of("vr-ctl")[0]
    r.kill(old)
    listener.stdin.write("after control\n")
    listener.stdin.flush()
    assert caller.stdout.readline() == "after control\n"
    until(lambda: [p for p in r.pids_of("vr-ctl") if p != old], 10, "there is a vr-ctl again")
    r.wait_well()
    now = flow_of(r)
    assert same(now, before), (now, before)
    assert int(now["state"]["reverse"]["packets"]) > int(before["state"]["reverse"]["packets"])


@test
def a_flow_is_read_filtered_and_ended(t):
    r, a, b = policed(t)
    connected(a, b)
    f = flow_of(r)
    key = f"index={f['index']} generation={f['generation']}"
    assert f["state"]["forward"]["vif"] == 1 and f["state"]["reverse"]["vif"] == 2, f
    assert r.ask(f"flow get {key}")[0]["index"] == f["index"]
    assert r.ask(f"flow list vif=1 protocol={TCP}") and not r.ask("flow list vif=3")
    named = f"source={a.address} destination={b.address} protocol={TCP} destination_port=7100"
    named += f" source_port={f['source_port']} nexthop={f['nexthop']}"
    assert r.ask(f"flow get {named}")[0]["index"] == f["index"]
    r.vrctl(f"flow get index={f['index']} generation={int(f['generation']) + 1}", expect=1)
    assert int(r.ask("flow stats")[0]["created"]) >= 1
    r.vrctl(f"flow del {key}")
    r.vrctl(f"flow del {key}", expect=1)
    assert not r.ask(f"flow list protocol={TCP} destination_port=7100")


@test
def rules_are_dumped_applied_refused_and_reset(t):
    r, a, b = t.pair()
    rule = "vif=2 priority=7 direction=ingress action=deny protocol=6 destination_ports=80,90"
    rule += " source_prefix=10.0.0.0/8"
    r.vrctl(f"rule add {rule}")
    text = r.vrctl("dump")
    assert "10.0.0.0/8" in text and "80" in text, text
    r.vrctl("rule del vif=2 priority=7")
    r.vrctl("rule get vif=2 priority=7", expect=1)
    file = os.path.join(t.lab.dir, "all.conf")
    with open(file, "w") as f:
        f.write(text)
    r.vrctl(f"apply {file}")
    found = r.ask("rule get vif=2 priority=7")[0]
    assert found["destination_ports"] == [80, 90] and found["source_prefix"] == "10.0.0.0/8", found
    for wrong, word in (
        ("direction=ingress", "action is missing"),
        ("direction=ingress action=deny destination_ports=90,80", "above the last"),
        ("direction=ingress action=deny protocol=300", "above 255"),
        ("action=deny source_prefix=10.0.0.0/8 destination_prefix=fd00::/8 direction=egress", "no packet"),
    ):
        assert word in r.vrctl(f"rule add vif=2 priority=8 {wrong}", expect=1), wrong
    r.vrctl("reset set tables=yes")
    assert not r.ask("rule list")


@test
def idle_flows_age(t):
    r, a, b = t.pair(conf={"flow-age-other": 1})
    r.vrctl("vif set id=1 nexthop=1 flags=policy")
    r.vrctl("vif set id=2 nexthop=2")
    a.ping(b, count=2)
    assert r.ask("flow list protocol=1"), r.vrctl("flow list")
    until(lambda: not r.ask("flow list protocol=1"), 10, "the flow has aged")
    time.sleep(0.1)
    assert int(r.ask("flow stats")[0]["aged"]) >= 1

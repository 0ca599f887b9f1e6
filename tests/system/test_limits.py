# SPDX-License-Identifier: BSD-3-Clause
"""Each process in namespaces and control groups of its own, and within its memory."""

import re
import time

from cgroup import Cgroup, NoCgroup
from lab import Probes, text_of, until
from runner import test

MEBI = 1 << 20


def non_huge_memory(pid):
    """Bytes of RAM of a process without hugepages: RSS does not count those."""
    total = 0
    for line in text_of(f"/proc/{pid}/status").splitlines():
        if re.match(r"Rss(Anon|File|Shmem):", line):
            total += int(line.split()[1]) * 1024
    return total


def group(t, name, **limits):
    try:
        g = Cgroup(t.lab, name, **limits)
    except NoCgroup as e:
        t.skip(str(e))
    t.after(g.remove)
    return g


def parts(r, **wraps):
    """Starts the processes one by one, each behind its wrap."""
    r.primary = r.start("vr-primary", wrap=wraps.get("primary", ()))
    r.start("vr-fwd", "--slots", "10,11", wrap=wraps.get("fwd", ()))
    r.start("vr-ctl", wrap=wraps.get("ctl", ()))


@test
def a_worker_lives_within_64_mib_of_its_own_memory(t):
    r, a, b = t.pair()
    a.ping(b, count=50, interval=0.01)
    for pid, program in r.pids():
        used = non_huge_memory(pid)
        t.note(f"{program} {used / MEBI:.1f} MiB")
        if program == "vr-fwd":
            assert used < 64 * MEBI, f"{program}: {used / MEBI:.1f} MiB"


@test
def a_worker_lives_in_a_memory_cgroup_of_64_mib(t):
    g = group(t, "fwd", memory=64 * MEBI)
    r = t.router()
    parts(r, fwd=g.wrap())
    r.wait_well()
    a, b = t.lab.guest("a"), t.lab.guest("b")
    r.connect([a, b])
    sent, received, said = a.ping(b, count=200, interval=0.005)
    assert sent == received, said
    peak = g.peak_memory()
    if peak:
        t.note(f"peak {peak / MEBI:.1f} MiB")


@test
def a_worker_lives_with_half_a_core_and_8_pids(t):
    g = group(t, "fwd", cpu=50, pids=8)
    r = t.router(conf={"hung-ms": 1000})
    parts(r, fwd=g.wrap())
    r.wait_well()
    a, b = t.lab.guest("a"), t.lab.guest("b")
    r.connect([a, b])
    sent, received, said = a.ping(b, count=100, interval=0.01)
    assert received >= 99, said


@test
def a_full_pids_cgroup_is_told_and_harms_nobody(t):
    g = group(t, "full", pids=1)
    r, a, b = t.pair(slots=("10@1", "11@1"))
    (victim, *_) = [p for p in r.pids_of("vr-fwd") if p == r.slot(11)["pid"]]
    log = f"{r.dir}/full.log"
    # A worker for a slot that is taken would be refused; here the limit strikes earlier or later.
    child = r.start("vr-fwd", "--slots", "11", wrap=g.wrap(), log=log)
    until(lambda: child.poll() is not None, 15, "the process that may have no threads ends")
    assert child.returncode != 0 and text_of(log).strip(), f"{child.returncode}: {text_of(log)}"
    sent, received, said = a.ping(b, count=20, interval=0.01)
    assert sent == received, said
    assert victim in r.pids_of("vr-fwd")
    r.wait_well()


@test
def a_worker_that_gets_no_threads_says_so_and_the_next_one_attaches(t):
    g = group(t, "full", pids=1)
    r = t.router()
    r.primary = r.start("vr-primary")
    r.start("vr-ctl")
    log = f"{r.dir}/full.log"
    child = r.start("vr-fwd", "--slots", "10,11", wrap=g.wrap(), log=log)
    until(lambda: child.poll() is not None, 15, f"the process that may have no threads ends; it said {text_of(log)}")
    assert child.returncode != 0, "it ended with 0"
    assert re.search(r"thread|pids|Resource temporarily", text_of(log)), text_of(log)
    r.start("vr-fwd", "--slots", "10,11")
    r.wait_well()
    a, b = t.lab.guest("a"), t.lab.guest("b")
    r.connect([a, b])
    sent, received, said = a.ping(b)
    assert sent == received, said


@test
def processes_live_in_mount_network_and_ipc_namespaces_of_their_own(t):
    apart = ["unshare", "--mount", "--net", "--ipc", "--propagation", "slave"]
    r = t.router()
    parts(r, fwd=apart, ctl=apart)
    r.wait_well()
    a, b = t.lab.guest("a"), t.lab.guest("b")
    r.connect([a, b])
    sent, received, said = a.ping(b, count=50, interval=0.01)
    assert sent == received, said
    inodes = {k: set() for k in ("mnt", "net", "ipc")}
    import os

    for pid, _ in r.pids():
        for k in inodes:
            inodes[k].add(os.readlink(f"/proc/{pid}/ns/{k}"))
    assert all(len(v) == 3 for v in inodes.values()), inodes
    pid = r.slot(10)["pid"]
    probes = Probes(a, b)
    r.kill(pid)
    r.start("vr-fwd", "--slots", "10,11", wrap=apart)
    until(lambda: r.slot(10).get("pid") not in (None, 0, pid), 10, "slot 10 has a process again")
    time.sleep(0.5)
    probes.stop()
    sent, received, said = a.ping(b, count=20, interval=0.01)
    assert sent == received, said


@test
def the_whole_router_in_a_network_namespace_of_its_own(t):
    g = t.lab.guest("host")
    r = t.router()
    r.primary = r.start("vr-primary", "--spawn", wrap=g.command()[:4])
    r.wait_well()
    r.vrctl("vif add id=1 name=a type=virtual vrf=1 tap.name=inside")
    said = g.run("ip", "link", "show", "inside")
    assert said.returncode == 0, f"the tap is not in the router's namespace: {said.stderr}"

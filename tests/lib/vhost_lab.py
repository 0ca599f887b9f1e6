# SPDX-License-Identifier: BSD-3-Clause
"""What system tests of guests share: a router with agents, and guests of our own."""

import json
import os
import re
import statistics
import subprocess
import time

from lab import REPO, LabError, mac, until


def programs(r):
    """Builds what only these tests need, where the router's programs are."""
    flavour = os.path.dirname(r.bin_dir)
    subprocess.run(
        ["make", "-s", "-C", REPO, "-f", "tests/lib/programs.mk", f"BUILD={os.path.dirname(flavour)}",
         f"FLAVOUR={os.path.basename(flavour)}", "test-programs"],
        stdin=subprocess.DEVNULL, check=True, timeout=120,
    )  # fmt: skip


def router(t, n, servers=lambda g: True, start=True, conf=None, folder="", **options):
    """A router with 2 agents' places and n bridged guests on agent 0; and their sockets, in a folder
    of the router's. Without 'start' nothing runs yet, and nothing is configured."""
    r = t.router(conf={"agents": 2, **(conf or {})}, **options)
    programs(r)
    if start:
        r.start_all()
    sockets = []
    os.makedirs(os.path.join(r.dir, folder), exist_ok=True)
    for g in range(1, n + 1):
        path = os.path.join(r.dir, folder, f"guest{g}.sock")
        sockets.append(("s:" if servers(g) else "c:") + path)
        if not start:
            continue
        slot = str(r.slots[g % len(r.slots)]).partition("@")[0]
        server = "" if servers(g) else " vhost.server=true"
        r.vrctl(f"vif add id={g} name=g{g} type=virtual vrf=1 vhost.path={path} vhost.agent=0 "
                f"vhost.queues=2 vhost.slot={slot}{server}")
        r.vrctl(f"nexthop add id={g} type=encap vrf=1 vif={g}")
        r.vrctl(f"bridge add vrf=1 mac={mac(g)} nexthop={g}")
    return r, sockets


def agent(r):
    return r.start("vr-vhost", "--agent", "0")


def is_ready(r, pid):
    return any(p.get("pid") == pid and p["state"].lower() == "ready" for p in r.ask("process list"))


def guests(t, r, *args):
    return t.lab.popen([r.program("vhost-guests"), *map(str, args)], stdout=subprocess.PIPE, text=True)


def result(child):
    child.terminate()
    out, _ = child.communicate(timeout=30)
    return json.loads(out.splitlines()[-1])


def returns(r, child, came, n=20):
    """Kills the agent again and again; after how many ms from its exec the next one is back, each
    time: came() waits, and says when by the monotonic clock."""
    took = []
    for _ in range(n):
        time.sleep(0.3)
        r.kill(child.pid)
        child.wait()
        time.sleep(0.02)  # what was on its way from the dead one has arrived
        begin = time.monotonic_ns()
        child = agent(r)
        took.append((came(begin) - begin) / 1e6)
    return child, took


def summary(took):
    return f"after {len(took)} deaths back within {statistics.median(took):.0f} ms, at most {max(took):.0f} ms"


def heap(r):
    """How much of the shared heap is in use; asking is also an attach."""
    done = r.run("vr-heap", "--agent", "1")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def left_files(r):
    """EAL's files of processes that are no more."""
    living = {str(pid) for pid, _ in r.pids()}
    found = set()
    for _, _, names in os.walk(r.run_dir):
        for name in names:
            of = re.match(r"fbarray_.*_(\d+)$|mp_socket_(\d+)_", name)
            if of and not living & set(of.groups()):
                found.add(name)
    return found


def sound(r, what):
    """No mbuf is lost or has two owners; asked again when somebody had no CPU to stand still."""

    def ask():
        pools = json.loads(r.vrctl_run("--json", "mempool", "audit").stdout or "[]")
        return pools[0] if pools and pools[0]["unpaused"] == 0 else None

    audit = until(ask, 10, f"{what}: an audit while all stand still")
    assert audit["unaccounted"] == 0 and audit["twice"] == 0, f"{what}: {audit}"
    return audit


def no_files_left(r):
    try:
        until(lambda: not left_files(r), 2, "files of dead processes are removed")
    except LabError as e:
        raise LabError(f"{e}: {sorted(left_files(r))}") from None

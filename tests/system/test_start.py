# SPDX-License-Identifier: BSD-3-Clause
"""Starting and stopping: in any order, never twice, with nothing left over."""

import mmap
import os
import re
import signal
import struct
import time

from lab import text_of, until
from runner import test


@test
def workers_and_control_wait_for_the_primary_and_say_so(t):
    r = t.router()
    for program, args in (("vr-fwd", ("--slots", "10,11")), ("vr-ctl", ())):
        log = os.path.join(r.dir, program + ".log")
        child = r.start(program, *args, log=log)
        until(lambda: "wait" in text_of(log), 5, f"{program} says that it waits; it said: {text_of(log)}")
        assert child.poll() is None, text_of(log)
    time.sleep(0.5)
    r.primary = r.start("vr-primary")
    r.wait_well()
    a, b = t.lab.guest("a"), t.lab.guest("b")
    r.connect([a, b])
    sent, received, said = a.ping(b)
    assert sent == received, said


@test
def one_worker_may_animate_all_slots(t):
    r = t.router()
    r.primary = r.start("vr-primary")
    r.start("vr-fwd", "--slots", "10,11")
    r.start("vr-ctl")
    r.wait_well()
    pids = {s["pid"] for s in r.ask("slot list")}
    assert len(pids) == 1 and 0 not in pids, pids
    a, b = t.lab.guest("a"), t.lab.guest("b")
    r.connect([a, b])
    sent, received, said = a.ping(b)
    assert sent == received, said


@test
def a_second_worker_for_a_slot_is_refused(t):
    r, a, b = t.pair()
    done = r.run("vr-fwd", "--slots", "10")
    assert done.returncode > 0, f"it ran: {done.stderr}"
    assert "slot 10" in done.stderr, done.stderr
    sent, received, said = a.ping(b)
    assert sent == received, said


@test
def a_second_control_is_refused(t):
    r = t.router().start_all()
    done = r.run("vr-ctl")
    assert done.returncode > 0, f"it ran: {done.stderr}"
    assert "ctl" in done.stderr or "control" in done.stderr, done.stderr
    r.wait_well()


@test
def a_second_primary_is_refused_and_harms_nobody(t):
    r, a, b = t.pair()
    files = sorted(os.listdir(r.huge))
    done = r.run("vr-primary")
    assert done.returncode > 0, f"it ran: {done.stderr}"
    assert r.run_dir in done.stderr or r.instance in done.stderr or "primary" in done.stderr, done.stderr
    assert sorted(os.listdir(r.huge)) == files, "it touched the files of the first"
    sent, received, said = a.ping(b)
    assert sent == received, said
    r.wait_well()


@test
def two_routers_live_side_by_side(t):
    r, a, b = t.pair()
    other = t.router("s", slots=("10@1",)).start_all()
    other.vrctl("nexthop add id=5 type=discard vrf=1")
    assert not [n for n in r.ask("nexthop list") if n["id"] == 5]
    sent, received, said = a.ping(b)
    assert sent == received, said


@test
def a_region_of_another_layout_is_refused_by_naming_the_struct(t):
    r = t.router()
    r.primary = r.start("vr-primary")
    region = until(lambda: region_file(r), 10, "the region is there")
    until(lambda: os.path.exists(os.path.join(r.run_dir, "primary.sock")), 10, "the primary listens")
    name = alter_layout(region, b"nexthop")
    for program, args in (("vr-fwd", ("--slots", "10")), ("vr-ctl", ())):
        done = r.run(program, *args)
        assert done.returncode > 0, f"{program} ran with another layout: {done.stderr}"
        assert name in done.stderr, f"{program} does not name {name}: {done.stderr}"
    r.primary.terminate()
    assert r.primary.wait(6) == 0
    done = r.run("vr-primary")
    assert done.returncode > 0 and name in done.stderr, f"vr-primary: {done.returncode} {done.stderr}"


def region_file(r):
    for name in os.listdir(r.huge):
        path = os.path.join(r.huge, name)
        if name.startswith(r.instance) and "map_" not in name:
            return path
    return None


def alter_layout(path, name):
    """Raises the major version in the region's record of a struct (common/region.h)."""
    first, size = 72, 48  # where records begin, and bytes of one
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        (n,) = struct.unpack_from("<I", m, 40)
        for at in range(first, first + n * size, size):
            if m[at : at + 32].rstrip(b"\0") == name:
                (major,) = struct.unpack_from("<H", m, at + 32)
                struct.pack_into("<H", m, at + 32, major + 1)
                break
        else:
            raise AssertionError(f"no layout record of {name} among {n}")
    return name.decode()


@test
def sigterm_ends_every_process_with_0_within_5_seconds_and_leaves_the_region(t):
    r = t.router()
    r.primary = r.start("vr-primary")
    worker = r.start("vr-fwd", "--slots", "10,11")
    ctl = r.start("vr-ctl")
    r.wait_well()
    a, b = t.lab.guest("a"), t.lab.guest("b")
    r.connect([a, b])
    a.ping(b)
    state = r.state()
    times = []
    for name, child in (("vr-fwd", worker), ("vr-ctl", ctl), ("vr-primary", r.primary)):
        begin = time.monotonic()
        child.send_signal(signal.SIGTERM)
        status = child.wait(6)
        times.append(f"{name} {(time.monotonic() - begin) * 1000:.0f} ms")
        assert status == 0, f"{name} ended with {status}"
        assert time.monotonic() - begin < 5, f"{name} took {time.monotonic() - begin:.1f} s"
    t.note(", ".join(times))
    assert region_file(r), "the region is gone"
    a.close(), b.close()
    r.primary = r.start("vr-primary")
    r.start("vr-fwd", "--slots", "10,11")
    r.start("vr-ctl")
    r.wait_well()
    now = r.state()
    assert now["nexthop"] == state["nexthop"] and now["bridge"] == state["bridge"] and now["vif"] == state["vif"], now


@test
def a_stopped_router_takes_what_it_started_with_it(t):
    r = t.router().start_all()
    r.primary.terminate()
    assert r.primary.wait(6) == 0
    until(lambda: not r.pids() or r.reap(), 5, "its children have ended")
    assert not re.search(r"map_\d", " ".join(os.listdir(r.huge))), "packet memory was left behind"


@test
def log_lines_have_time_process_module_and_level(t):
    r = t.router().start_all()
    line = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [\w-]+\[\d+\] [\w-]+ (error|warning|notice|info|debug): ")
    lines = text_of(r.log).splitlines()
    assert lines, "nothing was logged"
    for text in lines:
        assert line.match(text), f"not a log line: {text}"

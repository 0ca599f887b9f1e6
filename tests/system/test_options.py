# SPDX-License-Identifier: BSD-3-Clause
"""A wrong option is refused before anything is touched, in a sentence that names it and its range."""

import os
import re
import shutil

from runner import test

# (program, option, value, part of the sentence)
WRONG = [
    ("vr-primary", "mbufs", "100", "2048 to 16777216 mbufs"),
    ("vr-primary", "mbufs", "many", "must be a number of mbufs"),
    ("vr-primary", "mbufs", "-1", "must be a number of mbufs"),
    ("vr-primary", "mbufs", "99999999999999999999", "2048 to 16777216 mbufs"),
    ("vr-primary", "mbuf-size", "2000", "must be a multiple of 64 bytes"),
    ("vr-primary", "ring-size", "1000", "must be a power of two"),
    ("vr-primary", "vifs", "65536", "16 to 65535 vifs"),
    ("vr-primary", "nexthops", "0", "16 to 16777215 nexthops"),
    ("vr-primary", "flow-entries", "3", "must be even"),
    ("vr-primary", "flow-entries", "33554434", "0 to 33554432 entries"),
    ("vr-primary", "slot", "x", "NUMBER or NUMBER@CPU"),
    ("vr-primary", "slot", "10@4096", "CPU 0 to 1023"),
    ("vr-primary", "port", "uplink", "must be NAME=DEVARGS"),
    ("vr-primary", "port", "u=net_null0,queues=17", "queues must be 1 to 16"),
    ("vr-primary", "run-dir", "run", "must be an absolute path"),
    ("vr-primary", "run-dir", "/" + "x" * 200, "must not be longer than"),
    ("vr-primary", "instance", "a/b", "letters, digits"),
    ("vr-primary", "region-address", "0x7e9000000001", "multiple of 0x200000"),
    ("vr-primary", "poll", "lazy", "busy|adaptive"),
    ("vr-primary", "burst", "65", "1 to 64 packets"),
    ("vr-primary", "hung-ms", "1", "10 to 600000 ms"),
    ("vr-primary", "nonsense", "1", "there is no such option"),
    ("vr-fwd", "burst", "0", "1 to 64 packets"),
    ("vr-fwd", "log", "file", "stderr|syslog"),
    ("vr-fwd", "slots", "ten", "ten"),
    ("vr-ctl", "control-clients", "0", "1 to 65535 clients"),
    ("vr-ctl", "control-message-max", "1", "4096 to 268435456 bytes"),
    ("vr-ctl", "log-level", "loud", "error|warning|notice|info|debug"),
]


@test
def a_wrong_value_is_named_with_its_range(t):
    r = t.router()
    for program, option, value, expected in WRONG:
        done = r.run(program, f"--{option}", value)
        said = done.stdout + done.stderr
        assert done.returncode not in (0, -11, -6), f"{program} --{option} {value}: {done.returncode} {said}"
        assert expected in said, f"{program} --{option} {value}: expected '{expected}' in: {said}"
        assert option in said, f"{program} --{option} {value}: the option is not named in: {said}"
    t.note(f"{len(WRONG)} values")


@test
def a_wrong_line_of_the_file_is_named_with_file_and_line(t):
    r = t.router()
    with open(r.config, "a") as f:
        f.write("# a comment\nmbufs = 7\n")
    with open(r.config) as f:
        number = len(f.readlines())
    for program in ("vr-primary", "vr-fwd", "vr-ctl"):
        done = r.run(program)
        said = done.stdout + done.stderr
        assert done.returncode > 0, f"{program} started: {said}"
        assert f"{r.config}:{number}" in said and "2048 to 16777216" in said, f"{program} said: {said}"


@test
def a_missing_configuration_file_is_named(t):
    r = t.router()
    os.unlink(r.config)
    for program in ("vr-primary", "vr-fwd", "vr-ctl"):
        done = r.run(program)
        assert done.returncode > 0 and r.config in done.stdout + done.stderr, f"{program}: {done}"


@test
def two_slots_of_one_number_are_refused(t):
    r = t.router(slots=("10", "10@1"))
    done = r.run("vr-primary")
    assert done.returncode > 0 and "slot 10 is given twice" in done.stderr, done.stderr


@test
def a_slot_that_is_not_configured_is_refused(t):
    r = t.router().start_all()
    done = r.run("vr-fwd", "--slots", "99")
    assert done.returncode > 0 and "slot 99" in done.stderr, done
    r.wait_well()


@test
def a_hugepage_directory_that_is_none_is_refused(t):
    r = t.router()
    plain = os.path.join(r.dir, "plain")
    os.mkdir(plain)
    for where in (plain, os.path.join(r.dir, "absent")):
        done = r.run("vr-primary", "--hugepage-dir", where)
        assert done.returncode > 0 and where in done.stderr, f"{where}: {done.stderr}"


@test
def too_few_hugepages_are_refused_with_need_and_what_there_is(t):
    r = t.router(conf={"mbufs": 16777216})
    done = r.run("vr-primary")
    said = done.stderr
    assert done.returncode > 0, f"started: {said}"
    assert re.search(r"needs \d+ .*pages.* free", said), said
    assert not r.pids(), "something still runs"
    left = [n for n in os.listdir(r.huge) if n.startswith(r.instance)]
    assert not left, f"left behind: {left}"


@test
def every_program_says_what_it_is(t):
    r = t.router()
    for program in ("vr-primary", "vr-fwd", "vr-ctl"):
        done = r.run(program, "--version")
        assert done.returncode == 0, done
        for word in (program, "DPDK 22.11", "nexthop", "vif"):
            assert word in done.stdout, f"{program} --version: no '{word}' in: {done.stdout}"
        done = r.run(program, "--help")
        assert done.returncode == 0 and "--mbufs" in done.stdout, done
        layouts = r.run(program, "--layout").stdout.splitlines()
        assert len(layouts) > 5 and all(len(line.split()) == 4 for line in layouts), layouts


@test
def all_programs_have_the_same_layouts(t):
    r = t.router()
    a, b, c = (r.run(p, "--layout").stdout for p in ("vr-primary", "vr-fwd", "vr-ctl"))
    assert a == b == c, f"{a}\n{b}\n{c}"


@test
def the_example_configuration_is_what_the_programs_print_and_is_accepted(t):
    r = t.router()
    example = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../deploy/vrouter.conf.example")
    if not os.path.exists(example):
        t.skip("no deploy/vrouter.conf.example yet")
    with open(example) as f:
        text = f.read()
    assert r.run("vr-primary", "--config-example").stdout == text, "deploy/vrouter.conf.example is out of date"
    shutil.copy(example, r.config)
    done = r.run("vr-fwd", "--burst", "0")
    assert "1 to 64" in done.stderr and r.config not in done.stderr, done.stderr

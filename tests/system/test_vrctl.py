# SPDX-License-Identifier: BSD-3-Clause
"""What a person types: every kind of object, JSON, and exit statuses."""

import json
import os
import re
import subprocess

from lab import text_of, until
from runner import test

READS = [
    "status",
    "hello get",
    "process list",
    "slot list",
    "slot get id=10",
    "port list",
    "mempool list",
    "mempool audit",
    "table list",
    "table get name=nexthop",
    "drops",
    "vif list",
    "vif get id=1",
    "nexthop list",
    "nexthop get id=100",
    "bridge list",
    "bridge get vrf=1 mac=02:00:00:00:00:01",
    "log get",
]


@test
def every_kind_can_be_read_for_people_and_as_json(t):
    r, a, b = t.pair()
    a.ping(b)
    listed = [f"{k['name']} list" for k in r.ask("hello get")[0]["kinds"] if "list" in k["ops"]]
    lines = READS + [line for line in listed if line not in READS]
    assert len(listed) >= 20, listed
    for line in lines:
        text = r.vrctl(line)
        assert text.strip(), f"vrctl {line} prints nothing"
        try:
            json.loads(r.vrctl("--json " + line))
        except ValueError as e:
            raise AssertionError(f"vrctl --json {line}: {e}") from None
    t.note(f"{len(lines)} commands")


@test
def what_was_added_is_what_is_read(t):
    r = t.router().start_all()
    r.vrctl("nexthop add id=7 type=encap vrf=3 vif=12")
    (n,) = r.ask("nexthop get id=7")
    assert (n["id"], n["type"], n["vrf"], n["vif"]) == (7, "encap", 3, 12), n
    r.vrctl("nexthop add id=7 type=discard vrf=3")
    (n,) = r.ask("nexthop get id=7")
    assert n["type"] == "discard" and "vif" not in n, n
    r.vrctl("nexthop add id=8 type=flood vrf=3 members=7,9,0")
    (n,) = r.ask("nexthop get id=8")
    assert n["members"] == [7, 9, 0], n
    r.vrctl("bridge add vrf=3 mac=02:00:00:00:00:aa nexthop=8")
    (e,) = r.ask("bridge get vrf=3 mac=02:00:00:00:00:aa")
    assert e["nexthop"] == 8 and e["mac"] == "02:00:00:00:00:aa", e
    assert r.used("nexthop") == 2 and r.used("bridge") == 1
    r.vrctl("bridge del vrf=3 mac=02:00:00:00:00:aa")
    r.vrctl("nexthop del id=7")
    r.vrctl("nexthop del id=8")
    assert r.used("nexthop") == 0 and r.used("bridge") == 0


@test
def adding_twice_is_the_same_as_once(t):
    r = t.router().start_all()
    for _ in range(2):
        r.vrctl("nexthop add id=7 type=encap vrf=3 vif=12")
        r.vrctl("bridge add vrf=3 mac=02:00:00:00:00:aa nexthop=8")
        r.vrctl("vif add id=4 name=four type=virtual vrf=3")
    assert r.used("nexthop") == r.used("bridge") == r.used("vif") == 1


# (command, part of the sentence)
REFUSED = [
    ("nexthop add id=4096 type=discard", "4095"),
    ("nexthop add id=1 type=encap vrf=1", "vif"),
    ("nexthop add id=1 type=flood vrf=1 members=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "16"),
    ("nexthop add id=1 type=discard vrf=256", "255"),
    ("nexthop get id=99", "nexthop 99"),
    ("nexthop del id=99", "nexthop 99"),
    ("vif add id=256 type=virtual", "255"),
    ("vif add id=1 type=virtual mtu=10", "64"),
    ("vif del id=99", "vif 99"),
    ("bridge add vrf=256 mac=02:00:00:00:00:aa nexthop=1", "255"),
    ("bridge add vrf=1 mac=02:00 nexthop=1", "mac"),
    ("bridge del vrf=1 mac=02:00:00:00:00:aa", "bridge"),
    ("bridge add vrf=1 mac=02:00:00:00:00:aa", "nexthop is missing"),
    ("bridge add vrf=1 mac=02:00:00:00:00:aa nexthop=4096", "4095"),
    ("bridge add vrf=1 mac=02:00:00:00:00:aa nexthop=1 label=16777216", "16777215"),
    ("bridge get vrf=1 mac=02:00:00:00:00:aa", "bridge vrf 1 mac 02:00:00:00:00:aa: it does not"),
    ("route add vrf=1 prefix=10.0.0.0/8", "nexthop is missing"),
    ("route add vrf=1 prefix=10.0.0.0/33 nexthop=1", "route vrf 1 prefix 10.0.0.0/33: prefix has"),
    ("route add vrf=1 prefix=2001:db8::/129 nexthop=1", "above 128"),
    ("route add vrf=256 prefix=10.0.0.0/8 nexthop=1", "255"),
    ("route add vrf=1 prefix=10.0.0.0/8 nexthop=4096", "4095"),
    ("route add vrf=1 prefix=10.0.0.0/8 nexthop=1 label=1048576", "1048575"),
    ("route del vrf=1 prefix=10.0.0.0/8", "does not exist"),
    ("route get vrf=1 prefix=10.0.0.0/8", "does not exist"),
    ("vrf add id=256 name=blue", "255"),
    (f"vrf add id=1 name={'b' * 64}", "63"),
    ("vrf add id=1 hbs_left=1", "not done yet"),
    ("vrf add id=1 hbs_right=1", "not done yet"),
    ("vrf get id=1", "vrf 1: it does not exist"),
    ("vrf del id=1", "vrf 1: it does not exist"),
    ("label add label=1048576 nexthop=1", "1048575"),
    ("label add label=16", "nexthop is missing"),
    ("label add label=16 nexthop=4096", "4095"),
    ("label get label=16", "label 16: it does not exist"),
    ("label del label=16", "label 16: it does not exist"),
    ("vni add vni=16777216 nexthop=1", "16777215"),
    ("vni add vni=16", "nexthop is missing"),
    ("vni add vni=16 nexthop=4096", "4095"),
    ("vni get vni=16", "vni 16: it does not exist"),
    ("vni del vni=16", "vni 16: it does not exist"),
    ("rule add priority=1 direction=ingress action=deny", "vif is missing"),
    ("rule add vif=1 direction=ingress action=deny", "priority is missing"),
    ("rule add vif=256 priority=1 direction=ingress action=deny", "255"),
    ("rule add vif=1 priority=1 action=deny", "direction is missing"),
    ("rule add vif=1 priority=1 direction=ingress", "action is missing"),
    ("rule add vif=1 priority=1 direction=ingress action=deny protocol=256", "255"),
    ("rule add vif=1 priority=1 direction=ingress action=deny source_prefix=10.0.0.0/33", "above 32"),
    ("rule add vif=1 priority=1 direction=ingress action=deny destination_prefix=::/129", "above 128"),
    ("rule add vif=1 priority=1 direction=ingress action=deny source_ports=1,2,3", "3 numbers"),
    ("rule add vif=1 priority=1 direction=ingress action=deny source_ports=65536", "65535"),
    ("rule add vif=1 priority=1 direction=ingress action=deny destination_ports=9,8", "above the last"),
    (
        "rule add vif=1 priority=1 direction=ingress action=deny source_prefix=10.0.0.0/8 "
        "destination_prefix=2001:db8::/32",
        "no packet has both",
    ),
    ("rule get vif=1 priority=1", "rule vif 1 priority 1: it does not exist"),
    ("rule del vif=1 priority=1", "rule vif 1 priority 1: it does not exist"),
    ("flow get index=4096", "not below 4096"),
    ("flow get index=1", "does not exist"),
    ("flow get source=10.0.0.1", "name it by index"),
    ("flow get source=10.0.0.1 destination=10.0.0.2 protocol=256 nexthop=1", "at most 255"),
    ("flow get source=10.0.0.1 destination=10.0.0.2 protocol=17 nexthop=1", "no such flow"),
    ("flow del index=1", "does not exist"),
    ("flow del index=1 generation=5", "generation 5 has gone"),
    ("mirror add id=1 nexthop=1", "does not mirror packets yet"),
    ("qos_map add id=1", "not"),
    ("forwarding_class add id=1", "not"),
    ("vlan_assignment add vif=1 vlan=1", "not"),
    ("packet set vif=1 frame=02:00", "command is missing"),
    ("packet set command=switch frame=02:00", "vif is missing"),
    ("packet set command=switch vif=1 frame=02:00", "there is no vif 1"),
    ("controller set name=x", "resync is missing"),
    ("controller set name=x resync=end", "no resync was begun"),
    (f"controller set name={'x' * 56} resync=begin", "55"),
    ("controller del name=y", "controller y: it does not exist"),
    ("reset set", "say what"),
    ("reset set tables=yes vif=1", "counters only"),
    ("reset set counters=yes vif=256", "above"),
    ("log set nonsense=debug", "no module"),
    ("log set server=loud", "none of error, warning"),
    ("drop list reason=nonsense", "nonsense"),
    ("drop list vif=256", "255"),
    ("drop list slot=99", "no slot 99"),
    ("dropped list reason=nonsense", "nonsense"),
    ("dropped list vif=256", "255"),
    ("dropped list slot=99", "no slot 99"),
    ("port get name=nonsense", "port nonsense: it does not exist"),
    ("slot get id=99", "slot 99"),
    ("table get name=nonsense", "nonsense"),
]

# Nothing that is asked of these can be wrong.
NEVER_REFUSED = {"hello", "status", "process", "mempool", "audit", "flow_stats"}

# Not sent at all.
WRONG = [
    "",
    "nonsense",
    "nonsense list",
    "nexthop nonsense",
    "nexthop add id=x type=discard",
    "nexthop add id=1 type=nonsense",
    "nexthop add id=1 colour=red",
    "nexthop add id",
    "--nonsense status",
]


@test
def a_refusal_says_what_and_why_and_ends_with_1(t):
    r = t.router().start_all()
    for line, expected in REFUSED:
        said = r.vrctl(line, expect=1)
        assert expected in said, f"vrctl {line}: no '{expected}' in: {said}"
    kinds = {k["name"] for k in r.ask("hello get")[0]["kinds"]} - NEVER_REFUSED
    missing = kinds - {line.split()[0] for line, _ in REFUSED}
    assert not missing, f"no refusal of {missing} was tried"
    assert r.vrctl("dump").count("\n") == 1, "what was refused has changed something"


@test
def a_wrong_command_ends_with_2(t):
    r = t.router().start_all()
    for line in WRONG:
        said = r.vrctl(line, expect=2)
        assert said.strip(), f"vrctl {line} says nothing"


@test
def no_router_to_talk_to_ends_with_3(t):
    r = t.router()
    done = r.vrctl_run("status", seconds=10)
    assert done.returncode == 3 and r.socket in done.stderr, done


@test
def a_router_that_is_not_well_ends_status_with_4(t):
    r = t.router()
    r.primary = r.start("vr-primary")
    r.start("vr-fwd", "--slots", "10")
    r.start("vr-ctl")
    until(lambda: r.vrctl_run("status").returncode == 4, 10, "slot 11 has nobody")
    text = r.vrctl_run("status").stdout
    assert "slot 11" in text, text
    r.start("vr-fwd", "--slots", "11")
    r.wait_well()


@test
def a_watch_goes_on_when_control_comes_back(t):
    def shows(number):
        return re.search(rf"^ *{number} ", text_of(seen), re.M)

    r = t.router().start_all()
    seen = os.path.join(r.dir, "watched")
    t.lab.popen([r.program("vrctl"), "--socket", r.socket, "--watch=0.1", "nexthop", "list"], log=seen)
    r.vrctl("nexthop add id=77 type=discard vrf=1")
    until(lambda: shows(77), 10, "nexthop 77 is shown")
    (old,) = r.pids_of("vr-ctl")
    r.kill(old)
    until(lambda: r.pids_of("vr-ctl") not in ([], [old]), 10, "there is a vr-ctl again")
    r.wait_well()
    r.vrctl("nexthop add id=88 type=discard vrf=1")
    until(lambda: shows(88), 10, "nexthop 88, made by the next vr-ctl, is shown")


@test
def help_needs_no_router(t):
    r = t.router()
    for args in (["--help"], ["help"], ["help", "nexthop"], ["nexthop", "--help"]):
        done = subprocess.run([r.program("vrctl"), *args], capture_output=True, text=True, timeout=10)
        assert done.returncode == 0 and "nexthop" in done.stdout, f"vrctl {args}: {done}"
    done = subprocess.run([r.program("vrctl"), "--version"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 0 and "vrctl" in done.stdout, done


@test
def who_may_not_write_may_still_read(t):
    r = t.router().start_all()
    import os
    import shutil

    if not shutil.which("setpriv"):
        t.skip("no setpriv")
    os.chmod(r.lab.dir, 0o755)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

    def as_nobody(*args):
        return subprocess.run(
            [*nobody, r.program("vrctl"), "--socket", r.socket, *args], capture_output=True, text=True, timeout=10
        )

    if as_nobody("--version").returncode != 0:
        t.skip("the build's folder is not readable for others")
    done = as_nobody("nexthop", "add", "id=1", "type=discard")
    assert done.returncode in (1, 3), done
    assert not r.ask("nexthop list"), "somebody without the right to write wrote"


@test
def ten_clients_at_once_get_their_answers(t):
    r = t.router().start_all()
    children = [
        subprocess.Popen(
            [r.program("vrctl"), "--socket", r.socket, "nexthop", "add", f"id={n}", "type=discard"],
            stderr=subprocess.PIPE,
        )
        for n in range(10)
    ]
    for c in children:
        _, err = c.communicate(timeout=15)
        assert c.returncode == 0, err
    assert sorted(n["id"] for n in r.ask("nexthop list")) == list(range(10))

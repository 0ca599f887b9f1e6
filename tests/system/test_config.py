# SPDX-License-Identifier: BSD-3-Clause
"""The configuration as text, lists that are filtered and watched, completion, examples."""

import json
import os
import signal
import subprocess

from lab import PYTHON, REPO
from runner import test


def write(r, name, text):
    path = os.path.join(r.dir, name)
    with open(path, "w") as f:
        f.write(text)
    return path


def first_example(r):
    r.vrctl("vif add id=4 name=four type=virtual vrf=3 nexthop=4")
    r.vrctl("nexthop add id=4 type=encap vrf=3 vif=4")
    r.vrctl("nexthop add id=8 type=flood vrf=3 members=4,9,0")
    r.vrctl("bridge add vrf=3 mac=02:00:00:00:00:aa nexthop=8")


@test
def what_is_dumped_is_applied_without_a_change(t):
    r, a, b = t.pair()
    dumped = r.vrctl("dump")
    assert dumped.count("\nvif add ") == 2 and dumped.count("\nbridge add ") == 3, dumped
    path = write(r, "saved", dumped)
    assert r.vrctl(f"--replace apply {path}") == "nothing to change\n"
    assert r.vrctl(f"--dry-run --replace apply {path}") == "nothing to change\n"
    assert r.vrctl("dump") == dumped
    a.ping(b)


@test
def a_saved_configuration_is_restored(t):
    r, a, b = t.pair()
    dumped = r.vrctl("dump")
    path = write(r, "saved", dumped)
    empty = write(r, "empty", "# nothing\n")
    objects = dumped.count("\n") - 1
    assert r.vrctl(f"--replace apply {empty}") == f"0 added, 0 changed, {objects} deleted\n"
    assert r.used("vif") == r.used("nexthop") == r.used("bridge") == 0
    assert r.vrctl(f"apply {path}") == f"{objects} added, 0 changed, 0 deleted\n"
    assert r.vrctl("dump") == dumped
    changed = write(r, "changed", dumped.replace("name=a ", "name=z "))
    assert r.vrctl(f"apply {changed}") == "0 added, 1 changed, 0 deleted\n"
    assert [v["name"] for v in r.ask("vif list where name=z")] == ["z"]


@test
def what_the_router_refuses_names_its_line_and_changes_nothing(t):
    r = t.router().start_all()
    first_example(r)
    before = r.vrctl("dump")
    path = write(r, "wrong", "nexthop add id=5 type=discard\n\nnexthop add id=4096 type=discard\n")
    said = r.vrctl(f"--replace apply {path}", expect=1)
    assert said.startswith(f"{path}:3: refused: nexthop 4096: "), said
    assert "4095" in said and "nothing was changed" in said, said
    assert r.vrctl("dump") == before


# An object of every kind, in the order and words in which `dump` prints them.
EVERY_KIND = """\
vif add id=1 name=red type=virtual vrf=1 mac=00:00:5e:00:01:00 mtu=1514 nexthop=1 flags=policy
vif add id=2 name=host type=host mac=00:00:5e:00:01:00 mtu=1514 ip=10.1.1.1
vif add id=3 name=agent type=agent mac=00:00:5e:00:01:00 mtu=1514
vif add id=4 name=up type=physical mac=00:00:5e:00:01:00 mtu=1514 ip=10.9.9.1 cross_connect=2
nexthop add id=1 type=encap vrf=1 vif=1
nexthop add id=2 type=encap family=inet vif=4 rewrite=02:00:00:00:00:01:02:00:00:00:00:02:08:00
nexthop add id=3 type=tunnel vif=4 rewrite=02:00:00:00:00:01:02:00:00:00:00:02:08:00 \
tunnel.kind=vxlan tunnel.source=10.9.9.1 tunnel.destination=10.9.9.2
nexthop add id=4 type=ecmp family=inet members=2,2 hash_fields=source,destination
nexthop add id=5 type=flood vrf=1 members=1,3 labels=0,77
bridge add vrf=1 mac=02:00:00:00:00:11 nexthop=1 dhcp_flood=yes
bridge add vrf=1 mac=02:00:00:00:00:12 nexthop=3 label=5001
route add vrf=1 prefix=0.0.0.0/0 nexthop=4
route add vrf=1 prefix=10.0.0.0/8 nexthop=2 arp_proxy=yes
route add vrf=1 prefix=2001:db8::/32 nexthop=2 label=16
vrf add id=1 name='red net'
label add label=16 nexthop=2
vni add vni=5001 nexthop=1
rule add vif=1 priority=10 direction=ingress source_prefix=10.0.0.0/8 protocol=6 \
destination_ports=80,90 action=allow
rule add vif=1 priority=20 direction=egress action=deny
"""
NOT_YET = {"mirror", "qos_map", "forwarding_class", "vlan_assignment"}


@test
def every_kind_can_be_dumped_and_applied(t):
    r = t.router().start_all()
    path = write(r, "all", EVERY_KIND)
    objects = EVERY_KIND.count("\n")
    assert f"{objects} to add" in r.vrctl(f"--dry-run apply {path}")
    assert r.vrctl("dump").count("\n") == 1, "a dry run has added something"
    assert r.vrctl(f"apply {path}") == f"{objects} added, 0 changed, 0 deleted\n"
    assert r.vrctl(f"--replace apply {path}") == "nothing to change\n"
    dumped = r.vrctl("dump")
    assert dumped.partition("\n")[2] == EVERY_KIND, dumped
    kinds = {k["name"] for k in r.ask("hello get")[0]["kinds"] if k["in_batch"]} - NOT_YET
    missing = [k for k in kinds if f"\n{k} add " not in dumped]
    assert not missing, f"the example has no {missing}"

    other = EVERY_KIND.replace("name='red net'", "name=blue").replace("vni add", "# vni add")
    path = write(r, "other", other)
    said = json.loads(r.vrctl(f"--json --dry-run --replace apply {path}"))
    assert (said["added"], said["changed"], said["deleted"]) == (0, 1, 1), said
    assert [c["kind"] for c in said["changes"]] == ["vni", "vrf"], said
    assert said["changes"][1]["want"]["name"] == "blue", said
    assert r.vrctl("dump") == dumped, "a dry run has changed something"

    for line, why in (
        ("route add vrf=1 prefix=10.0.0.0/33 nexthop=2", "prefix has a length of 33 bits"),
        ("label add label=17", "nexthop is missing"),
        ("rule add vif=1 priority=30", "direction is missing"),
        ("mirror add id=1 nexthop=1", "does not mirror"),
    ):
        path = write(r, "wrong", f"# one\n{EVERY_KIND}{line}\nvni add vni=7 nexthop=1\n")
        said = r.vrctl(f"apply {path}", expect=1)
        assert said.startswith(f"{path}:{objects + 2}: refused: ") and why in said, said
        assert r.vrctl("dump") == dumped
    r.vrctl(f"--replace apply {write(r, 'empty', '')}")
    assert r.vrctl("dump").count("\n") == 1


@test
def a_dry_run_shows_what_differs_and_changes_nothing(t):
    r = t.router().start_all()
    first_example(r)
    before = r.vrctl("dump")
    path = write(r, "other", "nexthop add id=4 type=discard vrf=3\nnexthop add id=5 type=discard\n")
    said = r.vrctl(f"--dry-run --replace apply {path}").splitlines()
    assert said == [
        "- bridge add vrf=3 mac=02:00:00:00:00:aa nexthop=8",
        "- nexthop add id=8 type=flood vrf=3 members=4,9,0",
        f"- {[l for l in before.splitlines() if l.startswith('vif add id=4 ')][0]}",
        "~ nexthop id=4: type=discard (was encap), vif=- (was 4)",
        "+ nexthop add id=5 type=discard",
        "1 to add, 1 to change, 3 to delete",
    ], said
    assert r.vrctl("dump") == before


@test
def a_file_with_a_mistake_changes_nothing(t):
    r = t.router().start_all()
    first_example(r)
    before = r.vrctl("dump")
    path = write(r, "wrong", "nexthop add id=5 type=discard\n# ...\nnexthop add id=6 type=discord\n")
    said = r.vrctl(f"apply {path}", expect=2)
    assert f"{path}:3: nexthop: type:" in said and "nothing was changed" in said, said
    assert r.vrctl("dump") == before


@test
def lists_show_what_was_asked_for(t):
    r = t.router().start_all()
    first_example(r)
    assert [n["id"] for n in r.ask("nexthop list where type=flood")] == [8]
    assert [n["id"] for n in r.ask("nexthop list where 'id>4' members=9")] == [8]
    assert [v["id"] for v in r.ask("vif list where name~^fo rx_packets=0")] == [4]
    assert r.ask("vif list where type=physical") == []
    said = r.vrctl("vif list where colour=red", expect=2)
    assert "colour" in said and "rx_packets" in said, said


@test
def a_watched_list_is_printed_again_with_rates(t):
    r, a, b = t.pair()
    watching = subprocess.Popen(
        [r.program("vrctl"), "--socket", r.socket, "--watch=0.2", "vif", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    t.after(watching.kill)
    a.ping(b, count=50, interval=0.02)
    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=10)
    blocks = out.split("\n\n")
    assert len(blocks) > 3 and not err, out + err
    # The first block has no rates yet.
    titles = blocks[1].splitlines()[0].split()
    at = titles.index("RX_PACKETS") + 1
    assert titles[at] == "/S", titles
    rates = [float(line.split()[at]) for block in blocks[1:-1] for line in block.splitlines()[1:]]
    assert any(rate > 5 for rate in rates), out
    assert r.vrctl("--watch vif add id=1", expect=2)


@test
def completion_knows_what_exists(t):
    r = t.router().start_all()
    first_example(r)
    script = write(
        r,
        "complete",
        'source <("$1" completion bash)\n'
        'complete_line() { COMP_LINE=$1; COMP_POINT=${#1}; COMP_WORDS=($VRCTL); _vrctl; }\n'
        'compopt() { :; }\n'
        'complete_line "$2"; printf "%s\\n" "${COMPREPLY[@]}"\n',
    )
    for line, expected in (
        ("vrctl nexthop get id=", ["4", "8"]),
        ("vrctl bridge add vrf=3 nexthop=", ["4", "8"]),
        ("vrctl bridge del vrf=3 mac=02:00:00:00:00:", ["aa"]),
        ("vrctl slot get id=", ["10", "11"]),
        ("vrctl nexthop add type=f", ["flood"]),
    ):
        done = subprocess.run(
            ["bash", script, r.program("vrctl"), line],
            env={**os.environ, "VRCTL_SOCKET": r.socket, "VRCTL": r.program("vrctl")},
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert done.stdout.split() == expected, f"{line}: {done}"


@test
def the_python_example_tours_the_router(t):
    r = t.router().start_all()
    if subprocess.run([PYTHON, "-c", "import google.protobuf"], capture_output=True).returncode != 0:
        t.skip("no python3-protobuf")
    done = subprocess.run(
        [PYTHON, os.path.join(REPO, "docs/examples/vrouter.py"), "--socket", r.socket],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done
    assert done.stdout.splitlines()[:3] == ["healthy", "nexthop 1: discard", "nexthop 2: discard"], done
    assert "refused: " in done.stdout, done
    assert r.ask("nexthop list") == []

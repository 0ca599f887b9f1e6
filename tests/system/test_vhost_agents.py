# SPDX-License-Identifier: BSD-3-Clause
"""Agents under supervision, guests that move between them, and many guests on one."""

import os
import signal
import stat
import time

from lab import mac, until
from runner import test
from vhost_lab import agent, guests, heap, is_ready, result, router, sound

ADDED = int(os.environ.get("VHOST_ADDED", "100"))


def agents_of(r):
    return r.pids_of("vr-vhost")


@test(seconds=90)
def agents_are_started_and_restarted_and_hung_ones_are_killed(t):
    r, sockets = router(t, 2, start=False, conf={"hung-ms": 300})
    r.start_all(agents=2)
    connect(r, 2, sockets)
    first = until(lambda: len(agents_of(r)) == 2 and agents_of(r), 10, "two agents run")
    pair = guests(t, r, "pair", 1000, *sockets)
    pair.stdout.readline()
    ready = {p["pid"]: p for p in r.ask("process list") if p["role"].lower() == "vhost"}
    assert set(ready) == set(first), ready
    r.kill(first[0])
    until(lambda: len(agents_of(r)) == 2 and first[0] not in agents_of(r), 10, "another takes its place")
    second = [pid for pid in agents_of(r) if pid not in first][0]
    until(lambda: is_ready(r, second), 10, "it is ready")
    # One that stands still is as good as dead.
    r.kill(second, signal.SIGSTOP)
    until(lambda: second not in agents_of(r) and len(agents_of(r)) == 2, 10, "the hung one is killed")
    time.sleep(0.5)
    saw = result(pair)
    t.note(f"{saw['lost']} of {saw['sent']} lost, longest gap {saw['gap_ms']} ms")
    assert saw["received"] > 100, saw
    dead = [p for p in r.ask("process list") if p["role"].lower() == "vhost" and int(p.get("restarts", 0)) > 0]
    assert dead, r.ask("process list")
    sound(r, "afterwards")


def connect(r, n, sockets):
    for g in range(1, n + 1):
        server = " vhost.server=true" if sockets[g - 1].startswith("c:") else ""
        r.vrctl(f"vif add id={g} name=g{g} type=virtual vrf=1 vhost.path={sockets[g - 1][2:]} "
                f"vhost.agent=0 vhost.queues=2{server}")
        r.vrctl(f"nexthop add id={g} type=encap vrf=1 vif={g}")
        r.vrctl(f"bridge add vrf=1 mac={mac(g)} nexthop={g}")


@test
def a_guest_moves_to_another_agent_and_keeps_its_counters(t):
    r, sockets = router(t, 2)
    agent(r)
    other = r.start("vr-vhost", "--agent", "1")
    pair = guests(t, r, "pair", 1000, *sockets)
    pair.stdout.readline()
    until(lambda: is_ready(r, other.pid), 5, "the other agent is ready")
    time.sleep(0.5)
    before = int(r.counters()[(1, "rx_packets")])
    assert before > 50
    r.vrctl("vif set 1 vhost.agent=1")
    assert r.ask("vif get id=1")[0]["vhost"]["agent"] == 1
    time.sleep(1)
    middle = int(r.counters()[(1, "rx_packets")])
    assert middle >= before + 50, (before, middle)
    r.vrctl("vif set id=2 vhost.agent=1")
    time.sleep(1)
    saw = result(pair)
    t.note(f"two moves: {saw['lost']} of {saw['sent']} lost, longest gap {saw['gap_ms']} ms")
    assert saw["connections"] == 4 and int(r.counters()[(1, "rx_packets")]) > middle, saw
    refused = r.vrctl("vif set id=1 vhost.agent=9", expect=1)
    assert "there is no agent 9" in refused, refused
    refused = r.vrctl("vif set id=1 vhost.queues=1", expect=1)
    assert "nothing of its transport but vhost.agent" in refused, refused
    sound(r, "afterwards")


@test
def a_socket_has_its_place_mode_and_owner(t):
    r, _ = router(t, 0, conf={"vhost-mkdir": "yes", "vhost-dir": os.path.join(t.lab.dir, "r")})
    child = agent(r)
    path = os.path.join(r.dir, "of-its-own", "vm.sock")
    r.vrctl(f"vif add id=1 type=virtual vhost.path={path} vhost.server=true vhost.mode=384 "
            "vhost.owner=nobody vhost.group=65533")
    until(lambda: os.path.exists(path) and os.stat(path).st_gid == 65533, 5, "the socket is there")
    until(lambda: stat.S_IMODE(os.stat(path).st_mode) == 0o600, 2, "the socket has its mode")
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert os.stat(path).st_uid == os.stat(os.path.dirname(path)).st_uid == 65534
    for bad, why in (("/run/elsewhere/vm.sock", "option vhost-dir"), (f"{r.dir}/../x.sock", '".."'),
                     ("/" + "x" * 107, "a socket's at most 107")):  # fmt: skip
        said = r.vrctl(f"vif add id=2 type=virtual vhost.path={bad}", expect=1)
        assert why in said, said
    # What is no socket stays; once it is gone, so is the complaint.
    file = os.path.join(r.dir, "file")
    with open(file, "w") as f:
        f.write("precious")
    r.vrctl(f"vif add id=3 name=blocked type=virtual vhost.path={file} vhost.server=true")
    until(lambda: "no socket" in r.log_tail(60), 5, "the agent says what is in the way")
    with open(file) as f:
        assert f.read() == "precious"
    os.unlink(file)
    until(lambda: os.path.exists(file) and stat.S_ISSOCK(os.stat(file).st_mode), 5, "a socket is made")
    child.terminate()
    assert child.wait(6) == 0


@test(seconds=90)
def sixteen_guests_are_served_at_once(t):
    r, sockets = router(t, 16)
    agent(r)
    pairs = [guests(t, r, "pair", 5000, sockets[g], sockets[g + 1], g + 1) for g in range(0, 16, 2)]
    for pair in pairs:
        pair.stdout.readline()
    time.sleep(1)
    shown = [v["state"]["guest"] for v in r.ask("vif list")]
    assert sum(g.get("connected", False) for g in shown) == 16, shown
    assert all(g["rings"] == "split" and "version_1" in g["features"] for g in shown), shown
    assert all(int(g["tx_queues"]) == 1 and g["ring_sizes"][:2] == [256, 256] for g in shown), shown
    saw = [result(pair) for pair in pairs]
    t.note(f"{sum(s['received'] for s in saw)} frames, longest gap {max(s['gap_ms'] for s in saw)} ms")
    assert all(s["received"] > 50 and s["lost"] == 0 and s["doubled"] == 0 for s in saw), saw
    sound(r, "afterwards")


@test(seconds=60 + ADDED)
def guests_added_and_removed_in_a_row_leave_nothing(t):
    r, sockets = router(t, 2)
    child = agent(r)
    pair = guests(t, r, "pair", 1000, *sockets)
    pair.stdout.readline()

    def visit(k):
        path = os.path.join(r.dir, f"visitor{k % 7}.sock")
        r.vrctl(f"vif add id=9 name=v{k} type=virtual vrf=3 vhost.path={path} vhost.server=true")
        if k % 4 == 0:
            until(lambda: os.path.exists(path), 5, "the visitor's socket is there")
            two = guests(t, r, "storm", k, "c:" + path)
            time.sleep(0.1)
            result(two)
        r.vrctl("vif del id=9")

    for k in range(4):
        visit(k)
    heap(r)
    before = heap(r), len(os.listdir(f"/proc/{child.pid}/fd"))
    for k in range(4, 4 + ADDED):
        visit(k)
    after = heap(r), len(os.listdir(f"/proc/{child.pid}/fd"))
    saw = result(pair)
    t.note(f"{ADDED} guests; shared heap, descriptors before {before}, after {after}; others: "
           f"longest gap {saw['gap_ms']} ms")
    assert saw["lost"] == 0 and saw["doubled"] == 0, saw
    assert after[0] == before[0] and after[1] <= before[1], (before, after)
    sound(r, "afterwards")


@test
def queue_pairs_and_features_are_agreed_on_and_shown(t):
    r, sockets = router(t, 2)
    agent(r)
    pair = guests(t, r, "pair", 500, *[s.replace("s:", "s2:", 1) for s in sockets])
    pair.stdout.readline()
    time.sleep(1.5)
    shown = [v["state"]["guest"] for v in r.ask("vif list")]
    for g in shown:
        assert int(g["rx_queues"]) == int(g["tx_queues"]) == 2, g
        assert g["ring_sizes"] == [256] * 4, g
        for feature in ("mrg_rxbuf", "event_idx", "indirect_desc", "mq", "csum", "host_tso4", "version_1"):
            assert feature in g["features"], (feature, g)
        # A packed ring loses what is on its way when its agent dies.
        assert "ring_packed" not in g["features"] and g["rings"] == "split", g
        assert int(g["messages"]) > 20 and int(g["connections"]) == 1, g
        # By event_idx they ask to be woken when index 0 comes round again, and when they are new.
        assert int(g["calls"]) <= 2 * 4, g
    saw = result(pair)
    t.note(f"{saw['received']} of {saw['sent']} frames; woken {[g['calls'] for g in shown]} times; "
           f"{', '.join(shown[0]['features'])}")
    assert saw["received"] > 500 and saw["lost"] == 0 and saw["doubled"] == 0, saw
    sound(r, "afterwards")


@test
def frames_longer_than_a_buffer_arrive_whole(t):
    r, sockets = router(t, 2)
    for g in (1, 2):
        r.vrctl(f"vif set id={g} mtu=9014")
    agent(r)
    pair = guests(t, r, "pair", 1000, *[s.replace("s:", "s2:", 1) for s in sockets], 1, 9014)
    pair.stdout.readline()
    time.sleep(1.5)
    shown = [v["state"]["guest"] for v in r.ask("vif list")]
    saw = result(pair)
    t.note(f"{saw['received']} of {saw['sent']} frames of 9014 bytes")
    # The guest says what its MTU is.
    assert [int(g["mtu"]) for g in shown] == [9000, 9000], shown
    assert saw["received"] > 300 and saw["lost"] == 0 and saw["doubled"] == 0 and saw["wrong"] == 0, saw
    sound(r, "afterwards")

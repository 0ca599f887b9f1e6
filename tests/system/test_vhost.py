# SPDX-License-Identifier: BSD-3-Clause
"""
Guests over vhost-user, and the death of the agent that serves them. The guests are of our own
(tests/lib/vhost_guests.c): they connect, go some way, send, receive, and vanish at any moment.

VHOST_KILLS=N sets how often the agent is killed (the suite's own number is small).
"""

import collections
import json
import os
import random
import time

from lab import until
from runner import test
from vhost_lab import agent, guests, heap, is_ready, no_files_left, result, returns, router, sound, summary

KILLS = int(os.environ.get("VHOST_KILLS", "40"))
GUESTS = 6


@test
def two_guests_exchange_frames_through_an_agent_and_workers(t):
    r, sockets = router(t, 2)
    child = agent(r)
    pair = guests(t, r, "pair", 200, *sockets)
    pair.stdout.readline()
    time.sleep(2)
    state = {v["id"]: v["state"] for v in r.ask("vif list")}
    saw = result(pair)
    t.note(f"{saw['received']} of {saw['sent']} frames, longest gap {saw['gap_ms']} ms")
    assert saw["sent"] > 1000 and saw["lost"] == 0 and saw["doubled"] == 0, saw
    assert state[1]["link_up"] and state[2]["link_up"], state
    assert int(r.counters()[(2, "tx_packets")]) >= saw["received"]
    sound(r, "afterwards")
    child.terminate()
    begin = time.monotonic()
    assert child.wait(6) == 0, "the agent does not stop in order"
    t.note(f"stopped within {time.monotonic() - begin:.2f} s")
    sound(r, "after the agent's end")


@test
def frames_queued_while_the_agent_is_dead_arrive(t):
    r, sockets = router(t, 2)
    child = agent(r)
    pair = guests(t, r, "pair", 2000, *sockets)
    pair.stdout.readline()
    for _ in range(5):
        time.sleep(0.5)
        r.kill(child.pid)
        child.wait()
        child = agent(r)
    time.sleep(1)
    saw = result(pair)
    t.note(f"5 deaths: {saw['lost']} of {saw['sent']} lost, {saw['doubled']} twice, "
           f"longest gap {saw['gap_ms']} ms")
    # What waits in a virtqueue stays there; what the agent had in hand is one burst.
    assert saw["lost"] <= 5 * 32 and saw["doubled"] <= 5 * 32, saw
    assert saw["gap_ms"] < 1000, saw
    sound(r, "afterwards")


def deaths(t, listens):
    """Of the agent of two guests, which listen or connect; what they saw."""
    r, sockets = router(t, 2, servers=lambda g: listens)
    child = agent(r)
    pair = guests(t, r, "pair", 200, *sockets)
    pair.stdout.readline()
    _, took = returns(r, child, lambda _: json.loads(pair.stdout.readline())["back_ns"])
    saw = result(pair)
    t.note(f"{summary(took)}; {saw['lost']} of {saw['sent']} lost, {saw['doubled']} twice")
    assert saw["connections"] == 2 * (1 + len(took)), saw
    sound(r, "afterwards")
    return saw, len(took)


@test(seconds=90)
def an_agent_is_soon_back_for_guests_that_listen(t):
    deaths(t, listens=True)


@test(seconds=90)
def an_agent_is_soon_back_for_guests_that_connect(t):
    deaths(t, listens=False)


@test
def guests_come_and_go_while_others_exchange_frames(t):
    r, sockets = router(t, 2)
    agent(r)
    pair = guests(t, r, "pair", 500, *sockets)
    pair.stdout.readline()
    for k in range(8):
        listens = k == 7
        more = []
        for g in (11, 12):
            path = os.path.join(r.dir, f"more{k}-{g}.sock")
            r.vrctl(f"vif add id={g} name=m{g} type=virtual vrf=2 vhost.path={path} "
                    f"vhost.server={'true' if listens else 'false'}")
            more.append(("c:" if listens else "s:") + path)
        two = guests(t, r, "pair", 1000, *more)
        two.stdout.readline()
        for g in (11, 12):
            r.vrctl(f"vif del id={g}")
        result(two)
    saw = result(pair)
    t.note(f"{saw['received']} of {saw['sent']} frames, longest gap {saw['gap_ms']} ms")
    assert saw["lost"] == 0 and saw["doubled"] == 0, saw
    sound(r, "afterwards")


@test
def an_agent_that_listens_removes_the_socket_of_a_dead_one(t):
    r, sockets = router(t, 2, servers=lambda g: False)
    child = agent(r)
    pair = guests(t, r, "pair", 2000, *sockets)
    pair.stdout.readline()
    time.sleep(0.3)
    r.kill(child.pid)
    child.wait()
    assert all(os.path.exists(s[2:]) for s in sockets)
    child = agent(r)
    time.sleep(3)
    saw = result(pair)
    t.note(f"{saw['lost']} of {saw['sent']} lost, longest gap {saw['gap_ms']} ms")
    # What is sent to a guest that comes later than it is waited for is lost.
    assert saw["connections"] == 4 and saw["received"] > 500 and saw["lost"] <= 256, saw
    child.terminate()
    assert child.wait(6) == 0
    assert not any(os.path.exists(s[2:]) for s in sockets), "sockets are left behind"


@test(seconds=120)
def a_new_primary_takes_over_guests(t):
    r, sockets = router(t, 2)
    child = agent(r)
    pair = guests(t, r, "pair", 1000, *sockets)
    pair.stdout.readline()
    time.sleep(0.5)
    r.kill(r.primary.pid)
    r.primary.wait()
    time.sleep(0.5)
    assert child.poll() is None, "the agent ended with its primary"
    r.primary = r.start("vr-primary")
    r.wait_well(30)
    until(lambda: is_ready(r, child.pid), 10, "the agent is the new primary's")
    time.sleep(1)
    saw = result(pair)
    t.note(f"{saw['lost']} of {saw['sent']} frames lost, longest gap {saw['gap_ms']} ms")
    # Both ends were connected again, and frames arrive.
    assert saw["connections"] == 4 and saw["received"] > 500, saw
    sound(r, "afterwards")
    heap(r)


@test(seconds=90 + 3 * KILLS)
def agents_are_killed_while_guests_come_and_go(t):
    r, sockets = router(t, GUESTS, servers=lambda g: g % 3 != 0)
    tap = t.lab.tap_name("after", 7)
    child = agent(r)
    until(lambda: is_ready(r, child.pid), 5, "the agent is ready")
    heap(r)
    before = heap(r)
    storm = guests(t, r, "storm", os.getpid(), *sockets)
    early = 0
    for k in range(KILLS):
        if random.random() < 0.25:
            time.sleep(random.uniform(0, 0.03))  # perhaps before it is ready
            early += 1
        else:
            until(lambda: is_ready(r, child.pid), 5, f"the agent is ready after {k} kills", 0.005)
            time.sleep(random.uniform(0, 0.25))
        r.kill(child.pid)
        child.wait()
        child = agent(r)
        # The primary makes a port; every now and then, another process attaches.
        r.vrctl(f"vif add id=7 name=after type=virtual vrf=7 tap.name={tap}")
        r.vrctl("vif del id=7")
        if k % 5 == 0:
            heap(r)
        sound(r, f"after {k + 1} kills")
    until(lambda: is_ready(r, child.pid), 5, "the agent is ready")
    saw = result(storm)
    assert saw["runs"] > KILLS and saw["received"] > 0, saw
    time.sleep(0.3)
    audit, after = sound(r, f"after {KILLS} kills"), heap(r)
    t.note(f"{KILLS} kills, {early} at a start; guests connected {saw['connections']} times, ran "
           f"{saw['runs']}, sent {saw['sent']}, received {saw['received']}; quarantined "
           f"{audit['quarantined']}, unaccounted {audit['unaccounted']}, twice {audit['twice']}; "
           f"shared heap {before['allocated']} bytes before, {after['allocated']} after")
    assert after == before, f"shared heap: {before}, then {after}"
    no_files_left(r)
    assert audit["quarantined"] == 0, audit
    # And all is well: the same guests run now.
    pair = guests(t, r, "pair", 500, sockets[0], sockets[1])
    pair.stdout.readline()
    time.sleep(1)
    last = result(pair)
    assert last["received"] > 500 and last["lost"] == 0, last


@test(seconds=90 + 3 * KILLS)
def agents_die_at_every_injected_point(t):
    bin_dir = os.environ.get("KILLS_BIN")
    if not bin_dir:
        t.skip("needs programs with injected deaths: make FLAVOUR=fault, KILLS_BIN=build/fault/bin")
    r, sockets = router(t, GUESTS, servers=lambda g: g % 3 != 0, bin_dir=os.path.abspath(bin_dir))
    points = os.path.join(t.lab.dir, "points")
    fault = {"VR_FAULT": "*:300", "VR_FAULT_PROGRAM": "vr-vhost", "VR_FAULT_LOG": points}

    def start():
        return r.start("vr-vhost", "--agent", "0", env={**os.environ, **fault})

    heap(r)
    before = heap(r)
    storm = guests(t, r, "storm", os.getpid(), *sockets)
    for k in range(KILLS):
        child = start()
        until(lambda: child.poll() is not None, 10, f"the agent dies after {k} deaths")
        assert child.returncode == -9, f"after {k} deaths: the agent ended with {child.returncode}"
        sound(r, f"after {k + 1} deaths")
    saw = result(storm)
    audit, after = sound(r, "afterwards"), heap(r)
    with open(points) as f:
        hit = collections.Counter(line.strip() for line in f)
    t.note(f"{KILLS} deaths at {len(hit)} points: "
           + ", ".join(f"{n} {c}" for n, c in sorted(hit.items()))
           + f"; guests ran {saw['runs']} times; quarantined {audit['quarantined']}, "
           f"unaccounted {audit['unaccounted']}, twice {audit['twice']}")
    assert after == before, f"shared heap: {before}, then {after}"
    assert audit["quarantined"] == 0, audit
    no_files_left(r)

# SPDX-License-Identifier: BSD-3-Clause
"""
Guests in mount namespaces of their own, as in containers: what is mounted there is found under
another path than the agent's, and either side makes its sockets anew.
"""

import json
import os
import subprocess
import time

from lab import until
from runner import test
from vhost_lab import agent, guests, result, router, sound

# Mounts one path over another, pair by pair, in a namespace that ends with what it runs.
POD = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
       'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit; shift 2; done; shift; exec "$@"', "sh"]  # fmt: skip


def routed_in(t, listens):
    """A router whose guests' sockets are in a directory; (router, sockets there, directory in a pod)."""
    r, sockets = router(t, 2, servers=lambda g: listens, folder="guests")
    inside = os.path.join(t.lab.dir, "inside")
    os.makedirs(inside)
    return r, [s[2:] for s in sockets], inside


def pod(t, r, listens, inside, *mounts):
    """Two guests that know their sockets by where they are mounted."""
    sockets = [f"{'s' if listens else 'c'}:{inside}/guest{g}.sock" for g in (1, 2)]
    child = t.lab.popen([*POD, *mounts, "--", r.program("vhost-guests"), "pair", "500", *sockets],
                        stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert json.loads(child.stdout.readline())["ready"]
    return child


def directory_is_mounted(t, listens):
    r, sockets, inside = routed_in(t, listens)
    child = agent(r)
    if not listens:
        until(lambda: all(map(os.path.exists, sockets)), 10, "the agent's sockets are there")
    mounts = os.path.dirname(sockets[0]), inside
    pair = pod(t, r, listens, inside, *mounts)
    for _ in range(3):
        time.sleep(0.3)
        r.kill(child.pid)
        child.wait()
        child = agent(r)
        assert json.loads(pair.stdout.readline())["back_ns"] > 0
    assert not os.listdir(inside), "the mount is seen outside"
    # Whatever a guest calls its socket, what it says there is looked at.
    heard = [int(v["state"]["guest"]["messages"]) for v in r.ask("vif list")]
    assert all(n > 0 for n in heard), heard
    first = result(pair)
    pair = pod(t, r, listens, inside, *mounts)
    time.sleep(1)
    second = result(pair)
    t.note(f"3 deaths of the agent: {first['lost']} of {first['sent']} lost; and again {second['received']}")
    assert first["connections"] == 8 and first["received"] > 100 and second["received"] > 100, (first, second)
    sound(r, "afterwards")


@test
def guests_that_listen_in_a_mounted_directory_are_found_again(t):
    directory_is_mounted(t, listens=True)


@test
def agents_that_listen_in_a_mounted_directory_are_found_again(t):
    directory_is_mounted(t, listens=False)


@test
def a_socket_that_is_mounted_by_itself_stays_the_dead_agents(t):
    r, sockets, inside = routed_in(t, listens=False)
    child = agent(r)
    until(lambda: all(map(os.path.exists, sockets)), 10, "the agent's sockets are there")
    mounts = []
    for s in sockets:
        mounts += [s, os.path.join(inside, os.path.basename(s))]
        with open(mounts[-1], "w"):
            pass
    pair = pod(t, r, False, inside, *mounts)
    time.sleep(0.5)
    before = [os.stat(s).st_ino for s in sockets]
    r.kill(child.pid)
    child.wait()
    child = agent(r)
    until(lambda: all(os.path.exists(s) and os.stat(s).st_ino != i for s, i in zip(sockets, before)), 10,
          "the next agent has made sockets")  # fmt: skip
    time.sleep(1)
    saw = result(pair)
    assert saw["connections"] == 2 and saw["received"] > 100, saw
    # By their directory they are found.
    pair = guests(t, r, "pair", 500, *(f"c:{s}" for s in sockets))
    assert json.loads(pair.stdout.readline())["ready"]
    time.sleep(0.5)
    assert result(pair)["received"] > 100

# SPDX-License-Identifier: BSD-3-Clause
"""Ports come and go under running workers."""

import os
import time

from lab import Probes, until
from runner import test


@test
def taps_come_and_go_while_others_forward(t):
    r, a, b = t.pair()
    a.ping(b, count=2)
    probes = Probes(a, b)
    for n in range(20):
        tap = t.lab.tap_name("x", 9)
        r.vrctl(f"vif add id=9 name=x type=virtual vrf=9 tap.name={tap}")
        until(lambda: os.path.exists(f"/sys/class/net/{tap}"), 5, f"tap {n} is there")
        r.vrctl("vif del id=9")
        until(lambda: not os.path.exists(f"/sys/class/net/{tap}"), 5, f"tap {n} is gone")
    probes.stop()
    gap, _ = probes.longest_gap()
    t.note(f"{probes.lost} of {probes.sent} probes lost, longest gap {gap:.1f} ms")
    assert probes.lost == 0, f"{probes.lost} of {probes.sent} probes lost"
    audit = r.audit()
    assert audit["unaccounted"] == audit["twice"] == 0, audit


@test
def a_guest_that_comes_back_reaches_the_others(t):
    r, a, b = t.pair()
    r.vrctl("vif del id=2")
    assert not [p for p in r.ask("port list") if p["name"] == b.tap], r.vrctl("port list")
    b.close()
    sent, received, said = a.ping(b, count=2, wait=1)
    assert received == 0, said
    b = t.lab.guest("b2")
    tap = t.lab.tap_name("b2", 2)
    r.vrctl(f"vif add id=2 name=b2 type=virtual vrf=1 nexthop=2 tap.name={tap}")
    b.take(tap, "02:00:00:00:00:02", "10.1.0.2")
    sent, received, said = a.ping(b, count=10, interval=0.05)
    assert received >= 9, said


@test
def dpdk_devices_come_and_go(t):
    r, a, b = t.pair()
    probes = Probes(a, b)
    for n in range(3):
        for id, devargs in ((5, "net_null0"), (6, "net_ring0")):
            name = devargs.replace("net_", "d-")
            r.vrctl(f"vif add id={id} name={name} type=physical vrf=5 device.name={name} device.devargs={devargs}")
        ports = {p["name"]: p for p in r.ask("port list")}
        assert {"d-null0", "d-ring0"} <= set(ports), ports
        assert all(p["state"] == "active" for p in ports.values()), ports
        # net_null gives frames without end: the workers are busy and still serve the guests.
        time.sleep(0.3)
        for id in (5, 6):
            r.vrctl(f"vif del id={id}")
        assert not {"d-null0", "d-ring0"} & {p["name"] for p in r.ask("port list")}
    probes.stop()
    t.note(f"{probes.lost} of {probes.sent} probes lost")
    sent, received, said = a.ping(b, count=20, interval=0.01)
    assert sent == received, said
    audit = r.audit()
    assert audit["unaccounted"] == audit["twice"] == 0, audit


@test
def a_port_of_the_configuration_is_there_from_the_start(t):
    r = t.router(conf={"port": "r0=net_ring0"}).start_all()
    ports = {p["name"]: p for p in r.ask("port list")}
    assert "r0" in ports and ports["r0"]["state"] == "active", ports
    r.vrctl("vif add id=3 name=up type=physical vrf=0 device.name=r0")
    r.vrctl("vif del id=3")
    assert "r0" in {p["name"] for p in r.ask("port list")}, "a port of the configuration went with its vif"


@test
def a_device_that_cannot_be_is_refused_and_leaves_nothing(t):
    r = t.router().start_all()
    before = r.ask("port list")
    said = r.vrctl("vif add id=7 type=physical vrf=0 device.name=x device.devargs=net_nonsense0", expect=1)
    assert "net_nonsense0" in said, said
    assert r.ask("port list") == before
    assert not r.ask("vif list")
    said = r.vrctl("vif add id=7 type=virtual vrf=0 tap.name=a-name-that-is-too-long", expect=1)
    assert "15" in said, said
    r.wait_well()


@test
def a_vif_may_have_several_queues_over_all_slots(t):
    r = t.router().start_all()
    tap = t.lab.tap_name("q", 1)
    r.vrctl(f"vif add id=1 name=q type=virtual vrf=1 tap.name={tap} tap.queues=2")
    (port,) = [p for p in r.ask("port list") if p["name"] == tap]
    assert port["queues"] == 2 and sorted(port["slots"]) == [10, 11], port


@test
def ports_are_there_again_after_a_worker_died(t):
    r, a, b = t.pair()
    before = [(p["name"], p["state"], p["slots"]) for p in r.ask("port list")]
    pid = int(r.slot(10)["pid"])
    r.kill(pid)
    until(lambda: r.slot(10).get("pid") not in (None, 0, pid), 10, "slot 10 has a process again")
    after = [(p["name"], p["state"], p["slots"]) for p in r.ask("port list")]
    assert before == after, (before, after)
    tap = t.lab.tap_name("x", 9)
    r.vrctl(f"vif add id=9 name=x type=virtual vrf=9 tap.name={tap}")
    r.vrctl("vif del id=9")

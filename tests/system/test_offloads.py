# SPDX-License-Identifier: BSD-3-Clause
"""
TCP between every pair of kinds of ports at default offloads: checksums and segmentation that a
stack leaves to its device are done by whoever is behind the packet's exit, and nothing is lost on
the way because of it.
"""

import json
import subprocess
import time

from lab import until
from ports import device, flood, tap_guest, veth
from runner import test

SECONDS = 3
OFF = ("tx", "off", "tso", "off", "gso", "off", "gro", "off", "sg", "off")


def iperf(t, sender, receiver, seconds=SECONDS):
    """(bits per second, share of segments sent twice) of one TCP connection."""
    if receiver.run("sh", "-c", "command -v iperf3").returncode != 0:
        t.skip("no iperf3")
    server = receiver.popen("iperf3", "-s", "-1", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: ":5201 " in receiver.run("ss", "-ltn").stdout, 10, "iperf3 listens")
        before = segments(sender)
        done = sender.run("iperf3", "-c", receiver.address, "-t", str(seconds), "-J", seconds=seconds + 30)
        said = json.loads(done.stdout)
        assert "error" not in said, said["error"]
        out, again = (x - y for x, y in zip(segments(sender), before))
        return said["end"]["sum_received"]["bits_per_second"], again / max(out, 1)
    finally:
        server.kill()
        server.wait()


def segments(guest):
    """(segments sent, segments sent again) by a guest's TCP so far."""
    lines = guest.shell("grep ^Tcp: /proc/net/snmp").split("\n")
    values = dict(zip(lines[0].split(), lines[1].split()))
    return int(values["OutSegs"]), int(values["RetransSegs"])


def one_way(t, x, y, what):
    # TCP learns what the way bears; on a machine with neighbours once may be too few.
    for _ in range(3):
        rate, again = iperf(t, x, y)
        if again < 0.01:
            break
        time.sleep(1)
    t.note(f"{what}: {x.name} to {y.name} {rate / 1e6:.0f} Mbit/s, {again:.2%} sent again")
    assert rate > 0 and again < 0.01, f"{what}: {again:.2%} of the segments were sent again"


@test
def taps_pass_on_what_was_left_undone(t):
    r, a, b = t.pair()
    for x, y in ((a, b), (b, a)):
        one_way(t, x, y, "default offloads")
    for g in (a, b):
        done = g.run("ethtool", "-K", g.tap, *OFF)
        assert done.returncode == 0, done.stderr
    for x, y in ((a, b), (b, a)):
        one_way(t, x, y, "offloads off")
    assert r.audit()["unaccounted"] == 0


@test
def a_device_gets_whole_checksums_and_segments_that_fit(t):
    r = t.router().start_all()
    a = t.lab.guest("dev")
    device(r, 1, "up", f"net_af_packet0,iface={veth(t, a, 1)}")
    b = tap_guest(t, r, 2)
    flood(r, 1, 2)
    one_way(t, b, a, "tap to device")
    rate, again = iperf(t, a, b)
    t.note(f"back {rate / 1e6:.0f} Mbit/s, {again:.2%} sent again: the packet socket drops when it is full")
    assert rate > 0
    counted = {v["id"]: v["state"] for v in r.ask("vif list")}
    sizes = {n: int(s["rx_bytes"]) / int(s["rx_packets"]) for n, s in counted.items()}
    assert max(sizes.values()) > 1514, f"no frame that had to be cut came in: {sizes}"
    audit = r.audit()
    assert audit["unaccounted"] == audit["twice"] == 0, audit

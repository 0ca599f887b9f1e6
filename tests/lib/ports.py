# SPDX-License-Identifier: BSD-3-Clause
"""Ports of several kinds for system tests, each with a guest behind it."""

import subprocess

from lab import LabError, address, mac


def ip(*args):
    done = subprocess.run(["ip", *args], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"ip {' '.join(args)}: {done.stderr.strip()}")


# What `ethtool -K DEVICE tx off` does.
CHECKSUMS_OFF = """
import ctypes, fcntl, socket, struct, sys
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17
value = ctypes.create_string_buffer(struct.pack("=II", ETHTOOL_STXCSUM, 0))
request = struct.pack("16sQ16x", sys.argv[1].encode(), ctypes.addressof(value))
fcntl.ioctl(socket.socket(), SIOCETHTOOL, request)
"""


def veth(t, guest, n):
    """A pair, its end 'inside' moved to the guest; returns the name of the one that stays."""
    here, inside = t.lab.tap_name(f"v{n}", n), t.lab.tap_name(f"w{n}", n + 20)
    ip("link", "add", here, "type", "veth", "peer", "name", inside)
    t.after(subprocess.run, ["ip", "link", "delete", here], -1, None, subprocess.DEVNULL, None, subprocess.DEVNULL)
    with open(f"/proc/sys/net/ipv6/conf/{here}/disable_ipv6", "w") as f:
        f.write("1")
    ip("link", "set", here, "up")
    guest.take(inside, mac(n), address(n))
    # The device passes on frames as they are, so nobody may leave checksums to it.
    done = guest.run("/usr/bin/python3", "-c", CHECKSUMS_OFF, inside)
    assert done.returncode == 0, done.stderr
    return here


def tap_guest(t, r, n):
    g = t.lab.guest(f"g{n}")
    tap = t.lab.tap_name(g.name, n)
    r.vrctl(f"vif add id={n} name={g.name} type=virtual vrf=1 nexthop={n} tap.name={tap}")
    reach(r, n)
    g.take(tap, mac(n), address(n))
    return g


def reach(r, n):
    r.vrctl(f"nexthop add id={n} type=encap vrf=1 vif={n}")
    r.vrctl(f"bridge add vrf=1 mac={mac(n)} nexthop={n}")


def device(r, n, name, devargs=""):
    devargs = f" device.devargs={devargs}" if devargs else ""
    r.vrctl(f"vif add id={n} name={name} type=virtual vrf=1 nexthop={n} device.name={name}{devargs}")
    reach(r, n)


def flood(r, *members):
    r.vrctl(f"nexthop add id=100 type=flood vrf=1 members={','.join(map(str, members))}")
    r.vrctl("bridge add vrf=1 mac=ff:ff:ff:ff:ff:ff nexthop=100")

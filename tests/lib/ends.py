# SPDX-License-Identifier: BSD-3-Clause
"""
A router with an end behind each kind of vif, each a Linux network stack in a namespace of its own:
taps, guests over vhost-user, memifs, devices, the host. They are routed, IPv4 and IPv6.

A vhost-user guest is tests/lib/vhost_tap.c; behind a memif is a second router, which passes frames
between that and a tap; behind a device is the other end of a veth pair.
"""

import os
import subprocess

from lab import mac, until
from ports import veth
from vhost_lab import programs, sound

ROUTER_MAC = "00:00:5e:00:01:00"
HOST_MAC = "02:00:00:00:0b:01"
KINDS = ("tap", "vhost", "memif", "device", "host")
AGENT_VIF = 90
VRF = 1


class Ends:
    def __init__(self, t):
        self.t = t
        self.r = t.router(conf={"agents": 1})
        self.r.start_all(agents=1)
        self.r.vrctl(f"vif add id={AGENT_VIF} name=agent type=agent")
        self.behind = None  # the second router
        self.ends = []

    def add(self, kind):
        """An end of this kind, which reaches all others."""
        n = len(self.ends) + 1
        end = self.t.lab.guest(f"{kind}{n}")
        end.kind, end.n = kind, n
        end.address6 = f"fd00:{n}::1"
        end.gateway = HOST_MAC if kind == "host" else ROUTER_MAC
        getattr(self, f"_{kind}")(end)
        self._address(end)
        self._route(end)
        self.ends.append(end)
        return end

    def sound(self):
        """No mbuf is lost or has two owners."""
        for r in (self.r, self.behind):
            if r is not None:
                sound(r, "afterwards")

    # --- the kinds

    def _vif(self, end, what, type="virtual"):
        self.r.vrctl(f"vif add id={end.n} name={end.name} type={type} vrf={VRF} {what}")

    def _tap(self, end):
        name = self.t.lab.tap_name(end.name, end.n)
        self._vif(end, f"tap.name={name}")
        end.take(name, mac(end.n), f"10.1.{end.n}.1")

    def _host(self, end):
        name = self.t.lab.tap_name(end.name, end.n)
        self._vif(end, f"mac={HOST_MAC} ip=10.1.{end.n}.1 tap.name={name}", "host")
        end.take(name, HOST_MAC, f"10.1.{end.n}.1")

    def _device(self, end):
        here = veth(self.t, end, end.n)
        own = f"mac={ROUTER_MAC} device.name=d{end.n}"
        self._vif(end, f"{own} device.devargs=net_af_packet{end.n},iface={here},framecnt=4096", "physical")
        end.shell(f"ip address flush dev {end.tap}")
        end.have(end.tap, mac(end.n), f"10.1.{end.n}.1")

    def _vhost(self, end):
        programs(self.r)
        path = os.path.join(self.r.dir, f"{end.name}.sock")
        name = self.t.lab.tap_name(end.name, end.n)
        slot = str(self.r.slots[end.n % len(self.r.slots)]).partition("@")[0]
        self._vif(end, f"vhost.path={path} vhost.agent=0 vhost.queues=1 vhost.slot={slot}")
        self.t.lab.popen([self.r.program("vhost-tap"), path, name], log=os.path.join(self.t.lab.dir, end.name))

        def connected():
            (vif,) = self.r.ask(f"vif get id={end.n}")
            return vif["state"].get("guest", {}).get("connected")

        until(connected, 10, f"the guest {end.name} is connected")
        end.take(name, mac(end.n), f"10.1.{end.n}.1")

    def _memif(self, end):
        socket = os.path.join(self.t.lab.dir, f"{end.name}.sock")
        memif = f"device.name=m{end.n} device.devargs=net_memif{end.n},socket={socket},socket-abstract=no"
        self._vif(end, f"{memif},role=server")
        if self.behind is None:
            self.behind = self.t.router("behind", slots=("10@0",)).start_all()
        name = self.t.lab.tap_name(end.name, end.n)
        for id, other, what in ((end.n, end.n + 50, f"tap.name={name}"), (end.n + 50, end.n, f"{memif},role=client,rsize=12")):
            self.behind.vrctl(
                f"vif add id={id} name=b{id} type=virtual flags=cross_connect cross_connect={other} {what}"
            )
        end.take(name, mac(end.n), f"10.1.{end.n}.1")

    # --- addresses and routes

    def _address(self, end):
        end.shell(
            f"""
            echo 0 >/proc/sys/net/ipv6/conf/{end.tap}/disable_ipv6
            echo cubic >/proc/sys/net/ipv4/tcp_congestion_control
            ip address add {end.address6}/64 dev {end.tap} nodad
            ip neighbour replace 10.1.{end.n}.254 lladdr {end.gateway} dev {end.tap} nud permanent
            ip neighbour replace fd00:{end.n}::fe lladdr {end.gateway} dev {end.tap} nud permanent
            ip route add 10.1.0.0/16 via 10.1.{end.n}.254
            ip route add fd00::/16 via fd00:{end.n}::fe dev {end.tap}
            """
        )

    def _route(self, end):
        for id, family, type, prefix in (
            (end.n, "inet", "0800", f"{end.address}/32"),
            (end.n + 50, "inet6", "86dd", f"{end.address6}/128"),
        ):
            what = "receive" if end.kind == "host" else f"encap rewrite={mac(end.n)}:{ROUTER_MAC}:{type}"
            self.r.vrctl(f"nexthop add id={id} family={family} vif={end.n} type={what}")
            self.r.vrctl(f"route add vrf={VRF} prefix={prefix} nexthop={id}")
        # The host's kernel reaches what is on the uplink by itself.
        for a in self.ends:
            for x, y in ((a, end), (end, a)):
                if (x.kind, y.kind) == ("host", "device"):
                    x.shell(
                        f"ip route add {y.address} dev {x.tap}; ip route add {y.address6} dev {x.tap}\n"
                        f"ip neighbour replace {y.address} lladdr {y.mac} dev {x.tap} nud permanent\n"
                        f"ip neighbour replace {y.address6} lladdr {y.mac} dev {x.tap} nud permanent"
                    )

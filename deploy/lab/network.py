# SPDX-License-Identifier: BSD-3-Clause
"""Virtual networks, as the text that `vrctl apply` takes, and guests that live in them.

A network is a VRF, and 10.VRF.0.0/24: guests in it are bridged, their gateway is the router, and
what goes to another network is routed there.
"""

from lab import mac

ROUTER_MAC = "00:00:5e:00:01:00"  # what every vif has unless it is told otherwise
INET = "0800"

# Ids of nexthops: a guest's vif has its number, the same for routed packets is 100 above.
ROUTED, FLOOD, INTO, GATEWAY = 100, 200, 300, 400


class Network:
    def __init__(self, name, vrf):
        self.name, self.vrf = name, vrf
        self.subnet = f"10.{vrf}.0.0/24"
        self.gateway = f"10.{vrf}.0.254"
        self.members = []

    def add(self, number, guest, port):
        """A guest, its vif's number, and what its vif is on: "tap.name=... tap.slot=..."."""
        address = f"10.{self.vrf}.0.{len(self.members) + 1}"
        self.members.append((number, guest, port, address))
        return address

    def text(self, *others):
        """Configuration of the network, with ways to others."""
        v = self.vrf
        numbers = ",".join(str(number) for number, *_ in self.members)
        out = [
            f"# {self.name}: {self.subnet}; what guests send to all, what they ask the gateway, other networks",
            f"vrf add id={v} name={self.name}",
            f"nexthop add id={FLOOD + v} type=flood vrf={v} members={numbers}",
            f"bridge add vrf={v} mac=ff:ff:ff:ff:ff:ff nexthop={FLOOD + v}",
            f"nexthop add id={GATEWAY + v} type=discard",
            f"route add vrf={v} prefix={self.gateway}/32 nexthop={GATEWAY + v} arp_proxy=yes",
        ]
        for o in others:
            out += [
                f"nexthop add id={INTO + o.vrf} type=vrf-translate family=inet vrf={o.vrf}",
                f"route add vrf={v} prefix={o.subnet} nexthop={INTO + o.vrf}",
            ]
        for member in self.members:
            out += ["", *self.member_text(*member)]
        return "\n".join(out) + "\n"

    def member_text(self, n, guest, port, address):
        v = self.vrf
        return [
            f"# {guest.name}: its vif, how it is reached by its MAC, and by its address",
            f"vif add id={n} name={guest.name} type=virtual vrf={v} nexthop={n} flags=policy {port}",
            f"nexthop add id={n} type=encap vrf={v} vif={n}",
            f"bridge add vrf={v} mac={mac(n)} nexthop={n}",
            f"nexthop add id={ROUTED + n} type=encap family=inet vrf={v} vif={n} "
            f"rewrite={mac(n)}:{ROUTER_MAC}:{INET}",
            f"route add vrf={v} prefix={address}/32 nexthop={ROUTED + n}",
        ]

    def deny_from(self, other):
        """Rules with which nobody in the other network begins anything with us; we may with them."""
        return f"# what {other.name} may not begin\n" + "".join(
            f"rule add vif={number} priority=10 direction=egress source_prefix={other.subnet} action=deny\n"
            for number, *_ in self.members
        )


def two_networks(lab, slots):
    """red and blue, with the guests red-1, red-2, blue-1, blue-2 on taps: (networks, guests).

    red-1 and blue-2 are on the first slot, the others on the second. The guests are not yet in
    their namespaces' networks: join().
    """
    red, blue = Network("red", 1), Network("blue", 2)
    places = ((red, "red-1", 0), (red, "red-2", 1), (blue, "blue-1", 1), (blue, "blue-2", 0))
    guests = []
    for n, (network, name, slot) in enumerate(places, 1):
        g = lab.guest(name)
        g.number, g.network, g.port = n, network, lab.tap_name(name, n)
        g.address = network.add(n, g, f"tap.name={g.port} tap.slot={slots[slot]}")
        guests.append(g)
    return (red, blue), guests


def join(guest):
    """Gives the guest its end of the tap, and the router as its gateway: by ARP, like any other."""
    guest.take(guest.port, mac(guest.number), guest.address)
    guest.shell(f"ip route add default via {guest.network.gateway}")

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Uplinks, the host, the agent, ARP and neighbour discovery. Guests are vif 1, 2, 3 on ports 1, 2,
 * 3 in VRF 5; the uplink is vif 4 on port 4, 192.0.2.1; the host is vif 5 on port 5, both in VRF 0;
 * the agent is vif 6. Broadcasts of VRF 5 reach all guests, by nexthop 20.
 */
#include "tests/packet/host_cases.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <rte_ip.h>

#include "common/route.h"
#include "tests/packet/rig.h"

enum { VRF = 5, UPLINK = 4, HOST = 5, AGENT = 6, ETHER = 14, ARP_LEN = 42 };

#define UPLINK_MAC "\x02\x0a\0\0\0\x01"
#define GUEST_1    "\x02\0\0\0\0\x01"
#define PEER       "\x02\x0a\0\0\0\x63" /* a machine of the underlay */
#define BROADCAST  "\xff\xff\xff\xff\xff\xff"

static void
uplink_and_host(void)
{
	struct vif up = {.id = UPLINK, .type = VIF_PHYSICAL, .port = UPLINK};
	struct vif host = {.id = HOST, .type = VIF_HOST, .port = HOST};

	memcpy(up.mac, UPLINK_MAC, 6);
	memcpy(host.mac, UPLINK_MAC, 6);
	inet_pton(AF_INET, "192.0.2.1", &up.ip_be);
	inet_pton(AF_INET6, "2001:db8::1", up.ip6);
	rig_vif_as(&up);
	rig_vif_as(&host);
	rig_roles(HOST + 1, 0, UPLINK + 1);
}

static void
with_agent(void)
{
	struct vif agent = {.id = AGENT, .type = VIF_AGENT, .port = VIF_NO_PORT};

	rig_vif_as(&agent);
	rig_roles(HOST + 1, AGENT + 1, UPLINK + 1);
}

static int
network(void **state)
{
	static const uint32_t members[] = {11, 12, 13};

	(void)state;
	rig_reset();
	for (uint32_t n = 1; n <= 3; n++) {
		rig_vif(n, VRF, (int32_t)n, 1514);
		rig_encap(10 + n, n);
	}
	rig_flood(20, 3, members);
	rig_bridge(VRF, "ff:ff:ff:ff:ff:ff", 20);
	rig_bridge(VRF, "02:00:00:00:00:02", 12);
	uplink_and_host();
	with_agent();
	return 0;
}

static int
nothing_is_missing(void **state)
{
	(void)state;
	assert_int_equal(rig_missing(), 0);
	return 0;
}

static const struct rig_frame *
take(uint32_t port)
{
	const struct rig_frame *f;

	assert_true(rig_take(port, &f));
	return f;
}

/* The oldest packet trapped, which has this reason. */
static struct trap_record
trapped(enum trap_reason reason)
{
	static uint8_t frame[TRAP_FRAME_MAX];
	struct trap_record r;

	assert_true(rig_trapped(&r, frame));
	assert_int_equal(r.reason, reason);
	return r;
}

static void
nothing_trapped(void)
{
	static uint8_t frame[TRAP_FRAME_MAX];
	struct trap_record r;

	assert_false(rig_trapped(&r, frame));
}

/* --- frames ----------------------------------------------------------------------------------- */

static uint32_t
ether(uint8_t *frame, const char *to, const char *from, uint16_t type)
{
	memset(frame, 0, 128);
	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
	return ETHER;
}

static uint32_t
arp(uint8_t *frame, const char *to, const char *from, uint8_t op, const char *source,
    const char *target)
{
	static const uint8_t fixed[] = {0, 1, 8, 0, 6, 4, 0};

	ether(frame, to, from, 0x0806);
	memcpy(frame + 14, fixed, sizeof(fixed));
	frame[21] = op;
	memcpy(frame + 22, from, 6);
	inet_pton(AF_INET, source, frame + 28);
	inet_pton(AF_INET, target, frame + 38);
	return ARP_LEN;
}

static uint32_t
ip4(uint8_t *frame, const char *to, const char *from, const char *destination, uint8_t protocol,
    uint8_t ttl)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + ETHER);

	ether(frame, to, from, 0x0800);
	ip->version_ihl = 0x45;
	ip->total_length = htons(60);
	ip->time_to_live = ttl;
	ip->next_proto_id = protocol;
	inet_pton(AF_INET, "198.51.100.7", &ip->src_addr);
	inet_pton(AF_INET, destination, &ip->dst_addr);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	return ETHER + 60;
}

/* ICMPv6 of this type from fe80::1, about an address. */
static uint32_t
nd(uint8_t *frame, const char *to, const char *from, uint8_t type, const char *source,
   const char *target)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(frame + ETHER);
	uint8_t *icmp = (uint8_t *)(ip + 1);

	ether(frame, to, from, 0x86dd);
	ip->vtc_flow = htonl(6u << 28);
	ip->payload_len = htons(24);
	ip->proto = IPPROTO_ICMPV6;
	ip->hop_limits = 255;
	inet_pton(AF_INET6, source, ip->src_addr);
	inet_pton(AF_INET6, "ff02::1:ff00:2", ip->dst_addr);
	icmp[0] = type;
	inet_pton(AF_INET6, target, icmp + 8);
	return ETHER + 40 + 24;
}

/* --- drops ------------------------------------------------------------------------------------ */

static void
expect_drop(uint32_t vif, enum drop why, uint64_t n)
{
	for (enum drop d = 0; d < DROPS; d++)
		assert_int_equal(rig_drops_all(d), d == why ? n : 0);
	assert_int_equal(rig_drops(vif, why), n);
}

void
drop_WRONG_VLAN(void **state)
{
	struct vif up = {.id = UPLINK, .type = VIF_PHYSICAL, .port = UPLINK, .vlan = 7};
	uint8_t frame[128];

	(void)state;
	rig_vif_as(&up);
	rig_put(UPLINK, 2, 60); /* untagged */
	ether(frame, GUEST_1, PEER, 0x8100);
	frame[15] = 8;
	rig_put_bytes(UPLINK, frame, 60);
	rig_run();
	expect_drop(UPLINK, DROP_WRONG_VLAN, 2);
}

void
drop_NOT_BRIDGED(void **state)
{
	struct vif guest = {.id = 1, .vrf = VRF, .port = 1, .flags = VIF_FLAG_L3};

	(void)state;
	rig_vif_as(&guest);
	rig_put(1, 2, 60);
	rig_run();
	expect_drop(1, DROP_NOT_BRIDGED, 1);
}

void
drop_NO_HOST_VIF(void **state)
{
	struct nexthop nh = {.id = 40,
			     .type = NEXTHOP_RECEIVE,
			     .family = NEXTHOP_FAMILY_INET,
			     .encap.vif = VIF_NONE};
	uint8_t frame[128];

	(void)state;
	rig_nexthop(&nh);
	rig_route(VRF, "10.0.0.1", 32, 40);
	rig_put_bytes(1, frame, ip4(frame, RIG_ROUTER_MAC, GUEST_1, "10.0.0.1", 17, 64));
	rig_run();
	expect_drop(1, DROP_NO_HOST_VIF, 1);
}

void
drop_NO_AGENT_VIF(void **state)
{
	struct nexthop nh = {.id = 40, .type = NEXTHOP_RESOLVE, .family = NEXTHOP_FAMILY_INET};
	uint8_t frame[128];

	(void)state;
	rig_nexthop(&nh);
	rig_route(VRF, "10.0.0.0", 24, 40);
	rig_put_bytes(1, frame, ip4(frame, RIG_ROUTER_MAC, GUEST_1, "10.0.0.1", 17, 64));
	rig_run();
	expect_drop(1, DROP_NO_AGENT_VIF, 1);
}

/* A ring of 128 KiB holds 585 records of 32 bytes and frames of 190, each in whole words. */
void
drop_TRAP_FULL(void **state)
{
	uint32_t sent = 0, holds = (1 << 17) / (32 + 192);

	(void)state;
	with_agent();
	rig_encap(40, AGENT);
	rig_bridge(VRF, "02:00:00:00:00:09", 40);
	for (; sent < holds + 3; sent++) {
		rig_put(1, 9, 190);
		if (sent % 32 == 31)
			rig_run();
	}
	rig_run();
	assert_int_equal(rig_drops(1, DROP_TRAP_FULL), 3);
	assert_int_equal(rig_counters(AGENT)->tx_packets, sent - 3);
	trapped(TRAP_NEXTHOP);
}

void
drop_BAD_ARP(void **state)
{
	uint8_t frame[128];

	(void)state;
	arp(frame, RIG_ROUTER_MAC, GUEST_1, 1, "10.0.0.2", "10.0.0.1");
	rig_put_bytes(1, frame, ARP_LEN - 1);
	frame[21] = 3; /* RARP */
	rig_put_bytes(1, frame, ARP_LEN);
	nd(frame, RIG_ROUTER_MAC, GUEST_1, 135, "fe80::1", "fd00::1");
	frame[ETHER + 7] = 254; /* somebody routed it */
	rig_put_bytes(1, frame, ETHER + 40 + 24);
	rig_run();
	expect_drop(1, DROP_BAD_ARP, 3);
}

void
drop_ARP_REFUSED(void **state)
{
	struct vif guest = {.id = 1, .vrf = VRF, .port = 1, .flags = VIF_FLAG_NO_ARP_PROXY};
	uint8_t frame[128];

	(void)state;
	rig_vif_as(&guest);
	rig_route_flags(VRF, "10.0.0.0", 24, 12, ROUTE_ARP_PROXY);
	rig_put_bytes(1, frame, arp(frame, RIG_ROUTER_MAC, GUEST_1, 1, "10.0.0.2", "10.0.0.1"));
	rig_run();
	expect_drop(1, DROP_ARP_REFUSED, 1);
}

void
drop_UNKNOWN_PROTOCOL(void **state)
{
	struct nexthop nh = {.id = 40, .type = NEXTHOP_L2_RECEIVE};

	(void)state;
	rig_nexthop(&nh);
	rig_bridge(VRF, "02:00:00:00:00:09", 40);
	rig_put(1, 9, 60);
	rig_run();
	expect_drop(1, DROP_UNKNOWN_PROTOCOL, 1);
}

/* --- nexthops --------------------------------------------------------------------------------- */

/* The host gets what was sent, TTL 1 too, at its own MAC; so does another vif that is named. */
void
nexthop_RECEIVE(void **state)
{
	struct nexthop nh = {.id = 40,
			     .type = NEXTHOP_RECEIVE,
			     .family = NEXTHOP_FAMILY_INET,
			     .encap.vif = VIF_NONE};
	uint8_t frame[128];
	uint32_t len;

	(void)state;
	uplink_and_host();
	rig_nexthop(&nh);
	rig_route(VRF, "10.0.0.1", 32, 40);
	nh.id = 41;
	nh.encap.vif = 3;
	rig_nexthop(&nh);
	rig_route(VRF, "10.0.0.3", 32, 41);
	for (int ttl = 1; ttl <= 64; ttl += 63) {
		const struct rig_frame *f;

		len = ip4(frame, RIG_ROUTER_MAC, GUEST_1, "10.0.0.1", 17, (uint8_t)ttl);
		rig_put_bytes(1, frame, len);
		rig_run();
		f = take(HOST);
		assert_int_equal(f->len, len);
		assert_memory_equal(f->bytes, UPLINK_MAC, 6);
		assert_memory_equal(f->bytes + 6, frame + 6, len - 6);
	}
	rig_put_bytes(1, frame, ip4(frame, RIG_ROUTER_MAC, GUEST_1, "10.0.0.3", 17, 9));
	rig_run();
	assert_memory_equal(take(3)->bytes, RIG_ROUTER_MAC, 6);
	assert_int_equal(rig_counters(HOST)->tx_packets, 2);
}

void
nexthop_L2_RECEIVE(void **state)
{
	struct nexthop nh = {.id = 40, .type = NEXTHOP_L2_RECEIVE};
	static const char router[] = "\x02\0\0\0\0\x09";
	uint8_t frame[128];

	(void)state;
	rig_nexthop(&nh);
	rig_bridge(VRF, "02:00:00:00:00:09", 40);
	rig_rewrite(41, NEXTHOP_FAMILY_INET, 3, GUEST_1 RIG_ROUTER_MAC "\x08\0", ETHER);
	rig_route_flags(VRF, "10.3.0.0", 16, 41, ROUTE_ARP_PROXY);
	rig_put_bytes(1, frame, ip4(frame, router, GUEST_1, "10.3.0.1", 17, 9));
	rig_put_bytes(1, frame, arp(frame, router, GUEST_1, 1, "10.0.0.2", "10.3.0.1"));
	rig_run();
	assert_int_equal(take(3)->bytes[ETHER + 8], 8);
	assert_int_equal(take(1)->bytes[21], 2);
}

/* A packet goes to the agent alone, a frame to the host as well. */
void
nexthop_RESOLVE(void **state)
{
	struct nexthop nh = {.id = 40, .type = NEXTHOP_RESOLVE, .family = NEXTHOP_FAMILY_INET};
	uint8_t frame[128];
	struct trap_record r;

	(void)state;
	uplink_and_host();
	with_agent();
	rig_nexthop(&nh);
	rig_route(VRF, "10.0.0.0", 24, 40);
	rig_put_bytes(1, frame, ip4(frame, RIG_ROUTER_MAC, GUEST_1, "10.0.0.1", 17, 64));
	rig_run();
	r = trapped(TRAP_RESOLVE);
	assert_int_equal(r.vif, 1);
	assert_int_equal(r.vrf, VRF);
	assert_int_equal(r.nexthop, 40);
	assert_int_equal(rig_counters(AGENT)->tx_packets, 1);
	nh.id = 41;
	nh.family = NEXTHOP_FAMILY_BRIDGE;
	rig_nexthop(&nh);
	rig_bridge(VRF, "02:00:00:00:00:09", 41);
	rig_put(1, 9, 60);
	rig_run();
	trapped(TRAP_RESOLVE);
	assert_int_equal(rig_count(HOST), 1);
}

/* --- cross-connect ---------------------------------------------------------------------------- */

static void
without_an_agent_host_and_uplink_are_one_wire(void **state)
{
	uint8_t frame[128];

	(void)state;
	uplink_and_host(); /* takes the agent away */
	rig_put(UPLINK, 9, 60);
	rig_put(HOST, 8, 70);
	rig_run();
	assert_int_equal(take(HOST)->len, 60);
	assert_int_equal(take(UPLINK)->len, 70);
	with_agent();
	rig_put(UPLINK, 9, 60); /* for no MAC of ours */
	rig_run();
	assert_int_equal(rig_drops(UPLINK, DROP_NO_BRIDGE_ENTRY), 1);
	rig_put_bytes(UPLINK, frame, ip4(frame, UPLINK_MAC, PEER, "192.0.2.1", 17, 1));
	rig_run();
	assert_int_equal(take(HOST)->len, ETHER + 60);
}

static void
a_flag_crosses_to_the_vif_that_is_named(void **state)
{
	struct vif guest = {
	    .id = 1, .vrf = VRF, .port = 1, .flags = VIF_FLAG_CROSS_CONNECT, .cross_connect = 3};

	(void)state;
	rig_vif_as(&guest);
	rig_put(1, 2, 60);
	rig_run();
	assert_int_equal(rig_count(3), 1);
	assert_int_equal(rig_counters(3)->tx_packets, 1);
}

/* --- VLAN ------------------------------------------------------------------------------------- */

static void
an_uplinks_tag_is_taken_off_and_put_on(void **state)
{
	struct vif up = {.id = UPLINK, .type = VIF_PHYSICAL, .port = UPLINK, .vlan = 0x123};
	static const uint8_t tag[] = {0x81, 0x00, 0x01, 0x23};
	uint8_t frame[128];
	const struct rig_frame *f;

	(void)state;
	uplink_and_host();
	rig_vif_as(&up);
	for (uint32_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 3);
	frame[0] = 2;
	memcpy(frame + 12, tag, sizeof(tag));
	rig_put_bytes(UPLINK, frame, 104);
	rig_run();
	f = take(HOST);
	assert_int_equal(f->len, 100);
	assert_memory_equal(f->bytes, frame, 12);
	assert_memory_equal(f->bytes + 12, frame + 16, 88);
	assert_int_equal(rig_counters(HOST)->tx_bytes, 100);
	memmove(frame + 12, frame + 16, 88);
	rig_put_bytes(HOST, frame, 100);
	rig_run();
	f = take(UPLINK);
	assert_int_equal(f->len, 104);
	assert_memory_equal(f->bytes, frame, 12);
	assert_memory_equal(f->bytes + 12, tag, sizeof(tag));
	assert_memory_equal(f->bytes + 16, frame + 12, 88);
}

/* --- uplink and host with an agent ------------------------------------------------------------ */

static void
what_the_underlay_sends_to_the_host_gets_there(void **state)
{
	uint8_t frame[128];

	(void)state;
	rig_put_bytes(UPLINK, frame, ip4(frame, BROADCAST, PEER, "255.255.255.255", 17, 64));
	rig_put_bytes(UPLINK, frame, ip4(frame, UPLINK_MAC, PEER, "192.0.2.1", 6, 64));
	rig_put_bytes(UPLINK, frame, ip4(frame, UPLINK_MAC, PEER, "192.0.2.1", 6, 1));
	ether(frame, UPLINK_MAC, PEER, 0x88cc);
	rig_put_bytes(UPLINK, frame, 60);
	rig_put_bytes(UPLINK, frame,
		      nd(frame, "\x33\x33\xff\0\0\x02", PEER, 135, "fe80::1", "2001:db8::1"));
	rig_put_bytes(UPLINK, frame,
		      nd(frame, "\x33\x33\0\0\0\x01", PEER, 134, "fe80::1", "2001:db8::1"));
	rig_run();
	assert_int_equal(rig_count(HOST), 6);
	nothing_trapped();
}

static void
what_the_host_sends_follows_overlay_routes_or_leaves_as_it_is(void **state)
{
	struct nexthop nh = {.id = 40, .type = NEXTHOP_RESOLVE, .family = NEXTHOP_FAMILY_INET};
	uint8_t frame[128];
	const struct rig_frame *f;
	uint32_t len;

	(void)state;
	rig_rewrite(41, NEXTHOP_FAMILY_INET, 2, GUEST_1 RIG_ROUTER_MAC "\x08\0", ETHER);
	rig_route(0, "10.3.0.0", 16, 41);
	rig_nexthop(&nh);
	rig_route(0, "192.0.2.0", 24, 40);
	rig_put_bytes(HOST, frame, ip4(frame, PEER, UPLINK_MAC, "10.3.0.1", 17, 64));
	len = ip4(frame, PEER, UPLINK_MAC, "192.0.2.9", 17, 64);
	rig_put_bytes(HOST, frame, len);
	rig_put_bytes(HOST, frame, ip4(frame, PEER, UPLINK_MAC, "203.0.113.9", 17, 64));
	rig_put_bytes(HOST, frame, arp(frame, BROADCAST, UPLINK_MAC, 1, "192.0.2.1", "192.0.2.9"));
	rig_run();
	assert_int_equal(take(2)->bytes[ETHER + 8], 63);
	assert_int_equal(rig_count(UPLINK), 3);
	f = take(UPLINK);
	assert_int_equal(f->len, len);
	assert_int_equal(f->bytes[ETHER + 8], 64);
	nothing_trapped();
}

/* --- flags ------------------------------------------------------------------------------------ */

static void
an_unknown_destination_is_flooded_if_the_vif_says_so(void **state)
{
	struct vif guest = {
	    .id = 1, .vrf = VRF, .port = 1, .flags = VIF_FLAG_UNKNOWN_UNICAST_FLOOD};

	(void)state;
	rig_put(1, 9, 60);
	rig_run();
	assert_int_equal(rig_drops(1, DROP_NO_BRIDGE_ENTRY), 1);
	rig_vif_as(&guest);
	rig_put(1, 9, 60);
	rig_put(1, 2, 60);
	rig_run();
	assert_int_equal(rig_count(2), 2);
	assert_int_equal(rig_count(3), 1);
}

static void
a_group_without_an_entry_is_flooded(void **state)
{
	uint8_t frame[128];

	(void)state;
	ether(frame, "\x01\0\x5e\0\0\x09", GUEST_1, 0x0800);
	rig_put_bytes(1, frame, 60);
	rig_run();
	assert_int_equal(rig_count(2), 1);
	assert_int_equal(rig_count(3), 1);
	assert_int_equal(rig_count(1), 0);
}

static void
dhcp_requests_are_trapped_if_the_vif_says_so(void **state)
{
	struct vif guest = {.id = 1, .vrf = VRF, .port = 1, .flags = VIF_FLAG_DHCP_TRAP};
	uint8_t frame[128];
	uint32_t len = ip4(frame, BROADCAST, GUEST_1, "255.255.255.255", 17, 64);

	(void)state;
	frame[ETHER + 21] = 68;
	frame[ETHER + 23] = 67;
	rig_put_bytes(1, frame, len);
	rig_run();
	nothing_trapped();
	assert_int_equal(rig_count(2), 1);
	rig_vif_as(&guest);
	rig_put_bytes(1, frame, len);
	rig_run();
	trapped(TRAP_L3_PROTOCOLS);
	assert_int_equal(rig_count(2), 1);
	frame[ETHER + 23] = 69;
	rig_put_bytes(1, frame, len);
	rig_run();
	nothing_trapped();
	assert_int_equal(rig_count(2), 2);
}

static void
a_vif_without_l3_bridges_what_is_for_the_router(void **state)
{
	struct vif guest = {.id = 1, .vrf = VRF, .port = 1, .flags = VIF_FLAG_L2};
	uint8_t frame[128];

	(void)state;
	rig_vif_as(&guest);
	rig_bridge(VRF, "00:00:5e:00:01:00", 13);
	rig_put_bytes(1, frame, ip4(frame, RIG_ROUTER_MAC, GUEST_1, "10.3.0.1", 17, 64));
	rig_run();
	assert_int_equal(take(3)->bytes[ETHER + 8], 64);
}

/* --- ARP and neighbour discovery ---------------------------------------------------------------
 */

/* STITCHED: answered with the MAC of the host's route. */
enum outcome { DROPPED, FLOODED, ANSWERED, STITCHED, MIRRORED, ACROSS, TRAPPED_ACROSS, TRAPPED };
#define STITCHED_MAC "\x02\0\0\0\0\x77"

static void
expect_outcome(const char *what, enum outcome outcome, uint32_t in, const char *mac, bool inet6)
{
	uint8_t bytes[TRAP_FRAME_MAX];
	bool flooded = outcome == FLOODED || outcome == MIRRORED;
	bool answered = outcome == ANSWERED || outcome == STITCHED;
	bool across = outcome == ACROSS || outcome == TRAPPED_ACROSS;
	bool agent = outcome == MIRRORED || outcome == TRAPPED_ACROSS || outcome == TRAPPED;
	uint32_t to = in == UPLINK ? HOST : UPLINK;
	const struct rig_frame *f;
	struct trap_record r;

	if (rig_count(2) != (flooded ? 1 : 0) || rig_count(to) != (across ? 1 : 0) ||
	    rig_count(in) != (answered ? 1 : 0) ||
	    rig_drops(in, DROP_ARP_REFUSED) != (outcome == DROPPED ? 1 : 0) ||
	    rig_trapped(&r, bytes) != agent)
		fail_msg("%s: flooded %u, across %u, answered %u, dropped %llu", what, rig_count(2),
			 rig_count(to), rig_count(in),
			 (unsigned long long)rig_drops(in, DROP_ARP_REFUSED));
	if (!answered)
		return;
	f = take(in);
	mac = outcome == STITCHED ? STITCHED_MAC : mac;
	assert_memory_equal(f->bytes + 6, mac, 6);
	if (inet6) {
		const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)(f->bytes + ETHER);

		assert_int_equal(f->len, 86);
		assert_int_equal(f->bytes[54], 136);
		assert_int_equal(f->bytes[58], outcome == STITCHED ? 0x40 : 0xc0);
		assert_memory_equal(f->bytes + 80, mac, 6);
		assert_int_equal(rte_ipv6_udptcp_cksum_verify(ip, ip + 1), 0);
	} else {
		assert_int_equal(f->bytes[21], 2);
		assert_memory_equal(f->bytes + 22, mac, 6);
	}
}

/* What leads to the address asked for. */
enum { NO_ROUTE_AT_ALL = 0, TO_GUEST = 12, TO_AGENT = 42, TO_NEIGHBOUR = 43, TO_UNDERLAY = 44 };

struct question {
	const char *what;
	uint32_t in;      /* vif */
	uint32_t flags;   /* of the vif */
	uint32_t nexthop; /* of the route, NO_ROUTE_AT_ALL */
	uint64_t route;   /* its flags */
	bool gratuitous;  /* DAD, of IPv6 */
	enum outcome inet;
	int inet6; /* -1: there is no such message */
};

#define PROXY ROUTE_ARP_PROXY
static const struct question questions[] = {
    {"3: gratuitous, MAC proxy", 1, VIF_FLAG_MAC_PROXY, TO_GUEST, 0, true, DROPPED, FLOODED},
    {"4: gratuitous, route traps", 1, 0, TO_GUEST, ROUTE_ARP_TRAP, true, MIRRORED, FLOODED},
    {"5: gratuitous", 1, 0, TO_GUEST, PROXY, true, FLOODED, FLOODED},
    {"6: MAC proxy", 1, VIF_FLAG_MAC_PROXY, NO_ROUTE_AT_ALL, 0, false, ANSWERED, ANSWERED},
    {"6: MAC proxy, flood", 1, VIF_FLAG_MAC_PROXY, TO_GUEST, ROUTE_ARP_FLOOD, false, FLOODED,
     FLOODED},
    {"7: no proxy, underlay", UPLINK, 0, TO_GUEST, 0, false, ACROSS, ACROSS},
    {"7: no proxy, host", HOST, 0, TO_GUEST, 0, false, ACROSS, ACROSS},
    {"8: no proxy", 1, 0, TO_GUEST, 0, false, FLOODED, FLOODED},
    {"8: no route", 1, 0, NO_ROUTE_AT_ALL, 0, false, FLOODED, FLOODED},
    {"9: vif refuses", 1, VIF_FLAG_NO_ARP_PROXY, TO_GUEST, PROXY, false, DROPPED, DROPPED},
    {"9: but the gateway", 1, VIF_FLAG_NO_ARP_PROXY, TO_AGENT, PROXY, false, ANSWERED, ANSWERED},
    {"12: underlay, a guest of ours", UPLINK, 0, TO_GUEST, PROXY, false, ANSWERED, ACROSS},
    {"12: underlay, a neighbour", UPLINK, 0, TO_NEIGHBOUR, PROXY, false, ANSWERED, ACROSS},
    {"11: underlay, the gateway", UPLINK, 0, TO_AGENT, PROXY, false, ACROSS, ACROSS},
    {"10: underlay, flood", UPLINK, 0, TO_GUEST, PROXY | ROUTE_ARP_FLOOD, false, ACROSS, ACROSS},
    {"13: underlay, elsewhere", UPLINK, 0, TO_UNDERLAY, PROXY, false, ACROSS, ACROSS},
    {"14: flood", 1, 0, TO_GUEST, PROXY | ROUTE_ARP_FLOOD, false, FLOODED, FLOODED},
    {"15: stitched", 1, 0, TO_GUEST, PROXY | ROUTE_STITCHED, false, STITCHED, STITCHED},
    {"15: stitched, flood", 1, 0, TO_GUEST, PROXY | ROUTE_ARP_FLOOD | ROUTE_STITCHED, false,
     STITCHED, STITCHED},
    {"6: MAC proxy, stitched", 1, VIF_FLAG_MAC_PROXY, TO_GUEST, ROUTE_ARP_FLOOD | ROUTE_STITCHED,
     false, ANSWERED, ANSWERED},
    {"12: underlay, stitched", UPLINK, 0, TO_GUEST, PROXY | ROUTE_STITCHED, false, STITCHED,
     ACROSS},
    {"16: proxy", 1, 0, TO_GUEST, PROXY, false, ANSWERED, ANSWERED},
    {"16: proxy, to the agent", 1, 0, TO_AGENT, PROXY, false, ANSWERED, ANSWERED},
    {"host: gratuitous", HOST, 0, TO_GUEST, PROXY, true, ACROSS, ACROSS},
    {"host: proxy", HOST, 0, TO_GUEST, PROXY, false, ANSWERED, ANSWERED},
    {"underlay: gratuitous", UPLINK, 0, TO_GUEST, PROXY, true, TRAPPED_ACROSS, ACROSS},
};

/* The network, with one vif's flags and the route that a question is about. */
static uint32_t
ask_about(const struct question *q, bool inet6)
{
	struct nexthop resolve = {.id = TO_NEIGHBOUR, .type = NEXTHOP_RESOLVE};
	uint32_t vrf = q->in == 1 ? VRF : 0;

	network(NULL);
	rig_encap(TO_AGENT, AGENT);
	rig_encap(TO_UNDERLAY, UPLINK);
	rig_nexthop(&resolve);
	if (q->in == 1) {
		struct vif guest = {.id = 1, .vrf = VRF, .port = 1, .flags = q->flags};

		rig_vif_as(&guest);
	}
	if ((q->route & ROUTE_STITCHED) != 0) {
		rig_route_flags(vrf, inet6 ? "fd00::9" : "10.0.0.9", inet6 ? 128 : 32, q->nexthop,
				q->route);
		rig_stitch(vrf, inet6 ? "fd00::9" : "10.0.0.9", STITCHED_MAC);
	} else if (q->nexthop != NO_ROUTE_AT_ALL)
		rig_route_flags(vrf, inet6 ? "fd00::" : "10.0.0.0", inet6 ? 64 : 24, q->nexthop,
				q->route);
	return vrf;
}

static void
arp_requests_follow_the_table(void **state)
{
	uint8_t frame[128];

	(void)state;
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		const struct question *q = &questions[i];
		const char *from = q->in == 1 ? GUEST_1 : q->in == HOST ? UPLINK_MAC : PEER;

		ask_about(q, false);
		arp(frame, BROADCAST, from, 1, q->gratuitous ? "10.0.0.9" : "10.0.0.2", "10.0.0.9");
		rig_put_bytes(q->in, frame, ARP_LEN);
		rig_run();
		expect_outcome(q->what, q->inet, q->in, q->in == 1 ? RIG_ROUTER_MAC : UPLINK_MAC,
			       false);
	}
}

static void
neighbour_solicitations_follow_the_same_table(void **state)
{
	uint8_t frame[128];

	(void)state;
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		const struct question *q = &questions[i];
		const char *from = q->in == 1 ? GUEST_1 : q->in == HOST ? UPLINK_MAC : PEER;

		if (q->inet6 < 0)
			continue;
		ask_about(q, true);
		nd(frame, "\x33\x33\xff\0\0\x09", from, 135, q->gratuitous ? "::" : "fe80::1",
		   "fd00::9");
		rig_put_bytes(q->in, frame, ETHER + 40 + 24);
		rig_run();
		expect_outcome(q->what, (enum outcome)q->inet6, q->in,
			       q->in == 1 ? RIG_ROUTER_MAC : UPLINK_MAC, true);
	}
}

/* Row 1: whoever tags is beyond us. */
static void
a_tagged_request_is_flooded(void **state)
{
	uint8_t frame[128], tagged[128];

	(void)state;
	rig_route_flags(VRF, "10.0.0.0", 24, 12, ROUTE_ARP_PROXY);
	arp(frame, BROADCAST, GUEST_1, 1, "10.0.0.2", "10.0.0.9");
	memcpy(tagged, frame, 12);
	memcpy(tagged + 12, "\x81\0\0\x05", 4);
	memcpy(tagged + 16, frame + 12, ARP_LEN - 12);
	rig_put_bytes(1, tagged, ARP_LEN + 4);
	rig_run();
	assert_int_equal(rig_count(2), 1);
	assert_int_equal(rig_count(1), 0);
}

static void
replies_reach_who_waits_for_them(void **state)
{
	const struct {
		const char *what;
		uint32_t in;
		const char *to, *from;
		enum outcome outcome;
	} cases[] = {
	    {"underlay", UPLINK, UPLINK_MAC, PEER, TRAPPED_ACROSS},
	    {"guest, to the router", 1, RIG_ROUTER_MAC, GUEST_1, TRAPPED},
	    {"guest, to all", 1, BROADCAST, GUEST_1, MIRRORED},
	    {"guest, to a guest", 1, "\x02\0\0\0\0\x02", GUEST_1, FLOODED},
	    {"host", HOST, PEER, UPLINK_MAC, ACROSS},
	};
	uint8_t frame[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		network(NULL);
		arp(frame, cases[i].to, cases[i].from, 2, "10.0.0.2", "10.0.0.9");
		rig_put_bytes(cases[i].in, frame, ARP_LEN);
		rig_run();
		expect_outcome(cases[i].what, cases[i].outcome, cases[i].in, NULL, false);
	}
}

static void
advertisements_and_router_solicitations_reach_the_agent(void **state)
{
	const struct {
		const char *what;
		uint32_t in;
		uint8_t type;
		const char *to;
		enum outcome outcome;
	} cases[] = {
	    {"advertisement of a guest", 1, 136, "\x33\x33\0\0\0\x01", MIRRORED},
	    {"to the router", 1, 136, RIG_ROUTER_MAC, TRAPPED},
	    {"of the underlay", UPLINK, 136, UPLINK_MAC, TRAPPED_ACROSS},
	    {"router solicitation of a guest", 1, 133, "\x33\x33\0\0\0\x02", TRAPPED},
	    {"of the underlay", UPLINK, 133, "\x33\x33\0\0\0\x02", ACROSS},
	    {"of the host", HOST, 133, "\x33\x33\0\0\0\x02", ACROSS},
	};
	uint8_t frame[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		network(NULL);
		nd(frame, cases[i].to, cases[i].in == 1 ? GUEST_1 : PEER, cases[i].type, "fe80::1",
		   "fd00::9");
		rig_put_bytes(cases[i].in, frame, ETHER + 40 + 24);
		rig_run();
		expect_outcome(cases[i].what, cases[i].outcome, cases[i].in, NULL, true);
	}
}

/* --- traps ------------------------------------------------------------------------------------ */

static void
an_expired_ttl_is_told_to_the_agent(void **state)
{
	uint8_t frame[128];
	struct trap_record r;

	(void)state;
	rig_rewrite(41, NEXTHOP_FAMILY_INET, 2, GUEST_1 RIG_ROUTER_MAC "\x08\0", ETHER);
	rig_route(VRF, "10.3.0.0", 16, 41);
	rig_put_bytes(1, frame, ip4(frame, RIG_ROUTER_MAC, GUEST_1, "10.3.0.1", 17, 1));
	rig_run();
	r = trapped(TRAP_ZERO_TTL);
	assert_int_equal(r.length, ETHER + 60);
	assert_int_equal(rig_count(2), 0);
}

static void
long_packets_are_cut_where_their_beginning_is_enough(void **state)
{
	static uint8_t frame[3000];
	struct trap_record r;

	(void)state;
	rig_encap(40, AGENT);
	rig_bridge(VRF, "02:00:00:00:00:09", 40);
	memcpy(frame, "\x02\0\0\0\0\x09", 6);
	rig_put_bytes(1, frame, sizeof(frame));
	rig_run();
	r = trapped(TRAP_NEXTHOP);
	assert_int_equal(r.length, 190);
	assert_int_equal(r.whole_length, sizeof(frame));
	assert_int_equal(r.nexthop, 40);
	assert_int_equal(rig_counters(AGENT)->tx_bytes, sizeof(frame));
}

static void
bfd_is_told_apart(void **state)
{
	uint8_t frame[128];
	uint32_t len = ip4(frame, "\x02\0\0\0\0\x09", GUEST_1, "10.3.0.1", 17, 255);

	(void)state;
	rig_encap(40, AGENT);
	rig_bridge(VRF, "02:00:00:00:00:09", 40);
	frame[ETHER + 22] = 3784 >> 8;
	frame[ETHER + 23] = 3784 & 0xff;
	rig_put_bytes(1, frame, len);
	rig_run();
	trapped(TRAP_BFD);
}

static void
an_error_about_a_tunnel_is_the_agents(void **state)
{
	uint8_t frame[128];
	uint32_t len = ip4(frame, UPLINK_MAC, PEER, "192.0.2.1", 1, 64);

	(void)state;
	frame[ETHER + 20] = 3;
	rig_put_bytes(UPLINK, frame, len);
	frame[ETHER + 28] = 0x45;
	frame[ETHER + 28 + 9] = 17;
	frame[ETHER + 48 + 2] = 4789 >> 8;
	frame[ETHER + 48 + 3] = 4789 & 0xff;
	rig_put_bytes(UPLINK, frame, len);
	rig_run();
	trapped(TRAP_ICMP_ERROR);
	nothing_trapped();
	assert_int_equal(rig_count(HOST), 1);
}

static void
a_flood_reaches_the_agent(void **state)
{
	static const uint32_t members[] = {40, 12};

	(void)state;
	rig_encap(40, AGENT);
	rig_flood(41, 2, members);
	rig_bridge(VRF, "02:00:00:00:00:09", 41);
	rig_put(1, 9, 60);
	rig_run();
	trapped(TRAP_NEXTHOP);
	assert_int_equal(rig_count(2), 1);
}

/* --- injection -------------------------------------------------------------------------------- */

static void
an_injected_packet_leaves_as_it_is(void **state)
{
	static uint8_t frame[5000]; /* more than a buffer holds */
	struct vif jumbo = {.id = 2, .vrf = VRF, .port = 2, .mtu = 9000};
	const struct rig_frame *f;

	(void)state;
	rig_vif_as(&jumbo);
	for (uint32_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 7);
	for (int k = 0; k < 100; k++) { /* round the ring several times */
		rig_inject(INJECT_SWITCH, 2, 0, frame, sizeof(frame));
		rig_run();
		f = take(2);
		assert_int_equal(f->len, sizeof(frame));
		assert_memory_equal(f->bytes, frame, sizeof(frame));
	}
	assert_int_equal(rig_counters(AGENT)->rx_packets, 100);
	assert_int_equal(rig_counters(2)->tx_bytes, 100 * sizeof(frame));
	rig_inject(INJECT_SWITCH, 33, 0, frame, 60);
	rig_run();
	assert_int_equal(rig_drops(AGENT, DROP_NO_VIF), 1);
}

static void
an_injected_packet_is_routed_or_bridged_as_if_received(void **state)
{
	uint8_t frame[128];

	(void)state;
	rig_rewrite(41, NEXTHOP_FAMILY_INET, 3, GUEST_1 RIG_ROUTER_MAC "\x08\0", ETHER);
	rig_route(VRF, "10.3.0.0", 16, 41);
	rig_inject(INJECT_ROUTE, 1, VRF, frame,
		   ip4(frame, RIG_ROUTER_MAC, GUEST_1, "10.3.0.1", 17, 9));
	rig_run();
	assert_int_equal(take(3)->bytes[ETHER + 8], 8);
	rig_inject(INJECT_ROUTE, 1, VRF, frame,
		   arp(frame, BROADCAST, RIG_ROUTER_MAC, 1, "10.0.0.1", "10.0.0.9"));
	rig_run();
	assert_int_equal(rig_count(1), 0);
	assert_int_equal(rig_count(2), 1);
	assert_int_equal(rig_count(3), 1);
	assert_int_equal(rig_counters(1)->rx_packets, 0);
}

#define TEST(function)                                                 \
	{                                                              \
#function, function, network, nothing_is_missing, NULL \
	}

int
host_cases_run(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(without_an_agent_host_and_uplink_are_one_wire),
	    TEST(a_flag_crosses_to_the_vif_that_is_named),
	    TEST(an_uplinks_tag_is_taken_off_and_put_on),
	    TEST(what_the_underlay_sends_to_the_host_gets_there),
	    TEST(what_the_host_sends_follows_overlay_routes_or_leaves_as_it_is),
	    TEST(an_unknown_destination_is_flooded_if_the_vif_says_so),
	    TEST(a_group_without_an_entry_is_flooded),
	    TEST(dhcp_requests_are_trapped_if_the_vif_says_so),
	    TEST(a_vif_without_l3_bridges_what_is_for_the_router),
	    TEST(arp_requests_follow_the_table),
	    TEST(neighbour_solicitations_follow_the_same_table),
	    TEST(a_tagged_request_is_flooded),
	    TEST(replies_reach_who_waits_for_them),
	    TEST(advertisements_and_router_solicitations_reach_the_agent),
	    TEST(an_expired_ttl_is_told_to_the_agent),
	    TEST(long_packets_are_cut_where_their_beginning_is_enough),
	    TEST(bfd_is_told_apart),
	    TEST(an_error_about_a_tunnel_is_the_agents),
	    TEST(a_flood_reaches_the_agent),
	    TEST(an_injected_packet_leaves_as_it_is),
	    TEST(an_injected_packet_is_routed_or_bridged_as_if_received),
	};

	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tunnels, ECMP and VRF translation. Guests are vif 1, 2, 3 on ports 1, 2, 3 in VRF 5, the uplink
 * is vif 4 on port 4: 192.0.2.1. What goes into a tunnel is compared byte for byte with headers
 * that stand here as the RFCs draw them.
 */
#include "tests/packet/tunnel_cases.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <rte_common.h>

#include "tests/packet/rig.h"

enum {
	VRF = 5,
	MTU = 1514,
	UPLINK = 4,
	ETHER = 14,
	IP4 = 20,
	IP6 = 40,
	UDP = 8,
	OUTER = ETHER + IP4,
	LABEL = 0x12345,
	VNI = 0xabcdef,
};

#define GUEST_2    "02:00:00:00:00:02"
#define FROM_1     "\x02\0\0\0\0\x01"
#define TO_2       "\x02\0\0\0\0\x02"
#define TO_2_INET  TO_2 RIG_ROUTER_MAC "\x08\0"
#define FLAG(NAME) ((uint16_t)(1u << NEXTHOP_FLAG_BIT_##NAME))

static int
network(void **state)
{
	(void)state;
	rig_reset();
	for (uint32_t n = 1; n <= 3; n++) {
		rig_vif(n, VRF, (int32_t)n, MTU);
		rig_encap(10 + n, n);
	}
	rig_vif(UPLINK, 0, UPLINK, MTU);
	return 0;
}

static int
nothing_is_missing(void **state)
{
	(void)state;
	assert_int_equal(rig_missing(), 0);
	return 0;
}

static void
expect_drop(enum drop why, uint64_t n)
{
	for (enum drop d = 0; d < DROPS; d++)
		assert_int_equal(rig_drops_all(d), d == why ? n : 0);
	assert_int_equal(rig_drops(1, why), n);
}

static uint16_t
sum_of(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if ((len & 1) != 0)
		sum += (uint32_t)p[len - 1] << 8;
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + (sum & 0xffff));
}

static uint32_t
get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static void
put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/* An IPv4 packet with UDP ports, TTL 64 and id 0x1234; returns its length. */
static uint32_t
ip4_packet(uint8_t *ip, const char *destination, uint16_t source_port, uint32_t payload)
{
	static const uint8_t header[IP4] = {0x45, 0,  0, 0, 0x12, 0x34, 0, 0,
					    64,   17, 0, 0, 10,   1,    0, 9};
	uint32_t total = IP4 + UDP + payload;

	memset(ip, 0x5a, total);
	memcpy(ip, header, IP4);
	put16(ip + 2, total);
	assert_int_equal(inet_pton(AF_INET, destination, ip + 16), 1);
	put16(ip + 10, (uint16_t)~sum_of(ip, IP4));
	put16(ip + IP4, source_port);
	put16(ip + IP4 + 2, 53);
	put16(ip + IP4 + 4, UDP + payload);
	put16(ip + IP4 + 6, 0);
	return total;
}

static uint32_t
ip6_packet(uint8_t *ip, const char *destination, uint16_t source_port, uint32_t payload)
{
	memset(ip, 0, IP6);
	ip[0] = 0x60;
	put16(ip + 4, UDP + payload);
	ip[6] = 17;
	ip[7] = 64;
	assert_int_equal(inet_pton(AF_INET6, "fd00:1::9", ip + 8), 1);
	assert_int_equal(inet_pton(AF_INET6, destination, ip + 24), 1);
	memset(ip + IP6, 0x5a, UDP + payload);
	put16(ip + IP6, source_port);
	put16(ip + IP6 + 2, 53);
	put16(ip + IP6 + 4, UDP + payload);
	return IP6 + UDP + payload;
}

/* A frame with 'mac' as its destination; of the router's MAC it will be routed. */
static uint32_t
frame4(uint8_t *frame, const char *mac, const char *destination, uint16_t source_port,
       uint32_t payload)
{
	memcpy(frame, mac, 6);
	memcpy(frame + 6, FROM_1 "\x08\0", 8);
	return ETHER + ip4_packet(frame + ETHER, destination, source_port, payload);
}

static uint32_t
frame6(uint8_t *frame, const char *mac, const char *destination, uint16_t source_port,
       uint32_t payload)
{
	memcpy(frame, mac, 6);
	memcpy(frame + 6, FROM_1 "\x86\xdd", 8);
	return ETHER + ip6_packet(frame + ETHER, destination, source_port, payload);
}

/* Bytes between the outer IPv4 header and what is carried. */
static uint32_t
shim_of(enum tunnel_kind kind)
{
	static const uint32_t len[] = {
	    [TUNNEL_MPLS_GRE] = 4 + 4, [TUNNEL_MPLS_UDP] = UDP + 4, [TUNNEL_VXLAN] = UDP + 8};

	return len[kind];
}

/* Checks link layer and outer headers of a tunneled frame; returns what it carries. */
static const uint8_t *
expect_outer(const struct rig_frame *f, enum tunnel_kind kind, const char *destination,
	     uint32_t label, uint8_t ttl, uint32_t carried)
{
	const uint8_t *ip = f->bytes + ETHER, *udp = ip + IP4, *shim;
	uint8_t address[4];

	assert_int_equal(f->len, OUTER + shim_of(kind) + carried);
	assert_memory_equal(f->bytes, RIG_LINK, ETHER);
	assert_int_equal(ip[0], 0x45);
	assert_int_equal(ip[1], 0); /* DSCP and ECN */
	assert_int_equal(get16(ip + 2), f->len - ETHER);
	assert_int_equal(get16(ip + 6), 0); /* may be fragmented */
	assert_int_equal(ip[8], 64);
	assert_int_equal(ip[9], kind == TUNNEL_MPLS_GRE ? 47 : 17);
	assert_int_equal(sum_of(ip, IP4), 0xffff);
	assert_memory_equal(ip + 12, "\xc0\0\x02\x01", 4);
	assert_int_equal(inet_pton(AF_INET, destination, address), 1);
	assert_memory_equal(ip + 16, address, 4);
	if (kind == TUNNEL_MPLS_GRE) {
		assert_memory_equal(udp, "\0\0\x88\x47", 4);
	} else {
		assert_true(get16(udp) >= 49152);
		assert_int_equal(get16(udp + 2), kind == TUNNEL_VXLAN ? 4789 : 6635);
		assert_int_equal(get16(udp + 4), f->len - OUTER);
		assert_int_equal(get16(udp + 6), 0);
	}
	shim = f->bytes + OUTER + shim_of(kind) - 4;
	if (kind == TUNNEL_VXLAN) {
		assert_memory_equal(shim - 4, "\x08\0\0\0", 4);
		assert_int_equal(get16(shim), label >> 8);
		assert_int_equal(get16(shim + 2), (label & 0xff) << 8);
	} else {
		assert_int_equal(get16(shim), label >> 4);
		assert_int_equal(get16(shim + 2), (label & 15) << 12 | 1 << 8 | ttl);
	}
	return shim + 4;
}

static const struct rig_frame *
take(uint32_t port)
{
	const struct rig_frame *f;

	assert_true(rig_take(port, &f));
	return f;
}

static const enum tunnel_kind kinds[] = {TUNNEL_MPLS_GRE, TUNNEL_MPLS_UDP, TUNNEL_VXLAN};

static uint32_t
label_for(enum tunnel_kind kind)
{
	return kind == TUNNEL_VXLAN ? VNI : LABEL;
}

/* --- one for each drop reason and nexthop type ------------------------------------------------ */

void
drop_NO_MEMBER(void **state)
{
	uint8_t frame[128];

	(void)state;
	rig_ecmp(40, NEXTHOP_FAMILY_INET, 0, NULL, NULL);
	rig_ecmp(41, NEXTHOP_FAMILY_INET, 2, (uint32_t[]){NEXTHOP_NO_MEMBER, 63}, NULL);
	rig_route(VRF, "10.2.0.0", 16, 40);
	rig_route(VRF, "10.3.0.0", 16, 41);
	rig_put_bytes(1, frame, frame4(frame, RIG_ROUTER_MAC, "10.2.0.1", 1, 0));
	rig_put_bytes(1, frame, frame4(frame, RIG_ROUTER_MAC, "10.3.0.1", 1, 0));
	rig_run();
	expect_drop(DROP_NO_MEMBER, 2);
}

void
drop_BAD_MEMBER(void **state)
{
	struct nexthop nh = {.id = 42, .type = NEXTHOP_VRF_TRANSLATE, .vrf = VRF};

	(void)state;
	rig_nexthop(&nh);
	rig_ecmp(43, NEXTHOP_FAMILY_BRIDGE, 1, (uint32_t[]){12}, NULL);
	rig_flood(40, 1, (uint32_t[]){42});
	rig_flood(41, 1, (uint32_t[]){43});
	rig_bridge(VRF, "02:00:00:00:00:08", 40);
	rig_bridge(VRF, "02:00:00:00:00:09", 41);
	rig_put(1, 8, 60);
	rig_put(1, 9, 60);
	rig_run();
	expect_drop(DROP_BAD_MEMBER, 2);
}

void
drop_INVALID_LABEL(void **state)
{
	uint8_t frame[128];

	(void)state;
	rig_vif(UPLINK, 0, UPLINK, MTU);
	rig_tunnel(50, TUNNEL_MPLS_UDP, UPLINK, "192.0.2.2", 0);
	rig_tunnel(51, TUNNEL_VXLAN, UPLINK, "192.0.2.2", 0);
	rig_route(VRF, "10.2.0.0", 16, 50);
	rig_route_labelled(VRF, "10.3.0.0", 16, 50, 1 << 20);
	rig_put_bytes(1, frame, frame4(frame, RIG_ROUTER_MAC, "10.2.0.1", 1, 0));
	rig_put_bytes(1, frame, frame4(frame, RIG_ROUTER_MAC, "10.3.0.1", 1, 0));
	rig_bridge(VRF, "02:00:00:00:00:09", 51);
	rig_put(1, 9, 60);
	rig_run();
	expect_drop(DROP_INVALID_LABEL, 3);
	assert_int_equal(rig_count(UPLINK), 0);
}

void
nexthop_TUNNEL(void **state)
{
	uint8_t frame[256];

	(void)state;
	rig_vif(UPLINK, 0, UPLINK, MTU);
	for (size_t i = 0; i < RTE_DIM(kinds); i++) {
		uint32_t label = label_for(kinds[i]), len;
		const struct rig_frame *f;

		rig_tunnel(50, kinds[i], UPLINK, "192.0.2.2", 0);
		rig_bridge_labelled(VRF, "02:00:00:00:00:09", 50, label);
		len = frame4(frame, "\x02\0\0\0\0\x09", "10.2.0.1", 1000, 33);
		rig_put_bytes(1, frame, len);
		rig_run();
		f = take(UPLINK);
		assert_memory_equal(expect_outer(f, kinds[i], "192.0.2.2", label, 64, len), frame,
				    len);
		assert_int_equal(get16(f->bytes + ETHER + 4), 0x1234); /* id */
	}
	assert_int_equal(rig_counters(UPLINK)->tx_packets, 3);
}

void
nexthop_ECMP(void **state)
{
	uint8_t frame[128];
	uint32_t of[3];

	(void)state;
	rig_vif(UPLINK, 0, UPLINK, MTU);
	for (uint32_t n = 1; n <= 3; n++)
		rig_rewrite(20 + n, NEXTHOP_FAMILY_INET, n, TO_2_INET, ETHER);
	rig_ecmp(40, NEXTHOP_FAMILY_INET, 3, (uint32_t[]){21, 22, 23}, NULL);
	rig_route(VRF, "10.2.0.0", 16, 40);
	for (uint32_t flow = 0; flow < 300; flow++) {
		rig_put_bytes(1, frame,
			      frame4(frame, RIG_ROUTER_MAC, "10.2.0.1", (uint16_t)flow, 0));
	}
	rig_run();
	for (uint32_t n = 1; n <= 3; n++) {
		of[n - 1] = rig_count(n);
		assert_in_range(of[n - 1], 60, 140);
	}
	assert_int_equal(of[0] + of[1] + of[2], 300);
}

void
nexthop_VRF_TRANSLATE(void **state)
{
	struct nexthop inet = {.id = 40,
			       .type = NEXTHOP_VRF_TRANSLATE,
			       .family = NEXTHOP_FAMILY_INET,
			       .vrf = 9},
		       bridge = {.id = 41, .type = NEXTHOP_VRF_TRANSLATE, .vrf = 9};
	uint8_t frame[128];
	const struct rig_frame *f;
	uint32_t len;

	(void)state;
	rig_nexthop(&inet);
	rig_nexthop(&bridge);
	rig_rewrite(21, NEXTHOP_FAMILY_INET, 2, TO_2_INET, ETHER);
	rig_route(VRF, "10.2.0.0", 16, 40);
	rig_route(9, "10.2.0.0", 16, 21);
	rig_put_bytes(1, frame, frame4(frame, RIG_ROUTER_MAC, "10.2.0.1", 1, 0));
	rig_run();
	f = take(2);
	assert_memory_equal(f->bytes, TO_2_INET, ETHER);
	assert_int_equal(f->bytes[ETHER + 8], 63); /* one hop, not two */
	assert_int_equal(sum_of(f->bytes + ETHER, IP4), 0xffff);

	rig_bridge(VRF, "02:00:00:00:00:09", 41);
	rig_bridge(9, "02:00:00:00:00:09", 12);
	len = frame4(frame, "\x02\0\0\0\0\x09", "10.2.0.1", 1, 0);
	rig_put_bytes(1, frame, len);
	rig_run();
	f = take(2);
	assert_int_equal(f->len, len);
	assert_memory_equal(f->bytes, frame, len);
}

/* --- into tunnels ----------------------------------------------------------------------------- */

static void
a_routed_packet_goes_without_its_ethernet_header(void **state)
{
	uint8_t frame[256];

	(void)state;
	for (size_t i = 0; i < 2 * 2; i++) {
		enum tunnel_kind kind = kinds[i / 2];
		bool inet6 = i % 2 != 0;
		const struct rig_frame *f;
		const uint8_t *inner;
		uint32_t len;

		rig_tunnel(50, kind, UPLINK, "192.0.2.2", 0);
		rig_route_labelled(VRF, "10.2.0.0", 16, 50, LABEL);
		rig_route_labelled(VRF, "fd00:2::", 32, 50, LABEL);
		len = inet6 ? frame6(frame, RIG_ROUTER_MAC, "fd00:2::1", 7, 5)
			    : frame4(frame, RIG_ROUTER_MAC, "10.2.0.1", 7, 5);
		rig_put_bytes(1, frame, len);
		rig_run();
		f = take(UPLINK);
		inner = expect_outer(f, kind, "192.0.2.2", LABEL, 63, len - ETHER);
		assert_int_equal(inner[inet6 ? 7 : 8], 63);
		assert_memory_equal(inner + 12, frame + ETHER + 12, len - ETHER - 12);
	}
}

static void
a_routed_packet_in_vxlan_gets_an_inner_header(void **state)
{
	uint8_t frame[256];
	const struct rig_frame *f;
	const uint8_t *inner;
	uint32_t len = frame6(frame, RIG_ROUTER_MAC, "fd00:2::1", 7, 5);

	(void)state;
	rig_tunnel(50, TUNNEL_VXLAN, UPLINK, "192.0.2.2", FLAG(L3_VXLAN));
	rig_route_labelled(VRF, "fd00:2::", 32, 50, VNI);
	rig_put_bytes(1, frame, len);
	rig_run();
	f = take(UPLINK);
	inner = expect_outer(f, TUNNEL_VXLAN, "192.0.2.2", VNI, 0, len);
	assert_memory_equal(inner, "\x02\0\0\0\0\x77" RIG_ROUTER_MAC "\x86\xdd", ETHER);
}

static void
a_control_word_stands_between_label_and_frame(void **state)
{
	uint8_t frame[256];
	const uint8_t *inner;
	uint32_t len = frame4(frame, "\x02\0\0\0\0\x09", "10.2.0.1", 1, 3);

	(void)state;
	rig_tunnel(50, TUNNEL_MPLS_GRE, UPLINK, "192.0.2.2", FLAG(CONTROL_WORD));
	rig_bridge_labelled(VRF, "02:00:00:00:00:09", 50, LABEL);
	rig_put_bytes(1, frame, len);
	rig_run();
	inner = expect_outer(take(UPLINK), TUNNEL_MPLS_GRE, "192.0.2.2", LABEL, 64, len + 4);
	assert_memory_equal(inner, "\0\0\0\0", 4);
	assert_memory_equal(inner + 4, frame, len);
}

static void
padding_of_a_short_frame_stays_outside(void **state)
{
	uint8_t frame[256] = {0};

	(void)state;
	rig_tunnel(50, TUNNEL_MPLS_UDP, UPLINK, "192.0.2.2", 0);
	rig_route_labelled(VRF, "10.2.0.0", 16, 50, LABEL);
	frame4(frame, RIG_ROUTER_MAC, "10.2.0.1", 1, 3);
	rig_put_bytes(1, frame, 60);
	rig_run();
	expect_outer(take(UPLINK), TUNNEL_MPLS_UDP, "192.0.2.2", LABEL, 63, IP4 + UDP + 3);
}

static void
the_outer_source_port_is_the_flows(void **state)
{
	uint32_t port[64], differ = 0;
	uint8_t frame[256];

	(void)state;
	rig_tunnel(50, TUNNEL_VXLAN, UPLINK, "192.0.2.2", 0);
	rig_bridge_labelled(VRF, "02:00:00:00:00:09", 50, VNI);
	for (uint32_t k = 0; k < 2 * RTE_DIM(port); k++) {
		uint32_t flow = k % RTE_DIM(port), now;

		rig_put_bytes(1, frame,
			      frame4(frame, "\x02\0\0\0\0\x09", "10.2.0.1", (uint16_t)flow, k));
		rig_run();
		now = get16(take(UPLINK)->bytes + OUTER);
		if (k < RTE_DIM(port))
			port[flow] = now;
		assert_int_equal(now, port[flow]);
		differ += flow > 0 && now != port[flow - 1];
	}
	assert_true(differ > 100);
}

static void
a_frame_without_room_in_front_ends(void **state)
{
	uint8_t frame[256];

	(void)state;
	rig_tunnel(50, TUNNEL_VXLAN, UPLINK, "192.0.2.2", 0);
	rig_bridge_labelled(VRF, "02:00:00:00:00:09", 50, VNI);
	rig_headroom(49);
	rig_put_bytes(1, frame, frame4(frame, "\x02\0\0\0\0\x09", "10.2.0.1", 1, 0));
	rig_run();
	expect_drop(DROP_NO_HEADROOM, 1);
	rig_headroom(50);
	rig_put_bytes(1, frame, frame4(frame, "\x02\0\0\0\0\x09", "10.2.0.1", 1, 0));
	rig_run();
	assert_int_equal(rig_count(UPLINK), 1);
}

static void
what_the_uplink_does_not_take_is_counted(void **state)
{
	uint8_t frame[2048];

	(void)state;
	rig_tunnel(50, TUNNEL_VXLAN, UPLINK, "192.0.2.2", 0);
	rig_bridge_labelled(VRF, "02:00:00:00:00:09", 50, VNI);
	for (uint32_t more = 0; more < 2; more++) /* 50 bytes of outer headers */
		rig_put_bytes(1, frame,
			      frame4(frame, "\x02\0\0\0\0\x09", "10.2.0.1", 1,
				     MTU - 50 - ETHER - IP4 - UDP + more));
	rig_run();
	expect_drop(DROP_MTU, 1);
	assert_int_equal(take(UPLINK)->len, MTU);
}

static void
a_flood_copies_into_tunnels_with_the_members_labels(void **state)
{
	struct nexthop nh = {.id = 40, .type = NEXTHOP_FLOOD, .composite = {.n = 3}};
	uint8_t frame[256];
	uint32_t len = frame4(frame, "\xff\xff\xff\xff\xff\xff", "255.255.255.255", 1, 3);

	(void)state;
	rig_tunnel(50, TUNNEL_VXLAN, UPLINK, "192.0.2.2", 0);
	rig_tunnel(51, TUNNEL_MPLS_UDP, UPLINK, "192.0.2.3", 0);
	nh.composite.members[0] = nexthop_member(50, VNI);
	nh.composite.members[1] = nexthop_member(12, NEXTHOP_NO_LABEL);
	nh.composite.members[2] = nexthop_member(51, NEXTHOP_NO_LABEL);
	rig_nexthop(&nh);
	rig_bridge_labelled(VRF, "ff:ff:ff:ff:ff:ff", 40, LABEL);
	rig_put_bytes(1, frame, len);
	rig_run();
	assert_memory_equal(expect_outer(take(UPLINK), TUNNEL_VXLAN, "192.0.2.2", VNI, 0, len),
			    frame, len);
	assert_memory_equal(
	    expect_outer(take(UPLINK), TUNNEL_MPLS_UDP, "192.0.2.3", LABEL, 64, len), frame, len);
	assert_memory_equal(take(2)->bytes, frame, len);
	assert_int_equal(rig_counters(UPLINK)->tx_packets, 2);
}

/* --- ECMP ------------------------------------------------------------------------------------- */

enum { FLOWS = 240 };

/* Which of vif 1, 2, 3 each flow leaves by. */
static void
flows_spread(uint8_t out[FLOWS])
{
	uint8_t frame[128];

	for (uint32_t flow = 0; flow < FLOWS; flow++) {
		rig_put_bytes(1, frame,
			      frame4(frame, RIG_ROUTER_MAC, "10.2.0.1", (uint16_t)flow, 0));
		rig_run();
		out[flow] = 0;
		for (uint8_t n = 1; n <= 3; n++)
			if (rig_count(n) > 0) {
				take(n);
				out[flow] = n;
			}
	}
}

static void
only_flows_of_a_member_that_left_move(void **state)
{
	uint8_t before[FLOWS], without[FLOWS], after[FLOWS];
	uint32_t moved = 0, to[4] = {0};

	(void)state;
	for (uint32_t n = 1; n <= 3; n++)
		rig_rewrite(20 + n, NEXTHOP_FAMILY_INET, n, TO_2_INET, ETHER);
	rig_ecmp(40, NEXTHOP_FAMILY_INET, 3, (uint32_t[]){21, 22, 23}, NULL);
	rig_route(VRF, "10.2.0.0", 16, 40);
	flows_spread(before);
	rig_ecmp(40, NEXTHOP_FAMILY_INET, 3, (uint32_t[]){21, NEXTHOP_NO_MEMBER, 23}, NULL);
	flows_spread(without);
	rig_ecmp(40, NEXTHOP_FAMILY_INET, 3, (uint32_t[]){21, 22, 23}, NULL);
	flows_spread(after);
	for (uint32_t flow = 0; flow < FLOWS; flow++) {
		assert_int_equal(after[flow], before[flow]);
		if (before[flow] != 2) {
			assert_int_equal(without[flow], before[flow]);
			continue;
		}
		assert_true(without[flow] == 1 || without[flow] == 3);
		to[without[flow]]++;
		moved++;
	}
	assert_in_range(moved, FLOWS / 5, FLOWS / 2);
	assert_in_range(to[1], moved / 4, moved * 3 / 4);
}

static void
hash_fields_decide_what_a_flow_is(void **state)
{
	struct nexthop nh = {.id = 40,
			     .type = NEXTHOP_ECMP,
			     .family = NEXTHOP_FAMILY_INET,
			     .composite = {.n = 3, .hash_fields = HASH_SOURCE | HASH_DESTINATION}};
	uint8_t out[FLOWS];

	(void)state;
	for (uint32_t n = 1; n <= 3; n++) {
		rig_rewrite(20 + n, NEXTHOP_FAMILY_INET, n, TO_2_INET, ETHER);
		nh.composite.members[n - 1] = nexthop_member(20 + n, NEXTHOP_NO_LABEL);
	}
	rig_nexthop(&nh);
	rig_route(VRF, "10.2.0.0", 16, 40);
	flows_spread(out);
	for (uint32_t flow = 1; flow < FLOWS; flow++)
		assert_int_equal(out[flow], out[0]);
}

static void
fragments_of_a_packet_stay_together(void **state)
{
	uint8_t frame[128];

	(void)state;
	for (uint32_t n = 1; n <= 3; n++)
		rig_rewrite(20 + n, NEXTHOP_FAMILY_INET, n, TO_2_INET, ETHER);
	rig_ecmp(40, NEXTHOP_FAMILY_INET, 3, (uint32_t[]){21, 22, 23}, NULL);
	rig_route(VRF, "10.2.0.0", 16, 40);
	for (uint32_t k = 0; k < 40; k++) {
		uint32_t len = frame4(frame, RIG_ROUTER_MAC, "10.2.0.1", (uint16_t)k, 8);

		put16(frame + ETHER + 6, k == 0 ? 0x2000 : k);
		put16(frame + ETHER + 10, 0);
		put16(frame + ETHER + 10, (uint16_t)~sum_of(frame + ETHER, IP4));
		rig_put_bytes(1, frame, len);
	}
	rig_run();
	assert_true(rig_count(1) == 40 || rig_count(2) == 40 || rig_count(3) == 40);
}

static void
a_member_that_is_a_tunnel_brings_its_label(void **state)
{
	uint8_t frame[128];
	uint32_t len = frame4(frame, RIG_ROUTER_MAC, "10.2.0.1", 1, 0);

	(void)state;
	rig_tunnel(50, TUNNEL_MPLS_UDP, UPLINK, "192.0.2.2", 0);
	rig_ecmp(40, NEXTHOP_FAMILY_INET, 1, (uint32_t[]){50}, (uint32_t[]){77});
	rig_ecmp(41, NEXTHOP_FAMILY_INET, 1, (uint32_t[]){50}, NULL);
	rig_route_labelled(VRF, "10.2.0.0", 16, 40, LABEL);
	rig_route_labelled(VRF, "10.3.0.0", 16, 41, LABEL);
	rig_put_bytes(1, frame, len);
	rig_run();
	expect_outer(take(UPLINK), TUNNEL_MPLS_UDP, "192.0.2.2", 77, 63, len - ETHER);
	rig_put_bytes(1, frame, frame4(frame, RIG_ROUTER_MAC, "10.3.0.1", 1, 0));
	rig_run();
	expect_outer(take(UPLINK), TUNNEL_MPLS_UDP, "192.0.2.2", LABEL, 63, len - ETHER);
}

/* --- VRF translation -------------------------------------------------------------------------- */

static void
a_frame_is_routed_in_the_other_vrf_when_the_nexthop_says_so(void **state)
{
	struct nexthop nh = {
	    .id = 40, .type = NEXTHOP_VRF_TRANSLATE, .flags = FLAG(ROUTE_LOOKUP), .vrf = 9};
	uint8_t frame[128];
	const struct rig_frame *f;

	(void)state;
	rig_nexthop(&nh);
	rig_rewrite(21, NEXTHOP_FAMILY_INET, 2, TO_2_INET, ETHER);
	rig_bridge(VRF, "02:00:00:00:00:09", 40);
	rig_route(9, "10.2.0.0", 16, 21);
	rig_bridge(9, "02:00:00:00:00:09", 13);
	rig_put_bytes(1, frame, frame4(frame, "\x02\0\0\0\0\x09", "10.2.0.1", 1, 0));
	rig_put(1, 9, 60); /* no IP */
	rig_run();
	f = take(2);
	assert_memory_equal(f->bytes, TO_2_INET, ETHER);
	assert_int_equal(f->bytes[ETHER + 8], 63);
	assert_int_equal(rig_count(3), 1);
}

static void
translations_that_lead_to_one_another_end(void **state)
{
	struct nexthop nh = {
	    .id = 40, .type = NEXTHOP_VRF_TRANSLATE, .family = NEXTHOP_FAMILY_INET, .vrf = VRF};
	uint8_t frame[128];

	(void)state;
	rig_nexthop(&nh);
	rig_route(VRF, "10.2.0.0", 16, 40);
	rig_put_bytes(1, frame, frame4(frame, RIG_ROUTER_MAC, "10.2.0.1", 1, 0));
	rig_run();
	expect_drop(DROP_NEXTHOP_LOOP, 1);
}

#define TEST(function)                                                 \
	{                                                              \
#function, function, network, nothing_is_missing, NULL \
	}

int
tunnel_cases_run(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(a_routed_packet_goes_without_its_ethernet_header),
	    TEST(a_routed_packet_in_vxlan_gets_an_inner_header),
	    TEST(a_control_word_stands_between_label_and_frame),
	    TEST(padding_of_a_short_frame_stays_outside),
	    TEST(the_outer_source_port_is_the_flows),
	    TEST(a_frame_without_room_in_front_ends),
	    TEST(what_the_uplink_does_not_take_is_counted),
	    TEST(a_flood_copies_into_tunnels_with_the_members_labels),
	    TEST(only_flows_of_a_member_that_left_move),
	    TEST(hash_fields_decide_what_a_flow_is),
	    TEST(fragments_of_a_packet_stay_together),
	    TEST(a_member_that_is_a_tunnel_brings_its_label),
	    TEST(a_frame_is_routed_in_the_other_vrf_when_the_nexthop_says_so),
	    TEST(translations_that_lead_to_one_another_end),
	};

	return cmocka_run_group_tests_name("tunnels", tests, NULL, NULL);
}

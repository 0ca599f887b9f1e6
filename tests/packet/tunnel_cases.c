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
#include <rte_ring.h>

#include "common/conf.h"
#include "common/pkt.h"
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
	rig_uplink(UPLINK, UPLINK, MTU, "192.0.2.1");
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
	rig_uplink(UPLINK, UPLINK, MTU, "192.0.2.1");
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

/* --- outer headers of what comes in ----------------------------------------------------------- */

/* Puts headers in front of 'len' bytes; returns the frame's length. As another router does. */
static uint32_t
outer_frame(uint8_t *frame, enum tunnel_kind kind, const char *source, uint32_t number, uint8_t ttl,
	    const uint8_t *inside, uint32_t len)
{
	uint8_t *ip = frame + ETHER, *l4 = ip + IP4, *shim = l4 + shim_of(kind) - 4;
	uint32_t total = IP4 + shim_of(kind) + len;

	memset(frame, 0, ETHER + total);
	memcpy(frame, RIG_ROUTER_MAC "\x02\0\0\0\0\x99\x08\0\x45", ETHER + 1);
	put16(ip + 2, total);
	ip[8] = 64;
	ip[9] = kind == TUNNEL_MPLS_GRE ? 47 : 17;
	assert_int_equal(inet_pton(AF_INET, source, ip + 12), 1);
	memcpy(ip + 16, "\xc0\0\x02\x01", 4);
	put16(ip + 10, (uint16_t)~sum_of(ip, IP4));
	if (kind == TUNNEL_MPLS_GRE) {
		put16(l4 + 2, 0x8847);
	} else {
		put16(l4, 50000);
		put16(l4 + 2, kind == TUNNEL_VXLAN ? 4789 : 6635);
		put16(l4 + 4, total - IP4);
	}
	if (kind == TUNNEL_VXLAN) {
		shim[-4] = 8;
		put16(shim, number >> 8);
		put16(shim + 2, (number & 0xff) << 8);
	} else {
		put16(shim, number >> 4);
		put16(shim + 2, (number & 15) << 12 | 1 << 8 | ttl);
	}
	memcpy(shim + 4, inside, len);
	return ETHER + total;
}

static void
outer_checksum(uint8_t *frame)
{
	put16(frame + ETHER + 10, 0);
	put16(frame + ETHER + 10, (uint16_t)~sum_of(frame + ETHER, (frame[ETHER] & 15) * 4u));
}

static void
expect_drop_at_uplink(enum drop why, uint64_t n)
{
	for (enum drop d = 0; d < DROPS; d++)
		assert_int_equal(rig_drops_all(d), d == why ? n : 0);
	assert_int_equal(rig_drops(UPLINK, why), n);
}

void
drop_INVALID_VNI(void **state)
{
	uint8_t frame[256], inside[128];
	uint32_t len;

	(void)state;
	rig_uplink(UPLINK, UPLINK, MTU, "192.0.2.1");
	rig_vni(VNI, 12);
	len = frame4(inside, TO_2, "10.2.0.1", 1, 0);
	len = outer_frame(frame, TUNNEL_VXLAN, "192.0.2.2", VNI + 1, 0, inside, len);
	rig_put_bytes(UPLINK, frame, len);
	len = frame4(inside, TO_2, "10.2.0.1", 1, 0);
	len = outer_frame(frame, TUNNEL_VXLAN, "192.0.2.2", VNI, 0, inside, len);
	frame[OUTER + UDP] = 0; /* flag I */
	rig_put_bytes(UPLINK, frame, len);
	rig_run();
	expect_drop_at_uplink(DROP_INVALID_VNI, 2);
}

void
drop_BAD_TUNNEL_HEADER(void **state)
{
	uint8_t frame[256], inside[128];
	uint32_t inner = frame4(inside, TO_2, "10.2.0.1", 1, 0), len, n = 0;
	struct nexthop word = {
	    .id = 41, .type = NEXTHOP_ENCAP, .flags = FLAG(CONTROL_WORD), .encap = {.vif = 2}};

	(void)state;
	rig_uplink(UPLINK, UPLINK, MTU, "192.0.2.1");
	rig_label(LABEL, 12);
	rig_nexthop(&word);
	rig_label(LABEL + 1, 41);
	/* GRE with a sequence number, with routing, of version 1 */
	for (size_t i = 0; i < 3; i++, n++) {
		static const uint16_t flags[] = {0x1000, 0x4000, 1};

		len = outer_frame(frame, TUNNEL_MPLS_GRE, "192.0.2.2", LABEL, 64, inside, inner);
		put16(frame + OUTER, flags[i]);
		rig_put_bytes(UPLINK, frame, len);
	}
	/* a stack of two labels */
	len = outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", LABEL, 64, inside, inner);
	frame[OUTER + UDP + 2] &= 0xfe;
	rig_put_bytes(UPLINK, frame, len);
	n++;
	/* a UDP length below its headers' */
	len = outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", LABEL, 64, inside, inner);
	put16(frame + OUTER + 4, UDP + 3);
	rig_put_bytes(UPLINK, frame, len);
	n++;
	/* a fragment */
	len = outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", LABEL, 64, inside, inner);
	put16(frame + ETHER + 6, 0x2000);
	outer_checksum(frame);
	rig_put_bytes(UPLINK, frame, len);
	n++;
	/* nothing, and half an Ethernet header behind the label */
	for (uint32_t inner_len = 0; inner_len <= 13; inner_len += 13, n++) {
		len =
		    outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", LABEL, 64, inside, inner_len);
		rig_put_bytes(UPLINK, frame, len);
	}
	/* a control word that is not 0 */
	len = outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", LABEL + 1, 64, inside, inner);
	rig_put_bytes(UPLINK, frame, len);
	n++;
	/* VXLAN cut short in its header */
	len = outer_frame(frame, TUNNEL_VXLAN, "192.0.2.2", VNI, 0, inside, 0) - 1;
	put16(frame + ETHER + 2, len - ETHER);
	outer_checksum(frame);
	rig_put_bytes(UPLINK, frame, len);
	n++;
	rig_run();
	expect_drop_at_uplink(DROP_BAD_TUNNEL_HEADER, n);
}

void
drop_TUNNEL_LOOP(void **state)
{
	uint8_t frame[256], inside[128];
	uint32_t inner = frame4(inside, TO_2, "10.2.0.1", 1, 0), len;

	(void)state;
	rig_uplink(UPLINK, UPLINK, MTU, "192.0.2.1");
	rig_tunnel(50, TUNNEL_VXLAN, UPLINK, "192.0.2.2", 0);
	rig_ecmp(40, NEXTHOP_FAMILY_BRIDGE, 1, (uint32_t[]){50}, (uint32_t[]){VNI});
	rig_label(LABEL, 40);
	for (uint32_t i = 2; i <= 3; i++) {
		char source[] = "192.0.2.x";

		source[8] = (char)('0' + i);
		len = outer_frame(frame, TUNNEL_MPLS_UDP, source, LABEL, 64, inside, inner);
		rig_put_bytes(UPLINK, frame, len);
	}
	rig_run();
	expect_drop_at_uplink(DROP_TUNNEL_LOOP, 1);
	/* the other one, from 192.0.2.3, may go there */
	expect_outer(take(UPLINK), TUNNEL_VXLAN, "192.0.2.2", VNI, 0, inner);
}

void
nexthop_TUNNEL(void **state)
{
	uint8_t frame[256];

	(void)state;
	rig_uplink(UPLINK, UPLINK, MTU, "192.0.2.1");
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
	rig_uplink(UPLINK, UPLINK, MTU, "192.0.2.1");
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

/* --- out of tunnels --------------------------------------------------------------------------- */

static void
a_frame_out_of_a_tunnel_leaves_as_it_was(void **state)
{
	uint8_t frame[256], inside[128];
	uint32_t inner = frame4(inside, "\x02\0\0\0\0\x33", "10.2.0.1", 1, 7);

	(void)state;
	rig_label(LABEL, 12); /* whatever its MAC is */
	rig_vni(VNI, 12);
	for (size_t i = 0; i < RTE_DIM(kinds); i++) {
		const struct rig_frame *f;
		uint32_t len = outer_frame(frame, kinds[i], "192.0.2.2", label_for(kinds[i]), 64,
					   inside, inner);

		rig_put_bytes(UPLINK, frame, len);
		rig_run();
		f = take(2);
		assert_int_equal(f->len, inner);
		assert_memory_equal(f->bytes, inside, inner);
	}
	assert_int_equal(rig_counters(UPLINK)->rx_packets, 3);
	assert_int_equal(rig_counters(2)->tx_bytes, 3 * inner);
}

static void
a_packet_out_of_a_tunnel_gets_the_nexthops_header(void **state)
{
	uint8_t frame[256], inside[128];

	(void)state;
	rig_rewrite(21, NEXTHOP_FAMILY_INET, 2, TO_2_INET, ETHER);
	rig_label(LABEL, 21);
	rig_vni(VNI, 21);
	for (size_t i = 0; i < RTE_DIM(kinds); i++) {
		const struct rig_frame *f;
		uint32_t inner = frame4(inside, "\x02\0\0\0\0\x33", "10.2.0.1", 1, 7);
		uint32_t skip = kinds[i] == TUNNEL_VXLAN ? 0 : ETHER, len;

		len = outer_frame(frame, kinds[i], "192.0.2.2", label_for(kinds[i]), 64,
				  inside + skip, inner - skip);
		rig_put_bytes(UPLINK, frame, len);
		rig_run();
		f = take(2);
		assert_int_equal(f->len, inner);
		assert_memory_equal(f->bytes, TO_2_INET, ETHER);
		assert_memory_equal(f->bytes + ETHER, inside + ETHER, inner - ETHER);
	}
}

static void
a_packet_out_of_a_tunnel_is_routed_in_the_vrf_of_its_label(void **state)
{
	struct nexthop nh = {
	    .id = 40, .type = NEXTHOP_VRF_TRANSLATE, .family = NEXTHOP_FAMILY_INET, .vrf = 9};
	uint8_t frame[256], inside[128];
	const struct rig_frame *f;
	uint32_t inner;

	(void)state;
	rig_nexthop(&nh);
	rig_label(LABEL, 40);
	rig_rewrite(21, NEXTHOP_FAMILY_INET, 2, TO_2_INET, ETHER);
	rig_rewrite(31, NEXTHOP_FAMILY_INET6, 3, TO_2 RIG_ROUTER_MAC "\x86\xdd", ETHER);
	rig_route(9, "10.2.0.0", 16, 21);
	rig_route(9, "fd00:2::", 32, 31);
	inner = ip4_packet(inside, "10.2.0.1", 1, 7);
	rig_put_bytes(UPLINK, frame,
		      outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", LABEL, 64, inside, inner));
	inner = ip6_packet(inside, "fd00:2::1", 1, 7);
	rig_put_bytes(UPLINK, frame,
		      outer_frame(frame, TUNNEL_MPLS_GRE, "192.0.2.2", LABEL, 64, inside, inner));
	rig_run();
	f = take(2);
	assert_memory_equal(f->bytes, TO_2_INET, ETHER);
	assert_int_equal(f->bytes[ETHER + 8], 63);
	f = take(3);
	assert_int_equal(f->len, ETHER + inner);
	assert_int_equal(f->bytes[ETHER + 7], 63);
}

static void
a_frame_out_of_vxlan_is_bridged_in_the_vrf_of_its_vni(void **state)
{
	struct nexthop nh = {.id = 40, .type = NEXTHOP_VRF_TRANSLATE, .vrf = 9};
	uint8_t frame[256], inside[128];
	uint32_t inner = frame4(inside, TO_2, "10.2.0.1", 1, 7);

	(void)state;
	rig_nexthop(&nh);
	rig_vni(VNI, 40);
	rig_bridge(9, GUEST_2, 12);
	rig_put_bytes(UPLINK, frame,
		      outer_frame(frame, TUNNEL_VXLAN, "192.0.2.2", VNI, 0, inside, inner));
	rig_run();
	assert_memory_equal(take(2)->bytes, inside, inner);
}

static void
a_broadcast_out_of_a_tunnel_goes_into_no_other(void **state)
{
	struct nexthop nh = {.id = 40, .type = NEXTHOP_FLOOD, .composite = {.n = 3}};
	uint8_t frame[256], inside[128];
	uint32_t inner = frame4(inside, "\xff\xff\xff\xff\xff\xff", "10.2.0.1", 1, 7);

	(void)state;
	rig_tunnel(50, TUNNEL_VXLAN, UPLINK, "192.0.2.3", 0);
	nh.composite.members[0] = nexthop_member(11, NEXTHOP_NO_LABEL);
	nh.composite.members[1] = nexthop_member(50, VNI);
	nh.composite.members[2] = nexthop_member(12, NEXTHOP_NO_LABEL);
	rig_nexthop(&nh);
	rig_label(LABEL, 40);
	rig_put_bytes(UPLINK, frame,
		      outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", LABEL, 64, inside, inner));
	rig_run();
	assert_memory_equal(take(1)->bytes, inside, inner);
	assert_memory_equal(take(2)->bytes, inside, inner);
	assert_int_equal(rig_count(UPLINK), 0);
}

static void
a_control_word_of_zeroes_is_taken_off(void **state)
{
	struct nexthop nh = {
	    .id = 40, .type = NEXTHOP_ENCAP, .flags = FLAG(CONTROL_WORD), .encap = {.vif = 2}};
	uint8_t frame[256], inside[128] = {0};
	uint32_t inner = frame4(inside + 4, TO_2, "10.2.0.1", 1, 7);

	(void)state;
	rig_nexthop(&nh);
	rig_label(LABEL, 40);
	rig_put_bytes(
	    UPLINK, frame,
	    outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", LABEL, 64, inside, inner + 4));
	rig_run();
	assert_memory_equal(take(2)->bytes, inside + 4, inner);
}

static void
gre_with_checksum_and_key_and_the_older_port_are_understood(void **state)
{
	uint8_t frame[256], inside[128], longer[128] = {0};
	uint32_t inner = frame4(inside, TO_2, "10.2.0.1", 1, 7), len;

	(void)state;
	rig_label(LABEL, 12);
	len = outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", LABEL, 64, inside, inner);
	put16(frame + OUTER + 2, 51234);
	rig_put_bytes(UPLINK, frame, len);
	/* the label and the frame behind 8 bytes of checksum and key */
	outer_frame(frame, TUNNEL_MPLS_GRE, "192.0.2.2", LABEL, 64, inside, inner);
	memcpy(longer + 4, frame + OUTER + 4, 4);
	memcpy(longer + 8, inside, inner);
	len = outer_frame(frame, TUNNEL_MPLS_GRE, "192.0.2.2", 0, 64, longer, inner + 8);
	put16(frame + OUTER, 0xa000);
	rig_put_bytes(UPLINK, frame, len);
	rig_run();
	for (int i = 0; i < 2; i++) {
		const struct rig_frame *f = take(2);

		assert_int_equal(f->len, inner);
		assert_memory_equal(f->bytes, inside, inner);
	}
}

static void
an_entropy_label_on_top_is_skipped(void **state)
{
	uint8_t frame[256], inside[128];
	uint32_t inner = frame4(inside + 4, TO_2, "10.2.0.1", 1, 7), len;

	(void)state;
	rig_label(LABEL, 12);
	put16(inside, LABEL >> 4);
	put16(inside + 2, (LABEL & 15) << 12 | 1 << 8 | 64);
	len = outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", 0xfffff, 64, inside, inner + 4);
	frame[OUTER + UDP + 2] &= 0xfe;
	rig_put_bytes(UPLINK, frame, len);
	rig_run();
	assert_memory_equal(take(2)->bytes, inside + 4, inner);
}

static void
what_is_wrong_outside_is_counted_by_reason(void **state)
{
	uint8_t frame[256], inside[128];
	uint32_t inner = frame4(inside, TO_2, "10.2.0.1", 1, 7), len;

	(void)state;
	rig_label(LABEL, 12);
	rig_label(LABEL + 1, 63); /* there is no such nexthop */
	len = outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", LABEL, 64, inside, inner);
	frame[ETHER + 10] ^= 1;
	rig_put_bytes(UPLINK, frame, len);
	len = outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", LABEL, 1, inside, inner);
	rig_put_bytes(UPLINK, frame, len);
	len = outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", LABEL + 1, 64, inside, inner);
	rig_put_bytes(UPLINK, frame, len);
	len = outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", LABEL + 2, 64, inside, inner);
	rig_put_bytes(UPLINK, frame, len);
	len = outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", LABEL, 64, inside, inner);
	rig_put_bytes(UPLINK, frame, len - 1);
	rig_run();
	assert_int_equal(rig_drops(UPLINK, DROP_BAD_IP_CHECKSUM), 1);
	assert_int_equal(rig_drops(UPLINK, DROP_TTL_EXPIRED), 1);
	assert_int_equal(rig_drops(UPLINK, DROP_NO_NEXTHOP), 1);
	assert_int_equal(rig_drops(UPLINK, DROP_INVALID_LABEL), 1);
	assert_int_equal(rig_drops(UPLINK, DROP_BAD_IP_HEADER), 1);
	assert_int_equal(rig_count(2), 0);
}

static void
headers_in_several_segments_are_found(void **state)
{
	uint8_t frame[1500], inside[1400];
	uint32_t inner = frame4(inside, TO_2, "10.2.0.1", 1, 1000), len;

	(void)state;
	rig_label(LABEL, 12);
	rig_vni(VNI, 12);
	for (size_t i = 0; i < RTE_DIM(kinds); i++) {
		len = outer_frame(frame, kinds[i], "192.0.2.2", label_for(kinds[i]), 64, inside,
				  inner);
		for (uint32_t first = 14; first < 90; first += 5)
			for (uint32_t second = 1; second < 200; second += 33) {
				const struct rig_frame *f;

				rig_put_split(UPLINK, frame, len, first, second);
				rig_run();
				f = take(2);
				assert_int_equal(f->len, inner);
				assert_memory_equal(f->bytes, inside, inner);
			}
	}
}

static void
packets_for_other_addresses_are_routed_on(void **state)
{
	uint8_t frame[256], inside[128];
	uint32_t inner = frame4(inside, TO_2, "10.2.0.1", 1, 7), len;

	(void)state;
	rig_label(LABEL, 12);
	rig_rewrite(22, NEXTHOP_FAMILY_INET, 3, TO_2_INET, ETHER);
	rig_route(0, "192.0.2.0", 24, 22);
	len = outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", LABEL, 64, inside, inner);
	frame[ETHER + 19] = 9;
	outer_checksum(frame);
	rig_put_bytes(UPLINK, frame, len);
	rig_run();
	assert_int_equal(take(3)->len, len);
}

/* --- spread over slots ------------------------------------------------------------------------ */

static struct worker *
spreading(uint8_t what)
{
	struct worker *w = rig_worker();

	w->spread = what;
	w->spread_slots = 2;
	return w;
}

/* The other slot runs what it was given: the same worker, by its number and rings. */
static uint32_t
other_slot_runs(struct worker *w)
{
	struct rte_ring *ours = rig_ring_from_peer(), *theirs = rig_ring_to_peer();
	struct rte_mbuf *m;
	uint32_t n = 0;

	for (; rte_ring_sc_dequeue(theirs, (void **)&m) == 0; n++)
		assert_int_equal(rte_ring_sp_enqueue(ours, m), 0);
	w->slot_index = RIG_PEER_SLOT;
	rig_run();
	w->slot_index = 0;
	return n;
}

static void
packets_out_of_gre_go_to_the_slot_of_their_flow_in_order(void **state)
{
	enum { PACKETS = 40, ROUTED_FLOWS = 20 };
	struct nexthop nh = {
	    .id = 40, .type = NEXTHOP_VRF_TRANSLATE, .family = NEXTHOP_FAMILY_INET, .vrf = 9};
	struct worker *w = spreading(SPREAD_GRE);
	uint32_t own, given, seen[ROUTED_FLOWS] = {0};
	uint8_t frame[256], inside[128];

	(void)state;
	rig_nexthop(&nh);
	rig_label(LABEL, 40);
	rig_rewrite(21, NEXTHOP_FAMILY_INET, 2, TO_2_INET, ETHER);
	rig_route(9, "10.2.0.0", 16, 21);
	for (uint32_t k = 0; k < PACKETS; k++) {
		uint32_t inner = ip4_packet(inside, "10.2.0.1", (uint16_t)(k % ROUTED_FLOWS), k);

		rig_put_bytes(
		    UPLINK, frame,
		    outer_frame(frame, TUNNEL_MPLS_GRE, "192.0.2.2", LABEL, 64, inside, inner));
	}
	rig_run();
	own = rig_count(2);
	given = other_slot_runs(w);
	assert_int_equal(own + given, PACKETS);
	assert_in_range(own, PACKETS / 5, PACKETS * 4 / 5);
	assert_int_equal(rig_count(2), PACKETS);
	assert_int_equal(rig_counters(UPLINK)->rx_packets, PACKETS);
	for (uint32_t k = 0; k < PACKETS; k++) {
		const struct rig_frame *f = take(2);
		uint32_t flow = get16(f->bytes + ETHER + IP4);
		uint32_t number = f->len - ETHER - IP4 - UDP;

		assert_int_equal(f->bytes[ETHER + 8], 63);
		assert_int_equal(number % ROUTED_FLOWS, flow);
		assert_true(seen[flow] == 0 || number > seen[flow] - 1);
		seen[flow] = number + 1;
	}
	w->spread = SPREAD_OFF;
}

static void
what_is_not_to_be_spread_stays(void **state)
{
	static const uint8_t given[][2] = {[SPREAD_OFF] = {0, 0},
					   [SPREAD_GRE] = {1, 0},
					   [SPREAD_TUNNELS] = {1, 1},
					   [SPREAD_PORTS] = {1, 1}};
	uint8_t frame[256], inside[128];

	(void)state;
	rig_label(LABEL, 12);
	for (uint8_t what = SPREAD_OFF; what <= SPREAD_PORTS; what++)
		for (uint32_t udp = 0; udp <= 1; udp++) {
			struct worker *w = spreading(what);

			for (uint32_t flow = 0; flow < 30; flow++) {
				uint32_t inner =
				    frame4(inside, TO_2, "10.2.0.1", (uint16_t)flow, 0);

				rig_put_bytes(UPLINK, frame,
					      outer_frame(frame,
							  udp ? TUNNEL_MPLS_UDP : TUNNEL_MPLS_GRE,
							  "192.0.2.2", LABEL, 64, inside, inner));
			}
			rig_run();
			assert_int_equal(other_slot_runs(w) > 0, given[what][udp]);
			for (uint32_t flow = 0; flow < 30; flow++)
				take(2);
			w->spread = SPREAD_OFF;
		}
}

/* Each flow's packets, which its number and theirs tell apart, in the order they were sent. */
static void
expect_order(uint32_t port, uint32_t packets, uint32_t flows)
{
	uint32_t seen[32] = {0};

	assert_int_equal(rig_count(port), packets);
	assert_in_range(flows, 1, 32);
	for (uint32_t k = 0; k < packets; k++) {
		const struct rig_frame *f = take(port);
		uint32_t flow = get16(f->bytes + ETHER + IP4);
		uint32_t number = f->len - ETHER - IP4 - UDP;

		assert_int_equal(number % flows, flow);
		assert_true(seen[flow] == 0 || number > seen[flow] - 1);
		seen[flow] = number + 1;
	}
}

static void
packets_of_a_port_with_one_queue_go_to_the_slot_of_their_flow_in_order(void **state)
{
	enum { PACKETS = 60, FLOWS_SENT = 20 };
	struct worker *w = spreading(SPREAD_PORTS);
	uint8_t frame[256];
	uint32_t own, given;

	(void)state;
	rig_bridge(VRF, "02:00:00:00:00:02", 12);
	w->tx[1].one_queue = true;
	for (uint32_t k = 0; k < PACKETS; k++)
		rig_put_bytes(1, frame,
			      frame4(frame, TO_2, "10.2.0.1", (uint16_t)(k % FLOWS_SENT), k));
	rig_put_bytes(1, frame, 13); /* a runt ends here, whoever it was for */
	rig_run();
	own = rig_count(2);
	given = other_slot_runs(w);
	assert_int_equal(own + given, PACKETS);
	assert_in_range(own, PACKETS / 5, PACKETS * 4 / 5);
	expect_order(2, PACKETS, FLOWS_SENT);
	assert_int_equal(rig_counters(1)->rx_packets, PACKETS + 1);
	assert_int_equal(rig_counters(2)->tx_packets, PACKETS);
	assert_int_equal(rig_drops(1, DROP_RUNT), 1);
	w->tx[1].one_queue = false;
	w->spread = SPREAD_OFF;
}

/* A device with several queues spreads by itself, and other values of the option do not ask. */
static void
packets_of_a_port_are_spread_only_if_it_has_one_queue_and_the_option_says_so(void **state)
{
	uint8_t frame[256];

	(void)state;
	rig_bridge(VRF, "02:00:00:00:00:02", 12);
	for (uint8_t what = SPREAD_OFF; what <= SPREAD_PORTS; what++)
		for (int one_queue = 0; one_queue <= 1; one_queue++) {
			struct worker *w = spreading(what);

			w->tx[1].one_queue = one_queue;
			for (uint32_t flow = 0; flow < 30; flow++)
				rig_put_bytes(1, frame,
					      frame4(frame, TO_2, "10.2.0.1", (uint16_t)flow, 0));
			rig_run();
			assert_int_equal(other_slot_runs(w) > 0, what == SPREAD_PORTS && one_queue);
			for (uint32_t flow = 0; flow < 30; flow++)
				take(2);
			w->tx[1].one_queue = false;
			w->spread = SPREAD_OFF;
		}
}

/* Of an uplink, too: tunnels by what is inside, and what is no tunnel's by itself. */
static void
an_uplink_with_one_queue_is_spread_by_what_is_inside_its_tunnels(void **state)
{
	enum { PACKETS = 60, FLOWS_SENT = 20 };
	struct worker *w = spreading(SPREAD_PORTS);
	uint8_t frame[256], inside[128];
	uint32_t own, given;

	(void)state;
	rig_label(LABEL, 12);
	w->tx[UPLINK].one_queue = true;
	for (uint32_t k = 0; k < PACKETS; k++) {
		uint32_t inner = frame4(inside, TO_2, "10.2.0.1", (uint16_t)(k % FLOWS_SENT), k);

		rig_put_bytes(
		    UPLINK, frame,
		    outer_frame(frame, TUNNEL_MPLS_GRE, "192.0.2.2", LABEL, 64, inside, inner));
	}
	rig_run();
	own = rig_count(2);
	given = other_slot_runs(w);
	assert_int_equal(own + given, PACKETS);
	assert_in_range(own, PACKETS / 5, PACKETS * 4 / 5);
	expect_order(2, PACKETS, FLOWS_SENT);
	rig_bridge(0, "02:00:00:00:00:02", 12);
	for (uint32_t flow = 0; flow < 30; flow++)
		rig_put_bytes(UPLINK, frame, frame4(frame, TO_2, "10.2.0.1", (uint16_t)flow, 0));
	rig_run();
	assert_in_range(other_slot_runs(w), 1, 29);
	assert_int_equal(rig_count(2), 30);
	w->tx[UPLINK].one_queue = false;
	w->spread = SPREAD_OFF;
}

/* Polled by a process that is no slot: what it passes on has not been spread yet. */
static void
packets_that_an_agent_passes_on_are_spread(void **state)
{
	struct worker *w = spreading(SPREAD_GRE);
	uint8_t frame[256], inside[128];
	uint32_t own, given;

	(void)state;
	rig_label(LABEL, 12);
	for (uint32_t flow = 0; flow < 30; flow++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(w->mbufs);
		uint32_t inner = frame4(inside, TO_2, "10.2.0.1", (uint16_t)flow, 0);
		uint32_t len =
		    outer_frame(frame, TUNNEL_MPLS_GRE, "192.0.2.2", LABEL, 64, inside, inner);

		assert_non_null(m);
		memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
		*pkt_meta(m) = (struct pkt_meta){.next = PKT_NEXT_INPUT, .in_port = UPLINK};
		assert_int_equal(rte_ring_sp_enqueue(rig_ring_from_peer(), m), 0);
	}
	rig_run();
	own = rig_count(2);
	given = other_slot_runs(w);
	assert_int_equal(own + given, 30);
	assert_in_range(given, 1, 29);
	assert_int_equal(rig_count(2), 30);
	w->spread = SPREAD_OFF;
}

/* What a packet is known by must travel with it: split horizon and loops. */
static void
a_packet_of_another_slot_still_came_out_of_its_tunnel(void **state)
{
	struct worker *w = spreading(SPREAD_TUNNELS);
	uint8_t frame[256], inside[128];

	(void)state;
	rig_tunnel(50, TUNNEL_VXLAN, UPLINK, "192.0.2.2", 0);
	rig_ecmp(40, NEXTHOP_FAMILY_BRIDGE, 1, (uint32_t[]){50}, (uint32_t[]){VNI});
	rig_label(LABEL, 40);
	for (uint32_t flow = 0; flow < 30; flow++) {
		uint32_t inner = frame4(inside, TO_2, "10.2.0.1", (uint16_t)flow, 0);

		rig_put_bytes(
		    UPLINK, frame,
		    outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2", LABEL, 64, inside, inner));
	}
	rig_run();
	assert_true(other_slot_runs(w) > 0);
	expect_drop_at_uplink(DROP_TUNNEL_LOOP, 30);
	w->spread = SPREAD_OFF;
}

/* --- TCP's MSS -------------------------------------------------------------------------------- */

/* A SYN with NOPs in front of its MSS, so that it may stand at an odd place. */
static uint32_t
syn(uint8_t *frame, const char *mac, bool inet6, uint32_t nops, uint16_t mss)
{
	uint32_t header = 20 + 8, l4_at = ETHER + (inet6 ? IP6 : IP4);
	uint8_t *tcp = frame + l4_at;
	uint32_t len = inet6 ? frame6(frame, mac, "fd00:2::1", 1, header - UDP)
			     : frame4(frame, mac, "10.2.0.1", 1, header - UDP);
	uint32_t sum;

	if (inet6)
		frame[ETHER + 6] = 6;
	else
		frame[ETHER + 9] = 6;
	if (!inet6)
		outer_checksum(frame);
	memset(tcp, 1, header); /* NOPs */
	put16(tcp, 1000);
	put16(tcp + 2, 80);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = 2;
	put16(tcp + 16, 0);
	tcp[20 + nops] = 2;
	tcp[21 + nops] = 4;
	put16(tcp + 22 + nops, mss);
	sum = 6 + header + sum_of(frame + l4_at - (inet6 ? 32 : 8), header + (inet6 ? 32 : 8));
	sum = (sum >> 16) + (sum & 0xffff);
	put16(tcp + 16, (uint16_t)~sum);
	return len;
}

static void
expect_mss(const uint8_t *ip, uint32_t nops, uint16_t mss)
{
	bool inet6 = ip[0] >> 4 == 6;
	const uint8_t *tcp = ip + (inet6 ? IP6 : IP4);
	uint32_t sum = 6 + 28 + sum_of(tcp - (inet6 ? 32 : 8), 28 + (inet6 ? 32 : 8));

	assert_int_equal(get16(tcp + 22 + nops), mss);
	assert_int_equal((sum >> 16) + (sum & 0xffff), 0xffff);
}

static void
the_mss_of_a_syn_is_brought_down_to_the_tunnel(void **state)
{
	static const struct {
		bool inet6, routed;
		uint16_t mss, left;
	} cases[] = {
	    {false, true, 1460, 1500 - 40 - 40},
	    {false, true, 1420, 1420},
	    {false, true, 536, 536},
	    {true, true, 1440, 1500 - 40 - 60},
	    {false, false, 1460, 1500 - 62 - 40},
	    {true, false, 1440, 1500 - 62 - 60},
	    {true, false, 1000, 1000},
	};
	uint8_t frame[256], inside[256];

	(void)state;
	rig_tunnel(50, TUNNEL_MPLS_UDP, UPLINK, "192.0.2.2", 0);
	rig_route_labelled(VRF, "10.2.0.0", 16, 50, LABEL);
	rig_route_labelled(VRF, "fd00:2::", 32, 50, LABEL);
	rig_bridge_labelled(VRF, "02:00:00:00:00:09", 50, LABEL);
	rig_label(LABEL, 12);
	rig_rewrite(21, NEXTHOP_FAMILY_INET, 2, TO_2_INET, ETHER);
	rig_rewrite(31, NEXTHOP_FAMILY_INET6, 2, TO_2_INET, ETHER);
	rig_label(LABEL + 4, 21);
	rig_label(LABEL + 6, 31);
	for (size_t i = 0; i < RTE_DIM(cases); i++)
		for (uint32_t nops = 0; nops <= 4; nops++) {
			uint32_t skip = cases[i].routed ? ETHER : 0, len;
			const struct rig_frame *f;

			len = syn(frame, cases[i].routed ? RIG_ROUTER_MAC : "\x02\0\0\0\0\x09",
				  cases[i].inet6, nops, cases[i].mss);
			rig_put_bytes(1, frame, len);
			rig_run();
			f = take(UPLINK);
			expect_mss(f->bytes + OUTER + UDP + 4 + ETHER - skip, nops, cases[i].left);
			/* and the other way */
			len = syn(inside, TO_2, cases[i].inet6, nops, cases[i].mss);
			len = outer_frame(frame, TUNNEL_MPLS_UDP, "192.0.2.2",
					  LABEL + (!cases[i].routed ? 0u
						   : cases[i].inet6 ? 6u
								    : 4u),
					  64, inside + skip, len - skip);
			rig_put_bytes(UPLINK, frame, len);
			rig_run();
			expect_mss(take(2)->bytes + ETHER, nops, cases[i].left);
		}
}

static void
options_that_lie_about_their_lengths_harm_nothing(void **state)
{
	uint8_t frame[256];

	(void)state;
	rig_tunnel(50, TUNNEL_MPLS_UDP, UPLINK, "192.0.2.2", 0);
	rig_bridge_labelled(VRF, "02:00:00:00:00:09", 50, LABEL);
	for (uint32_t at = 0; at < 8; at++)
		for (uint32_t kind = 0; kind < 4; kind++)
			for (uint32_t length = 0; length < 256; length += 23) {
				uint32_t len = syn(frame, "\x02\0\0\0\0\x09", false, 4, 1460);

				frame[ETHER + IP4 + 20 + at] = (uint8_t)kind;
				if (at < 7)
					frame[ETHER + IP4 + 21 + at] = (uint8_t)length;
				frame[ETHER + IP4 + 12] = (uint8_t)(length << 4);
				rig_put_bytes(1, frame, len);
				rig_run();
				assert_int_equal(take(UPLINK)->len, len + 32 + ETHER);
			}
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
	    TEST(a_frame_out_of_a_tunnel_leaves_as_it_was),
	    TEST(a_packet_out_of_a_tunnel_gets_the_nexthops_header),
	    TEST(a_packet_out_of_a_tunnel_is_routed_in_the_vrf_of_its_label),
	    TEST(a_frame_out_of_vxlan_is_bridged_in_the_vrf_of_its_vni),
	    TEST(a_broadcast_out_of_a_tunnel_goes_into_no_other),
	    TEST(a_control_word_of_zeroes_is_taken_off),
	    TEST(gre_with_checksum_and_key_and_the_older_port_are_understood),
	    TEST(an_entropy_label_on_top_is_skipped),
	    TEST(what_is_wrong_outside_is_counted_by_reason),
	    TEST(headers_in_several_segments_are_found),
	    TEST(packets_for_other_addresses_are_routed_on),
	    TEST(packets_out_of_gre_go_to_the_slot_of_their_flow_in_order),
	    TEST(what_is_not_to_be_spread_stays),
	    TEST(packets_of_a_port_with_one_queue_go_to_the_slot_of_their_flow_in_order),
	    TEST(packets_of_a_port_are_spread_only_if_it_has_one_queue_and_the_option_says_so),
	    TEST(an_uplink_with_one_queue_is_spread_by_what_is_inside_its_tunnels),
	    TEST(packets_that_an_agent_passes_on_are_spread),
	    TEST(a_packet_of_another_slot_still_came_out_of_its_tunnel),
	    TEST(the_mss_of_a_syn_is_brought_down_to_the_tunnel),
	    TEST(options_that_lie_about_their_lengths_harm_nothing),
	    TEST(only_flows_of_a_member_that_left_move),
	    TEST(hash_fields_decide_what_a_flow_is),
	    TEST(fragments_of_a_packet_stay_together),
	    TEST(a_member_that_is_a_tunnel_brings_its_label),
	    TEST(a_frame_is_routed_in_the_other_vrf_when_the_nexthop_says_so),
	    TEST(translations_that_lead_to_one_another_end),
	};

	return cmocka_run_group_tests_name("tunnels", tests, NULL, NULL);
}

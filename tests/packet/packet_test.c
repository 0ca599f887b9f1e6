/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets in, packets and counters out, through the worker's own code (rig.h). Each drop reason of
 * drops.def and each nexthop type of nexthop_types.def needs a test here, or this does not link.
 * After every test all mbufs must be back in the pool.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cmocka.h>

#include <rte_ring.h>

#include "common/drop_log.h"
#include "common/offload.h"
#include "common/pkt.h"
#include "tests/packet/flow_packets.h"
#include "tests/packet/rig.h"
#include "tests/packet/host_cases.h"
#include "tests/packet/text_cases.h"
#include "tests/packet/tunnel_cases.h"

/*
 * The network of most tests: vif 1, 2, 3 on ports 1, 2, 3 in VRF 5, and an entry and nexthop for
 * each: MAC 02:00:00:00:00:0n leads to nexthop 10 + n, which leads to vif n.
 */
enum { VRF = 5, MTU = 1514 };

static int
network(void **state)
{
	static const char *const macs[] = {"", "02:00:00:00:00:01", "02:00:00:00:00:02",
					   "02:00:00:00:00:03"};

	(void)state;
	rig_reset();
	for (uint32_t n = 1; n <= 3; n++) {
		rig_vif(n, VRF, (int32_t)n, MTU);
		rig_encap(10 + n, n);
		rig_bridge(VRF, macs[n], 10 + n);
	}
	return 0;
}

static int
nothing_is_missing(void **state)
{
	(void)state;
	assert_int_equal(rig_missing(), 0);
	return 0;
}

/* --- one for each drop reason ----------------------------------------------------------------- */

/* The packet is counted in at vif 1, dropped there for this reason, and for no other anywhere. */
static void
expect_drop(enum drop why, uint64_t n)
{
	for (enum drop d = 0; d < DROPS; d++)
		assert_int_equal(rig_drops_all(d), d == why ? n : 0);
	assert_int_equal(rig_drops(1, why), n);
}

static void
drop_RUNT(void **state)
{
	(void)state;
	rig_put(1, 2, 13);
	rig_run();
	expect_drop(DROP_RUNT, 1);
	assert_int_equal(rig_counters(1)->rx_packets, 1);
}

static void
drop_PORT_WITHOUT_VIF(void **state)
{
	(void)state;
	rig_put(4, 2, 60);
	rig_run();
	assert_int_equal(rig_drops_all(DROP_PORT_WITHOUT_VIF), 1);
	assert_int_equal(rig_drops(rig_worker()->no_vif, DROP_PORT_WITHOUT_VIF), 1);
	assert_int_equal(rig_counters(rig_worker()->no_vif)->rx_bytes, 60);
}

static void
drop_NO_BRIDGE_ENTRY(void **state)
{
	(void)state;
	rig_put(1, 9, 60);
	rig_run();
	expect_drop(DROP_NO_BRIDGE_ENTRY, 1);
}

static void
drop_NO_NEXTHOP(void **state)
{
	(void)state;
	rig_bridge(VRF, "02:00:00:00:00:09", 40);
	rig_put(1, 9, 60);
	rig_run();
	expect_drop(DROP_NO_NEXTHOP, 1);
}

static void
drop_DISCARD(void **state)
{
	struct nexthop nh = {.id = 40, .type = NEXTHOP_DISCARD};

	(void)state;
	rig_nexthop(&nh);
	rig_bridge(VRF, "02:00:00:00:00:09", 40);
	rig_put(1, 9, 60);
	rig_run();
	expect_drop(DROP_DISCARD, 1);
}

static void
drop_NO_VIF(void **state)
{
	(void)state;
	rig_encap(40, 33);
	rig_bridge(VRF, "02:00:00:00:00:09", 40);
	rig_put(1, 9, 60);
	rig_run();
	expect_drop(DROP_NO_VIF, 1);
}

static void
drop_VIF_WITHOUT_PORT(void **state)
{
	(void)state;
	rig_vif(2, VRF, VIF_NO_PORT, MTU);
	rig_put(1, 2, 60);
	rig_vif(3, VRF, 5, MTU);
	rig_worker()->tx[5].way = TX_NOWAY;
	rig_put(1, 3, 60);
	rig_run();
	expect_drop(DROP_VIF_WITHOUT_PORT, 2);
	assert_int_equal(rig_counters(2)->tx_packets, 0);
}

static void
drop_SAME_VIF(void **state)
{
	(void)state;
	rig_put(1, 1, 60);
	rig_run();
	expect_drop(DROP_SAME_VIF, 1);
	assert_int_equal(rig_count(1), 0);
}

static void
drop_MTU(void **state)
{
	(void)state;
	rig_put(1, 2, MTU);
	rig_put(1, 2, MTU + 1);
	rig_put(1, 2, 9000);
	rig_run();
	expect_drop(DROP_MTU, 2);
	assert_int_equal(rig_count(2), 1);
}

static void
drop_NEXTHOP_LOOP(void **state)
{
	(void)state;
	rig_flood(40, 1, (uint32_t[]){40});
	rig_bridge(VRF, "ff:ff:ff:ff:ff:ff", 40);
	rig_put_bytes(1, "\xff\xff\xff\xff\xff\xff..............", 20);
	rig_run();
	expect_drop(DROP_NEXTHOP_LOOP, 1);
}

static void
drop_NO_MBUF(void **state)
{
	(void)state;
	rig_flood(40, 3, (uint32_t[]){11, 12, 13});
	rig_bridge(VRF, "ff:ff:ff:ff:ff:ff", 40);
	rig_put_bytes(1, "\xff\xff\xff\xff\xff\xff..............", 20);
	rig_pool_drain(1);
	rig_run();
	expect_drop(DROP_NO_MBUF, 1);
	assert_int_equal(rig_count(2), 1);
	assert_int_equal(rig_count(3), 0);
	rig_pool_refill();
}

static void
drop_TX_QUEUE_FULL(void **state)
{
	(void)state;
	rig_port_room(2, 3);
	for (int i = 0; i < 10; i++)
		rig_put(1, 2, 60);
	rig_run();
	expect_drop(DROP_TX_QUEUE_FULL, 7);
	assert_int_equal(rig_count(2), 3);
	assert_int_equal(rig_counters(2)->tx_packets, 10);
}

static void
drop_RING_FULL(void **state)
{
	struct rte_ring *ring = rig_ring_to_peer();
	struct rte_mbuf *m;

	(void)state;
	rig_port_of_peer(2);
	for (int i = 0; i < 64; i++)
		rig_put(1, 2, 60);
	rig_run();
	expect_drop(DROP_RING_FULL, 1); /* a ring of 64 takes 63 */
	while (rte_ring_sc_dequeue(ring, (void **)&m) == 0)
		rte_pktmbuf_free(m);
}

/* --- packets to be routed --------------------------------------------------------------------- */

enum { ETHER = 14, IP4 = 20, IP6 = 40, UDP = 8, TTL_AT = ETHER + 8, SUM_AT = ETHER + 10 };

/* What guests 2 and 3 get in front of an IPv4 and an IPv6 packet, and 2 with a VLAN tag. */
#define TO_2_INET  "\x02\0\0\0\0\x02\0\0\x5e\0\x01\0\x08\0"
#define TO_3_INET  "\x02\0\0\0\0\x03\0\0\x5e\0\x01\0\x08\0"
#define TO_2_INET6 "\x02\0\0\0\0\x02\0\0\x5e\0\x01\0\x86\xdd"
#define TO_2_VLAN  "\x02\0\0\0\0\x02\0\0\x5e\0\x01\0\x81\0\0\x64\x08\0"

/* 10.2.0.0/16 and fd00:2::/32 lead to guest 2 through 21 and 31, 10.3.0.0/16 to guest 3 by 22. */
static void
routed_network(void)
{
	rig_rewrite(21, NEXTHOP_FAMILY_INET, 2, TO_2_INET, 14);
	rig_rewrite(22, NEXTHOP_FAMILY_INET, 3, TO_3_INET, 14);
	rig_rewrite(31, NEXTHOP_FAMILY_INET6, 2, TO_2_INET6, 14);
	rig_route(VRF, "10.2.0.0", 16, 21);
	rig_route(VRF, "10.3.0.0", 16, 22);
	rig_route(VRF, "fd00:2::", 32, 31);
}

static uint16_t
sum_of(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + (sum & 0xffff));
}

/* Of the IPv4 header in a frame, with this many bytes. */
static void
checksum_set(uint8_t *frame, uint32_t header)
{
	uint16_t sum;

	frame[SUM_AT] = frame[SUM_AT + 1] = 0;
	sum = (uint16_t)~sum_of(frame + ETHER, header);
	frame[SUM_AT] = (uint8_t)(sum >> 8);
	frame[SUM_AT + 1] = (uint8_t)sum;
}

/* A UDP packet to the router's MAC; returns its length. */
static uint32_t
udp4(uint8_t *frame, const char *destination, uint8_t ttl, uint32_t payload)
{
	static const uint8_t ip[IP4] = {0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 0, 17, 0, 0, 10, 1, 0, 9};
	uint32_t total = IP4 + UDP + payload;

	memset(frame, 0, ETHER + total);
	memcpy(frame, RIG_ROUTER_MAC "\x02\0\0\0\0\x01\x08\0", ETHER);
	memcpy(frame + ETHER, ip, IP4);
	frame[ETHER + 2] = (uint8_t)(total >> 8);
	frame[ETHER + 3] = (uint8_t)total;
	frame[TTL_AT] = ttl;
	assert_int_equal(inet_pton(AF_INET, destination, frame + ETHER + 16), 1);
	checksum_set(frame, IP4);
	return ETHER + total;
}

static uint32_t
udp6(uint8_t *frame, const char *destination, uint8_t hops, uint32_t payload)
{
	uint32_t behind = UDP + payload;

	memset(frame, 0, ETHER + IP6 + behind);
	memcpy(frame, RIG_ROUTER_MAC "\x02\0\0\0\0\x01\x86\xdd\x60", ETHER + 1);
	frame[ETHER + 4] = (uint8_t)(behind >> 8);
	frame[ETHER + 5] = (uint8_t)behind;
	frame[ETHER + 6] = 17;
	frame[ETHER + 7] = hops;
	assert_int_equal(inet_pton(AF_INET6, "fd00:1::9", frame + ETHER + 8), 1);
	assert_int_equal(inet_pton(AF_INET6, destination, frame + ETHER + 24), 1);
	return ETHER + IP6 + behind;
}

/* A guest whose agent let pass what makes no sense. */
static void
drop_BAD_OFFLOAD(void **state)
{
	uint8_t bytes[60] = {2, 0, 0, 0, 0, 2};

	(void)state;
	rig_put_flags(1, bytes, sizeof(bytes), RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM);
	rig_run();
	expect_drop(DROP_BAD_OFFLOAD, 1);
}

static void
drop_BAD_IP_HEADER(void **state)
{
	static const struct {
		uint32_t at;
		uint8_t byte;
	} wrong4[] =
	    {
		{ETHER, 0x55},     /* version 5 */
		{ETHER, 0x44},     /* a header of 16 bytes */
		{ETHER, 0x4f},     /* of 60, in a packet of 38 */
		{ETHER + 3, 19},   /* shorter than its header */
		{ETHER + 3, 39},   /* longer than the frame */
		{ETHER + 2, 0xff}, /* much longer */
	    },
	  wrong6[] = {{ETHER, 0x40}, {ETHER + 5, UDP + 11}, {ETHER + 4, 1}};
	uint8_t frame[128];
	uint32_t n = 0;

	(void)state;
	routed_network();
	for (size_t i = 0; i < RTE_DIM(wrong4); i++, n++) {
		uint32_t len = udp4(frame, "10.2.0.1", 64, 10);

		frame[wrong4[i].at] = wrong4[i].byte;
		checksum_set(frame, IP4);
		rig_put_bytes(1, frame, len);
	}
	for (size_t i = 0; i < RTE_DIM(wrong6); i++, n++) {
		uint32_t len = udp6(frame, "fd00:2::1", 64, 10);

		frame[wrong6[i].at] = wrong6[i].byte;
		rig_put_bytes(1, frame, len);
	}
	udp4(frame, "10.2.0.1", 64, 10);
	rig_put_bytes(1, frame, ETHER + IP4 - 1);
	rig_put_bytes(1, frame, ETHER);
	udp6(frame, "fd00:2::1", 64, 10);
	rig_put_bytes(1, frame, ETHER + IP6 - 1);
	rig_run();
	expect_drop(DROP_BAD_IP_HEADER, n + 3);
}

static void
drop_BAD_IP_CHECKSUM(void **state)
{
	uint8_t frame[128];
	uint32_t len = udp4(frame, "10.2.0.1", 64, 10);

	(void)state;
	routed_network();
	rig_put_flags(1, frame, len, RTE_MBUF_F_RX_IP_CKSUM_BAD);
	frame[SUM_AT] ^= 1;
	rig_put_bytes(1, frame, len);
	frame[SUM_AT] = frame[SUM_AT + 1] = 0;
	rig_put_bytes(1, frame, len);
	rig_run();
	expect_drop(DROP_BAD_IP_CHECKSUM, 3);
}

static void
drop_TTL_EXPIRED(void **state)
{
	uint8_t frame[128];

	(void)state;
	routed_network();
	rig_put_bytes(1, frame, udp4(frame, "10.2.0.1", 1, 10));
	rig_put_bytes(1, frame, udp4(frame, "10.2.0.1", 0, 10));
	rig_put_bytes(1, frame, udp6(frame, "fd00:2::1", 1, 10));
	rig_put_bytes(1, frame, udp6(frame, "fd00:2::1", 0, 10));
	rig_run();
	expect_drop(DROP_TTL_EXPIRED, 4);
}

static void
drop_NO_ROUTE(void **state)
{
	uint8_t frame[128];

	(void)state;
	routed_network();
	rig_route(VRF + 1, "10.0.0.0", 8, 21);
	rig_route(VRF + 1, "::", 0, 31);
	rig_put_bytes(1, frame, udp4(frame, "10.4.0.1", 64, 10));
	rig_put_bytes(1, frame, udp6(frame, "fd00:3::1", 64, 10));
	rig_run();
	expect_drop(DROP_NO_ROUTE, 2);
}

/* --- the drop log ----------------------------------------------------------------------------- */

static void
dropped_packets_are_kept_with_reason_stage_and_first_bytes(void **state)
{
	const struct dropped_packet *p;
	uint8_t frame[128];
	uint32_t len;

	(void)state;
	routed_network();
	len = udp4(frame, "10.4.0.1", 64, 10);
	rig_put_bytes(1, frame, len);
	rig_run();
	p = rig_dropped();
	assert_non_null(p);
	assert_int_equal(p->reason, DROP_NO_ROUTE);
	assert_string_equal(p->stage, "route4");
	assert_int_equal(p->vif, 1);
	assert_int_equal(p->length, len);
	assert_int_equal(p->n_bytes, len);
	assert_memory_equal(p->bytes, frame, 14);

	/* two ends in one burst, each with its own */
	rig_put(1, 2, 13);
	rig_put(1, 9, 60);
	rig_run();
	p = rig_dropped();
	assert_non_null(p);
	assert_int_equal(p->sequence, 3);
	assert_int_equal(p->reason, DROP_NO_BRIDGE_ENTRY);
	assert_string_equal(p->stage, "bridge");
}

static void
a_packet_that_its_port_does_not_take_is_kept(void **state)
{
	(void)state;
	rig_port_room(2, 0);
	rig_put(1, 2, 60);
	rig_run();
	assert_non_null(rig_dropped());
	assert_int_equal(rig_dropped()->reason, DROP_TX_QUEUE_FULL);
	assert_string_equal(rig_dropped()->stage, "send");
	assert_int_equal(rig_dropped()->vif, 1);
}

static void
a_full_ring_is_told_by_the_slot_it_leads_to(void **state)
{
	const struct drop_log *log = rig_worker()->drop_log;
	struct rte_mbuf *m = NULL;

	(void)state;
	rig_port_of_peer(2);
	for (int i = 0; i < 70; i++)
		rig_put(1, 2, 60);
	rig_run();
	assert_int_equal(log->ring_full[RIG_PEER_SLOT], rig_drops(1, DROP_RING_FULL));
	assert_true(log->ring_full[RIG_PEER_SLOT] > 0);
	while (rte_ring_sc_dequeue(rig_ring_to_peer(), (void **)&m) == 0)
		rte_pktmbuf_free(m);
}

static void
the_fullest_ring_is_remembered_until_somebody_asks_anew(void **state)
{
	struct worker *w = rig_worker();
	struct rte_mbuf *m;

	(void)state;
	for (uint32_t i = 0; i < 40; i++) {
		m = rte_pktmbuf_alloc(w->mbufs);
		assert_non_null(m);
		rte_pktmbuf_append(m, 60);
		memset(pkt_meta(m), 0, sizeof(*pkt_meta(m)));
		pkt_meta(m)->next = PKT_NEXT_TX;
		pkt_meta(m)->out_port = 2;
		assert_int_equal(rte_ring_sp_enqueue(rig_ring_from_peer(), m), 0);
	}
	rig_run();
	assert_int_equal(w->slot->ring_max, 40);
	w->slot->ring_era++;
	m = rte_pktmbuf_alloc(w->mbufs);
	assert_non_null(m);
	rte_pktmbuf_append(m, 60);
	memset(pkt_meta(m), 0, sizeof(*pkt_meta(m)));
	pkt_meta(m)->next = PKT_NEXT_TX;
	pkt_meta(m)->out_port = 2;
	assert_int_equal(rte_ring_sp_enqueue(rig_ring_from_peer(), m), 0);
	rig_run();
	assert_int_equal(w->slot->ring_max, 1);
	assert_int_equal(w->slot->ring_max_era, w->slot->ring_era);
}

static void
drop_WRONG_FAMILY(void **state)
{
	uint8_t frame[128];

	(void)state;
	routed_network();
	rig_bridge(VRF, "02:00:00:00:00:09", 21);
	rig_put(1, 9, 60);
	rig_flood(40, 1, (uint32_t[]){21});
	rig_bridge(VRF, "02:00:00:00:00:08", 40);
	rig_put(1, 8, 60);
	rig_route(VRF, "10.4.0.0", 16, 12);
	rig_put_bytes(1, frame, udp4(frame, "10.4.0.1", 64, 10));
	rig_route(VRF, "10.5.0.0", 16, 31);
	rig_put_bytes(1, frame, udp4(frame, "10.5.0.1", 64, 10));
	rig_route(VRF, "10.6.0.0", 16, 40);
	rig_put_bytes(1, frame, udp4(frame, "10.6.0.1", 64, 10));
	rig_route(VRF, "fd00:4::", 32, 21);
	rig_put_bytes(1, frame, udp6(frame, "fd00:4::1", 64, 10));
	rig_run();
	expect_drop(DROP_WRONG_FAMILY, 6);
}

static void
drop_NO_HEADROOM(void **state)
{
	uint8_t frame[128];

	(void)state;
	routed_network();
	rig_rewrite(21, NEXTHOP_FAMILY_INET, 2, TO_2_VLAN, 18);
	rig_headroom(3);
	rig_put_bytes(1, frame, udp4(frame, "10.2.0.1", 64, 10));
	rig_headroom(4);
	rig_put_bytes(1, frame, udp4(frame, "10.2.0.1", 64, 10));
	rig_run();
	expect_drop(DROP_NO_HEADROOM, 1);
	assert_int_equal(rig_count(2), 1);
}

/* --- one for each nexthop type ---------------------------------------------------------------- */

static void
nexthop_DISCARD(void **state)
{
	drop_DISCARD(state);
	assert_int_equal(rig_count(2) + rig_count(3), 0);
}

static void
nexthop_ENCAP(void **state)
{
	const struct rig_frame *f;

	(void)state;
	rig_put_bytes(1, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0hello", 19);
	rig_run();
	assert_true(rig_take(2, &f));
	assert_int_equal(f->len, 19);
	assert_memory_equal(f->bytes, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0hello", 19);
	assert_false(rig_take(2, &f));
	assert_int_equal(rig_counters(1)->rx_packets, 1);
	assert_int_equal(rig_counters(1)->rx_bytes, 19);
	assert_int_equal(rig_counters(2)->tx_packets, 1);
	assert_int_equal(rig_counters(2)->tx_bytes, 19);
}

static void
nexthop_FLOOD(void **state)
{
	const struct rig_frame *f;

	(void)state;
	/* vif 1 sent it; vif 3 is reached through a composite within the composite. */
	rig_flood(41, 2, (uint32_t[]){13, 11});
	rig_flood(40, 3, (uint32_t[]){11, 12, 41});
	rig_bridge(VRF, "ff:ff:ff:ff:ff:ff", 40);
	rig_put_bytes(1, "\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x01\x88\xb5who?", 18);
	rig_run();
	assert_int_equal(rig_count(1), 0);
	for (uint32_t port = 2; port <= 3; port++) {
		assert_true(rig_take(port, &f));
		assert_int_equal(f->len, 18);
		assert_memory_equal(f->bytes + 14, "who?", 4);
		assert_false(rig_take(port, &f));
		assert_int_equal(rig_counters(port)->tx_bytes, 18);
	}
}

/* --- routing ---------------------------------------------------------------------------------- */

static void
a_routed_packet_gets_the_nexthops_header_and_loses_a_hop(void **state)
{
	uint8_t in_frame[128], wanted[128];
	const struct rig_frame *f;
	uint32_t len;

	(void)state;
	routed_network();
	len = udp4(in_frame, "10.2.7.1", 64, 10);
	udp4(wanted, "10.2.7.1", 63, 10);
	memcpy(wanted, TO_2_INET, ETHER);
	rig_put_bytes(1, in_frame, len);
	rig_run();
	assert_true(rig_take(2, &f));
	assert_int_equal(f->len, len);
	assert_memory_equal(f->bytes, wanted, len);
	assert_int_equal(rig_counters(2)->tx_packets, 1);
	assert_int_equal(rig_counters(2)->tx_bytes, len);

	len = udp6(in_frame, "fd00:2::7", 64, 10);
	udp6(wanted, "fd00:2::7", 63, 10);
	memcpy(wanted, TO_2_INET6, ETHER);
	rig_put_bytes(1, in_frame, len);
	rig_run();
	assert_true(rig_take(2, &f));
	assert_int_equal(f->len, len);
	assert_memory_equal(f->bytes, wanted, len);
}

static void
the_longest_prefix_decides(void **state)
{
	static const struct {
		const char *destination;
		uint32_t port; /* 0: no route */
	} cases[] = {{"10.2.0.1", 2},    {"10.2.3.1", 3}, {"10.2.3.4", 2},  {"10.2.3.5", 3},
		     {"10.2.4.0", 2},    {"11.2.3.4", 0}, {"fd00:2::1", 2}, {"fd00:2:3::1", 3},
		     {"fd00:2:3::4", 2}, {"fd00:3::1", 0}};
	uint8_t frame[128];

	(void)state;
	routed_network();
	rig_rewrite(32, NEXTHOP_FAMILY_INET6, 3, TO_2_INET6, 14);
	rig_route(VRF, "10.2.3.0", 24, 22);
	rig_route(VRF, "10.2.3.4", 32, 21);
	rig_route(VRF, "fd00:2:3::", 48, 32);
	rig_route(VRF, "fd00:2:3::4", 128, 31);
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		bool inet6 = strchr(cases[i].destination, ':') != NULL;
		uint32_t before[] = {0, 0, rig_count(2), rig_count(3)};
		uint64_t drops = rig_drops(1, DROP_NO_ROUTE);

		rig_put_bytes(1, frame, (inet6 ? udp6 : udp4)(frame, cases[i].destination, 64, 10));
		rig_run();
		assert_int_equal(rig_count(2), before[2] + (cases[i].port == 2));
		assert_int_equal(rig_count(3), before[3] + (cases[i].port == 3));
		assert_int_equal(rig_drops(1, DROP_NO_ROUTE), drops + (cases[i].port == 0));
	}
}

static void
a_default_route_is_for_what_no_other_is_for(void **state)
{
	uint8_t frame[128];

	(void)state;
	routed_network();
	rig_route(VRF, "0.0.0.0", 0, 22);
	rig_put_bytes(1, frame, udp4(frame, "192.0.2.1", 64, 10));
	rig_put_bytes(1, frame, udp4(frame, "10.2.0.1", 64, 10));
	rig_run();
	assert_int_equal(rig_count(3), 1);
	assert_int_equal(rig_count(2), 1);
}

static void
the_checksum_is_right_after_every_ttl(void **state)
{
	const struct rig_frame *f;
	uint8_t frame[128];

	(void)state;
	routed_network();
	for (uint32_t ttl = 2; ttl <= 255; ttl++) {
		uint32_t len = udp4(frame, "10.2.0.1", (uint8_t)ttl, 10);

		frame[ETHER + 4] = (uint8_t)(ttl * 37);
		frame[ETHER + 5] = (uint8_t)(ttl * 91);
		checksum_set(frame, IP4);
		rig_put_bytes(1, frame, len);
		rig_run();
		assert_true(rig_take(2, &f));
		assert_int_equal(f->bytes[TTL_AT], ttl - 1);
		assert_int_equal(sum_of(f->bytes + ETHER, IP4), 0xffff);
	}
}

static void
a_checksum_whose_update_carries_is_right(void **state)
{
	const struct rig_frame *f;
	uint8_t frame[128];
	uint32_t sum;

	(void)state;
	routed_network();
	for (uint32_t id = 0; id < 65536; id++) {
		uint32_t len = udp4(frame, "10.2.0.1", 64, 0);

		frame[ETHER + 4] = (uint8_t)(id >> 8);
		frame[ETHER + 5] = (uint8_t)id;
		checksum_set(frame, IP4);
		sum = (uint32_t)frame[SUM_AT] << 8 | frame[SUM_AT + 1];
		if (sum < 0xfe80 && sum > 0x40)
			continue;
		rig_put_bytes(1, frame, len);
		rig_run();
		assert_true(rig_take(2, &f));
		assert_int_equal(sum_of(f->bytes + ETHER, IP4), 0xffff);
	}
}

static void
options_pass_untouched(void **state)
{
	uint8_t frame[128];
	const struct rig_frame *f;
	uint32_t len = udp4(frame, "10.2.0.1", 64, 12);

	(void)state;
	routed_network();
	frame[ETHER] = 0x46;
	memcpy(frame + ETHER + IP4, "\x94\x04\0\0", 4); /* router alert */
	checksum_set(frame, 24);
	rig_put_bytes(1, frame, len);
	rig_run();
	assert_true(rig_take(2, &f));
	assert_memory_equal(f->bytes + ETHER + IP4, "\x94\x04\0\0", 4);
	assert_int_equal(sum_of(f->bytes + ETHER, 24), 0xffff);
}

static void
a_port_that_checked_the_checksum_is_believed(void **state)
{
	uint8_t frame[128];
	uint32_t len = udp4(frame, "10.2.0.1", 64, 10);

	(void)state;
	routed_network();
	frame[SUM_AT] ^= 1;
	rig_put_flags(1, frame, len, RTE_MBUF_F_RX_IP_CKSUM_GOOD);
	rig_run();
	assert_int_equal(rig_count(2), 1);
}

static void
what_is_for_the_router_and_no_ip_is_bridged(void **state)
{
	uint8_t frame[128];
	uint32_t len = udp4(frame, "10.2.0.1", 64, 10);

	(void)state;
	routed_network();
	frame[12] = 0x88; /* for experiments, IEEE 802 */
	frame[13] = 0xb5;
	rig_put_bytes(1, frame, len);
	rig_run();
	expect_drop(DROP_NO_BRIDGE_ENTRY, 1);
	rig_bridge(VRF, "00:00:5e:00:01:00", 12);
	rig_put_bytes(1, frame, len);
	rig_run();
	assert_int_equal(rig_count(2), 1);
}

static void
ip_between_guests_is_bridged(void **state)
{
	uint8_t frame[128];
	const struct rig_frame *f;
	uint32_t len = udp4(frame, "10.3.0.1", 1, 10);

	(void)state;
	routed_network();
	memcpy(frame, "\x02\0\0\0\0\x02", 6);
	rig_put_bytes(1, frame, len);
	rig_run();
	assert_true(rig_take(2, &f));
	assert_memory_equal(f->bytes, frame, len);
}

static void
bridged_and_routed_packets_of_one_burst_keep_their_order(void **state)
{
	uint32_t seen[4] = {0}; /* of each kind, among which order does not matter */
	const struct rig_frame *f;
	uint8_t frame[128];

	(void)state;
	routed_network();
	for (uint8_t i = 0; i < 32; i++) {
		uint32_t len;

		switch (i % 4) {
		case 0:
			len = udp4(frame, "10.2.0.1", 64, 1);
			break;
		case 1:
			len = udp4(frame, "10.3.0.1", 64, 1);
			break;
		case 2:
			len = udp6(frame, "fd00:2::1", 64, 1);
			break;
		default:
			len = udp4(frame, "10.2.0.1", 64, 1);
			memcpy(frame, "\x02\0\0\0\0\x03", 6);
			break;
		}
		frame[len - 1] = i;
		rig_put_bytes(1, frame, len);
	}
	rig_run();
	for (uint32_t n = 0; n < 32; n++) {
		uint32_t port = n < 16 ? 2 : 3;
		uint8_t kind;

		assert_true(rig_take(port, &f));
		kind = f->bytes[f->len - 1] % 4;
		assert_int_equal(f->bytes[f->len - 1] / 4, seen[kind]++);
		assert_int_equal(kind % 2, port - 2);
		assert_int_equal(f->bytes[5], port);
	}
}

static void
a_routed_packet_may_go_back_where_it_came_from(void **state)
{
	uint8_t frame[128];

	(void)state;
	routed_network();
	rig_rewrite(23, NEXTHOP_FAMILY_INET, 1, TO_2_INET, 14);
	rig_route(VRF, "10.4.0.0", 16, 23);
	rig_put_bytes(1, frame, udp4(frame, "10.4.0.1", 64, 10));
	rig_run();
	assert_int_equal(rig_count(1), 1);
}

static void
a_longer_header_takes_headroom(void **state)
{
	uint8_t in_frame[128], wanted[128];
	const struct rig_frame *f;
	uint32_t len = udp4(in_frame, "10.2.0.1", 64, 10);

	(void)state;
	routed_network();
	rig_rewrite(21, NEXTHOP_FAMILY_INET, 2, TO_2_VLAN, 18);
	udp4(wanted, "10.2.0.1", 63, 10);
	rig_put_bytes(1, in_frame, len);
	rig_run();
	assert_true(rig_take(2, &f));
	assert_int_equal(f->len, len + 4);
	assert_memory_equal(f->bytes, TO_2_VLAN, 18);
	assert_memory_equal(f->bytes + 18, wanted + ETHER, len - ETHER);
	assert_int_equal(rig_counters(2)->tx_bytes, len + 4);
}

static void
chained_packets_are_routed_whole(void **state)
{
	static uint8_t frame[9000];
	const struct rig_frame *f;
	uint32_t len = udp4(frame, "10.2.0.1", 64, 8000);

	(void)state;
	routed_network();
	rig_vif(2, VRF, 2, 9000);
	for (uint32_t i = ETHER + IP4; i < len; i++)
		frame[i] = (uint8_t)(i * 7 + i / 251);
	rig_put_bytes(1, frame, len);
	rig_run();
	assert_true(rig_take(2, &f));
	assert_int_equal(f->len, len);
	assert_memory_equal(f->bytes + ETHER + IP4, frame + ETHER + IP4, len - ETHER - IP4);
}

/* --- bursts ----------------------------------------------------------------------------------- */

static void
packets_of_one_burst_part_and_keep_their_order(void **state)
{
	const struct rig_frame *f;

	(void)state;
	for (uint8_t i = 0; i < 64; i++) {
		uint8_t bytes[20] = {0x02, 0, 0, 0, 0, (uint8_t)(2 + i % 3), 0, 0, 0, 0,
				     0,    1, 8, 0, i};

		rig_put_bytes(1, bytes, sizeof(bytes));
	}
	rig_run();
	for (uint8_t i = 0; i < 64; i++) {
		if (i % 3 == 2)
			continue;
		assert_true(rig_take(2 + i % 3, &f));
		assert_int_equal(f->bytes[14], i);
	}
	assert_int_equal(rig_drops(1, DROP_NO_BRIDGE_ENTRY), 21);
	assert_int_equal(rig_counters(1)->rx_packets, 64);
	assert_int_equal(rig_counters(2)->tx_packets, 22);
	assert_int_equal(rig_counters(3)->tx_packets, 21);
}

static void
entry_of_another_vrf_is_not_found(void **state)
{
	(void)state;
	rig_bridge(6, "02:00:00:00:00:09", 12);
	rig_put(1, 9, 60);
	rig_run();
	expect_drop(DROP_NO_BRIDGE_ENTRY, 1);
}

static void
a_flood_that_loses_some_copies_sends_the_others(void **state)
{
	(void)state;
	rig_vif(3, VRF, VIF_NO_PORT, MTU);
	rig_flood(40, 4, (uint32_t[]){11, 12, 13, 50});
	rig_bridge(VRF, "ff:ff:ff:ff:ff:ff", 40);
	rig_put_bytes(1, "\xff\xff\xff\xff\xff\xff..............", 20);
	rig_run();
	assert_int_equal(rig_count(2), 1);
	assert_int_equal(rig_drops(1, DROP_VIF_WITHOUT_PORT), 1);
	assert_int_equal(rig_drops(1, DROP_NO_NEXTHOP), 1);
}

static void
a_burst_of_broadcasts_reaches_sixteen_members(void **state)
{
	uint32_t members[NEXTHOP_MEMBERS_MAX];

	(void)state;
	for (uint32_t i = 0; i < NEXTHOP_MEMBERS_MAX; i++)
		members[i] = 12 + i % 2;
	rig_flood(40, NEXTHOP_MEMBERS_MAX, members);
	rig_bridge(VRF, "ff:ff:ff:ff:ff:ff", 40);
	for (int i = 0; i < 32; i++)
		rig_put_bytes(1, "\xff\xff\xff\xff\xff\xff..............", 20);
	rig_run();
	assert_int_equal(rig_count(2), 32 * 8);
	assert_int_equal(rig_count(3), 32 * 8);
	for (enum drop why = 0; why < DROPS; why++)
		assert_int_equal(rig_drops_all(why), 0);
}

static void
a_vif_may_move_to_another_port(void **state)
{
	(void)state;
	rig_put(1, 2, 60);
	rig_run();
	assert_int_equal(rig_count(2), 1);
	rig_vif(1, VRF, 4, MTU);
	rig_worker()->vifs_scanned_tsc = 0; /* or wait for 10 ms */
	rig_put(4, 2, 60);
	rig_put(1, 2, 60);
	rig_run();
	assert_int_equal(rig_count(2), 2);
	assert_int_equal(rig_drops_all(DROP_PORT_WITHOUT_VIF), 1);
}

static void
io_forward_sends_to_the_peer_and_decides_nothing(void **state)
{
	(void)state;
	rig_worker()->io_forward = true;
	rig_put(4, 9, 60);
	rig_put(5, 9, 60);
	rig_put(5, 9, 60);
	rig_run();
	assert_int_equal(rig_count(5), 1);
	assert_int_equal(rig_count(4), 2);
}

/* --- between slots ---------------------------------------------------------------------------- */

static void
packets_for_another_slots_queue_carry_what_it_needs(void **state)
{
	struct rte_mbuf *m = NULL;

	(void)state;
	rig_port_of_peer(2);
	rig_put(1, 2, 60);
	rig_run();
	assert_int_equal(rte_ring_sc_dequeue(rig_ring_to_peer(), (void **)&m), 0);
	assert_int_equal(pkt_meta(m)->next, PKT_NEXT_TX);
	assert_int_equal(pkt_meta(m)->in_vif, 1);
	assert_int_equal(pkt_meta(m)->out_vif, 2);
	assert_int_equal(pkt_meta(m)->out_port, 2);
	assert_int_equal(rig_counters(2)->tx_packets, 1);
	rte_pktmbuf_free(m);
}

static void
packets_from_another_slot_leave_and_their_losses_count_at_their_vif(void **state)
{
	(void)state;
	rig_port_room(2, 1);
	for (uint32_t i = 0; i < 4; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(rig_worker()->mbufs);

		assert_non_null(m);
		rte_pktmbuf_append(m, 60);
		pkt_meta(m)->in_vif = 3;
		pkt_meta(m)->next = PKT_NEXT_TX;
		pkt_meta(m)->out_port = i < 3 ? 2 : 60000;
		assert_int_equal(rte_ring_sp_enqueue(rig_ring_from_peer(), m), 0);
	}
	rig_run();
	assert_int_equal(rig_count(2), 1);
	assert_int_equal(rig_drops(3, DROP_TX_QUEUE_FULL), 2);
	assert_int_equal(rig_drops(3, DROP_VIF_WITHOUT_PORT), 1);
	assert_int_equal(rig_counters(2)->tx_packets, 0); /* the other slot counted it */
}

static void
packets_from_an_agent_are_received_by_their_ports(void **state)
{
	static const struct {
		uint16_t in_port, vif;
		uint8_t mac;
	} given[] = {{1, 1, 2}, {1, 1, 3}, {3, 3, 2}, {1, 1, 9}, {60000, 0, 2}, {3, 3, 1}};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(given); i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(rig_worker()->mbufs);

		assert_non_null(m);
		memset(rte_pktmbuf_append(m, 60), 0, 60);
		memcpy(rte_pktmbuf_mtod(m, void *), "\x02\0\0\0\0", 5);
		rte_pktmbuf_mtod(m, uint8_t *)[5] = given[i].mac;
		pkt_meta(m)->next = PKT_NEXT_INPUT;
		pkt_meta(m)->in_port = given[i].in_port;
		pkt_meta(m)->in_vif = UINT32_MAX;
		assert_int_equal(rte_ring_sp_enqueue(rig_ring_from_peer(), m), 0);
	}
	rig_port_room(1, 0);
	rig_run();
	assert_int_equal(rig_count(2), 2);
	assert_int_equal(rig_count(3), 1);
	assert_int_equal(rig_counters(1)->rx_packets, 3);
	assert_int_equal(rig_counters(3)->rx_packets, 2);
	assert_int_equal(rig_drops(1, DROP_NO_BRIDGE_ENTRY), 1);
	assert_int_equal(rig_drops(3, DROP_TX_QUEUE_FULL), 1);
	assert_int_equal(rig_drops_all(DROP_PORT_WITHOUT_VIF), 1);
}

/* --- taps ------------------------------------------------------------------------------------- */

struct tap_frame {
	struct virtio_net_hdr_mrg_rxbuf header;
	uint8_t bytes[70000];
};
static struct tap_frame in, out;

/* A TCP segment over IPv4 to 02:00:00:00:00:n, as a guest's stack hands it to its device. */
static uint32_t
tcp_frame(struct tap_frame *f, uint8_t n, uint32_t payload)
{
	static const uint8_t headers[54] = {
	    0x02, 0,    0,    0,    0, 0, 0x02, 0, 0,  0, 0, 1, 0x08, 0x00, /* Ethernet */
	    0x45, 0,    0,    0,    0, 0, 0x40, 0, 64, 6, 0, 0, 10,   0,
	    0,    1,    10,   0,    0, 2, /* IPv4 */
	    0x10, 0x00, 0x20, 0x00, 0, 0, 0,    1, 0,  0, 0, 1, 0x50, 0x10,
	    0xff, 0xff, 0x14, 0x1e, 0, 0};

	memset(&f->header, 0, sizeof(f->header));
	memcpy(f->bytes, headers, sizeof(headers));
	f->bytes[5] = n;
	for (uint32_t i = 0; i < payload; i++)
		f->bytes[sizeof(headers) + i] = (uint8_t)(i * 7 + i / 251);
	f->header.hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	f->header.hdr.csum_start = 34;
	f->header.hdr.csum_offset = 16;
	return (uint32_t)sizeof(headers) + payload;
}

static void
tap_put(uint32_t port, struct tap_frame *f, uint32_t len)
{
	size_t all = sizeof(f->header) + len;

	assert_int_equal(write(rig_tap(port), f, all), all);
}

static uint32_t
tap_take(uint32_t port, struct tap_frame *f)
{
	ssize_t n = read(rig_tap(port), f, sizeof(*f));

	return n < 0 ? 0 : (uint32_t)n - (uint32_t)sizeof(f->header);
}

static int
network_on_taps(void **state)
{
	network(state);
	rig_vif(6, VRF, 6, MTU);
	rig_vif(7, VRF, 7, MTU);
	rig_encap(16, 6);
	rig_encap(17, 7);
	rig_bridge(VRF, "02:00:00:00:00:06", 16);
	rig_bridge(VRF, "02:00:00:00:00:07", 17);
	return 0;
}

static void
a_partial_checksum_passes_from_tap_to_tap_untouched(void **state)
{
	uint32_t len = tcp_frame(&in, 7, 100);

	(void)state;
	tap_put(6, &in, len);
	rig_run();
	assert_int_equal(tap_take(7, &out), len);
	assert_memory_equal(&out.header.hdr, &in.header.hdr, 2);
	assert_int_equal(out.header.hdr.csum_start, 34);
	assert_int_equal(out.header.hdr.csum_offset, 16);
	assert_memory_equal(out.bytes, in.bytes, len);
}

static void
tso_frames_of_all_sizes_pass_from_tap_to_tap_untouched(void **state)
{
	static const uint32_t payloads[] = {1461, 1994, 1995, 1996, 4042, 4043, 20000, 65481};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(payloads); i++) {
		uint32_t len = tcp_frame(&in, 7, payloads[i]);

		in.header.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		in.header.hdr.gso_size = 1448;
		in.header.hdr.hdr_len = 54;
		tap_put(6, &in, len);
		rig_run();
		assert_int_equal(tap_take(7, &out), len);
		assert_int_equal(out.header.hdr.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
		assert_int_equal(out.header.hdr.gso_size, 1448);
		assert_int_equal(out.header.hdr.hdr_len, 54);
		assert_memory_equal(out.bytes, in.bytes, len);
	}
	assert_int_equal(rig_drops_all(DROP_MTU), 0);
}

static void
tso_frames_are_copied_by_a_flood(void **state)
{
	uint32_t len = tcp_frame(&in, 7, 40000);

	(void)state;
	in.header.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	in.header.hdr.gso_size = 1448;
	rig_flood(40, 3, (uint32_t[]){16, 17, 17});
	rig_bridge(VRF, "02:00:00:00:00:07", 40);
	tap_put(6, &in, len);
	rig_run();
	for (int i = 0; i < 2; i++) {
		memset(out.bytes, 0, sizeof(out.bytes));
		assert_int_equal(tap_take(7, &out), len);
		assert_memory_equal(out.bytes, in.bytes, len);
		assert_int_equal(out.header.hdr.gso_size, 1448);
	}
	assert_int_equal(tap_take(6, &out), 0);
}

static void
a_checksum_is_completed_for_a_port_that_cannot(void **state)
{
	const struct rig_frame *f;
	uint32_t len = tcp_frame(&in, 2, 3), sum;

	(void)state;
	tap_put(6, &in, len);
	rig_run();
	assert_true(rig_take(2, &f));
	assert_int_equal(f->len, len);
	assert_int_equal(f->ol_flags & RTE_MBUF_F_TX_L4_MASK, 0);
	/* The segment and its pseudo header, whose sum stood in the field, add up to 0xffff. */
	sum = 0x141e;
	for (uint32_t i = 34; i < len; i += 2)
		sum += (uint32_t)f->bytes[i] << 8 | (i + 1 < len ? f->bytes[i + 1] : 0);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	assert_int_equal(sum, 0xffff);
}

/* 5,000 bytes of payload in four packets, as a kernel that had no TSO would have made them. */
static void
a_tso_frame_is_cut_for_a_port_that_cannot(void **state)
{
	static const uint32_t payload[] = {1448, 1448, 1448, 656};
	const struct rig_frame *f;
	uint32_t len = tcp_frame(&in, 2, 5000), at = 0;

	(void)state;
	in.header.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	in.header.hdr.gso_size = 1448;
	tap_put(6, &in, len);
	rig_run();
	assert_int_equal(rig_count(2), RTE_DIM(payload));
	for (size_t k = 0; k < RTE_DIM(payload); k++) {
		assert_true(rig_take(2, &f));
		assert_int_equal(f->len, 54 + payload[k]);
		assert_int_equal(f->bytes[16] << 8 | f->bytes[17], 40 + payload[k]);
		assert_memory_equal(f->bytes + 54, in.bytes + 54 + at, payload[k]);
		assert_int_equal(f->ol_flags & OFFLOAD_WISHES, 0);
		at += payload[k];
	}
	assert_int_equal(rig_drops_all(DROP_MTU), 0);
}

static void
a_tso_frame_whose_segments_are_too_long_is_dropped(void **state)
{
	uint32_t len = tcp_frame(&in, 2, 5000);

	(void)state;
	in.header.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	in.header.hdr.gso_size = 1461;
	tap_put(6, &in, len);
	rig_run();
	assert_int_equal(rig_count(2), 0);
	assert_int_equal(rig_drops(6, DROP_MTU), 1);
}

static void
a_tso_frame_without_mbufs_for_its_segments_is_counted(void **state)
{
	uint32_t len = tcp_frame(&in, 2, 60000);

	(void)state;
	in.header.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	in.header.hdr.gso_size = 1448;
	tap_put(6, &in, len);
	rig_pool_drain(80);
	rig_run();
	assert_int_equal(rig_drops(6, DROP_NO_MBUF), 1);
	rig_pool_refill();
}

/* What arrives at a guest's agent of one TSO frame, by what the guest has agreed to take. */
static void
a_guest_gets_what_it_agreed_to(void **state)
{
	const uint64_t csum = UINT64_C(1) << VIRTIO_NET_F_GUEST_CSUM;
	const uint64_t tso4 = UINT64_C(1) << VIRTIO_NET_F_GUEST_TSO4;
	const uint64_t tso6 = UINT64_C(1) << VIRTIO_NET_F_GUEST_TSO6;
	const struct {
		uint64_t features;
		uint16_t segment; /* 0: no TSO */
		uint32_t packets;
		uint64_t wishes;
	} cases[] = {
	    {csum | tso4 | tso6, 1448, 1, RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM},
	    {csum | tso6, 1448, 3, 0},
	    {csum, 0, 1, RTE_MBUF_F_TX_TCP_CKSUM},
	    {0, 0, 1, 0},
	    {0, 1448, 3, 0},
	};
	struct rte_mbuf *m;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint32_t len = tcp_frame(&in, 2, cases[i].segment != 0 ? 4000 : 400), n = 0;

		rig_port_of_guest(2, cases[i].features);
		if (cases[i].segment != 0) {
			in.header.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
			in.header.hdr.gso_size = cases[i].segment;
		}
		tap_put(6, &in, len);
		rig_run();
		for (; rte_ring_sc_dequeue(rig_ring_to_peer(), (void **)&m) == 0; n++) {
			assert_int_equal(m->ol_flags & OFFLOAD_WISHES, cases[i].wishes);
			rte_pktmbuf_free(m);
		}
		assert_int_equal(n, cases[i].packets);
	}
}

static void
a_verified_checksum_stays_verified(void **state)
{
	uint32_t len = tcp_frame(&in, 7, 10);

	(void)state;
	memset(&in.header, 0, sizeof(in.header));
	in.header.hdr.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	tap_put(6, &in, len);
	rig_run();
	assert_int_equal(tap_take(7, &out), len);
	assert_int_equal(out.header.hdr.flags, VIRTIO_NET_HDR_F_DATA_VALID);
}

static void
frames_wait_in_the_tap_while_the_pool_is_dry(void **state)
{
	uint32_t len = tcp_frame(&in, 7, 10);

	(void)state;
	rig_pool_drain(0);
	tap_put(6, &in, len);
	rig_run();
	assert_int_equal(tap_take(7, &out), 0);
	rig_pool_refill();
	rig_run();
	assert_int_equal(tap_take(7, &out), len);
}

static void
a_frame_for_which_mbufs_are_too_few_is_counted(void **state)
{
	uint32_t len = tcp_frame(&in, 7, 20000);

	(void)state;
	rig_pool_drain(4);
	in.header.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	in.header.hdr.gso_size = 1448;
	tap_put(6, &in, len);
	in.header.hdr.gso_type = 0;
	tap_put(6, &in, 60);
	rig_run();
	assert_int_equal(tap_take(7, &out), 60);
	assert_int_equal(tap_take(7, &out), 0);
	assert_int_equal(rig_drops_all(DROP_NO_MBUF), 1);
	rig_pool_refill();
}

/* A TCP segment to be routed, to guest 7 on a tap; its length. */
static uint32_t
routed_tcp_frame(struct tap_frame *f, uint32_t payload)
{
	uint32_t len = tcp_frame(f, 0, payload), total = len - ETHER;

	memcpy(f->bytes, RIG_ROUTER_MAC, 6);
	f->bytes[ETHER + 2] = (uint8_t)(total >> 8);
	f->bytes[ETHER + 3] = (uint8_t)total;
	memcpy(f->bytes + ETHER + 16, "\x0a\x07\0\x02", 4);
	checksum_set(f->bytes, IP4);
	if (payload > 1460) {
		f->header.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		f->header.hdr.gso_size = 1448;
		f->header.hdr.hdr_len = 54;
	}
	return len;
}

static void
tso_frames_are_routed_from_tap_to_tap_with_their_wishes(void **state)
{
	static const uint32_t payloads[] = {100, 1461, 1994, 4042, 20000, 65481};
	static const struct {
		const char *bytes;
		uint16_t len;
	} headers[] = {{TO_2_INET, 14}, {TO_2_VLAN, 18}};

	(void)state;
	rig_route(VRF, "10.7.0.0", 16, 27);
	rig_vif(7, VRF, 7, MTU + 4);
	for (size_t i = 0; i < RTE_DIM(headers) * RTE_DIM(payloads); i++) {
		uint32_t payload = payloads[i % RTE_DIM(payloads)];
		uint16_t l2 = headers[i / RTE_DIM(payloads)].len;
		uint32_t len = routed_tcp_frame(&in, payload);

		rig_rewrite(27, NEXTHOP_FAMILY_INET, 7, headers[i / RTE_DIM(payloads)].bytes, l2);
		tap_put(6, &in, len);
		rig_run();
		assert_int_equal(tap_take(7, &out), len + l2 - ETHER);
		assert_int_equal(out.header.hdr.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(out.header.hdr.gso_type, in.header.hdr.gso_type);
		assert_int_equal(out.header.hdr.gso_size, in.header.hdr.gso_size);
		assert_int_equal(out.header.hdr.csum_start, l2 + IP4);
		assert_int_equal(out.header.hdr.csum_offset, 16);
		if (payload > 1460)
			assert_int_equal(out.header.hdr.hdr_len, l2 + IP4 + 20);
		assert_int_equal(out.bytes[l2 + 8], 63);
		assert_int_equal(sum_of(out.bytes + l2, IP4), 0xffff);
		assert_memory_equal(out.bytes + l2 + IP4, in.bytes + ETHER + IP4,
				    len - ETHER - IP4);
	}
}

static void
a_checksum_is_completed_behind_a_longer_header(void **state)
{
	uint32_t len = routed_tcp_frame(&in, 4), sum;
	const struct rig_frame *f;

	(void)state;
	rig_route(VRF, "10.7.0.0", 16, 27);
	rig_rewrite(27, NEXTHOP_FAMILY_INET, 2, TO_2_VLAN, 18);
	tap_put(6, &in, len);
	rig_run();
	assert_true(rig_take(2, &f));
	assert_int_equal(f->len, len + 4);
	assert_int_equal(f->ol_flags & RTE_MBUF_F_TX_L4_MASK, 0);
	sum = 0x141e + (uint32_t)sum_of(f->bytes + 18 + IP4, 24);
	assert_int_equal((sum >> 16) + (sum & 0xffff), 0xffff);
}

#define TEST(function)                                                 \
	{                                                              \
#function, function, network, nothing_is_missing, NULL \
	}
#define TAP_TEST(function)                                                     \
	{                                                                      \
#function, function, network_on_taps, nothing_is_missing, NULL \
	}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
#undef DROP /* of verdict.h */
#define DROP(NAME, name, text) {"drop " name, drop_##NAME, network, nothing_is_missing, NULL},
#include "common/drops.def"
#undef DROP
#define NEXTHOP_TYPE(NAME, name, text) \
	{"nexthop " name, nexthop_##NAME, network, nothing_is_missing, NULL},
#include "common/nexthop_types.def"
#undef NEXTHOP_TYPE
	    TEST(a_routed_packet_gets_the_nexthops_header_and_loses_a_hop),
	    TEST(the_longest_prefix_decides),
	    TEST(a_default_route_is_for_what_no_other_is_for),
	    TEST(the_checksum_is_right_after_every_ttl),
	    TEST(a_checksum_whose_update_carries_is_right),
	    TEST(options_pass_untouched),
	    TEST(a_port_that_checked_the_checksum_is_believed),
	    TEST(what_is_for_the_router_and_no_ip_is_bridged),
	    TEST(ip_between_guests_is_bridged),
	    TEST(bridged_and_routed_packets_of_one_burst_keep_their_order),
	    TEST(a_routed_packet_may_go_back_where_it_came_from),
	    TEST(a_longer_header_takes_headroom),
	    TEST(chained_packets_are_routed_whole),
	    TEST(packets_of_one_burst_part_and_keep_their_order),
	    TEST(dropped_packets_are_kept_with_reason_stage_and_first_bytes),
	    TEST(a_packet_that_its_port_does_not_take_is_kept),
	    TEST(a_full_ring_is_told_by_the_slot_it_leads_to),
	    TEST(the_fullest_ring_is_remembered_until_somebody_asks_anew),
	    TEST(entry_of_another_vrf_is_not_found),
	    TEST(a_flood_that_loses_some_copies_sends_the_others),
	    TEST(a_burst_of_broadcasts_reaches_sixteen_members),
	    TEST(a_vif_may_move_to_another_port),
	    TEST(io_forward_sends_to_the_peer_and_decides_nothing),
	    TEST(packets_for_another_slots_queue_carry_what_it_needs),
	    TEST(packets_from_another_slot_leave_and_their_losses_count_at_their_vif),
	    TEST(packets_from_an_agent_are_received_by_their_ports),
	    TEST(both_directions_of_a_flow_are_counted_apart),
	    TEST(a_routed_packet_makes_a_flow),
	    TEST(answers_pass_where_nothing_may_begin),
	    TEST(rules_of_the_vif_it_leaves_by_count_too),
	    TEST(the_first_rule_that_matches_decides),
	    TEST(a_change_of_rules_is_heeded_by_established_flows),
	    TEST(what_was_denied_one_way_may_begin_the_other),
	    TEST(icmp_echo_is_one_flow_and_errors_belong_to_theirs),
	    TEST(packets_to_groups_make_no_flow),
	    TEST(packets_of_a_flow_that_come_to_two_slots_are_counted_exactly),
	    TEST(headers_in_several_segments_make_the_same_flow),
	    TEST(ipv6_behind_extension_headers_makes_a_flow),
	    TAP_TEST(a_partial_checksum_passes_from_tap_to_tap_untouched),
	    TAP_TEST(tso_frames_of_all_sizes_pass_from_tap_to_tap_untouched),
	    TAP_TEST(tso_frames_are_copied_by_a_flood),
	    TAP_TEST(a_checksum_is_completed_for_a_port_that_cannot),
	    TAP_TEST(a_tso_frame_is_cut_for_a_port_that_cannot),
	    TAP_TEST(a_tso_frame_whose_segments_are_too_long_is_dropped),
	    TAP_TEST(a_tso_frame_without_mbufs_for_its_segments_is_counted),
	    TAP_TEST(a_guest_gets_what_it_agreed_to),
	    TAP_TEST(a_verified_checksum_stays_verified),
	    TAP_TEST(tso_frames_are_routed_from_tap_to_tap_with_their_wishes),
	    TAP_TEST(a_checksum_is_completed_behind_a_longer_header),
	    TAP_TEST(frames_wait_in_the_tap_while_the_pool_is_dry),
	    TAP_TEST(a_frame_for_which_mbufs_are_too_few_is_counted),
	};

	if (rig_eal() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL) + host_cases_run() + tunnel_cases_run() +
	       text_cases_run();
}

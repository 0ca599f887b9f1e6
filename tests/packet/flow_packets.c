/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows, packet by packet. The network is packet_test.c's, with the policy flag on vif 1, whose
 * flows are known by nexthop 11, and vif 2's by 12. Guest n has 10.0.0.n and fd00::n.
 */
#include "tests/packet/flow_packets.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ring.h>

#include "common/flow.h"
#include "common/pkt.h"
#include "fwd-worker/parse.h"
#include "tests/packet/rig.h"

enum { VRF = 5, UDP = 17, TCP = 6, ICMP = 1, SYN = 2, ACK = 16 };
enum { ETHER = 14, IP = 20, LEN = 80 };

struct frame {
	uint8_t b[LEN];
};

static void
checksum_set(uint8_t *ip)
{
	uint32_t sum = 0;

	ip[10] = ip[11] = 0;
	for (int i = 0; i < IP; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	while (sum > 0xffff)
		sum = (sum >> 16) + (sum & 0xffff);
	ip[10] = (uint8_t)(~sum >> 8);
	ip[11] = (uint8_t)~sum;
}

/* From guest to guest, to the other's MAC. */
static struct frame
frame4(uint8_t from, uint8_t to, uint8_t protocol, uint16_t source_port, uint16_t port)
{
	struct frame f = {{2,
			   0,
			   0,
			   0,
			   0,
			   to,
			   2,
			   0,
			   0,
			   0,
			   0,
			   from,
			   8,
			   0,
			   0x45,
			   0,
			   0,
			   LEN - ETHER,
			   0,
			   0,
			   0,
			   0,
			   64,
			   protocol,
			   0,
			   0,
			   10,
			   0,
			   0,
			   from,
			   10,
			   0,
			   0,
			   to,
			   (uint8_t)(source_port >> 8),
			   (uint8_t)source_port,
			   (uint8_t)(port >> 8),
			   (uint8_t)port}};

	checksum_set(&f.b[ETHER]);
	return f;
}

static void
put(uint32_t port, struct frame f)
{
	rig_put_bytes(port, f.b, LEN);
	rig_run();
}

static void
policy_on(void)
{
	rig_vif_flags(1, VIF_FLAG_POLICY, 11);
	rig_vif_flags(2, 0, 12);
}

static void
expect_drop(enum drop why, uint64_t n)
{
	for (enum drop d = 0; d < DROPS; d++)
		assert_int_equal(rig_drops_all(d), d == why ? n : 0);
}

/* The entry of a frame that came in by a vif known by this nexthop, or NULL. */
static struct flow_entry *
entry_of(struct frame f, uint32_t nexthop)
{
	struct flow_key k = {.source_port_be = (uint16_t)(f.b[34] | f.b[35] << 8),
			     .destination_port_be = (uint16_t)(f.b[36] | f.b[37] << 8),
			     .nexthop_protocol = nexthop << 8 | f.b[23]};
	uint32_t entry;

	flow_key_set_ipv4(k.source, &f.b[26]);
	flow_key_set_ipv4(k.destination, &f.b[30]);
	entry = flow_lookup(rig_flows(), &k);
	return entry != FLOW_NONE ? flow_entry(rig_flows(), entry) : NULL;
}

void
drop_FLOW_DENIED(void **state)
{
	struct frame f = frame4(1, 2, UDP, 1000, 53);

	(void)state;
	policy_on();
	rig_rule(1, 10, RULE_INGRESS, UDP, 53, false);
	put(1, f);
	put(1, f);
	expect_drop(DROP_FLOW_DENIED, 2);
	assert_int_equal(rig_drops(1, DROP_FLOW_DENIED), 2);
	assert_int_equal(entry_of(f, 11)->packets, 2);
	assert_int_equal(flow_action_load(entry_of(f, 11)).verdict, FLOW_DROP);
}

void
drop_FLOW_TABLE_FULL(void **state)
{
	enum { FLOWS = 64, MORE = 3 };

	(void)state;
	policy_on();
	for (uint16_t i = 0; i < FLOWS + MORE; i++)
		put(1, frame4(1, 2, UDP, i, 53));
	expect_drop(DROP_FLOW_TABLE_FULL, MORE);
	put(1, frame4(1, 2, UDP, 5, 53)); /* established ones go on */
	expect_drop(DROP_FLOW_TABLE_FULL, MORE);
	assert_int_equal(rig_count(2), FLOWS + 1);
	assert_int_equal(flow_used(rig_flows()), FLOWS);
}

void
drop_NEW_FLOWS(void **state)
{
	(void)state;
	policy_on();
	put(1, frame4(1, 2, UDP, 1000, 53));
	rig_vif_flags(1, VIF_FLAG_POLICY | VIF_FLAG_DROP_NEW_FLOWS, 11);
	put(1, frame4(1, 2, UDP, 1000, 53));
	put(1, frame4(1, 2, UDP, 1001, 53));
	expect_drop(DROP_NEW_FLOWS, 1);
	assert_int_equal(rig_count(2), 2);
}

void
drop_FRAGMENT(void **state)
{
	struct frame head = frame4(1, 2, UDP, 1000, 53), rest = head;

	(void)state;
	head.b[ETHER + 6] = 0x20; /* more fragments */
	rest.b[ETHER + 7] = 8;
	policy_on();
	put(1, head);
	put(1, rest);
	assert_int_equal(rig_count(2), 2); /* there is no rule to break */
	assert_int_equal(flow_used(rig_flows()), 1);
	rig_rule(1, 10, RULE_INGRESS, UDP, 54, false);
	put(1, head);
	put(1, rest);
	expect_drop(DROP_FRAGMENT, 1);
	assert_int_equal(rig_count(2), 3);
}

void
drop_BAD_L4_HEADER(void **state)
{
	struct frame f = frame4(1, 2, TCP, 1000, 53);

	(void)state;
	policy_on();
	f.b[ETHER + 3] = IP + 13; /* its TCP header ends before the flags */
	put(1, f);
	f.b[ETHER + 3] = LEN; /* longer than the frame */
	put(1, f);
	f.b[ETHER + 3] = IP;
	put(1, f);
	rig_put_bytes(1, f.b, ETHER + IP - 1);
	rig_run();
	expect_drop(DROP_BAD_L4_HEADER, 4);
	assert_int_equal(flow_used(rig_flows()), 0);
}

void
drop_FLOW_WITHOUT_NEXTHOP(void **state)
{
	(void)state;
	policy_on();
	rig_vif_flags(1, VIF_FLAG_POLICY, NEXTHOP_NONE);
	put(1, frame4(1, 2, UDP, 1000, 53));
	expect_drop(DROP_FLOW_WITHOUT_NEXTHOP, 1);
}

void
both_directions_of_a_flow_are_counted_apart(void **state)
{
	struct frame there = frame4(1, 2, TCP, 1000, 80), back = frame4(2, 1, TCP, 80, 1000);
	struct flow_entry *e;

	(void)state;
	policy_on();
	there.b[47] = SYN;
	put(1, there);
	back.b[47] = SYN | ACK;
	put(2, back);
	there.b[47] = ACK;
	put(1, there);
	e = entry_of(there, 11);
	assert_non_null(e);
	assert_ptr_equal(entry_of(back, 12), e + 1);
	assert_int_equal(e[0].packets, 2);
	assert_int_equal(e[0].bytes, 2 * LEN);
	assert_int_equal(e[1].packets, 1);
	assert_int_equal(e[1].bytes, LEN);
	assert_int_equal(flow_seen_load(&e[0]).tcp, FLOW_TCP_SYN | FLOW_TCP_ACK);
	assert_int_equal(flow_seen_load(&e[1]).tcp, FLOW_TCP_SYN | FLOW_TCP_ACK);
	assert_int_equal(flow_seen_load(&e[0]).vif, 1);
	assert_int_equal(flow_seen_load(&e[1]).vif, 2);
	assert_int_equal(rig_count(2), 2);
	assert_int_equal(rig_count(1), 1);
	expect_drop(DROP_RUNT, 0);
}

void
a_routed_packet_makes_a_flow(void **state)
{
	struct frame f = frame4(1, 2, UDP, 1000, 53);

	(void)state;
	policy_on();
	memcpy(f.b, RIG_ROUTER_MAC, 6);
	rig_rewrite(21, NEXTHOP_FAMILY_INET, 2, "\x02\0\0\0\0\x02\0\0\x5e\0\x01\0\x08\0", 14);
	rig_route(VRF, "10.0.0.2", 32, 21);
	put(1, f);
	assert_int_equal(rig_count(2), 1);
	assert_int_equal(entry_of(f, 11)->packets, 1);
	assert_int_equal(flow_seen_load(entry_of(f, 11) + 1).vif, 2);
}

/* Guest 1 may begin what it likes, and nobody may begin anything with it. */
void
answers_pass_where_nothing_may_begin(void **state)
{
	(void)state;
	policy_on();
	rig_rule(1, 10, RULE_EGRESS, 0, 0, false);
	put(2, frame4(2, 1, UDP, 53, 1000));
	expect_drop(DROP_FLOW_DENIED, 1);
	put(1, frame4(1, 2, UDP, 1001, 53));
	put(2, frame4(2, 1, UDP, 53, 1001));
	expect_drop(DROP_FLOW_DENIED, 1);
	assert_int_equal(rig_count(1), 1);
	assert_int_equal(rig_count(2), 1);
}

void
rules_of_the_vif_it_leaves_by_count_too(void **state)
{
	(void)state;
	policy_on();
	rig_vif_flags(2, VIF_FLAG_POLICY, 12);
	rig_rule(2, 10, RULE_EGRESS, TCP, 22, false);
	rig_rule(2, 20, RULE_INGRESS, TCP, 0, false); /* not asked for what goes to the guest */
	put(1, frame4(1, 2, TCP, 1000, 22));
	put(1, frame4(1, 2, TCP, 1000, 23));
	expect_drop(DROP_FLOW_DENIED, 1);
	assert_int_equal(rig_count(2), 1);
}

void
the_first_rule_that_matches_decides(void **state)
{
	(void)state;
	policy_on();
	rig_rule(1, 20, RULE_INGRESS, UDP, 0, false);
	rig_rule(1, 10, RULE_INGRESS, UDP, 53, true);
	put(1, frame4(1, 2, UDP, 1000, 53));
	put(1, frame4(1, 2, UDP, 1000, 54));
	put(1, frame4(1, 2, TCP, 1000, 54));
	expect_drop(DROP_FLOW_DENIED, 1);
	assert_int_equal(rig_count(2), 2);
}

void
a_change_of_rules_is_heeded_by_established_flows(void **state)
{
	struct frame there = frame4(1, 2, UDP, 1000, 53), back = frame4(2, 1, UDP, 53, 1000);

	(void)state;
	policy_on();
	put(1, there);
	put(2, back);
	rig_rule(1, 10, RULE_INGRESS, UDP, 53, false);
	put(1, there);
	rig_rule(1, 20, RULE_EGRESS, 0, 0, false);
	put(2, back);
	expect_drop(DROP_FLOW_DENIED, 2);
	rig_rule(1, 10, RULE_INGRESS, UDP, 53, true);
	put(1, there);
	put(2, back);
	expect_drop(DROP_FLOW_DENIED, 2);
	assert_int_equal(flow_used(rig_flows()), 1);
	assert_int_equal(entry_of(there, 11)->packets, 3);
}

void
what_was_denied_one_way_may_begin_the_other(void **state)
{
	struct frame there = frame4(1, 2, UDP, 123, 123), back = frame4(2, 1, UDP, 123, 123);

	(void)state;
	policy_on();
	rig_rule(1, 10, RULE_INGRESS, UDP, 123, false);
	put(1, there);
	expect_drop(DROP_FLOW_DENIED, 1);
	put(2, back);
	put(1, there); /* an answer now */
	expect_drop(DROP_FLOW_DENIED, 1);
	assert_int_equal(rig_count(1), 1);
	assert_int_equal(rig_count(2), 1);
	assert_int_equal(flow_used(rig_flows()), 1);
}

void
icmp_echo_is_one_flow_and_errors_belong_to_theirs(void **state)
{
	struct frame ping = frame4(1, 2, ICMP, 0x0800, 0), pong = frame4(2, 1, ICMP, 0, 0);
	struct frame udp = frame4(1, 2, UDP, 1000, 53), error = frame4(2, 1, ICMP, 0x0303, 0);

	(void)state;
	policy_on();
	rig_rule(1, 10, RULE_EGRESS, 0, 0, false);
	ping.b[38] = pong.b[38] = 7; /* the identifier */
	put(1, ping);
	put(2, pong);
	assert_int_equal(rig_count(1), 1);
	put(1, udp);
	memcpy(&error.b[ETHER + IP + 8], &udp.b[ETHER], IP + 8);
	put(2, error);
	assert_int_equal(rig_count(1), 2);
	assert_int_equal(entry_of(udp, 11)[1].packets, 1);
	assert_int_equal(flow_used(rig_flows()), 2);
	/* about nothing that there is; and about another error */
	error.b[ETHER + IP + 8 + IP] ^= 1;
	put(2, error);
	expect_drop(DROP_FLOW_DENIED, 1);
	error.b[ETHER + IP + 8 + 9] = ICMP;
	error.b[ETHER + IP + 8 + IP] = 3;
	put(2, error);
	assert_int_equal(rig_drops_all(DROP_BAD_L4_HEADER), 1);
	assert_int_equal(flow_used(rig_flows()), 2);
}

void
packets_to_groups_make_no_flow(void **state)
{
	struct frame f = frame4(1, 2, UDP, 1000, 53);

	(void)state;
	policy_on();
	rig_rule(1, 10, RULE_INGRESS, 0, 0, false);
	f.b[ETHER + 16] = 224; /* 224.0.0.2 */
	put(1, f);
	f = frame4(1, 2, UDP, 1000, 53);
	f.b[12] = 0x81; /* a VLAN tag */
	put(1, f);
	assert_int_equal(rig_count(2), 2);
	assert_int_equal(flow_used(rig_flows()), 0);
}

/*
 * The worker plays two slots in turn, which hand one another what is not theirs; the flow's own
 * packets alternate between them.
 */
void
packets_of_a_flow_that_come_to_two_slots_are_counted_exactly(void **state)
{
	enum { PACKETS = 200 };
	struct worker *w = rig_worker();
	struct rte_ring *to_peer = w->mesh[RIG_PEER_SLOT];
	const struct rig_frame *out;

	(void)state;
	policy_on();
	for (uint32_t i = 0; i < PACKETS; i++) {
		struct frame f = frame4(1, 2, UDP, 1000, 53);
		bool peers = i % 2 == 1;

		f.b[LEN - 1] = (uint8_t)i;
		w->slot_index = peers ? RIG_PEER_SLOT : 0;
		w->mesh[0] = peers ? rig_ring_from_peer() : NULL;
		w->mesh[RIG_PEER_SLOT] = peers ? NULL : to_peer;
		w->n_rings = 0;
		put(1, f);
		if (!peers)
			continue;
		assert_int_equal(rig_count(2), i); /* the first slot still has to take it */
		w->slot_index = 0;
		w->n_rings = 1;
		rig_run();
	}
	assert_int_equal(rig_count(2), PACKETS);
	for (uint32_t i = 0; i < PACKETS; i++) {
		assert_true(rig_take(2, &out));
		assert_int_equal(out->bytes[LEN - 1], (uint8_t)i);
	}
	assert_int_equal(flow_used(rig_flows()), 1);
	assert_int_equal(entry_of(frame4(1, 2, UDP, 1000, 53), 11)->packets, PACKETS);
	assert_int_equal(entry_of(frame4(1, 2, UDP, 1000, 53), 11)->bytes, PACKETS * LEN);
	assert_int_equal(flow_slot(rig_flows(), RIG_PEER_SLOT)->handed, PACKETS / 2);
	assert_int_equal(rig_counters(1)->rx_packets, PACKETS);
	assert_int_equal(rig_counters(2)->tx_packets, PACKETS);
	w->mesh[0] = NULL;
	w->mesh[RIG_PEER_SLOT] = to_peer;
}

/* A packet as a chain of segments of so many bytes. */
static struct rte_mbuf *
chain_of(const uint8_t *bytes, uint32_t len, uint32_t each)
{
	struct rte_mbuf *first = NULL;

	for (uint32_t at = 0; at < len; at += each) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(rig_worker()->mbufs);
		uint32_t n = len - at < each ? len - at : each;

		memcpy(rte_pktmbuf_append(m, (uint16_t)n), bytes + at, n);
		if (first == NULL)
			first = m;
		else
			assert_int_equal(rte_pktmbuf_chain(first, m), 0);
	}
	return first;
}

void
headers_in_several_segments_make_the_same_flow(void **state)
{
	struct frame f = frame4(1, 2, TCP, 1000, 80);
	struct parsed whole, pieces;
	struct rte_mbuf *m;

	(void)state;
	f.b[47] = SYN;
	m = chain_of(f.b, LEN, LEN);
	memset(&whole, 0, sizeof(whole));
	parse_packet(m, ETHER, PARSE_IPV4, &whole);
	rte_pktmbuf_free(m);
	assert_int_equal(whole.kind, PARSE_FLOW);
	assert_int_equal(whole.tcp, SYN);
	for (uint32_t each = 1; each < LEN; each++) {
		m = chain_of(f.b, LEN, each);
		memset(&pieces, 0, sizeof(pieces));
		parse_packet(m, ETHER, PARSE_IPV4, &pieces);
		assert_memory_equal(&pieces, &whole, sizeof(whole));
		rte_pktmbuf_free(m);
	}
}

void
ipv6_behind_extension_headers_makes_a_flow(void **state)
{
	/* hop-by-hop options, a fragment's head, UDP */
	static const uint8_t packet[] = {
	    2, 0,  0,    0, 0, 2, 2, 0, 0, 0, 0, 1,    0x86, 0xdd, 0x60, 0, 0, 0, 0,    24,
	    0, 64, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0,    0,    0,    0, 0, 1, 0xfd, 0,
	    0, 0,  0,    0, 0, 0, 0, 0, 0, 0, 0, 0,    0,    2,    44,   0, 1, 4, 0,    0,
	    0, 0,  17,   0, 0, 1, 0, 0, 0, 9, 3, 0xe8, 0,    53,   0,    8, 0, 0};
	struct flow_key key;

	(void)state;
	policy_on();
	rig_put_bytes(1, packet, sizeof(packet));
	rig_run();
	assert_int_equal(rig_count(2), 1);
	assert_int_equal(flow_used(rig_flows()), 1);
	key = flow_key_of(rig_flows(), 0);
	assert_int_equal(flow_key_protocol(&key), UDP);
	assert_int_equal(ntohs(key.source_port_be), 1000);
	assert_int_equal(ntohs(key.destination_port_be), 53);
	assert_false(flow_key_is_ipv4(&key));
	assert_memory_equal(key.source, &packet[ETHER + 8], 16);
}

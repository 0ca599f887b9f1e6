/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "common/offload.h"
#include "common/test_eal.h"

#include <rte_mempool.h>

static struct rte_mempool *pool;

static int
make_pool(void **state)
{
	struct handshake *hs;

	(void)state;
	if (test_eal_start(NULL, NULL, &hs) < 0)
		return -1;
	pool = hs->pools[0];
	return 0;
}

/* RFC 1071, by the book: 'sum' and the bytes as 16-bit words, odd ones padded. */
static uint32_t
added(const uint8_t *p, uint32_t len, uint32_t sum)
{
	for (uint32_t i = 0; i < len; i += 2)
		sum += (uint32_t)p[i] << 8 | (i + 1 < len ? p[i + 1] : 0);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

enum { ETH = 14, IP4 = 20, IP6 = 40, TCP = 32, VXLAN = 16, GRE_MPLS = 8 };
enum { CWR = 0x80, ACK = 0x10, PSH = 0x08, FIN = 0x01 };

struct shape {
	const char *name;
	uint32_t outer; /* bytes of outer Ethernet and IPv4 */
	uint32_t l2;    /* from there to the inner IP */
	uint32_t l3;
	uint64_t flags;
};
static const struct shape shapes[] = {
    {"IPv4", 0, ETH, IP4, RTE_MBUF_F_TX_IPV4},
    {"IPv6", 0, ETH, IP6, RTE_MBUF_F_TX_IPV6},
    {"IPv4 in VXLAN", ETH + IP4, VXLAN + ETH, IP4, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TUNNEL_VXLAN},
    {"IPv6 in VXLAN", ETH + IP4, VXLAN + ETH, IP6, RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TUNNEL_VXLAN},
    {"IPv4 in MPLS in GRE", ETH + IP4, GRE_MPLS, IP4,
     RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TUNNEL_GRE},
};

static uint8_t frame[70000], back[70000];

static uint32_t
frame_fill(const struct shape *s, uint32_t payload)
{
	uint32_t l3 = s->outer + s->l2, l4 = l3 + s->l3, len = l4 + TCP + payload;

	for (uint32_t i = 0; i < len; i++)
		frame[i] = (uint8_t)(i * 13 + i / 250);
	if (s->outer != 0) {
		memcpy(frame + 12, "\x08\x00\x45\x00\x00\x00\xff\xff\x40\x00\x40\x11", 12);
		frame[24] = frame[25] = 0;
	}
	if (s->l3 == IP4) {
		memcpy(frame + l3, "\x45\x00\x00\x00\x00\x07\x40\x00\x40\x06\x00\x00", 12);
	} else {
		memset(frame + l3, 0, 8);
		frame[l3] = 0x60;
		frame[l3 + 6] = 6;
	}
	memcpy(frame + l4 + 4, "\xff\xff\xff\xf0", 4);
	frame[l4 + 12] = TCP / 4 << 4;
	frame[l4 + 13] = CWR | ACK | PSH | FIN;
	return len;
}

/* In mbufs of the pool, headers in the first. */
static struct rte_mbuf *
frame_mbuf(const struct shape *s, uint32_t len, uint16_t segsz)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	for (uint32_t at = 0; at < len;) {
		struct rte_mbuf *piece = at == 0 ? m : rte_pktmbuf_alloc(pool);
		uint32_t n = RTE_MIN(len - at, 1000u);

		assert_non_null(piece);
		memcpy(rte_pktmbuf_append(piece, (uint16_t)n), frame + at, n);
		if (at != 0)
			assert_int_equal(rte_pktmbuf_chain(m, piece), 0);
		at += n;
	}
	if (s->outer != 0) {
		m->outer_l2_len = ETH;
		m->outer_l3_len = IP4;
	}
	m->l2_len = s->l2 & 0x7f;
	m->l3_len = s->l3 & 0x1ff;
	m->l4_len = TCP;
	m->tso_segsz = segsz;
	m->ol_flags = s->flags | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM;
	return m;
}

static uint32_t
at16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

/* Segment k of n, with the payload's bytes [from, from + len). */
static void
check_segment(const struct shape *s, const uint8_t *p, uint32_t total, uint32_t k, uint32_t n,
	      uint32_t from, uint32_t len)
{
	uint32_t l3 = s->outer + s->l2, l4 = l3 + s->l3;
	uint8_t flags = ACK;
	uint32_t sum;

	assert_int_equal(total, l4 + TCP + len);
	assert_memory_equal(p + l4 + TCP, frame + l4 + TCP + from, len);
	if (s->outer != 0) {
		assert_int_equal(at16(p + 16), total - ETH);
		assert_int_equal(at16(p + 18), (0xffff + k) & 0xffff);
		assert_int_equal(added(p + ETH, IP4, 0), 0xffff);
		if ((s->flags & RTE_MBUF_F_TX_TUNNEL_MASK) == RTE_MBUF_F_TX_TUNNEL_VXLAN)
			assert_int_equal(at16(p + ETH + IP4 + 4), total - ETH - IP4);
	}
	if (s->l3 == IP4) {
		assert_int_equal(at16(p + l3 + 2), IP4 + TCP + len);
		assert_int_equal(at16(p + l3 + 4), 7 + k);
		assert_int_equal(added(p + l3, IP4, 0), 0xffff);
		sum = added(p + l3 + 12, 8, 6 + TCP + len);
	} else {
		assert_int_equal(at16(p + l3 + 4), TCP + len);
		sum = added(p + l3 + 8, 32, 6 + TCP + len);
	}
	assert_int_equal(added(p + l4, TCP + len, sum), 0xffff);
	assert_int_equal(at16(p + l4 + 4) << 16 | at16(p + l4 + 6), 0xfffffff0u + from);
	flags |= k == 0 ? CWR : 0;
	flags |= k == n - 1 ? PSH | FIN : 0;
	assert_int_equal(p[l4 + 13], flags);
}

static void
check_cut(const struct shape *s, uint32_t payload, uint16_t segsz)
{
	uint32_t len = frame_fill(s, payload), n;
	struct rte_mbuf *m = frame_mbuf(s, len, segsz);

	n = offload_segments(m);
	assert_int_equal(n, (payload + segsz - 1) / segsz);
	for (uint32_t k = 0; k < n; k++) {
		uint32_t from = k * segsz, part = RTE_MIN((uint32_t)segsz, payload - from);
		struct rte_mbuf *piece = offload_segment(m, k, pool);
		const uint8_t *p;

		assert_non_null(piece);
		assert_true(piece->pkt_len <= offload_segment_len(m));
		assert_int_equal(piece->ol_flags & OFFLOAD_WISHES, 0);
		p = rte_pktmbuf_read(piece, 0, piece->pkt_len, back);
		check_segment(s, p, piece->pkt_len, k, n, from, part);
		rte_pktmbuf_free(piece);
	}
	rte_pktmbuf_free(m);
}

static void
segments_are_what_a_stack_without_tso_would_have_sent(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(shapes); i++) {
		check_cut(&shapes[i], 1, 1448);
		check_cut(&shapes[i], 1448, 1448);
		check_cut(&shapes[i], 1449, 1448);
		check_cut(&shapes[i], 60001, 1447);
		check_cut(&shapes[i], 60000, 8948); /* longer than an mbuf */
		check_cut(&shapes[i], 500, 7);
	}
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void
lengths_that_make_no_sense_cut_nothing(void **state)
{
	struct rte_mbuf *m = frame_mbuf(&shapes[0], frame_fill(&shapes[0], 3000), 1448);

	(void)state;
	assert_int_equal(offload_segments(m), 3);
	m->tso_segsz = 0;
	assert_int_equal(offload_segments(m), 0);
	m->tso_segsz = 1448;
	m->l4_len = 19;
	assert_int_equal(offload_segments(m), 0);
	m->l4_len = 255;
	m->l3_len = 511;
	m->l2_len = 127;
	assert_int_equal(offload_segments(m), 2); /* still in the first mbuf, of 1,000 bytes */
	m->ol_flags |= RTE_MBUF_F_TX_TUNNEL_VXLAN;
	m->outer_l2_len = 127;
	assert_int_equal(offload_segments(m), 0);
	rte_pktmbuf_free(m);
}

static void
a_dry_pool_gives_no_segment_and_keeps_none(void **state)
{
	static struct rte_mbuf *all[TEST_MBUFS];
	struct rte_mbuf *m = frame_mbuf(&shapes[0], frame_fill(&shapes[0], 30000), 9000);
	uint32_t n = 0;

	(void)state;
	while (n < TEST_MBUFS && (all[n] = rte_pktmbuf_alloc(pool)) != NULL)
		n++;
	for (uint32_t left = 0; left < 5; left++) {
		uint32_t used = rte_mempool_in_use_count(pool);

		assert_null(offload_segment(m, 0, pool));
		assert_int_equal(rte_mempool_in_use_count(pool), used);
		rte_pktmbuf_free(all[--n]);
	}
	while (n > 0)
		rte_pktmbuf_free(all[--n]);
	rte_pktmbuf_free(m);
}

static void
a_partial_checksum_in_a_tunnel_is_completed(void **state)
{
	const struct shape *s = &shapes[2];
	uint32_t l4 = s->outer + s->l2 + s->l3, len = frame_fill(s, 2501), sum;
	struct rte_mbuf *m;

	(void)state;
	sum = added(frame + l4 - 8, 8, 6 + TCP + 2501);
	frame[l4 + 16] = (uint8_t)(sum >> 8);
	frame[l4 + 17] = (uint8_t)sum;
	m = frame_mbuf(s, len, 0);
	m->ol_flags &= ~RTE_MBUF_F_TX_TCP_SEG;
	assert_int_equal(offload_checksum(m), 0);
	assert_int_equal(m->ol_flags & OFFLOAD_WISHES, 0);
	rte_pktmbuf_read(m, 0, len, back);
	memcpy(back, rte_pktmbuf_read(m, 0, len, back), len);
	assert_int_equal(added(back + l4, TCP + 2501, sum), 0xffff);
	rte_pktmbuf_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(segments_are_what_a_stack_without_tso_would_have_sent),
	    cmocka_unit_test(lengths_that_make_no_sense_cut_nothing),
	    cmocka_unit_test(a_dry_pool_gives_no_segment_and_keeps_none),
	    cmocka_unit_test(a_partial_checksum_in_a_tunnel_is_completed),
	};

	return cmocka_run_group_tests(tests, make_pool, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the virtio-net header's way into an mbuf and back. Neither EAL nor a tap is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "common/offload.h"
#include "common/tap.h"

enum { TCP = RTE_MBUF_F_TX_TCP_CKSUM >> 52, UDP = RTE_MBUF_F_TX_UDP_CKSUM >> 52 };

static struct {
	struct rte_mbuf m;
	uint8_t room[RTE_PKTMBUF_HEADROOM + 256];
} buffer;

/* A frame of 'len' bytes with the given Ethernet type after 'tags' VLAN tags; 5-word TCP headers.
 */
static struct rte_mbuf *
frame(uint16_t type, uint32_t tags, uint16_t len)
{
	struct rte_mbuf *m = &buffer.m;
	uint8_t *p = buffer.room + RTE_PKTMBUF_HEADROOM;

	memset(&buffer, 0, sizeof(buffer));
	m->buf_addr = buffer.room;
	m->buf_len = sizeof(buffer.room);
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->nb_segs = 1;
	m->data_len = len;
	m->pkt_len = len;
	for (p += 12; tags > 0; tags--, p += 4)
		p[0] = 0x81;
	p[0] = (uint8_t)(type >> 8);
	p[1] = (uint8_t)type;
	for (uint16_t i = 46; i < len && i < 100; i++)
		buffer.room[RTE_PKTMBUF_HEADROOM + i] = 0x50;
	return m;
}

static void
what_an_mbuf_can_say_comes_back_as_it_was(void **state)
{
	static const struct {
		uint16_t type, tags, start, offset;
		uint8_t gso;
		uint16_t segment, l2, l3;
	} cases[] = {
	    {0x0800, 0, 34, 16, 0, 0, 14, 20},
	    {0x0800, 0, 34, 6, 0, 0, 14, 20},
	    {0x0800, 1, 38, 16, 0, 0, 18, 20},
	    {0x0800, 2, 42, 16, 0, 0, 22, 20},
	    {0x0800, 0, 54, 16, 0, 0, 14, 40}, /* options */
	    {0x86dd, 0, 54, 6, 0, 0, 14, 40},
	    {0x86dd, 0, 62, 16, 0, 0, 14, 48}, /* an extension header */
	    {0x0800, 0, 34, 16, VIRTIO_NET_HDR_GSO_TCPV4, 1448, 14, 20},
	    {0x86dd, 0, 54, 16, VIRTIO_NET_HDR_GSO_TCPV6, 1428, 14, 40},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct virtio_net_hdr back, h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						 .csum_start = cases[i].start,
						 .csum_offset = cases[i].offset,
						 .gso_type = cases[i].gso,
						 .gso_size = cases[i].segment};
		struct rte_mbuf *m = frame(cases[i].type, cases[i].tags, 200);

		assert_int_equal(tap_header_to_mbuf(&h, m), 0);
		assert_int_equal(m->l2_len, cases[i].l2);
		assert_int_equal(m->l3_len, cases[i].l3);
		assert_int_equal((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) >> 52,
				 cases[i].offset == 16 ? TCP : UDP);
		assert_int_equal(m->tso_segsz, cases[i].segment);
		tap_header_from_mbuf(m, &back);
		if (h.gso_type != 0)
			h.hdr_len = (uint16_t)(h.csum_start + 20);
		assert_memory_equal(&back, &h, sizeof(h));
	}
}

static void
what_makes_no_sense_is_refused(void **state)
{
	static const struct {
		uint16_t type, len;
		struct virtio_net_hdr h;
	} cases[] = {
	    {0x0800,
	     13,
	     {.flags = 1, .csum_start = 34, .csum_offset = 16}}, /* no Ethernet header */
	    {0x0800, 100, {.flags = 1, .csum_start = 14, .csum_offset = 16}}, /* no IP header */
	    {0x0800, 100, {.flags = 1, .csum_start = 34, .csum_offset = 65}}, /* field outside */
	    {0x0800, 100, {.flags = 1, .csum_start = 65535, .csum_offset = 65535}},
	    {0x0800, 100, {.gso_type = 1, .gso_size = 1448}}, /* TSO without a partial checksum */
	    {0x0800, 100, {.flags = 1, .csum_start = 34, .csum_offset = 16, .gso_type = 1}},
	    {0x86dd,
	     100,
	     {.flags = 1, .csum_start = 54, .csum_offset = 16, .gso_type = 1, .gso_size = 9}},
	    {0x0800,
	     100,
	     {.flags = 1, .csum_start = 34, .csum_offset = 16, .gso_type = 4, .gso_size = 9}},
	    {0x0800,
	     100,
	     {.flags = 1, .csum_start = 34, .csum_offset = 6, .gso_type = 3, .gso_size = 9}},
	    {0x0800,
	     100,
	     {.flags = 1, .csum_start = 34, .csum_offset = 16, .gso_type = 0x81, .gso_size = 9}},
	    {0x0800,
	     52,
	     {.flags = 1, .csum_start = 34, .csum_offset = 16, .gso_type = 1, .gso_size = 9}},
	    {0x0806,
	     100,
	     {.flags = 1, .csum_start = 34, .csum_offset = 16, .gso_type = 1, .gso_size = 9}},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++)
		assert_int_equal(
		    tap_header_to_mbuf(&cases[i].h, frame(cases[i].type, 0, cases[i].len)),
		    -EINVAL);
}

static void
a_checksum_mbufs_cannot_express_is_completed(void **state)
{
	/* Neither IPv4 nor IPv6: the field at 40, over bytes 34 to 49. */
	struct virtio_net_hdr h = {.flags = 1, .csum_start = 34, .csum_offset = 6}, back;
	struct rte_mbuf *m = frame(0x88b5, 0, 50);
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	(void)state;
	memcpy(p + 34, "\x12\x34\x00\x00\x00\x00\x00\x01\xff\xfe\0\0\0\0\0\0", 16);
	assert_int_equal(tap_header_to_mbuf(&h, m), 0);
	/* 1234 + 0001 + fffe = 11233, 1234 with the carry; its complement is edcb. */
	assert_int_equal(p[40] << 8 | p[41], 0xedcb);
	assert_int_equal(m->ol_flags, 0);
	tap_header_from_mbuf(m, &back);
	assert_int_equal(back.flags, 0);
}

static void
a_frame_without_wishes_has_none_in_its_mbuf(void **state)
{
	struct virtio_net_hdr h = {.flags = 0}, back;
	struct rte_mbuf *m = frame(0x0800, 0, 60);

	(void)state;
	assert_int_equal(tap_header_to_mbuf(&h, m), 0);
	assert_int_equal(m->ol_flags, 0);
	memset(&back, 0xff, sizeof(back));
	tap_header_from_mbuf(m, &back);
	assert_memory_equal(&back, &h, sizeof(h));
	assert_int_equal(offload_checksum(m), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_an_mbuf_can_say_comes_back_as_it_was),
	    cmocka_unit_test(what_makes_no_sense_is_refused),
	    cmocka_unit_test(a_checksum_mbufs_cannot_express_is_completed),
	    cmocka_unit_test(a_frame_without_wishes_has_none_in_its_mbuf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

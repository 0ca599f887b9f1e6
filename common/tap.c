/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets to and from taps of our own. See tap.h. The thread that animates a slot. */
#include "common/tap.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mempool.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "common/fault_point.h"
#include "common/offload.h"

unsigned int
tap_offloads(void)
{
	return TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
}

/* --- the virtio-net header -------------------------------------------------------------------- */

/* Length of the Ethernet header with its VLAN tags; 'type_be' becomes what is behind. */
static uint32_t
l2_length(const struct rte_mbuf *m, uint16_t *type_be)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t len = RTE_ETHER_HDR_LEN;

	if (m->data_len < RTE_ETHER_HDR_LEN)
		return 0;
	memcpy(type_be, p + 12, sizeof(*type_be));
	while ((*type_be == RTE_BE16(RTE_ETHER_TYPE_VLAN) ||
		*type_be == RTE_BE16(RTE_ETHER_TYPE_QINQ)) &&
	       m->data_len >= len + RTE_VLAN_HLEN) {
		memcpy(type_be, p + len + 2, sizeof(*type_be));
		len += RTE_VLAN_HLEN;
	}
	return len;
}

static int
segmentation_to_mbuf(const struct virtio_net_hdr *h, struct rte_mbuf *m)
{
	uint32_t l4 = (uint32_t)m->l2_len + m->l3_len, l4_len;

	if ((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) != RTE_MBUF_F_TX_TCP_CKSUM || h->gso_size == 0 ||
	    l4 + sizeof(struct rte_tcp_hdr) > m->data_len)
		return -EINVAL;
	l4_len = (*rte_pktmbuf_mtod_offset(m, const uint8_t *, l4 + 12) >> 4) * 4u;
	if (l4_len < sizeof(struct rte_tcp_hdr))
		return -EINVAL;
	switch (h->gso_type) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		if ((m->ol_flags & RTE_MBUF_F_TX_IPV4) == 0)
			return -EINVAL;
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		if ((m->ol_flags & RTE_MBUF_F_TX_IPV6) == 0)
			return -EINVAL;
		break;
	default:
		return -EINVAL; /* not asked for with tap_offloads() */
	}
	m->l4_len = l4_len;
	m->tso_segsz = h->gso_size;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	return 0;
}

int
tap_header_to_mbuf(const struct virtio_net_hdr *h, struct rte_mbuf *m)
{
	uint16_t type_be = 0;
	uint32_t l2, l3;

	if ((h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0) {
		if (h->gso_type != VIRTIO_NET_HDR_GSO_NONE)
			return -EINVAL;
		if ((h->flags & VIRTIO_NET_HDR_F_DATA_VALID) != 0)
			m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		return 0;
	}
	l2 = l2_length(m, &type_be);
	if (l2 == 0 || h->csum_start <= l2 ||
	    (uint32_t)h->csum_start + h->csum_offset + 2 > m->data_len)
		return -EINVAL;
	l3 = h->csum_start - l2;
	if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV4) && l3 >= sizeof(struct rte_ipv4_hdr))
		m->ol_flags |= RTE_MBUF_F_TX_IPV4;
	else if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV6) && l3 >= sizeof(struct rte_ipv6_hdr))
		m->ol_flags |= RTE_MBUF_F_TX_IPV6;
	else
		l3 = UINT32_MAX;
	if (l3 < 512 && h->csum_offset == offsetof(struct rte_tcp_hdr, cksum))
		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	else if (l3 < 512 && h->csum_offset == offsetof(struct rte_udp_hdr, dgram_cksum))
		m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
	else if (h->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return -EINVAL;
	else
		return offload_checksum_at(m, h->csum_start,
					   (uint32_t)h->csum_start + h->csum_offset);
	m->l2_len = l2;
	m->l3_len = l3;
	return h->gso_type == VIRTIO_NET_HDR_GSO_NONE ? 0 : segmentation_to_mbuf(h, m);
}

void
tap_header_from_mbuf(const struct rte_mbuf *m, struct virtio_net_hdr *h)
{
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;

	memset(h, 0, sizeof(*h));
	if (__builtin_expect(l4 == 0 && (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) == 0, 0)) {
		if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
			h->flags = VIRTIO_NET_HDR_F_DATA_VALID;
		return;
	}
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = (uint16_t)(m->l2_len + m->l3_len);
	h->csum_offset = l4 == RTE_MBUF_F_TX_UDP_CKSUM ? offsetof(struct rte_udp_hdr, dgram_cksum)
						       : offsetof(struct rte_tcp_hdr, cksum);
	if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) == 0)
		return;
	h->gso_type = (m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0 ? VIRTIO_NET_HDR_GSO_TCPV6
							      : VIRTIO_NET_HDR_GSO_TCPV4;
	h->gso_size = m->tso_segsz;
	h->hdr_len = (uint16_t)(h->csum_start + m->l4_len);
}

/* --- reading ---------------------------------------------------------------------------------- */

void
tap_reader_init(struct tap_reader *r, struct hand *hand, struct rte_mempool *pool)
{
	memset(r, 0, sizeof(*r));
	r->hand = hand;
	r->pool = pool;
	r->iov[0] = (struct iovec){.iov_base = &r->header, .iov_len = sizeof(r->header)};
}

void
tap_reader_release(struct tap_reader *r)
{
	struct hand *h = r->hand;

	for (uint32_t i = 0; i < h->n_spares; i++) {
		h->spares[i]->next = NULL; /* of a frame that was thrown away */
		hand_drop(h, h->spares[i]);
	}
	FAULT_POINT("tap-release-listed");
	hand_free(h);
	FAULT_POINT("tap-release-free");
	__atomic_store_n(&h->n_spares, 0, __ATOMIC_RELEASE);
	FAULT_POINT("tap-release-none");
	hand_finish(h, 0);
	r->n_iov = 0;
}

static uint32_t
spare_room(const struct rte_mbuf *m)
{
	return (uint32_t)m->buf_len - RTE_PKTMBUF_HEADROOM;
}

/* Makes the iov of spares [from..to) anew. */
static void
spares_show(struct tap_reader *r, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		struct rte_mbuf *m = r->hand->spares[i];

		r->iov[1 + i] =
		    (struct iovec){.iov_base = (char *)m->buf_addr + RTE_PKTMBUF_HEADROOM,
				   .iov_len = spare_room(m)};
	}
}

/*
 * Brings the spares to what a frame may need. What is popped lies in the magazine's reach until
 * n_spares counts it (pool.h).
 */
static void
spares_refill(struct tap_reader *r)
{
	struct hand *h = r->hand;
	uint32_t n = h->n_spares, want = TAP_SEGMENTS_MAX - n;

	while (want > 0) {
		if (rte_mempool_get_bulk(r->pool, (void **)&h->spares[n], want) < 0) {
			want /= 2;
			continue;
		}
		FAULT_POINT("tap-spares-popped");
		n += want;
		__atomic_store_n(&h->n_spares, n, __ATOMIC_RELEASE);
		FAULT_POINT("tap-spares-counted");
		want = TAP_SEGMENTS_MAX - n;
	}
	spares_show(r, r->n_iov, n);
	r->n_iov = n;
	r->capacity = 0;
	for (uint32_t i = 0; i < n; i++)
		r->capacity += (uint32_t)r->iov[1 + i].iov_len;
}

/* The first 'n' spares have become a frame in rx[]: puts others in their place. */
static void
spares_replace(struct tap_reader *r, uint32_t n)
{
	struct hand *h = r->hand;

	if (rte_mempool_get_bulk(r->pool, (void **)h->spares, n) == 0) {
		FAULT_POINT("tap-spares-replaced");
		hand_next_epoch(h);
		spares_show(r, 0, n);
		return;
	}
	/* Dry. One store at a time and upwards, so that each spare stands somewhere at any time. */
	for (uint32_t i = n; i < h->n_spares; i++) {
		__atomic_store_n(&h->spares[i - n], h->spares[i], __ATOMIC_RELEASE);
		FAULT_POINT("tap-spares-moved");
	}
	__atomic_store_n(&h->n_spares, h->n_spares - n, __ATOMIC_RELEASE);
	r->n_iov = 0;
}

/* Links the first spares to a frame of 'len' bytes; returns how many it took. */
static uint32_t
frame_build(struct tap_reader *r, uint32_t len)
{
	struct hand *h = r->hand;
	struct rte_mbuf *head = h->spares[0], *last = NULL;
	uint32_t n = 0;

	rte_pktmbuf_reset(head);
	head->pkt_len = len;
	do {
		struct rte_mbuf *m = h->spares[n];
		uint32_t room = spare_room(m);

		m->data_off = RTE_PKTMBUF_HEADROOM;
		m->data_len = (uint16_t)(len < room ? len : room);
		m->next = NULL;
		len -= m->data_len;
		if (last != NULL)
			last->next = m;
		last = m;
		n++;
	} while (len > 0);
	head->nb_segs = (uint16_t)n;
	return n;
}

uint16_t
tap_rx_burst(struct tap_reader *r, int fd, uint16_t max, uint16_t *lost)
{
	struct hand *h = r->hand;
	uint16_t n = 0;

	r->chained = false;
	while (n < max) {
		uint32_t used;
		ssize_t len;

		if (r->n_iov < TAP_SEGMENTS_MAX) {
			spares_refill(r);
			hand_next_epoch(h);
			if (r->n_iov == 0)
				break;
		}
		len = readv(fd, r->iov, (int)(1 + r->n_iov));
		if (len < (ssize_t)sizeof(r->header)) {
			if (len < 0 && errno == EINTR)
				continue;
			break;
		}
		FAULT_POINT("tap-read");
		len -= (ssize_t)sizeof(r->header);
		if (len == 0)
			continue;
		/* A frame that fills all there is was cut off. */
		if ((uint32_t)len >= r->capacity) {
			++*lost;
			continue;
		}
		used = frame_build(r, (uint32_t)len);
		FAULT_POINT("tap-built");
		if (tap_header_to_mbuf(&r->header.hdr, h->spares[0]) < 0) {
			++*lost;
			continue;
		}
		r->chained |= used > 1;
		__atomic_store_n(&h->rx[n], h->spares[0], __ATOMIC_RELEASE);
		n++;
		FAULT_POINT("tap-listed");
		spares_replace(r, used);
	}
	return n;
}

/* --- writing ---------------------------------------------------------------------------------- */

int
tap_tx(int fd, const struct rte_mbuf *m)
{
	struct virtio_net_hdr_mrg_rxbuf header = {.num_buffers = 0};
	struct iovec iov[TAP_SEGMENTS_MAX + 2];
	int n = 1;

	tap_header_from_mbuf(m, &header.hdr);
	iov[0] = (struct iovec){.iov_base = &header, .iov_len = sizeof(header)};
	for (; m != NULL; m = m->next) {
		if (n == TAP_SEGMENTS_MAX + 2)
			return -EMSGSIZE;
		iov[n++] =
		    (struct iovec){.iov_base = rte_pktmbuf_mtod(m, void *), .iov_len = m->data_len};
	}
	while (writev(fd, iov, n) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets to and from taps of our own: descriptors of the primary's, opened with IFF_VNET_HDR and
 * IFF_NO_PI, read and written with a virtio-net header in front of each frame. The header's partial
 * checksums and TSO frames of up to 64 KiB become an mbuf's offload fields and back, so they pass
 * from one tap to another untouched. Called by the thread that animates a slot; never blocks.
 *
 * The reader fills the hand's spares, and a frame gets into rx[] when it is complete: first rx[],
 * then the spares it was made of are replaced. Overlap is fine for a repair, absence is not.
 */
#ifndef COMMON_TAP_H
#define COMMON_TAP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_net.h>

#include <rte_mbuf.h>

#include "common/hand.h"

enum {
	TAP_VNET_HDR_LEN = sizeof(struct virtio_net_hdr_mrg_rxbuf), /* for TUNSETVNETHDRSZ */
	TAP_FRAME_MAX = 65535 + 14 + 8, /* the longest TSO frame, with two VLAN tags */
	TAP_SEGMENTS_MAX = HAND_SPARES_MAX,
};
_Static_assert(TAP_VNET_HDR_LEN == 12, "header with num_buffers");

/* What the tun driver may give us and take from us, for TUNSETOFFLOAD: what mbufs can express. */
unsigned int tap_offloads(void);

/* Process-local, one per slot: views of the hand's spares, kept from call to call. */
struct tap_reader {
	struct hand *hand;
	struct rte_mempool *pool;
	uint32_t n_iov;    /* of the spares whose iov stands; 0 asks for all anew */
	uint32_t capacity; /* bytes they hold */
	bool chained;      /* the last burst has a frame of several mbufs */
	struct virtio_net_hdr_mrg_rxbuf header;
	struct iovec iov[TAP_SEGMENTS_MAX + 2];
};

void tap_reader_init(struct tap_reader *r, struct hand *hand, struct rte_mempool *pool);
/* Gives the spares back to the pool, by way of the hand, which must be empty. */
void tap_reader_release(struct tap_reader *r);

/*
 * Reads up to 'max' frames into hand.rx[0..]. The hand's state must say RX. Returns how many; fewer
 * than 'max' means that the tap has no more, or the pool is dry (then frames wait in the kernel).
 * 'lost' counts frames that had to be thrown away for want of mbufs.
 */
uint16_t tap_rx_burst(struct tap_reader *r, int fd, uint16_t max, uint16_t *lost);

/*
 * Writes one packet: 0, or a negative errno (-EAGAIN: the queue is full; -EIO: the interface is
 * down). The kernel copies it, so the mbuf stays the caller's either way.
 */
int tap_tx(int fd, const struct rte_mbuf *m);

/*
 * The header's checksum and segmentation wishes as mbuf fields. Returns 0, or -EINVAL when they
 * make no sense for this frame. A partial checksum that mbufs cannot express is completed in place.
 */
int tap_header_to_mbuf(const struct virtio_net_hdr *h, struct rte_mbuf *m);
void tap_header_from_mbuf(const struct rte_mbuf *m, struct virtio_net_hdr *h);

#endif

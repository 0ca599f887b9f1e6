/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What threads that bring packets to slots over the mesh have in common: the primary's io thread
 * and agents. See hand.h for the order of stores. Only such a thread calls these, on its own hand.
 */
#ifndef COMMON_HAND_RING_H
#define COMMON_HAND_RING_H

#include <stdint.h>

#include "common/hand.h"
#include "common/slot.h"

/*
 * Steps 4 to 6 for a hand in RUN: rx[0..n), received from a port's queue, goes to slot 'slot'
 * through 'ring'. Returns how many went; the rest of groups[0].m[0..n) is the caller's to drop
 * (hand_drop), who then calls hand_to_slot_done(), which frees it and leaves the hand empty.
 */
uint32_t hand_to_slot(struct hand *h, struct rte_ring *ring, uint16_t slot, uint16_t port,
		      uint16_t queue, uint16_t n);
static inline void
hand_to_slot_done(struct hand *h, uint16_t n)
{
	hand_tx_done(h, 0);
	hand_finish(h, n);
}

/* Somebody counts mbufs: stands still, with an empty hand, no longer than was promised. */
void slot_pause_keep(struct slot *s);

#endif

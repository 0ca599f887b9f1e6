/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a hand holds, read off its journal and magazines: the primary does it when the hand's thread
 * is dead, an audit when it stands still.
 */
#ifndef COMMON_HAND_INVENTORY_H
#define COMMON_HAND_INVENTORY_H

#include "common/hand.h"

struct handshake;

/* Room for every list of a hand and its magazines at once. */
enum {
	HAND_LIST_MAX = POOLS_MAX * 2624 + HAND_GROUPS_MAX * BURST_MAX + HAND_COPIES_MAX +
			HAND_DROPS_MAX + 2 * HAND_SEGS_MAX + 4 * BURST_MAX,
};

/* After hand_inventory(): sorted by address, each mbuf once. */
struct hand_list {
	uint32_t n;
	void *m[HAND_LIST_MAX];
};

struct hand_inventory {
	struct hand_list sure;  /* owned by the hand and nobody else, magazines included */
	struct hand_list maybe; /* or by the driver it is inside of; none of 'sure' */
};

void hand_inventory(const struct handshake *hs, uint32_t hand, struct hand_inventory *inv);

/*
 * Primary only, after the port's queues were reset and its driver freed what it held: what was
 * quarantined on account of it is free now. (An mbuf that the driver had freed itself counts as
 * already_free.)
 */
void quarantine_release(struct handshake *hs, uint16_t port, struct hand_repair *result);

#endif

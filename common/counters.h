/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters in the region: one block per vif and slot, agent or the primary's io thread. The thread
 * is the only writer (plain stores); readers sum over slots and may see a burst half counted. A
 * reset is a baseline the reader keeps; nobody but the slot ever writes here. A worker that dies
 * leaves them as they are and its successor goes on from there; what it had in hand was counted in
 * or not at all, at burst granularity (docs/restart.md).
 */
#ifndef COMMON_COUNTERS_H
#define COMMON_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "common/drop.h"

/* Bytes are L2 bytes without FCS. */
struct vif_counters {
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t tx_packets; /* switched to the vif, whether or not anybody reads its port */
	uint64_t tx_bytes;
	uint64_t rx_errors; /* came in and could not be taken as frames */
	uint64_t tx_errors; /* switched to the vif and not taken by its port */
	uint64_t reserved[2];
	uint64_t drops[DROPS_MAX]; /* counted at the vif the packet came in by */
};

/*
 * Shared. counters[hand * vifs + vif_id], after this header: slots' hands, then agents', then the
 * io thread's in the place of control's, which counts nothing.
 */
struct counters {
	uint32_t slots; /* agents and io thread included */
	uint32_t vifs;  /* vif ids plus one more: the last collects packets that have no vif */
	uint64_t reserved[7];
	struct vif_counters c[];
};

static inline struct vif_counters *
counters_at(struct counters *t, uint32_t hand, uint32_t vif_id)
{
	return &t->c[(uint64_t)hand * t->vifs + vif_id];
}

struct conf;
size_t counters_size(const struct conf *c);
void counters_init(struct counters *t, const struct conf *c); /* zeroed memory */

/* Adds all slots' blocks of one vif; all zero for a vif out of range. */
void counters_sum(const struct counters *t, uint32_t vif_id, struct vif_counters *sum);

#endif

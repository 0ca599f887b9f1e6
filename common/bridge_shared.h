/* SPDX-License-Identifier: BSD-3-Clause */
/* The bridge table as it lies in the region; for bridge.c alone, and for the list of layouts. */
#ifndef COMMON_BRIDGE_SHARED_H
#define COMMON_BRIDGE_SHARED_H

#include <stdint.h>

#include "common/limits.h"

enum { BRIDGE_CELLS = 4 };

/* One cache line. A cell is key[i] and value[i]; key 0 is an empty cell. */
struct bridge_bucket {
	uint64_t key[BRIDGE_CELLS];   /* MAC << 16 | (VRF + 1) */
	uint64_t value[BRIDGE_CELLS]; /* nexthop id, label, flags */
} __attribute__((aligned(CACHE_LINE)));
_Static_assert(sizeof(struct bridge_bucket) == CACHE_LINE, "bridge_bucket: one cache line");

/* Followed by bucket[n_buckets]. */
struct bridge {
	uint32_t n_buckets;
	uint32_t capacity; /* entries it is made for */
	/* the writer writes */
	uint32_t used;    /* entries present */
	uint32_t refused; /* entries that found no room */
	uint64_t moving;  /* cell that an entry is being moved out of, + 1; 0: none */
	uint64_t moved;   /* entries ever moved to their second bucket */
	uint64_t reserved[4];
	struct bridge_bucket bucket[];
} __attribute__((aligned(CACHE_LINE)));

#endif

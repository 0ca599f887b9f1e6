/* SPDX-License-Identifier: BSD-3-Clause */
/* The flow table as it lies in the region; for flow_table.c and flow_writer.c alone, and for the
 * list of layouts. */
#ifndef COMMON_FLOW_SHARED_H
#define COMMON_FLOW_SHARED_H

#include <stdint.h>

#include "common/flow.h"
#include "common/limits.h"

enum { FLOW_CELLS = 16, FLOW_BLOCK = 64 };

/* One cache line. A cell: signature << index_bits | entry; signatures are not 0, so 0 is empty. */
struct flow_bucket {
	uint32_t cell[FLOW_CELLS];
} __attribute__((aligned(CACHE_LINE)));
_Static_assert(sizeof(struct flow_bucket) == CACHE_LINE, "flow_bucket: one cache line");

/* Followed by the parts that it names, each at a cache line. */
struct flow_table {
	uint32_t pairs;
	uint32_t blocks; /* of FLOW_BLOCK pairs each; the last may be short */
	uint32_t n_buckets;
	uint32_t index_bits;
	uint64_t seed;
	/* from this struct */
	uint64_t summary_at; /* uint64_t: bit b % 64 of [b / 64]: block b may have free pairs */
	uint64_t bitmap_at;  /* uint64_t[blocks]: free pairs */
	uint64_t owners_at;  /* uint8_t[blocks]: slot + 1, 0: nobody's */
	uint64_t buckets_at;
	uint64_t entries_at;
	uint64_t details_at;
	struct flow_slot slots[SLOTS_MAX];
} __attribute__((aligned(CACHE_LINE)));

static inline void *
flow_part(const struct flow_table *t, uint64_t at)
{
	return (char *)(uintptr_t)t + at;
}
static inline uint64_t *
flow_bitmap(const struct flow_table *t)
{
	return flow_part(t, t->bitmap_at);
}
static inline struct flow_entry *
flow_at(const struct flow_table *t, uint32_t entry)
{
	return (struct flow_entry *)flow_part(t, t->entries_at) + entry;
}

/* Clears the cells that name the pair's entries. */
void flow_cells_clear(struct flow_table *t, uint32_t pair);
/* Sets the pair's bit: it may be taken. */
void flow_bit_set(struct flow_table *t, uint32_t pair);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changes of a route table's tries; for route_writer.c, in vr-ctl's main thread.
 */
#ifndef COMMON_ROUTE_TRIE_H
#define COMMON_ROUTE_TRIE_H

#include <stdbool.h>
#include <stdint.h>

struct route_memory;
struct route_table;

/*
 * "Whatever under this prefix comes from a prefix of 'low' to 'high' bits shall be 'leaf'." With 0
 * and its own length this adds or replaces a prefix; with its own length twice, and the covering
 * prefix's leaf, it takes it away. Doing it again changes nothing, so half of it can be completed.
 */
struct route_change {
	uint8_t address[16]; /* masked */
	uint32_t length;     /* not 0 */
	uint32_t low;
	uint32_t high;
	uint32_t leaf; /* or 0 */
};

/*
 * What a change takes and retires at most: a node and two skips where the prefix ends, and small
 * nodes on the way up. Widening takes a block of WIDE_ORDER and at most two lines for each route.
 */
enum {
	TRIE_LINES_MAX = 64 * 16,
	TRIE_RETIRED_MAX = 128,
	TRIE_WIDEN_RETIRED_MAX = 1024,
};

/* 'root' is route_root's 'top'. */
void route_trie_change(const struct route_table *t, struct route_memory *m, uint32_t *root,
		       const struct route_change *c);

/*
 * Wide: one node for the first two bytes, which is fast and takes a quarter of a megabyte. Only a
 * trie with few routes is made narrow again.
 */
bool route_trie_is_wide(uint32_t root);
void route_trie_widen(const struct route_table *t, struct route_memory *m, uint32_t *root);
void route_trie_narrow(const struct route_table *t, struct route_memory *m, uint32_t *root);

/* Marks the blocks of a trie, and the values in it, as used. */
void route_trie_mark(const struct route_table *t, struct route_memory *m, uint32_t root);

#endif

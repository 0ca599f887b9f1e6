/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The route table as it lies in the region; for route*.c alone, and for the list of layouts.
 *
 * A trie is made of words of 32 bits ("slots"), each of which answers for all addresses that lead
 * to it: nothing (0), a leaf, or the node that goes on. Bytes of the address are consumed from the
 * left; a reference to a node says which byte is next, so nodes need no depth of their own.
 *
 *   leaf   1 | length of its prefix - 1 (7) | index into values[] (24)
 *   node   0 | kind (2) | next byte (4) | line (25)
 *
 * Kinds of nodes, in lines of 64 bytes:
 *   BITMAP  256 slots, equal neighbours stored once: a bit where a run begins, then a slot each
 *   DIRECT  256 slots, 16 lines
 *   SKIP    a path without branches: bits that must be equal, the slot behind, the slot otherwise
 *   WIDE    65,536 slots for two bytes; only at the top of a VRF with many routes
 *
 * A leaf is copied into every slot it covers ("leaf pushing"), with the length of its prefix, so
 * that slots of a shorter or longer one are told apart when routes come and go. Only a default
 * route is not: it is the VRF's own.
 */
#ifndef COMMON_ROUTE_SHARED_H
#define COMMON_ROUTE_SHARED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/limits.h"

#define SLOT_LEAF UINT32_C(0x80000000)

enum node_kind { NODE_BITMAP, NODE_DIRECT, NODE_SKIP, NODE_WIDE };

enum {
	NODE_SLOTS = 256,
	WIDE_SLOTS = 65536,
	DIRECT_ORDER = 4, /* 2^order lines */
	WIDE_ORDER = 12,
};

/* BITMAP: run k's slot is slot[k]; the node goes on in as many lines as it needs, a power of two.
 */
struct route_bitmap {
	uint64_t begins[4]; /* bit i % 64 of word i / 64: a run begins at i */
	uint8_t before[4];  /* runs that begin before word i */
	uint32_t slot[7];   /* and on */
};
_Static_assert(sizeof(struct route_bitmap) == CACHE_LINE, "route_bitmap: one cache line");

struct route_skip {
	uint64_t key[2];  /* address bytes in memory order */
	uint64_t mask[2]; /* the bits that count, from the node's byte to 'end' */
	uint32_t match;   /* a node only if 'end' is at a byte */
	uint32_t miss;    /* nothing or a leaf */
	uint32_t end;     /* bits */
	uint32_t reserved[5];
};
_Static_assert(sizeof(struct route_skip) == CACHE_LINE, "route_skip: one cache line");

struct route_root {
	uint32_t top;      /* slot */
	uint32_t fallback; /* leaf of the default route, or 0 */
};

/* A route as given. The store of 'state' commits; the address is fixed while 'state' has a flag. */
struct route_record {
	uint64_t address[2]; /* memory order, masked */
	uint64_t state;      /* index into values[] (32-55), meta (0-31) */
};

/*
 * meta: flags (31, 29), family (30), prefix length (16-23), VRF (0-15)
 *
 *   neither          free
 *   LIVE and BEHIND  a route that is new or has a new value, and the trie does not say so yet
 *   LIVE             a route
 *   BEHIND           a route that was deleted, and the trie does not say so yet
 */
#define ROUTE_META_LIVE   (UINT32_C(1) << 31)
#define ROUTE_META_BEHIND (UINT32_C(1) << 29)
#define ROUTE_META_FLAGS  (ROUTE_META_LIVE | ROUTE_META_BEHIND)

/* Followed, each at its offset, by roots, values, records, owners and lines. */
struct route_table {
	uint32_t vrfs;
	uint32_t capacity;        /* routes */
	uint32_t values;          /* entries of values[]; 0 is "no route" */
	uint32_t lines;           /* line 0 is never a node */
	uint64_t roots_offset[2]; /* by family; one more than 'vrfs', which stays empty */
	uint64_t values_offset;
	uint64_t records_offset;
	uint64_t lines_offset;
	uint64_t owners_offset; /* of the owners' tags, by record */
	/* the writer writes: for people */
	uint32_t used[2]; /* by family */
	uint32_t refused;
	uint32_t lines_used;
	uint32_t records; /* places for routes: some to spare for batches that replace */
	uint32_t reserved[11];
} __attribute__((aligned(CACHE_LINE)));

static inline struct route_root *
route_roots(const struct route_table *t, uint32_t family)
{
	return (struct route_root *)((uintptr_t)t + t->roots_offset[family]);
}
static inline uint64_t *
route_values(const struct route_table *t)
{
	return (uint64_t *)((uintptr_t)t + t->values_offset);
}
static inline struct route_record *
route_record_array(const struct route_table *t)
{
	return (struct route_record *)((uintptr_t)t + t->records_offset);
}
static inline uint16_t *
route_owners(const struct route_table *t)
{
	return (uint16_t *)((uintptr_t)t + t->owners_offset);
}
static inline void *
route_line(const struct route_table *t, uint32_t line)
{
	return (void *)((uintptr_t)t + t->lines_offset + (uint64_t)line * CACHE_LINE);
}

static inline bool
slot_is_node(uint32_t slot)
{
	return slot != 0 && (slot & SLOT_LEAF) == 0;
}
static inline uint32_t
slot_kind(uint32_t node)
{
	return node >> 29 & 3;
}
static inline uint32_t
slot_byte(uint32_t node)
{
	return node >> 25 & 15;
}
static inline uint32_t
slot_line(uint32_t node)
{
	return node & 0x1ffffff;
}
static inline uint32_t
slot_node(enum node_kind kind, uint32_t byte, uint32_t line)
{
	return (uint32_t)kind << 29 | byte << 25 | line;
}

/* A leaf's index into values[]; 0 for the empty slot. */
static inline uint32_t
slot_value(uint32_t leaf)
{
	return leaf & 0xffffff;
}
static inline uint32_t
slot_leaf(uint32_t length, uint32_t value)
{
	return SLOT_LEAF | (length - 1) << 24 | value;
}
/* The length of the prefix that a leaf comes from; 0 for the empty slot. */
static inline uint32_t
slot_length(uint32_t leaf)
{
	return leaf == 0 ? 0 : (leaf >> 24 & 0x7f) + 1;
}

/* Where a bitmap node keeps slot 'i'. */
static inline uint32_t *
bitmap_slot(struct route_bitmap *b, uint32_t i)
{
	uint32_t word = i / 64;
	uint32_t run =
	    b->before[word] + (uint32_t)__builtin_popcountll(b->begins[word] << (63 - i % 64)) - 1;

	return (uint32_t *)((uintptr_t)b->slot + run * sizeof(uint32_t));
}
static inline uint32_t
bitmap_runs(const struct route_bitmap *b)
{
	return b->before[3] + (uint32_t)__builtin_popcountll(b->begins[3]);
}

static inline uint64_t
state_make(uint32_t meta, uint32_t value)
{
	return (uint64_t)value << 32 | meta;
}
static inline uint32_t
state_meta(uint64_t state)
{
	return (uint32_t)state;
}
static inline uint32_t
state_value(uint64_t state)
{
	return (uint32_t)(state >> 32);
}
static inline bool
state_is_live(uint64_t state)
{
	return (state & ROUTE_META_LIVE) != 0;
}
static inline bool
state_is_behind(uint64_t state)
{
	return (state & ROUTE_META_BEHIND) != 0;
}
static inline bool
state_is_free(uint64_t state)
{
	return (state & ROUTE_META_FLAGS) == 0;
}

/* Without flags: what the prefix is. */
static inline uint32_t
meta_make(uint32_t family, uint32_t length, uint32_t vrf)
{
	return family << 30 | length << 16 | vrf;
}
static inline uint32_t
meta_family(uint32_t meta)
{
	return meta >> 30 & 1;
}
static inline uint32_t
meta_length(uint32_t meta)
{
	return meta >> 16 & 0xff;
}
static inline uint32_t
meta_vrf(uint32_t meta)
{
	return meta & 0xffff;
}

#endif

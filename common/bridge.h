/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bridge entries: (VRF, MAC) -> nexthop id. A hash of cache-line buckets in the region, made for
 * many readers in bursts and one writer (vr-ctl).
 *
 * A bucket holds seven 8-byte cells; a key may stand in its first or its second bucket. A cell packs
 * a 16-bit tag of the key and the index of an immutable entry line {vrf, mac, nexthop}; one release
 * store of the cell publishes, replaces or removes. The line of a replaced or removed entry is
 * reused after a grace period. So a reader sees an entry whole or not at all, and a writer may die
 * on any line: the next one rebuilds its free list by a scan of the cells.
 */
#ifndef COMMON_BRIDGE_H
#define COMMON_BRIDGE_H

#include <stddef.h>
#include <stdint.h>

struct grace;

struct bridge; /* shared; layout in bridge.c and, for the inlined lookup, bridge_lookup.h */

struct bridge_key {
	uint32_t vrf;
	uint8_t mac[6];
	uint16_t reserved; /* 0 */
};

size_t bridge_size(uint32_t entries);
void bridge_init(struct bridge *b, uint32_t entries);

/* Writer, process-local state. */
struct bridge_writer;
struct bridge_writer *bridge_writer_create(struct bridge *b, struct grace *grace);
void bridge_writer_destroy(struct bridge_writer *w);
/* Adds or replaces. -ENOSPC: table full (counted); -ENOBUFS: spare lines wait for a grace period. */
int bridge_set(struct bridge_writer *w, const struct bridge_key *key, uint32_t nexthop);
int bridge_del(struct bridge_writer *w, const struct bridge_key *key); /* -ENOENT */

/* Reader; 0 and the nexthop id, or -ENOENT. */
int bridge_lookup(const struct bridge *b, const struct bridge_key *key, uint32_t *nexthop);
/*
 * The packet path's form: n <= BURST_MAX keys, hashed and prefetched as a burst. Bit i of the
 * result is set when nexthop[i] was found.
 */
uint64_t bridge_lookup_burst(const struct bridge *b, const struct bridge_key *keys, uint32_t n,
			     uint32_t *nexthop);
uint32_t bridge_used(const struct bridge *b);
uint32_t bridge_capacity(const struct bridge *b);
/*
 * Dump: visits entries from *cursor on (start with 0), at most 'max'; sets *cursor to where to go
 * on, or to UINT64_MAX at the end. Returns how many were stored.
 */
uint32_t bridge_walk(const struct bridge *b, uint64_t *cursor, uint32_t max,
		     struct bridge_key *keys, uint32_t *nexthops);

#endif

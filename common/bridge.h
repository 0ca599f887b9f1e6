/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bridge entries: (VRF, MAC) -> a 64-bit value. A hash of cache-line buckets in the region, made
 * for many readers in bursts and one writer (vr-ctl).
 *
 * A bucket holds four cells: four keys of 8 bytes, which are all of VRF and MAC, and four values of
 * 8 bytes; a key may stand in its first or its second bucket. So a lookup usually touches one cache
 * line, and compares whole keys. One release store of a key publishes or removes an entry, one
 * store of a value replaces it. An emptied cell is used again after a grace period.
 *
 * So a reader sees an entry whole or not at all, and a writer may die on any line: until the key is
 * stored nothing happened. An entry moved to its second bucket stands in both for a moment; the
 * writer notes the move before, and the next writer finishes it.
 */
#ifndef COMMON_BRIDGE_H
#define COMMON_BRIDGE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct grace;

struct bridge; /* shared; layout in bridge_shared.h */

/* VRF ids are below. Whoever lets a VRF id into a vif checks that: lookups do not. */
enum { BRIDGE_VRFS_MAX = 65535 };

struct bridge_key {
	uint32_t vrf;
	uint8_t mac[6];
	uint16_t reserved; /* 0 */
};

/*
 * A value: nexthop id in bits 0-31, MPLS label or VNI in bits 32-55, flags above, as in a route's
 * (route.h). They are the packet path's; the table does not look at them.
 */
#define BRIDGE_LABEL_VALID (UINT64_C(1) << 62)
#define BRIDGE_DHCP_FLOOD  (UINT64_C(1) << 56) /* DHCP from this MAC is flooded, not trapped */
enum { BRIDGE_LABEL_MAX = 0xffffff };

static inline uint64_t
bridge_value(uint32_t nexthop, uint32_t label, uint64_t flags)
{
	return flags | (uint64_t)(label & BRIDGE_LABEL_MAX) << 32 | nexthop;
}
static inline uint32_t
bridge_value_nexthop(uint64_t value)
{
	return (uint32_t)value;
}
static inline uint32_t
bridge_value_label(uint64_t value)
{
	return (uint32_t)(value >> 32) & BRIDGE_LABEL_MAX;
}

size_t bridge_size(uint32_t entries);
void bridge_init(struct bridge *b, uint32_t entries);

/*
 * Writer, process-local state. Finishes what the last writer left and counts the entries, so it
 * costs time by table size. NULL when out of memory, or when 'grace' can defer no more. 'grace' may
 * be NULL when there are no readers (tests). With it, nothing may poll it after the writer is
 * destroyed.
 */
struct bridge_writer;
struct bridge_writer *bridge_writer_create(struct bridge *b, struct grace *grace);
void bridge_writer_destroy(struct bridge_writer *w);
/*
 * Adds or replaces. -ERANGE: VRF id too large; -ENOSPC: table full (counted); -ENOBUFS: room waits
 * for a grace period, poll and try again (after a bounded poll of its own).
 */
int bridge_set(struct bridge_writer *w, const struct bridge_key *key, uint64_t value);
/* -ENOENT: absent; -ENOBUFS: as above. */
int bridge_del(struct bridge_writer *w, const struct bridge_key *key);

/*
 * The same as a part of a batch (redo.h): a cell is found, or made free by moving an entry of
 * another key, now; it is filled when the batch is committed. Whoever commits sees before
 * that each staged store may be deferred (grace_room_for()). Errors as above, and -EFBIG: the log
 * is full; -E2BIG: what the batch itself has staged is in the way. 'owner' goes into the array of
 * bridge_writer_owners().
 */
struct redo_writer;
int bridge_stage_set(struct bridge_writer *w, struct redo_writer *redo,
		     const struct bridge_key *key, uint64_t value, uint16_t owner);
int bridge_stage_del(struct bridge_writer *w, struct redo_writer *redo,
		     const struct bridge_key *key);

/*
 * An array beside the table, with bridge_cells() elements: whose each entry is. The writer keeps it
 * in step when it moves entries. For a walk over one owner's entries, see bridge_walk_owners().
 */
uint64_t bridge_cells(uint32_t entries);
void bridge_writer_owners(struct bridge_writer *w, uint16_t *owners);

/* Reader; 0 and the value, or -ENOENT. */
int bridge_lookup(const struct bridge *b, const struct bridge_key *key, uint64_t *value);

/*
 * A key as the table holds it: MAC << 16 | (VRF + 1), never 0. 'mac' is as on the wire, with two
 * readable bytes behind it (an Ethernet header has them), so that it is one load.
 */
static inline uint64_t
bridge_key_packed(uint32_t vrf, const void *mac)
{
	uint64_t bytes;

	memcpy(&bytes, mac, sizeof(bytes));
	return bytes << 16 | (uint16_t)(vrf + 1);
}
/*
 * The packet path's form: n <= BURST_MAX packed keys, hashed and prefetched as a burst. Bit i of
 * the result is set when value[i] was found; else value[i] is undefined.
 */
uint64_t bridge_lookup_burst(const struct bridge *b, const uint64_t *packed, uint32_t n,
			     uint64_t *value);
uint32_t bridge_used(const struct bridge *b);
uint32_t bridge_capacity(const struct bridge *b);
/*
 * Dump: visits entries from *cursor on (start with 0), at most 'max'; sets *cursor to where to go
 * on, or to UINT64_MAX at the end. Returns how many were stored. An entry that is moved
 * between two calls may be missed (struct bridge counts moves; they are rare, and none happens
 * while nothing is added).
 */
uint32_t bridge_walk(const struct bridge *b, uint64_t *cursor, uint32_t max,
		     struct bridge_key *keys, uint64_t *values);
/*
 * Looks at no more than 'cells' cells from *cursor on and stores the keys and owners of those that
 * are filled; the arrays have room for as many.
 */
uint32_t bridge_walk_owners(const struct bridge *b, const uint16_t *owner_of_cell, uint64_t *cursor,
			    uint32_t cells, struct bridge_key *keys, uint16_t *owners);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unicast routes, IPv4 and IPv6: (VRF, prefix) -> a 64-bit value, found by longest prefix match.
 * Made for many readers in bursts (slots) and one writer (vr-ctl).
 *
 * Readers walk a trie of each VRF, whose memory grows with the routes and not with the VRFs. The
 * routes as given lie beside it; the writer makes the trie from them. Each change of a route is
 * decided by one store, those of a batch together (redo.h); what it means for the trie follows,
 * word by word, so a reader sees for an address the route of before or of after. A writer may die
 * on any line: the next one finds the routes that the trie has not followed, and has it follow.
 */
#ifndef COMMON_ROUTE_H
#define COMMON_ROUTE_H

#include <stddef.h>
#include <stdint.h>

struct grace;

struct route_table; /* shared; layout in route_shared.h */

enum route_family { ROUTE_INET, ROUTE_INET6, ROUTE_FAMILIES };

enum {
	ROUTES_MAX = 1 << 23,     /* of one table */
	ROUTE_VRFS_MAX = 1 << 16, /* VRF ids are below */
};

/*
 * A value: nexthop id in bits 0-31, MPLS label or VNI in bits 32-55, flags above. A route has
 * ROUTE_PRESENT set, so 0 is "no route". The other flags are the packet path's, and the table does
 * not look at them.
 */
#define ROUTE_PRESENT     (UINT64_C(1) << 63)
#define ROUTE_LABEL_VALID (UINT64_C(1) << 62)
/* What becomes of ARP requests and neighbour solicitations for an address of the prefix. */
#define ROUTE_ARP_PROXY (UINT64_C(1) << 56) /* the router answers them itself */
#define ROUTE_ARP_TRAP  (UINT64_C(1) << 57) /* they go to the agent */
#define ROUTE_ARP_FLOOD (UINT64_C(1) << 58) /* they are flooded within the VRF */
/* The controller learnt this host from its own ARP; a neighbour that moves is told apart by it. */
#define ROUTE_MAC_IP_LEARNT (UINT64_C(1) << 59)
/* Of a host route: the MAC that is answered stands in the table of stitch.h. */
#define ROUTE_STITCHED (UINT64_C(1) << 60)

static inline uint64_t
route_value(uint32_t nexthop, uint32_t label, uint64_t flags)
{
	return ROUTE_PRESENT | flags | (uint64_t)(label & 0xffffff) << 32 | nexthop;
}
static inline uint32_t
route_value_nexthop(uint64_t value)
{
	return (uint32_t)value;
}
static inline uint32_t
route_value_label(uint64_t value)
{
	return (uint32_t)(value >> 32) & 0xffffff;
}

/* --- readers --- */

/*
 * n <= BURST_MAX addresses, as on the wire; value[i] becomes the value of the longest prefix of
 * vrf[i] that address i has, 0 if there is none. A VRF id without a table has no routes.
 */
void route_lookup_inet(const struct route_table *t, const uint32_t *vrf, const uint32_t *address_be,
		       uint32_t n, uint64_t *value);
/* address[i] points to 16 bytes, anywhere in a packet. */
void route_lookup_inet6(const struct route_table *t, const uint32_t *vrf,
			const void *const *address, uint32_t n, uint64_t *value);

uint32_t route_used(const struct route_table *t, enum route_family family);
uint32_t route_capacity(const struct route_table *t);
/* Routes that found no room. */
uint32_t route_refused(const struct route_table *t);
/* Of the trie's memory. */
uint64_t route_bytes_used(const struct route_table *t);
uint64_t route_bytes(const struct route_table *t);

/* --- the table --- */

size_t route_table_size(uint32_t vrfs, uint32_t routes);
/* 'mem' is zeroed, route_table_size() long and at a cache line. */
void route_table_init(struct route_table *t, uint32_t vrfs, uint32_t routes);

/* --- the writer's process --- */

struct route_key {
	uint32_t vrf;
	uint8_t family; /* enum route_family */
	uint8_t length; /* bits: at most 32, 128 */
	uint16_t reserved;
	uint8_t address[16]; /* as on the wire; what is behind the prefix is ignored */
};

/*
 * Writer, process-local state. Finishes what the last writer left and scans routes and trie, so it
 * costs time by routes. NULL when out of memory, or when 'grace' can defer no more. 'grace' may be
 * NULL when there are no readers (tests). With it, nothing may poll it after the writer is
 * destroyed.
 */
struct route_writer;
struct route_writer *route_writer_create(struct route_table *t, struct grace *grace);
void route_writer_destroy(struct route_writer *w);

/*
 * Adds or replaces. -EINVAL: no such family, prefix too long, or 'value' without ROUTE_PRESENT;
 * -ERANGE: VRF id too large; -ENOSPC: table or trie full (counted), nothing changed; -ENOBUFS: room
 * waits for a grace period, poll and try again (after a bounded poll of its own).
 */
int route_add(struct route_writer *w, const struct route_key *key, uint64_t value);
/* What it covered is routed by the next shorter prefix. -ENOENT: absent; the rest as above. */
int route_del(struct route_writer *w, const struct route_key *key);

/*
 * The same as a part of a batch (redo.h), each seeing those before it, and whose the route is. The
 * table has the routes when the batch is committed; the tries follow with route_follow(). Errors as
 * above, and -EFBIG: the log is full; -E2BIG: the batch replaces more than there are spare places
 * for; -ENOMEM.
 */
struct redo_writer;
int route_stage_add(struct route_writer *w, struct redo_writer *redo, const struct route_key *key,
		    uint64_t value, uint16_t owner);
int route_stage_del(struct route_writer *w, struct redo_writer *redo, const struct route_key *key);

/* Changes decided so far. */
uint64_t route_changes(const struct route_writer *w);
/*
 * Has the tries follow, by at most 'n' changes. 0: they have followed the first 'changes'; -EAGAIN:
 * there is more to do; -ENOBUFS: room waits for a grace period, poll and try again; -ENOSPC: the
 * tries have no room for what is left, which waits until other routes are deleted (batches are
 * refused long before).
 */
int route_follow(struct route_writer *w, uint64_t changes, uint32_t n);

/* Exactly this prefix; 0 and its value, or -ENOENT. */
int route_get(const struct route_writer *w, const struct route_key *key, uint64_t *value);
/*
 * The longest prefix of the key's address that is no longer than the key's length; 0, and 'found'
 * (masked) and its value, or -ENOENT.
 */
int route_find(const struct route_writer *w, const struct route_key *key, struct route_key *found,
	       uint64_t *value);

/*
 * Dump: visits routes from *cursor on (start with 0) in no order, looks at no more than 'look'
 * places and stores no more than 'max' routes; sets *cursor to where to go on, or to UINT64_MAX at
 * the end. Returns how many were stored. A route that is there all the while is visited once.
 * 'owners' may be NULL. Only for the writer's process, where no change happens meanwhile.
 */
uint32_t route_walk(const struct route_table *t, uint64_t *cursor, uint32_t look, uint32_t max,
		    struct route_key *keys, uint64_t *values, uint16_t *owners);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lookups: slots, every burst. The shape is described in route_shared.h; why it is this one, with
 * what else was measured, in docs/performance.md.
 *
 * A burst goes down together, one level at a time: an address's next line is prefetched while the
 * others take their step. Addresses that have arrived at a leaf are left behind without a branch,
 * since where they do is what cannot be predicted.
 */
#include "common/route.h"

#include <string.h>

#include "common/limits.h"
#include "common/route_shared.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* The addresses of a burst; one of the two. */
struct addresses {
	const uint32_t *inet_be;
	const void *const *inet6;
};

struct walk {
	uintptr_t lines;
	uintptr_t values;
	struct addresses a;
	uint32_t slot[BURST_MAX]; /* where address i is */
	uint8_t going[BURST_MAX]; /* the addresses that are at a node */
};

static inline uint32_t
slot_load(const uint32_t *slot)
{
	return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
}

/* Byte number 'at', counted from the left; 0 is asked for where there is none. */
ALWAYS_INLINE uint32_t
byte_of(const struct walk *w, enum route_family family, uint32_t i, uint32_t at)
{
	if (family == ROUTE_INET)
		return w->a.inet_be[i] >> at % 4 * 8 & 0xff;
	return ((const uint8_t *)w->a.inet6[i])[at];
}

ALWAYS_INLINE uint32_t
first_two_bytes(const struct walk *w, enum route_family family, uint32_t i)
{
	return byte_of(w, family, i, 0) << 8 | byte_of(w, family, i, 1);
}

static inline bool
is_wide(uint32_t slot)
{
	return slot_is_node(slot) && slot_kind(slot) == NODE_WIDE;
}

ALWAYS_INLINE const uint32_t *
wide_slots(const struct walk *w, uint32_t slot)
{
	return (const uint32_t *)(w->lines + (uint64_t)slot_line(slot) * CACHE_LINE);
}

/* Whether the address has the bits that a SKIP node names. */
ALWAYS_INLINE bool
skip_matches(const struct walk *w, enum route_family family, uint32_t i, const struct route_skip *s)
{
	uint64_t part[2];

	if (family == ROUTE_INET)
		return ((w->a.inet_be[i] ^ (uint32_t)s->key[0]) & (uint32_t)s->mask[0]) == 0;
	memcpy(part, w->a.inet6[i], sizeof(part));
	return (((part[0] ^ s->key[0]) & s->mask[0]) | ((part[1] ^ s->key[1]) & s->mask[1])) == 0;
}

/* What the next step reads of a node. */
ALWAYS_INLINE void
prefetch_node(const struct walk *w, enum route_family family, uint32_t i, uint32_t node)
{
	uintptr_t line = w->lines + (uint64_t)slot_line(node) * CACHE_LINE;
	uint32_t index = byte_of(w, family, i, slot_byte(node));

	if (slot_kind(node) == NODE_DIRECT)
		line += index * sizeof(uint32_t);
	__builtin_prefetch((const void *)line);
}

/* From a node of any kind but WIDE to the slot behind it. */
ALWAYS_INLINE uint32_t
step(const struct walk *w, enum route_family family, uint32_t i, uint32_t node)
{
	uintptr_t line = w->lines + (uint64_t)slot_line(node) * CACHE_LINE;
	uint32_t index = byte_of(w, family, i, slot_byte(node));
	const struct route_skip *skip = (const struct route_skip *)line;

	if (slot_kind(node) == NODE_BITMAP)
		return slot_load(bitmap_slot((struct route_bitmap *)line, index));
	if (slot_kind(node) == NODE_DIRECT)
		return slot_load((const uint32_t *)line + index);
	return slot_load(skip_matches(w, family, i, skip) ? &skip->match : &skip->miss);
}

/* Sets at[i] to the slot that address i begins at: its VRF's, or that of its first two bytes. */
ALWAYS_INLINE void
enter(struct walk *w, enum route_family family, const struct route_root *const *root, uint32_t n,
      const uint32_t **at)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t top = slot_load(&root[i]->top);

		w->slot[i] = top;
		at[i] =
		    is_wide(top) ? wide_slots(w, top) + first_two_bytes(w, family, i) : &w->slot[i];
		__builtin_prefetch(at[i]);
	}
}

/* The same for addresses of one VRF, as those of a burst mostly are. */
ALWAYS_INLINE void
enter_together(struct walk *w, enum route_family family, const struct route_root *root, uint32_t n,
	       const uint32_t **at)
{
	uint32_t top = slot_load(&root->top);

	for (uint32_t i = 0; i < n; i++) {
		w->slot[i] = top;
		at[i] = &w->slot[i];
	}
	if (!is_wide(top))
		return;
	for (uint32_t i = 0; i < n; i++) {
		at[i] = wide_slots(w, top) + first_two_bytes(w, family, i);
		__builtin_prefetch(at[i]);
	}
}

/*
 * Takes every address down to a leaf or to nothing. Leaves' values are few, and not asked for
 * ahead.
 */
ALWAYS_INLINE void
descend(struct walk *w, enum route_family family, const uint32_t *const *at, uint32_t n)
{
	uint32_t going = 0, left;

	for (uint32_t i = 0; i < n; i++) {
		w->slot[i] = slot_load(at[i]);
		w->going[going] = (uint8_t)i;
		going += slot_is_node(w->slot[i]);
	}
	for (; going > 0; going = left) {
		for (uint32_t k = 0; k < going; k++)
			prefetch_node(w, family, w->going[k], w->slot[w->going[k]]);
		left = 0;
		for (uint32_t k = 0; k < going; k++) {
			uint32_t i = w->going[k];

			w->slot[i] = step(w, family, i, w->slot[i]);
			w->going[left] = (uint8_t)i;
			left += slot_is_node(w->slot[i]);
		}
	}
}

static inline bool
is_one_vrf(const uint32_t *vrf, uint32_t n)
{
	uint32_t differ = 0;

	for (uint32_t i = 0; i < n; i++)
		differ |= vrf[i] ^ vrf[0];
	return differ == 0;
}

/* A leaf's value, or that of the VRF's default route. */
ALWAYS_INLINE uint64_t
value_of(const uint64_t *values, uint32_t slot, uint32_t fallback)
{
	return __atomic_load_n(&values[slot_value(slot != 0 ? slot : fallback)], __ATOMIC_RELAXED);
}

ALWAYS_INLINE void
lookup(const struct route_table *t, enum route_family family, const uint32_t *vrf,
       struct addresses a, uint32_t n, uint64_t *value)
{
	const struct route_root *roots = route_roots(t, family), *root[BURST_MAX];
	const uint64_t *values = route_values(t);
	const uint32_t *at[BURST_MAX];
	uint32_t vrfs = t->vrfs;
	struct walk w;

	w.lines = (uintptr_t)route_line(t, 0);
	w.values = (uintptr_t)values;
	w.a = a;
	if (__builtin_expect(n > 0 && is_one_vrf(vrf, n), 1)) {
		const struct route_root *one = &roots[vrf[0] < vrfs ? vrf[0] : vrfs];
		uint32_t fallback;

		enter_together(&w, family, one, n, at);
		descend(&w, family, at, n);
		fallback = slot_load(&one->fallback);
		for (uint32_t i = 0; i < n; i++)
			value[i] = value_of(values, w.slot[i], fallback);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		root[i] = &roots[vrf[i] < vrfs ? vrf[i] : vrfs];
	enter(&w, family, root, n, at);
	descend(&w, family, at, n);
	for (uint32_t i = 0; i < n; i++)
		value[i] = value_of(values, w.slot[i], slot_load(&root[i]->fallback));
}

void
route_lookup_inet(const struct route_table *t, const uint32_t *vrf, const uint32_t *address_be,
		  uint32_t n, uint64_t *value)
{
	lookup(t, ROUTE_INET, vrf, (struct addresses){.inet_be = address_be}, n, value);
}

void
route_lookup_inet6(const struct route_table *t, const uint32_t *vrf, const void *const *address,
		   uint32_t n, uint64_t *value)
{
	lookup(t, ROUTE_INET6, vrf, (struct addresses){.inet6 = address}, n, value);
}

uint32_t
route_used(const struct route_table *t, enum route_family family)
{
	return __atomic_load_n(&t->used[family], __ATOMIC_RELAXED);
}

uint32_t
route_capacity(const struct route_table *t)
{
	return t->capacity;
}

uint32_t
route_refused(const struct route_table *t)
{
	return __atomic_load_n(&t->refused, __ATOMIC_RELAXED);
}

uint64_t
route_bytes_used(const struct route_table *t)
{
	return (uint64_t)__atomic_load_n(&t->lines_used, __ATOMIC_RELAXED) * CACHE_LINE;
}

uint64_t
route_bytes(const struct route_table *t)
{
	return (uint64_t)t->lines * CACHE_LINE;
}

/* --- dump --- */

static void
key_of(const struct route_record *r, uint32_t meta, struct route_key *key)
{
	*key = (struct route_key){
	    .vrf = meta_vrf(meta),
	    .family = (uint8_t)meta_family(meta),
	    .length = (uint8_t)meta_length(meta),
	};
	memcpy(key->address, r->address, sizeof(key->address));
}

uint32_t
route_walk(const struct route_table *t, uint64_t *cursor, uint32_t look, uint32_t max,
	   struct route_key *keys, uint64_t *values, uint16_t *owners)
{
	uint64_t at = *cursor;
	uint64_t end = at + look < t->records ? at + look : t->records;
	uint32_t n = 0;

	for (; at < end && n < max; at++) {
		const struct route_record *r = &route_record_array(t)[at];
		uint64_t state = __atomic_load_n(&r->state, __ATOMIC_ACQUIRE);

		if (!state_is_live(state))
			continue;
		key_of(r, state_meta(state), &keys[n]);
		if (owners != NULL)
			owners[n] = route_owners(t)[at];
		values[n++] = route_values(t)[state_value(state)];
	}
	*cursor = at < t->records ? at : UINT64_MAX;
	return n;
}

/* --- making one --- */

/*
 * Bytes of trie for each route. A full BGP table takes 60 to 90; scattered host routes at most 128,
 * which is a line for the route and one where its path leaves the others'.
 */
enum { TRIE_BYTES = 112, TRIE_BYTES_LEAST = 4 << 20 };

static uint64_t
line_up(uint64_t n)
{
	return (n + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static void
lay_out(struct route_table *t, uint32_t vrfs, uint32_t routes)
{
	uint64_t roots = line_up((vrfs + UINT64_C(1)) * sizeof(struct route_root));

	*t = (struct route_table){
	    .vrfs = vrfs,
	    .capacity = routes,
	    .records = routes + routes / 64 + 64,
	    .values = routes + routes / 16 + 64,
	    .lines = (uint32_t)(((uint64_t)routes * TRIE_BYTES + TRIE_BYTES_LEAST) / CACHE_LINE),
	};
	t->roots_offset[0] = line_up(sizeof(*t));
	t->roots_offset[1] = t->roots_offset[0] + roots;
	t->values_offset = t->roots_offset[1] + roots;
	t->records_offset = t->values_offset + line_up(t->values * sizeof(uint64_t));
	t->owners_offset =
	    t->records_offset + line_up((uint64_t)t->records * sizeof(struct route_record));
	t->lines_offset = t->owners_offset + line_up(t->records * sizeof(uint16_t));
}

size_t
route_table_size(uint32_t vrfs, uint32_t routes)
{
	struct route_table t;

	lay_out(&t, vrfs, routes);
	return t.lines_offset + (uint64_t)t.lines * CACHE_LINE;
}

void
route_table_init(struct route_table *t, uint32_t vrfs, uint32_t routes)
{
	lay_out(t, vrfs, routes);
}

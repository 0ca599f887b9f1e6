/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a trie changes. A change goes down to the node where its prefix ends, and gives back on the
 * way up what each slot is to be. A node whose slots only change their words is changed in place,
 * each word by one store; a node that needs another shape (a run more, a branch more) is made anew
 * beside the old one, and published by the store of its parent's slot. So a reader always sees a
 * whole trie, and for each address the route of before or of after.
 *
 * The shape follows from the contents: slots that are all equal are one slot of the parent; a node
 * with one branch and one other slot is a SKIP together with the node it leads to, if that is
 * one too. So a trie whose routes are all deleted is gone, and a lone route, however long its
 * prefix, costs one line. (Path compression: Morrison 1968; runs and population count: Degermark et
 * al. 1997, Asai and Ohara 2015; multibit nodes with pushed leaves: Srinivasan and Varghese 1999.)
 */
#include "common/route_trie.h"

#include <stddef.h>
#include <string.h>

#include "common/fault_point.h"
#include "common/route_memory.h"
#include "common/route_shared.h"

struct trie {
	const struct route_table *t;
	struct route_memory *m;
	const struct route_change *c;
	uint32_t *levelled; /* nodes that the change made all equal, and took away */
};

/* Of one change: as what is retired has a bound. Others stay until a change meets them. */
enum { LEVELLED_MAX = 32 };

/*
 * A node of up to so many runs is a BITMAP, of one line; with more it is DIRECT while memory is
 * plentiful, so that a lookup waits for one line of it. When it is not, BITMAPs grow to eight
 * lines.
 */
static uint32_t bitmap_runs_fast = 7;
static uint32_t bitmap_runs_lean = 119;

static uint32_t slot_change(const struct trie *x, uint32_t slot, uint32_t at);

/* --- slots and their nodes --- */

static void
slot_store(uint32_t *slot, uint32_t value)
{
	FAULT_POINT("route before slot");
	__atomic_store_n(slot, value, __ATOMIC_RELEASE);
	FAULT_POINT("route after slot");
}

static struct route_bitmap *
bitmap_of(const struct trie *x, uint32_t node)
{
	return route_line(x->t, slot_line(node));
}

static struct route_skip *
skip_of(const struct trie *x, uint32_t node)
{
	return route_line(x->t, slot_line(node));
}

static uint32_t *
slots_of(const struct trie *x, uint32_t node)
{
	return route_line(x->t, slot_line(node));
}

static uint32_t
bitmap_order(uint32_t runs)
{
	uint32_t order = 0;

	while ((CACHE_LINE << order) - offsetof(struct route_bitmap, slot) <
	       runs * sizeof(uint32_t))
		order++;
	return order;
}

static uint32_t
order_of(const struct trie *x, uint32_t node)
{
	switch (slot_kind(node)) {
	case NODE_BITMAP:
		return bitmap_order(bitmap_runs(bitmap_of(x, node)));
	case NODE_DIRECT:
		return DIRECT_ORDER;
	case NODE_WIDE:
		return WIDE_ORDER;
	default:
		return 0;
	}
}

static void
node_retire(const struct trie *x, uint32_t node)
{
	route_memory_retire(x->m, slot_line(node), order_of(x, node));
}

/* --- the 256 slots of a node in one array --- */

static void
slots_fill(uint32_t *slots, uint32_t n, uint32_t slot)
{
	for (uint32_t i = 0; i < n; i++)
		slots[i] = slot;
}

static uint32_t
slots_begins(const uint32_t *slots, uint64_t begins[4])
{
	uint32_t runs = 1;

	memset(begins, 0, 4 * sizeof(*begins));
	begins[0] = 1;
	for (uint32_t i = 1; i < NODE_SLOTS; i++) {
		uint64_t begin = slots[i] != slots[i - 1];

		begins[i / 64] |= begin << i % 64;
		runs += (uint32_t)begin;
	}
	return runs;
}

static uint32_t
skip_make(const struct trie *x, const void *key, uint32_t at, uint32_t end, uint32_t match,
	  uint32_t miss)
{
	uint32_t line = route_memory_take(x->m, 0);
	struct route_skip *s = route_line(x->t, line);
	uint8_t mask[16] = {0};

	memset(mask + at, 0xff, end / 8 - at);
	if (end % 8 != 0)
		mask[end / 8] = (uint8_t)(0xff00 >> end % 8);
	memcpy(s->key, key, sizeof(s->key));
	memcpy(s->mask, mask, sizeof(s->mask));
	s->match = match;
	s->miss = miss;
	s->end = end;
	return slot_node(NODE_SKIP, at, line);
}

static uint8_t
skip_key(const struct route_skip *s, uint32_t at)
{
	return ((const uint8_t *)s->key)[at];
}

/* Which slots of the node at byte 'at' a prefix has that ends in this byte. */
static uint32_t
span_first(uint8_t byte, uint32_t at, uint32_t length, uint32_t *n)
{
	*n = 1u << (at * 8 + 8 - length);
	return byte & ~(*n - 1);
}

/* The slots of a skip as if it began at byte 'at', which lies on its way. */
static void
skip_expand(const struct trie *x, const struct route_skip *s, uint32_t at, uint32_t *slots)
{
	uint8_t byte = skip_key(s, at);
	uint32_t first, n;

	slots_fill(slots, NODE_SLOTS, s->miss);
	if (s->end <= at * 8 + 8) {
		first = span_first(byte, at, s->end, &n);
		slots_fill(slots + first, n, s->match);
	} else {
		slots[byte] = skip_make(x, s->key, at + 1, s->end, s->match, s->miss);
	}
}

static void
bitmap_expand(const struct route_bitmap *b, uint32_t *slots)
{
	const uint32_t *next = b->slot;
	uint32_t slot = 0;

	for (uint32_t i = 0; i < NODE_SLOTS; i++) {
		if ((b->begins[i / 64] >> i % 64 & 1) != 0)
			slot = *next++;
		slots[i] = slot;
	}
}

static void
slot_expand(const struct trie *x, uint32_t slot, uint32_t at, uint32_t *slots)
{
	if (!slot_is_node(slot))
		slots_fill(slots, NODE_SLOTS, slot);
	else if (slot_kind(slot) == NODE_BITMAP)
		bitmap_expand(bitmap_of(x, slot), slots);
	else if (slot_kind(slot) == NODE_DIRECT)
		memcpy(slots, slots_of(x, slot), NODE_SLOTS * sizeof(*slots));
	else
		skip_expand(x, skip_of(x, slot), at, slots);
}

/* --- making nodes --- */

static uint32_t
direct_make(const struct trie *x, const uint32_t *slots, uint32_t at)
{
	uint32_t line = route_memory_take(x->m, DIRECT_ORDER);

	memcpy(route_line(x->t, line), slots, NODE_SLOTS * sizeof(*slots));
	return slot_node(NODE_DIRECT, at, line);
}

static uint32_t
bitmap_make(const struct trie *x, const uint32_t *slots, const uint64_t begins[4], uint32_t runs,
	    uint32_t at)
{
	uint32_t line = route_memory_take(x->m, bitmap_order(runs));
	struct route_bitmap *b = route_line(x->t, line);
	uint32_t *to = b->slot, before = 0;

	for (uint32_t word = 0; word < 4; word++) {
		b->begins[word] = begins[word];
		b->before[word] = (uint8_t)before;
		before += (uint32_t)__builtin_popcountll(begins[word]);
		for (uint64_t left = begins[word]; left != 0; left &= left - 1)
			*to++ = slots[word * 64 + (uint32_t)__builtin_ctzll(left)];
	}
	return slot_node(NODE_BITMAP, at, line);
}

/* A way through a node without a branch: what a SKIP says. */
struct lone {
	uint8_t key[16];
	uint32_t end;
	uint32_t match;
};

/*
 * Whether the node leads to 'miss' but for one path; 'key' is the way to it. Only a small BITMAP
 * can be that, or a SKIP.
 */
static bool
node_lone(const struct trie *x, uint32_t node, const uint8_t *key, uint32_t miss, struct lone *l)
{
	uint32_t slots[NODE_SLOTS], first = 0, n = 0, at = slot_byte(node);

	memcpy(l->key, key, sizeof(l->key));
	if (slot_kind(node) == NODE_SKIP) {
		const struct route_skip *s = skip_of(x, node);

		memcpy(l->key + at, (const uint8_t *)s->key + at, sizeof(l->key) - at);
		l->end = s->end;
		l->match = s->match;
		return s->miss == miss;
	}
	if (slot_kind(node) != NODE_BITMAP || bitmap_runs(bitmap_of(x, node)) > 3)
		return false;
	slot_expand(x, node, at, slots);
	while (first < NODE_SLOTS && slots[first] == miss)
		first++;
	if (first == NODE_SLOTS)
		return false;
	while (first + n < NODE_SLOTS && slots[first + n] == slots[first])
		n++;
	for (uint32_t i = first + n; i < NODE_SLOTS; i++)
		if (slots[i] != miss)
			return false;
	if ((n & (n - 1)) != 0 || first % n != 0)
		return false;
	l->key[at] = (uint8_t)first;
	l->end = at * 8 + 8 - (uint32_t)__builtin_ctz(n);
	l->match = slots[first];
	return true;
}

/* The number of the only slot that holds a node, where all others are equal; -1 if it isn't so. */
static int
lone_branch(const uint32_t *slots)
{
	uint32_t miss = slots[0];
	int branch = -1;

	if (slot_is_node(miss))
		miss = slots[1];
	for (int i = 0; i < NODE_SLOTS; i++) {
		if (slots[i] == miss)
			continue;
		if (branch >= 0 || !slot_is_node(slots[i]))
			return -1;
		branch = i;
	}
	return slot_is_node(miss) ? -1 : branch;
}

/* The slot that stands for these 256; 'key' is the way to them. */
static uint32_t
node_make(const struct trie *x, const uint32_t *slots, const void *key, uint32_t at)
{
	uint32_t lean_below = x->t->lines / 4;
	uint64_t begins[4];
	uint32_t runs = slots_begins(slots, begins), most;
	struct lone l;

	if (runs == 1)
		return slots[0];
	if (runs <= 3) {
		int branch = lone_branch(slots);
		uint8_t way[16];

		memcpy(way, key, sizeof(way));
		way[at] = (uint8_t)branch;
		if (branch >= 0 &&
		    node_lone(x, slots[branch], way, slots[branch == 0 ? 1 : 0], &l)) {
			node_retire(x, slots[branch]);
			return skip_make(x, l.key, at, l.end, l.match, slots[branch == 0 ? 1 : 0]);
		}
	}
	most = route_memory_free_lines(x->m) < lean_below ? bitmap_runs_lean : bitmap_runs_fast;
	if (runs > most)
		return direct_make(x, slots, at);
	return bitmap_make(x, slots, begins, runs, at);
}

/* The slot at byte 'at' from which the bytes of 'key' lead to 'slot' at byte 'to', others to
 * 'miss'. */
static uint32_t
path_make(const struct trie *x, const void *key, uint32_t at, uint32_t to, uint32_t slot,
	  uint32_t miss)
{
	uint32_t slots[NODE_SLOTS];
	struct lone l;

	if (at == to || slot == miss)
		return slot;
	if (slot_is_node(slot) && node_lone(x, slot, key, miss, &l)) {
		node_retire(x, slot);
		return skip_make(x, l.key, at, l.end, l.match, miss);
	}
	if (to - at > 1)
		return skip_make(x, key, at, to * 8, slot, miss);
	slots_fill(slots, NODE_SLOTS, miss);
	slots[((const uint8_t *)key)[at]] = slot;
	return node_make(x, slots, key, at);
}

/* --- changing --- */

static bool
concerns(const struct route_change *c, uint32_t leaf)
{
	uint32_t length = slot_length(leaf);

	return length >= c->low && length <= c->high;
}

static uint32_t slot_cover(const struct trie *x, uint32_t slot);

static void
slots_cover(const struct trie *x, uint32_t *slots, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t slot = slot_cover(x, slots[i]);

		if (slot != slots[i])
			slot_store(&slots[i], slot);
	}
}

/*
 * What stands for a node now that it is covered: a leaf if all its slots are that, else itself.
 * That happens when what made it a node has gone before, and had left the leaf that now covers.
 */
static uint32_t
node_levelled(const struct trie *x, uint32_t node, const uint32_t *slots, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (slots[i] != x->c->leaf)
			return node;
	if (*x->levelled >= LEVELLED_MAX)
		return node;
	(*x->levelled)++;
	node_retire(x, node);
	return x->c->leaf;
}

/* The prefix covers all that is behind this slot. Nodes keep their shape, or go. */
static uint32_t
slot_cover(const struct trie *x, uint32_t slot)
{
	struct route_skip *s;
	uint32_t *slots, n;

	if (!slot_is_node(slot))
		return concerns(x->c, slot) ? x->c->leaf : slot;
	switch (slot_kind(slot)) {
	case NODE_BITMAP:
		slots = bitmap_of(x, slot)->slot;
		n = bitmap_runs(bitmap_of(x, slot));
		slots_cover(x, slots, n);
		return node_levelled(x, slot, slots, n);
	case NODE_DIRECT:
		slots_cover(x, slots_of(x, slot), NODE_SLOTS);
		return node_levelled(x, slot, slots_of(x, slot), NODE_SLOTS);
	default:
		s = skip_of(x, slot);
		slots_cover(x, &s->match, 1);
		slots_cover(x, &s->miss, 1);
		return s->miss == s->match ? node_levelled(x, slot, &s->match, 1) : slot;
	}
}

/* The change, done to the slots of a node at byte 'at', in which or behind which its prefix ends.
 */
static void
slots_change(const struct trie *x, uint32_t *slots, uint32_t at)
{
	uint8_t byte = x->c->address[at];
	uint32_t first, n;

	if (x->c->length >= at * 8 + 8) {
		slots[byte] = slot_change(x, slots[byte], at + 1);
		return;
	}
	first = span_first(byte, at, x->c->length, &n);
	for (uint32_t i = first; i < first + n; i++)
		slots[i] = slot_cover(x, slots[i]);
}

static uint32_t
leaf_change(const struct trie *x, uint32_t leaf, uint32_t at)
{
	const struct route_change *c = x->c;
	uint32_t slots[NODE_SLOTS];

	if (!concerns(c, leaf) || leaf == c->leaf)
		return leaf;
	if (c->length > at * 8 + 8)
		return skip_make(x, c->address, at, c->length, c->leaf, leaf);
	slots_fill(slots, NODE_SLOTS, leaf);
	slots_change(x, slots, at);
	return node_make(x, slots, c->address, at);
}

/* Stores the words that differ, in a node that keeps its shape. */
static void
words_store(uint32_t *to, const uint32_t *from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (to[i] != from[i])
			slot_store(&to[i], from[i]);
}

static uint32_t
direct_change(const struct trie *x, uint32_t node, uint32_t at)
{
	uint32_t *have = slots_of(x, node), slots[NODE_SLOTS], runs;
	uint8_t byte = x->c->address[at];
	uint64_t begins[4];

	if (x->c->length >= at * 8 + 8 && x->c->low == 0) { /* an addition: stays big */
		uint32_t slot = slot_change(x, have[byte], at + 1);

		if (slot != have[byte])
			slot_store(&have[byte], slot);
		return node;
	}
	memcpy(slots, have, sizeof(slots));
	slots_change(x, slots, at);
	runs = slots_begins(slots, begins);
	if (runs <= bitmap_runs_fast / 2) {
		node_retire(x, node);
		return node_make(x, slots, x->c->address, at);
	}
	words_store(have, slots, NODE_SLOTS);
	return node;
}

static uint32_t
bitmap_change(const struct trie *x, uint32_t node, uint32_t at)
{
	struct route_bitmap *b = bitmap_of(x, node);
	uint32_t slots[NODE_SLOTS], runs;
	uint64_t begins[4];

	if (x->c->length >= at * 8 + 8) {
		uint32_t *have = bitmap_slot(b, x->c->address[at]), old = *have;
		uint32_t slot = slot_change(x, old, at + 1);

		if (slot == old)
			return node;
		if (slot_is_node(old) && slot_is_node(slot) && bitmap_runs(b) > 3) {
			slot_store(have, slot);
			return node;
		}
		bitmap_expand(b, slots);
		slots[x->c->address[at]] = slot;
	} else {
		bitmap_expand(b, slots);
		slots_change(x, slots, at);
	}
	runs = slots_begins(slots, begins);
	if (runs > 3 && memcmp(begins, b->begins, sizeof(begins)) == 0) {
		uint32_t *to = b->slot;

		for (uint32_t i = 0; i < NODE_SLOTS; i++)
			if ((begins[i / 64] >> i % 64 & 1) != 0)
				words_store(to++, &slots[i], 1);
		return node;
	}
	node_retire(x, node);
	return node_make(x, slots, x->c->address, at);
}

/* How many bits from byte 'at' on, up to 'end', the change's prefix and the skip share; in all. */
static uint32_t
bits_shared(const struct trie *x, const struct route_skip *s, uint32_t at, uint32_t end)
{
	for (; at * 8 < end; at++) {
		uint8_t differ = x->c->address[at] ^ skip_key(s, at);

		if (differ != 0) {
			uint32_t bit = at * 8 + (uint32_t)__builtin_clz(differ) - 24;

			return bit < end ? bit : end;
		}
	}
	return end;
}

static uint32_t
skip_change(const struct trie *x, uint32_t node, uint32_t at)
{
	struct route_skip *s = skip_of(x, node);
	uint32_t shorter = x->c->length < s->end ? x->c->length : s->end;
	uint32_t shared = bits_shared(x, s, at, shorter);
	uint32_t slots[NODE_SLOTS], slot, fork;
	struct lone l;

	if (shared == s->end && x->c->length > s->end && slot_is_node(s->match)) {
		slot = slot_change(x, s->match, s->end / 8);
		if (slot == s->match)
			return node;
		if (slot_is_node(slot) &&
		    !node_lone(x, slot, (const uint8_t *)s->key, s->miss, &l)) {
			slot_store(&s->match, slot);
			return node;
		}
		node_retire(x, node);
		return path_make(x, s->key, at, s->end / 8, slot, s->miss);
	}
	fork = shared < shorter ? shared / 8 : (shorter - 1) / 8;
	skip_expand(x, s, fork, slots);
	slots_change(x, slots, fork);
	node_retire(x, node);
	slot = node_make(x, slots, s->key, fork);
	return path_make(x, s->key, at, fork, slot, s->miss);
}

/* Returns what the slot that leads to byte 'at' is to be. */
static uint32_t
slot_change(const struct trie *x, uint32_t slot, uint32_t at)
{
	if (x->c->length <= at * 8)
		return slot_cover(x, slot);
	if (!slot_is_node(slot))
		return leaf_change(x, slot, at);
	switch (slot_kind(slot)) {
	case NODE_BITMAP:
		return bitmap_change(x, slot, at);
	case NODE_DIRECT:
		return direct_change(x, slot, at);
	default:
		return skip_change(x, slot, at);
	}
}

/* --- the top --- */

static void
wide_change(const struct trie *x, uint32_t node)
{
	const struct route_change *c = x->c;
	uint32_t first = (uint32_t)c->address[0] << 8 | c->address[1], n, slot;
	uint32_t *slots = slots_of(x, node);

	if (c->length <= 16) {
		n = 1u << (16 - c->length);
		slots_cover(x, slots + (first & ~(n - 1)), n);
		return;
	}
	slot = slot_change(x, slots[first], 2);
	if (slot != slots[first])
		slot_store(&slots[first], slot);
}

bool
route_trie_is_wide(uint32_t root)
{
	return slot_is_node(root) && slot_kind(root) == NODE_WIDE;
}

void
route_trie_change(const struct route_table *t, struct route_memory *m, uint32_t *root,
		  const struct route_change *c)
{
	uint32_t levelled = 0;
	const struct trie x = {t, m, c, &levelled};
	uint32_t slot;

	if (route_trie_is_wide(*root)) {
		wide_change(&x, *root);
	} else {
		slot = slot_change(&x, *root, 0);
		if (slot != *root)
			slot_store(root, slot);
	}
	route_memory_flush(m);
}

void
route_trie_widen(const struct route_table *t, struct route_memory *m, uint32_t *root)
{
	const struct trie x = {t, m, NULL, NULL};
	uint32_t line = route_memory_take(m, WIDE_ORDER);
	uint32_t *wide = route_line(t, line), top[NODE_SLOTS], old = *root;

	slot_expand(&x, old, 0, top);
	if (slot_is_node(old))
		node_retire(&x, old);
	for (uint32_t i = 0; i < NODE_SLOTS; i++) {
		slot_expand(&x, top[i], 1, wide + (size_t)i * NODE_SLOTS);
		if (slot_is_node(top[i]))
			node_retire(&x, top[i]);
	}
	slot_store(root, slot_node(NODE_WIDE, 0, line));
	route_memory_flush(m);
}

void
route_trie_narrow(const struct route_table *t, struct route_memory *m, uint32_t *root)
{
	const struct trie x = {t, m, NULL, NULL};
	uint32_t old = *root, top[NODE_SLOTS];
	const uint32_t *wide = slots_of(&x, old);
	uint8_t key[16] = {0};

	for (uint32_t i = 0; i < NODE_SLOTS; i++) {
		key[0] = (uint8_t)i;
		top[i] = node_make(&x, wide + (size_t)i * NODE_SLOTS, key, 1);
	}
	node_retire(&x, old);
	slot_store(root, node_make(&x, top, key, 0));
	route_memory_flush(m);
}

/* --- taking over from a writer --- */

static void
slots_mark(const struct trie *x, const uint32_t *slots, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		route_trie_mark(x->t, x->m, slots[i]);
}

void
route_trie_mark(const struct route_table *t, struct route_memory *m, uint32_t slot)
{
	const struct trie x = {t, m, NULL, NULL};

	if (!slot_is_node(slot)) {
		route_memory_mark_value(m, slot_value(slot));
		return;
	}
	route_memory_mark(m, slot_line(slot), order_of(&x, slot));
	switch (slot_kind(slot)) {
	case NODE_BITMAP:
		slots_mark(&x, bitmap_of(&x, slot)->slot, bitmap_runs(bitmap_of(&x, slot)));
		break;
	case NODE_DIRECT:
		slots_mark(&x, slots_of(&x, slot), NODE_SLOTS);
		break;
	case NODE_WIDE:
		slots_mark(&x, slots_of(&x, slot), WIDE_SLOTS);
		break;
	default:
		slots_mark(&x, &skip_of(&x, slot)->match, 1);
		slots_mark(&x, &skip_of(&x, slot)->miss, 1);
	}
}

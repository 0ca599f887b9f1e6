/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The writer of the route table; called by vr-ctl's writer thread. It keeps the routes as given,
 * and has the tries follow them (route_trie.c).
 *
 * Equal values are stored once, so that the few nexthops of many routes stay in a reader's cache: a
 * leaf holds an index into values[], and a value that no route has any more is used again after a
 * grace period. Which route is where, how often a value is used and what is free is known in the
 * writer's own memory, and found by a scan.
 *
 * The dead writer, store by store: a note says which prefix is being changed. The record's 'meta'
 * (or 'value', for a route that is there) is the commit; nothing before it is seen by anybody.
 * After it the trie follows, word by word. The next writer looks the noted prefix up among the
 * records and does the change of the trie again, to the end; a change done twice is a change done
 * once. Lines and values that nothing refers to are free. All of that waits for one grace period,
 * because readers may be where the last writer has just taken something away.
 */
#include "common/route.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/fault_point.h"
#include "common/grace.h"
#include "common/route_memory.h"
#include "common/route_shared.h"
#include "common/route_trie.h"

/* A VRF with so many routes gets a wide top, while those take no more than a quarter of the memory.
 */
static uint32_t wide_from = 64;
enum { WIDE_SHARE = 4, WIDE_RETRY = 64 };

enum { LENGTHS = 129, NO_RECORD = UINT32_MAX };

/* An open hash of numbers, + 1; what they stand for is elsewhere. */
struct index {
	uint32_t *cell;
	uint32_t mask;
};

struct route_writer {
	struct route_table *t;
	struct route_memory *m;
	struct grace *grace;
	bool settled;
	struct index records; /* by prefix */
	struct index values;  /* by value */
	uint32_t *value_users;
	uint32_t *free_records;
	uint32_t n_free;
	uint32_t wides;
	uint32_t *vrf_routes[ROUTE_FAMILIES];
	uint32_t lengths[ROUTE_FAMILIES][LENGTHS]; /* routes of each length */
};

/* A prefix as a record has it. */
struct prefix {
	uint64_t address[2];
	uint32_t meta;
};

/* --- indices --- */

static uint64_t
mix(uint64_t a, uint64_t b)
{
	__uint128_t product =
	    (__uint128_t)(a ^ UINT64_C(0x2d358dccaa6c78a5)) * (b ^ UINT64_C(0x8bb84b93962eacc9));

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t
prefix_hash(const uint64_t address[2], uint32_t meta)
{
	return mix(mix(address[0], address[1]), meta);
}

static uint64_t
record_hash(const struct route_table *t, uint32_t record)
{
	const struct route_record *r = &route_records(t)[record];

	return prefix_hash(r->address, r->meta);
}

static uint64_t
value_hash(const struct route_table *t, uint32_t value)
{
	return mix(route_values(t)[value], 1);
}

static int
index_init(struct index *x, uint32_t n)
{
	uint32_t cells = 64;

	while (cells < n + n / 2)
		cells *= 2;
	x->mask = cells - 1;
	x->cell = calloc(cells, sizeof(x->cell[0]));
	return x->cell != NULL ? 0 : -ENOMEM;
}

static void
index_add(struct index *x, uint64_t hash, uint32_t number)
{
	uint32_t at = (uint32_t)hash & x->mask;

	while (x->cell[at] != 0)
		at = (at + 1) & x->mask;
	x->cell[at] = number + 1;
}

/* Closes the gap, so that no search ends before what it looks for (Knuth, volume 3, 6.4 R). */
static void
index_del(struct index *x, const struct route_table *t, uint64_t hash, uint32_t number,
	  uint64_t (*hash_of)(const struct route_table *, uint32_t))
{
	uint32_t gap = (uint32_t)hash & x->mask, at;

	while (x->cell[gap] != number + 1)
		gap = (gap + 1) & x->mask;
	for (at = (gap + 1) & x->mask; x->cell[at] != 0; at = (at + 1) & x->mask) {
		uint32_t home = (uint32_t)hash_of(t, x->cell[at] - 1) & x->mask;

		if (((at - home) & x->mask) < ((at - gap) & x->mask))
			continue;
		x->cell[gap] = x->cell[at];
		gap = at;
	}
	x->cell[gap] = 0;
}

static uint32_t
record_find(const struct route_writer *w, const struct prefix *p)
{
	uint32_t at = (uint32_t)prefix_hash(p->address, p->meta) & w->records.mask;

	for (; w->records.cell[at] != 0; at = (at + 1) & w->records.mask) {
		const struct route_record *r = &route_records(w->t)[w->records.cell[at] - 1];

		if (r->meta == p->meta && r->address[0] == p->address[0] &&
		    r->address[1] == p->address[1])
			return w->records.cell[at] - 1;
	}
	return NO_RECORD;
}

static uint32_t
value_find(const struct route_writer *w, uint64_t value)
{
	uint32_t at = (uint32_t)mix(value, 1) & w->values.mask;

	for (; w->values.cell[at] != 0; at = (at + 1) & w->values.mask)
		if (route_values(w->t)[w->values.cell[at] - 1] == value)
			return w->values.cell[at] - 1;
	return 0;
}

/* --- prefixes --- */

static struct prefix
prefix_of(uint32_t family, uint32_t vrf, uint32_t length, const void *address)
{
	struct prefix p = {.meta = meta_make(family, length, vrf)};
	uint8_t bytes[16] = {0};

	memcpy(bytes, address, (length + 7) / 8);
	if (length % 8 != 0)
		bytes[length / 8] &= (uint8_t)(0xff00 >> length % 8);
	memcpy(p.address, bytes, sizeof(p.address));
	return p;
}

static int
key_check(const struct route_writer *w, const struct route_key *key)
{
	if (key->family >= ROUTE_FAMILIES || key->length > (key->family == ROUTE_INET ? 32 : 128))
		return -EINVAL;
	return key->vrf < w->t->vrfs ? 0 : -ERANGE;
}

static struct prefix
key_prefix(const struct route_key *key)
{
	return prefix_of(key->family, key->vrf, key->length, key->address);
}

/* The longest route of at least 'least' bits that covers the prefix and has at most 'length' bits.
 */
static uint32_t
covering(const struct route_writer *w, const struct prefix *p, uint32_t least, uint32_t length)
{
	uint32_t family = meta_family(p->meta);

	for (uint32_t n = length + 1; n-- > least;) {
		struct prefix shorter;
		uint32_t record;

		if (w->lengths[family][n] == 0)
			continue;
		shorter = prefix_of(family, meta_vrf(p->meta), n, p->address);
		record = record_find(w, &shorter);
		if (record != NO_RECORD)
			return record;
	}
	return NO_RECORD;
}

/* --- the trie follows the records --- */

static uint32_t
record_leaf(const struct route_writer *w, uint32_t record)
{
	const struct route_record *r = &route_records(w->t)[record];

	return slot_leaf(meta_length(r->meta), r->value);
}

static void
fallback_follow(struct route_writer *w, struct route_root *root, uint32_t record)
{
	uint32_t leaf = record != NO_RECORD ? slot_leaf(1, route_records(w->t)[record].value) : 0;

	FAULT_POINT("route before fallback");
	__atomic_store_n(&root->fallback, leaf, __ATOMIC_RELEASE);
	FAULT_POINT("route after fallback");
}

/* Makes the trie say for this prefix what the records say. */
static void
trie_follow(struct route_writer *w, const struct prefix *p)
{
	struct route_root *root = &route_roots(w->t, meta_family(p->meta))[meta_vrf(p->meta)];
	struct route_change c = {.length = meta_length(p->meta)};
	uint32_t record = record_find(w, p);

	if (c.length == 0) {
		fallback_follow(w, root, record);
		return;
	}
	memcpy(c.address, p->address, sizeof(c.address));
	c.high = c.length;
	if (record != NO_RECORD) {
		c.leaf = record_leaf(w, record);
	} else {
		c.low = c.length;
		record = covering(w, p, 1, c.length - 1);
		c.leaf = record != NO_RECORD ? record_leaf(w, record) : 0;
	}
	route_trie_change(w->t, w->m, &root->top, &c);
}

static void
note(struct route_writer *w, const struct prefix *p, uint32_t value)
{
	struct route_table *t = w->t;

	memcpy(t->changing_address, p->address, sizeof(t->changing_address));
	t->changing_value = value;
	FAULT_POINT("route before note");
	__atomic_store_n(&t->changing_meta, p->meta, __ATOMIC_RELEASE);
	FAULT_POINT("route after note");
}

static void
note_clear(struct route_writer *w)
{
	FAULT_POINT("route before done");
	__atomic_store_n(&w->t->changing_meta, 0, __ATOMIC_RELEASE);
	FAULT_POINT("route after done");
}

/* --- values --- */

static uint32_t
value_hold(struct route_writer *w, uint64_t value)
{
	uint32_t v = value_find(w, value);

	if (v == 0) {
		v = route_memory_value(w->m);
		__atomic_store_n(&route_values(w->t)[v], value, __ATOMIC_RELEASE);
		index_add(&w->values, mix(value, 1), v);
	}
	w->value_users[v]++;
	return v;
}

/* Only when no slot has it any more. */
static void
value_drop(struct route_writer *w, uint32_t v)
{
	if (--w->value_users[v] > 0)
		return;
	index_del(&w->values, w->t, value_hash(w->t, v), v, value_hash);
	route_memory_retire_value(w->m, v);
	route_memory_flush(w->m);
}

/* --- records --- */

static void
count(struct route_writer *w, uint32_t meta, int by)
{
	uint32_t family = meta_family(meta);

	w->lengths[family][meta_length(meta)] += (uint32_t)by;
	w->vrf_routes[family][meta_vrf(meta)] += (uint32_t)by;
	__atomic_store_n(&w->t->used[family], w->t->used[family] + (uint32_t)by, __ATOMIC_RELAXED);
}

static void
record_commit(struct route_record *r, uint32_t meta)
{
	FAULT_POINT("route before meta");
	__atomic_store_n(&r->meta, meta, __ATOMIC_RELEASE);
	FAULT_POINT("route after meta");
}

static void
record_new(struct route_writer *w, const struct prefix *p, uint32_t value)
{
	uint32_t record = w->free_records[--w->n_free];
	struct route_record *r = &route_records(w->t)[record];

	note(w, p, 0);
	memcpy(r->address, p->address, sizeof(r->address));
	r->value = value;
	record_commit(r, p->meta);
	index_add(&w->records, prefix_hash(p->address, p->meta), record);
	count(w, p->meta, 1);
	trie_follow(w, p);
	note_clear(w);
}

static void
record_replace(struct route_writer *w, const struct prefix *p, struct route_record *r,
	       uint32_t value)
{
	uint32_t old = r->value;

	note(w, p, old);
	FAULT_POINT("route before value");
	__atomic_store_n(&r->value, value, __ATOMIC_RELEASE);
	FAULT_POINT("route after value");
	trie_follow(w, p);
	note_clear(w);
	value_drop(w, old);
}

static void
record_remove(struct route_writer *w, const struct prefix *p, uint32_t record)
{
	struct route_record *r = &route_records(w->t)[record];

	note(w, p, r->value);
	index_del(&w->records, w->t, prefix_hash(p->address, p->meta), record, record_hash);
	record_commit(r, 0);
	count(w, p->meta, -1);
	trie_follow(w, p);
	note_clear(w);
	value_drop(w, r->value);
	w->free_records[w->n_free++] = record;
}

/* --- shape of a VRF's top --- */

static void
maybe_widen(struct route_writer *w, uint32_t meta)
{
	uint32_t routes = w->vrf_routes[meta_family(meta)][meta_vrf(meta)];
	uint32_t *top = &route_roots(w->t, meta_family(meta))[meta_vrf(meta)].top;

	if (routes < wide_from || routes % WIDE_RETRY != 0 || route_trie_is_wide(*top) ||
	    w->wides >= w->t->lines / WIDE_SHARE >> WIDE_ORDER)
		return;
	if (route_memory_reserve(w->m, (2u << WIDE_ORDER) + 2 * routes, TRIE_WIDEN_RETIRED_MAX) <
		0 ||
	    !route_memory_has(w->m, WIDE_ORDER))
		return;
	route_trie_widen(w->t, w->m, top);
	w->wides++;
}

static void
maybe_narrow(struct route_writer *w, uint32_t meta)
{
	uint32_t routes = w->vrf_routes[meta_family(meta)][meta_vrf(meta)];
	uint32_t *top = &route_roots(w->t, meta_family(meta))[meta_vrf(meta)].top;

	if (routes >= wide_from / 4 || !route_trie_is_wide(*top) ||
	    route_memory_reserve(w->m, TRIE_LINES_MAX, TRIE_RETIRED_MAX) < 0)
		return;
	route_trie_narrow(w->t, w->m, top);
	w->wides--;
}

/* --- requests --- */

static int
full(struct route_writer *w)
{
	__atomic_store_n(&w->t->refused, w->t->refused + 1, __ATOMIC_RELAXED);
	return -ENOSPC;
}

/* Completes the change that the last writer was at. The value that went with it may be in slots. */
static void
finish(struct route_writer *w)
{
	struct route_table *t = w->t;
	struct prefix p = {.meta = t->changing_meta};
	uint32_t value = t->changing_value;

	if (p.meta == 0)
		return;
	memcpy(p.address, t->changing_address, sizeof(p.address));
	trie_follow(w, &p);
	note_clear(w);
	if (value != 0 && w->value_users[value] == 0)
		route_memory_retire_value(w->m, value);
}

/* Whether a change may begin. */
static int
ready(struct route_writer *w)
{
	int rc;

	if (!w->settled)
		grace_settle(w->grace);
	if (!w->settled)
		return -ENOBUFS;
	rc = route_memory_reserve(w->m, TRIE_LINES_MAX, TRIE_RETIRED_MAX);
	if (rc == 0 && w->t->changing_meta != 0)
		finish(w);
	return rc == -ENOSPC ? full(w) : rc;
}

int
route_add(struct route_writer *w, const struct route_key *key, uint64_t value)
{
	int rc = (value & ROUTE_PRESENT) != 0 ? key_check(w, key) : -EINVAL;
	struct route_record *r;
	struct prefix p;
	uint32_t record;

	if (rc < 0)
		return rc;
	p = key_prefix(key);
	record = record_find(w, &p);
	r = &route_records(w->t)[record != NO_RECORD ? record : 0];
	if (record != NO_RECORD && route_values(w->t)[r->value] == value)
		return 0; /* a client replays what it knows */
	if (record == NO_RECORD && w->n_free == 0)
		return full(w);
	rc = ready(w);
	if (rc < 0)
		return rc;
	if (record != NO_RECORD) {
		record_replace(w, &p, r, value_hold(w, value));
		return 0;
	}
	record_new(w, &p, value_hold(w, value));
	maybe_widen(w, p.meta);
	return 0;
}

int
route_del(struct route_writer *w, const struct route_key *key)
{
	int rc = key_check(w, key);
	struct prefix p;
	uint32_t record;

	if (rc < 0)
		return rc;
	p = key_prefix(key);
	record = record_find(w, &p);
	if (record == NO_RECORD)
		return -ENOENT;
	rc = ready(w);
	if (rc < 0)
		return rc;
	record_remove(w, &p, record);
	maybe_narrow(w, p.meta);
	return 0;
}

int
route_get(const struct route_writer *w, const struct route_key *key, uint64_t *value)
{
	int rc = key_check(w, key);
	struct prefix p;
	uint32_t record;

	if (rc < 0)
		return rc;
	p = key_prefix(key);
	record = record_find(w, &p);
	if (record == NO_RECORD)
		return -ENOENT;
	*value = route_values(w->t)[route_records(w->t)[record].value];
	return 0;
}

int
route_find(const struct route_writer *w, const struct route_key *key, struct route_key *found,
	   uint64_t *value)
{
	int rc = key_check(w, key);
	const struct route_record *r;
	struct prefix p;
	uint32_t record;

	if (rc < 0)
		return rc;
	p = key_prefix(key);
	record = covering(w, &p, 0, key->length);
	if (record == NO_RECORD)
		return -ENOENT;
	r = &route_records(w->t)[record];
	*found = (struct route_key){
	    .vrf = key->vrf, .family = key->family, .length = (uint8_t)meta_length(r->meta)};
	memcpy(found->address, r->address, sizeof(found->address));
	*value = route_values(w->t)[r->value];
	return 0;
}

/* --- taking over from a writer --- */

static void
scan_record(struct route_writer *w, uint32_t record)
{
	const struct route_record *r = &route_records(w->t)[record];

	if (r->meta == 0) {
		w->free_records[w->n_free++] = record;
		return;
	}
	index_add(&w->records, prefix_hash(r->address, r->meta), record);
	count(w, r->meta, 1);
	if (w->value_users[r->value]++ > 0)
		return;
	route_memory_mark_value(w->m, r->value);
	index_add(&w->values, value_hash(w->t, r->value), r->value);
}

/* Low numbers are used first. */
static void
scan(struct route_writer *w)
{
	const struct route_table *t = w->t;

	w->t->used[ROUTE_INET] = w->t->used[ROUTE_INET6] = 0;
	for (uint32_t i = t->capacity; i-- > 0;)
		scan_record(w, i);
	for (uint32_t i = 0; i < t->vrfs * ROUTE_FAMILIES; i++) {
		uint32_t top = route_roots(t, i / t->vrfs)[i % t->vrfs].top;

		w->wides += route_trie_is_wide(top);
		route_trie_mark(t, w->m, top);
	}
	if (t->changing_meta != 0 && t->changing_value != 0)
		route_memory_mark_value(w->m, t->changing_value);
}

static void
settled(void *arg, uint32_t n)
{
	struct route_writer *w = arg;

	(void)n;
	route_memory_sweep(w->m);
	w->settled = true;
	/* There is room, for it was reserved when the change began; else before the next change. */
	if (route_memory_reserve(w->m, TRIE_LINES_MAX, TRIE_RETIRED_MAX) == 0)
		finish(w);
}

static int
allocate(struct route_writer *w)
{
	const struct route_table *t = w->t;

	w->m = route_memory_create(w->t, w->grace);
	w->value_users = calloc(t->values, sizeof(w->value_users[0]));
	w->free_records = calloc(t->capacity, sizeof(w->free_records[0]));
	w->vrf_routes[0] = calloc(t->vrfs, sizeof(w->vrf_routes[0][0]));
	w->vrf_routes[1] = calloc(t->vrfs, sizeof(w->vrf_routes[1][0]));
	if (w->m == NULL || w->value_users == NULL || w->free_records == NULL ||
	    w->vrf_routes[0] == NULL || w->vrf_routes[1] == NULL)
		return -ENOMEM;
	if (index_init(&w->records, t->capacity) < 0 || index_init(&w->values, t->values) < 0)
		return -ENOMEM;
	return 0;
}

struct route_writer *
route_writer_create(struct route_table *t, struct grace *grace)
{
	struct route_writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->t = t;
	w->grace = grace;
	if (allocate(w) < 0)
		goto fail;
	if (grace != NULL && (!grace_room(grace) || grace_defer(grace, settled, w, 0) < 0))
		goto fail;
	scan(w);
	if (grace == NULL)
		settled(w, 0);
	return w;

fail:
	route_writer_destroy(w);
	return NULL;
}

void
route_writer_destroy(struct route_writer *w)
{
	if (w == NULL)
		return;
	route_memory_destroy(w->m);
	free(w->records.cell);
	free(w->values.cell);
	free(w->value_users);
	free(w->free_records);
	free(w->vrf_routes[0]);
	free(w->vrf_routes[1]);
	free(w);
}

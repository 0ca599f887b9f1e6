/* SPDX-License-Identifier: BSD-3-Clause */
/* The routes as given, found by prefix; see route_records.h. vr-ctl's main thread. */
#include "common/route_records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/route_memory.h"
#include "common/route_shared.h"

enum { LENGTHS = 129 };

/* In value_users[]: readers may see it. */
#define SEEN (UINT32_C(1) << 31)

/* An open hash of numbers, + 1; what they stand for is elsewhere. */
struct index {
	uint32_t *cell;
	uint32_t mask;
};

struct route_records {
	struct route_table *t;
	struct route_memory *m;
	struct index prefixes; /* records */
	struct index values;   /* that records use */
	uint32_t *value_users;
	uint32_t *free;
	uint32_t n_free;
	uint32_t lengths[ROUTE_FAMILIES][LENGTHS]; /* live routes of each length */
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

static uint32_t
meta_of(const struct route_record *r)
{
	return state_meta(r->state) & ~ROUTE_META_FLAGS;
}

static uint64_t
record_hash(const struct route_table *t, uint32_t record)
{
	const struct route_record *r = &route_record_array(t)[record];

	return prefix_hash(r->address, meta_of(r));
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

/* --- prefixes --- */

struct route_prefix
route_prefix_make(uint32_t family, uint32_t vrf, uint32_t length, const void *address)
{
	struct route_prefix p = {.meta = meta_make(family, length, vrf)};
	uint8_t bytes[16] = {0};

	memcpy(bytes, address, (length + 7) / 8);
	if (length % 8 != 0)
		bytes[length / 8] &= (uint8_t)(0xff00 >> length % 8);
	memcpy(p.address, bytes, sizeof(p.address));
	return p;
}

uint32_t
route_records_find(const struct route_records *x, const struct route_prefix *p)
{
	const struct index *in = &x->prefixes;
	uint32_t at = (uint32_t)prefix_hash(p->address, p->meta) & in->mask;

	for (; in->cell[at] != 0; at = (at + 1) & in->mask) {
		const struct route_record *r = &route_record_array(x->t)[in->cell[at] - 1];

		if (r->address[0] == p->address[0] && r->address[1] == p->address[1] &&
		    meta_of(r) == p->meta)
			return in->cell[at] - 1;
	}
	return ROUTE_NO_RECORD;
}

uint32_t
route_records_covering(const struct route_records *x, const struct route_prefix *p, uint32_t least,
		       uint32_t most)
{
	uint32_t family = meta_family(p->meta);

	for (uint32_t n = most + 1; n-- > least;) {
		struct route_prefix shorter;
		uint32_t record;

		if (x->lengths[family][n] == 0)
			continue;
		shorter = route_prefix_make(family, meta_vrf(p->meta), n, p->address);
		record = route_records_find(x, &shorter);
		if (record != ROUTE_NO_RECORD &&
		    state_is_live(route_record_array(x->t)[record].state))
			return record;
	}
	return ROUTE_NO_RECORD;
}

void
route_records_note(struct route_records *x, uint32_t record)
{
	index_add(&x->prefixes, record_hash(x->t, record), record);
}

void
route_records_note_free(struct route_records *x, uint32_t record)
{
	x->free[x->n_free++] = record;
}

uint32_t
route_records_take(struct route_records *x, const struct route_prefix *p)
{
	struct route_record *r;
	uint32_t record;

	if (x->n_free == 0)
		return ROUTE_NO_RECORD;
	record = x->free[--x->n_free];
	r = &route_record_array(x->t)[record];
	memcpy(r->address, p->address, sizeof(r->address));
	r->state = state_make(p->meta, 0);
	route_records_note(x, record);
	return record;
}

void
route_records_release(struct route_records *x, uint32_t record)
{
	index_del(&x->prefixes, x->t, record_hash(x->t, record), record, record_hash);
	x->free[x->n_free++] = record;
}

void
route_records_count(struct route_records *x, uint32_t meta, int by)
{
	uint32_t *used = &x->t->used[meta_family(meta)];

	x->lengths[meta_family(meta)][meta_length(meta)] += (uint32_t)by;
	__atomic_store_n(used, *used + (uint32_t)by, __ATOMIC_RELAXED);
}

/* --- values --- */

static uint32_t
value_find(const struct route_records *x, uint64_t value)
{
	uint32_t at = (uint32_t)mix(value, 1) & x->values.mask;

	for (; x->values.cell[at] != 0; at = (at + 1) & x->values.mask)
		if (route_values(x->t)[x->values.cell[at] - 1] == value)
			return x->values.cell[at] - 1;
	return 0;
}

uint32_t
route_records_value_hold(struct route_records *x, uint64_t value)
{
	uint32_t v = value_find(x, value);

	if (v == 0) {
		v = route_memory_value(x->m);
		__atomic_store_n(&route_values(x->t)[v], value, __ATOMIC_RELEASE);
		index_add(&x->values, mix(value, 1), v);
	}
	x->value_users[v]++;
	return v;
}

void
route_records_value_publish(struct route_records *x, uint32_t v)
{
	x->value_users[v] |= SEEN;
}

void
route_records_value_note(struct route_records *x, uint32_t v)
{
	if (x->value_users[v] == 0)
		index_add(&x->values, value_hash(x->t, v), v);
	x->value_users[v] = (x->value_users[v] + 1) | SEEN;
}

bool
route_records_value_is_used(const struct route_records *x, uint32_t v)
{
	return x->value_users[v] != 0;
}

bool
route_records_value_is_last(const struct route_records *x, uint32_t v)
{
	return x->value_users[v] == (SEEN | 1);
}

void
route_records_value_drop(struct route_records *x, uint32_t v)
{
	uint32_t users = --x->value_users[v];

	if ((users & ~SEEN) != 0)
		return;
	x->value_users[v] = 0;
	index_del(&x->values, x->t, value_hash(x->t, v), v, value_hash);
	if ((users & SEEN) != 0)
		route_memory_retire_value(x->m, v);
	else
		route_memory_value_back(x->m, v);
}

/* --- making one --- */

struct route_records *
route_records_create(struct route_table *t, struct route_memory *m)
{
	struct route_records *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return NULL;
	x->t = t;
	x->m = m;
	x->value_users = calloc(t->values, sizeof(x->value_users[0]));
	x->free = calloc(t->records, sizeof(x->free[0]));
	if (x->value_users == NULL || x->free == NULL || index_init(&x->prefixes, t->records) < 0 ||
	    index_init(&x->values, t->values) < 0) {
		route_records_destroy(x);
		return NULL;
	}
	return x;
}

void
route_records_destroy(struct route_records *x)
{
	if (x == NULL)
		return;
	free(x->prefixes.cell);
	free(x->values.cell);
	free(x->value_users);
	free(x->free);
	free(x);
}

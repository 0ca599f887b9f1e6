/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The writer of the route table; called by vr-ctl's main thread. It keeps the routes as given
 * (route_records.c), and has the tries follow them (route_trie.c).
 *
 * Equal values are stored once, so that the few nexthops of many routes stay in a reader's cache: a
 * leaf holds an index into values[], and a value that no route has any more is used again after a
 * grace period.
 *
 * A change is decided by the store of its record's state, which many changes share a redo log for.
 * From then on it is "behind": the trie follows, word by word, one prefix after the other, in any
 * order, for it is always made to say what the records say now. That is so for each address when no
 * prefix is behind: the route in its slot is either the right one, or one that is gone and behind,
 * or shorter than the right one, which then is behind itself.
 *
 * The dead writer, store by store: a record without a flag in its state is free, whatever is in it.
 * The next writer finds the records that are behind and has the trie follow once more: done twice
 * is done once. Lines and values that nothing refers to are free; a value that only slots refer to
 * is, when nothing is behind any more. All of that waits for one grace period, because readers may
 * be where the last writer has just taken something away.
 */
#include "common/route.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/fault_point.h"
#include "common/grace.h"
#include "common/redo.h"
#include "common/route_memory.h"
#include "common/route_records.h"
#include "common/route_shared.h"
#include "common/route_trie.h"

/* A VRF with so many routes gets a wide top, while those take no more than a quarter of the memory.
 */
static uint32_t wide_from = 64;
enum { WIDE_SHARE = 4, WIDE_RETRY = 64 };

/*
 * Lines kept free for each change that is staged or behind: what scattered host routes take. More
 * are needed if most changes of a large batch meet a node that is just full, in a trie that is too;
 * then some routes wait: see route_follow().
 */
static uint32_t lines_promised = 2;

enum { SETTLED_FOLLOW = 64 };

/* What is to follow: a record, and a value to be dropped after that. */
struct behind {
	uint32_t record; /* or ROUTE_NO_RECORD */
	uint32_t value;  /* or 0 */
};

struct queue {
	struct behind *ring;
	uint32_t size; /* a power of two, or 0 */
	uint64_t head, tail;
};

struct route_writer {
	struct route_table *t;
	struct route_memory *m;
	struct route_records *records;
	struct grace *grace;
	bool settled;
	struct queue behind;
	uint32_t staged;       /* records that the batch under way changes */
	int32_t staged_routes; /* routes that it adds, or takes away */
	uint32_t stuck;        /* tried in vain since a trie last followed */
	uint32_t wides;
	uint32_t widen_tries;
	/* of the tries; a route that is behind after a death counts as in */
	uint64_t *in_trie; /* a bit for each record */
	uint32_t *vrf_routes[ROUTE_FAMILIES];
};

static struct route_record *
record_at(const struct route_writer *w, uint32_t record)
{
	return &route_record_array(w->t)[record];
}

static int
key_check(const struct route_writer *w, const struct route_key *key)
{
	if (key->family >= ROUTE_FAMILIES || key->length > (key->family == ROUTE_INET ? 32 : 128))
		return -EINVAL;
	return key->vrf < w->t->vrfs ? 0 : -ERANGE;
}

static struct route_prefix
key_prefix(const struct route_key *key)
{
	return route_prefix_make(key->family, key->vrf, key->length, key->address);
}

static struct route_prefix
record_prefix(const struct route_record *r)
{
	struct route_prefix p = {.meta = state_meta(r->state) & ~ROUTE_META_FLAGS};

	memcpy(p.address, r->address, sizeof(p.address));
	return p;
}

/* --- what is behind --- */

static uint64_t
pending(const struct route_writer *w)
{
	return w->behind.tail - w->behind.head;
}

static int
queue_reserve(struct queue *q, uint64_t more)
{
	uint64_t wanted = q->tail - q->head + more;
	uint32_t size = q->size != 0 ? q->size : 1024;
	struct behind *ring;

	if (wanted <= q->size)
		return 0;
	while (size < wanted)
		size *= 2;
	ring = malloc(size * sizeof(*ring));
	if (ring == NULL)
		return -ENOMEM;
	for (uint64_t i = q->head; i != q->tail; i++)
		ring[i & (size - 1)] = q->ring[i & (q->size - 1)];
	free(q->ring);
	q->ring = ring;
	q->size = size;
	return 0;
}

/* Within what was reserved. */
static void
queue_push(struct queue *q, uint32_t record, uint32_t value)
{
	assert(q->tail - q->head < q->size);
	q->ring[q->tail++ & (q->size - 1)] = (struct behind){record, value};
}

static struct behind
queue_pop(struct queue *q)
{
	return q->ring[q->head++ & (q->size - 1)];
}

/* --- the trie follows the records --- */

static uint32_t
record_leaf(const struct route_writer *w, uint32_t record)
{
	uint64_t state = record_at(w, record)->state;

	return slot_leaf(meta_length(state_meta(state)), state_value(state));
}

static void
fallback_follow(struct route_root *root, uint32_t leaf)
{
	FAULT_POINT("route before fallback");
	__atomic_store_n(&root->fallback, leaf, __ATOMIC_RELEASE);
	FAULT_POINT("route after fallback");
}

/* Makes the trie say for this record's prefix what the records say. */
static void
trie_follow(struct route_writer *w, uint32_t record, const struct route_prefix *p)
{
	struct route_root *root = &route_roots(w->t, meta_family(p->meta))[meta_vrf(p->meta)];
	struct route_change c = {.length = meta_length(p->meta)};
	bool live = state_is_live(record_at(w, record)->state);

	if (c.length == 0) {
		fallback_follow(root,
				live ? slot_leaf(1, state_value(record_at(w, record)->state)) : 0);
		return;
	}
	memcpy(c.address, p->address, sizeof(c.address));
	c.high = c.length;
	if (!live) {
		c.low = c.length;
		record = route_records_covering(w->records, p, 1, c.length - 1);
	}
	c.leaf = record != ROUTE_NO_RECORD ? record_leaf(w, record) : 0;
	route_trie_change(w->t, w->m, &root->top, &c);
}

/* --- shape of a VRF's top --- */

static void
maybe_widen(struct route_writer *w, uint32_t meta)
{
	uint32_t routes = w->vrf_routes[meta_family(meta)][meta_vrf(meta)];
	uint32_t *top = &route_roots(w->t, meta_family(meta))[meta_vrf(meta)].top;

	if (routes < wide_from || route_trie_is_wide(*top) ||
	    w->wides >= w->t->lines / WIDE_SHARE >> WIDE_ORDER ||
	    w->widen_tries++ % WIDE_RETRY != 0)
		return;
	if (route_memory_reserve(w->m,
				 (2u << WIDE_ORDER) + 2 * routes +
				     lines_promised * (uint32_t)(pending(w) + w->staged),
				 TRIE_WIDEN_RETIRED_MAX) < 0 ||
	    !route_memory_has(w->m, WIDE_ORDER))
		return;
	route_trie_widen(w->t, w->m, top);
	w->widen_tries = 0;
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

static void
trie_count(struct route_writer *w, uint32_t record, uint32_t meta, bool in)
{
	uint64_t bit = UINT64_C(1) << record % 64;
	bool was_in = (w->in_trie[record / 64] & bit) != 0;

	if (in == was_in)
		return;
	w->in_trie[record / 64] ^= bit;
	w->vrf_routes[meta_family(meta)][meta_vrf(meta)] += in ? 1 : UINT32_MAX;
	if (in)
		maybe_widen(w, meta);
	else
		maybe_narrow(w, meta);
}

/* --- following --- */

static void
state_store(struct route_record *r, uint64_t state)
{
	FAULT_POINT("route before state");
	__atomic_store_n(&r->state, state, __ATOMIC_RELEASE);
	FAULT_POINT("route after state");
}

static void
record_follow(struct route_writer *w, uint32_t record)
{
	struct route_record *r = record_at(w, record);
	struct route_prefix p = record_prefix(r);
	bool live = state_is_live(r->state);

	trie_follow(w, record, &p);
	state_store(r, r->state & ~(uint64_t)ROUTE_META_BEHIND);
	if (!live)
		route_records_release(w->records, record);
	trie_count(w, record, p.meta, live);
}

/* To the end of the queue. */
static void
put_off(struct route_writer *w)
{
	struct behind b = queue_pop(&w->behind);

	queue_push(&w->behind, b.record, b.value);
}

static void
promise(struct route_writer *w)
{
	route_memory_promise(w->m, lines_promised * (pending(w) + w->staged));
}

/* The first of the queue. */
static int
follow_one(struct route_writer *w)
{
	int rc = route_memory_reserve(w->m, TRIE_LINES_MAX, TRIE_RETIRED_MAX);
	struct behind b;

	if (rc == -ENOSPC && w->stuck < pending(w)) { /* a deletion may make room */
		put_off(w);
		w->stuck++;
		return 0;
	}
	if (rc < 0)
		return rc;
	b = w->behind.ring[w->behind.head & (w->behind.size - 1)];
	if (b.record == ROUTE_NO_RECORD && w->stuck > 0) { /* a slot may still have the value */
		put_off(w);
		return 0;
	}
	queue_pop(&w->behind);
	promise(w);
	if (b.record != ROUTE_NO_RECORD && state_is_behind(record_at(w, b.record)->state)) {
		record_follow(w, b.record);
		w->stuck = 0;
	}
	if (b.value != 0)
		route_records_value_drop(w->records, b.value);
	route_memory_flush(w->m);
	return 0;
}

uint64_t
route_changes(const struct route_writer *w)
{
	return w->behind.tail;
}

int
route_follow(struct route_writer *w, uint64_t changes, uint32_t n)
{
	int rc = 0;

	if (!w->settled)
		return pending(w) > 0 ? -ENOBUFS : 0;
	for (; n > 0 && pending(w) > 0 && rc == 0; n--)
		rc = follow_one(w);
	promise(w);
	if (pending(w) == 0 || w->behind.head >= changes)
		return 0;
	return rc < 0 ? rc : -EAGAIN;
}

/* --- changes are staged --- */

/* What the batch has made of a record so far; true if it has. */
static bool
state_staged(const struct route_writer *w, const struct redo_writer *redo, uint32_t record,
	     uint64_t *state)
{
	const struct route_record *r = record_at(w, record);

	*state = r->state;
	return redo != NULL && w->staged > 0 && redo_find(redo, &r->state, sizeof(r->state), state);
}

static void
state_done(void *table, void *where, uint64_t old, uint64_t state, int committed)
{
	struct route_writer *w = table;
	struct route_record *r =
	    (struct route_record *)((uintptr_t)where - offsetof(struct route_record, state));
	uint32_t record = (uint32_t)(r - route_record_array(w->t)), value = state_value(state);

	w->staged = 0;
	w->staged_routes = 0;
	if (!committed) {
		if (state_is_live(state) && route_records_value_is_last(w->records, value))
			queue_push(&w->behind, ROUTE_NO_RECORD, value);
		else if (state_is_live(state))
			route_records_value_drop(w->records, value);
		if (state_is_free(old))
			route_records_release(w->records, record);
		return;
	}
	if (state_is_live(state))
		route_records_value_publish(w->records, value);
	if (state_is_live(state) != state_is_live(old))
		route_records_count(w->records, state_meta(state), state_is_live(state) ? 1 : -1);
	queue_push(&w->behind, record, state_is_live(old) ? state_value(old) : 0);
}

/* Without a redo log, at once. 'state' holds its value, which is dropped on failure. */
static int
state_stage(struct route_writer *w, struct redo_writer *redo, uint32_t record, uint64_t state)
{
	struct route_record *r = record_at(w, record);
	uint64_t before;
	bool again = state_staged(w, redo, record, &before);
	int rc = 0;

	if (redo == NULL) {
		state_store(r, state);
		state_done(w, &r->state, before, state, 1);
		return 0;
	}
	rc = redo_stage(redo, &r->state, sizeof(r->state), state, state_done, w);
	if (rc < 0) {
		if (state_is_live(state))
			route_records_value_drop(w->records, state_value(state));
		if (!again && state_is_free(before))
			route_records_release(w->records, record);
		return rc;
	}
	if (again && state_is_live(before))
		route_records_value_drop(w->records, state_value(before));
	w->staged += !again;
	w->staged_routes += state_is_live(state) - state_is_live(before);
	return 0;
}

static int
owner_stage(struct route_writer *w, struct redo_writer *redo, uint32_t record, uint16_t owner)
{
	uint16_t *where = &route_owners(w->t)[record];

	if (redo == NULL) {
		__atomic_store_n(where, owner, __ATOMIC_RELAXED);
		return 0;
	}
	if (redo_load(redo, where, sizeof(*where)) == owner)
		return 0;
	return redo_stage(redo, where, sizeof(*where), owner, NULL, NULL);
}

static int
full(struct route_writer *w)
{
	__atomic_store_n(&w->t->refused, w->t->refused + 1, __ATOMIC_RELAXED);
	return -ENOSPC;
}

/* Whether one more change may be staged, or made. */
static int
ready(struct route_writer *w)
{
	uint64_t changes = pending(w) + w->staged + 1;
	int rc;

	if (!w->settled)
		grace_settle(w->grace);
	if (!w->settled)
		return -ENOBUFS;
	rc = queue_reserve(&w->behind, w->staged + 1);
	if (rc < 0)
		return rc;
	route_memory_promise(w->m, lines_promised * changes);
	rc = route_memory_reserve(w->m, TRIE_LINES_MAX + (uint32_t)(lines_promised * (changes - 1)),
				  TRIE_RETIRED_MAX);
	if (rc == -ENOSPC && pending(w) > 0)
		return -ENOBUFS;
	return rc == -ENOSPC ? full(w) : rc;
}

/* Whether there is room for a value, and, 'more', for one more route. */
static int
ready_to_add(struct route_writer *w, bool more)
{
	const struct route_table *t = w->t;
	int rc = ready(w);

	if (rc < 0)
		return rc;
	if (more && (int64_t)t->used[0] + t->used[1] + w->staged_routes >= (int64_t)t->capacity)
		return full(w);
	rc = route_memory_reserve_value(w->m);
	if (rc == -ENOSPC)
		return pending(w) > 0 ? -ENOBUFS : -E2BIG;
	return rc;
}

/* A record for a new route: there are more of them than routes. */
static int
record_take(struct route_writer *w, const struct route_prefix *p, uint16_t owner, uint32_t *record)
{
	*record = route_records_take(w->records, p);
	if (*record == ROUTE_NO_RECORD)
		return pending(w) > 0 ? -ENOBUFS : -E2BIG;
	route_owners(w->t)[*record] = owner; /* nobody sees it yet */
	return 0;
}

int
route_stage_add(struct route_writer *w, struct redo_writer *redo, const struct route_key *key,
		uint64_t value, uint16_t owner)
{
	int rc = (value & ROUTE_PRESENT) != 0 ? key_check(w, key) : -EINVAL;
	struct route_prefix p;
	uint64_t state = 0;
	uint32_t record;

	if (rc < 0)
		return rc;
	p = key_prefix(key);
	record = route_records_find(w->records, &p);
	if (record != ROUTE_NO_RECORD)
		state_staged(w, redo, record, &state);
	if (state_is_live(state) && route_values(w->t)[state_value(state)] == value)
		return owner_stage(w, redo, record, owner); /* a client replays what it knows */
	rc = ready_to_add(w, !state_is_live(state));
	if (rc == 0)
		rc = record == ROUTE_NO_RECORD ? record_take(w, &p, owner, &record)
					       : owner_stage(w, redo, record, owner);
	if (rc < 0)
		return rc;
	state = state_make(p.meta | ROUTE_META_FLAGS, route_records_value_hold(w->records, value));
	return state_stage(w, redo, record, state);
}

int
route_stage_del(struct route_writer *w, struct redo_writer *redo, const struct route_key *key)
{
	int rc = key_check(w, key);
	struct route_prefix p;
	uint64_t state = 0;
	uint32_t record;

	if (rc < 0)
		return rc;
	p = key_prefix(key);
	record = route_records_find(w->records, &p);
	if (record != ROUTE_NO_RECORD)
		state_staged(w, redo, record, &state);
	if (!state_is_live(state))
		return -ENOENT;
	rc = ready(w);
	if (rc < 0)
		return rc;
	return state_stage(w, redo, record, state_make(p.meta | ROUTE_META_BEHIND, 0));
}

/* --- single changes --- */

int
route_add(struct route_writer *w, const struct route_key *key, uint64_t value)
{
	int rc = route_stage_add(w, NULL, key, value, 0);

	if (rc == 0)
		route_follow(w, route_changes(w), UINT32_MAX);
	return rc;
}

int
route_del(struct route_writer *w, const struct route_key *key)
{
	int rc = route_stage_del(w, NULL, key);

	if (rc == 0)
		route_follow(w, route_changes(w), UINT32_MAX);
	return rc;
}

int
route_get(const struct route_writer *w, const struct route_key *key, uint64_t *value)
{
	int rc = key_check(w, key);
	struct route_prefix p;
	uint32_t record;

	if (rc < 0)
		return rc;
	p = key_prefix(key);
	record = route_records_find(w->records, &p);
	if (record == ROUTE_NO_RECORD || !state_is_live(record_at(w, record)->state))
		return -ENOENT;
	*value = route_values(w->t)[state_value(record_at(w, record)->state)];
	return 0;
}

int
route_find(const struct route_writer *w, const struct route_key *key, struct route_key *found,
	   uint64_t *value)
{
	int rc = key_check(w, key);
	const struct route_record *r;
	struct route_prefix p;
	uint32_t record;

	if (rc < 0)
		return rc;
	p = key_prefix(key);
	record = route_records_covering(w->records, &p, 0, key->length);
	if (record == ROUTE_NO_RECORD)
		return -ENOENT;
	r = record_at(w, record);
	*found = (struct route_key){.vrf = key->vrf,
				    .family = key->family,
				    .length = (uint8_t)meta_length(state_meta(r->state))};
	memcpy(found->address, r->address, sizeof(found->address));
	*value = route_values(w->t)[state_value(r->state)];
	return 0;
}

/* --- taking over from a writer --- */

static int
scan_record(struct route_writer *w, uint32_t record)
{
	uint64_t state = record_at(w, record)->state;
	uint32_t meta = state_meta(state);

	if (state_is_free(state)) {
		route_records_note_free(w->records, record);
		return 0;
	}
	route_records_note(w->records, record);
	w->in_trie[record / 64] |= UINT64_C(1) << record % 64;
	w->vrf_routes[meta_family(meta)][meta_vrf(meta)]++;
	if (state_is_live(state)) {
		route_records_count(w->records, meta, 1);
		route_records_value_note(w->records, state_value(state));
		route_memory_mark_value(w->m, state_value(state));
	}
	if (!state_is_behind(state))
		return 0;
	if (queue_reserve(&w->behind, 1) < 0)
		return -ENOMEM;
	queue_push(&w->behind, record, 0);
	return 0;
}

/* Values that only slots have: until these follow. */
static int
scan_values(struct route_writer *w)
{
	for (uint32_t v = 1; v < w->t->values && pending(w) > 0; v++) {
		if (!route_memory_value_is_marked(w->m, v) ||
		    route_records_value_is_used(w->records, v))
			continue;
		if (queue_reserve(&w->behind, 1) < 0)
			return -ENOMEM;
		route_records_value_note(w->records, v);
		queue_push(&w->behind, ROUTE_NO_RECORD, v);
	}
	return 0;
}

/* Low numbers are used first. */
static int
scan(struct route_writer *w)
{
	const struct route_table *t = w->t;
	int rc = 0;

	w->t->used[ROUTE_INET] = w->t->used[ROUTE_INET6] = 0;
	for (uint32_t i = t->records; i-- > 0 && rc == 0;)
		rc = scan_record(w, i);
	for (uint32_t i = 0; i < t->vrfs * ROUTE_FAMILIES; i++) {
		const struct route_root *root = &route_roots(t, i / t->vrfs)[i % t->vrfs];

		w->wides += route_trie_is_wide(root->top);
		route_trie_mark(t, w->m, root->top);
		route_memory_mark_value(w->m, slot_value(root->fallback));
	}
	return rc == 0 ? scan_values(w) : rc;
}

static void
settled(void *arg, uint32_t n)
{
	struct route_writer *w = arg;

	(void)n;
	route_memory_sweep(w->m);
	w->settled = true;
	route_follow(w, UINT64_MAX, SETTLED_FOLLOW);
}

static int
allocate(struct route_writer *w)
{
	const struct route_table *t = w->t;

	w->m = route_memory_create(w->t, w->grace);
	if (w->m == NULL)
		return -ENOMEM;
	w->records = route_records_create(w->t, w->m);
	w->in_trie = calloc(t->records / 64 + 1, sizeof(w->in_trie[0]));
	w->vrf_routes[0] = calloc(t->vrfs, sizeof(w->vrf_routes[0][0]));
	w->vrf_routes[1] = calloc(t->vrfs, sizeof(w->vrf_routes[1][0]));
	if (w->records == NULL || w->in_trie == NULL || w->vrf_routes[0] == NULL ||
	    w->vrf_routes[1] == NULL)
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
	if (allocate(w) < 0 || scan(w) < 0)
		goto fail;
	if (grace != NULL && (!grace_room(grace) || grace_defer(grace, settled, w, 0) < 0))
		goto fail;
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
	route_records_destroy(w->records);
	route_memory_destroy(w->m);
	free(w->behind.ring);
	free(w->in_trie);
	free(w->vrf_routes[0]);
	free(w->vrf_routes[1]);
	free(w);
}

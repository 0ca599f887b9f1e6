/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules of vifs; see rules.h. Slots ask when a flow begins; vr-ctl's main thread writes.
 *
 * Which rules are free is known here alone, in the writer's memory. A change within a batch copies
 * the list as the batch has it so far; a copy that the batch itself replaces again was seen by
 * nobody and is free at once.
 */
#include "common/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/fault_point.h"
#include "common/flow.h"
#include "common/grace.h"
#include "common/redo.h"

struct rules_writer {
	struct rules *t;
	struct grace *grace;
	bool settled; /* what the last writer left has passed its grace period */
	uint8_t *taken;
};

/* --- shape --- */

static uint64_t
line_up(uint64_t n)
{
	return (n + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static uint64_t
shape(uint32_t vifs, uint32_t capacity, struct rules *t)
{
	uint64_t at = line_up(sizeof(*t));

	*t = (struct rules){.vifs = vifs, .capacity = capacity, .revision = 1, .refs_at = at};
	at += line_up(vifs * sizeof(uint64_t));
	t->owners_at = at;
	at += line_up(capacity * sizeof(uint16_t));
	t->rules_at = at;
	return at + capacity * sizeof(struct rule);
}

size_t
rules_size(uint32_t vifs, uint32_t capacity)
{
	struct rules t;

	return shape(vifs, capacity, &t);
}

void
rules_init(struct rules *t, uint32_t vifs, uint32_t capacity)
{
	shape(vifs, capacity, t);
}

static uint64_t *
ref_of(const struct rules *t, uint32_t vif)
{
	return (uint64_t *)((char *)(uintptr_t)t + t->refs_at) + vif;
}
static struct rule *
rule_at(const struct rules *t, uint32_t i)
{
	return (struct rule *)((char *)(uintptr_t)t + t->rules_at) + i;
}
static uint16_t *
owner_at(const struct rules *t, uint32_t i)
{
	return (uint16_t *)((char *)(uintptr_t)t + t->owners_at) + i;
}

static uint32_t
ref_first(uint64_t ref)
{
	return (uint32_t)ref;
}
static uint32_t
ref_n(uint64_t ref)
{
	return (uint32_t)(ref >> 32);
}

/* --- readers --- */

static inline bool
prefix_matches(const uint64_t prefix[2], uint32_t len, const uint64_t address[2])
{
	uint64_t high = len >= 64 ? UINT64_MAX : ~(UINT64_MAX >> len);
	uint64_t low = len <= 64 ? 0 : len == 128 ? UINT64_MAX : ~(UINT64_MAX >> (len - 64));

	return (((prefix[0] ^ address[0]) & high) | ((prefix[1] ^ address[1]) & low)) == 0;
}

/* A key as rules see it. */
struct question {
	uint64_t source[2], destination[2];
	uint16_t source_port, destination_port, protocol;
	uint8_t direction;
};

static inline bool
rule_matches(const struct rule *r, const struct question *q)
{
	return r->direction == q->direction &&
	       (r->protocol == RULE_ANY_PROTOCOL || r->protocol == q->protocol) &&
	       q->source_port >= r->source_ports[0] && q->source_port <= r->source_ports[1] &&
	       q->destination_port >= r->destination_ports[0] &&
	       q->destination_port <= r->destination_ports[1] &&
	       prefix_matches(r->source, r->source_len, q->source) &&
	       prefix_matches(r->destination, r->destination_len, q->destination);
}

static struct question
question_of(const struct flow_key *key, enum rule_direction direction)
{
	struct question q = {
	    .source_port = __builtin_bswap16(key->source_port_be),
	    .destination_port = __builtin_bswap16(key->destination_port_be),
	    .protocol = flow_key_protocol(key),
	    .direction = (uint8_t)direction,
	};

	for (int i = 0; i < 2; i++) {
		q.source[i] = __builtin_bswap64(key->word[i]);
		q.destination[i] = __builtin_bswap64(key->word[2 + i]);
	}
	return q;
}

bool
rules_allow(const struct rules *t, uint32_t vif, enum rule_direction direction,
	    const struct flow_key *key)
{
	uint32_t n;
	const struct rule *r = rules_of(t, vif, &n);
	struct question q;

	if (n == 0)
		return true;
	q = question_of(key, direction);
	for (uint32_t i = 0; i < n; i++)
		if (rule_matches(&r[i], &q))
			return r[i].allow != 0;
	return true;
}

const struct rule *
rules_of(const struct rules *t, uint32_t vif, uint32_t *n)
{
	uint64_t ref;

	*n = 0;
	if (vif >= t->vifs)
		return NULL;
	ref = __atomic_load_n(ref_of(t, vif), __ATOMIC_ACQUIRE);
	*n = ref_n(ref);
	return rule_at(t, ref_first(ref));
}

const uint16_t *
rules_owner(const struct rules *t, const struct rule *rule)
{
	return owner_at(t, (uint32_t)(rule - rule_at(t, 0)));
}

uint32_t
rules_used(const struct rules *t)
{
	uint32_t used = 0;

	for (uint32_t vif = 0; vif < t->vifs; vif++)
		used += ref_n(__atomic_load_n(ref_of(t, vif), __ATOMIC_RELAXED));
	return used;
}

/* --- the writer --- */

static void
settled(void *arg, uint32_t n)
{
	struct rules_writer *w = arg;

	(void)n;
	w->settled = true;
}

struct rules_writer *
rules_writer_create(struct rules *t, struct grace *grace)
{
	struct rules_writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->t = t;
	w->grace = grace;
	w->settled = grace == NULL;
	w->taken = calloc(t->capacity + 1, 1);
	if (w->taken == NULL ||
	    (grace != NULL && (!grace_room(grace) || grace_defer(grace, settled, w, 0) < 0))) {
		rules_writer_destroy(w);
		return NULL;
	}
	for (uint32_t vif = 0; vif < t->vifs; vif++)
		memset(&w->taken[ref_first(*ref_of(t, vif))], 1, ref_n(*ref_of(t, vif)));
	rules_revise(w);
	return w;
}

void
rules_writer_destroy(struct rules_writer *w)
{
	if (w == NULL)
		return;
	free(w->taken);
	free(w);
}

void
rules_revise(struct rules_writer *w)
{
	uint32_t next = w->t->revision + 1;

	__atomic_store_n(&w->t->revision, next == 0 ? 1 : next, __ATOMIC_RELEASE);
	FAULT_POINT("rules revised");
}

/* The first 'n' free rules in a row, or -1. */
static int64_t
find_room(const struct rules_writer *w, uint32_t n)
{
	uint32_t run = 0;

	for (uint32_t i = 0; i < w->t->capacity; i++) {
		run = w->taken[i] ? 0 : run + 1;
		if (run == n)
			return i + 1 - n;
	}
	return -1;
}

static int
take_room(struct rules_writer *w, uint32_t n, uint32_t *first)
{
	int64_t at = w->settled ? find_room(w, n) : -1;

	if (at < 0 && w->grace != NULL) {
		bool all = grace_settle(w->grace);

		at = w->settled ? find_room(w, n) : -1;
		if (at < 0 && !all)
			return -ENOBUFS;
	}
	if (at < 0)
		return -ENOSPC;
	memset(&w->taken[at], 1, n);
	*first = (uint32_t)at;
	return 0;
}

static void
give_back(void *arg, uint32_t first)
{
	struct rules_writer *w = arg;

	/* up to the mark that the row's end left when it was retired */
	while (w->taken[first] == 1)
		w->taken[first++] = 0;
	w->taken[first] = 0;
}

static void
free_row(struct rules_writer *w, uint64_t ref)
{
	memset(&w->taken[ref_first(ref)], 0, ref_n(ref));
}

/* A row that readers may still be at: its last rule is marked, which tells where it ends. */
static void
retire_row(struct rules_writer *w, uint64_t ref)
{
	if (ref_n(ref) == 0)
		return;
	if (w->grace == NULL) {
		free_row(w, ref);
		return;
	}
	w->taken[ref_first(ref) + ref_n(ref) - 1] = 2;
	grace_defer(w->grace, give_back, w, ref_first(ref));
}

static void
done(void *table, void *where, uint64_t old, uint64_t value, int committed)
{
	struct rules_writer *w = table;

	(void)where;
	if (!committed) {
		if (value != old)
			free_row(w, value);
		return;
	}
	rules_revise(w);
	if (value != old)
		retire_row(w, old);
}

/* The list as the batch has it; a row that it made itself. */
static uint64_t
staged(const struct rules_writer *w, const struct redo_writer *redo, uint32_t vif)
{
	return redo_load(redo, ref_of(w->t, vif), sizeof(uint64_t));
}

static uint16_t
staged_owner(const struct rules_writer *w, const struct redo_writer *redo, uint32_t i)
{
	return (uint16_t)redo_load(redo, owner_at(w->t, i), sizeof(uint16_t));
}

/* Replaces the list by one of which 'removed' rules at 'at' are gone and 'rule' stands there. */
static int
replace(struct rules_writer *w, struct redo_writer *redo, uint32_t vif, uint32_t at,
	uint32_t removed, const struct rule *rule, uint16_t owner)
{
	struct rules *t = w->t;
	uint64_t old = staged(w, redo, vif), ref = 0;
	uint32_t n = ref_n(old) - removed + (rule != NULL), first = 0, from = ref_first(old);
	int rc = n > 0 ? take_room(w, n, &first) : 0;

	if (rc < 0)
		return rc;
	for (uint32_t i = 0, k = 0; i < n; i++) {
		if (i == at && rule != NULL) {
			*rule_at(t, first + i) = *rule;
			*owner_at(t, first + i) = owner;
			continue;
		}
		if (k == at)
			k += removed;
		*rule_at(t, first + i) = *rule_at(t, from + k);
		*owner_at(t, first + i) = staged_owner(w, redo, from + k);
		k++;
	}
	FAULT_POINT("rules filled");
	if (n > 0)
		ref = (uint64_t)n << 32 | first;
	rc = redo_stage(redo, ref_of(t, vif), sizeof(uint64_t), ref, done, w);
	if (rc < 0)
		free_row(w, ref);
	else if (old != *ref_of(t, vif))
		free_row(w, old);
	return rc;
}

/* Where a rule of this priority stands, or would; whether it does. */
static bool
find(const struct rules_writer *w, uint64_t ref, uint32_t priority, uint32_t *at)
{
	const struct rule *r = rule_at(w->t, ref_first(ref));
	uint32_t n = ref_n(ref), i = 0;

	while (i < n && r[i].priority < priority)
		i++;
	*at = i;
	return i < n && r[i].priority == priority;
}

int
rules_stage_put(struct rules_writer *w, struct redo_writer *redo, uint32_t vif,
		const struct rule *rule, uint16_t owner)
{
	uint64_t ref = staged(w, redo, vif);
	uint32_t at, i;
	bool there = find(w, ref, rule->priority, &at);

	if (!there && ref_n(ref) == RULES_PER_VIF_MAX)
		return -ENOSPC;
	i = ref_first(ref) + at;
	if (!there || memcmp(rule_at(w->t, i), rule, sizeof(*rule)) != 0)
		return replace(w, redo, vif, at, there, rule, owner);
	if (staged_owner(w, redo, i) == owner)
		return 0;
	return redo_stage(redo, owner_at(w->t, i), sizeof(uint16_t), owner, NULL, NULL);
}

int
rules_stage_del(struct rules_writer *w, struct redo_writer *redo, uint32_t vif, uint32_t priority)
{
	uint32_t at;

	if (!find(w, staged(w, redo, vif), priority, &at))
		return -ENOENT;
	return replace(w, redo, vif, at, 1, NULL, 0);
}

const struct rule *
rules_staged(const struct rules_writer *w, const struct redo_writer *redo, uint32_t vif,
	     uint32_t *n)
{
	uint64_t ref = staged(w, redo, vif);

	*n = ref_n(ref);
	return rule_at(w->t, ref_first(ref));
}

/* The revision itself is raised when all of the batch is there to be seen. */
static void
changed(void *table, void *where, uint64_t old, uint64_t value, int committed)
{
	(void)where;
	(void)old;
	(void)value;
	if (committed)
		rules_revise(table);
}

int
rules_stage_revise(struct rules_writer *w, struct redo_writer *redo, bool policed)
{
	struct rules *t = w->t;
	int rc = 0;

	if (policed && t->policed == 0)
		rc = redo_stage(redo, &t->policed, sizeof(t->policed), 1, NULL, NULL);
	if (rc == 0)
		rc = redo_stage(redo, &t->changes, sizeof(t->changes), t->changes + 1, changed, w);
	return rc;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Removing flows. vr-ctl's main thread; see flow.h.
 *
 * A removed pair cools until readers have moved on. Pairs are collected, and one grace period
 * serves all that were removed since the last one began.
 */
#include "common/flow.h"

#include <errno.h>
#include <stdlib.h>

#include "common/fault_point.h"
#include "common/flow_shared.h"
#include "common/grace.h"

struct list {
	uint32_t n, size;
	uint32_t *pairs;
};

struct flow_writer {
	struct flow_table *t;
	struct grace *grace;
	uint64_t *taken_up; /* bit p: the pair stands in one of the lists */
	struct list removed, cooling;
	bool waiting; /* 'cooling' has its grace period */
};

struct flow_writer *
flow_writer_create(struct flow_table *t, struct grace *grace)
{
	struct flow_writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->t = t;
	w->grace = grace;
	w->taken_up = calloc(t->blocks + 1, sizeof(uint64_t));
	if (w->taken_up == NULL) {
		free(w);
		return NULL;
	}
	return w;
}

void
flow_writer_destroy(struct flow_writer *w)
{
	if (w == NULL)
		return;
	free(w->removed.pairs);
	free(w->cooling.pairs);
	free(w->taken_up);
	free(w);
}

static bool
is_taken_up(const struct flow_writer *w, uint32_t pair)
{
	return (w->taken_up[pair / FLOW_BLOCK] >> pair % FLOW_BLOCK & 1) != 0;
}

static int
list_room(struct list *l)
{
	uint32_t size = l->size == 0 ? 1024 : 2 * l->size;
	uint32_t *pairs;

	if (l->n < l->size)
		return 0;
	pairs = realloc(l->pairs, size * sizeof(*pairs));
	if (pairs == NULL)
		return -ENOMEM;
	l->pairs = pairs;
	l->size = size;
	return 0;
}

/* There is room for it. */
static void
take_up(struct flow_writer *w, uint32_t pair)
{
	w->taken_up[pair / FLOW_BLOCK] |= UINT64_C(1) << pair % FLOW_BLOCK;
	w->removed.pairs[w->removed.n++] = pair;
}

int
flow_retire(struct flow_writer *w, uint32_t pair, uint32_t generation)
{
	struct flow_table *t = w->t;
	struct flow_entry *e;
	union flow_state_word s;

	if (pair >= t->pairs)
		return -ENOENT;
	e = flow_at(t, 2 * pair);
	s = flow_state_load(e);
	if (s.state != FLOW_ACTIVE)
		return -ENOENT;
	if (s.generation != generation)
		return -ESTALE;
	if (list_room(&w->removed) < 0)
		return -ENOMEM;
	/* Nobody else takes an ACTIVE pair anywhere. */
	s.state = FLOW_FREE;
	__atomic_store_n(&e[0].state, s.word, __ATOMIC_SEQ_CST);
	FAULT_POINT("flow retired");
	__atomic_store_n(&e[1].state, s.word, __ATOMIC_SEQ_CST);
	FAULT_POINT("flow second retired");
	flow_cells_clear(t, pair);
	take_up(w, pair);
	return 0;
}

/* A slot notes what it claims before it clears the bit, and changes the state before it forgets. */
static bool
is_being_claimed(const struct flow_table *t, uint32_t pair)
{
	for (uint32_t i = 0; i < SLOTS_MAX; i++)
		if (__atomic_load_n(&t->slots[i].claiming, __ATOMIC_SEQ_CST) >> 32 == pair + 1)
			return true;
	return false;
}

/*
 * Whether nobody has the pair: no bit, no slot's note, and FREE all the while. A slot notes a pair
 * before it clears the bit, and however its claim ends, the state has another generation before the
 * note is gone; so a pair that was taken and given back between these looks does not seem left.
 */
static bool
is_left(const struct flow_table *t, uint32_t pair)
{
	const struct flow_entry *e = flow_at(t, 2 * pair);
	union flow_state_word before = flow_state_load(e);
	uint64_t bits = __atomic_load_n(&flow_bitmap(t)[pair / FLOW_BLOCK], __ATOMIC_SEQ_CST);

	return before.state == FLOW_FREE && (bits >> pair % FLOW_BLOCK & 1) == 0 &&
	       !is_being_claimed(t, pair) &&
	       __atomic_load_n(&e->state, __ATOMIC_SEQ_CST) == before.word;
}

void
flow_recover(struct flow_writer *w, uint32_t pair, uint32_t n)
{
	struct flow_table *t = w->t;

	for (; pair < t->pairs && n > 0; pair++, n--) {
		struct flow_entry *e = flow_at(t, 2 * pair);

		if (is_taken_up(w, pair) || !is_left(t, pair) || list_room(&w->removed) < 0)
			continue;
		__atomic_store_n(&e[1].state, flow_state_load(e).word, __ATOMIC_SEQ_CST);
		flow_cells_clear(t, pair);
		take_up(w, pair);
	}
}

static void
cooled(void *arg, uint32_t n)
{
	struct flow_writer *w = arg;

	(void)n;
	for (uint32_t i = 0; i < w->cooling.n; i++) {
		uint32_t pair = w->cooling.pairs[i];

		w->taken_up[pair / FLOW_BLOCK] &= ~(UINT64_C(1) << pair % FLOW_BLOCK);
		FAULT_POINT("flow cooled");
		if (is_left(w->t, pair))
			flow_bit_set(w->t, pair);
	}
	w->cooling.n = 0;
	w->waiting = false;
}

static void
swap(struct flow_writer *w)
{
	struct list l = w->cooling;

	w->cooling = w->removed;
	w->removed = l;
}

void
flow_writer_poll(struct flow_writer *w)
{
	if (w->grace != NULL)
		grace_poll(w->grace);
	if (w->waiting || w->removed.n == 0 || (w->grace != NULL && !grace_room(w->grace)))
		return;
	swap(w);
	w->waiting = true;
	if (w->grace == NULL)
		cooled(w, 0);
	else
		grace_defer(w->grace, cooled, w, 0);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocks of lines: a buddy system (Knowlton 1965), of blocks of 1 to 4,096 lines. Links of free
 * blocks lie in the blocks; which line begins a free block of which order is known in the writer's
 * own memory. None of it outlives the writer: the next one marks what the tries refer to and sweeps
 * up the rest, so a death can leak nothing.
 *
 * Retired blocks wait in a ring in the order they were retired. One deferred call stands for all
 * that were retired since the last, so many changes cost one token.
 */
#include "common/route_memory.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/grace.h"
#include "common/route_shared.h"

enum {
	ORDERS = WIDE_ORDER + 1,
	BIG_ORDER = DIRECT_ORDER,
	RETIRED_MAX = 1 << 16,
	FLUSH_AT = 64, /* retired blocks that are worth a deferred call */
	NOT_FREE = 0xff,
	VALUE_ORDER = 0xff,
};

/* At the beginning of a free block. Line 0 is in use for ever, so 0 is the list's end. */
struct links {
	uint32_t next;
	uint32_t previous;
};

struct retired {
	uint32_t number; /* line or value */
	uint32_t order;
};

struct route_memory {
	struct route_table *t;
	struct grace *grace;
	bool swept;
	uint32_t head[ORDERS];
	uint64_t free_lines;
	uint64_t big_lines; /* those in blocks of BIG_ORDER and above */
	uint64_t promised;
	/* ring of the retired: [tail, sent) are deferred, [sent, next) are not yet */
	uint32_t tail;
	uint32_t sent;
	uint32_t next;
	uint32_t n_values; /* free */
	uint32_t *values;
	uint8_t *value_used; /* until the sweep */
	struct retired retired[RETIRED_MAX];
	uint8_t order[]; /* by line: of the free block that begins there, or NOT_FREE */
};

static struct links *
links_of(const struct route_memory *m, uint32_t line)
{
	return route_line(m->t, line);
}

static void
lines_count(struct route_memory *m, uint32_t order, bool more)
{
	uint64_t n = UINT64_C(1) << order;

	m->free_lines += more ? n : -n;
	if (order >= BIG_ORDER)
		m->big_lines += more ? n : -n;
	__atomic_store_n(&m->t->lines_used, m->t->lines - (uint32_t)m->free_lines,
			 __ATOMIC_RELAXED);
}

static void
push(struct route_memory *m, uint32_t line, uint32_t order)
{
	uint32_t next = m->head[order];

	*links_of(m, line) = (struct links){.next = next};
	if (next != 0)
		links_of(m, next)->previous = line;
	m->head[order] = line;
	m->order[line] = (uint8_t)order;
	lines_count(m, order, true);
}

static void
unlink_block(struct route_memory *m, uint32_t line, uint32_t order)
{
	struct links *l = links_of(m, line);

	if (l->previous != 0)
		links_of(m, l->previous)->next = l->next;
	else
		m->head[order] = l->next;
	if (l->next != 0)
		links_of(m, l->next)->previous = l->previous;
	m->order[line] = NOT_FREE;
	lines_count(m, order, false);
}

static void
give_back(struct route_memory *m, uint32_t line, uint32_t order)
{
	for (; order + 1 < ORDERS; order++) {
		uint32_t buddy = line ^ 1u << order;

		if (buddy >= m->t->lines || m->order[buddy] != order)
			break;
		unlink_block(m, buddy, order);
		line &= ~(1u << order);
	}
	push(m, line, order);
}

bool
route_memory_has(const struct route_memory *m, uint32_t order)
{
	while (order < ORDERS && m->head[order] == 0)
		order++;
	return order < ORDERS;
}

uint32_t
route_memory_take(struct route_memory *m, uint32_t order)
{
	uint32_t from = order, line;

	while (from < ORDERS && m->head[from] == 0)
		from++;
	assert(from < ORDERS); /* the caller reserved */
	line = m->head[from];
	unlink_block(m, line, from);
	while (from > order) {
		from--;
		push(m, line + (1u << from), from);
	}
	memset(route_line(m->t, line), 0, (size_t)CACHE_LINE << order);
	return line;
}

uint64_t
route_memory_free_lines(const struct route_memory *m)
{
	return m->free_lines > m->promised ? m->free_lines - m->promised : 0;
}

void
route_memory_promise(struct route_memory *m, uint64_t lines)
{
	m->promised = lines;
}

/* --- values --- */

uint32_t
route_memory_value(struct route_memory *m)
{
	return m->n_values > 0 ? m->values[--m->n_values] : 0;
}

void
route_memory_value_back(struct route_memory *m, uint32_t value)
{
	m->values[m->n_values++] = value;
}

/* --- waiting for readers --- */

static void
release(void *arg, uint32_t n)
{
	struct route_memory *m = arg;

	for (; n > 0; n--) {
		struct retired *r = &m->retired[m->tail++ % RETIRED_MAX];

		if (r->order == VALUE_ORDER)
			m->values[m->n_values++] = r->number;
		else
			give_back(m, r->number, r->order);
	}
}

static void
defer_retired(struct route_memory *m)
{
	uint32_t n = m->next - m->sent;

	if (n == 0)
		return;
	if (m->grace != NULL && (!grace_room(m->grace) || grace_defer(m->grace, release, m, n) < 0))
		return; /* next time */
	m->sent = m->next;
	if (m->grace == NULL)
		release(m, n);
}

static void
retire(struct route_memory *m, uint32_t number, uint32_t order)
{
	assert(m->next - m->tail < RETIRED_MAX);
	m->retired[m->next++ % RETIRED_MAX] = (struct retired){number, order};
}

void
route_memory_retire(struct route_memory *m, uint32_t line, uint32_t order)
{
	retire(m, line, order);
}

void
route_memory_retire_value(struct route_memory *m, uint32_t value)
{
	retire(m, value, VALUE_ORDER);
}

void
route_memory_flush(struct route_memory *m)
{
	if (m->grace == NULL || m->next - m->sent >= FLUSH_AT)
		defer_retired(m);
}

static bool
have(const struct route_memory *m, uint32_t lines, uint32_t retired)
{
	return m->swept && m->big_lines >= lines && m->next - m->tail + retired <= RETIRED_MAX;
}

int
route_memory_reserve(struct route_memory *m, uint32_t lines, uint32_t retired)
{
	bool waits = !m->swept || m->next != m->tail;

	if (have(m, lines, retired))
		return 0;
	defer_retired(m);
	if (waits && m->grace != NULL)
		grace_settle(m->grace);
	if (have(m, lines, retired))
		return 0;
	return !m->swept || m->next != m->tail ? -ENOBUFS : -ENOSPC;
}

int
route_memory_reserve_value(struct route_memory *m)
{
	bool waits = m->next != m->tail;

	if (m->n_values > 0)
		return 0;
	defer_retired(m);
	if (waits && m->grace != NULL)
		grace_settle(m->grace);
	if (m->n_values > 0)
		return 0;
	return m->next != m->tail ? -ENOBUFS : -ENOSPC;
}

/* --- taking over from a writer --- */

struct route_memory *
route_memory_create(struct route_table *t, struct grace *grace)
{
	struct route_memory *m = calloc(1, sizeof(*m) + t->lines);

	if (m == NULL)
		return NULL;
	m->t = t;
	m->grace = grace;
	m->values = calloc(t->values, sizeof(m->values[0]));
	m->value_used = calloc(t->values, 1);
	if (m->values == NULL || m->value_used == NULL) {
		route_memory_destroy(m);
		return NULL;
	}
	route_memory_mark(m, 0, 0);
	return m;
}

void
route_memory_destroy(struct route_memory *m)
{
	if (m == NULL)
		return;
	free(m->value_used);
	free(m->values);
	free(m);
}

void
route_memory_mark(struct route_memory *m, uint32_t line, uint32_t order)
{
	memset(&m->order[line], NOT_FREE, (size_t)1 << order);
}

void
route_memory_mark_value(struct route_memory *m, uint32_t value)
{
	m->value_used[value] = 1;
}

bool
route_memory_value_is_marked(const struct route_memory *m, uint32_t value)
{
	return m->value_used[value] != 0;
}

static void
sweep_values(struct route_memory *m)
{
	for (uint32_t v = m->t->values; v-- > 1;)
		if (!m->value_used[v])
			m->values[m->n_values++] = v;
	free(m->value_used);
	m->value_used = NULL;
}

/* The order of the biggest block that begins at 'line' and ends at 'end' or before. */
static uint32_t
order_at(uint32_t line, uint32_t end)
{
	uint32_t order = WIDE_ORDER;

	while (line % (1u << order) != 0 || end - line < 1u << order)
		order--;
	return order;
}

void
route_memory_sweep(struct route_memory *m)
{
	uint32_t lines = m->t->lines, end;

	for (uint32_t at = 0; at < lines; at = end) {
		bool used = m->order[at] == NOT_FREE;

		for (end = at; end < lines && (m->order[end] == NOT_FREE) == used;)
			end++;
		for (uint32_t line = at, order; !used && line < end; line += 1u << order) {
			order = order_at(line, end);
			memset(&m->order[line], NOT_FREE, (size_t)1 << order);
			push(m, line, order);
		}
	}
	sweep_values(m);
	m->swept = true;
}

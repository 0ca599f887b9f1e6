/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Grace periods: the shared reader registry, and the writer's queue of deferred calls. The queue is
 * a ring in the order of the tokens, so a poll looks at its head alone.
 *
 * rte_rcu_qsbr survives a kill in any of the calls used here: a reader's state is its own counter,
 * registering is one compare-and-swap of a bitmap; num_threads, updated after it, may then be
 * wrong, but only chooses between two ways to look at the readers, and one that is offline holds up
 * neither.
 */
#include "common/grace.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <rte_pause.h>

#include "common/limits.h"

struct call {
	grace_fn fn;
	void *arg;
	uint32_t n;
	uint64_t token;
};

struct grace {
	struct rte_rcu_qsbr *v;
	uint32_t limit;
	uint32_t head;  /* the oldest call */
	uint32_t count; /* calls from 'head' on, wrapping at 'limit' */
	struct call calls[];
};

enum { SETTLE_POLLS = 2000 }; /* about 100 us */

size_t
grace_size(void)
{
	return rte_rcu_qsbr_get_memsize(HANDS_MAX);
}

void
grace_init(struct rte_rcu_qsbr *v)
{
	int rc = rte_rcu_qsbr_init(v, HANDS_MAX);

	assert(rc == 0);
	(void)rc;
}

void
grace_reap(struct rte_rcu_qsbr *v, uint32_t id)
{
	rte_rcu_qsbr_thread_offline(v, id);
	rte_rcu_qsbr_thread_unregister(v, id);
}

struct grace *
grace_create(struct rte_rcu_qsbr *v, uint32_t limit)
{
	struct grace *g = calloc(1, sizeof(*g) + limit * sizeof(g->calls[0]));

	if (g == NULL)
		return NULL;
	g->v = v;
	g->limit = limit;
	return g;
}

void
grace_destroy(struct grace *g)
{
	free(g);
}

int
grace_defer(struct grace *g, grace_fn fn, void *arg, uint32_t n)
{
	uint32_t at;

	if (g->count == g->limit)
		return -ENOBUFS;
	at = (uint32_t)(((uint64_t)g->head + g->count) % g->limit);
	g->calls[at] = (struct call){fn, arg, n, rte_rcu_qsbr_start(g->v)};
	g->count++;
	return 0;
}

uint32_t
grace_poll(struct grace *g)
{
	while (g->count > 0) {
		struct call c = g->calls[g->head];

		if (rte_rcu_qsbr_check(g->v, c.token, false) != 1)
			break;
		g->head = (g->head + 1) % g->limit;
		g->count--;
		c.fn(c.arg, c.n);
	}
	return g->count;
}

bool
grace_room(struct grace *g)
{
	if (g->count == g->limit)
		grace_poll(g);
	return g->count < g->limit;
}

int
grace_room_for(struct grace *g, uint32_t n)
{
	if (n > g->limit)
		return -E2BIG;
	if (g->limit - g->count < n)
		grace_settle(g);
	return g->limit - g->count < n ? -ENOBUFS : 0;
}

bool
grace_settle(struct grace *g)
{
	for (int i = 0; i < SETTLE_POLLS; i++) {
		if (grace_poll(g) == 0)
			return true;
		rte_pause();
	}
	return false;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stage runner: takes a burst from its first stage to its end. Called by a slot's thread, with
 * the packets in the hand's rx[] and its state RUN. A stage never logs, locks, allocates or makes a
 * system call, and looks at the packets of its vec alone.
 */
#ifndef FWD_WORKER_STAGE_H
#define FWD_WORKER_STAGE_H

#include "fwd-worker/worker.h"

/*
 * Times that a burst goes back from a stage to an earlier one: once for each tunnel it comes out
 * of, VRF translation, and nexthop that leads to another. Packets that are still on the way then
 * end as "nexthop-loop".
 */
enum { RETURNS_MAX = 16 };

/*
 * Each stage: reads v's packets, writes burst.verdict[] for each of them, or burst.common when all
 * go one way: then the runner need not find that out. It never passes a packet to itself.
 */
#define STAGE(NAME, name, text) \
	void stage_##name(struct worker *w, struct burst *b, const struct vec *v);
#include "fwd-worker/stages.def"
#undef STAGE

/* As in stages.def, "route4". */
const char *stage_name(enum stage s);

static inline bool
vec_is_whole(const struct burst *b, const struct vec *v)
{
	return __builtin_expect(v->n == b->n, 1);
}

/* Once for a worker, before it runs any. */
void stages_init(struct worker *w);

/*
 * Runs the burst of w->burst: m, n, port and traced are set, and so are w's members of the loop.
 * Afterwards each packet stands in a group or in the drops.
 */
void stages_run(struct worker *w);
/* The same for a burst that another slot has brought to this stage. */
void stages_run_from(struct worker *w, enum stage from);

#endif

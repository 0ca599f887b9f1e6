/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Grace periods for memory that several processes read: rte_rcu_qsbr in the region (liburcu's
 * registry is process-local and must never guard shared memory). One reader id per slot (its
 * index), then one per agent, then control's. A reader is online while it may hold borrowed
 * pointers and passes a quiescent point between bursts; whoever sleeps goes offline first. When a
 * reader's process dies the primary takes the id offline, so a grace period always ends.
 *
 * The writer never waits: it defers, and polls. Deferred work lives in the writer's own memory; if
 * the writer dies, what was deferred is found by the next writer's scan.
 */
#ifndef COMMON_GRACE_H
#define COMMON_GRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_rcu_qsbr.h>

/* Shared part: bytes, initialisation by the primary on creation. */
size_t grace_size(void);
void grace_init(struct rte_rcu_qsbr *v);

/* Reader threads: 'id' is the hand id (hand.h). register is idempotent. */
static inline void
grace_online(struct rte_rcu_qsbr *v, uint32_t id)
{
	rte_rcu_qsbr_thread_register(v, id);
	rte_rcu_qsbr_thread_online(v, id);
}
static inline void
grace_offline(struct rte_rcu_qsbr *v, uint32_t id)
{
	rte_rcu_qsbr_thread_offline(v, id);
}
static inline void
grace_quiescent(struct rte_rcu_qsbr *v, uint32_t id)
{
	rte_rcu_qsbr_quiescent(v, id);
}
/* Primary only, after the reader's process died. */
void grace_reap(struct rte_rcu_qsbr *v, uint32_t id);

/* Writer's side, process-local. */
struct grace;
typedef void (*grace_fn)(void *arg, uint32_t n);

struct grace *grace_create(struct rte_rcu_qsbr *v, uint32_t limit);
/* What is still deferred is not run. */
void grace_destroy(struct grace *g);
/* Calls fn(arg, n) from a later grace_poll(). -ENOBUFS when 'limit' calls are already deferred. */
int grace_defer(struct grace *g, grace_fn fn, void *arg, uint32_t n);
/* Runs what may run now; returns how many calls are still deferred. */
uint32_t grace_poll(struct grace *g);
/* Whether one more call may be deferred; polls if need be. */
bool grace_room(struct grace *g);
/*
 * Whether 'n' more may be deferred; polls if need be. -ENOBUFS: not now; -E2BIG: never, it is more
 * than the limit.
 */
int grace_room_for(struct grace *g, uint32_t n);
/*
 * For a writer that is out of free memory: polls for at most some 100 us, which is many bursts of
 * every reader that is not stuck. Returns whether nothing is deferred any more.
 */
bool grace_settle(struct grace *g);

#endif

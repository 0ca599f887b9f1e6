/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets that a burst makes beside those that came: copies of floods, segments of TSO frames. They
 * stand in the hand's copies[] from the moment they exist, so a death leaks none. A slot's thread.
 */
#ifndef FWD_WORKER_COPIES_H
#define FWD_WORKER_COPIES_H

#include "fwd-worker/worker.h"

/* Whether there is room for 'n' more, of 'mbufs' mbufs together. */
static inline bool
copies_fit(const struct worker *w, uint32_t n, uint32_t mbufs)
{
	return w->hand->n_copies + n <= HAND_COPIES_MAX && mbufs <= w->room;
}

/* Lists 'copy', just popped from the pool, made of 'm', after copies_fit(). */
void copies_add(struct worker *w, struct rte_mbuf *m, struct rte_mbuf *copy);

#endif

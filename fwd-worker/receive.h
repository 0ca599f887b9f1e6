/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One burst from where it comes in to where it leaves: each call takes at most w->burst_max
 * packets, sees them through, and leaves the hand empty. Returns how many there were. A slot's
 * thread.
 */
#ifndef FWD_WORKER_RECEIVE_H
#define FWD_WORKER_RECEIVE_H

#include "fwd-worker/worker.h"

uint32_t receive_from_device(struct worker *w, const struct rx_queue *q);
uint32_t receive_from_tap(struct worker *w, const struct rx_queue *q);
/* One packet that a client injected. */
uint32_t receive_injected(struct worker *w);
/*
 * Packets that another slot decided, for queues of ours, and those that an agent received from its
 * guests.
 */
uint32_t receive_from_ring(struct worker *w, const struct rx_ring *r);

#endif

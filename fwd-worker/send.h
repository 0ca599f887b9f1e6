/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Steps 5 to 8 of the hand's loop: the groups leave, what nobody took is freed, the hand is empty.
 * Called by a slot's thread once for each burst.
 */
#ifndef FWD_WORKER_SEND_H
#define FWD_WORKER_SEND_H

#include "fwd-worker/worker.h"

/* 'n_rx' packets were received in this loop. */
void send_groups(struct worker *w, uint16_t n_rx);

#endif

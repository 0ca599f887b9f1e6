/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a slot polls and where it can send: made anew from the port table whenever that changes. A
 * slot's thread, between bursts; the lists are its own, so nothing is locked or swapped.
 */
#ifndef FWD_WORKER_POLL_LIST_H
#define FWD_WORKER_POLL_LIST_H

#include <stdbool.h>

#include "common/port.h"
#include "fwd-worker/links.h"
#include "fwd-worker/taps.h"
#include "fwd-worker/worker.h"

/* Allocates for w->n_ports. 0 or -ENOMEM, or what epoll_create1 said. */
int poll_list_init(struct worker *w);
void poll_list_fini(struct worker *w);

/*
 * Reads the whole table. False if a tap's descriptor that this slot needs has not come yet: the
 * rest is in use, and the caller looks again when taps_version() or links_version() change.
 */
bool poll_list_make(struct worker *w, const struct ports *ports, const struct taps *taps,
		    const struct links *links);

/* Polls nothing, sends nowhere. */
void poll_list_clear(struct worker *w);

#endif

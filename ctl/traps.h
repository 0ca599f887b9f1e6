/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets from and to slots (common/trap.h), on vr-ctl's side: what they trapped becomes events of
 * the kind packet; what clients inject is passed to one of them. Main thread only.
 */
#ifndef CTL_TRAPS_H
#define CTL_TRAPS_H

#include <stdint.h>

struct ctl;
struct trap_record;
struct traps;

/* A record that was trapped, on its way through the description of its kind. */
struct trapped {
	uint32_t slot; /* the operator's number */
	const struct trap_record *record;
	const uint8_t *frame;
};

struct traps *traps_create(struct ctl *ctl); /* NULL: out of memory */
void traps_destroy(struct traps *t);         /* NULL is fine */
/* Takes what is there out of the rings, a bounded number of records. Called by its own timer. */
void traps_poll(struct traps *t);

/*
 * Passes a frame on. -EAGAIN: no slot is animated; -ENOBUFS: its ring is full, try again a little
 * later.
 */
int traps_inject(struct ctl *ctl, const struct trap_record *record, const uint8_t *frame);

#endif

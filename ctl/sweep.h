/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Removes all objects, or those that a controller has not added again, in steps of which each is
 * short and whole; for `reset` and for the end of a resync. vr-ctl's main thread only.
 */
#ifndef CTL_SWEEP_H
#define CTL_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

struct call;
struct ctl;

struct sweep {
	bool all;            /* else: of this controller, if not of this epoch */
	uint32_t controller; /* number */
	uint8_t epoch;
};

/*
 * Takes a step. Bridge entries go first, vifs and their ports last. Returns as an object_op does;
 * -EAGAIN: there is more to do. 'cursor' is 0 at first.
 */
int sweep_step(struct ctl *ctl, const struct sweep *what, uint64_t *cursor, struct call *call);

/* Kind of something that the controller with this number owns, or NULL. */
const char *sweep_owned(const struct ctl *ctl, uint32_t controller);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changes of the tables that happen whole or not at all: those of a client's batch, or a single
 * one. vr-ctl's main thread only.
 *
 * First all changes are staged in the redo log (common/redo.h), in order, each seeing those before
 * it; a refusal ends it here. If vifs want ports that are not there, the staged is given up, the
 * primary is asked for one after the other, and all is staged again. Then one store decides. At
 * last the ports are removed that vifs left behind, and tries follow their routes.
 *
 * Staging and following take many steps, and others have their turns between them. There is one
 * log, so writes of others wait while a batch is being staged; reads see the tables of before.
 */
#ifndef CTL_BATCH_H
#define CTL_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/object.h"
#include "proto/vrouter.pb-c.h"

struct batch;
struct call;

/* One change. Of a batch that a client sent there are only 'bytes', until it is staged. */
struct batch_change {
	const uint8_t *bytes; /* a Change, packed */
	uint32_t size;
	const struct object_info *info; /* NULL: not checked yet */
	const ProtobufCMessage *object;
	int op; /* ADD, SET or DEL, for which object_changer() has something */
};

/*
 * A batch for this call, which goes on by itself through call_wake(). 'changes' was allocated with
 * malloc() and now belongs to the batch. NULL when out of memory (and 'changes' is freed).
 */
struct batch *batch_create(struct ctl *ctl, struct call *call, uint16_t owner,
			   struct batch_change *changes, uint32_t n);
void batch_destroy(struct batch *b); /* NULL is fine */

uint32_t batch_size(const struct batch *b);
/* Kind of a change of the batch; NULL: not known, or not looked at yet. */
const struct object_info *batch_kind(const struct batch *b, uint32_t change);

/* Whether another batch than 'b' (NULL: any) is being staged: the log cannot be used then. */
bool batch_in_way(const struct ctl *ctl, const struct batch *b);

/*
 * Carries the batch on; returns as an object_op does. 0: all changes are made. A negative errno:
 * none is; or all are, but a port could not be removed (the refusal says so).
 */
int batch_run(struct batch *b);
/* Instead of running it again after -ENOBUFS: as batch_run(), on the way to that error. */
int batch_give_up(struct batch *b);

#endif

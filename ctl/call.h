/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A call is one request at work: from its bytes to its one final answer. The server makes calls out
 * of what a client sent and lets them run; kinds of objects answer through them. Main thread only.
 *
 * A call may outlive its client (the primary is still making a port when the client hangs up): it
 * is then carried out to the end, and its answer goes nowhere.
 */
#ifndef CTL_CALL_H
#define CTL_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/refusal.h"
#include "proto/vrouter.pb-c.h"

struct ctl;
struct call;
struct object_info;
struct watcher;

/* Whom a call answers to. */
struct caller {
	bool may_read;
	bool may_write;
	struct watcher *watcher; /* to whom events go (events.h); NULL: it takes none */
	/* An answer, to be copied before it returns. */
	void (*send)(struct caller *caller, const Vrouter__Response *answer);
	/* The call has sent its final answer and is gone. */
	void (*done)(struct caller *caller);
	/* A call that went on by itself wants to be run again. */
	void (*wake)(struct caller *caller);
};

/*
 * Takes a frame's bytes. Returns the call, or NULL after it answered a frame that is no request
 * (MALFORMED) or ran out of memory: the connection is of no more use then.
 */
struct call *call_create(struct ctl *ctl, struct caller *caller, const uint8_t *bytes, size_t size);

enum call_state {
	CALL_DONE,    /* answered and freed */
	CALL_MORE,    /* a list that goes on: run it again when there is room for answers */
	CALL_LATER,   /* it goes on by itself and ends with caller->done() */
	CALL_BLOCKED, /* run it again a little later */
};
/* Carries the call on; a list sends about 'budget' objects. */
enum call_state call_run(struct call *call, uint32_t budget);

/* The caller has gone. The call is freed at once, or when it is done if it went on by itself. */
void call_abandon(struct call *call);

/*
 * Has a kind describe an entry of its table; what it says goes to 'take', once, with 'content' the
 * object's content.
 */
typedef void call_taker(void *to, Vrouter__Object *object, const ProtobufCMessage *content);
void call_describe(struct ctl *ctl, const struct object_info *info, const void *entry,
		   call_taker *take, void *to);

/* For the kinds of objects: */

struct refusal *call_refusal(struct call *call);
const struct caller *call_caller(const struct call *call);
/* Sends an object, of the kind asked for. GET: the only one, with the final answer. */
void call_object(struct call *call, ProtobufCMessage *object);
/*
 * For batch.c: unpacks a change, checks it as far as its kind does not matter, and fills the rest
 * of 'change'. A batch has many, so it is not done for all at once.
 */
struct batch_change;
int call_check_change(struct call *call, struct batch_change *change);
/*
 * Where an operation that takes long is: 0 at first. If it returns -EAGAIN without a refusal, it is
 * called again when others had their turn.
 */
uint64_t *call_cursor(struct call *call);
/* Ends a call that returned OBJECT_LATER: 0, or a negative errno after refuse(). */
void call_done(struct call *call, int code);
/* What a call that returned OBJECT_LATER waited for is there: runs its operation anew. */
void call_wake(struct call *call);

#endif

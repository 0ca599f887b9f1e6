/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libvrouter: a small client of the router's control API (proto/vrouter.proto). It needs protobuf-c
 * and nothing else. A connection belongs to one thread at a time.
 *
 *	struct vrouter *v;
 *	Vrouter__Nexthop nexthop = VROUTER__NEXTHOP__INIT;
 *	Vrouter__Object object = VROUTER__OBJECT__INIT;
 *	Vrouter__Response *answer;
 *
 *	v = vrouter_open("/run/vrouter/control.sock", 5000);
 *	object.kind_case = VROUTER__OBJECT__KIND_NEXTHOP;
 *	object.nexthop = &nexthop;
 *	...
 *	if (vrouter_call(v, VROUTER__OP__ADD, &object, &answer) < 0)
 *		fprintf(stderr, "%s\n", vrouter_error(v));
 *	vrouter_response_free(answer);
 *	vrouter_close(v);
 */
#ifndef CTL_CLIENT_VROUTER_H
#define CTL_CLIENT_VROUTER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/vrouter.pb-c.h"

#ifdef __cplusplus
extern "C" {
#endif

struct vrouter;

#define VROUTER_SOCKET_DEFAULT "/run/vrouter/control.sock"

/*
 * Makes a connection object; it connects when first used. 'path' may be NULL for the default.
 * 'timeout_ms' bounds every wait for the server (0: none). NULL when out of memory.
 */
struct vrouter *vrouter_open(const char *path, int timeout_ms);
void vrouter_close(struct vrouter *v); /* NULL is fine */

/* The last failure, a sentence without a full stop. Valid until the next call. */
const char *vrouter_error(const struct vrouter *v);

/*
 * Connects if there is no connection. 0, or -ENOENT, -ECONNREFUSED (nobody serves there), -EACCES,
 * -ETIMEDOUT.
 */
int vrouter_connect(struct vrouter *v);
/* Drops the connection and what was under way on it; the next call connects again. */
void vrouter_disconnect(struct vrouter *v);

/*
 * Sends a request and waits for its only answer, which the caller frees. When the server went away
 * meanwhile it connects again and repeats the request, until the timeout: every operation may be
 * done twice. Returns 0 if it was answered with OK; -EREMOTE if it was refused ('answer' says why,
 * and so does vrouter_error()); another negative errno, and no answer, if the connection failed.
 * 'answer' may be NULL.
 */
int vrouter_call(struct vrouter *v, Vrouter__Op op, Vrouter__Object *object,
		 Vrouter__Response **answer);

/*
 * The same for a request of any kind, such as a batch. Sets its id.
 */
int vrouter_request(struct vrouter *v, Vrouter__Request *request, Vrouter__Response **answer);

/*
 * Lists: calls 'each' for every object, which it borrows, until it returns nonzero (the connection
 * is then dropped, and that value returned). Otherwise as vrouter_call(), but not repeated.
 */
typedef int vrouter_each(void *arg, const Vrouter__Object *object);
int vrouter_list(struct vrouter *v, Vrouter__Object *filter, vrouter_each *each, void *arg);

/*
 * Events (message Event in the contract). vrouter_watch() subscribes to what happens to kinds of
 * objects, given by their numbers in the message Object; 'n' = 0: to none any more. Errors as for
 * vrouter_call().
 *
 * vrouter_event() waits for the next event, at most 'timeout_ms' (negative: for ever; 0: not at
 * all), and gives it to the caller, who frees it. When the server goes away it returns -EPIPE once;
 * called again it connects and subscribes anew, as long as that takes, and then returns 0 with
 * '*event' NULL: what happened meanwhile is unknown. Otherwise -ETIMEDOUT, -EREMOTE (it may not
 * subscribe any more) or another negative errno.
 *
 * Other calls may be made on the same connection. Events that come meanwhile are kept, at most
 * VROUTER_EVENTS_MAX, for vrouter_event(); of those beyond it only how many is, and said by an
 * event with what = MISSED.
 */
#define VROUTER_EVENTS_MAX 10000
int vrouter_watch(struct vrouter *v, const uint32_t *kinds, unsigned int n);
int vrouter_event(struct vrouter *v, int timeout_ms, Vrouter__Response **event);

/*
 * Pipelining: sends without waiting, then receives answers in the order of the requests. The caller
 * matches ids; those given by vrouter_send() count up from 1. Returns 0 or a negative errno. What
 * was sent is buffered until vrouter_receive() or vrouter_flush().
 */
int vrouter_send(struct vrouter *v, Vrouter__Op op, Vrouter__Object *object, uint64_t *id);
int vrouter_send_request(struct vrouter *v, Vrouter__Request *request); /* sets its id */
int vrouter_flush(struct vrouter *v);
int vrouter_receive(struct vrouter *v, Vrouter__Response **answer);

void vrouter_response_free(Vrouter__Response *answer); /* NULL is fine */

#ifdef __cplusplus
}
#endif

#endif

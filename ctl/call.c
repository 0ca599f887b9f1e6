/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One request at work; see call.h. Checks what all kinds have in common, finds the kind's
 * operation, and sends exactly one final answer. vr-ctl's main thread only.
 */
#include "ctl/call.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/grace.h"
#include "ctl/arena.h"
#include "ctl/batch.h"
#include "ctl/check.h"
#include "ctl/controller.h"
#include "ctl/ctl.h"
#include "ctl/events.h"
#include "ctl/object.h"
#include "ctl/wire.h"

#define LOG_MODULE "call"
#include "common/log.h"

/* How long a write may wait for readers of shared memory to move on. */
enum { BLOCKED_MAX_MS = 1000 };

struct call {
	struct ctl *ctl;
	struct caller *caller; /* NULL: gone */
	struct arena arena;    /* of the request */
	Vrouter__Request *request;
	const struct object_info *info; /* NULL until looked up */
	const ProtobufCMessage *object;
	struct batch_change *changes; /* a batch as it came in, until it is 'batch' */
	uint32_t n_changes, changes_room;
	bool is_batch;          /* the request has one */
	uint32_t batch_unknown; /* number of a field in it that is not known, 0: none */
	struct batch *batch;    /* of a write of tables; NULL: none */
	uint64_t revision;      /* that a list began at */
	uint64_t cursor;        /* of a list */
	uint64_t blocked_ms;    /* since when, 0: not */
	bool checked;
	bool answered;
	bool later;       /* goes on by itself */
	call_taker *take; /* of call_describe(), NULL: a request */
	void *take_to;
	struct refusal refusal;
};

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static Vrouter__Result__Code
result_code(int code)
{
	switch (-code) {
	case 0:
		return VROUTER__RESULT__CODE__OK;
	case EINVAL:
	case ERANGE:
		return VROUTER__RESULT__CODE__INVALID;
	case ENOENT:
		return VROUTER__RESULT__CODE__NOT_FOUND;
	case EEXIST:
		return VROUTER__RESULT__CODE__EXISTS;
	case EBUSY:
		return VROUTER__RESULT__CODE__BUSY;
	case ENOSPC:
	case ENOBUFS:
	case EFBIG:
	case E2BIG:
		return VROUTER__RESULT__CODE__FULL;
	case EACCES:
	case EPERM:
		return VROUTER__RESULT__CODE__DENIED;
	case ENOTSUP:
		return VROUTER__RESULT__CODE__UNSUPPORTED;
	case EAGAIN:
	case ENOTCONN:
	case ETIMEDOUT:
		return VROUTER__RESULT__CODE__UNAVAILABLE;
	case EBADMSG:
		return VROUTER__RESULT__CODE__MALFORMED;
	default:
		return VROUTER__RESULT__CODE__FAILED;
	}
}

static void
call_free(struct call *c)
{
	batch_destroy(c->batch);
	free(c->changes);
	arena_fini(&c->arena);
	free(c);
}

/* The final answer; 'object' may be NULL. */
static void
answer(struct call *c, int code, Vrouter__Object *object)
{
	Vrouter__Response response = VROUTER__RESPONSE__INIT;
	Vrouter__Result result = VROUTER__RESULT__INIT;
	char text[512], change[24] = "";

	assert(!c->answered);
	c->answered = true;
	result.code = result_code(code);
	result.object = c->refusal.object;
	if (code < 0) {
		result.change = c->refusal.change;
		if (result.change != 0)
			snprintf(change, sizeof(change), "change %u: ", result.change);
		snprintf(text, sizeof(text), "%s%s%s%s", change, c->refusal.object,
			 *c->refusal.object != '\0' ? ": " : "",
			 *c->refusal.text != '\0' ? c->refusal.text : strerror(-code));
		result.text = text;
		result.field = c->refusal.field;
	}
	response.id = c->request != NULL ? c->request->id : 0;
	response.result = &result;
	response.revision = c->revision != 0 ? c->revision : c->ctl->revision;
	response.object = object;
	if (c->caller != NULL)
		c->caller->send(c->caller, &response);
}

/* --- taking a request apart --- */

/* VROUTER__REQUEST's batch, and VROUTER__BATCH's changes. */
enum { REQUEST_BATCH = 4, BATCH_CHANGES = 1 };

static int
add_change(struct call *c, const struct wire_field *f)
{
	if (c->n_changes == c->changes_room) {
		uint32_t room = c->changes_room == 0 ? 16 : 2 * c->changes_room;
		struct batch_change *changes = realloc(c->changes, room * sizeof(*changes));

		if (changes == NULL)
			return -ENOMEM;
		c->changes = changes;
		c->changes_room = room;
	}
	c->changes[c->n_changes++] =
	    (struct batch_change){.bytes = f->bytes, .size = (uint32_t)f->size};
	return 0;
}

/* The changes stay packed: all of them at once would take too long. */
static int
split_batch(struct call *c, const uint8_t *bytes, size_t size)
{
	uint8_t *copy = arena_take(&c->arena, size);
	struct wire w = {copy, copy + size};
	struct wire_field f;
	int rc;

	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, bytes, size);
	c->is_batch = true;
	while ((rc = wire_next(&w, &f)) > 0) {
		if (f.number != BATCH_CHANGES)
			c->batch_unknown = f.number;
		else if (f.type != WIRE_BYTES)
			return -EBADMSG;
		else if (add_change(c, &f) < 0)
			return -ENOMEM;
	}
	return rc;
}

/* Unpacks a request, but for its batch. */
static int
split_request(struct call *c, const uint8_t *bytes, size_t size)
{
	struct wire w = {bytes, bytes + size};
	struct wire_field f;
	uint8_t *rest = NULL;
	size_t n_rest = 0;
	int rc;

	for (const uint8_t *at = bytes; (rc = wire_next(&w, &f)) > 0; at = w.at) {
		bool is_batch = f.number == REQUEST_BATCH && f.type == WIRE_BYTES;

		if (is_batch && rest == NULL) {
			rest = arena_take(&c->arena, size);
			if (rest == NULL)
				return -ENOMEM;
			n_rest = (size_t)(at - bytes);
			memcpy(rest, bytes, n_rest);
		}
		if (is_batch) {
			rc = split_batch(c, f.bytes, f.size);
			if (rc < 0)
				return rc;
		} else if (rest != NULL) {
			memcpy(rest + n_rest, at, (size_t)(w.at - at));
			n_rest += (size_t)(w.at - at);
		}
	}
	if (rc < 0)
		return rc;
	c->request = vrouter__request__unpack(&c->arena.allocator, rest != NULL ? n_rest : size,
					      rest != NULL ? rest : bytes);
	return c->request != NULL ? 0 : -EBADMSG;
}

struct call *
call_create(struct ctl *ctl, struct caller *caller, const uint8_t *bytes, size_t size)
{
	struct call *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->ctl = ctl;
	c->caller = caller;
	arena_init(&c->arena);
	if (split_request(c, bytes, size) < 0) {
		refuse(&c->refusal, EBADMSG, NULL, "the frame of %zu bytes is not a request", size);
		answer(c, c->refusal.code, NULL);
		call_free(c);
		return NULL;
	}
	return c;
}

struct refusal *
call_refusal(struct call *c)
{
	return &c->refusal;
}

uint64_t *
call_cursor(struct call *c)
{
	return &c->cursor;
}

const struct caller *
call_caller(const struct call *c)
{
	return c->caller;
}

void
call_object(struct call *c, ProtobufCMessage *object)
{
	const ProtobufCFieldDescriptor *member = c->info->member;
	Vrouter__Response response = VROUTER__RESPONSE__INIT;
	Vrouter__Object wrapped = VROUTER__OBJECT__INIT;

	assert(object->descriptor == member->descriptor);
	wrapped.kind_case = member->id;
	*(ProtobufCMessage **)((char *)&wrapped + member->offset) = object;
	if (c->take != NULL) {
		c->take(c->take_to, &wrapped, object);
		return;
	}
	if (c->request->op != VROUTER__OP__LIST) {
		answer(c, 0, &wrapped);
		return;
	}
	response.id = c->request->id;
	response.more = true;
	response.revision = c->revision;
	response.object = &wrapped;
	if (c->caller != NULL)
		c->caller->send(c->caller, &response);
}

void
call_describe(struct ctl *ctl, const struct object_info *info, const void *entry, call_taker *take,
	      void *to)
{
	struct call c = {.ctl = ctl, .info = info, .take = take, .take_to = to};

	info->kind->describe(ctl, entry, &c);
}

static bool
is_write(int op)
{
	return op == VROUTER__OP__ADD || op == VROUTER__OP__SET || op == VROUTER__OP__DEL;
}

static const char *
op_name(int op)
{
	const ProtobufCEnumValue *v =
	    protobuf_c_enum_descriptor_get_value(&vrouter__op__descriptor, op);

	return v != NULL ? v->name : "?";
}

static int
check_permission(const struct call *c, bool write, struct refusal *r)
{
	if (!c->caller->may_read)
		return refuse(r, EACCES, NULL,
			      "you may not read: you are neither root nor in the group that the "
			      "option control-readers names");
	if (write && !c->caller->may_write)
		return refuse(r, EACCES, NULL,
			      "you may not write: you are neither root nor in the group that the "
			      "option control-group names");
	return 0;
}

/* What is asked for, of a request or of a change in a batch: finds kind and content. */
static int
check_object(int op, const Vrouter__Object *object, const struct object_info **info,
	     const ProtobufCMessage **content, struct refusal *r)
{
	if (object == NULL)
		return refuse(r, EINVAL, "object", "the request names no object");
	if (object->base.n_unknown_fields != 0 || object->kind_case == 0)
		return refuse(
		    r, EINVAL, "object", "objects of kind %u are not known",
		    object->base.n_unknown_fields != 0 ? object->base.unknown_fields[0].tag : 0);
	*info = object_by_number(object->kind_case);
	if (*info == NULL)
		return refuse(r, ENOTSUP, "object", "objects of kind %u are not served here",
			      (unsigned int)object->kind_case);
	*content = *(ProtobufCMessage *const *)((const char *)object + (*info)->member->offset);
	if (protobuf_c_enum_descriptor_get_value(&vrouter__op__descriptor, op) == NULL)
		return refuse(r, EINVAL, "op", "operation %d is not known", op);
	if (!object_can(*info, op))
		return refuse(r, ENOTSUP, "op", "there is no operation %s for %s", op_name(op),
			      (*info)->name);
	return 0;
}

static int
check_content(int op, const struct object_info *info, const ProtobufCMessage *content,
	      struct refusal *r)
{
	int rc = check_message(content, is_write(op), r);

	if (rc == 0 && op != VROUTER__OP__LIST && op != VROUTER__OP__WATCH)
		rc = check_keys(content, info->keys, r);
	return rc;
}

static int
make_batch(struct call *c, struct batch_change *changes, uint32_t n)
{
	uint16_t owner = 0;
	int rc;

	rc = controller_find(c->ctl, c->request->controller, &owner, &c->refusal);
	if (rc < 0) {
		free(changes);
		return rc;
	}
	c->batch = batch_create(c->ctl, c, owner, changes, n);
	return c->batch != NULL ? 0 : -ENOMEM;
}

/* A single write of tables is a batch of one. */
static int
check_single(struct call *c)
{
	const Vrouter__Request *q = c->request;
	struct refusal *r = &c->refusal;
	struct batch_change *change;
	int rc;

	rc = check_object(q->op, q->object, &c->info, &c->object, r);
	if (c->info != NULL)
		check_label(c->object, c->info->name, c->info->keys, r->object, sizeof(r->object));
	if (rc == 0 || c->info != NULL) {
		int denied = check_permission(c, is_write(q->op), r);

		rc = denied < 0 ? denied : rc;
	}
	if (rc == 0)
		rc = check_content(q->op, c->info, c->object, r);
	if (rc < 0)
		return rc;
	c->revision = q->op == VROUTER__OP__LIST ? c->ctl->revision : 0;
	if (object_changer(c->info->kind, q->op) == NULL)
		return 0;
	change = malloc(sizeof(*change));
	if (change == NULL)
		return -ENOMEM;
	*change = (struct batch_change){.info = c->info, .object = c->object, .op = q->op};
	return make_batch(c, change, 1);
}

int
call_check_change(struct call *c, struct batch_change *change)
{
	const Vrouter__Change *m =
	    vrouter__change__unpack(&c->arena.allocator, change->size, change->bytes);
	struct refusal *r = &c->refusal;
	int rc;

	if (m == NULL)
		return refuse(r, EBADMSG, NULL, "its %u bytes are not a change", change->size);
	if (m->base.n_unknown_fields != 0)
		return refuse(r, EINVAL, NULL, "field number %u is not known",
			      m->base.unknown_fields[0].tag);
	rc = check_object(m->op, m->object, &change->info, &change->object, r);
	if (rc < 0)
		return rc;
	change->op = m->op;
	if (object_changer(change->info->kind, m->op) == NULL)
		return refuse(r, ENOTSUP, "op", "%s of a %s cannot be part of a batch",
			      op_name(m->op), change->info->name);
	return check_content(m->op, change->info, change->object, r);
}

static int
check_batch(struct call *c)
{
	struct batch_change *changes = c->changes;
	struct refusal *r = &c->refusal;
	int rc;

	rc = check_permission(c, true, r);
	if (rc < 0)
		return rc;
	if (c->batch_unknown != 0)
		return refuse(r, EINVAL, "batch", "the batch's field number %u is not known",
			      c->batch_unknown);
	if (c->request->op != VROUTER__OP__OP_UNSET || c->request->object != NULL)
		return refuse(r, EINVAL, "batch",
			      "a request has a batch, or op and object, and not both");
	c->changes = NULL;
	return make_batch(c, changes, c->n_changes);
}

static int
check_call(struct call *c)
{
	const Vrouter__Request *q = c->request;
	char field[32];

	if (q->unwatch && q->op != VROUTER__OP__WATCH)
		return refuse(&c->refusal, EINVAL, "unwatch", "unwatch goes with WATCH only");
	if (q->base.n_unknown_fields != 0) {
		snprintf(field, sizeof(field), "%u", q->base.unknown_fields[0].tag);
		return refuse(&c->refusal, EINVAL, field,
			      "the request's field number %s is not known", field);
	}
	return c->is_batch ? check_batch(c) : check_single(c);
}

static int
watch(struct call *c)
{
	struct watcher *watcher = c->caller != NULL ? c->caller->watcher : NULL;

	if (c->ctl->events == NULL || watcher == NULL)
		return refuse(&c->refusal, ENOTSUP, "op", "events cannot be watched from here");
	if (!c->request->unwatch)
		return events_watch(c->ctl->events, watcher, c->info, c->request->id);
	events_unwatch(c->ctl->events, watcher, c->info);
	return 0;
}

/* Returns as an operation does (object.h), and -EAGAIN for a list that goes on. */
static int
dispatch(struct call *c, uint32_t budget)
{
	const struct object_kind *k = c->info != NULL ? c->info->kind : NULL;
	int rc;

	if (c->batch != NULL)
		return batch_run(c->batch);
	if (is_write(c->request->op) && batch_in_way(c->ctl, NULL))
		return -EAGAIN;
	switch (c->request->op) {
	case VROUTER__OP__ADD:
		return k->add(c->ctl, c->object, c);
	case VROUTER__OP__SET:
		return k->set(c->ctl, c->object, c);
	case VROUTER__OP__DEL:
		return k->del(c->ctl, c->object, c);
	case VROUTER__OP__GET:
		return k->get(c->ctl, c->object, c);
	case VROUTER__OP__WATCH:
		return watch(c);
	default:
		rc = k->list(c->ctl, c->object, &c->cursor, budget, c);
		return rc == 0 && c->cursor != OBJECT_LIST_END ? -EAGAIN : rc;
	}
}

/* A write that finds its table's spare entries waiting for readers is tried for a while. */
static bool
may_block(struct call *c)
{
	uint64_t now = now_ms();

	if (c->blocked_ms == 0)
		c->blocked_ms = now;
	if (now - c->blocked_ms < BLOCKED_MAX_MS)
		return true;
	refuse(&c->refusal, ENOBUFS, NULL,
	       "replaced entries still wait for a reader that does not move on");
	return false;
}

/* The kind whose table had no room; NULL when it was about no single one. */
static const struct object_info *
refused_kind(const struct call *c)
{
	uint32_t change = c->refusal.change;

	if (!c->is_batch || c->batch == NULL)
		return c->info;
	if (change == 0 && batch_size(c->batch) == 1)
		change = 1;
	return change != 0 ? batch_kind(c->batch, change - 1) : NULL;
}

/* Sends the final answer if that has not happened. */
static void
finish(struct call *c, int code)
{
	if (code == 0 && is_write(c->request->op) && c->batch == NULL)
		c->ctl->revision++;
	if (code == -ENOSPC && refused_kind(c) != NULL)
		events_full(c->ctl->events, refused_kind(c)->name,
			    c->batch == NULL || batch_size(c->batch) == 1);
	if (code < 0 && c->refusal.code == 0)
		log_error("%s: refused without a reason: %s", c->refusal.object, strerror(-code));
	if (!c->answered)
		answer(c, code, NULL);
	call_free(c);
}

enum call_state
call_run(struct call *c, uint32_t budget)
{
	int rc = 0;

	if (!c->checked)
		rc = check_call(c);
	c->checked = true;
	if (rc == 0)
		rc = dispatch(c, budget);
	if (rc == -ENOBUFS && c->refusal.code == 0) {
		grace_poll(c->ctl->tables.grace);
		rc = dispatch(c, budget);
	}
	if (rc == OBJECT_LATER) {
		c->later = true;
		return CALL_LATER;
	}
	if (rc == -EAGAIN && c->refusal.code == 0)
		return CALL_MORE;
	if (rc == -ENOBUFS && c->refusal.code == 0) {
		if (may_block(c))
			return CALL_BLOCKED;
		rc = c->batch != NULL ? batch_give_up(c->batch) : rc;
		if (rc == OBJECT_LATER) {
			c->later = true;
			return CALL_LATER;
		}
	}
	finish(c, rc);
	return CALL_DONE;
}

void
call_done(struct call *c, int code)
{
	struct caller *caller = c->caller;

	finish(c, code);
	if (caller != NULL)
		caller->done(caller);
}

void
call_wake(struct call *c)
{
	enum call_state state;

	c->later = false;
	if (c->caller != NULL) {
		c->caller->wake(c->caller);
		return;
	}
	state = call_run(c, 0);
	if (state == CALL_BLOCKED || state == CALL_MORE)
		call_free(c);
}

void
call_abandon(struct call *c)
{
	c->caller = NULL;
	if (!c->later)
		call_free(c);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kinds of objects: what the API can do with each. A kind is a member of the message Object in
 * proto/vrouter.proto, a line in objects.def, and a file object_NAME.c that defines
 * `const struct object_kind object_NAME`. Operations run on vr-ctl's main thread and never block.
 */
#ifndef CTL_OBJECT_H
#define CTL_OBJECT_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

struct call;
struct ctl;

/*
 * An operation gets the object as it came in; its keys are given and nothing in it is unknown. It
 * returns
 *   0              done; what it read went out through call_object()
 *   OBJECT_LATER   it will call call_done() or call_wake() itself, once, later
 *   -ENOBUFS       memory waits for readers to move on; it is called again a little later
 *   another errno  refused, as said with refuse(call_refusal(call), ...)
 */
enum { OBJECT_LATER = 1 };
typedef int object_op(struct ctl *ctl, const ProtobufCMessage *object, struct call *call);

/*
 * Sends the objects from '*cursor' on (0 at first) through call_object(), about 'budget' of them or
 * of entries looked at, and moves the cursor to where to go on, or to OBJECT_LIST_END. 'filter' is
 * the object as it came in. Between two calls other requests are served, so the cursor must survive
 * changes of the table.
 */
#define OBJECT_LIST_END UINT64_MAX
typedef int object_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor,
			uint32_t budget, struct call *call);

/*
 * A change of a kind that lives in tables, as part of a batch (batch.h): checks the object against
 * what the batch has staged so far and stages what it asks for. Returns 0, -ENOBUFS as above, or a
 * negative errno after refuse(change->refusal, ...); -EFBIG and -E2BIG need no words.
 */
struct change {
	struct ctl *ctl;
	struct refusal *refusal;
	uint16_t owner; /* tag of the controller that asks */
	/* what it says beside its result: */
	bool port_missing;  /* a port has to be made first: see vif_make_port() */
	int32_t port_left;  /* index of a port that its vif leaves behind, -1: none */
	int32_t port_moved; /* index of a guest's port that another agent is to serve, -1: none */
	uint32_t agent;     /* that one */
};
typedef int object_change(struct change *change, const ProtobufCMessage *object);

/*
 * Sends an entry of the kind's table (a table: its name) through call_object(). It may be a copy of
 * one that is gone.
 */
typedef void object_describe(const struct ctl *ctl, const void *entry, struct call *call);

/* NULL: not something this kind can do. Of 'put' and 'add', and so on, there is one. */
struct object_kind {
	object_change *put;    /* ADD, also in a batch */
	object_change *modify; /* SET, also in a batch */
	object_change *remove; /* DEL, also in a batch */
	object_op *add;
	object_op *set;
	object_op *del;
	object_op *get;
	object_list *list;
	/* WATCH: describes an entry of the kind's table for an event. */
	object_describe *describe;
};

#define OBJECT(name, keys) extern const struct object_kind object_##name;
#include "ctl/objects.def"
#undef OBJECT

/* A kind with what its declarations say about it. */
struct object_info {
	const struct object_kind *kind;
	const char *name;
	const char *keys;                       /* fields that name an object, comma separated */
	const ProtobufCFieldDescriptor *member; /* of the message Object */
};

/* The kinds, in the order of their numbers; 'n' receives how many. */
const struct object_info *object_kinds(uint32_t *n);
/* NULL when there is no kind of this number, or none behind this name. */
const struct object_info *object_by_number(uint32_t number);
const struct object_info *object_by_name(const char *name);

/* What a batch does for this op (enum Vrouter__Op), or NULL. */
object_change *object_changer(const struct object_kind *kind, int op);

/* Op a kind can do: enum Vrouter__Op. */
bool object_can(const struct object_info *info, int op);

#endif

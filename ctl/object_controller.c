/* SPDX-License-Identifier: BSD-3-Clause */
/* Controllers, who own what they add; see controller.h. vr-ctl's main thread only. */
#include "ctl/controller.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/controller.h"
#include "common/redo.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/object.h"
#include "ctl/sweep.h"

/* Number of the controller of this name; 0: not known. */
static uint32_t
find(const struct controllers *t, const char *name)
{
	for (uint32_t i = 1; i < t->n; i++)
		if (t->c[i].used && strcmp(t->c[i].name, name) == 0)
			return i;
	return 0;
}

int
controller_find(struct ctl *ctl, const char *name, uint16_t *tag, struct refusal *r)
{
	struct controllers *t = ctl->tables.controllers;
	uint32_t i = 0;

	*tag = 0;
	if (*name == '\0')
		return 0;
	if (strlen(name) >= CONTROLLER_NAME_LEN)
		return refuse(r, EINVAL, "controller",
			      "controller \"%.80s\" is longer than %d bytes", name,
			      CONTROLLER_NAME_LEN - 1);
	i = find(t, name);
	for (uint32_t k = 1; i == 0 && k < t->n; k++) {
		if (t->c[k].used)
			continue;
		snprintf(t->c[k].name, sizeof(t->c[k].name), "%s", name);
		__atomic_store_n(&t->c[k].used, 1, __ATOMIC_RELEASE);
		i = k;
	}
	if (i == 0)
		return refuse(r, ENOSPC, "controller",
			      "%u controllers are known, and no more can be", t->n - 1);
	*tag = controller_tag(i, t->c[i].epoch);
	return 0;
}

/* All that belongs to a resync changes together. */
static void
resync_store(struct ctl *ctl, struct controller *c, bool resyncing, uint8_t epoch, uint8_t ended)
{
	struct redo_writer *w = ctl->tables.batch;

	redo_stage(w, &c->epoch, 1, epoch, NULL, NULL);
	redo_stage(w, &c->epoch_ended, 1, ended, NULL, NULL);
	redo_stage(w, &c->resyncing, 1, resyncing, NULL, NULL);
	redo_commit(w);
}

static void
resync_begin(struct ctl *ctl, struct controller *c)
{
	uint8_t next = (uint8_t)(c->epoch + 1);

	resync_store(ctl, c, true, next != c->epoch_ended ? next : c->epoch, c->epoch_ended);
}

/* The cursor is the sweep's, and beside it the epoch that is ended. */
#define ENDING (UINT64_C(1) << 56)
enum { EPOCH_SHIFT = 48 };

static int
resync_end(struct ctl *ctl, struct controller *c, uint32_t number, struct call *call)
{
	uint64_t mark = ENDING | (uint64_t)c->epoch << EPOCH_SHIFT, at;
	const struct sweep stale = {.controller = number, .epoch = c->epoch};
	uint64_t *cursor = call_cursor(call);
	int rc;

	if (!c->resyncing)
		return refuse(call_refusal(call), EINVAL, "resync", "no resync was begun");
	if (*cursor == 0)
		*cursor = mark;
	if ((*cursor & mark) != mark || (*cursor & ~mark) >> EPOCH_SHIFT & 0xff)
		return refuse(call_refusal(call), EBUSY, "resync",
			      "another one was begun while this one was being ended");
	at = *cursor & ~mark;
	rc = sweep_step(ctl, &stale, &at, call);
	*cursor = at | mark;
	if (rc == 0)
		resync_store(ctl, c, false, c->epoch, c->epoch);
	return rc;
}

static int
controller_set(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const Vrouter__Controller *m = (const Vrouter__Controller *)object;
	struct controllers *t = ctl->tables.controllers;
	uint16_t tag;
	int rc;

	if (m->resync == VROUTER__CONTROLLER__RESYNC__RESYNC_UNSET)
		return refuse(call_refusal(call), EINVAL, "resync",
			      "resync is missing: begin or end");
	rc = controller_find(ctl, m->name, &tag, call_refusal(call));
	if (rc < 0)
		return rc;
	if (m->resync == VROUTER__CONTROLLER__RESYNC__END)
		return resync_end(ctl, &t->c[controller_of_tag(tag)], controller_of_tag(tag), call);
	resync_begin(ctl, &t->c[controller_of_tag(tag)]);
	return 0;
}

/* One that owns something cannot go: another would get its number, and own that. */
static int
controller_del(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const char *name = ((const Vrouter__Controller *)object)->name, *kind;
	struct controllers *t = ctl->tables.controllers;
	uint32_t i = find(t, name);

	if (i == 0)
		return refuse(call_refusal(call), ENOENT, "name", "it does not exist");
	kind = sweep_owned(ctl, i);
	if (kind != NULL)
		return refuse(call_refusal(call), EBUSY, "name",
			      "it still owns a %s: SET resync to begin and then to end removes all "
			      "that it owns",
			      kind);
	redo_stage(ctl->tables.batch, &t->c[i].resyncing, 1, 0, NULL, NULL);
	redo_stage(ctl->tables.batch, &t->c[i].used, 4, 0, NULL, NULL);
	redo_commit(ctl->tables.batch);
	return 0;
}

static int
controller_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
		struct call *call)
{
	const struct controllers *t = ctl->tables.controllers;

	(void)filter;
	(void)budget;
	for (uint32_t i = 1; i < t->n; i++) {
		Vrouter__Controller m = VROUTER__CONTROLLER__INIT;
		Vrouter__Controller__State state = VROUTER__CONTROLLER__STATE__INIT;

		if (!t->c[i].used)
			continue;
		m.name = (char *)(uintptr_t)t->c[i].name;
		m.state = &state;
		state.resyncing = t->c[i].resyncing != 0;
		call_object(call, &m.base);
	}
	*cursor = OBJECT_LIST_END;
	return 0;
}

const struct object_kind object_controller = {
    .set = controller_set,
    .del = controller_del,
    .list = controller_list,
};

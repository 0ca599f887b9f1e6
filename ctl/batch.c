/* SPDX-License-Identifier: BSD-3-Clause */
/* Changes that happen whole or not at all; see batch.h. vr-ctl's main thread only. */
#include "ctl/batch.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/redo.h"
#include "common/route.h"
#include "ctl/call.h"
#include "ctl/check.h"
#include "ctl/ctl.h"
#include "ctl/events.h"
#include "ctl/object_vif.h"

/* Changes staged or followed in one turn: less than a millisecond. */
enum { STEP = 512 };

enum phase {
	STAGING,
	MAKING_PORTS,
	DROPPING_PORTS, /* decided: the ports that vifs left, or that others are to serve */
	FOLLOWING,      /* the tries, the routes */
	UNMAKING_PORTS, /* refused: the ports that were made */
};

/* What a change wants of the primary, or left to it. */
struct port_note {
	uint32_t change;
	int32_t left;  /* index, -1: none */
	int32_t moved; /* to another agent, index, -1: none */
	uint32_t agent;
	bool missing;        /* to be made */
	char made[NAME_LEN]; /* that was made, or asked for; empty: none */
};

struct batch {
	struct ctl *ctl;
	struct call *call;
	uint16_t owner;
	enum phase phase;
	bool ports_made; /* all that were missing */
	int code;        /* that it ends with */
	struct batch_change *changes;
	uint32_t n;
	struct port_note *ports;
	uint32_t n_ports, ports_size;
	uint32_t at;     /* change being staged, port being made or removed */
	uint64_t routes; /* that must have been followed: see route_changes() */
};

struct batch *
batch_create(struct ctl *ctl, struct call *call, uint16_t owner, struct batch_change *changes,
	     uint32_t n)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (b == NULL) {
		free(changes);
		return NULL;
	}
	b->ctl = ctl;
	b->call = call;
	b->owner = owner;
	b->changes = changes;
	b->n = n;
	return b;
}

bool
batch_in_way(const struct ctl *ctl, const struct batch *b)
{
	return ctl->staging != NULL && ctl->staging != b;
}

/* Gives up what is staged. */
static void
stop_staging(struct batch *b)
{
	if (b->ctl->staging != b)
		return;
	redo_abandon(b->ctl->tables.batch);
	b->ctl->staging = NULL;
	b->at = 0;
}

void
batch_destroy(struct batch *b)
{
	if (b == NULL)
		return;
	stop_staging(b);
	free(b->changes);
	free(b->ports);
	free(b);
}

uint32_t
batch_size(const struct batch *b)
{
	return b->n;
}

const struct object_info *
batch_kind(const struct batch *b, uint32_t change)
{
	return b->changes[change].info;
}

/* --- staging --- */

static int
note_port(struct batch *b, uint32_t change, const struct change *c)
{
	struct port_note *ports = b->ports;

	if (!c->port_missing && c->port_left < 0 && c->port_moved < 0)
		return 0;
	if (b->n_ports == b->ports_size) {
		b->ports_size = b->ports_size == 0 ? 4 : 2 * b->ports_size;
		ports = realloc(b->ports, b->ports_size * sizeof(*ports));
		if (ports == NULL)
			return -ENOMEM;
		b->ports = ports;
	}
	b->ports[b->n_ports++] = (struct port_note){.change = change,
						    .left = c->port_left,
						    .moved = c->port_moved,
						    .agent = c->agent,
						    .missing = c->port_missing};
	return 0;
}

/* Says which change was refused, and puts what concerns no single one into words. */
static int
name_change(struct batch *b, uint32_t i, int rc)
{
	const struct batch_change *change = &b->changes[i];
	struct refusal *r = call_refusal(b->call);

	check_label(change->object, change->info->name, change->info->keys, r->object,
		    sizeof(r->object));
	r->change = b->n > 1 ? i + 1 : 0;
	if (rc == -EFBIG)
		refuse(r, EFBIG, NULL,
		       "the batch is too large: it does not fit into the %u stores of the log "
		       "(option batch-stores)",
		       redo_capacity(b->ctl->tables.batch));
	else if (rc == -E2BIG)
		refuse(r, E2BIG, NULL,
		       "the batch replaces more than the table has spare entries for: make it "
		       "smaller");
	return r->code != 0 ? r->code : rc;
}

/* The first time. */
static int
check_change(struct batch *b, uint32_t i)
{
	struct batch_change *change = &b->changes[i];
	struct refusal *r = call_refusal(b->call);
	int rc;

	if (change->info != NULL)
		return 0;
	rc = call_check_change(b->call, change);
	if (rc == 0)
		return 0;
	r->change = i + 1;
	if (change->object != NULL)
		check_label(change->object, change->info->name, change->info->keys, r->object,
			    sizeof(r->object));
	change->info = NULL;
	return rc;
}

static int
stage_change(struct batch *b, uint32_t i)
{
	const struct batch_change *change = &b->changes[i];
	struct change c = {.ctl = b->ctl,
			   .refusal = call_refusal(b->call),
			   .owner = b->owner,
			   .port_left = -1,
			   .port_moved = -1};
	int rc = check_change(b, i);

	if (rc < 0)
		return rc;
	rc = object_changer(change->info->kind, change->op)(&c, change->object);
	if (rc == 0)
		rc = note_port(b, i, &c);
	if (rc == 0 && c.port_missing && b->ports_made)
		rc = refuse(c.refusal, EAGAIN, NULL, "its port went away again: try again");
	return rc < 0 && rc != -ENOBUFS ? name_change(b, i, rc) : rc;
}

static bool
ports_missing(const struct batch *b)
{
	for (uint32_t i = 0; i < b->n_ports; i++)
		if (b->ports[i].missing)
			return true;
	return false;
}

/* Ports that were made stay known; the rest is found out again. */
static void
forget_ports(struct batch *b)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < b->n_ports; i++) {
		if (*b->ports[i].made == '\0')
			continue;
		b->ports[kept] = b->ports[i];
		b->ports[kept].missing = false;
		b->ports[kept].moved = -1;
		b->ports[kept++].left = -1;
	}
	b->n_ports = kept;
}

static void
say_vifs(const struct batch *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (b->changes[i].info->kind == &object_vif)
			events_vif(b->ctl->events,
				   ((const Vrouter__Vif *)b->changes[i].object)->id);
}

static int unmake_ports(struct batch *b, int code);
static int make_ports(struct batch *b);
static int drop_ports(struct batch *b);

static void
begin_staging(struct batch *b)
{
	assert(redo_staged(b->ctl->tables.batch) == 0);
	forget_ports(b);
	b->ctl->staging = b;
	b->at = 0;
}

/* A batch whose client has gone has no turns: it goes on to its end. */
static int
stage_some(struct batch *b)
{
	uint32_t end = b->n - b->at > STEP && call_caller(b->call) != NULL ? b->at + STEP : b->n;
	int rc = 0;

	while (b->at < end && rc == 0) {
		rc = stage_change(b, b->at);
		b->at += rc == 0;
	}
	return rc == 0 && b->at < b->n ? -EAGAIN : rc;
}

static int
stage(struct batch *b)
{
	struct tables *t = &b->ctl->tables;
	int rc;

	if (b->ctl->staging != b)
		begin_staging(b);
	rc = stage_some(b);
	if (rc == 0)
		rc = tables_may_commit(t);
	if (rc == -ENOBUFS)
		route_follow(t->route_writer, route_changes(t->route_writer), STEP);
	/* Goes on later with what is staged. */
	if ((rc == -ENOBUFS || rc == -EAGAIN) && call_refusal(b->call)->code == 0)
		return rc;
	if (rc < 0 || ports_missing(b))
		stop_staging(b);
	if (rc < 0)
		return unmake_ports(b, rc);
	b->at = 0;
	if (ports_missing(b)) {
		b->phase = MAKING_PORTS;
		return make_ports(b);
	}
	redo_commit(t->batch);
	b->ctl->staging = NULL;
	b->ctl->revision++;
	say_vifs(b);
	b->routes = route_changes(t->route_writer);
	b->phase = DROPPING_PORTS;
	return drop_ports(b);
}

/* --- routes --- */

static int
follow(struct batch *b)
{
	int rc = route_follow(b->ctl->tables.route_writer, b->routes, STEP);

	if (rc == -EAGAIN || rc == -ENOBUFS)
		return -EAGAIN;
	if (rc < 0)
		return refuse(call_refusal(b->call), ENOSPC, NULL,
			      "the routes are in the table, but its tries are full: some have no "
			      "effect until others are deleted (option routes)");
	return b->code;
}

/* --- ports --- */

static void
on_made(void *arg, int code, const char *text)
{
	struct batch *b = arg;
	struct port_note *port = &b->ports[b->at];

	if (code < 0) {
		*port->made = '\0';
		b->code = name_change(b, port->change,
				      refuse(call_refusal(b->call), -code, NULL, "%s", text));
	}
	b->at++;
	call_wake(b->call);
}

static int
make_ports(struct batch *b)
{
	int rc;

	for (; b->code == 0 && b->at < b->n_ports; b->at++) {
		struct port_note *port = &b->ports[b->at];

		if (!port->missing)
			continue;
		rc = vif_make_port(b->ctl, b->changes[port->change].object, call_refusal(b->call),
				   on_made, b, port->made);
		if (rc == OBJECT_LATER)
			return rc;
		*port->made = '\0';
		if (rc < 0)
			b->code = name_change(b, port->change, rc);
	}
	if (b->code < 0)
		return unmake_ports(b, b->code);
	b->ports_made = true;
	b->phase = STAGING;
	return stage(b);
}

static void
on_removed(void *arg, int code, const char *text)
{
	struct batch *b = arg;

	if (b->phase == DROPPING_PORTS && code < 0 && code != -ENOENT)
		b->code = name_change(
		    b, b->ports[b->at].change,
		    refuse(call_refusal(b->call), -code, NULL, "its port could not be %s: %s",
			   b->ports[b->at].moved >= 0 ? "moved" : "removed", text));
	b->at++;
	call_wake(b->call);
}

static int
drop_ports(struct batch *b)
{
	struct refusal *r = call_refusal(b->call);
	int rc;

	for (; b->at < b->n_ports; b->at++) {
		const struct port_note *port = &b->ports[b->at];

		if (port->left < 0 && port->moved < 0)
			continue;
		rc = port->moved >= 0
			 ? vif_move_port(b->ctl, port->moved, port->agent, r, on_removed, b)
			 : vif_drop_port(b->ctl, port->left, r, on_removed, b);
		if (rc == OBJECT_LATER)
			return rc;
		if (rc < 0)
			b->code = name_change(b, port->change, rc);
	}
	b->phase = FOLLOWING;
	return follow(b);
}

/* What went wrong before matters; what goes wrong here leaves a port that the next attempt uses. */
static int
unmake_ports(struct batch *b, int code)
{
	struct refusal ignored = {0};

	if (b->phase != UNMAKING_PORTS) {
		b->phase = UNMAKING_PORTS;
		b->code = code;
		b->at = 0;
	}
	for (; b->at < b->n_ports; b->at++) {
		int64_t port = -1;

		if (*b->ports[b->at].made != '\0')
			port = vif_find_port(b->ctl, b->ports[b->at].made);
		if (port >= 0 &&
		    vif_drop_port(b->ctl, (int32_t)port, &ignored, on_removed, b) == OBJECT_LATER)
			return OBJECT_LATER;
	}
	return b->code;
}

int
batch_run(struct batch *b)
{
	if (batch_in_way(b->ctl, b) && b->phase == STAGING)
		return -EAGAIN;
	switch (b->phase) {
	case STAGING:
		return stage(b);
	case MAKING_PORTS:
		return make_ports(b);
	case DROPPING_PORTS:
		return drop_ports(b);
	case FOLLOWING:
		return follow(b);
	default:
		return unmake_ports(b, b->code);
	}
}

int
batch_give_up(struct batch *b)
{
	stop_staging(b);
	return unmake_ports(b, -ENOBUFS);
}

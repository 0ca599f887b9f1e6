/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events: what happens to objects, told to clients that asked for it with WATCH. What may happen is
 * declared in events.def. vr-ctl's main thread only.
 *
 * vr-ctl itself makes what happens to vifs, and hears of full tables, and says so here. What
 * happens to processes, slots and ports it finds out by looking at their tables (event_look.h).
 * While nobody watches, nothing is looked at and nothing is made.
 *
 * A flow's events will take the same way: a `describe` of their kind, lines in
 * events.def, and a call of events_say() where they become known.
 */
#ifndef CTL_EVENTS_H
#define CTL_EVENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "proto/vrouter.pb-c.h"

struct ctl;
struct events;
struct object_info;

enum { WATCH_KINDS_MAX = 64 };

/* Who watches: a part of whatever has a connection. All zero but for take(): watches nothing. */
struct watcher {
	/* Sends a response, to be copied before it returns; false: there is no room, send none. */
	bool (*take)(struct watcher *w, const Vrouter__Response *response);
	/* events.c's own: */
	uint64_t ids[WATCH_KINDS_MAX]; /* of the WATCH, by the kind's number */
	uint64_t kinds;                /* bit of each kind's number */
	uint64_t sequence;             /* of the last event, sent or missed */
	uint64_t missed;               /* since the last that was sent */
	LIST_ENTRY(watcher) link;
};

struct events *events_create(struct ctl *ctl); /* NULL: out of memory */
void events_destroy(struct events *e);         /* NULL is fine; nobody watches any more */

/* From now on events about the kind reach the watcher, with this id. -ENOMEM. */
int events_watch(struct events *e, struct watcher *w, const struct object_info *info, uint64_t id);
/* No longer about this kind; NULL: about none, before the watcher goes away. */
void events_unwatch(struct events *e, struct watcher *w, const struct object_info *info);
/* There is room again: says what was missed. */
void events_room(struct watcher *w);

/* Whether anybody watches a kind; NULL: any kind. */
bool events_watched(const struct events *e, const struct object_info *info);

/*
 * Something happened to an entry of the kind's table (what its `describe` takes). 'detail' says
 * more for people, "" nothing.
 */
void events_say(struct events *e, const struct object_info *info, Vrouter__Event__What what,
		const void *entry, const char *detail);

/* The vif with this id was perhaps added, changed or removed just now. 'e' may be NULL. */
void events_vif(struct events *e, uint32_t id);
/*
 * An add to this table was refused because it has no room; 'alone' unless it was one of a batch,
 * which may be too large for a table that has some. 'e' may be NULL.
 */
void events_full(struct events *e, const char *table, bool alone);
/* Something may have happened to processes, slots or ports. 'e' may be NULL. */
void events_look(struct events *e);

#endif

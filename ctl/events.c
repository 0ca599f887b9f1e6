/* SPDX-License-Identifier: BSD-3-Clause */
/* Events and who watches them; see events.h. vr-ctl's main thread only. */
#include "ctl/events.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/call.h"
#include "ctl/check.h"
#include "ctl/ctl.h"
#include "ctl/event_look.h"
#include "ctl/object.h"
#include "ctl/table.h"

/* The primary says when to look; the tick is for what it does not say, and for a lost message. */
enum { LOOK_MS = 50, FULL_MAX = 16, ROOM_PART = 16 };

/* A table that was full, and has not had room since. */
struct full_table {
	char name[24];
	uint64_t used; /* when it was full */
};

struct events {
	struct ctl *ctl;
	struct event *tick;
	struct event_look *look; /* NULL while nobody watches */
	LIST_HEAD(, watcher) watchers;
	struct full_table full[FULL_MAX];
	uint32_t n_full;
};

static const struct {
	const char *kind;
	Vrouter__Event__What what;
	const char *text;
} declared[] = {
#define EVENT(kind, WHAT, text) {#kind, VROUTER__EVENT__WHAT__##WHAT, text},
#include "ctl/events.def"
#undef EVENT
};

/* NULL: events.def does not have it, which is our own mistake. */
static const char *
text_of(const char *kind, Vrouter__Event__What what)
{
	for (size_t i = 0; i < sizeof(declared) / sizeof(declared[0]); i++)
		if (declared[i].what == what && strcmp(declared[i].kind, kind) == 0)
			return declared[i].text;
	return NULL;
}

static uint64_t
bit_of(const struct object_info *info)
{
	assert(info->member->id < WATCH_KINDS_MAX);
	return UINT64_C(1) << info->member->id;
}

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- who watches --- */

static void on_tick(evutil_socket_t fd, short what, void *arg);

struct events *
events_create(struct ctl *ctl)
{
	struct events *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->ctl = ctl;
	LIST_INIT(&e->watchers);
	e->tick = event_new(ctl->base, -1, EV_PERSIST, on_tick, e);
	if (e->tick == NULL) {
		free(e);
		return NULL;
	}
	return e;
}

void
events_destroy(struct events *e)
{
	if (e == NULL)
		return;
	assert(LIST_EMPTY(&e->watchers));
	event_free(e->tick);
	event_look_destroy(e->look);
	free(e);
}

int
events_watch(struct events *e, struct watcher *w, const struct object_info *info, uint64_t id)
{
	const struct timeval every = {.tv_usec = LOOK_MS * 1000};

	if (e->look == NULL) {
		e->look = event_look_create(e->ctl);
		if (e->look == NULL)
			return -ENOMEM;
		event_add(e->tick, &every);
	} else {
		/* What was before is not for the one who comes now. */
		events_look(e);
	}
	if (w->kinds == 0)
		LIST_INSERT_HEAD(&e->watchers, w, link);
	w->kinds |= bit_of(info);
	w->ids[info->member->id] = id;
	return 0;
}

void
events_unwatch(struct events *e, struct watcher *w, const struct object_info *info)
{
	if (w->kinds == 0)
		return;
	w->kinds &= info != NULL ? ~bit_of(info) : 0;
	if (w->kinds != 0)
		return;
	LIST_REMOVE(w, link);
	if (!LIST_EMPTY(&e->watchers))
		return;
	event_del(e->tick);
	event_look_destroy(e->look);
	e->look = NULL;
	e->n_full = 0;
}

bool
events_watched(const struct events *e, const struct object_info *info)
{
	const struct watcher *w;

	LIST_FOREACH (w, &e->watchers, link)
		if (info == NULL || (w->kinds & bit_of(info)) != 0)
			return true;
	return false;
}

/* --- saying it --- */

/* What is said, on its way through the kind's description. */
struct saying {
	struct events *events;
	const struct object_info *info;
	Vrouter__Event__What what;
	const char *detail;
};

/* Once something was missed, all is until there is room for more than this one. */
static void
tell(struct watcher *w, Vrouter__Response *response)
{
	response->event->sequence = ++w->sequence;
	if (w->missed > 0 || !w->take(w, response))
		w->missed++;
}

void
events_room(struct watcher *w)
{
	Vrouter__Response response = VROUTER__RESPONSE__INIT;
	Vrouter__Event event = VROUTER__EVENT__INIT;
	char text[64];

	if (w->missed == 0)
		return;
	snprintf(text, sizeof(text), "%llu events were missed", (unsigned long long)w->missed);
	event.what = VROUTER__EVENT__WHAT__MISSED;
	event.sequence = w->sequence;
	event.happened_time_ms = now_ms();
	event.missed = w->missed;
	event.text = text;
	response.event = &event;
	if (w->take(w, &response))
		w->missed = 0;
}

static void
on_described(void *to, Vrouter__Object *object, const ProtobufCMessage *content)
{
	const struct saying *s = to;
	const struct object_info *info = s->info;
	Vrouter__Response response = VROUTER__RESPONSE__INIT;
	Vrouter__Event event = VROUTER__EVENT__INIT;
	char label[96], text[256];
	struct watcher *w;

	check_label(content, info->name, info->keys, label, sizeof(label));
	snprintf(text, sizeof(text), "%s %s%s%s", label, text_of(info->name, s->what),
		 *s->detail != '\0' ? ": " : "", s->detail);
	event.what = s->what;
	event.happened_time_ms = now_ms();
	event.text = text;
	response.revision = s->events->ctl->revision;
	response.object = object;
	response.event = &event;
	LIST_FOREACH (w, &s->events->watchers, link) {
		if ((w->kinds & bit_of(info)) == 0)
			continue;
		response.id = w->ids[info->member->id];
		tell(w, &response);
	}
}

void
events_say(struct events *e, const struct object_info *info, Vrouter__Event__What what,
	   const void *entry, const char *detail)
{
	struct saying s = {e, info, what, detail};

	assert(text_of(info->name, what) != NULL);
	if (events_watched(e, info))
		call_describe(e->ctl, info, entry, on_described, &s);
}

/* --- where it comes from --- */

void
events_vif(struct events *e, uint32_t id)
{
	if (e != NULL && e->look != NULL)
		event_look_vif(e->look, id);
}

void
events_full(struct events *e, const char *name, bool alone)
{
	struct table_use use;
	struct full_table *f;
	char detail[64];

	if (e == NULL || e->look == NULL)
		return;
	for (uint32_t i = 0; i < e->n_full; i++)
		if (strcmp(e->full[i].name, name) == 0)
			return;
	use = table_use(&e->ctl->tables, name);
	if (!use.counted || !use.fills || use.size == 0 || e->n_full == FULL_MAX)
		return;
	if (!alone && use.used < use.size - use.size / ROOM_PART)
		return;
	f = &e->full[e->n_full++];
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->used = use.used;
	snprintf(detail, sizeof(detail), "%llu of %llu entries", (unsigned long long)use.used,
		 (unsigned long long)use.size);
	events_say(e, object_by_name("table"), VROUTER__EVENT__WHAT__FULL, f->name, detail);
}

/* A sixteenth must be free: at the very edge it would be full and not full all the time. */
static void
look_for_room(struct events *e)
{
	char detail[64];

	for (uint32_t i = 0; i < e->n_full;) {
		struct full_table f = e->full[i];
		struct table_use use = table_use(&e->ctl->tables, f.name);

		if (use.used > f.used - (f.used + ROOM_PART - 1) / ROOM_PART) {
			i++;
			continue;
		}
		e->full[i] = e->full[--e->n_full];
		snprintf(detail, sizeof(detail), "%llu of %llu entries",
			 (unsigned long long)use.used, (unsigned long long)use.size);
		events_say(e, object_by_name("table"), VROUTER__EVENT__WHAT__ROOM, f.name, detail);
	}
}

void
events_look(struct events *e)
{
	if (e == NULL || e->look == NULL)
		return;
	event_look(e->look);
	look_for_room(e);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	events_look(arg);
}

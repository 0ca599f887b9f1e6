/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets from and to slots; see traps.h. vr-ctl's main thread only. */
#include "ctl/traps.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "common/slot.h"
#include "common/trap.h"
#include "ctl/ctl.h"
#include "ctl/events.h"
#include "ctl/object.h"

enum { POLL_MS = 2, RECORDS_PER_POLL = 256 };

struct traps {
	struct ctl *ctl;
	struct event *tick;
	const struct object_info *kind;
	uint8_t frame[TRAP_FRAME_MAX];
};

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	traps_poll(arg);
}

struct traps *
traps_create(struct ctl *ctl)
{
	const struct timeval every = {.tv_usec = POLL_MS * 1000};
	struct traps *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->ctl = ctl;
	t->kind = object_by_name("packet");
	t->tick = event_new(ctl->base, -1, EV_PERSIST, on_tick, t);
	if (t->tick == NULL) {
		free(t);
		return NULL;
	}
	event_add(t->tick, &every);
	return t;
}

void
traps_destroy(struct traps *t)
{
	if (t == NULL)
		return;
	event_free(t->tick);
	free(t);
}

/* The oldest record, copied out and gone from the ring; false when there is none. */
static bool
take(struct byte_ring *ring, struct trap_record *r, uint8_t *frame)
{
	uint64_t filled = byte_ring_filled(ring);

	if (filled < sizeof(*r))
		return false;
	byte_ring_read(ring, 0, r, sizeof(*r));
	if (r->length > TRAP_FRAME_MAX || r->length > filled - sizeof(*r)) {
		/* A slot went mad: what is there makes no sense. */
		byte_ring_release(ring, filled);
		return false;
	}
	byte_ring_read(ring, sizeof(*r), frame, r->length);
	byte_ring_release(ring, sizeof(*r) + r->length);
	return true;
}

/* What nobody watches is taken too: who comes later does not want what is old. */
void
traps_poll(struct traps *t)
{
	const struct tables *tables = &t->ctl->tables;

	for (uint32_t i = 0; i < tables->slots->n; i++) {
		struct trap_record r;
		uint32_t n = 0;

		while (n++ < RECORDS_PER_POLL && take(&tables->agent_rings[i].trap, &r, t->frame)) {
			struct trapped trapped = {tables->slots->s[i].id, &r, t->frame};

			events_say(t->ctl->events, t->kind, VROUTER__EVENT__WHAT__TRAPPED, &trapped,
				   "");
		}
	}
}

int
traps_inject(struct ctl *ctl, const struct trap_record *record, const uint8_t *frame)
{
	const struct slots *slots = ctl->tables.slots;
	struct byte_ring *ring = NULL;

	/* One slot for all: packets keep their order. */
	for (uint32_t i = 0; i < slots->n && ring == NULL; i++)
		if (__atomic_load_n(&slots->s[i].animated_by, __ATOMIC_ACQUIRE) != 0)
			ring = &ctl->tables.agent_rings[i].inject;
	if (ring == NULL)
		return -EAGAIN;
	if (!byte_ring_has_room(ring, sizeof(*record) + record->length))
		return -ENOBUFS;
	byte_ring_write(ring, 0, record, sizeof(*record));
	byte_ring_write(ring, sizeof(*record), frame, record->length);
	byte_ring_publish(ring, sizeof(*record) + record->length);
	return 0;
}

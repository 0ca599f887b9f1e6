/* SPDX-License-Identifier: BSD-3-Clause */
/* What slots did in the last second; see rates.h. vr-ctl's main thread only. */
#include "ctl/rates.h"

#include <event2/event.h>
#include <stdlib.h>
#include <time.h>

#include "common/slot.h"
#include "ctl/ctl.h"

enum { MINUTE = 60 };

/* A slot's counters at one moment. */
struct reading {
	uint64_t beat, packets, busy_tsc, idle_tsc;
};

struct rates {
	struct ctl *ctl;
	struct event *tick;
	uint64_t ticks;
	uint64_t time_ns; /* of the last reading */
	struct reading last[SLOTS_MAX];
	struct slot_rates rates[SLOTS_MAX];
	uint32_t restarts[SLOTS_MAX][MINUTE]; /* a reading for each of the last seconds */
};

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct slot_rates
difference(const struct reading *was, const struct reading *is, uint64_t ns)
{
	uint64_t packets = is->packets - was->packets, busy = is->busy_tsc - was->busy_tsc;
	uint64_t all = busy + is->idle_tsc - was->idle_tsc;
	struct slot_rates r = {.known = true, .moving = is->beat != was->beat};

	if (all != 0)
		r.busy_percent = (uint32_t)(busy * 100 / all);
	if (packets != 0)
		r.cycles_per_packet = (uint32_t)(busy / packets);
	if (ns != 0)
		r.packets_per_second = (uint64_t)((double)packets * 1e9 / (double)ns);
	return r;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct rates *r = arg;
	const struct slots *slots = r->ctl->tables.slots;
	uint64_t now = now_ns();

	(void)fd;
	(void)what;
	for (uint32_t i = 0; i < slots->n; i++) {
		const struct slot *s = &slots->s[i];
		const struct reading is = {s->beat, s->packets, s->busy_tsc, s->idle_tsc};
		uint32_t *oldest = &r->restarts[i][r->ticks % MINUTE];

		if (r->ticks == 0)
			for (int j = 0; j < MINUTE; j++)
				r->restarts[i][j] = s->restarts;
		else
			r->rates[i] = difference(&r->last[i], &is, now - r->time_ns);
		r->rates[i].restarts_per_minute = s->restarts - *oldest;
		*oldest = s->restarts;
		r->last[i] = is;
	}
	r->time_ns = now;
	r->ticks++;
}

struct rates *
rates_create(struct ctl *ctl)
{
	const struct timeval second = {.tv_sec = 1};
	struct rates *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->ctl = ctl;
	r->tick = event_new(ctl->base, -1, EV_PERSIST, on_tick, r);
	if (r->tick == NULL) {
		free(r);
		return NULL;
	}
	event_add(r->tick, &second);
	on_tick(-1, 0, r);
	return r;
}

void
rates_destroy(struct rates *r)
{
	if (r == NULL)
		return;
	event_free(r->tick);
	free(r);
}

struct slot_rates
rates_of_slot(const struct rates *r, uint32_t slot)
{
	return r->rates[slot];
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What slots, agents and ports did in the last second; see rates.h. vr-ctl's main thread only. */
#include "ctl/rates.h"

#include <event2/event.h>
#include <stdlib.h>
#include <time.h>

#include "common/counters.h"
#include "common/idtab.h"
#include "common/slot.h"
#include "common/vif.h"
#include "ctl/ctl.h"

/* An agent is not supervised by its heart, so it is given some time. */
enum { MINUTE = 60, STILL_SECONDS = 3 };

/* A slot's counters at one moment. */
struct reading {
	uint64_t beat, packets, busy_tsc, idle_tsc;
};

/* A vif's counters at one moment, and what they rose by. */
struct vif_reading {
	uint64_t rx_packets, tx_packets;
	bool known;
	struct port_rates rates;
};

struct rates {
	struct ctl *ctl;
	struct event *tick;
	uint64_t ticks;
	uint64_t time_ns; /* of the last reading */
	struct reading last[SLOTS_MAX];
	struct slot_rates rates[SLOTS_MAX];
	uint32_t restarts[SLOTS_MAX][MINUTE]; /* a reading for each of the last seconds */
	uint32_t ring_max[SLOTS_MAX][MINUTE];
	uint64_t agent_beats[AGENTS_MAX];
	uint8_t agent_still[AGENTS_MAX]; /* seconds that its heart stood still */
	struct vif_reading *vifs;        /* by id */
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

/* What a slot found in its rings in the last second; it begins anew then. */
static uint32_t
read_ring_max(struct rates *r, uint32_t i)
{
	struct slot *s = &r->ctl->tables.slots->s[i];
	uint32_t era = s->ring_era, most = 0;

	r->ring_max[i][r->ticks % MINUTE] =
	    __atomic_load_n(&s->ring_max_era, __ATOMIC_RELAXED) == era
		? __atomic_load_n(&s->ring_max, __ATOMIC_RELAXED)
		: 0;
	__atomic_store_n(&s->ring_era, era + 1, __ATOMIC_RELAXED);
	for (int j = 0; j < MINUTE; j++)
		most = r->ring_max[i][j] > most ? r->ring_max[i][j] : most;
	return most;
}

static void
read_agents(struct rates *r)
{
	const struct slots *agents = r->ctl->tables.agents;

	for (uint32_t i = 0; i < agents->n && i < AGENTS_MAX; i++) {
		uint64_t beat = __atomic_load_n(&agents->s[i].beat, __ATOMIC_RELAXED);

		if (beat != r->agent_beats[i] || r->ticks == 0)
			r->agent_still[i] = 0;
		else if (r->agent_still[i] < UINT8_MAX)
			r->agent_still[i]++;
		r->agent_beats[i] = beat;
	}
}

static uint64_t
per_second(uint64_t was, uint64_t is, uint64_t ns)
{
	return is > was && ns != 0 ? (uint64_t)((double)(is - was) * 1e9 / (double)ns) : 0;
}

/* Only those with a port; of the counters, the first line alone is looked at. */
static void
read_vifs(struct rates *r, uint64_t ns)
{
	const struct tables *t = &r->ctl->tables;

	for (uint32_t id = 0; id < t->vifs->ids; id++) {
		const struct vif *vif = vif_lookup(t->vifs, id);
		struct vif_reading *v = &r->vifs[id];
		uint64_t rx = 0, tx = 0;

		if (vif == NULL || vif->port < 0) {
			v->known = false;
			v->rates = (struct port_rates){0, 0};
			continue;
		}
		for (uint32_t hand = 0; hand < t->counters->slots; hand++) {
			const struct vif_counters *c = counters_at(t->counters, hand, id);

			rx += __atomic_load_n(&c->rx_packets, __ATOMIC_RELAXED);
			tx += __atomic_load_n(&c->tx_packets, __ATOMIC_RELAXED);
		}
		if (v->known)
			v->rates = (struct port_rates){per_second(v->rx_packets, rx, ns),
						       per_second(v->tx_packets, tx, ns)};
		v->rx_packets = rx;
		v->tx_packets = tx;
		v->known = true;
	}
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
		r->rates[i].ring_max = read_ring_max(r, i);
		*oldest = s->restarts;
		r->last[i] = is;
	}
	read_agents(r);
	read_vifs(r, now - r->time_ns);
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
	r->vifs = calloc(ctl->tables.vifs->ids, sizeof(*r->vifs));
	if (r->vifs == NULL) {
		free(r);
		return NULL;
	}
	r->tick = event_new(ctl->base, -1, EV_PERSIST, on_tick, r);
	if (r->tick == NULL) {
		free(r->vifs);
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
	free(r->vifs);
	free(r);
}

struct slot_rates
rates_of_slot(const struct rates *r, uint32_t slot)
{
	return r->rates[slot];
}

bool
rates_agent_moves(const struct rates *r, uint32_t agent)
{
	return r->agent_still[agent] < STILL_SECONDS;
}

struct port_rates
rates_of_vif(const struct rates *r, uint32_t vif)
{
	return r->vifs[vif].rates;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Idle flows end; see ageing.h. vr-ctl's main thread. */
#include "ctl/ageing.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>

#include "common/conf.h"
#include "common/flow.h"
#include "ctl/ctl.h"

enum { STEPS_A_SECOND = 100, SLICE_MAX = 4096, SLICE_MIN = 64 };

struct ageing {
	struct ctl *ctl;
	uint32_t pair; /* to go on with */
	uint64_t aged;
	/* at the beginning, to learn the clock's rate: EAL may not be there yet */
	uint64_t tsc, ns;
};

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct ageing *
ageing_create(struct ctl *ctl)
{
	struct ageing *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->ctl = ctl;
	a->tsc = rte_rdtsc();
	a->ns = now_ns();
	return a;
}

void
ageing_destroy(struct ageing *a)
{
	free(a);
}

uint64_t
ageing_aged(const struct ageing *a)
{
	return a != NULL ? a->aged : 0;
}

/* After a tenth of a second it is right to far less than a percent. */
uint64_t
ageing_tsc_hz(const struct ageing *a)
{
	uint64_t ns = a != NULL ? now_ns() - a->ns : 0;

	if (ns < 100000000)
		return 0;
	return (uint64_t)((double)(rte_rdtsc() - a->tsc) * 1e9 / (double)ns);
}

enum flow_age
flow_age_of(const struct flow_entry *e)
{
	uint8_t tcp[2] = {flow_seen_load(&e[0]).tcp, flow_seen_load(&e[1]).tcp};

	if (flow_entry_protocol(e) == IPPROTO_UDP)
		return FLOW_AGE_UDP;
	if (flow_entry_protocol(e) != IPPROTO_TCP)
		return FLOW_AGE_OTHER;
	if (((tcp[0] | tcp[1]) & FLOW_TCP_RST) != 0 || (tcp[0] & tcp[1] & FLOW_TCP_FIN) != 0)
		return FLOW_AGE_TCP_CLOSED;
	return tcp[0] != 0 && tcp[1] != 0 ? FLOW_AGE_TCP : FLOW_AGE_TCP_OPENING;
}

uint64_t
flow_age_limit_ms(const struct conf *conf, enum flow_age age)
{
	switch (age) {
	case FLOW_AGE_TCP:
		return conf->flow_age_tcp * 1000;
	case FLOW_AGE_TCP_OPENING:
		return conf->flow_age_tcp_opening * 1000;
	case FLOW_AGE_TCP_CLOSED:
		return conf->flow_age_tcp_closed * 1000;
	case FLOW_AGE_UDP:
		return conf->flow_age_udp * 1000;
	default:
		return conf->flow_age_other * 1000;
	}
}

static uint64_t
idle_ms(const struct flow_entry *e, uint64_t hz)
{
	uint32_t now = flow_clock(rte_rdtsc());
	uint64_t first, second;

	if (hz < 1000)
		return 0;
	first = flow_clock_ms(flow_seen_load(&e[0]).clock, now, hz);
	second = flow_clock_ms(flow_seen_load(&e[1]).clock, now, hz);
	return first < second ? first : second;
}

uint64_t
flow_idle_ms(const struct ctl *ctl, const struct flow_entry *e)
{
	return idle_ms(e, ageing_tsc_hz(ctl->ageing));
}

void
ageing_step(struct ageing *a)
{
	struct tables *t = &a->ctl->tables;
	uint32_t pairs = flow_capacity(t->flows), n = pairs / STEPS_A_SECOND;
	uint64_t hz = ageing_tsc_hz(a);

	n = n < SLICE_MIN ? SLICE_MIN : n > SLICE_MAX ? SLICE_MAX : n;
	if (t->flow_writer == NULL || pairs == 0 || hz == 0)
		return;
	n = n < pairs - a->pair ? n : pairs - a->pair;
	flow_recover(t->flow_writer, a->pair, n);
	for (uint32_t p = a->pair; p < a->pair + n; p++) {
		const struct flow_entry *e = flow_entry(t->flows, 2 * p);
		union flow_state_word s = flow_state_load(e);

		if (s.state == FLOW_ACTIVE &&
		    idle_ms(e, hz) > flow_age_limit_ms(a->ctl->conf, flow_age_of(e)))
			a->aged += flow_retire(t->flow_writer, p, s.generation) == 0;
	}
	a->pair = a->pair + n == pairs ? 0 : a->pair + n;
	flow_writer_poll(t->flow_writer);
}

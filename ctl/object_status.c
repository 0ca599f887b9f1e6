/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `status` in the API: a judgement with its reasons, for people and for what watches the router. A
 * reason says what is wrong now, not what once was. vr-ctl's main thread only.
 */
#include "ctl/object.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <rte_mempool.h>

#include "common/conf.h"
#include "common/handshake.h"
#include "common/port.h"
#include "common/process.h"
#include "common/region.h"
#include "common/slot.h"
#include "common/version.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/describe.h"
#include "ctl/primary.h"
#include "ctl/rates.h"
#include "ctl/table.h"

enum { REASONS_MAX = 32, MINUTE_MS = 60000 };

struct judgement {
	uint32_t n;
	char text[REASONS_MAX][160];
};

__attribute__((format(printf, 2, 3))) static void
blame(struct judgement *j, const char *fmt, ...)
{
	va_list ap;

	if (j->n == REASONS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(j->text[j->n++], sizeof(j->text[0]), fmt, ap);
	va_end(ap);
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint32_t
deaths_in_a_minute(const struct process *p, uint64_t now)
{
	uint32_t n = 0;

	for (size_t i = 0; i < RTE_DIM(p->deaths_ms); i++)
		n += p->deaths_ms[i] != 0 && now - p->deaths_ms[i] < MINUTE_MS;
	return n;
}

static void
judge_process(const struct ctl *ctl, const struct process *p, struct judgement *j)
{
	uint32_t deaths = deaths_in_a_minute(p, now_ms());
	char name[256], why[96];

	describe_process_name(ctl->tables.slots, p, name, sizeof(name));
	if (p->state == PROCESS_DEAD && p->role != ROLE_CTL) {
		describe_why(p, why, sizeof(why));
		blame(j, "process %.80s dead: %.60s", name, why);
	}
	if (deaths >= ctl->conf->warn_restarts)
		blame(j, "process %.80s ended %u times in 60 s", name, deaths);
}

/* Slots have reasons of their own, so the processes that animate them are not named again. */
static void
judge_processes(const struct ctl *ctl, struct judgement *j)
{
	const struct processes *t = ctl->tables.processes;

	if (!primary_connected(ctl->primary))
		blame(j, "there is no primary: nothing can be repaired, no port be added");
	for (uint32_t i = 0; i < t->n; i++) {
		const struct process *p = &t->p[i];

		if (p->role == ROLE_CTL || p->role == ROLE_VHOST ||
		    (p->role == ROLE_FWD && p->slots == 0))
			judge_process(ctl, p, j);
	}
}

static void
judge_slots(const struct ctl *ctl, struct judgement *j)
{
	const struct slots *slots = ctl->tables.slots;

	for (uint32_t i = 0; i < slots->n; i++) {
		const struct slot *s = &slots->s[i];
		struct slot_rates rates = rates_of_slot(ctl->rates, i);

		if (__atomic_load_n(&s->animated_by, __ATOMIC_RELAXED) == 0 || s->owner == 0)
			blame(j, "slot %u has no process", s->id);
		else if (rates.known && !rates.moving)
			blame(j, "slot %u stands still", s->id);
		if (rates.restarts_per_minute >= ctl->conf->warn_restarts)
			blame(j, "slot %u restarted %u times in 60 s", s->id,
			      rates.restarts_per_minute);
		if ((uint64_t)rates.ring_max * 100 >= ctl->conf->ring_size * ctl->conf->warn_ring)
			blame(j, "a ring to slot %u was %llu %% full", s->id,
			      (unsigned long long)(rates.ring_max * 100 / ctl->conf->ring_size));
	}
}

/* An agent that is dead is named among the processes. */
static void
judge_agents(const struct ctl *ctl, struct judgement *j)
{
	const struct slots *agents = ctl->tables.agents;
	const struct processes *t = ctl->tables.processes;

	for (uint32_t i = 0; i < t->n; i++) {
		const struct process *p = &t->p[i];

		if (p->role != ROLE_VHOST || p->state != PROCESS_READY)
			continue;
		for (uint32_t a = 0; a < agents->n && a < AGENTS_MAX; a++)
			if ((p->slots >> a & 1) != 0 && !rates_agent_moves(ctl->rates, a))
				blame(j, "agent %u stands still", a);
	}
}

static void
judge_tables(const struct ctl *ctl, struct judgement *j)
{
	static const char *const names[] = {
#define TABLE(name, bytes, init, writer, text, ...) name,
#include "common/tables.def"
#undef TABLE
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct table_use use = table_use(&ctl->tables, names[i]);

		if (use.counted && use.fills && use.size > 0 &&
		    use.used * 100 >= use.size * ctl->conf->warn_table)
			blame(j, "table %s is %llu %% full", names[i],
			      (unsigned long long)(use.used * 100 / use.size));
	}
}

static void
judge_pools(const struct ctl *ctl, struct judgement *j)
{
	for (uint32_t i = 0; ctl->handshake != NULL && i < ctl->handshake->n_pools; i++) {
		const struct rte_mempool *pool = ctl->handshake->pools[i];
		uint32_t used = pool->size - rte_mempool_avail_count(pool);

		if ((uint64_t)used * 100 >= (uint64_t)pool->size * ctl->conf->warn_pool)
			blame(j, "pool %s is %u %% used", pool->name,
			      (uint32_t)((uint64_t)used * 100 / pool->size));
	}
}

/* A tap whose guest is off is no fault of the router. */
static void
judge_ports(const struct ctl *ctl, struct judgement *j)
{
	const struct ports *t = ctl->tables.ports;

	for (uint32_t i = 0; i < t->n; i++) {
		const struct port *p = &t->p[i];

		if (p->state == PORT_ACTIVE && p->kind == PORT_DEVICE && !p->link_up)
			blame(j, "port %s link down", p->name);
		else if (p->state == PORT_REMOVING)
			blame(j, "port %s is still being removed", p->name);
	}
}

static int
status_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const struct region_header *region = ctl->region->header;
	Vrouter__Status m = VROUTER__STATUS__INIT;
	struct judgement j = {.n = 0};
	char *reasons[REASONS_MAX];

	(void)object;
	judge_processes(ctl, &j);
	judge_slots(ctl, &j);
	judge_agents(ctl, &j);
	judge_pools(ctl, &j);
	judge_tables(ctl, &j);
	judge_ports(ctl, &j);
	for (uint32_t i = 0; i < j.n; i++)
		reasons[i] = j.text[i];

	m.healthy = j.n == 0;
	m.n_reasons = j.n;
	m.reasons = reasons;
	m.instance = (char *)(uintptr_t)ctl->conf->instance;
	m.version = (char *)(uintptr_t)version_build();
	m.created_time_ms = region->created_ms;
	m.eal_generation = region->eal_generation;
	m.used_bytes = region->used;
	m.size_bytes = region->size;
	m.longest_turn_us = (uint32_t)ctl->longest_turn_us;
	call_object(call, &m.base);
	return 0;
}

const struct object_kind object_status = {.get = status_get};

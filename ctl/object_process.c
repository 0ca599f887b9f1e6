/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes in the API, as the primary's table has them. vr-ctl's main thread only. */
#include "ctl/object.h"

#include <stdio.h>
#include <string.h>

#include "common/process.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/describe.h"

_Static_assert((int)VROUTER__PROCESS__STATE__FREE == PROCESS_FREE &&
		   (int)VROUTER__PROCESS__STATE__WELCOMED == PROCESS_WELCOMED &&
		   (int)VROUTER__PROCESS__STATE__ATTACHING == PROCESS_ATTACHING &&
		   (int)VROUTER__PROCESS__STATE__READY == PROCESS_READY &&
		   (int)VROUTER__PROCESS__STATE__STOPPING == PROCESS_STOPPING &&
		   (int)VROUTER__PROCESS__STATE__DEAD == PROCESS_DEAD,
	       "the API's process states are the table's");

void
describe_process_name(const struct slots *slots, const struct process *p, char *out, size_t size)
{
	bool agent = p->role == ROLE_VHOST;
	const char *separator = " ";
	int at;

	at = snprintf(out, size, "%s", process_role_name(p->role));
	for (uint32_t i = 0; i < (agent ? AGENTS_MAX : slots->n) && at >= 0 && (size_t)at < size;
	     i++) {
		if ((p->slots >> i & 1) == 0)
			continue;
		at += snprintf(out + at, size - (size_t)at, "%s%u", separator,
			       agent ? i : slots->s[i].id);
		separator = ",";
	}
}

void
describe_why(const struct process *p, char *out, size_t size)
{
	if (p->death_hung)
		snprintf(out, size, "hung, killed by the primary");
	else if (p->death_signal != 0)
		snprintf(out, size, "killed by signal %d (%s)", p->death_signal,
			 strsignal(p->death_signal));
	else if (p->death_status >= 0)
		snprintf(out, size, "exited with status %d", p->death_status);
	else
		snprintf(out, size, "ended, not our child: unknown why");
}

static void
describe_process(const struct ctl *ctl, const void *entry, struct call *call)
{
	const struct process *p = entry;
	const struct slots *slots = ctl->tables.slots;
	Vrouter__Process m = VROUTER__PROCESS__INIT;
	Vrouter__Process__Death death = VROUTER__PROCESS__DEATH__INIT;
	char name[256], why[96];
	uint32_t ids[SLOTS_MAX];

	describe_process_name(slots, p, name, sizeof(name));
	m.name = name;
	m.role = (char *)(uintptr_t)process_role_name(p->role);
	m.state = (Vrouter__Process__State)p->state;
	m.pid = p->pid > 0 ? (uint32_t)p->pid : 0;
	m.started_time_ms = p->started_ms;
	m.ready_time_ms = p->ready_ms;
	m.restarts = p->restarts;
	m.slots = ids;
	for (uint32_t i = 0; p->role == ROLE_FWD && i < slots->n; i++)
		if (p->slots >> i & 1)
			ids[m.n_slots++] = slots->s[i].id;
	if (p->died_ms != 0) {
		describe_why(p, why, sizeof(why));
		death.died_time_ms = p->died_ms;
		death.why = why;
		death.repaired_us = p->death_repaired_us;
		death.recovered_us = p->death_recovered_us;
		m.death = &death;
	}
	call_object(call, &m.base);
}

static int
process_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	     struct call *call)
{
	const struct processes *t = ctl->tables.processes;

	(void)filter;
	(void)budget;
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t state = __atomic_load_n(&t->p[i].state, __ATOMIC_ACQUIRE);

		if ((state != PROCESS_FREE || t->p[i].died_ms != 0) && t->p[i].role < ROLES)
			describe_process(ctl, &t->p[i], call);
	}
	*cursor = OBJECT_LIST_END;
	return 0;
}

const struct object_kind object_process = {.list = process_list, .describe = describe_process};

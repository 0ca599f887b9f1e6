/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries of the process table; see entry.h. */
#include "primary/entry.h"

#include <stdbool.h>
#include <string.h>

static bool
is_identity(const struct process *e, enum process_role role, uint64_t slots)
{
	return e->state == PROCESS_DEAD && e->role == (uint32_t)role && e->slots == slots;
}

struct process *
entry_find(struct processes *t, enum process_role role, uint64_t slots)
{
	struct process *best = NULL;

	for (uint32_t i = 0; i < t->n; i++)
		if (is_identity(&t->p[i], role, slots))
			return &t->p[i];
	for (uint32_t i = 0; i < t->n; i++)
		if (t->p[i].state == PROCESS_FREE)
			return &t->p[i];
	for (uint32_t i = 0; i < t->n; i++)
		if (t->p[i].state == PROCESS_DEAD &&
		    (best == NULL || t->p[i].died_ms < best->died_ms))
			best = &t->p[i];
	return best;
}

process_key
entry_take(struct processes *t, struct process *e, enum process_role role, uint64_t slots,
	   pid_t pid, uint64_t now_ms)
{
	bool back = is_identity(e, role, slots);
	uint32_t restarts = back ? e->restarts + 1 : 0;

	if (!back)
		memset(e, 0, sizeof(*e));
	t->sequence++;
	e->key = (uint64_t)t->sequence << 32 | (uint32_t)pid;
	e->role = role;
	e->pid = pid;
	e->slots = slots;
	e->started_ms = now_ms;
	e->ready_ms = 0;
	e->restarts = restarts;
	return e->key;
}

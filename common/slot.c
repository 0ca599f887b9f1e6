/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots: the table's creation and adoption by the primary, and finding one by its number. */
#include "common/slot.h"

#include <errno.h>

#include "common/conf.h"

int
slot_index(const struct slots *t, uint32_t id)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (t->s[i].id == id)
			return (int)i;
	return -ENOENT;
}

void
slots_init(struct slots *t, const struct conf *c)
{
	for (uint32_t i = 0; i < c->n_slots; i++) {
		t->s[i].id = c->slot_ids[i];
		t->s[i].core = c->slot_cores[i];
	}
	t->n = c->n_slots;
}

void
agents_init(struct slots *t, const struct conf *c)
{
	(void)c;
	for (uint32_t i = 0; i < AGENTS_MAX; i++) {
		t->s[i].id = i;
		t->s[i].core = -1;
	}
	t->n = AGENTS_MAX;
}

int
slots_adopt(struct slots *t, const struct conf *c, struct fault *f)
{
	if (t->n != c->n_slots)
		return fault_set(f, EPROTO, "the region has %u slots, configured are %u", t->n,
				 c->n_slots);
	for (uint32_t i = 0; i < t->n; i++)
		if (t->s[i].id != c->slot_ids[i])
			return fault_set(f, EPROTO,
					 "slot number %u of the region is %u, configured is %u",
					 i + 1, t->s[i].id, c->slot_ids[i]);
	for (uint32_t i = 0; i < t->n; i++)
		t->s[i].core = c->slot_cores[i];
	return 0;
}

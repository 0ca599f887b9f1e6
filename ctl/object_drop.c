/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Drops in the API: how many packets ended, why, and where if asked. Sums are made when somebody
 * asks; nobody counts twice. vr-ctl's main thread only.
 */
#include "ctl/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/counters.h"
#include "common/slot.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/drop_selection.h"

/* Adds the drops of one vif, in all slots or one, without what its predecessor had counted. */
static void
count_vif(const struct ctl *ctl, uint32_t vif, int slot, uint64_t sum[DROPS])
{
	struct vif_counters c;

	if (slot < 0)
		tables_count_vif(&ctl->tables, vif, &c);
	else
		c = *counters_at(ctl->tables.counters, (uint32_t)slot, vif);
	for (int i = 0; i < DROPS; i++)
		sum[i] += c.drops[i];
}

static void
count_all(const struct ctl *ctl, const struct drop_selection *s, int slot, uint64_t sum[DROPS])
{
	memset(sum, 0, DROPS * sizeof(*sum));
	if (s->vif >= 0) {
		count_vif(ctl, (uint32_t)s->vif, slot, sum);
		return;
	}
	/* The last one collects packets that have no vif. */
	for (uint32_t vif = 0; vif < ctl->tables.counters->vifs; vif++)
		count_vif(ctl, vif, slot, sum);
}

/* 'vif', 'slot' (operator's number): -1: not split by it. */
static void
describe_drops(const struct drop_selection *s, const uint64_t sum[DROPS], int64_t vif, int64_t slot,
	       struct call *call)
{
	for (int i = 0; i < DROPS; i++) {
		Vrouter__Drop m = VROUTER__DROP__INIT;

		if (sum[i] == 0 || (s->reason >= 0 && s->reason != i))
			continue;
		m.reason = (char *)(uintptr_t)drop_name((enum drop)i);
		m.text = (char *)(uintptr_t)drop_text((enum drop)i);
		m.packets = sum[i];
		if (vif >= 0) {
			m.has_vif_case = VROUTER__DROP__HAS_VIF_VIF;
			m.vif = (uint32_t)vif;
			m.per = VROUTER__DROP__PER__VIF;
		}
		if (slot >= 0) {
			m.has_slot_case = VROUTER__DROP__HAS_SLOT_SLOT;
			m.slot = (uint32_t)slot;
			m.per = VROUTER__DROP__PER__SLOT;
		}
		call_object(call, &m.base);
	}
}

/* The cursor is the vif to go on with. The last, of packets without a vif, is named by no number.
 */
static void
list_per_vif(struct ctl *ctl, const struct drop_selection *s, uint64_t *cursor, uint32_t budget,
	     struct call *call)
{
	uint32_t last = ctl->tables.counters->vifs - 1;
	uint64_t sum[DROPS];

	for (; *cursor <= last && budget > 0; (*cursor)++, budget--) {
		if (s->vif >= 0 && (uint64_t)s->vif != *cursor)
			continue;
		memset(sum, 0, sizeof(sum));
		count_vif(ctl, (uint32_t)*cursor, s->slot, sum);
		describe_drops(s, sum, *cursor < last ? (int64_t)*cursor : -1, -1, call);
	}
	if (*cursor > last)
		*cursor = OBJECT_LIST_END;
}

static void
list_per_slot(struct ctl *ctl, const struct drop_selection *s, struct call *call)
{
	const struct slots *slots = ctl->tables.slots;
	uint64_t sum[DROPS];

	for (uint32_t i = 0; i < slots->n; i++) {
		if (s->slot >= 0 && s->slot != (int)i)
			continue;
		count_all(ctl, s, (int)i, sum);
		describe_drops(s, sum, -1, slots->s[i].id, call);
	}
}

static int
drop_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	  struct call *call)
{
	const Vrouter__Drop *m = (const Vrouter__Drop *)filter;
	struct drop_selection s;
	uint64_t sum[DROPS];
	int rc;

	rc = drop_select(ctl, m->reason, m->has_vif_case ? m->vif : INT64_C(-1),
			 m->has_slot_case ? m->slot : INT64_C(-1), &s, call_refusal(call));
	if (rc < 0)
		return rc;
	switch (m->per) {
	case VROUTER__DROP__PER__VIF:
		list_per_vif(ctl, &s, cursor, budget, call);
		return 0;
	case VROUTER__DROP__PER__SLOT:
		list_per_slot(ctl, &s, call);
		break;
	default:
		count_all(ctl, &s, s.slot, sum);
		describe_drops(&s, sum, s.vif,
			       s.slot < 0 ? -1 : (int64_t)ctl->tables.slots->s[s.slot].id, call);
		break;
	}
	*cursor = OBJECT_LIST_END;
	return 0;
}

const struct object_kind object_drop = {.list = drop_list};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `dropped` in the API: the packets that were dropped last, out of the drop logs of all hands. The
 * logs are written meanwhile; what is overwritten while we look is left out. vr-ctl's main thread
 * only.
 */
#include "ctl/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/counters.h"
#include "common/drop_log.h"
#include "common/slot.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/drop_selection.h"
#include "ctl/frame_text.h"

enum { LAST_MAX = 100 };

struct found {
	uint32_t hand;
	struct dropped_packet packet;
};

static int
by_time(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->packet.dropped_ms != y->packet.dropped_ms)
		return x->packet.dropped_ms < y->packet.dropped_ms ? -1 : 1;
	if (x->hand != y->hand)
		return x->hand < y->hand ? -1 : 1;
	return x->packet.sequence < y->packet.sequence ? -1
						       : x->packet.sequence > y->packet.sequence;
}

static uint32_t
find(const struct ctl *ctl, const struct drop_selection *s, struct found *found)
{
	uint64_t number, last;
	uint32_t n = 0;

	for (uint32_t hand = 0; hand < ctl->tables.counters->slots; hand++) {
		const struct drop_log *log = &ctl->tables.drop_log[hand];

		if (s->slot >= 0 && (uint32_t)s->slot != hand)
			continue;
		drop_log_range(log, &number, &last);
		for (; number <= last; number++) {
			const struct dropped_packet *p = &found[n].packet;

			if (!drop_log_read(log, number, &found[n].packet) ||
			    (s->reason >= 0 && s->reason != p->reason) ||
			    (s->vif >= 0 && s->vif != p->vif))
				continue;
			found[n++].hand = hand;
		}
	}
	return n;
}

static void
describe(const struct ctl *ctl, struct found *f, struct call *call)
{
	const struct slots *slots = ctl->tables.slots;
	struct dropped_packet *p = &f->packet;
	Vrouter__Dropped m = VROUTER__DROPPED__INIT;
	char text[256], by[24];

	if (f->hand < slots->n) {
		m.has_slot_case = VROUTER__DROPPED__HAS_SLOT_SLOT;
		m.slot = slots->s[f->hand].id;
		snprintf(by, sizeof(by), "slot %u", m.slot);
	} else if (f->hand + 1 < ctl->tables.counters->slots) {
		snprintf(by, sizeof(by), "agent %u", f->hand - slots->n);
	} else {
		snprintf(by, sizeof(by), "primary");
	}
	frame_text(p->bytes, p->n_bytes, text, sizeof(text));
	m.dropped_time_ms = p->dropped_ms;
	m.reason = (char *)(uintptr_t)drop_name((enum drop)p->reason);
	if (p->vif < ctl->tables.counters->vifs - 1) {
		m.has_vif_case = VROUTER__DROPPED__HAS_VIF_VIF;
		m.vif = p->vif;
	}
	m.by = by;
	m.stage = p->stage;
	m.length_bytes = p->length;
	m.text = text;
	m.frame.data = p->bytes;
	m.frame.len = p->n_bytes;
	call_object(call, &m.base);
}

static int
dropped_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	     struct call *call)
{
	const Vrouter__Dropped *wanted = (const Vrouter__Dropped *)filter;
	/* One more, which a log's last look may fill and not keep. */
	size_t room = (size_t)ctl->tables.counters->slots * (DROP_LOG_ENTRIES + 1) + 1;
	struct found *found;
	struct drop_selection s;
	uint32_t n;
	int rc;

	(void)budget;
	rc =
	    drop_select(ctl, wanted->reason, wanted->has_vif_case ? wanted->vif : INT64_C(-1),
			wanted->has_slot_case ? wanted->slot : INT64_C(-1), &s, call_refusal(call));
	if (rc < 0)
		return rc;
	found = malloc(room * sizeof(*found));
	if (found == NULL)
		return refuse(call_refusal(call), ENOMEM, NULL, "vr-ctl has no memory for it");
	n = find(ctl, &s, found);
	qsort(found, n, sizeof(*found), by_time);
	for (uint32_t i = n > LAST_MAX ? n - LAST_MAX : 0; i < n; i++)
		describe(ctl, &found[i], call);
	free(found);
	*cursor = OBJECT_LIST_END;
	return 0;
}

const struct object_kind object_dropped = {.list = dropped_list};

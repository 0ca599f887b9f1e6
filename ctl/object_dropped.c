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
#include "ctl/frame_text.h"

enum { LAST_MAX = 100 };

struct found {
	uint32_t hand;
	struct dropped_packet packet;
};

/* What the client wants to see. -1: all. */
struct selection {
	int reason;
	int64_t vif;
	int slot; /* index */
};

static int
select_packets(const struct ctl *ctl, const Vrouter__Dropped *m, struct selection *s,
	       struct refusal *r)
{
	*s = (struct selection){-1, -1, -1};
	for (int i = 0; *m->reason != '\0' && i < DROPS && s->reason < 0; i++)
		if (strcmp(m->reason, drop_name((enum drop)i)) == 0)
			s->reason = i;
	if (*m->reason != '\0' && s->reason < 0)
		return refuse(r, ENOENT, "reason", "there is no drop reason \"%s\"", m->reason);
	if (m->has_vif_case) {
		if (m->vif >= ctl->conf->vifs)
			return refuse(r, EINVAL, "vif", "vif %u is above %llu (option vifs)",
				      m->vif, (unsigned long long)ctl->conf->vifs - 1);
		s->vif = m->vif;
	}
	if (m->has_slot_case) {
		s->slot = slot_index(ctl->tables.slots, m->slot);
		if (s->slot < 0)
			return refuse(r, ENOENT, "slot", "there is no slot %u", m->slot);
	}
	return 0;
}

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
find(const struct ctl *ctl, const struct selection *s, struct found *found)
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
	/* One more, which a log's last look may fill and not keep. */
	size_t room = (size_t)ctl->tables.counters->slots * (DROP_LOG_ENTRIES + 1) + 1;
	struct found *found;
	struct selection s;
	uint32_t n;
	int rc;

	(void)budget;
	rc = select_packets(ctl, (const Vrouter__Dropped *)filter, &s, call_refusal(call));
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

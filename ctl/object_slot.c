/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots in the API. vr-ctl's main thread only. */
#include "ctl/object.h"

#include <errno.h>

#include "common/conf.h"
#include "common/counters.h"
#include "common/drop_log.h"
#include "common/slot.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/describe.h"
#include "ctl/rates.h"

/* What all others could not put into their rings to it. */
static uint64_t
rx_drops(const struct tables *t, uint32_t index)
{
	uint64_t n = 0;

	for (uint32_t hand = 0; hand < t->counters->slots; hand++)
		n += __atomic_load_n(&t->drop_log[hand].ring_full[index], __ATOMIC_RELAXED);
	return n;
}

static void
describe_slot(const struct ctl *ctl, const void *entry, struct call *call)
{
	const struct slot *s = entry;
	struct slot_rates rates = rates_of_slot(ctl->rates, (uint32_t)(s - ctl->tables.slots->s));
	Vrouter__Slot m = VROUTER__SLOT__INIT;

	m.has_id_case = VROUTER__SLOT__HAS_ID_ID;
	m.id = s->id;
	/* Without an owner, the one that animates it is dead, and not repaired yet. */
	if (__atomic_load_n(&s->owner, __ATOMIC_RELAXED) != 0)
		m.pid = describe_pid(__atomic_load_n(&s->animated_by, __ATOMIC_RELAXED));
	m.core = s->core;
	m.busy_percent = rates.busy_percent;
	m.packets_per_second = rates.packets_per_second;
	m.cycles_per_packet = rates.cycles_per_packet;
	m.packets = s->packets;
	m.bursts = s->bursts;
	m.sleeps = s->sleeps;
	m.restarts = s->restarts;
	m.generation = s->generation;
	m.quarantined = s->quarantined;
	m.rx_drops = rx_drops(&ctl->tables, (uint32_t)(s - ctl->tables.slots->s));
	m.ring_max = rates.ring_max;
	m.ring_size = (uint32_t)ctl->conf->ring_size;
	call_object(call, &m.base);
}

static int
slot_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	int index = slot_index(ctl->tables.slots, ((const Vrouter__Slot *)object)->id);

	if (index < 0)
		return refuse(call_refusal(call), ENOENT, "id", "it does not exist");
	describe_slot(ctl, &ctl->tables.slots->s[index], call);
	return 0;
}

static int
slot_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	  struct call *call)
{
	(void)filter;
	(void)budget;
	for (uint32_t i = 0; i < ctl->tables.slots->n; i++)
		describe_slot(ctl, &ctl->tables.slots->s[i], call);
	*cursor = OBJECT_LIST_END;
	return 0;
}

const struct object_kind object_slot = {
    .get = slot_get, .list = slot_list, .describe = describe_slot};

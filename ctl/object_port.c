/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports in the API, as the primary's table has them. They are made and removed through vifs.
 * vr-ctl's main thread only.
 */
#include "ctl/object.h"

#include <errno.h>
#include <string.h>

#include "common/counters.h"
#include "common/port.h"
#include "common/slot.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/rates.h"

#define PORT_KIND(NAME, name, text) \
	_Static_assert((int)VROUTER__PORT__KIND__##NAME == PORT_##NAME + 1, name);
#include "common/port_kinds.def"
#undef PORT_KIND

/* A copy of an entry is no place that a vif could name. */
static int64_t
vif_of(const struct ctl *ctl, const struct port *p)
{
	const struct ports *t = ctl->tables.ports;

	return p >= t->p && p < t->p + t->n ? tables_vif_of_port(&ctl->tables, (uint32_t)(p - t->p))
					    : -ENOENT;
}

static void
describe_vif(const struct ctl *ctl, const struct port *p, Vrouter__Port *m)
{
	int64_t vif = vif_of(ctl, p);
	struct vif_counters sum;
	struct port_rates rates;
	int top = 0;

	if (vif < 0)
		return;
	rates = rates_of_vif(ctl->rates, (uint32_t)vif);
	tables_count_vif(&ctl->tables, (uint32_t)vif, &sum);
	m->has_vif_case = VROUTER__PORT__HAS_VIF_VIF;
	m->vif = (uint32_t)vif;
	m->rx_packets = sum.rx_packets;
	m->tx_packets = sum.tx_packets;
	m->rx_packets_per_second = rates.rx_packets_per_second;
	m->tx_packets_per_second = rates.tx_packets_per_second;
	for (int i = 0; i < DROPS; i++) {
		m->drops += sum.drops[i];
		if (sum.drops[i] > sum.drops[top])
			top = i;
	}
	if (m->drops != 0)
		m->top_drop = (char *)(uintptr_t)drop_name((enum drop)top);
}

static void
describe_port(const struct ctl *ctl, const void *entry, struct call *call)
{
	const struct port *p = entry;
	const struct slots *slots = ctl->tables.slots;
	uint32_t ids[PORT_QUEUES_MAX];
	Vrouter__Port m = VROUTER__PORT__INIT;

	m.name = (char *)(uintptr_t)p->name;
	m.kind = (Vrouter__Port__Kind)(p->kind + 1);
	m.state = (Vrouter__Port__State)p->state;
	m.link_up = p->link_up != 0;
	m.link_mbps = p->link_mbps;
	m.queues = p->queues;
	m.mtu = p->mtu;
	m.mac.len = sizeof(p->mac);
	m.mac.data = (uint8_t *)(uintptr_t)p->mac;
	m.devargs = (char *)(uintptr_t)p->devargs;
	m.slots = ids;
	for (uint32_t i = 0; i < p->queues && i < PORT_QUEUES_MAX; i++)
		if (p->rx_slot[i] < slots->n)
			ids[m.n_slots++] = slots->s[p->rx_slot[i]].id;
	describe_vif(ctl, p, &m);
	call_object(call, &m.base);
}

static int
port_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const struct ports *t = ctl->tables.ports;
	const char *name = ((const Vrouter__Port *)object)->name;

	for (uint32_t i = 0; i < t->n; i++) {
		if (t->p[i].state == PORT_FREE || strcmp(t->p[i].name, name) != 0)
			continue;
		describe_port(ctl, &t->p[i], call);
		return 0;
	}
	return refuse(call_refusal(call), ENOENT, "name", "it does not exist");
}

/* The cursor is the index to go on with. */
static int
port_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	  struct call *call)
{
	const struct ports *t = ctl->tables.ports;

	(void)filter;
	for (; *cursor < t->n && budget > 0; (*cursor)++) {
		if (__atomic_load_n(&t->p[*cursor].state, __ATOMIC_ACQUIRE) == PORT_FREE)
			continue;
		describe_port(ctl, &t->p[*cursor], call);
		budget--;
	}
	if (*cursor >= t->n)
		*cursor = OBJECT_LIST_END;
	return 0;
}

const struct object_kind object_port = {
    .get = port_get, .list = port_list, .describe = describe_port};

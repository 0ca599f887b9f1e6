/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets in the API: what was trapped, and what clients inject. vr-ctl's main thread only. */
#include "ctl/object.h"

#include <errno.h>

#include "common/conf.h"
#include "common/trap.h"
#include "common/vif.h"
#include "common/vif_roles.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/traps.h"
#include "proto/vrouter.pb-c.h"

/* The API's numbers are ours and one more, since its 0 means "not given". */
#define TRAP_REASON(NAME, name, truncated, text) \
	_Static_assert((int)VROUTER__PACKET__REASON__##NAME == TRAP_##NAME + 1, name);
#include "common/trap_reasons.def"
#undef TRAP_REASON
_Static_assert((int)VROUTER__PACKET__COMMAND__SWITCH == INJECT_SWITCH + 1 &&
		   (int)VROUTER__PACKET__COMMAND__ROUTE == INJECT_ROUTE + 1,
	       "command");

enum { FRAME_MIN = 14 };

static int
check(const struct ctl *ctl, const Vrouter__Packet *m, struct refusal *r)
{
	if (m->reason != VROUTER__PACKET__REASON__REASON_UNSET || m->whole_bytes != 0 ||
	    m->has_slot_case || m->has_nexthop_case)
		return refuse(r, EINVAL, "reason",
			      "reason, whole_bytes, slot and nexthop are the router's to say");
	if (m->command == VROUTER__PACKET__COMMAND__COMMAND_UNSET)
		return refuse(r, EINVAL, "command", "command is missing: switch or route");
	if (!m->has_vif_case)
		return refuse(r, EINVAL, "vif",
			      "vif is missing: it leaves there, or comes in there");
	if (vif_lookup(ctl->tables.vifs, m->vif) == NULL)
		return refuse(r, ENOENT, "vif", "there is no vif %u", m->vif);
	if (m->vrf >= ctl->conf->vrfs)
		return refuse(r, EINVAL, "vrf", "vrf %u is above %llu (option vrfs)", m->vrf,
			      (unsigned long long)ctl->conf->vrfs - 1);
	if (m->frame.len < FRAME_MIN || m->frame.len > TRAP_FRAME_MAX)
		return refuse(r, EINVAL, "frame", "frame has %zu bytes, not %d to %d", m->frame.len,
			      FRAME_MIN, TRAP_FRAME_MAX);
	if (vif_role(&ctl->tables.vif_roles->agent) == VIF_NONE)
		return refuse(r, ENOENT, NULL, "there is no vif of type agent: add one first");
	return 0;
}

static int
packet_set(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const Vrouter__Packet *m = (const Vrouter__Packet *)object;
	struct refusal *r = call_refusal(call);
	struct trap_record record;
	int rc;

	rc = check(ctl, m, r);
	if (rc < 0)
		return rc;
	record = (struct trap_record){.length = (uint32_t)m->frame.len,
				      .whole_length = (uint32_t)m->frame.len,
				      .reason = (uint16_t)(m->command - 1),
				      .vif = m->vif,
				      .vrf = m->vrf,
				      .nexthop = NEXTHOP_NONE};
	rc = traps_inject(ctl, &record, m->frame.data);
	if (rc == -EAGAIN)
		return refuse(r, EAGAIN, NULL, "no slot has a process that would take it");
	return rc;
}

static void
packet_describe(const struct ctl *ctl, const void *entry, struct call *call)
{
	const struct trapped *t = entry;
	Vrouter__Packet m = VROUTER__PACKET__INIT;

	(void)ctl;
	m.reason = (Vrouter__Packet__Reason)(t->record->reason + 1);
	m.has_vif_case = VROUTER__PACKET__HAS_VIF_VIF;
	m.vif = t->record->vif;
	m.vrf = t->record->vrf;
	m.frame.len = t->record->length;
	m.frame.data = (uint8_t *)(uintptr_t)t->frame;
	m.whole_bytes = t->record->whole_length;
	if (t->record->nexthop != NEXTHOP_NONE) {
		m.has_nexthop_case = VROUTER__PACKET__HAS_NEXTHOP_NEXTHOP;
		m.nexthop = t->record->nexthop;
	}
	m.has_slot_case = VROUTER__PACKET__HAS_SLOT_SLOT;
	m.slot = t->slot;
	call_object(call, &m.base);
}

const struct object_kind object_packet = {.set = packet_set, .describe = packet_describe};

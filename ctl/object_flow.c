/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows in the API: what there is, and ending it; and how the table fares. Slots write the table
 * while it is read here: a pair that is changed meanwhile is left out. vr-ctl's main thread only.
 */
#include "ctl/object.h"

#include <errno.h>
#include <string.h>

#include "common/flow.h"
#include "common/rules.h"
#include "common/slot.h"
#include "ctl/ageing.h"
#include "ctl/call.h"
#include "ctl/ctl.h"

enum { PAIRS_PER_OBJECT = 64, ADDRESS_MAX = 16 };

/* Room for a description. */
struct flow_view {
	Vrouter__Flow flow;
	Vrouter__Flow__State state;
	Vrouter__Flow__Direction forward, reverse;
	uint8_t source[ADDRESS_MAX], destination[ADDRESS_MAX];
};

static void
describe_address(const uint8_t address[16], bool ipv4, uint8_t *room, ProtobufCBinaryData *out)
{
	out->len = ipv4 ? 4 : 16;
	out->data = room;
	memcpy(room, ipv4 ? address + FLOW_IPV4_AT : address, out->len);
}

static Vrouter__Flow__Action
action_of(const struct flow_entry *e)
{
	switch ((enum flow_verdict)flow_action_load(e).verdict) {
	case FLOW_FORWARD:
		return VROUTER__FLOW__ACTION__FORWARD;
	case FLOW_DROP:
		return VROUTER__FLOW__ACTION__DROP;
	default:
		return VROUTER__FLOW__ACTION__UNDECIDED;
	}
}

static void
describe_direction(const struct ctl *ctl, const struct flow_entry *e, Vrouter__Flow__Direction *d)
{
	const struct slots *slots = ctl->tables.slots;
	union flow_seen seen = flow_seen_load(e);
	uint32_t slot = seen.owner - 1u;

	vrouter__flow__direction__init(d);
	d->action = action_of(e);
	d->packets = __atomic_load_n(&e->packets, __ATOMIC_RELAXED);
	d->bytes = __atomic_load_n(&e->bytes, __ATOMIC_RELAXED);
	d->nexthop = flow_entry_nexthop(e);
	if (seen.vif != FLOW_VIF_NONE) {
		d->has_vif_case = VROUTER__FLOW__DIRECTION__HAS_VIF_VIF;
		d->vif = seen.vif;
	}
	if (slot < slots->n) {
		d->has_slot_case = VROUTER__FLOW__DIRECTION__HAS_SLOT_SLOT;
		d->slot = slots->s[slot].id;
	}
}

static Vrouter__Flow__Progress
progress_of(const struct flow_entry *e)
{
	switch (flow_age_of(e)) {
	case FLOW_AGE_TCP:
		return VROUTER__FLOW__PROGRESS__ESTABLISHED;
	case FLOW_AGE_TCP_OPENING:
		return VROUTER__FLOW__PROGRESS__OPENING;
	case FLOW_AGE_TCP_CLOSED:
		return VROUTER__FLOW__PROGRESS__CLOSED;
	default:
		return VROUTER__FLOW__PROGRESS__NO_CONNECTION;
	}
}

/* 'v' borrows from itself. */
static void
flow_describe(const struct ctl *ctl, uint32_t pair, const struct flow_entry *e,
	      union flow_state_word s, struct flow_view *v)
{
	struct flow_key key = flow_key_of(ctl->tables.flows, 2 * pair);
	uint16_t vif = flow_seen_load(e).vif;
	bool ipv4 = flow_key_is_ipv4(&key);
	Vrouter__Flow *m = &v->flow;

	vrouter__flow__init(m);
	vrouter__flow__state__init(&v->state);
	m->has_index_case = VROUTER__FLOW__HAS_INDEX_INDEX;
	m->index = pair;
	m->has_generation_case = VROUTER__FLOW__HAS_GENERATION_GENERATION;
	m->generation = s.generation;
	describe_address(key.source, ipv4, v->source, &m->source);
	describe_address(key.destination, ipv4, v->destination, &m->destination);
	m->has_protocol_case = VROUTER__FLOW__HAS_PROTOCOL_PROTOCOL;
	m->protocol = flow_key_protocol(&key);
	m->has_source_port_case = VROUTER__FLOW__HAS_SOURCE_PORT_SOURCE_PORT;
	m->source_port = __builtin_bswap16(key.source_port_be);
	m->has_destination_port_case = VROUTER__FLOW__HAS_DESTINATION_PORT_DESTINATION_PORT;
	m->destination_port = __builtin_bswap16(key.destination_port_be);
	m->has_nexthop_case = VROUTER__FLOW__HAS_NEXTHOP_NEXTHOP;
	m->nexthop = flow_key_nexthop(&key);
	if (vif != FLOW_VIF_NONE) {
		m->has_vif_case = VROUTER__FLOW__HAS_VIF_VIF;
		m->vif = vif;
	}
	m->state = &v->state;
	v->state.created_time_ms = (uint64_t)s.created_s * 1000;
	v->state.idle_ms = flow_idle_ms(ctl, e);
	v->state.progress = progress_of(e);
	v->state.forward = &v->forward;
	v->state.reverse = &v->reverse;
	describe_direction(ctl, &e[0], &v->forward);
	describe_direction(ctl, &e[1], &v->reverse);
}

static bool
is_address(const ProtobufCBinaryData *wanted, const ProtobufCBinaryData *is)
{
	return wanted->len == 0 ||
	       (wanted->len == is->len && memcmp(wanted->data, is->data, is->len) == 0);
}

static bool
is_wanted(const Vrouter__Flow *wanted, const Vrouter__Flow *m)
{
	const Vrouter__Flow__Direction *back = m->state->reverse;

	return (!wanted->has_index_case || wanted->index == m->index) &&
	       (!wanted->has_generation_case || wanted->generation == m->generation) &&
	       is_address(&wanted->source, &m->source) &&
	       is_address(&wanted->destination, &m->destination) &&
	       (!wanted->has_protocol_case || wanted->protocol == m->protocol) &&
	       (!wanted->has_source_port_case || wanted->source_port == m->source_port) &&
	       (!wanted->has_destination_port_case ||
		wanted->destination_port == m->destination_port) &&
	       (!wanted->has_nexthop_case || wanted->nexthop == m->nexthop) &&
	       (!wanted->has_vif_case || (m->has_vif_case && wanted->vif == m->vif) ||
		(back->has_vif_case && wanted->vif == back->vif));
}

/* Describes a pair as it is; false when there is none, or it was changed meanwhile. */
static bool
flow_view(const struct ctl *ctl, uint32_t pair, struct flow_view *v)
{
	const struct flow_entry *e = flow_entry(ctl->tables.flows, 2 * pair);
	union flow_state_word s = flow_state_load(e);

	if (s.state != FLOW_ACTIVE)
		return false;
	flow_describe(ctl, pair, e, s, v);
	return flow_state_load(e).word == s.word;
}

static int
key_of(const Vrouter__Flow *m, struct flow_key *key, struct refusal *r)
{
	if (!m->has_protocol_case || !m->has_nexthop_case ||
	    (m->source.len != 4 && m->source.len != 16) || m->destination.len != m->source.len)
		return refuse(r, EINVAL, "index",
			      "name it by index, or by source, destination, protocol, nexthop and "
			      "ports");
	if (m->protocol > UINT8_MAX || m->source_port > UINT16_MAX ||
	    m->destination_port > UINT16_MAX || m->nexthop > 0xffffff)
		return refuse(r, EINVAL, "protocol",
			      "protocol is at most 255, ports 65535, nexthop 16777215");
	memset(key, 0, sizeof(*key));
	if (m->source.len == 4) {
		flow_key_set_ipv4(key->source, m->source.data);
		flow_key_set_ipv4(key->destination, m->destination.data);
	} else {
		memcpy(key->source, m->source.data, 16);
		memcpy(key->destination, m->destination.data, 16);
	}
	key->source_port_be = __builtin_bswap16((uint16_t)m->source_port);
	key->destination_port_be = __builtin_bswap16((uint16_t)m->destination_port);
	key->nexthop_protocol = m->nexthop << 8 | m->protocol;
	return 0;
}

/* The pair that a request names. */
static int
pair_named(const struct ctl *ctl, const Vrouter__Flow *m, uint32_t *pair, struct refusal *r)
{
	const struct flow_table *t = ctl->tables.flows;
	struct flow_key key;
	uint32_t entry;
	int rc;

	if (m->has_index_case) {
		*pair = m->index;
		if (m->index >= flow_capacity(t))
			return refuse(r, EINVAL, "index", "index %u is not below %u", m->index,
				      flow_capacity(t));
		return 0;
	}
	rc = key_of(m, &key, r);
	if (rc < 0)
		return rc;
	entry = flow_lookup(t, &key);
	if (entry == FLOW_NONE)
		return refuse(r, ENOENT, "source", "there is no such flow");
	*pair = entry / 2;
	return 0;
}

static int
refuse_generation(struct refusal *r, uint32_t wanted, uint32_t is)
{
	return refuse(r, ENOENT, "generation", "generation %u has gone; there is %u now", wanted,
		      is);
}

static int
flow_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const Vrouter__Flow *m = (const Vrouter__Flow *)object;
	struct refusal *r = call_refusal(call);
	struct flow_view v;
	uint32_t pair = 0;
	int rc;

	rc = pair_named(ctl, m, &pair, r);
	if (rc < 0)
		return rc;
	if (!flow_view(ctl, pair, &v))
		return refuse(r, ENOENT, "index", "it does not exist");
	if (m->has_generation_case && m->generation != v.flow.generation)
		return refuse_generation(r, m->generation, v.flow.generation);
	call_object(call, &v.flow.base);
	return 0;
}

static int
flow_del(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const Vrouter__Flow *m = (const Vrouter__Flow *)object;
	struct refusal *r = call_refusal(call);
	uint32_t pair = 0, generation;
	int rc;

	rc = pair_named(ctl, m, &pair, r);
	if (rc < 0)
		return rc;
	generation = flow_state_load(flow_entry(ctl->tables.flows, 2 * pair)).generation;
	if (m->has_generation_case && m->generation != generation)
		return refuse_generation(r, m->generation, generation);
	rc = flow_retire(ctl->tables.flow_writer, pair, generation);
	if (rc < 0)
		return refuse(r, -rc, "index",
			      rc == -ENOMEM ? "out of memory" : "it does not exist");
	ctl->revision++;
	return 0;
}

/* The cursor is the pair to go on with. */
static int
flow_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	  struct call *call)
{
	const Vrouter__Flow *wanted = (const Vrouter__Flow *)filter;
	uint64_t pairs = flow_capacity(ctl->tables.flows);
	int64_t left = (int64_t)budget * PAIRS_PER_OBJECT;
	struct flow_view v;

	for (; *cursor < pairs && left > 0; (*cursor)++) {
		left--;
		if (!flow_view(ctl, (uint32_t)*cursor, &v))
			continue;
		left -= PAIRS_PER_OBJECT / 4;
		if (!is_wanted(wanted, &v.flow))
			continue;
		left -= PAIRS_PER_OBJECT - PAIRS_PER_OBJECT / 4;
		call_object(call, &v.flow.base);
	}
	if (*cursor >= pairs)
		*cursor = OBJECT_LIST_END;
	return 0;
}

const struct object_kind object_flow = {.get = flow_get, .del = flow_del, .list = flow_list};

/* --- the table as a whole --- */

static int
flow_stats_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	Vrouter__FlowStats m = VROUTER__FLOW_STATS__INIT;
	struct flow_table *t = ctl->tables.flows;

	(void)object;
	m.flows = flow_used(t);
	m.size = flow_capacity(t);
	m.used_percent = m.size != 0 ? (uint32_t)(m.flows * 100 / m.size) : 0;
	for (uint32_t i = 0; i < ctl->tables.slots->n; i++) {
		const struct flow_slot *s = flow_slot(t, i);

		m.created += s->created;
		m.refused += s->refused;
		m.raced += s->raced;
		m.evaluated += s->evaluated;
		m.handed_packets += s->handed;
	}
	m.aged = ageing_aged(ctl->ageing);
	m.rules_revision = rules_revision(ctl->tables.rules);
	call_object(call, &m.base);
	return 0;
}

const struct object_kind object_flow_stats = {.get = flow_stats_get};

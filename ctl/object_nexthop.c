/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nexthops in the API. All that a client may say about one is checked in nexthop_parse(); what is
 * published, workers may believe. vr-ctl's main thread only.
 */
#include "ctl/object.h"

#include <errno.h>
#include <string.h>

#include "common/conf.h"
#include "common/nexthop.h"
#include "common/rules.h"
#include "common/vif.h"
#include "ctl/call.h"
#include "ctl/check.h"
#include "ctl/ctl.h"
#include "ctl/object_nexthop.h"

/* The API's numbers are ours and one more, since its 0 means "not given". */
#define NEXTHOP_TYPE(NAME, name, text) \
	_Static_assert((int)VROUTER__NEXTHOP__TYPE__##NAME == NEXTHOP_##NAME + 1, name);
#include "common/nexthop_types.def"
#undef NEXTHOP_TYPE

_Static_assert((int)VROUTER__NEXTHOP__FAMILY__BRIDGE == NEXTHOP_FAMILY_BRIDGE &&
		   (int)VROUTER__NEXTHOP__FAMILY__INET == NEXTHOP_FAMILY_INET &&
		   (int)VROUTER__NEXTHOP__FAMILY__INET6 == NEXTHOP_FAMILY_INET6,
	       "family");

#define NEXTHOP_FLAG(NAME, name, text) \
	_Static_assert((int)VROUTER__NEXTHOP__FLAG__##NAME == NEXTHOP_FLAG_BIT_##NAME + 1, name);
#include "common/nexthop_flags.def"
#undef NEXTHOP_FLAG

_Static_assert((int)VROUTER__NEXTHOP__TUNNEL__KIND__MPLS_GRE == TUNNEL_MPLS_GRE + 1 &&
		   (int)VROUTER__NEXTHOP__TUNNEL__KIND__MPLS_UDP == TUNNEL_MPLS_UDP + 1 &&
		   (int)VROUTER__NEXTHOP__TUNNEL__KIND__VXLAN == TUNNEL_VXLAN + 1,
	       "tunnel kind");

_Static_assert(1 << (VROUTER__NEXTHOP__HASH_FIELD__SOURCE - 1) == HASH_SOURCE &&
		   1 << (VROUTER__NEXTHOP__HASH_FIELD__DESTINATION - 1) == HASH_DESTINATION &&
		   1 << (VROUTER__NEXTHOP__HASH_FIELD__PROTOCOL - 1) == HASH_PROTOCOL &&
		   1 << (VROUTER__NEXTHOP__HASH_FIELD__SOURCE_PORT - 1) == HASH_SOURCE_PORT &&
		   1 << (VROUTER__NEXTHOP__HASH_FIELD__DESTINATION_PORT - 1) ==
		       HASH_DESTINATION_PORT,
	       "hash field");

static const char *const type_names[] = {
#define NEXTHOP_TYPE(NAME, name, text) [NEXTHOP_##NAME] = name,
#include "common/nexthop_types.def"
#undef NEXTHOP_TYPE
};

static const char *const flag_names[] = {
#define NEXTHOP_FLAG(NAME, name, text) [NEXTHOP_FLAG_BIT_##NAME] = name,
#include "common/nexthop_flags.def"
#undef NEXTHOP_FLAG
};

enum { ADDRESS_LEN = 4, MAC_LEN = 6 };

/* --- what each type uses --- */

/* A field that the type does not use is a mistake, and not to be ignored. */
#define TYPE(NAME) (UINT32_C(1) << NEXTHOP_##NAME)
static const struct {
	const char *field;
	uint32_t types;
	const char *words;
} uses[] = {
    {"vif", TYPE(ENCAP) | TYPE(TUNNEL) | TYPE(RECEIVE), "types encap, tunnel and receive"},
    {"rewrite", TYPE(ENCAP) | TYPE(TUNNEL), "types encap and tunnel"},
    {"members", TYPE(FLOOD) | TYPE(ECMP), "types flood and ecmp"},
    {"labels", TYPE(FLOOD) | TYPE(ECMP), "types flood and ecmp"},
    {"tunnel", TYPE(TUNNEL), "type tunnel"},
    {"hash_fields", TYPE(ECMP), "type ecmp"},
};

static int
check_fields_of_type(const Vrouter__Nexthop *m, struct refusal *r)
{
	const ProtobufCMessageDescriptor *d = m->base.descriptor;

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		const ProtobufCFieldDescriptor *f =
		    protobuf_c_message_descriptor_get_field_by_name(d, uses[i].field);

		if (check_given(&m->base, f) && (uses[i].types >> (m->type - 1) & 1) == 0)
			return refuse(r, EINVAL, f->name, "%s is for %s, not %s", f->name,
				      uses[i].words, type_names[m->type - 1]);
	}
	if (m->family != VROUTER__NEXTHOP__FAMILY__BRIDGE &&
	    m->type == VROUTER__NEXTHOP__TYPE__FLOOD)
		return refuse(r, ENOTSUP, "family", "only frames are flooded: family bridge");
	if (m->family != VROUTER__NEXTHOP__FAMILY__BRIDGE &&
	    m->type == VROUTER__NEXTHOP__TYPE__TUNNEL)
		return refuse(r, EINVAL, "family",
			      "family is not for type tunnel: it carries frames and packets alike");
	if (m->family == VROUTER__NEXTHOP__FAMILY__BRIDGE &&
	    m->type == VROUTER__NEXTHOP__TYPE__RECEIVE)
		return refuse(r, EINVAL, "family",
			      "type receive is of family inet or inet6: frames have l2-receive");
	if (m->family != VROUTER__NEXTHOP__FAMILY__BRIDGE &&
	    m->type == VROUTER__NEXTHOP__TYPE__L2_RECEIVE)
		return refuse(r, EINVAL, "family", "type l2-receive is of family bridge");
	return 0;
}

static int
check_type(const Vrouter__Nexthop *m, struct refusal *r)
{
	switch (m->type) {
	case VROUTER__NEXTHOP__TYPE__TYPE_UNSET:
		return refuse(r, EINVAL, "type", "type is missing");
	case VROUTER__NEXTHOP__TYPE__INDIRECT:
		return refuse(r, ENOTSUP, "type",
			      "type indirect is not done yet: name the nexthop itself");
	case VROUTER__NEXTHOP__TYPE__COMPOSITE_FABRIC:
	case VROUTER__NEXTHOP__TYPE__COMPOSITE_EVPN:
	case VROUTER__NEXTHOP__TYPE__COMPOSITE_TOR:
		return refuse(r, ENOTSUP, "type",
			      "composite kinds fabric, evpn and tor are not done yet: use a flood "
			      "with tunnels as members");
	default:
		return 0;
	}
}

/* --- flags --- */

static int
parse_flag(const Vrouter__Nexthop *m, Vrouter__Nexthop__Flag flag, struct refusal *r)
{
	bool tunnel = m->type == VROUTER__NEXTHOP__TYPE__TUNNEL;

	switch (flag) {
	case VROUTER__NEXTHOP__FLAG__FLAG_UNSET:
		return refuse(r, EINVAL, "flags", "flag 0 is none");
	case VROUTER__NEXTHOP__FLAG__ETREE_ROOT:
		return refuse(r, ENOTSUP, "flags", "etree-root is not done yet: no E-trees");
	case VROUTER__NEXTHOP__FLAG__MPLS_OVER_MPLS:
		return refuse(r, ENOTSUP, "flags",
			      "mpls-over-mpls is not done yet: a tunnel has one label");
	case VROUTER__NEXTHOP__FLAG__CRYPT:
		return refuse(r, ENOTSUP, "flags", "crypt is not done yet: no encryption");
	case VROUTER__NEXTHOP__FLAG__UNDERLAY_ECMP:
		return refuse(r, ENOTSUP, "flags",
			      "underlay-ecmp is not done yet: use an ecmp of several tunnels");
	case VROUTER__NEXTHOP__FLAG__ROUTE_LOOKUP:
		if (m->type != VROUTER__NEXTHOP__TYPE__VRF_TRANSLATE)
			break;
		return 0;
	case VROUTER__NEXTHOP__FLAG__L3_VXLAN:
		if (!tunnel || m->tunnel == NULL ||
		    m->tunnel->kind != VROUTER__NEXTHOP__TUNNEL__KIND__VXLAN)
			return refuse(r, EINVAL, "flags",
				      "l3-vxlan is for tunnels of kind vxlan only");
		return 0;
	case VROUTER__NEXTHOP__FLAG__CONTROL_WORD:
		if (tunnel && m->tunnel != NULL &&
		    m->tunnel->kind == VROUTER__NEXTHOP__TUNNEL__KIND__VXLAN)
			return refuse(r, EINVAL, "flags",
				      "control-word goes behind an MPLS label, and vxlan has none");
		return 0;
	default:
		return 0;
	}
	return refuse(r, EINVAL, "flags", "%s is not for type %s", flag_names[flag - 1],
		      type_names[m->type - 1]);
}

static int
parse_flags(const Vrouter__Nexthop *m, struct nexthop *nh, struct refusal *r)
{
	for (size_t i = 0; i < m->n_flags; i++) {
		int rc = parse_flag(m, m->flags[i], r);

		if (rc < 0)
			return rc;
		nh->flags |= (uint16_t)(1u << (m->flags[i] - 1));
	}
	if (NEXTHOP_HAS(nh, POLICY) && NEXTHOP_HAS(nh, RELAXED_POLICY))
		return refuse(r, EINVAL, "flags", "policy and relaxed-policy exclude each other");
	return 0;
}

/* --- types --- */

static int
parse_vif(const Vrouter__Nexthop *m, struct nexthop *nh, struct refusal *r)
{
	if (!m->has_vif_case)
		return refuse(r, EINVAL, "vif", "vif is missing: type %s leaves through one",
			      type_names[m->type - 1]);
	nh->encap.vif = m->vif;
	return 0;
}

static int
parse_rewrite(const Vrouter__Nexthop *m, struct nexthop *nh, struct refusal *r)
{
	if (m->rewrite.len < NEXTHOP_REWRITE_MIN || m->rewrite.len > NEXTHOP_REWRITE_MAX)
		return refuse(r, EINVAL, "rewrite",
			      "rewrite has %zu bytes, not %d to %d: MAC addresses and EtherType",
			      m->rewrite.len, NEXTHOP_REWRITE_MIN, NEXTHOP_REWRITE_MAX);
	nh->encap.rewrite_len = (uint16_t)m->rewrite.len;
	memcpy(nh->encap.rewrite, m->rewrite.data, m->rewrite.len);
	return 0;
}

static int
parse_encap(const Vrouter__Nexthop *m, struct nexthop *nh, struct refusal *r)
{
	int rc = parse_vif(m, nh, r);

	if (rc < 0)
		return rc;
	if (nh->family != NEXTHOP_FAMILY_BRIDGE)
		return parse_rewrite(m, nh, r);
	if (m->rewrite.len != 0)
		return refuse(r, EINVAL, "rewrite",
			      "rewrite is for families inet and inet6: family bridge sends frames "
			      "as they are");
	return 0;
}

static int
parse_tunnel_kind(const Vrouter__Nexthop__Tunnel *t, struct nexthop *nh, struct refusal *r)
{
	switch (t->kind) {
	case VROUTER__NEXTHOP__TUNNEL__KIND__KIND_UNSET:
		return refuse(r, EINVAL, "tunnel.kind", "tunnel.kind is missing");
	case VROUTER__NEXTHOP__TUNNEL__KIND__UDP:
		return refuse(r, ENOTSUP, "tunnel.kind", "tunnels of kind udp are not done yet");
	case VROUTER__NEXTHOP__TUNNEL__KIND__PBB:
		return refuse(r, ENOTSUP, "tunnel.kind", "tunnels of kind pbb are not done yet");
	default:
		nh->tunnel.kind = (uint8_t)(t->kind - 1);
		return 0;
	}
}

static int
parse_address(const ProtobufCBinaryData *bytes, const char *field, uint32_t *address_be,
	      struct refusal *r)
{
	if (bytes->len == 16)
		return refuse(r, ENOTSUP, field, "%s is IPv6: an IPv6 underlay is not done yet",
			      field);
	if (bytes->len != ADDRESS_LEN)
		return refuse(r, EINVAL, field, "%s has %zu bytes, not 4", field, bytes->len);
	memcpy(address_be, bytes->data, ADDRESS_LEN);
	if (*address_be == 0)
		return refuse(r, EINVAL, field, "%s is 0.0.0.0, which nobody has", field);
	return 0;
}

static int
parse_inner_mac(const Vrouter__Nexthop__Tunnel *t, struct nexthop *nh, struct refusal *r)
{
	if (!NEXTHOP_HAS(nh, L3_VXLAN)) {
		if (t->inner_mac.len == 0)
			return 0;
		return refuse(r, EINVAL, "tunnel.inner_mac",
			      "tunnel.inner_mac goes with the flag l3-vxlan");
	}
	if (t->inner_mac.len != MAC_LEN)
		return refuse(r, EINVAL, "tunnel.inner_mac",
			      "tunnel.inner_mac has %zu bytes, not 6, and flag l3-vxlan needs it",
			      t->inner_mac.len);
	memcpy(nh->tunnel.inner_mac, t->inner_mac.data, MAC_LEN);
	return 0;
}

static int
parse_tunnel(const Vrouter__Nexthop *m, struct nexthop *nh, struct refusal *r)
{
	const Vrouter__Nexthop__Tunnel *t = m->tunnel;
	int rc;

	if (t == NULL)
		return refuse(r, EINVAL, "tunnel", "tunnel is missing: its kind and addresses");
	rc = parse_vif(m, nh, r);
	if (rc == 0)
		rc = parse_rewrite(m, nh, r);
	if (rc == 0)
		rc = parse_tunnel_kind(t, nh, r);
	if (rc == 0)
		rc = parse_address(&t->source, "tunnel.source", &nh->tunnel.source_be, r);
	if (rc == 0)
		rc = parse_address(&t->destination, "tunnel.destination",
				   &nh->tunnel.destination_be, r);
	if (rc == 0)
		rc = parse_inner_mac(t, nh, r);
	if (rc < 0)
		return rc;
	if (nh->tunnel.source_be == nh->tunnel.destination_be)
		return refuse(r, EINVAL, "tunnel.destination",
			      "tunnel.destination is tunnel.source: it would lead back here");
	nexthop_tunnel_prepare(nh);
	return 0;
}

static int
parse_members(const Vrouter__Nexthop *m, struct nexthop *nh, struct refusal *r)
{
	if (m->n_members > NEXTHOP_MEMBERS_MAX)
		return refuse(
		    r, EINVAL, "members",
		    "%zu members are more than %d; let some of them be %s nexthops themselves",
		    m->n_members, NEXTHOP_MEMBERS_MAX, type_names[nh->type]);
	if (m->n_labels != 0 && m->n_labels != m->n_members)
		return refuse(r, EINVAL, "labels", "%zu labels are not as many as %zu members",
			      m->n_labels, m->n_members);
	for (size_t i = 0; i < m->n_members; i++) {
		uint32_t label = m->n_labels != 0 ? m->labels[i] : NEXTHOP_NO_LABEL;

		if (m->members[i] == m->id)
			return refuse(r, EINVAL, "members", "it cannot be a member of itself");
		if (m->members[i] > NEXTHOP_NO_MEMBER)
			return refuse(r, EINVAL, "members", "member %u is above %u", m->members[i],
				      NEXTHOP_IDS_MAX - 1);
		if (label > NEXTHOP_NO_LABEL)
			return refuse(r, EINVAL, "labels", "label %u is above %u", label,
				      NEXTHOP_NO_LABEL);
		nh->composite.members[i] = nexthop_member(m->members[i], label);
	}
	nh->composite.n = (uint8_t)m->n_members;
	return 0;
}

static int
parse_ecmp(const Vrouter__Nexthop *m, struct nexthop *nh, struct refusal *r)
{
	for (size_t i = 0; i < m->n_hash_fields; i++) {
		if (m->hash_fields[i] == VROUTER__NEXTHOP__HASH_FIELD__HASH_UNSET)
			return refuse(r, EINVAL, "hash_fields", "hash field 0 is none");
		nh->composite.hash_fields |= (uint8_t)(1u << (m->hash_fields[i] - 1));
	}
	return parse_members(m, nh, r);
}

int
nexthop_parse(const Vrouter__Nexthop *m, const struct conf *conf, struct nexthop *nh,
	      struct refusal *r)
{
	int rc;

	memset(nh, 0, sizeof(*nh));
	if (m->id >= conf->nexthops)
		return refuse(r, EINVAL, "id", "id %u is above %llu (option nexthops)", m->id,
			      (unsigned long long)conf->nexthops - 1);
	if (m->vrf >= conf->vrfs)
		return refuse(r, EINVAL, "vrf", "vrf %u is above %llu (option vrfs)", m->vrf,
			      (unsigned long long)conf->vrfs - 1);
	if (m->has_vif_case && m->vif >= conf->vifs)
		return refuse(r, EINVAL, "vif", "vif %u is above %llu (option vifs)", m->vif,
			      (unsigned long long)conf->vifs - 1);
	rc = check_type(m, r);
	if (rc == 0)
		rc = check_fields_of_type(m, r);
	if (rc < 0)
		return rc;

	nh->id = m->id;
	nh->vrf = m->vrf;
	nh->type = (uint8_t)(m->type - 1);
	nh->family = (uint8_t)m->family;
	rc = parse_flags(m, nh, r);
	if (rc < 0)
		return rc;
	switch (m->type) {
	case VROUTER__NEXTHOP__TYPE__ENCAP:
		return parse_encap(m, nh, r);
	case VROUTER__NEXTHOP__TYPE__FLOOD:
		return parse_members(m, nh, r);
	case VROUTER__NEXTHOP__TYPE__ECMP:
		return parse_ecmp(m, nh, r);
	case VROUTER__NEXTHOP__TYPE__TUNNEL:
		return parse_tunnel(m, nh, r);
	case VROUTER__NEXTHOP__TYPE__RECEIVE:
		nh->encap.vif = m->has_vif_case ? m->vif : VIF_NONE;
		return 0;
	default:
		return 0;
	}
}

/* --- back to a message --- */

static void
describe_link(const struct nexthop *nh, Vrouter__Nexthop *m)
{
	m->has_vif_case = VROUTER__NEXTHOP__HAS_VIF_VIF;
	m->vif = nh->encap.vif;
	m->rewrite.len = nh->encap.rewrite_len;
	m->rewrite.data = (uint8_t *)(uintptr_t)nh->encap.rewrite;
}

static void
describe_tunnel(const struct nexthop *nh, struct nexthop_description *d)
{
	Vrouter__Nexthop__Tunnel *t = &d->tunnel;

	vrouter__nexthop__tunnel__init(t);
	d->message.tunnel = t;
	t->kind = (Vrouter__Nexthop__Tunnel__Kind)(nh->tunnel.kind + 1);
	t->source.len = t->destination.len = ADDRESS_LEN;
	t->source.data = (uint8_t *)(uintptr_t)&nh->tunnel.source_be;
	t->destination.data = (uint8_t *)(uintptr_t)&nh->tunnel.destination_be;
	if (!NEXTHOP_HAS(nh, L3_VXLAN))
		return;
	t->inner_mac.len = MAC_LEN;
	t->inner_mac.data = (uint8_t *)(uintptr_t)nh->tunnel.inner_mac;
}

static void
describe_members(const struct nexthop *nh, struct nexthop_description *d)
{
	Vrouter__Nexthop *m = &d->message;
	bool labelled = false;

	m->n_members = nh->composite.n;
	m->members = d->members;
	m->labels = d->labels;
	for (uint32_t i = 0; i < nh->composite.n; i++) {
		d->members[i] = nexthop_member_id(&nh->composite.members[i]);
		d->labels[i] = nexthop_member_label(&nh->composite.members[i]);
		labelled |= d->labels[i] != NEXTHOP_NO_LABEL;
	}
	m->n_labels = labelled ? m->n_members : 0;
	m->hash_fields = d->hash_fields;
	for (uint32_t bit = 0; (1u << bit) < HASH_ALL; bit++)
		if ((nh->composite.hash_fields >> bit & 1) != 0)
			d->hash_fields[m->n_hash_fields++] = (Vrouter__Nexthop__HashField)(bit + 1);
}

void
nexthop_describe(const struct nexthop *nh, struct nexthop_description *d)
{
	Vrouter__Nexthop *m = &d->message;

	vrouter__nexthop__init(m);
	m->has_id_case = VROUTER__NEXTHOP__HAS_ID_ID;
	m->id = nh->id;
	m->type = (Vrouter__Nexthop__Type)(nh->type + 1);
	m->family = (Vrouter__Nexthop__Family)nh->family;
	m->vrf = nh->vrf;
	m->flags = d->flags;
	for (uint32_t bit = 0; bit < NEXTHOP_FLAGS; bit++)
		if ((nh->flags >> bit & 1) != 0)
			d->flags[m->n_flags++] = (Vrouter__Nexthop__Flag)(bit + 1);
	switch (nh->type) {
	case NEXTHOP_ENCAP:
		describe_link(nh, m);
		break;
	case NEXTHOP_TUNNEL:
		describe_link(nh, m);
		describe_tunnel(nh, d);
		break;
	case NEXTHOP_RECEIVE:
		if (nh->encap.vif == VIF_NONE)
			break;
		m->has_vif_case = VROUTER__NEXTHOP__HAS_VIF_VIF;
		m->vif = nh->encap.vif;
		break;
	case NEXTHOP_FLOOD:
	case NEXTHOP_ECMP:
		describe_members(nh, d);
		break;
	default:
		break;
	}
}

static int
nexthop_put(struct change *c, const ProtobufCMessage *object)
{
	struct tables *t = &c->ctl->tables;
	struct nexthop nh;
	int rc;

	rc = nexthop_parse((const Vrouter__Nexthop *)object, c->ctl->conf, &nh, c->refusal);
	if (rc == 0)
		rc = tables_stage_owner(t, &t->nexthop_owner[nh.id], c->owner);
	if (rc == 0)
		rc = idtab_stage_set(t->nexthop_writer, t->batch, nh.id, &nh);
	if (rc == 0 && t->rules->policed == 0 &&
	    (NEXTHOP_HAS(&nh, POLICY) || NEXTHOP_HAS(&nh, FLOW_LOOKUP)))
		rc = rules_stage_revise(t->rules_writer, t->batch, true);
	return rc;
}

static int
nexthop_remove(struct change *c, const ProtobufCMessage *object)
{
	uint32_t id = ((const Vrouter__Nexthop *)object)->id;
	struct tables *t = &c->ctl->tables;
	int rc;

	rc = idtab_stage_del(t->nexthop_writer, t->batch, id);
	if (rc == -ENOENT)
		return refuse(c->refusal, ENOENT, "id", "it does not exist");
	return rc == 0 ? tables_stage_owner(t, &t->nexthop_owner[id], 0) : rc;
}

static int
nexthop_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const Vrouter__Nexthop *m = (const Vrouter__Nexthop *)object;
	const struct nexthop *nh = nexthop_lookup(ctl->tables.nexthops, m->id);
	struct nexthop_description found;

	if (nh == NULL)
		return refuse(call_refusal(call), ENOENT, "id", "it does not exist");
	nexthop_describe(nh, &found);
	call_object(call, &found.message.base);
	return 0;
}

/* The cursor is the id to go on with; an absent id counts as a sixteenth of an object. */
static int
nexthop_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	     struct call *call)
{
	const struct idtab *t = ctl->tables.nexthops;
	struct nexthop_description found;

	(void)filter;
	for (budget *= 16; *cursor < t->ids && budget >= 16; (*cursor)++) {
		const struct nexthop *nh = nexthop_lookup(t, (uint32_t)*cursor);

		budget--;
		if (nh == NULL)
			continue;
		budget -= 15;
		nexthop_describe(nh, &found);
		call_object(call, &found.message.base);
	}
	if (*cursor >= t->ids)
		*cursor = OBJECT_LIST_END;
	return 0;
}

const struct object_kind object_nexthop = {
    .put = nexthop_put,
    .remove = nexthop_remove,
    .get = nexthop_get,
    .list = nexthop_list,
};

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
#include "ctl/call.h"
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

static const char *const type_names[] = {
#define NEXTHOP_TYPE(NAME, name, text) [NEXTHOP_##NAME] = name,
#include "common/nexthop_types.def"
#undef NEXTHOP_TYPE
};

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
	if (!m->has_vif_case)
		return refuse(r, EINVAL, "vif", "vif is missing: type encap leaves through one");
	nh->encap.vif = m->vif;
	if (nh->family != NEXTHOP_FAMILY_BRIDGE)
		return parse_rewrite(m, nh, r);
	if (m->rewrite.len != 0)
		return refuse(r, EINVAL, "rewrite",
			      "rewrite is for families inet and inet6: family bridge sends frames "
			      "as they are");
	return 0;
}

static int
parse_flood(const Vrouter__Nexthop *m, struct nexthop *nh, struct refusal *r)
{
	if (m->n_members > NEXTHOP_MEMBERS_MAX)
		return refuse(
		    r, EINVAL, "members",
		    "%zu members are more than %d; let some of them be flood nexthops themselves",
		    m->n_members, NEXTHOP_MEMBERS_MAX);
	for (size_t i = 0; i < m->n_members; i++) {
		if (m->members[i] == m->id)
			return refuse(r, EINVAL, "members", "it cannot be a member of itself");
		if (m->members[i] >= NEXTHOP_IDS_MAX)
			return refuse(r, EINVAL, "members", "member %u is above %u", m->members[i],
				      NEXTHOP_IDS_MAX - 1);
		nh->composite.members[i] = nexthop_member(m->members[i], NEXTHOP_NO_LABEL);
	}
	nh->composite.n = (uint8_t)m->n_members;
	return 0;
}

/* A field that the type does not use is a mistake, and not to be ignored. */
static int
check_fields_of_type(const Vrouter__Nexthop *m, struct refusal *r)
{
	const char *type = type_names[m->type - 1];

	if (m->has_vif_case && m->type != VROUTER__NEXTHOP__TYPE__ENCAP)
		return refuse(r, EINVAL, "vif", "vif is for type encap, not %s", type);
	if (m->rewrite.len != 0 && m->type != VROUTER__NEXTHOP__TYPE__ENCAP)
		return refuse(r, EINVAL, "rewrite", "rewrite is for type encap, not %s", type);
	if (m->n_members != 0 && m->type != VROUTER__NEXTHOP__TYPE__FLOOD)
		return refuse(r, EINVAL, "members", "members is for type flood, not %s", type);
	if (m->family != VROUTER__NEXTHOP__FAMILY__BRIDGE &&
	    m->type == VROUTER__NEXTHOP__TYPE__FLOOD)
		return refuse(r, ENOTSUP, "family", "only frames are flooded: family bridge");
	return 0;
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
	if (m->type == VROUTER__NEXTHOP__TYPE__TYPE_UNSET)
		return refuse(r, EINVAL, "type", "type is missing");
	rc = check_fields_of_type(m, r);
	if (rc < 0)
		return rc;

	nh->id = m->id;
	nh->vrf = m->vrf;
	nh->type = (uint8_t)(m->type - 1);
	nh->family = (uint8_t)m->family;
	switch (m->type) {
	case VROUTER__NEXTHOP__TYPE__ENCAP:
		return parse_encap(m, nh, r);
	case VROUTER__NEXTHOP__TYPE__FLOOD:
		return parse_flood(m, nh, r);
	default:
		return 0;
	}
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
	switch (nh->type) {
	case NEXTHOP_ENCAP:
		m->has_vif_case = VROUTER__NEXTHOP__HAS_VIF_VIF;
		m->vif = nh->encap.vif;
		m->rewrite.len = nh->encap.rewrite_len;
		m->rewrite.data = (uint8_t *)(uintptr_t)nh->encap.rewrite;
		break;
	case NEXTHOP_FLOOD:
		m->n_members = nh->composite.n;
		m->members = d->members;
		for (uint32_t i = 0; i < nh->composite.n; i++)
			d->members[i] = nexthop_member_id(&nh->composite.members[i]);
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

/* SPDX-License-Identifier: BSD-3-Clause */
/* Bridge entries in the API: where frames to a MAC go. vr-ctl's main thread only. */
#include "ctl/object.h"

#include <errno.h>
#include <string.h>

#include "common/bridge.h"
#include "common/conf.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/object_bridge.h"

enum { MAC_LEN = 6, WALK_MAX = 64 };

int
bridge_parse_key(const Vrouter__Bridge *m, const struct conf *conf, struct bridge_key *key,
		 struct refusal *r)
{
	static const uint8_t zero[MAC_LEN];

	memset(key, 0, sizeof(*key));
	if (m->vrf >= conf->vrfs)
		return refuse(r, EINVAL, "vrf", "vrf %u is above %llu (option vrfs)", m->vrf,
			      (unsigned long long)conf->vrfs - 1);
	if (m->mac.len != MAC_LEN)
		return refuse(r, EINVAL, "mac", "mac has %zu bytes, not 6", m->mac.len);
	if (memcmp(m->mac.data, zero, MAC_LEN) == 0)
		return refuse(r, EINVAL, "mac", "mac is 00:00:00:00:00:00, which nobody has");
	key->vrf = m->vrf;
	memcpy(key->mac, m->mac.data, MAC_LEN);
	return 0;
}

int
bridge_parse_value(const Vrouter__Bridge *m, const struct conf *conf, uint64_t *value,
		   struct refusal *r)
{
	uint64_t flags = m->dhcp_flood ? BRIDGE_DHCP_FLOOD : 0;

	if (!m->has_nexthop_case)
		return refuse(r, EINVAL, "nexthop", "nexthop is missing");
	if (m->nexthop >= conf->nexthops)
		return refuse(r, EINVAL, "nexthop", "nexthop %u is above %llu (option nexthops)",
			      m->nexthop, (unsigned long long)conf->nexthops - 1);
	if (m->has_label_case && m->label > BRIDGE_LABEL_MAX)
		return refuse(r, EINVAL, "label",
			      "label %u is above %u, the highest VNI (of MPLS labels, 1048575 is)",
			      m->label, BRIDGE_LABEL_MAX);
	if (m->has_label_case)
		flags |= BRIDGE_LABEL_VALID;
	*value = bridge_value(m->nexthop, m->has_label_case ? m->label : 0, flags);
	return 0;
}

/* 'm' borrows from 'key'. */
static void
bridge_describe(struct bridge_key *key, uint64_t value, Vrouter__Bridge *m)
{
	vrouter__bridge__init(m);
	m->has_vrf_case = VROUTER__BRIDGE__HAS_VRF_VRF;
	m->vrf = key->vrf;
	m->mac.len = MAC_LEN;
	m->mac.data = key->mac;
	m->has_nexthop_case = VROUTER__BRIDGE__HAS_NEXTHOP_NEXTHOP;
	m->nexthop = bridge_value_nexthop(value);
	if ((value & BRIDGE_LABEL_VALID) != 0) {
		m->has_label_case = VROUTER__BRIDGE__HAS_LABEL_LABEL;
		m->label = bridge_value_label(value);
	}
	m->dhcp_flood = (value & BRIDGE_DHCP_FLOOD) != 0;
}

static int
bridge_put(struct change *c, const ProtobufCMessage *object)
{
	const Vrouter__Bridge *m = (const Vrouter__Bridge *)object;
	struct tables *t = &c->ctl->tables;
	struct refusal *r = c->refusal;
	struct bridge_key key;
	uint64_t value = 0;
	int rc;

	rc = bridge_parse_key(m, c->ctl->conf, &key, r);
	if (rc == 0)
		rc = bridge_parse_value(m, c->ctl->conf, &value, r);
	if (rc < 0)
		return rc;
	rc = bridge_stage_set(t->bridge_writer, t->batch, &key, value, c->owner);
	if (rc == -ENOSPC)
		return refuse(r, ENOSPC, NULL,
			      "the table is full: %u of %u entries (option bridge-entries)",
			      bridge_used(t->bridge), bridge_capacity(t->bridge));
	return rc;
}

static int
bridge_remove(struct change *c, const ProtobufCMessage *object)
{
	struct tables *t = &c->ctl->tables;
	struct bridge_key key;
	int rc;

	rc = bridge_parse_key((const Vrouter__Bridge *)object, c->ctl->conf, &key, c->refusal);
	if (rc < 0)
		return rc;
	rc = bridge_stage_del(t->bridge_writer, t->batch, &key);
	if (rc == -ENOENT)
		return refuse(c->refusal, ENOENT, "mac", "it does not exist");
	return rc;
}

static int
bridge_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	struct refusal *r = call_refusal(call);
	struct bridge_key key;
	Vrouter__Bridge found;
	uint64_t value;
	int rc;

	rc = bridge_parse_key((const Vrouter__Bridge *)object, ctl->conf, &key, r);
	if (rc < 0)
		return rc;
	if (bridge_lookup(ctl->tables.bridge, &key, &value) < 0)
		return refuse(r, ENOENT, "mac", "it does not exist");
	bridge_describe(&key, value, &found);
	call_object(call, &found.base);
	return 0;
}

static int
bridge_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	    struct call *call)
{
	const Vrouter__Bridge *wanted = (const Vrouter__Bridge *)filter;
	struct bridge_key keys[WALK_MAX];
	uint64_t values[WALK_MAX];
	uint32_t n;
	Vrouter__Bridge found;

	while (*cursor != OBJECT_LIST_END && budget >= WALK_MAX) {
		budget -= WALK_MAX;
		n = bridge_walk(ctl->tables.bridge, cursor, WALK_MAX, keys, values);
		for (uint32_t i = 0; i < n; i++) {
			if (wanted->has_vrf_case && wanted->vrf != keys[i].vrf)
				continue;
			bridge_describe(&keys[i], values[i], &found);
			call_object(call, &found.base);
		}
	}
	return 0;
}

const struct object_kind object_bridge = {
    .put = bridge_put,
    .remove = bridge_remove,
    .get = bridge_get,
    .list = bridge_list,
};

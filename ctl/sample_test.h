/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Objects of every kind that can be in a batch, for tests that must not forget one: they walk over
 * objects.def, and a kind that is new there fails them until it has a sample here. Included by each
 * test once, after batch_test.h.
 */
#ifndef CTL_SAMPLE_TEST_H
#define CTL_SAMPLE_TEST_H

#include "ctl/batch_test.h"

enum { SAMPLES = 4 }; /* of each kind, numbered from 0 */

static struct {
	char name[CHANGES_MAX][16];
	union {
		Vrouter__Vrf vrf;
		Vrouter__Label label;
		Vrouter__Vni vni;
		Vrouter__Rule rule;
	} m[CHANGES_MAX];
	uint32_t members[CHANGES_MAX][2];
	uint32_t ports[CHANGES_MAX];
	Vrouter__Vif__Flag flags[CHANGES_MAX];
} samples;

/* Host, agent and uplink are noted at places of their own, and policy has flows decided anew. */
static inline void
sample_vif(Vrouter__Op op, uint32_t i, uint32_t version)
{
	static const Vrouter__Vif__Type types[SAMPLES] = {
	    VROUTER__VIF__TYPE__VIRTUAL,
	    VROUTER__VIF__TYPE__HOST,
	    VROUTER__VIF__TYPE__AGENT,
	    VROUTER__VIF__TYPE__PHYSICAL,
	};
	Vrouter__Vif *m = &q.vif[q.n];
	Vrouter__Vif__Flag *flag = &samples.flags[q.n];

	vif(op, i, NULL);
	if (op != VROUTER__OP__ADD)
		return;
	m->type = types[i];
	m->mtu = 1000 + version;
	*flag = version % 2 != 0 ? VROUTER__VIF__FLAG__POLICY : VROUTER__VIF__FLAG__L3;
	m->flags = flag;
	m->n_flags = 1;
}

static inline void
sample_nexthop(Vrouter__Op op, uint32_t i, uint32_t version)
{
	Vrouter__Nexthop *m = &q.nexthop[q.n];
	uint32_t *members = samples.members[q.n];

	nexthop(op, i, version % 40);
	if (op != VROUTER__OP__ADD || i % 2 == 0)
		return;
	m->type = VROUTER__NEXTHOP__TYPE__FLOOD;
	m->has_vif_case = 0;
	members[0] = 100 + version;
	members[1] = 200 + i;
	m->members = members;
	m->n_members = 2;
}

static inline void
sample_vrf(Vrouter__Op op, uint32_t i, uint32_t version)
{
	Vrouter__Vrf *m = &samples.m[q.n].vrf;
	char *name = samples.name[q.n];
	Vrouter__Object *object = next(op);

	vrouter__vrf__init(m);
	m->has_id_case = VROUTER__VRF__HAS_ID_ID;
	m->id = i;
	snprintf(name, sizeof(samples.name[0]), "blue-%u", version);
	m->name = name;
	object->kind_case = VROUTER__OBJECT__KIND_VRF;
	object->vrf = m;
}

static inline void
sample_label(Vrouter__Op op, uint32_t i, uint32_t version)
{
	Vrouter__Label *m = &samples.m[q.n].label;
	Vrouter__Object *object = next(op);

	vrouter__label__init(m);
	m->has_label_case = VROUTER__LABEL__HAS_LABEL_LABEL;
	m->label = 16 + i;
	m->has_nexthop_case = VROUTER__LABEL__HAS_NEXTHOP_NEXTHOP;
	m->nexthop = version;
	object->kind_case = VROUTER__OBJECT__KIND_LABEL;
	object->label = m;
}

static inline void
sample_vni(Vrouter__Op op, uint32_t i, uint32_t version)
{
	Vrouter__Vni *m = &samples.m[q.n].vni;
	Vrouter__Object *object = next(op);

	vrouter__vni__init(m);
	m->has_vni_case = VROUTER__VNI__HAS_VNI_VNI;
	m->vni = 5000 + i;
	m->has_nexthop_case = VROUTER__VNI__HAS_NEXTHOP_NEXTHOP;
	m->nexthop = version;
	object->kind_case = VROUTER__OBJECT__KIND_VNI;
	object->vni = m;
}

/* Two in the list of each of two vifs. */
static inline void
sample_rule(Vrouter__Op op, uint32_t i, uint32_t version)
{
	Vrouter__Rule *m = &samples.m[q.n].rule;
	uint32_t *port = &samples.ports[q.n];
	Vrouter__Object *object = next(op);

	vrouter__rule__init(m);
	m->has_vif_case = VROUTER__RULE__HAS_VIF_VIF;
	m->vif = i / 2;
	m->has_priority_case = VROUTER__RULE__HAS_PRIORITY_PRIORITY;
	m->priority = i;
	m->direction = VROUTER__RULE__DIRECTION__INGRESS;
	m->action = VROUTER__RULE__ACTION__ALLOW;
	*port = version;
	m->destination_ports = port;
	m->n_destination_ports = 1;
	object->kind_case = VROUTER__OBJECT__KIND_RULE;
	object->rule = m;
}

static inline void
sample_bridge(Vrouter__Op op, uint32_t i, uint32_t version)
{
	bridge(op, i, version);
}

static inline void
sample_route(Vrouter__Op op, uint32_t i, uint32_t version)
{
	route(op, i, version);
}

typedef void sample_maker(Vrouter__Op op, uint32_t i, uint32_t version);

/*
 * What puts an ADD or DEL of the kind's sample number 'i' into the batch; each version of a sample
 * says something else. NULL: the kind cannot be in a batch, or is refused there (object_later.c).
 */
static inline sample_maker *
sample_of(const struct object_info *info)
{
	if (info->kind->put == NULL)
		return NULL;
	switch (info->member->id) {
	case VROUTER__OBJECT__KIND_VIF:
		return sample_vif;
	case VROUTER__OBJECT__KIND_NEXTHOP:
		return sample_nexthop;
	case VROUTER__OBJECT__KIND_BRIDGE:
		return sample_bridge;
	case VROUTER__OBJECT__KIND_ROUTE:
		return sample_route;
	case VROUTER__OBJECT__KIND_VRF:
		return sample_vrf;
	case VROUTER__OBJECT__KIND_LABEL:
		return sample_label;
	case VROUTER__OBJECT__KIND_VNI:
		return sample_vni;
	case VROUTER__OBJECT__KIND_RULE:
		return sample_rule;
	case VROUTER__OBJECT__KIND_MIRROR:
	case VROUTER__OBJECT__KIND_QOS_MAP:
	case VROUTER__OBJECT__KIND_FORWARDING_CLASS:
	case VROUTER__OBJECT__KIND_VLAN_ASSIGNMENT:
		return NULL;
	default:
		fail_msg("%s can be in a batch and has no sample", info->name);
		return NULL;
	}
}

/* Objects of the kind that there are, as the API lists them; 'each' may be NULL. */
static inline uint32_t
list_kind(const struct object_info *info, void (*each)(void *arg, const Vrouter__Response *r),
	  void *arg)
{
	const ProtobufCMessageDescriptor *d = info->member->descriptor;
	ProtobufCMessage *filter = calloc(1, d->sizeof_message);
	uint32_t n;

	assert_non_null(filter);
	protobuf_c_message_init(d, filter);
	assert_ok(ask(VROUTER__OP__LIST, info->name, filter));
	n = asker.n - 1;
	for (uint32_t i = 0; each != NULL && i < n; i++)
		each(arg, asker.answers[i]);
	free(filter);
	return n;
}

#endif

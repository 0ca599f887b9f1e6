/* SPDX-License-Identifier: BSD-3-Clause */
/* VNIs of packets out of VXLAN in the API. vr-ctl's main thread only. */
#include "ctl/object.h"

#include "common/number.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/number_table.h"
#include "proto/vrouter.pb-c.h"

static struct number
vni_number(const struct ctl *ctl, const ProtobufCMessage *object)
{
	const Vrouter__Vni *m = (const Vrouter__Vni *)object;

	return (struct number){.field = "vni",
			       .option = "vnis",
			       .number = m->vni,
			       .max = VNI_MAX,
			       .has_nexthop = m->has_nexthop_case != 0,
			       .nexthop = m->nexthop,
			       .table = ctl->tables.vnis,
			       .writer = ctl->tables.vni_writer};
}

static int
vni_put(struct change *c, const ProtobufCMessage *object)
{
	struct number n = vni_number(c->ctl, object);

	return number_put(c, &n);
}

static int
vni_remove(struct change *c, const ProtobufCMessage *object)
{
	struct number n = vni_number(c->ctl, object);

	return number_remove(c, &n);
}

static void
vni_send(struct call *call, uint32_t number, uint32_t nexthop)
{
	Vrouter__Vni m = VROUTER__VNI__INIT;

	m.has_vni_case = VROUTER__VNI__HAS_VNI_VNI;
	m.vni = number;
	m.has_nexthop_case = VROUTER__VNI__HAS_NEXTHOP_NEXTHOP;
	m.nexthop = nexthop;
	call_object(call, &m.base);
}

static int
vni_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	struct number n = vni_number(ctl, object);
	uint32_t nexthop = 0;
	int rc = number_get(&n, &nexthop, call_refusal(call));

	if (rc == 0)
		vni_send(call, n.number, nexthop);
	return rc;
}

static int
vni_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	 struct call *call)
{
	(void)filter;
	return number_list(ctl->tables.vnis, cursor, budget, call, vni_send);
}

const struct object_kind object_vni = {
    .put = vni_put,
    .remove = vni_remove,
    .get = vni_get,
    .list = vni_list,
};

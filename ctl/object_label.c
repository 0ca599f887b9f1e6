/* SPDX-License-Identifier: BSD-3-Clause */
/* MPLS labels of packets out of tunnels in the API. vr-ctl's main thread only. */
#include "ctl/object.h"

#include "common/number.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/number_table.h"
#include "proto/vrouter.pb-c.h"

static struct number
label_number(const struct ctl *ctl, const ProtobufCMessage *object)
{
	const Vrouter__Label *m = (const Vrouter__Label *)object;

	return (struct number){.field = "label",
			       .option = "labels",
			       .number = m->label,
			       .max = LABEL_MAX,
			       .has_nexthop = m->has_nexthop_case != 0,
			       .nexthop = m->nexthop,
			       .table = ctl->tables.labels,
			       .writer = ctl->tables.label_writer};
}

static int
label_put(struct change *c, const ProtobufCMessage *object)
{
	struct number n = label_number(c->ctl, object);

	return number_put(c, &n);
}

static int
label_remove(struct change *c, const ProtobufCMessage *object)
{
	struct number n = label_number(c->ctl, object);

	return number_remove(c, &n);
}

static void
label_send(struct call *call, uint32_t number, uint32_t nexthop)
{
	Vrouter__Label m = VROUTER__LABEL__INIT;

	m.has_label_case = VROUTER__LABEL__HAS_LABEL_LABEL;
	m.label = number;
	m.has_nexthop_case = VROUTER__LABEL__HAS_NEXTHOP_NEXTHOP;
	m.nexthop = nexthop;
	call_object(call, &m.base);
}

static int
label_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	struct number n = label_number(ctl, object);
	uint32_t nexthop = 0;
	int rc = number_get(&n, &nexthop, call_refusal(call));

	if (rc == 0)
		label_send(call, n.number, nexthop);
	return rc;
}

static int
label_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	   struct call *call)
{
	(void)filter;
	return number_list(ctl->tables.labels, cursor, budget, call, label_send);
}

const struct object_kind object_label = {
    .put = label_put,
    .remove = label_remove,
    .get = label_get,
    .list = label_list,
};

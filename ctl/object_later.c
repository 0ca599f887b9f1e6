/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kinds of objects that controllers know and this router's packet path does not act on yet. The
 * contract has them, so that a controller learns it in a sentence: accepted and ignored, they would
 * look as if they worked. vr-ctl's main thread only.
 */
#include "ctl/object.h"

#include <errno.h>

#include "ctl/call.h"
#include "ctl/refusal.h"

static int
absent_remove(struct change *c, const ProtobufCMessage *object)
{
	(void)object;
	return refuse(c->refusal, ENOENT, NULL, "it does not exist");
}

static int
absent_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	(void)ctl;
	(void)object;
	return refuse(call_refusal(call), ENOENT, NULL, "it does not exist");
}

static int
absent_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	    struct call *call)
{
	(void)ctl;
	(void)filter;
	(void)budget;
	(void)call;
	*cursor = OBJECT_LIST_END;
	return 0;
}

/* 'what' completes "this router does not ... yet". */
#define LATER(name, what)                                                                      \
	static int name##_put(struct change *c, const ProtobufCMessage *object)                \
	{                                                                                      \
		(void)object;                                                                  \
		return refuse(c->refusal, ENOTSUP, NULL, "this router does not " what " yet"); \
	}                                                                                      \
	const struct object_kind object_##name = {                                             \
	    .put = name##_put, .remove = absent_remove, .get = absent_get, .list = absent_list}

LATER(mirror, "mirror packets");
LATER(qos_map, "classify packets for quality of service");
LATER(forwarding_class, "mark packets for quality of service");
LATER(vlan_assignment, "assign VLANs of service vifs to VRFs");

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VRFs in the API: names for the ids that routes, vifs and nexthops use. A VRF needs none to work.
 * vr-ctl's main thread only.
 */
#include "ctl/object.h"

#include <errno.h>
#include <string.h>

#include "common/conf.h"
#include "common/vrf.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "proto/vrouter.pb-c.h"

static int
vrf_parse(const Vrouter__Vrf *m, const struct conf *conf, struct vrf *vrf, struct refusal *r)
{
	size_t len = strlen(m->name);

	memset(vrf, 0, sizeof(*vrf));
	if (m->id >= conf->vrfs)
		return refuse(r, EINVAL, "id", "id %u is above %llu (option vrfs)", m->id,
			      (unsigned long long)conf->vrfs - 1);
	if (len >= sizeof(vrf->name))
		return refuse(r, EINVAL, "name", "name has %zu bytes, more than %zu", len,
			      sizeof(vrf->name) - 1);
	if (m->has_hbs_left_case || m->has_hbs_right_case)
		return refuse(r, ENOTSUP, m->has_hbs_left_case ? "hbs_left" : "hbs_right",
			      "host-based services are not done yet");
	vrf->id = m->id;
	memcpy(vrf->name, m->name, len);
	return 0;
}

static int
vrf_put(struct change *c, const ProtobufCMessage *object)
{
	struct tables *t = &c->ctl->tables;
	struct vrf vrf;
	int rc;

	rc = vrf_parse((const Vrouter__Vrf *)object, c->ctl->conf, &vrf, c->refusal);
	if (rc == 0)
		rc = tables_stage_owner(t, &t->vrf_owner[vrf.id], c->owner);
	if (rc == 0)
		rc = idtab_stage_set(t->vrf_writer, t->batch, vrf.id, &vrf);
	return rc;
}

static int
vrf_remove(struct change *c, const ProtobufCMessage *object)
{
	uint32_t id = ((const Vrouter__Vrf *)object)->id;
	struct tables *t = &c->ctl->tables;
	int rc;

	rc = idtab_stage_del(t->vrf_writer, t->batch, id);
	if (rc == -ENOENT)
		return refuse(c->refusal, ENOENT, "id", "it does not exist");
	return rc == 0 ? tables_stage_owner(t, &t->vrf_owner[id], 0) : rc;
}

static void
vrf_send(const struct vrf *vrf, struct call *call)
{
	Vrouter__Vrf m = VROUTER__VRF__INIT;

	m.has_id_case = VROUTER__VRF__HAS_ID_ID;
	m.id = vrf->id;
	m.name = (char *)(uintptr_t)vrf->name;
	call_object(call, &m.base);
}

static int
vrf_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const struct vrf *vrf = vrf_lookup(ctl->tables.vrfs, ((const Vrouter__Vrf *)object)->id);

	if (vrf == NULL)
		return refuse(call_refusal(call), ENOENT, "id", "it does not exist");
	vrf_send(vrf, call);
	return 0;
}

/* The cursor is the id to go on with; an absent id counts as a sixteenth of an object. */
static int
vrf_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	 struct call *call)
{
	const struct idtab *t = ctl->tables.vrfs;

	(void)filter;
	for (budget *= 16; *cursor < t->ids && budget >= 16; (*cursor)++) {
		const struct vrf *vrf = vrf_lookup(t, (uint32_t)*cursor);

		budget--;
		if (vrf == NULL)
			continue;
		budget -= 15;
		vrf_send(vrf, call);
	}
	if (*cursor >= t->ids)
		*cursor = OBJECT_LIST_END;
	return 0;
}

const struct object_kind object_vrf = {
    .put = vrf_put,
    .remove = vrf_remove,
    .get = vrf_get,
    .list = vrf_list,
};

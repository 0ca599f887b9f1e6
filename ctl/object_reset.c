/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `reset` in the API: tables, counters, or both. Nothing but baselines of counters is written; the
 * counters themselves are the slots'. vr-ctl's main thread only.
 */
#include "ctl/object.h"

#include <errno.h>

#include "common/conf.h"
#include "common/counters.h"
#include "common/redo.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/sweep.h"

/* The cursor has the vif to go on with, once it is above a sweep's. */
#define COUNTERS_FROM (UINT64_C(1) << 63)
enum { STEP_VIFS = 64 };

static int
reset_vif(struct ctl *ctl, uint32_t vif)
{
	int rc = tables_stage_reset(&ctl->tables, vif);

	if (rc < 0)
		redo_abandon(ctl->tables.batch);
	else
		redo_commit(ctl->tables.batch);
	return rc;
}

static int
reset_counters(struct ctl *ctl, uint64_t *cursor)
{
	uint64_t vif = *cursor - COUNTERS_FROM, end = vif + STEP_VIFS;
	int rc = 0;

	for (; vif < ctl->tables.counters->vifs && vif < end && rc == 0; vif++)
		rc = reset_vif(ctl, (uint32_t)vif);
	*cursor = COUNTERS_FROM + vif;
	ctl->longest_turn_us = 0;
	return rc < 0 || vif == ctl->tables.counters->vifs ? rc : -EAGAIN;
}

static int
reset_set(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const Vrouter__Reset *m = (const Vrouter__Reset *)object;
	const struct sweep everything = {.all = true};
	struct refusal *r = call_refusal(call);
	uint64_t *cursor = call_cursor(call);
	int rc;

	if (!m->tables && !m->counters)
		return refuse(r, EINVAL, "tables", "say what: tables, counters, or both");
	if (m->has_vif_case && (m->tables || m->vif >= ctl->conf->vifs))
		return refuse(r, EINVAL, "vif",
			      m->tables ? "vif %u goes with counters only"
					: "vif %u is above what the option vifs allows",
			      m->vif);
	if (m->has_vif_case)
		return reset_vif(ctl, m->vif);
	if (m->tables && *cursor < COUNTERS_FROM) {
		rc = sweep_step(ctl, &everything, cursor, call);
		if (rc != 0 || !m->counters)
			return rc;
	}
	if (*cursor < COUNTERS_FROM)
		*cursor = COUNTERS_FROM;
	return reset_counters(ctl, cursor);
}

const struct object_kind object_reset = {.set = reset_set};

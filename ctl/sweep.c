/* SPDX-License-Identifier: BSD-3-Clause */
/* Removes many objects in steps; see sweep.h. vr-ctl's main thread only. */
#include "ctl/sweep.h"

#include <errno.h>

#include "common/bridge.h"
#include "common/controller.h"
#include "common/redo.h"
#include "common/route.h"
#include "common/rules.h"
#include "common/vif.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/events.h"
#include "ctl/object.h"
#include "ctl/object_vif.h"

/* The cursor: what is swept in the upper bits, where in the lower. */
enum stage { BRIDGES, LABELS, VNIS, ROUTES, NEXTHOPS, VRFS, RULES, VIFS, SWEPT };
enum { STAGE_SHIFT = 59, STEP_CELLS = 512, STEP_ROUTES = 512, STEP_IDS = 4096, STEP_REMOVED = 256 };

static uint64_t
cursor_at(enum stage stage, uint64_t position)
{
	return (uint64_t)stage << STAGE_SHIFT | position;
}

static bool
doomed(const struct sweep *what, uint16_t tag)
{
	return what->all ||
	       (controller_of_tag(tag) == what->controller && (uint8_t)tag != what->epoch);
}

/* Decides on what a step has staged. */
static int
decide(struct ctl *ctl, int rc)
{
	struct tables *t = &ctl->tables;

	if (rc == 0)
		rc = tables_may_commit(t);
	if (rc < 0) {
		redo_abandon(t->batch);
		return rc == -E2BIG || rc == -EFBIG ? -ENOBUFS : rc;
	}
	ctl->revision += redo_staged(t->batch) > 0;
	redo_commit(t->batch);
	return 0;
}

/* Tables of bridge.h: what is in the cells, and whose it is. */
static int
sweep_cells(struct ctl *ctl, const struct sweep *what, uint64_t *cursor, const struct bridge *b,
	    struct bridge_writer *writer, const uint16_t *owner_of_cell)
{
	struct tables *t = &ctl->tables;
	enum stage stage = (enum stage)(*cursor >> STAGE_SHIFT);
	struct bridge_key keys[STEP_CELLS];
	uint16_t owners[STEP_CELLS];
	uint64_t at = *cursor - cursor_at(stage, 0);
	uint32_t n;
	int rc = 0;

	n = bridge_walk_owners(b, owner_of_cell, &at, STEP_CELLS, keys, owners);
	for (uint32_t i = 0; i < n && rc == 0; i++)
		if (doomed(what, owners[i]))
			rc = bridge_stage_del(writer, t->batch, &keys[i]);
	rc = decide(ctl, rc);
	if (rc == 0)
		*cursor = at != UINT64_MAX ? cursor_at(stage, at) : cursor_at(stage + 1, 0);
	return rc;
}

static int
stage_route_del(struct tables *t, const struct route_key *key)
{
	int rc = route_stage_del(t->route_writer, t->batch, key);

	return rc == 0 ? tables_stage_unstitch(t, key) : rc;
}

/* The tries follow as the routes go, so that not too many wait for it. */
static int
sweep_routes(struct ctl *ctl, const struct sweep *what, uint64_t *cursor)
{
	struct tables *t = &ctl->tables;
	struct route_key keys[STEP_ROUTES];
	uint64_t values[STEP_ROUTES];
	uint16_t owners[STEP_ROUTES];
	uint64_t at = *cursor - cursor_at(ROUTES, 0);
	uint32_t n;
	int rc;

	rc = route_follow(t->route_writer, route_changes(t->route_writer), STEP_ROUTES);
	if (rc == -EAGAIN || rc == -ENOBUFS)
		return 0;
	rc = 0;
	n = route_walk(t->routes, &at, STEP_ROUTES, STEP_ROUTES, keys, values, owners);
	for (uint32_t i = 0; i < n && rc == 0; i++)
		if (doomed(what, owners[i]))
			rc = stage_route_del(t, &keys[i]);
	rc = decide(ctl, rc);
	if (rc == 0)
		*cursor = at != UINT64_MAX ? cursor_at(ROUTES, at) : cursor_at(NEXTHOPS, 0);
	return rc;
}

/* Tables of idtab.h, and whose each id is. */
static int
sweep_ids(struct ctl *ctl, const struct sweep *what, uint64_t *cursor, const struct idtab *ids,
	  struct idtab_writer *writer, uint16_t *owner)
{
	struct tables *t = &ctl->tables;
	enum stage stage = (enum stage)(*cursor >> STAGE_SHIFT);
	uint64_t first = *cursor - cursor_at(stage, 0), id = first;
	uint32_t removed = 0;
	int rc = 0;

	for (; id < ids->ids && id < first + STEP_IDS && removed < STEP_REMOVED && rc == 0; id++) {
		if (idtab_lookup(ids, (uint32_t)id) == NULL || !doomed(what, owner[id]))
			continue;
		rc = idtab_stage_del(writer, t->batch, (uint32_t)id);
		if (rc == 0)
			rc = tables_stage_owner(t, &owner[id], 0);
		removed++;
	}
	rc = decide(ctl, rc);
	if (rc == 0)
		*cursor = id < ids->ids ? cursor_at(stage, id) : cursor_at(stage + 1, 0);
	return rc;
}

/* The doomed rules of one vif; each takes room in the log once, for they share the vif's list. */
static int
stage_rules(struct tables *t, const struct sweep *what, uint32_t vif)
{
	int rc = 0;

	for (;;) {
		uint32_t n, doomed_at;
		const struct rule *rules = rules_staged(t->rules_writer, t->batch, vif, &n);

		for (doomed_at = 0; doomed_at < n; doomed_at++)
			if (doomed(what, *rules_owner(t->rules, &rules[doomed_at])))
				break;
		if (doomed_at == n || rc < 0)
			return rc;
		rc = rules_stage_del(t->rules_writer, t->batch, vif, rules[doomed_at].priority);
	}
}

static int
sweep_rules(struct ctl *ctl, const struct sweep *what, uint64_t *cursor)
{
	struct tables *t = &ctl->tables;
	uint64_t first = *cursor - cursor_at(RULES, 0), vif = first;
	uint32_t removed = 0;
	int rc = 0;

	for (; vif < t->rules->vifs && vif < first + STEP_IDS && removed < STEP_REMOVED && rc == 0;
	     vif++) {
		uint32_t n;

		rules_of(t->rules, (uint32_t)vif, &n);
		removed += n;
		if (n > 0)
			rc = stage_rules(t, what, (uint32_t)vif);
	}
	rc = decide(ctl, rc);
	if (rc == 0)
		*cursor = vif < t->rules->vifs ? cursor_at(RULES, vif) : cursor_at(VIFS, 0);
	return rc;
}

static void
on_port_gone(void *arg, int code, const char *text)
{
	(void)code; /* what is left is a port without a vif, and a vif that wants it takes it */
	(void)text;
	call_wake(arg);
}

/* One after the other, as each may have a port that the primary removes. */
static int
sweep_vifs(struct ctl *ctl, const struct sweep *what, uint64_t *cursor, struct call *call)
{
	struct refusal ignored = {0};
	struct tables *t = &ctl->tables;
	uint64_t id = *cursor - cursor_at(VIFS, 0);
	int rc;

	for (; id < t->vifs->ids; id++) {
		const struct vif *vif = vif_lookup(t->vifs, (uint32_t)id);
		int32_t port;

		if (vif == NULL || !doomed(what, t->vif_owner[id]))
			continue;
		port = vif->port;
		rc = vif_stage_del(t, (uint32_t)id);
		rc = decide(ctl, rc);
		*cursor = cursor_at(VIFS, id + (rc == 0));
		if (rc < 0)
			return rc;
		events_vif(ctl->events, (uint32_t)id);
		rc = vif_drop_port(ctl, port, &ignored, on_port_gone, call);
		return rc == OBJECT_LATER ? rc : -EAGAIN;
	}
	*cursor = cursor_at(SWEPT, 0);
	return 0;
}

int
sweep_step(struct ctl *ctl, const struct sweep *what, uint64_t *cursor, struct call *call)
{
	struct tables *t = &ctl->tables;
	int rc;

	switch ((enum stage)(*cursor >> STAGE_SHIFT)) {
	case BRIDGES:
		rc = sweep_cells(ctl, what, cursor, t->bridge, t->bridge_writer, t->bridge_owner);
		break;
	case LABELS:
		rc = sweep_cells(ctl, what, cursor, t->labels, t->label_writer, t->label_owner);
		break;
	case VNIS:
		rc = sweep_cells(ctl, what, cursor, t->vnis, t->vni_writer, t->vni_owner);
		break;
	case ROUTES:
		rc = sweep_routes(ctl, what, cursor);
		break;
	case NEXTHOPS:
		rc = sweep_ids(ctl, what, cursor, t->nexthops, t->nexthop_writer, t->nexthop_owner);
		break;
	case VRFS:
		rc = sweep_ids(ctl, what, cursor, t->vrfs, t->vrf_writer, t->vrf_owner);
		break;
	case RULES:
		rc = sweep_rules(ctl, what, cursor);
		break;
	case VIFS:
		return sweep_vifs(ctl, what, cursor, call);
	default:
		return 0;
	}
	return rc == 0 ? -EAGAIN : rc;
}

/* --- what a controller owns --- */

static bool
owns_id(const uint16_t *owners, uint32_t ids, uint32_t controller)
{
	for (uint32_t id = 0; id < ids; id++)
		if (controller_of_tag(owners[id]) == controller)
			return true;
	return false;
}

static bool
owns_cell(const struct bridge *b, const uint16_t *owner_of_cell, uint32_t controller)
{
	struct bridge_key keys[STEP_CELLS];
	uint16_t owners[STEP_CELLS];

	for (uint64_t at = 0; at != UINT64_MAX;) {
		uint32_t n = bridge_walk_owners(b, owner_of_cell, &at, STEP_CELLS, keys, owners);

		if (owns_id(owners, n, controller))
			return true;
	}
	return false;
}

static bool
owns_route(const struct tables *t, uint32_t controller)
{
	struct route_key keys[STEP_ROUTES];
	uint64_t values[STEP_ROUTES];
	uint16_t owners[STEP_ROUTES];

	for (uint64_t at = 0; at != UINT64_MAX;) {
		uint32_t n =
		    route_walk(t->routes, &at, STEP_ROUTES, STEP_ROUTES, keys, values, owners);

		if (owns_id(owners, n, controller))
			return true;
	}
	return false;
}

static bool
owns_rule(const struct tables *t, uint32_t controller)
{
	for (uint32_t vif = 0; vif < t->rules->vifs; vif++) {
		uint32_t n;
		const struct rule *rules = rules_of(t->rules, vif, &n);

		if (n > 0 && owns_id(rules_owner(t->rules, rules), n, controller))
			return true;
	}
	return false;
}

const char *
sweep_owned(const struct ctl *ctl, uint32_t controller)
{
	const struct tables *t = &ctl->tables;

	if (owns_id(t->vif_owner, t->vifs->ids, controller))
		return "vif";
	if (owns_id(t->nexthop_owner, t->nexthops->ids, controller))
		return "nexthop";
	if (owns_id(t->vrf_owner, t->vrfs->ids, controller))
		return "vrf";
	if (owns_cell(t->bridge, t->bridge_owner, controller))
		return "bridge entry";
	if (owns_cell(t->labels, t->label_owner, controller))
		return "label";
	if (owns_cell(t->vnis, t->vni_owner, controller))
		return "vni";
	if (owns_rule(t, controller))
		return "rule";
	return owns_route(t, controller) ? "route" : NULL;
}

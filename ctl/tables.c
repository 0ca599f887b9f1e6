/* SPDX-License-Identifier: BSD-3-Clause */
/* The region's tables as control sees them; see tables.h. Main thread only. */
#include "ctl/tables.h"

#include <errno.h>
#include <stdlib.h>

#include "common/bridge.h"
#include "common/counters.h"
#include "common/flow.h"
#include "common/grace.h"
#include "common/idtab.h"
#include "common/port.h"
#include "common/redo.h"
#include "common/region.h"
#include "common/route.h"
#include "common/stitch.h"
#include "common/rules.h"
#include "common/vif.h"

#define LOG_MODULE "tables"
#include "common/log.h"

/* Frees that may wait for readers at a time, or a batch's; beyond it, requests wait. */
enum { DEFERRED_MIN = 65536 };

/* Routes that a trie follows in one go: less than a millisecond. */
enum { FOLLOW_POLL = 512 };

int
tables_find(struct tables *t, const struct region *region, struct fault *f)
{
	const struct {
		const char *name;
		void **where;
	} wanted[] = {
	    {"slots", (void **)&t->slots},
	    {"processes", (void **)&t->processes},
	    {"ports", (void **)&t->ports},
	    {"guests", (void **)&t->guests},
	    {"grace", (void **)&t->qsbr},
	    {"vif", (void **)&t->vifs},
	    {"vif-roles", (void **)&t->vif_roles},
	    {"agent-rings", (void **)&t->agent_rings},
	    {"nexthop", (void **)&t->nexthops},
	    {"bridge", (void **)&t->bridge},
	    {"vrf", (void **)&t->vrfs},
	    {"vrf-owner", (void **)&t->vrf_owner},
	    {"stitched", (void **)&t->stitched},
	    {"label", (void **)&t->labels},
	    {"label-owner", (void **)&t->label_owner},
	    {"vni", (void **)&t->vnis},
	    {"vni-owner", (void **)&t->vni_owner},
	    {"counters", (void **)&t->counters},
	    {"drop-log", (void **)&t->drop_log},
	    {"route", (void **)&t->routes},
	    {"flow", (void **)&t->flows},
	    {"rules", (void **)&t->rules},
	    {"agents", (void **)&t->agents},
	    {"redo", (void **)&t->redo},
	    {"baseline", (void **)&t->baseline},
	    {"controllers", (void **)&t->controllers},
	    {"vif-owner", (void **)&t->vif_owner},
	    {"nexthop-owner", (void **)&t->nexthop_owner},
	    {"bridge-owner", (void **)&t->bridge_owner},
	};

	t->base = region->header;
	t->size = region->header->size;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		*wanted[i].where = region_table(region, wanted[i].name);
		if (*wanted[i].where == NULL)
			return fault_set(f, ENOENT, "the region has no table called %s",
					 wanted[i].name);
	}
	return 0;
}

int
tables_adopt(struct tables *t, struct fault *f)
{
	uint32_t deferred =
	    t->redo->capacity > DEFERRED_MIN ? t->redo->capacity : (uint32_t)DEFERRED_MIN;
	uint64_t stores = redo_roll_forward(t->redo, t->base, t->size);

	if (stores > 0)
		log_notice("the last vr-ctl died while it made the %llu stores of a batch: made "
			   "them all",
			   (unsigned long long)stores);
	t->grace = grace_create(t->qsbr, deferred);
	if (t->grace == NULL)
		goto no_memory;
	t->vif_writer = idtab_writer_create(t->vifs, t->grace);
	t->nexthop_writer = idtab_writer_create(t->nexthops, t->grace);
	t->bridge_writer = bridge_writer_create(t->bridge, t->grace);
	t->vrf_writer = idtab_writer_create(t->vrfs, t->grace);
	t->stitch_writer = bridge_writer_create(t->stitched, t->grace);
	t->label_writer = bridge_writer_create(t->labels, t->grace);
	t->vni_writer = bridge_writer_create(t->vnis, t->grace);
	t->route_writer = route_writer_create(t->routes, t->grace);
	t->flow_writer = flow_writer_create(t->flows, t->grace);
	t->rules_writer = rules_writer_create(t->rules, t->grace);
	t->batch = redo_writer_create(t->redo, t->base);
	if (t->vif_writer == NULL || t->nexthop_writer == NULL || t->bridge_writer == NULL ||
	    t->route_writer == NULL || t->stitch_writer == NULL || t->vrf_writer == NULL ||
	    t->label_writer == NULL || t->vni_writer == NULL || t->flow_writer == NULL ||
	    t->rules_writer == NULL || t->batch == NULL)
		goto no_memory;
	bridge_writer_owners(t->bridge_writer, t->bridge_owner);
	bridge_writer_owners(t->label_writer, t->label_owner);
	bridge_writer_owners(t->vni_writer, t->vni_owner);
	return 0;

no_memory:
	tables_release(t);
	return fault_set(f, ENOMEM, "not enough memory to adopt the tables");
}

void
tables_release(struct tables *t)
{
	redo_writer_destroy(t->batch);
	t->batch = NULL;
	flow_writer_destroy(t->flow_writer);
	t->flow_writer = NULL;
	rules_writer_destroy(t->rules_writer);
	t->rules_writer = NULL;
	route_writer_destroy(t->route_writer);
	t->route_writer = NULL;
	if (t->vrf_writer != NULL)
		idtab_writer_destroy(t->vrf_writer);
	t->vrf_writer = NULL;
	if (t->vni_writer != NULL)
		bridge_writer_destroy(t->vni_writer);
	t->vni_writer = NULL;
	if (t->stitch_writer != NULL)
		bridge_writer_destroy(t->stitch_writer);
	t->stitch_writer = NULL;
	if (t->label_writer != NULL)
		bridge_writer_destroy(t->label_writer);
	t->label_writer = NULL;
	if (t->bridge_writer != NULL)
		bridge_writer_destroy(t->bridge_writer);
	t->bridge_writer = NULL;
	if (t->nexthop_writer != NULL)
		idtab_writer_destroy(t->nexthop_writer);
	t->nexthop_writer = NULL;
	if (t->vif_writer != NULL)
		idtab_writer_destroy(t->vif_writer);
	t->vif_writer = NULL;
	if (t->grace != NULL)
		grace_destroy(t->grace);
	t->grace = NULL;
}

void
tables_count_vif(const struct tables *t, uint32_t vif, struct vif_counters *sum)
{
	const struct vif_counters *b = &t->baseline[vif];

	counters_sum(t->counters, vif, sum);
	sum->rx_packets -= b->rx_packets;
	sum->rx_bytes -= b->rx_bytes;
	sum->tx_packets -= b->tx_packets;
	sum->tx_bytes -= b->tx_bytes;
	sum->rx_errors -= b->rx_errors;
	sum->tx_errors -= b->tx_errors;
	for (int i = 0; i < DROPS; i++)
		sum->drops[i] -= b->drops[i];
}

static int
stage_counter(struct tables *t, uint64_t *baseline, uint64_t value)
{
	if (redo_load(t->batch, baseline, sizeof(*baseline)) == value)
		return 0;
	return redo_stage(t->batch, baseline, sizeof(*baseline), value, NULL, NULL);
}

int
tables_stage_reset(struct tables *t, uint32_t vif)
{
	struct vif_counters now, *b = &t->baseline[vif];
	int rc;

	counters_sum(t->counters, vif, &now);
	rc = stage_counter(t, &b->rx_packets, now.rx_packets);
	if (rc == 0)
		rc = stage_counter(t, &b->rx_bytes, now.rx_bytes);
	if (rc == 0)
		rc = stage_counter(t, &b->tx_packets, now.tx_packets);
	if (rc == 0)
		rc = stage_counter(t, &b->tx_bytes, now.tx_bytes);
	if (rc == 0)
		rc = stage_counter(t, &b->rx_errors, now.rx_errors);
	if (rc == 0)
		rc = stage_counter(t, &b->tx_errors, now.tx_errors);
	for (int i = 0; i < DROPS && rc == 0; i++)
		rc = stage_counter(t, &b->drops[i], now.drops[i]);
	return rc;
}

int
tables_stage_owner(struct tables *t, uint16_t *owner, uint16_t tag)
{
	if (redo_load(t->batch, owner, sizeof(*owner)) == tag)
		return 0;
	return redo_stage(t->batch, owner, sizeof(*owner), tag, NULL, NULL);
}

int
tables_stage_unstitch(struct tables *t, const struct route_key *key)
{
	bool inet6 = key->family == ROUTE_INET6;
	struct bridge_key host;
	int rc;

	if (key->length != (inet6 ? 128 : 32))
		return 0;
	host = stitch_key(key->vrf, inet6, key->address);
	rc = bridge_stage_del(t->stitch_writer, t->batch, &host);
	return rc == -ENOENT ? 0 : rc;
}

int
tables_may_commit(struct tables *t)
{
	return grace_room_for(t->grace, redo_staged(t->batch));
}

void
tables_poll(struct tables *t)
{
	if (t->grace == NULL)
		return;
	grace_poll(t->grace);
	route_follow(t->route_writer, route_changes(t->route_writer), FOLLOW_POLL);
}

int64_t
tables_staged_vif_of_port(const struct tables *t, uint32_t port)
{
	for (uint32_t id = 0; id < t->vifs->ids; id++) {
		const struct vif *v = idtab_staged(t->vif_writer, t->batch, id);

		if (v != NULL && v->port == (int32_t)port)
			return id;
	}
	return -ENOENT;
}

int64_t
tables_vif_of_port(const struct tables *t, uint32_t port)
{
	for (uint32_t id = 0; id < t->vifs->ids; id++) {
		const struct vif *v = vif_lookup(t->vifs, id);

		if (v != NULL && v->port == (int32_t)port)
			return id;
	}
	return -ENOENT;
}

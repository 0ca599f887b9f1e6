/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The region's tables as control sees them: it is the only writer of vifs, nexthops, bridge
 * entries and routes, and a reader of the rest. Main thread only.
 *
 * Adoption is a scan: whatever the last vr-ctl published is there, whatever it had not is not, and
 * the writers find their free entries by looking. What it had decided on but not published all of
 * is published first (redo.h).
 */
#ifndef CTL_TABLES_H
#define CTL_TABLES_H

#include <stdint.h>

#include "common/fault.h"

struct agent_rings;
struct bridge;
struct bridge_writer;
struct controllers;
struct counters;
struct drop_log;
struct flow_table;
struct flow_writer;
struct grace;
struct idtab;
struct idtab_writer;
struct ports;
struct processes;
struct redo;
struct redo_writer;
struct region;
struct route_key;
struct route_table;
struct route_writer;
struct rte_rcu_qsbr;
struct rules;
struct rules_writer;
struct slots;
struct vif_counters;
struct vif_roles;

struct tables {
	/* shared */
	struct slots *slots;
	struct slots *agents;
	struct processes *processes;
	struct guests_table *guests;
	struct ports *ports;
	struct rte_rcu_qsbr *qsbr;
	struct idtab *vifs;
	struct vif_roles *vif_roles;
	struct agent_rings *agent_rings; /* by slot */
	struct idtab *nexthops;
	struct bridge *bridge;
	struct idtab *vrfs;
	struct bridge *stitched; /* stitch.h */
	struct bridge *labels;   /* number.h */
	struct bridge *vnis;
	struct route_table *routes;
	struct flow_table *flows;
	struct rules *rules;
	struct counters *counters;
	struct drop_log *drop_log; /* by hand, as counters */
	struct redo *redo;
	struct vif_counters *baseline; /* by vif id: what had been counted before it was added */
	struct controllers *controllers;
	uint16_t *vif_owner, *nexthop_owner; /* by id */
	uint16_t *vrf_owner;
	uint16_t *bridge_owner, *label_owner, *vni_owner; /* by cell */
	void *base;                                       /* the region's address */
	uint64_t size;                                    /* the region's */
	/* control's own */
	struct grace *grace;
	struct idtab_writer *vif_writer;
	struct idtab_writer *nexthop_writer;
	struct idtab_writer *vrf_writer;
	struct bridge_writer *bridge_writer;
	struct bridge_writer *label_writer, *vni_writer;
	struct route_writer *route_writer;
	struct bridge_writer *stitch_writer;
	struct flow_writer *flow_writer;
	struct rules_writer *rules_writer;
	struct redo_writer *batch; /* the batch under way; see batch.h */
};

/* Finds the shared part; -ENOENT names the table that is missing. */
int tables_find(struct tables *t, const struct region *region, struct fault *f);

/* Opens the writers on the shared part; -ENOMEM. */
int tables_adopt(struct tables *t, struct fault *f);
void tables_release(struct tables *t);

/* Sum over all slots since the vif was added. */
void tables_count_vif(const struct tables *t, uint32_t vif, struct vif_counters *sum);
/* As part of the batch: from now on the vif counts from zero. -EFBIG: the log is full. */
int tables_stage_reset(struct tables *t, uint32_t vif);
/* As part of the batch: whose an object is, in one of the arrays above. */
int tables_stage_owner(struct tables *t, uint16_t *owner, uint16_t tag);
/* As part of the batch: the host of this route has no MAC of its own (stitch.h). */
int tables_stage_unstitch(struct tables *t, const struct route_key *key);
/* Whether the batch may be committed: 0, -ENOBUFS (not now) or -E2BIG. */
int tables_may_commit(struct tables *t);
/* Now and then: runs what waited for readers, and has tries follow what a death left behind. */
void tables_poll(struct tables *t);

/* Id of the vif that uses the port with this index once the batch is committed, or -ENOENT. */
int64_t tables_staged_vif_of_port(const struct tables *t, uint32_t port);
/* Id of the vif that uses the port with this index, or -ENOENT. */
int64_t tables_vif_of_port(const struct tables *t, uint32_t port);

#endif

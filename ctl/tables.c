/* SPDX-License-Identifier: BSD-3-Clause */
/* The region's tables as control sees them; see tables.h. Main thread only. */
#include "ctl/tables.h"

#include <errno.h>
#include <stdlib.h>

#include "common/bridge.h"
#include "common/counters.h"
#include "common/grace.h"
#include "common/idtab.h"
#include "common/port.h"
#include "common/region.h"
#include "common/vif.h"

/* Frees that may wait for readers at a time; beyond it, requests wait. */
enum { DEFERRED_MAX = 65536 };

int
tables_find(struct tables *t, const struct region *region, struct fault *f)
{
	const struct {
		const char *name;
		void **where;
	} wanted[] = {
	    {"slots", (void **)&t->slots},   {"processes", (void **)&t->processes},
	    {"ports", (void **)&t->ports},   {"grace", (void **)&t->qsbr},
	    {"vif", (void **)&t->vifs},      {"nexthop", (void **)&t->nexthops},
	    {"bridge", (void **)&t->bridge}, {"counters", (void **)&t->counters},
	    {"agents", (void **)&t->agents},
	};

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
	t->grace = grace_create(t->qsbr, DEFERRED_MAX);
	if (t->grace == NULL)
		goto no_memory;
	t->vif_writer = idtab_writer_create(t->vifs, t->grace);
	t->nexthop_writer = idtab_writer_create(t->nexthops, t->grace);
	t->bridge_writer = bridge_writer_create(t->bridge, t->grace);
	t->baseline = calloc(t->counters->vifs, sizeof(*t->baseline));
	if (t->vif_writer == NULL || t->nexthop_writer == NULL || t->bridge_writer == NULL ||
	    t->baseline == NULL)
		goto no_memory;
	return 0;

no_memory:
	tables_release(t);
	return fault_set(f, ENOMEM, "not enough memory to adopt the tables");
}

void
tables_release(struct tables *t)
{
	free(t->baseline);
	t->baseline = NULL;
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
	for (int i = 0; i < DROPS; i++)
		sum->drops[i] -= b->drops[i];
}

void
tables_reset_vif(struct tables *t, uint32_t vif)
{
	counters_sum(t->counters, vif, &t->baseline[vif]);
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

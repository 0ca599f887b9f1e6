/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters: the table's creation, and sums for whoever shows them. */
#include "common/counters.h"

#include "common/conf.h"

size_t
counters_size(const struct conf *c)
{
	return sizeof(struct counters) +
	       (c->n_slots + c->agents + 1) * (c->vifs + 1) * sizeof(struct vif_counters);
}

void
counters_init(struct counters *t, const struct conf *c)
{
	t->slots = c->n_slots + (uint32_t)c->agents + 1;
	t->vifs = (uint32_t)c->vifs + 1;
}

static uint64_t
load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void
add(struct vif_counters *sum, const struct vif_counters *c)
{
	sum->rx_packets += load(&c->rx_packets);
	sum->rx_bytes += load(&c->rx_bytes);
	sum->tx_packets += load(&c->tx_packets);
	sum->tx_bytes += load(&c->tx_bytes);
	sum->rx_errors += load(&c->rx_errors);
	sum->tx_errors += load(&c->tx_errors);
	for (int d = 0; d < DROPS_MAX; d++)
		sum->drops[d] += load(&c->drops[d]);
}

void
counters_sum(const struct counters *t, uint32_t vif_id, struct vif_counters *sum)
{
	*sum = (struct vif_counters){0};
	if (vif_id >= t->vifs)
		return;
	for (uint32_t i = 0; i < t->slots; i++)
		add(sum, &t->c[(uint64_t)i * t->vifs + vif_id]);
}

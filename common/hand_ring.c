/* SPDX-License-Identifier: BSD-3-Clause */
/* From a hand to a slot, over the mesh; see hand_ring.h. */
#include "common/hand_ring.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_ring.h>

#include "common/fault_point.h"
#include "common/pkt.h"

uint32_t
hand_to_slot(struct hand *h, struct rte_ring *ring, uint16_t slot, uint16_t port, uint16_t queue,
	     uint16_t n)
{
	struct hand_group *group = &h->groups[0];
	bool chained = false;
	uint32_t sent;

	group->n = n;
	group->port = port;
	group->queue = queue;
	group->ring = (int16_t)slot;
	group->seg_from = 0;
	group->n_segs = 0;
	/* Whoever had the mbuf last wrote there on another core. */
	for (uint16_t i = 0; i < n; i++)
		pkt_prefetch_write(pkt_meta(h->rx[i]));
	for (uint16_t i = 0; i < n; i++) {
		struct pkt_meta *meta = pkt_meta(h->rx[i]);

		group->m[i] = h->rx[i];
		chained |= h->rx[i]->nb_segs > 1;
		meta->next = PKT_NEXT_INPUT;
		meta->in_port = port;
	}
	h->n_groups = 1;
	if (chained)
		hand_flatten(h);
	FAULT_POINT("to-slot-grouped");
	hand_tx(h);
	h->ring_tail = ring->prod.tail;
	hand_tx_inside(h, 0, PORT_HOLD_RING);
	FAULT_POINT("to-slot-inside");
	sent = rte_ring_sp_enqueue_burst(ring, (void **)group->m, n, NULL);
	FAULT_POINT("to-slot-enqueued");
	return sent;
}

void
slot_pause_keep(struct slot *s)
{
	uint64_t asked = __atomic_load_n(&s->pause, __ATOMIC_ACQUIRE);

	if (__builtin_expect(asked == 0, 1))
		return;
	__atomic_store_n(&s->pause_seen, asked, __ATOMIC_RELEASE);
	while (__atomic_load_n(&s->pause, __ATOMIC_ACQUIRE) == asked &&
	       rte_rdtsc() < __atomic_load_n(&s->pause_until_tsc, __ATOMIC_ACQUIRE))
		rte_pause();
	__atomic_store_n(&s->pause_seen, 0, __ATOMIC_RELEASE);
}

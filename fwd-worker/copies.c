/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that a burst makes; see copies.h. A slot's thread. */
#include "fwd-worker/copies.h"

#include "common/fault_point.h"
#include "common/pkt.h"

void
copies_add(struct worker *w, struct rte_mbuf *m, struct rte_mbuf *copy)
{
	struct hand *h = w->hand;

	FAULT_POINT("copy-made");
	if (w->from_ring)
		*pkt_meta(copy) = *pkt_meta(m);
	h->copies[h->n_copies] = copy;
	__atomic_store_n(&h->n_copies, h->n_copies + 1, __ATOMIC_RELEASE);
	FAULT_POINT("copy-listed");
	hand_next_epoch(h);
	w->room -= copy->nb_segs < w->room ? copy->nb_segs : w->room;
	w->chained |= copy->nb_segs > 1;
}

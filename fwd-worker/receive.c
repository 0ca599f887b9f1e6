/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One burst from where it comes in to where it leaves. See receive.h; the order of stores is
 * hand.h's. A slot's thread.
 */
#include "fwd-worker/receive.h"

#include <string.h>

#include "common/fault_point.h"
#include "common/pkt.h"
#include "fwd-worker/send.h"
#include "fwd-worker/stage.h"

/* --- one burst -------------------------------------------------------------------------------- */

/* For benchmarks: a port's packets leave through its peer, undecided. Ports 0 and 1, 2 and 3, ...
 */
static void
io_forward(struct worker *w)
{
	struct hand *h = w->hand;
	struct burst *b = &w->burst;
	uint32_t port = b->port ^ 1;
	struct hand_group *g = &h->groups[0];

	if (port >= w->n_ports || w->tx[port].way == TX_NOWAY)
		port = b->port;
	b->in_vif = w->no_vif;
	w->chained = w->tap_reader.chained;
	w->tap_reader.chained = false;
	g->n = (uint16_t)b->n;
	g->port = (uint16_t)port;
	g->queue = w->tx[port].queue;
	g->ring = -1;
	g->seg_from = 0;
	g->n_segs = 0;
	memcpy(g->m, h->rx, b->n * sizeof(g->m[0]));
	h->n_groups = 1;
}

/* The hand's rx[] holds 'n' packets of 'port'. */
static void
burst_run(struct worker *w, uint32_t port, uint16_t n)
{
	struct hand *h = w->hand;
	struct burst *b = &w->burst;

	hand_run(h, n);
	FAULT_POINT("burst-run");
	b->m = h->rx;
	b->n = n;
	b->port = port;
	b->traced = 0;
	w->from_ring = false;
	w->packets += n;
	if (__builtin_expect(w->io_forward, 0))
		io_forward(w);
	else
		stages_run(w);
	FAULT_POINT("burst-staged");
	send_groups(w);
	FAULT_POINT("burst-sent");
}

/* Nothing came: what a driver may have popped meanwhile waits in its descriptors. */
static inline void
burst_none(struct hand *h)
{
	hand_set(h, (union hand_state){.where = HAND_EMPTY});
}

uint32_t
receive_from_device(struct worker *w, const struct rx_queue *q)
{
	struct hand *h = w->hand;
	uint16_t n;

	if (q->ring != NULL)
		h->ring_tail = q->ring->cons.tail;
	hand_rx(h, q->port, q->queue, q->hold);
	FAULT_POINT("device-rx");
	n = q->rx(q->rxq, h->rx, (uint16_t)w->burst_max);
	FAULT_POINT("device-received");
	if (n == 0) {
		burst_none(h);
		return 0;
	}
	burst_run(w, q->port, n);
	return n;
}

uint32_t
receive_from_tap(struct worker *w, const struct rx_queue *q)
{
	struct hand *h = w->hand;
	uint16_t n, lost = 0;

	hand_rx(h, q->port, q->queue, PORT_HOLD_NONE);
	FAULT_POINT("tap-rx");
	n = tap_rx_burst(&w->tap_reader, q->fd, (uint16_t)w->burst_max, &lost);
	FAULT_POINT("tap-received");
	if (__builtin_expect(lost != 0, 0)) {
		const struct vif *vif = vif_lookup(w->vifs, w->vif_of_port[q->port]);
		bool known = vif != NULL && vif->port == (int32_t)q->port;

		count_drops(w, known ? vif->id : w->no_vif, DROP_NO_MBUF, lost);
	}
	if (n == 0) {
		burst_none(h);
		return 0;
	}
	burst_run(w, q->port, n);
	return n;
}

/* --- packets that another slot decided, for queues of ours ------------------------------------ */

static void
ring_group(struct worker *w, struct rte_mbuf *m)
{
	struct hand *h = w->hand;
	const struct pkt_meta *meta = pkt_meta(m);
	uint32_t port = meta->out_port;
	uint32_t in_vif = meta->in_vif <= w->no_vif ? meta->in_vif : w->no_vif;
	struct hand_group *g;
	struct tx_port *tx;

	if (meta->next != PKT_NEXT_TX || port >= w->n_ports || w->tx[port].way == TX_NOWAY ||
	    w->tx[port].way == TX_MESH) {
		count_drops(w, in_vif, DROP_VIF_WITHOUT_PORT, 1);
		hand_drop(h, m);
		return;
	}
	tx = &w->tx[port];
	g = &h->groups[tx->group];
	if (tx->group >= h->n_groups || g->port != port) {
		/* At most BURST_MAX packets, so there are always groups enough. */
		tx->group = (uint16_t)h->n_groups;
		g = &h->groups[h->n_groups++];
		g->n = 0;
		g->port = (uint16_t)port;
		g->queue = tx->queue;
		g->ring = -1;
		g->seg_from = 0;
		g->n_segs = 0;
	}
	w->chained |= m->nb_segs > 1;
	g->m[g->n++] = m;
}
_Static_assert((int)BURST_MAX <= (int)HAND_GROUPS_MAX, "ring_group: one group for each packet");

uint32_t
receive_from_ring(struct worker *w, const struct rx_ring *r)
{
	struct hand *h = w->hand;
	uint32_t n;

	if (rte_ring_empty(r->ring))
		return 0;
	hand_ring_in(h, r->from, r->ring->cons.tail);
	FAULT_POINT("ring-in");
	n = rte_ring_sc_dequeue_burst(r->ring, (void **)h->rx, w->burst_max, NULL);
	FAULT_POINT("ring-dequeued");
	if (n == 0) {
		burst_none(h);
		return 0;
	}
	hand_run(h, (uint16_t)n);
	FAULT_POINT("ring-run");
	w->burst.n = n;
	w->packets += n;
	w->from_ring = true;
	w->chained = false;
	for (uint32_t i = 0; i < n; i++)
		ring_group(w, h->rx[i]);
	send_groups(w);
	FAULT_POINT("ring-sent");
	return n;
}

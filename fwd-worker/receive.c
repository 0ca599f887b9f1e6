/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One burst from where it comes in to where it leaves. See receive.h; the order of stores is
 * hand.h's. A slot's thread.
 */
#include "fwd-worker/receive.h"

#include <string.h>

#include <rte_prefetch.h>

#include "common/fault_point.h"
#include "common/pkt.h"
#include "fwd-worker/handoff.h"
#include "fwd-worker/inject.h"
#include "fwd-worker/send.h"
#include "fwd-worker/stage.h"

/* --- one burst -------------------------------------------------------------------------------- */

/*
 * For benchmarks: a port's packets leave through its peer, undecided. Ports 0 and 1 are peers, then
 * 2 and 3, and so on.
 */
static void
io_forward(struct worker *w, uint32_t port, uint16_t n)
{
	struct hand *h = w->hand;
	struct hand_group *g = &h->groups[0];
	uint32_t out = port ^ 1;

	if (out >= w->n_ports || w->tx[out].way == TX_NOWAY)
		out = port;
	w->burst.in_vif = w->no_vif;
	w->chained = w->tap_reader.chained;
	w->tap_reader.chained = false;
	g->n = n;
	g->port = (uint16_t)out;
	g->queue = w->tx[out].queue;
	g->ring = -1;
	g->seg_from = 0;
	g->n_segs = 0;
	memcpy(g->m, h->rx, n * sizeof(void *));
	h->n_groups = 1;
}

/* The 'n' packets at rx[from], which came in by 'port'. */
static inline void
run_stages(struct worker *w, uint32_t port, uint32_t from, uint32_t n)
{
	struct burst *b = &w->burst;

	b->m = &w->hand->rx[from];
	b->n = n;
	b->port = port;
	b->traced = 0;
	stages_run(w);
}

static inline void
loop_begin(struct worker *w, bool from_ring)
{
	w->from_ring = from_ring;
	w->chained = false;
	w->room = HAND_SEGS_MAX;
}

/* The hand's rx[] holds 'n' packets of 'port'. */
static void
burst_run(struct worker *w, uint32_t port, uint16_t n)
{
	hand_run(w->hand, n);
	FAULT_POINT("burst-run");
	loop_begin(w, false);
	if (__builtin_expect(w->io_forward, 0) && port != PORT_INJECTED)
		io_forward(w, port, n);
	else
		run_stages(w, port, 0, n);
	FAULT_POINT("burst-staged");
	send_groups(w, n);
	FAULT_POINT("burst-sent");
}

/*
 * Nothing came: what a driver may have popped meanwhile waits in its descriptors, and is not ours
 * from the next epoch on.
 */
static inline void
burst_none(struct hand *h)
{
	hand_next_epoch(h);
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
		w->count[known ? vif->id : w->no_vif].rx_errors += lost;
	}
	if (n == 0) {
		burst_none(h);
		return 0;
	}
	burst_run(w, q->port, n);
	return n;
}

uint32_t
receive_injected(struct worker *w)
{
	if (!inject_take(w))
		return 0;
	burst_run(w, PORT_INJECTED, 1);
	return 1;
}

/* --- from other hands ------------------------------------------------------------------------- */

/* A packet that another slot decided, for a queue of ours. */
static void
send_decided(struct worker *w, struct rte_mbuf *m)
{
	struct hand *h = w->hand;
	struct pkt_meta *meta = pkt_meta(m);
	uint32_t port = meta->out_port;
	struct hand_group *g;
	struct tx_port *tx;

	if (port >= w->n_ports || w->tx[port].way == TX_NOWAY || w->tx[port].way == TX_MESH ||
	    h->n_groups == HAND_GROUPS_MAX) {
		count_drops(w, meta->in_vif, DROP_VIF_WITHOUT_PORT, 1);
		drop_sampler_see(&w->sampler, DROP_VIF_WITHOUT_PORT, "send", meta->in_vif, m);
		hand_drop(h, m);
		return;
	}
	tx = &w->tx[port];
	g = &h->groups[tx->group];
	if (tx->group >= h->n_groups || g->port != port || g->n == BURST_MAX) {
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
	w->room -= m->nb_segs < w->room ? m->nb_segs : w->room;
	g->m[g->n++] = m;
}

/* How many packets from rx[from] on came in by the same port at an agent. */
static uint32_t
run_length(const struct worker *w, uint32_t from, uint32_t n)
{
	struct rte_mbuf *const *rx = w->hand->rx;
	uint32_t port = pkt_meta(rx[from])->in_port, i = from + 1;

	while (i < n && pkt_meta(rx[i])->next == PKT_NEXT_INPUT && pkt_meta(rx[i])->in_port == port)
		i++;
	return i - from;
}

static void
ring_run(struct worker *w, uint32_t n)
{
	struct hand *h = w->hand;
	uint32_t len;

	/*
	 * Other cores wrote these. All are asked for as if to be written: the verdict is, and
	 * whoever gets the mbuf next then asks for its lines once, and not a second time to write
	 * them.
	 */
	for (uint32_t i = 0; i < n; i++) {
		pkt_prefetch_write(pkt_meta(h->rx[i]));
		pkt_prefetch_write(h->rx[i]);
	}
	for (uint32_t i = 0; i < n; i++)
		pkt_prefetch_write(rte_pktmbuf_mtod(h->rx[i], void *));
	for (uint32_t i = 0; i < n; i += len) {
		struct pkt_meta *meta = pkt_meta(h->rx[i]);

		len = 1;
		if (meta->in_vif > w->no_vif)
			meta->in_vif = w->no_vif;
		if (meta->next == PKT_NEXT_INPUT && meta->in_port < w->n_ports) {
			len = run_length(w, i, n);
			run_stages(w, meta->in_port, i, len);
		} else if (meta->next == PKT_NEXT_STAGE) {
			len = handoff_take(w, i, n);
		} else if (meta->next == PKT_NEXT_TX) {
			send_decided(w, h->rx[i]);
		} else {
			count_drops(w, w->no_vif, DROP_PORT_WITHOUT_VIF, 1);
			drop_sampler_see(&w->sampler, DROP_PORT_WITHOUT_VIF, "receive", w->no_vif,
					 h->rx[i]);
			hand_drop(h, h->rx[i]);
		}
	}
}

uint32_t
receive_from_ring(struct worker *w, const struct rx_ring *r)
{
	struct hand *h = w->hand;
	uint32_t n, left;

	if (rte_ring_empty(r->ring))
		return 0;
	hand_ring_in(h, r->from, r->ring->cons.tail);
	FAULT_POINT("ring-in");
	n = rte_ring_sc_dequeue_burst(r->ring, (void **)h->rx, w->burst_max, &left);
	FAULT_POINT("ring-dequeued");
	if (n == 0) {
		burst_none(h);
		return 0;
	}
	hand_run(h, (uint16_t)n);
	FAULT_POINT("ring-run");
	slot_ring_seen(w->slot, n + left);
	loop_begin(w, true);
	ring_run(w, n);
	send_groups(w, (uint16_t)n);
	FAULT_POINT("ring-sent");
	return n;
}

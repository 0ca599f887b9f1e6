/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups leave. See send.h; the order of stores is hand.h's. A slot's thread. */
#include "fwd-worker/send.h"

#include <errno.h>

#include "common/fault_point.h"
#include "common/pkt.h"

/* At the vif of the port that did not take it. */
static void
count_tx_error(struct worker *w, uint32_t port)
{
	uint32_t vif = w->vif_of_port[port];
	const struct vif *v = vif_lookup(w->vifs, vif);

	if (v != NULL && v->port == (int32_t)port)
		w->count[vif].tx_errors++;
}

/* Its drop is counted at the vif the packet came in by. */
static void
refuse(struct worker *w, uint32_t port, struct rte_mbuf *m, enum drop why)
{
	uint32_t vif = w->burst.in_vif;

	count_tx_error(w, port);

	if (w->from_ring) {
		vif = pkt_meta(m)->in_vif;
	}
	count_drops(w, vif, why, 1);
	drop_sampler_see(&w->sampler, why, "send", vif, m);
	hand_drop(w->hand, m);
}

static void
refuse_rest(struct worker *w, const struct hand_group *g, uint32_t from, enum drop why)
{
	for (uint32_t i = from; i < g->n; i++)
		refuse(w, g->port, g->m[i], why);
}

static void
send_to_ring(struct worker *w, uint16_t group)
{
	struct hand *h = w->hand;
	struct hand_group *g = &h->groups[group];
	struct rte_ring *ring = g->port == HANDOFF_PORT ? w->mesh[g->ring] : w->tx[g->port].ring;
	uint32_t n;

	h->ring_tail = ring->prod.tail;
	hand_tx_inside(h, group, PORT_HOLD_RING);
	FAULT_POINT("send-ring-inside");
	n = rte_ring_sp_enqueue_burst(ring, (void **)g->m, g->n, NULL);
	FAULT_POINT("send-ring-enqueued");
	if (__builtin_expect(n < g->n, 0) && w->drop_log != NULL)
		w->drop_log->ring_full[w->tx[g->port].to_hand] += g->n - n;
	refuse_rest(w, g, n, DROP_RING_FULL);
	FAULT_POINT("send-ring-refused");
}

static void
send_to_device(struct worker *w, uint16_t group)
{
	struct hand *h = w->hand;
	struct hand_group *g = &h->groups[group];
	const struct tx_port *tx = &w->tx[g->port];
	uint32_t n;

	if (tx->ring != NULL)
		h->ring_tail = tx->ring->prod.tail;
	hand_tx_inside(h, group, tx->hold);
	FAULT_POINT("send-device-inside");
	n = tx->tx(tx->txq, g->m, g->n);
	FAULT_POINT("send-device-sent");
	if (__builtin_expect(n < g->n, 0))
		refuse_rest(w, g, n, DROP_TX_QUEUE_FULL);
	FAULT_POINT("send-device-refused");
}

static enum drop
tap_refusal(int error)
{
	switch (error) {
	case -EIO: /* the interface is down */
	case -EBADF:
	case -EBADFD:
		return DROP_VIF_WITHOUT_PORT;
	case -EMSGSIZE:
		return DROP_MTU;
	default:
		return DROP_TX_QUEUE_FULL;
	}
}

/* The kernel copies; so a packet that was sent is freed like a drop, and counted as none. */
static void
send_to_tap(struct worker *w, uint16_t group)
{
	struct hand *h = w->hand;
	struct hand_group *g = &h->groups[group];
	int fd = w->tx[g->port].fd;

	hand_tx_inside(h, group, PORT_HOLD_NONE);
	FAULT_POINT("send-tap-inside");
	for (uint32_t i = 0; i < g->n; i++) {
		int rc = tap_tx(fd, g->m[i]);

		FAULT_POINT("send-tap-written");
		if (__builtin_expect(rc < 0, 0))
			refuse(w, g->port, g->m[i], tap_refusal(rc));
		else
			hand_drop(h, g->m[i]);
	}
	FAULT_POINT("send-tap-listed");
}

static enum tx_way
way_of(const struct worker *w, const struct hand_group *g)
{
	return g->port == HANDOFF_PORT ? TX_MESH : (enum tx_way)w->tx[g->port].way;
}

void
send_groups(struct worker *w, uint16_t n_rx)
{
	struct hand *h = w->hand;

	if (__builtin_expect(w->chained, 0))
		hand_flatten(h);
	FAULT_POINT("send-before");
	hand_tx(h);
	FAULT_POINT("send-tx");
	for (uint32_t g = 0; g < h->n_groups; g++) {
		switch (way_of(w, &h->groups[g])) {
		case TX_TAP:
			send_to_tap(w, (uint16_t)g);
			break;
		case TX_DEVICE:
			send_to_device(w, (uint16_t)g);
			break;
		case TX_MESH:
			send_to_ring(w, (uint16_t)g);
			break;
		case TX_NOWAY:
			refuse_rest(w, &h->groups[g], 0, DROP_VIF_WITHOUT_PORT);
			break;
		}
		hand_tx_done(h, (uint16_t)g);
		FAULT_POINT("send-done");
		pool_trim_if_high(w->pool, (uint16_t)w->slot_index);
	}
	hand_finish(h, n_rx);
}

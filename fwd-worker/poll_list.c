/* SPDX-License-Identifier: BSD-3-Clause */
/* What a slot polls and where it can send. See poll_list.h. */
#include "fwd-worker/poll_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_ethdev.h>

int
poll_list_init(struct worker *w)
{
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll < 0)
		return -errno;
	w->tx = calloc(w->n_ports, sizeof(*w->tx));
	w->vif_of_port = calloc(w->n_ports, sizeof(*w->vif_of_port));
	if (w->tx != NULL && w->vif_of_port != NULL)
		return 0;
	poll_list_fini(w);
	return -ENOMEM;
}

void
poll_list_fini(struct worker *w)
{
	close(w->epoll);
	free(w->tx);
	free(w->vif_of_port);
	free(w->devices);
	free(w->taps);
	w->epoll = -1;
	w->tx = NULL;
	w->vif_of_port = NULL;
	w->devices = NULL;
	w->taps = NULL;
	w->n_devices = 0;
	w->n_taps = 0;
}

void
poll_list_clear(struct worker *w)
{
	memset(w->tx, 0, w->n_ports * sizeof(*w->tx));
	w->n_devices = 0;
	w->n_taps = 0;
}

/* One more at the end of a list; NULL when out of memory (then the queue is not polled). */
static struct rx_queue *
append(struct rx_queue **list, uint32_t *n)
{
	struct rx_queue *longer = *list;

	/* Room for 1, 2, 4, 8, ... */
	if ((*n & (*n - 1)) == 0 || *n == 0) {
		longer = realloc(*list, (*n == 0 ? 1 : *n * 2) * sizeof(**list));
		if (longer == NULL)
			return NULL;
		*list = longer;
	}
	return &longer[(*n)++];
}

/*
 * memif's buffers are 2,048 bytes unless its arguments say otherwise. What is longer takes several
 * descriptors, which DPDK 22.11 marks as a chain and never clears: shorter frames that use them
 * later would be taken for chains. 4 bytes are for a VLAN tag.
 */
enum { PEER_FRAME_MAX = 2048 - 4 };

static bool
tap_make(struct worker *w, uint32_t index, const struct port *p, const struct taps *taps)
{
	uint32_t n_txq = p->queues == 0 ? 1 : p->queues;
	struct tx_port *tx = &w->tx[index];
	bool complete;

	tx->queue = (uint16_t)(w->slot_index % n_txq);
	tx->fd = taps_get(taps, index, tx->queue);
	tx->hold = PORT_HOLD_NONE;
	tx->offloads = true;
	tx->way = tx->fd >= 0 ? TX_TAP : TX_NOWAY;
	complete = tx->fd >= 0;
	for (uint32_t q = 0; q < p->queues && q < PORT_QUEUES_MAX; q++) {
		struct rx_queue *rx;
		int fd;

		if (p->rx_slot[q] != w->slot_index)
			continue;
		fd = taps_get(taps, index, q);
		if (fd < 0) {
			complete = false;
			continue;
		}
		rx = append(&w->taps, &w->n_taps);
		if (rx != NULL)
			*rx = (struct rx_queue){.port = (uint16_t)index,
						.queue = (uint16_t)q,
						.hold = PORT_HOLD_NONE,
						.fd = fd};
	}
	return complete;
}

/* Not ours to poll: packets go to the hand of who does, and come from there by its ring. */
static void
mesh_make(struct worker *w, uint32_t index, uint32_t hand)
{
	struct tx_port *tx = &w->tx[index];

	tx->to_hand = (int16_t)hand;
	tx->ring = handshake_ring(w->handshake, w->slot_index, hand);
	tx->way = tx->ring != NULL ? TX_MESH : TX_NOWAY;
}

static void
device_make(struct worker *w, uint32_t index, const struct port *p, const struct links *links)
{
	const struct port_run *r = &w->handshake->port_run[index];
	struct tx_port *tx = &w->tx[index];
	const struct rte_eth_fp_ops *ops;
	uint32_t owner;

	if (r->poller == PORT_BY_IO) {
		mesh_make(w, index, hand_of_primary(w->handshake->n_hands));
		return;
	}
	if ((r->flags & PORT_RUN_PEER) != 0 && !links_up(links, index))
		return;
	if (r->eth_port >= RTE_MAX_ETHPORTS || !rte_eth_dev_is_valid_port((uint16_t)r->eth_port))
		return;
	ops = &rte_eth_fp_ops[r->eth_port];
	if (ops->rx_pkt_burst == NULL || ops->tx_pkt_burst == NULL)
		return;

	owner = r->n_txq == 0 ? w->slot_index : port_tx_owner(r, w->slot_index);
	tx->hold = (uint8_t)r->hold;
	if ((r->flags & PORT_RUN_PEER) != 0)
		tx->frame_max = PEER_FRAME_MAX;
	if (r->n_txq != 0 && owner == w->slot_index) {
		tx->queue = (uint16_t)port_tx_queue(r, w->slot_index);
		tx->tx = ops->tx_pkt_burst;
		tx->txq = r->txq[tx->queue];
		tx->ring = r->hold == PORT_HOLD_RING ? r->tx_ring[tx->queue] : NULL;
		tx->way = tx->txq != NULL ? TX_DEVICE : TX_NOWAY;
	} else if (r->n_txq != 0) {
		tx->to_hand = (int16_t)owner;
		tx->ring = handshake_ring(w->handshake, w->slot_index, owner);
		tx->way = tx->ring != NULL ? TX_MESH : TX_NOWAY;
	}
	for (uint32_t q = 0; q < r->n_rxq && q < p->queues && q < PORT_QUEUES_MAX; q++) {
		struct rx_queue *rx;

		if (p->rx_slot[q] != w->slot_index || r->rxq[q] == NULL)
			continue;
		rx = append(&w->devices, &w->n_devices);
		if (rx != NULL)
			*rx = (struct rx_queue){.port = (uint16_t)index,
						.queue = (uint16_t)q,
						.hold = (uint8_t)r->hold,
						.fd = -1,
						.rx = ops->rx_pkt_burst,
						.rxq = r->rxq[q],
						.ring = r->hold == PORT_HOLD_RING ? r->rx_ring[q]
										  : NULL};
	}
}

/* A guest of a vhost agent. */
static void
vhost_make(struct worker *w, uint32_t index, const struct port *p)
{
	if (p->agent >= w->handshake->n_agents)
		return;
	mesh_make(w, index, hand_of_agent(w->handshake->n_slots, p->agent));
	w->tx[index].offloads = true;
	w->tx[index].guest = &p->guest;
}

/* A new epoll set: an old one could still name a tap whose descriptor we have closed. */
static void
epoll_make(struct worker *w)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		return;
	close(w->epoll);
	w->epoll = epoll;
	for (uint32_t i = 0; i < w->n_taps; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};

		(void)epoll_ctl(epoll, EPOLL_CTL_ADD, w->taps[i].fd, &e);
	}
}

bool
poll_list_make(struct worker *w, const struct ports *ports, const struct taps *taps,
	       const struct links *links)
{
	bool complete = true;

	poll_list_clear(w);
	for (uint32_t i = 0; i < ports->n && i < w->n_ports; i++) {
		const struct port *p = &ports->p[i];

		if (__atomic_load_n(&p->state, __ATOMIC_ACQUIRE) != PORT_ACTIVE)
			continue;
		w->tx[i].one_queue = p->queues == 1;
		switch ((enum port_kind)p->kind) {
		case PORT_TAP:
			complete &= tap_make(w, i, p, taps);
			break;
		case PORT_DEVICE:
			device_make(w, i, p, links);
			break;
		case PORT_VHOST:
			vhost_make(w, i, p);
			break;
		case PORT_KINDS:
			break;
		}
	}
	epoll_make(w);
	return complete;
}

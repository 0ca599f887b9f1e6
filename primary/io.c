/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop of the io thread; see io.h. Order of stores: hand.h. It calls drivers' bursts and
 * nothing else of EAL, so it takes no shared lock, and allocates only to make its lists anew.
 *
 * The hand is the primary's. No repair will ever read it, as the primary's death ends the EAL
 * generation; an audit does.
 */
#include "primary/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "common/counters.h"
#include "common/hand_ring.h"
#include "common/drop_log.h"
#include "common/pkt.h"
#include "common/pool.h"
#include "primary/device_port.h"
#include "primary/primary.h"

#define LOG_MODULE "io"
#include "common/log.h"

enum {
	LOOPS_BEFORE_SLEEP = 200,
	SLEEP_US_MAX = 20000, /* bonds want to be called every 50 ms */
	KEEP_ALIVE_MS = 20,
	IO_CORE_SAME = 1024, /* conf.io_core */
};

/* A queue to poll, and where its packets go. */
struct io_queue {
	uint16_t port; /* of the table; eth_port: DPDK's */
	uint16_t eth_port;
	uint16_t queue;
	uint16_t slot;
	uint8_t hold;
	bool patient; /* packets wait in the device while the ring is full */
	struct rte_ring *ring;
};

struct io_port {
	bool present;
	bool is_bond;
	uint8_t hold;
	uint16_t eth_port;
	uint16_t n_txq;
	uint16_t group; /* of the last burst that left there */
	uint64_t tx_offloads;
};

struct io {
	const struct conf *conf;
	struct handshake *hs;
	const struct ports *table;
	struct counters *counters;
	struct vif_counters *count; /* the thread's, by vif id */
	struct drop_log *drop_log;  /* the thread's */
	struct drop_sampler sampler;
	struct slot *self;
	struct hand *hand;
	struct pool *pool;
	uint32_t hand_id;
	uint32_t n_ports;
	bool running; /* the main thread's */
	bool stop;    /* atomic */

	/* the thread's, from the ports of 'version' */
	uint64_t version;
	struct io_port *ports; /* [n_ports] */
	struct io_queue *queues;
	uint32_t n_queues;
	uint32_t *bonds; /* [n_ports] */
	uint32_t n_bonds;
	uint64_t kept_alive_tsc;
};

/* --- ports ------------------------------------------------------------------------------------ */

static void
queue_add(struct io *io, uint32_t index, uint32_t q)
{
	const struct port *port = &io->table->p[index];
	const struct port_run *run = &io->hs->port_run[index];
	struct io_queue *longer;
	uint16_t slot = port->rx_slot[q] < io->hs->n_slots ? port->rx_slot[q] : 0;

	longer = realloc(io->queues, (io->n_queues + 1) * sizeof(*longer));
	if (longer == NULL)
		return;
	io->queues = longer;
	io->queues[io->n_queues++] =
	    (struct io_queue){.port = (uint16_t)index,
			      .eth_port = (uint16_t)run->eth_port,
			      .queue = (uint16_t)q,
			      .slot = slot,
			      .hold = (uint8_t)run->hold,
			      .patient = device_is_patient(port->devargs),
			      .ring = handshake_ring(io->hs, io->hand_id, slot)};
}

static void
ports_look(struct io *io)
{
	memset(io->ports, 0, io->n_ports * sizeof(*io->ports));
	io->n_queues = 0;
	io->n_bonds = 0;
	for (uint32_t i = 0; i < io->n_ports; i++) {
		const struct port *port = &io->table->p[i];
		const struct port_run *run = &io->hs->port_run[i];

		if (__atomic_load_n(&port->state, __ATOMIC_ACQUIRE) != PORT_ACTIVE ||
		    port->kind != PORT_DEVICE || run->poller != PORT_BY_IO)
			continue;
		io->ports[i] = (struct io_port){.present = true,
						.is_bond = device_is_bond(port->devargs),
						.hold = (uint8_t)run->hold,
						.eth_port = (uint16_t)run->eth_port,
						.n_txq = (uint16_t)run->n_txq,
						.tx_offloads = run->tx_offloads};
		if (io->ports[i].is_bond)
			io->bonds[io->n_bonds++] = i;
		for (uint32_t q = 0; q < run->n_rxq && q < PORT_QUEUES_MAX; q++)
			queue_add(io, i, q);
	}
}

static void
ports_check(struct io *io)
{
	uint64_t version = __atomic_load_n(&io->hs->ports_version, __ATOMIC_ACQUIRE);

	if (version == io->version)
		return;
	ports_look(io);
	io->version = version;
	__atomic_store_n(&io->self->ports_version, version, __ATOMIC_RELEASE);
}

/* --- from devices to slots -------------------------------------------------------------------- */

static void
count_drops(struct io *io, uint32_t vif, enum drop why, uint32_t n)
{
	if (vif >= io->counters->vifs)
		vif = io->counters->vifs - 1;
	io->count[vif].drops[why] += n;
}

/* rx[0..n) goes to the queue's slot. Nobody knows their vif yet: what is lost is counted at none.
 */
static void
send_to_slot(struct io *io, const struct io_queue *q, uint16_t n)
{
	struct hand *h = io->hand;
	uint32_t sent = hand_to_slot(h, q->ring, q->slot, q->port, q->queue, n);

	for (uint32_t i = sent; i < n; i++) {
		drop_sampler_see(&io->sampler, DROP_RING_FULL, "io", io->counters->vifs - 1,
				 h->groups[0].m[i]);
		hand_drop(h, h->groups[0].m[i]);
	}
	if (sent < n) {
		count_drops(io, UINT32_MAX, DROP_RING_FULL, n - sent);
		io->drop_log->ring_full[q->slot] += n - sent;
	}
	hand_to_slot_done(h, n);
}

static uint32_t
poll_queue(struct io *io, const struct io_queue *q)
{
	struct hand *h = io->hand;
	uint32_t max = (uint32_t)io->conf->burst, room;
	uint16_t n;

	if (q->patient) {
		room = rte_ring_free_count(q->ring);
		max = room < max ? room : max;
		if (max == 0)
			return 0;
	}
	hand_rx(h, q->port, q->queue, q->hold);
	n = rte_eth_rx_burst(q->eth_port, q->queue, h->rx, (uint16_t)max);
	/* A bond picks its own packets out of a burst, and leaves the pointers behind it. */
	for (uint32_t i = n; i < max; i++)
		h->rx[i] = NULL;
	if (n == 0) {
		hand_next_epoch(h);
		hand_set(h, (union hand_state){.where = HAND_EMPTY});
		return 0;
	}
	hand_run(h, n);
	send_to_slot(io, q, n);
	return n;
}

/* --- from slots to devices -------------------------------------------------------------------- */

/* Counted at the vif it came in by. */
static void
refuse(struct io *io, struct rte_mbuf *m, enum drop why)
{
	count_drops(io, pkt_meta(m)->in_vif, why, 1);
	drop_sampler_see(&io->sampler, why, "io", pkt_meta(m)->in_vif, m);
	hand_drop(io->hand, m);
}

/* The port's group of this burst: at most BURST_MAX packets, so there are always groups enough. */
static struct hand_group *
group_of(struct io *io, uint16_t index, uint32_t slot)
{
	struct hand *h = io->hand;
	struct io_port *port = &io->ports[index];
	struct hand_group *group = &h->groups[port->group];

	if (port->group < h->n_groups && group->port == index)
		return group;
	port->group = (uint16_t)h->n_groups;
	group = &h->groups[h->n_groups++];
	group->n = 0;
	group->port = index;
	group->queue = (uint16_t)(slot % port->n_txq);
	group->ring = -1;
	group->seg_from = 0;
	group->n_segs = 0;
	return group;
}
_Static_assert((int)BURST_MAX <= (int)HAND_GROUPS_MAX, "group_of: one group for each packet");

static void
sort_one(struct io *io, struct rte_mbuf *m, uint32_t slot)
{
	const struct pkt_meta *meta = pkt_meta(m);
	struct hand_group *group;

	if (meta->next != PKT_NEXT_TX || meta->out_port >= io->n_ports ||
	    !io->ports[meta->out_port].present) {
		refuse(io, m, DROP_VIF_WITHOUT_PORT);
		return;
	}
	/* Some drivers would send a chain's first segment alone. */
	if (m->nb_segs > 1 &&
	    (io->ports[meta->out_port].tx_offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) == 0 &&
	    rte_pktmbuf_linearize(m) != 0) {
		refuse(io, m, DROP_MTU);
		return;
	}
	group = group_of(io, meta->out_port, slot);
	group->m[group->n++] = m;
}

static void
send_to_device(struct io *io, uint16_t index)
{
	struct hand *h = io->hand;
	struct hand_group *group = &h->groups[index];
	const struct io_port *port = &io->ports[group->port];
	uint16_t sent;

	hand_tx_inside(h, index, port->hold);
	sent = rte_eth_tx_burst(port->eth_port, group->queue, group->m, group->n);
	for (uint16_t i = sent; i < group->n; i++)
		refuse(io, group->m[i], DROP_TX_QUEUE_FULL);
	hand_tx_done(h, index);
}

static uint32_t
poll_slot(struct io *io, uint16_t slot)
{
	struct rte_ring *ring = handshake_ring(io->hs, slot, io->hand_id);
	struct hand *h = io->hand;
	bool chained = false;
	uint32_t n;

	if (rte_ring_empty(ring))
		return 0;
	hand_ring_in(h, slot, ring->cons.tail);
	n = rte_ring_sc_dequeue_burst(ring, (void **)h->rx, (uint32_t)io->conf->burst, NULL);
	hand_run(h, (uint16_t)n);
	for (uint32_t i = 0; i < n; i++) {
		sort_one(io, h->rx[i], slot);
		chained |= h->rx[i]->nb_segs > 1;
	}
	if (chained)
		hand_flatten(h);
	hand_tx(h);
	for (uint32_t i = 0; i < h->n_groups; i++)
		send_to_device(io, (uint16_t)i);
	hand_finish(h, (uint16_t)n);
	return n;
}

/*
 * A bond speaks to its peers from inside of its bursts, with or without packets of ours: receiving
 * is done in every loop, sending here.
 */
static void
bonds_keep_alive(struct io *io)
{
	uint64_t now = rte_rdtsc();

	if (io->n_bonds == 0 || now - io->kept_alive_tsc < rte_get_tsc_hz() / 1000 * KEEP_ALIVE_MS)
		return;
	io->kept_alive_tsc = now;
	for (uint32_t i = 0; i < io->n_bonds; i++)
		rte_eth_tx_burst(io->ports[io->bonds[i]].eth_port, 0, NULL, 0);
	hand_next_epoch(io->hand);
}

/* --- the loop --------------------------------------------------------------------------------- */

static void
loop(struct io *io)
{
	uint64_t sleep_us = io->conf->sleep_us < SLEEP_US_MAX ? io->conf->sleep_us : SLEEP_US_MAX;
	const struct timespec sleep = {.tv_nsec = (long)sleep_us * 1000};
	struct slot *s = io->self;
	uint64_t before = rte_rdtsc();
	uint32_t idle = 0;

	while (!__atomic_load_n(&io->stop, __ATOMIC_RELAXED)) {
		uint32_t packets = 0;
		uint64_t now;

		__atomic_store_n(&s->beat, s->beat + 1, __ATOMIC_RELAXED);
		slot_pause_keep(s);
		ports_check(io);
		for (uint32_t i = 0; i < io->n_queues; i++)
			packets += poll_queue(io, &io->queues[i]);
		for (uint32_t slot = 0; slot < io->hs->n_slots; slot++)
			packets += poll_slot(io, (uint16_t)slot);
		bonds_keep_alive(io);
		pool_trim_if_high(io->pool, (uint16_t)io->hand_id);

		now = rte_rdtsc();
		drop_sampler_tick(&io->sampler, now);
		if (packets > 0) {
			s->busy_tsc += now - before;
			s->packets += packets;
			s->bursts++;
			idle = 0;
		} else {
			s->idle_tsc += now - before;
			if (io->conf->poll == POLL_ADAPTIVE && ++idle > LOOPS_BEFORE_SLEEP) {
				nanosleep(&sleep, NULL);
				s->sleeps++;
				now = rte_rdtsc();
			}
		}
		before = now;
	}
}

static int
io_main(void *arg)
{
	struct io *io = arg;

	prctl(PR_SET_TIMERSLACK, 1);
	pool_thread_hand((uint16_t)io->hand_id, &io->hand->epoch);
	__atomic_store_n(&io->self->animated_by, (process_key)getpid(), __ATOMIC_RELEASE);
	loop(io);
	for (uint32_t i = 0; i < io->hs->n_pools; i++)
		if (pool_of(io->hs->pools[i]) != NULL)
			pool_drain(pool_of(io->hs->pools[i]), (uint16_t)io->hand_id);
	pool_thread_hand(HAND_NONE, NULL);
	__atomic_store_n(&io->self->animated_by, 0, __ATOMIC_RELEASE);
	return 0;
}

/* --- the main thread's side ------------------------------------------------------------------- */

unsigned int
io_core(const struct conf *c)
{
	return (unsigned int)(c->io_core == IO_CORE_SAME ? c->primary_core : c->io_core);
}

struct io *
io_create(struct primary *p, struct fault *f)
{
	struct io *io = calloc(1, sizeof(*io));

	if (io == NULL) {
		fault_set(f, ENOMEM, "no memory for the io thread");
		return NULL;
	}
	io->conf = &p->conf;
	io->hs = p->hs;
	io->table = p->ports;
	io->counters = region_table(&p->region, "counters");
	io->count = counters_at(io->counters, io->counters->slots - 1, 0);
	io->drop_log =
	    (struct drop_log *)region_table(&p->region, "drop-log") + io->counters->slots - 1;
	drop_sampler_init(&io->sampler, io->drop_log, (uint32_t)p->conf.drop_log_rate,
			  rte_get_tsc_hz());
	io->self = p->hs->io;
	io->hand_id = hand_of_primary(p->hs->n_hands);
	io->hand = &p->hs->hands[io->hand_id];
	io->pool = pool_of(p->hs->pools[0]);
	io->n_ports = p->hs->n_ports < p->ports->n ? p->hs->n_ports : p->ports->n;
	io->ports = calloc(io->n_ports, sizeof(*io->ports));
	io->bonds = calloc(io->n_ports, sizeof(*io->bonds));
	if (io->ports != NULL && io->bonds != NULL)
		return io;
	fault_set(f, ENOMEM, "no memory for the io thread's %u ports", io->n_ports);
	io_destroy(io);
	return NULL;
}

void
io_destroy(struct io *io)
{
	if (io == NULL)
		return;
	io_stop(io);
	free(io->ports);
	free(io->bonds);
	free(io->queues);
	free(io);
}

int
io_start(struct io *io, struct fault *f)
{
	int rc;

	if (io->running)
		return 0;
	io->stop = false;
	io->version = UINT64_MAX;
	rc = rte_eal_remote_launch(io_main, io, IO_LCORE);
	if (rc < 0)
		return fault_set(f, -rc, "the io thread cannot be started: %s", strerror(-rc));
	io->running = true;
	log_info("the io thread polls devices on CPU %u", io_core(io->conf));
	return 0;
}

void
io_stop(struct io *io)
{
	if (!io->running)
		return;
	__atomic_store_n(&io->stop, true, __ATOMIC_RELAXED);
	rte_eal_wait_lcore(IO_LCORE);
	io->running = false;
}

bool
io_saw(const struct io *io, uint64_t ports_version)
{
	return !io->running ||
	       __atomic_load_n(&io->self->ports_version, __ATOMIC_ACQUIRE) >= ports_version;
}

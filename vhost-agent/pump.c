/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets between virtqueues and the mesh. See pump.h; order of stores: common/hand.h.
 *
 * rte_vhost copies both ways, so it holds no mbufs between calls (PORT_HOLD_NONE). From a guest: it
 * allocates from the magazine straight into the hand's rx[], copies, then tells the guest that its
 * buffers are used; if we die before that, the guest's frames are taken again by our successor: at
 * most one burst twice. What it allocated and did not return it has freed: those entries of rx[]
 * are cleared before anything else may get them. To a guest: the mbufs stay ours until they are
 * freed as all drops are; if we die inside, frames may reach the guest that nobody counted.
 *
 * Guests come back to an agent that was started again one after the other. So that nothing is sent
 * to one that is just coming, we begin when all are there that our predecessor had, or after a
 * while.
 *
 * Towards slots nothing is dropped: a guest's frames stay in its virtqueue while the ring is full,
 * or nobody animates the slot. Towards guests nothing waits: what the virtqueue does not take ends.
 */
#include "vhost-agent/pump.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_vhost.h>

#include "common/conf.h"
#include "common/counters.h"
#include "common/drop_log.h"
#include "common/fault_point.h"
#include "common/hand.h"
#include "common/hand_ring.h"
#include "common/handshake.h"
#define LOG_MODULE "pump"
#include "common/log.h"
#include "common/pkt.h"
#include "common/pool.h"
#include "common/process_client.h"
#include "common/region.h"
#include "common/slot.h"
#include "common/offload.h"
#include "common/tap.h"
#include "vhost-agent/blame.h"
#include "vhost-agent/guests.h"

enum {
	LOOPS_BEFORE_SLEEP = 200,
	DRAIN_MS = 200, /* at the end, for what is on its way to guests */
	LIST_POLL_US = 10,
	EXPECT_MS = 100,           /* at most, for guests of our predecessor */
	LOOPS_BEFORE_CHECK = 1024, /* a power of two */
	FRAME_MAX = 65535 + 14,    /* what segmentation of a guest's frames begins with */
	REFUSED_US = 500,          /* of CPU time, to find out that a guest takes nothing */
};

struct pump {
	uint64_t loops __attribute__((aligned(64))); /* begun; atomic, for pump_sync() */
	const struct guest_list *list;               /* atomic; the main thread's */
	bool stop;                                   /* atomic */
	bool running;                                /* atomic */

	bool begun; /* guests of our predecessor are not waited for any more */
	bool adaptive;
	uint32_t hand_id;
	uint32_t burst_max;
	uint32_t segments_max; /* of a burst from a guest */
	int event;
	uint64_t begin_tsc;     /* at the latest */
	uint64_t refused_tsc;   /* REFUSED_US */
	uint64_t ports_version; /* last one told to the main thread; the pump's */
	struct handshake *hs;
	struct slot *self; /* our entry of the agents' table */
	struct hand *hand;
	struct rte_mempool *mbufs;
	struct pool *pool;
	struct counters *counters;
	struct drop_sampler sampler;
	struct timespec sleep;
	struct pump_config config;
	pthread_t thread;
	/* by group of this burst: whom it leads to */
	struct guest *to_guest[HAND_GROUPS_MAX];
	int to_vid[HAND_GROUPS_MAX];
};

/* --- from guests ------------------------------------------------------------------------------ */

/*
 * Once for each queue of a device: our predecessor may have died between using a buffer and telling
 * the guest so; and since we poll, no guest needs to kick.
 */
static void
greet(struct device *d, uint32_t rx_ready, uint32_t tx_ready)
{
	uint32_t rx = rx_ready & ~d->rx_greeted, tx = tx_ready & ~d->tx_greeted;

	if (__builtin_expect((rx | tx) == 0, 1))
		return;
	for (; rx != 0; rx &= rx - 1)
		rte_vhost_vring_call(d->vid, (uint16_t)(2 * __builtin_ctz(rx)));
	for (; tx != 0; tx &= tx - 1) {
		uint16_t queue = (uint16_t)(2 * __builtin_ctz(tx) + 1);

		rte_vhost_enable_guest_notification(d->vid, queue, 0);
		rte_vhost_vring_call(d->vid, queue);
	}
	d->rx_greeted |= rx_ready;
	d->tx_greeted |= tx_ready;
}

static uint32_t
poll_queue(struct pump *pu, struct guest *g, struct device *d, uint32_t pair)
{
	struct hand *h = pu->hand;
	uint16_t slot = g->entry->rx_slot[g->queues == 0 ? 0 : pair % g->queues];
	struct rte_ring *ring;
	uint32_t room;
	uint16_t n;

	if (slot >= pu->hs->n_slots)
		return 0;
	ring = handshake_ring(pu->hs, pu->hand_id, slot);
	room = rte_ring_free_count(ring);
	if (room == 0)
		return 0;
	hand_rx(h, g->port, (uint16_t)(2 * pair + 1), PORT_HOLD_NONE);
	FAULT_POINT("guest-rx");
	pool_thread_budget(pu->segments_max);
	n = rte_vhost_dequeue_burst(d->vid, (uint16_t)(2 * pair + 1), pu->mbufs, h->rx,
				    (uint16_t)RTE_MIN(room, pu->burst_max));
	if (__builtin_expect(pool_thread_budget(UINT64_MAX), 0))
		blame_close(g, GUEST_FRAME);
	FAULT_POINT("guest-received");
	/* Behind the packets may be pointers to what was freed again: they are the magazine's. */
	for (uint32_t i = n; i < BURST_MAX && h->rx[i] != NULL; i++)
		h->rx[i] = NULL;
	FAULT_POINT("guest-cleared");
	if (n == 0) {
		hand_set(h, (union hand_state){.where = HAND_EMPTY});
		return 0;
	}
	hand_run(h, n);
	FAULT_POINT("guest-run");
	for (uint32_t sent = hand_to_slot(h, ring, slot, g->port, 0, n); sent < n; sent++)
		hand_drop(h, h->groups[0].m[sent]);
	hand_to_slot_done(h, n);
	FAULT_POINT("guest-sent");
	return n;
}

static uint32_t
poll_guest(struct pump *pu, struct guest *g)
{
	struct device *d = __atomic_load_n(&g->device, __ATOMIC_ACQUIRE);
	uint32_t ready, packets = 0;

	if (d == NULL)
		return 0;
	ready = __atomic_load_n(&d->tx_ready, __ATOMIC_ACQUIRE);
	blame_begin(g);
	greet(d, __atomic_load_n(&d->rx_ready, __ATOMIC_ACQUIRE), ready);
	for (; ready != 0; ready &= ready - 1)
		packets += poll_queue(pu, g, d, (uint32_t)__builtin_ctz(ready));
	blame_end();
	return packets;
}

/* --- to guests -------------------------------------------------------------------------------- */

/* Counted at the vif it came in by. */
static void
refuse(struct pump *pu, struct rte_mbuf *m, enum drop why)
{
	uint32_t vif = pkt_meta(m)->in_vif;

	if (vif >= pu->counters->vifs)
		vif = pu->counters->vifs - 1;
	counters_at(pu->counters, pu->hand_id, vif)->drops[why]++;
	drop_sampler_see(&pu->sampler, why, "guest", vif, m);
	hand_drop(pu->hand, m);
}

static bool
guest_has(const struct device *d, unsigned int feature)
{
	return (d->features >> feature & 1) != 0;
}

/* What the guest has not agreed to take is done here, or cannot be. */
static int
offloads_fit(const struct device *d, struct rte_mbuf *m)
{
	if (__builtin_expect((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0, 0) &&
	    !guest_has(d, (m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0 ? VIRTIO_NET_F_GUEST_TSO6
								  : VIRTIO_NET_F_GUEST_TSO4))
		return -EMSGSIZE;
	if ((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == 0 || guest_has(d, VIRTIO_NET_F_GUEST_CSUM))
		return 0;
	return offload_checksum(m);
}

/* One of the guest's receiving queues, the same for everything from one slot, to keep the order. */
static uint16_t
queue_for(const struct device *d, uint32_t slot)
{
	uint32_t ready = __atomic_load_n(&d->rx_ready, __ATOMIC_ACQUIRE), skip;

	if ((ready & (ready - 1)) == 0)
		return ready == 0 ? UINT16_MAX : (uint16_t)(2 * __builtin_ctz(ready));
	for (skip = slot % (uint32_t)__builtin_popcount(ready); skip > 0; skip--)
		ready &= ready - 1;
	return (uint16_t)(2 * __builtin_ctz(ready));
}

/* The guest's group of this burst: at most BURST_MAX packets, so there are always groups enough. */
static struct hand_group *
group_of(struct pump *pu, struct guest *g, const struct device *d, uint32_t slot)
{
	struct hand *h = pu->hand;
	struct hand_group *group = &h->groups[g->group];

	if (g->group < h->n_groups && group->port == g->port)
		return group;
	g->group = (uint16_t)h->n_groups;
	group = &h->groups[g->group];
	pu->to_guest[g->group] = g;
	pu->to_vid[g->group] = d->vid;
	group->n = 0;
	group->port = g->port;
	group->queue = queue_for(d, slot);
	group->ring = -1;
	group->seg_from = 0;
	group->n_segs = 0;
	h->n_groups++;
	return group;
}
_Static_assert((int)BURST_MAX <= (int)HAND_GROUPS_MAX, "group_of: one group for each packet");

/* Whom packets of a burst lead to, as long as they lead to one guest. */
struct lead {
	const struct device *device; /* NULL: nobody is there */
	struct hand_group *group;    /* NULL: none leads anywhere yet */
	uint32_t port;
};

static struct lead
lead_to(struct pump *pu, const struct guest_list *l, uint32_t port, uint32_t slot)
{
	struct guest *g = port < l->n_ports ? l->by_port[port] : NULL;
	struct lead to = {.port = port};

	if (g != NULL)
		to.device = __atomic_load_n(&g->device, __ATOMIC_ACQUIRE);
	if (to.device != NULL)
		to.group = group_of(pu, g, to.device, slot);
	return to;
}

/*
 * rx[0..n) into groups. What the worker wrote or read is in its core's cache, so all of a burst is
 * asked for before the first is looked at; and for writing, as these mbufs are the next ones to be
 * taken from the magazine. Returns whether there are packets of several segments.
 */
static bool
sort_burst(struct pump *pu, const struct guest_list *l, uint32_t slot, uint32_t n)
{
	struct rte_mbuf *const *rx = pu->hand->rx;
	struct lead to = {.port = UINT32_MAX};
	uint32_t segs = 0;

	for (uint32_t i = 0; i < n; i++) {
		pkt_prefetch_write(pkt_meta(rx[i]));
		pkt_prefetch_write(rx[i]);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = rx[i];
		const struct pkt_meta *meta = pkt_meta(m);
		uint32_t port = meta->next == PKT_NEXT_TX ? meta->out_port : UINT32_MAX - 1;

		pkt_prefetch_write(rte_pktmbuf_mtod(m, void *));
		segs |= m->nb_segs;
		if (port != to.port)
			to = lead_to(pu, l, port, slot);
		if (__builtin_expect(to.device == NULL, 0))
			refuse(pu, m, DROP_VIF_WITHOUT_PORT);
		else if (__builtin_expect((m->ol_flags & OFFLOAD_WISHES) != 0, 0) &&
			 offloads_fit(to.device, m) < 0)
			refuse(pu, m, DROP_MTU);
		else
			to.group->m[to.group->n++] = m;
	}
	return segs > 1;
}

static uint64_t
thread_cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/*
 * The guest took nothing, and to see that took long. Either we were not running meanwhile, or it
 * offers buffers of no length in chains without end, which rte_vhost goes through in vain: 2^30 of
 * them, if it were not for the largest ring we allow (vet.c). Tried again, with a better clock.
 */
static uint16_t
enqueue_once_more(struct pump *pu, uint16_t index, struct rte_mbuf **m, uint16_t n)
{
	uint64_t before_us = thread_cpu_us();

	n = rte_vhost_enqueue_burst(pu->to_vid[index], pu->hand->groups[index].queue, m, n);
	if (n == 0 && thread_cpu_us() - before_us > REFUSED_US)
		blame_close(pu->to_guest[index], GUEST_STALL);
	return n;
}

/* rte_vhost takes some 32 at a time. */
static uint16_t
enqueue(struct pump *pu, uint16_t index, struct rte_mbuf **m, uint16_t n)
{
	uint64_t before = rte_rdtsc();
	uint16_t sent =
	    rte_vhost_enqueue_burst(pu->to_vid[index], pu->hand->groups[index].queue, m, n);

	if (__builtin_expect(sent == 0 && rte_rdtsc() - before > pu->refused_tsc, 0))
		return enqueue_once_more(pu, index, m, n);
	return sent;
}

static void
send_to_guest(struct pump *pu, uint16_t index)
{
	struct hand *h = pu->hand;
	struct hand_group *group = &h->groups[index];
	uint16_t sent = 0, n = 1;

	hand_tx_inside(h, index, PORT_HOLD_NONE);
	blame_begin(pu->to_guest[index]);
	FAULT_POINT("guest-tx");
	for (; group->queue != UINT16_MAX && n > 0 && sent < group->n; sent += n)
		n = enqueue(pu, index, &group->m[sent], group->n - sent);
	blame_end();
	FAULT_POINT("guest-transmitted");
	for (uint16_t i = 0; i < sent; i++)
		hand_drop(h, group->m[i]);
	for (uint16_t i = sent; i < group->n; i++)
		refuse(pu, group->m[i], DROP_TX_QUEUE_FULL);
	FAULT_POINT("guest-listed");
	hand_tx_done(h, index);
}

static uint32_t
poll_slot(struct pump *pu, const struct guest_list *l, uint16_t slot)
{
	struct rte_ring *ring = handshake_ring(pu->hs, slot, pu->hand_id);
	struct hand *h = pu->hand;
	bool chained;
	uint32_t n;

	if (rte_ring_empty(ring))
		return 0;
	hand_ring_in(h, slot, ring->cons.tail);
	FAULT_POINT("slot-ring-in");
	n = rte_ring_sc_dequeue_burst(ring, (void **)h->rx, pu->burst_max, NULL);
	FAULT_POINT("slot-dequeued");
	hand_run(h, (uint16_t)n);
	FAULT_POINT("slot-run");
	chained = sort_burst(pu, l, slot, n);
	if (chained)
		hand_flatten(h);
	FAULT_POINT("slot-sorted");
	hand_tx(h);
	for (uint32_t i = 0; i < h->n_groups; i++)
		send_to_guest(pu, (uint16_t)i);
	hand_finish(h, (uint16_t)n);
	FAULT_POINT("slot-sent");
	return n;
}

/* --- the loop --------------------------------------------------------------------------------- */

static void
ports_check(struct pump *pu)
{
	uint64_t version = __atomic_load_n(&pu->hs->ports_version, __ATOMIC_ACQUIRE);

	if (version == pu->ports_version)
		return;
	pu->ports_version = version;
	(void)!write(pu->event, &(uint64_t){1}, sizeof(uint64_t));
}

/* Tells the primary whose this is; the key changes when a primary knows us anew. */
static void
key_check(struct pump *pu)
{
	process_key key = process_client_key(pu->config.client);

	if (pu->self->animated_by != key)
		__atomic_store_n(&pu->self->animated_by, key, __ATOMIC_RELEASE);
}

static bool
all_expected_came(const struct guest_list *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->g[i]->expected &&
		    __atomic_load_n(&l->g[i]->device, __ATOMIC_ACQUIRE) == NULL)
			return false;
	return true;
}

static uint32_t
poll_all(struct pump *pu, bool guests_too)
{
	const struct guest_list *l = __atomic_load_n(&pu->list, __ATOMIC_ACQUIRE);
	uint32_t packets = 0;

	if (__builtin_expect(!pu->begun, 0)) {
		pu->begun = (l->n > 0 && all_expected_came(l)) || rte_rdtsc() >= pu->begin_tsc;
		return 0;
	}
	for (uint32_t i = 0; guests_too && i < l->n; i++)
		packets += poll_guest(pu, l->g[i]);
	for (uint32_t slot = 0; slot < pu->hs->n_slots; slot++)
		packets += poll_slot(pu, l, (uint16_t)slot);
	return packets;
}

static void
beat(struct slot *s)
{
	__atomic_store_n(&s->beat, s->beat + 1, __ATOMIC_RELAXED);
}

static void
loop(struct pump *pu)
{
	struct slot *s = pu->self;
	uint64_t before = rte_rdtsc();
	uint32_t idle = 0;

	slot_asleep(s, false);
	while (!__atomic_load_n(&pu->stop, __ATOMIC_RELAXED)) {
		uint32_t packets;
		uint64_t now;

		__atomic_add_fetch(&pu->loops, 1, __ATOMIC_SEQ_CST);
		beat(s);
		key_check(pu);
		slot_pause_keep(s);
		ports_check(pu);
		packets = poll_all(pu, true);
		pool_trim_if_high(pu->pool, (uint16_t)pu->hand_id);

		now = rte_rdtsc();
		drop_sampler_tick(&pu->sampler, now);
		if ((s->beat & (LOOPS_BEFORE_CHECK - 1)) == 0)
			blame_message_check(now);
		if (packets > 0) {
			s->busy_tsc += now - before;
			s->packets += packets;
			s->bursts++;
			idle = 0;
		} else {
			s->idle_tsc += now - before;
			if ((pu->adaptive || pu->list->n == 0) && ++idle > LOOPS_BEFORE_SLEEP) {
				slot_asleep(s, true);
				nanosleep(&pu->sleep, NULL);
				slot_asleep(s, false);
				s->sleeps++;
				now = rte_rdtsc();
			}
		}
		before = now;
	}
}

/* What slots have sent to our guests; they may go on sending, so not for ever. */
static void
drain(struct pump *pu)
{
	uint64_t until_tsc = rte_rdtsc() + rte_get_tsc_hz() / 1000 * DRAIN_MS;

	while (poll_all(pu, false) > 0 && rte_rdtsc() < until_tsc)
		beat(pu->self);
}

static void
move_to_core(const struct pump *pu)
{
	int32_t core = pu->config.core;
	cpu_set_t set;

	if (core < 0 || core >= CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)core, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0)
		log_warning("CPU %d is not ours to use", core);
}

static void *
pump_main(void *arg)
{
	struct pump *pu = arg;

	prctl(PR_SET_TIMERSLACK, 1);
	move_to_core(pu);
	pool_thread_hand((uint16_t)pu->hand_id, &pu->hand->epoch);
	key_check(pu);
	pu->begin_tsc = rte_rdtsc() + rte_get_tsc_hz() / 1000 * EXPECT_MS;
	loop(pu);
	drain(pu);
	pool_drain(pu->pool, (uint16_t)pu->hand_id);
	pool_thread_hand(HAND_NONE, NULL);
	__atomic_store_n(&pu->running, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&pu->self->animated_by, 0, __ATOMIC_RELEASE);
	return NULL;
}

/* --- other threads' side ---------------------------------------------------------------------- */

static uint32_t
segments_of(struct rte_mempool *mp, uint32_t bytes)
{
	uint32_t room = (uint32_t)rte_pktmbuf_data_room_size(mp) - RTE_PKTMBUF_HEADROOM;

	return bytes / room + 1;
}

int
pump_create(const struct pump_config *config, struct pump **result, struct fault *f)
{
	const struct region *r = process_client_region(config->client);
	struct slots *agents = region_table(r, "agents");
	struct pump *pu;

	if (posix_memalign((void **)&pu, CACHE_LINE, sizeof(*pu)) != 0)
		return fault_set(f, ENOMEM, "out of memory");
	memset(pu, 0, sizeof(*pu));
	pu->config = *config;
	pu->hs = process_client_handshake(config->client);
	pu->hand_id = hand_of_agent(pu->hs->n_slots, config->agent);
	pu->hand = &pu->hs->hands[pu->hand_id];
	pu->self = &agents->s[config->agent];
	pu->mbufs = pu->hs->pools[0];
	pu->pool = pool_of(pu->mbufs);
	pu->counters = region_table(r, "counters");
	drop_sampler_init(&pu->sampler,
			  (struct drop_log *)region_table(r, "drop-log") + pu->hand_id,
			  (uint32_t)config->conf->drop_log_rate, rte_get_tsc_hz());
	pu->burst_max = (uint32_t)config->conf->burst;
	pu->segments_max = pu->burst_max * segments_of(pu->mbufs, FRAME_MAX);
	pu->refused_tsc = rte_get_tsc_hz() / 1000000 * REFUSED_US;
	pu->adaptive = config->conf->poll == POLL_ADAPTIVE;
	pu->sleep = (struct timespec){.tv_sec = (time_t)(config->conf->sleep_us / 1000000),
				      .tv_nsec = (long)(config->conf->sleep_us % 1000000) * 1000};
	pu->ports_version = UINT64_MAX;
	pu->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pu->pool == NULL || pu->event < 0) {
		int rc = pu->pool == NULL
			     ? fault_set(f, EPROTO, "pool '%s' does not have our mempool ops",
					 pu->mbufs->name)
			     : fault_set(f, errno, "eventfd: %s", strerror(errno));

		free(pu);
		return rc;
	}
	*result = pu;
	return 0;
}

int
pump_start(struct pump *pu, struct fault *f)
{
	int rc;

	__atomic_store_n(&pu->running, true, __ATOMIC_SEQ_CST);
	rc = -pthread_create(&pu->thread, NULL, pump_main, pu);
	if (rc == 0)
		return 0;
	pu->running = false;
	return fault_set(f, -rc, "no thread: %s", strerror(-rc));
}

void
pump_stop(struct pump *pu)
{
	if (__atomic_exchange_n(&pu->stop, true, __ATOMIC_ACQ_REL))
		return;
	pthread_join(pu->thread, NULL);
}

void
pump_destroy(struct pump *pu)
{
	if (pu == NULL)
		return;
	close(pu->event);
	free(pu);
}

int
pump_event_fd(const struct pump *pu)
{
	return pu->event;
}

uint64_t
pump_ports_changed(struct pump *pu)
{
	uint64_t n;

	(void)!read(pu->event, &n, sizeof(n));
	return __atomic_load_n(&pu->hs->ports_version, __ATOMIC_ACQUIRE);
}

void
pump_ports_seen(struct pump *pu, uint64_t version)
{
	__atomic_store_n(&pu->self->ports_version, version, __ATOMIC_RELEASE);
}

void
pump_guests(struct pump *pu, const struct guest_list *list)
{
	__atomic_store_n(&pu->list, list, __ATOMIC_SEQ_CST);
	pump_sync(pu);
}

void
pump_sync(const struct pump *pu)
{
	uint64_t begun = __atomic_load_n(&pu->loops, __ATOMIC_SEQ_CST);

	while (__atomic_load_n(&pu->running, __ATOMIC_SEQ_CST) &&
	       __atomic_load_n(&pu->loops, __ATOMIC_SEQ_CST) == begun)
		usleep(LIST_POLL_US);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop of a forwarding core. Order of stores: hand.h. Nothing here allocates, locks or logs
 * while the slot is animated, but for making the poll list anew when ports change.
 */
#include "fwd-worker/slot.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <urcu/urcu-qsbr.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#include "common/conf.h"
#include "common/fault_point.h"
#include "common/grace.h"
#define LOG_MODULE "slot"
#include "common/log.h"
#include "common/pool.h"
#include "common/process_client.h"
#include "common/region.h"
#include "fwd-worker/poll_list.h"
#include "fwd-worker/receive.h"
#include "fwd-worker/stage.h"
#include "fwd-worker/taps.h"

enum {
	READY_TAPS_MAX = 64,  /* taps that one epoll_wait names */
	LOOPS_PER_EPOLL = 64, /* a look at the taps costs a system call: not in every loop of a busy
				 device */
	LOOPS_BEFORE_SLEEP = 200,
	WAIT_FOR_SLOT_US = 100,
	TAPS_OVERDUE_MS = 1000,
};

struct slot_thread {
	struct slot_thread_config config;
	pthread_t thread;
	bool stop; /* atomic */
	struct worker w;
	struct rte_rcu_qsbr *grace;
	const struct ports *ports;
	/* versions acted on */
	uint64_t ports_version;
	uint64_t taps_version;
	uint64_t links_version;
	uint64_t incomplete_since_tsc; /* 0: it isn't */
	bool begun; /* every port was there once: until then packets are better left waiting */
	/* taps to read, by index in w.taps */
	uint16_t ready[READY_TAPS_MAX];
	uint32_t n_ready;
	uint32_t loops_to_epoll;
	uint32_t idle_loops;
	bool adaptive;
	struct timespec sleep;
};

/* --- taps ------------------------------------------------------------------------------------- */

static void
taps_ask(struct slot_thread *st, const struct timespec *timeout)
{
	struct epoll_event e[READY_TAPS_MAX];
	int n = epoll_pwait2(st->w.epoll, e, READY_TAPS_MAX, timeout, NULL);

	st->n_ready = 0;
	for (int i = 0; i < n; i++)
		st->ready[st->n_ready++] = (uint16_t)e[i].data.u32;
	st->loops_to_epoll = LOOPS_PER_EPOLL;
}

/* A tap stays in ready[] until it gave less than was asked for. */
static uint32_t
taps_poll(struct slot_thread *st)
{
	static const struct timespec at_once;
	struct worker *w = &st->w;
	uint32_t packets = 0, left = 0;

	if (st->n_ready == 0) {
		if (w->n_devices > 0 && st->loops_to_epoll-- > 0)
			return 0;
		taps_ask(st, &at_once);
	}
	for (uint32_t k = 0; k < st->n_ready; k++) {
		uint32_t n = receive_from_tap(w, &w->taps[st->ready[k]]);

		packets += n;
		if (n == w->burst_max)
			st->ready[left++] = st->ready[k];
	}
	st->n_ready = left;
	if (left == 0 && packets > 0)
		st->loops_to_epoll = 0;
	return packets;
}

/* --- the loop --------------------------------------------------------------------------------- */

static void
ports_look(struct slot_thread *st, uint64_t version)
{
	struct worker *w = &st->w;
	uint64_t taps_now = taps_version(st->config.taps);
	uint64_t links_now = links_version(st->config.links);
	bool complete = poll_list_make(w, st->ports, st->config.taps, st->config.links);
	uint64_t now = rte_rdtsc();

	st->n_ready = 0;
	st->loops_to_epoll = 0;
	st->ports_version = version;
	st->taps_version = taps_now;
	st->links_version = links_now;
	if (complete) {
		st->incomplete_since_tsc = 0;
		st->begun = true;
		FAULT_POINT("ports-seen");
		__atomic_store_n(&w->slot->ports_version, version, __ATOMIC_RELEASE);
	} else if (st->incomplete_since_tsc == 0) {
		st->incomplete_since_tsc = now;
	}
}

/* A tap whose descriptor never comes must not keep the primary from changing other ports. */
static void
ports_overdue(struct slot_thread *st)
{
	uint64_t limit = rte_get_tsc_hz() / 1000 * TAPS_OVERDUE_MS;

	if (rte_rdtsc() - st->incomplete_since_tsc < limit)
		return;
	st->incomplete_since_tsc = 0;
	st->begun = true;
	log_warning("slot %u: a tap's descriptor is missing", st->w.slot->id);
	__atomic_store_n(&st->w.slot->ports_version, st->ports_version, __ATOMIC_RELEASE);
}

static inline void
ports_check(struct slot_thread *st)
{
	uint64_t version = __atomic_load_n(&st->w.handshake->ports_version, __ATOMIC_ACQUIRE);

	if (__builtin_expect(version != st->ports_version ||
				 taps_version(st->config.taps) != st->taps_version ||
				 links_version(st->config.links) != st->links_version,
			     0))
		ports_look(st, version);
	if (__builtin_expect(st->incomplete_since_tsc != 0, 0))
		ports_overdue(st);
}

/* Somebody counts mbufs: stand still, with an empty hand, no longer than was promised. */
static void
pause_keep(struct slot *s)
{
	uint64_t asked = __atomic_load_n(&s->pause, __ATOMIC_ACQUIRE);

	__atomic_store_n(&s->pause_seen, asked, __ATOMIC_RELEASE);
	while (__atomic_load_n(&s->pause, __ATOMIC_ACQUIRE) == asked &&
	       rte_rdtsc() < __atomic_load_n(&s->pause_until_tsc, __ATOMIC_ACQUIRE))
		rte_pause();
	__atomic_store_n(&s->pause_seen, 0, __ATOMIC_RELEASE);
}

static inline bool
pause_asked(const struct slot *s)
{
	return __builtin_expect(__atomic_load_n(&s->pause, __ATOMIC_ACQUIRE) != 0, 0) &&
	       rte_rdtsc() < __atomic_load_n(&s->pause_until_tsc, __ATOMIC_ACQUIRE);
}

static inline bool
is_mine(const struct slot_thread *st)
{
	return __atomic_load_n(&st->w.slot->owner, __ATOMIC_ACQUIRE) ==
		   process_client_key(st->config.client) &&
	       !__atomic_load_n(&st->stop, __ATOMIC_RELAXED);
}

static void
sleep_a_little(struct slot_thread *st)
{
	struct worker *w = &st->w;

	grace_offline(st->grace, w->slot_index);
	urcu_qsbr_thread_offline();
	slot_asleep(w->slot, true);
	taps_ask(st, &st->sleep);
	slot_asleep(w->slot, false);
	urcu_qsbr_thread_online();
	grace_online(st->grace, w->slot_index);
	w->slot->sleeps++;
}

static void
loop(struct slot_thread *st)
{
	struct worker *w = &st->w;
	struct slot *s = w->slot;
	uint64_t before = rte_rdtsc();

	slot_asleep(s, false);
	while (is_mine(st)) {
		uint32_t packets = 0;
		uint64_t now;

		__atomic_store_n(&s->beat, s->beat + 1, __ATOMIC_RELAXED);
		if (pause_asked(s))
			pause_keep(s);
		urcu_qsbr_quiescent_state(); /* taps: before the look at them */
		ports_check(st);
		for (uint32_t i = 0; st->begun && i < w->n_devices; i++)
			packets += receive_from_device(w, &w->devices[i]);
		for (uint32_t i = 0; st->begun && i < w->n_rings; i++)
			packets += receive_from_ring(w, &w->rings[i]);
		if (st->begun)
			packets += receive_injected(w);
		if (w->n_taps > 0)
			packets += taps_poll(st);
		pool_trim_if_high(w->pool, (uint16_t)w->slot_index);
		grace_quiescent(st->grace, w->slot_index);

		now = rte_rdtsc();
		drop_sampler_tick(&w->sampler, now);
		if (packets > 0) {
			s->busy_tsc += now - before;
			s->packets += packets;
			s->bursts++;
			st->idle_loops = 0;
		} else {
			s->idle_tsc += now - before;
			if (st->adaptive && ++st->idle_loops > LOOPS_BEFORE_SLEEP) {
				sleep_a_little(st);
				now = rte_rdtsc();
			}
		}
		before = now;
	}
}

/* --- taking a slot and letting it go ---------------------------------------------------------- */

static void
rings_find(struct worker *w)
{
	w->n_rings = 0;
	for (uint32_t from = 0; from < w->handshake->n_hands; from++) {
		struct rte_ring *ring = handshake_ring(w->handshake, from, w->slot_index);

		if (from < SLOTS_MAX && from < w->handshake->n_slots)
			w->mesh[from] = handshake_ring(w->handshake, w->slot_index, from);
		if (ring != NULL)
			w->rings[w->n_rings++] =
			    (struct rx_ring){.ring = ring, .from = (uint16_t)from};
	}
}

static void
move_to_core(const struct slot *s)
{
	cpu_set_t set;

	if (s->core < 0 || s->core >= CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)s->core, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0)
		log_warning("slot %u: CPU %d is not ours to use", s->id, s->core);
}

static void
take(struct slot_thread *st)
{
	struct worker *w = &st->w;

	move_to_core(w->slot);
	pool_thread_hand((uint16_t)w->slot_index, &w->hand->epoch);
	st->ports_version = UINT64_MAX;
	st->idle_loops = 0;
	st->begun = false;
	FAULT_POINT("slot-take");
	grace_online(st->grace, w->slot_index);
	urcu_qsbr_thread_online();
	__atomic_store_n(&w->slot->animated_by, process_client_key(st->config.client),
			 __ATOMIC_RELEASE);
	FAULT_POINT("slot-taken");
	log_info("slot %u: animated", w->slot->id);
}

static void
let_go(struct slot_thread *st)
{
	struct worker *w = &st->w;

	tap_reader_release(&w->tap_reader);
	FAULT_POINT("slot-released");
	for (uint32_t i = 0; i < w->handshake->n_pools; i++) {
		struct pool *p = pool_of(w->handshake->pools[i]);

		if (p != NULL)
			pool_drain(p, (uint16_t)w->slot_index);
	}
	pool_thread_hand(HAND_NONE, NULL);
	poll_list_clear(w);
	urcu_qsbr_thread_offline();
	grace_offline(st->grace, w->slot_index);
	FAULT_POINT("slot-drained");
	__atomic_store_n(&w->slot->animated_by, 0, __ATOMIC_RELEASE);
	log_info("slot %u: left", w->slot->id);
}

static void *
slot_main(void *arg)
{
	struct slot_thread *st = arg;
	char name[16];

	snprintf(name, sizeof(name), "slot-%u", st->w.slot->id);
	prctl(PR_SET_NAME, name);
	prctl(PR_SET_TIMERSLACK, 1);
	urcu_qsbr_register_thread();
	urcu_qsbr_thread_offline();
	while (!__atomic_load_n(&st->stop, __ATOMIC_ACQUIRE)) {
		if (is_mine(st)) {
			take(st);
			loop(st);
			let_go(st);
			continue;
		}
		usleep(WAIT_FOR_SLOT_US);
	}
	urcu_qsbr_unregister_thread();
	return NULL;
}

/* --- the main thread's side ------------------------------------------------------------------- */

static void
worker_fill(struct slot_thread *st)
{
	const struct region *r = process_client_region(st->config.client);
	struct handshake *hs = process_client_handshake(st->config.client);
	struct slots *slots = region_table(r, "slots");
	struct worker *w = &st->w;

	st->grace = region_table(r, "grace");
	st->ports = region_table(r, "ports");
	w->slot_index = st->config.index;
	w->slot = &slots->s[w->slot_index];
	w->handshake = hs;
	w->hand = &hs->hands[w->slot_index];
	w->mbufs = hs->pools[0];
	w->pool = pool_of(hs->pools[0]);
	w->vifs = region_table(r, "vif");
	w->nexthops = region_table(r, "nexthop");
	w->roles = region_table(r, "vif-roles");
	w->agent = (struct agent_rings *)region_table(r, "agent-rings") + w->slot_index;
	w->bridge = region_table(r, "bridge");
	w->stitched = region_table(r, "stitched");
	w->labels = region_table(r, "label");
	w->vnis = region_table(r, "vni");
	w->routes = region_table(r, "route");
	w->rules = region_table(r, "rules");
	w->flows = region_table(r, "flow");
	w->counters = region_table(r, "counters");
	w->count = counters_at(w->counters, w->slot_index, 0);
	w->no_vif = w->counters->vifs - 1;
	w->drop_log = (struct drop_log *)region_table(r, "drop-log") + w->slot_index;
	drop_sampler_init(&w->sampler, w->drop_log, (uint32_t)st->config.conf->drop_log_rate,
			  rte_get_tsc_hz());
	w->n_ports = hs->n_ports < st->ports->n ? hs->n_ports : st->ports->n;
	w->burst_max = (uint32_t)st->config.conf->burst;
	w->spread = (uint8_t)st->config.conf->spread;
	w->spread_slots = (uint8_t)hs->n_slots;
	w->io_forward = st->config.io_forward;
	stages_init(w);
	rings_find(w);
	tap_reader_init(&w->tap_reader, w->hand, w->mbufs);
	st->adaptive = st->config.conf->poll == POLL_ADAPTIVE;
	st->sleep =
	    (struct timespec){.tv_sec = (time_t)(st->config.conf->sleep_us / 1000000),
			      .tv_nsec = (long)(st->config.conf->sleep_us % 1000000) * 1000};
}

int
slot_thread_create(const struct slot_thread_config *config, struct slot_thread **result,
		   struct fault *f)
{
	struct slot_thread *st;
	int rc;

	if (posix_memalign((void **)&st, CACHE_LINE, sizeof(*st)) != 0)
		return fault_set(f, ENOMEM, "out of memory");
	memset(st, 0, sizeof(*st));
	st->config = *config;
	worker_fill(st);
	if (st->w.pool == NULL) {
		rc = fault_set(f, EPROTO, "pool '%s' does not have our mempool ops",
			       st->w.mbufs->name);
		goto free_thread;
	}
	rc = poll_list_init(&st->w);
	if (rc < 0) {
		fault_set(f, -rc, "slot %u: %s", st->w.slot->id, strerror(-rc));
		goto free_thread;
	}
	rc = -pthread_create(&st->thread, NULL, slot_main, st);
	if (rc < 0) {
		fault_set(f, -rc, "slot %u: no thread: %s", st->w.slot->id, strerror(-rc));
		goto fini_poll_list;
	}
	*result = st;
	return 0;

fini_poll_list:
	poll_list_fini(&st->w);
free_thread:
	free(st);
	return rc;
}

void
slot_thread_stop(struct slot_thread *st)
{
	__atomic_store_n(&st->stop, true, __ATOMIC_RELEASE);
}

void
slot_thread_destroy(struct slot_thread *st)
{
	if (st == NULL)
		return;
	slot_thread_stop(st);
	pthread_join(st->thread, NULL);
	poll_list_fini(&st->w);
	free(st);
}

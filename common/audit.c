/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accounts for every mbuf. Each object gets marks for the places it is found in; none is a leak,
 * two are two owners. Called by vr-ctl's main thread, and by tests.
 */
#include "common/audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "common/hand_inventory.h"

enum {
	PAUSE_WAIT_US = 10000,
	PAUSE_MAX_US = 50000,
	TRIES = 8, /* somebody may die or get no CPU just then */
	BETWEEN_TRIES_US = 5000,
};

/* --- stopping the movers ---------------------------------------------------------------------- */

static bool
slot_stands(const struct slot *s, uint64_t pause)
{
	if (__atomic_load_n(&s->animated_by, __ATOMIC_ACQUIRE) == 0)
		return true;
	return __atomic_load_n(&s->pause_seen, __ATOMIC_ACQUIRE) == pause;
}

/* Everybody who moves packets: slots, agents, and the primary's io thread. */
struct movers {
	struct slot *s[SLOTS_MAX + AGENTS_MAX + 1];
	uint32_t n;
};

static void
movers_add(struct movers *all, struct slots *slots)
{
	for (uint32_t i = 0; slots != NULL && i < slots->n; i++)
		all->s[all->n++] = &slots->s[i];
}

static void
movers_find(struct movers *all, const struct handshake *hs, struct slots *slots,
	    struct slots *agents)
{
	all->n = 0;
	movers_add(all, slots);
	movers_add(all, agents);
	if (hs->io != NULL)
		all->s[all->n++] = hs->io;
}

static uint32_t
count_running(const struct movers *all, uint64_t pause)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < all->n; i++)
		n += !slot_stands(all->s[i], pause);
	return n;
}

/* Returns how many did not stop in time. */
static uint32_t
movers_pause(const struct movers *all, uint64_t pause)
{
	uint64_t hz = rte_get_tsc_hz(), now = rte_rdtsc();
	uint64_t wait_until = now + hz / 1000000 * PAUSE_WAIT_US;
	uint32_t running;

	for (uint32_t i = 0; i < all->n; i++) {
		all->s[i]->pause_until_tsc = now + hz / 1000000 * PAUSE_MAX_US;
		__atomic_store_n(&all->s[i]->pause, pause, __ATOMIC_RELEASE);
	}
	do {
		running = count_running(all, pause);
		if (running > 0)
			usleep(20);
	} while (running > 0 && rte_rdtsc() < wait_until);
	return running;
}

static void
movers_resume(const struct movers *all)
{
	for (uint32_t i = 0; i < all->n; i++)
		__atomic_store_n(&all->s[i]->pause, 0, __ATOMIC_RELEASE);
}

/* --- marking ---------------------------------------------------------------------------------- */

struct marks {
	const struct pool *pool;
	uint8_t *seen; /* [pool->n] */
	uint32_t twice;
};

static uint32_t
mark(struct marks *k, const void *m)
{
	uint32_t x = pool_index(k->pool, m);

	if (x == UINT32_MAX)
		return 0;
	if (k->seen[x]++ != 0) {
		k->twice++;
		return 0;
	}
	return 1;
}

static uint32_t
mark_packet(struct marks *k, const struct rte_mbuf *m)
{
	uint32_t n = 0;

	for (uint32_t segs = 0; m != NULL && segs < UINT16_MAX; segs++, m = m->next)
		n += mark(k, m);
	return n;
}

static uint32_t
mark_ring(struct marks *k, const struct rte_ring *r)
{
	void *const *slot = (void *const *)&r[1];
	uint32_t n = 0;

	if (r == NULL)
		return 0;
	for (uint32_t i = r->cons.tail; i != r->prod.tail; i++)
		n += mark_packet(k, slot[i & r->mask]);
	return n;
}

static void
mark_free(struct marks *k, struct audit_result *a)
{
	for (uint32_t i = 0; i < k->pool->n; i++) {
		if ((pool_bits(k->pool)[i / 64] >> (i % 64) & 1) == 0)
			continue;
		k->seen[i]++;
		a->free++;
	}
}

static void
mark_hands(const struct handshake *hs, struct marks *k, struct audit_result *a,
	   struct hand_inventory *inv)
{
	for (uint32_t h = 0; h < hs->n_hands; h++) {
		uint32_t n = 0, in_magazine = pool_magazine(k->pool, h)->len;

		hand_inventory(hs, h, inv);
		for (uint32_t i = 0; i < inv->sure.n; i++)
			n += mark(k, inv->sure.m[i]);
		if (in_magazine > n)
			in_magazine = n;
		a->magazines += in_magazine;
		a->hands += n - in_magazine;
	}
}

static void
mark_rings(const struct handshake *hs, struct marks *k, struct audit_result *a)
{
	for (uint32_t i = 0; i < HANDS_MAX * HANDS_MAX; i++)
		a->rings += mark_ring(k, hs->mesh[i]);
	for (uint32_t p = 0; p < hs->n_ports; p++)
		for (uint32_t q = 0; q < PORT_QUEUES_MAX; q++) {
			const struct port_run *r = &hs->port_run[p];

			a->rings += mark_ring(k, r->rx_ring[q]);
			if (r->tx_ring[q] != r->rx_ring[q])
				a->rings += mark_ring(k, r->tx_ring[q]);
		}
}

static bool
some_port_retains(const struct handshake *hs)
{
	for (uint32_t p = 0; p < hs->n_ports; p++)
		if (hs->port_run[p].n_rxq > 0 && hs->port_run[p].hold == PORT_HOLD_RETAINS)
			return true;
	return false;
}

static void
audit_pool(const struct handshake *hs, struct marks *k, struct audit_result *a,
	   struct hand_inventory *inv)
{
	uint32_t missing = 0;

	mark_free(k, a);
	mark_hands(hs, k, a, inv);
	mark_rings(hs, k, a);
	for (uint32_t i = 0; i < hs->quarantine->n; i++)
		a->quarantined += mark(k, hs->quarantine->e[i].m);
	for (uint32_t i = 0; i < k->pool->n; i++)
		missing += k->seen[i] == 0;
	if (some_port_retains(hs))
		a->ports = missing;
	else
		a->unaccounted = missing;
	a->twice = k->twice;
}

static void
audit_names(struct audit_result *a, const struct rte_mempool *mp)
{
	strncpy(a->pool, mp->name, sizeof(a->pool) - 1);
	strncpy(a->ops, rte_mempool_get_ops(mp->ops_index)->name, sizeof(a->ops) - 1);
	a->size = mp->size;
	a->foreign = pool_of(mp) == NULL || mp->cache_size != 0;
}

/* Buffers an audit needs before it stops anybody. */
struct audit_memory {
	struct hand_inventory inventory;
	uint8_t *seen[POOLS_MAX];
};

static void
memory_destroy(struct audit_memory *mem)
{
	if (mem == NULL)
		return;
	for (uint32_t i = 0; i < POOLS_MAX; i++)
		free(mem->seen[i]);
	free(mem);
}

static struct audit_memory *
memory_create(const struct handshake *hs)
{
	struct audit_memory *mem = calloc(1, sizeof(*mem));

	for (uint32_t i = 0; mem != NULL && i < hs->n_pools; i++) {
		mem->seen[i] = calloc(hs->pools[i]->size, 1);
		if (mem->seen[i] == NULL) {
			memory_destroy(mem);
			return NULL;
		}
	}
	return mem;
}

/* Changes with every death that is repaired, and with every change of hands. */
static uint64_t
lives(const struct movers *all)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < all->n; i++)
		sum += __atomic_load_n(&all->s[i]->generation, __ATOMIC_ACQUIRE) +
		       __atomic_load_n(&all->s[i]->animated_by, __ATOMIC_ACQUIRE);
	return sum;
}

/* Returns how many disturbed it: that did not stop, went on, died or began meanwhile. */
static uint32_t
audit_once(const struct handshake *hs, const struct movers *movers, struct audit_memory *mem,
	   struct audit_result *results)
{
	uint64_t start = rte_rdtsc(), tsc_per_us = rte_get_tsc_hz() / 1000000, us;
	uint64_t before = lives(movers);
	uint32_t disturbed = movers_pause(movers, start | 1);

	memset(results, 0, hs->n_pools * sizeof(*results));
	for (uint32_t i = 0; i < hs->n_pools; i++) {
		struct marks k = {.pool = pool_of(hs->pools[i]), .seen = mem->seen[i]};

		memset(mem->seen[i], 0, hs->pools[i]->size);
		audit_names(&results[i], hs->pools[i]);
		if (k.pool != NULL)
			audit_pool(hs, &k, &results[i], &mem->inventory);
	}
	us = (rte_rdtsc() - start) / tsc_per_us;
	movers_resume(movers);
	if (disturbed == 0 && (us > PAUSE_MAX_US || lives(movers) != before))
		disturbed = 1;
	for (uint32_t i = 0; i < hs->n_pools; i++) {
		results[i].unpaused = disturbed;
		results[i].paused_us = (uint32_t)us;
	}
	return disturbed;
}

int
audit_run(const struct handshake *hs, struct slots *slots, struct slots *agents,
	  struct audit_result *results)
{
	struct audit_memory *mem = memory_create(hs);
	struct movers movers;

	if (mem == NULL)
		return -ENOMEM;
	movers_find(&movers, hs, slots, agents);
	for (uint32_t i = 0; i < TRIES; i++) {
		if (audit_once(hs, &movers, mem, results) == 0)
			break;
		usleep(BETWEEN_TRIES_US);
	}
	memory_destroy(mem);
	return (int)hs->n_pools;
}

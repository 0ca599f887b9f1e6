/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes (primary) and finds (secondary) what holds pointers into one EAL generation's memory. */
#include "common/handshake.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_memzone.h>

#include "common/conf.h"
#include "common/pkt.h"
#include "common/slot.h"

static void *
reserve(const char *what, size_t size, struct fault *f)
{
	char name[RTE_MEMZONE_NAMESIZE];
	const struct rte_memzone *mz;

	snprintf(name, sizeof(name), "%s%s%s", HANDSHAKE_MEMZONE, *what == '\0' ? "" : "-", what);
	mz = rte_memzone_reserve_aligned(name, size, SOCKET_ID_ANY, 0, CACHE_LINE);
	if (mz == NULL) {
		fault_set(f, rte_errno, "%zu bytes of EAL memory for %s: %s; raise eal-extra-mb",
			  size, name, rte_strerror(rte_errno));
		return NULL;
	}
	memset(mz->addr, 0, size);
	return mz->addr;
}

static int
pools_create(struct handshake *hs, const struct conf *conf, struct fault *f)
{
	struct rte_mempool *mp;

	pool_ops_default();
	pool_hands_set(hs->n_hands);
	mp = rte_pktmbuf_pool_create_by_ops("packets", (unsigned int)conf->mbufs, 0,
					    sizeof(struct pkt_meta), (uint16_t)conf->mbuf_size,
					    SOCKET_ID_ANY, POOL_OPS);
	if (mp == NULL)
		return fault_set(f, rte_errno, "pool of %lu mbufs of %lu bytes: %s",
				 (unsigned long)conf->mbufs, (unsigned long)conf->mbuf_size,
				 rte_strerror(rte_errno));
	hs->pools[hs->n_pools++] = mp;
	return 0;
}

/* Agents, control and the primary talk to slots only; slots talk to everybody but themselves. */
static bool
hands_talk(const struct handshake *hs, uint32_t from, uint32_t to)
{
	return from != to && (from < hs->n_slots || to < hs->n_slots);
}

static int
mesh_create(struct handshake *hs, const struct conf *conf, struct fault *f)
{
	size_t each =
	    RTE_ALIGN((size_t)rte_ring_get_memsize((unsigned int)conf->ring_size), CACHE_LINE);
	uint32_t n = 0;
	char *mem;

	for (uint32_t i = 0; i < hs->n_hands * hs->n_hands; i++)
		n += hands_talk(hs, i / hs->n_hands, i % hs->n_hands);
	if (n == 0)
		return 0;
	mem = reserve("mesh", n * each, f);
	if (mem == NULL)
		return f->code;
	for (uint32_t i = 0; i < hs->n_hands * hs->n_hands; i++) {
		uint32_t from = i / hs->n_hands, to = i % hs->n_hands;
		struct rte_ring *r = (struct rte_ring *)mem;
		char name[RTE_RING_NAMESIZE];

		if (!hands_talk(hs, from, to))
			continue;
		snprintf(name, sizeof(name), "mesh-%u-%u", from, to);
		if (rte_ring_init(r, name, (unsigned int)conf->ring_size,
				  RING_F_SP_ENQ | RING_F_SC_DEQ) < 0)
			return fault_set(f, EINVAL, "ring-size = %lu: not a power of two",
					 (unsigned long)conf->ring_size);
		hs->mesh[from * HANDS_MAX + to] = r;
		mem += each;
	}
	return 0;
}

int
handshake_create(const struct conf *conf, uint32_t eal_generation, struct handshake **out,
		 struct fault *f)
{
	struct handshake *hs = reserve("", sizeof(*hs), f);
	int rc;

	if (hs == NULL)
		return f->code;
	hs->eal_generation = eal_generation;
	hs->n_slots = conf->n_slots;
	hs->n_agents = (uint32_t)conf->agents;
	hs->n_hands = hs->n_slots + hs->n_agents + 2;
	hs->n_ports = (uint32_t)conf->vifs;
	hs->hands = reserve("hands", hs->n_hands * sizeof(struct hand), f);
	hs->port_run = reserve("ports", hs->n_ports * sizeof(struct port_run), f);
	hs->quarantine = reserve("quarantine", sizeof(struct quarantine), f);
	hs->io = reserve("io", sizeof(struct slot), f);
	if (hs->hands == NULL || hs->port_run == NULL || hs->quarantine == NULL || hs->io == NULL)
		return f->code;
	rc = pools_create(hs, conf, f);
	if (rc < 0)
		return rc;
	rc = mesh_create(hs, conf, f);
	if (rc < 0)
		return rc;
	__atomic_store_n(&hs->magic, HANDSHAKE_MAGIC, __ATOMIC_RELEASE);
	*out = hs;
	return 0;
}

int
handshake_attach(struct handshake **out, struct fault *f)
{
	const struct rte_memzone *mz = rte_memzone_lookup(HANDSHAKE_MEMZONE);
	struct handshake *hs;

	if (mz == NULL)
		return fault_set(f, ENOENT, "the primary's EAL memory has no memzone '%s'",
				 HANDSHAKE_MEMZONE);
	hs = mz->addr;
	if (__atomic_load_n(&hs->magic, __ATOMIC_ACQUIRE) != HANDSHAKE_MAGIC)
		return fault_set(f, EPROTO, "memzone '%s' is not ready", HANDSHAKE_MEMZONE);
	*out = hs;
	return 0;
}

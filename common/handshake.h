/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handshake: the one memzone of an EAL generation from which a secondary reaches everything
 * that holds pointers into EAL's memory: pools, hands, the mesh of rings, running ports. Looked up
 * once, under the attach token; after READY no process looks anything up.
 *
 * The primary fills it before it lets anybody attach ('magic' last). Afterwards only ports change,
 * as port.h says, and the quarantine grows and shrinks, both by the primary alone.
 */
#ifndef COMMON_HANDSHAKE_H
#define COMMON_HANDSHAKE_H

#include <stdint.h>

#include <rte_mempool.h>
#include <rte_ring.h>

#include "common/hand.h"
#include "common/limits.h"
#include "common/pool.h"
#include "common/port.h"

#define HANDSHAKE_MEMZONE "vrouter"
#define HANDSHAKE_MAGIC   UINT64_C(0x656b616873646e68)

/* Hand ids: slots by index, then agents, then control, then the primary. */
static inline uint32_t
hand_of_agent(uint32_t n_slots, uint32_t agent)
{
	return n_slots + agent;
}
static inline uint32_t
hand_of_primary(uint32_t n_hands)
{
	return n_hands - 1;
}

/* mbufs that a driver may hold though nobody's journal says so; freed when the queue is reset. */
enum { QUARANTINE_MAX = 65536 };
struct quarantine_entry {
	struct rte_mbuf *m;
	uint16_t port, queue;
	uint16_t hand;
	uint16_t reserved;
};
struct quarantine {
	uint32_t n;     /* entries in use, stored last */
	uint32_t lost;  /* could not be listed: quarantine full */
	uint64_t total; /* ever */
	struct quarantine_entry e[QUARANTINE_MAX];
};

struct handshake {
	uint64_t magic;
	uint32_t eal_generation;
	uint32_t n_slots;
	uint32_t n_agents;
	uint32_t n_hands; /* n_slots + n_agents + 2 */
	uint32_t n_ports; /* entries of port_run */
	uint32_t n_pools;
	struct rte_mempool *pools[POOLS_MAX]; /* [0]: packets */
	struct hand *hands;                   /* [n_hands] */
	struct port_run *port_run;            /* [n_ports] */
	struct quarantine *quarantine;
	struct slot *io; /* the primary's io thread keeps a slot's promises here: beat,
			    ports_version, pause; it ends with the generation */
	uint64_t ports_version __attribute__((aligned(64))); /* raised at every change of a port */
	/*
	 * SP/SC rings: mesh[from * HANDS_MAX + to], NULL where no two hands talk (all but slots
	 * among one another, and everybody to oneself). One producer, one consumer, each with its
	 * own journal.
	 */
	struct rte_ring *mesh[HANDS_MAX * HANDS_MAX] __attribute__((aligned(64)));
};

static inline struct rte_ring *
handshake_ring(const struct handshake *hs, uint32_t from, uint32_t to)
{
	return hs->mesh[from * HANDS_MAX + to];
}

/*
 * Primary: reserves pools, hands, rings and the memzone, and fills them. 'conf' gives the sizes.
 * Returns 0 or a negative errno with the reason (what could not be had, how much of it).
 */
struct conf;
int handshake_create(const struct conf *conf, uint32_t eal_generation, struct handshake **hs,
		     struct fault *f);
/* Secondary, holding the token: the one memzone lookup. -ENOENT, -EPROTO. */
int handshake_attach(struct handshake **hs, struct fault *f);

#endif

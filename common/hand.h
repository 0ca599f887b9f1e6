/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hand is what a thread that moves packets holds right now, written down where its death cannot
 * take it: the journal of a slot (or agent). It lives in EAL memory, belongs to one EAL generation,
 * has one writer, and is read by the primary when the writer is dead (hand_repair) and by an audit.
 *
 * Packets are never on the stack: the RX burst, copies, TX groups and the list of drops are arrays
 * here. 'where' says, with one store, which of them are to be believed:
 *
 *   where        ours on death
 *   EMPTY        nothing but the magazines
 *   RX           what was popped from magazines since 'epoch'; entries of rx[] that are not NULL
 *   RUN          rx[0..n), copies[0..n_copies), and what was popped since 'epoch'
 *   TX           groups[from..n_groups) whole, drops[0..n_drops)
 *   TX_INSIDE    as TX; group 'from' is inside the driver or a ring
 *   FREE         drops[0..n_drops)
 *   RING_IN      as RX; exact by the ring's tail: (cons.tail - ring_tail) entries of rx[] are ours
 *
 * Lists may overlap (a packet stands in rx[] and in a group): repair takes the union once, so
 * filling needs no care; only *leaving* does. The order of a loop:
 *
 *   1. hand_rx()          where = RX(port, queue), epoch + 1; rx[] is all NULL
 *   2. rx burst into rx[] (none came: go to 1 for the next queue)
 *   3. hand_run(n)        epoch + 1, where = RUN(n)
 *   4. stages fill groups[] and drops[], take copies through copies[]; nothing leaves, nothing is
 *      freed; chains of segments are left alone
 *   5. hand_tx()          where = TX(0): rx[] and copies[] no longer count, epoch + 1. Before it,
 *      segments behind the first of every chain are listed in segs[] (hand_flatten)
 *   6. for each group: hand_tx_inside(g), burst, leftovers to drops[], hand_tx_done(g)
 *   7. hand_free()        where = FREE; every segment of the drops goes to the magazine
 *   8. hand_empty()       where = EMPTY; rx[] cleared
 *
 * Magazines may be trimmed (pool_trim) in EMPTY and between groups in TX: nothing that is believed
 * then stands in a magazine too.
 *
 * Death inside a driver's call: for drivers that keep no mbufs between calls (PORT_HOLD_NONE) the
 * union above is exact. A ring is exact by its tail, which is noted before (ring_tail). A driver
 * with descriptor rings cannot be asked: what it may have taken or given is *quarantined*: named,
 * counted, and freed when that queue is reset. Bound: one burst, and 64 from a claim.
 *
 * Our own taps: the packet is written (copied) by a system call, and stays ours until it is freed
 * in step 7; so a death inside may send a packet that is counted lost, never the reverse.
 */
#ifndef COMMON_HAND_H
#define COMMON_HAND_H

#include <stdbool.h>
#include <stdint.h>

#include "common/limits.h"
#include "common/port.h"

struct rte_mbuf;
struct rte_ring;
struct handshake;

enum hand_where {
	HAND_EMPTY,
	HAND_RX,
	HAND_RING_IN,
	HAND_RUN,
	HAND_TX,
	HAND_TX_INSIDE,
	HAND_FREE,
	HAND_PLACES
};

enum {
	HAND_COPIES_MAX = 4096, /* copies that floods and segmentation make of one burst */
	HAND_GROUPS_MAX = 128,  /* different ports and rings one burst leaves through */
	HAND_DROPS_MAX = 4096,
	HAND_SEGS_MAX = 4096,
	HAND_SPARES_MAX = 64, /* mbufs a tap reader keeps ready */
};

/* Packed into one 64-bit word, so that one store moves the hand to another place. */
union hand_state {
	uint64_t word;
	struct {
		uint8_t where;     /* enum hand_where */
		uint8_t port_hold; /* enum port_hold of the port it is inside of */
		uint16_t n;        /* RUN: packets in rx[]; TX*: first group still ours */
		uint16_t port;     /* RX, TX_INSIDE: port; RING_IN: hand at the other end */
		uint16_t queue;
	};
};
_Static_assert(sizeof(union hand_state) == 8, "hand_state: one store");

/* Packets that leave together. 'ring' >= 0: to hand 'ring' over the mesh, else to a port. */
struct hand_group {
	uint16_t n;
	uint16_t port;
	uint16_t queue;
	int16_t ring;
	uint32_t seg_from, n_segs; /* of segs[] */
	struct rte_mbuf *m[BURST_MAX];
};

/* Shared (EAL memory). */
struct hand {
	union hand_state state;
	uint64_t epoch; /* see pool.h; raised whenever what was popped before is noted or gone */
	uint32_t ring_tail; /* the ring's tail before a call, RING_IN and TX_INSIDE into a ring */
	uint32_t n_copies;
	uint32_t n_groups;
	uint32_t n_drops;
	uint32_t n_segs;
	uint32_t n_spares;
	uint32_t reserved[2];
	struct rte_mbuf *rx[BURST_MAX] __attribute__((aligned(64)));
	struct rte_mbuf
	    *spares[HAND_SPARES_MAX]; /* tap reader's, ours at any time, [0..n_spares) */
	struct hand_group groups[HAND_GROUPS_MAX];
	struct rte_mbuf *copies[HAND_COPIES_MAX];
	struct rte_mbuf *drops[HAND_DROPS_MAX];
	struct rte_mbuf *segs[HAND_SEGS_MAX];
} __attribute__((aligned(64)));

/* Injected deaths, for tests: compiled in with -DFAULT_POINTS, else nothing. See fault_point.h. */

static inline void
hand_set(struct hand *h, union hand_state s)
{
	__atomic_store_n(&h->state.word, s.word, __ATOMIC_RELEASE);
}
static inline void
hand_next_epoch(struct hand *h)
{
	__atomic_store_n(&h->epoch, h->epoch + 1, __ATOMIC_RELEASE);
}

/* For a PORT_HOLD_RING port, store the ring's cons.tail in 'ring_tail' before. */
static inline void
hand_rx(struct hand *h, uint16_t port, uint16_t queue, uint8_t hold)
{
	hand_next_epoch(h);
	hand_set(h, (union hand_state){
			.where = HAND_RX, .port_hold = hold, .port = port, .queue = queue});
}
static inline void
hand_ring_in(struct hand *h, uint16_t from_hand, uint32_t cons_tail)
{
	hand_next_epoch(h);
	h->ring_tail = cons_tail;
	hand_set(h, (union hand_state){
			.where = HAND_RING_IN, .port_hold = PORT_HOLD_RING, .port = from_hand});
}
/*
 * The epoch first: what a driver popped for its own descriptor ring is the driver's once its call
 * has returned, and must not look like ours.
 */
static inline void
hand_run(struct hand *h, uint16_t n)
{
	hand_next_epoch(h);
	hand_set(h, (union hand_state){.where = HAND_RUN, .n = n});
}
static inline void
hand_tx(struct hand *h)
{
	hand_set(h, (union hand_state){.where = HAND_TX, .n = 0});
	hand_next_epoch(h);
}
/* For a ring (mesh or PORT_HOLD_RING), store its prod.tail in 'ring_tail' before. */
static inline void
hand_tx_inside(struct hand *h, uint16_t group, uint8_t hold)
{
	hand_next_epoch(h);
	hand_set(h, (union hand_state){.where = HAND_TX_INSIDE,
				       .port_hold = hold,
				       .n = group,
				       .port = h->groups[group].port,
				       .queue = h->groups[group].queue});
}
/* 'group' has left; what did not stands in drops[] already. */
static inline void
hand_tx_done(struct hand *h, uint16_t group)
{
	hand_set(h, (union hand_state){.where = HAND_TX, .n = (uint16_t)(group + 1)});
}
static inline void
hand_free(struct hand *h)
{
	hand_set(h, (union hand_state){.where = HAND_FREE});
}
/* Clears rx[0..n), and the lists. */
void hand_empty(struct hand *h, uint16_t n_rx);

/* Appends to drops[]; the packet stays in whatever other list names it. */
static inline void
hand_drop(struct hand *h, struct rte_mbuf *m)
{
	h->drops[h->n_drops] = m;
	__atomic_store_n(&h->n_drops, h->n_drops + 1, __ATOMIC_RELEASE);
}
/*
 * Steps 7 and 8: frees every segment of drops[] into the magazines and empties the hand. Chains are
 * flattened first, so that a death between two segments loses none.
 */
void hand_finish(struct hand *h, uint16_t n_rx);

/* Lists the segments behind the heads of all groups, if any packet has some. Before hand_tx(). */
void hand_flatten(struct hand *h);

/* What a repair or an audit found. */
struct hand_repair {
	uint32_t freed;        /* mbufs given back to the pool */
	uint32_t quarantined;  /* that a driver may still hold */
	uint32_t ring_fixed;   /* rings whose head was put back to their tail */
	uint32_t already_free; /* listed as ours though their bit said free: must stay 0 */
	uint32_t place;        /* enum hand_where at death */
	uint32_t port;
};

/*
 * Primary only, when the hand's writer is known dead: repairs its rings, frees what it held,
 * empties hand and magazines. Idempotent: may be interrupted and run again. O(what was held), not
 * O(pool).
 */
void hand_repair(struct handshake *hs, uint32_t hand, struct hand_repair *result);

#endif

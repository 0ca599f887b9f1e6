/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Journals: what a slot's thread does at the end of a loop, and what the primary does when that
 * thread is dead. hand.h says which lists are to be believed when.
 */
#include "common/hand.h"

#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "common/fault_point.h"
#include "common/hand_inventory.h"
#include "common/handshake.h"
#include "common/pool.h"

/* --- the thread's side ------------------------------------------------------------------------ */

void
hand_empty(struct hand *h, uint16_t n_rx)
{
	hand_set(h, (union hand_state){.where = HAND_EMPTY});
	FAULT_POINT("hand-empty");
	memset(h->rx, 0, n_rx * sizeof(h->rx[0]));
	h->n_copies = 0;
	h->n_groups = 0;
	h->n_drops = 0;
	h->n_segs = 0;
}

void
hand_flatten(struct hand *h)
{
	for (uint32_t g = 0; g < h->n_groups; g++) {
		struct hand_group *group = &h->groups[g];

		group->seg_from = h->n_segs;
		for (uint32_t i = 0; i < group->n; i++) {
			struct rte_mbuf *seg = group->m[i]->next;

			for (; seg != NULL && h->n_segs < HAND_SEGS_MAX; seg = seg->next)
				h->segs[h->n_segs++] = seg;
		}
		group->n_segs = h->n_segs - group->seg_from;
	}
}

/*
 * Appends the segments behind every head in drops[], links untouched. Whether there are any is in
 * the mbuf's first line, which a packet's way has brought here; 'next' is in the second. Returns
 * whether there may have been some.
 */
static bool
drops_flatten(struct hand *h)
{
	uint32_t heads = h->n_drops, n = heads;
	bool chained = false;

	for (uint32_t i = 0; i < heads; i++) {
		struct rte_mbuf *seg;

		if (__builtin_expect(h->drops[i]->nb_segs == 1, 1))
			continue;
		chained = true;
		for (seg = h->drops[i]->next; seg != NULL && n < HAND_DROPS_MAX; seg = seg->next)
			h->drops[n++] = seg;
	}
	__atomic_store_n(&h->n_drops, n, __ATOMIC_RELEASE);
	return chained;
}

/*
 * Ready for its pool, or NULL if somebody else holds it too. A packet of one segment that nobody
 * shares is already as pools want it: not writing leaves its lines to those who read them.
 */
static inline struct rte_mbuf *
reset(struct rte_mbuf *m, bool chained)
{
	if (__builtin_expect(!chained && rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m), 1))
		return m;
	m->next = NULL;
	m->nb_segs = 1;
	return rte_pktmbuf_prefree_seg(m);
}

/*
 * Frees the last mbufs of drops[] that share a pool, at most a burst. They stand in drops[] and in
 * the magazine for a moment; then only in the magazine, which may be trimmed.
 */
static void
drops_free_some(struct hand *h, bool chained)
{
	struct rte_mbuf *batch[BURST_MAX];
	struct rte_mempool *mp = h->drops[h->n_drops - 1]->pool;
	uint32_t n = 0, taken = 0;

	while (taken < BURST_MAX && taken < h->n_drops) {
		struct rte_mbuf *m = h->drops[h->n_drops - 1 - taken];

		if (m->pool != mp)
			break;
		taken++;
		m = reset(m, chained);
		if (m != NULL)
			batch[n++] = m;
	}
	FAULT_POINT("hand-free-reset");
	rte_mempool_put_bulk(mp, (void **)batch, n);
	FAULT_POINT("hand-free-put");
	__atomic_store_n(&h->n_drops, h->n_drops - taken, __ATOMIC_RELEASE);
	FAULT_POINT("hand-free-counted");
	pool_trim_thread(mp);
}

void
hand_finish(struct hand *h, uint16_t n_rx)
{
	if (h->n_drops > 0) {
		bool chained = drops_flatten(h);

		FAULT_POINT("hand-flattened");
		hand_free(h);
		FAULT_POINT("hand-free");
		while (h->n_drops > 0)
			drops_free_some(h, chained);
	}
	hand_empty(h, n_rx);
}

/* --- inventory of a hand ---------------------------------------------------------------------- */

static int
compare_pointers(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t) * (void *const *)a, y = (uintptr_t) * (void *const *)b;

	return x < y ? -1 : x > y;
}

static void
list_add(struct hand_list *l, void *m)
{
	if (m != NULL && l->n < HAND_LIST_MAX)
		l->m[l->n++] = m;
}

static void
list_add_all(struct hand_list *l, struct rte_mbuf *const *m, uint32_t n, uint32_t max)
{
	for (uint32_t i = 0; i < n && i < max; i++)
		list_add(l, m[i]);
}

/* Sorts, and leaves each mbuf once. */
static void
list_settle(struct hand_list *l)
{
	uint32_t n = 0;

	qsort(l->m, l->n, sizeof(l->m[0]), compare_pointers);
	for (uint32_t i = 0; i < l->n; i++)
		if (n == 0 || l->m[n - 1] != l->m[i])
			l->m[n++] = l->m[i];
	l->n = n;
}

static bool
list_has(const struct hand_list *l, void *m)
{
	return bsearch(&m, l->m, l->n, sizeof(l->m[0]), compare_pointers) != NULL;
}

static void
list_subtract(struct hand_list *l, const struct hand_list *other)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n; i++)
		if (!list_has(other, l->m[i]))
			l->m[n++] = l->m[i];
	l->n = n;
}

static bool
is_our_mbuf(const struct handshake *hs, const void *m)
{
	for (uint32_t i = 0; i < hs->n_pools; i++) {
		struct pool *p = pool_of(hs->pools[i]);

		if (p != NULL && pool_index(p, m) != UINT32_MAX)
			return true;
	}
	return false;
}

/* Packets with the segments behind them; links of a half-freed chain end early, never elsewhere. */
static void
list_add_packets(const struct handshake *hs, struct hand_list *l, struct rte_mbuf *const *m,
		 uint32_t n, uint32_t max)
{
	for (uint32_t i = 0; i < n && i < max; i++) {
		struct rte_mbuf *seg = m[i];

		for (uint32_t k = 0; k < UINT16_MAX && seg != NULL && is_our_mbuf(hs, seg); k++) {
			list_add(l, seg);
			seg = seg->next;
		}
	}
}

/* What the hand's thread popped in the current epoch. */
static void
list_add_popped(struct hand_list *l, const struct magazine *m, uint64_t epoch)
{
	if (m->pop_epoch != epoch)
		return;
	for (uint32_t i = 0; i < m->n_limbo && i < MAGAZINE_LIMBO; i++)
		list_add(l, m->limbo[i]);
	for (uint32_t i = m->len; i < m->pop_mark && i < MAGAZINE_CAPACITY; i++)
		list_add(l, m->objs[i]);
}

static void
list_add_moving(struct hand_list *l, const struct pool *p, const struct magazine *m, uint32_t hand)
{
	uint64_t moving;

	if (m->word >= p->n_words || pool_holders(p)[m->word] != hand + 1)
		return;
	moving = m->mask & ~__atomic_load_n(&pool_bits(p)[m->word], __ATOMIC_ACQUIRE);
	for (; moving != 0; moving &= moving - 1)
		list_add(l, pool_object(p, m->word * 64 + (uint32_t)__builtin_ctzll(moving)));
}

/*
 * Magazines: sure, but for what was pushed or popped inside the call of a driver that keeps mbufs.
 */
static void
inventory_magazines(const struct handshake *hs, uint32_t hand, bool inside_retaining,
		    struct hand_inventory *inv)
{
	const struct hand *h = &hs->hands[hand];

	for (uint32_t i = 0; i < hs->n_pools; i++) {
		struct pool *p = pool_of(hs->pools[i]);
		const struct magazine *m;
		uint32_t sure;

		if (p == NULL)
			continue;
		m = pool_magazine(p, hand);
		sure = m->len;
		if (inside_retaining && m->push_epoch == h->epoch && m->push_mark < sure)
			sure = m->push_mark;
		list_add_all(&inv->sure, (struct rte_mbuf *const *)m->objs, sure,
			     MAGAZINE_CAPACITY);
		list_add_all(&inv->maybe, (struct rte_mbuf *const *)&m->objs[sure], m->len - sure,
			     MAGAZINE_CAPACITY);
		list_add_popped(inside_retaining ? &inv->maybe : &inv->sure, m, h->epoch);
		list_add_moving(&inv->sure, p, m, hand);
	}
}

static struct rte_ring *
group_ring(const struct handshake *hs, uint32_t hand, const struct hand_group *g, bool port_ring)
{
	if (g->ring >= 0)
		return handshake_ring(hs, hand, (uint32_t)g->ring);
	if (port_ring && g->port < hs->n_ports && g->queue < PORT_QUEUES_MAX)
		return hs->port_run[g->port].tx_ring[g->queue];
	return NULL;
}

/* The group that was inside a ring or a driver. */
static void
inventory_group_inside(const struct handshake *hs, uint32_t hand, union hand_state s,
		       struct hand_inventory *inv)
{
	const struct hand *h = &hs->hands[hand];
	const struct hand_group *g = &h->groups[s.n];
	struct rte_ring *ring = group_ring(hs, hand, g, s.port_hold == PORT_HOLD_RING);
	uint32_t sent = 0, n = g->n < BURST_MAX ? g->n : BURST_MAX;
	struct hand_list *l = &inv->sure;

	if (ring != NULL) {
		sent = __atomic_load_n(&ring->prod.tail, __ATOMIC_ACQUIRE) - h->ring_tail;
		if (sent > n)
			sent = n;
	} else if (s.port_hold == PORT_HOLD_RETAINS) {
		l = &inv->maybe;
	}
	list_add_packets(hs, l, &g->m[sent], n - sent, BURST_MAX);
	if (ring == NULL && g->seg_from < HAND_SEGS_MAX)
		list_add_all(l, &h->segs[g->seg_from], g->n_segs, HAND_SEGS_MAX - g->seg_from);
}

static void
inventory_groups(const struct handshake *hs, uint32_t hand, union hand_state s,
		 struct hand_inventory *inv)
{
	const struct hand *h = &hs->hands[hand];
	uint32_t from = s.n;

	if (s.where == HAND_TX_INSIDE && from < h->n_groups)
		inventory_group_inside(hs, hand, s, inv);
	if (s.where == HAND_TX_INSIDE)
		from++;
	for (uint32_t g = from; g < h->n_groups && g < HAND_GROUPS_MAX; g++)
		list_add_packets(hs, &inv->sure, h->groups[g].m, h->groups[g].n, BURST_MAX);
}

static void
inventory_rx(const struct handshake *hs, uint32_t hand, union hand_state s,
	     struct hand_inventory *inv)
{
	const struct hand *h = &hs->hands[hand];
	struct rte_ring *ring = NULL;
	uint32_t taken;

	if (s.where == HAND_RING_IN)
		ring = handshake_ring(hs, s.port, hand);
	else if (s.port_hold == PORT_HOLD_RING && s.port < hs->n_ports && s.queue < PORT_QUEUES_MAX)
		ring = hs->port_run[s.port].rx_ring[s.queue];
	if (ring == NULL) {
		list_add_packets(hs, s.port_hold == PORT_HOLD_RETAINS ? &inv->maybe : &inv->sure,
				 h->rx, BURST_MAX, BURST_MAX);
		return;
	}
	taken = __atomic_load_n(&ring->cons.tail, __ATOMIC_ACQUIRE) - h->ring_tail;
	list_add_packets(hs, &inv->sure, h->rx, taken, BURST_MAX);
}

void
hand_inventory(const struct handshake *hs, uint32_t hand, struct hand_inventory *inv)
{
	const struct hand *h = &hs->hands[hand];
	union hand_state s = {.word = __atomic_load_n(&h->state.word, __ATOMIC_ACQUIRE)};
	bool inside = s.where == HAND_RX || s.where == HAND_TX_INSIDE;

	inv->sure.n = 0;
	inv->maybe.n = 0;
	inventory_magazines(hs, hand, inside && s.port_hold == PORT_HOLD_RETAINS, inv);
	list_add_all(&inv->sure, h->spares, h->n_spares, HAND_SPARES_MAX);
	switch ((enum hand_where)s.where) {
	case HAND_RX:
	case HAND_RING_IN:
		inventory_rx(hs, hand, s, inv);
		break;
	case HAND_RUN:
		list_add_packets(hs, &inv->sure, h->rx, s.n, BURST_MAX);
		list_add_packets(hs, &inv->sure, h->copies, h->n_copies, HAND_COPIES_MAX);
		break;
	case HAND_TX:
	case HAND_TX_INSIDE:
		inventory_groups(hs, hand, s, inv);
		list_add_packets(hs, &inv->sure, h->drops, h->n_drops, HAND_DROPS_MAX);
		break;
	case HAND_FREE:
		list_add_all(&inv->sure, h->drops, h->n_drops, HAND_DROPS_MAX);
		break;
	case HAND_EMPTY:
	case HAND_PLACES:
		break;
	}
	list_settle(&inv->sure);
	list_settle(&inv->maybe);
	list_subtract(&inv->maybe, &inv->sure);
}

/* --- repair ----------------------------------------------------------------------------------- */

/* Un-publishes what a dead producer had begun, re-offers what a dead consumer had not finished. */
static uint32_t
ring_repair(struct rte_ring *r, bool producer)
{
	volatile uint32_t *head = producer ? &r->prod.head : &r->cons.head;
	uint32_t tail = producer ? r->prod.tail : r->cons.tail;

	if (*head == tail)
		return 0;
	*head = tail;
	return 1;
}

static void
rings_repair(struct handshake *hs, uint32_t hand, union hand_state s, struct hand_repair *result)
{
	const struct hand *h = &hs->hands[hand];

	for (uint32_t other = 0; other < hs->n_hands; other++) {
		struct rte_ring *out = handshake_ring(hs, hand, other);
		struct rte_ring *in = handshake_ring(hs, other, hand);

		if (out != NULL)
			result->ring_fixed += ring_repair(out, true);
		if (in != NULL)
			result->ring_fixed += ring_repair(in, false);
	}
	if (s.port_hold != PORT_HOLD_RING)
		return;
	if (s.where == HAND_RX && s.port < hs->n_ports && s.queue < PORT_QUEUES_MAX &&
	    hs->port_run[s.port].rx_ring[s.queue] != NULL)
		result->ring_fixed += ring_repair(hs->port_run[s.port].rx_ring[s.queue], false);
	if (s.where == HAND_TX_INSIDE && s.n < h->n_groups) {
		struct rte_ring *r = group_ring(hs, hand, &h->groups[s.n], true);

		if (r != NULL)
			result->ring_fixed += ring_repair(r, true);
	}
}

static struct pool *
pool_with(const struct handshake *hs, const void *m, uint32_t *index)
{
	for (uint32_t i = 0; i < hs->n_pools; i++) {
		struct pool *p = pool_of(hs->pools[i]);

		*index = p == NULL ? UINT32_MAX : pool_index(p, m);
		if (*index != UINT32_MAX)
			return p;
	}
	return NULL;
}

static void
free_one(struct handshake *hs, struct rte_mbuf *m, struct hand_repair *result)
{
	uint32_t x;
	struct pool *p = pool_with(hs, m, &x);
	uint64_t bit;

	if (p == NULL)
		return;
	bit = UINT64_C(1) << (x % 64);
	m->next = NULL;
	m->nb_segs = 1;
	rte_mbuf_refcnt_set(m, 1);
	if ((__atomic_fetch_or(&pool_bits(p)[x / 64], bit, __ATOMIC_ACQ_REL) & bit) != 0)
		result->already_free++;
	else
		result->freed++;
}

static void
quarantine_one(struct handshake *hs, uint32_t hand, union hand_state s, struct rte_mbuf *m,
	       struct hand_repair *result)
{
	struct quarantine *q = hs->quarantine;

	result->quarantined++;
	q->total++;
	if (q->n == QUARANTINE_MAX) {
		q->lost++;
		return;
	}
	q->e[q->n] = (struct quarantine_entry){
	    .m = m, .port = s.port, .queue = s.queue, .hand = (uint16_t)hand};
	__atomic_store_n(&q->n, q->n + 1, __ATOMIC_RELEASE);
}

static void
magazine_clear(struct pool *p, uint32_t hand)
{
	struct magazine *m = pool_magazine(p, hand);

	m->len = 0;
	m->n_limbo = 0;
	m->pop_mark = 0;
	m->push_mark = 0;
	m->pop_epoch = 0;
	m->push_epoch = 0;
	m->mask = 0;
	if (m->word < p->n_words && pool_holders(p)[m->word] == hand + 1)
		__atomic_store_n(&pool_holders(p)[m->word], 0, __ATOMIC_RELEASE);
}

void
hand_repair(struct handshake *hs, uint32_t hand, struct hand_repair *result)
{
	static struct hand_inventory inv; /* the primary repairs from one thread */
	struct hand *h = &hs->hands[hand];
	union hand_state s = h->state;

	memset(result, 0, sizeof(*result));
	result->place = s.where;
	result->port = s.port;
	rings_repair(hs, hand, s, result);
	hand_inventory(hs, hand, &inv);
	for (uint32_t i = 0; i < hs->n_pools; i++)
		if (pool_of(hs->pools[i]) != NULL)
			magazine_clear(pool_of(hs->pools[i]), hand);
	for (uint32_t i = 0; i < inv.maybe.n; i++)
		quarantine_one(hs, hand, s, inv.maybe.m[i], result);
	for (uint32_t i = 0; i < inv.sure.n; i++)
		free_one(hs, inv.sure.m[i], result);
	h->n_spares = 0;
	hand_next_epoch(h);
	hand_empty(h, BURST_MAX);
}

void
quarantine_release(struct handshake *hs, uint16_t port, struct hand_repair *result)
{
	struct quarantine *q = hs->quarantine;
	uint32_t n = 0;

	memset(result, 0, sizeof(*result));
	for (uint32_t i = 0; i < q->n; i++) {
		if (q->e[i].port == port)
			free_one(hs, q->e[i].m, result);
		else
			q->e[n++] = q->e[i];
	}
	q->n = n;
}

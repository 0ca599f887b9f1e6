/* SPDX-License-Identifier: BSD-3-Clause */
/* The "vr_bitmap" mempool ops; pool.h explains the algorithm. Any thread, with or without a hand.
 */
#include "common/pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>

#include "common/fault_point.h"

/* Holder of a word that a thread without a hand claims from. */
enum { HOLDER_DIRECT = 0xfffe };

static uint32_t hands_of_new_pools = HANDS_MAX;
static __thread uint16_t thread_hand = HAND_NONE;
static __thread const uint64_t *thread_epoch;
static __thread uint64_t thread_budget = UINT64_MAX;
static __thread bool thread_overspent;

void
pool_thread_hand(uint16_t hand, const uint64_t *epoch)
{
	thread_hand = hand;
	thread_epoch = epoch;
}

bool
pool_thread_budget(uint64_t n)
{
	bool overspent = thread_overspent;

	thread_budget = n;
	thread_overspent = false;
	return overspent;
}

void
pool_hands_set(uint32_t n_hands)
{
	hands_of_new_pools = n_hands;
}

/* --- words ------------------------------------------------------------------------------------ */

static bool
word_hold(const struct pool *p, uint32_t w, uint16_t holder)
{
	uint16_t nobody = 0;

	return __atomic_compare_exchange_n(&pool_holders(p)[w], &nobody, holder, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void
word_let_go(const struct pool *p, uint32_t w)
{
	__atomic_store_n(&pool_holders(p)[w], 0, __ATOMIC_RELEASE);
}

/* The lowest 'n' set bits of 'bits'. */
static uint64_t
lowest_bits(uint64_t bits, uint32_t n)
{
	uint64_t some = 0;

	if (n >= (uint32_t)__builtin_popcountll(bits))
		return bits;
	while (n-- > 0) {
		some |= bits & -bits;
		bits &= bits - 1;
	}
	return some;
}

static uint32_t
objects_of(const struct pool *p, uint32_t w, uint64_t mask, void **out)
{
	uint32_t n = 0;

	for (; mask != 0; mask &= mask - 1)
		out[n++] = pool_object(p, w * 64 + (uint32_t)__builtin_ctzll(mask));
	return n;
}

static void
bits_set(struct pool *p, uint32_t w, uint64_t mask)
{
	uint64_t before = __atomic_fetch_or(&pool_bits(p)[w], mask, __ATOMIC_RELEASE);

	if (__builtin_expect((before & mask) != 0, 0))
		__atomic_fetch_add(&p->double_frees, (uint64_t)__builtin_popcountll(before & mask),
				   __ATOMIC_RELAXED);
}

/* --- magazines -------------------------------------------------------------------------------- */

/*
 * Names the objects popped in this epoch in limbo[], before something is pushed over the place
 * above len where they can still be read.
 */
static void
popped_to_limbo(struct magazine *m)
{
	uint32_t popped, room = MAGAZINE_LIMBO - m->n_limbo;

	if (m->pop_epoch != *thread_epoch || m->pop_mark <= m->len)
		return;
	popped = m->pop_mark - m->len;
	if (popped > room) {
		m->limbo_lost += popped - room;
		popped = room;
	}
	memcpy(&m->limbo[m->n_limbo], &m->objs[m->pop_mark - popped], popped * sizeof(void *));
	FAULT_POINT("pool-limbo-copied");
	__atomic_store_n(&m->n_limbo, m->n_limbo + popped, __ATOMIC_RELEASE);
	FAULT_POINT("pool-limbo-counted");
	__atomic_store_n(&m->pop_mark, m->len, __ATOMIC_RELEASE);
}

/* Claims free objects of one word. Returns how many were pushed, 0 if it was held or empty. */
static uint32_t
claim_word(struct pool *p, struct magazine *m, uint16_t hand, uint32_t w)
{
	uint32_t n, room = MAGAZINE_CAPACITY - m->len;
	uint64_t take;

	if (__atomic_load_n(&pool_bits(p)[w], __ATOMIC_RELAXED) == 0)
		return 0;
	m->mask = 0;
	__atomic_store_n(&m->word, w, __ATOMIC_RELEASE);
	FAULT_POINT("pool-claim-noted-word");
	if (!word_hold(p, w, (uint16_t)(hand + 1)))
		return 0;
	FAULT_POINT("pool-claim-held");
	take = lowest_bits(__atomic_load_n(&pool_bits(p)[w], __ATOMIC_ACQUIRE), room);
	__atomic_store_n(&m->mask, take, __ATOMIC_RELEASE);
	FAULT_POINT("pool-claim-noted-mask");
	__atomic_fetch_and(&pool_bits(p)[w], ~take, __ATOMIC_ACQ_REL);
	FAULT_POINT("pool-claim-cleared");
	n = objects_of(p, w, take, &m->objs[m->len]);
	FAULT_POINT("pool-claim-pushed");
	__atomic_store_n(&m->len, m->len + n, __ATOMIC_RELEASE);
	FAULT_POINT("pool-claim-counted");
	__atomic_store_n(&m->mask, 0, __ATOMIC_RELEASE);
	word_let_go(p, w);
	FAULT_POINT("pool-claim-let-go");
	return n;
}

/* Claims until the magazine holds at least 'want'. */
static int
magazine_fill(struct pool *p, struct magazine *m, uint16_t hand, uint32_t want)
{
	uint32_t w = m->cursor < p->n_words ? m->cursor : 0;

	popped_to_limbo(m);
	for (uint32_t tries = 0; tries < p->n_words && m->len < want; tries++) {
		claim_word(p, m, hand, w);
		w = w + 1 == p->n_words ? 0 : w + 1;
	}
	m->cursor = w;
	if (m->pop_epoch == *thread_epoch)
		__atomic_store_n(&m->pop_mark, m->len, __ATOMIC_RELEASE);
	return m->len < want ? -ENOBUFS : 0;
}

static int
magazine_get(struct pool *p, uint16_t hand, void **out, uint32_t n)
{
	struct magazine *m = pool_magazine(p, hand);
	uint64_t epoch = *thread_epoch;

	if (__builtin_expect(m->len < n, 0)) {
		if (n > MAGAZINE_CAPACITY || magazine_fill(p, m, hand, n) < 0) {
			m->misses++;
			return -ENOBUFS;
		}
	}
	if (m->pop_epoch != epoch) {
		m->pop_mark = m->len;
		m->n_limbo = 0;
		__atomic_store_n(&m->pop_epoch, epoch, __ATOMIC_RELEASE);
	}
	memcpy(out, &m->objs[m->len - n], n * sizeof(void *));
	FAULT_POINT("pool-get-copied");
	__atomic_store_n(&m->len, m->len - n, __ATOMIC_RELEASE);
	FAULT_POINT("pool-get-popped");
	if (m->push_epoch == epoch && m->push_mark > m->len)
		m->push_mark = m->len;
	return 0;
}

static void
spill(struct pool *p, struct magazine *m, void *const *objs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t x = pool_index_of(p, objs[i]);

		bits_set(p, x / 64, UINT64_C(1) << (x % 64));
	}
	m->spilled += n;
}

static void
magazine_put(struct pool *p, uint16_t hand, void *const *objs, uint32_t n)
{
	struct magazine *m = pool_magazine(p, hand);
	uint64_t epoch = *thread_epoch;

	if (m->pop_epoch == epoch && m->pop_mark > m->len)
		popped_to_limbo(m);
	if (m->push_epoch != epoch) {
		m->push_mark = m->len;
		__atomic_store_n(&m->push_epoch, epoch, __ATOMIC_RELEASE);
	}
	if (__builtin_expect(m->len + n > MAGAZINE_CAPACITY, 0)) {
		spill(p, m, objs, n);
		return;
	}
	memcpy(&m->objs[m->len], objs, n * sizeof(void *));
	FAULT_POINT("pool-put-copied");
	__atomic_store_n(&m->len, m->len + n, __ATOMIC_RELEASE);
	FAULT_POINT("pool-put-pushed");
}

/*
 * Returns the run of objects at the top of the magazine that share a word, at most 'max'. False if
 * the word is held by somebody else.
 */
static bool
return_run(struct pool *p, struct magazine *m, uint16_t hand, uint32_t max)
{
	uint32_t x = pool_index_of(p, m->objs[m->len - 1]), w = x / 64, n = 1;
	uint64_t mask = UINT64_C(1) << (x % 64);

	for (; n < max; n++) {
		x = pool_index_of(p, m->objs[m->len - 1 - n]);
		if (x / 64 != w)
			break;
		mask |= UINT64_C(1) << (x % 64);
	}
	m->mask = 0;
	__atomic_store_n(&m->word, w, __ATOMIC_RELEASE);
	FAULT_POINT("pool-return-noted-word");
	if (!word_hold(p, w, (uint16_t)(hand + 1)))
		return false;
	FAULT_POINT("pool-return-held");
	__atomic_store_n(&m->mask, mask, __ATOMIC_RELEASE);
	FAULT_POINT("pool-return-noted-mask");
	__atomic_store_n(&m->len, m->len - n, __ATOMIC_RELEASE);
	FAULT_POINT("pool-return-popped");
	bits_set(p, w, mask);
	FAULT_POINT("pool-return-set");
	__atomic_store_n(&m->mask, 0, __ATOMIC_RELEASE);
	word_let_go(p, w);
	FAULT_POINT("pool-return-let-go");
	return true;
}

static void
return_until(struct pool *p, uint16_t hand, uint32_t left)
{
	struct magazine *m = pool_magazine(p, hand);

	m->n_limbo = 0;
	m->pop_mark = 0;
	__atomic_store_n(&m->pop_epoch, 0, __ATOMIC_RELEASE);
	while (m->len > left)
		if (!return_run(p, m, hand, m->len - left))
			break;
	if (m->push_mark > m->len)
		m->push_mark = m->len;
}

void
pool_trim(struct pool *p, uint16_t hand)
{
	return_until(p, hand, MAGAZINE_LOW);
}

void
pool_trim_thread(struct rte_mempool *mp)
{
	struct pool *p = pool_of(mp);

	if (p != NULL && thread_hand != HAND_NONE)
		pool_trim_if_high(p, thread_hand);
}

/* A word may be held by somebody for a moment; by somebody dead until the primary repaired him. */
void
pool_drain(struct pool *p, uint16_t hand)
{
	struct magazine *m = pool_magazine(p, hand);

	for (uint32_t tries = 0; m->len > 0 && tries < 1000000; tries++) {
		return_until(p, hand, 0);
		rte_pause();
	}
}

/* --- without a hand --------------------------------------------------------------------------- */

static int
direct_get(struct pool *p, void **out, uint32_t n)
{
	uint32_t got = 0;

	for (uint32_t w = 0; w < p->n_words && got < n; w++) {
		uint64_t take;

		if (__atomic_load_n(&pool_bits(p)[w], __ATOMIC_RELAXED) == 0)
			continue;
		if (!word_hold(p, w, HOLDER_DIRECT))
			continue;
		take = lowest_bits(__atomic_load_n(&pool_bits(p)[w], __ATOMIC_ACQUIRE), n - got);
		__atomic_fetch_and(&pool_bits(p)[w], ~take, __ATOMIC_ACQ_REL);
		word_let_go(p, w);
		got += objects_of(p, w, take, &out[got]);
	}
	if (got == n)
		return 0;
	for (uint32_t i = 0; i < got; i++) {
		uint32_t x = pool_index_of(p, out[i]);

		bits_set(p, x / 64, UINT64_C(1) << (x % 64));
	}
	return -ENOBUFS;
}

/* --- mempool ops ------------------------------------------------------------------------------ */

static int
ops_alloc(struct rte_mempool *mp)
{
	uint32_t n_words = (mp->size + 63) / 64, n_hands = hands_of_new_pools;
	uint64_t bits = RTE_ALIGN(sizeof(struct pool), CACHE_LINE);
	uint64_t holders = bits + RTE_ALIGN((uint64_t)n_words * sizeof(uint64_t), CACHE_LINE);
	uint64_t magazines = holders + RTE_ALIGN((uint64_t)n_words * sizeof(uint16_t), CACHE_LINE);
	struct pool *p;

	p = rte_zmalloc_socket(POOL_OPS, magazines + n_hands * sizeof(struct magazine), CACHE_LINE,
			       mp->socket_id);
	if (p == NULL)
		return -ENOMEM;
	p->stride = mp->header_size + mp->elt_size + mp->trailer_size;
	p->n_words = n_words;
	p->n_hands = n_hands;
	p->reciprocal = UINT64_MAX / (p->stride / 64) + 1;
	p->bits_offset = bits;
	p->holders_offset = holders;
	p->magazines_offset = magazines;
	mp->pool_data = p;
	return 0;
}

static void
ops_free(struct rte_mempool *mp)
{
	rte_free(mp->pool_data);
	mp->pool_data = NULL;
}

static int
ops_put(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	struct pool *p = mp->pool_data;

	if (__builtin_expect(thread_hand != HAND_NONE, 1)) {
		magazine_put(p, thread_hand, objs, n);
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t x = pool_index_of(p, objs[i]);

		bits_set(p, x / 64, UINT64_C(1) << (x % 64));
	}
	return 0;
}

static int
ops_get(struct rte_mempool *mp, void **out, unsigned int n)
{
	struct pool *p = mp->pool_data;

	if (__builtin_expect(n > thread_budget, 0)) {
		thread_overspent = true;
		return -ENOBUFS;
	}
	thread_budget -= n;
	if (__builtin_expect(thread_hand != HAND_NONE, 1))
		return magazine_get(p, thread_hand, out, n);
	return direct_get(p, out, n);
}

/* Magazines count: what lies there can be had, if only by its hand. */
static unsigned int
ops_count(const struct rte_mempool *mp)
{
	const struct pool *p = mp->pool_data;
	uint32_t n = 0;

	for (uint32_t w = 0; w < p->n_words; w++)
		n += (uint32_t)__builtin_popcountll(
		    __atomic_load_n(&pool_bits(p)[w], __ATOMIC_RELAXED));
	for (uint32_t h = 0; h < p->n_hands; h++)
		n += __atomic_load_n(&pool_magazine(p, h)->len, __ATOMIC_RELAXED);
	return n;
}

/*
 * Objects at a constant stride in one chunk of memory, whatever pages it spans (EAL runs with
 * --iova-mode=va), so that an address gives an index. A second chunk is refused.
 */
static int
ops_populate(struct rte_mempool *mp, unsigned int max, void *va, rte_iova_t iova, size_t len,
	     rte_mempool_populate_obj_cb_t *cb, void *arg)
{
	struct pool *p = mp->pool_data;
	size_t off = 0;
	uint32_t n = 0;

	if (p->n != 0)
		return -ENOSPC;
	p->base = (uint64_t)(uintptr_t)va + mp->header_size;
	for (; n < max && off + p->stride <= len; n++, off += p->stride) {
		void *obj = (char *)va + off + mp->header_size;

		cb(mp, arg, obj, iova == RTE_BAD_IOVA ? iova : iova + off + mp->header_size);
		bits_set(p, n / 64, UINT64_C(1) << (n % 64));
	}
	p->n = n;
	return (int)n;
}

static const struct rte_mempool_ops bitmap_ops = {
    .name = POOL_OPS,
    .alloc = ops_alloc,
    .free = ops_free,
    .enqueue = ops_put,
    .dequeue = ops_get,
    .get_count = ops_count,
    .populate = ops_populate,
};

RTE_MEMPOOL_REGISTER_OPS(bitmap_ops)

struct pool *
pool_of(const struct rte_mempool *mp)
{
	if (rte_mempool_get_ops(mp->ops_index)->enqueue != ops_put)
		return NULL;
	return mp->pool_data;
}

void
pool_ops_default(void)
{
	rte_mbuf_set_platform_mempool_ops(POOL_OPS);
}

void
pool_ops_names(char *buf, size_t len)
{
	size_t used = 0;

	buf[0] = '\0';
	for (uint32_t i = 0; i < rte_mempool_ops_table.num_ops && used < len; i++)
		used += (size_t)snprintf(buf + used, len - used, "%s%s", i == 0 ? "" : ",",
					 rte_mempool_ops_table.ops[i].name);
}

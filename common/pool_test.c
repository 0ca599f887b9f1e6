/* SPDX-License-Identifier: BSD-3-Clause */
/* The "vr_bitmap" mempool ops, alone. Deaths between their stores: hand_kill_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/hand.h"
#include "common/pool.h"
#include "common/test_eal.h"

static struct handshake *hs;
static struct rte_mempool *mp;
static struct pool *pool;
static uint64_t epoch = 1;

static uint32_t
bits_free(void)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < pool->n_words; w++)
		n += (uint32_t)__builtin_popcountll(pool_bits(pool)[w]);
	return n;
}

static void
index_and_object_are_inverse(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < pool->n; i++) {
		assert_int_equal(pool_index(pool, pool_object(pool, i)), i);
		assert_int_equal(pool_index_of(pool, pool_object(pool, i)), i);
	}
	assert_int_equal(pool_index(pool, (char *)pool_object(pool, 3) + 64), UINT32_MAX);
	assert_int_equal(pool_index(pool, &pool), UINT32_MAX);
	assert_int_equal(pool_index(pool, pool_object(pool, pool->n)), UINT32_MAX);
}

static void
a_thread_without_a_hand_takes_from_the_bitmap(void **state)
{
	void *objs[100];

	(void)state;
	assert_int_equal(rte_mempool_get_bulk(mp, objs, 100), 0);
	assert_int_equal(bits_free(), TEST_MBUFS - 100);
	rte_mempool_put_bulk(mp, objs, 100);
	assert_int_equal(bits_free(), TEST_MBUFS);
}

static void
what_a_hand_gets_and_puts_stays_in_its_magazine(void **state)
{
	struct magazine *m = pool_magazine(pool, 0);
	void *objs[32];

	(void)state;
	pool_thread_hand(0, &epoch);
	assert_int_equal(rte_mempool_get_bulk(mp, objs, 32), 0);
	assert_int_equal(bits_free(), TEST_MBUFS - 64); /* one word was claimed */
	assert_int_equal(m->len, 32);
	rte_mempool_put_bulk(mp, objs, 32);
	assert_int_equal(m->len, 64);
	assert_int_equal(bits_free(), TEST_MBUFS - 64);
	assert_int_equal(rte_mempool_avail_count(mp), TEST_MBUFS);
	pool_drain(pool, 0);
	assert_int_equal(bits_free(), TEST_MBUFS);
	pool_thread_hand(HAND_NONE, NULL);
}

static void
a_word_held_by_another_hand_is_passed_over(void **state)
{
	void *obj;

	(void)state;
	pool_thread_hand(0, &epoch);
	pool_magazine(pool, 0)->cursor = 5;
	pool_holders(pool)[5] = 1 + 1;
	assert_int_equal(rte_mempool_get(mp, &obj), 0);
	assert_int_equal(pool_bits(pool)[5], UINT64_MAX);
	assert_int_equal(pool_bits(pool)[6], 0);
	pool_holders(pool)[5] = 0;
	rte_mempool_put(mp, obj);
	pool_drain(pool, 0);
	pool_thread_hand(HAND_NONE, NULL);
}

static void
surplus_goes_back_to_the_bitmap(void **state)
{
	static void *objs[MAGAZINE_HIGH + 64];

	(void)state;
	assert_int_equal(rte_mempool_get_bulk(mp, objs, MAGAZINE_HIGH + 64), 0);
	pool_thread_hand(1, &epoch);
	rte_mempool_put_bulk(mp, objs, MAGAZINE_HIGH + 64);
	assert_int_equal(bits_free(), TEST_MBUFS - MAGAZINE_HIGH - 64);
	pool_trim_thread(mp);
	assert_int_equal(pool_magazine(pool, 1)->len, MAGAZINE_LOW);
	assert_int_equal(bits_free(), TEST_MBUFS - MAGAZINE_LOW);
	pool_drain(pool, 1);
	pool_thread_hand(HAND_NONE, NULL);
}

static void
a_thread_gets_no_more_than_its_budget(void **state)
{
	void *objs[32];

	(void)state;
	assert_false(pool_thread_budget(20));
	assert_int_equal(rte_mempool_get_bulk(mp, objs, 16), 0);
	assert_int_equal(rte_mempool_get_bulk(mp, &objs[16], 5), -ENOBUFS);
	assert_int_equal(rte_mempool_get_bulk(mp, &objs[16], 4), 0);
	assert_int_equal(rte_mempool_get(mp, &objs[20]), -ENOBUFS);
	rte_mempool_put_bulk(mp, objs, 20);
	assert_int_equal(bits_free(), TEST_MBUFS);
	assert_true(pool_thread_budget(UINT64_MAX));
	assert_int_equal(rte_mempool_get_bulk(mp, objs, 32), 0);
	rte_mempool_put_bulk(mp, objs, 32);
	assert_false(pool_thread_budget(UINT64_MAX));
}

static void
a_dry_pool_refuses_and_counts(void **state)
{
	static void *objs[TEST_MBUFS];
	void *one;

	(void)state;
	assert_int_equal(rte_mempool_get_bulk(mp, objs, TEST_MBUFS), 0);
	assert_int_equal(rte_mempool_get(mp, &one), -ENOBUFS);
	pool_thread_hand(0, &epoch);
	assert_int_equal(rte_mempool_get(mp, &one), -ENOBUFS);
	assert_int_equal(pool_magazine(pool, 0)->misses, 1);
	pool_thread_hand(HAND_NONE, NULL);
	rte_mempool_put_bulk(mp, objs, TEST_MBUFS);
	assert_int_equal(bits_free(), TEST_MBUFS);
}

static void
an_object_freed_twice_is_counted_and_stays_free_once(void **state)
{
	void *obj;

	(void)state;
	assert_int_equal(rte_mempool_get(mp, &obj), 0);
	rte_mempool_put(mp, obj);
	rte_mempool_put(mp, obj);
	assert_int_equal(pool->double_frees, 1);
	assert_int_equal(bits_free(), TEST_MBUFS);
	pool->double_frees = 0;
}

static void
what_was_popped_can_be_read_after_a_claim_pushed_over_it(void **state)
{
	struct magazine *m = pool_magazine(pool, 0);
	void *first[40], *second[60];

	(void)state;
	epoch++;
	pool_thread_hand(0, &epoch);
	assert_int_equal(rte_mempool_get_bulk(mp, first, 40), 0);  /* 24 left */
	assert_int_equal(rte_mempool_get_bulk(mp, second, 60), 0); /* claims a word */
	assert_int_equal(m->n_limbo, 40);
	for (uint32_t i = 0; i < 40; i++)
		assert_ptr_equal(m->limbo[i], first[i]);
	assert_int_equal(m->pop_mark - m->len, 60);
	for (uint32_t i = 0; i < 60; i++)
		assert_ptr_equal(m->objs[m->len + i], second[i]);
	rte_mempool_put_bulk(mp, first, 40);
	rte_mempool_put_bulk(mp, second, 60);
	pool_drain(pool, 0);
	pool_thread_hand(HAND_NONE, NULL);
	assert_int_equal(bits_free(), TEST_MBUFS);
}

static int
setup(void **state)
{
	int rc = test_eal_start(NULL, NULL, &hs);

	(void)state;
	if (rc < 0)
		return rc;
	mp = hs->pools[0];
	pool = pool_of(mp);
	return pool == NULL ? -1 : 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(index_and_object_are_inverse),
	    cmocka_unit_test(a_thread_without_a_hand_takes_from_the_bitmap),
	    cmocka_unit_test(what_a_hand_gets_and_puts_stays_in_its_magazine),
	    cmocka_unit_test(a_word_held_by_another_hand_is_passed_over),
	    cmocka_unit_test(surplus_goes_back_to_the_bitmap),
	    cmocka_unit_test(a_thread_gets_no_more_than_its_budget),
	    cmocka_unit_test(a_dry_pool_refuses_and_counts),
	    cmocka_unit_test(an_object_freed_twice_is_counted_and_stays_free_once),
	    cmocka_unit_test(what_was_popped_can_be_read_after_a_claim_pushed_over_it),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a repair gives back, for each place a thread can die in: the journal is written as the
 * thread would have left it. hand_kill_test.c really kills.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "common/hand.h"
#include "common/hand_inventory.h"
#include "common/pool.h"
#include "common/test_eal.h"

enum { ME, OTHER, PORT = 3, QUEUE = 0 };

static struct handshake *hs;
static struct hand *h;
static struct rte_mbuf *m[64];

static uint32_t
missing(void)
{
	return TEST_MBUFS - rte_mempool_avail_count(hs->pools[0]);
}

static struct hand_repair
repair(void)
{
	struct hand_repair r;

	hand_repair(hs, ME, &r);
	assert_int_equal(h->state.where, HAND_EMPTY);
	assert_int_equal(h->n_drops + h->n_groups + h->n_copies + h->n_segs + h->n_spares, 0);
	assert_null(h->rx[0]);
	return r;
}

/* m[] is taken from the pool behind the back of every journal. */
static int
take(void **state)
{
	(void)state;
	assert_int_equal(rte_pktmbuf_alloc_bulk(hs->pools[0], m, 64), 0);
	return 0;
}

/* Frees what the test says somebody else owns; nothing may be missing or free twice then. */
static void
others_own(uint32_t from, uint32_t to)
{
	assert_int_equal(missing(), to - from);
	for (uint32_t i = from; i < to; i++)
		rte_pktmbuf_free(m[i]);
	assert_int_equal(missing(), 0);
	assert_int_equal(pool_of(hs->pools[0])->double_frees, 0);
}

static struct hand_group *
group(uint32_t from, uint16_t n, int16_t ring)
{
	struct hand_group *g = &h->groups[h->n_groups++];

	*g = (struct hand_group){.n = n, .port = PORT, .queue = QUEUE, .ring = ring};
	memcpy(g->m, &m[from], n * sizeof(m[0]));
	return g;
}

static void
a_burst_in_hand_is_freed(void **state)
{
	(void)state;
	memcpy(h->rx, m, sizeof(m));
	hand_run(h, 64);
	assert_int_equal(repair().freed, 64);
	others_own(0, 0);
}

static void
packets_in_groups_and_drops_are_freed_once_though_rx_still_names_them(void **state)
{
	struct hand_repair r;

	(void)state;
	memcpy(h->rx, m, sizeof(m));
	hand_run(h, 64);
	group(0, 40, -1);
	for (uint32_t i = 40; i < 64; i++)
		hand_drop(h, m[i]);
	hand_tx(h);
	r = repair();
	assert_int_equal(r.freed, 64);
	assert_int_equal(r.already_free, 0);
	others_own(0, 0);
}

static void
groups_that_left_are_not_touched(void **state)
{
	(void)state;
	memcpy(h->rx, m, sizeof(m));
	hand_run(h, 64);
	group(0, 32, -1);
	group(32, 32, -1);
	hand_tx(h);
	hand_tx_inside(h, 0, PORT_HOLD_NONE);
	hand_tx_done(h, 0);
	assert_int_equal(repair().freed, 32);
	others_own(0, 32);
}

static void
a_ring_that_took_some_keeps_these(void **state)
{
	struct rte_ring *ring = handshake_ring(hs, ME, OTHER);
	void *out[64];

	(void)state;
	group(0, 64, OTHER);
	hand_tx(h);
	h->ring_tail = ring->prod.tail;
	hand_tx_inside(h, 0, PORT_HOLD_RING);
	assert_int_equal(rte_ring_sp_enqueue_bulk(ring, (void **)m, 20, NULL), 20);
	ring->prod.head += 44; /* dies between head and tail of a second call */
	assert_int_equal(repair().freed, 44);
	assert_int_equal(ring->prod.head, ring->prod.tail);
	assert_int_equal(rte_ring_sc_dequeue_burst(ring, out, 64, NULL), 20);
	assert_ptr_equal(out[19], m[19]);
	others_own(0, 20);
}

static void
a_ring_being_read_gives_again_what_was_not_taken(void **state)
{
	struct rte_ring *ring = handshake_ring(hs, OTHER, ME);
	void *out[64];

	(void)state;
	assert_int_equal(rte_ring_sp_enqueue_bulk(ring, (void **)m, 64, NULL), 64);
	hand_ring_in(h, OTHER, ring->cons.tail);
	assert_int_equal(rte_ring_sc_dequeue_bulk(ring, (void **)h->rx, 24, NULL), 24);
	ring->cons.head += 40;
	assert_int_equal(repair().freed, 24);
	assert_int_equal(rte_ring_sc_dequeue_burst(ring, out, 64, NULL), 40);
	assert_ptr_equal(out[0], m[24]);
	others_own(24, 64);
}

static void
a_driver_that_keeps_mbufs_has_the_burst_quarantined(void **state)
{
	struct hand_repair r;

	(void)state;
	group(0, 32, -1);
	hand_tx(h);
	hand_tx_inside(h, 0, PORT_HOLD_RETAINS);
	r = repair();
	assert_int_equal(r.quarantined, 32);
	assert_int_equal(r.freed, 0);
	assert_int_equal(hs->quarantine->n, 32);
	assert_int_equal(hs->quarantine->e[0].port, PORT);
	quarantine_release(hs, PORT, &r);
	assert_int_equal(r.freed, 32);
	assert_int_equal(hs->quarantine->n, 0);
	others_own(32, 64);
}

static void
what_a_driver_gave_back_unsent_is_ours_even_inside_its_call(void **state)
{
	struct hand_repair r;

	(void)state;
	group(0, 32, -1);
	hand_tx(h);
	hand_tx_inside(h, 0, PORT_HOLD_RETAINS);
	for (uint32_t i = 30; i < 32; i++)
		hand_drop(h, m[i]);
	r = repair();
	assert_int_equal(r.quarantined, 30);
	assert_int_equal(r.freed, 2);
	quarantine_release(hs, PORT, &r);
	others_own(32, 64);
}

static void
segments_of_a_chain_are_freed_with_its_head(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 9; i++)
		m[i]->next = m[i + 1];
	m[0]->nb_segs = 10;
	h->rx[0] = m[0];
	hand_run(h, 1);
	assert_int_equal(repair().freed, 10);
	others_own(10, 64);
}

static void
segments_are_known_though_a_driver_cut_the_chain_while_freeing(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 9; i++)
		m[i]->next = m[i + 1];
	m[0]->nb_segs = 10;
	group(0, 1, -1);
	hand_flatten(h);
	hand_tx(h);
	hand_tx_inside(h, 0, PORT_HOLD_NONE);
	m[0]->next = NULL;
	assert_int_equal(repair().freed, 10);
	others_own(10, 64);
}

static void
objects_popped_but_noted_nowhere_are_freed(void **state)
{
	void *popped[40];

	(void)state;
	hand_run(h, 0);
	pool_thread_hand(ME, &h->epoch);
	assert_int_equal(rte_mempool_get_bulk(hs->pools[0], popped, 40), 0);
	pool_thread_hand(HAND_NONE, NULL);
	assert_int_equal(repair().freed, 64); /* the word that was claimed, popped or not */
	others_own(0, 64);
}

static void
what_a_driver_took_for_its_ring_before_it_returned_is_not_ours(void **state)
{
	void *popped[64];
	struct hand_repair r;

	(void)state;
	hand_rx(h, PORT, QUEUE, PORT_HOLD_RETAINS);
	pool_thread_hand(ME, &h->epoch);
	assert_int_equal(rte_mempool_get_bulk(hs->pools[0], popped, 64), 0);
	pool_thread_hand(HAND_NONE, NULL);
	memcpy(h->rx, m, 32 * sizeof(m[0]));
	hand_run(h, 32);
	r = repair();
	assert_int_equal(r.freed, 32);
	assert_int_equal(r.quarantined, 0);
	rte_mempool_put_bulk(hs->pools[0], popped, 64);
	others_own(32, 64);
}

static void
finishing_frees_chains_and_leaves_nothing_in_hand(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 63; i++)
		m[i]->next = m[i + 1];
	m[0]->nb_segs = 64;
	h->rx[0] = m[0];
	hand_run(h, 1);
	hand_drop(h, m[0]);
	hand_tx(h);
	pool_thread_hand(ME, &h->epoch);
	hand_finish(h, 1);
	pool_thread_hand(HAND_NONE, NULL);
	assert_int_equal(pool_magazine(pool_of(hs->pools[0]), ME)->len, 64);
	for (uint32_t i = 0; i < 64; i++)
		assert_null(m[i]->next);
	assert_int_equal(repair().freed, 64);
	others_own(0, 0);
}

static int
setup(void **state)
{
	int rc = test_eal_start(NULL, NULL, &hs);

	(void)state;
	if (rc < 0)
		return rc;
	h = &hs->hands[ME];
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(a_burst_in_hand_is_freed, take),
	    cmocka_unit_test_setup(
		packets_in_groups_and_drops_are_freed_once_though_rx_still_names_them, take),
	    cmocka_unit_test_setup(groups_that_left_are_not_touched, take),
	    cmocka_unit_test_setup(a_ring_that_took_some_keeps_these, take),
	    cmocka_unit_test_setup(a_ring_being_read_gives_again_what_was_not_taken, take),
	    cmocka_unit_test_setup(a_driver_that_keeps_mbufs_has_the_burst_quarantined, take),
	    cmocka_unit_test_setup(what_a_driver_gave_back_unsent_is_ours_even_inside_its_call,
				   take),
	    cmocka_unit_test_setup(segments_of_a_chain_are_freed_with_its_head, take),
	    cmocka_unit_test_setup(segments_are_known_though_a_driver_cut_the_chain_while_freeing,
				   take),
	    cmocka_unit_test_setup(objects_popped_but_noted_nowhere_are_freed, take),
	    cmocka_unit_test_setup(what_a_driver_took_for_its_ring_before_it_returned_is_not_ours,
				   take),
	    cmocka_unit_test_setup(finishing_frees_chains_and_leaves_nothing_in_hand, take),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

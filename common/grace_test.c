/* SPDX-License-Identifier: BSD-3-Clause */
/* Grace periods: what holds them up and what does not. */
#include "common/grace.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/limits.h"

static struct rte_rcu_qsbr *v;
static uint32_t ran[8], n_ran;

static void
note(void *arg, uint32_t n)
{
	assert_ptr_equal(arg, ran);
	ran[n_ran++] = n;
}

static void
calls_run_in_order_once_every_reader_moved_on(void **state)
{
	struct grace *g = grace_create(v, 4);

	(void)state;
	grace_online(v, 0);
	grace_online(v, HANDS_MAX - 1);
	assert_int_equal(grace_defer(g, note, ran, 1), 0);
	grace_quiescent(v, 0);
	assert_int_equal(grace_defer(g, note, ran, 2), 0);
	assert_int_equal(grace_poll(g), 2);
	grace_quiescent(v, HANDS_MAX - 1);
	assert_int_equal(grace_poll(g), 1);
	assert_int_equal(n_ran, 1);
	assert_int_equal(ran[0], 1);
	grace_quiescent(v, 0);
	assert_int_equal(grace_poll(g), 0);
	assert_int_equal(ran[1], 2);
	grace_destroy(g);
}

static void
a_sleeping_reader_holds_up_nobody(void **state)
{
	struct grace *g = grace_create(v, 4);

	(void)state;
	grace_online(v, 5);
	assert_int_equal(grace_defer(g, note, ran, 1), 0);
	assert_int_equal(grace_poll(g), 1);
	assert_false(grace_settle(g));
	grace_offline(v, 5);
	assert_true(grace_settle(g));
	assert_int_equal(n_ran, 1);
	grace_destroy(g);
}

static void
a_dead_reader_holds_up_nobody_once_it_is_reaped(void **state)
{
	struct grace *g = grace_create(v, 4);

	(void)state;
	grace_online(v, 5);
	assert_int_equal(grace_defer(g, note, ran, 1), 0);
	assert_int_equal(grace_poll(g), 1);
	grace_reap(v, 5);
	grace_reap(v, 5);
	grace_reap(v, 6);
	assert_int_equal(grace_poll(g), 0);
	grace_online(v, 5);
	assert_int_equal(grace_defer(g, note, ran, 2), 0);
	assert_int_equal(grace_poll(g), 1);
	grace_quiescent(v, 5);
	assert_int_equal(grace_poll(g), 0);
	grace_destroy(g);
}

static void
no_more_is_deferred_than_the_limit(void **state)
{
	struct grace *g = grace_create(v, 2);

	(void)state;
	grace_online(v, 0);
	for (uint32_t round = 0; round < 3; round++) {
		n_ran = 0;
		assert_true(grace_room(g));
		assert_int_equal(grace_defer(g, note, ran, 10 * round), 0);
		assert_int_equal(grace_defer(g, note, ran, 10 * round + 1), 0);
		assert_false(grace_room(g));
		assert_int_equal(grace_defer(g, note, ran, 99), -ENOBUFS);
		grace_quiescent(v, 0);
		assert_true(grace_room(g));
		assert_int_equal(n_ran, 2);
		assert_int_equal(ran[0], 10 * round);
		assert_int_equal(ran[1], 10 * round + 1);
	}
	grace_destroy(g);
}

static struct grace *nested;

static void
defer_again(void *arg, uint32_t n)
{
	note(arg, n);
	if (n > 0)
		assert_int_equal(grace_defer(nested, defer_again, arg, n - 1), 0);
}

static void
a_call_may_defer_another(void **state)
{
	(void)state;
	nested = grace_create(v, 1);
	assert_int_equal(grace_defer(nested, defer_again, ran, 2), 0);
	assert_int_equal(grace_poll(nested), 0);
	assert_int_equal(n_ran, 3);
	grace_destroy(nested);
}

static int
fresh(void **state)
{
	(void)state;
	v = aligned_alloc(CACHE_LINE, grace_size());
	if (v == NULL)
		return -1;
	memset(v, 0, grace_size());
	grace_init(v);
	n_ran = 0;
	return 0;
}

static int
done(void **state)
{
	(void)state;
	free(v);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(calls_run_in_order_once_every_reader_moved_on, fresh,
					    done),
	    cmocka_unit_test_setup_teardown(a_sleeping_reader_holds_up_nobody, fresh, done),
	    cmocka_unit_test_setup_teardown(a_dead_reader_holds_up_nobody_once_it_is_reaped, fresh,
					    done),
	    cmocka_unit_test_setup_teardown(no_more_is_deferred_than_the_limit, fresh, done),
	    cmocka_unit_test_setup_teardown(a_call_may_defer_another, fresh, done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

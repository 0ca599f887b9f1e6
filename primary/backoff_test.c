/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the back-off before restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "primary/backoff.h"

static void
first_death_is_followed_by_a_start_at_once(void **state)
{
	struct backoff b = {0};

	(void)state;
	assert_int_equal(backoff_after_death(&b, 5, 1000), 0);
}

static void
quick_deaths_in_a_row_double_the_wait_up_to_the_limit(void **state)
{
	static const uint64_t expected[] = {0, 1, 2, 4, 8, 16, 32, 50, 50, 50};
	struct backoff b = {0};

	(void)state;
	for (unsigned int i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(backoff_after_death(&b, 0, 50), expected[i]);
}

static void
the_wait_never_overflows(void **state)
{
	struct backoff b = {0};

	(void)state;
	for (unsigned int i = 0; i < 200; i++)
		assert_true(backoff_after_death(&b, 0, 1000) <= 1000);
	assert_int_equal(backoff_after_death(&b, 0, 1000), 1000);
}

static void
a_second_of_life_forgets_earlier_deaths(void **state)
{
	struct backoff b = {0};

	(void)state;
	for (unsigned int i = 0; i < 10; i++)
		backoff_after_death(&b, 0, 1000);
	assert_int_equal(backoff_after_death(&b, 1000, 1000), 0);
	assert_int_equal(backoff_after_death(&b, 0, 1000), 0);
	assert_int_equal(backoff_after_death(&b, 0, 1000), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(first_death_is_followed_by_a_start_at_once),
	    cmocka_unit_test(quick_deaths_in_a_row_double_the_wait_up_to_the_limit),
	    cmocka_unit_test(the_wait_never_overflows),
	    cmocka_unit_test(a_second_of_life_forgets_earlier_deaths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

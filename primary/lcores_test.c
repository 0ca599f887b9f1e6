/* SPDX-License-Identifier: BSD-3-Clause */
#include "primary/lcores.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <rte_common.h>

static void
no_two_processes_have_the_same(void **state)
{
	static const enum process_role roles[] = {ROLE_CTL,   ROLE_CTL, ROLE_CTL, ROLE_VHOST,
						  ROLE_VHOST, ROLE_FWD, ROLE_FWD};
	struct lcores l = {0};
	bool seen[RTE_MAX_LCORE] = {false};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(roles); i++) {
		uint32_t n = roles[i] == ROLE_FWD ? 4 : 1;
		int first = lcores_take(&l, roles[i], n);

		assert_in_range(first, 0, RTE_MAX_LCORE - 1);
		for (uint32_t k = 0; k < n; k++) {
			assert_false(seen[first + (int)k]);
			seen[first + (int)k] = true;
		}
	}
}

static void
what_is_given_back_is_free_and_none_are_left_in_the_end(void **state)
{
	struct lcores l = {0};
	int first = lcores_take(&l, ROLE_FWD, 8), next;

	(void)state;
	lcores_give_back(&l, (uint32_t)first, 8);
	assert_int_equal(lcores_take(&l, ROLE_FWD, 8), first);
	while ((next = lcores_take(&l, ROLE_FWD, 8)) >= 0)
		assert_int_not_equal(next, first);
	assert_int_equal(next, -ENOSPC);
	lcores_give_back(&l, (uint32_t)first, 8);
	assert_int_equal(lcores_take(&l, ROLE_FWD, 8), first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_two_processes_have_the_same),
	    cmocka_unit_test(what_is_given_back_is_free_and_none_are_left_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

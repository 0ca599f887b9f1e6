/* SPDX-License-Identifier: BSD-3-Clause */
/* Blame and quarantine of guests. */
#include "common/guest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { DEATHS = 3 };

static uint64_t
crash(struct guest_note *g, uint64_t now_ms)
{
	return guest_blame(g, GUEST_CRASH, DEATHS, now_ms);
}

static void
quarantine_begins_with_the_third_death_and_doubles(void **state)
{
	struct guest_note g = {0};

	(void)state;
	assert_int_equal(crash(&g, 5000), 0);
	assert_int_equal(crash(&g, 6000), 0);
	assert_int_equal(guest_quarantined_ms(&g, 6000), 0);
	assert_int_equal(crash(&g, 7000), 1000);
	assert_int_equal(guest_quarantined_ms(&g, 7000), 1000);
	assert_int_equal(guest_quarantined_ms(&g, 7999), 1);
	assert_int_equal(guest_quarantined_ms(&g, 8000), 0);
	assert_int_equal(crash(&g, 8100), 2000);
	assert_int_equal(crash(&g, 10200), 4000);
	assert_int_equal(g.offences[GUEST_CRASH], 5);
}

static void
quarantine_has_a_longest_time(void **state)
{
	struct guest_note g = {0};
	uint64_t now = 1000, time = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		time = crash(&g, now);
		now += time + 1;
	}
	assert_int_equal(time, GUEST_QUARANTINE_MAX_MS);
}

static void
a_peaceful_time_makes_good_again(void **state)
{
	struct guest_note g = {0};

	(void)state;
	crash(&g, 1000);
	crash(&g, 2000);
	assert_int_equal(crash(&g, 3000), 1000);
	/* Peace begins with the end of the quarantine. */
	assert_int_equal(crash(&g, 4000 + GUEST_PEACE_MS), 2000);
	assert_int_equal(crash(&g, 6001 + 2 * GUEST_PEACE_MS), 0);
	assert_int_equal(g.deaths_in_row, 1);
}

static void
what_kills_no_agent_is_counted_alone(void **state)
{
	struct guest_note g = {0};

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(guest_blame(&g, GUEST_MESSAGE, DEATHS, 1000), 0);
	assert_int_equal(g.offences[GUEST_MESSAGE], 100);
	assert_int_equal(g.last_offence, GUEST_MESSAGE);
	assert_int_equal(guest_quarantined_ms(&g, 1000), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(quarantine_begins_with_the_third_death_and_doubles),
	    cmocka_unit_test(quarantine_has_a_longest_time),
	    cmocka_unit_test(a_peaceful_time_makes_good_again),
	    cmocka_unit_test(what_kills_no_agent_is_counted_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

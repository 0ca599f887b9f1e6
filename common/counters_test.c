/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters: sums over slots, and drop reasons' names. */
#include "common/counters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/conf.h"

static void
a_sum_takes_in_every_slot_and_one_vif(void **state)
{
	struct vif_counters sum;
	struct counters *t;
	struct conf c;

	(void)state;
	conf_defaults(&c);
	c.vifs = 20;
	c.n_slots = 3;
	t = calloc(1, counters_size(&c));
	assert_non_null(t);
	counters_init(t, &c);
	assert_int_equal(t->vifs, 21);
	for (uint32_t slot = 0; slot < 3; slot++) {
		counters_at(t, slot, 4)->rx_packets = 1u << slot;
		counters_at(t, slot, 4)->tx_bytes = 10u << slot;
		counters_at(t, slot, 4)->drops[DROP_MTU] = 100u << slot;
		counters_at(t, slot, 5)->rx_packets = 1000;
		counters_at(t, slot, 20)->rx_bytes = 1;
	}
	counters_sum(t, 4, &sum);
	assert_int_equal(sum.rx_packets, 7);
	assert_int_equal(sum.tx_bytes, 70);
	assert_int_equal(sum.drops[DROP_MTU], 700);
	assert_int_equal(sum.drops[DROP_RUNT], 0);
	counters_sum(t, 20, &sum);
	assert_int_equal(sum.rx_bytes, 3);
	counters_sum(t, 21, &sum);
	assert_int_equal(sum.rx_bytes, 0);
	free(t);
}

static void
drop_reasons_have_names_of_their_own(void **state)
{
	(void)state;
	assert_string_equal(drop_name(DROP_NO_NEXTHOP), "no-nexthop");
	assert_string_equal(drop_text(DROP_MTU), "frame longer than the outgoing vif's MTU");
	for (int i = 0; i < DROPS; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(drop_name((enum drop)i), drop_name((enum drop)j));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sum_takes_in_every_slot_and_one_vif),
	    cmocka_unit_test(drop_reasons_have_names_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

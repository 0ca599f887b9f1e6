/* SPDX-License-Identifier: BSD-3-Clause */
/* The drop log: what is kept, what is not, and what a reader gets while the writer dies. */
#include "common/drop_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { HZ = 1000 };

static struct drop_log drop_log;
static struct drop_sampler sampler;
static uint8_t frame[200];
static struct rte_mbuf packet = {.buf_addr = frame, .data_len = sizeof(frame), .pkt_len = 1500};

static int
begin(void **state)
{
	(void)state;
	memset(&drop_log, 0, sizeof(drop_log));
	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)i;
	packet.data_len = sizeof(frame);
	drop_sampler_init(&sampler, &drop_log, 1, HZ);
	drop_sampler_tick(&sampler, 1);
	return 0;
}

static uint64_t
kept(void)
{
	struct dropped_packet copy;
	uint64_t first, last, n = 0;

	drop_log_range(&drop_log, &first, &last);
	for (; first <= last; first++)
		n += drop_log_read(&drop_log, first, &copy);
	return n;
}

static void
a_packet_is_kept_with_reason_place_and_first_bytes(void **state)
{
	struct dropped_packet copy;

	(void)state;
	drop_sampler_see(&sampler, DROP_NO_ROUTE, "route4", 7, &packet);
	assert_int_equal(drop_log.next, 2);
	assert_true(drop_log_read(&drop_log, 1, &copy));
	assert_int_equal(copy.reason, DROP_NO_ROUTE);
	assert_string_equal(copy.stage, "route4");
	assert_int_equal(copy.vif, 7);
	assert_int_equal(copy.length, 1500);
	assert_int_equal(copy.n_bytes, DROP_LOG_BYTES);
	assert_memory_equal(copy.bytes, frame, DROP_LOG_BYTES);
	assert_true(copy.dropped_ms > UINT64_C(1600000000000));
}

static void
a_short_packet_is_kept_whole_and_no_more(void **state)
{
	struct dropped_packet copy;

	(void)state;
	packet.data_len = 13;
	drop_sampler_see(&sampler, DROP_RUNT, "a-stage-with-a-long-name", 1, &packet);
	assert_true(drop_log_read(&drop_log, 1, &copy));
	assert_int_equal(copy.n_bytes, 13);
	assert_int_equal(copy.bytes[13], 0);
	assert_string_equal(copy.stage, "a-stage-with-a-");
}

static void
a_flood_of_one_reason_leaves_room_for_others(void **state)
{
	(void)state;
	for (int i = 0; i < 100000; i++)
		drop_sampler_see(&sampler, DROP_NO_ROUTE, "route4", 7, &packet);
	assert_int_equal(kept(), DROP_LOG_TOKENS);
	drop_sampler_see(&sampler, DROP_MTU, "output", 7, &packet);
	assert_int_equal(kept(), DROP_LOG_TOKENS + 1);
	/* a second later, one more may */
	drop_sampler_tick(&sampler, 1 + HZ - 1);
	drop_sampler_see(&sampler, DROP_NO_ROUTE, "route4", 7, &packet);
	assert_int_equal(kept(), DROP_LOG_TOKENS + 1);
	drop_sampler_tick(&sampler, 1 + HZ);
	for (int i = 0; i < 5; i++)
		drop_sampler_see(&sampler, DROP_NO_ROUTE, "route4", 7, &packet);
	assert_int_equal(kept(), DROP_LOG_TOKENS + 2);
}

static void
the_oldest_make_room_for_the_newest(void **state)
{
	struct dropped_packet copy;
	uint64_t first, last;

	(void)state;
	for (uint32_t i = 1; i <= 300; i++) {
		drop_sampler_see(&sampler, DROP_NO_ROUTE, "route4", i, &packet);
		drop_sampler_tick(&sampler, 1 + (uint64_t)i * HZ);
	}
	drop_log_range(&drop_log, &first, &last);
	assert_int_equal(first, 301 - DROP_LOG_ENTRIES);
	assert_int_equal(kept(), DROP_LOG_ENTRIES);
	assert_true(drop_log_read(&drop_log, 300, &copy));
	assert_int_equal(copy.vif, 300);
	assert_false(drop_log_read(&drop_log, 300 - DROP_LOG_ENTRIES, &copy));
}

static void
nothing_is_kept_when_told_so(void **state)
{
	(void)state;
	drop_sampler_init(&sampler, &drop_log, 0, HZ);
	drop_sampler_tick(&sampler, HZ);
	drop_sampler_see(&sampler, DROP_MTU, "output", 1, &packet);
	memset(&sampler, 0, sizeof(sampler));
	drop_sampler_tick(&sampler, HZ);
	drop_sampler_see(&sampler, DROP_MTU, "output", 1, &packet);
	assert_int_equal(kept(), 0);
}

/* What a writer leaves behind that died inside of the third entry, and then before 'next' moved. */
static void
a_death_while_writing_costs_at_most_that_entry(void **state)
{
	struct dropped_packet copy;

	(void)state;
	for (uint32_t i = 1; i <= 3; i++)
		drop_sampler_see(&sampler, DROP_MTU, "output", i, &packet);
	drop_log.packet[3].sequence = 0;
	drop_log.next = 3;
	assert_int_equal(kept(), 2);
	drop_log.packet[3].sequence = 3;
	assert_int_equal(kept(), 3);
	/* its successor writes over it */
	drop_sampler_init(&sampler, &drop_log, 1, HZ);
	drop_sampler_see(&sampler, DROP_MTU, "output", 33, &packet);
	assert_int_equal(kept(), 3);
	assert_true(drop_log_read(&drop_log, 3, &copy));
	assert_int_equal(copy.vif, 33);
	/* and of a writer with more reasons, this reader shows what it knows */
	drop_log.packet[3].reason = DROPS_MAX - 1;
	assert_false(drop_log_read(&drop_log, 3, &copy));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(a_packet_is_kept_with_reason_place_and_first_bytes, begin),
	    cmocka_unit_test_setup(a_short_packet_is_kept_whole_and_no_more, begin),
	    cmocka_unit_test_setup(a_flood_of_one_reason_leaves_room_for_others, begin),
	    cmocka_unit_test_setup(the_oldest_make_room_for_the_newest, begin),
	    cmocka_unit_test_setup(nothing_is_kept_when_told_so, begin),
	    cmocka_unit_test_setup(a_death_while_writing_costs_at_most_that_entry, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Who owns what, what the end of a resync removes, and resets. */
#include "ctl/sample_test.h"

#include "common/bridge.h"
#include "common/counters.h"
#include "common/nexthop.h"
#include "common/vif.h"

static const Vrouter__Result *
resync(const char *name, Vrouter__Controller__Resync what)
{
	Vrouter__Controller m = VROUTER__CONTROLLER__INIT;

	m.name = (char *)(uintptr_t)name;
	m.resync = what;
	return ask(VROUTER__OP__SET, "controller", &m);
}

static void
next_ctl(void)
{
	struct fault f = {0};

	tables_release(&test_ctl.tables);
	assert_int_equal(tables_adopt(&test_ctl.tables, &f), 0);
}

static bool
has_nexthop(uint32_t id)
{
	return nexthop_lookup(test_ctl.tables.nexthops, id) != NULL;
}

static void
only_what_was_not_added_again_goes(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 3; i++) {
		nexthop(VROUTER__OP__ADD, i, 1);
		bridge(VROUTER__OP__ADD, i, 1);
		vif(VROUTER__OP__ADD, i, i == 2 ? "red-2" : NULL);
		route(VROUTER__OP__ADD, i, i);
	}
	batch_controller = "north";
	assert_ok(ask_batch());
	batch_controller = "south";
	nexthop(VROUTER__OP__ADD, 4, 1);
	route(VROUTER__OP__ADD, 4, 4);
	assert_ok(ask_batch());
	batch_controller = "";
	nexthop(VROUTER__OP__ADD, 5, 1);
	assert_ok(ask_batch());

	assert_ok(resync("north", VROUTER__CONTROLLER__RESYNC__BEGIN));
	next_ctl();
	batch_controller = "north";
	nexthop(VROUTER__OP__ADD, 1, 1);
	bridge(VROUTER__OP__ADD, 1, 1);
	vif(VROUTER__OP__ADD, 1, NULL);
	route(VROUTER__OP__ADD, 1, 1);
	assert_ok(ask_batch());
	batch_controller = "";
	nexthop(VROUTER__OP__ADD, 3, 1); /* nobody's from now on */
	route(VROUTER__OP__ADD, 3, 3);
	assert_ok(ask_batch());
	fake_primary.n_dels = 0;
	assert_ok(resync("north", VROUTER__CONTROLLER__RESYNC__END));

	assert_true(has_nexthop(1) && !has_nexthop(2) && has_nexthop(3));
	assert_true(has_nexthop(4) && has_nexthop(5));
	assert_int_equal(route_leads_to(1), 1);
	assert_int_equal(route_leads_to(2), -1);
	assert_int_equal(route_leads_to(3), 3);
	assert_int_equal(route_leads_to(4), 4);
	assert_int_equal(bridge_used(test_ctl.tables.bridge), 1);
	assert_non_null(vif_lookup(test_ctl.tables.vifs, 1));
	assert_null(vif_lookup(test_ctl.tables.vifs, 2));
	assert_null(vif_lookup(test_ctl.tables.vifs, 3));
	assert_int_equal(fake_primary.n_dels, 1);
}

static void
a_resync_begun_again_starts_over(void **state)
{
	(void)state;
	batch_controller = "north";
	nexthop(VROUTER__OP__ADD, 10, 1);
	assert_ok(ask_batch());
	for (int i = 0; i < 600; i++)
		assert_ok(resync("north", VROUTER__CONTROLLER__RESYNC__BEGIN));
	assert_ok(resync("north", VROUTER__CONTROLLER__RESYNC__END));
	assert_false(has_nexthop(10));
	nexthop(VROUTER__OP__ADD, 11, 1);
	assert_ok(ask_batch());
	assert_ok(resync("north", VROUTER__CONTROLLER__RESYNC__BEGIN));
	nexthop(VROUTER__OP__ADD, 12, 1);
	assert_ok(ask_batch());
	assert_ok(resync("north", VROUTER__CONTROLLER__RESYNC__BEGIN));
	assert_ok(resync("north", VROUTER__CONTROLLER__RESYNC__END));
	assert_false(has_nexthop(11) || has_nexthop(12));
	batch_controller = "";
}

static void
an_end_without_a_beginning_is_refused(void **state)
{
	(void)state;
	assert_refused(resync("north", VROUTER__CONTROLLER__RESYNC__END),
		       VROUTER__RESULT__CODE__INVALID, "resync", "no resync was begun");
	assert_refused(resync("north", VROUTER__CONTROLLER__RESYNC__RESYNC_UNSET),
		       VROUTER__RESULT__CODE__INVALID, "resync", "begin or end");
}

static void
a_controller_that_owns_nothing_can_be_deleted(void **state)
{
	Vrouter__Controller m = VROUTER__CONTROLLER__INIT;
	uint32_t n;
	const struct object_info *kinds = object_kinds(&n);

	(void)state;
	m.name = (char *)(uintptr_t) "brief";
	assert_refused(ask(VROUTER__OP__DEL, "controller", &m), VROUTER__RESULT__CODE__NOT_FOUND,
		       "name", "it does not exist");
	for (uint32_t k = 0; k < n; k++) {
		sample_maker *make = sample_of(&kinds[k]);

		if (make == NULL)
			continue;
		batch_controller = "brief";
		make(VROUTER__OP__ADD, 0, 1);
		assert_ok(ask_batch());
		assert_refused(ask(VROUTER__OP__DEL, "controller", &m), VROUTER__RESULT__CODE__BUSY,
			       "name", kinds[k].name);
		batch_controller = "";
		make(VROUTER__OP__DEL, 0, 0);
		assert_ok(ask_batch());
		assert_ok(ask(VROUTER__OP__DEL, "controller", &m));
	}
	assert_refused(resync("brief", VROUTER__CONTROLLER__RESYNC__END),
		       VROUTER__RESULT__CODE__INVALID, "resync", "no resync was begun");
}

/* References are no reason to refuse a DEL: who is named goes before who names, of every kind. */
static void
what_others_name_can_be_deleted_first(void **state)
{
	uint32_t n;
	const struct object_info *kinds = object_kinds(&n);

	(void)state;
	for (uint32_t i = 0; i < SAMPLES; i++)
		for (uint32_t k = 0; k < n; k++)
			if (sample_of(&kinds[k]) != NULL)
				sample_of (&kinds[k])(VROUTER__OP__ADD, i,
						      2); /* names vif and nexthop 2 */
	assert_ok(ask_batch());
	for (uint32_t k = 0; k < n; k++) {
		if (sample_of(&kinds[k]) == NULL)
			continue;
		for (uint32_t i = 0; i < SAMPLES; i++) {
			sample_of (&kinds[k])(VROUTER__OP__DEL, i, 2);
			assert_ok(ask_batch());
		}
		assert_int_equal(list_kind(&kinds[k], NULL, NULL), 0);
	}
	assert_int_equal(route_leads_to(2), -1);
}

/* One of each kind is added again, one is not, one is another's, and one is nobody's. */
static void
resync_and_reset_know_all_kinds(void **state)
{
	static const char *const owners[SAMPLES] = {"east", "east", "west", ""};
	Vrouter__Reset reset = VROUTER__RESET__INIT;
	uint32_t n, before[64], of_another = 2;
	const struct object_info *kinds = object_kinds(&n);

	(void)state;
	assert_true(n <= sizeof(before) / sizeof(before[0]));
	reset.tables = true;
	assert_ok(ask(VROUTER__OP__SET, "reset", &reset));
	for (uint32_t i = 0; i < SAMPLES; i++) {
		batch_controller = owners[i];
		for (uint32_t k = 0; k < n; k++)
			if (sample_of(&kinds[k]) != NULL)
				sample_of (&kinds[k])(VROUTER__OP__ADD, i, 1);
		assert_ok(ask_batch());
	}
	assert_ok(resync("east", VROUTER__CONTROLLER__RESYNC__BEGIN));
	batch_controller = "east";
	for (uint32_t k = 0; k < n; k++)
		if (sample_of(&kinds[k]) != NULL)
			sample_of (&kinds[k])(VROUTER__OP__ADD, 0, 1);
	assert_ok(ask_batch());
	batch_controller = "";
	for (uint32_t k = 0; k < n; k++)
		before[k] = sample_of(&kinds[k]) != NULL ? list_kind(&kinds[k], NULL, NULL) : 0;
	assert_ok(resync("east", VROUTER__CONTROLLER__RESYNC__END));
	for (uint32_t k = 0; k < n; k++) {
		if (sample_of(&kinds[k]) == NULL)
			continue;
		if (before[k] != SAMPLES || list_kind(&kinds[k], NULL, NULL) != SAMPLES - 1)
			fail_msg("%s: %u before the end of the resync, %u after", kinds[k].name,
				 before[k], list_kind(&kinds[k], NULL, NULL));
		sample_of (&kinds[k])(VROUTER__OP__DEL, of_another, 1);
	}
	assert_ok(ask_batch());
	assert_ok(ask(VROUTER__OP__SET, "reset", &reset));
	for (uint32_t k = 0; k < n; k++)
		if (sample_of(&kinds[k]) != NULL && list_kind(&kinds[k], NULL, NULL) != 0)
			fail_msg("%s: a reset leaves some", kinds[k].name);
}

static void
reset_takes_counters_tables_or_both(void **state)
{
	struct vif_counters *slot = counters_at(test_ctl.tables.counters, 0, 1), sum;
	Vrouter__Reset m = VROUTER__RESET__INIT;

	(void)state;
	assert_refused(ask(VROUTER__OP__SET, "reset", &m), VROUTER__RESULT__CODE__INVALID, "tables",
		       "say what");
	vif(VROUTER__OP__ADD, 1, NULL);
	vif(VROUTER__OP__ADD, 7, "blue-7");
	bridge(VROUTER__OP__ADD, 50, 1);
	for (uint32_t i = 0; i < 100; i++)
		route(VROUTER__OP__ADD, 1000 + i, 1);
	assert_ok(ask_batch());
	slot->rx_packets += 50;
	m.counters = true;
	assert_ok(ask(VROUTER__OP__SET, "reset", &m));
	tables_count_vif(&test_ctl.tables, 1, &sum);
	assert_int_equal(sum.rx_packets, 0);
	assert_non_null(vif_lookup(test_ctl.tables.vifs, 1));
	m.tables = true;
	assert_ok(ask(VROUTER__OP__SET, "reset", &m));
	assert_int_equal(test_ctl.tables.vifs->used, 0);
	assert_int_equal(test_ctl.tables.nexthops->used, 0);
	assert_int_equal(bridge_used(test_ctl.tables.bridge), 0);
	assert_int_equal(route_used(test_ctl.tables.routes, ROUTE_INET), 0);
	assert_int_equal(route_leads_to(1000), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_what_was_not_added_again_goes),
	    cmocka_unit_test(a_resync_begun_again_starts_over),
	    cmocka_unit_test(an_end_without_a_beginning_is_refused),
	    cmocka_unit_test(a_controller_that_owns_nothing_can_be_deleted),
	    cmocka_unit_test(resync_and_reset_know_all_kinds),
	    cmocka_unit_test(what_others_name_can_be_deleted_first),
	    cmocka_unit_test(reset_takes_counters_tables_or_both),
	};

	return cmocka_run_group_tests(tests, router_open, router_close);
}

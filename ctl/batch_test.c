/* SPDX-License-Identifier: BSD-3-Clause */
/* Batches of changes: whole or not at all, in order, with the ports that vifs need. */
#include "ctl/batch_test.h"

#include "common/bridge.h"
#include "common/controller.h"
#include "common/counters.h"
#include "common/nexthop.h"
#include "common/redo.h"
#include "common/vif.h"

static int64_t
nexthop_vif(uint32_t id)
{
	const struct nexthop *nh = nexthop_lookup(test_ctl.tables.nexthops, id);

	return nh != NULL ? (int64_t)nh->encap.vif : -1;
}

static void
changes_of_all_kinds_are_made_together(void **state)
{
	uint64_t revision = test_ctl.revision;

	(void)state;
	nexthop(VROUTER__OP__ADD, 7, 3);
	bridge(VROUTER__OP__ADD, 1, 7);
	bridge(VROUTER__OP__ADD, 2, 7);
	vif(VROUTER__OP__ADD, 3, NULL);
	assert_ok(ask_batch());
	assert_int_equal(nexthop_vif(7), 3);
	assert_int_equal(bridge_used(test_ctl.tables.bridge), 2);
	assert_non_null(vif_lookup(test_ctl.tables.vifs, 3));
	assert_true(test_ctl.revision > revision);
}

static void
one_that_is_refused_is_named_and_nothing_is_made(void **state)
{
	uint64_t revision = test_ctl.revision;

	(void)state;
	nexthop(VROUTER__OP__ADD, 8, 3);
	nexthop(VROUTER__OP__DEL, 7, 0);
	bridge(VROUTER__OP__DEL, 99, 0);
	assert_refused(ask_batch(), VROUTER__RESULT__CODE__NOT_FOUND, "mac",
		       "change 3: bridge vrf 1 mac 02:00:63:00:00:00: it does not exist");
	assert_int_equal(asker.answers[0]->result->change, 3);
	assert_int_equal(nexthop_vif(7), 3);
	assert_int_equal(nexthop_vif(8), -1);
	assert_int_equal(test_ctl.revision, revision);
	nexthop(VROUTER__OP__ADD, 8, 3);
	nexthop(VROUTER__OP__ADD, 10000, 3);
	assert_refused(ask_batch(), VROUTER__RESULT__CODE__INVALID, "id",
		       "change 2: nexthop 10000: id 10000 is above 9999");
	assert_int_equal(nexthop_vif(8), -1);
}

/* Batches by their bytes: the changes are unpacked when their turn comes. */
static void
a_batch_that_is_broken_inside_changes_nothing(void **state)
{
	static const struct {
		uint8_t bytes[40];
		size_t size;
		Vrouter__Result__Code code;
		const char *field, *words;
		uint32_t change;
	} cases[] = {
	    /* id 9, batch { add nexthop { id: 8, type: discard }, half a change } */
	    {{0x08, 0x09, 0x22, 0x12, 0x0a, 0x0b, 0x08, 0x01, 0x12, 0x07, 0x8a,
	      0x01, 0x04, 0x08, 0x08, 0x10, 0x03, 0x0a, 0x03, 0x08, 0x01, 0x12},
	     22,
	     VROUTER__RESULT__CODE__MALFORMED,
	     "",
	     "change 2: its 3 bytes are not a change",
	     2},
	    /* the same in two parts, and the second change is none at all */
	    {{0x08, 0x09, 0x22, 0x0d, 0x0a, 0x0b, 0x08, 0x01, 0x12, 0x07, 0x8a,
	      0x01, 0x04, 0x08, 0x08, 0x10, 0x03, 0x22, 0x02, 0x0a, 0x00},
	     21,
	     VROUTER__RESULT__CODE__INVALID,
	     "object",
	     "change 2: the request names no object",
	     2},
	    /* field 7 of the batch */
	    {{0x08, 0x09, 0x22, 0x02, 0x38, 0x01},
	     6,
	     VROUTER__RESULT__CODE__INVALID,
	     "batch",
	     "field number 7 is not known",
	     0},
	    /* a length behind the end */
	    {{0x08, 0x09, 0x22, 0x02, 0x0a, 0x7f},
	     6,
	     VROUTER__RESULT__CODE__MALFORMED,
	     "",
	     "not a request",
	     0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const Vrouter__Result *r = ask_bytes(cases[i].bytes, cases[i].size);

		assert_refused(r, cases[i].code, cases[i].field, cases[i].words);
		assert_int_equal(r->change, cases[i].change);
		assert_int_equal(nexthop_vif(8), -1);
	}
}

static void
a_change_sees_those_before_it(void **state)
{
	(void)state;
	nexthop(VROUTER__OP__ADD, 20, 1);
	nexthop(VROUTER__OP__DEL, 20, 0);
	nexthop(VROUTER__OP__ADD, 20, 2);
	bridge(VROUTER__OP__DEL, 1, 0);
	bridge(VROUTER__OP__ADD, 1, 9);
	bridge(VROUTER__OP__ADD, 5, 9);
	bridge(VROUTER__OP__DEL, 5, 9);
	assert_ok(ask_batch());
	assert_int_equal(nexthop_vif(20), 2);
	assert_int_equal(bridge_used(test_ctl.tables.bridge), 2);
	nexthop(VROUTER__OP__DEL, 20, 0);
	nexthop(VROUTER__OP__DEL, 20, 0);
	assert_refused(ask_batch(), VROUTER__RESULT__CODE__NOT_FOUND, "id", "change 2: nexthop 20");
	assert_int_equal(nexthop_vif(20), 2);
}

static void
what_cannot_be_in_a_batch_is_refused(void **state)
{
	Vrouter__Log level = VROUTER__LOG__INIT;
	Vrouter__Object *object;

	(void)state;
	object = next(VROUTER__OP__SET);
	object->kind_case = VROUTER__OBJECT__KIND_LOG;
	object->log = &level;
	assert_refused(ask_batch(), VROUTER__RESULT__CODE__UNSUPPORTED, "op",
		       "SET of a log cannot be part of a batch");
	next(VROUTER__OP__ADD);
	assert_refused(ask_batch(), VROUTER__RESULT__CODE__INVALID, "object", "kind 0");
	assert_ok(ask_batch());
	asker.caller.may_write = false;
	nexthop(VROUTER__OP__ADD, 30, 1);
	assert_refused(ask_batch(), VROUTER__RESULT__CODE__DENIED, "", "you may not write");
	asker.caller.may_write = true;
}

static void
more_than_the_log_takes_is_refused_with_the_option(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 900; i++)
		bridge(VROUTER__OP__ADD, 1000 + i, 7);
	assert_refused(ask_batch(), VROUTER__RESULT__CODE__FULL, "", "(option batch-stores)");
	assert_int_equal(bridge_used(test_ctl.tables.bridge), 2);
	for (uint32_t i = 0; i < 400; i++)
		bridge(VROUTER__OP__ADD, 1000 + i, 7);
	assert_ok(ask_batch());
	assert_int_equal(bridge_used(test_ctl.tables.bridge), 402);
	for (uint32_t i = 0; i < 400; i++)
		bridge(VROUTER__OP__DEL, 1000 + i, 7);
	assert_ok(ask_batch());
	assert_int_equal(bridge_used(test_ctl.tables.bridge), 2);
}

static void
ports_are_made_first(void **state)
{
	(void)state;
	fake_primary.n_adds = 0;
	vif(VROUTER__OP__ADD, 11, "red-1");
	vif(VROUTER__OP__ADD, 12, "red-2");
	nexthop(VROUTER__OP__ADD, 40, 11);
	assert_ok(ask_batch());
	assert_int_equal(fake_primary.n_adds, 2);
	assert_int_equal(nexthop_vif(40), 11);
	assert_true(vif_lookup(test_ctl.tables.vifs, 12)->port !=
		    vif_lookup(test_ctl.tables.vifs, 11)->port);
}

/* The second port fails. */
static void
a_port_that_fails_takes_the_others_back(void **state)
{
	const struct ports *ports = test_ctl.tables.ports;

	(void)state;
	fake_primary.n_adds = fake_primary.n_dels = 0;
	fake_primary.refuses_add = 2;
	vif(VROUTER__OP__ADD, 13, "blue-1");
	vif(VROUTER__OP__ADD, 14, "blue-2");
	vif(VROUTER__OP__DEL, 11, NULL);
	assert_refused(ask_batch(), VROUTER__RESULT__CODE__FAILED, "",
		       "change 2: vif 14: the kernel says no");
	fake_primary.refuses_add = 0;
	assert_int_equal(fake_primary.n_dels, 1);
	for (uint32_t i = 0; i < ports->n; i++)
		assert_true(ports->p[i].state == PORT_FREE ||
			    strncmp(ports->p[i].name, "blue", 4) != 0);
	assert_null(vif_lookup(test_ctl.tables.vifs, 13));
	assert_non_null(vif_lookup(test_ctl.tables.vifs, 11));
}

static void
a_refusal_comes_before_any_port(void **state)
{
	(void)state;
	fake_primary.n_adds = 0;
	vif(VROUTER__OP__ADD, 15, "green");
	nexthop(VROUTER__OP__DEL, 9999, 0);
	assert_refused(ask_batch(), VROUTER__RESULT__CODE__NOT_FOUND, "id", "change 2");
	assert_int_equal(fake_primary.n_adds, 0);
}

static void
ports_left_behind_go_and_those_taken_over_stay(void **state)
{
	(void)state;
	fake_primary.n_dels = 0;
	vif(VROUTER__OP__DEL, 11, NULL);
	vif(VROUTER__OP__DEL, 12, NULL);
	vif(VROUTER__OP__ADD, 16, "red-2");
	assert_ok(ask_batch());
	assert_int_equal(fake_primary.n_dels, 1);
	assert_true(vif_lookup(test_ctl.tables.vifs, 16)->port >= 0);
}

static void
counters_start_from_zero_for_the_next_ctl_too(void **state)
{
	struct vif_counters *slot = counters_at(test_ctl.tables.counters, 1, 21), sum;
	struct fault f = {0};

	(void)state;
	slot->rx_packets = 500;
	slot->drops[3] = 5;
	vif(VROUTER__OP__ADD, 21, NULL);
	assert_ok(ask_batch());
	slot->rx_packets += 7;
	tables_release(&test_ctl.tables);
	assert_int_equal(tables_adopt(&test_ctl.tables, &f), 0);
	tables_count_vif(&test_ctl.tables, 21, &sum);
	assert_int_equal(sum.rx_packets, 7);
	assert_int_equal(sum.drops[3], 0);
	/* Deleted and added again in one batch: a new vif. */
	vif(VROUTER__OP__DEL, 21, NULL);
	vif(VROUTER__OP__ADD, 21, NULL);
	assert_ok(ask_batch());
	tables_count_vif(&test_ctl.tables, 21, &sum);
	assert_int_equal(sum.rx_packets, 0);
	/* Added again: the same vif. */
	slot->rx_packets += 7;
	vif(VROUTER__OP__ADD, 21, NULL);
	assert_ok(ask_batch());
	tables_count_vif(&test_ctl.tables, 21, &sum);
	assert_int_equal(sum.rx_packets, 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(changes_of_all_kinds_are_made_together),
	    cmocka_unit_test(one_that_is_refused_is_named_and_nothing_is_made),
	    cmocka_unit_test(a_batch_that_is_broken_inside_changes_nothing),
	    cmocka_unit_test(a_change_sees_those_before_it),
	    cmocka_unit_test(what_cannot_be_in_a_batch_is_refused),
	    cmocka_unit_test(more_than_the_log_takes_is_refused_with_the_option),
	    cmocka_unit_test(ports_are_made_first),
	    cmocka_unit_test(a_port_that_fails_takes_the_others_back),
	    cmocka_unit_test(a_refusal_comes_before_any_port),
	    cmocka_unit_test(ports_left_behind_go_and_those_taken_over_stay),
	    cmocka_unit_test(counters_start_from_zero_for_the_next_ctl_too),
	};

	return cmocka_run_group_tests(tests, router_open, router_close);
}

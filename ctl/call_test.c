/* SPDX-License-Identifier: BSD-3-Clause */
/* What is checked before any kind of object sees a request, and bridge entries as the plainest
 * kind. */
#include "ctl/ctl_test.h"

#include "common/bridge.h"

static uint8_t mac[6] = {0x02, 0, 0, 0, 0, 1};

static Vrouter__Bridge
entry(uint32_t vrf, uint32_t nexthop)
{
	Vrouter__Bridge m = VROUTER__BRIDGE__INIT;

	m.has_vrf_case = VROUTER__BRIDGE__HAS_VRF_VRF;
	m.vrf = vrf;
	m.mac.data = mac;
	m.mac.len = 6;
	m.has_nexthop_case = VROUTER__BRIDGE__HAS_NEXTHOP_NEXTHOP;
	m.nexthop = nexthop;
	return m;
}

static void
bytes_that_are_no_request_are_malformed(void **state)
{
	static const uint8_t bytes[] = {0xff, 0xff, 0xff, 0xff, 0xff};

	(void)state;
	assert_refused(ask_bytes(bytes, sizeof(bytes)), VROUTER__RESULT__CODE__MALFORMED, "",
		       "the frame of 5 bytes is not a request");
	assert_int_equal(asker.answers[0]->id, 0);
}

/* Requests by their bytes: what a client of another version might send. */
static void
what_is_not_known_is_refused_by_number(void **state)
{
	static const struct {
		uint8_t bytes[32];
		size_t size;
		const char *field, *words;
	} cases[] = {
	    {{0}, 0, "object", "names no object"},
	    {{0x08, 0x05, 0x10, 0x01}, 4, "object", "names no object"},
	    {{0x10, 0x01, 0x1a, 0x00}, 4, "object", "kind 0 are not known"},
	    /* object { 500: {} } */
	    {{0x10, 0x01, 0x1a, 0x03, 0xa2, 0x1f, 0x00}, 7, "object", "kind 500 are not known"},
	    /* field 15 */
	    {{0x10, 0x01, 0x7a, 0x00}, 4, "15", "field number 15 is not known"},
	    /* op 99, nexthop {} */
	    {{0x10, 0x63, 0x1a, 0x03, 0x8a, 0x01, 0x00}, 7, "op", "operation 99 is not known"},
	    /* add nexthop { id: 7, 100: 1 } */
	    {{0x10, 0x01, 0x1a, 0x08, 0x8a, 0x01, 0x05, 0x08, 0x07, 0xa0, 0x06, 0x01},
	     12,
	     "",
	     "nexthop 7: field number 100 is not known"},
	    /* add vif { id: 7, tap { 100: 1 } } */
	    {{0x10, 0x01, 0x1a, 0x0a, 0x82, 0x01, 0x07, 0x08, 0x07, 0x42, 0x03, 0xa0, 0x06, 0x01},
	     14,
	     "tap",
	     "vif 7: tap: field number 100 is not known"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(ask_bytes(cases[i].bytes, cases[i].size),
			       VROUTER__RESULT__CODE__INVALID, cases[i].field, cases[i].words);
}

static void
an_operation_that_a_kind_lacks_is_refused(void **state)
{
	Vrouter__Bridge m = entry(1, 7);

	(void)state;
	assert_refused(ask(VROUTER__OP__SET, "bridge", &m), VROUTER__RESULT__CODE__UNSUPPORTED,
		       "op", "there is no operation SET for bridge");
}

static void
who_may_read_may_not_write(void **state)
{
	Vrouter__Bridge m = entry(1, 7);

	(void)state;
	asker_forget();
	asker.caller.may_write = false;
	assert_refused(ask(VROUTER__OP__ADD, "bridge", &m), VROUTER__RESULT__CODE__DENIED, "",
		       "you may not write");
	assert_ok(ask(VROUTER__OP__LIST, "bridge", &m));
	asker.caller.may_read = false;
	assert_refused(ask(VROUTER__OP__LIST, "bridge", &m), VROUTER__RESULT__CODE__DENIED, "",
		       "you may not read");
	asker.caller.may_read = asker.caller.may_write = true;
}

static void
bridge_entries_are_written_and_read_back(void **state)
{
	Vrouter__Bridge m = entry(1, 7);

	(void)state;
	assert_ok(ask(VROUTER__OP__ADD, "bridge", &m));
	m.nexthop = 8;
	assert_ok(ask(VROUTER__OP__ADD, "bridge", &m));
	assert_int_equal(bridge_used(test_ctl.tables.bridge), 1);
	assert_ok(ask(VROUTER__OP__GET, "bridge", &m));
	assert_int_equal(answered_object(0)->bridge->nexthop, 8);
	assert_memory_equal(answered_object(0)->bridge->mac.data, mac, 6);
	m.vrf = 2;
	assert_refused(ask(VROUTER__OP__DEL, "bridge", &m), VROUTER__RESULT__CODE__NOT_FOUND, "mac",
		       "bridge vrf 2 mac 02:00:00:00:00:01: it does not exist");
	assert_ok(ask(VROUTER__OP__LIST, "bridge", &m));
	assert_int_equal(asker.n, 1);
	m.vrf = 1;
	assert_ok(ask(VROUTER__OP__LIST, "bridge", &m));
	assert_int_equal(asker.n, 2);
	assert_ok(ask(VROUTER__OP__DEL, "bridge", &m));
	assert_int_equal(bridge_used(test_ctl.tables.bridge), 0);
}

static void
a_bad_bridge_entry_is_named(void **state)
{
	const Vrouter__Result__Code INVALID = VROUTER__RESULT__CODE__INVALID;
	uint8_t zero[6] = {0};
	Vrouter__Bridge m = entry(1, 7);

	(void)state;
	m.has_vrf_case = VROUTER__BRIDGE__HAS_VRF__NOT_SET;
	assert_refused(ask(VROUTER__OP__ADD, "bridge", &m), INVALID, "vrf", "vrf is missing");
	m = entry(8, 7);
	assert_refused(ask(VROUTER__OP__ADD, "bridge", &m), INVALID, "vrf", "vrf 8 is above 7");
	m = entry(1, 10000);
	assert_refused(ask(VROUTER__OP__ADD, "bridge", &m), INVALID, "nexthop", "is above 9999");
	m.has_nexthop_case = VROUTER__BRIDGE__HAS_NEXTHOP__NOT_SET;
	assert_refused(ask(VROUTER__OP__ADD, "bridge", &m), INVALID, "nexthop",
		       "nexthop is missing");
	m.mac.len = 5;
	assert_refused(ask(VROUTER__OP__ADD, "bridge", &m), INVALID, "mac", "mac has 5 bytes");
	m.mac.len = 0;
	assert_refused(ask(VROUTER__OP__ADD, "bridge", &m), INVALID, "mac", "mac is missing");
	m.mac.len = 6;
	m.mac.data = zero;
	assert_refused(ask(VROUTER__OP__ADD, "bridge", &m), INVALID, "mac", "nobody has");
}

static void
a_full_bridge_table_says_which_option_makes_it_larger(void **state)
{
	const Vrouter__Result *r = NULL;
	Vrouter__Bridge m = entry(1, 7);

	(void)state;
	for (uint32_t i = 1; i < 5000; i++) {
		mac[4] = (uint8_t)(i >> 8);
		mac[5] = (uint8_t)i;
		r = ask(VROUTER__OP__ADD, "bridge", &m);
		if (r->code != VROUTER__RESULT__CODE__OK)
			break;
	}
	assert_refused(r, VROUTER__RESULT__CODE__FULL, "", "(option bridge-entries)");
	assert_true(bridge_used(test_ctl.tables.bridge) >= 1000);
}

static void
hello_lists_kinds_and_what_they_can_do(void **state)
{
	Vrouter__Hello m = VROUTER__HELLO__INIT;
	const Vrouter__Hello *got;

	(void)state;
	assert_ok(ask(VROUTER__OP__GET, "hello", &m));
	got = answered_object(0)->hello;
	assert_int_equal(got->api_version, 1);
	assert_true(got->may_write);
	for (size_t i = 0; i < got->n_kinds; i++)
		if (strcmp(got->kinds[i]->name, "nexthop") == 0) {
			assert_int_equal(got->kinds[i]->number, 17);
			assert_int_equal(got->kinds[i]->n_ops, 4);
			return;
		}
	fail_msg("no nexthop");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes_that_are_no_request_are_malformed),
	    cmocka_unit_test(what_is_not_known_is_refused_by_number),
	    cmocka_unit_test(an_operation_that_a_kind_lacks_is_refused),
	    cmocka_unit_test(who_may_read_may_not_write),
	    cmocka_unit_test(bridge_entries_are_written_and_read_back),
	    cmocka_unit_test(a_bad_bridge_entry_is_named),
	    cmocka_unit_test(a_full_bridge_table_says_which_option_makes_it_larger),
	    cmocka_unit_test(hello_lists_kinds_and_what_they_can_do),
	};

	return cmocka_run_group_tests(tests, router_open, router_close);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Labels, VNIs and VRFs through the API: what is accepted, refused, read back, and swept. */
#include "ctl/ctl_test.h"

#include "common/number.h"
#include "common/vrf.h"

static const Vrouter__Result__Code INVALID = VROUTER__RESULT__CODE__INVALID;

static Vrouter__Label
label(uint32_t number, uint32_t nexthop)
{
	Vrouter__Label m = VROUTER__LABEL__INIT;

	m.has_label_case = VROUTER__LABEL__HAS_LABEL_LABEL;
	m.label = number;
	m.has_nexthop_case = VROUTER__LABEL__HAS_NEXTHOP_NEXTHOP;
	m.nexthop = nexthop;
	return m;
}

static Vrouter__Vni
vni(uint32_t number, uint32_t nexthop)
{
	Vrouter__Vni m = VROUTER__VNI__INIT;

	m.has_vni_case = VROUTER__VNI__HAS_VNI_VNI;
	m.vni = number;
	m.has_nexthop_case = VROUTER__VNI__HAS_NEXTHOP_NEXTHOP;
	m.nexthop = nexthop;
	return m;
}

static Vrouter__Vrf
vrf(uint32_t id, const char *name)
{
	Vrouter__Vrf m = VROUTER__VRF__INIT;

	m.has_id_case = VROUTER__VRF__HAS_ID_ID;
	m.id = id;
	m.name = (char *)(uintptr_t)name;
	return m;
}

/* As the packet path finds it. */
static int64_t
found(const struct bridge *table, uint32_t number)
{
	uint64_t key = number_key_packed(number), value;

	return bridge_lookup_burst(table, &key, 1, &value) != 0
		   ? (int64_t)bridge_value_nexthop(value)
		   : -1;
}

static void
numbers_of_all_sizes_lead_to_their_nexthops(void **state)
{
	static const uint32_t numbers[] = {0, 1, 16, 0xfffff, 0x100000, 0xffffff};

	(void)state;
	for (uint32_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		Vrouter__Label l = label(numbers[i], 100 + i);
		Vrouter__Vni v = vni(numbers[i], 200 + i);

		assert_ok(ask(VROUTER__OP__ADD, "vni", &v));
		assert_int_equal(found(test_ctl.tables.vnis, numbers[i]), 200 + i);
		assert_ok(ask(VROUTER__OP__GET, "vni", &v));
		assert_int_equal(answered_object(0)->vni->vni, numbers[i]);
		assert_int_equal(answered_object(0)->vni->nexthop, 200 + i);
		if (numbers[i] > LABEL_MAX)
			continue;
		assert_ok(ask(VROUTER__OP__ADD, "label", &l));
		assert_int_equal(found(test_ctl.tables.labels, numbers[i]), 100 + i);
		assert_ok(ask(VROUTER__OP__GET, "label", &l));
		assert_int_equal(answered_object(0)->label->label, numbers[i]);
		assert_int_equal(answered_object(0)->label->nexthop, 100 + i);
	}
}

static void
a_number_is_replaced_and_removed(void **state)
{
	Vrouter__Label l = label(77, 1);
	uint32_t used;

	(void)state;
	assert_ok(ask(VROUTER__OP__ADD, "label", &l));
	used = bridge_used(test_ctl.tables.labels);
	l.nexthop = 2;
	assert_ok(ask(VROUTER__OP__ADD, "label", &l));
	assert_int_equal(bridge_used(test_ctl.tables.labels), used);
	assert_int_equal(found(test_ctl.tables.labels, 77), 2);
	assert_ok(ask(VROUTER__OP__DEL, "label", &l));
	assert_int_equal(found(test_ctl.tables.labels, 77), -1);
	assert_refused(ask(VROUTER__OP__DEL, "label", &l), VROUTER__RESULT__CODE__NOT_FOUND,
		       "label", "label 77: it does not exist");
	assert_refused(ask(VROUTER__OP__GET, "label", &l), VROUTER__RESULT__CODE__NOT_FOUND,
		       "label", "label 77: it does not exist");
}

static void
what_is_wrong_is_named(void **state)
{
	Vrouter__Label l = label(1 << 20, 1);
	Vrouter__Vni v = vni(1 << 24, 1);
	Vrouter__Vrf f = vrf(8, "red");
	char name[65];

	(void)state;
	assert_refused(ask(VROUTER__OP__ADD, "label", &l), INVALID, "label",
		       "label 1048576 is above 1048575");
	assert_refused(ask(VROUTER__OP__ADD, "vni", &v), INVALID, "vni",
		       "vni 16777216 is above 16777215");
	l = label(5, 10000);
	assert_refused(ask(VROUTER__OP__ADD, "label", &l), INVALID, "nexthop",
		       "nexthop 10000 is above 9999");
	l.has_nexthop_case = VROUTER__LABEL__HAS_NEXTHOP__NOT_SET;
	assert_refused(ask(VROUTER__OP__ADD, "label", &l), INVALID, "nexthop", "missing");
	l.has_label_case = VROUTER__LABEL__HAS_LABEL__NOT_SET;
	assert_refused(ask(VROUTER__OP__ADD, "label", &l), INVALID, "label", "missing");
	assert_refused(ask(VROUTER__OP__ADD, "vrf", &f), INVALID, "id", "id 8 is above 7");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	f = vrf(1, name);
	assert_refused(ask(VROUTER__OP__ADD, "vrf", &f), INVALID, "name", "64 bytes");
	f = vrf(1, "red");
	f.has_hbs_left_case = VROUTER__VRF__HAS_HBS_LEFT_HBS_LEFT;
	assert_refused(ask(VROUTER__OP__ADD, "vrf", &f), VROUTER__RESULT__CODE__UNSUPPORTED,
		       "hbs_left", "not done yet");
	f.has_hbs_left_case = VROUTER__VRF__HAS_HBS_LEFT__NOT_SET;
	f.has_hbs_right_case = VROUTER__VRF__HAS_HBS_RIGHT_HBS_RIGHT;
	assert_refused(ask(VROUTER__OP__ADD, "vrf", &f), VROUTER__RESULT__CODE__UNSUPPORTED,
		       "hbs_right", "not done yet");
}

static void
a_full_table_says_so_and_what_to_do(void **state)
{
	const Vrouter__Result *r = NULL;

	(void)state;
	for (uint32_t i = 1000; i < 1200; i++) {
		Vrouter__Label l = label(i, 1);

		r = ask(VROUTER__OP__ADD, "label", &l);
		if (r->code != VROUTER__RESULT__CODE__OK)
			break;
	}
	assert_refused(r, VROUTER__RESULT__CODE__FULL, "", "of 100 labels (option labels)");
}

static void
a_vrf_has_a_name(void **state)
{
	Vrouter__Vrf m = vrf(3, "red"), any = VROUTER__VRF__INIT;

	(void)state;
	assert_ok(ask(VROUTER__OP__ADD, "vrf", &m));
	m = vrf(3, "blue");
	assert_ok(ask(VROUTER__OP__ADD, "vrf", &m));
	assert_ok(ask(VROUTER__OP__GET, "vrf", &m));
	assert_string_equal(answered_object(0)->vrf->name, "blue");
	assert_ok(ask(VROUTER__OP__LIST, "vrf", &any));
	assert_int_equal(asker.n, 2);
	assert_ok(ask(VROUTER__OP__DEL, "vrf", &m));
	assert_refused(ask(VROUTER__OP__GET, "vrf", &m), VROUTER__RESULT__CODE__NOT_FOUND, "id",
		       "vrf 3: it does not exist");
}

static void
the_next_ctl_finds_them_and_a_reset_removes_them(void **state)
{
	Vrouter__Vrf f = vrf(3, "red");
	Vrouter__Vni v = vni(9, 1), any = VROUTER__VNI__INIT;
	Vrouter__Label any_label = VROUTER__LABEL__INIT;
	Vrouter__Reset reset = VROUTER__RESET__INIT;
	struct fault fault = {0};

	(void)state;
	assert_ok(ask(VROUTER__OP__ADD, "vrf", &f));
	assert_ok(ask(VROUTER__OP__ADD, "vni", &v));
	tables_release(&test_ctl.tables);
	assert_int_equal(tables_adopt(&test_ctl.tables, &fault), 0);
	assert_ok(ask(VROUTER__OP__GET, "vrf", &f));
	assert_ok(ask(VROUTER__OP__GET, "vni", &v));
	assert_ok(ask(VROUTER__OP__LIST, "label", &any_label));
	assert_int_equal(asker.n - 1, bridge_used(test_ctl.tables.labels));
	assert_true(asker.n > 1);
	reset.tables = true;
	assert_ok(ask(VROUTER__OP__SET, "reset", &reset));
	assert_ok(ask(VROUTER__OP__LIST, "label", &any_label));
	assert_int_equal(asker.n, 1);
	assert_ok(ask(VROUTER__OP__LIST, "vni", &any));
	assert_int_equal(asker.n, 1);
	assert_int_equal(test_ctl.tables.vrfs->used, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_of_all_sizes_lead_to_their_nexthops),
	    cmocka_unit_test(a_number_is_replaced_and_removed),
	    cmocka_unit_test(what_is_wrong_is_named),
	    cmocka_unit_test(a_full_table_says_so_and_what_to_do),
	    cmocka_unit_test(a_vrf_has_a_name),
	    cmocka_unit_test(the_next_ctl_finds_them_and_a_reset_removes_them),
	};

	return cmocka_run_group_tests(tests, router_open, router_close);
}

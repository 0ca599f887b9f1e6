/* SPDX-License-Identifier: BSD-3-Clause */
/* Bridge entries through the API: what is accepted, refused, and read back. */
#include "ctl/ctl_test.h"

#include "common/bridge.h"

static Vrouter__Bridge
entry(uint32_t vrf, const void *mac, size_t len)
{
	Vrouter__Bridge m = VROUTER__BRIDGE__INIT;

	m.has_vrf_case = VROUTER__BRIDGE__HAS_VRF_VRF;
	m.vrf = vrf;
	m.mac.data = (uint8_t *)(uintptr_t)mac;
	m.mac.len = len;
	return m;
}

static Vrouter__Bridge
entry_to(uint32_t vrf, const void *mac, size_t len, uint32_t nexthop)
{
	Vrouter__Bridge m = entry(vrf, mac, len);

	m.has_nexthop_case = VROUTER__BRIDGE__HAS_NEXTHOP_NEXTHOP;
	m.nexthop = nexthop;
	return m;
}

static Vrouter__Bridge
with_label(Vrouter__Bridge m, uint32_t label)
{
	m.has_label_case = VROUTER__BRIDGE__HAS_LABEL_LABEL;
	m.label = label;
	return m;
}

static uint64_t
lookup(uint32_t vrf)
{
	struct bridge_key key = {.vrf = vrf, .mac = {2, 0, 0, 0, 0, 1}};
	uint64_t value;

	return bridge_lookup(test_ctl.tables.bridge, &key, &value) == 0 ? value : UINT64_MAX;
}

static void
what_goes_with_an_entry_is_read_back(void **state)
{
	static const char mac[] = "\x02\0\0\0\0\x01";
	Vrouter__Bridge plain = entry_to(1, mac, 6, 9999);
	Vrouter__Bridge zero = with_label(plain, 0);
	Vrouter__Bridge all = with_label(plain, 0xffffff);
	const struct {
		Vrouter__Bridge *m;
		uint64_t value;
	} cases[] = {
	    {&plain, 9999},
	    {&zero, BRIDGE_LABEL_VALID | 9999},
	    {&all, BRIDGE_LABEL_VALID | BRIDGE_DHCP_FLOOD | UINT64_C(0xffffff) << 32 | 9999},
	    {&plain, 9999},
	};

	(void)state;
	all.dhcp_flood = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const Vrouter__Bridge *got;

		assert_ok(ask(VROUTER__OP__ADD, "bridge", cases[i].m));
		assert_true(lookup(1) == cases[i].value);
		assert_ok(ask(VROUTER__OP__GET, "bridge", cases[i].m));
		got = answered_object(0)->bridge;
		assert_int_equal(got->nexthop, 9999);
		assert_int_equal(got->has_label_case, cases[i].m->has_label_case);
		assert_int_equal(got->label, cases[i].m->label);
		assert_int_equal(got->dhcp_flood, cases[i].m->dhcp_flood);
	}
	assert_ok(ask(VROUTER__OP__DEL, "bridge", &plain));
	assert_true(lookup(1) == UINT64_MAX);
	assert_refused(ask(VROUTER__OP__DEL, "bridge", &plain), VROUTER__RESULT__CODE__NOT_FOUND,
		       "mac", "it does not exist");
	assert_refused(ask(VROUTER__OP__GET, "bridge", &plain), VROUTER__RESULT__CODE__NOT_FOUND,
		       "mac", "it does not exist");
}

static void
what_is_wrong_is_named(void **state)
{
	static const char mac[] = "\x02\0\0\0\0\x01";
	Vrouter__Bridge absent = VROUTER__BRIDGE__INIT;
	const struct {
		Vrouter__Bridge m;
		const char *field, *words;
	} cases[] = {
	    {absent, "vrf", "vrf is missing"},
	    {entry_to(1, NULL, 0, 1), "mac", "mac is missing"},
	    {entry_to(1, mac, 5, 1), "mac", "mac has 5 bytes, not 6"},
	    {entry_to(1, "\0\0\0\0\0\0", 6, 1), "mac", "which nobody has"},
	    {entry_to(8, mac, 6, 1), "vrf", "vrf 8 is above 7 (option vrfs)"},
	    {entry(1, mac, 6), "nexthop", "nexthop is missing"},
	    {entry_to(1, mac, 6, 10000), "nexthop", "nexthop 10000 is above 9999"},
	    {with_label(entry_to(1, mac, 6, 1), 0x1000000), "label",
	     "label 16777216 is above 16777215"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Vrouter__Bridge m = cases[i].m;

		assert_refused(ask(VROUTER__OP__ADD, "bridge", &m), VROUTER__RESULT__CODE__INVALID,
			       cases[i].field, cases[i].words);
	}
	assert_int_equal(bridge_used(test_ctl.tables.bridge), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_goes_with_an_entry_is_read_back),
	    cmocka_unit_test(what_is_wrong_is_named),
	};

	return cmocka_run_group_tests(tests, router_open, router_close);
}

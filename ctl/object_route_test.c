/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes through the API: what is accepted, refused, masked, and read back. */
#include "ctl/ctl_test.h"

#include "common/bridge.h"
#include "common/route.h"

/* 'prefix' is 5 or 17 bytes. */
static Vrouter__Route
route(uint32_t vrf, const void *prefix, size_t len)
{
	Vrouter__Route m = VROUTER__ROUTE__INIT;

	m.has_vrf_case = VROUTER__ROUTE__HAS_VRF_VRF;
	m.vrf = vrf;
	m.prefix.data = (uint8_t *)(uintptr_t)prefix;
	m.prefix.len = len;
	return m;
}

static Vrouter__Route
route_to(uint32_t vrf, const void *prefix, size_t len, uint32_t nexthop)
{
	Vrouter__Route m = route(vrf, prefix, len);

	m.has_nexthop_case = VROUTER__ROUTE__HAS_NEXTHOP_NEXTHOP;
	m.nexthop = nexthop;
	return m;
}

static uint32_t
lookup(uint32_t vrf, const char *address_bytes)
{
	uint32_t address_be;
	uint64_t value;

	memcpy(&address_be, address_bytes, sizeof(address_be));
	route_lookup_inet(test_ctl.tables.routes, &vrf, &address_be, 1, &value);
	return value == 0 ? 0 : route_value_nexthop(value);
}

static void
routes_are_written_read_back_and_deleted(void **state)
{
	Vrouter__Route wide = route_to(1, "\x0a\0\0\0\x08", 5, 7);
	Vrouter__Route narrow = route_to(1, "\x0a\x02\0\0\x10", 5, 8);
	const Vrouter__Route *got;

	(void)state;
	assert_ok(ask(VROUTER__OP__ADD, "route", &wide));
	assert_ok(ask(VROUTER__OP__ADD, "route", &narrow));
	assert_int_equal(lookup(1, "\x0a\x01\0\x01"), 7);
	assert_int_equal(lookup(1, "\x0a\x02\0\x01"), 8);
	assert_int_equal(lookup(2, "\x0a\x02\0\x01"), 0);
	assert_ok(ask(VROUTER__OP__GET, "route", &narrow));
	got = answered_object(0)->route;
	assert_int_equal(got->vrf, 1);
	assert_int_equal(got->prefix.len, 5);
	assert_memory_equal(got->prefix.data, "\x0a\x02\0\0\x10", 5);
	assert_int_equal(got->nexthop, 8);

	assert_ok(ask(VROUTER__OP__DEL, "route", &narrow));
	assert_int_equal(lookup(1, "\x0a\x02\0\x01"), 7);
	assert_refused(ask(VROUTER__OP__DEL, "route", &narrow), VROUTER__RESULT__CODE__NOT_FOUND,
		       "prefix", "it does not exist");
	assert_refused(ask(VROUTER__OP__GET, "route", &narrow), VROUTER__RESULT__CODE__NOT_FOUND,
		       "prefix", "it does not exist");
	assert_ok(ask(VROUTER__OP__DEL, "route", &wide));
	assert_int_equal(lookup(1, "\x0a\x01\0\x01"), 0);
}

static void
adding_again_replaces_the_nexthop(void **state)
{
	Vrouter__Route m = route_to(1, "\x0a\0\0\0\x08", 5, 7);
	uint32_t used;

	(void)state;
	assert_ok(ask(VROUTER__OP__ADD, "route", &m));
	used = route_used(test_ctl.tables.routes, ROUTE_INET);
	assert_ok(ask(VROUTER__OP__ADD, "route", &m));
	m.nexthop = 9;
	assert_ok(ask(VROUTER__OP__ADD, "route", &m));
	assert_int_equal(route_used(test_ctl.tables.routes, ROUTE_INET), used);
	assert_int_equal(lookup(1, "\x0a\x01\0\x01"), 9);
	assert_ok(ask(VROUTER__OP__DEL, "route", &m));
}

static void
label_and_flags_are_read_back(void **state)
{
	Vrouter__Route plain = route_to(1, "\x0a\0\0\0\x08", 5, 7);
	Vrouter__Route zero = plain, proxy = plain, all = plain;
	const struct {
		Vrouter__Route *m;
		uint64_t flags;
		uint32_t label;
	} cases[] = {
	    {&plain, 0, 0},
	    {&zero, ROUTE_LABEL_VALID, 0},
	    {&proxy, ROUTE_ARP_PROXY, 0},
	    {&all,
	     ROUTE_LABEL_VALID | ROUTE_ARP_PROXY | ROUTE_ARP_TRAP | ROUTE_ARP_FLOOD |
		 ROUTE_MAC_IP_LEARNT,
	     1048575},
	};

	(void)state;
	zero.has_label_case = all.has_label_case = VROUTER__ROUTE__HAS_LABEL_LABEL;
	all.label = 1048575;
	proxy.arp_proxy = all.arp_proxy = true;
	all.arp_trap = all.arp_flood = all.mac_ip_learnt = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const Vrouter__Route *got;
		uint32_t vrf = 1, address_be;
		uint64_t value;

		assert_ok(ask(VROUTER__OP__ADD, "route", cases[i].m));
		memcpy(&address_be, "\x0a\x01\0\x01", sizeof(address_be));
		route_lookup_inet(test_ctl.tables.routes, &vrf, &address_be, 1, &value);
		assert_true(value == route_value(7, cases[i].label, cases[i].flags));
		assert_ok(ask(VROUTER__OP__GET, "route", cases[i].m));
		got = answered_object(0)->route;
		assert_int_equal(got->has_label_case, cases[i].m->has_label_case);
		assert_int_equal(got->label, cases[i].label);
		assert_int_equal(got->arp_proxy, cases[i].m->arp_proxy);
		assert_int_equal(got->arp_trap, cases[i].m->arp_trap);
		assert_int_equal(got->arp_flood, cases[i].m->arp_flood);
		assert_int_equal(got->mac_ip_learnt, cases[i].m->mac_ip_learnt);
	}
	assert_ok(ask(VROUTER__OP__DEL, "route", &plain));
}

static void
a_hosts_mac_comes_and_goes_with_its_route(void **state)
{
	static const struct {
		const char *prefix;
		size_t len;
	} hosts[] = {
	    {"\x0a\0\0\x01\x20", 5},
	    {"\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x80", 17},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		Vrouter__Route m = route_to(1, hosts[i].prefix, hosts[i].len, 7), bare = m;

		m.mac.data = (uint8_t *)(uintptr_t) "\x02\0\0\0\0\x01";
		m.mac.len = 6;
		for (int again = 0; again < 2; again++) {
			assert_ok(ask(VROUTER__OP__ADD, "route", &m));
			assert_ok(ask(VROUTER__OP__GET, "route", &bare));
			assert_int_equal(answered_object(0)->route->mac.len, 6);
			assert_memory_equal(answered_object(0)->route->mac.data, m.mac.data, 6);
			assert_int_equal(bridge_used(test_ctl.tables.stitched), 1);
		}
		assert_ok(ask(VROUTER__OP__ADD, "route", &bare));
		assert_int_equal(bridge_used(test_ctl.tables.stitched), 0);
		assert_ok(ask(VROUTER__OP__GET, "route", &bare));
		assert_int_equal(answered_object(0)->route->mac.len, 0);
		assert_ok(ask(VROUTER__OP__ADD, "route", &m));
		assert_ok(ask(VROUTER__OP__DEL, "route", &bare));
		assert_int_equal(bridge_used(test_ctl.tables.stitched), 0);
	}
}

static void
the_longest_route_not_longer_than_asked_is_found(void **state)
{
	static const struct {
		const char *asked, *found; /* NULL: none */
		uint32_t nexthop;
	} cases[] = {
	    {"\x0a\x01\x02\x03\x20", "\x0a\x01\x02\0\x18", 24},
	    {"\x0a\x01\x02\x03\x18", "\x0a\x01\x02\0\x18", 24},
	    {"\x0a\x01\x02\x03\x17", "\x0a\0\0\0\x08", 8},
	    {"\x0a\x01\x02\x03\x07", NULL, 0},
	    {"\x0b\0\0\0\x20", NULL, 0},
	};
	Vrouter__Route wide = route_to(1, "\x0a\0\0\0\x08", 5, 8);
	Vrouter__Route narrow = route_to(1, "\x0a\x01\x02\0\x18", 5, 24);

	(void)state;
	assert_ok(ask(VROUTER__OP__ADD, "route", &wide));
	assert_ok(ask(VROUTER__OP__ADD, "route", &narrow));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Vrouter__Route m = route(1, cases[i].asked, 5);
		const Vrouter__Route *got;

		m.longest = true;
		assert_ok(ask(VROUTER__OP__GET, "route", &m));
		got = answered_object(0)->route;
		assert_int_equal(got->vrf, 1);
		assert_int_equal(got->nexthop, cases[i].nexthop);
		assert_int_equal(got->prefix.len, cases[i].found != NULL ? 5 : 0);
		if (cases[i].found != NULL)
			assert_memory_equal(got->prefix.data, cases[i].found, 5);
	}
	/* What covers a prefix is not deleted in its stead. */
	wide.prefix.data = (uint8_t *)(uintptr_t) "\x0a\x01\0\0\x10";
	assert_refused(ask(VROUTER__OP__DEL, "route", &wide), VROUTER__RESULT__CODE__NOT_FOUND,
		       "prefix", "it does not exist");
	wide.prefix.data = (uint8_t *)(uintptr_t) "\x0a\0\0\0\x08";
	assert_ok(ask(VROUTER__OP__DEL, "route", &wide));
	assert_ok(ask(VROUTER__OP__DEL, "route", &narrow));
}

static void
host_bits_are_ignored(void **state)
{
	static const struct {
		const char *given, *masked;
		size_t len;
	} cases[] = {
	    {"\x0a\x01\x02\x03\x08", "\x0a\0\0\0\x08", 5},
	    {"\x0a\xff\xff\xff\x0b", "\x0a\xe0\0\0\x0b", 5},
	    {"\x0a\xff\xff\xff\0", "\0\0\0\0\0", 5},
	    {"\x0a\xff\xff\xff\x20", "\x0a\xff\xff\xff\x20", 5},
	    {"\xfd\0\0\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x21",
	     "\xfd\0\0\x01\x80\0\0\0\0\0\0\0\0\0\0\0\x21", 17},
	    {"\xfd\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x05\x80",
	     "\xfd\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x05\x80", 17},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Vrouter__Route m = route_to(3, cases[i].given, cases[i].len, 5);

		assert_ok(ask(VROUTER__OP__ADD, "route", &m));
		assert_ok(ask(VROUTER__OP__GET, "route", &m));
		assert_int_equal(answered_object(0)->route->prefix.len, cases[i].len);
		assert_memory_equal(answered_object(0)->route->prefix.data, cases[i].masked,
				    cases[i].len);
		m.prefix.data = (uint8_t *)(uintptr_t)cases[i].masked;
		assert_ok(ask(VROUTER__OP__DEL, "route", &m));
	}
}

static void
what_is_wrong_is_named(void **state)
{
	const Vrouter__Result__Code INVALID = VROUTER__RESULT__CODE__INVALID;
	Vrouter__Route absent = VROUTER__ROUTE__INIT;
	const struct {
		Vrouter__Route m;
		const char *field, *words;
	} cases[] = {
	    {absent, "vrf", "vrf is missing"},
	    {route(1, NULL, 0), "prefix", "prefix is missing"},
	    {route_to(1, "\x0a\0\0\0", 4, 1), "prefix", "prefix has 4 bytes, not 5 or 17"},
	    {route_to(1, "\x0a\0\0\0\x21", 5, 1), "prefix", "a length of 33 bits, above 32"},
	    {route_to(8, "\x0a\0\0\0\x08", 5, 1), "vrf", "vrf 8 is above 7 (option vrfs)"},
	    {route(1, "\x0a\0\0\0\x08", 5), "nexthop", "nexthop is missing"},
	    {route_to(1, "\x0a\0\0\0\x08", 5, 10000), "nexthop", "nexthop 10000 is above 9999"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Vrouter__Route m = cases[i].m;

		assert_refused(ask(VROUTER__OP__ADD, "route", &m), INVALID, cases[i].field,
			       cases[i].words);
	}
	absent = route_to(1, "\x0a\0\0\0\x08", 5, 1);
	absent.has_label_case = VROUTER__ROUTE__HAS_LABEL_LABEL;
	absent.label = 1048576;
	assert_refused(ask(VROUTER__OP__ADD, "route", &absent), INVALID, "label",
		       "label 1048576 is above 1048575");
	absent.label = 0;
	absent.longest = true;
	assert_refused(ask(VROUTER__OP__ADD, "route", &absent), INVALID, "longest", "is for GET");
	absent.longest = false;
	absent.mac.data = (uint8_t *)(uintptr_t) "\x02\0\0\0\0\x01";
	absent.mac.len = 6;
	assert_refused(ask(VROUTER__OP__ADD, "route", &absent), INVALID, "mac",
		       "mac is for one host: prefix has 8 bits, not 32");
	absent = route_to(1, "\x0a\0\0\x01\x20", 5, 1);
	absent.mac.data = (uint8_t *)(uintptr_t) "\x01\0\0\0\0\x01";
	absent.mac.len = 5;
	assert_refused(ask(VROUTER__OP__ADD, "route", &absent), INVALID, "mac", "5 bytes, not 6");
	absent.mac.len = 6;
	assert_refused(ask(VROUTER__OP__ADD, "route", &absent), INVALID, "mac", "no host's");
	assert_int_equal(route_used(test_ctl.tables.routes, ROUTE_INET), 0);
}

static void
a_full_table_says_so(void **state)
{
	uint8_t prefix[5] = {0x0a, 0, 0, 0, 32};
	Vrouter__Route m = route_to(1, prefix, sizeof(prefix), 1);

	(void)state;
	for (uint32_t i = 0; i < route_capacity(test_ctl.tables.routes); i++) {
		prefix[3] = (uint8_t)i;
		prefix[2] = (uint8_t)(i >> 8);
		assert_ok(ask(VROUTER__OP__ADD, "route", &m));
	}
	prefix[1] = 1;
	assert_refused(ask(VROUTER__OP__ADD, "route", &m), VROUTER__RESULT__CODE__FULL, "",
		       "(option routes)");
}

/* After the test before. */
static void
a_list_has_all_routes_of_a_vrf_and_outlives_their_writer(void **state)
{
	Vrouter__Route all = VROUTER__ROUTE__INIT;
	Vrouter__Route other = route(2, NULL, 0);
	struct fault f;

	(void)state;
	tables_release(&test_ctl.tables);
	assert_int_equal(tables_adopt(&test_ctl.tables, &f), 0);
	assert_ok(ask(VROUTER__OP__LIST, "route", &all));
	assert_int_equal(asker.n - 1, route_capacity(test_ctl.tables.routes));
	assert_ok(ask(VROUTER__OP__LIST, "route", &other));
	assert_int_equal(asker.n - 1, 0);
	assert_int_equal(lookup(1, "\x0a\0\0\x07"), 1);
}

static void
a_reset_takes_the_routes(void **state)
{
	Vrouter__Reset m = VROUTER__RESET__INIT;

	(void)state;
	m.tables = true;
	assert_ok(ask(VROUTER__OP__SET, "reset", &m));
	assert_int_equal(route_used(test_ctl.tables.routes, ROUTE_INET), 0);
	assert_int_equal(lookup(1, "\x0a\0\0\x07"), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(routes_are_written_read_back_and_deleted),
	    cmocka_unit_test(adding_again_replaces_the_nexthop),
	    cmocka_unit_test(label_and_flags_are_read_back),
	    cmocka_unit_test(a_hosts_mac_comes_and_goes_with_its_route),
	    cmocka_unit_test(the_longest_route_not_longer_than_asked_is_found),
	    cmocka_unit_test(host_bits_are_ignored),
	    cmocka_unit_test(what_is_wrong_is_named),
	    cmocka_unit_test(a_full_table_says_so),
	    cmocka_unit_test(a_list_has_all_routes_of_a_vrf_and_outlives_their_writer),
	    cmocka_unit_test(a_reset_takes_the_routes),
	};

	return cmocka_run_group_tests(tests, router_open, router_close);
}

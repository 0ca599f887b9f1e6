/* SPDX-License-Identifier: BSD-3-Clause */
/* Vifs through the API, and the ports that are made for them. */
#include "ctl/ctl_test.h"

#include "common/counters.h"
#include "common/vif.h"

static Vrouter__Vif__Tap tap;
static Vrouter__Vif__Device device;

static Vrouter__Vif
plain(uint32_t id, const char *name)
{
	Vrouter__Vif m = VROUTER__VIF__INIT;

	m.has_id_case = VROUTER__VIF__HAS_ID_ID;
	m.id = id;
	m.type = VROUTER__VIF__TYPE__VIRTUAL;
	m.name = (char *)(uintptr_t)name;
	return m;
}

static Vrouter__Vif
on_tap(uint32_t id, const char *name)
{
	Vrouter__Vif m = plain(id, name);

	vrouter__vif__tap__init(&tap);
	m.transport_case = VROUTER__VIF__TRANSPORT_TAP;
	m.tap = &tap;
	return m;
}

static Vrouter__Vif
on_device(uint32_t id, const char *name, const char *devargs)
{
	Vrouter__Vif m = plain(id, "");

	vrouter__vif__device__init(&device);
	device.name = (char *)(uintptr_t)name;
	device.devargs = (char *)(uintptr_t)devargs;
	m.transport_case = VROUTER__VIF__TRANSPORT_DEVICE;
	m.device = &device;
	return m;
}

static int
no_requests_yet(void **state)
{
	(void)state;
	memset(&fake_primary, 0, sizeof(fake_primary));
	return 0;
}

static void
a_tap_is_made_for_a_vif_and_goes_with_it(void **state)
{
	Vrouter__Vif m = on_tap(1, "red-1");
	const struct vif *vif;

	(void)state;
	tap.has_slot_case = VROUTER__VIF__TAP__HAS_SLOT_SLOT;
	tap.slot = 11;
	m.mtu = 2000;
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	assert_int_equal(fake_primary.n_adds, 1);
	assert_int_equal(fake_primary.wish.slot, 11);
	assert_int_equal(fake_primary.wish.mtu, 2000);
	assert_string_equal(fake_primary.name, "red-1");
	vif = vif_lookup(test_ctl.tables.vifs, 1);
	assert_non_null(vif);
	assert_string_equal(test_ctl.tables.ports->p[vif->port].name, "red-1");

	assert_ok(ask(VROUTER__OP__GET, "vif", &m));
	assert_string_equal(answered_object(0)->vif->tap->name, "red-1");
	assert_string_equal(answered_object(0)->vif->state->port, "red-1");

	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
	assert_null(vif_lookup(test_ctl.tables.vifs, 1));
	assert_int_equal(fake_primary.n_dels, 1);
}

static void
adding_again_keeps_the_port(void **state)
{
	Vrouter__Vif m = on_tap(2, "red-2");
	int32_t port;

	(void)state;
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	port = vif_lookup(test_ctl.tables.vifs, 2)->port;
	m.vrf = 3;
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	assert_int_equal(fake_primary.n_adds, 1);
	assert_int_equal(vif_lookup(test_ctl.tables.vifs, 2)->port, port);
	assert_int_equal(vif_lookup(test_ctl.tables.vifs, 2)->vrf, 3);
	tap.queues = 4;
	assert_refused(ask(VROUTER__OP__ADD, "vif", &m), VROUTER__RESULT__CODE__BUSY, "tap.queues",
		       "with 1 queues: delete the vif first");
	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
}

static void
a_vif_that_changes_its_tap_loses_the_old_one(void **state)
{
	Vrouter__Vif m = on_tap(2, "red-2");

	(void)state;
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	tap.name = (char *)(uintptr_t) "blue-2";
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	assert_int_equal(fake_primary.n_adds, 2);
	assert_int_equal(fake_primary.n_dels, 1);
	m = plain(2, "red-2");
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	assert_int_equal(fake_primary.n_dels, 2);
	assert_int_equal(vif_lookup(test_ctl.tables.vifs, 2)->port, VIF_NO_PORT);
	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
}

static void
a_port_left_by_a_ctl_that_died_is_picked_up(void **state)
{
	Vrouter__Vif m = on_tap(3, "left");
	int32_t port = make_port("left", PORT_TAP, "", 1);

	(void)state;
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	assert_int_equal(fake_primary.n_adds, 0);
	assert_int_equal(vif_lookup(test_ctl.tables.vifs, 3)->port, port);
	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
}

static void
a_configured_device_outlives_its_vif(void **state)
{
	Vrouter__Vif m = on_device(4, "uplink", "");
	int32_t port;

	(void)state;
	assert_refused(ask(VROUTER__OP__ADD, "vif", &m), VROUTER__RESULT__CODE__NOT_FOUND,
		       "device.name", "there is no port uplink");
	port = make_port("uplink", PORT_DEVICE, "net_null0", 2);
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
	assert_int_equal(fake_primary.n_dels, 0);
	assert_int_equal(test_ctl.tables.ports->p[port].state, PORT_ACTIVE);
}

static void
a_device_made_for_a_vif_goes_with_it(void **state)
{
	Vrouter__Vif m = on_device(4, "m0", "net_memif0,socket=/run/m.sock");

	(void)state;
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	assert_string_equal(fake_primary.devargs, "net_memif0,socket=/run/m.sock");
	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
	assert_int_equal(fake_primary.n_dels, 1);
}

static void
a_port_has_one_vif(void **state)
{
	Vrouter__Vif first = on_tap(5, "shared"), second = on_tap(6, "shared");

	(void)state;
	assert_ok(ask(VROUTER__OP__ADD, "vif", &first));
	assert_refused(ask(VROUTER__OP__ADD, "vif", &second), VROUTER__RESULT__CODE__EXISTS,
		       "tap.name", "port shared is used by vif 5");
	assert_ok(ask(VROUTER__OP__DEL, "vif", &first));
}

static void
a_port_that_cannot_be_made_makes_no_vif(void **state)
{
	Vrouter__Vif m = on_tap(7, "bad");

	(void)state;
	fake_primary.refuses = EPERM;
	assert_refused(ask(VROUTER__OP__ADD, "vif", &m), VROUTER__RESULT__CODE__DENIED, "",
		       "vif 7: the kernel says no");
	assert_null(vif_lookup(test_ctl.tables.vifs, 7));
}

static void
a_client_that_leaves_does_not_stop_its_request(void **state)
{
	const struct object_info *info = object_by_name("vif");
	Vrouter__Request request = VROUTER__REQUEST__INIT;
	Vrouter__Object object = VROUTER__OBJECT__INIT;
	Vrouter__Vif m = on_tap(8, "orphan");
	uint8_t packed[256];
	struct call *call;

	(void)state;
	object.kind_case = (Vrouter__Object__KindCase)info->member->id;
	object.vif = &m;
	request.op = VROUTER__OP__ADD;
	request.object = &object;
	asker_forget();
	call =
	    call_create(&test_ctl, &asker.caller, packed, vrouter__request__pack(&request, packed));
	assert_int_equal(call_run(call, 64), CALL_LATER);
	call_abandon(call);
	fake_primary_works();
	assert_non_null(vif_lookup(test_ctl.tables.vifs, 8));
	assert_int_equal(asker.n, 0);
	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
}

static void
a_new_vif_counts_from_zero(void **state)
{
	Vrouter__Vif m = plain(9, "");

	(void)state;
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	counters_at(test_ctl.tables.counters, 0, 9)->rx_packets = 5;
	counters_at(test_ctl.tables.counters, 1, 9)->rx_packets = 6;
	counters_at(test_ctl.tables.counters, 1, 9)->drops[DROP_RUNT] = 2;
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	assert_ok(ask(VROUTER__OP__GET, "vif", &m));
	assert_string_equal(answered_object(0)->vif->name, "vif9");
	assert_int_equal(answered_object(0)->vif->state->rx_packets, 11);
	assert_int_equal(answered_object(0)->vif->state->drops, 2);
	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	assert_ok(ask(VROUTER__OP__GET, "vif", &m));
	assert_int_equal(answered_object(0)->vif->state->rx_packets, 0);
	assert_int_equal(answered_object(0)->vif->state->drops, 0);
	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
}

static void
what_is_wrong_is_named(void **state)
{
	const Vrouter__Result__Code INVALID = VROUTER__RESULT__CODE__INVALID;
	static char long_name[65] =
	    "0123456789012345678901234567890123456789012345678901234567890123";
	static uint8_t multicast[6] = {1, 0, 0x5e, 0, 0, 1};
	static Vrouter__Vif__Tap bad_tap, far_tap, wide_tap;
	static Vrouter__Vif__Device nameless;
	static Vrouter__Vif__State given;
	static char empty[1], with_slash[] = "a/b", sixteen[] = "0123456789abcdef", bell[] = "a\ab";
	static char latin[] = "caf\xe9";
	const struct {
		Vrouter__Vif m;
		const char *field, *words;
	} cases[] = {
	    {{.has_id_case = 1, .id = 50, .type = 1}, "id", "vif 50: id 50 is above 49"},
	    {{.has_id_case = 1, .id = 1}, "type", "type is missing"},
	    {{.has_id_case = 1, .id = 1, .type = 9}, "type", "type 9 is not known"},
	    {{.has_id_case = 1, .id = 1, .type = 1, .vrf = 8}, "vrf", "vrf 8 is above 7"},
	    {{.has_id_case = 1, .id = 1, .type = 1, .mtu = 63}, "mtu", "mtu 63 is not in 64 to"},
	    {{.has_id_case = 1, .id = 1, .type = 1, .mtu = 65536}, "mtu", "64 to 65535"},
	    {{.has_id_case = 1, .id = 1, .type = 1, .has_nexthop_case = 7, .nexthop = 10000},
	     "nexthop",
	     "nexthop 10000 is above 9999"},
	    {{.has_id_case = 1, .id = 1, .type = 1, .mac = {5, multicast}},
	     "mac",
	     "mac has 5 bytes"},
	    {{.has_id_case = 1, .id = 1, .type = 1, .mac = {6, multicast}}, "mac", "multicast"},
	    {{.has_id_case = 1, .id = 1, .type = 1, .name = long_name},
	     "name",
	     "longer than 63 bytes"},
	    {{.has_id_case = 1, .id = 1, .type = 1, .name = with_slash}, "name", "is no name"},
	    {{.has_id_case = 1, .id = 1, .type = 1, .name = bell},
	     "name",
	     "control character 0x07"},
	    {{.has_id_case = 1, .id = 1, .type = 1, .name = latin}, "name", "not UTF-8"},
	    {{.has_id_case = 1, .id = 1, .type = 1, .transport_case = 8, {.tap = &bad_tap}},
	     "tap.name",
	     "longer than 15 bytes"},
	    {{.has_id_case = 1, .id = 1, .type = 1, .transport_case = 8, {.tap = &far_tap}},
	     "tap.slot",
	     "there is no slot 12"},
	    {{.has_id_case = 1, .id = 1, .type = 1, .transport_case = 8, {.tap = &wide_tap}},
	     "tap.queues",
	     "tap.queues 17 is above 16"},
	    {{.has_id_case = 1, .id = 1, .type = 1, .transport_case = 9, {.device = &nameless}},
	     "device.name",
	     "device.name is missing"},
	    {{.has_id_case = 1, .id = 1, .type = 1, .state = &given},
	     "state",
	     "state is read only"},
	};

	(void)state;
	vrouter__vif__tap__init(&bad_tap);
	bad_tap.name = sixteen;
	vrouter__vif__tap__init(&far_tap);
	far_tap.has_slot_case = VROUTER__VIF__TAP__HAS_SLOT_SLOT;
	far_tap.slot = 12;
	vrouter__vif__tap__init(&wide_tap);
	wide_tap.queues = 17;
	vrouter__vif__device__init(&nameless);
	vrouter__vif__state__init(&given);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Vrouter__Vif m = cases[i].m, init = VROUTER__VIF__INIT;

		m.base = init.base;
		if (m.name == NULL)
			m.name = empty;
		assert_refused(ask(VROUTER__OP__ADD, "vif", &m), INVALID, cases[i].field,
			       cases[i].words);
	}
	assert_int_equal(fake_primary.n_adds, 0);
	assert_int_equal(test_ctl.tables.vifs->used, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, no_requests_yet)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_tap_is_made_for_a_vif_and_goes_with_it),
	    TEST(adding_again_keeps_the_port),
	    TEST(a_vif_that_changes_its_tap_loses_the_old_one),
	    TEST(a_port_left_by_a_ctl_that_died_is_picked_up),
	    TEST(a_configured_device_outlives_its_vif),
	    TEST(a_device_made_for_a_vif_goes_with_it),
	    TEST(a_port_has_one_vif),
	    TEST(a_port_that_cannot_be_made_makes_no_vif),
	    TEST(a_client_that_leaves_does_not_stop_its_request),
	    TEST(a_new_vif_counts_from_zero),
	    TEST(what_is_wrong_is_named),
	};

	return cmocka_run_group_tests(tests, router_open, router_close);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Vifs through the API, and the ports that are made for them. */
#include "ctl/ctl_test.h"

#include "common/counters.h"
#include "common/vif.h"
#include "common/vif_roles.h"

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

/* What forwarding does not know, or what makes no sense for a type; each in words. */
static void
what_is_not_for_this_type_is_named(void **state)
{
	static Vrouter__Vif__Flag mirror[] = {VROUTER__VIF__FLAG__L2,
					      VROUTER__VIF__FLAG__MIRROR_TX};
	static Vrouter__Vif__Flag none_and_more[] = {VROUTER__VIF__FLAG__FLAG_NONE,
						     VROUTER__VIF__FLAG__POLICY};
	static uint8_t bytes[5];
	static uint32_t two[] = {2, 3}, itself[] = {1}, far[] = {50};
	static Vrouter__Vif__Tap a_tap;
	static Vrouter__Vif__Device a_device;
	static char empty[1];
	const Vrouter__Result__Code INVALID = VROUTER__RESULT__CODE__INVALID;
	const Vrouter__Result__Code UNSUPPORTED = VROUTER__RESULT__CODE__UNSUPPORTED;
	const struct {
		Vrouter__Vif m;
		Vrouter__Result__Code code;
		const char *field, *words;
	} cases[] = {
	    {{.type = VROUTER__VIF__TYPE__VLAN}, UNSUPPORTED, "type", "type vlan is not supported"},
	    {{.type = VROUTER__VIF__TYPE__MONITORING}, UNSUPPORTED, "type", "type monitoring"},
	    {{.type = VROUTER__VIF__TYPE__AGENT, .transport_case = 8, {.tap = &a_tap}},
	     INVALID,
	     "type",
	     "type agent has no transport"},
	    {{.type = VROUTER__VIF__TYPE__HOST, .transport_case = 9, {.device = &a_device}},
	     INVALID,
	     "type",
	     "type host has a tap"},
	    {{.type = 1, .n_flags = 2, .flags = mirror},
	     UNSUPPORTED,
	     "flags",
	     "flag mirror_tx is not supported: there is no mirroring here yet"},
	    {{.type = 1, .n_flags = 2, .flags = none_and_more}, INVALID, "flags", "stands alone"},
	    {{.type = 1, .vlan = 5}, INVALID, "vlan", "vlan is for type physical"},
	    {{.type = 2, .vlan = 4095}, INVALID, "vlan", "vlan 4095 is above 4094"},
	    {{.type = 1, .ip = {5, bytes}}, INVALID, "ip", "ip has 5 bytes, not 4"},
	    {{.type = 1, .ip6 = {4, bytes}}, INVALID, "ip6", "ip6 has 4 bytes, not 16"},
	    {{.type = 2, .n_cross_connect = 2, .cross_connect = two},
	     UNSUPPORTED,
	     "cross_connect",
	     "2 vifs in cross_connect are not supported"},
	    {{.type = 2, .n_cross_connect = 1, .cross_connect = itself},
	     INVALID,
	     "cross_connect",
	     "with itself"},
	    {{.type = 2, .n_cross_connect = 1, .cross_connect = far},
	     INVALID,
	     "cross_connect",
	     "cross_connect 50 is above 49"},
	};

	(void)state;
	vrouter__vif__tap__init(&a_tap);
	vrouter__vif__device__init(&a_device);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Vrouter__Vif m = cases[i].m, init = VROUTER__VIF__INIT;

		m.base = init.base;
		m.name = empty;
		m.has_id_case = 1;
		m.id = 1;
		assert_refused(ask(VROUTER__OP__ADD, "vif", &m), cases[i].code, cases[i].field,
			       cases[i].words);
	}
	assert_int_equal(test_ctl.tables.vifs->used, 0);
}

/* Every flag that is supported is kept and said again. */
static void
flags_are_read_back(void **state)
{
	const struct {
		Vrouter__Vif__Flag flag;
		uint32_t bits;
	} cases[] = {
#define VIF_FLAG(NAME, bit, name, text) {VROUTER__VIF__FLAG__##NAME, VIF_FLAG_##NAME},
#define VIF_FLAG_LATER(NAME, number, name, text)
#include "common/vif_flags.def"
#undef VIF_FLAG
#undef VIF_FLAG_LATER
	};
	const uint32_t both = VIF_FLAG_L2 | VIF_FLAG_L3;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Vrouter__Vif m = plain(9, "flagged");
		Vrouter__Vif__Flag flag = cases[i].flag;
		uint32_t bits = cases[i].bits;

		m.n_flags = 1;
		m.flags = &flag;
		assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
		assert_int_equal(vif_lookup(test_ctl.tables.vifs, 9)->flags,
				 (bits & both) != 0 ? bits : bits | both);
		assert_ok(ask(VROUTER__OP__GET, "vif", &m));
		assert_int_equal(answered_object(0)->vif->n_flags, 1);
		assert_int_equal(answered_object(0)->vif->flags[0], flag);
		assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
	}
}

static void
set_changes_what_is_given_and_nothing_else(void **state)
{
	Vrouter__Vif__Flag flags[] = {VROUTER__VIF__FLAG__POLICY, VROUTER__VIF__FLAG__L3};
	Vrouter__Vif__Flag none[] = {VROUTER__VIF__FLAG__FLAG_NONE};
	static uint8_t ip[4] = {10, 0, 0, 1};
	uint32_t other = 7;
	Vrouter__Vif m = on_tap(2, "red-2"), change = VROUTER__VIF__INIT;
	struct vif before, after;

	(void)state;
	change.has_id_case = VROUTER__VIF__HAS_ID_ID;
	change.id = 2;
	change.n_flags = 2;
	change.flags = flags;
	assert_refused(ask(VROUTER__OP__SET, "vif", &change), VROUTER__RESULT__CODE__NOT_FOUND,
		       "id", "it does not exist");
	m.vrf = 3;
	m.mtu = 2000;
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	before = *vif_lookup(test_ctl.tables.vifs, 2);

	assert_ok(ask(VROUTER__OP__SET, "vif", &change));
	after = *vif_lookup(test_ctl.tables.vifs, 2);
	assert_int_equal(after.flags, VIF_FLAG_POLICY | VIF_FLAG_L3);
	after.flags = before.flags;
	assert_memory_equal(&after, &before, sizeof(after));

	change.n_flags = 1;
	change.flags = none;
	change.ip.data = ip;
	change.ip.len = sizeof(ip);
	change.cross_connect = &other;
	change.n_cross_connect = 1;
	assert_ok(ask(VROUTER__OP__SET, "vif", &change));
	after = *vif_lookup(test_ctl.tables.vifs, 2);
	assert_int_equal(after.flags, VIF_FLAG_L2 | VIF_FLAG_L3);
	assert_memory_equal(&after.ip_be, ip, sizeof(ip));
	assert_int_equal(after.cross_connect, 7);
	assert_int_equal(after.mtu, 2000);

	change.type = VROUTER__VIF__TYPE__HOST;
	assert_refused(ask(VROUTER__OP__SET, "vif", &change), VROUTER__RESULT__CODE__INVALID,
		       "type", "type cannot be changed");
	assert_int_equal(fake_primary.n_adds, 1);
	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
}

/* The host's, the agent's, the uplink's id, each 0 for none, else one more. */
static void
assert_roles(uint64_t host, uint64_t agent, uint64_t uplink)
{
	const struct vif_roles *roles = test_ctl.tables.vif_roles;

	assert_int_equal(roles->host, host);
	assert_int_equal(roles->agent, agent);
	assert_int_equal(roles->uplink, uplink);
}

static Vrouter__Vif
of_type(uint32_t id, Vrouter__Vif__Type type)
{
	Vrouter__Vif m = plain(id, "");

	m.type = type;
	return m;
}

static void
host_agent_and_uplink_are_known(void **state)
{
	Vrouter__Vif__Flag carries = VROUTER__VIF__FLAG__VHOST_PHYSICAL;
	Vrouter__Vif host = of_type(0, VROUTER__VIF__TYPE__HOST);
	Vrouter__Vif agent = of_type(4, VROUTER__VIF__TYPE__AGENT);
	Vrouter__Vif second = of_type(5, VROUTER__VIF__TYPE__AGENT);
	Vrouter__Vif up = of_type(6, VROUTER__VIF__TYPE__PHYSICAL);
	Vrouter__Vif up2 = of_type(7, VROUTER__VIF__TYPE__PHYSICAL);
	Vrouter__Reset reset = VROUTER__RESET__INIT;

	(void)state;
	assert_roles(0, 0, 0);
	assert_ok(ask(VROUTER__OP__ADD, "vif", &host));
	assert_ok(ask(VROUTER__OP__ADD, "vif", &agent));
	assert_ok(ask(VROUTER__OP__ADD, "vif", &agent));
	assert_roles(1, 5, 0);
	assert_refused(ask(VROUTER__OP__ADD, "vif", &second), VROUTER__RESULT__CODE__EXISTS, "type",
		       "vif 4 is of type agent already");
	assert_ok(ask(VROUTER__OP__ADD, "vif", &up));
	assert_ok(ask(VROUTER__OP__ADD, "vif", &up2));
	assert_roles(1, 5, 7);
	up2.n_flags = 1;
	up2.flags = &carries;
	up2.type = VROUTER__VIF__TYPE__TYPE_UNSET;
	assert_ok(ask(VROUTER__OP__SET, "vif", &up2));
	assert_roles(1, 5, 8);
	assert_ok(ask(VROUTER__OP__DEL, "vif", &agent));
	assert_roles(1, 0, 8);
	assert_ok(ask(VROUTER__OP__ADD, "vif", &second));
	assert_roles(1, 6, 8);
	assert_ok(ask(VROUTER__OP__DEL, "vif", &up2));
	assert_roles(1, 6, 7);
	reset.tables = true;
	assert_ok(ask(VROUTER__OP__SET, "reset", &reset));
	assert_roles(0, 0, 0);
}

static void
the_hosts_tap_has_the_vifs_mac(void **state)
{
	static uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
	Vrouter__Vif m = on_tap(1, "vhost0");

	(void)state;
	m.type = VROUTER__VIF__TYPE__HOST;
	m.mac.data = mac;
	m.mac.len = sizeof(mac);
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	assert_int_equal(fake_primary.wish.flags, PORT_HOST);
	assert_non_null(fake_primary.wish.mac);
	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
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
	    TEST(what_is_not_for_this_type_is_named),
	    TEST(flags_are_read_back),
	    TEST(set_changes_what_is_given_and_nothing_else),
	    TEST(host_agent_and_uplink_are_known),
	    TEST(the_hosts_tap_has_the_vifs_mac),
	};

	return cmocka_run_group_tests(tests, router_open, router_close);
}

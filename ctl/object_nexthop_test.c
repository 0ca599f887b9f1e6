/* SPDX-License-Identifier: BSD-3-Clause */
/* Nexthops through the API: what is accepted, refused, and read back. */
#include "ctl/ctl_test.h"

#include "common/nexthop.h"

static Vrouter__Nexthop
encap(uint32_t id, uint32_t vif)
{
	Vrouter__Nexthop m = VROUTER__NEXTHOP__INIT;

	m.has_id_case = VROUTER__NEXTHOP__HAS_ID_ID;
	m.id = id;
	m.type = VROUTER__NEXTHOP__TYPE__ENCAP;
	m.has_vif_case = VROUTER__NEXTHOP__HAS_VIF_VIF;
	m.vif = vif;
	return m;
}

static void
encap_is_published_and_read_back(void **state)
{
	Vrouter__Nexthop m = encap(7, 3), key = VROUTER__NEXTHOP__INIT;
	const struct nexthop *nh;
	const Vrouter__Nexthop *got;

	(void)state;
	m.vrf = 5;
	assert_ok(ask(VROUTER__OP__ADD, "nexthop", &m));
	nh = nexthop_lookup(test_ctl.tables.nexthops, 7);
	assert_non_null(nh);
	assert_int_equal(nh->type, NEXTHOP_ENCAP);
	assert_int_equal(nh->family, NEXTHOP_FAMILY_BRIDGE);
	assert_int_equal(nh->encap.vif, 3);
	assert_int_equal(nh->vrf, 5);

	key.has_id_case = VROUTER__NEXTHOP__HAS_ID_ID;
	key.id = 7;
	assert_ok(ask(VROUTER__OP__GET, "nexthop", &key));
	got = answered_object(0)->nexthop;
	assert_int_equal(got->id, 7);
	assert_int_equal(got->type, VROUTER__NEXTHOP__TYPE__ENCAP);
	assert_int_equal(got->vif, 3);
	assert_int_equal(got->vrf, 5);
}

static void
adding_again_replaces(void **state)
{
	Vrouter__Nexthop m = encap(8, 3);
	uint32_t members[] = {7, 9999, 7};
	const struct nexthop *nh;
	uint32_t used;

	(void)state;
	assert_ok(ask(VROUTER__OP__ADD, "nexthop", &m));
	used = test_ctl.tables.nexthops->used;
	assert_ok(ask(VROUTER__OP__ADD, "nexthop", &m));
	m = encap(8, 3);
	m.has_vif_case = VROUTER__NEXTHOP__HAS_VIF__NOT_SET;
	m.type = VROUTER__NEXTHOP__TYPE__FLOOD;
	m.n_members = 3;
	m.members = members;
	assert_ok(ask(VROUTER__OP__ADD, "nexthop", &m));
	assert_int_equal(test_ctl.tables.nexthops->used, used);
	nh = nexthop_lookup(test_ctl.tables.nexthops, 8);
	assert_int_equal(nh->type, NEXTHOP_FLOOD);
	assert_int_equal(nh->composite.n, 3);
	assert_int_equal(nexthop_member_id(&nh->composite.members[1]), 9999);
}

static void
a_deleted_nexthop_is_gone(void **state)
{
	Vrouter__Nexthop m = encap(9, 1), key = VROUTER__NEXTHOP__INIT;
	uint64_t revision = test_ctl.revision;

	(void)state;
	key.has_id_case = VROUTER__NEXTHOP__HAS_ID_ID;
	key.id = 9;
	assert_ok(ask(VROUTER__OP__ADD, "nexthop", &m));
	assert_ok(ask(VROUTER__OP__DEL, "nexthop", &key));
	assert_null(nexthop_lookup(test_ctl.tables.nexthops, 9));
	assert_int_equal(test_ctl.revision, revision + 2);
	assert_refused(ask(VROUTER__OP__DEL, "nexthop", &key), VROUTER__RESULT__CODE__NOT_FOUND,
		       "id", "nexthop 9: it does not exist");
	assert_refused(ask(VROUTER__OP__GET, "nexthop", &key), VROUTER__RESULT__CODE__NOT_FOUND,
		       "id", "nexthop 9: it does not exist");
	assert_int_equal(test_ctl.revision, revision + 2);
}

static void
a_header_for_routed_packets_is_published_and_read_back(void **state)
{
	static uint8_t bytes[32] = {2, 0, 0, 0, 0, 2, 0, 0, 0x5e, 0, 1, 0, 8, 0};
	static const size_t lengths[] = {14, 18, 32};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		Vrouter__Nexthop m = encap(20, 3);
		const struct nexthop *nh;

		m.family = VROUTER__NEXTHOP__FAMILY__INET;
		m.rewrite.data = bytes;
		m.rewrite.len = lengths[i];
		assert_ok(ask(VROUTER__OP__ADD, "nexthop", &m));
		nh = nexthop_lookup(test_ctl.tables.nexthops, 20);
		assert_int_equal(nh->family, NEXTHOP_FAMILY_INET);
		assert_int_equal(nh->encap.vif, 3);
		assert_int_equal(nh->encap.rewrite_len, lengths[i]);
		assert_memory_equal(nh->encap.rewrite, bytes, lengths[i]);
		assert_ok(ask(VROUTER__OP__GET, "nexthop", &m));
		assert_int_equal(answered_object(0)->nexthop->family,
				 VROUTER__NEXTHOP__FAMILY__INET);
		assert_int_equal(answered_object(0)->nexthop->rewrite.len, lengths[i]);
	}
}

static void
what_is_wrong_is_named(void **state)
{
	static uint32_t many[17], own[] = {1, 7};
	static uint8_t bytes[14], long_bytes[33];
	const Vrouter__Result__Code INVALID = VROUTER__RESULT__CODE__INVALID;
	const struct {
		Vrouter__Nexthop m;
		Vrouter__Result__Code code;
		const char *field, *words;
	} cases[] = {
	    {{.type = VROUTER__NEXTHOP__TYPE__DISCARD}, INVALID, "id", "id is missing"},
	    {{.has_id_case = 1, .id = 10000, .type = 1}, INVALID, "id", "id 10000 is above 9999"},
	    {{.has_id_case = 1, .id = 7}, INVALID, "type", "nexthop 7: type is missing"},
	    {{.has_id_case = 1, .id = 7, .type = 99}, INVALID, "type", "type 99 is not known"},
	    {{.has_id_case = 1, .id = 7, .type = 2}, INVALID, "vif", "vif is missing"},
	    {{.has_id_case = 1, .id = 7, .type = 1, .vrf = 8}, INVALID, "vrf", "vrf 8 is above 7"},
	    {{.has_id_case = 1, .id = 7, .type = VROUTER__NEXTHOP__TYPE__RECEIVE},
	     INVALID,
	     "family",
	     "type receive is of family inet or inet6"},
	    {{.has_id_case = 1, .id = 7, .type = VROUTER__NEXTHOP__TYPE__L2_RECEIVE, .family = 1},
	     INVALID,
	     "family",
	     "type l2-receive is of family bridge"},
	    {{.has_id_case = 1,
	      .id = 7,
	      .type = VROUTER__NEXTHOP__TYPE__RESOLVE,
	      .has_vif_case = 5},
	     INVALID,
	     "vif",
	     "vif is for types encap, tunnel and receive, not resolve"},
	    {{.has_id_case = 1, .id = 7, .type = 2, .has_vif_case = 5, .vif = 50},
	     INVALID,
	     "vif",
	     "vif 50 is above 49"},
	    {{.has_id_case = 1, .id = 7, .type = 1, .has_vif_case = 5},
	     INVALID,
	     "vif",
	     "vif is for types encap, tunnel and receive, not discard"},
	    {{.has_id_case = 1,
	      .id = 7,
	      .type = 2,
	      .has_vif_case = 5,
	      .n_members = 2,
	      .members = own},
	     INVALID,
	     "members",
	     "members is for types flood and ecmp, not encap"},
	    {{.has_id_case = 1, .id = 7, .type = 3, .n_members = 17, .members = many},
	     INVALID,
	     "members",
	     "17 members are more than 16"},
	    {{.has_id_case = 1, .id = 7, .type = 3, .n_members = 2, .members = own},
	     INVALID,
	     "members",
	     "cannot be a member of itself"},
	    {{.has_id_case = 1,
	      .id = 7,
	      .type = 2,
	      .has_vif_case = 5,
	      .rewrite = {sizeof(bytes), bytes}},
	     INVALID,
	     "rewrite",
	     "rewrite is for families"},
	    {{.has_id_case = 1, .id = 7, .type = 3, .rewrite = {sizeof(bytes), bytes}},
	     INVALID,
	     "rewrite",
	     "rewrite is for types encap and tunnel, not flood"},
	    {{.has_id_case = 1, .id = 7, .type = 2, .has_vif_case = 5, .family = 1},
	     INVALID,
	     "rewrite",
	     "rewrite has 0 bytes, not 14 to 32"},
	    {{.has_id_case = 1,
	      .id = 7,
	      .type = 2,
	      .has_vif_case = 5,
	      .family = 2,
	      .rewrite = {33, long_bytes}},
	     INVALID,
	     "rewrite",
	     "rewrite has 33 bytes, not 14 to 32"},
	    {{.has_id_case = 1, .id = 7, .type = 3, .family = 1},
	     VROUTER__RESULT__CODE__UNSUPPORTED,
	     "family",
	     "only frames are flooded"},
	    {{.has_id_case = 1, .id = 7, .type = 1, .family = 9},
	     INVALID,
	     "family",
	     "family 9 is not known"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Vrouter__Nexthop m = cases[i].m, empty = VROUTER__NEXTHOP__INIT;

		m.base = empty.base;
		assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), cases[i].code, cases[i].field,
			       cases[i].words);
	}
}

static void
a_list_has_every_nexthop_once_in_order(void **state)
{
	Vrouter__Nexthop any = VROUTER__NEXTHOP__INIT;
	uint32_t last = 0;

	(void)state;
	for (uint32_t id = 1000; id < 4000; id += 3) {
		Vrouter__Nexthop m = encap(id, id % 50);

		assert_ok(ask(VROUTER__OP__ADD, "nexthop", &m));
	}
	assert_ok(ask(VROUTER__OP__LIST, "nexthop", &any));
	assert_int_equal(asker.n - 1, test_ctl.tables.nexthops->used);
	for (uint32_t i = 0; i < asker.n - 1; i++) {
		assert_true(asker.answers[i]->more);
		assert_true(i == 0 || answered_object(i)->nexthop->id > last);
		last = answered_object(i)->nexthop->id;
	}
	assert_int_equal(asker.answers[0]->revision, test_ctl.revision);
	assert_int_equal(last, 3997);
}

static void
the_next_ctl_finds_the_nexthops(void **state)
{
	Vrouter__Nexthop m = encap(77, 3);
	struct fault f = {0};

	(void)state;
	assert_ok(ask(VROUTER__OP__ADD, "nexthop", &m));
	tables_release(&test_ctl.tables);
	assert_int_equal(tables_adopt(&test_ctl.tables, &f), 0);
	assert_ok(ask(VROUTER__OP__GET, "nexthop", &m));
	assert_int_equal(answered_object(0)->nexthop->vif, 3);
	assert_ok(ask(VROUTER__OP__ADD, "nexthop", &m));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(encap_is_published_and_read_back),
	    cmocka_unit_test(adding_again_replaces),
	    cmocka_unit_test(a_deleted_nexthop_is_gone),
	    cmocka_unit_test(a_header_for_routed_packets_is_published_and_read_back),
	    cmocka_unit_test(what_is_wrong_is_named),
	    cmocka_unit_test(a_list_has_every_nexthop_once_in_order),
	    cmocka_unit_test(the_next_ctl_finds_the_nexthops),
	};

	return cmocka_run_group_tests(tests, router_open, router_close);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Tunnels, ECMP, VRF translation and flags of nexthops through the API. */
#include "ctl/ctl_test.h"

#include "common/nexthop.h"

static uint8_t rewrite[14] = {2, 0, 0, 0, 0, 9, 0, 0, 0x5e, 0, 1, 0, 8, 0};
static uint8_t source[4] = {192, 0, 2, 1}, destination[4] = {192, 0, 2, 2};
static uint8_t inner_mac[6] = {2, 0, 0, 0, 0, 7};
static uint8_t nobody[4], address6[16];

static Vrouter__Nexthop
nexthop(uint32_t id, Vrouter__Nexthop__Type type)
{
	Vrouter__Nexthop m = VROUTER__NEXTHOP__INIT;

	m.has_id_case = VROUTER__NEXTHOP__HAS_ID_ID;
	m.id = id;
	m.type = type;
	return m;
}

/* 't' holds what the message borrows. */
static Vrouter__Nexthop
tunnel(uint32_t id, Vrouter__Nexthop__Tunnel__Kind kind, Vrouter__Nexthop__Tunnel *t)
{
	Vrouter__Nexthop m = nexthop(id, VROUTER__NEXTHOP__TYPE__TUNNEL);

	m.has_vif_case = VROUTER__NEXTHOP__HAS_VIF_VIF;
	m.vif = 3;
	m.rewrite = (ProtobufCBinaryData){sizeof(rewrite), rewrite};
	vrouter__nexthop__tunnel__init(t);
	t->kind = kind;
	t->source = (ProtobufCBinaryData){sizeof(source), source};
	t->destination = (ProtobufCBinaryData){sizeof(destination), destination};
	m.tunnel = t;
	return m;
}

static void
a_tunnel_is_published_with_its_headers_and_read_back(void **state)
{
	static const uint8_t outer_len[] = {[TUNNEL_MPLS_GRE] = 20 + 4 + 4,
					    [TUNNEL_MPLS_UDP] = 20 + 8 + 4,
					    [TUNNEL_VXLAN] = 20 + 8 + 8};

	(void)state;
	for (int kind = TUNNEL_MPLS_GRE; kind <= TUNNEL_VXLAN; kind++) {
		Vrouter__Nexthop__Tunnel t;
		Vrouter__Nexthop m = tunnel(7, (Vrouter__Nexthop__Tunnel__Kind)(kind + 1), &t);
		const struct nexthop *nh;
		const Vrouter__Nexthop *got;

		assert_ok(ask(VROUTER__OP__ADD, "nexthop", &m));
		nh = nexthop_lookup(test_ctl.tables.nexthops, 7);
		assert_int_equal(nh->type, NEXTHOP_TUNNEL);
		assert_int_equal(nh->encap.vif, 3);
		assert_int_equal(nh->tunnel.kind, kind);
		assert_int_equal(nh->tunnel.outer_len, outer_len[kind]);
		assert_int_equal(nh->tunnel.outer[NEXTHOP_OUTER_MAX - outer_len[kind]], 0x45);
		assert_ok(ask(VROUTER__OP__GET, "nexthop", &m));
		got = answered_object(0)->nexthop;
		assert_int_equal(got->vif, 3);
		assert_int_equal(got->tunnel->kind, kind + 1);
		assert_memory_equal(got->tunnel->source.data, source, 4);
		assert_memory_equal(got->tunnel->destination.data, destination, 4);
		assert_int_equal(got->tunnel->inner_mac.len, 0);
		assert_memory_equal(got->rewrite.data, rewrite, sizeof(rewrite));
	}
}

static void
an_inner_mac_and_flags_are_read_back(void **state)
{
	static Vrouter__Nexthop__Flag flags[] = {VROUTER__NEXTHOP__FLAG__POLICY,
						 VROUTER__NEXTHOP__FLAG__L3_VXLAN};
	Vrouter__Nexthop__Tunnel t;
	Vrouter__Nexthop m = tunnel(7, VROUTER__NEXTHOP__TUNNEL__KIND__VXLAN, &t);
	const Vrouter__Nexthop *got;

	(void)state;
	m.flags = flags;
	m.n_flags = 2;
	t.inner_mac = (ProtobufCBinaryData){sizeof(inner_mac), inner_mac};
	assert_ok(ask(VROUTER__OP__ADD, "nexthop", &m));
	assert_true(NEXTHOP_HAS(nexthop_lookup(test_ctl.tables.nexthops, 7), L3_VXLAN));
	assert_true(NEXTHOP_HAS(nexthop_lookup(test_ctl.tables.nexthops, 7), POLICY));
	assert_false(NEXTHOP_HAS(nexthop_lookup(test_ctl.tables.nexthops, 7), FLOW_LOOKUP));
	assert_ok(ask(VROUTER__OP__GET, "nexthop", &m));
	got = answered_object(0)->nexthop;
	assert_int_equal(got->n_flags, 2);
	assert_memory_equal(got->tunnel->inner_mac.data, inner_mac, sizeof(inner_mac));
}

static void
members_keep_places_labels_and_hash_fields(void **state)
{
	static uint32_t members[] = {7, NEXTHOP_NO_MEMBER, 9}, labels[] = {100, 0xffffff, 1 << 23};
	static Vrouter__Nexthop__HashField fields[] = {VROUTER__NEXTHOP__HASH_FIELD__SOURCE,
						       VROUTER__NEXTHOP__HASH_FIELD__PROTOCOL};
	Vrouter__Nexthop m = nexthop(8, VROUTER__NEXTHOP__TYPE__ECMP);
	const Vrouter__Nexthop *got;

	(void)state;
	m.family = VROUTER__NEXTHOP__FAMILY__INET;
	m.members = members;
	m.labels = labels;
	m.n_members = m.n_labels = 3;
	m.hash_fields = fields;
	m.n_hash_fields = 2;
	assert_ok(ask(VROUTER__OP__ADD, "nexthop", &m));
	assert_int_equal(nexthop_lookup(test_ctl.tables.nexthops, 8)->composite.hash_fields,
			 HASH_SOURCE | HASH_PROTOCOL);
	assert_ok(ask(VROUTER__OP__GET, "nexthop", &m));
	got = answered_object(0)->nexthop;
	assert_int_equal(got->n_members, 3);
	assert_memory_equal(got->members, members, sizeof(members));
	assert_int_equal(got->n_labels, 3);
	assert_memory_equal(got->labels, labels, sizeof(labels));
	assert_int_equal(got->n_hash_fields, 2);
	assert_int_equal(got->hash_fields[1], VROUTER__NEXTHOP__HASH_FIELD__PROTOCOL);
}

static void
a_vrf_translation_is_published(void **state)
{
	static Vrouter__Nexthop__Flag flags[] = {VROUTER__NEXTHOP__FLAG__ROUTE_LOOKUP};
	Vrouter__Nexthop m = nexthop(8, VROUTER__NEXTHOP__TYPE__VRF_TRANSLATE);

	(void)state;
	m.vrf = 5;
	m.flags = flags;
	m.n_flags = 1;
	assert_ok(ask(VROUTER__OP__ADD, "nexthop", &m));
	assert_int_equal(nexthop_lookup(test_ctl.tables.nexthops, 8)->vrf, 5);
	assert_int_equal(nexthop_lookup(test_ctl.tables.nexthops, 8)->type, NEXTHOP_VRF_TRANSLATE);
}

static const Vrouter__Result__Code INVALID = VROUTER__RESULT__CODE__INVALID;
static const Vrouter__Result__Code UNSUPPORTED = VROUTER__RESULT__CODE__UNSUPPORTED;

static void
refused_flag(Vrouter__Nexthop__Flag flag, Vrouter__Result__Code code, const char *words)
{
	Vrouter__Nexthop__Tunnel t;
	Vrouter__Nexthop m = tunnel(7, VROUTER__NEXTHOP__TUNNEL__KIND__MPLS_UDP, &t);

	m.flags = &flag;
	m.n_flags = 1;
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), code, "flags", words);
}

static void
what_forwarding_cannot_do_is_refused_with_a_sentence(void **state)
{
	static const Vrouter__Nexthop__Type types[] = {
	    VROUTER__NEXTHOP__TYPE__INDIRECT, VROUTER__NEXTHOP__TYPE__COMPOSITE_FABRIC,
	    VROUTER__NEXTHOP__TYPE__COMPOSITE_EVPN, VROUTER__NEXTHOP__TYPE__COMPOSITE_TOR};
	Vrouter__Nexthop__Tunnel t;
	Vrouter__Nexthop m;

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		m = nexthop(7, types[i]);
		assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), UNSUPPORTED, "type",
			       "not done yet");
	}
	m = tunnel(7, VROUTER__NEXTHOP__TUNNEL__KIND__UDP, &t);
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), UNSUPPORTED, "tunnel.kind", "udp");
	m = tunnel(7, VROUTER__NEXTHOP__TUNNEL__KIND__PBB, &t);
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), UNSUPPORTED, "tunnel.kind", "pbb");
	m = tunnel(7, VROUTER__NEXTHOP__TUNNEL__KIND__VXLAN, &t);
	t.source = (ProtobufCBinaryData){sizeof(address6), address6};
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), UNSUPPORTED, "tunnel.source",
		       "IPv6 underlay");
	refused_flag(VROUTER__NEXTHOP__FLAG__ETREE_ROOT, UNSUPPORTED, "etree-root");
	refused_flag(VROUTER__NEXTHOP__FLAG__MPLS_OVER_MPLS, UNSUPPORTED, "mpls-over-mpls");
	refused_flag(VROUTER__NEXTHOP__FLAG__CRYPT, UNSUPPORTED, "crypt");
	refused_flag(VROUTER__NEXTHOP__FLAG__UNDERLAY_ECMP, UNSUPPORTED, "underlay-ecmp");
}

static void
what_is_wrong_with_a_tunnel_is_named(void **state)
{
	static Vrouter__Nexthop__Flag both[] = {VROUTER__NEXTHOP__FLAG__POLICY,
						VROUTER__NEXTHOP__FLAG__RELAXED_POLICY},
				      l3[] = {VROUTER__NEXTHOP__FLAG__L3_VXLAN},
				      word[] = {VROUTER__NEXTHOP__FLAG__CONTROL_WORD};
	Vrouter__Nexthop__Tunnel t;
	Vrouter__Nexthop m;

	(void)state;
	m = nexthop(7, VROUTER__NEXTHOP__TYPE__TUNNEL);
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), INVALID, "tunnel", "missing");
	m = tunnel(7, VROUTER__NEXTHOP__TUNNEL__KIND__KIND_UNSET, &t);
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), INVALID, "tunnel.kind", "missing");
	m = tunnel(7, VROUTER__NEXTHOP__TUNNEL__KIND__VXLAN, &t);
	m.has_vif_case = VROUTER__NEXTHOP__HAS_VIF__NOT_SET;
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), INVALID, "vif", "vif is missing");
	m = tunnel(7, VROUTER__NEXTHOP__TUNNEL__KIND__VXLAN, &t);
	m.rewrite.len = 13;
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), INVALID, "rewrite", "13 bytes");
	m = tunnel(7, VROUTER__NEXTHOP__TUNNEL__KIND__VXLAN, &t);
	t.destination.len = 3;
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), INVALID, "tunnel.destination",
		       "3 bytes, not 4");
	t.destination = (ProtobufCBinaryData){sizeof(nobody), nobody};
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), INVALID, "tunnel.destination",
		       "0.0.0.0");
	t.destination = (ProtobufCBinaryData){sizeof(source), source};
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), INVALID, "tunnel.destination",
		       "lead back");
	m = tunnel(7, VROUTER__NEXTHOP__TUNNEL__KIND__VXLAN, &t);
	m.family = VROUTER__NEXTHOP__FAMILY__INET;
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), INVALID, "family", "alike");
	m = tunnel(7, VROUTER__NEXTHOP__TUNNEL__KIND__VXLAN, &t);
	m.flags = l3;
	m.n_flags = 1;
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), INVALID, "tunnel.inner_mac",
		       "l3-vxlan needs it");
	m.n_flags = 0;
	t.inner_mac = (ProtobufCBinaryData){sizeof(inner_mac), inner_mac};
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), INVALID, "tunnel.inner_mac",
		       "goes with the flag");
	m = tunnel(7, VROUTER__NEXTHOP__TUNNEL__KIND__VXLAN, &t);
	m.flags = word;
	m.n_flags = 1;
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), INVALID, "flags", "vxlan has none");
	m.flags = both;
	m.n_flags = 2;
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), INVALID, "flags", "exclude");
	refused_flag(VROUTER__NEXTHOP__FLAG__L3_VXLAN, INVALID, "kind vxlan only");
	refused_flag(VROUTER__NEXTHOP__FLAG__ROUTE_LOOKUP, INVALID, "not for type tunnel");
	refused_flag(VROUTER__NEXTHOP__FLAG__FLAG_UNSET, INVALID, "flag 0");
	m = nexthop(7, VROUTER__NEXTHOP__TYPE__ECMP);
	m.n_members = 1;
	m.members = (uint32_t[]){1};
	m.n_labels = 2;
	m.labels = (uint32_t[]){1, 2};
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), INVALID, "labels", "2 labels");
	m.n_labels = 1;
	m.labels = (uint32_t[]){1 << 24};
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), INVALID, "labels", "above 16777215");
	m.n_labels = 0;
	m.tunnel = &t;
	assert_refused(ask(VROUTER__OP__ADD, "nexthop", &m), INVALID, "tunnel",
		       "tunnel is for type tunnel, not ecmp");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_tunnel_is_published_with_its_headers_and_read_back),
	    cmocka_unit_test(an_inner_mac_and_flags_are_read_back),
	    cmocka_unit_test(members_keep_places_labels_and_hash_fields),
	    cmocka_unit_test(a_vrf_translation_is_published),
	    cmocka_unit_test(what_forwarding_cannot_do_is_refused_with_a_sentence),
	    cmocka_unit_test(what_is_wrong_with_a_tunnel_is_named),
	};

	return cmocka_run_group_tests(tests, router_open, router_close);
}

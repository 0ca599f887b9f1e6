/* SPDX-License-Identifier: BSD-3-Clause */
/* What the packet path cannot do is refused, with words. */
#include "ctl/ctl_test.h"

static Vrouter__Mirror mirror = VROUTER__MIRROR__INIT;
static Vrouter__QosMap qos_map = VROUTER__QOS_MAP__INIT;
static Vrouter__ForwardingClass forwarding_class = VROUTER__FORWARDING_CLASS__INIT;
static Vrouter__VlanAssignment vlan_assignment = VROUTER__VLAN_ASSIGNMENT__INIT;

static const struct {
	const char *kind;
	void *object;
	const char *why;
} kinds[] = {
    {"mirror", &mirror, "does not mirror packets yet"},
    {"qos_map", &qos_map, "does not classify packets for quality of service yet"},
    {"forwarding_class", &forwarding_class, "does not mark packets for quality of service yet"},
    {"vlan_assignment", &vlan_assignment, "does not assign VLANs of service vifs to VRFs yet"},
};

static int
open_and_name_them(void **state)
{
	mirror.has_id_case = VROUTER__MIRROR__HAS_ID_ID;
	qos_map.has_id_case = VROUTER__QOS_MAP__HAS_ID_ID;
	forwarding_class.has_id_case = VROUTER__FORWARDING_CLASS__HAS_ID_ID;
	vlan_assignment.has_vif_case = VROUTER__VLAN_ASSIGNMENT__HAS_VIF_VIF;
	vlan_assignment.has_vlan_case = VROUTER__VLAN_ASSIGNMENT__HAS_VLAN_VLAN;
	return router_open(state);
}

static void
adding_is_refused_with_what_the_router_cannot_do(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		assert_refused(ask(VROUTER__OP__ADD, kinds[i].kind, kinds[i].object),
			       VROUTER__RESULT__CODE__UNSUPPORTED, "", kinds[i].why);
}

static void
there_are_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		assert_refused(ask(VROUTER__OP__GET, kinds[i].kind, kinds[i].object),
			       VROUTER__RESULT__CODE__NOT_FOUND, "", "does not exist");
		assert_refused(ask(VROUTER__OP__DEL, kinds[i].kind, kinds[i].object),
			       VROUTER__RESULT__CODE__NOT_FOUND, "", "does not exist");
		assert_ok(ask(VROUTER__OP__LIST, kinds[i].kind, kinds[i].object));
		assert_int_equal(asker.n, 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(adding_is_refused_with_what_the_router_cannot_do),
	    cmocka_unit_test(there_are_none),
	};

	return cmocka_run_group_tests(tests, open_and_name_them, router_close);
}

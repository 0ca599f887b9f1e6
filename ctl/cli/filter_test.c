/* SPDX-License-Identifier: BSD-3-Clause */
/* What follows `where`, and rates between two looks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/cli/filter.h"
#include "ctl/cli/sampler.h"
#include "proto/vrouter.pb-c.h"

static bool
matches(const ProtobufCMessage *m, const char *one, const char *two)
{
	char *conditions[2] = {(char *)(uintptr_t)one, (char *)(uintptr_t)two};
	struct filter *filter;
	char *why;
	bool found;

	if (filter_parse(m->descriptor, two != NULL ? 2 : 1, conditions, &filter, &why) < 0)
		fail_msg("%s", why);
	found = filter_matches(filter, m);
	filter_free(filter);
	return found;
}

static void
conditions_choose_by_every_field(void **state)
{
	static const struct {
		const char *one, *two;
		bool matches;
	} cases[] = {
	    {"id=3", NULL, true},
	    {"id!=3", NULL, false},
	    {"id=0x3", NULL, true},
	    {"id<3", NULL, false},
	    {"id<=3", NULL, true},
	    {"id>2", NULL, true},
	    {"id>=4", NULL, false},
	    {"type=virtual", NULL, true},
	    {"type=PHYSICAL", NULL, false},
	    {"type!=physical", NULL, true},
	    {"name=red-1", NULL, true},
	    {"name~^red", NULL, true},
	    {"name~red|blue", NULL, true},
	    {"name~blue", NULL, false},
	    {"name>reb", NULL, true},
	    {"mac=02:00:00:00:00:01", NULL, true},
	    {"mac=02-00-00-00-00-02", NULL, false},
	    {"mac~^02:00", NULL, true},
	    {"rx_packets>100", NULL, true},
	    {"state.rx_packets>100", NULL, true},
	    {"state.rx-packets>1000", NULL, false},
	    {"link_up=yes", NULL, true},
	    {"link_up=off", NULL, false},
	    {"tap.name=red", NULL, true},
	    {"tap.slot=-", NULL, true},
	    {"tap.slot!=-", NULL, false},
	    {"tap.slot=10", NULL, false},
	    {"tap.slot!=10", NULL, true},
	    {"tap.slot<10", NULL, false},
	    {"device.name=-", NULL, true},
	    {"device.name=x", NULL, false},
	    {"device.name~.", NULL, false},
	    {"nexthop=0", NULL, true},
	    {"nexthop=-", NULL, false},
	    {"port=", NULL, true},
	    {"type=virtual", "rx_packets>100", true},
	    {"type=virtual", "rx_packets>1000", false},
	};
	Vrouter__Vif__State counters = VROUTER__VIF__STATE__INIT;
	Vrouter__Vif__Tap tap = VROUTER__VIF__TAP__INIT;
	Vrouter__Vif vif = VROUTER__VIF__INIT;
	uint8_t mac[] = {2, 0, 0, 0, 0, 1};

	(void)state;
	counters.rx_packets = 500;
	counters.link_up = 1;
	tap.name = (char *)(uintptr_t) "red";
	vif.has_id_case = VROUTER__VIF__HAS_ID_ID;
	vif.id = 3;
	vif.name = (char *)(uintptr_t) "red-1";
	vif.type = VROUTER__VIF__TYPE__VIRTUAL;
	vif.mac.data = mac;
	vif.mac.len = sizeof(mac);
	vif.has_nexthop_case = VROUTER__VIF__HAS_NEXTHOP_NEXTHOP;
	vif.transport_case = VROUTER__VIF__TRANSPORT_TAP;
	vif.tap = &tap;
	vif.state = &counters;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (matches(&vif.base, cases[i].one, cases[i].two) != cases[i].matches)
			fail_msg("%s %s", cases[i].one, cases[i].two);
}

static void
one_of_several_values_is_enough(void **state)
{
	uint32_t members[] = {7, 9};
	Vrouter__Nexthop nexthop = VROUTER__NEXTHOP__INIT;

	(void)state;
	assert_true(matches(&nexthop.base, "members=-", NULL));
	nexthop.members = members;
	nexthop.n_members = 2;
	assert_true(matches(&nexthop.base, "members=9", NULL));
	assert_false(matches(&nexthop.base, "members=8", NULL));
	assert_true(matches(&nexthop.base, "members!=8", NULL));
	assert_true(matches(&nexthop.base, "members>8", NULL));
	assert_false(matches(&nexthop.base, "members=-", NULL));
}

static void
a_field_may_be_two_messages_deep(void **state)
{
	Vrouter__Flow__Direction reverse = VROUTER__FLOW__DIRECTION__INIT;
	Vrouter__Flow__State s = VROUTER__FLOW__STATE__INIT;
	Vrouter__Flow flow = VROUTER__FLOW__INIT;

	(void)state;
	assert_false(matches(&flow.base, "reverse.packets>4", NULL));
	flow.state = &s;
	assert_false(matches(&flow.base, "reverse.packets>4", NULL));
	s.reverse = &reverse;
	reverse.packets = 5;
	reverse.action = VROUTER__FLOW__ACTION__DROP;
	assert_true(matches(&flow.base, "reverse.packets>4", "state.reverse.action=drop"));
	assert_false(matches(&flow.base, "reverse.packets>5", NULL));
	assert_false(matches(&flow.base, "forward.packets>=0", NULL));
}

/* Objects get fields and values in time, at the end of what is listed. */
static void
assert_begins(const char *text, const char *beginning)
{
	if (strncmp(text, beginning, strlen(beginning)) != 0)
		fail_msg("\"%s\" does not begin with \"%s\"", text, beginning);
}

static void
wrong_conditions_are_named(void **state)
{
	static const struct {
		const char *condition, *why;
	} cases[] = {
	    {"colour=red", "where: there is no field \"colour\"; there are id, type, family, vrf, "
			   "vif, rewrite, members"},
	    {"vif", "where: \"vif\" is not of the form FIELD=VALUE (or != < <= > >= ~); a shell "
		    "takes < and > for itself unless they are quoted"},
	    {"=3", "where: \"=3\" is not of the form FIELD=VALUE (or != < <= > >= ~); a shell "
		   "takes < and > for itself unless they are quoted"},
	    {"id!3", "where: \"id!3\" is not of the form FIELD=VALUE (or != < <= > >= ~); a shell "
		     "takes < and > for itself unless they are quoted"},
	    {"id=x", "where: id: \"x\" is not a number"},
	    {"type=discord", "where: type: \"discord\" is none of discard, encap, flood"},
	    {"type>discard", "where: type has no order; compare it with =, != or ~"},
	    {"vif<-", "where: vif: nothing is neither more nor less; use = or !="},
	    {"members=1,2", "where: members is compared with one value at a time"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *condition = (char *)(uintptr_t)cases[i].condition, *why;
		struct filter *filter;

		assert_int_equal(
		    filter_parse(&vrouter__nexthop__descriptor, 1, &condition, &filter, &why),
		    -EINVAL);
		assert_begins(why, cases[i].why);
		free(why);
	}
}

static void
a_broken_pattern_is_refused(void **state)
{
	char *conditions[] = {(char *)(uintptr_t) "name~red", (char *)(uintptr_t) "name~(red"};
	struct filter *filter;
	char *why;

	(void)state;
	assert_int_equal(filter_parse(&vrouter__vif__descriptor, 2, conditions, &filter, &why),
			 -EINVAL);
	assert_non_null(strstr(why, "where: name: \"(red\" is no regular expression: "));
	free(why);
}

static void
a_rate_needs_two_looks_at_the_same_counter(void **state)
{
	struct sampler *s = sampler_create();

	(void)state;
	sampler_begin(s, 1000000);
	assert_true(sampler_rate(s, 1, 100) < 0);
	for (uint64_t key = 100; key < 1100; key++)
		assert_true(sampler_rate(s, key, key) < 0);
	sampler_begin(s, 3000000);
	assert_true(sampler_rate(s, 1, 300) == 100);
	assert_true(sampler_rate(s, 2, 5) < 0);
	for (uint64_t key = 100; key < 1100; key++)
		assert_true(sampler_rate(s, key, key + 10) == 5);
	sampler_begin(s, 3500000);
	assert_true(sampler_rate(s, 1, 10) < 0);
	assert_true(sampler_rate(s, 2, 6) == 2);
	sampler_begin(s, 4500000);
	sampler_begin(s, 5500000);
	assert_true(sampler_rate(s, 2, 7) < 0);
	sampler_destroy(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(conditions_choose_by_every_field),
	    cmocka_unit_test(one_of_several_values_is_enough),
	    cmocka_unit_test(a_field_may_be_two_messages_deep),
	    cmocka_unit_test(wrong_conditions_are_named),
	    cmocka_unit_test(a_broken_pattern_is_refused),
	    cmocka_unit_test(a_rate_needs_two_looks_at_the_same_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The judgement on a router's health. */
#include "ctl/ctl_test.h"

#include <event2/event.h>

#include "ctl/rates.h"

static int
status_open(void **state)
{
	if (router_open(state) != 0)
		return -1;
	test_ctl.base = event_base_new();
	test_ctl.rates = rates_create(&test_ctl);
	return test_ctl.rates != NULL ? 0 : -1;
}

static int
status_close(void **state)
{
	rates_destroy(test_ctl.rates);
	event_base_free(test_ctl.base);
	return router_close(state);
}

static bool
blamed(const char *words)
{
	const Vrouter__Status *s = answered_object(0)->status;

	for (size_t i = 0; i < s->n_reasons; i++)
		if (strstr(s->reasons[i], words) != NULL)
			return true;
	return false;
}

/* An option may leave a table out: flow-entries = 0. */
static void
a_table_without_entries_is_not_full(void **state)
{
	Vrouter__Status m = VROUTER__STATUS__INIT;

	(void)state;
	assert_int_equal(test_conf.flow_entries, 0);
	assert_ok(ask(VROUTER__OP__GET, "status", &m));
	assert_false(blamed("table flow"));
}

static void
a_full_table_is_named(void **state)
{
	Vrouter__Status m = VROUTER__STATUS__INIT;
	Vrouter__Vif vif = VROUTER__VIF__INIT;

	(void)state;
	assert_ok(ask(VROUTER__OP__GET, "status", &m));
	assert_false(blamed("table vif"));
	vif.has_id_case = VROUTER__VIF__HAS_ID_ID;
	vif.type = VROUTER__VIF__TYPE__VIRTUAL;
	for (vif.id = 0; vif.id < 50; vif.id++)
		assert_ok(ask(VROUTER__OP__ADD, "vif", &vif));
	assert_ok(ask(VROUTER__OP__GET, "status", &m));
	assert_true(blamed("table vif is 100 % full"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_table_without_entries_is_not_full),
	    cmocka_unit_test(a_full_table_is_named),
	};

	return cmocka_run_group_tests(tests, status_open, status_close);
}

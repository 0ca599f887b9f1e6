/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of who may join. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "primary/hello.h"

static const struct slots slots = {.n = 3, .s = {{.id = 10}, {.id = 11}, {.id = 14}}};
static const struct hello_living living[] = {
    {.role = ROLE_FWD, .slots = 2, .pid = 4711},
    {.role = ROLE_CTL, .slots = 0, .pid = 4712},
    {.role = ROLE_VHOST, .slots = 1, .pid = 4713},
};
static const struct ucred root = {.pid = 100, .uid = 0};

static struct hello_context
context(void)
{
	return (struct hello_context){
	    .uid = 7, .dpdk = "DPDK 22.11.11", .ops = "ring,stack", .slots = &slots, .agents = 1};
}

static struct process_msg
hello(enum process_role role, uint32_t n_slots, uint32_t slot0, uint32_t slot1)
{
	struct process_msg m = {.magic = PROCESS_MAGIC, .type = MSG_HELLO};

	m.hello.role = role;
	m.hello.version = 1;
	m.hello.n_slots = n_slots;
	m.hello.slot_ids[0] = slot0;
	m.hello.slot_ids[1] = slot1;
	strcpy(m.hello.dpdk, "DPDK 22.11.11");
	strcpy(m.hello.ops, "ring,stack");
	return m;
}

static void
a_worker_gets_the_slots_it_names(void **state)
{
	struct hello_context ctx = context();
	struct process_msg m = hello(ROLE_FWD, 2, 10, 14);
	struct fault f = {0};
	uint64_t mask;

	(void)state;
	assert_int_equal(hello_check(&ctx, &m, &root, &mask, &f), 0);
	assert_int_equal(mask, 5);
}

static void
a_process_that_cannot_be_signalled_is_refused(void **state)
{
	const struct ucred hidden = {.pid = 0, .uid = 0}, stranger = {.pid = 5, .uid = 8},
			   same = {.pid = 5, .uid = 7};
	struct hello_context ctx = context();
	struct process_msg m = hello(ROLE_FWD, 1, 10, 0);
	struct fault f = {0};
	uint64_t mask;

	(void)state;
	assert_int_equal(hello_check(&ctx, &m, &hidden, &mask, &f), -EPERM);
	assert_non_null(strstr(f.text, "PID namespace"));
	assert_int_equal(hello_check(&ctx, &m, &stranger, &mask, &f), -EPERM);
	assert_non_null(strstr(f.text, "user 8"));
	assert_int_equal(hello_check(&ctx, &m, &same, &mask, &f), 0);
}

static void
another_build_is_refused(void **state)
{
	struct hello_context ctx = context();
	struct process_msg m;
	struct fault f = {0};
	uint64_t mask;

	(void)state;
	m = hello(ROLE_FWD, 1, 10, 0);
	m.hello.version = 2;
	assert_int_equal(hello_check(&ctx, &m, &root, &mask, &f), -EPROTO);
	m = hello(ROLE_FWD, 1, 10, 0);
	strcpy(m.hello.dpdk, "DPDK 23.11.0");
	assert_int_equal(hello_check(&ctx, &m, &root, &mask, &f), -EPROTO);
	assert_non_null(strstr(f.text, "23.11"));
	m = hello(ROLE_FWD, 1, 10, 0);
	strcpy(m.hello.ops, "stack,ring");
	assert_int_equal(hello_check(&ctx, &m, &root, &mask, &f), -EPROTO);
	assert_non_null(strstr(f.text, "mempool ops"));
	m = hello(ROLE_FWD, 1, 10, 0);
	memset(m.hello.ops, 'x', sizeof(m.hello.ops));
	assert_int_equal(hello_check(&ctx, &m, &root, &mask, &f), -EPROTO);
}

static void
impossible_slots_and_roles_are_refused(void **state)
{
	static const struct {
		uint32_t role, n, slot0, slot1;
		int rc;
		const char *text;
	} cases[] = {
	    {ROLE_FWD, 0, 0, 0, -EINVAL, "1 to 32 slots"},
	    {ROLE_FWD, 33, 10, 10, -EINVAL, "not 33"},
	    {ROLE_FWD, 1, 12, 0, -ENOENT, "slot 12 is not configured"},
	    {ROLE_FWD, 2, 10, 10, -EINVAL, "slot 10 is named twice"},
	    {ROLE_CTL, 1, 10, 0, -EINVAL, "role ctl"},
	    {ROLE_PRIMARY, 0, 0, 0, -EINVAL, "role 0"},
	    {77, 0, 0, 0, -EINVAL, "role 77"},
	};
	struct hello_context ctx = context();
	uint64_t mask;

	(void)state;
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct process_msg m =
		    hello(cases[i].role, cases[i].n, cases[i].slot0, cases[i].slot1);
		struct fault f = {0};

		assert_int_equal(hello_check(&ctx, &m, &root, &mask, &f), cases[i].rc);
		assert_non_null(strstr(f.text, cases[i].text));
	}
}

static void
a_process_started_twice_is_told_the_pid_of_the_other(void **state)
{
	static const struct {
		enum process_role role;
		uint32_t n, slot0, slot1;
		int rc;
		const char *text;
	} cases[] = {
	    {ROLE_FWD, 2, 10, 11, -EEXIST, "slot 11 is animated by process 4711"},
	    {ROLE_FWD, 2, 10, 14, 0, ""},
	    {ROLE_CTL, 0, 0, 0, -EEXIST, "process 4712"},
	    {ROLE_VHOST, 0, 0, 0, -EEXIST, "agent 0 is process 4713"},
	};
	struct hello_context ctx = context();
	uint64_t mask;

	(void)state;
	ctx.living = living;
	ctx.n_living = 3;
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct process_msg m =
		    hello(cases[i].role, cases[i].n, cases[i].slot0, cases[i].slot1);
		struct fault f = {0};

		assert_int_equal(hello_check(&ctx, &m, &root, &mask, &f), cases[i].rc);
		assert_non_null(strstr(f.text, cases[i].text));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_worker_gets_the_slots_it_names),
	    cmocka_unit_test(a_process_that_cannot_be_signalled_is_refused),
	    cmocka_unit_test(another_build_is_refused),
	    cmocka_unit_test(impossible_slots_and_roles_are_refused),
	    cmocka_unit_test(a_process_started_twice_is_told_the_pid_of_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of telling a process that hangs from one without CPU. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "primary/starved.h"

static void
only_who_wants_to_run_and_cannot_is_starved(void **state)
{
	static const struct {
		struct cpu_time from, to;
		uint64_t ms;
		bool asleep, starved;
	} cases[] = {
	    {{5000, 1, 0}, {5000, 1, 0}, 100, false, true},
	    {{5000, 1, 0}, {5000 + 9 * 1000000, 1, 0}, 100, false, true},
	    {{5000, 0, 0}, {5000, 0, 0}, 100, true, true}, /* its timer is late */
	    /* loops without end */
	    {{5000, 1, 0}, {5000 + 11 * 1000000, 1, 0}, 100, false, false},
	    {{5000, 1, 0}, {5000, 0, 0}, 100, false, false}, /* blocked */
	    {{5000, 1, 0}, {5000, 0, 1}, 100, false, false}, /* stopped */
	    {{5000, 0, 0}, {5000, 0, 1}, 100, true, false},  /* stopped in its sleep */
	    {{5000, 1, 0}, {0, 0, 0}, 100, false, false},    /* gone */
	    {{5000, 0, 0}, {0, 0, 0}, 100, true, false},     /* gone in its sleep */
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    cpu_starved(&cases[i].from, &cases[i].to, cases[i].ms, cases[i].asleep),
		    cases[i].starved);
}

static void
a_stopped_process_is_not_runnable_and_a_looping_one_is(void **state)
{
	struct cpu_time t;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		for (;;)
			getppid();
	cpu_time_read(pid, &t);
	assert_int_equal(t.runnable, 1);
	assert_int_equal(t.stopped, 0);
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	cpu_time_read(pid, &t);
	assert_int_equal(t.runnable, 0);
	assert_int_equal(t.stopped, 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	cpu_time_read(pid, &t);
	assert_int_equal(t.runnable, 0);
	assert_int_equal(t.ns, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_who_wants_to_run_and_cannot_is_starved),
	    cmocka_unit_test(a_stopped_process_is_not_runnable_and_a_looping_one_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Waking guests that do not want to be woken. */
#include "vhost-agent/guest_call.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

enum { TOO_LONG_S = 20 };

static uint64_t
counter_take(int fd)
{
	uint64_t n = 0;

	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	return n;
}

static void
every_call_is_counted(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	(void)state;
	for (int i = 0; i < 10000; i++)
		assert_int_equal(guest_call(fd), 0);
	assert_int_equal(counter_take(fd), 10000);
	close(fd);
}

/* Blocking, and full: a write() would wait for ever. */
static void
a_full_counter_is_not_waited_for(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	uint64_t full = UINT64_MAX - 1;

	(void)state;
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	alarm(TOO_LONG_S);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(guest_call(fd), 0);
	alarm(0);
	assert_true(counter_take(fd) >= full);
	assert_int_equal(guest_call(fd), 0);
	assert_int_equal(counter_take(fd), 1);
	close(fd);
}

static void
what_is_no_eventfd_is_refused(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(guest_call(ends[1]), -EINVAL);
	assert_int_equal(guest_call(-1), -EBADF);
	close(ends[0]);
	close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_call_is_counted),
	    cmocka_unit_test(a_full_counter_is_not_waited_for),
	    cmocka_unit_test(what_is_no_eventfd_is_refused),
	};

	guest_call_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

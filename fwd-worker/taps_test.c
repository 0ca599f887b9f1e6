/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the table of taps' descriptors; pipes stand in for taps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "fwd-worker/taps.h"

static int
descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void
a_descriptor_is_found_by_port_and_queue(void **state)
{
	struct taps *t = taps_create(8, 1);
	uint64_t version = taps_version(t);
	int fd = descriptor();

	(void)state;
	assert_int_equal(taps_get(t, 7, 15), -1);
	assert_int_equal(taps_put(t, 7, 15, fd), 0);
	assert_int_equal(taps_get(t, 7, 15), fd);
	assert_int_equal(taps_get(t, 7, 14), -1);
	assert_true(taps_version(t) > version);
	close(fd);
	free(t);
}

static void
one_for_a_port_that_is_not_there_is_closed(void **state)
{
	struct taps *t = taps_create(8, 1);
	int fd = descriptor();

	(void)state;
	assert_int_equal(taps_put(t, 8, 0, fd), -EINVAL);
	assert_false(is_open(fd));
	free(t);
}

static void
one_that_is_gone_is_closed_when_every_thread_has_looked(void **state)
{
	struct taps *t = taps_create(8, 2);
	int fd = descriptor();

	(void)state;
	taps_put(t, 3, 0, fd);
	taps_seen(t, 0, taps_version(t));
	taps_seen(t, 1, taps_version(t));
	taps_remove(t, 3, 0);
	assert_int_equal(taps_get(t, 3, 0), -1);
	assert_true(taps_close_retired(t));
	taps_seen(t, 0, taps_version(t));
	assert_true(taps_close_retired(t));
	assert_true(is_open(fd));
	taps_seen(t, 1, taps_version(t));
	assert_false(taps_close_retired(t));
	assert_false(is_open(fd));
	free(t);
}

static void
one_that_is_replaced_is_closed_like_one_that_is_gone(void **state)
{
	struct taps *t = taps_create(8, 1);
	int old = descriptor(), new = descriptor();

	(void)state;
	taps_put(t, 3, 0, old);
	taps_put(t, 3, 0, new);
	assert_int_equal(taps_get(t, 3, 0), new);
	assert_true(taps_close_retired(t));
	taps_seen(t, 0, UINT64_MAX);
	assert_false(taps_close_retired(t));
	assert_false(is_open(old));
	assert_true(is_open(new));
	close(new);
	free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_descriptor_is_found_by_port_and_queue),
	    cmocka_unit_test(one_for_a_port_that_is_not_there_is_closed),
	    cmocka_unit_test(one_that_is_gone_is_closed_when_every_thread_has_looked),
	    cmocka_unit_test(one_that_is_replaced_is_closed_like_one_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

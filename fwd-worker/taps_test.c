/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the table of taps' descriptors; pipes stand in for taps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include <urcu/urcu-qsbr.h>

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
	struct taps *t = taps_create(8);
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
	struct taps *t = taps_create(8);
	int fd = descriptor();

	(void)state;
	assert_int_equal(taps_put(t, 8, 0, fd), -EINVAL);
	assert_false(is_open(fd));
	free(t);
}

/* A slot's thread that looks at the table once and then goes offline when told. */
struct reader {
	struct taps *t;
	int fd;    /* what it found, atomic; -2: nothing yet */
	bool done; /* atomic */
	bool was_open;
};

static void *
read_one(void *arg)
{
	struct reader *r = arg;
	int fd;

	urcu_qsbr_register_thread();
	fd = taps_get(r->t, 3, 0);
	__atomic_store_n(&r->fd, fd, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&r->done, __ATOMIC_ACQUIRE))
		usleep(100);
	r->was_open = is_open(fd);
	urcu_qsbr_unregister_thread();
	return NULL;
}

static void *
finish_later(void *arg)
{
	struct reader *r = arg;

	usleep(20000);
	__atomic_store_n(&r->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Starts a reader that holds what it found for a while, changes the table, and waits for both. */
static void
change_under_a_reader(struct taps *t, int fd, int with)
{
	struct reader r = {.t = t, .fd = -2};
	pthread_t reading, finishing;

	assert_int_equal(pthread_create(&reading, NULL, read_one, &r), 0);
	while (__atomic_load_n(&r.fd, __ATOMIC_ACQUIRE) == -2)
		usleep(100);
	assert_int_equal(r.fd, fd);
	assert_int_equal(pthread_create(&finishing, NULL, finish_later, &r), 0);
	if (with < 0)
		taps_remove(t, 3, 0);
	else
		taps_put(t, 3, 0, with);
	assert_false(is_open(fd));
	pthread_join(reading, NULL);
	pthread_join(finishing, NULL);
	assert_true(r.was_open);
	assert_int_equal(taps_get(t, 3, 0), with);
}

static void
one_that_is_gone_stays_open_while_a_thread_uses_it(void **state)
{
	struct taps *t = taps_create(8);
	int fd = descriptor();

	(void)state;
	taps_put(t, 3, 0, fd);
	change_under_a_reader(t, fd, -1);
	free(t);
}

static void
one_that_is_replaced_stays_open_while_a_thread_uses_it(void **state)
{
	struct taps *t = taps_create(8);
	int old = descriptor(), new = descriptor();

	(void)state;
	taps_put(t, 3, 0, old);
	change_under_a_reader(t, old, new);
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
	    cmocka_unit_test(one_that_is_gone_stays_open_while_a_thread_uses_it),
	    cmocka_unit_test(one_that_is_replaced_stays_open_while_a_thread_uses_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of the process socket: whole, with a descriptor or without, or refused. */
#include "common/process.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int ends[2];
static struct process_msg sent = {.magic = PROCESS_MAGIC, .type = MSG_TAP, .tap = {7, 3}}, got;

static void
a_message_arrives_whole(void **state)
{
	int fd = 99;

	(void)state;
	assert_int_equal(process_msg_send(ends[0], &sent, -1), 0);
	assert_int_equal(process_msg_recv(ends[1], &got, &fd), 0);
	assert_memory_equal(&got, &sent, sizeof(sent));
	assert_int_equal(fd, -1);
}

static void
a_descriptor_comes_along_and_does_not_survive_exec(void **state)
{
	int fd = -1, pair[2];
	char byte = 0;

	(void)state;
	assert_int_equal(pipe(pair), 0);
	assert_int_equal(process_msg_send(ends[0], &sent, pair[1]), 0);
	close(pair[1]);
	assert_int_equal(process_msg_recv(ends[1], &got, &fd), 0);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(pair[0], &byte, 1), 1);
	close(fd);
	close(pair[0]);
}

static void
a_descriptor_nobody_wants_is_closed(void **state)
{
	int pair[2];
	char byte;

	(void)state;
	assert_int_equal(pipe(pair), 0);
	assert_int_equal(process_msg_send(ends[0], &sent, pair[1]), 0);
	close(pair[1]);
	assert_int_equal(process_msg_recv(ends[1], &got, NULL), 0);
	assert_int_equal(read(pair[0], &byte, 1), 0);
	close(pair[0]);
}

static void
other_sizes_and_other_magic_are_refused(void **state)
{
	struct process_msg wrong = sent;
	char longer[sizeof(sent) + 8] = {0};

	(void)state;
	assert_int_equal(send(ends[0], &sent, sizeof(sent) - 1, 0), sizeof(sent) - 1);
	assert_int_equal(process_msg_recv(ends[1], &got, NULL), -EPROTO);
	memcpy(longer, &sent, sizeof(sent));
	assert_int_equal(send(ends[0], longer, sizeof(longer), 0), sizeof(longer));
	assert_int_equal(process_msg_recv(ends[1], &got, NULL), -EPROTO);
	wrong.magic++;
	assert_int_equal(process_msg_send(ends[0], &wrong, -1), 0);
	assert_int_equal(process_msg_recv(ends[1], &got, NULL), -EPROTO);
}

static void
an_empty_socket_does_not_block_when_told_so(void **state)
{
	(void)state;
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(process_msg_recv(ends[1], &got, NULL), -EAGAIN);
}

static void
a_peer_that_is_gone_is_one_error(void **state)
{
	(void)state;
	close(ends[0]);
	ends[0] = -1;
	assert_int_equal(process_msg_recv(ends[1], &got, NULL), -EPIPE);
	assert_int_equal(process_msg_send(ends[1], &sent, -1), -EPIPE);
}

static void
roles_have_names(void **state)
{
	(void)state;
	assert_string_equal(process_role_name(ROLE_PRIMARY), "primary");
	assert_string_equal(process_role_name(ROLE_CTL), "ctl");
}

static int
setup(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
}

static int
teardown(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void
a_planned_end_is_no_death(void **state)
{
	struct process p = {0};

	(void)state;
	process_died(&p, 1000, false);
	process_died(&p, 2000, true);
	assert_int_equal(p.died_ms, 2000);
	assert_int_equal(p.deaths_ms[0], 1000);
	assert_int_equal(p.deaths_ms[1], 0);
	for (uint64_t ms = 3000; ms <= 6000; ms += 1000)
		process_died(&p, ms, false);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(p.deaths_ms[i], 6000 - i * 1000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_message_arrives_whole),
	    TEST(a_descriptor_comes_along_and_does_not_survive_exec),
	    TEST(a_descriptor_nobody_wants_is_closed),
	    TEST(other_sizes_and_other_magic_are_refused),
	    TEST(an_empty_socket_does_not_block_when_told_so),
	    TEST(a_peer_that_is_gone_is_one_error),
	    TEST(roles_have_names),
	    cmocka_unit_test(a_planned_end_is_no_death),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of a secondary's life up to EAL, against a primary that is a socket in a temporary folder
 * and says what each test wants. One thread plays both.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/conf.h"
#include "common/log.h"
#include "common/process_client.h"

static struct conf conf;
static struct process_client *pc;
static int listener = -1, peer = -1;

static void
primary_begins(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof(a.sun_path), "%.90s/primary.sock", conf.run_dir);
	unlink(a.sun_path);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 4), 0);
}

static void
primary_ends(void)
{
	close(listener);
	listener = -1;
	if (peer >= 0)
		close(peer);
	peer = -1;
}

static int
begin(void **state)
{
	struct process_client_config config = {
	    .conf = &conf, .role = ROLE_FWD, .n_slots = 2, .slot_ids = {10, 12}, .core = -1};

	(void)state;
	log_init("process_client_test", false, LOG_LEVEL_ERROR);
	conf_defaults(&conf);
	strcpy(conf.run_dir, "/tmp/process_client_test.XXXXXX");
	assert_non_null(mkdtemp(conf.run_dir));
	pc = process_client_create(&config);
	assert_non_null(pc);
	return 0;
}

static int
end(void **state)
{
	char path[sizeof(conf.run_dir) + 16];

	(void)state;
	process_client_destroy(pc);
	primary_ends();
	snprintf(path, sizeof(path), "%s/primary.sock", conf.run_dir);
	unlink(path);
	rmdir(conf.run_dir);
	return 0;
}

static enum process_client_event
step(struct fault *f)
{
	struct process_msg m;
	int fd, wait = process_client_wait_ms(pc);

	if (wait > 0)
		usleep((unsigned int)wait * 1000 + 500);
	return process_client_step(pc, &m, &fd, f);
}

/* Steps until the client says hello, and takes that. */
static void
expect_hello(struct process_msg *m)
{
	int fd;

	assert_int_equal(step(NULL), CLIENT_NOTHING);
	peer = accept(listener, NULL, NULL);
	assert_true(peer >= 0);
	assert_int_equal(process_msg_recv(peer, m, &fd), 0);
	assert_int_equal(m->type, MSG_HELLO);
}

static void
refuse(int code, const char *text)
{
	struct process_msg m = {.magic = PROCESS_MAGIC, .type = MSG_REFUSED, .refused.code = code};

	strcpy(m.refused.text, text);
	assert_int_equal(process_msg_send(peer, &m, -1), 0);
}

static void
says_who_it_is_and_which_slots_it_wants(void **state)
{
	struct process_msg m;

	(void)state;
	primary_begins();
	expect_hello(&m);
	assert_int_equal(m.hello.role, ROLE_FWD);
	assert_int_equal(m.hello.n_slots, 2);
	assert_int_equal(m.hello.slot_ids[0], 10);
	assert_int_equal(m.hello.slot_ids[1], 12);
	assert_non_null(strstr(m.hello.ops, "vr_bitmap"));
	assert_int_equal(process_client_key(pc), 0);
}

static void
waits_for_a_primary_that_comes_later(void **state)
{
	struct process_msg m;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(step(NULL), CLIENT_NOTHING);
		assert_int_equal(process_client_fd(pc), -1);
		assert_in_range(process_client_wait_ms(pc), 0, 1000);
	}
	primary_begins();
	expect_hello(&m);
	assert_true(process_client_fd(pc) >= 0);
	assert_int_equal(process_client_wait_ms(pc), -1);
}

static void
a_refusal_ends_it_with_the_primarys_sentence(void **state)
{
	struct process_msg m;
	struct fault f;

	(void)state;
	primary_begins();
	expect_hello(&m);
	refuse(-ENOENT, "there is no slot 12");
	assert_int_equal(step(&f), CLIENT_FAILED);
	assert_int_equal(f.code, -ENOENT);
	assert_non_null(strstr(f.text, "there is no slot 12"));
}

static void
a_taken_place_is_asked_for_again_before_it_is_believed(void **state)
{
	struct process_msg m;
	struct fault f;
	int tries = 0;

	(void)state;
	primary_begins();
	for (;;) {
		enum process_client_event event;

		expect_hello(&m);
		tries++;
		refuse(-EEXIST, "slot 10 is animated by process 4711 already");
		event = step(&f);
		close(peer);
		peer = -1;
		if (event == CLIENT_FAILED)
			break;
		assert_int_equal(event, CLIENT_NOTHING);
		assert_true(tries < 100);
	}
	assert_true(tries >= 3);
	assert_int_equal(f.code, -EEXIST);
}

static void
greets_the_next_primary_when_one_goes_before_it_is_ready(void **state)
{
	struct process_msg m;

	(void)state;
	primary_begins();
	expect_hello(&m);
	primary_ends();
	assert_int_equal(step(NULL), CLIENT_NOTHING);
	assert_int_equal(process_client_fd(pc), -1);
	primary_begins();
	expect_hello(&m);
}

static void
a_message_of_another_shape_ends_the_connection(void **state)
{
	struct process_msg m;

	(void)state;
	primary_begins();
	expect_hello(&m);
	assert_int_equal(send(peer, "hello", 5, 0), 5);
	assert_int_equal(step(NULL), CLIENT_NOTHING);
	assert_int_equal(process_client_fd(pc), -1);
}

static void
a_region_that_is_not_there_is_named(void **state)
{
	struct process_msg m;
	struct fault f;

	(void)state;
	primary_begins();
	expect_hello(&m);
	m = (struct process_msg){.magic = PROCESS_MAGIC, .type = MSG_WELCOME};
	m.welcome.key = 7;
	m.welcome.region_address = 0x7e9000000000;
	strcpy(m.welcome.region_path, "/nowhere/vrouter.region");
	assert_int_equal(process_msg_send(peer, &m, -1), 0);
	assert_int_equal(step(&f), CLIENT_FAILED);
	assert_non_null(strstr(f.text, "/nowhere/vrouter.region"));
	assert_null(process_client_region(pc));
}

static void
is_told_to_stop_at_any_time(void **state)
{
	struct process_msg m;

	(void)state;
	primary_begins();
	expect_hello(&m);
	m = (struct process_msg){.magic = PROCESS_MAGIC, .type = MSG_STOP};
	assert_int_equal(process_msg_send(peer, &m, -1), 0);
	assert_int_equal(step(NULL), CLIENT_STOP);
}

#define TEST(function)                                \
	{                                             \
#function, function, begin, end, NULL \
	}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(says_who_it_is_and_which_slots_it_wants),
	    TEST(waits_for_a_primary_that_comes_later),
	    TEST(a_refusal_ends_it_with_the_primarys_sentence),
	    TEST(a_taken_place_is_asked_for_again_before_it_is_believed),
	    TEST(greets_the_next_primary_when_one_goes_before_it_is_ready),
	    TEST(a_message_of_another_shape_ends_the_connection),
	    TEST(a_region_that_is_not_there_is_named),
	    TEST(is_told_to_stop_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

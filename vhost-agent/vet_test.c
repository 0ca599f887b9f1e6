/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of guests that lie, as rte_vhost would read them. */
#include "vhost-agent/vet.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/port.h"
#include "vhost-agent/blame.h"
#include "vhost-agent/guests.h"

enum { TOO_LONG_S = 20, SIZE = 1 << 20 };
enum { GET_FEATURES = 1, SET_MEM_TABLE = 5, SET_VRING_NUM = 8, SET_VRING_ADDR = 9 };

int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);

static struct port port = {.name = "liar"};
static struct guest_note note;
static struct guest guest = {.entry = &port, .note = &note};
static char dir[] = "/tmp/vet_test.XXXXXX";
static int listener;

/* As if our socket were the only guest's. */
struct guest *
guests_find(const char *path)
{
	return strcmp(path, guest.path) == 0 ? &guest : NULL;
}

struct guest *
guests_at(uint32_t number)
{
	return number == 0 ? &guest : NULL;
}

/* --- both ends -------------------------------------------------------------------------------- */

struct ends {
	int guest, agent;
};

static struct ends
connection(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct ends e;

	memcpy(a.sun_path, guest.path, sizeof(guest.path));
	e.guest = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(e.guest, (struct sockaddr *)&a, sizeof(a)), 0);
	e.agent = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(e.agent >= 0);
	return e;
}

static void
hang_up(struct ends e)
{
	blame_message_end();
	close(e.guest);
	close(e.agent);
}

enum { HEADER = 12 };

static void
say_part(struct ends e, uint32_t request, const uint64_t *words, uint32_t n, int fd, size_t bytes)
{
	uint32_t header[3] = {request, 1, n * 8};
	uint8_t m[HEADER + 5 * sizeof(uint64_t)];
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = m, .iov_len = bytes};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	memcpy(m, header, HEADER);
	if (n > 0)
		memcpy(&m[HEADER], words, n * sizeof(words[0]));
	if (fd >= 0) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	assert_int_equal(sendmsg(e.guest, &msg, MSG_NOSIGNAL), bytes);
}

static void
say(struct ends e, uint32_t request, const uint64_t *words, uint32_t n, int fd)
{
	say_part(e, request, words, n, fd, HEADER + n * 8);
}

/* As rte_vhost does it: whether the connection lives on. Descriptors that come are closed. */
static bool
heard(struct ends e)
{
	uint8_t header[HEADER], payload[64];
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(8 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = header, .iov_len = sizeof(header)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf)};
	uint32_t size;

	if (recvmsg(e.agent, &msg, 0) != HEADER)
		return false;
	if (msg.msg_controllen >= CMSG_LEN(sizeof(int))) {
		int fd;

		memcpy(&fd, CMSG_DATA(&control.align), sizeof(fd));
		close(fd);
	}
	memcpy(&size, &header[8], sizeof(size));
	return size == 0 || read(e.agent, payload, size) == (ssize_t)size;
}

static bool
is_ready(struct ends e)
{
	struct pollfd p = {.fd = e.agent, .events = POLLIN};

	return __wrap___poll_chk(&p, 1, 1000, sizeof(p)) == 1 && p.revents == POLLIN;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void
an_honest_guest_is_heard(void **state)
{
	struct ends e = connection();

	(void)state;
	say(e, GET_FEATURES, NULL, 0, -1);
	assert_true(is_ready(e));
	assert_true(heard(e));
	say(e, SET_VRING_NUM, (uint64_t[]){UINT64_C(1024) << 32}, 1, -1);
	assert_true(heard(e));
	assert_int_equal(note.offences[GUEST_MESSAGE], 0);
	hang_up(e);
}

static void
a_ring_has_an_upper_limit(void **state)
{
	struct ends e = connection();

	(void)state;
	say(e, SET_VRING_NUM, (uint64_t[]){UINT64_C(2048) << 32}, 1, -1);
	assert_false(heard(e));
	assert_int_equal(note.offences[GUEST_MESSAGE], 1);
	hang_up(e);
}

/* A file on a disk, or of a file system in user space, would make the pump wait for it. */
static void
memory_is_only_what_nobody_has_to_fetch(void **state)
{
	uint64_t words[] = {1, 0x40000000, SIZE, 0x40000000, 0};
	int memory = memfd_create("memory", MFD_CLOEXEC), other = open("/proc/self/exe", O_RDONLY);
	struct ends e = connection();
	struct stat st;

	(void)state;
	assert_int_equal(ftruncate(memory, SIZE), 0);
	say(e, SET_MEM_TABLE, words, 5, memory);
	assert_true(heard(e));
	words[2] = 2 * SIZE;
	say(e, SET_MEM_TABLE, words, 5, memory);
	assert_false(heard(e));
	hang_up(e);
	assert_int_equal(note.offences[GUEST_DESCRIPTOR], 1);

	e = connection();
	assert_int_equal(fstat(other, &st), 0);
	words[2] = 4096;
	assert_true(st.st_size > 4096);
	say(e, SET_MEM_TABLE, words, 5, other);
	if (fcntl(other, F_GET_SEALS) < 0)
		assert_false(heard(e));
	hang_up(e);
	close(memory);
	close(other);
}

static void
a_message_is_not_waited_for(void **state)
{
	uint64_t number = UINT64_C(64) << 32;
	struct ends e = connection();

	(void)state;
	alarm(TOO_LONG_S);
	say_part(e, SET_VRING_NUM, &number, 1, -1, HEADER);
	for (int i = 0; i < 5; i++)
		assert_false(is_ready(e));
	assert_int_equal(write(e.guest, &number, sizeof(number)), sizeof(number));
	assert_true(is_ready(e));
	assert_true(heard(e));
	/* For too long: it is not whole when it is read. */
	say_part(e, SET_VRING_NUM, &number, 1, -1, HEADER + 3);
	while (!is_ready(e))
		;
	assert_false(heard(e));
	alarm(0);
	hang_up(e);
}

/* poll() says that there is something, and then there is nothing to be had. */
static void
a_byte_out_of_band_is_not_waited_for(void **state)
{
	struct ends e = connection();

	(void)state;
	if (send(e.guest, "x", 1, MSG_OOB) < 0) {
		hang_up(e);
		skip(); /* before Linux 5.15 */
	}
	alarm(TOO_LONG_S);
	assert_false(heard(e));
	alarm(0);
	hang_up(e);
}

/* Else a second connection would make us forget what we know of the first one's rings. */
static void
a_connection_that_was_replaced_is_not_heard(void **state)
{
	uint64_t small = UINT64_C(64) << 32, large = UINT64_C(1024) << 32, address[5] = {0};
	struct ends a = connection(), b;

	(void)state;
	say(a, SET_VRING_NUM, &small, 1, -1);
	assert_true(heard(a));
	say(a, SET_VRING_ADDR, address, 5, -1);
	assert_true(heard(a));
	b = connection();
	say(b, GET_FEATURES, NULL, 0, -1);
	assert_true(heard(b));
	say(a, SET_VRING_NUM, &large, 1, -1);
	assert_false(heard(a));
	say(b, GET_FEATURES, NULL, 0, -1);
	assert_true(heard(b));
	hang_up(a);
	hang_up(b);
}

static void
who_does_not_read_answers_asks_no_more(void **state)
{
	struct ends e = connection();
	uint8_t answer[64] = {0};
	struct iovec iov = {.iov_base = answer, .iov_len = sizeof(answer)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	(void)state;
	say(e, GET_FEATURES, NULL, 0, -1);
	say(e, GET_FEATURES, NULL, 0, -1);
	assert_true(heard(e));
	alarm(TOO_LONG_S);
	while (sendmsg(e.agent, &msg, 0) == sizeof(answer))
		;
	alarm(0);
	assert_int_equal(note.offences[GUEST_MESSAGE], 1);
	assert_false(heard(e));
	assert_int_equal(note.offences[GUEST_MESSAGE], 1);
	hang_up(e);
}

/* --- */

static int
set_up(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(guest.path, sizeof(guest.path), "%s/guest.sock", dir);
	memcpy(a.sun_path, guest.path, sizeof(a.sun_path));
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 8) < 0 ? -1
											       : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	close(listener);
	unlink(guest.path);
	return rmdir(dir);
}

static int
forget(void **state)
{
	(void)state;
	memset(&note, 0, sizeof(note));
	memset(&guest.vet, 0, sizeof(guest.vet));
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(an_honest_guest_is_heard, forget),
	    cmocka_unit_test_setup(a_ring_has_an_upper_limit, forget),
	    cmocka_unit_test_setup(memory_is_only_what_nobody_has_to_fetch, forget),
	    cmocka_unit_test_setup(a_message_is_not_waited_for, forget),
	    cmocka_unit_test_setup(a_byte_out_of_band_is_not_waited_for, forget),
	    cmocka_unit_test_setup(a_connection_that_was_replaced_is_not_heard, forget),
	    cmocka_unit_test_setup(who_does_not_read_answers_asks_no_more, forget),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

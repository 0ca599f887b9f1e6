/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of guests' sockets, in a directory of the test's own. */
#include "vhost-agent/socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static const struct guest_note keep = {.mode = 0640, .uid = GUEST_ID_KEEP, .gid = GUEST_ID_KEEP};
static char dir[] = "/tmp/socket-file-XXXXXX";
static char path[108];

static int
set_up(void **state)
{
	(void)state;
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/guest.sock", dir);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static int
listen_there(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	assert_int_equal(bind(sock, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(sock, 1), 0);
	return sock;
}

static void
the_socket_of_a_dead_agent_is_removed(void **state)
{
	struct fault f = {0};

	(void)state;
	close(listen_there());
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(socket_file_prepare(path, &keep, false, true, &f), 0);
	assert_int_equal(access(path, F_OK), -1);
	/* Nothing there is fine as well. */
	assert_int_equal(socket_file_prepare(path, &keep, false, true, &f), 0);
}

static void
a_socket_that_is_in_use_stays(void **state)
{
	int sock = listen_there();
	struct fault f = {0};

	(void)state;
	assert_int_equal(socket_file_prepare(path, &keep, false, true, &f), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	close(sock);
}

static void
what_is_no_socket_is_never_removed(void **state)
{
	struct fault f = {0};

	(void)state;
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(socket_file_prepare(path, &keep, false, true, &f), -EEXIST);
	assert_non_null(strstr(f.text, "no socket"));
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);

	assert_int_equal(symlink("/nonexistent", path), 0);
	assert_int_equal(socket_file_prepare(path, &keep, false, true, &f), -EEXIST);
	assert_int_equal(unlink(path), 0);
}

static void
one_directory_is_made_if_that_is_wished_and_no_more(void **state)
{
	char sub[160], below[160];
	struct fault f = {0};
	struct stat st;

	(void)state;
	snprintf(sub, sizeof(sub), "%s/one/guest.sock", dir);
	snprintf(below, sizeof(below), "%s/two/three/guest.sock", dir);
	assert_int_equal(socket_file_prepare(sub, &keep, false, true, &f), 0);
	*strrchr(sub, '/') = '\0';
	assert_int_equal(stat(sub, &st), -1);
	strcat(sub, "/guest.sock");
	assert_int_equal(socket_file_prepare(sub, &keep, true, true, &f), 0);
	*strrchr(sub, '/') = '\0';
	assert_int_equal(stat(sub, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	assert_int_equal(rmdir(sub), 0);
	assert_int_equal(socket_file_prepare(below, &keep, true, true, &f), -ENOENT);
	assert_non_null(strstr(f.text, "/two/three"));
}

static void
a_socket_gets_its_mode(void **state)
{
	int sock = listen_there();
	struct fault f = {0};
	struct stat st;

	(void)state;
	assert_int_equal(socket_file_finish(path, &keep, &f), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	close(sock);
	unlink(path);
	assert_int_equal(socket_file_finish(path, &keep, &f), -ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(the_socket_of_a_dead_agent_is_removed, set_up,
					    tear_down),
	    cmocka_unit_test_setup_teardown(a_socket_that_is_in_use_stays, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_is_no_socket_is_never_removed, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(one_directory_is_made_if_that_is_wished_and_no_more,
					    set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_socket_gets_its_mode, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

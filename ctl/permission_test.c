/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may write and who may only read, by the credentials that the kernel vouches for: clients are
 * processes of other users and groups. Needs root to become them, and skips what it cannot be.
 */
#include "ctl/server_test.h"

#include <grp.h>
#include <sys/stat.h>

enum { READS = 1, WRITES = 2, NOBODY_UID = 65534, SOMEBODY_UID = 54321 };

/* Groups that every Debian has; who is in them does not matter here. */
static gid_t writers, readers, strangers;

static gid_t
group(const char *name)
{
	const struct group *g = getgrnam(name);

	assert_non_null(g);
	return g->gr_gid;
}

/* What the calling process may do, as it finds out by trying. */
static int
try(void)
{
	struct vrouter *v = vrouter_open(socket_path, 20000);
	Vrouter__Hello hello = VROUTER__HELLO__INIT;
	Vrouter__Object about = VROUTER__OBJECT__INIT;
	Vrouter__Response *answer = NULL;
	int may = 0, rc;

	if (v == NULL)
		return 64;
	rc = vrouter_call(v, VROUTER__OP__GET, flood(1), &answer);
	if (rc == 0)
		may |= READS;
	else if (rc != -EREMOTE || answer->result->code != VROUTER__RESULT__CODE__DENIED ||
		 strstr(answer->result->text, "control-readers") == NULL)
		return 65;
	vrouter_response_free(answer);
	rc = vrouter_call(v, VROUTER__OP__ADD, flood(2), &answer);
	if (rc == 0)
		may |= WRITES;
	else if (rc != -EREMOTE || answer->result->code != VROUTER__RESULT__CODE__DENIED)
		return 66;
	vrouter_response_free(answer);
	/* Watching is reading. */
	rc = vrouter_watch(v, (const uint32_t[]){VROUTER__OBJECT__KIND_VIF}, 1);
	if ((rc == 0) != ((may & READS) != 0))
		return 67;
	/* It says so itself, to who may ask. */
	about.kind_case = VROUTER__OBJECT__KIND_HELLO;
	about.hello = &hello;
	rc = vrouter_call(v, VROUTER__OP__GET, &about, &answer);
	if (rc == 0 && answer->object->hello->may_write != ((may & WRITES) != 0))
		return 68;
	vrouter_response_free(answer);
	vrouter_close(v);
	return may;
}

/* What a process of this user, main group and one more group may do. */
static int
try_as(uid_t uid, gid_t gid, gid_t supplementary)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgroups(1, &supplementary) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
			_exit(70);
		_exit(try());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
restart_with(const char *control_group, const char *control_readers)
{
	assert_int_equal(stop(SIGTERM), 0);
	snprintf(test_conf.control_group, sizeof(test_conf.control_group), "%s", control_group);
	snprintf(test_conf.control_readers, sizeof(test_conf.control_readers), "%s",
		 control_readers);
	start();
	assert_serves();
}

static int
permission_open(void **state)
{
	if (server_open(state) != 0)
		return -1;
	writers = group("daemon");
	readers = group("mail");
	strangers = group("games");
	return chmod(test_dir, 0755);
}

static void
need_root(void)
{
	if (geteuid() != 0)
		skip();
}

/* --- tests --- */

static void
groups_decide_who_reads_and_who_writes(void **state)
{
	const struct {
		uid_t uid;
		gid_t gid, supplementary;
		int may;
	} cases[] = {
	    {0, strangers, strangers, READS | WRITES},
	    {NOBODY_UID, strangers, strangers, 0},
	    {SOMEBODY_UID, writers, strangers, READS | WRITES},
	    {SOMEBODY_UID, strangers, writers, READS | WRITES},
	    {SOMEBODY_UID, readers, strangers, READS},
	    {SOMEBODY_UID, strangers, readers, READS},
	    {SOMEBODY_UID, readers, writers, READS | WRITES},
	    {SOMEBODY_UID, writers, readers, READS | WRITES},
	};

	(void)state;
	need_root();
	restart_with("daemon", "mail");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(try_as(cases[i].uid, cases[i].gid, cases[i].supplementary),
				 cases[i].may);
}

static void
without_a_group_of_readers_everybody_reads(void **state)
{
	(void)state;
	need_root();
	restart_with("daemon", "");
	assert_int_equal(try_as(NOBODY_UID, strangers, strangers), READS);
	assert_int_equal(try_as(SOMEBODY_UID, strangers, writers), READS | WRITES);
}

static void
without_a_group_of_writers_root_alone_writes(void **state)
{
	(void)state;
	need_root();
	restart_with("", "mail");
	assert_int_equal(try_as(SOMEBODY_UID, writers, readers), READS);
	assert_int_equal(try_as(SOMEBODY_UID, writers, strangers), 0);
	assert_int_equal(try_as(0, strangers, strangers), READS | WRITES);
}

/* What a process was when it connected counts, not what it became. */
static void
a_connection_keeps_what_it_was_opened_with(void **state)
{
	struct vrouter *v;
	int status;
	pid_t pid;

	(void)state;
	need_root();
	restart_with("", "mail");
	pid = fork();
	if (pid == 0) {
		v = vrouter_open(socket_path, 20000);
		if (v == NULL || vrouter_connect(v) < 0 || setgroups(0, NULL) < 0 ||
		    setgid(strangers) < 0 || setuid(NOBODY_UID) < 0)
			_exit(70);
		_exit(vrouter_call(v, VROUTER__OP__ADD, flood(3), NULL) == 0 && try() == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
a_group_that_does_not_exist_is_named(void **state)
{
	struct fault f = {0};
	struct server *server;

	(void)state;
	snprintf(test_conf.control_group, sizeof(test_conf.control_group), "no-such-group");
	assert_int_equal(server_create(&test_ctl, &server, &f), -ENOENT);
	assert_non_null(strstr(f.text, "control-group: there is no group called no-such-group"));
	test_conf.control_group[0] = '\0';
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(groups_decide_who_reads_and_who_writes),
	    cmocka_unit_test(without_a_group_of_readers_everybody_reads),
	    cmocka_unit_test(without_a_group_of_writers_root_alone_writes),
	    cmocka_unit_test(a_connection_keeps_what_it_was_opened_with),
	    cmocka_unit_test(a_group_that_does_not_exist_is_named),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, permission_open, server_close);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the snapshot that undoes what a dead holder of the attach token did. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "primary/token.h"

enum { AREA = 8192 };

static void
locks_of_a_killed_holder_are_open_again(void **state)
{
	struct snapshot s = {0};
	uint32_t *mem;
	pid_t pid;

	(void)state;
	mem = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	mem[7] = 1234;
	assert_int_equal(snapshot_add(&s, mem, AREA), 0);
	snapshot_take(&s);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		mem[0] = 1; /* takes a lock */
		mem[2047] = UINT32_MAX;
		raise(SIGKILL);
	}
	waitpid(pid, NULL, 0);
	assert_int_equal(mem[0], 1);
	snapshot_restore(&s);
	assert_int_equal(mem[0], 0);
	assert_int_equal(mem[7], 1234);
	assert_int_equal(mem[2047], 0);
	snapshot_fini(&s);
	munmap(mem, AREA);
}

static void
memory_outside_the_areas_is_left_alone(void **state)
{
	struct snapshot s = {0};
	char mem[64] = {0};

	(void)state;
	assert_int_equal(snapshot_add(&s, mem, 16), 0);
	snapshot_take(&s);
	memset(mem, 'x', sizeof(mem));
	snapshot_restore(&s);
	assert_int_equal(mem[15], 0);
	assert_int_equal(mem[16], 'x');
	snapshot_fini(&s);
}

static void
more_areas_than_there_is_room_for_are_refused(void **state)
{
	struct snapshot s = {0};
	char mem[8];

	(void)state;
	for (int i = 0; i < SNAPSHOT_AREAS_MAX; i++)
		assert_int_equal(snapshot_add(&s, mem, sizeof(mem)), 0);
	assert_int_equal(snapshot_add(&s, mem, sizeof(mem)), -ENOSPC);
	snapshot_fini(&s);
}

static void
a_mapping_is_found_by_its_whole_path(void **state)
{
	static const char maps[] =
	    "00400000-00500000 r-xp 00000000 08:01 1234 /usr/sbin/vr-primary\n"
	    "7d0000000000-7d0000001000 rw-s 00000000 00:19 77 /var/run/dpdk/vr-g1/config.old\n"
	    "7d0000002000-7d0000013000 rw-s 00000000 00:19 78 /var/run/dpdk/vr-g1/config\n"
	    "7d0000013000-7d0000014000 rw-s 00011000 00:19 78 /var/run/dpdk/vr-g1/config\n"
	    "7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]\n";
	void *addr;
	size_t len;

	(void)state;
	assert_int_equal(snapshot_find_mapping(maps, "/var/run/dpdk/vr-g1/config", &addr, &len), 0);
	assert_ptr_equal(addr, (void *)0x7d0000002000);
	assert_int_equal(len, 0x12000);
	assert_int_equal(snapshot_find_mapping(maps, "/var/run/dpdk/vr-g2/config", &addr, &len),
			 -ENOENT);
	assert_int_equal(snapshot_find_mapping("", "/x", &addr, &len), -ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(locks_of_a_killed_holder_are_open_again),
	    cmocka_unit_test(memory_outside_the_areas_is_left_alone),
	    cmocka_unit_test(more_areas_than_there_is_room_for_are_refused),
	    cmocka_unit_test(a_mapping_is_found_by_its_whole_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

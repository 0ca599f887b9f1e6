/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests that kill: forks that work on memory they share, dice for each of them, and numbers
 * from the environment. With FLAVOUR=fault the forks die by themselves, at injected points.
 */
#ifndef COMMON_TEST_KILLS_H
#define COMMON_TEST_KILLS_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_cycles.h>

#include "common/fault_point.h"
#include "common/test_dice.h"

#ifdef FAULT_POINTS
enum { TEST_DIES_BY_ITSELF = 1 };
#else
enum { TEST_DIES_BY_ITSELF = 0 };
#endif

/* Other numbers than any process had before. */
static inline void
any_anew(void)
{
	test_dice = (uint64_t)getpid() * UINT64_C(0x9e3779b97f4a7c15) + rte_rdtsc();
}

/* Zeroed, at a page, and the same for all forks. */
static inline void *
test_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

/* What an environment variable says, or what is usual, without and with FLAVOUR=fault. */
static inline uint64_t
test_number(const char *variable, uint64_t usual, uint64_t usual_dying)
{
	const char *text = getenv(variable);

	if (text != NULL)
		return strtoull(text, NULL, 10);
	return TEST_DIES_BY_ITSELF != 0 ? usual_dying : usual;
}

/* For a fork that dies by itself: at one of the first 'passes' passes of a point picked at random.
 */
static inline void
test_arm(const char *passes)
{
#ifdef FAULT_POINTS
	setenv("VR_FAULT", passes, 1);
	fault_point_arm();
#else
	(void)passes;
#endif
}

/*
 * As fork(); the child ends with its parent, has dice of its own, and dies of what it does wrong
 * instead of going on as if it were the test.
 */
static inline pid_t
test_fork(void)
{
	static const int wrong[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGABRT};
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
			signal(wrong[i], SIG_DFL);
		any_anew();
	}
	return pid;
}

/* Nothing but SIGKILL, ours or an injected one, may have ended it. */
static inline void
test_assert_killed(int status)
{
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail_msg("a process ended with status %x", (unsigned int)status);
}

static inline void
test_kill(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	test_assert_killed(status);
}

static inline void
test_sleep_us(uint32_t us)
{
	struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

	nanosleep(&t, NULL);
}

/* Kills a fork after at most 'us', or waits until one has died by itself; which of the 'n'. */
static inline uint32_t
test_one_dies(const pid_t *pids, uint32_t n, uint32_t us)
{
	uint32_t victim = any(n);
	int status;
	pid_t dead;

	if (TEST_DIES_BY_ITSELF == 0) {
		test_sleep_us(any(us));
		test_kill(pids[victim]);
		return victim;
	}
	dead = waitpid(-1, &status, 0);
	test_assert_killed(status);
	for (victim = 0; victim < n && pids[victim] != dead;)
		victim++;
	assert_true(victim < n);
	return victim;
}

#endif

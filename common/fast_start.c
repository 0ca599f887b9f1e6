/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Takes two waits out of rte_eal_init, which every restart pays: the time from
 * a worker's death to its replacement is mostly EAL's start.
 *
 * EAL looks for 128 cores in 32 NUMA nodes, and for 1024 cores in general,
 * present or not, some of them several times: 5000 access calls, 15 ms of 28 on
 * a machine with two cores. And where the processor does not tell its TSC
 * frequency (AMD), a primary sleeps for 100 ms to measure it. The linker sends
 * EAL's calls here instead (--wrap, see common/drivers.mk); nobody calls these
 * functions by name. They run in the thread that calls rte_eal_init, before
 * there are others.
 */
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <rte_common.h>
#include <rte_cycles.h>

/* clang-format off */
int __real_eal_cpu_detected(unsigned int cpu);
unsigned int __real_eal_cpu_socket_id(unsigned int cpu);
uint64_t __real_get_tsc_freq(void);

int __wrap_eal_cpu_detected(unsigned int cpu);
unsigned int __wrap_eal_cpu_socket_id(unsigned int cpu);
uint64_t __wrap_get_tsc_freq(void);
/* clang-format on */

#define CALIBRATION_NS    5000000
#define CALIBRATION_TRIES 8
#define TSC_ROUND_HZ      1000000

/* Per core: 0 not asked yet, else what the real function said, plus 1. */
static uint8_t detected[CPU_SETSIZE];
static uint8_t socket_ids[CPU_SETSIZE];

/*
 * Returns the highest number a core of this machine can have: the last one in
 * a list like "0-3,8-11". INT_MAX if that is not known.
 */
static unsigned int
last_possible_cpu(void)
{
	static unsigned int last;
	unsigned int from, to;
	char sep;
	FILE *f;

	if (last != 0)
		return last;
	last = INT_MAX;
	f = fopen("/sys/devices/system/cpu/possible", "re");
	if (f == NULL)
		return last;
	while (fscanf(f, "%u", &from) == 1) {
		last = from;
		if (fscanf(f, "-%u", &to) == 1)
			last = to;
		if (fscanf(f, "%c", &sep) != 1 || sep != ',')
			break;
	}
	fclose(f);
	return last;
}

int
__wrap_eal_cpu_detected(unsigned int cpu)
{
	if (cpu > last_possible_cpu())
		return 0;
	if (cpu >= RTE_DIM(detected))
		return __real_eal_cpu_detected(cpu);
	if (detected[cpu] == 0)
		detected[cpu] = 1 + (__real_eal_cpu_detected(cpu) != 0);
	return detected[cpu] - 1;
}

/* A core that is not there is in no node, which EAL calls node 0. */
unsigned int
__wrap_eal_cpu_socket_id(unsigned int cpu)
{
	if (cpu >= RTE_DIM(socket_ids))
		return __real_eal_cpu_socket_id(cpu);
	if (!__wrap_eal_cpu_detected(cpu))
		return 0;
	if (socket_ids[cpu] == 0)
		socket_ids[cpu] = 1 + __real_eal_cpu_socket_id(cpu);
	return socket_ids[cpu] - 1;
}

struct moment {
	uint64_t tsc;
	uint64_t ns;
};

/*
 * Reads both clocks as close together as they were in the best of some tries,
 * so that being preempted in between does no harm.
 */
static int
moment_now(struct moment *best)
{
	uint64_t best_width = UINT64_MAX;

	for (int i = 0; i < CALIBRATION_TRIES; i++) {
		struct timespec t;
		uint64_t before = rte_rdtsc_precise();
		int rc = clock_gettime(CLOCK_MONOTONIC_RAW, &t);
		uint64_t width = rte_rdtsc_precise() - before;

		if (rc < 0)
			return rc;
		if (width < best_width) {
			best_width = width;
			best->tsc = before + width / 2;
			best->ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
		}
	}
	return 0;
}

/* 5 ms between two readings of some 50 ns make an error of 20 ppm at most. */
uint64_t
__wrap_get_tsc_freq(void)
{
	const struct timespec pause = {.tv_nsec = CALIBRATION_NS};
	struct moment begin = {0}, end = {0};
	double hz;

	if (moment_now(&begin) < 0)
		return __real_get_tsc_freq();
	nanosleep(&pause, NULL);
	if (moment_now(&end) < 0 || end.ns <= begin.ns + CALIBRATION_NS / 2)
		return __real_get_tsc_freq();

	hz = (double)(end.tsc - begin.tsc) * 1e9 / (double)(end.ns - begin.ns);
	return (uint64_t)(hz / TSC_ROUND_HZ + 0.5) * TSC_ROUND_HZ;
}

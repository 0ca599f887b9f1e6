/* SPDX-License-Identifier: BSD-3-Clause */
/* Injected deaths, for builds with -DFAULT_POINTS. Called by the thread that passes a point. */
#include "common/fault_point.h"

#ifdef FAULT_POINTS

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* All sites of this program, collected by the linker. */
extern const struct fault_site __start_fault_sites[];
extern const struct fault_site __stop_fault_sites[];

enum { PICK_AGAIN_MS = 200 };

static bool armed, random_site, parsed;
static const char *target;
static uint64_t left, passes_max;
static uint64_t seed;
static uint64_t picked_ms;

static uint64_t
next_random(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return seed >> 33;
}

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
pick(void)
{
	target =
	    __start_fault_sites[next_random() % (size_t)(__stop_fault_sites - __start_fault_sites)]
		.name;
	left = 1 + next_random() % passes_max;
	picked_ms = now_ms();
}

void
fault_point_arm(void)
{
	static char name[64];
	const char *spec = getenv("VR_FAULT"), *program = getenv("VR_FAULT_PROGRAM");
	struct timespec now;
	const char *colon;

	parsed = true;
	armed = false;
	if (spec == NULL ||
	    (program != NULL && strcmp(program, program_invocation_short_name) != 0))
		return;
	colon = strrchr(spec, ':');
	if (colon == NULL || (size_t)(colon - spec) >= sizeof(name))
		return;
	memcpy(name, spec, (size_t)(colon - spec));
	passes_max = strtoull(colon + 1, NULL, 10);
	if (passes_max == 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	seed = (uint64_t)now.tv_nsec * 2654435761u + (uint64_t)getpid();
	armed = true;
	random_site = strcmp(name, "*") == 0;
	if (random_site) {
		pick();
		return;
	}
	target = name;
	left = passes_max;
}

static void
die(const char *name)
{
	const char *path = getenv("VR_FAULT_LOG");

	if (path != NULL) {
		char line[96];
		int n = snprintf(line, sizeof(line), "%s\n", name);
		int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

		if (fd >= 0 && write(fd, line, (size_t)n) < 0)
			close(fd);
	}
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

void
fault_point(const struct fault_site *site)
{
	if (!parsed)
		fault_point_arm();
	if (!armed)
		return;
	if (random_site && (next_random() & 0xfff) == 0 && now_ms() > picked_ms + PICK_AGAIN_MS)
		pick();
	if (strcmp(site->name, target) != 0)
		return;
	if (--left == 0)
		die(site->name);
}

#endif

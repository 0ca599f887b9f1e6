/* SPDX-License-Identifier: BSD-3-Clause */
/* Clocks and the epoll, for all modules of the primary; see primary.h. */
#include "primary/primary.h"

#include <sys/epoll.h>
#include <time.h>

uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t
now_ms(void)
{
	return now_us() / 1000;
}

uint64_t
wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int
primary_watch(struct primary *p, int fd, uint32_t events, struct watch *w)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &ev);
}

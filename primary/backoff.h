/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long to wait before a process that died is started again: not at all at first; a process that
 * keeps dying before it is ready, or within a second of it, waits 1, 2, 4, ... ms up to a limit.
 * Used by the primary's main thread (children.c).
 */
#ifndef PRIMARY_BACKOFF_H
#define PRIMARY_BACKOFF_H

#include <stdint.h>

enum { BACKOFF_LIVED_MS = 1000 };

struct backoff {
	uint32_t quick_deaths; /* in a row */
};

/* 'lived_ms' is the time since it was ready, 0 if it never was. Returns the wait in ms. */
uint64_t backoff_after_death(struct backoff *b, uint64_t lived_ms, uint64_t max_ms);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters remembered from one look at the router to the next, for rates. A value is found again by
 * a number that its owner makes up. vrctl's only thread.
 */
#ifndef CTL_CLI_SAMPLER_H
#define CTL_CLI_SAMPLER_H

#include <stdint.h>

struct sampler;

/* NULL when out of memory. */
struct sampler *sampler_create(void);
void sampler_destroy(struct sampler *s); /* NULL is fine */

/* A new look begins; only what the one before it saw is still known. 'now_us' only rises. */
void sampler_begin(struct sampler *s, uint64_t now_us);
/*
 * Remembers a counter; returns its rise per second since the look before, or a negative number if
 * it was not seen then or has fallen (its owner was made anew).
 */
double sampler_rate(struct sampler *s, uint64_t key, uint64_t value);

#endif

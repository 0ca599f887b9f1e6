/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process' descriptors of taps, by port and queue. The main thread puts them in and takes them
 * out as the primary says; slots' threads read. A descriptor taken out is closed after a grace
 * period (liburcu's QSBR: all of this is one process' own): each slot's thread has passed the top
 * of its loop since, where it holds none and is about to look at the table, or is offline.
 */
#ifndef FWD_WORKER_TAPS_H
#define FWD_WORKER_TAPS_H

#include <stdint.h>

struct taps;

/* NULL when out of memory. */
struct taps *taps_create(uint32_t n_ports);

/*
 * Main thread, which is no reader. Both wait for a grace period if they replace something. -EINVAL:
 * no such port or queue (the descriptor is closed).
 */
int taps_put(struct taps *t, uint32_t port, uint32_t queue, int fd);
void taps_remove(struct taps *t, uint32_t port, uint32_t queue);

/* Slots' threads: raised by every change. */
uint64_t taps_version(const struct taps *t);
/* -1 when there is none. To be used until the caller's next quiescent state. */
int taps_get(const struct taps *t, uint32_t port, uint32_t queue);

#endif

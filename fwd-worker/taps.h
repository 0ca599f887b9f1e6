/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process' descriptors of taps, by port and queue. The main thread puts them in and takes them
 * out as the primary says; slots' threads read. A descriptor taken out is closed when every slot's
 * thread has looked at the table since.
 */
#ifndef FWD_WORKER_TAPS_H
#define FWD_WORKER_TAPS_H

#include <stdbool.h>
#include <stdint.h>

struct taps;

/* NULL when out of memory. */
struct taps *taps_create(uint32_t n_ports, uint32_t n_slots);

/* Main thread. -EINVAL: no such port or queue (the descriptor is closed). */
int taps_put(struct taps *t, uint32_t port, uint32_t queue, int fd);
void taps_remove(struct taps *t, uint32_t port, uint32_t queue);
/* Closes what may be closed by now; true when something still waits. */
bool taps_close_retired(struct taps *t);

/* A slot's thread, the 'slot'-th of this process: raised by every change. */
uint64_t taps_version(const struct taps *t);
/* -1 when there is none. */
int taps_get(const struct taps *t, uint32_t port, uint32_t queue);
/* Nothing older than 'version' is used by this thread any more. */
void taps_seen(struct taps *t, uint32_t slot, uint64_t version);

#endif

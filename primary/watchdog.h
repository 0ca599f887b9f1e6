/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timer thread (lcore 1): kills processes whose slots' or agents' hearts stand still, watches
 * grace periods and the links of ports. It touches nothing of the main thread's but through these
 * functions.
 */
#ifndef PRIMARY_WATCHDOG_H
#define PRIMARY_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slot.h"

struct primary;
struct watchdog;

/* Needs slots, ports and the handshake; starts the thread. NULL when out of memory. */
struct watchdog *watchdog_create(struct primary *p);
/* Stops the thread and waits for it. */
void watchdog_destroy(struct watchdog *t);

/*
 * Main thread: from now on slot 'index' belongs to process 'key' (0: to nobody), which may be
 * killed through 'pidfd' until the next call.
 */
void watchdog_slot_owned(struct watchdog *t, uint32_t index, process_key key, int pidfd);
/* The same for agent 'number'. */
void watchdog_agent_owned(struct watchdog *t, uint32_t number, process_key key, int pidfd);
/* Main thread: whether the timer killed this process. */
bool watchdog_hung(struct watchdog *t, process_key key);

#endif

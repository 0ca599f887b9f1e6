/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compile-time bounds of what several processes share. Everything an operator may want to change
 * is an option (options.def) and stays at or below these.
 */
#ifndef COMMON_LIMITS_H
#define COMMON_LIMITS_H

#define CACHE_LINE 64

enum {
	SLOTS_MAX = 32,                         /* forwarding cores of one router */
	AGENTS_MAX = 16,                        /* vhost agents of one router */
	HANDS_MAX = SLOTS_MAX + AGENTS_MAX + 2, /* slots, agents, control, primary */
	BURST_MAX = 64,                         /* packets in hand of one slot: "one burst" */
	POOLS_MAX = 8,                          /* packet pools of our own */
	PORT_QUEUES_MAX = 16,                   /* RX or TX queues of one port */
	PROCESSES_MAX = 64,                     /* entries of the process table */
	NAME_LEN = 64, /* bytes of an object's name, terminating NUL included */
};

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of vr-ctl share: the configuration, the event loop, the tables, and the way to the
 * primary. One instance, made by main.c; everything here belongs to the main thread.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/tables.h"

struct batch;
struct ageing;
struct conf;
struct event_base;
struct events;
struct handshake;
struct primary;
struct rates;
struct region;
struct server;
struct traps;

struct ctl {
	const struct conf *conf;
	char **argv; /* of main() */
	struct event_base *base;
	const struct region *region; /* NULL until there is one; the server starts then */
	struct tables tables;
	const struct batch
	    *staging;            /* whose stores the redo log holds between two turns, or NULL */
	struct primary *primary; /* primary.h */
	struct ageing *ageing;   /* ageing.h; NULL: flows do not age */
	struct rates *rates;     /* rates.h */
	struct server *server;   /* server.h */
	struct traps *traps;     /* traps.h */
	struct events *events;   /* events.h; NULL: nobody can watch */
	const struct handshake *handshake; /* NULL until attached to the primary's EAL */
	/*
	 * Raised by every change. It starts from the clock, so that it does not repeat when vr-ctl
	 * is started again.
	 */
	uint64_t revision;
	/*
	 * CPU time of the longest turn of the event loop, in which nobody else's socket was looked
	 * at. main.c raises it, a reset of counters makes it 0.
	 */
	uint64_t longest_turn_us;
	int exit_status; /* of the program, or MAIN_RESTART */
};

#endif

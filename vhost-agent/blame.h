/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which guest a thread is busy with, and what follows when that ends badly. rte_vhost works on
 * memory and messages of guests that may be hostile: what it gets wrong costs this process, and the
 * next one has to know whose doing it was (common/guest.h).
 *
 * A guest that takes memory away after it shared it costs nobody anything: its memory is replaced
 * by empty pages on the spot, and the guest loses its connection.
 */
#ifndef VHOST_AGENT_BLAME_H
#define VHOST_AGENT_BLAME_H

#include <stddef.h>
#include <stdint.h>

#include "common/guest.h"

struct guest;

/* Main thread, first of all. 'event' is written when a guest's memory was replaced. */
void blame_init(uint32_t deaths_max, int event);

/* Any thread: from here on it works on this guest's behalf; NULL: on nobody's. */
extern __thread struct guest *blame_busy_with;
static inline void
blame_begin(struct guest *g)
{
	blame_busy_with = g;
}
static inline struct guest *
blame_guest(void)
{
	return blame_busy_with;
}
static inline void
blame_end(void)
{
	blame_begin(NULL);
}

/* What a guest did that its agent survived: noted and logged. */
void blame_note(struct guest *g, enum guest_offence offence, const char *what);
/* The same on a thread that must not log: the main thread does it, and closes the connection. */
void blame_close(struct guest *g, enum guest_offence offence);

/*
 * The thread that hears guests' messages: begun with one, done with it. The pump asks now and then
 * whether it still gets on. If it does not, it is interrupted, which ends whatever it waits for
 * (closing a guest's descriptor can take hours: SO_LINGER); if that does not help, the agent ends
 * itself.
 */
void blame_message_begin(struct guest *g);
void blame_message_end(void);
void blame_message_check(uint64_t now_tsc);

#endif

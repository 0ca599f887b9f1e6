/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happened to processes, slots, ports and vifs between two looks at their tables, of which the
 * first three are the primary's: it says that something happened, not what. Each look compares with
 * a copy of what the last one saw. vr-ctl's main thread only.
 *
 * Two things that happen between two looks are told apart where the tables count: a death is told
 * by its time, several by the count of restarts, repairs by the slot's generation. A link that went
 * down and up again, or a port made and removed, is not seen.
 */
#ifndef CTL_EVENT_LOOK_H
#define CTL_EVENT_LOOK_H

#include <stdint.h>

struct ctl;
struct event_look;

/* Starts from how things are now. NULL: out of memory. */
struct event_look *event_look_create(const struct ctl *ctl);
void event_look_destroy(struct event_look *l); /* NULL is fine */

/* Calls events_say() for all that happened to processes, slots and ports since the last look. */
void event_look(struct event_look *l);
/* The same for one vif. */
void event_look_vif(struct event_look *l, uint32_t id);

#endif

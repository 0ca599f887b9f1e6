/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The primary's ports: makes and removes them, publishes them to workers (common/port.h says how),
 * and makes them again after its predecessor's death. Main thread, but for ports_links().
 *
 * Requests wait until the attach token is here, so that no EAL call of ours meets an attach.
 */
#ifndef PRIMARY_PORTS_H
#define PRIMARY_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/process.h"
#include "primary/primary.h"

struct peer;

struct port_set *ports_create(struct primary *p, struct fault *f);
void ports_destroy(struct primary *p);

/* Ports of an adopted region, then those of the configuration. What fails is logged, not fatal. */
void ports_start(struct primary *p);
/* Stops devices, closes taps; the table stays for the next primary. */
void ports_release(struct primary *p, bool stop_devices);

/* Queues control's MSG_PORT_ADD or MSG_PORT_DEL; the answer goes to the process with its key. */
void ports_request(struct primary *p, struct peer *peer, const struct process_msg *m);
/* The token must be here. Carries out requests, and takes removals a step further. */
void ports_poll(struct primary *p);
/* Whether ports_poll() has something to do soon. */
bool ports_busy(struct primary *p);

/* Queues of a tap port whose descriptors workers are to have: 0 for other ports. */
uint32_t ports_tap_queues(struct primary *p, uint32_t port);
int ports_tap_fd(struct primary *p, uint32_t port, uint32_t queue);

/* Timer thread, between token_timer_begin() and _end(). */
void ports_links(struct primary *p);
/* Timer thread, at each tick: of devices with a peer alone. */
void ports_peers(struct primary *p);

#endif

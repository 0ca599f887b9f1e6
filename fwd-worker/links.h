/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which devices with a peer (PORT_RUN_PEER: memif) this process' slots may use. Such a device is
 * memory that comes with each connection, and DPDK maps and unmaps it in each process when that
 * asks for the link. That takes hundreds of messages to the primary, so slots must not be those who
 * ask; and must not be in the device's functions meanwhile. So the main thread asks: when the link
 * goes, after the port has been taken from all slots and a grace period (liburcu's QSBR, as in
 * taps.h) has passed; when it comes, before slots get the port.
 */
#ifndef FWD_WORKER_LINKS_H
#define FWD_WORKER_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/port.h"

enum {
	LINKS_LOOK_MS = 10,
	LINKS_NONE_MS = 200, /* as long as there is no such device */
};

struct links;

/* NULL when out of memory. */
struct links *links_create(uint32_t n_ports);

/*
 * Main thread, which is no reader, every LINKS_LOOK_MS. 'run' are the ports as the primary made
 * them. Returns how many devices with a peer there are. -ESTALE: a peer has come back before we
 * were done with the one before, whose memory DPDK would keep for ever: this process has to start
 * anew.
 */
int links_look(struct links *l, const struct ports *ports, const struct port_run *run);

/* Slots' threads: raised by every change. */
uint64_t links_version(const struct links *l);
/* Whether a device with a peer may be used until the caller's next quiescent state. */
bool links_up(const struct links *l, uint32_t port);

#endif

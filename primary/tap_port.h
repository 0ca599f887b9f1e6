/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taps of our own: the primary opens a descriptor for each queue, and keeps it as long as the port
 * lives; workers get copies. The interface goes when the last copy is closed, so it survives any
 * process. Main thread; tap_port_link() also on the timer thread.
 */
#ifndef PRIMARY_TAP_PORT_H
#define PRIMARY_TAP_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/fault.h"

enum { TAP_MTU_DEFAULT = 1514 }; /* as vif.mtu: Ethernet header included */

/* 0, or why an interface cannot have this name. */
int tap_port_name_check(const char *name, struct fault *f);
/*
 * Opens 'queues' descriptors of interface 'name', making it if it is not there, with link up and
 * the MTU ('mtu' includes the Ethernet header) and, unless it is NULL, this MAC. 'fresh': an
 * interface that is there belongs to somebody else, and is refused.
 */
int tap_port_open(const char *name, uint32_t queues, uint32_t mtu, const uint8_t *mac, bool fresh,
		  int *fds, struct fault *f);
/*
 * Copies descriptors of interface 'name' out of another process, which may be stopped. Finds it
 * wherever it was moved to. Returns how many of 'max'.
 */
uint32_t tap_port_rescue(pid_t pid, int pidfd, const char *name, int *fds, uint32_t max);
/* Whether the interface is up; true when it lives in another network namespace. */
bool tap_port_link(const char *name);
/* Whether it is in our network namespace. */
bool tap_port_exists(const char *name);

#endif

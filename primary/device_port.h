/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports that are DPDK devices: attach, configure, start; stop, detach. Main thread, between
 * token_eal_begin() and _end(); device_port_link() on the timer thread.
 */
#ifndef PRIMARY_DEVICE_PORT_H
#define PRIMARY_DEVICE_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/fault.h"
#include "common/port.h"

struct primary;

/* Whether these devargs mean a device on the PCI bus. */
bool device_is_pci(const char *devargs);

/* Whether the io thread polls such a virtual device, and leaves packets there until there is room.
 */
bool device_is_io(const char *devargs);
bool device_is_patient(const char *devargs);
/* Whether it is a bond; and has a port among its members, named as that or as its device. */
bool device_is_bond(const char *devargs);
bool device_bond_has(const char *bond, const char *name, const char *devargs);

/*
 * Makes a running port of p->hs->port_run[index] and the device 'devargs' names. 'queues' and 'mtu'
 * (Ethernet header included) may be 0. Fills in queues, mtu, mac and link of 'port'. A PORT_MEMBER
 * is only attached.
 */
int device_port_add(struct primary *p, uint32_t index, const char *devargs, uint32_t queues,
		    uint32_t mtu, struct port *port, struct fault *f);
/* Nobody polls it any more, and no bond has it. 'detach': not when the primary exits. */
void device_port_remove(struct primary *p, uint32_t index, bool detach);
/* Returns whether the link is up, and its speed. */
bool device_port_link(const struct port_run *run, uint32_t *mbps);

#endif

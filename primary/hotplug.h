/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices attached and detached in all processes; see hotplug.c. Main thread. */
#ifndef PRIMARY_HOTPLUG_H
#define PRIMARY_HOTPLUG_H

struct primary;

/* Before the first device is attached. */
void hotplug_init(struct primary *p);

#endif

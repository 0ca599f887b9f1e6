/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps DPDK secondaries out of DPDK's shared heap.
 *
 * rte_malloc and its relatives take a lock in shared memory: a secondary
 * killed inside one of them stops every other process at its next allocation,
 * and what it had allocated stays allocated. So all our DPDK programs are
 * linked with --wrap for these symbols (common/drivers.mk), and in a secondary
 * the calls of librte_vhost, of EAL services and of drivers get memory of the
 * process alone. In the primary they reach DPDK's heap as ever.
 *
 * Callers just call rte_malloc; what is declared here is for a process' start
 * and for its status. Every function may be called by any thread.
 */
#ifndef VR_COMMON_PRIVATE_HEAP_H
#define VR_COMMON_PRIVATE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Makes all allocations private from now on (or, with false, leaves it to the
 * EAL process type again). A secondary calls it before rte_eal_init, which
 * learns the process type only after the first constructors have run.
 */
void private_heap_force(bool private);

/* Returns whether an allocation made now would be private. */
bool private_heap_active(void);

/*
 * Returns how many calls were refused in this process: a secondary freeing or
 * resizing memory that is not its own, or creating a named DPDK object (ring,
 * hash, pool, ...), which would be linked into a list all processes walk.
 * Anything but 0 is a bug worth finding; the memory in question leaks.
 */
uint64_t private_heap_refused(void);

/* Returns the bytes asked for and not yet freed, without our headers. */
uint64_t private_heap_bytes(void);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK's lcore ids, unique over all living processes of an instance: whatever DPDK keeps by lcore
 * in shared memory then has one writer. The primary's main thread.
 */
#ifndef PRIMARY_LCORES_H
#define PRIMARY_LCORES_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_lcore.h>

#include "common/process.h"

struct lcores {
	bool taken[RTE_MAX_LCORE];
};

/* The first of 'n' ids in a row for a process of this role, or -ENOSPC. */
int lcores_take(struct lcores *l, enum process_role role, uint32_t n);
void lcores_give_back(struct lcores *l, uint32_t first, uint32_t n);

#endif

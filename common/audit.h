/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where is every mbuf? An audit stops all living slots and agents, and the primary's io thread,
 * between bursts for some microseconds (never longer than a deadline that they themselves keep, so
 * an auditor's death stalls nobody), and accounts for every object of every pool of ours.
 */
#ifndef COMMON_AUDIT_H
#define COMMON_AUDIT_H

#include <stdint.h>

#include "common/handshake.h"
#include "common/slot.h"

struct audit_result {
	char pool[32];
	char ops[32];
	uint32_t foreign;   /* 1: not our ops, nothing below but size is known */
	uint32_t size;      /* objects */
	uint32_t free;      /* in the bitmap */
	uint32_t magazines; /* in hands' magazines */
	uint32_t hands;     /* in journals and tap readers' spares */
	uint32_t rings;     /* on their way in the mesh or a ring port */
	uint32_t quarantined;
	uint32_t ports; /* in descriptor rings of drivers that retain; by elimination, 0 if none */
	uint32_t unaccounted; /* nowhere: leaked. Negative never happens: see twice */
	uint32_t twice;       /* in two places at once: two owners */
	uint32_t paused_us;   /* how long the slots stood still */
	uint32_t
	    unpaused; /* movers that disturbed it, even when tried again: the rest may be off */
};

/*
 * One result per pool, at most POOLS_MAX. Any process with the handshake, one at a time (vr-ctl
 * under its writer lock). 'agents' is the agents' table (slot.h), NULL if there is none. Returns
 * the number of pools, or a negative errno.
 */
int audit_run(const struct handshake *hs, struct slots *slots, struct slots *agents,
	      struct audit_result *results);

#endif

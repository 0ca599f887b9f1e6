/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is to be put right when a process is dead: the hands its threads left behind, their grace
 * periods, EAL's files. Main thread. Every step is idempotent.
 */
#ifndef PRIMARY_REPAIR_H
#define PRIMARY_REPAIR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/process.h"

struct peer;
struct primary;

/* How a process ended. */
struct death {
	uint64_t us; /* when we learnt of it */
	int signal;  /* 0: exited, or unknown */
	int status;  /* exit status, -1: not our child, so unknown */
	bool planned;
	bool alive; /* it goes on, as another process: nothing may be touched that it still uses */
};

struct repair_sum {
	uint32_t freed, quarantined, ring_fixed, already_free;
};

/* Hands, readers and slots of a dead peer. Its slots have no owner any more. */
void repair_process(struct primary *p, struct peer *peer, struct repair_sum *sum);
/* Of an agent that was killed because it hung, before its hand is repaired. */
void repair_blame_guest(struct primary *p, const struct peer *peer);
/* Slots of an owner that died while there was no primary: nothing of it is in this EAL generation.
 */
void repair_slots_of(struct primary *p, process_key owner);
/* Unlinks what a dead secondary left in EAL's runtime directory. */
void repair_files(struct primary *p, pid_t pid);
/* A pidfd of the process that entry 'e' means, or -1 if it is gone (its pid may be another's now).
 */
int repair_old_process(const struct process *e);

#endif

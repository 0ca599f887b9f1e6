/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entries of the region's process table: one for each process that lives, and one for the last
 * death of each identity, which is a role with its slots. The primary's main thread.
 *
 * An entry that is being taken is not in use until its state says so, which is stored last: if the
 * primary dies before that, the next one finds a free entry, or a death.
 */
#ifndef PRIMARY_ENTRY_H
#define PRIMARY_ENTRY_H

#include <stdint.h>
#include <sys/types.h>

#include "common/process.h"

/* The entry of the same identity's last death, else a free one, else the longest dead; or NULL. */
struct process *entry_find(struct processes *t, enum process_role role, uint64_t slots);

/* Takes an entry that was found for a process that begins its life at 'now_ms'; returns its key. */
process_key entry_take(struct processes *t, struct process *e, enum process_role role,
		       uint64_t slots, pid_t pid, uint64_t now_ms);

#endif

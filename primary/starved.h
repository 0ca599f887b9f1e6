/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tells a process that hangs from one that gets no CPU: reads /proc, for the timer thread.
 */
#ifndef PRIMARY_STARVED_H
#define PRIMARY_STARVED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cpu_time {
	uint64_t ns;       /* on a CPU, all threads together */
	uint32_t runnable; /* threads that run or want to */
	uint32_t stopped;  /* by a signal or a debugger */
};

/* All zero when there is no such process. */
void cpu_time_read(pid_t pid, struct cpu_time *t);

/*
 * Whether a process that stood at 'from' some 'ms' ago and at 'to' now was kept from running: it
 * wants to, or is 'asleep' for a moment and its timer is late; nobody stopped it; and it had less
 * than a tenth of a CPU.
 */
bool cpu_starved(const struct cpu_time *from, const struct cpu_time *to, uint64_t ms, bool asleep);

#endif

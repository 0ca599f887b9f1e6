/* SPDX-License-Identifier: BSD-3-Clause */
/* Words for things in the tables that several kinds of objects speak of. Main thread only. */
#ifndef CTL_DESCRIBE_H
#define CTL_DESCRIBE_H

#include <stddef.h>
#include <stdint.h>

struct process;
struct slots;

/* Role and slots, "fwd 10,11". */
void describe_process_name(const struct slots *slots, const struct process *p, char *out,
			   size_t size);

/* Of its last death: "killed by signal 9 (Killed)". */
void describe_why(const struct process *p, char *out, size_t size);

/* What is pid in a process_key. */
static inline uint32_t
describe_pid(uint64_t key)
{
	return (uint32_t)key;
}

#endif

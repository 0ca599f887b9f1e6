/* SPDX-License-Identifier: BSD-3-Clause */
/* What the main functions of programs that move packets begin with. Main thread, before others. */
#ifndef COMMON_PROGRAM_H
#define COMMON_PROGRAM_H

#include <stdint.h>

/*
 * Blocks SIGTERM and SIGINT for this thread and those it makes, ignores SIGPIPE; the descriptor
 * becomes readable when one of the two comes. A negative errno on failure.
 */
int program_signals(void);

/* Raises RLIMIT_NOFILE as far as it goes; returns how far that is. */
uint64_t program_descriptors(void);

#endif

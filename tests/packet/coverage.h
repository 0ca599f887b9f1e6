/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the cases have tried of that which .def files declare. Stages are counted as they run: the
 * linker leads their calls through here (packet.mk). For text_cases.c.
 */
#ifndef TESTS_PACKET_COVERAGE_H
#define TESTS_PACKET_COVERAGE_H

#include <stdio.h>

#include "common/drop.h"
#include "common/trap.h"

/* A line of configuration. */
void coverage_config(const char *line);
/* Expected, and seen. */
void coverage_drop(enum drop why);
void coverage_trap(enum trap_reason why);

/* Prints what no case has tried, but for the exceptions at the top of coverage.c; how many. */
int coverage_missing(FILE *out);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Words of a configuration without which some case must fail, or nothing tells whether anybody
 * heeds them: each flag that control takes, and what else may be left out. The test's only thread.
 */
#ifndef TESTS_PACKET_MUTANTS_H
#define TESTS_PACKET_MUTANTS_H

#include <stdbool.h>
#include <stddef.h>

/* "KEY=..." of lines "KIND add ...", or one value of a list there. */
struct mutant {
	const char *kind, *key;
	const char *value; /* NULL: the whole word */
	const char *tied;  /* goes with it, as control would refuse the rest; NULL: nothing */
};

/* The n-th, NULL when there are no more. */
const struct mutant *mutant_at(size_t n);

/* Copies a line without the mutant's words; 'out' has room for the line. Whether it had any. */
bool mutant_take_out(const struct mutant *m, const char *line, char *out);

#endif

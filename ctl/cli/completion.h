/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Completion of words in bash. The script asks vrctl itself, which knows objects, verbs, fields and
 * choices from the contract, and asks the router which ids and names exist. vrctl's only thread.
 */
#ifndef CTL_CLI_COMPLETION_H
#define CTL_CLI_COMPLETION_H

#include <stdio.h>

#include "ctl/cli/vrctl.h"

/* The script, for bash-completion's directory or for `source`. */
void completion_script(FILE *out);
/*
 * What the last word of 'line' (of a command that begins with vrctl) may become, one candidate in a
 * line. Of a candidate only that is printed which follows the last of = : < > in what is there, for
 * bash takes these for the ends of words. Options in the line that name a router are followed;
 * nothing is said of one that does not answer.
 */
void completion_words(struct vrctl *v, const char *line, FILE *out);

#endif

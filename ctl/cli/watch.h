/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --watch: does a command again and again. On a terminal the screen is drawn anew each time, else
 * one block follows another, an empty line between them. vrctl's only thread.
 */
#ifndef CTL_CLI_WATCH_H
#define CTL_CLI_WATCH_H

#include "ctl/cli/vrctl.h"

typedef enum exit_status command_fn(struct vrctl *v, int argc, char **argv);

/*
 * Calls 'command' every v->watch_ms until it is refused or wrong, or the first time finds no
 * router; later it waits for one that comes back. Ends with the last status.
 */
enum exit_status watch(struct vrctl *v, command_fn *command, int argc, char **argv);

/* "--watch=VALUE" in seconds, e.g. "0.5"; 'text' NULL: 2. 0 or -EINVAL. */
int watch_parse(const char *text, unsigned int *ms);

#endif

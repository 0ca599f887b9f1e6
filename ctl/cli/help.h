/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Help from the contract itself: proto/vrouter.proto is part of the program, and its comments are
 * what `vrctl help` and docs/api.md say. vrctl's only thread.
 */
#ifndef CTL_CLI_HELP_H
#define CTL_CLI_HELP_H

#include <stdio.h>

/* All commands. */
void help_overview(FILE *out);
/* One kind of object, by name; -ENOENT when there is none. */
int help_object(FILE *out, const char *kind);
/* A command that is no object; -ENOENT when there is none. */
int help_command(FILE *out, const char *command);
/* The manual page vrctl(1), for man. */
void help_manual(FILE *out);
/* docs/api.md. */
void help_reference(FILE *out);

#endif

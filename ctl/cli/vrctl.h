/* SPDX-License-Identifier: BSD-3-Clause */
/* What vrctl's commands share: the connection, the options, exit statuses. vrctl's only thread. */
#ifndef CTL_CLI_VRCTL_H
#define CTL_CLI_VRCTL_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/client/vrouter.h"

enum exit_status {
	EXIT_OK = 0,
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2,
	EXIT_CONNECTION = 3,
	EXIT_UNHEALTHY = 4,
};

struct vrctl {
	struct vrouter *router;
	const char *path; /* of the socket */
	bool json;
	bool wide;
	unsigned int width; /* of the terminal, 0: none */
	uint64_t now_ms;    /* Unix time */
};

/* Says on standard error what went wrong with the last call; returns the exit status for it. */
enum exit_status vrctl_fail(const struct vrctl *v, int code);

/* OBJECT VERB ARGUMENT...; argv[0] is the object. */
enum exit_status command_object(struct vrctl *v, int argc, char **argv);
enum exit_status command_status(struct vrctl *v, int argc, char **argv);
enum exit_status command_drops(struct vrctl *v, int argc, char **argv);
enum exit_status command_audit(struct vrctl *v, int argc, char **argv);

/*
 * Lists a kind, in a table or as JSON; 'also', unless it is NULL, sees each object too, and may not
 * end the list.
 */
enum exit_status command_list(struct vrctl *v, const char *kind, Vrouter__Object *filter,
			      vrouter_each *also, void *arg);

/* An empty object of a kind: *object, and its content, which the caller frees. NULL: unknown kind.
 */
ProtobufCMessage *command_object_create(const char *kind, Vrouter__Object *object);

#endif

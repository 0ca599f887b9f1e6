/* SPDX-License-Identifier: BSD-3-Clause */
/* What vrctl's commands share: the connection, the options, exit statuses. vrctl's only thread. */
#ifndef CTL_CLI_VRCTL_H
#define CTL_CLI_VRCTL_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/client/vrouter.h"

struct filter;
struct sampler;

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
	bool dry_run;            /* --dry-run: say what would be done */
	bool last;               /* --last: the last of them, not how many */
	bool replace;            /* --replace: delete what a configuration does not name */
	unsigned int width;      /* of the terminal, 0: none */
	unsigned int watch_ms;   /* 0: once */
	uint64_t count;          /* --count: events after which to end, 0: never */
	uint64_t now_ms;         /* Unix time */
	struct sampler *sampler; /* NULL: no rates */
};

/* Says on standard error what went wrong with the last call; returns the exit status for it. */
enum exit_status vrctl_fail(const struct vrctl *v, int code);
/* Says so, and returns the exit status for it. */
enum exit_status vrctl_no_memory(void);
uint64_t vrctl_now_ms(void);

/* A whole command: the words after the options. Commands that need no router are in main.c. */
enum exit_status command_run(struct vrctl *v, int argc, char **argv);
/* Whether a command only reads, so that it may be done again and again. */
bool command_reads(int argc, char **argv);
/* Whether it is the command events. */
bool command_is_events(int argc, char **argv);

/* OBJECT VERB ARGUMENT...; argv[0] is the object. */
enum exit_status command_object(struct vrctl *v, int argc, char **argv);
enum exit_status command_status(struct vrctl *v, int argc, char **argv);
enum exit_status command_drops(struct vrctl *v, int argc, char **argv);
enum exit_status command_audit(struct vrctl *v, int argc, char **argv);
enum exit_status command_dump(struct vrctl *v, int argc, char **argv);
enum exit_status command_events(struct vrctl *v, int argc, char **argv);
enum exit_status command_apply(struct vrctl *v, int argc, char **argv);

/*
 * Lists a kind, in a table or as JSON. 'where' (NULL: all) chooses what is shown; 'also', unless it
 * is NULL, sees each object that is, and may not end the list.
 */
enum exit_status command_list(struct vrctl *v, const char *kind, Vrouter__Object *request,
			      const struct filter *where, vrouter_each *also, void *arg);
/*
 * Finds `where` among the words from number 'from' on and understands what follows it: '*argc' is
 * then what stands before it. EXIT_OK, with '*filter' NULL if there is no `where`; else it said
 * why.
 */
enum exit_status command_where(const ProtobufCMessageDescriptor *d, int from, int *argc,
			       char *const *argv, struct filter **filter);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration: one file for all processes, and long options. Declared in options.def. Every value
 * is checked at start; a wrong one is named with its range, the file and the line.
 */
#ifndef COMMON_CONF_H
#define COMMON_CONF_H

#include <stdint.h>
#include <stdio.h>

#include "common/fault.h"
#include "common/limits.h"

enum { CONF_LIST_MAX = 64, CONF_TEXT = 256 };

struct conf_list {
	uint32_t n;
	char v[CONF_LIST_MAX][CONF_TEXT];
};

struct conf {
#define OPT_SECTION(title)
#define OPT_INT(member, name, def, min, max, unit, help) uint64_t member;
#define OPT_STR(member, name, def, help)                 char member[CONF_TEXT];
#define OPT_ENUM(member, name, def, alternatives, help)  uint32_t member;
#define OPT_LIST(member, name, help)                     struct conf_list member;
#include "common/options.def"
#undef OPT_SECTION
#undef OPT_INT
#undef OPT_STR
#undef OPT_ENUM
#undef OPT_LIST
	/* derived by conf_load() from 'slots' */
	uint32_t n_slots;
	uint32_t slot_ids[SLOTS_MAX];
	int32_t slot_cores[SLOTS_MAX]; /* -1: any */
	/* and from 'agent_cpus' */
	int32_t agent_cores[AGENTS_MAX]; /* -1: any */
};

enum { POLL_BUSY, POLL_ADAPTIVE };                             /* conf.poll */
enum { SPREAD_OFF, SPREAD_GRE, SPREAD_TUNNELS, SPREAD_PORTS }; /* conf.spread */

/* An option of one program alone, e.g. vr-primary's --spawn or vr-fwd's --slots LIST. */
struct conf_extra {
	const char *name; /* NULL ends the array */
	const char *help;
	const char *metavar; /* NULL: a flag, 'value' becomes "1" */
	const char *value;   /* out: NULL when not given */
};

void conf_defaults(struct conf *c);
/*
 * Defaults, then the file named by --config FILE (if given), then the other long options; a list
 * given on the command line replaces the file's. Handles --help, --version, --layout and
 * --config-example itself (prints and exits 0). --help shows the program's purpose ('about', one
 * sentence), 'extra' first and then all options by section. Returns 0, or a negative errno with a
 * sentence that names option, value, range, file and line.
 */
int conf_load(struct conf *c, int argc, char **argv, const char *about, struct conf_extra *extra,
	      struct fault *f);

/* A value of 'port' taken apart. */
struct conf_port {
	char name[NAME_LEN];
	char devargs[CONF_TEXT];
	uint32_t queues; /* 1 unless given */
};
int conf_port_parse(const char *value, struct conf_port *p, struct fault *f);

/* One option by name, as from the command line; also what the file's lines go through. */
int conf_set(struct conf *c, const char *name, const char *value, struct fault *f);
/* deploy/vrouter.conf.example: every option with help, range and default, commented out. */
void conf_example_print(FILE *out);

#endif

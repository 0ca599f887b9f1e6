/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration: parses, checks and shows the options of options.def. Called by every process'
 * main() before it starts anything, on its only thread.
 *
 * A value goes through the same checks wherever it comes from; where it came from is put in front
 * of the fault by the caller. What only makes sense together (the list of slots) is checked last.
 */
#include "common/conf.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <rte_version.h>

#include "common/region.h"
#include "common/version.h"

enum kind { KIND_SECTION, KIND_INT, KIND_STR, KIND_ENUM, KIND_LIST };

struct option {
	enum kind kind;
	const char *name; /* a section's title */
	const char *help;
	size_t offset; /* in struct conf */
	uint64_t def, min, max;
	const char *unit;
	const char *text; /* STR: default; ENUM: the alternatives */
};

static const struct option options[] = {
#define OPT_SECTION(title) {.kind = KIND_SECTION, .name = title},
#define OPT_INT(member, opt, dflt, low, high, what, txt) \
	{.kind = KIND_INT,                               \
	 .name = opt,                                    \
	 .help = txt,                                    \
	 .offset = offsetof(struct conf, member),        \
	 .def = dflt,                                    \
	 .min = low,                                     \
	 .max = high,                                    \
	 .unit = what},
#define OPT_STR(member, opt, dflt, txt)           \
	{.kind = KIND_STR,                        \
	 .name = opt,                             \
	 .help = txt,                             \
	 .offset = offsetof(struct conf, member), \
	 .text = dflt},
#define OPT_ENUM(member, opt, dflt, alternatives, txt) \
	{.kind = KIND_ENUM,                            \
	 .name = opt,                                  \
	 .help = txt,                                  \
	 .offset = offsetof(struct conf, member),      \
	 .def = dflt,                                  \
	 .text = alternatives},
#define OPT_LIST(member, opt, txt) \
	{.kind = KIND_LIST, .name = opt, .help = txt, .offset = offsetof(struct conf, member)},
#include "common/options.def"
#undef OPT_SECTION
#undef OPT_INT
#undef OPT_STR
#undef OPT_ENUM
#undef OPT_LIST
};
enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

/* What a conf without any 'slot' gets: one forwarding core, on any CPU. */
enum { SLOT_DEFAULT = 10, SLOT_ID_MAX = 65535, CPU_MAX = 1023 };

static void *
member(struct conf *c, const struct option *o)
{
	return (char *)c + o->offset;
}

static const struct option *
option_find(const char *name)
{
	for (int i = 0; i < OPTIONS; i++)
		if (options[i].kind != KIND_SECTION && strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

/* The i-th of "a|b|c"; NULL after the last. */
static const char *
alternative(const char *alternatives, uint32_t i, size_t *len)
{
	*len = 0;
	while (i-- > 0) {
		alternatives = strchr(alternatives, '|');
		if (alternatives == NULL)
			return NULL;
		alternatives++;
	}
	*len = strcspn(alternatives, "|");
	return alternatives;
}

static bool
is_address(const struct option *o)
{
	return strcmp(o->unit, "address") == 0;
}

/* " mbufs"; an address has no unit. */
static const char *
unit(char *buf, size_t size, const struct option *o)
{
	snprintf(buf, size, " %s", o->unit);
	return is_address(o) ? "" : buf;
}

/* Addresses are read and written in hex. */
static const char *
number(char *buf, size_t size, const struct option *o, uint64_t v)
{
	snprintf(buf, size, is_address(o) ? "0x%" PRIx64 : "%" PRIu64, v);
	return buf;
}

static int
parse_u64(const char *text, uint64_t *v)
{
	static const char suffixes[] = "kMG";
	int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
	const char *suffix;
	char *end;
	int shift;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	*v = strtoull(text, &end, base);
	if (errno != 0)
		return -errno;
	if (*end == '\0')
		return 0;
	suffix = strchr(suffixes, *end == 'K' ? 'k' : *end);
	if (suffix == NULL || end[1] != '\0')
		return -EINVAL;
	shift = 10 * (int)(suffix - suffixes + 1);
	if (*v > UINT64_MAX >> shift)
		return -ERANGE;
	*v <<= shift;
	return 0;
}

/* A decimal number that ends at 'end' (excluded). */
static int
parse_u32(const char *text, const char *end, uint32_t max, uint32_t *v)
{
	uint64_t sum = 0;

	if (text == end)
		return -EINVAL;
	for (; text < end; text++) {
		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		sum = sum * 10 + (uint64_t)(*text - '0');
		if (sum > max)
			return -ERANGE;
	}
	*v = (uint32_t)sum;
	return 0;
}

/* --- checks beyond a range --- */

static int
check_name(const char *what, const char *value, size_t max, struct fault *f)
{
	size_t n = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 "_-.");

	if (n == 0 || value[n] != '\0' || n > max || value[0] == '.')
		return fault_set(f, EINVAL,
				 "%s = %s: must be 1 to %zu letters, digits, '_', '-' or '.'", what,
				 value, max);
	return 0;
}

static int
check_path(const char *what, const char *value, size_t max, struct fault *f)
{
	if (value[0] != '/')
		return fault_set(f, EINVAL, "%s = %s: must be an absolute path", what, value);
	if (strlen(value) > max)
		return fault_set(f, ENAMETOOLONG, "%s: must not be longer than %zu bytes", what,
				 max);
	return 0;
}

static int
check_slot(const char *value, uint32_t *id, int32_t *core, struct fault *f)
{
	const char *at = strchrnul(value, '@');
	uint32_t cpu = 0;

	if (parse_u32(value, at, SLOT_ID_MAX, id) < 0 ||
	    (*at == '@' && parse_u32(at + 1, at + strlen(at), CPU_MAX, &cpu) < 0))
		return fault_set(
		    f, EINVAL,
		    "slot = %s: must be NUMBER or NUMBER@CPU, number 0 to %d, CPU 0 to %d", value,
		    SLOT_ID_MAX, CPU_MAX);
	*core = *at == '@' ? (int32_t)cpu : -1;
	return 0;
}

static int
check_agent_core(const char *value, uint32_t *agent, int32_t *core, struct fault *f)
{
	const char *at = strchrnul(value, '@');
	uint32_t cpu = 0;

	if (*at != '@' || parse_u32(value, at, AGENTS_MAX - 1, agent) < 0 ||
	    parse_u32(at + 1, at + strlen(at), CPU_MAX, &cpu) < 0)
		return fault_set(f, EINVAL,
				 "agent-core = %s: must be AGENT@CPU, agent 0 to %d, CPU 0 to %d",
				 value, AGENTS_MAX - 1, CPU_MAX);
	*core = (int32_t)cpu;
	return 0;
}

/* The last ",queues=" is ours if it is also the last argument; drivers may have one of that name.
 */
static int
take_queues(struct conf_port *p, const char *value, struct fault *f)
{
	static const char key[] = ",queues=";
	char *last = strrchr(p->devargs, ',');

	p->queues = 1;
	if (last == NULL || strncmp(last, key, sizeof(key) - 1) != 0)
		return 0;
	if (parse_u32(last + sizeof(key) - 1, last + strlen(last), PORT_QUEUES_MAX, &p->queues) <
		0 ||
	    p->queues == 0)
		return fault_set(f, EINVAL, "port = %s: queues must be 1 to %d", value,
				 PORT_QUEUES_MAX);
	*last = '\0';
	return 0;
}

int
conf_port_parse(const char *value, struct conf_port *p, struct fault *f)
{
	const char *equals = strchr(value, '=');
	int rc;

	if (equals == NULL || equals[1] == '\0')
		return fault_set(f, EINVAL, "port = %s: must be NAME=DEVARGS", value);
	if (strlen(value) >= CONF_TEXT)
		return fault_set(f, ENAMETOOLONG, "port: must be shorter than %d bytes", CONF_TEXT);
	snprintf(p->name, sizeof(p->name), "%.*s", (int)(equals - value), value);
	if ((size_t)(equals - value) >= sizeof(p->name))
		return fault_set(f, ENAMETOOLONG, "port = %s: name longer than %zu bytes", value,
				 sizeof(p->name) - 1);
	rc = check_name("port", p->name, sizeof(p->name) - 1, f);
	if (rc < 0)
		return rc;
	snprintf(p->devargs, sizeof(p->devargs), "%s", equals + 1);
	return take_queues(p, value, f);
}

/* What a value must satisfy besides its range. */
static int
check_value(const struct option *o, const char *value, uint64_t v, struct fault *f)
{
	struct conf_port port;
	uint32_t id;
	int32_t core;

#define IS(m) (o->offset == offsetof(struct conf, m))
	if (IS(ring_size) && (v & (v - 1)) != 0)
		return fault_set(f, EINVAL, "%s = %s: must be a power of two", o->name, value);
	if (IS(mbuf_size) && v % CACHE_LINE != 0)
		return fault_set(f, EINVAL, "%s = %s: must be a multiple of %d bytes", o->name,
				 value, CACHE_LINE);
	if (IS(flow_entries) && v % 2 != 0)
		return fault_set(f, EINVAL, "%s = %s: must be even, a pair has two entries",
				 o->name, value);
	if ((IS(region_address) || IS(eal_base_address)) && v % (UINT64_C(2) << 20) != 0)
		return fault_set(f, EINVAL, "%s = %s: must be a multiple of 0x200000 (2 MiB)",
				 o->name, value);
	if (IS(run_dir))
		return check_path(o->name, value, sizeof(((struct sockaddr_un *)0)->sun_path) - 32,
				  f);
	if (IS(hugepage_dir))
		return check_path(o->name, value, CONF_TEXT - 64, f);
	if (IS(control_socket) && value[0] != '\0')
		return check_path(o->name, value, sizeof(((struct sockaddr_un *)0)->sun_path) - 1,
				  f);
	if (IS(instance))
		return check_name(o->name, value, 31, f);
	if (IS(slots))
		return check_slot(value, &id, &core, f);
	if (IS(agent_cpus))
		return check_agent_core(value, &id, &core, f);
	if (IS(ports))
		return conf_port_parse(value, &port, f);
#undef IS
	return 0;
}

/* --- setting --- */

static int
set_int(struct conf *c, const struct option *o, const char *value, struct fault *f)
{
	char low[32], high[32], what[32];
	uint64_t v;
	int rc = parse_u64(value, &v);

	if (rc == -EINVAL)
		return fault_set(f, EINVAL, "%s = %s: must be a number of %s", o->name, value,
				 o->unit);
	if (rc < 0 || v < o->min || v > o->max)
		return fault_set(f, ERANGE, "%s = %s: must be %s to %s%s", o->name, value,
				 number(low, sizeof(low), o, o->min),
				 number(high, sizeof(high), o, o->max),
				 unit(what, sizeof(what), o));
	rc = check_value(o, value, v, f);
	if (rc < 0)
		return rc;
	*(uint64_t *)member(c, o) = v;
	return 0;
}

static int
set_enum(struct conf *c, const struct option *o, const char *value, struct fault *f)
{
	const char *a;
	size_t len;

	for (uint32_t i = 0; a = alternative(o->text, i, &len), a != NULL; i++) {
		if (strlen(value) == len && strncmp(value, a, len) == 0) {
			*(uint32_t *)member(c, o) = i;
			return 0;
		}
	}
	return fault_set(f, EINVAL, "%s = %s: must be one of %s", o->name, value, o->text);
}

/* Both strings and the elements of lists. */
static int
set_text(char *to, const struct option *o, const char *value, struct fault *f)
{
	int rc;

	if (strlen(value) >= CONF_TEXT)
		return fault_set(f, ENAMETOOLONG, "%s: must be shorter than %d bytes", o->name,
				 CONF_TEXT);
	rc = check_value(o, value, 0, f);
	if (rc < 0)
		return rc;
	snprintf(to, CONF_TEXT, "%s", value);
	return 0;
}

static int
set_list(struct conf *c, const struct option *o, const char *value, struct fault *f)
{
	struct conf_list *list = member(c, o);
	int rc;

	if (list->n == CONF_LIST_MAX)
		return fault_set(f, E2BIG, "%s = %s: given more than %d times", o->name, value,
				 CONF_LIST_MAX);
	rc = set_text(list->v[list->n], o, value, f);
	if (rc < 0)
		return rc;
	list->n++;
	return 0;
}

static int
option_set(struct conf *c, const struct option *o, const char *value, struct fault *f)
{
	switch (o->kind) {
	case KIND_INT:
		return set_int(c, o, value, f);
	case KIND_ENUM:
		return set_enum(c, o, value, f);
	case KIND_STR:
		return set_text(member(c, o), o, value, f);
	case KIND_LIST:
		return set_list(c, o, value, f);
	case KIND_SECTION:
		break;
	}
	return -EINVAL;
}

int
conf_set(struct conf *c, const char *name, const char *value, struct fault *f)
{
	const struct option *o = option_find(name);

	if (o == NULL)
		return fault_set(f, ENOENT, "%s: there is no such option", name);
	return option_set(c, o, value, f);
}

void
conf_defaults(struct conf *c)
{
	memset(c, 0, sizeof(*c));
	for (int i = 0; i < OPTIONS; i++) {
		const struct option *o = &options[i];

		if (o->kind == KIND_INT)
			*(uint64_t *)member(c, o) = o->def;
		else if (o->kind == KIND_ENUM)
			*(uint32_t *)member(c, o) = (uint32_t)o->def;
		else if (o->kind == KIND_STR)
			snprintf(member(c, o), CONF_TEXT, "%s", o->text);
	}
	c->n_slots = 1;
	c->slot_ids[0] = SLOT_DEFAULT;
	c->slot_cores[0] = -1;
	for (uint32_t i = 0; i < AGENTS_MAX; i++)
		c->agent_cores[i] = -1;
}

/* --- values that must fit each other --- */

static int
derive_slots(struct conf *c, struct fault *f)
{
	if (c->slots.n == 0)
		return 0; /* the default stays */
	if (c->slots.n > SLOTS_MAX)
		return fault_set(f, E2BIG, "slot: given %u times, at most %d are possible",
				 c->slots.n, SLOTS_MAX);
	c->n_slots = 0;
	for (uint32_t i = 0; i < c->slots.n; i++) {
		int rc = check_slot(c->slots.v[i], &c->slot_ids[i], &c->slot_cores[i], f);

		if (rc < 0)
			return rc;
		for (uint32_t j = 0; j < i; j++)
			if (c->slot_ids[j] == c->slot_ids[i])
				return fault_set(f, EEXIST, "slot = %s: slot %u is given twice",
						 c->slots.v[i], c->slot_ids[i]);
		c->n_slots++;
	}
	return 0;
}

static int
derive_agent_cores(struct conf *c, struct fault *f)
{
	for (uint32_t i = 0; i < AGENTS_MAX; i++)
		c->agent_cores[i] = -1;
	for (uint32_t i = 0; i < c->agent_cpus.n; i++) {
		uint32_t agent;
		int32_t core;
		int rc = check_agent_core(c->agent_cpus.v[i], &agent, &core, f);

		if (rc < 0)
			return rc;
		if (agent >= c->agents)
			return fault_set(f, ERANGE,
					 "agent-core = %s: there is no agent %u (agents = %llu)",
					 c->agent_cpus.v[i], agent, (unsigned long long)c->agents);
		if (c->agent_cores[agent] >= 0)
			return fault_set(f, EEXIST, "agent-core = %s: agent %u is given twice",
					 c->agent_cpus.v[i], agent);
		c->agent_cores[agent] = core;
	}
	return 0;
}

static int
check_ports(const struct conf *c, struct fault *f)
{
	struct conf_port a, b;

	for (uint32_t i = 0; i < c->ports.n; i++) {
		conf_port_parse(c->ports.v[i], &a, NULL);
		for (uint32_t j = 0; j < i; j++) {
			conf_port_parse(c->ports.v[j], &b, NULL);
			if (strcmp(a.name, b.name) == 0)
				return fault_set(f, EEXIST, "port = %s: port %s is given twice",
						 c->ports.v[i], a.name);
		}
	}
	return 0;
}

static int
conf_finish(struct conf *c, struct fault *f)
{
	int rc = derive_slots(c, f);

	if (rc == 0)
		rc = derive_agent_cores(c, f);
	if (rc < 0)
		return rc;
	return check_ports(c, f);
}

/* --- the file --- */

/* Puts where the refused text stands in front of why. */
static int __attribute__((format(printf, 2, 3))) fault_where(struct fault *f, const char *fmt, ...)
{
	struct fault why;
	char where[160];
	va_list ap;

	if (f == NULL)
		return -EINVAL;
	why = *f;
	va_start(ap, fmt);
	vsnprintf(where, sizeof(where), fmt, ap);
	va_end(ap);
	return fault_set(f, -why.code, "%s: %s", where, why.text);
}

static char *
trimmed(char *s)
{
	size_t n;

	s += strspn(s, " \t\r\n");
	n = strlen(s);
	while (n > 0 && strchr(" \t\r\n", s[n - 1]) != NULL)
		n--;
	s[n] = '\0';
	return s;
}

/* A comment begins with '#', at the start of a line or after a blank. */
static void
uncomment(char *line)
{
	for (char *p = line; *p != '\0'; p++) {
		if (*p == '#' && (p == line || p[-1] == ' ' || p[-1] == '\t')) {
			*p = '\0';
			return;
		}
	}
}

static int
line_set(struct conf *c, char *line, struct fault *f)
{
	char *equals;

	uncomment(line);
	line = trimmed(line);
	if (*line == '\0')
		return 0;
	equals = strchr(line, '=');
	if (equals == NULL)
		return fault_set(f, EINVAL, "%.100s: must be 'name = value'", line);
	*equals = '\0';
	return conf_set(c, trimmed(line), trimmed(equals + 1), f);
}

static int
file_load(struct conf *c, const char *path, struct fault *f)
{
	FILE *in = fopen(path, "re");
	unsigned int n = 0;
	char *line = NULL;
	size_t size = 0;
	int rc = 0;

	if (in == NULL)
		return fault_set(f, errno, "%s: %m", path);
	while (rc == 0 && getline(&line, &size, in) >= 0) {
		n++;
		rc = line_set(c, line, f);
	}
	if (rc < 0)
		rc = fault_where(f, "%s:%u", path, n);
	else if (ferror(in))
		rc = fault_set(f, EIO, "%s: cannot be read", path);
	free(line);
	fclose(in);
	return rc;
}

/* --- showing --- */

static void
default_print(FILE *out, const struct option *o)
{
	char low[32], high[32], def[32], what[32];
	size_t len;
	const char *a;

	switch (o->kind) {
	case KIND_INT:
		fprintf(out, "%s to %s%s, default %s", number(low, sizeof(low), o, o->min),
			number(high, sizeof(high), o, o->max), unit(what, sizeof(what), o),
			number(def, sizeof(def), o, o->def));
		break;
	case KIND_ENUM:
		a = alternative(o->text, (uint32_t)o->def, &len);
		fprintf(out, "%s, default %.*s", o->text, (int)len, a);
		break;
	case KIND_STR:
		fprintf(out, "default %s", o->text[0] == '\0' ? "empty" : o->text);
		break;
	default:
		fprintf(out, "may be given several times");
	}
}

static const char *
metavar(const struct option *o)
{
	switch (o->kind) {
	case KIND_INT:
		return "N";
	case KIND_ENUM:
		return o->text;
	default:
		return "TEXT";
	}
}

static void
option_help(const struct option *o)
{
	if (o->kind == KIND_SECTION) {
		printf("\n%s:\n", o->name);
		return;
	}
	printf("  --%s %s\n        %s (", o->name, metavar(o), o->help);
	default_print(stdout, o);
	printf(")\n");
}

static void
help_print(const char *about, const struct conf_extra *extra)
{
	printf("%s: %s\n\nUsage: %s [OPTION]...\n\n", program_invocation_short_name, about,
	       program_invocation_short_name);
	for (; extra != NULL && extra->name != NULL; extra++)
		printf("  --%s%s%s\n        %s\n", extra->name, extra->metavar != NULL ? " " : "",
		       extra->metavar != NULL ? extra->metavar : "", extra->help);
	printf(
	    "  --config FILE\n        read options from FILE, lines 'name = value'; the command "
	    "line wins\n"
	    "  --config-example\n        print a configuration file that names every option\n"
	    "  --help, --version\n        print this, or which build this is\n"
	    "  --layout\n        print the layouts of shared memory this program was built with\n"
	    "\nNumbers may be hexadecimal (0x...) or end in k, M or G (1024-fold).\n");
	for (int i = 0; i < OPTIONS; i++)
		option_help(&options[i]);
}

static void
version_print(void)
{
	printf("%s %s, %s\n", program_invocation_short_name, version_build(), rte_version());
	region_layouts_print();
}

static void
option_example(FILE *out, const struct option *o)
{
	char def[32];
	const char *a;
	size_t len;

	if (o->kind == KIND_SECTION) {
		fprintf(out, "\n## %s\n", o->name);
		return;
	}
	fprintf(out, "\n# %s\n# (", o->help);
	default_print(out, o);
	fprintf(out, ")\n#%s =", o->name);
	if (o->kind == KIND_INT) {
		fprintf(out, " %s", number(def, sizeof(def), o, o->def));
	} else if (o->kind == KIND_ENUM) {
		a = alternative(o->text, (uint32_t)o->def, &len);
		fprintf(out, " %.*s", (int)len, a);
	} else if (o->kind == KIND_STR && o->text[0] != '\0') {
		fprintf(out, " %s", o->text);
	}
	fputc('\n', out);
}

void
conf_example_print(FILE *out)
{
	fprintf(
	    out,
	    "# SPDX-License-Identifier: BSD-3-Clause\n"
	    "#\n"
	    "# Configuration of all processes of one router. Lines are 'name = value'; each may\n"
	    "# also be given on the command line as --name value, which wins. Numbers may be\n"
	    "# hexadecimal (0x...) or end in k, M or G (1024-fold). What stands here commented\n"
	    "# out is the default. Printed by any of the programs with --config-example.\n");
	for (int i = 0; i < OPTIONS; i++)
		option_example(out, &options[i]);
}

/* --- the command line --- */

struct args {
	int argc;
	char **argv;
	int at;
	char name[64];
	const char *value; /* after '=', NULL when there is none */
};

/* Takes the next "--name" or "--name=value". */
static int
args_next(struct args *a, struct fault *f)
{
	const char *arg = a->argv[a->at++];
	const char *equals = strchr(arg, '=');
	size_t n = equals == NULL ? strlen(arg) : (size_t)(equals - arg);

	if (strncmp(arg, "--", 2) != 0 || n == 2)
		return fault_set(f, EINVAL, "%s: options begin with --; see --help", arg);
	if (n - 2 >= sizeof(a->name))
		return fault_set(f, ENOENT, "%s: there is no such option", arg);
	memcpy(a->name, arg + 2, n - 2);
	a->name[n - 2] = '\0';
	a->value = equals == NULL ? NULL : equals + 1;
	return 0;
}

/* The value of an option that needs one, from behind '=' or the next argument. */
static int
args_value(struct args *a, struct fault *f)
{
	if (a->value != NULL)
		return 0;
	if (a->at == a->argc)
		return fault_set(f, EINVAL, "--%s needs a value", a->name);
	a->value = a->argv[a->at++];
	return 0;
}

static struct conf_extra *
extra_find(struct conf_extra *extra, const char *name)
{
	for (; extra != NULL && extra->name != NULL; extra++)
		if (strcmp(extra->name, name) == 0)
			return extra;
	return NULL;
}

static int
extra_set(struct conf_extra *e, struct args *a, struct fault *f)
{
	if (e->metavar == NULL) {
		if (a->value != NULL)
			return fault_set(f, EINVAL, "--%s takes no value", a->name);
		e->value = "1";
		return 0;
	}
	if (args_value(a, f) < 0)
		return -EINVAL;
	e->value = a->value;
	return 0;
}

/* Answers what ends the program: exits if 'name' asks for one of those. */
static void
answer(const char *name, const char *about, const struct conf_extra *extra)
{
	if (strcmp(name, "help") == 0)
		help_print(about, extra);
	else if (strcmp(name, "version") == 0)
		version_print();
	else if (strcmp(name, "layout") == 0)
		region_layouts_print();
	else if (strcmp(name, "config-example") == 0)
		conf_example_print(stdout);
	else
		return;
	exit(fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/*
 * First round: answers --help and the like, fills 'extra', finds --config. Second round: sets the
 * options; a list given here replaces the file's.
 */
static int
args_first(struct args *a, const char *about, struct conf_extra *extra, const char **config,
	   struct fault *f)
{
	while (a->at < a->argc) {
		struct conf_extra *e;
		int rc = args_next(a, f);

		if (rc < 0)
			return rc;
		answer(a->name, about, extra);
		e = extra_find(extra, a->name);
		if (e != NULL) {
			rc = extra_set(e, a, f);
		} else if (option_find(a->name) != NULL || strcmp(a->name, "config") == 0) {
			rc = args_value(a, f);
			if (rc == 0 && strcmp(a->name, "config") == 0)
				*config = a->value;
		} else {
			rc = fault_set(f, ENOENT, "--%s: there is no such option; see --help",
				       a->name);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
args_second(struct args *a, struct conf *c, struct conf_extra *extra, struct fault *f)
{
	bool replaced[OPTIONS] = {false};

	while (a->at < a->argc) {
		const struct option *o;
		const struct conf_extra *e;
		int rc;

		args_next(a, f); /* cannot fail, it did not the first time */
		e = extra_find(extra, a->name);
		if (e != NULL && e->metavar == NULL)
			continue;
		args_value(a, f);
		o = e != NULL ? NULL : option_find(a->name);
		if (o == NULL)
			continue;
		if (o->kind == KIND_LIST && !replaced[o - options])
			((struct conf_list *)member(c, o))->n = 0;
		replaced[o - options] = true;
		rc = option_set(c, o, a->value, f);
		if (rc < 0)
			return fault_where(f, "command line");
	}
	return 0;
}

int
conf_load(struct conf *c, int argc, char **argv, const char *about, struct conf_extra *extra,
	  struct fault *f)
{
	struct args first = {.argc = argc, .argv = argv, .at = 1};
	struct args second = first;
	const char *config = NULL;
	struct fault own;
	int rc;

	if (f == NULL)
		f = &own;
	conf_defaults(c);
	rc = args_first(&first, about, extra, &config, f);
	if (rc < 0)
		return rc;
	if (config != NULL) {
		rc = file_load(c, config, f);
		if (rc < 0)
			return rc;
	}
	rc = args_second(&second, c, extra, f);
	if (rc < 0)
		return rc;
	return conf_finish(c, f);
}

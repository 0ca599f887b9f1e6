/* SPDX-License-Identifier: BSD-3-Clause */
/* What the cases have tried; see coverage.h. The test's only thread. */
#include "tests/packet/coverage.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "fwd-worker/stage.h"
#undef DROP /* of verdict.h */

/* What no configuration and no frame can bring about, and where it is tested instead. */
static const struct {
	const char *what, *name, *why;
} exceptions[] = {
    {"drop", "bad-offload", "comes of a virtio header or flags of a driver: packet_test.c"},
};

enum { NAMES_MAX = 64 };

struct set {
	const char *what; /* "drop" */
	const char *kind; /* of the objects whose lines name it, NULL: none */
	const char *key;  /* "type=" */
	const char *names[NAMES_MAX];
	bool tried[NAMES_MAX];
};

static struct set drops = {.what = "drop",
			   .names = {
#define DROP(NAME, name, text) name,
#include "common/drops.def"
#undef DROP
			   }};
static struct set traps = {.what = "trap",
			   .names = {
#define TRAP_REASON(NAME, name, truncated, text) name,
#include "common/trap_reasons.def"
#undef TRAP_REASON
			   }};
static struct set stages = {.what = "stage",
			    .names = {
#define STAGE(NAME, name, text) #name,
#include "fwd-worker/stages.def"
#undef STAGE
			    }};
static struct set nexthop_types = {.what = "nexthop type",
				   .kind = "nexthop",
				   .key = "type=",
				   .names = {
#define NEXTHOP_TYPE(NAME, name, text) name,
#include "common/nexthop_types.def"
#undef NEXTHOP_TYPE
				   }};
static struct set nexthop_flags = {.what = "nexthop flag",
				   .kind = "nexthop",
				   .key = "flags=",
				   .names = {
#define NEXTHOP_FLAG(NAME, name, text) name,
#include "common/nexthop_flags.def"
#undef NEXTHOP_FLAG
				   }};
static struct set vif_types = {.what = "vif type",
			       .kind = "vif",
			       .key = "type=",
			       .names = {
#define VIF_TYPE(NAME, name, text) name,
#include "common/vif_types.def"
#undef VIF_TYPE
			       }};
static struct set vif_flags = {.what = "vif flag",
			       .kind = "vif",
			       .key = "flags=",
			       .names = {
#define VIF_FLAG(NAME, bit, name, text)          name,
#define VIF_FLAG_LATER(NAME, number, name, text) name,
#include "common/vif_flags.def"
#undef VIF_FLAG
#undef VIF_FLAG_LATER
			       }};
static struct set *const sets[] = {&drops,         &traps,     &stages,   &nexthop_types,
				   &nexthop_flags, &vif_types, &vif_flags};
enum { SETS = sizeof(sets) / sizeof(sets[0]) };

/* Counts the bursts of a stage, and goes on to it. */
#define STAGE(NAME, name, text)                                                           \
	void __real_stage_##name(struct worker *w, struct burst *b, const struct vec *v); \
	void __wrap_stage_##name(struct worker *w, struct burst *b, const struct vec *v); \
	void __wrap_stage_##name(struct worker *w, struct burst *b, const struct vec *v)  \
	{                                                                                 \
		stages.tried[STAGE_##NAME] = true;                                        \
		__real_stage_##name(w, b, v);                                             \
	}
#include "fwd-worker/stages.def"
#undef STAGE

/* Names are written with - or _, as the place has it. */
static bool
is_name(const char *name, const char *text, size_t len)
{
	if (strlen(name) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((name[i] == '_' ? '-' : name[i]) != (text[i] == '_' ? '-' : text[i]))
			return false;
	return true;
}

static void
mark(struct set *s, const char *text, size_t len)
{
	for (uint32_t i = 0; i < NAMES_MAX && s->names[i] != NULL; i++)
		if (is_name(s->names[i], text, len))
			s->tried[i] = true;
}

/* The values of one key, apart by commas. */
static void
mark_values(struct set *s, const char *line)
{
	size_t kind = strlen(s->kind);
	const char *at;

	if (strncmp(line, s->kind, kind) != 0 || line[kind] != ' ')
		return;
	at = strstr(line, s->key);
	if (at == NULL || at[-1] != ' ')
		return;
	at += strlen(s->key);
	for (;;) {
		size_t len = strcspn(at, ", ");

		mark(s, at, len);
		if (at[len] != ',')
			return;
		at += len + 1;
	}
}

void
coverage_config(const char *line)
{
	for (uint32_t i = 0; i < SETS; i++)
		if (sets[i]->kind != NULL)
			mark_values(sets[i], line);
}

void
coverage_drop(enum drop why)
{
	drops.tried[why] = true;
}

void
coverage_trap(enum trap_reason why)
{
	traps.tried[why] = true;
}

static bool
is_exception(const char *what, const char *name)
{
	for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++)
		if (strcmp(exceptions[i].what, what) == 0 && strcmp(exceptions[i].name, name) == 0)
			return true;
	return false;
}

int
coverage_missing(FILE *out)
{
	int missing = 0;

	for (uint32_t i = 0; i < SETS; i++) {
		const struct set *s = sets[i];

		for (uint32_t k = 0; k < NAMES_MAX && s->names[k] != NULL; k++) {
			if (s->tried[k] || is_exception(s->what, s->names[k]))
				continue;
			fprintf(out, "no case in tests/packet/cases has the %s %s\n", s->what,
				s->names[k]);
			missing++;
		}
	}
	return missing;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Conditions that choose among the objects of a list; see filter.h. vrctl's only thread. */
#include "ctl/cli/filter.h"

#include <errno.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/cli/fields.h"
#include "ctl/cli/message.h"

enum operation { EQUAL, NOT_EQUAL, LESS, AT_MOST, MORE, AT_LEAST, LIKE };

struct condition {
	struct field field;
	enum operation operation;
	bool nothing;           /* compared with "-" */
	ProtobufCMessage *want; /* the field's holder with the value in it; not for LIKE */
	regex_t pattern;        /* for LIKE */
};

struct filter {
	int n;
	struct condition list[];
};

/* Longer ones first, so that "<=" is not taken for "<". */
static const struct {
	const char *text;
	enum operation operation;
} operations[] = {
    {"!=", NOT_EQUAL}, {"<=", AT_MOST}, {">=", AT_LEAST}, {"=", EQUAL},
    {"<", LESS},       {">", MORE},     {"~", LIKE},
};

/* Writes a sentence; what went wrong with memory is seen by '*why' being NULL. */
__attribute__((format(printf, 2, 3))) static int
wrong(char **why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(why, fmt, ap) < 0)
		*why = NULL;
	va_end(ap);
	return -EINVAL;
}

static int
unknown(const struct fields *fields, const char *name, char **why)
{
	char *all = NULL;
	size_t size;
	FILE *out = open_memstream(&all, &size);
	int rc;

	if (out == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < fields->n; i++)
		fprintf(out, "%s%s", i == 0 ? "" : ", ", field_short_name(&fields->list[i]));
	fclose(out);
	rc = wrong(why, "where: there is no field \"%s\"; there are %s", name, all);
	free(all);
	return rc;
}

/* What can be put in order: not choices, lists of values and messages. */
static bool
has_order(const ProtobufCFieldDescriptor *f)
{
	return f->type != PROTOBUF_C_TYPE_ENUM && f->type != PROTOBUF_C_TYPE_BOOL &&
	       f->type != PROTOBUF_C_TYPE_MESSAGE;
}

static int
parse_pattern(struct condition *c, const char *text, char **why)
{
	char said[128];
	int rc;

	rc = regcomp(&c->pattern, text, REG_EXTENDED | REG_NOSUB);
	if (rc == 0)
		return 0;
	regerror(rc, &c->pattern, said, sizeof(said));
	c->operation = EQUAL; /* nothing to free */
	return wrong(why, "where: %s: \"%s\" is no regular expression: %s", c->field.path, text,
		     said);
}

static int
parse_wanted(struct condition *c, const ProtobufCMessageDescriptor *d, const char *text, char **why)
{
	const ProtobufCFieldDescriptor *f = c->field.f;
	bool ordered = c->operation != EQUAL && c->operation != NOT_EQUAL;
	struct fault fault = {0};

	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return wrong(why, "where: %s can be searched with ~ only", c->field.path);
	if (ordered && !has_order(f))
		return wrong(why, "where: %s has no order; compare it with =, != or ~",
			     c->field.path);
	c->nothing = strcmp(text, "-") == 0 || (*text == '\0' && f->type == PROTOBUF_C_TYPE_STRING);
	if (c->nothing && ordered)
		return wrong(
		    why, "where: %s: nothing is neither more nor less; use = or !=", c->field.path);
	if (c->nothing)
		return 0;
	c->want = message_create(field_holder_type(&c->field, d));
	if (c->want == NULL)
		return -ENOMEM;
	if (message_set(c->want, f->name, text, &fault) < 0)
		return wrong(why, "where: %s", fault.text);
	if (message_count(c->want, f) != 1)
		return wrong(why, "where: %s is compared with one value at a time", c->field.path);
	return 0;
}

static int
parse_condition(struct condition *c, const ProtobufCMessageDescriptor *d,
		const struct fields *fields, const char *text, char **why)
{
	size_t n = strcspn(text, "=!<>~"), width = 0;
	const struct field *field;
	char name[FIELD_PATH_LEN];

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]) && width == 0; i++) {
		size_t k = strlen(operations[i].text);

		if (strncmp(text + n, operations[i].text, k) == 0) {
			c->operation = operations[i].operation;
			width = k;
		}
	}
	if (n == 0 || width == 0)
		return wrong(why,
			     "where: \"%s\" is not of the form FIELD=VALUE (or != < <= > >= ~); a "
			     "shell takes < and > for itself unless they are quoted",
			     text);
	snprintf(name, sizeof(name), "%.*s", (int)n, text);
	field = fields_find(fields, name);
	if (field == NULL)
		return unknown(fields, name, why);
	c->field = *field;
	if (c->operation == LIKE)
		return parse_pattern(c, text + n + width, why);
	return parse_wanted(c, d, text + n + width, why);
}

int
filter_parse(const ProtobufCMessageDescriptor *d, int n, char *const *conditions,
	     struct filter **filter, char **why)
{
	struct fields fields;
	struct filter *made;
	int rc = 0;

	*why = NULL;
	*filter = NULL;
	if (n == 0)
		return wrong(why, "where: a condition is missing, such as FIELD=VALUE");
	made = calloc(1, sizeof(*made) + (size_t)n * sizeof(made->list[0]));
	if (made == NULL)
		return -ENOMEM;
	fields_of(d, &fields);
	while (rc == 0 && made->n < n) {
		struct condition *c = &made->list[made->n];

		rc = parse_condition(c, d, &fields, conditions[made->n], why);
		made->n++;
	}
	if (rc < 0) {
		/* The last one may have stopped before it had a pattern. */
		if (made->list[made->n - 1].operation == LIKE)
			made->list[made->n - 1].operation = EQUAL;
		filter_free(made);
		return rc;
	}
	*filter = made;
	return 0;
}

void
filter_free(struct filter *filter)
{
	if (filter == NULL)
		return;
	for (int i = 0; i < filter->n; i++) {
		if (filter->list[i].operation == LIKE)
			regfree(&filter->list[i].pattern);
		if (filter->list[i].want != NULL)
			protobuf_c_message_free_unpacked(filter->list[i].want, NULL);
	}
	free(filter);
}

static bool
holds_order(enum operation operation, int order)
{
	switch (operation) {
	case EQUAL:
	case NOT_EQUAL:
		return order == 0;
	case LESS:
		return order < 0;
	case AT_MOST:
		return order <= 0;
	case MORE:
		return order > 0;
	default:
		return order >= 0;
	}
}

static bool
holds_pattern(const struct condition *c, const ProtobufCMessage *m)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool holds;

	if (out == NULL)
		return false;
	message_print_exact(out, m, c->field.f);
	fclose(out);
	holds = regexec(&c->pattern, text, 0, NULL, 0) == 0;
	free(text);
	return holds;
}

/* != is that = does not hold, also for what is absent. */
static bool
holds(const struct condition *c, const ProtobufCMessage *m)
{
	const ProtobufCMessage *in = field_holder(&c->field, m);
	const ProtobufCFieldDescriptor *f = c->field.f;
	bool absent = in == NULL || !message_has(in, f), found = false;

	if (c->operation == LIKE)
		return !absent && holds_pattern(c, in);
	if (c->nothing)
		return absent == (c->operation == EQUAL);
	for (size_t i = 0; !absent && i < message_count(in, f) && !found; i++)
		found = holds_order(c->operation, message_compare(f, message_value(in, f, i),
								  message_value(c->want, f, 0)));
	return found != (c->operation == NOT_EQUAL);
}

bool
filter_matches(const struct filter *filter, const ProtobufCMessage *m)
{
	for (int i = 0; filter != NULL && i < filter->n; i++)
		if (!holds(&filter->list[i], m))
			return false;
	return true;
}

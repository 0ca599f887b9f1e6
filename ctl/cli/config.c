/* SPDX-License-Identifier: BSD-3-Clause */
/* A configuration as text; see config.h. vrctl's only thread. */
#include "ctl/cli/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/cli/contract.h"
#include "ctl/cli/fields.h"
#include "ctl/cli/message.h"
#include "ctl/cli/words.h"

enum { WORDS_MAX = 1024 };

int
config_add(struct config *c, const ProtobufCFieldDescriptor *kind, ProtobufCMessage *m,
	   unsigned int line)
{
	if (c->n == c->room) {
		size_t room = c->room == 0 ? 64 : c->room * 2;
		struct config_object *list = realloc(c->list, room * sizeof(*list));

		if (list == NULL) {
			protobuf_c_message_free_unpacked(m, NULL);
			return -ENOMEM;
		}
		c->list = list;
		c->room = room;
	}
	c->list[c->n++] = (struct config_object){kind, m, line};
	return 0;
}

void
config_free(struct config *c)
{
	for (size_t i = 0; i < c->n; i++)
		protobuf_c_message_free_unpacked(c->list[i].m, NULL);
	free(c->list);
	*c = (struct config){0};
}

/* --- order --- */

int
config_compare(const struct config_object *a, const struct config_object *b)
{
	const ProtobufCFieldDescriptor *keys[CONTRACT_KEYS_MAX];
	unsigned int n;

	if (a->kind->id != b->kind->id)
		return a->kind->id < b->kind->id ? -1 : 1;
	n = contract_keys(a->kind->descriptor, keys);
	for (unsigned int i = 0; i < n; i++) {
		size_t x = message_count(a->m, keys[i]), y = message_count(b->m, keys[i]);
		int order = (x > y) - (x < y);

		if (order == 0 && x != 0)
			order = message_compare(keys[i], message_value(a->m, keys[i], 0),
						message_value(b->m, keys[i], 0));
		if (order != 0)
			return order;
	}
	return 0;
}

static int
compare_with_lines(const void *a, const void *b)
{
	const struct config_object *x = a, *y = b;
	int order = config_compare(x, y);

	return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

void
config_sort(struct config *c)
{
	if (c->n > 1)
		qsort(c->list, c->n, sizeof(*c->list), compare_with_lines);
}

/* --- to text --- */

/* What only the router says, and refuses in a write. */
static bool
is_state(const ProtobufCFieldDescriptor *f)
{
	return f->type == PROTOBUF_C_TYPE_MESSAGE && strcmp(f->name, "state") == 0;
}

static void
print_value(FILE *out, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	char *text = NULL;
	size_t size;
	FILE *exact = open_memstream(&text, &size);

	if (exact == NULL)
		return;
	message_print_exact(exact, m, f);
	fclose(exact);
	if (size != 0)
		words_quote(out, text);
	free(text);
}

static void
print_given(FILE *out, const ProtobufCMessage *m, const char *prefix)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;
	char inner[FIELD_PATH_LEN];
	bool any = false;

	for (unsigned int i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];

		if (is_state(f) || !message_given(m, f))
			continue;
		any = true;
		if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
			snprintf(inner, sizeof(inner), "%s%s.", prefix, f->name);
			print_given(out, message_sub(m, f), inner);
			continue;
		}
		fprintf(out, " %s%s=", prefix, f->name);
		print_value(out, m, f);
	}
	/* A part that is there with nothing in it is more than none. */
	if (!any && *prefix != '\0' && d->n_fields > 0)
		fprintf(out, " %s%s=%s", prefix, d->fields[0].name,
			message_is_scalar(&d->fields[0]) ? "0" : "");
}

void
config_print(FILE *out, const struct config_object *o)
{
	fprintf(out, "%s add", o->kind->name);
	print_given(out, o->m, "");
}

void
config_print_key(FILE *out, const struct config_object *o)
{
	const ProtobufCFieldDescriptor *keys[CONTRACT_KEYS_MAX];
	unsigned int n = contract_keys(o->kind->descriptor, keys);

	fputs(o->kind->name, out);
	for (unsigned int i = 0; i < n; i++) {
		fprintf(out, " %s=", keys[i]->name);
		print_value(out, o->m, keys[i]);
	}
}

/* --- from text --- */

struct parser {
	struct config *config;
	const char *name;
	FILE *err;
	unsigned int line;
	int mistakes;
};

static void
mistake(struct parser *p, unsigned int line)
{
	fprintf(p->err, "%s:%u: ", p->name, line);
	p->mistakes++;
}

static bool
has_keys(struct parser *p, const struct config_object *o)
{
	const ProtobufCFieldDescriptor *keys[CONTRACT_KEYS_MAX];
	unsigned int n = contract_keys(o->kind->descriptor, keys);

	for (unsigned int i = 0; i < n; i++) {
		if (message_has(o->m, keys[i]))
			continue;
		mistake(p, p->line);
		fprintf(p->err, "%s: %s is missing; give it as %s=...\n", o->kind->name,
			keys[i]->name, keys[i]->name);
		return false;
	}
	return true;
}

/* The object that a line describes; NULL: it was a mistake, or memory is out (-ENOMEM in *rc). */
static ProtobufCMessage *
parse_words(struct parser *p, const ProtobufCFieldDescriptor *kind, char **words, int n, int *rc)
{
	ProtobufCMessage *m = message_create(kind->descriptor);
	struct config_object o = {kind, m, p->line};
	struct fault f = {0};

	if (m == NULL) {
		*rc = -ENOMEM;
		return NULL;
	}
	for (int i = 2; i < n; i++) {
		if (words_argument(m, VROUTER__OP__ADD, words[i], &f) == 0)
			continue;
		mistake(p, p->line);
		fprintf(p->err, "%s: %s; `vrctl help %s` shows its fields\n", kind->name, f.text,
			kind->name);
		goto free_message;
	}
	if (has_keys(p, &o))
		return m;

free_message:
	protobuf_c_message_free_unpacked(m, NULL);
	return NULL;
}

static int
parse_line(struct parser *p, char *line)
{
	const ProtobufCFieldDescriptor *kind;
	char *words[WORDS_MAX];
	struct fault f = {0};
	ProtobufCMessage *m;
	int n, rc = 0;

	n = words_split(line, words, WORDS_MAX, &f);
	if (n == 0)
		return 0;
	if (n < 0) {
		mistake(p, p->line);
		fprintf(p->err, "%s\n", f.text);
		return 0;
	}
	kind = words_kind(words[0]);
	if (kind == NULL) {
		mistake(p, p->line);
		words_unknown_kind(p->err, words[0]);
		fputc('\n', p->err);
		return 0;
	}
	if ((contract_ops(kind->descriptor) & 1u << VROUTER__OP__ADD) == 0) {
		mistake(p, p->line);
		fprintf(p->err, "%s is nothing that can be added\n", words[0]);
		return 0;
	}
	if (n < 2 || strcmp(words[1], "add") != 0) {
		mistake(p, p->line);
		fprintf(p->err,
			"%s: a configuration says `%s add` only, not \"%s\"; --replace deletes "
			"what it does not name\n",
			words[0], words[0], n < 2 ? "" : words[1]);
		return 0;
	}
	m = parse_words(p, kind, words, n, &rc);
	return m != NULL ? config_add(p->config, kind, m, p->line) : rc;
}

static void
find_doubles(struct parser *p)
{
	const struct config *c = p->config;

	for (size_t i = 1; i < c->n; i++) {
		if (config_compare(&c->list[i - 1], &c->list[i]) != 0)
			continue;
		mistake(p, c->list[i].line);
		config_print_key(p->err, &c->list[i]);
		fprintf(p->err, " is in line %u already\n", c->list[i - 1].line);
	}
}

int
config_parse(struct config *c, FILE *in, const char *name, FILE *err)
{
	struct parser p = {.config = c, .name = name, .err = err};
	char *line = NULL;
	size_t room = 0;
	int rc = 0;

	while (rc == 0 && getline(&line, &room, in) >= 0) {
		p.line++;
		rc = parse_line(&p, line);
	}
	if (rc == 0 && ferror(in))
		rc = -EIO;
	free(line);
	if (rc < 0) {
		fprintf(err, "%s: %s\n", name, strerror(-rc));
		return rc;
	}
	config_sort(c);
	find_doubles(&p);
	return p.mistakes;
}

/* --- differences --- */

/*
 * What the contract's comment says a field is when it is not given ("0: 1514", "empty: ..."), as
 * text without its end; false if it says nothing.
 */
static bool
default_of(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f, char *text,
	   size_t size)
{
	static const char *const words[] = {"0: ", "empty: ", "absent: "};
	char name[2 * CONTRACT_NAME_LEN];
	const char *comment, *at = NULL;
	size_t n = 0;

	snprintf(name, sizeof(name), "%s.%s", d->name, f->name);
	comment = contract_comment(name);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && at == NULL; i++) {
		at = strstr(comment, words[i]);
		if (at != NULL && at != comment && at[-1] != ' ')
			at = NULL;
		n = strlen(words[i]);
	}
	if (at == NULL)
		return false;
	at += n;
	for (n = 0; at[n] != '\0' && strchr(";,\n", at[n]) == NULL; n++)
		if (at[n] == '.' && (at[n + 1] == ' ' || at[n + 1] == '\0'))
			break;
	snprintf(text, size, "%.*s", (int)n, at);
	if (strcmp(text, "one") == 0)
		snprintf(text, size, "1");
	return true;
}

/* Whether a field that was not given may well be what it is in 'have'. */
static bool
is_default(const ProtobufCMessage *have, const ProtobufCFieldDescriptor *f)
{
	ProtobufCMessage *m;
	struct fault fault = {0};
	char text[128];
	bool same = true;

	if (!default_of(have->descriptor, f, text, sizeof(text)))
		return false;
	/* In words: the router chooses. */
	if (f->type == PROTOBUF_C_TYPE_STRING || f->label == PROTOBUF_C_LABEL_REPEATED)
		return true;
	m = message_create(have->descriptor);
	if (m == NULL)
		return true;
	if (message_set(m, f->name, text, &fault) == 0)
		same = message_compare(f, message_value(have, f, 0), message_value(m, f, 0)) == 0;
	protobuf_c_message_free_unpacked(m, NULL);
	return same;
}

static bool
same_values(const ProtobufCMessage *a, const ProtobufCMessage *b, const ProtobufCFieldDescriptor *f)
{
	if (message_count(a, f) != message_count(b, f))
		return false;
	for (size_t i = 0; i < message_count(a, f); i++)
		if (message_compare(f, message_value(a, f, i), message_value(b, f, i)) != 0)
			return false;
	return true;
}

static void
print_or_nothing(FILE *out, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	if (m == NULL || !message_has(m, f))
		fputc('-', out);
	else
		print_value(out, m, f);
}

/*
 * Counts the fields that differ and writes them to 'out', unless it is NULL. Either message may be
 * NULL: a part that is not there.
 */
static unsigned int
differences(FILE *out, const char *prefix, const ProtobufCMessageDescriptor *d,
	    const ProtobufCMessage *have, const ProtobufCMessage *want, unsigned int n)
{
	char inner[FIELD_PATH_LEN];

	for (unsigned int i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		bool had = have != NULL && message_given(have, f);
		bool wanted = want != NULL && message_given(want, f);

		if (is_state(f) || (!had && !wanted))
			continue;
		if (f->type == PROTOBUF_C_TYPE_MESSAGE && f->label != PROTOBUF_C_LABEL_REPEATED) {
			unsigned int before = n;

			snprintf(inner, sizeof(inner), "%s%s.", prefix, f->name);
			n = differences(out, inner, f->descriptor,
					had ? message_sub(have, f) : NULL,
					wanted ? message_sub(want, f) : NULL, n);
			n += n == before && had != wanted;
			continue;
		}
		if (had && wanted && same_values(have, want, f))
			continue;
		if (!wanted && want != NULL && is_default(have, f))
			continue;
		if (out != NULL) {
			fprintf(out, "%s %s%s=", n == 0 ? ":" : ",", prefix, f->name);
			print_or_nothing(out, want, f);
			fputs(" (was ", out);
			print_or_nothing(out, have, f);
			fputc(')', out);
		}
		n++;
	}
	return n;
}

void
config_diff(const struct config *have, const struct config *want, bool replace, config_each *each,
	    void *arg)
{
	size_t h = 0, w = 0;

	while (h < have->n || w < want->n) {
		const struct config_object *a = h < have->n ? &have->list[h] : NULL;
		const struct config_object *b = w < want->n ? &want->list[w] : NULL;
		int order = a == NULL ? 1 : b == NULL ? -1 : config_compare(a, b);

		if (order > 0)
			each(arg, NULL, b);
		else if (order < 0 && replace)
			each(arg, a, NULL);
		else if (order == 0 &&
			 differences(NULL, "", a->kind->descriptor, a->m, b->m, 0) > 0)
			each(arg, a, b);
		h += order <= 0;
		w += order >= 0;
	}
}

void
config_print_change(FILE *out, const struct config_object *have, const struct config_object *want)
{
	if (have != NULL && want != NULL) {
		fputs("~ ", out);
		config_print_key(out, want);
		differences(out, "", want->kind->descriptor, have->m, want->m, 0);
	} else if (want != NULL) {
		fputs("+ ", out);
		config_print(out, want);
	} else if (have != NULL) {
		fputs("- ", out);
		config_print(out, have);
	}
	fputc('\n', out);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Completion of words in bash; see completion.h. vrctl's only thread. */
#include "ctl/cli/completion.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/cli/contract.h"
#include "ctl/cli/fields.h"
#include "ctl/cli/message.h"
#include "ctl/cli/words.h"

/* Enough for a person; a router that takes longer is left alone. */
enum { WORDS_MAX = 256, VALUES_MAX = 200, TIMEOUT_MS = 300 };

void
completion_script(FILE *out)
{
	fputs("# bash completion for vrctl, made by `vrctl completion bash`.\n"
	      "_vrctl()\n"
	      "{\n"
	      "\tlocal IFS=$'\\n'\n"
	      "\tCOMPREPLY=($(\"${COMP_WORDS[0]}\" completion of bash "
	      "\"${COMP_LINE:0:COMP_POINT}\" 2>/dev/null))\n"
	      "\tcase ${COMPREPLY-} in\n"
	      "\t*= | *.) compopt -o nospace ;;\n"
	      "\tesac\n"
	      "}\n"
	      "complete -o default -F _vrctl vrctl\n",
	      out);
}

/* What is asked for. */
struct query {
	FILE *out;
	const char *typed; /* the last word */
	size_t skip;       /* what of it bash has put aside */
};

/* A candidate made of two parts, if it begins with what was typed. */
static void
offer(const struct query *q, const char *head, const char *tail)
{
	char text[512];

	snprintf(text, sizeof(text), "%s%s", head, tail);
	if (strncmp(text, q->typed, strlen(q->typed)) == 0)
		fprintf(q->out, "%s\n", text + q->skip);
}

/* --- values --- */

struct values {
	const struct query *q;
	const char *head; /* "nexthop=" */
	const ProtobufCFieldDescriptor *f;
	unsigned int n;
};

static int
offer_value(void *arg, const Vrouter__Object *object)
{
	struct values *values = arg;
	const ProtobufCMessage *m = words_content(object);
	char *text = NULL;
	size_t size;
	FILE *exact;

	if (m == NULL || !message_has(m, values->f))
		return 0;
	exact = open_memstream(&text, &size);
	if (exact == NULL)
		return 1;
	message_print_exact(exact, m, values->f);
	fclose(exact);
	offer(values->q, values->head, text);
	free(text);
	return ++values->n == VALUES_MAX;
}

/* The values that a key of a kind has in the router, each as often as it occurs. */
static void
offer_existing(struct vrctl *v, const struct query *q, const char *head,
	       const ProtobufCFieldDescriptor *kind, const ProtobufCFieldDescriptor *f)
{
	struct values values = {q, head, f, 0};
	Vrouter__Object object;
	ProtobufCMessage *m;

	if ((contract_ops(kind->descriptor) & 1u << VROUTER__OP__LIST) == 0)
		return;
	m = words_object(kind, &object);
	if (m == NULL)
		return;
	vrouter_list(v->router, &object, offer_value, &values);
	protobuf_c_message_free_unpacked(m, NULL);
}

/* A field with the name of a kind holds a key of it, as do the members of a nexthop. */
static const ProtobufCFieldDescriptor *
kind_meant(const ProtobufCFieldDescriptor *kind, const ProtobufCFieldDescriptor *f)
{
	if (strcmp(f->name, "members") == 0 || strcmp(f->name, "slots") == 0)
		return strcmp(f->name, "slots") == 0 ? words_kind("slot") : kind;
	return words_kind(f->name);
}

static void
offer_values(struct vrctl *v, const struct query *q, const char *head,
	     const ProtobufCFieldDescriptor *kind, const ProtobufCFieldDescriptor *f)
{
	const ProtobufCFieldDescriptor *keys[CONTRACT_KEYS_MAX], *meant;
	const ProtobufCEnumDescriptor *choices = f->descriptor;
	char name[128];

	if (f->type == PROTOBUF_C_TYPE_BOOL) {
		offer(q, head, "yes");
		offer(q, head, "no");
		return;
	}
	for (unsigned int i = 0; f->type == PROTOBUF_C_TYPE_ENUM && i < choices->n_values; i++) {
		message_value_name(choices->values[i].name, name, sizeof(name));
		if (strstr(name, "unset") == NULL)
			offer(q, head, name);
	}
	if (f->type == PROTOBUF_C_TYPE_ENUM)
		return;
	meant = kind_meant(kind, f);
	if (meant != NULL && contract_keys(meant->descriptor, keys) == 1)
		offer_existing(v, q, head, meant, keys[0]);
	else if (protobuf_c_message_descriptor_get_field(kind->descriptor, f->id) == f)
		offer_existing(v, q, head, kind, f);
}

/* --- words of a command --- */

/* What stands before the value in the word, '=' or the like and commas included. */
static size_t
head_length(const char *word)
{
	size_t n = strcspn(word, "=!<>~"), more = strspn(word + n, "=!<>~");
	const char *comma = strrchr(word + n, ',');

	if (more == 0)
		return 0;
	return comma != NULL ? (size_t)(comma - word) + 1 : n + more;
}

static bool
is_given(char *const *words, int n, const char *path)
{
	size_t len = strlen(path);

	for (int i = 2; i < n; i++)
		if (strncmp(words[i], path, len) == 0 && words[i][len] == '=')
			return true;
	return false;
}

/* FIELD=VALUE; with 'where' all fields and other comparisons. */
static void
offer_fields(struct vrctl *v, const struct query *q, const ProtobufCFieldDescriptor *kind,
	     Vrouter__Op op, char *const *words, int n, bool where)
{
	bool keys_only = !where && (op == VROUTER__OP__GET || op == VROUTER__OP__DEL);
	size_t head = head_length(q->typed);
	struct fields fields;
	char name[256];

	fields_of(kind->descriptor, &fields);
	if (head > 0) {
		const struct field *field;

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(q->typed, "=!<>~"), q->typed);
		field = fields_find(&fields, name);
		snprintf(name, sizeof(name), "%.*s", (int)head, q->typed);
		if (field != NULL)
			offer_values(v, q, name, kind, field->f);
		return;
	}
	for (unsigned int i = 0; i < fields.n; i++) {
		const struct field *field = &fields.list[i];

		if (where) {
			offer(q, field_short_name(field), "=");
			continue;
		}
		if (strncmp(field->path, "state.", 6) == 0 || is_given(words, n, field->path) ||
		    (keys_only && !contract_is_key(kind->descriptor, field->f)))
			continue;
		offer(q, field->path, "=");
	}
	if (!where && op == VROUTER__OP__LIST)
		offer(q, "where", "");
}

static void
offer_kinds(const struct query *q)
{
	const ProtobufCMessageDescriptor *d = &vrouter__object__descriptor;

	for (unsigned int i = 0; i < d->n_fields; i++)
		offer(q, d->fields[i].name, "");
}

/* Kinds of objects that there are events about. */
static void
offer_watched(const struct query *q)
{
	const ProtobufCMessageDescriptor *d = &vrouter__object__descriptor;

	for (unsigned int i = 0; i < d->n_fields; i++)
		if ((contract_ops(d->fields[i].descriptor) & 1u << VROUTER__OP__WATCH) != 0)
			offer(q, d->fields[i].name, "");
}

static void
offer_first(const struct query *q)
{
	offer_kinds(q);
#define COMMAND(name, arguments, text) \
	if (words_kind(#name) == NULL) \
		offer(q, #name, "");
#include "ctl/cli/usage.def"
}

static void
offer_options(const struct query *q)
{
#define OPTION(name, argument, text) offer(q, "--" #name, *argument == '=' ? "=" : "");
#include "ctl/cli/usage.def"
}

static void
offer_verbs(const struct query *q, const ProtobufCFieldDescriptor *kind)
{
	const ProtobufCEnumDescriptor *ops = &vrouter__op__descriptor;
	unsigned int known = contract_ops(kind->descriptor);
	char name[32];

	for (unsigned int i = 0; i < ops->n_values; i++) {
		message_value_name(ops->values[i].name, name, sizeof(name));
		if ((known & 1u << ops->values[i].value) != 0)
			offer(q, name, "");
	}
	if (strcmp(kind->name, "mempool") == 0)
		offer(q, "audit", "");
	if (strcmp(kind->name, "route") == 0)
		offer(q, "lookup", "");
}

/* 'words' are those before the last one, without options and vrctl itself. */
static void
offer_words(struct vrctl *v, const struct query *q, char **words, int n)
{
	const ProtobufCFieldDescriptor *kind;
	Vrouter__Op op = VROUTER__OP__LIST;
	bool where = false;
	int from = 1;

	if (n == 0) {
		offer_first(q);
		return;
	}
	if (strcmp(words[0], "completion") == 0 && n == 1)
		offer(q, "bash", "");
	if (strcmp(words[0], "help") == 0 && n == 1) {
		offer_first(q);
		offer(q, "api", "");
		offer(q, "man", "");
	}
	if (strcmp(words[0], "events") == 0)
		offer_watched(q);
	kind = words_kind(strcmp(words[0], "drops") == 0 ? "drop" : words[0]);
	if (kind == NULL)
		return;
	if (strcmp(words[0], "drops") != 0) {
		if (n == 1) {
			offer_verbs(q, kind);
			return;
		}
		if (strcmp(words[0], "mempool") == 0 && strcmp(words[1], "audit") == 0)
			kind = words_kind("audit");
		else if (words_verb(words[1], &op) < 0)
			return;
		from = 2;
	}
	for (int i = from; i < n; i++)
		where |= strcmp(words[i], "where") == 0;
	offer_fields(v, q, kind, op, words, n, where);
}

/* --- the line --- */

/* Talks to the router that the line names. */
static void
follow_socket(struct vrctl *v, const char *path)
{
	struct vrouter *other = vrouter_open(path, TIMEOUT_MS);

	if (other == NULL)
		return;
	vrouter_close(v->router);
	v->router = other;
}

void
completion_words(struct vrctl *v, const char *line, FILE *out)
{
	char *copy = strdup(line), *words[WORDS_MAX], *plain[WORDS_MAX];
	size_t length = strlen(line);
	bool new_word = length > 0 && strchr(" \t", line[length - 1]) != NULL;
	struct query q = {.out = out, .typed = ""};
	struct fault f = {0};
	int n, n_plain = 0;
	bool names_file;

	if (copy == NULL)
		return;
	follow_socket(v, v->path);
	n = words_split(copy, words, WORDS_MAX, &f);
	if (n > 0 && !new_word)
		q.typed = words[--n];
	for (size_t i = 0; q.typed[i] != '\0'; i++)
		if (strchr("=:<>", q.typed[i]) != NULL)
			q.skip = i + 1;
	for (int i = 1; i < n; i++) {
		if (strcmp(words[i], "--socket") == 0 && i + 1 < n)
			follow_socket(v, words[i + 1]);
		else if (strncmp(words[i], "--socket=", 9) == 0)
			follow_socket(v, words[i] + 9);
		if (strcmp(words[i], "--socket") == 0 || strcmp(words[i], "--config") == 0 ||
		    strcmp(words[i], "--timeout") == 0)
			i++;
		else if (*words[i] != '-')
			plain[n_plain++] = words[i];
	}
	/* Files are what bash itself knows. */
	names_file = n > 0 && (strcmp(words[n - 1], "--socket") == 0 ||
			       strcmp(words[n - 1], "--config") == 0);
	if (n > 0 && !names_file && *q.typed == '-')
		offer_options(&q);
	else if (n > 0 && !names_file)
		offer_words(v, &q, plain, n_plain);
	free(copy);
}

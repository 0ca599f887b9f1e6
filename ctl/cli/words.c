/* SPDX-License-Identifier: BSD-3-Clause */
/* Words into objects; see words.h. vrctl's only thread. */
#include "ctl/cli/words.h"

#include <errno.h>
#include <string.h>

#include "ctl/cli/contract.h"
#include "ctl/cli/message.h"

const ProtobufCFieldDescriptor *
words_kind(const char *name)
{
	return protobuf_c_message_descriptor_get_field_by_name(&vrouter__object__descriptor, name);
}

void
words_unknown_kind(FILE *out, const char *name)
{
	const ProtobufCMessageDescriptor *d = &vrouter__object__descriptor;

	fprintf(out, "there is no object \"%s\"; there are", name);
	for (unsigned int i = 0; i < d->n_fields; i++)
		fprintf(out, "%s %s", i == 0 ? "" : ",", d->fields[i].name);
}

void
words_put(Vrouter__Object *object, const ProtobufCFieldDescriptor *kind, ProtobufCMessage *m)
{
	vrouter__object__init(object);
	object->kind_case = (Vrouter__Object__KindCase)kind->id;
	*(ProtobufCMessage **)((char *)object + kind->offset) = m;
}

ProtobufCMessage *
words_object(const ProtobufCFieldDescriptor *kind, Vrouter__Object *object)
{
	ProtobufCMessage *m = message_create(kind->descriptor);

	if (m != NULL)
		words_put(object, kind, m);
	return m;
}

const ProtobufCMessage *
words_content(const Vrouter__Object *object)
{
	const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(
	    &vrouter__object__descriptor, (unsigned int)object->kind_case);

	return f != NULL ? message_sub(&object->base, f) : NULL;
}

int
words_verb(const char *text, Vrouter__Op *op)
{
	const ProtobufCEnumDescriptor *d = &vrouter__op__descriptor;
	char name[32];

	for (unsigned int i = 0; i < d->n_values; i++) {
		message_value_name(d->values[i].name, name, sizeof(name));
		if (strcmp(name, text) == 0 && d->values[i].value != VROUTER__OP__OP_UNSET) {
			*op = (Vrouter__Op)d->values[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

/* A value alone: of the first key that has none yet. */
static int
set_key(ProtobufCMessage *m, const char *text, struct fault *f)
{
	const ProtobufCFieldDescriptor *keys[CONTRACT_KEYS_MAX];
	unsigned int n = contract_keys(m->descriptor, keys);

	for (unsigned int i = 0; i < n; i++)
		if (!message_has(m, keys[i]))
			return message_set(m, keys[i]->name, text, f);
	return message_set(m, m->descriptor->fields[0].name, text, f);
}

int
words_argument(ProtobufCMessage *m, Vrouter__Op op, const char *argument, struct fault *f)
{
	const char *equals = strchr(argument, '=');
	char module[64];
	int rc;

	if (equals == NULL)
		return set_key(m, argument, f);
	if (m->descriptor == &vrouter__log__descriptor && op == VROUTER__OP__SET &&
	    strncmp(argument, "module=", 7) != 0 && strncmp(argument, "level=", 6) != 0) {
		snprintf(module, sizeof(module), "%.*s", (int)(equals - argument), argument);
		rc = message_set(m, "module", module, f);
		return rc < 0 ? rc : message_set(m, "level", equals + 1, f);
	}
	return message_assign(m, argument, f);
}

/* --- lines --- */

/* One word, unquoted to where it begins. Returns what follows it, NULL: a quote has no end. */
static char *
unquote(char *at)
{
	char *to = at, quote = '\0';

	for (; *at != '\0' && (quote != '\0' || strchr(" \t\r\n", *at) == NULL); at++) {
		if (quote == '\0' && (*at == '\'' || *at == '"'))
			quote = *at;
		else if (quote != '\0' && *at == quote)
			quote = '\0';
		else if (*at == '\\' && quote != '\'' && at[1] != '\0')
			*to++ = *++at;
		else
			*to++ = *at;
	}
	if (quote != '\0')
		return NULL;
	if (*at != '\0')
		at++;
	*to = '\0';
	return at;
}

int
words_split(char *line, char **words, int max, struct fault *f)
{
	int n = 0;

	for (;;) {
		line += strspn(line, " \t\r\n");
		if (*line == '\0' || *line == '#')
			return n;
		if (n == max)
			return fault_set(f, E2BIG, "there are more than %d words", max);
		words[n++] = line;
		line = unquote(line);
		if (line == NULL)
			return fault_set(f, EINVAL, "a quote has no end");
	}
}

void
words_quote(FILE *out, const char *word)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+.,:=/@%";

	if (*word != '\0' && word[strspn(word, plain)] == '\0') {
		fputs(word, out);
		return;
	}
	fputc('\'', out);
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			fputs("'\\''", out);
		else
			fputc(*word, out);
	}
	fputc('\'', out);
}

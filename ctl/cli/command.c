/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * OBJECT VERB for every object, from the descriptors alone. A new kind of object needs nothing
 * here. vrctl's only thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/cli/message.h"
#include "ctl/cli/text_table.h"
#include "ctl/cli/vrctl.h"

enum { LEAVES_MAX = 64, PATH_LEN = 96 };

/* --- fields to show --- */

/* A field of a message, or of one of its sub-messages (not deeper). */
struct leaf {
	const ProtobufCFieldDescriptor *outer; /* NULL: a field of the message itself */
	const ProtobufCFieldDescriptor *field;
	char path[PATH_LEN];
};

static unsigned int
leaf_add(struct leaf *leaves, unsigned int n, const ProtobufCFieldDescriptor *outer,
	 const ProtobufCFieldDescriptor *field)
{
	if (n == LEAVES_MAX)
		return n;
	leaves[n].outer = outer;
	leaves[n].field = field;
	snprintf(leaves[n].path, PATH_LEN, "%s%s%s", outer != NULL ? outer->name : "",
		 outer != NULL ? "." : "", field->name);
	return n + 1;
}

static unsigned int
leaves_of(const ProtobufCMessageDescriptor *d, struct leaf *leaves)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		const ProtobufCMessageDescriptor *sub = f->descriptor;

		if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->label == PROTOBUF_C_LABEL_REPEATED) {
			n = leaf_add(leaves, n, NULL, f);
			continue;
		}
		for (unsigned int j = 0; j < sub->n_fields; j++)
			n = leaf_add(leaves, n, f, &sub->fields[j]);
	}
	return n;
}

/* The text of a leaf in a message; the caller frees it. */
static char *
leaf_text(const struct vrctl *v, const struct leaf *leaf, const ProtobufCMessage *m)
{
	const ProtobufCMessage *in = leaf->outer != NULL ? message_sub(m, leaf->outer) : m;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	if (in == NULL)
		fputc('-', out);
	else
		message_print(out, in, leaf->field, v->now_ms);
	fclose(out);
	return text;
}

/* Units that the value says itself, and the name of what is in `state`, need no room in a title. */
static void
leaf_title(const struct leaf *leaf, char *title, size_t size)
{
	static const char *const units[] = {"_time_ms", "_percent", "_us"};
	const char *name = leaf->path;

	if (strncmp(name, "state.", 6) == 0)
		name += 6;
	snprintf(title, size, "%s", name);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t n = strlen(title), k = strlen(units[i]);

		if (n > k && strcmp(title + n - k, units[i]) == 0)
			title[n - k] = '\0';
	}
	for (char *p = title; *p != '\0'; p++)
		*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
}

/* Keeps the leaves that columns.def names for the kind, in its order. */
static unsigned int
choose_columns(const char *kind, struct leaf *leaves, unsigned int n)
{
	static const struct {
		const char *kind, *fields;
	} chosen[] = {
#define COLUMNS(kind, fields) {#kind, fields},
#include "ctl/cli/columns.def"
#undef COLUMNS
	};
	struct leaf kept[LEAVES_MAX];
	const char *at = NULL;
	unsigned int n_kept = 0;

	for (size_t i = 0; i < sizeof(chosen) / sizeof(chosen[0]); i++)
		if (strcmp(chosen[i].kind, kind) == 0)
			at = chosen[i].fields;
	if (at == NULL)
		return n;
	while (*at != '\0') {
		size_t len = strcspn(at, ",");

		for (unsigned int i = 0; i < n; i++)
			if (strlen(leaves[i].path) == len && strncmp(leaves[i].path, at, len) == 0)
				kept[n_kept++] = leaves[i];
		at += len + (at[len] == ',');
	}
	memcpy(leaves, kept, n_kept * sizeof(*leaves));
	return n_kept;
}

/* --- lists --- */

struct listing {
	const struct vrctl *v;
	struct text_table *table;
	struct leaf leaves[LEAVES_MAX];
	unsigned int n_leaves;
	uint64_t n;
	vrouter_each *also;
	void *also_arg;
};

static const ProtobufCMessage *
content(const Vrouter__Object *object)
{
	const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(
	    &vrouter__object__descriptor, (unsigned int)object->kind_case);

	return f != NULL ? message_sub(&object->base, f) : NULL;
}

static int
list_json(void *arg, const Vrouter__Object *object)
{
	struct listing *l = arg;
	const ProtobufCMessage *m = content(object);

	if (m == NULL)
		return 0;
	fputs(l->n++ == 0 ? "\n  " : ",\n  ", stdout);
	message_print_json(stdout, m);
	if (l->also != NULL)
		l->also(l->also_arg, object);
	return 0;
}

static int
list_text(void *arg, const Vrouter__Object *object)
{
	struct listing *l = arg;
	const ProtobufCMessage *m = content(object);

	if (m == NULL)
		return 0;
	for (unsigned int i = 0; i < l->n_leaves; i++) {
		char *text = leaf_text(l->v, &l->leaves[i], m);

		text_table_cell(l->table, text != NULL ? text : "?");
		free(text);
	}
	l->n++;
	if (l->also != NULL)
		l->also(l->also_arg, object);
	return 0;
}

static void
list_columns(struct listing *l, const char *kind, const ProtobufCMessageDescriptor *d)
{
	char title[PATH_LEN];

	l->n_leaves = leaves_of(d, l->leaves);
	if (!l->v->wide)
		l->n_leaves = choose_columns(kind, l->leaves, l->n_leaves);
	for (unsigned int i = 0; i < l->n_leaves; i++) {
		leaf_title(&l->leaves[i], title, sizeof(title));
		text_table_column(l->table, title, message_is_number(l->leaves[i].field));
	}
}

enum exit_status
command_list(struct vrctl *v, const char *kind, Vrouter__Object *filter, vrouter_each *also,
	     void *arg)
{
	const ProtobufCMessageDescriptor *d = content(filter)->descriptor;
	struct listing l = {.v = v, .also = also, .also_arg = arg};
	int rc;

	if (v->json) {
		fputc('[', stdout);
		rc = vrouter_list(v->router, filter, list_json, &l);
		fputs(l.n > 0 ? "\n]\n" : "]\n", stdout);
		return rc < 0 ? vrctl_fail(v, rc) : EXIT_OK;
	}
	l.table = text_table_create();
	if (l.table == NULL)
		return EXIT_CONNECTION;
	list_columns(&l, kind, d);
	rc = vrouter_list(v->router, filter, list_text, &l);
	if (rc == 0) {
		text_table_hide_empty(l.table);
		text_table_print(l.table, stdout, v->width);
	}
	text_table_destroy(l.table);
	return rc < 0 ? vrctl_fail(v, rc) : EXIT_OK;
}

/* --- one object --- */

static void
show(const struct vrctl *v, const ProtobufCMessage *m)
{
	struct leaf leaves[LEAVES_MAX];
	unsigned int n = leaves_of(m->descriptor, leaves);
	int width = 0;

	if (v->json) {
		message_print_json(stdout, m);
		fputc('\n', stdout);
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		if ((int)strlen(leaves[i].path) > width)
			width = (int)strlen(leaves[i].path);
	for (unsigned int i = 0; i < n; i++) {
		char *text = leaf_text(v, &leaves[i], m);

		if (text != NULL && strcmp(text, "-") != 0)
			printf("%-*s  %s\n", width, leaves[i].path, text);
		free(text);
	}
}

static enum exit_status
call(struct vrctl *v, Vrouter__Op op, Vrouter__Object *object)
{
	Vrouter__Response *answer;
	int rc;

	rc = vrouter_call(v->router, op, object, &answer);
	if (rc == 0 && answer->object != NULL && content(answer->object) != NULL)
		show(v, content(answer->object));
	else if (rc == 0 && v->json)
		printf("{\"revision\": %llu}\n", (unsigned long long)answer->revision);
	vrouter_response_free(answer);
	return rc < 0 ? vrctl_fail(v, rc) : EXIT_OK;
}

/* --- the command line --- */

ProtobufCMessage *
command_object_create(const char *kind, Vrouter__Object *object)
{
	const ProtobufCFieldDescriptor *f =
	    protobuf_c_message_descriptor_get_field_by_name(&vrouter__object__descriptor, kind);
	ProtobufCMessage *m;

	if (f == NULL)
		return NULL;
	m = message_create(f->descriptor);
	if (m == NULL)
		return NULL;
	vrouter__object__init(object);
	object->kind_case = (Vrouter__Object__KindCase)f->id;
	*(ProtobufCMessage **)((char *)object + f->offset) = m;
	return m;
}

static enum exit_status
unknown_object(const char *name)
{
	const ProtobufCMessageDescriptor *d = &vrouter__object__descriptor;

	fprintf(stderr, "vrctl: there is no object \"%s\"; there are", name);
	for (unsigned int i = 0; i < d->n_fields; i++)
		fprintf(stderr, "%s %s", i == 0 ? "" : ",", d->fields[i].name);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

static int
parse_verb(const char *text, Vrouter__Op *op)
{
	const ProtobufCEnumDescriptor *d = &vrouter__op__descriptor;
	char name[32];

	for (unsigned int i = 0; i < d->n_values; i++) {
		message_value_name(d->values[i].name, name, sizeof(name));
		if (strcmp(name, text) == 0 && d->values[i].value != VROUTER__OP__OP_UNSET &&
		    d->values[i].value != VROUTER__OP__WATCH) {
			*op = (Vrouter__Op)d->values[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

/*
 * One argument of a command. "7" stands for the object's first field, id or name; and as in
 * `vrctl log set server=debug`, a module's name may stand where a field's would.
 */
static int
parse_argument(ProtobufCMessage *m, Vrouter__Op op, const char *argument, struct fault *f)
{
	const char *equals = strchr(argument, '=');
	char module[64];
	int rc;

	if (equals == NULL)
		return message_set(m, m->descriptor->fields[0].name, argument, f);
	if (m->descriptor == &vrouter__log__descriptor && op == VROUTER__OP__SET &&
	    strncmp(argument, "module=", 7) != 0 && strncmp(argument, "level=", 6) != 0) {
		snprintf(module, sizeof(module), "%.*s", (int)(equals - argument), argument);
		rc = message_set(m, "module", module, f);
		return rc < 0 ? rc : message_set(m, "level", equals + 1, f);
	}
	return message_assign(m, argument, f);
}

enum exit_status
command_object(struct vrctl *v, int argc, char **argv)
{
	Vrouter__Op op = VROUTER__OP__LIST;
	enum exit_status status = EXIT_USAGE;
	Vrouter__Object object;
	struct fault f = {0};
	ProtobufCMessage *m;

	m = command_object_create(argv[0], &object);
	if (m == NULL)
		return unknown_object(argv[0]);
	if (argc < 2 || parse_verb(argv[1], &op) < 0) {
		fprintf(stderr,
			"vrctl: %s%s%s: the verb is one of add, set, del, get, list; "
			"`vrctl help %s` shows more\n",
			argv[0], argc < 2 ? "" : " ", argc < 2 ? "" : argv[1], argv[0]);
		goto free_message;
	}
	for (int i = 2; i < argc; i++) {
		if (parse_argument(m, op, argv[i], &f) < 0) {
			fprintf(stderr, "vrctl: %s: %s; `vrctl help %s` shows its fields\n",
				argv[0], f.text, argv[0]);
			goto free_message;
		}
	}
	status = op == VROUTER__OP__LIST ? command_list(v, argv[0], &object, NULL, NULL)
					 : call(v, op, &object);

free_message:
	protobuf_c_message_free_unpacked(m, NULL);
	return status;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * OBJECT VERB for every object, from the descriptors alone. A new kind of object needs nothing
 * here. vrctl's only thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/cli/contract.h"
#include "ctl/cli/fields.h"
#include "ctl/cli/filter.h"
#include "ctl/cli/message.h"
#include "ctl/cli/sampler.h"
#include "ctl/cli/text_table.h"
#include "ctl/cli/vrctl.h"
#include "ctl/cli/words.h"

/* --- lists --- */

struct listing {
	const struct vrctl *v;
	const struct filter *where;
	struct text_table *table;
	struct fields fields;
	uint64_t n;
	vrouter_each *also;
	void *also_arg;
};

static int
list_json(void *arg, const Vrouter__Object *object)
{
	struct listing *l = arg;
	const ProtobufCMessage *m = words_content(object);

	if (m == NULL || !filter_matches(l->where, m))
		return 0;
	fputs(l->n++ == 0 ? "\n  " : ",\n  ", stdout);
	message_print_json(stdout, m);
	if (l->also != NULL)
		l->also(l->also_arg, object);
	return 0;
}

/* How fast a counter rises; what it is asked about again is found by the object and the field. */
static double
rate(const struct vrctl *v, const struct field *field, const ProtobufCMessage *m)
{
	uint64_t key = fields_identity(m) * 31 + field->f->id;

	for (unsigned int i = 0; field->outer[i] != NULL; i++)
		key = key * 31 + field->outer[i]->id;
	return sampler_rate(v->sampler, key, field_count(field, m));
}

static void
list_row(struct listing *l, const ProtobufCMessage *m)
{
	for (unsigned int i = 0; i < l->fields.n; i++) {
		const struct field *field = &l->fields.list[i];
		char *text = field_text(field, m, l->v->now_ms);

		text_table_cell(l->table, text != NULL ? text : "?");
		free(text);
		if (l->v->sampler != NULL && field_is_counter(field))
			text_table_rate(l->table, rate(l->v, field, m));
	}
}

static int
list_text(void *arg, const Vrouter__Object *object)
{
	struct listing *l = arg;
	const ProtobufCMessage *m = words_content(object);

	if (m == NULL || !filter_matches(l->where, m))
		return 0;
	list_row(l, m);
	l->n++;
	if (l->also != NULL)
		l->also(l->also_arg, object);
	return 0;
}

static void
list_columns(struct listing *l, const char *kind, const ProtobufCMessageDescriptor *d)
{
	char title[FIELD_PATH_LEN];

	fields_of(d, &l->fields);
	if (!l->v->wide)
		fields_choose(kind, &l->fields);
	for (unsigned int i = 0; i < l->fields.n; i++) {
		const struct field *field = &l->fields.list[i];

		field_title(field, title, sizeof(title));
		text_table_column(l->table, title, message_is_number(field->f));
		if (l->v->sampler != NULL && field_is_counter(field))
			text_table_column(l->table, "/S", true);
	}
}

enum exit_status
command_list(struct vrctl *v, const char *kind, Vrouter__Object *request,
	     const struct filter *where, vrouter_each *also, void *arg)
{
	const ProtobufCMessageDescriptor *d = words_content(request)->descriptor;
	struct listing l = {.v = v, .where = where, .also = also, .also_arg = arg};
	int rc;

	if (v->json) {
		fputc('[', stdout);
		rc = vrouter_list(v->router, request, list_json, &l);
		fputs(l.n > 0 ? "\n]\n" : "]\n", stdout);
		return rc < 0 ? vrctl_fail(v, rc) : EXIT_OK;
	}
	l.table = text_table_create();
	if (l.table == NULL)
		return vrctl_no_memory();
	list_columns(&l, kind, d);
	rc = vrouter_list(v->router, request, list_text, &l);
	if (rc == 0) {
		text_table_hide_empty(l.table);
		text_table_print(l.table, stdout, v->width);
	}
	text_table_destroy(l.table);
	return rc < 0 ? vrctl_fail(v, rc) : EXIT_OK;
}

/* --- one object --- */

static void
show_field(const struct vrctl *v, const struct field *field, const ProtobufCMessage *m, int width)
{
	char *text = field_text(field, m, v->now_ms);
	double per_second;

	if (text != NULL && strcmp(text, "-") != 0) {
		printf("%-*s  %s", width, field->path, text);
		if (v->sampler != NULL && field_is_counter(field)) {
			per_second = rate(v, field, m);
			if (per_second >= 0)
				printf("  (%.*f/s)", per_second < 10, per_second);
		}
		putchar('\n');
	}
	free(text);
}

static void
show(const struct vrctl *v, const ProtobufCMessage *m)
{
	struct fields fields;
	int width = 0;

	if (v->json) {
		message_print_json(stdout, m);
		fputc('\n', stdout);
		return;
	}
	fields_of(m->descriptor, &fields);
	for (unsigned int i = 0; i < fields.n; i++)
		if ((int)strlen(fields.list[i].path) > width)
			width = (int)strlen(fields.list[i].path);
	for (unsigned int i = 0; i < fields.n; i++)
		show_field(v, &fields.list[i], m, width);
}

static enum exit_status
call(struct vrctl *v, Vrouter__Op op, Vrouter__Object *object)
{
	Vrouter__Response *answer;
	int rc;

	rc = vrouter_call(v->router, op, object, &answer);
	if (rc == 0 && answer->object != NULL && words_content(answer->object) != NULL)
		show(v, words_content(answer->object));
	else if (rc == 0 && v->json)
		printf("{\"revision\": %llu}\n", (unsigned long long)answer->revision);
	vrouter_response_free(answer);
	return rc < 0 ? vrctl_fail(v, rc) : EXIT_OK;
}

/* --- the command line --- */

static void
print_verbs(FILE *out, const ProtobufCMessageDescriptor *d)
{
	const ProtobufCEnumDescriptor *ops = &vrouter__op__descriptor;
	const char *separator = "";
	char name[32];

	for (unsigned int i = 0; i < ops->n_values; i++) {
		if ((contract_ops(d) & 1u << ops->values[i].value) == 0)
			continue;
		message_value_name(ops->values[i].name, name, sizeof(name));
		fprintf(out, "%s%s", separator, name);
		separator = ", ";
	}
}

enum exit_status
command_where(const ProtobufCMessageDescriptor *d, int from, int *argc, char *const *argv,
	      struct filter **filter)
{
	char *why;
	int at, rc;

	*filter = NULL;
	for (at = from; at < *argc; at++)
		if (strcmp(argv[at], "where") == 0)
			break;
	if (at >= *argc)
		return EXIT_OK;
	rc = filter_parse(d, *argc - at - 1, argv + at + 1, filter, &why);
	if (rc < 0 && why == NULL)
		return vrctl_no_memory();
	if (rc < 0) {
		fprintf(stderr, "vrctl: %s: %s\n", argv[0], why);
		free(why);
		return EXIT_USAGE;
	}
	*argc = at;
	return EXIT_OK;
}

static enum exit_status
wrong_verb(int argc, char **argv, const ProtobufCMessageDescriptor *d)
{
	if (argc < 2)
		fprintf(stderr, "vrctl: %s: a verb is missing", argv[0]);
	else
		fprintf(stderr, "vrctl: %s: there is no verb \"%s\"", argv[0], argv[1]);
	fputs("; there are ", stderr);
	print_verbs(stderr, d);
	fprintf(stderr, "; `vrctl help %s` shows more\n", argv[0]);
	return EXIT_USAGE;
}

/* OBJECT watch is events OBJECT. */
static enum exit_status
watch_kind(struct vrctl *v, int argc, char **argv, const ProtobufCMessageDescriptor *d)
{
	char *events[] = {(char *)(uintptr_t) "events", argv[0]};

	if ((contract_ops(d) & 1u << VROUTER__OP__WATCH) == 0)
		return wrong_verb(argc, argv, d);
	if (argc > 2) {
		fprintf(stderr, "vrctl: %s watch takes no arguments, and not \"%s\"\n", argv[0],
			argv[2]);
		return EXIT_USAGE;
	}
	return command_events(v, 2, events);
}

enum exit_status
command_object(struct vrctl *v, int argc, char **argv)
{
	const ProtobufCFieldDescriptor *kind = words_kind(argv[0]);
	Vrouter__Op op = VROUTER__OP__LIST;
	struct filter *where = NULL;
	enum exit_status status;
	Vrouter__Object object;
	struct fault f = {0};
	ProtobufCMessage *m;

	if (kind == NULL) {
		fputs("vrctl: ", stderr);
		words_unknown_kind(stderr, argv[0]);
		fputs("; `vrctl help` says what they are\n", stderr);
		return EXIT_USAGE;
	}
	if (argc < 2 || words_verb(argv[1], &op) < 0)
		return wrong_verb(argc, argv, kind->descriptor);
	if (op == VROUTER__OP__WATCH)
		return watch_kind(v, argc, argv, kind->descriptor);
	m = words_object(kind, &object);
	if (m == NULL)
		return vrctl_no_memory();
	status = op == VROUTER__OP__LIST ? command_where(m->descriptor, 2, &argc, argv, &where)
					 : EXIT_OK;
	if (status != EXIT_OK)
		goto free_message;
	for (int i = 2; i < argc; i++) {
		if (words_argument(m, op, argv[i], &f) < 0) {
			fprintf(stderr, "vrctl: %s: %s; `vrctl help %s` shows its fields\n",
				argv[0], f.text, argv[0]);
			status = EXIT_USAGE;
			goto free_filter;
		}
	}
	status = op == VROUTER__OP__LIST ? command_list(v, argv[0], &object, where, NULL, NULL)
					 : call(v, op, &object);

free_filter:
	filter_free(where);
free_message:
	protobuf_c_message_free_unpacked(m, NULL);
	return status;
}

/* route lookup ... is route get ... longest=true. */
static enum exit_status
command_route_lookup(struct vrctl *v, int argc, char **argv)
{
	char **words = calloc((size_t)argc + 2, sizeof(*words));
	enum exit_status status;

	if (words == NULL)
		return vrctl_no_memory();
	memcpy(words, argv, (size_t)argc * sizeof(*words));
	words[1] = (char *)(uintptr_t) "get";
	words[argc] = (char *)(uintptr_t) "longest=true";
	status = command_object(v, argc + 1, words);
	free(words);
	return status;
}

/* --- all commands --- */

enum exit_status
command_run(struct vrctl *v, int argc, char **argv)
{
	if (strcmp(argv[0], "status") == 0 && (argc == 1 || strcmp(argv[1], "get") == 0))
		return command_status(v, argc, argv);
	if (strcmp(argv[0], "drops") == 0)
		return command_drops(v, argc, argv);
	if (strcmp(argv[0], "mempool") == 0 && argc > 1 && strcmp(argv[1], "audit") == 0)
		return command_audit(v, argc, argv);
	if (strcmp(argv[0], "route") == 0 && argc > 1 && strcmp(argv[1], "lookup") == 0)
		return command_route_lookup(v, argc, argv);
	if (strcmp(argv[0], "flow") == 0 && argc == 2 && strcmp(argv[1], "stats") == 0)
		return command_object(
		    v, 2,
		    (char *[]){(char *)(uintptr_t) "flow_stats", (char *)(uintptr_t) "get", NULL});
	if (strcmp(argv[0], "log") == 0 && argc == 2 && strcmp(argv[1], "get") == 0)
		return command_object(v, 2, (char *[]){argv[0], (char *)(uintptr_t) "list", NULL});
	if (strcmp(argv[0], "dump") == 0)
		return command_dump(v, argc, argv);
	if (strcmp(argv[0], "events") == 0)
		return command_events(v, argc, argv);
	if (strcmp(argv[0], "apply") == 0)
		return command_apply(v, argc, argv);
	return command_object(v, argc, argv);
}

bool
command_is_events(int argc, char **argv)
{
	Vrouter__Op op;

	return strcmp(argv[0], "events") == 0 ||
	       (argc > 1 && words_kind(argv[0]) != NULL && words_verb(argv[1], &op) == 0 &&
		op == VROUTER__OP__WATCH);
}

bool
command_reads(int argc, char **argv)
{
	Vrouter__Op op;

	if (strcmp(argv[0], "drops") == 0 || (strcmp(argv[0], "status") == 0 && argc == 1))
		return true;
	if (argc < 2)
		return false;
	if (strcmp(argv[0], "mempool") == 0 && strcmp(argv[1], "audit") == 0)
		return true;
	if ((strcmp(argv[0], "route") == 0 && strcmp(argv[1], "lookup") == 0) ||
	    (strcmp(argv[0], "flow") == 0 && strcmp(argv[1], "stats") == 0))
		return true;
	return words_verb(argv[1], &op) == 0 && (op == VROUTER__OP__LIST || op == VROUTER__OP__GET);
}

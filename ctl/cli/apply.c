/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dump and apply: the whole configuration as text, and back. Only what differs is sent, in one
 * batch, deletions first, so that a name they free can be used again. vrctl's only thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/cli/config.h"
#include "ctl/cli/message.h"
#include "ctl/cli/vrctl.h"
#include "ctl/cli/words.h"

/* --- what the router has --- */

/* A kind that is part of the configuration: it can be added and listed. */
static bool
is_configured(const Vrouter__Hello__Kind *kind)
{
	bool add = false, list = false;

	for (size_t i = 0; i < kind->n_ops; i++) {
		add |= kind->ops[i] == VROUTER__OP__ADD;
		list |= kind->ops[i] == VROUTER__OP__LIST;
	}
	return add && list;
}

static int
greet(struct vrctl *v, Vrouter__Response **hello)
{
	Vrouter__Object object = VROUTER__OBJECT__INIT;
	Vrouter__Hello empty = VROUTER__HELLO__INIT;

	object.kind_case = VROUTER__OBJECT__KIND_HELLO;
	object.hello = &empty;
	return vrouter_call(v->router, VROUTER__OP__GET, &object, hello);
}

struct collection {
	const ProtobufCFieldDescriptor *kind;
	struct config *config;
};

static int
keep(void *arg, const Vrouter__Object *object)
{
	struct collection *c = arg;
	const ProtobufCMessage *m = words_content(object);
	ProtobufCMessage *copy;
	uint8_t *packed;
	size_t size;

	if (m == NULL)
		return 0;
	size = protobuf_c_message_get_packed_size(m);
	packed = malloc(size + 1);
	if (packed == NULL)
		return -ENOMEM;
	protobuf_c_message_pack(m, packed);
	copy = protobuf_c_message_unpack(m->descriptor, NULL, size, packed);
	free(packed);
	if (copy == NULL)
		return -ENOMEM;
	/* What only the router says is no configuration, and refused in a write. */
	message_drop_sub(copy, "state");
	return config_add(c->config, c->kind, copy, 0);
}

static int
collect_kind(struct vrctl *v, const ProtobufCFieldDescriptor *kind, struct config *config)
{
	struct collection c = {kind, config};
	Vrouter__Object object;
	ProtobufCMessage *m = words_object(kind, &object);
	int rc;

	if (m == NULL)
		return -ENOMEM;
	rc = vrouter_list(v->router, &object, keep, &c);
	protobuf_c_message_free_unpacked(m, NULL);
	return rc;
}

/* All that is configured, sorted. */
static int
collect(struct vrctl *v, const Vrouter__Hello *hello, struct config *config)
{
	const ProtobufCFieldDescriptor *kind;
	int rc = 0;

	for (size_t i = 0; i < hello->n_kinds && rc == 0; i++) {
		if (!is_configured(hello->kinds[i]))
			continue;
		kind = words_kind(hello->kinds[i]->name);
		if (kind != NULL)
			rc = collect_kind(v, kind, config);
		else
			fprintf(stderr,
				"vrctl: the router has objects of the kind \"%s\", which this "
				"vrctl does not know: they are left out\n",
				hello->kinds[i]->name);
	}
	config_sort(config);
	return rc;
}

/* --- dump --- */

static void
print_config(const struct vrctl *v, const Vrouter__Hello *hello, const struct config *c)
{
	if (!v->json) {
		printf("# Configuration of a router (%s); `vrctl apply` takes it.\n",
		       hello->server);
		for (size_t i = 0; i < c->n; i++) {
			config_print(stdout, &c->list[i]);
			putchar('\n');
		}
		return;
	}
	putchar('[');
	for (size_t i = 0; i < c->n; i++) {
		printf("%s{\"%s\": ", i == 0 ? "\n  " : ",\n  ", c->list[i].kind->name);
		message_print_json(stdout, c->list[i].m);
		putchar('}');
	}
	puts(c->n > 0 ? "\n]" : "]");
}

enum exit_status
command_dump(struct vrctl *v, int argc, char **argv)
{
	Vrouter__Response *hello = NULL;
	struct config config = {0};
	int rc;

	if (argc > 1) {
		fprintf(stderr, "vrctl: dump: \"%s\" is too much; dump takes no arguments\n",
			argv[1]);
		return EXIT_USAGE;
	}
	rc = greet(v, &hello);
	if (rc == 0)
		rc = collect(v, hello->object->hello, &config);
	if (rc == 0)
		print_config(v, hello->object->hello, &config);
	config_free(&config);
	vrouter_response_free(hello);
	return rc < 0 ? vrctl_fail(v, rc) : EXIT_OK;
}

/* --- apply --- */

struct change {
	const struct config_object *have, *want; /* one of them may be NULL, see config_diff() */
};

struct changes {
	size_t n, room;
	struct change *list;
	bool failed; /* out of memory */
	size_t added, changed, deleted;
};

static void
note_change(void *arg, const struct config_object *have, const struct config_object *want)
{
	struct changes *c = arg;

	if (c->n == c->room) {
		size_t room = c->room == 0 ? 64 : c->room * 2;
		struct change *list = realloc(c->list, room * sizeof(*list));

		if (list == NULL) {
			c->failed = true;
			return;
		}
		c->list = list;
		c->room = room;
	}
	c->list[c->n++] = (struct change){have, want};
	c->added += have == NULL;
	c->deleted += want == NULL;
	c->changed += have != NULL && want != NULL;
}

/* Deletions first and in reverse, who names others before whom they name; the rest as it is. */
static int
order_of_sending(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	if ((x->want == NULL) != (y->want == NULL))
		return x->want == NULL ? -1 : 1;
	if (x->want == NULL)
		return config_compare(y->have, x->have);
	return config_compare(x->want, y->want);
}

static bool
is_taken(const Vrouter__Hello *hello, const char *kind)
{
	for (size_t i = 0; i < hello->n_kinds; i++)
		if (strcmp(hello->kinds[i]->name, kind) == 0)
			return is_configured(hello->kinds[i]);
	return false;
}

/* Whether the router knows all kinds that the file names. */
static bool
check_kinds(const Vrouter__Hello *hello, const struct config *want, const char *file)
{
	bool all = true;

	for (size_t i = 0; i < want->n; i++) {
		if (is_taken(hello, want->list[i].kind->name))
			continue;
		fprintf(stderr, "%s:%u: this router (%s) has no objects of the kind \"%s\"\n", file,
			want->list[i].line, hello->server, want->list[i].kind->name);
		all = false;
	}
	return all;
}

/* One that is added has no "have", one that is deleted no "want". */
static void
print_change_json(const struct change *c)
{
	const struct config_object *o = c->want != NULL ? c->want : c->have;

	printf("  {\"kind\": \"%s\"", o->kind->name);
	if (c->have != NULL) {
		fputs(", \"have\": ", stdout);
		message_print_json(stdout, c->have->m);
	}
	if (c->want != NULL) {
		fputs(", \"want\": ", stdout);
		message_print_json(stdout, c->want->m);
	}
	putchar('}');
}

static void
print_summary_json(const struct vrctl *v, const struct changes *c)
{
	printf("{\"added\": %zu, \"changed\": %zu, \"deleted\": %zu", c->added, c->changed,
	       c->deleted);
	if (v->dry_run) {
		fputs(", \"dry_run\": true, \"changes\": [", stdout);
		for (size_t i = 0; i < c->n; i++) {
			fputs(i == 0 ? "\n" : ",\n", stdout);
			print_change_json(&c->list[i]);
		}
		putchar(']');
	}
	puts("}");
}

static void
print_summary(const struct vrctl *v, const struct changes *c)
{
	if (v->json)
		print_summary_json(v, c);
	else if (c->n == 0)
		puts("nothing to change");
	else
		printf("%zu %s, %zu %s, %zu %s\n", c->added, v->dry_run ? "to add" : "added",
		       c->changed, v->dry_run ? "to change" : "changed", c->deleted,
		       v->dry_run ? "to delete" : "deleted");
}

/* The change as a request takes it. */
static Vrouter__Op
change_object(const struct change *c, Vrouter__Object *object)
{
	const struct config_object *o = c->want != NULL ? c->want : c->have;

	words_put(object, o->kind, o->m);
	return c->want != NULL ? VROUTER__OP__ADD : VROUTER__OP__DEL;
}

/*
 * Says which change was refused, and where it stands in the file. Its number in the batch, with
 * which the router's sentence begins, means nothing to who wrote the file.
 */
static enum exit_status
refused(const struct vrctl *v, const struct changes *c, uint32_t at, const char *file)
{
	const char *why = vrouter_error(v->router);
	char number[32];

	/* Of a batch of one the router names the object, and no number. */
	if (at == 0 && c->n == 1)
		at = 1;
	if (at < 1 || at > c->n) {
		fprintf(stderr, "vrctl: %s: refused: %s; nothing was changed\n", file, why);
		return EXIT_REFUSED;
	}
	snprintf(number, sizeof(number), "change %u: ", at);
	if (strncmp(why, number, strlen(number)) == 0)
		why += strlen(number);
	if (c->list[at - 1].want != NULL) {
		fprintf(stderr, "%s:%u: refused", file, c->list[at - 1].want->line);
	} else {
		fputs("vrctl: refused to delete ", stderr);
		config_print_key(stderr, c->list[at - 1].have);
	}
	fprintf(stderr, ": %s; nothing was changed\n", why);
	return EXIT_REFUSED;
}

static enum exit_status
send_batch(struct vrctl *v, const Vrouter__Hello *hello, const struct changes *c, const char *file)
{
	Vrouter__Request request = VROUTER__REQUEST__INIT;
	Vrouter__Batch batch = VROUTER__BATCH__INIT;
	Vrouter__Change *changes = calloc(c->n, sizeof(*changes));
	Vrouter__Change **list = calloc(c->n, sizeof(*list));
	Vrouter__Object *objects = calloc(c->n, sizeof(*objects));
	enum exit_status status = EXIT_OK;
	Vrouter__Response *answer = NULL;
	size_t size;
	int rc;

	if (changes == NULL || list == NULL || objects == NULL) {
		status = vrctl_no_memory();
		goto free_lists;
	}
	for (size_t i = 0; i < c->n; i++) {
		vrouter__change__init(&changes[i]);
		changes[i].op = change_object(&c->list[i], &objects[i]);
		changes[i].object = &objects[i];
		list[i] = &changes[i];
	}
	batch.changes = list;
	batch.n_changes = c->n;
	request.batch = &batch;
	size = vrouter__request__get_packed_size(&request) + 16;
	if (size > hello->message_max_bytes) {
		fprintf(stderr,
			"vrctl: %s: %zu changes are a message of %zu bytes, and the router takes "
			"%u; raise its option control-message-max, or apply the file in parts; "
			"nothing was changed\n",
			file, c->n, size, hello->message_max_bytes);
		status = EXIT_REFUSED;
		goto free_lists;
	}
	rc = vrouter_request(v->router, &request, &answer);
	if (rc == -EREMOTE)
		status = refused(v, c, answer->result->change, file);
	else if (rc < 0)
		status = vrctl_fail(v, rc);
	vrouter_response_free(answer);

free_lists:
	free(objects);
	free(list);
	free(changes);
	return status;
}

static enum exit_status
apply(struct vrctl *v, const Vrouter__Hello *hello, const struct config *want, const char *file)
{
	struct config have = {0};
	struct changes changes = {0};
	enum exit_status status = EXIT_OK;
	int rc;

	rc = collect(v, hello, &have);
	if (rc < 0) {
		status = vrctl_fail(v, rc);
		goto free_have;
	}
	config_diff(&have, want, v->replace, note_change, &changes);
	if (changes.failed) {
		status = vrctl_no_memory();
		goto free_have;
	}
	if (changes.n > 0)
		qsort(changes.list, changes.n, sizeof(*changes.list), order_of_sending);
	for (size_t i = 0; v->dry_run && !v->json && i < changes.n; i++)
		config_print_change(stdout, changes.list[i].have, changes.list[i].want);
	if (!v->dry_run && changes.n > 0)
		status = send_batch(v, hello, &changes, file);
	if (status == EXIT_OK)
		print_summary(v, &changes);

free_have:
	free(changes.list);
	config_free(&have);
	return status;
}

/* The file's content; the number of its mistakes, or a negative errno. Both were said. */
static int
read_file(struct config *want, const char *file)
{
	bool standard = strcmp(file, "-") == 0;
	FILE *in = standard ? stdin : fopen(file, "r");
	int rc;

	if (in == NULL) {
		rc = -errno;
		fprintf(stderr, "vrctl: apply: cannot read %s: %s\n", file, strerror(-rc));
		return rc;
	}
	rc = config_parse(want, in, standard ? "stdin" : file, stderr);
	if (!standard)
		fclose(in);
	if (rc > 0)
		fprintf(stderr, "vrctl: %d mistake%s; nothing was changed\n", rc,
			rc == 1 ? "" : "s");
	return rc;
}

enum exit_status
command_apply(struct vrctl *v, int argc, char **argv)
{
	Vrouter__Response *hello = NULL;
	struct config want = {0};
	enum exit_status status = EXIT_USAGE;
	const char *file;
	int rc;

	if (argc != 2) {
		fputs("vrctl: apply: name one file, or - for the standard input: vrctl apply "
		      "[--dry-run] [--replace] FILE\n",
		      stderr);
		return EXIT_USAGE;
	}
	file = strcmp(argv[1], "-") == 0 ? "stdin" : argv[1];
	if (read_file(&want, argv[1]) != 0)
		goto free_want;
	rc = greet(v, &hello);
	if (rc < 0)
		status = vrctl_fail(v, rc);
	else if (!check_kinds(hello->object->hello, &want, file))
		status = EXIT_REFUSED;
	else
		status = apply(v, hello->object->hello, &want, file);
	vrouter_response_free(hello);

free_want:
	config_free(&want);
	return status;
}

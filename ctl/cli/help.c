/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Help from the contract; see help.h. vrctl's only thread.
 *
 * The .proto file is read line by line: comments that stand right before a declaration belong to
 * it. That is all the grammar needed, as protoc has read the file before.
 */
#include "ctl/cli/help.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/cli/message.h"
#include "proto/vrouter.pb-c.h"

enum { ENTRIES_MAX = 512, NAME_MAX_LEN = 128, COMMENT_MAX = 4096, DEPTH_MAX = 8, WIDTH = 78 };

/* The generated header above makes this file be compiled again when the contract changes. */
__asm__(".section .rodata\n"
	"contract_start:\n"
	".incbin \"proto/vrouter.proto\"\n"
	".byte 0\n"
	".previous\n");
extern const char contract_start[];

enum entry_kind { ENTRY_HEAD, ENTRY_MESSAGE, ENTRY_ENUM, ENTRY_FIELD, ENTRY_VALUE };

struct entry {
	enum entry_kind kind;
	char name[2 * NAME_MAX_LEN]; /* with all that it is in */
	char type[NAME_MAX_LEN];     /* of a field */
	int number;                  /* of a field or value */
	char *comment;
};

static struct entry entries[ENTRIES_MAX];
static int n_entries;

/* --- reading the contract --- */

struct reader {
	char path[NAME_MAX_LEN];
	size_t marks[DEPTH_MAX]; /* length of 'path' outside of each block */
	int depth;
	char comment[COMMENT_MAX];
	bool head_done;
};

static struct entry *
entry_add(struct reader *r, enum entry_kind kind, const char *name)
{
	struct entry *e = &entries[n_entries];

	if (n_entries == ENTRIES_MAX)
		return NULL;
	n_entries++;
	e->kind = kind;
	snprintf(e->name, sizeof(e->name), "%s.%s", r->path, name);
	e->comment = strdup(r->comment);
	r->comment[0] = '\0';
	return e;
}

/* Joins the lines of a paragraph, and keeps list items and empty lines. */
static void
comment_add(struct reader *r, const char *text)
{
	size_t used = strlen(r->comment);
	const char *join = " ";

	if (used == 0)
		join = "";
	else if (*text == '\0')
		join = "\n\n";
	else if (r->comment[used - 1] == '\n')
		join = "";
	else if (strncmp(text, "  - ", 4) == 0 || strncmp(text, "- ", 2) == 0)
		join = "\n";
	else
		text += strspn(text, " ");
	snprintf(r->comment + used, sizeof(r->comment) - used, "%s%s", join, text);
}

static void
block_open(struct reader *r, const char *name)
{
	size_t n = strlen(r->path);

	if (r->depth < DEPTH_MAX)
		r->marks[r->depth] = n;
	r->depth++;
	if (name != NULL)
		snprintf(r->path + n, sizeof(r->path) - n, ".%s", name);
}

static void
block_close(struct reader *r)
{
	if (r->depth > 0 && --r->depth < DEPTH_MAX)
		r->path[r->marks[r->depth]] = '\0';
}

/* A declaration, without its indentation. */
static void
read_declaration(struct reader *r, const char *line)
{
	char type[NAME_MAX_LEN], name[NAME_MAX_LEN];
	struct entry *e;
	int number;

	if (sscanf(line, "message %100[A-Za-z0-9_] {", name) == 1) {
		entry_add(r, ENTRY_MESSAGE, name);
		block_open(r, name);
	} else if (sscanf(line, "enum %100[A-Za-z0-9_] {", name) == 1) {
		entry_add(r, ENTRY_ENUM, name);
		block_open(r, name);
	} else if (strncmp(line, "oneof ", 6) == 0) {
		/* Its comment is that of what is in it. */
		block_open(r, NULL);
	} else if (*line == '}') {
		block_close(r);
	} else if (strncmp(line, "repeated ", 9) == 0 &&
		   sscanf(line + 9, "%100[A-Za-z0-9_.] %100[A-Za-z0-9_] = %d", type, name,
			  &number) == 3) {
		e = entry_add(r, ENTRY_FIELD, name);
		if (e != NULL) {
			snprintf(e->type, sizeof(e->type), "repeated %.100s", type);
			e->number = number;
		}
	} else if (sscanf(line, "%100[A-Za-z0-9_.] %100[A-Za-z0-9_] = %d", type, name, &number) ==
		   3) {
		e = entry_add(r, ENTRY_FIELD, name);
		if (e != NULL) {
			snprintf(e->type, sizeof(e->type), "%.100s", type);
			e->number = number;
		}
	} else if (sscanf(line, "%100[A-Za-z0-9_] = %d", name, &number) == 2) {
		e = entry_add(r, ENTRY_VALUE, name);
		if (e != NULL)
			e->number = number;
	} else if (strncmp(line, "syntax", 6) == 0 && !r->head_done) {
		r->head_done = true;
		entry_add(r, ENTRY_HEAD, "");
	}
}

static void
read_line(struct reader *r, const char *line)
{
	line += strspn(line, " \t");
	if (strncmp(line, "// SPDX", 7) == 0)
		return;
	if (strncmp(line, "//", 2) == 0) {
		comment_add(r, line[2] == ' ' ? line + 3 : line + 2);
		return;
	}
	read_declaration(r, line);
	if (strncmp(line, "oneof ", 6) != 0)
		r->comment[0] = '\0';
}

static void
read_contract(void)
{
	struct reader r = {.path = "vrouter"};
	const char *at = contract_start;
	char line[512];

	while (n_entries == 0 || *at != '\0') {
		size_t n = strcspn(at, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)n, at);
		read_line(&r, line);
		at += n + (at[n] == '\n');
		if (*at == '\0')
			break;
	}
}

static const struct entry *
find(const char *name)
{
	if (n_entries == 0)
		read_contract();
	for (int i = 0; i < n_entries; i++)
		if (strcmp(entries[i].name, name) == 0)
			return &entries[i];
	return NULL;
}

const char *
help_comment(const char *name)
{
	const struct entry *e = find(name);

	return e != NULL && e->comment != NULL ? e->comment : "";
}

/* --- for people --- */

/* Text in lines of at most WIDTH, after the first all indented; starts at column 'at'. */
static void
print_wrapped(FILE *out, const char *text, int indent, int at)
{
	while (*text != '\0') {
		int n = (int)strcspn(text, " \n");

		if (at > indent && at + 1 + n > WIDTH) {
			fprintf(out, "\n%*s", indent, "");
			at = indent;
		} else if (at > indent) {
			fputc(' ', out);
			at++;
		}
		fprintf(out, "%.*s", n, text);
		at += n;
		text += n;
		while (*text == ' ')
			text++;
		if (*text == '\n') {
			while (*text == '\n') {
				fputc('\n', out);
				text++;
			}
			fprintf(out, "%*s", indent, "");
			at = indent;
		}
	}
	fputc('\n', out);
}

static void
describe_type(const ProtobufCFieldDescriptor *f, char *out, size_t size)
{
	const ProtobufCEnumDescriptor *d = f->descriptor;
	char name[NAME_MAX_LEN];
	const char *text = "number";
	size_t at = 0;

	if (f->type == PROTOBUF_C_TYPE_STRING)
		text = "text";
	else if (f->type == PROTOBUF_C_TYPE_BYTES)
		text = strcmp(f->name, "mac") == 0 ? "MAC" : "bytes";
	else if (f->type == PROTOBUF_C_TYPE_BOOL)
		text = "yes|no";
	if (f->type != PROTOBUF_C_TYPE_ENUM) {
		snprintf(out, size, "%s%s", text,
			 f->label == PROTOBUF_C_LABEL_REPEATED ? ",..." : "");
		return;
	}
	for (unsigned int i = 0; i < d->n_values && at < size; i++) {
		if (strstr(d->values[i].name, "UNSET") != NULL)
			continue;
		message_value_name(d->values[i].name, name, sizeof(name));
		at += (size_t)snprintf(out + at, size - at, "%s%s", at > 0 ? "|" : "", name);
	}
}

static void
help_values(FILE *out, const ProtobufCEnumDescriptor *d)
{
	char full[NAME_MAX_LEN * 2], name[NAME_MAX_LEN];

	for (unsigned int i = 0; i < d->n_values; i++) {
		snprintf(full, sizeof(full), "%s.%s", d->name, d->values[i].name);
		if (*help_comment(full) == '\0')
			continue;
		message_value_name(d->values[i].name, name, sizeof(name));
		print_wrapped(out, help_comment(full), 8, fprintf(out, "        %s:", name));
	}
}

static void
help_fields(FILE *out, const ProtobufCMessageDescriptor *d, const char *prefix)
{
	char full[NAME_MAX_LEN * 2], path[NAME_MAX_LEN], type[NAME_MAX_LEN];

	for (unsigned int i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];

		snprintf(full, sizeof(full), "%s.%s", d->name, f->name);
		snprintf(path, sizeof(path), "%s%s", prefix, f->name);
		if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
			const ProtobufCMessageDescriptor *sub = f->descriptor;

			if (*help_comment(sub->name) != '\0')
				print_wrapped(out, help_comment(sub->name), 4,
					      fprintf(out, "\n  %s.*:", path));
			snprintf(full, sizeof(full), "%s.", path);
			help_fields(out, sub, full);
			continue;
		}
		describe_type(f, type, sizeof(type));
		fprintf(out, "  %s=%s\n", path, type);
		if (*help_comment(full) != '\0') {
			fputs("    ", out);
			print_wrapped(out, help_comment(full), 4, 4);
		}
		if (f->type == PROTOBUF_C_TYPE_ENUM)
			help_values(out, f->descriptor);
	}
}

int
help_object(FILE *out, const char *kind)
{
	const ProtobufCFieldDescriptor *f =
	    protobuf_c_message_descriptor_get_field_by_name(&vrouter__object__descriptor, kind);
	const ProtobufCMessageDescriptor *d;

	if (f == NULL)
		return -ENOENT;
	d = f->descriptor;
	fprintf(out, "vrctl %s VERB [FIELD=VALUE ...]\n\n", kind);
	print_wrapped(out, help_comment(d->name), 0, 0);
	fputs("\nFields:\n", out);
	help_fields(out, d, "");
	return 0;
}

void
help_overview(FILE *out)
{
	const ProtobufCMessageDescriptor *d = &vrouter__object__descriptor;

	fputs(
	    "vrctl [OPTION ...] OBJECT VERB [FIELD=VALUE ...]\n"
	    "vrctl [OPTION ...] status | drops [vif=N] [slot=N] [per=vif|slot] | mempool audit\n"
	    "vrctl help [OBJECT]\n"
	    "\n"
	    "Verbs: add (create or replace), set, del, get, list; see what each object has.\n"
	    "Fields of fields take dots (tap.name=red-1), several values commas (members=1,2).\n"
	    "\n"
	    "Options:\n"
	    "  --json           one JSON document instead of tables\n"
	    "  --wide           all columns, however many\n"
	    "  --socket PATH    of the control API; else $VRCTL_SOCKET, else from --config, else\n"
	    "                   /run/vrouter/control.sock\n"
	    "  --config FILE    configuration of the router to talk to\n"
	    "  --timeout MS     longest wait for an answer (10000)\n"
	    "  --help, --version\n"
	    "\n"
	    "Exit: 0 done, 1 refused, 2 wrong usage, 3 no connection, 4 not healthy.\n"
	    "\n"
	    "Objects:\n",
	    out);
	for (unsigned int i = 0; i < d->n_fields; i++) {
		const ProtobufCMessageDescriptor *sub = d->fields[i].descriptor;

		print_wrapped(out, help_comment(sub->name), 12,
			      fprintf(out, "  %-10s", d->fields[i].name));
	}
}

/* --- docs/api.md --- */

static bool
is_member_of(const struct entry *e, const struct entry *owner)
{
	size_t n = strlen(owner->name);

	return (e->kind == ENTRY_FIELD || e->kind == ENTRY_VALUE) &&
	       strncmp(e->name, owner->name, n) == 0 && e->name[n] == '.' &&
	       strchr(e->name + n + 1, '.') == NULL;
}

/* In a table's cell a line end would end the row. */
static void
print_cell_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		fputc(*text == '\n' ? ' ' : *text, out);
}

static void
reference_of(FILE *out, const struct entry *owner)
{
	size_t skip = strlen("vrouter.");
	bool first = true;

	fprintf(out, "\n## %s%s\n\n", owner->kind == ENTRY_ENUM ? "enum " : "", owner->name + skip);
	if (*owner->comment != '\0')
		fprintf(out, "%s\n\n", owner->comment);
	for (int i = 0; i < n_entries; i++) {
		const struct entry *e = &entries[i];

		if (!is_member_of(e, owner))
			continue;
		if (first)
			fputs(e->kind == ENTRY_VALUE
				  ? "| value | number | |\n|---|---|---|\n"
				  : "| field | type | number | |\n|---|---|---|---|\n",
			      out);
		first = false;
		fprintf(out, "| `%s` | ", e->name + strlen(owner->name) + 1);
		if (e->kind == ENTRY_FIELD)
			fprintf(out, "%s | ", e->type);
		fprintf(out, "%d | ", e->number);
		print_cell_text(out, e->comment);
		fputs(" |\n", out);
	}
}

void
help_reference(FILE *out)
{
	find("");
	fputs("# Control API\n\nMade from the comments in proto/vrouter.proto by `vrctl help api`; "
	      "change it there.\n\n",
	      out);
	for (int i = 0; i < n_entries; i++) {
		if (entries[i].kind == ENTRY_HEAD)
			fprintf(out, "%s\n", entries[i].comment);
		else if (entries[i].kind == ENTRY_MESSAGE || entries[i].kind == ENTRY_ENUM)
			reference_of(out, &entries[i]);
	}
}

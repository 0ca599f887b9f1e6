/* SPDX-License-Identifier: BSD-3-Clause */
/* Help from the contract; see help.h. vrctl's only thread. */
#include "ctl/cli/help.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "ctl/cli/contract.h"
#include "ctl/cli/message.h"
#include "proto/vrouter.pb-c.h"

enum { NAME_MAX_LEN = CONTRACT_NAME_LEN, WIDTH = 78 };

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
		if (*contract_comment(full) == '\0')
			continue;
		message_value_name(d->values[i].name, name, sizeof(name));
		print_wrapped(out, contract_comment(full), 8, fprintf(out, "        %s:", name));
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

			if (*contract_comment(sub->name) != '\0')
				print_wrapped(out, contract_comment(sub->name), 4,
					      fprintf(out, "\n  %s.*:", path));
			snprintf(full, sizeof(full), "%s.", path);
			help_fields(out, sub, full);
			continue;
		}
		describe_type(f, type, sizeof(type));
		fprintf(out, "  %s=%s\n", path, type);
		if (*contract_comment(full) != '\0') {
			fputs("    ", out);
			print_wrapped(out, contract_comment(full), 4, 4);
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
	print_wrapped(out, contract_comment(d->name), 0, 0);
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

		print_wrapped(out, contract_comment(sub->name), 12,
			      fprintf(out, "  %-10s", d->fields[i].name));
	}
}

/* --- docs/api.md --- */

static bool
is_member_of(const struct contract_entry *e, const struct contract_entry *owner)
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
reference_of(FILE *out, const struct contract_entry *owner, const struct contract_entry *entries,
	     int n_entries)
{
	size_t skip = strlen("vrouter.");
	bool first = true;

	fprintf(out, "\n## %s%s\n\n", owner->kind == ENTRY_ENUM ? "enum " : "", owner->name + skip);
	if (*owner->comment != '\0')
		fprintf(out, "%s\n\n", owner->comment);
	for (int i = 0; i < n_entries; i++) {
		const struct contract_entry *e = &entries[i];

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
	const struct contract_entry *entries;
	int n_entries;

	entries = contract_entries(&n_entries);
	fputs("# Control API\n\nMade from the comments in proto/vrouter.proto by `vrctl help api`; "
	      "change it there.\n\n",
	      out);
	for (int i = 0; i < n_entries; i++) {
		if (entries[i].kind == ENTRY_HEAD)
			fprintf(out, "%s\n", entries[i].comment);
		else if (entries[i].kind == ENTRY_MESSAGE || entries[i].kind == ENTRY_ENUM)
			reference_of(out, &entries[i], entries, n_entries);
	}
}

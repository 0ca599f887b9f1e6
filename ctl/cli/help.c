/* SPDX-License-Identifier: BSD-3-Clause */
/* Help from the contract; see help.h. vrctl's only thread. */
#include "ctl/cli/help.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "ctl/cli/contract.h"
#include "ctl/cli/message.h"
#include "ctl/cli/words.h"
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

	*out = '\0';
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

/* The names of what is in 'mask' (1 << value), small, each after a separator. */
static void
print_ops(FILE *out, unsigned int mask, const char *separator)
{
	const ProtobufCEnumDescriptor *ops = &vrouter__op__descriptor;
	char name[NAME_MAX_LEN];
	bool first = true;

	for (unsigned int i = 0; i < ops->n_values; i++) {
		if ((mask & 1u << ops->values[i].value) == 0)
			continue;
		message_value_name(ops->values[i].name, name, sizeof(name));
		fprintf(out, "%s%s", first ? "" : separator, name);
		first = false;
	}
}

int
help_object(FILE *out, const char *kind)
{
	const ProtobufCFieldDescriptor *f = words_kind(kind), *keys[CONTRACT_KEYS_MAX];
	const unsigned int named = 1u << VROUTER__OP__DEL | 1u << VROUTER__OP__GET;
	const ProtobufCMessageDescriptor *d;
	unsigned int ops;

	if (f == NULL)
		return -ENOENT;
	d = f->descriptor;
	ops = contract_ops(d);
	fprintf(out, "vrctl %s ", kind);
	print_ops(out, ops, "|");
	if (strcmp(kind, "flow") == 0) /* command_run() has it stand for flow_stats */
		fputs("|stats", out);
	fputs(" [FIELD=VALUE ...]", out);
	if ((ops & 1u << VROUTER__OP__LIST) != 0)
		fputs(" [where CONDITION ...]", out);
	fputs("\n\n", out);
	print_wrapped(out, contract_comment(d->name), 0, 0);
	/* What may be named in several ways says so itself. */
	if ((ops & named) != 0 && (ops & 1u << VROUTER__OP__LIST) != 0 &&
	    strstr(contract_comment(d->name), " is named by ") == NULL) {
		unsigned int n = contract_keys(d, keys);

		fputc('\n', out);
		print_ops(out, ops & named, " and ");
		fputs(" look at", out);
		for (unsigned int i = 0; i < n; i++)
			fprintf(out, " %s=", keys[i]->name);
		fputs(" only.\n", out);
	}
	fputs("\nFields:\n", out);
	help_fields(out, d, "");
	return 0;
}

int
help_command(FILE *out, const char *command)
{
	static const struct {
		const char *name, *arguments, *text;
	} commands[] = {
#define COMMAND(name, arguments, text) {#name, arguments, text},
#include "ctl/cli/usage.def"
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		/* An object of the same name has more to say. */
		if (strcmp(commands[i].name, command) != 0 || words_kind(command) != NULL ||
		    strcmp(command, "drops") == 0)
			continue;
		fprintf(out, "vrctl %s %s\n\n", command, commands[i].arguments);
		print_wrapped(out, commands[i].text, 0, 0);
		return 0;
	}
	return -ENOENT;
}

static void
print_option(FILE *out, const char *name, const char *argument, const char *text)
{
	int at;

	if (*argument == '=')
		at = fprintf(out, "  --%s[%s]", name, argument);
	else
		at = fprintf(out, "  --%s%s%s", name, *argument != '\0' ? " " : "", argument);
	if (at < 22)
		at += fprintf(out, "%*s", 22 - at, "");
	print_wrapped(out, text, 22, at);
}

static void
print_pair(FILE *out, const char *name, int indent, const char *text)
{
	int at = fprintf(out, "  %s", name);

	if (at + 2 > indent)
		fprintf(out, "\n%*s", indent, "");
	else
		fprintf(out, "%*s", indent - at, "");
	print_wrapped(out, text, indent, indent);
}

void
help_overview(FILE *out)
{
	const ProtobufCMessageDescriptor *d = &vrouter__object__descriptor;

	fputs("vrctl [OPTION ...] OBJECT VERB [FIELD=VALUE ...] [where CONDITION ...]\n"
	      "vrctl [OPTION ...] COMMAND [ARGUMENT ...]\n"
	      "\n"
	      "Verbs: add (create or replace), set, del, get, list; see what each object has.\n"
	      "Fields of fields take dots (tap.name=red-1), several values commas (members=1,2).\n"
	      "\n"
	      "Commands:\n",
	      out);
#define COMMAND(name, arguments, text) \
	print_pair(out, *arguments != '\0' ? #name " " arguments : #name, 14, text);
#include "ctl/cli/usage.def"
	print_pair(out, "mempool audit", 14, contract_comment("vrouter.Audit"));
	fputs("\nObjects (`vrctl help OBJECT` tells their fields):\n", out);
	for (unsigned int i = 0; i < d->n_fields; i++) {
		const ProtobufCMessageDescriptor *sub = d->fields[i].descriptor;

		print_pair(out, d->fields[i].name, 14, contract_comment(sub->name));
	}
	fputs("\nConditions, of which all must hold:\n", out);
#define CONDITION(form, text) print_pair(out, form, 18, text);
#include "ctl/cli/usage.def"
	fputs("\nOptions:\n", out);
#define OPTION(name, argument, text) print_option(out, #name, argument, text);
#include "ctl/cli/usage.def"
	fputs("\nExit status:\n", out);
#define STATUS(number, text) print_pair(out, #number, 6, text);
#include "ctl/cli/usage.def"
}

/* --- vrctl(1) --- */

/* Text for troff: nothing in it is a command or an escape, and a minus is a minus. */
static void
print_roff(FILE *out, const char *text)
{
	bool begins = true;

	for (; *text != '\0'; text++) {
		if (begins && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		if (*text == '\n' && text[1] == '\n') {
			fputs("\n.sp\n", out);
			text++;
		} else if (*text == '\n') {
			fputs("\n.br\n", out);
		} else if (*text == '\\') {
			fputs("\\e", out);
		} else if (*text == '-') {
			fputs("\\-", out);
		} else {
			fputc(*text, out);
		}
		begins = *text == '\n';
		if (begins)
			text += strspn(text + 1, " ");
	}
}

/* A paragraph with a head. */
static void
print_item(FILE *out, const char *before, const char *bold, const char *italic, const char *text)
{
	fprintf(out, ".TP\n%s\\fB", before);
	print_roff(out, bold);
	fputs("\\fR", out);
	if (*italic != '\0') {
		fputs(*italic == '=' ? "[\\fI" : " \\fI", out);
		print_roff(out, italic);
		fputs(*italic == '=' ? "\\fR]" : "\\fR", out);
	}
	fputc('\n', out);
	print_roff(out, *text != '\0' ? text : "\n");
	fputc('\n', out);
}

static void
manual_fields(FILE *out, const ProtobufCMessageDescriptor *d, const char *prefix)
{
	char full[NAME_MAX_LEN * 2], path[NAME_MAX_LEN], type[NAME_MAX_LEN];

	for (unsigned int i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];

		snprintf(path, sizeof(path), "%s%s", prefix, f->name);
		if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
			snprintf(full, sizeof(full), "%.120s.", path);
			manual_fields(out, f->descriptor, full);
			continue;
		}
		snprintf(full, sizeof(full), "%s.%s", d->name, f->name);
		describe_type(f, type, sizeof(type));
		print_item(out, "", path, type, contract_comment(full));
	}
}

void
help_manual(FILE *out)
{
	const ProtobufCMessageDescriptor *d = &vrouter__object__descriptor;
	char number[8];

	fputs(
	    ".\\\" Made by `vrctl help man` from vrctl's help and from the control API's "
	    "contract.\n"
	    ".TH VRCTL 1 \"\" \"vrouter\" \"User Commands\"\n"
	    ".SH NAME\nvrctl \\- look at a virtual router and change it\n"
	    ".SH SYNOPSIS\n"
	    ".B vrctl\n[\\fIOPTION\\fR ...] \\fIOBJECT VERB\\fR [\\fIFIELD\\fR=\\fIVALUE\\fR ...] "
	    "[\\fBwhere\\fR \\fICONDITION\\fR ...]\n.br\n"
	    ".B vrctl\n[\\fIOPTION\\fR ...] \\fICOMMAND\\fR [\\fIARGUMENT\\fR ...]\n"
	    ".SH DESCRIPTION\n"
	    "The verbs are add (create or replace), set, del, get and list; each object has some "
	    "of "
	    "them.\nFields of fields take dots (tap.name=red), several values commas "
	    "(members=1,2).\n.SH COMMANDS\n",
	    out);
#define COMMAND(name, arguments, text) print_item(out, "", #name, arguments, text);
#include "ctl/cli/usage.def"
	print_item(out, "", "mempool audit", "", contract_comment("vrouter.Audit"));
	fputs(".SH OPTIONS\n", out);
#define OPTION(name, argument, text) print_item(out, "", "--" #name, argument, text);
#include "ctl/cli/usage.def"
	fputs(
	    ".SH CONDITIONS\nAll that stand after \\fBwhere\\fR must hold. Of a field with several "
	    "values one that does is enough.\n",
	    out);
#define CONDITION(form, text) print_item(out, "", form, "", text);
#include "ctl/cli/usage.def"
	fputs(".SH OBJECTS\n", out);
	for (unsigned int i = 0; i < d->n_fields; i++) {
		const ProtobufCMessageDescriptor *sub = d->fields[i].descriptor;

		fprintf(out, ".SS %s ", d->fields[i].name);
		print_ops(out, contract_ops(sub), "|");
		fputc('\n', out);
		print_roff(out, contract_comment(sub->name));
		fputc('\n', out);
		manual_fields(out, sub, "");
	}
	fputs(".SH EXIT STATUS\n", out);
#define STATUS(n, text)                            \
	snprintf(number, sizeof(number), "%d", n); \
	print_item(out, "", number, "", text);
#include "ctl/cli/usage.def"
	fputs(".SH EXAMPLES\n", out);
#define EXAMPLE(command, text) print_item(out, "", command, "", text);
#include "ctl/cli/usage.def"
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

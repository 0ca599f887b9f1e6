/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The contract's own text; see contract.h. vrctl's only thread.
 *
 * The .proto file is read line by line: comments that stand right before a declaration belong to
 * it. That is all the grammar needed, as protoc has read the file before.
 */
#include "ctl/cli/contract.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/cli/message.h"
#include "proto/vrouter.pb-c.h"

enum { ENTRIES_MAX = 2048, COMMENT_MAX = 4096, DEPTH_MAX = 8 };

/* The generated header above makes this file be compiled again when the contract changes. */
__asm__(".section .rodata\n"
	"contract_start:\n"
	".incbin \"proto/vrouter.proto\"\n"
	".byte 0\n"
	".previous\n");
extern const char contract_start[];

static struct contract_entry entries[ENTRIES_MAX];
static int n_entries;

struct reader {
	char path[CONTRACT_NAME_LEN];
	size_t marks[DEPTH_MAX]; /* length of 'path' outside of each block */
	int depth;
	char comment[COMMENT_MAX];
	bool head_done;
};

static struct contract_entry *
entry_add(struct reader *r, enum contract_kind kind, const char *name)
{
	struct contract_entry *e = &entries[n_entries];

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
	char type[CONTRACT_NAME_LEN], name[CONTRACT_NAME_LEN];
	struct contract_entry *e;
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

static const struct contract_entry *
find(const char *name)
{
	if (n_entries == 0)
		read_contract();
	for (int i = 0; i < n_entries; i++)
		if (strcmp(entries[i].name, name) == 0)
			return &entries[i];
	return NULL;
}

const struct contract_entry *
contract_entries(int *n)
{
	find("");
	*n = n_entries;
	return entries;
}

const char *
contract_comment(const char *name)
{
	const struct contract_entry *e = find(name);

	return e != NULL && e->comment != NULL ? e->comment : "";
}

/* --- what comments say by convention --- */

unsigned int
contract_ops(const ProtobufCMessageDescriptor *d)
{
	const ProtobufCEnumDescriptor *ops = &vrouter__op__descriptor;
	const char *text = contract_comment(d->name);
	unsigned int found = 0;

	while (*text != '\0') {
		size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

		for (unsigned int i = 0; n > 1 && i < ops->n_values; i++)
			if (strlen(ops->values[i].name) == n &&
			    strncmp(ops->values[i].name, text, n) == 0)
				found |= 1u << ops->values[i].value;
		text += n > 0 ? n : 1;
	}
	return found;
}

unsigned int
contract_keys(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor **keys)
{
	const char *text = strstr(contract_comment(d->name), "The key is ");
	const ProtobufCFieldDescriptor *f;
	char name[CONTRACT_NAME_LEN];
	unsigned int n = 0;

	if (text == NULL) {
		keys[0] = &d->fields[0];
		return d->n_fields > 0;
	}
	for (text += strlen("The key is "); *text != '\0' && strchr(".;", *text) == NULL;) {
		size_t len = strcspn(text, " ,.;");

		snprintf(name, sizeof(name), "%.*s", (int)len, text);
		f = protobuf_c_message_descriptor_get_field_by_name(d, name);
		if (f != NULL && n < CONTRACT_KEYS_MAX)
			keys[n++] = f;
		text += len;
		text += strspn(text, " ,");
	}
	return n;
}

bool
contract_is_key(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f)
{
	const ProtobufCFieldDescriptor *keys[CONTRACT_KEYS_MAX];
	unsigned int n = contract_keys(d, keys);

	for (unsigned int i = 0; i < n; i++)
		if (keys[i] == f)
			return true;
	return false;
}

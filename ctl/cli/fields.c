/* SPDX-License-Identifier: BSD-3-Clause */
/* The fields of an object; see fields.h. vrctl's only thread. */
#include "ctl/cli/fields.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/cli/message.h"

/* A field, or those of its sub-message; 'in' is what it is in itself, 'depth' deep. */
static void
field_add(struct fields *fields, const struct field *in, unsigned int depth,
	  const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *sub = f->descriptor;
	struct field field = *in;
	size_t at = strlen(field.path);

	snprintf(field.path + at, sizeof(field.path) - at, "%s%s", depth > 0 ? "." : "", f->name);
	if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->label == PROTOBUF_C_LABEL_REPEATED ||
	    depth == FIELD_DEPTH) {
		field.f = f;
		if (fields->n < FIELDS_MAX)
			fields->list[fields->n++] = field;
		return;
	}
	field.outer[depth] = f;
	for (unsigned int i = 0; i < sub->n_fields; i++)
		field_add(fields, &field, depth + 1, &sub->fields[i]);
}

void
fields_of(const ProtobufCMessageDescriptor *d, struct fields *out)
{
	const struct field top = {0};

	out->n = 0;
	for (unsigned int i = 0; i < d->n_fields; i++)
		field_add(out, &top, 0, &d->fields[i]);
}

void
fields_choose(const char *kind, struct fields *fields)
{
	static const struct {
		const char *kind, *fields;
	} chosen[] = {
#define COLUMNS(kind, fields) {#kind, fields},
#include "ctl/cli/columns.def"
#undef COLUMNS
	};
	struct fields kept = {0};
	const char *at = NULL;

	for (size_t i = 0; i < sizeof(chosen) / sizeof(chosen[0]); i++)
		if (strcmp(chosen[i].kind, kind) == 0)
			at = chosen[i].fields;
	if (at == NULL)
		return;
	while (*at != '\0') {
		size_t len = strcspn(at, ",");

		for (unsigned int i = 0; i < fields->n; i++)
			if (strlen(fields->list[i].path) == len &&
			    strncmp(fields->list[i].path, at, len) == 0)
				kept.list[kept.n++] = fields->list[i];
		at += len + (at[len] == ',');
	}
	*fields = kept;
}

const struct field *
fields_find(const struct fields *fields, const char *name)
{
	const struct field *found = NULL;
	char wanted[FIELD_PATH_LEN];
	size_t n;

	snprintf(wanted, sizeof(wanted), "%s", name);
	for (char *p = wanted; *p != '\0'; p++)
		if (*p == '-')
			*p = '_';
	n = strlen(wanted);
	for (unsigned int i = 0; i < fields->n; i++)
		if (strcmp(fields->list[i].path, wanted) == 0)
			return &fields->list[i];
	for (unsigned int i = 0; i < fields->n; i++) {
		const char *path = fields->list[i].path;
		size_t len = strlen(path);

		if (len <= n || path[len - n - 1] != '.' || strcmp(path + len - n, wanted) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = &fields->list[i];
	}
	return found;
}

const ProtobufCMessageDescriptor *
field_holder_type(const struct field *field, const ProtobufCMessageDescriptor *d)
{
	for (unsigned int i = 0; field->outer[i] != NULL; i++)
		d = field->outer[i]->descriptor;
	return d;
}

const ProtobufCMessage *
field_holder(const struct field *field, const ProtobufCMessage *m)
{
	for (unsigned int i = 0; field->outer[i] != NULL && m != NULL; i++)
		m = message_sub(m, field->outer[i]);
	return m;
}

char *
field_text(const struct field *field, const ProtobufCMessage *m, uint64_t now_ms)
{
	const ProtobufCMessage *in = field_holder(field, m);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	if (in == NULL)
		fputc('-', out);
	else
		message_print(out, in, field->f, now_ms);
	fclose(out);
	return text;
}

const char *
field_short_name(const struct field *field)
{
	return strncmp(field->path, "state.", 6) == 0 ? field->path + 6 : field->path;
}

void
field_title(const struct field *field, char *title, size_t size)
{
	static const char *const units[] = {"_time_ms", "_percent", "_us"};

	snprintf(title, size, "%s", field_short_name(field));
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t n = strlen(title), k = strlen(units[i]);

		if (n > k && strcmp(title + n - k, units[i]) == 0)
			title[n - k] = '\0';
	}
	for (char *p = title; *p != '\0'; p++)
		*p = (char)toupper((unsigned char)*p);
}

bool
field_is_counter(const struct field *field)
{
	static const char *const counted[] = {"packets", "bytes",  "drops",
					      "bursts",  "sleeps", "errors"};
	const char *name = field->f->name;
	const char *last = strrchr(name, '_') != NULL ? strrchr(name, '_') + 1 : name;

	if (field->f->type != PROTOBUF_C_TYPE_UINT64 ||
	    field->f->label == PROTOBUF_C_LABEL_REPEATED || strcmp(name, "size_bytes") == 0 ||
	    strcmp(name, "used_bytes") == 0)
		return false;
	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++)
		if (strcmp(last, counted[i]) == 0)
			return true;
	return false;
}

uint64_t
field_count(const struct field *field, const ProtobufCMessage *m)
{
	const ProtobufCMessage *in = field_holder(field, m);

	return in != NULL && message_has(in, field->f)
		   ? *(const uint64_t *)message_value(in, field->f, 0)
		   : 0;
}

/* FNV-1a. */
static uint64_t
mix(uint64_t hash, const void *data, size_t n)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ p[i]) * 0x100000001b3;
	return hash;
}

/* Names, addresses, and ids that differ from none: texts, bytes, and members of oneofs. */
uint64_t
fields_identity(const ProtobufCMessage *m)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (unsigned int i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		const void *value;

		if (f->label == PROTOBUF_C_LABEL_REPEATED || !message_has(m, f))
			continue;
		value = message_value(m, f, 0);
		if (f->type == PROTOBUF_C_TYPE_STRING) {
			hash = mix(hash, *(char *const *)value, strlen(*(char *const *)value));
		} else if (f->type == PROTOBUF_C_TYPE_BYTES) {
			const ProtobufCBinaryData *b = value;

			hash = mix(hash, b->data, b->len);
		} else if (f->type == PROTOBUF_C_TYPE_UINT32 &&
			   (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
			hash = mix(hash, value, sizeof(uint32_t));
		}
		hash = mix(hash, &f->id, sizeof(f->id));
	}
	return hash;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks that every incoming message goes through; see check.h. vr-ctl's main thread only. */
#include "ctl/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { PATH_MAX_LEN = 64 };

static const void *
member(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return (const char *)m + f->offset;
}

static bool
is_oneof(const ProtobufCFieldDescriptor *f)
{
	return (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

static size_t
count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return *(const size_t *)((const char *)m + f->quantifier_offset);
}

bool
check_given(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	if (is_oneof(f))
		return *(const uint32_t *)((const char *)m + f->quantifier_offset) == f->id;
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return count(m, f) != 0;

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING: {
		const char *s = *(char *const *)member(m, f);

		return s != NULL && *s != '\0';
	}
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)member(m, f))->len != 0;
	case PROTOBUF_C_TYPE_MESSAGE:
		return *(ProtobufCMessage *const *)member(m, f) != NULL;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
		return *(const uint64_t *)member(m, f) != 0;
	default:
		return *(const uint32_t *)member(m, f) != 0;
	}
}

/* Length of the UTF-8 sequence at 's', 0 if it is none (overlong forms and surrogates included). */
static size_t
utf8_sequence(const unsigned char *s)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf && (s[1] & 0xc0) == 0x80)
		return 2;
	if ((s[0] & 0xf0) == 0xe0 && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80 &&
	    !(s[0] == 0xe0 && s[1] < 0xa0) && !(s[0] == 0xed && s[1] > 0x9f))
		return 3;
	if (s[0] >= 0xf0 && s[0] <= 0xf4 && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80 &&
	    (s[3] & 0xc0) == 0x80 && !(s[0] == 0xf0 && s[1] < 0x90) &&
	    !(s[0] == 0xf4 && s[1] > 0x8f))
		return 4;
	return 0;
}

/* Text goes to terminals, logs and file names. */
static int
check_text(const char *text, const char *path, struct refusal *r)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n;

	for (; *s != '\0'; s += n) {
		n = utf8_sequence(s);
		if (n == 0)
			return refuse(r, EINVAL, path, "%s is not UTF-8", path);
		if (*s < 0x20 || *s == 0x7f)
			return refuse(r, EINVAL, path, "%s contains the control character 0x%02x",
				      path, *s);
	}
	return 0;
}

static int check_members(const ProtobufCMessage *m, bool write, const char *prefix,
			 struct refusal *r);

/* One value: 'p' points to the element. */
static int
check_value(const ProtobufCFieldDescriptor *f, const void *p, const char *path, struct refusal *r)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return check_text(*(char *const *)p, path, r);
	case PROTOBUF_C_TYPE_ENUM: {
		int value = *(const int *)p;

		if (protobuf_c_enum_descriptor_get_value(f->descriptor, value) == NULL)
			return refuse(r, EINVAL, path, "%s %d is not known", path, value);
		return 0;
	}
	case PROTOBUF_C_TYPE_MESSAGE: {
		const ProtobufCMessage *sub = *(ProtobufCMessage *const *)p;

		return sub == NULL ? 0 : check_members(sub, false, path, r);
	}
	default:
		return 0;
	}
}

/* Messages nest as deep as their declarations, which do not recurse. */
static int
check_members(const ProtobufCMessage *m, bool write, const char *prefix, struct refusal *r)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;
	char path[PATH_MAX_LEN];
	int rc;

	if (m->n_unknown_fields != 0)
		return refuse(r, EINVAL, prefix, "%s%sfield number %u is not known", prefix,
			      *prefix != '\0' ? ": " : "", m->unknown_fields[0].tag);

	for (unsigned int i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		const void *p = member(m, f);

		if (!check_given(m, f))
			continue;
		snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix != '\0' ? "." : "", f->name);
		if (write && strcmp(f->name, "state") == 0)
			return refuse(r, EINVAL, path, "state is read only");
		if (f->label != PROTOBUF_C_LABEL_REPEATED) {
			rc = check_value(f, p, path, r);
			if (rc < 0)
				return rc;
			continue;
		}
		if (f->type != PROTOBUF_C_TYPE_STRING && f->type != PROTOBUF_C_TYPE_MESSAGE &&
		    f->type != PROTOBUF_C_TYPE_ENUM)
			continue;
		for (size_t j = 0; j < count(m, f); j++) {
			size_t width =
			    f->type == PROTOBUF_C_TYPE_ENUM ? sizeof(int) : sizeof(void *);

			rc = check_value(f, *(const char *const *)p + j * width, path, r);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

int
check_message(const ProtobufCMessage *m, bool write, struct refusal *r)
{
	return check_members(m, write, "", r);
}

/* Takes the next name off a comma-separated list; NULL at its end. */
static const ProtobufCFieldDescriptor *
next_key(const ProtobufCMessage *m, const char **keys)
{
	size_t n = strcspn(*keys, ",");
	char name[PATH_MAX_LEN];

	if (n == 0)
		return NULL;
	snprintf(name, sizeof(name), "%.*s", (int)n, *keys);
	*keys += n + ((*keys)[n] == ',');
	return protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
}

int
check_keys(const ProtobufCMessage *m, const char *keys, struct refusal *r)
{
	const ProtobufCFieldDescriptor *f;

	for (f = next_key(m, &keys); f != NULL; f = next_key(m, &keys))
		if (!check_given(m, f))
			return refuse(r, EINVAL, f->name, "%s is missing", f->name);
	return 0;
}

/* A prefix is an address and its length; a MAC, or what is neither, bytes. */
static void
print_bytes(FILE *out, const ProtobufCBinaryData *bytes)
{
	char address[INET6_ADDRSTRLEN];
	int family = bytes->len == 4 + 1 ? AF_INET : bytes->len == 16 + 1 ? AF_INET6 : AF_UNSPEC;

	if (family != AF_UNSPEC &&
	    inet_ntop(family, bytes->data, address, sizeof(address)) != NULL) {
		fprintf(out, "%s/%u", address, bytes->data[bytes->len - 1]);
		return;
	}
	for (size_t i = 0; i < bytes->len && i < 16; i++)
		fprintf(out, "%s%02x", i == 0 ? "" : ":", bytes->data[i]);
}

/* A key is a number, a name, an address or a prefix. */
static void
print_key(FILE *out, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		fputs(*(char *const *)member(m, f), out);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		print_bytes(out, member(m, f));
		break;
	default:
		fprintf(out, "%u", *(const uint32_t *)member(m, f));
		break;
	}
}

void
check_label(const ProtobufCMessage *m, const char *kind, const char *keys, char *out, size_t size)
{
	bool several = strchr(keys, ',') != NULL;
	const ProtobufCFieldDescriptor *f;
	FILE *stream = fmemopen(out, size, "w");

	out[0] = '\0';
	if (stream == NULL)
		return;
	fputs(kind, stream);
	for (f = next_key(m, &keys); f != NULL; f = next_key(m, &keys)) {
		if (!check_given(m, f))
			continue;
		fprintf(stream, several ? " %s " : " ", f->name);
		print_key(stream, m, f);
	}
	fclose(stream);
	out[size - 1] = '\0';
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages by their descriptors; see message.h. vrctl's only thread. */
#include "ctl/cli/message.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_MAX = 256, LINE = 256 };

/* --- members --- */

static void *
member(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return (char *)(uintptr_t)m + f->offset;
}

static uint32_t *
oneof_case(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return (uint32_t *)((char *)(uintptr_t)m + f->quantifier_offset);
}

static bool
in_oneof(const ProtobufCFieldDescriptor *f)
{
	return (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

static size_t *
repeated_count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return (size_t *)((char *)(uintptr_t)m + f->quantifier_offset);
}

static size_t
value_size(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	default:
		return sizeof(uint32_t);
	}
}

ProtobufCMessage *
message_create(const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *m = malloc(d->sizeof_message);

	if (m != NULL)
		protobuf_c_message_init(d, m);
	return m;
}

size_t
message_count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return *repeated_count(m, f);
	if (in_oneof(f))
		return *oneof_case(m, f) == f->id;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(void **)member(m, f) != NULL;
	return 1;
}

const ProtobufCMessage *
message_sub(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return message_count(m, f) != 0 ? *(ProtobufCMessage **)member(m, f) : NULL;
}

void
message_drop_sub(ProtobufCMessage *m, const char *name)
{
	const ProtobufCFieldDescriptor *f =
	    protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
	ProtobufCMessage **sub;

	if (f == NULL || f->type != PROTOBUF_C_TYPE_MESSAGE || in_oneof(f) ||
	    f->label == PROTOBUF_C_LABEL_REPEATED)
		return;
	sub = member(m, f);
	if (*sub != NULL)
		protobuf_c_message_free_unpacked(*sub, NULL);
	*sub = NULL;
}

bool
message_has(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	if (message_count(m, f) == 0)
		return false;
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return true;
	if (f->type == PROTOBUF_C_TYPE_STRING) {
		const char *s = *(char **)member(m, f);

		return s != NULL && *s != '\0';
	}
	if (f->type == PROTOBUF_C_TYPE_BYTES)
		return ((ProtobufCBinaryData *)member(m, f))->len != 0;
	return true;
}

bool
message_given(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	if (!message_has(m, f))
		return false;
	if (in_oneof(f) || f->label == PROTOBUF_C_LABEL_REPEATED)
		return true;
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return true;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
		return *(const uint64_t *)member(m, f) != 0;
	default:
		return *(const uint32_t *)member(m, f) != 0;
	}
}

const void *
message_value(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t i)
{
	if (f->label != PROTOBUF_C_LABEL_REPEATED)
		return member(m, f);
	return *(char **)member(m, f) + i * value_size(f);
}

static int
compare_bytes(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return a->len == 0 ? 0 : memcmp(a->data, b->data, a->len);
}

int
message_compare(const ProtobufCFieldDescriptor *f, const void *a, const void *b)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return strcmp(*(char *const *)a, *(char *const *)b);
	case PROTOBUF_C_TYPE_BYTES:
		return compare_bytes(a, b);
	case PROTOBUF_C_TYPE_INT64: {
		int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

		return (x > y) - (x < y);
	}
	case PROTOBUF_C_TYPE_UINT64: {
		uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

		return (x > y) - (x < y);
	}
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_ENUM: {
		int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

		return (x > y) - (x < y);
	}
	default: {
		uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

		return (x > y) - (x < y);
	}
	}
}

bool
message_is_number(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_BOOL:
		return false;
	default:
		return f->label != PROTOBUF_C_LABEL_REPEATED && strstr(f->name, "_time_ms") == NULL;
	}
}

bool
message_is_scalar(const ProtobufCFieldDescriptor *f)
{
	return f->type != PROTOBUF_C_TYPE_STRING && f->type != PROTOBUF_C_TYPE_BYTES &&
	       f->type != PROTOBUF_C_TYPE_MESSAGE && f->type != PROTOBUF_C_TYPE_ENUM &&
	       f->type != PROTOBUF_C_TYPE_BOOL;
}

void
message_value_name(const char *name, char *out, size_t size)
{
	size_t i;

	for (i = 0; name[i] != '\0' && i + 1 < size; i++)
		out[i] = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
	out[i] = '\0';
}

/* --- from text --- */

static int
parse_number(const ProtobufCFieldDescriptor *f, const char *label, const char *text, void *value,
	     struct fault *fault)
{
	bool is_signed = f->type == PROTOBUF_C_TYPE_INT32 || f->type == PROTOBUF_C_TYPE_INT64;
	bool wide = f->type == PROTOBUF_C_TYPE_UINT64 || f->type == PROTOBUF_C_TYPE_INT64;
	unsigned long long n;
	char *end;

	errno = 0;
	if (is_signed && *text == '-') {
		long long s = strtoll(text, &end, 0);

		if (errno != 0 || (!wide && s < INT32_MIN))
			return fault_set(fault, ERANGE, "%s: %s is too small", label, text);
		n = (unsigned long long)s;
	} else if (!isdigit((unsigned char)*text)) {
		return fault_set(fault, EINVAL, "%s: \"%s\" is not a number", label, text);
	} else {
		n = strtoull(text, &end, 0);
		if (errno != 0 || (!wide && n > (is_signed ? INT32_MAX : UINT32_MAX)))
			return fault_set(fault, ERANGE, "%s: %s is too large", label, text);
	}
	if (*end != '\0')
		return fault_set(fault, EINVAL, "%s: \"%s\" is not a number", label, text);
	if (wide)
		*(uint64_t *)value = n;
	else
		*(uint32_t *)value = (uint32_t)n;
	return 0;
}

static int
parse_bool(const char *label, const char *text, protobuf_c_boolean *value, struct fault *fault)
{
	static const char *const words[2][4] = {{"no", "false", "off", "0"},
						{"yes", "true", "on", "1"}};

	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 4; j++)
			if (strcasecmp(text, words[i][j]) == 0) {
				*value = i;
				return 0;
			}
	return fault_set(fault, EINVAL, "%s: \"%s\" is neither yes nor no", label, text);
}

/* "yes" for "YES", "same-vif" for "SAME_VIF". The value 0 called ..._UNSET cannot be typed. */
static bool
is_typed(const ProtobufCEnumValue *v)
{
	size_t n = strlen(v->name);

	return n < 5 || strcmp(v->name + n - 5, "UNSET") != 0;
}

static int
parse_enum(const ProtobufCFieldDescriptor *f, const char *label, const char *text, int *value,
	   struct fault *fault)
{
	const ProtobufCEnumDescriptor *d = f->descriptor;
	char name[LINE], typed[LINE], all[LINE] = "";

	message_value_name(text, typed, sizeof(typed));
	for (unsigned int i = 0; i < d->n_values; i++) {
		if (!is_typed(&d->values[i]))
			continue;
		message_value_name(d->values[i].name, name, sizeof(name));
		if (strcmp(name, typed) == 0) {
			*value = d->values[i].value;
			return 0;
		}
		if (*all != '\0')
			strncat(all, ", ", sizeof(all) - strlen(all) - 1);
		strncat(all, name, sizeof(all) - strlen(all) - 1);
	}
	return fault_set(fault, EINVAL, "%s: \"%s\" is none of %s", label, text, all);
}

/* Pairs of hexadecimal digits, with or without ':' or '-' between them. Bytes, or -1. */
static int
parse_hex(const char *text, uint8_t *out)
{
	int n = 0;

	while (*text != '\0') {
		unsigned int byte;

		if (n == BYTES_MAX || !isxdigit((unsigned char)text[0]) ||
		    !isxdigit((unsigned char)text[1]) || sscanf(text, "%2x", &byte) != 1)
			return -1;
		out[n++] = (uint8_t)byte;
		text += 2;
		if ((*text == ':' || *text == '-') && text[1] != '\0')
			text++;
	}
	return n;
}

/* Bytes, or -1. */
static int
parse_address(const char *text, uint8_t *out)
{
	if (inet_pton(AF_INET, text, out) == 1)
		return 4;
	return inet_pton(AF_INET6, text, out) == 1 ? 16 : -1;
}

/* "10.0.0.0/8": the address, and a byte for its length; without one, all of it. Bytes, or -1. */
static int
parse_prefix(const char *text, uint8_t *out)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchrnul(text, '/');
	unsigned long bits;
	char *end;
	int n;

	if ((size_t)(slash - text) >= sizeof(address))
		return -1;
	snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	n = parse_address(address, out);
	if (n < 0)
		return -1;
	bits = (unsigned long)n * 8;
	if (*slash == '/') {
		bits = strtoul(slash + 1, &end, 10);
		if (!isdigit((unsigned char)slash[1]) || *end != '\0' || bits > UINT8_MAX)
			return -1;
	}
	out[n] = (uint8_t)bits;
	return n + 1;
}

/* "prefix", and names that end in "_prefix". */
static bool
is_prefix(const ProtobufCFieldDescriptor *f)
{
	size_t n = strlen(f->name);

	return strcmp(f->name, "prefix") == 0 || (n > 7 && strcmp(f->name + n - 7, "_prefix") == 0);
}

static int
parse_bytes(const ProtobufCFieldDescriptor *f, const char *label, const char *text,
	    ProtobufCBinaryData *value, struct fault *fault)
{
	bool prefix = is_prefix(f);
	uint8_t bytes[BYTES_MAX];
	int n;

	n = prefix ? parse_prefix(text, bytes) : parse_hex(text, bytes);
	if (n < 0 && prefix)
		return fault_set(fault, EINVAL, "%s: \"%s\" is no prefix such as 10.0.0.0/8", label,
				 text);
	if (n < 0)
		n = parse_address(text, bytes);
	if (n < 0)
		return fault_set(fault, EINVAL,
				 "%s: \"%s\" is no address and no row of hexadecimal digits", label,
				 text);
	value->data = malloc((size_t)n + 1);
	if (value->data == NULL)
		return fault_set(fault, ENOMEM, "out of memory");
	memcpy(value->data, bytes, (size_t)n);
	value->len = (size_t)n;
	return 0;
}

static int
parse_value(const ProtobufCFieldDescriptor *f, const char *label, const char *text, void *value,
	    struct fault *fault)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)value = strdup(text);
		return *(char **)value != NULL ? 0 : fault_set(fault, ENOMEM, "out of memory");
	case PROTOBUF_C_TYPE_BYTES:
		return parse_bytes(f, label, text, value, fault);
	case PROTOBUF_C_TYPE_BOOL:
		return parse_bool(label, text, value, fault);
	case PROTOBUF_C_TYPE_ENUM:
		return parse_enum(f, label, text, value, fault);
	case PROTOBUF_C_TYPE_MESSAGE:
		return fault_set(
		    fault, EINVAL, "%s: one of its fields must be named, as in %s.%s=...", label,
		    label, ((const ProtobufCMessageDescriptor *)f->descriptor)->fields[0].name);
	default:
		return parse_number(f, label, text, value, fault);
	}
}

static int
parse_repeated(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const char *label,
	       const char *text, struct fault *fault)
{
	size_t *n = repeated_count(m, f), width = value_size(f);
	void **values = member(m, f);
	char item[LINE];
	int rc;

	if (*n != 0)
		return fault_set(fault, EINVAL, "%s is given twice", label);
	while (*text != '\0') {
		size_t len = strcspn(text, ",");
		char *grown = realloc(*values, (*n + 1) * width);

		if (grown == NULL)
			return fault_set(fault, ENOMEM, "out of memory");
		*values = grown;
		snprintf(item, sizeof(item), "%.*s", (int)len, text);
		rc = parse_value(f, label, item, grown + *n * width, fault);
		if (rc < 0)
			return rc;
		(*n)++;
		text += len + (text[len] == ',');
	}
	return 0;
}

/* Refuses if another member of the field's oneof is set. */
static int
check_oneof(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, struct fault *fault)
{
	uint32_t now = *oneof_case(m, f);

	if (now == 0 || now == f->id)
		return 0;
	return fault_set(fault, EINVAL, "%s and %s exclude each other",
			 protobuf_c_message_descriptor_get_field(m->descriptor, now)->name,
			 f->name);
}

static int
unknown_field(const ProtobufCMessage *m, const char *prefix, const char *name, struct fault *fault)
{
	char all[160] = "";

	for (unsigned int i = 0; i < m->descriptor->n_fields; i++) {
		if (i > 0)
			strncat(all, ", ", sizeof(all) - strlen(all) - 1);
		strncat(all, m->descriptor->fields[i].name, sizeof(all) - strlen(all) - 1);
	}
	return fault_set(fault, EINVAL, "there is no field \"%s%s\"; there are %s", prefix, name,
			 all);
}

/* 'prefix' is what stands before the name in the path that the user gave, with its dot. */
static int set(ProtobufCMessage *m, const char *prefix, const char *path, const char *text,
	       struct fault *fault);

static int
set_sub(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const char *label, const char *rest,
	const char *text, struct fault *fault)
{
	ProtobufCMessage **sub = member(m, f);
	char prefix[LINE];
	int rc;

	if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->label == PROTOBUF_C_LABEL_REPEATED)
		return fault_set(fault, EINVAL, "%s has no fields of its own", label);
	if (message_count(m, f) == 0) {
		rc = in_oneof(f) ? check_oneof(m, f, fault) : 0;
		if (rc < 0)
			return rc;
		*sub = message_create(f->descriptor);
		if (*sub == NULL)
			return fault_set(fault, ENOMEM, "out of memory");
		if (in_oneof(f))
			*oneof_case(m, f) = f->id;
	}
	snprintf(prefix, sizeof(prefix), "%.250s.", label);
	return set(*sub, prefix, rest, text, fault);
}

static int
set_in_oneof(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const char *label,
	     const char *text, struct fault *fault)
{
	int rc;

	if (*oneof_case(m, f) == f->id)
		return fault_set(fault, EINVAL, "%s is given twice", label);
	rc = check_oneof(m, f, fault);
	if (rc == 0)
		rc = parse_value(f, label, text, member(m, f), fault);
	if (rc == 0)
		*oneof_case(m, f) = f->id;
	return rc;
}

static int
set(ProtobufCMessage *m, const char *prefix, const char *path, const char *text,
    struct fault *fault)
{
	size_t n = strcspn(path, ".");
	const ProtobufCFieldDescriptor *f;
	char name[LINE], label[LINE];

	snprintf(name, sizeof(name), "%.*s", (int)n, path);
	for (char *p = name; *p != '\0'; p++)
		if (*p == '-')
			*p = '_';
	f = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
	if (f == NULL)
		return unknown_field(m, prefix, name, fault);
	snprintf(label, sizeof(label), "%.150s%.100s", prefix, name);
	if (path[n] == '.')
		return set_sub(m, f, label, path + n + 1, text, fault);
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return parse_repeated(m, f, label, text, fault);
	if (in_oneof(f))
		return set_in_oneof(m, f, label, text, fault);
	if (message_has(m, f) &&
	    (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_BYTES))
		return fault_set(fault, EINVAL, "%s is given twice", label);
	return parse_value(f, label, text, member(m, f), fault);
}

int
message_set(ProtobufCMessage *m, const char *path, const char *text, struct fault *fault)
{
	return set(m, "", path, text, fault);
}

int
message_assign(ProtobufCMessage *m, const char *assignment, struct fault *f)
{
	const char *equals = strchr(assignment, '=');
	char path[LINE];

	if (equals == NULL || equals == assignment)
		return fault_set(f, EINVAL, "\"%s\" is not of the form field=value", assignment);
	snprintf(path, sizeof(path), "%.*s", (int)(equals - assignment), assignment);
	return message_set(m, path, equals + 1, f);
}

/* --- to text --- */

static bool
ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), k = strlen(end);

	return n >= k && strcmp(name + n - k, end) == 0;
}

void
message_print_duration(FILE *out, uint64_t ms)
{
	uint64_t s = ms / 1000;

	if (s < 1)
		fprintf(out, "%" PRIu64 " ms", ms);
	else if (s < 120)
		fprintf(out, "%" PRIu64 " s", s);
	else if (s < 7200)
		fprintf(out, "%" PRIu64 " min", s / 60);
	else if (s < 172800)
		fprintf(out, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s % 3600 / 60);
	else
		fprintf(out, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s % 86400 / 3600);
}

static void
print_time(FILE *out, uint64_t ms, uint64_t now_ms)
{
	if (ms == 0) {
		fputs("never", out);
		return;
	}
	message_print_duration(out, now_ms > ms ? now_ms - ms : 0);
	fputs(" ago", out);
}

static void
print_size(FILE *out, uint64_t bytes)
{
	if (bytes < 10 * 1024)
		fprintf(out, "%" PRIu64 " B", bytes);
	else if (bytes < 10 * 1024 * 1024)
		fprintf(out, "%.1f KiB", (double)bytes / 1024);
	else
		fprintf(out, "%.1f MiB", (double)bytes / (1024 * 1024));
}

static void
print_duration_us(FILE *out, uint64_t us)
{
	if (us < 10000)
		fprintf(out, "%" PRIu64 " us", us);
	else
		fprintf(out, "%.1f ms", (double)us / 1000);
}

static void
print_number(FILE *out, const ProtobufCFieldDescriptor *f, const void *value, uint64_t now_ms)
{
	uint64_t n;

	if (f->type == PROTOBUF_C_TYPE_INT32 || f->type == PROTOBUF_C_TYPE_SINT32) {
		fprintf(out, "%" PRId32, *(const int32_t *)value);
		return;
	}
	if (f->type == PROTOBUF_C_TYPE_INT64) {
		fprintf(out, "%" PRId64, *(const int64_t *)value);
		return;
	}
	n = f->type == PROTOBUF_C_TYPE_UINT64 ? *(const uint64_t *)value : *(const uint32_t *)value;
	if (ends_with(f->name, "_time_ms"))
		print_time(out, n, now_ms);
	else if (ends_with(f->name, "_us"))
		print_duration_us(out, n);
	else if (ends_with(f->name, "size_bytes") || ends_with(f->name, "used_bytes"))
		print_size(out, n);
	else if (ends_with(f->name, "_percent"))
		fprintf(out, "%" PRIu64 " %%", n);
	else
		fprintf(out, "%" PRIu64, n);
}

static void
print_bytes(FILE *out, const ProtobufCFieldDescriptor *f, const ProtobufCBinaryData *b)
{
	char text[INET6_ADDRSTRLEN];
	bool address = !ends_with(f->name, "rewrite") && strcmp(f->name, "frame") != 0;

	if (is_prefix(f) && (b->len == 4 + 1 || b->len == 16 + 1))
		fprintf(
		    out, "%s/%u",
		    inet_ntop(b->len == 4 + 1 ? AF_INET : AF_INET6, b->data, text, sizeof(text)),
		    b->data[b->len - 1]);
	else if (address && b->len == 4)
		fputs(inet_ntop(AF_INET, b->data, text, sizeof(text)), out);
	else if (address && b->len == 16)
		fputs(inet_ntop(AF_INET6, b->data, text, sizeof(text)), out);
	else
		for (size_t i = 0; i < b->len; i++)
			fprintf(out, "%s%02x", i == 0 ? "" : ":", b->data[i]);
}

static void
print_enum(FILE *out, const ProtobufCFieldDescriptor *f, int value)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(f->descriptor, value);
	char name[LINE];

	if (v == NULL) {
		fprintf(out, "%d", value);
		return;
	}
	message_value_name(v->name, name, sizeof(name));
	fputs(is_typed(v) ? name : "-", out);
}

static void
print_value(FILE *out, const ProtobufCFieldDescriptor *f, const void *value, uint64_t now_ms)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		fputs(*(char *const *)value, out);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		print_bytes(out, f, value);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		fputs(*(const protobuf_c_boolean *)value ? "yes" : "no", out);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		print_enum(out, f, *(const int *)value);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		message_print_json(out, *(ProtobufCMessage *const *)value);
		break;
	default:
		print_number(out, f, value, now_ms);
		break;
	}
}

/* Of several parts people want the names; JSON has the rest. */
static const char *
name_of_part(const ProtobufCFieldDescriptor *f, const void *value)
{
	const ProtobufCFieldDescriptor *name = NULL;

	if (f->type == PROTOBUF_C_TYPE_MESSAGE && f->label == PROTOBUF_C_LABEL_REPEATED)
		name = protobuf_c_message_descriptor_get_field_by_name(f->descriptor, "name");
	if (name == NULL || name->type != PROTOBUF_C_TYPE_STRING)
		return NULL;
	return *(char *const *)message_value(*(ProtobufCMessage *const *)value, name, 0);
}

void
message_print(FILE *out, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
	      uint64_t now_ms)
{
	if (!message_has(m, f)) {
		fputc('-', out);
		return;
	}
	for (size_t i = 0; i < message_count(m, f); i++) {
		if (i > 0)
			fputc(',', out);
		if (name_of_part(f, message_value(m, f, i)) != NULL)
			fputs(name_of_part(f, message_value(m, f, i)), out);
		else
			print_value(out, f, message_value(m, f, i), now_ms);
	}
}

static void print_value_json(FILE *out, const ProtobufCFieldDescriptor *f, const void *value);

void
message_print_exact(FILE *out, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	for (size_t i = 0; i < message_count(m, f); i++) {
		if (i > 0)
			fputc(',', out);
		if (message_is_scalar(f))
			print_value_json(out, f, message_value(m, f, i));
		else
			print_value(out, f, message_value(m, f, i), 0);
	}
}

/* --- JSON --- */

void
json_print_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *s = (const unsigned char *)text; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s < 0x20)
			fprintf(out, "\\u%04x", *s);
		else
			fputc(*s, out);
	}
	fputc('"', out);
}

static void
print_value_json(FILE *out, const ProtobufCFieldDescriptor *f, const void *value)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		json_print_text(out, *(char *const *)value);
		break;
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_ENUM:
		fputc('"', out);
		print_value(out, f, value, 0);
		fputc('"', out);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		fputs(*(const protobuf_c_boolean *)value ? "true" : "false", out);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		message_print_json(out, *(ProtobufCMessage *const *)value);
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
		fprintf(out, "%" PRId32, *(const int32_t *)value);
		break;
	case PROTOBUF_C_TYPE_INT64:
		fprintf(out, "%" PRId64, *(const int64_t *)value);
		break;
	case PROTOBUF_C_TYPE_UINT64:
		fprintf(out, "%" PRIu64, *(const uint64_t *)value);
		break;
	default:
		fprintf(out, "%" PRIu32, *(const uint32_t *)value);
		break;
	}
}

void
message_print_json(FILE *out, const ProtobufCMessage *m)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;
	const char *separator = "";

	fputc('{', out);
	for (unsigned int i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
		size_t n = message_count(m, f);

		if (n == 0 && !repeated)
			continue;
		fprintf(out, "%s\"%s\": %s", separator, f->name, repeated ? "[" : "");
		for (size_t j = 0; j < n; j++) {
			if (j > 0)
				fputs(", ", out);
			print_value_json(out, f, message_value(m, f, j));
		}
		if (repeated)
			fputc(']', out);
		separator = ", ";
	}
	fputc('}', out);
}

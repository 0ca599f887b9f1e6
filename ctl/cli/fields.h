/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fields of an object as a person sees them: those of the message and those of its
 * sub-messages, by dotted paths. Tables, filters and completion are made from them. vrctl's only
 * thread.
 */
#ifndef CTL_CLI_FIELDS_H
#define CTL_CLI_FIELDS_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FIELDS_MAX = 128, FIELD_PATH_LEN = 96, FIELD_DEPTH = 2 };

struct field {
	/* Sub-messages it is in, the outermost first; NULL after the last. */
	const ProtobufCFieldDescriptor *outer[FIELD_DEPTH + 1];
	const ProtobufCFieldDescriptor *f;
	char path[FIELD_PATH_LEN];
};

struct fields {
	unsigned int n;
	struct field list[FIELDS_MAX];
};

/* All fields, in the order of their declarations. */
void fields_of(const ProtobufCMessageDescriptor *d, struct fields *out);
/* Keeps those that columns.def names for the kind, in its order; all if it names none. */
void fields_choose(const char *kind, struct fields *fields);
/*
 * The field that somebody calls 'name': its path, or the end of it ("rx_packets" for
 * state.rx_packets) where that means one field only. '-' may stand for '_'. NULL: there is none.
 */
const struct field *fields_find(const struct fields *fields, const char *name);

/* The message that holds the field, NULL when it is absent; and of what type it is. */
const ProtobufCMessageDescriptor *field_holder_type(const struct field *field,
						    const ProtobufCMessageDescriptor *d);
const ProtobufCMessage *field_holder(const struct field *field, const ProtobufCMessage *m);
/* As a person reads it, "-" for nothing; the caller frees it. NULL when out of memory. */
char *field_text(const struct field *field, const ProtobufCMessage *m, uint64_t now_ms);
/* Head of its column: without units that the values say themselves, and without "state.". */
void field_title(const struct field *field, char *title, size_t size);
/* The name that is shortest where it is shown: without "state.". */
const char *field_short_name(const struct field *field);
/* Whether it counts events, so that its rise per second means something. */
bool field_is_counter(const struct field *field);
/* Value of a counter in 'm'; 0 when it is absent. */
uint64_t field_count(const struct field *field, const ProtobufCMessage *m);
/*
 * What stays the same while an object lives, as a number: two rows of a list with the same one are
 * the same object at different times.
 */
uint64_t fields_identity(const ProtobufCMessage *m);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages by their descriptors: what vrctl knows about objects it learns from the .proto file. A
 * field is set from text and shown as text; how is decided by its type and by the end of its name
 * (the conventions are at the top of proto/vrouter.proto). vrctl's only thread.
 */
#ifndef CTL_CLI_MESSAGE_H
#define CTL_CLI_MESSAGE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/fault.h"

/* An empty message; NULL when out of memory. Freed with protobuf_c_message_free_unpacked(). */
ProtobufCMessage *message_create(const ProtobufCMessageDescriptor *d);

/*
 * Sets the field 'path' (with dots) from text; of a repeated one all values, separated by commas.
 * The fault names what there is instead, when a field or an enum value is not known.
 */
int message_set(ProtobufCMessage *m, const char *path, const char *text, struct fault *f);
/* The same from "path=text". */
int message_assign(ProtobufCMessage *m, const char *assignment, struct fault *f);

/* Whether the field has a value worth showing: a member of a oneof that is set, a text not empty.
 */
bool message_has(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
/* Whether somebody gave it: as before, and a number, a bool or an enum value outside of a oneof
 * only if it is not 0. */
bool message_given(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
/* The message that is the field's value; NULL when absent. */
const ProtobufCMessage *message_sub(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
/* Frees the sub-message of this name, if there is one outside of oneofs. */
void message_drop_sub(ProtobufCMessage *m, const char *name);
/* How many values a field has. */
size_t message_count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
/* Value number 'i' of a field that has more than 'i', and the order of two of them (not messages).
 */
const void *message_value(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t i);
int message_compare(const ProtobufCFieldDescriptor *f, const void *a, const void *b);

/* As a person reads it, "-" when there is nothing. 'now_ms' is what times are told against. */
void message_print(FILE *out, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
		   uint64_t now_ms);
/* As message_set() takes it: no units. */
void message_print_exact(FILE *out, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
/* The whole message as one JSON object. */
void message_print_json(FILE *out, const ProtobufCMessage *m);
/* A text as a JSON string. */
void json_print_text(FILE *out, const char *text);

/* Whether a value is a number, and no text, address, choice or message. */
bool message_is_scalar(const ProtobufCFieldDescriptor *f);
/* Whether values are numbers, to be aligned at their right. */
bool message_is_number(const ProtobufCFieldDescriptor *f);
/* A field's or enum value's name as people type it: small letters, '-' for '_' in values. */
void message_value_name(const char *name, char *out, size_t size);

/* "3 s", "5 min", "2 h 10 min", "4 d 3 h". */
void message_print_duration(FILE *out, uint64_t ms);

#endif

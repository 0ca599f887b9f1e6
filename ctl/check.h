/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is checked alike for every message that comes in, before its own kind looks at it: nothing
 * unknown, nothing read-only, text that is text. Called by object.c on vr-ctl's main thread.
 */
#ifndef CTL_CHECK_H
#define CTL_CHECK_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "ctl/refusal.h"

/*
 * Refuses unknown fields (by number), unknown enum values, strings that are not UTF-8 or contain
 * control characters, at any depth; with 'write', also the member `state`, which only the router
 * fills.
 */
int check_message(const ProtobufCMessage *m, bool write, struct refusal *r);

/* Refuses unless every field named in 'keys' (comma separated) is given. */
int check_keys(const ProtobufCMessage *m, const char *keys, struct refusal *r);

/* Whether a field was given: a member of a oneof by its case, others when they are not empty. */
bool check_given(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *field);

/*
 * Kind and key as people say it, "bridge vrf 1 mac 02:00:00:00:00:01", into 'out' of 'size' bytes.
 * Keys that were not given are left out.
 */
void check_label(const ProtobufCMessage *m, const char *kind, const char *keys, char *out,
		 size_t size);

#endif

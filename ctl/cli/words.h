/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Words into objects: what follows OBJECT VERB on the command line, and what a line of a
 * configuration is made of. vrctl's only thread.
 */
#ifndef CTL_CLI_WORDS_H
#define CTL_CLI_WORDS_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdio.h>

#include "common/fault.h"
#include "proto/vrouter.pb-c.h"

/* The member of the message Object for a kind; NULL: there is no such kind. */
const ProtobufCFieldDescriptor *words_kind(const char *name);
/* "There is no object ...; there are ...", as a sentence that begins small. */
void words_unknown_kind(FILE *out, const char *name);

/* An empty object of a kind: *object, and its content, which the caller frees. NULL: out of memory.
 */
ProtobufCMessage *words_object(const ProtobufCFieldDescriptor *kind, Vrouter__Object *object);
/* What is in an object; NULL: nothing, or of a kind not known here. */
const ProtobufCMessage *words_content(const Vrouter__Object *object);
/* Makes 'm' the object's content. */
void words_put(Vrouter__Object *object, const ProtobufCFieldDescriptor *kind, ProtobufCMessage *m);

/* 0 or -EINVAL. */
int words_verb(const char *text, Vrouter__Op *op);
/*
 * One argument of a command. "7" stands for the object's first field, id or name; and as in
 * `vrctl log set server=debug`, a module's name may stand where a field's would.
 */
int words_argument(ProtobufCMessage *m, Vrouter__Op op, const char *argument, struct fault *f);

/*
 * Takes a line apart in place: words between blanks, 'quoted' or "quoted" parts as a shell has
 * them, a word that begins with # and what follows it left out. Returns how many words there are,
 * or -EINVAL (a quote without end) or -E2BIG, with the reason in 'f'.
 */
int words_split(char *line, char **words, int max, struct fault *f);
/* Writes a word so that words_split() and a shell read it back. */
void words_quote(FILE *out, const char *word);

#endif

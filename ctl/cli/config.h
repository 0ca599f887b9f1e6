/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A configuration as text: one line for each object, in the words of a command ("vif add id=1
 * type=virtual tap.name=red"), comments after #. Fields that are not given have their defaults.
 * vrctl's only thread.
 */
#ifndef CTL_CLI_CONFIG_H
#define CTL_CLI_CONFIG_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct config_object {
	const ProtobufCFieldDescriptor *kind; /* member of the message Object */
	ProtobufCMessage *m;
	unsigned int line; /* 0: not from a file */
};

/* Starts as {0}. */
struct config {
	size_t n, room;
	struct config_object *list;
};

/* Takes 'm' over, also when it fails. 0 or -ENOMEM. */
int config_add(struct config *c, const ProtobufCFieldDescriptor *kind, ProtobufCMessage *m,
	       unsigned int line);
void config_free(struct config *c);

/*
 * Reads a whole file and sorts what is in it. Every mistake (an unknown word, a key that is
 * missing, an object named twice) is a line on 'err', with the file's name and the number of the
 * line. Returns the number of mistakes, or a negative errno that was said on 'err', too.
 */
int config_parse(struct config *c, FILE *in, const char *name, FILE *err);

/* By kind, then by key, then by line. */
void config_sort(struct config *c);
/* The same kind and key? As for qsort(), without regard to lines. */
int config_compare(const struct config_object *a, const struct config_object *b);

/* "vif add id=1 ...", without the end of the line. What only the router says is left out. */
void config_print(FILE *out, const struct config_object *o);
/* "vif id=1". */
void config_print_key(FILE *out, const struct config_object *o);

/*
 * What must change: calls 'each' in the order of the keys for every object that 'want' has and
 * 'have' has not (have: NULL), that differs, and, with 'replace', that only 'have' has (want:
 * NULL). Both are sorted. A field that is not given in 'want' and has a default (its comment says
 * "0: ..." or "empty: ...") differs if it has not that value; one that the router chooses never
 * does.
 */
typedef void config_each(void *arg, const struct config_object *have,
			 const struct config_object *want);
void config_diff(const struct config *have, const struct config *want, bool replace,
		 config_each *each, void *arg);
/* "+ vif add ...", "- vif add ...", or "~ vif id=1: mtu=9000 (was 1514)". */
void config_print_change(FILE *out, const struct config_object *have,
			 const struct config_object *want);

#endif

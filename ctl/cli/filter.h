/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Conditions that choose among the objects of a list: what stands after `where`. All must hold.
 *
 *	FIELD=VALUE  FIELD!=VALUE  FIELD<VALUE  FIELD<=VALUE  FIELD>VALUE  FIELD>=VALUE
 *	FIELD~PATTERN  (an extended regular expression, found anywhere)
 *
 * Values are written as in a command; numbers are compared as numbers, without regard to the units
 * that tables show. "-" is nothing: FIELD=- holds where the table shows "-". Of a field with
 *several values one that matches is enough. vrctl's only thread.
 */
#ifndef CTL_CLI_FILTER_H
#define CTL_CLI_FILTER_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

struct filter;

/*
 * Understands 'n' conditions on messages of a kind. 0; -EINVAL with a sentence in '*why', which the
 * caller frees; -ENOMEM.
 */
int filter_parse(const ProtobufCMessageDescriptor *d, int n, char *const *conditions,
		 struct filter **filter, char **why);
/* Whether all conditions hold; a filter of NULL has none. */
bool filter_matches(const struct filter *filter, const ProtobufCMessage *m);
void filter_free(struct filter *filter); /* NULL is fine */

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The contract's own text: proto/vrouter.proto is part of the program, and its comments are what
 * help, the manual page and docs/api.md say. Two things they say by convention are understood as
 * well: which operations a kind has ("ADD, DEL, GET, LIST."), and which fields name an object of it
 * ("The key is vrf and mac."; without such a sentence it is the first field). vrctl's only thread.
 */
#ifndef CTL_CLI_CONTRACT_H
#define CTL_CLI_CONTRACT_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

enum { CONTRACT_NAME_LEN = 128, CONTRACT_KEYS_MAX = 8 };

enum contract_kind { ENTRY_HEAD, ENTRY_MESSAGE, ENTRY_ENUM, ENTRY_FIELD, ENTRY_VALUE };

/* A declaration with the comment before it: lines joined, paragraphs kept. */
struct contract_entry {
	enum contract_kind kind;
	char name[2 * CONTRACT_NAME_LEN]; /* with all that it is in: "vrouter.Vif.Tap.name" */
	char type[CONTRACT_NAME_LEN];     /* of a field */
	int number;                       /* of a field or value */
	char *comment;
};

/* All declarations, in their order. */
const struct contract_entry *contract_entries(int *n);
/* The comment before the declaration called 'name', "" when there is none. */
const char *contract_comment(const char *name);

/* Operations of a kind of object: a bit (1 << Vrouter__Op) for each. */
unsigned int contract_ops(const ProtobufCMessageDescriptor *d);
/* The fields that name an object, at most CONTRACT_KEYS_MAX. */
unsigned int contract_keys(const ProtobufCMessageDescriptor *d,
			   const ProtobufCFieldDescriptor **keys);
bool contract_is_key(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers that lead to nexthops, in tables of number.h: what labels and VNIs in the API have in
 * common. vr-ctl's main thread only.
 */
#ifndef CTL_NUMBER_TABLE_H
#define CTL_NUMBER_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/object.h"

struct bridge;
struct bridge_writer;
struct refusal;

/* One object, taken out of its kind's message. */
struct number {
	const char *field;  /* the number's */
	const char *option; /* that says how many there may be */
	uint32_t number;
	uint32_t max;
	bool has_nexthop;
	uint32_t nexthop;
	const struct bridge *table;
	struct bridge_writer *writer;
};

/* As an object_change does. */
int number_put(struct change *c, const struct number *n);
int number_remove(struct change *c, const struct number *n);
/* The nexthop of what is there; 0, or a refusal. */
int number_get(const struct number *n, uint32_t *nexthop, struct refusal *r);
/* As an object_list does; 'each' sends one. */
typedef void number_each(struct call *call, uint32_t number, uint32_t nexthop);
int number_list(const struct bridge *table, uint64_t *cursor, uint32_t budget, struct call *call,
		number_each *each);

#endif

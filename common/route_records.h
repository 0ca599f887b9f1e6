/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The routes as given, found by prefix: what a route table's writer knows in its own memory of the
 * records and values in the region. For route_writer.c, in vr-ctl's main thread.
 */
#ifndef COMMON_ROUTE_RECORDS_H
#define COMMON_ROUTE_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/route.h"

enum { ROUTE_NO_RECORD = UINT32_MAX };

/* A prefix as a record has it: 'meta' without flags. */
struct route_prefix {
	uint64_t address[2];
	uint32_t meta;
};

/* 'length' bits of 'address'; what is behind them is ignored. */
struct route_prefix route_prefix_make(uint32_t family, uint32_t vrf, uint32_t length,
				      const void *address);

struct route_memory;
struct route_records;

/* Nothing is known until records are noted. NULL: out of memory. */
struct route_records *route_records_create(struct route_table *t, struct route_memory *m);
void route_records_destroy(struct route_records *x); /* NULL is fine */

/* Taking over: a record that is not free, found by its prefix from now on; or one that is. */
void route_records_note(struct route_records *x, uint32_t record);
void route_records_note_free(struct route_records *x, uint32_t record);

/* The record of the prefix, whatever its state, or ROUTE_NO_RECORD. */
uint32_t route_records_find(const struct route_records *x, const struct route_prefix *p);
/* The longest live route of 'least' to 'most' bits that covers the prefix, or ROUTE_NO_RECORD. */
uint32_t route_records_covering(const struct route_records *x, const struct route_prefix *p,
				uint32_t least, uint32_t most);

/* A free record that has the prefix now and is still free to all others; ROUTE_NO_RECORD: full. */
uint32_t route_records_take(struct route_records *x, const struct route_prefix *p);
/* Free again: nothing refers to it. */
void route_records_release(struct route_records *x, uint32_t record);

/* A live route more or less. */
void route_records_count(struct route_records *x, uint32_t meta, int by);

/* The index of a value that is used once more; there is one: route_memory_reserve(). */
uint32_t route_records_value_hold(struct route_records *x, uint64_t value);
/* Readers may see it from now on. */
void route_records_value_publish(struct route_records *x, uint32_t index);
/* Taking over: a value that readers may see is used once more. */
void route_records_value_note(struct route_records *x, uint32_t index);
bool route_records_value_is_used(const struct route_records *x, uint32_t index);
/* Whether only one uses it, and readers may see it: dropped, it would have to be retired. */
bool route_records_value_is_last(const struct route_records *x, uint32_t index);
/* Used once less; the last time it is retired if readers may see it. */
void route_records_value_drop(struct route_records *x, uint32_t index);

#endif

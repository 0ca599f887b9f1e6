/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lines of a route table's trie: blocks of 2^order lines, given out and taken back by its
 * writer, in vr-ctl's writer thread. What readers may still look at waits for a grace period.
 */
#ifndef COMMON_ROUTE_MEMORY_H
#define COMMON_ROUTE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

struct grace;
struct route_table;

struct route_memory;

/* Nothing is free until route_memory_sweep(). NULL: out of memory. 'grace' may be NULL: no readers.
 */
struct route_memory *route_memory_create(struct route_table *t, struct grace *grace);
void route_memory_destroy(struct route_memory *m);

/* In use; before the sweep. Value 0 stands for none. */
void route_memory_mark(struct route_memory *m, uint32_t line, uint32_t order);
void route_memory_mark_value(struct route_memory *m, uint32_t value);
/* All that was not marked is free from now on: no reader may be looking at it any more. */
void route_memory_sweep(struct route_memory *m);

/*
 * Whether a change may begin: 'lines' lines in big blocks are free, and as many blocks may be
 * retired. 0, -ENOSPC, or -ENOBUFS: room waits for a grace period (after a bounded poll).
 */
int route_memory_reserve(struct route_memory *m, uint32_t lines, uint32_t retired);

/* Whether there is a block of 2^order lines. */
bool route_memory_has(const struct route_memory *m, uint32_t order);
/* A zeroed block; cannot fail within what was reserved. */
uint32_t route_memory_take(struct route_memory *m, uint32_t order);
/* 'value' is an index into values[]; both are free after a grace period that begins after flush. */
void route_memory_retire(struct route_memory *m, uint32_t line, uint32_t order);
void route_memory_retire_value(struct route_memory *m, uint32_t value);
/* What was retired is unreachable now. */
void route_memory_flush(struct route_memory *m);

/* An index into values[] that is free, 0 if there is none. */
uint32_t route_memory_value(struct route_memory *m);
/* Gives one back that no reader has ever seen. */
void route_memory_value_back(struct route_memory *m, uint32_t value);
/* Whether it was marked; before the sweep. */
bool route_memory_value_is_marked(const struct route_memory *m, uint32_t value);
/* Whether there is one to be had; as route_memory_reserve(). */
int route_memory_reserve_value(struct route_memory *m);

/* Lines that changes to come will want: they count as taken for whoever could do with less. */
void route_memory_promise(struct route_memory *m, uint64_t lines);
/* But for the promised. */
uint64_t route_memory_free_lines(const struct route_memory *m);

#endif

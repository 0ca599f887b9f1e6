/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The redo log: changes that happen together, also when their writer dies. It lies in the region;
 * vr-ctl's main thread writes it, and the next vr-ctl reads it before it opens any table.
 *
 * A change of a table is in the end a few stores of single words: a reference of an idtab, key and
 * value of a bridge cell. A batch stages these stores here instead of making them; everything they
 * refer to (a new entry's bytes) is filled before and seen by nobody. One release store of
 * 'committed' decides; then the stores are made. Whoever dies before that store has done nothing,
 * whoever dies after it has done all: the next writer makes the stores again, which is the same as
 * making them once.
 *
 * Each store is whole for readers, a batch is not while its stores are being made, which takes
 * microseconds. (Making it so would cost readers a check for each lookup, or a second copy of every
 * table.) The order of the stores is that of staging.
 */
#ifndef COMMON_REDO_H
#define COMMON_REDO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"

/* A word of the region: its offset from the region's address << 4 | its width in bytes. */
struct redo_store {
	uint64_t where;
	uint64_t value;
};

/* Shared. Followed by stores[capacity]. */
struct redo {
	uint32_t capacity;
	uint32_t reserved0;
	uint64_t committed; /* stores that are decided and perhaps not all made; 0: none */
	uint64_t batches;   /* ever committed */
	uint64_t reserved[5];
	struct redo_store stores[];
} __attribute__((aligned(CACHE_LINE)));

size_t redo_size(uint32_t stores);
/* Primary, on zeroed memory. */
void redo_init(struct redo *r, uint32_t stores);

/*
 * Makes the stores that a writer had decided on when it died; returns how many. 'base' is the
 * region's address, 'size' its length. Before any writer of a table is created.
 */
uint64_t redo_roll_forward(struct redo *r, void *base, uint64_t size);

/* The writer's side, process-local. NULL when out of memory. */
struct redo_writer;
struct redo_writer *redo_writer_create(struct redo *r, void *base);
void redo_writer_destroy(struct redo_writer *w); /* NULL is fine */

/*
 * Told to whoever staged a store once it is made ('committed') or given up: what was there before
 * the batch, and what the batch came to.
 */
typedef void redo_done(void *table, void *where, uint64_t old, uint64_t value, int committed);

/*
 * Stages a store of 'width' (1, 2, 4, 8) bytes; a second one to the same place replaces the first.
 * 'done' may be NULL. -EFBIG: the log is full.
 */
int redo_stage(struct redo_writer *w, void *where, uint32_t width, uint64_t value, redo_done *done,
	       void *table);
/* Whether the place has a store staged, and which value it then has; else 'value' is left alone. */
bool redo_find(const struct redo_writer *w, const void *where, uint32_t width, uint64_t *value);
/* What will be there if the batch is committed now. */
uint64_t redo_load(const struct redo_writer *w, const void *where, uint32_t width);
/* Stores staged. */
uint32_t redo_staged(const struct redo_writer *w);
uint32_t redo_capacity(const struct redo_writer *w);

/* Ends the batch: all of it, or nothing. */
void redo_commit(struct redo_writer *w);
void redo_abandon(struct redo_writer *w);

#endif

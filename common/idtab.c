/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The writer's side of a table of immutable entries (see the header); called by vr-ctl's writer
 * thread. Which entries are free is known here alone: a stack in the writer's own memory, made by a
 * scan of refs when it opens the table.
 *
 * Entries that the last writer had unpublished right before it died may still be borrowed by
 * readers, and nobody remembers which: so all free entries of a table just opened wait for one
 * grace period.
 *
 * What a death leaves, store by store: the entry's bytes: a free entry, found by the scan.
 * refs[id]: the change is done. 'used': recounted.
 */
#include "common/idtab.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/fault_point.h"
#include "common/grace.h"
#include "common/limits.h"
#include "common/redo.h"

struct idtab_writer {
	struct idtab *t;
	struct grace *grace; /* NULL: there are no readers */
	bool settled;        /* what the last writer left has passed its grace period */
	uint32_t n_free;
	uint32_t free[];
};

static uint64_t
line_up(uint64_t n)
{
	return (n + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

/* Room for replaced entries that wait for a grace period. */
static uint32_t
entries_for(uint32_t ids)
{
	return ids + ids / 16 + 64;
}

static uint64_t
entries_offset(uint32_t ids)
{
	return line_up(line_up(sizeof(struct idtab)) + (uint64_t)ids * sizeof(uint32_t));
}

size_t
idtab_size(uint32_t ids, uint32_t entry_size)
{
	return entries_offset(ids) + (uint64_t)entries_for(ids) * entry_size;
}

void
idtab_init(struct idtab *t, uint32_t ids, uint32_t entry_size)
{
	*t = (struct idtab){
	    .ids = ids,
	    .entries = entries_for(ids),
	    .entry_size = entry_size,
	    .refs_offset = line_up(sizeof(struct idtab)),
	    .entries_offset = entries_offset(ids),
	};
}

static uint32_t *
refs_of(struct idtab *t)
{
	return (uint32_t *)((char *)t + t->refs_offset);
}

static void *
entry_of(struct idtab *t, uint32_t index)
{
	return (char *)t + t->entries_offset + (uint64_t)index * t->entry_size;
}

static void
publish(struct idtab *t, uint32_t id, uint32_t ref)
{
	FAULT_POINT("idtab before publish");
	__atomic_store_n(&refs_of(t)[id], ref, __ATOMIC_RELEASE);
	FAULT_POINT("idtab after publish");
}

/* Pushes what no ref names, so that low indices are used first. */
static void
scan(struct idtab_writer *w, uint8_t *taken)
{
	struct idtab *t = w->t;
	const uint32_t *refs = refs_of(t);

	t->used = 0;
	for (uint32_t id = 0; id < t->ids; id++) {
		if (refs[id] == 0)
			continue;
		taken[refs[id] - 1] = 1;
		t->used++;
	}
	for (uint32_t i = t->entries; i-- > 0;)
		if (!taken[i])
			w->free[w->n_free++] = i;
}

static void
settled(void *arg, uint32_t n)
{
	struct idtab_writer *w = arg;

	(void)n;
	w->settled = true;
}

struct idtab_writer *
idtab_writer_create(struct idtab *t, struct grace *grace)
{
	struct idtab_writer *w = calloc(1, sizeof(*w) + t->entries * sizeof(w->free[0]));
	uint8_t *taken = calloc(t->entries, 1);

	if (w == NULL || taken == NULL)
		goto fail;
	w->t = t;
	w->grace = grace;
	w->settled = grace == NULL;
	if (grace != NULL && (!grace_room(grace) || grace_defer(grace, settled, w, 0) < 0))
		goto fail;
	scan(w, taken);
	free(taken);
	return w;

fail:
	free(taken);
	free(w);
	return NULL;
}

void
idtab_writer_destroy(struct idtab_writer *w)
{
	free(w);
}

static void
entry_free(void *arg, uint32_t index)
{
	struct idtab_writer *w = arg;

	w->free[w->n_free++] = index;
}

/* Only after may_retire(). */
static void
retire(struct idtab_writer *w, uint32_t ref)
{
	if (w->grace == NULL)
		entry_free(w, ref - 1);
	else
		grace_defer(w->grace, entry_free, w, ref - 1);
}

static bool
may_retire(struct idtab_writer *w)
{
	return w->grace == NULL || grace_room(w->grace);
}

static bool
have_free(struct idtab_writer *w)
{
	if (w->settled && w->n_free > 0)
		return true;
	if (w->grace != NULL)
		grace_settle(w->grace);
	return w->settled && w->n_free > 0;
}

int
idtab_set(struct idtab_writer *w, uint32_t id, const void *entry)
{
	struct idtab *t = w->t;
	uint32_t old, index;

	if (id >= t->ids)
		return -ERANGE;
	old = refs_of(t)[id];
	if (old != 0 && memcmp(entry_of(t, old - 1), entry, t->entry_size) == 0)
		return 0; /* a client replays what it knows: costs readers and entries nothing */
	if (!have_free(w) || (old != 0 && !may_retire(w)))
		return -ENOBUFS;
	index = w->free[--w->n_free];
	FAULT_POINT("idtab before fill");
	memcpy(entry_of(t, index), entry, t->entry_size);
	publish(t, id, index + 1);
	if (old != 0)
		retire(w, old);
	else
		t->used++;
	return 0;
}

int
idtab_del(struct idtab_writer *w, uint32_t id)
{
	struct idtab *t = w->t;
	uint32_t old = id < t->ids ? refs_of(t)[id] : 0;

	if (old == 0)
		return -ENOENT;
	if (!may_retire(w))
		return -ENOBUFS;
	publish(t, id, 0);
	retire(w, old);
	t->used--;
	return 0;
}

/* --- as a part of a batch --- */

/* A staged reference is published or given up. */
static void
ref_done(void *table, void *where, uint64_t old, uint64_t ref, int committed)
{
	struct idtab_writer *w = table;

	(void)where;
	if (old == ref)
		return;
	if (!committed) {
		if (ref != 0)
			entry_free(w, (uint32_t)ref - 1);
		return;
	}
	if (old != 0)
		retire(w, (uint32_t)old);
	w->t->used += (uint32_t)(ref != 0) - (uint32_t)(old != 0);
}

int
idtab_stage_set(struct idtab_writer *w, struct redo_writer *redo, uint32_t id, const void *entry)
{
	struct idtab *t = w->t;
	uint32_t *ref, staged, index;
	int rc;

	if (id >= t->ids)
		return -ERANGE;
	ref = &refs_of(t)[id];
	staged = (uint32_t)redo_load(redo, ref, sizeof(*ref));
	if (staged != 0 && memcmp(entry_of(t, staged - 1), entry, t->entry_size) == 0)
		return 0;
	if (!have_free(w))
		return w->settled && (w->grace == NULL || grace_poll(w->grace) == 0) ? -E2BIG
										     : -ENOBUFS;
	index = w->free[--w->n_free];
	FAULT_POINT("idtab before staged fill");
	memcpy(entry_of(t, index), entry, t->entry_size);
	rc = redo_stage(redo, ref, sizeof(*ref), index + 1, ref_done, w);
	if (rc < 0)
		entry_free(w, index);
	else if (staged != 0 && staged != *ref)
		entry_free(w, staged - 1);
	return rc;
}

int
idtab_stage_del(struct idtab_writer *w, struct redo_writer *redo, uint32_t id)
{
	struct idtab *t = w->t;
	uint32_t *ref = &refs_of(t)[id < t->ids ? id : 0];
	uint32_t staged = id < t->ids ? (uint32_t)redo_load(redo, ref, sizeof(*ref)) : 0;
	int rc;

	if (staged == 0)
		return -ENOENT;
	rc = redo_stage(redo, ref, sizeof(*ref), 0, ref_done, w);
	if (rc == 0 && staged != *ref)
		entry_free(w, staged - 1);
	return rc;
}

const void *
idtab_staged(struct idtab_writer *w, const struct redo_writer *redo, uint32_t id)
{
	struct idtab *t = w->t;
	uint32_t staged;

	if (id >= t->ids)
		return NULL;
	staged = (uint32_t)redo_load(redo, &refs_of(t)[id], sizeof(uint32_t));
	return staged == 0 ? NULL : entry_of(t, staged - 1);
}

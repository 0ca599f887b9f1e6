/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table of immutable entries found by an id that the client chose: vifs, nexthops, and whatever
 * comes later share this one implementation.
 *
 *   refs[id] -> 0 (absent) or index + 1 of the entry
 *
 * The writer (vr-ctl, one thread) fills a free entry and publishes it with one release store into
 * refs[id]; the entry it replaced is freed after a grace period (grace.h). Readers borrow a pointer
 * until their next quiescent point. A writer that dies on any line either had published or had not;
 * free entries are found by scanning refs when the next writer opens the table.
 */
#ifndef COMMON_IDTAB_H
#define COMMON_IDTAB_H

#include <stdint.h>
#include <stddef.h>

/* Shared. Followed by refs[ids], then entries[entries] at the next cache line. */
struct idtab {
	uint32_t ids;            /* ids are 0 .. ids - 1 */
	uint32_t entries;        /* more than ids: room for entries that wait for a grace period */
	uint32_t entry_size;     /* bytes, a multiple of 64 */
	uint32_t used;           /* ids present; the writer's, for people to look at */
	uint64_t refs_offset;    /* from this struct */
	uint64_t entries_offset; /* from this struct */
	uint64_t reserved[3];
};

/* Bytes for a table of this shape. */
size_t idtab_size(uint32_t ids, uint32_t entry_size);
/* Primary, on creation. 'mem' is zeroed and idtab_size() long. */
void idtab_init(struct idtab *t, uint32_t ids, uint32_t entry_size);

/* Reader. NULL means absent; an id out of range is absent too. */
static inline const void *
idtab_lookup(const struct idtab *t, uint32_t id)
{
	const uint32_t *refs = (const uint32_t *)((const char *)t + t->refs_offset);
	uint32_t ref;

	if (id >= t->ids)
		return NULL;
	ref = __atomic_load_n(&refs[id], __ATOMIC_ACQUIRE);
	if (ref == 0)
		return NULL;
	return (const char *)t + t->entries_offset + (uint64_t)(ref - 1) * t->entry_size;
}

/* Writer (vr-ctl only, one thread): process-local state of a writer. */
struct idtab_writer;
struct grace;

/*
 * Scans refs, so it costs time by table size. NULL when out of memory, or when 'grace' can defer no
 * more. 'grace' may be NULL when there are no readers (tests): then all is free at once.
 * With 'grace', nothing may poll it after the writer is destroyed.
 */
struct idtab_writer *idtab_writer_create(struct idtab *t, struct grace *grace);
void idtab_writer_destroy(struct idtab_writer *w);

/*
 * Publishes a copy of 'entry' (entry_size bytes) under 'id', replacing what was there.
 * -ERANGE: id too large; -ENOBUFS: every spare entry still waits for a grace period, poll and try
 * again (after a bounded poll of its own; a stuck reader holds it up until it is killed).
 */
int idtab_set(struct idtab_writer *w, uint32_t id, const void *entry);
/* Unpublishes. -ENOENT: absent; -ENOBUFS: as above. */
int idtab_del(struct idtab_writer *w, uint32_t id);

/*
 * The same as a part of a batch (redo.h): the entry is filled now, published when the batch is
 * committed. Whoever commits sees before that each staged store may be deferred (grace_room_for()).
 * Errors as above, and -EFBIG: the log is full; -E2BIG: the batch alone takes all spare entries, so
 * waiting does not help.
 */
struct redo_writer;
int idtab_stage_set(struct idtab_writer *w, struct redo_writer *redo, uint32_t id,
		    const void *entry);
int idtab_stage_del(struct idtab_writer *w, struct redo_writer *redo, uint32_t id);
/* What idtab_lookup() finds once the batch is committed. */
const void *idtab_staged(struct idtab_writer *w, const struct redo_writer *redo, uint32_t id);

#endif

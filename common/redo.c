/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The redo log; see redo.h. vr-ctl's main thread writes.
 *
 * The dead writer, store by store: stores[]: nothing has happened, 'committed' is 0. 'committed':
 * the batch is decided; the next writer makes all its stores, some perhaps for the second time.
 * 'committed' back to 0: the batch is done.
 */
#include "common/redo.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/fault_point.h"

enum {
	FEW = 8, /* stores that are found by looking at all of them */
	WIDTH_BITS = 4,
};

/* What is known about a staged store here alone. */
struct note {
	redo_done *done;
	void *table;
	uint64_t old;
	uint32_t slot; /* of 'index' */
};

struct redo_writer {
	struct redo *r;
	char *base;
	uint32_t n;
	bool indexed;
	uint32_t mask;
	uint32_t *index; /* hash by place: number of the store + 1, 0: vacant */
	struct note *notes;
};

/* --- places --- */

static uint64_t
place_of(const struct redo_writer *w, const void *where, uint32_t width)
{
	return (uint64_t)((const char *)where - w->base) << WIDTH_BITS | width;
}

static void *
address_of(void *base, uint64_t place)
{
	return (char *)base + (place >> WIDTH_BITS);
}

static uint32_t
width_of(uint64_t place)
{
	return place & ((1u << WIDTH_BITS) - 1);
}

static uint64_t
word_load(const void *p, uint32_t width)
{
	switch (width) {
	case 1:
		return __atomic_load_n((const uint8_t *)p, __ATOMIC_RELAXED);
	case 2:
		return __atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED);
	case 4:
		return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
	default:
		return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
	}
}

static void
word_store(void *p, uint32_t width, uint64_t value)
{
	switch (width) {
	case 1:
		__atomic_store_n((uint8_t *)p, (uint8_t)value, __ATOMIC_RELEASE);
		break;
	case 2:
		__atomic_store_n((uint16_t *)p, (uint16_t)value, __ATOMIC_RELEASE);
		break;
	case 4:
		__atomic_store_n((uint32_t *)p, (uint32_t)value, __ATOMIC_RELEASE);
		break;
	default:
		__atomic_store_n((uint64_t *)p, value, __ATOMIC_RELEASE);
		break;
	}
}

/* --- the log --- */

size_t
redo_size(uint32_t stores)
{
	return sizeof(struct redo) + stores * sizeof(struct redo_store);
}

void
redo_init(struct redo *r, uint32_t stores)
{
	r->capacity = stores;
}

static void
committed_store(struct redo *r, uint64_t n)
{
	FAULT_POINT("redo before committed");
	__atomic_store_n(&r->committed, n, __ATOMIC_RELEASE);
	FAULT_POINT("redo after committed");
}

static void
stores_make(const struct redo *r, uint64_t n, void *base)
{
	for (uint64_t i = 0; i < n; i++) {
		const struct redo_store *s = &r->stores[i];

		word_store(address_of(base, s->where), width_of(s->where), s->value);
		FAULT_POINT("redo between stores");
	}
}

/* A log that names what is not in the region was not written by us; no store of it is made. */
static bool
log_is_sane(const struct redo *r, uint64_t size)
{
	if (r->committed > r->capacity)
		return false;
	for (uint64_t i = 0; i < r->committed; i++)
		if ((r->stores[i].where >> WIDTH_BITS) + width_of(r->stores[i].where) > size)
			return false;
	return true;
}

uint64_t
redo_roll_forward(struct redo *r, void *base, uint64_t size)
{
	uint64_t n = __atomic_load_n(&r->committed, __ATOMIC_ACQUIRE);

	if (n == 0)
		return 0;
	if (log_is_sane(r, size))
		stores_make(r, n, base);
	committed_store(r, 0);
	return n;
}

/* --- the writer --- */

struct redo_writer *
redo_writer_create(struct redo *r, void *base)
{
	struct redo_writer *w = calloc(1, sizeof(*w));
	uint32_t slots = 16;

	if (w == NULL)
		return NULL;
	while (slots < 2 * r->capacity)
		slots *= 2;
	w->r = r;
	w->base = base;
	w->mask = slots - 1;
	w->index = calloc(slots, sizeof(w->index[0]));
	w->notes = calloc(r->capacity, sizeof(w->notes[0]));
	if (w->index == NULL || w->notes == NULL) {
		redo_writer_destroy(w);
		return NULL;
	}
	return w;
}

void
redo_writer_destroy(struct redo_writer *w)
{
	if (w == NULL)
		return;
	free(w->index);
	free(w->notes);
	free(w);
}

/* Slot of the index where the place stands, or would. */
static uint32_t
slot_of(const struct redo_writer *w, uint64_t place)
{
	uint32_t slot = (uint32_t)(place * UINT64_C(0x9e3779b97f4a7c15) >> 32) & w->mask;

	while (w->index[slot] != 0 && w->r->stores[w->index[slot] - 1].where != place)
		slot = (slot + 1) & w->mask;
	return slot;
}

static void
index_place(struct redo_writer *w, uint32_t i)
{
	uint32_t slot = slot_of(w, w->r->stores[i].where);

	w->index[slot] = i + 1;
	w->notes[i].slot = slot;
}

/* The staged store to a place, or NULL. */
static struct redo_store *
find(const struct redo_writer *w, uint64_t place)
{
	uint32_t i;

	if (w->indexed) {
		i = w->index[slot_of(w, place)];
		return i == 0 ? NULL : &w->r->stores[i - 1];
	}
	for (i = 0; i < w->n; i++)
		if (w->r->stores[i].where == place)
			return &w->r->stores[i];
	return NULL;
}

int
redo_stage(struct redo_writer *w, void *where, uint32_t width, uint64_t value, redo_done *done,
	   void *table)
{
	uint64_t place = place_of(w, where, width);
	struct redo_store *s = find(w, place);

	if (s != NULL) {
		s->value = value;
		return 0;
	}
	if (w->n == w->r->capacity)
		return -EFBIG;
	w->r->stores[w->n] = (struct redo_store){place, value};
	w->notes[w->n] = (struct note){done, table, word_load(where, width), 0};
	w->n++;
	FAULT_POINT("redo after staged");
	if (w->indexed)
		index_place(w, w->n - 1);
	for (uint32_t i = 0; !w->indexed && w->n > FEW && i < w->n; i++)
		index_place(w, i);
	w->indexed = w->n > FEW;
	return 0;
}

bool
redo_find(const struct redo_writer *w, const void *where, uint32_t width, uint64_t *value)
{
	const struct redo_store *s = w->n != 0 ? find(w, place_of(w, where, width)) : NULL;

	if (s != NULL)
		*value = s->value;
	return s != NULL;
}

uint64_t
redo_load(const struct redo_writer *w, const void *where, uint32_t width)
{
	const struct redo_store *s = w->n != 0 ? find(w, place_of(w, where, width)) : NULL;

	return s != NULL ? s->value : word_load(where, width);
}

uint32_t
redo_staged(const struct redo_writer *w)
{
	return w->n;
}

uint32_t
redo_capacity(const struct redo_writer *w)
{
	return w->r->capacity;
}

static void
finish(struct redo_writer *w, bool committed)
{
	uint32_t n = w->n;

	for (uint32_t i = 0; w->indexed && i < n; i++)
		w->index[w->notes[i].slot] = 0;
	w->n = 0;
	w->indexed = false;
	for (uint32_t i = 0; i < n; i++) {
		const struct redo_store *s = &w->r->stores[i];
		const struct note *note = &w->notes[i];

		if (note->done != NULL)
			note->done(note->table, address_of(w->base, s->where), note->old, s->value,
				   committed);
	}
}

/* A single store needs no log: it is whole by itself. */
void
redo_commit(struct redo_writer *w)
{
	struct redo *r = w->r;

	assert(r->committed == 0);
	if (w->n == 1) {
		stores_make(r, 1, w->base);
	} else if (w->n > 1) {
		committed_store(r, w->n);
		stores_make(r, w->n, w->base);
		committed_store(r, 0);
	}
	r->batches += w->n > 0;
	finish(w, true);
}

void
redo_abandon(struct redo_writer *w)
{
	finish(w, false);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that is given back in one go; see arena.h. vr-ctl's main thread only. */
#include "ctl/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

enum {
	CHUNK_MIN = 1024,
	CHUNK_MAX = 64 * 1024,
	PIECE_MAX = 1 << 30, /* more than any message may have */
	ALIGN = alignof(max_align_t),
};

/* Pieces are taken from its end to its beginning. */
struct arena_chunk {
	struct arena_chunk *next;
	size_t size; /* of 'bytes' */
	alignas(max_align_t) uint8_t bytes[];
};

static void *
allocate(void *arena, size_t size)
{
	return arena_take(arena, size);
}

static void
ignore(void *arena, void *piece)
{
	(void)arena;
	(void)piece;
}

void
arena_init(struct arena *a)
{
	*a = (struct arena){.allocator = {allocate, ignore, a}};
}

void
arena_fini(struct arena *a)
{
	while (a->chunks != NULL) {
		struct arena_chunk *c = a->chunks;

		a->chunks = c->next;
		free(c);
	}
	a->room = 0;
}

/* Each is twice as large as the one before, so small requests take little. */
static int
add_chunk(struct arena *a, size_t size)
{
	size_t usual = a->chunks == NULL ? (size_t)CHUNK_MIN : a->chunks->size * 2;
	struct arena_chunk *c;

	if (usual > CHUNK_MAX)
		usual = CHUNK_MAX;
	if (usual < size)
		usual = size;
	c = malloc(sizeof(*c) + usual);
	if (c == NULL)
		return -1;
	c->size = usual;
	c->next = a->chunks;
	a->chunks = c;
	a->room = usual;
	return 0;
}

void *
arena_take(struct arena *a, size_t size)
{
	if (size > PIECE_MAX)
		return NULL;
	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (size > a->room && add_chunk(a, size) < 0)
		return NULL;
	a->room -= size;
	return a->chunks->bytes + a->room;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that is taken piece by piece and given back in one go: what a request unpacks into. A
 * message of a megabyte may be a hundred thousand pieces; one malloc() and free() for each would
 * take longer than other clients may wait. vr-ctl's main thread only.
 */
#ifndef CTL_ARENA_H
#define CTL_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct arena_chunk;

/* For protobuf-c: hand it '&arena.allocator'. Its free() does nothing. */
struct arena {
	ProtobufCAllocator allocator;
	struct arena_chunk *chunks; /* the newest first */
	size_t room;                /* left in the newest */
};

/* An arena that has nothing yet; it must stay where it is. */
void arena_init(struct arena *a);
/* All that was taken is gone; the arena is as new. */
void arena_fini(struct arena *a);
/* Memory for anything, not cleared; NULL when there is none. */
void *arena_take(struct arena *a, size_t size);

#endif

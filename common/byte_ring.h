/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ring of bytes between one producer and one consumer in two processes, in the region: records of
 * any length, one after the other, each copied in and copied out, so that nothing in it belongs to
 * anybody's memory.
 *
 * What if a process dies on this very line? The producer writes a record behind 'head', which
 * nobody reads, and publishes it with one release store of 'head': a record is there whole, or not
 * at all. The consumer copies it out and then moves 'tail' with one release store: if it dies
 * before, its successor gets the record once more; after, what it had copied out is lost. 'head'
 * and 'tail' only grow. Neither waits for the other: a full ring takes nothing.
 */
#ifndef COMMON_BYTE_RING_H
#define COMMON_BYTE_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/limits.h"

enum { BYTE_RING_SIZE = 1 << 17 }; /* a power of two */

/* Shared. */
struct byte_ring {
	uint64_t head __attribute__((aligned(CACHE_LINE))); /* bytes ever written; the producer */
	uint64_t tail __attribute__((aligned(CACHE_LINE))); /* bytes ever read; the consumer */
	uint8_t bytes[BYTE_RING_SIZE] __attribute__((aligned(CACHE_LINE)));
};

/* Bytes a record of 'n' takes: places are whole words. */
static inline uint64_t
byte_ring_words(uint64_t n)
{
	return (n + 7) & ~UINT64_C(7);
}

/* Producer: whether there is room for 'n' bytes. */
static inline bool
byte_ring_has_room(const struct byte_ring *r, uint64_t n)
{
	return r->head - __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) + byte_ring_words(n) <=
	       BYTE_RING_SIZE;
}
/* Producer: 'n' bytes at 'offset' of the record that is being written. */
static inline void
byte_ring_write(struct byte_ring *r, uint64_t offset, const void *from, uint64_t n)
{
	uint64_t at = (r->head + offset) % BYTE_RING_SIZE;
	uint64_t first = n < BYTE_RING_SIZE - at ? n : BYTE_RING_SIZE - at;

	memcpy(r->bytes + at, from, first);
	memcpy(r->bytes, (const uint8_t *)from + first, n - first);
}
/* Producer: the record has 'n' bytes, and is there. */
static inline void
byte_ring_publish(struct byte_ring *r, uint64_t n)
{
	__atomic_store_n(&r->head, r->head + byte_ring_words(n), __ATOMIC_RELEASE);
}

/* Consumer: bytes there are to read. */
static inline uint64_t
byte_ring_filled(const struct byte_ring *r)
{
	return __atomic_load_n(&r->head, __ATOMIC_ACQUIRE) - r->tail;
}
/* Consumer: 'n' bytes at 'offset' of the oldest record. */
static inline void
byte_ring_read(const struct byte_ring *r, uint64_t offset, void *to, uint64_t n)
{
	uint64_t at = (r->tail + offset) % BYTE_RING_SIZE;
	uint64_t first = n < BYTE_RING_SIZE - at ? n : BYTE_RING_SIZE - at;

	memcpy(to, r->bytes + at, first);
	memcpy((uint8_t *)to + first, r->bytes, n - first);
}
/* Consumer: the oldest record, of 'n' bytes, has been read. */
static inline void
byte_ring_release(struct byte_ring *r, uint64_t n)
{
	__atomic_store_n(&r->tail, r->tail + byte_ring_words(n), __ATOMIC_RELEASE);
}

#endif

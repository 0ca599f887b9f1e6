/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet pools that survive kill -9 at any instruction: mempool ops "vr_bitmap", the default of
 * every pool that our processes create.
 *
 * One bit per object says free (1). In front of the bitmap stands a magazine for each hand
 * (hand.h): a stack of free objects with one writing thread, so that a packet's life usually costs
 * two copies of a pointer and no atomic operation. Objects move between bitmap and magazine a word
 * (64 objects) at a time, and a word is *held* meanwhile: word_holder[w] = hand + 1, taken by
 * compare-and-swap. Nobody waits for a held word; whoever finds one goes on to the next. While a
 * hand holds a word no other hand claims from it or returns to it, so what a dead holder had done
 * is read off exactly:
 *
 *   moving = the noted mask & ~bits[w]   are the objects the dead had in between
 *
 * Claim:   note w -> hold w -> note mask -> clear bits -> push objects, store len -> mask = 0 ->
 * let go Return:  note w -> hold w -> note mask -> store len without them -> set bits -> mask = 0
 * -> let go
 *
 * Between any two of these stores every object is in the bitmap, in the magazine's first 'len'
 * entries, or in 'moving' (or in the last two at once, which repair counts once).
 *
 * Getting objects from a magazine copies them out, then stores len; what was popped since the last
 * hand_epoch is still readable above len (and in limbo[], when a claim in between pushed over it),
 * so a death before the caller noted them anywhere loses nothing. Putting writes the entries, then
 * len.
 *
 * A thread without a hand (the primary while it configures ports) uses the bitmap directly; its
 * death ends the EAL generation, and the pool with it.
 */
#ifndef COMMON_POOL_H
#define COMMON_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#include "common/limits.h"

#define POOL_OPS "vr_bitmap"

enum {
	MAGAZINE_CAPACITY = 2048, /* objects; more than any driver frees in one call */
	MAGAZINE_HIGH = 512,      /* above this, surplus goes back between loops ... */
	MAGAZINE_LOW = 256,       /* ... until this many are left */
	MAGAZINE_LIMBO = 512,
	HAND_NONE = 0xffff,
};

/* Shared (EAL memory). One writer: the thread of its hand; the primary when that one is dead. */
struct magazine {
	uint32_t len;        /* entries that are ours */
	uint32_t pop_mark;   /* len before the first get of pop_epoch */
	uint32_t push_mark;  /* lowest len a put of push_epoch started from */
	uint32_t n_limbo;    /* entries of limbo[], valid for pop_epoch */
	uint64_t pop_epoch;  /* hand.epoch of the last get */
	uint64_t push_epoch; /* hand.epoch of the last put */
	uint32_t word;       /* being moved, valid while held by this hand */
	uint32_t cursor;     /* where the next claim looks first */
	uint64_t mask;       /* objects of 'word' being moved */
	uint64_t spilled;    /* objects put past a full magazine, straight to the bitmap */
	uint64_t misses;     /* gets that failed: pool dry */
	uint64_t limbo_lost; /* popped objects that limbo[] had no room to name */
	void *objs[MAGAZINE_CAPACITY] __attribute__((aligned(64)));
	void *limbo[MAGAZINE_LIMBO];
} __attribute__((aligned(64)));

/* Shared (EAL memory): mempool->pool_data of a "vr_bitmap" pool. */
struct pool {
	uint64_t base;   /* address of object 0 */
	uint32_t stride; /* bytes from object to object, a multiple of 64 */
	uint32_t n;      /* objects */
	uint32_t n_words;
	uint32_t n_hands;
	uint64_t reciprocal;       /* 2^64 / (stride / 64), rounded up */
	uint64_t bits_offset;      /* from this struct: uint64_t bits[n_words] */
	uint64_t holders_offset;   /* uint16_t word_holder[n_words] */
	uint64_t magazines_offset; /* struct magazine m[n_hands] */
	uint64_t double_frees;     /* objects put while their bit said free: ignored, counted */
} __attribute__((aligned(64)));

static inline uint64_t *
pool_bits(const struct pool *p)
{
	return (uint64_t *)((uintptr_t)p + p->bits_offset);
}
static inline uint16_t *
pool_holders(const struct pool *p)
{
	return (uint16_t *)((uintptr_t)p + p->holders_offset);
}
static inline struct magazine *
pool_magazine(const struct pool *p, uint32_t hand)
{
	return (struct magazine *)((uintptr_t)p + p->magazines_offset) + hand;
}
/* Index of an object that is known to be this pool's. */
static inline uint32_t
pool_index_of(const struct pool *p, const void *obj)
{
	uint64_t units = ((uint64_t)(uintptr_t)obj - p->base) / 64;

	return (uint32_t)(((unsigned __int128)units * p->reciprocal) >> 64);
}
/* Index of an object, or UINT32_MAX if 'obj' is none of this pool's. */
static inline uint32_t
pool_index(const struct pool *p, const void *obj)
{
	uint64_t d = (uint64_t)(uintptr_t)obj - p->base;

	if (d % p->stride != 0 || d / p->stride >= p->n)
		return UINT32_MAX;
	return (uint32_t)(d / p->stride);
}
static inline void *
pool_object(const struct pool *p, uint32_t index)
{
	return (void *)(uintptr_t)(p->base + (uint64_t)index * p->stride);
}
/* The pool behind a mempool, or NULL for one with foreign ops. */
struct pool *pool_of(const struct rte_mempool *mp);

/*
 * The calling thread's hand, HAND_NONE when it has none; 'epoch' is where hand.epoch lies. Call
 * when a thread begins and ends to animate a slot.
 */
void pool_thread_hand(uint16_t hand, const uint64_t *epoch);

/*
 * The calling thread gets at most 'n' objects from here on; beyond that, gets fail as if the pool
 * were dry. For code that allocates as much as somebody else says; UINT64_MAX, as at first: no
 * limit. Returns whether a get failed because of the limit that was set before.
 */
bool pool_thread_budget(uint64_t n);

/* How many hands pools created from now on serve. Primary, before it creates one. */
void pool_hands_set(uint32_t n_hands);

/* Makes "vr_bitmap" the platform's and every pktmbuf pool's default. Before any pool is created. */
void pool_ops_default(void);

/* Names of this process' mempool ops by index, comma separated (process_msg.hello.ops). */
void pool_ops_names(char *buf, size_t len);

/*
 * Returns surplus above MAGAZINE_LOW to the bitmap. Only while nothing that the hand believes to
 * hold (hand.h) stands in the magazine as well: in EMPTY, and between two groups in TX.
 */
void pool_trim(struct pool *p, uint16_t hand);
/* The same for the calling thread's hand, if the mempool is ours and its magazine is high. */
void pool_trim_thread(struct rte_mempool *mp);
static inline void
pool_trim_if_high(struct pool *p, uint16_t hand)
{
	if (__builtin_expect(pool_magazine(p, hand)->len > MAGAZINE_HIGH, 0))
		pool_trim(p, hand);
}
/* Returns everything of the magazine to the bitmap: a slot that stops, a process that exits. */
void pool_drain(struct pool *p, uint16_t hand);

#endif

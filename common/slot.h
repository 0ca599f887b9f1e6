/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A slot is a forwarding core as the system knows it; processes merely animate it, one thread each.
 * This is the durable part, in the region. What holds mbuf pointers (journal, magazines, rings)
 * belongs to one EAL generation and lives in its memory (hand.h, handshake.h).
 *
 * Members are grouped by writer. 'owner' is the one store that hands a slot over: the thread that
 * sees its own key there animates the slot; when it sees another key it finishes its burst, leaves
 * nothing in hand, stores 0 into 'animated_by' and lets go. If the animating process dies anywhere,
 * the primary repairs the hand, takes the reader offline, raises 'generation' and stores a new
 * owner; every step is idempotent, so the primary may die in between as well.
 */
#ifndef COMMON_SLOT_H
#define COMMON_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/fault.h"
#include "common/limits.h"

/* Key of a process in 'owner': (start sequence << 32) | pid, never 0, never reused. */
typedef uint64_t process_key;

struct slot {
	/* the primary writes */
	uint32_t id;          /* the operator's number, e.g. 10 */
	int32_t core;         /* CPU the animating thread is pinned to, -1: any */
	process_key owner;    /* who shall animate it, 0: nobody */
	uint32_t generation;  /* raised by every repair */
	uint32_t restarts;    /* deaths of animating processes */
	uint64_t quarantined; /* mbufs ever quarantined on behalf of this slot */
	uint64_t reserved0[4];

	/* the animating thread writes */
	process_key animated_by __attribute__((aligned(64)));
	uint64_t beat;          /* loops; standing still = hung */
	uint64_t ports_version; /* last port-table version it acts on (handshake.h) */
	uint64_t packets;       /* received from ports and rings */
	uint64_t bursts;        /* non-empty ones */
	uint64_t busy_tsc;      /* TSC cycles of loops that moved packets */
	uint64_t idle_tsc;      /* TSC cycles of polling loops that moved none */
	uint64_t sleeps;        /* adaptive mode: times it slept */
	uint64_t pause_seen;    /* echoes 'pause' below */
	uint32_t ring_max;      /* most packets it found waiting in one ring that leads to it ... */
	uint32_t ring_max_era;  /* ... since this changed: it echoes 'ring_era' */
	uint32_t asleep;        /* 1: in a short sleep of its own; stale after a death, until
				   the next thread's first loop */
	uint32_t reserved4;
	uint64_t reserved1[5];

	/* whoever audits writes (vr-ctl), under ctl's writer lock */
	uint64_t pause
	    __attribute__((aligned(64))); /* nonzero: stop between bursts, hand empty, ... */
	uint64_t pause_until_tsc;         /* ... but never beyond this, whoever may have died */
	uint32_t ring_era;                /* vr-ctl: raised to have ring_max begin anew */
	uint32_t reserved3;
	uint64_t reserved2[5];
} __attribute__((aligned(64)));

/* Shared. */
struct slots {
	uint32_t n;
	uint32_t reserved[15];
	struct slot s[SLOTS_MAX];
};

/* Primary, on zeroed memory, or on what a region already has: -EPROTO when its slots are others. */
struct conf;
void slots_init(struct slots *t, const struct conf *c);
int slots_adopt(struct slots *t, const struct conf *c, struct fault *f);

/*
 * Agents have a table of the same kind: entry i is agent i, its id is i. They keep the same
 * promises about beat, ports_version and pause; nobody hands one over. Created and adopted like
 * slots.
 */
void agents_init(struct slots *t, const struct conf *c);

/* The animating thread, with each burst it takes from a ring in which 'n' packets waited. */
static inline void
slot_ring_seen(struct slot *s, uint32_t n)
{
	uint32_t era = __atomic_load_n(&s->ring_era, __ATOMIC_RELAXED);

	if (__builtin_expect(s->ring_max_era != era, 0)) {
		__atomic_store_n(&s->ring_max, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&s->ring_max_era, era, __ATOMIC_RELAXED);
	}
	if (__builtin_expect(n > s->ring_max, 0))
		__atomic_store_n(&s->ring_max, n, __ATOMIC_RELAXED);
}

/*
 * The animating thread, around each sleep: a sleeper whose beat stands still may wait for a CPU, or
 * for a timer that its CPU is late with, and is not taken for one that hangs so soon.
 */
static inline void
slot_asleep(struct slot *s, bool asleep)
{
	__atomic_store_n(&s->asleep, asleep, __ATOMIC_RELAXED);
}

/* Index of the slot with the operator's number 'id', or -ENOENT. */
int slot_index(const struct slots *t, uint32_t id);

#endif

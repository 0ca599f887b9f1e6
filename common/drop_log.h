/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The drop log: the first bytes of packets that ended lately, why, and where, for `vrctl drops
 * --last`. Every hand (slots, agents, the primary's io thread) has one, a ring whose oldest entry
 * makes room for the newest. It is always on, so it must cost nothing: a reason has tokens, one
 * for each packet that is kept, and when it has none left a drop costs one load and one branch.
 * Tokens come back slowly (option drop-log-rate), so a flood of one reason neither costs more nor
 * washes out the others.
 *
 * One thread writes a log, anybody reads it. An entry's 'sequence' is 0 while it is written and its
 * number when it is whole; a reader copies the entry and believes the copy if the number was there
 * before and after. If the writer dies on any line, the entry it was at reads as absent, 'next' has
 * or has not moved, and its successor fills that place or the one behind it. Nothing is ever freed.
 */
#ifndef COMMON_DROP_LOG_H
#define COMMON_DROP_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "common/drop.h"
#include "common/limits.h"

enum { DROP_LOG_ENTRIES = 128, DROP_LOG_BYTES = 80, DROP_LOG_STAGE_LEN = 16, DROP_LOG_TOKENS = 16 };

struct dropped_packet {
	uint64_t sequence;   /* 0: none, or being written; stored last */
	uint64_t dropped_ms; /* Unix time, to some milliseconds */
	uint32_t vif;        /* it came in by; the counters' last: none */
	uint32_t length;     /* bytes of the packet */
	uint16_t reason;     /* enum drop */
	uint16_t n_bytes;    /* kept of it */
	uint32_t reserved;
	char stage[DROP_LOG_STAGE_LEN]; /* where it ended */
	uint8_t bytes[DROP_LOG_BYTES];  /* as they were then */
};

/* Shared. One for each hand, in the counters' order: slots, agents, io thread. */
struct drop_log {
	uint64_t next; /* number of the next entry, from 1 */
	uint64_t reserved[7];
	uint64_t ring_full[HANDS_MAX]; /* packets for which the ring to this hand had no room */
	uint64_t reserved1[6];
	struct dropped_packet packet[DROP_LOG_ENTRIES]; /* number n is at n % DROP_LOG_ENTRIES */
};
_Static_assert(sizeof(struct drop_log) % CACHE_LINE == 0, "drop_log: no two writers on a line");

struct conf;
size_t drop_log_size(const struct conf *c); /* of all hands' logs */

/* The writer's own. With 'log' NULL, or zeroed, it keeps nothing. */
struct drop_sampler {
	struct drop_log *log;
	uint64_t every_tsc; /* between two tokens of one reason */
	uint64_t next_tsc;
	uint8_t tokens[DROPS_MAX];
};

/* 'per_second' tokens for each reason, 0: keep nothing. */
void drop_sampler_init(struct drop_sampler *s, struct drop_log *log, uint32_t per_second,
		       uint64_t tsc_hz);
/* Not for others: see below. */
void drop_sampler_refill(struct drop_sampler *s, uint64_t now_tsc);
void drop_sampler_keep(struct drop_sampler *s, enum drop why, const char *stage, uint32_t vif,
		       const struct rte_mbuf *m);

/* In every loop of the writer. */
static inline void
drop_sampler_tick(struct drop_sampler *s, uint64_t now_tsc)
{
	if (__builtin_expect(now_tsc >= s->next_tsc, 0))
		drop_sampler_refill(s, now_tsc);
}

/* Whether a packet that ends for this reason is to be kept. */
static inline bool
drop_sampler_wants(const struct drop_sampler *s, enum drop why)
{
	return __builtin_expect(s->tokens[why] != 0, 0);
}

/* Keeps the packet if it may. It must still be whole: call this before it is given back. */
static inline void
drop_sampler_see(struct drop_sampler *s, enum drop why, const char *stage, uint32_t vif,
		 const struct rte_mbuf *m)
{
	if (drop_sampler_wants(s, why))
		drop_sampler_keep(s, why, stage, vif, m);
}

/* A reader's: copies number 'n'; false if it is not there, or was overwritten meanwhile. */
bool drop_log_read(const struct drop_log *log, uint64_t n, struct dropped_packet *copy);
/* The numbers there may be: from *first to *last; none if *first is above. */
void drop_log_range(const struct drop_log *log, uint64_t *first, uint64_t *last);

#endif

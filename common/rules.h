/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules: the local policy of vifs. Each vif has an ordered list, which is asked once for a flow,
 * when it begins, and again after any change. The first rule that matches decides; if none does,
 * the flow is allowed.
 *
 * A vif's list is a row of rules in the region, by rising priority; refs[vif] says where and how
 * many, in one word, so a list is replaced by one store, whole. It never changes after that; the
 * old one is freed after a grace period. 'revision' is raised after each change: a flow that was
 * decided under another is decided anew by its next packet.
 *
 * Slots read, vr-ctl writes. What if vr-ctl dies on this very line? Rules that no ref names are
 * free, which the next one finds by looking. Refs are stored through the redo log (redo.h). If it
 * dies before it has raised 'revision', the next one raises it when it adopts the table.
 */
#ifndef COMMON_RULES_H
#define COMMON_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"

struct flow_key;
struct grace;
struct redo_writer;

enum rule_direction {
	RULE_INGRESS, /* from the guest, into the router */
	RULE_EGRESS,  /* to the guest */
	RULE_DIRECTIONS
};

enum { RULES_PER_VIF_MAX = 4096, RULE_ANY_PROTOCOL = 0x100 };

/*
 * Addresses are as in flow keys, IPv4 behind twelve bytes of 0xff, in host order with the most
 * significant word first; bits behind the prefix are 0. Ports in host order.
 */
struct rule {
	uint64_t source[2];
	uint64_t destination[2];
	uint16_t source_ports[2]; /* first, last */
	uint16_t destination_ports[2];
	uint8_t source_len, destination_len; /* bits, 0 to 128; 96 more than an IPv4 prefix has */
	uint16_t protocol;                   /* or RULE_ANY_PROTOCOL */
	uint32_t priority;                   /* lower ones come first; one of each in a list */
	uint8_t direction;                   /* enum rule_direction */
	uint8_t allow;
	uint16_t reserved[3];
} __attribute__((aligned(CACHE_LINE)));
_Static_assert(sizeof(struct rule) == CACHE_LINE, "rule: one cache line");

/* Shared. */
struct rules {
	uint32_t vifs;
	uint32_t capacity; /* rules */
	/* vr-ctl */
	uint32_t revision; /* never 0 */
	uint32_t policed;  /* some vif or nexthop asks for flows, or did once */
	uint32_t changes;  /* of what flows depend on beside rules */
	uint32_t reserved[11];
	/* from this struct */
	uint64_t refs_at;   /* uint64_t[vifs]: number << 32 | first rule */
	uint64_t owners_at; /* uint16_t[capacity]: whose each rule is */
	uint64_t rules_at;  /* struct rule[capacity] */
	uint64_t reserved1[5];
} __attribute__((aligned(CACHE_LINE)));

size_t rules_size(uint32_t vifs, uint32_t capacity);
/* Primary, on zeroed memory. */
void rules_init(struct rules *t, uint32_t vifs, uint32_t capacity);

/* --- readers --- */

static inline uint32_t
rules_revision(const struct rules *t)
{
	return __atomic_load_n(&t->revision, __ATOMIC_ACQUIRE);
}

static inline bool
rules_policed(const struct rules *t)
{
	return __atomic_load_n(&t->policed, __ATOMIC_RELAXED) != 0;
}

/* Whether the vif's list lets a flow with this key begin. A vif out of range allows everything. */
bool rules_allow(const struct rules *t, uint32_t vif, enum rule_direction direction,
		 const struct flow_key *key);

/* A vif's list, valid until the next quiescent point (in vr-ctl: until the next change). */
const struct rule *rules_of(const struct rules *t, uint32_t vif, uint32_t *n);
/* Whose a rule is: an element beside the list's. */
const uint16_t *rules_owner(const struct rules *t, const struct rule *rule);
uint32_t rules_used(const struct rules *t);

/* --- the writer: vr-ctl, one thread --- */

/*
 * Process-local. Scans the table, and raises the revision. NULL when out of memory, or when 'grace'
 * can defer no more. 'grace' may be NULL when there are no readers (tests).
 */
struct rules_writer;
struct rules_writer *rules_writer_create(struct rules *t, struct grace *grace);
void rules_writer_destroy(struct rules_writer *w); /* NULL is fine */

/*
 * As part of a batch: adds a rule to the vif's list, in place of the one of its priority.
 * -ENOSPC: the table or the list is full; -ENOBUFS: room waits for a grace period; -EFBIG: the log
 * is full. A rule that is there already changes nothing but its owner.
 */
int rules_stage_put(struct rules_writer *w, struct redo_writer *redo, uint32_t vif,
		    const struct rule *rule, uint16_t owner);
/* -ENOENT: no rule of this priority; else as above. */
int rules_stage_del(struct rules_writer *w, struct redo_writer *redo, uint32_t vif,
		    uint32_t priority);

/* The list as the batch has it so far; valid until it is changed again. */
const struct rule *rules_staged(const struct rules_writer *w, const struct redo_writer *redo,
				uint32_t vif, uint32_t *n);

/*
 * As part of a batch: what flows depend on beside rules changes, so they are decided anew. With
 * 'policed', something asks for flows. -EFBIG: the log is full.
 */
int rules_stage_revise(struct rules_writer *w, struct redo_writer *redo, bool policed);
/* All flows are decided anew by their next packet. */
void rules_revise(struct rules_writer *w);

#endif

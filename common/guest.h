/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is known about the guest behind a vhost port: how its socket shall be, what it agreed on,
 * and what it did wrong. A table in the region beside the ports' and indexed alike, so that it
 * outlives agents: the next one must know which guest the last one died of.
 *
 * Members are grouped by writer. The agent's own are written by whichever of its threads is
 * concerned, each member by one, and may be torn between members: they are for people. The blame
 * has one writer at a time: the agent while it lives (its dying thread included), the primary once
 * it has killed it. Each counter is raised before 'quarantine_until_ms' is stored, so a death in
 * between costs one punishment at most.
 */
#ifndef COMMON_GUEST_H
#define COMMON_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"

enum guest_offence {
#define GUEST_OFFENCE(NAME, name, text, grave) GUEST_##NAME,
#include "common/guest_offences.def"
#undef GUEST_OFFENCE
	GUEST_OFFENCES
};
enum { GUEST_OFFENCES_MAX = 16, GUEST_RINGS_MAX = 2 * PORT_QUEUES_MAX };
_Static_assert((int)GUEST_OFFENCES <= (int)GUEST_OFFENCES_MAX, "guest: room for offences");

#define GUEST_ID_KEEP UINT32_MAX /* of an owner or group: the agent's own */

/* Shared (region). */
struct guest_note {
	/* the primary, before the port's state says ACTIVE */
	uint32_t mode;     /* of a socket that the agent makes, e.g. 0660 */
	uint32_t uid, gid; /* its owner and group, or GUEST_ID_KEEP */
	uint32_t reserved0[13];

	/* the agent */
	uint64_t protocol_features __attribute__((aligned(64)));
	uint32_t rx_pairs, tx_pairs; /* bit i: the guest's queue pair i receives, sends */
	uint32_t mtu;                /* that the guest was told, 0: none */
	uint32_t reserved1;
	uint64_t connections; /* times its queues came to run */
	uint64_t messages;    /* of vhost-user, received */
	uint64_t calls;       /* times we woke the guest */
	uint64_t reserved2[2];
	uint16_t ring_size[GUEST_RINGS_MAX]; /* of virtqueue i, 0: not there */

	/* who blames */
	uint32_t offences[GUEST_OFFENCES_MAX] __attribute__((aligned(64)));
	uint32_t deaths_in_row; /* or other grave ones, without a peaceful time between */
	uint32_t last_offence;  /* enum guest_offence */
	uint64_t last_ms;       /* when, monotonic; 0: never */
	uint64_t last_death_ms;
	uint64_t quarantine_until_ms;
	uint64_t reserved3[4];
};

/* Shared (region). */
struct guests_table {
	uint32_t n;
	uint32_t reserved[15];
	struct guest_note note[];
};

/* Primary, on zeroed memory. */
struct conf;
size_t guests_size(const struct conf *c);
void guests_init(struct guests_table *t, const struct conf *c);

/* Monotonic. */
uint64_t guest_now_ms(void);

const char *guest_offence_name(uint32_t offence);
const char *guest_offence_text(uint32_t offence);

/*
 * Notes an offence. From the grave_max-th grave one in a row on (each within GUEST_PEACE_MS of the
 * one before) the guest is not to be served for a time: a second, then twice as long with each, up
 * to GUEST_QUARANTINE_MAX_MS. A peaceful time begins when it is served again. Returns that time, or
 * 0. Async-signal-safe.
 */
enum { GUEST_PEACE_MS = 60000, GUEST_QUARANTINE_MS = 1000, GUEST_QUARANTINE_MAX_MS = 3600000 };
uint64_t guest_blame(struct guest_note *g, enum guest_offence offence, uint32_t grave_max,
		     uint64_t now_ms);
/* How long the guest is not to be served yet, ms; 0: it may be. */
uint64_t guest_quarantined_ms(const struct guest_note *g, uint64_t now_ms);

#endif

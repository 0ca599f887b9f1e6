/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets between slots and vr-ctl, which passes them to and from clients (the agent): a pair of
 * byte rings for each slot. A slot writes what it traps and reads what is injected; vr-ctl does the
 * reverse. byte_ring.h says what a death means.
 */
#ifndef COMMON_TRAP_H
#define COMMON_TRAP_H

#include "common/byte_ring.h"

enum trap_reason {
#define TRAP_REASON(NAME, name, truncated, text) TRAP_##NAME,
#include "common/trap_reasons.def"
#undef TRAP_REASON
	TRAP_REASONS
};

/* What an injected packet wants. */
enum inject_command {
	INJECT_SWITCH, /* leaves through the vif as it is */
	INJECT_ROUTE,  /* as if received from the vif */
};

enum {
	TRAP_FRAME_MAX = 9216,     /* bytes of a frame in a record; longer ones are cut */
	TRAP_TRUNCATED_BYTES = 190 /* of packets whose beginning is enough */
};

/* Shared. A record; 'length' bytes of the frame follow, from its Ethernet header on. */
struct trap_record {
	uint32_t length;
	uint32_t whole_length; /* of the frame before it was cut */
	uint16_t reason;       /* enum trap_reason, or enum inject_command */
	uint16_t reserved0;
	uint32_t vif;
	uint32_t vrf;
	uint32_t nexthop; /* NEXTHOP_NONE: none */
	uint32_t reserved1[2];
};
_Static_assert(sizeof(struct trap_record) == 32, "trap_record: whole words");

/* Shared: one for each slot. */
struct agent_rings {
	struct byte_ring trap;
	struct byte_ring inject;
};

#endif

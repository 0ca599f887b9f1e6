/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What slots, agents and ports did in the last second: their counters are read every second, and
 * the difference is kept for `slot`, `port` and `status`. Main thread only.
 */
#ifndef CTL_RATES_H
#define CTL_RATES_H

#include <stdbool.h>
#include <stdint.h>

struct ctl;
struct rates;

struct slot_rates {
	bool known;  /* false until two readings were taken */
	bool moving; /* its heartbeat advanced */
	uint32_t busy_percent;
	uint32_t cycles_per_packet;
	uint64_t packets_per_second;
	uint32_t restarts_per_minute;
	uint32_t ring_max; /* packets in one ring to it, in the last minute */
};

struct port_rates {
	uint64_t rx_packets_per_second;
	uint64_t tx_packets_per_second;
};

/* Reads from now on; NULL when out of memory. */
struct rates *rates_create(struct ctl *ctl);
void rates_destroy(struct rates *r); /* NULL is fine */

/* 'slot' is an index. */
struct slot_rates rates_of_slot(const struct rates *r, uint32_t slot);
/* The heart of agent number 'agent' beats, or nothing is known of it yet. */
bool rates_agent_moves(const struct rates *r, uint32_t agent);
/* Of the vif's port. */
struct port_rates rates_of_vif(const struct rates *r, uint32_t vif);

#endif

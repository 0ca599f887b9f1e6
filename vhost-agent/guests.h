/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guests of this agent: their sockets, as the port table has them, and what rte_vhost says
 * about them. The main thread keeps them in step with the table; rte_vhost's own threads tell when
 * a guest comes and goes; the pump (pump.h) moves their packets.
 */
#ifndef VHOST_AGENT_GUESTS_H
#define VHOST_AGENT_GUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/fault.h"
#include "common/guest.h"
#include "common/limits.h"
#include "common/port.h"
#include "vhost-agent/vet.h"

enum { GUEST_PATH_LEN = 108 };

/*
 * A connection of a guest, as rte_vhost numbers them. There may be two for a moment, when a guest
 * is back before its end was noticed: the newer one counts.
 */
struct device {
	/* rte_vhost's threads; atomic */
	uint64_t features;
	int vid;
	uint32_t rx_ready, tx_ready; /* bit i: the guest's pair i receives, sends */
	/* the pump */
	uint32_t rx_greeted, tx_greeted; /* bit i: pair i, see pump.c */
};

struct guest {
	/* the main thread, before anybody else sees it */
	struct port *entry;
	struct guest_note *note;
	uint16_t port;
	uint32_t queues; /* pairs, as configured; a guest may have more or less */
	uint32_t flags;  /* enum port_flag */
	char path[GUEST_PATH_LEN];
	bool expected; /* the agent before us had it */
	/* the main thread alone */
	bool registered;
	bool complained; /* that it cannot be */
	uint64_t retry_ms;

	/* the thread that hears messages */
	struct vet vet;

	/* whichever thread found out: why its connection is to be closed, enum guest_offence + 1;
	   the main thread takes it back */
	uint32_t close_for;

	/* rte_vhost's threads; atomic, NULL: not there. Whoever takes it away waits (pump_sync). */
	struct device *device;

	/* the pump */
	uint16_t group; /* of the last burst that went there */
};

/* What the pump works through; made anew by every change. */
struct guest_list {
	uint32_t n_ports;
	uint32_t n;
	struct guest **by_port; /* [n_ports], NULL: no guest of ours */
	struct guest *g[];
};

struct guests;
struct pump;

struct conf;
struct region;
/* 'conf' must outlive the guests. */
struct guests *guests_create(const struct region *r, uint32_t agent, const struct conf *conf,
			     struct pump *pump);
/* Unregisters all of them: they see their socket close. NULL is fine. */
void guests_destroy(struct guests *guests);

/* Makes them what the port table says; tries again what failed. */
void guests_update(struct guests *guests);
/*
 * rte_vhost's threads: the guest whose socket has this path, or NULL. It stays until its socket is
 * unregistered, which waits for them.
 */
struct guest *guests_find(const char *path);
/* Likewise, of a port. */
struct guest *guests_at(uint32_t port);
/* When to call guests_update() though nothing changed: milliseconds from now, or -1. */
int guests_wait_ms(const struct guests *guests);

#endif

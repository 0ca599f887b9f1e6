/* SPDX-License-Identifier: BSD-3-Clause */
/* How a packet gets into the group it leaves with; for the output stage and those that copy. */
#ifndef FWD_WORKER_STAGE_OUTPUT_H
#define FWD_WORKER_STAGE_OUTPUT_H

#include "fwd-worker/worker.h"

/* The way out through one vif, worked out once for all packets that take it. */
struct exit_way {
	struct verdict verdict; /* SENT, or why nothing leaves there */
	uint32_t vif;
	bool agent;    /* its packets are trapped, and nothing else leaves there */
	uint16_t vlan; /* tag that its frames get, 0: none */
	uint32_t mtu;
	uint16_t port;
	struct tx_port *tx;
};

struct exit_way exit_find(const struct worker *w, uint32_t vif);

/* Puts one packet of 'len' bytes into the way's group; counts nothing. SENT, or why not. */
struct verdict exit_take(struct worker *w, const struct burst *b, const struct exit_way *e,
			 struct rte_mbuf *m, uint32_t len);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the primary's modules share: one struct, made by main() and owned by its main thread. The
 * timer thread (watchdog.h) and the io thread (io.h) see only what they are given.
 *
 * The main thread waits in one epoll; whoever wants to be called for a descriptor embeds a watch.
 */
#ifndef PRIMARY_PRIMARY_H
#define PRIMARY_PRIMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/conf.h"
#include "common/handshake.h"
#include "common/port.h"
#include "common/process.h"
#include "common/region.h"
#include "common/slot.h"

struct rte_rcu_qsbr;
struct guests_table;
struct primary;

/* 'fn' may free the watch of another descriptor: events of one epoll_wait are handled one by one.
 */
struct watch {
	void (*fn)(struct primary *p, struct watch *w, uint32_t events);
};

struct primary {
	struct conf conf;
	int argc;
	char **argv;
	bool spawn;
	uint32_t spawn_workers; /* processes that the slots are spread over */
	uint32_t spawn_agents;  /* vhost agents to start, from 0 */

	struct region region;
	bool adopted;
	struct slots *slots;
	struct slots *agents;
	struct processes *processes;
	struct ports *ports;
	struct guests_table *guests;
	struct rte_rcu_qsbr *grace;
	struct flow_table *flows;
	struct handshake *hs;
	char eal_prefix[64];

	int epoll;
	bool stopping;
	bool killing; /* those that did not stop */
	uint64_t stop_deadline_ms;

	struct token *token;
	struct peers *peers;
	struct children *children;
	struct port_set *port_set;
	struct io *io;
	struct watchdog *watchdog;
};

int primary_watch(struct primary *p, int fd, uint32_t events, struct watch *w);

/* Monotonic, and Unix time. */
uint64_t now_us(void);
uint64_t now_ms(void);
uint64_t wall_ms(void);

#endif

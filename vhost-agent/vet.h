/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages of guests, looked at before rte_vhost acts on them. rte_vhost's calls of recvmsg(),
 * sendmsg(), poll() and connect() come through here (--wrap): a message that is none that a guest
 * may send (messages.def), or comes with descriptors of another kind than it should, looks to
 * rte_vhost as if the connection had failed, so that it ends it. So do answers that are not read.
 *
 * All guests of an agent share the thread that hears messages, so it waits for none of them: a
 * message that is not whole yet is kept from rte_vhost until it is, or for too long.
 */
#ifndef VHOST_AGENT_VET_H
#define VHOST_AGENT_VET_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Of a guest's connection. It may have several for a moment, when it is back before its end was
 * noticed: the one that spoke for the first time last is its connection, others are not heard.
 */
enum { VET_QUEUES_MAX = 64 };
struct vet {
	int sock;                           /* plus 1; 0: none yet */
	bool over;                          /* nothing more is heard from it */
	uint64_t running;                   /* bit i: queue i has addresses, and was not stopped */
	uint32_t ring_size[VET_QUEUES_MAX]; /* 0: not told */
	int partial_sock;                   /* plus 1: has sent a part of a message ... */
	uint64_t partial_ms;                /* ... since */
};

#endif

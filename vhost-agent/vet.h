/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages of guests, looked at before rte_vhost acts on them. rte_vhost's calls of recvmsg(),
 * sendmsg(), poll(), connect() and eventfd_write() come through here (--wrap): a message that is not whole
 * within a moment, or is none that a guest may send (messages.def), or comes with descriptors of
 * another kind than it should, looks to rte_vhost as if the connection had failed, so that it ends
 * it.
 *
 * On the thread of rte_vhost that hears messages, but for eventfd_write() and connect().
 */
#ifndef VHOST_AGENT_VET_H
#define VHOST_AGENT_VET_H

#include <stdint.h>

/* Of one connection; zero at its beginning. */
enum { VET_QUEUES_MAX = 64 };
struct vet {
	int sock;
	uint64_t running;                   /* bit i: queue i has addresses, and was not stopped */
	uint32_t ring_size[VET_QUEUES_MAX]; /* 0: not told */
};

#endif

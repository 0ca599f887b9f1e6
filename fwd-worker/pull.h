/* SPDX-License-Identifier: BSD-3-Clause */
/* Headers that lie in several segments, moved into the first one. A slot's thread. */
#ifndef FWD_WORKER_PULL_H
#define FWD_WORKER_PULL_H

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;
struct worker;

/*
 * Makes the first 'len' bytes of the packet, or all if it has fewer, lie in its first segment; an
 * emptied segment goes to the drops. False, and the packet as it was: there is no room.
 */
bool pull(struct worker *w, struct rte_mbuf *m, uint32_t len);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* A packet gets a tunnel's headers; for the encap stage and those that copy. A slot's thread. */
#ifndef FWD_WORKER_STAGE_ENCAP_H
#define FWD_WORKER_STAGE_ENCAP_H

#include "fwd-worker/worker.h"

/*
 * Pushes the headers of tunnel 'nh' in front of packet 'i' of the burst, or of a copy of it: 'm' is
 * the one or the other. TO(OUTPUT), or why not.
 */
struct verdict encap_push(const struct worker *w, const struct burst *b, uint32_t i,
			  struct rte_mbuf *m, const struct nexthop *nh, uint32_t label);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker is one slot's thread: what it needs of shared memory, what it keeps for itself, and the
 * burst it has in hand. Process-local, one writer; only what is noted in the hand outlives it.
 */
#ifndef FWD_WORKER_WORKER_H
#define FWD_WORKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "common/bridge.h"
#include "common/counters.h"
#include "common/drop_log.h"
#include "common/flow.h"
#include "common/hand.h"
#include "common/handshake.h"
#include "common/idtab.h"
#include "common/nexthop.h"
#include "common/route.h"
#include "common/slot.h"
#include "common/tap.h"
#include "common/trap.h"
#include "common/vif.h"
#include "common/vif_roles.h"
#include "fwd-worker/verdict.h"

/* Some packets of a burst, by their index in it. */
struct vec {
	uint32_t n;
	uint8_t i[BURST_MAX];
};

/*
 * The k-th packet of 'v'. A vec of the whole burst counts them in order: stages have their loop
 * twice over, once for that case ('whole' is a constant), which the compiler can unroll and
 * vectorize.
 */
static inline uint32_t
vec_at(const struct vec *v, uint32_t k, bool whole)
{
	return whole ? k : v->i[k];
}

/* What stages tell one another about the packets in rx[]; members in order of their writers. */
struct burst {
	/* the receiver */
	struct rte_mbuf **m; /* the hand's rx[] */
	uint32_t n;
	uint32_t port;
	uint64_t traced; /* bit i: packet i is traced */
	/* input */
	uint32_t in_flags; /* enum vif_flag, of the vif */
	uint32_t in_vif;   /* counters go there; the last of the table when the port has no vif */
	uint32_t segments; /* of all packets together */
	/* input, and whoever puts another header there: the frame as it is now, from its Ethernet
	 * header on. A packet that came without one, out of a tunnel, has 14 bytes of room there.
	 */
	uint8_t *head[BURST_MAX];
	uint32_t len[BURST_MAX];
	/* input, and who moves a packet to another VRF */
	uint32_t vrf[BURST_MAX];
	/* input clears it; decap: bit i, packet i came out of a tunnel, whose source was this */
	uint64_t tunneled;
	uint32_t outer_source_be[BURST_MAX];
	/* bridge, route4, route6, and composites for their members: what a tunnel shall carry */
	uint32_t label[BURST_MAX]; /* MPLS label or VNI, or NEXTHOP_NO_LABEL */
	/* classify; input clears it: bit i, packet i is for an address of the router's own */
	uint64_t mine;
	/* arp, nd; input clears it: bit i, they had their say about packet i. Bridge and decap set
	 * it of what they send there and have found a nexthop_id for. */
	uint64_t asked;
	/* ip4, ip6; input clears it: bit i, packet i may not be routed on, for its TTL */
	uint64_t expired;
	/* ip4, ip6; input clears it: bit i, packet i is routed, and not bridged */
	uint64_t inet;
	uint64_t inet6;
	/* tunnel; input clears it: bit i, packet i has outer headers of ours */
	uint64_t encapsulated;
	/* bridge, route4, route6 */
	uint32_t nexthop_id[BURST_MAX];
	/* nexthop */
	const struct nexthop *nexthop[BURST_MAX];
	/* input: the vif it came in by has the policy flag */
	bool policy;
	/* flow; input clears it: bit i, the flow stage has seen packet i */
	uint64_t flowed;
	/* nexthop, for the flow stage: where the packet goes on if its flow is allowed */
	struct verdict after[BURST_MAX];
	/* every stage, for each packet it was given ... */
	struct verdict verdict[BURST_MAX];
	/* ... or but once, when it is the same for them all; the runner sets it to EACH before */
	struct verdict common;
	/* the runner */
	uint32_t pending; /* bit s: todo[s] has packets */
	struct vec *todo[STAGES];
	struct vec vecs[STAGES]; /* what todo[] points to, in any order */
};

/* Ways out that are nobody's nexthop; see leads.h. */
enum lead { LEAD_HOST, LEAD_ACROSS, LEAD_BACK, LEADS };

/* How this slot gives packets to a port. */
enum tx_way {
	TX_NOWAY,  /* there is no such port, or it is not ready */
	TX_TAP,    /* a tap of our own */
	TX_DEVICE, /* a queue of a DPDK device that this slot has to itself */
	TX_MESH,   /* another slot owns the queue, or a vhost agent or the primary the port */
};
struct tx_port {
	uint8_t way;    /* enum tx_way */
	uint8_t hold;   /* enum port_hold */
	bool one_queue; /* one slot gets all that comes in there */
	bool offloads;  /* takes partial checksums and TSO frames as they are ... */
	uint16_t queue;
	uint32_t frame_max; /* bytes, whatever its vif's MTU; 0: no matter */
	uint16_t group;     /* of the last burst that left there */
	int16_t to_hand;    /* TX_MESH */
	int fd;             /* TX_TAP */
	const uint64_t
	    *guest;        /* ... as far as this guest agreed to (struct port); NULL: no guest */
	eth_tx_burst_t tx; /* TX_DEVICE */
	void *txq;
	struct rte_ring *ring; /* TX_MESH, and devices of PORT_HOLD_RING */
};

/* A queue that this slot polls. */
struct rx_queue {
	uint16_t port;
	uint16_t queue;
	uint8_t hold;
	int fd; /* a tap */
	eth_rx_burst_t rx;
	void *rxq;
	struct rte_ring *ring; /* PORT_HOLD_RING */
};

/* A ring of the mesh that leads to this slot. */
enum { HANDOFF_PORT = UINT16_MAX }; /* in a group: its packets go to a slot, not to a port */
struct rx_ring {
	struct rte_ring *ring;
	uint16_t from;
};

struct worker {
	/* set when the slot is taken over */
	struct hand *hand;
	struct slot *slot;
	struct pool *pool;
	struct rte_mempool *mbufs;
	struct handshake *handshake;
	const struct idtab *vifs;
	const struct idtab *nexthops;
	const struct vif_roles *roles;
	const struct bridge *bridge;
	struct agent_rings *agent;   /* this slot's */
	struct trap_record injected; /* the packet in hand, when it came from there (inject.h) */
	const struct bridge *labels, *vnis; /* number.h */
	const struct bridge *stitched;      /* stitch.h */
	const struct route_table *routes;
	const struct rules *rules;
	struct flow_table *flows;
	struct counters *counters;
	struct vif_counters *count; /* this slot's, by vif id */
	struct drop_log *drop_log;  /* this slot's; NULL: none */
	uint32_t no_vif;            /* index of what has no vif */
	uint32_t slot_index;
	uint32_t n_ports;
	uint32_t burst_max;
	bool io_forward;
	uint8_t spread;       /* SPREAD_*, conf.h */
	uint8_t spread_slots; /* slots to spread over */

	/* ports as last seen (ports.h) */
	struct tx_port *tx;    /* [n_ports] */
	uint32_t *vif_of_port; /* [n_ports], a guess that each use checks */
	uint64_t vifs_scanned_tsc;
	uint32_t vifs_scanned_used;
	struct rx_queue *devices; /* polled in every loop */
	uint32_t n_devices;
	struct rx_queue *taps; /* polled when epoll says so */
	uint32_t n_taps;
	int epoll;
	struct rx_ring rings[HANDS_MAX];
	struct rte_ring *mesh[SLOTS_MAX];  /* to the other slots */
	uint16_t handoff_group[SLOTS_MAX]; /* of the last packet handed there */
	uint32_t n_rings;

	/* the loop */
	struct tap_reader tap_reader;
	bool chained;   /* some packet in hand has several segments */
	bool from_ring; /* the packets in hand carry their incoming vif in pkt_meta */
	uint32_t room;  /* mbufs that copies may still take in this loop */
	struct drop_sampler sampler;
	struct burst burst;
	/* nexthops that the worker makes for itself (leads.h) */
	struct nexthop leads[LEADS];
};

static inline void
count_drops(struct worker *w, uint32_t vif, enum drop why, uint32_t n)
{
	w->count[vif].drops[why] += n;
}

#endif

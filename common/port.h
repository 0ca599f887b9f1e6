/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports: what the router receives from and transmits to. The primary owns them. The durable part
 * (what was asked for) is a table in the region, so that the next primary can make them again; the
 * part with pointers of the EAL generation is in its shared memory (handshake.h). Both are indexed
 * alike, and vifs name that index.
 *
 * An entry is filled while FREE, then 'state' is stored (release) and the handshake's ports_version
 * raised. Each slot and agent rescans when it sees a new version, then stores what it saw in its
 * ports_version. To remove: REMOVING, new version, wait until everybody alive acknowledged, tear
 * down, FREE. A primary that dies in between leaves an entry that its successor finishes removing.
 */
#ifndef COMMON_PORT_H
#define COMMON_PORT_H

#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"
#include "common/process.h"

struct rte_ring;

enum port_state { PORT_FREE, PORT_ACTIVE, PORT_REMOVING };

enum port_flag {
	PORT_VHOST_SERVER =
	    1,           /* the agent listens at the socket; else it connects to the guest's */
	PORT_MOVING = 4, /* VHOST: no agent serves it now; the primary writes */
	PORT_MEMBER = 2, /* of a bond, which is the port to use; the primary writes */
	PORT_HOST = 8,   /* TAP: the host's own end, so the interface has the port's MAC */
};

/* Shared (region), the primary writes. */
struct port {
	uint32_t state;  /* enum port_state */
	uint32_t kind;   /* enum port_kind */
	uint32_t queues; /* RX = TX queues in use */
	uint32_t mtu;
	uint8_t mac[6];
	uint16_t link_up;
	uint32_t link_mbps;               /* 0: unknown */
	uint8_t rx_slot[PORT_QUEUES_MAX]; /* slot index that polls RX queue i */
	uint32_t agent;                   /* VHOST: number of the vhost agent that serves it */
	uint32_t flags;                   /* enum port_flag */
	uint64_t guest; /* VHOST, the agent writes: features agreed on; 0: no guest is there. Stays
			   when the agent goes, so that its successor knows whom to expect */
	char name[NAME_LEN];
	char devargs[256]; /* DEVICE: what DPDK is told; VHOST: path of the socket */
};

/* Shared (region): struct ports, then struct port p[n]. */
struct ports {
	uint32_t n;
	uint32_t reserved[15];
	struct port p[];
};

/* Primary, on zeroed memory. */
struct conf;
size_t ports_size(const struct conf *c);
void ports_init(struct ports *t, const struct conf *c);

/*
 * What a driver does with mbufs between calls decides what a death inside a call means (hand.h):
 * EXACT drivers keep none beyond the call (our taps, null) or keep them in rings that can be
 * repaired (ring); RETAINS keep them in descriptor rings.
 */
enum port_hold { PORT_HOLD_NONE, PORT_HOLD_RING, PORT_HOLD_RETAINS };

/*
 * Whose threads call a device's driver: the slots', or the primary's io thread where the driver
 * works in no other process. From there packets enter a slot, the one in rx_slot[], over the mesh,
 * and leave for it the same way. A bond's member is called by the bond.
 */
enum port_poller { PORT_BY_WORKERS, PORT_BY_IO, PORT_BY_BOND };

enum port_run_flag {
	PORT_RUN_PEER = 1, /* not to be used without link: its memory is the connection's */
};

/* Shared (EAL memory), the primary writes, before the port's state says ACTIVE. */
struct port_run {
	uint32_t eth_port; /* ethdev port id, UINT32_MAX for taps */
	uint32_t hold;     /* enum port_hold */
	uint32_t n_rxq, n_txq;
	uint32_t poller;            /* enum port_poller */
	uint32_t flags;             /* enum port_run_flag */
	uint64_t tx_offloads;       /* a device's RTE_ETH_TX_OFFLOAD_* */
	void *rxq[PORT_QUEUES_MAX]; /* rte_eth_fp_ops[].rxq.data[i] */
	void *txq[PORT_QUEUES_MAX];
	struct rte_ring *rx_ring[PORT_QUEUES_MAX]; /* PORT_HOLD_RING */
	struct rte_ring *tx_ring[PORT_QUEUES_MAX];
};

/*
 * TX queue of a port that slot 'slot_index' uses. A port with fewer queues than slots shares one
 * only if that is safe (taps: a write is atomic); else packets go to the slot that owns the queue.
 */
static inline uint32_t
port_tx_queue(const struct port_run *r, uint32_t slot_index)
{
	return slot_index % r->n_txq;
}
static inline uint32_t
port_tx_owner(const struct port_run *r, uint32_t slot_index)
{
	if (r->eth_port == UINT32_MAX || slot_index < r->n_txq)
		return slot_index;
	return slot_index % r->n_txq;
}

#endif

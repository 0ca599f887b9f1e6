/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker without processes: the real stages, hand, pool and tables in one thread's plain memory,
 * and ports that hand out what a test put in and keep what came out. For tests/packet only.
 */
#ifndef TESTS_PACKET_RIG_H
#define TESTS_PACKET_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bridge.h"
#include "common/flow.h"
#include "common/nexthop.h"
#include "common/rules.h"
#include "common/vif.h"
#include "fwd-worker/worker.h"

enum {
	RIG_PORTS = 8, /* 0-5: devices; 6, 7: taps */
	RIG_TAP = 6,
	RIG_PEER_SLOT = 1, /* the other slot; ours is 0 */
	RIG_FRAMES = 512,
};

/* A packet that left, segments joined. */
struct rig_frame {
	uint32_t len;
	uint64_t ol_flags;
	uint8_t bytes[70000];
};

/* Starts EAL without hugepages, once for the program. */
int rig_eal(void);

/* Everything fresh: no vifs, no entries, no packets. */
void rig_reset(void);
/* Takes the slot's spares and magazine home; returns how many mbufs are missing. */
uint32_t rig_missing(void);

struct worker *rig_worker(void);

/* Tables, as control would write them. The MAC of every vif is RIG_ROUTER_MAC. */
#define RIG_ROUTER_MAC "\x00\x00\x5e\x00\x01\x00"
void rig_vif(uint32_t id, uint32_t vrf, int32_t port, uint16_t mtu);
/* Flags of a vif that is there, and the nexthop its flows are known by. */
void rig_vif_flags(uint32_t id, uint32_t flags, uint32_t nexthop);
/* With flags, type and addresses; what is 0 is as above. */
void rig_vif_as(const struct vif *vif);
/* Host, agent and uplink: a vif's id + 1, or 0. */
void rig_roles(uint64_t host, uint64_t agent, uint64_t uplink);
/* What a client injects. */
void rig_inject(enum inject_command command, uint32_t vif, uint32_t vrf, const void *frame,
		uint32_t len);
/* Takes the oldest packet that was trapped, or returns false; 'frame' has TRAP_FRAME_MAX bytes. */
bool rig_trapped(struct trap_record *r, uint8_t *frame);
void rig_nexthop(const struct nexthop *nh);
void rig_encap(uint32_t id, uint32_t vif);
/* An encap of family inet or inet6 with this link-layer header. */
void rig_rewrite(uint32_t id, enum nexthop_family family, uint32_t vif, const void *bytes,
		 uint16_t len);
void rig_flood(uint32_t id, uint32_t n, const uint32_t *members);
void rig_bridge(uint32_t vrf, const char *mac, uint32_t nexthop);

/* 'address' as text, of either family. */
/* The MAC of a host route (ROUTE_STITCHED). */
void rig_stitch(uint32_t vrf, const char *address, const char *mac);
void rig_route(uint32_t vrf, const char *address, uint8_t length, uint32_t nexthop);

void rig_route_labelled(uint32_t vrf, const char *address, uint8_t length, uint32_t nexthop,
			uint32_t label);
void rig_bridge_labelled(uint32_t vrf, const char *mac, uint32_t nexthop, uint32_t label);
/* A tunnel through 'vif' with RIG_LINK in front, from 192.0.2.1 to 'destination'. */
#define RIG_LINK "\x02\0\0\0\0\x99\0\0\x5e\0\x01\0\x08\0"
void rig_tunnel(uint32_t id, enum tunnel_kind kind, uint32_t vif, const char *destination,
		uint16_t flags);
void rig_label(uint32_t label, uint32_t nexthop);
void rig_vni(uint32_t vni, uint32_t nexthop);
/* A physical vif in VRF 0 with the router's address. */
void rig_uplink(uint32_t id, int32_t port, uint16_t mtu, const char *address);
/* With labels, NULL: none. */
void rig_ecmp(uint32_t id, enum nexthop_family family, uint32_t n, const uint32_t *members,
	      const uint32_t *labels);
/* A rule of a vif: for all but 'protocol' (0: any) and the destination port (0: any) it is open. */
void rig_rule(uint32_t vif, uint32_t priority, enum rule_direction direction, uint8_t protocol,
	      uint16_t port, bool allow);
struct flow_table *rig_flows(void);
struct flow_writer *rig_flow_writer(void);

void rig_route_flags(uint32_t vrf, const char *address, uint8_t length, uint32_t nexthop,
		     uint64_t flags);

/* The last byte of the destination MAC 02:00:00:00:00:xx, the rest zeroes. */
void rig_put(uint32_t port, uint8_t mac, uint32_t len);
void rig_put_bytes(uint32_t port, const void *bytes, uint32_t len);
/* With offload flags, as a port that checks checksums sets them. */
void rig_put_flags(uint32_t port, const void *bytes, uint32_t len, uint64_t ol_flags);
void rig_put_split(uint32_t port, const void *bytes, uint32_t len, uint32_t first, uint32_t second);
/* Packets put in from now on have so many bytes before their frame. */
void rig_headroom(uint16_t bytes);
/* Runs the loop's receivers until nothing comes any more. */
void rig_run(void);

/* Takes the oldest packet that left by 'port', or returns false. The frame lives until the next. */
bool rig_take(uint32_t port, const struct rig_frame **frame);
uint32_t rig_count(uint32_t port);
/* How many packets the port takes from now on. */
void rig_port_room(uint32_t port, uint32_t room);
/* The other end of a tap: messages of header and frame. */
int rig_tap(uint32_t port);

/* Port 'port' belongs to the other slot: packets leave over the mesh. */
void rig_port_of_peer(uint32_t port);
/* The same, of a guest that has agreed to these virtio features. */
void rig_port_of_guest(uint32_t port, uint64_t features);
struct rte_ring *rig_ring_to_peer(void);
struct rte_ring *rig_ring_from_peer(void);

/* Takes all mbufs but 'left' out of the pool, and gives them back. */
void rig_pool_drain(uint32_t left);
void rig_pool_refill(void);

/* The packet kept last in the drop log, NULL: none. Lives until the next is kept. */
const struct dropped_packet *rig_dropped(void);
uint64_t rig_drops(uint32_t vif, enum drop why);
/* Of all vifs together. */
uint64_t rig_drops_all(enum drop why);
const struct vif_counters *rig_counters(uint32_t vif);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A nexthop: what happens to a packet whose lookup ended here. The id is the client's (32 bit,
 * below the configured table size). Types are declared in nexthop_types.def.
 */
#ifndef COMMON_NEXTHOP_H
#define COMMON_NEXTHOP_H

#include <stdint.h>

#include "common/idtab.h"

enum nexthop_type {
#define NEXTHOP_TYPE(NAME, name, text) NEXTHOP_##NAME,
#include "common/nexthop_types.def"
#undef NEXTHOP_TYPE
	NEXTHOP_TYPES
};

enum tunnel_kind { TUNNEL_MPLS_GRE, TUNNEL_MPLS_UDP, TUNNEL_VXLAN }; /* RFC 4023, 7510, 7348 */

/* UDP destination ports (RFC 7510; what some routers used before it; RFC 7348). */
enum { TUNNEL_PORT_MPLS = 6635, TUNNEL_PORT_MPLS_OLD = 51234, TUNNEL_PORT_VXLAN = 4789 };

enum nexthop_flag {
#define NEXTHOP_FLAG(NAME, name, text) NEXTHOP_FLAG_BIT_##NAME,
#include "common/nexthop_flags.def"
#undef NEXTHOP_FLAG
	NEXTHOP_FLAGS
};
#define NEXTHOP_HAS(nh, NAME) (((nh)->flags >> NEXTHOP_FLAG_BIT_##NAME & 1) != 0)

/* By what a type that chooses one member tells flows apart; bits of composite.hash_fields. */
enum {
	HASH_SOURCE = 1 << 0,
	HASH_DESTINATION = 1 << 1,
	HASH_PROTOCOL = 1 << 2,
	HASH_SOURCE_PORT = 1 << 3,
	HASH_DESTINATION_PORT = 1 << 4,
	HASH_ALL = (1 << 5) - 1,
};

enum nexthop_family { NEXTHOP_FAMILY_BRIDGE, NEXTHOP_FAMILY_INET, NEXTHOP_FAMILY_INET6 };

enum {
	NEXTHOP_REWRITE_MIN = 14, /* bytes of link-layer header */
	NEXTHOP_REWRITE_MAX = 32,
	NEXTHOP_MEMBERS_MAX = 16,   /* of one composite; composites nest */
	NEXTHOP_IDS_MAX = 0xffffff, /* all ids are below: a member takes 3 bytes */
	NEXTHOP_DEPTH_MAX = 4,      /* composites within composites */
	NEXTHOP_OUTER_MAX = 36,     /* bytes of a tunnel's headers behind the link layer's */
};

/* No label or VNI; and in a composite, the place of a member that is not there. */
#define NEXTHOP_NO_LABEL  UINT32_C(0xffffff)
#define NEXTHOP_NO_MEMBER UINT32_C(0xffffff)

/* A member of a composite: 24-bit numbers, least significant byte first. */
struct nexthop_member {
	uint8_t id[3];
	uint8_t label[3]; /* MPLS label or VNI for a tunnel, or NEXTHOP_NO_LABEL */
};

static inline struct nexthop_member
nexthop_member(uint32_t id, uint32_t label)
{
	return (struct nexthop_member){
	    .id = {(uint8_t)id, (uint8_t)(id >> 8), (uint8_t)(id >> 16)},
	    .label = {(uint8_t)label, (uint8_t)(label >> 8), (uint8_t)(label >> 16)}};
}
static inline uint32_t
nexthop_member_id(const struct nexthop_member *m)
{
	return m->id[0] | (uint32_t)m->id[1] << 8 | (uint32_t)m->id[2] << 16;
}
static inline uint32_t
nexthop_member_label(const struct nexthop_member *m)
{
	return m->label[0] | (uint32_t)m->label[1] << 8 | (uint32_t)m->label[2] << 16;
}

/* Shared, immutable once published. */
struct nexthop {
	uint32_t id;
	uint32_t vrf;
	uint8_t type;   /* enum nexthop_type */
	uint8_t family; /* enum nexthop_family */
	uint16_t flags; /* bit enum nexthop_flag */
	uint32_t reserved0;
	union {
		struct {
			/* encap, tunnel */
			struct {
				uint32_t vif; /* id of the outgoing vif, of any type; may not exist
						 yet */
				uint16_t rewrite_len;
				uint16_t reserved;
				uint8_t rewrite[NEXTHOP_REWRITE_MAX]; /* as on the wire */
			} encap;
			/* tunnel: through an IPv4 underlay */
			struct {
				uint32_t source_be, destination_be; /* outer addresses */
				uint8_t kind;                       /* enum tunnel_kind */
				uint8_t outer_len;
				uint8_t inner_mac[6]; /* destination of routed packets in VXLAN */
				/* what every packet gets, made from the above: the last outer_len
				 * bytes are IPv4 header, UDP or GRE, VXLAN or label; lengths, id,
				 * checksum, source port, label and VNI are 0 */
				uint8_t outer[NEXTHOP_OUTER_MAX];
				/* the IPv4 header's words added up, in network byte order */
				uint32_t outer_sum;
			} tunnel;
		};
		/* every type that has members */
		struct {
			uint8_t n;           /* places, those of absent members included */
			uint8_t hash_fields; /* of types that choose one member; 0: all */
			uint16_t reserved;
			struct nexthop_member members[NEXTHOP_MEMBERS_MAX];
		} composite;
		uint8_t reserved[112];
	};
};
_Static_assert(sizeof(struct nexthop) == 128, "nexthop: two cache lines");

/* Fills outer, outer_len and outer_sum; kind and addresses are set. */
void nexthop_tunnel_prepare(struct nexthop *nh);

static inline const struct nexthop *
nexthop_lookup(const struct idtab *nexthops, uint32_t id)
{
	return (const struct nexthop *)idtab_lookup(nexthops, id);
}

#endif

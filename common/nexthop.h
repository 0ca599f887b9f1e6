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

enum nexthop_family { NEXTHOP_FAMILY_BRIDGE, NEXTHOP_FAMILY_INET, NEXTHOP_FAMILY_INET6 };

enum {
	NEXTHOP_REWRITE_MIN = 14, /* bytes of link-layer header */
	NEXTHOP_REWRITE_MAX = 32,
	NEXTHOP_MEMBERS_MAX = 16, /* of one composite; composites nest */
	NEXTHOP_DEPTH_MAX = 4,    /* composites within composites */
};

/* Shared, immutable once published. */
struct nexthop {
	uint32_t id;
	uint32_t vrf;
	uint8_t type;   /* enum nexthop_type */
	uint8_t family; /* enum nexthop_family */
	uint16_t flags;
	uint32_t reserved0;
	union {
		struct {
			uint32_t vif; /* id of the outgoing vif, of any type; may not exist yet */
			uint16_t rewrite_len;
			uint16_t reserved;
			uint8_t rewrite[NEXTHOP_REWRITE_MAX]; /* as on the wire */
		} encap;
		struct {
			uint32_t n;
			uint32_t members[NEXTHOP_MEMBERS_MAX]; /* nexthop ids */
		} flood;
		uint8_t reserved[112];
	};
};
_Static_assert(sizeof(struct nexthop) == 128, "nexthop: two cache lines");

static inline const struct nexthop *
nexthop_lookup(const struct idtab *nexthops, uint32_t id)
{
	return (const struct nexthop *)idtab_lookup(nexthops, id);
}

#endif

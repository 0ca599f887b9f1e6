/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vif (virtual interface): where packets enter and leave the router. Its id is chosen by the
 * client (0 is valid). It refers to a port (port.h) by index and to a nexthop by id.
 */
#ifndef COMMON_VIF_H
#define COMMON_VIF_H

#include <stdint.h>

#include "common/idtab.h"
#include "common/limits.h"

enum vif_type {
#define VIF_TYPE(NAME, name, text) VIF_##NAME,
#include "common/vif_types.def"
#undef VIF_TYPE
	VIF_TYPES
};

enum vif_flag {
#define VIF_FLAG(NAME, bit, name, text) VIF_FLAG_##NAME = 1 << (bit),
#define VIF_FLAG_LATER(NAME, number, name, text)
#include "common/vif_flags.def"
#undef VIF_FLAG
#undef VIF_FLAG_LATER
};

enum { VIF_NO_PORT = -1 };
#define NEXTHOP_NONE UINT32_MAX
#define VIF_NONE     UINT32_MAX

/* Shared, immutable once published. First line: what a packet needs. */
struct vif {
	uint32_t id;
	uint32_t vrf;
	uint32_t nexthop; /* id, NEXTHOP_NONE; may name one that does not exist yet */
	int32_t port;     /* index into the port table, or VIF_NO_PORT */
	uint32_t flags;   /* VIF_FLAG_*, vif_flags.def */
	uint16_t mtu;     /* bytes of the longest frame, Ethernet header included, FCS not */
	uint8_t type;     /* enum vif_type */
	uint8_t reserved0;
	uint8_t mac[6];
	uint16_t vlan;          /* tag that a physical vif's frames carry, 0: none */
	uint32_t ip_be;         /* the router's address on this vif, 0: none */
	uint8_t ip6[16];        /* the same, all zero: none */
	uint32_t cross_connect; /* with the flag: id of the vif packets leave through, VIF_NONE */
	uint8_t reserved1[8];
	/* second line: for people */
	char name[NAME_LEN];
};
_Static_assert(sizeof(struct vif) == 128, "vif: two cache lines");

static inline const struct vif *
vif_lookup(const struct idtab *vifs, uint32_t id)
{
	return (const struct vif *)idtab_lookup(vifs, id);
}

#endif

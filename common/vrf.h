/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VRF as people know it: the id that routes and vifs use, and a name. Nobody needs one to forward
 * packets; vr-ctl alone reads and writes it.
 */
#ifndef COMMON_VRF_H
#define COMMON_VRF_H

#include <stdint.h>

#include "common/idtab.h"
#include "common/limits.h"

/* Shared, immutable once published. */
struct vrf {
	uint32_t id;
	uint32_t reserved[15];
	char name[NAME_LEN];
};
_Static_assert(sizeof(struct vrf) == 128, "vrf: whole cache lines");

static inline const struct vrf *
vrf_lookup(const struct idtab *vrfs, uint32_t id)
{
	return (const struct vrf *)idtab_lookup(vrfs, id);
}

#endif

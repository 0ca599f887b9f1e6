/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Vifs of which there is one: the host's, the agent's, and the uplink that carries the host's
 * address. What the vif table says is said here once more, so that a packet need not look for them.
 *
 * vr-ctl writes it in the batch that adds, changes or removes such a vif, by the redo log (redo.h):
 * if it dies on any line, either all of the batch happened or nothing. Workers read a word at a
 * time; between two words of a batch an id may name a vif that is just being made or removed, which
 * looks like one that does not exist.
 */
#ifndef COMMON_VIF_ROLES_H
#define COMMON_VIF_ROLES_H

#include <stdint.h>

#include "common/limits.h"
#include "common/vif.h"

/* Shared. Each is a vif's id + 1, or 0: there is none. */
struct vif_roles {
	uint64_t host;
	uint64_t agent;
	uint64_t uplink;
	uint64_t reserved[5];
} __attribute__((aligned(CACHE_LINE)));

/* The vif's id, or VIF_NONE. 'role' is one of the members above. */
static inline uint32_t
vif_role(const uint64_t *role)
{
	return (uint32_t)__atomic_load_n(role, __ATOMIC_RELAXED) - 1;
}

#endif

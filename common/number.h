/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MPLS labels and VNIs: the number that a packet out of a tunnel carries -> id of the nexthop that
 * decides about it. Each kind has a table like the bridge entries' (bridge.h), whose keys are the
 * numbers; it says which readers and which writer it has, and what becomes of one that dies.
 */
#ifndef COMMON_NUMBER_H
#define COMMON_NUMBER_H

#include <stdint.h>

#include "common/bridge.h"

enum { LABEL_MAX = (1 << 20) - 1, VNI_MAX = (1 << 24) - 1 };

static inline struct bridge_key
number_key(uint32_t number)
{
	return (struct bridge_key){.mac = {(uint8_t)number, (uint8_t)(number >> 8),
					   (uint8_t)(number >> 16), (uint8_t)(number >> 24)}};
}
static inline uint32_t
number_of_key(const struct bridge_key *key)
{
	return key->mac[0] | (uint32_t)key->mac[1] << 8 | (uint32_t)key->mac[2] << 16 |
	       (uint32_t)key->mac[3] << 24;
}
/* The same as bridge_key_packed() makes of the key, for bridge_lookup_burst(). */
static inline uint64_t
number_key_packed(uint32_t number)
{
	return (uint64_t)number << 16 | 1;
}

#endif

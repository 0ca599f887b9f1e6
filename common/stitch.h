/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stitched MACs: what is answered to ARP requests and neighbour solicitations for a host whose
 * route names its MAC, so that its packets are then bridged. A table of its own beside the routes,
 * for few routes have one and only those questions look at it: an instance of bridge.h whose keys
 * are hosts, written by vr-ctl in the batch that writes the route (redo.h): if it dies on any line,
 * the next one makes both stores or neither. A worker may see one before the other. A route says by
 * ROUTE_STITCHED that there is an entry; where it is missing the vif's MAC is answered, as without
 * one.
 *
 * IPv4 addresses are keys as they are. Of IPv6 addresses 40 bits of a hash are; 16 others stand
 * with the value, so that another host with the same key, which takes its place, is told apart.
 */
#ifndef COMMON_STITCH_H
#define COMMON_STITCH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/bridge.h"

static inline uint64_t
stitch_hash6(const uint8_t address[16])
{
	uint64_t a, b;

	memcpy(&a, address, sizeof(a));
	memcpy(&b, address + 8, sizeof(b));
	a = (a ^ a >> 32) * UINT64_C(0x9e3779b97f4a7c15);
	b = ((b ^ b >> 29) + a) * UINT64_C(0xbf58476d1ce4e5b9);
	return b ^ b >> 31;
}

/* 'address' is of 16 bytes for IPv6, else of 4, as on the wire. */
static inline struct bridge_key
stitch_key(uint32_t vrf, bool inet6, const uint8_t *address)
{
	struct bridge_key key = {.vrf = vrf, .mac = {inet6 ? 6 : 4}};
	uint64_t hash;

	if (inet6) {
		hash = stitch_hash6(address);
		memcpy(&key.mac[1], &hash, 5);
	} else {
		memcpy(&key.mac[2], address, 4);
	}
	return key;
}

/* What tells the host apart from others of the same key, in the value's upper 16 bits. */
static inline uint64_t
stitch_check(bool inet6, const uint8_t *address)
{
	return inet6 ? stitch_hash6(address) >> 48 << 48 : 0;
}

static inline uint64_t
stitch_value(bool inet6, const uint8_t *address, const uint8_t mac[6])
{
	uint64_t value = 0;

	memcpy(&value, mac, 6);
	return value | stitch_check(inet6, address);
}

/* Reader. Whether the host has a MAC; it goes into 'mac'. */
static inline bool
stitch_lookup(const struct bridge *stitches, uint32_t vrf, bool inet6, const uint8_t *address,
	      uint8_t mac[6])
{
	struct bridge_key key = stitch_key(vrf, inet6, address);
	uint64_t value;

	if (bridge_lookup(stitches, &key, &value) < 0 ||
	    value >> 48 << 48 != stitch_check(inet6, address))
		return false;
	memcpy(mac, &value, 6);
	return true;
}

#endif

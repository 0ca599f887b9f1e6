/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Routes in the API: IPv4 and IPv6 prefixes and where packets to them go. A change is whole by
 * itself (common/route.h); it cannot be part of a batch. vr-ctl's main thread only.
 */
#include "ctl/object.h"

#include <errno.h>
#include <string.h>

#include "common/conf.h"
#include "common/route.h"
#include "ctl/call.h"
#include "ctl/ctl.h"

enum { WALK_MAX = 64, PREFIX_MAX = 17 };

static uint32_t
address_length(uint8_t family)
{
	return family == ROUTE_INET ? 4 : 16;
}

static int
route_parse_key(const Vrouter__Route *m, const struct conf *conf, struct route_key *key,
		struct refusal *r)
{
	uint32_t bytes, bits;

	memset(key, 0, sizeof(*key));
	if (m->vrf >= conf->vrfs)
		return refuse(r, EINVAL, "vrf", "vrf %u is above %llu (option vrfs)", m->vrf,
			      (unsigned long long)conf->vrfs - 1);
	if (m->prefix.len != 4 + 1 && m->prefix.len != 16 + 1)
		return refuse(
		    r, EINVAL, "prefix",
		    "prefix has %zu bytes, not 5 or 17: an address and its length in bits",
		    m->prefix.len);
	bytes = (uint32_t)m->prefix.len - 1;
	bits = m->prefix.data[bytes];
	if (bits > bytes * 8)
		return refuse(r, EINVAL, "prefix", "prefix has a length of %u bits, above %u", bits,
			      bytes * 8);
	key->vrf = m->vrf;
	key->family = bytes == 4 ? ROUTE_INET : ROUTE_INET6;
	key->length = (uint8_t)bits;
	memcpy(key->address, m->prefix.data, bytes);
	for (uint32_t i = 0; i < bytes; i++) {
		uint32_t kept = bits > i * 8 ? bits - i * 8 : 0;

		if (kept < 8)
			key->address[i] &= (uint8_t)(0xff00 >> kept);
	}
	return 0;
}

static int
route_parse_nexthop(const Vrouter__Route *m, const struct conf *conf, uint32_t *nexthop,
		    struct refusal *r)
{
	if (!m->has_nexthop_case)
		return refuse(r, EINVAL, "nexthop", "nexthop is missing");
	if (m->nexthop >= conf->nexthops)
		return refuse(r, EINVAL, "nexthop", "nexthop %u is above %llu (option nexthops)",
			      m->nexthop, (unsigned long long)conf->nexthops - 1);
	*nexthop = m->nexthop;
	return 0;
}

/* 'm' borrows 'bytes'. */
static void
route_describe(const struct route_key *key, uint64_t value, Vrouter__Route *m,
	       uint8_t bytes[PREFIX_MAX])
{
	uint32_t n = address_length(key->family);

	vrouter__route__init(m);
	memcpy(bytes, key->address, n);
	bytes[n] = key->length;
	m->has_vrf_case = VROUTER__ROUTE__HAS_VRF_VRF;
	m->vrf = key->vrf;
	m->prefix.len = n + 1;
	m->prefix.data = bytes;
	m->has_nexthop_case = VROUTER__ROUTE__HAS_NEXTHOP_NEXTHOP;
	m->nexthop = route_value_nexthop(value);
}

static int
route_put(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const Vrouter__Route *m = (const Vrouter__Route *)object;
	struct refusal *r = call_refusal(call);
	struct route_key key;
	uint32_t nexthop = 0;
	int rc;

	rc = route_parse_key(m, ctl->conf, &key, r);
	if (rc == 0)
		rc = route_parse_nexthop(m, ctl->conf, &nexthop, r);
	if (rc < 0)
		return rc;
	rc = route_add(ctl->tables.route_writer, &key, route_value(nexthop, 0, 0));
	if (rc == -ENOSPC)
		return refuse(r, ENOSPC, NULL,
			      "the table is full: %u IPv4 and %u IPv6 routes, room for %u and %llu "
			      "of %llu bytes of their tries (option routes)",
			      route_used(ctl->tables.routes, ROUTE_INET),
			      route_used(ctl->tables.routes, ROUTE_INET6),
			      route_capacity(ctl->tables.routes),
			      (unsigned long long)route_bytes_used(ctl->tables.routes),
			      (unsigned long long)route_bytes(ctl->tables.routes));
	return rc;
}

static int
route_remove(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	struct refusal *r = call_refusal(call);
	struct route_key key;
	int rc;

	rc = route_parse_key((const Vrouter__Route *)object, ctl->conf, &key, r);
	if (rc < 0)
		return rc;
	rc = route_del(ctl->tables.route_writer, &key);
	if (rc == -ENOENT)
		return refuse(r, ENOENT, "prefix", "it does not exist");
	return rc;
}

static int
route_read(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	struct refusal *r = call_refusal(call);
	uint8_t bytes[PREFIX_MAX];
	struct route_key key;
	Vrouter__Route found;
	uint64_t value;
	int rc;

	rc = route_parse_key((const Vrouter__Route *)object, ctl->conf, &key, r);
	if (rc < 0)
		return rc;
	if (route_get(ctl->tables.route_writer, &key, &value) < 0)
		return refuse(r, ENOENT, "prefix", "it does not exist");
	route_describe(&key, value, &found, bytes);
	call_object(call, &found.base);
	return 0;
}

/* The cursor is the walk's; an empty place counts as a sixteenth of an object. */
static int
route_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	   struct call *call)
{
	const Vrouter__Route *wanted = (const Vrouter__Route *)filter;
	struct route_key keys[WALK_MAX];
	uint64_t values[WALK_MAX];
	uint8_t bytes[PREFIX_MAX];
	Vrouter__Route found;

	for (int64_t left = (int64_t)budget * 16; *cursor != OBJECT_LIST_END && left > 0;) {
		uint32_t n =
		    route_walk(ctl->tables.routes, cursor, WALK_MAX, WALK_MAX, keys, values);

		left -= WALK_MAX + (int64_t)n * 15;
		for (uint32_t i = 0; i < n; i++) {
			if (wanted->has_vrf_case && wanted->vrf != keys[i].vrf)
				continue;
			route_describe(&keys[i], values[i], &found, bytes);
			call_object(call, &found.base);
		}
	}
	return 0;
}

const struct object_kind object_route = {
    .add = route_put,
    .del = route_remove,
    .get = route_read,
    .list = route_list,
};

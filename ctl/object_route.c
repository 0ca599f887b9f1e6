/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Routes in the API: IPv4 and IPv6 prefixes and where packets to them go. vr-ctl's main thread
 * only.
 */
#include "ctl/object.h"

#include <errno.h>
#include <string.h>

#include "common/conf.h"
#include "common/route.h"
#include "common/stitch.h"
#include "ctl/call.h"
#include "ctl/ctl.h"

enum { WALK_MAX = 64, PREFIX_MAX = 17, LABEL_MAX = 0xfffff, MAC_LEN = 6 };

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

static const struct {
	size_t offset; /* in the message */
	uint64_t flag;
} flags[] = {
    {offsetof(Vrouter__Route, arp_proxy), ROUTE_ARP_PROXY},
    {offsetof(Vrouter__Route, arp_trap), ROUTE_ARP_TRAP},
    {offsetof(Vrouter__Route, arp_flood), ROUTE_ARP_FLOOD},
    {offsetof(Vrouter__Route, mac_ip_learnt), ROUTE_MAC_IP_LEARNT},
};
enum { FLAGS = sizeof(flags) / sizeof(flags[0]) };

static protobuf_c_boolean *
flag_of(const Vrouter__Route *m, int i)
{
	return (protobuf_c_boolean *)((uintptr_t)m + flags[i].offset);
}

static int
route_parse_value(const Vrouter__Route *m, const struct conf *conf, uint64_t *value,
		  struct refusal *r)
{
	uint64_t set = 0;

	if (!m->has_nexthop_case)
		return refuse(r, EINVAL, "nexthop", "nexthop is missing");
	if (m->nexthop >= conf->nexthops)
		return refuse(r, EINVAL, "nexthop", "nexthop %u is above %llu (option nexthops)",
			      m->nexthop, (unsigned long long)conf->nexthops - 1);
	if (m->has_label_case && m->label > LABEL_MAX)
		return refuse(r, EINVAL, "label", "label %u is above %u", m->label, LABEL_MAX);
	if (m->longest)
		return refuse(r, EINVAL, "longest", "longest is for GET: leave it out");
	for (int i = 0; i < FLAGS; i++)
		if (*flag_of(m, i))
			set |= flags[i].flag;
	if (m->has_label_case)
		set |= ROUTE_LABEL_VALID;
	if (m->mac.len != 0)
		set |= ROUTE_STITCHED;
	*value = route_value(m->nexthop, m->has_label_case ? m->label : 0, set);
	return 0;
}

static int
check_mac(const Vrouter__Route *m, const struct route_key *key, struct refusal *r)
{
	static const uint8_t zero[MAC_LEN];

	if (m->mac.len == 0)
		return 0;
	if (key->length != address_length(key->family) * 8)
		return refuse(r, EINVAL, "mac", "mac is for one host: prefix has %u bits, not %u",
			      key->length, address_length(key->family) * 8);
	if (m->mac.len != MAC_LEN)
		return refuse(r, EINVAL, "mac", "mac has %zu bytes, not 6", m->mac.len);
	if ((m->mac.data[0] & 1) != 0 || memcmp(m->mac.data, zero, MAC_LEN) == 0)
		return refuse(r, EINVAL, "mac", "mac is no host's address");
	return 0;
}

/* The host's MAC as part of the batch, or that it has none. */
static int
stage_mac(struct change *c, const Vrouter__Route *m, const struct route_key *key)
{
	bool inet6 = key->family == ROUTE_INET6;
	struct tables *t = &c->ctl->tables;
	struct bridge_key host = stitch_key(key->vrf, inet6, key->address);
	int rc;

	if (m->mac.len == 0)
		return tables_stage_unstitch(t, key);
	rc = bridge_stage_set(t->stitch_writer, t->batch, &host,
			      stitch_value(inet6, key->address, m->mac.data), 0);
	if (rc == -ENOSPC)
		return refuse(c->refusal, ENOSPC, "mac",
			      "the table of hosts' MACs is full: room for %u (option stitched)",
			      bridge_capacity(t->stitched));
	return rc;
}

/* What a route's description borrows. */
struct route_room {
	uint8_t prefix[PREFIX_MAX];
	uint8_t mac[MAC_LEN];
};

static void
route_describe(const struct ctl *ctl, const struct route_key *key, uint64_t value,
	       Vrouter__Route *m, struct route_room *room)
{
	uint8_t *bytes = room->prefix;
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
	if ((value & ROUTE_LABEL_VALID) != 0) {
		m->has_label_case = VROUTER__ROUTE__HAS_LABEL_LABEL;
		m->label = route_value_label(value);
	}
	for (int i = 0; i < FLAGS; i++)
		*flag_of(m, i) = (value & flags[i].flag) != 0;
	if ((value & ROUTE_STITCHED) != 0 &&
	    stitch_lookup(ctl->tables.stitched, key->vrf, key->family == ROUTE_INET6, key->address,
			  room->mac)) {
		m->mac.len = MAC_LEN;
		m->mac.data = room->mac;
	}
}

static int
refuse_full(struct change *c)
{
	const struct route_table *t = c->ctl->tables.routes;

	return refuse(c->refusal, ENOSPC, NULL,
		      "the table is full: %u IPv4 and %u IPv6 routes, room for %u and %llu of %llu "
		      "bytes of their tries (option routes)",
		      route_used(t, ROUTE_INET), route_used(t, ROUTE_INET6), route_capacity(t),
		      (unsigned long long)route_bytes_used(t), (unsigned long long)route_bytes(t));
}

static int
route_put(struct change *c, const ProtobufCMessage *object)
{
	const Vrouter__Route *m = (const Vrouter__Route *)object;
	struct tables *t = &c->ctl->tables;
	struct route_key key;
	uint64_t value = 0;
	int rc;

	rc = route_parse_key(m, c->ctl->conf, &key, c->refusal);
	if (rc == 0)
		rc = route_parse_value(m, c->ctl->conf, &value, c->refusal);
	if (rc == 0)
		rc = check_mac(m, &key, c->refusal);
	if (rc == 0)
		rc = stage_mac(c, m, &key);
	if (rc < 0)
		return rc;
	rc = route_stage_add(t->route_writer, t->batch, &key, value, c->owner);
	return rc == -ENOSPC ? refuse_full(c) : rc;
}

static int
route_remove(struct change *c, const ProtobufCMessage *object)
{
	const Vrouter__Route *m = (const Vrouter__Route *)object;
	struct tables *t = &c->ctl->tables;
	struct route_key key;
	int rc;

	rc = route_parse_key(m, c->ctl->conf, &key, c->refusal);
	if (rc < 0)
		return rc;
	rc = route_stage_del(t->route_writer, t->batch, &key);
	if (rc == -ENOENT)
		return refuse(c->refusal, ENOENT, "prefix", "it does not exist");
	if (rc == 0)
		rc = tables_stage_unstitch(t, &key);
	return rc == -ENOSPC ? refuse_full(c) : rc;
}

/* Nothing found is an answer: nexthop 0, and no prefix. */
static void
route_read_longest(struct ctl *ctl, const struct route_key *key, struct call *call)
{
	Vrouter__Route found = VROUTER__ROUTE__INIT;
	struct route_room room;
	struct route_key longest;
	uint64_t value;

	if (route_find(ctl->tables.route_writer, key, &longest, &value) == 0) {
		route_describe(ctl, &longest, value, &found, &room);
	} else {
		found.has_vrf_case = VROUTER__ROUTE__HAS_VRF_VRF;
		found.vrf = key->vrf;
		found.has_nexthop_case = VROUTER__ROUTE__HAS_NEXTHOP_NEXTHOP;
	}
	call_object(call, &found.base);
}

static int
route_read(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const Vrouter__Route *m = (const Vrouter__Route *)object;
	struct refusal *r = call_refusal(call);
	struct route_room room;
	struct route_key key;
	Vrouter__Route found;
	uint64_t value;
	int rc;

	rc = route_parse_key(m, ctl->conf, &key, r);
	if (rc < 0)
		return rc;
	if (m->longest) {
		route_read_longest(ctl, &key, call);
		return 0;
	}
	if (route_get(ctl->tables.route_writer, &key, &value) < 0)
		return refuse(r, ENOENT, "prefix", "it does not exist");
	route_describe(ctl, &key, value, &found, &room);
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
	struct route_room room;
	Vrouter__Route found;

	for (int64_t left = (int64_t)budget * 16; *cursor != OBJECT_LIST_END && left > 0;) {
		uint32_t n =
		    route_walk(ctl->tables.routes, cursor, WALK_MAX, WALK_MAX, keys, values, NULL);

		left -= WALK_MAX + (int64_t)n * 15;
		for (uint32_t i = 0; i < n; i++) {
			if (wanted->has_vrf_case && wanted->vrf != keys[i].vrf)
				continue;
			route_describe(ctl, &keys[i], values[i], &found, &room);
			call_object(call, &found.base);
		}
	}
	return 0;
}

const struct object_kind object_route = {
    .put = route_put,
    .remove = route_remove,
    .get = route_read,
    .list = route_list,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Vifs in the API. All that a client may say about one is checked in vif_parse(). vr-ctl's main
 * thread only.
 *
 * A vif and its port are two things made by two processes. Adding: the port first (the primary
 * makes it, unless one of that name is there already), then the vif is published. Deleting: the vif
 * first, then the port that was made for it. batch.c sees to the order. Whoever dies in between
 * leaves a port without a vif, and the same request, made again, picks it up. Which ports were made
 * for a vif needs no note: all taps and guests, and all devices that the configuration does not
 * name.
 */
#include "ctl/object_vif.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/counters.h"
#include "common/port.h"
#include "common/rules.h"
#include "common/redo.h"
#include "common/slot.h"
#include "common/vif.h"
#include "common/vif_roles.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/object.h"
#include "ctl/vif_guest.h"

enum {
	MAC_LEN = 6,
	MTU_DEFAULT = 1514,
	MTU_MIN = 64,
	MTU_MAX = 65535,
	VLAN_MAX = 4094,
	TAP_NAME_MAX = 15, /* IFNAMSIZ - 1 */
};
static const uint8_t default_mac[MAC_LEN] = {0x00, 0x00, 0x5e, 0x00, 0x01, 0x00};

/* The API's numbers are ours and one more, since its 0 means "not given". */
#define VIF_TYPE(NAME, name, text) \
	_Static_assert((int)VROUTER__VIF__TYPE__##NAME == VIF_##NAME + 1, name);
#include "common/vif_types.def"
#undef VIF_TYPE
#define VIF_FLAG(NAME, bit, name, text) \
	_Static_assert((int)VROUTER__VIF__FLAG__##NAME == (bit) + 1, name);
#define VIF_FLAG_LATER(NAME, number, name, text) \
	_Static_assert((int)VROUTER__VIF__FLAG__##NAME == (number), name);
#include "common/vif_flags.def"
#undef VIF_FLAG
#undef VIF_FLAG_LATER

/* --- what a client may say --- */

/* A name becomes a network interface's, or a word in tables: no blanks, no slash. */
static int
check_name(const char *field, const char *name, size_t max, struct refusal *r)
{
	if (strlen(name) > max)
		return refuse(r, EINVAL, field, "%s \"%.80s\" is longer than %zu bytes", field,
			      name, max);
	if (strpbrk(name, " /,=") != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return refuse(
		    r, EINVAL, field,
		    "%s \"%s\" is no name: blanks, '/', ',', '=' and \".\" are not allowed", field,
		    name);
	return 0;
}

static int
check_queues(const char *field, uint32_t queues, struct refusal *r)
{
	if (queues > PORT_QUEUES_MAX)
		return refuse(r, EINVAL, field, "%s %u is above %d", field, queues,
			      PORT_QUEUES_MAX);
	return 0;
}

static bool
slot_configured(const struct conf *conf, uint32_t id)
{
	for (uint32_t i = 0; i < conf->n_slots; i++)
		if (conf->slot_ids[i] == id)
			return true;
	return false;
}

static int
parse_slot(const char *field, uint32_t slot, const struct conf *conf, struct port_wish *wish,
	   struct refusal *r)
{
	if (!slot_configured(conf, slot))
		return refuse(r, EINVAL, field, "there is no slot %u (option slot)", slot);
	wish->slot = (int32_t)slot;
	return 0;
}

static int
parse_tap(const Vrouter__Vif__Tap *m, const struct conf *conf, const struct vif *vif,
	  struct port_wish *wish, struct refusal *r)
{
	int rc;

	wish->kind = PORT_TAP;
	wish->flags = vif->type == VIF_HOST ? PORT_HOST : 0;
	wish->name = *m->name != '\0' ? m->name : vif->name;
	wish->queues = m->queues;
	rc = check_name("tap.name", wish->name, TAP_NAME_MAX, r);
	if (rc == 0)
		rc = check_queues("tap.queues", m->queues, r);
	if (rc < 0)
		return rc;
	return m->has_slot_case ? parse_slot("tap.slot", m->slot, conf, wish, r) : 0;
}

/* The port has the vif's name: a path may be longer than a name. */
static int
parse_vhost(const Vrouter__Vif__Vhost *m, const struct conf *conf, const struct vif *vif,
	    struct port_wish *wish, struct refusal *r)
{
	int rc;

	rc = vif_guest_parse(m, conf, wish, r);
	if (rc < 0)
		return rc;
	if (m->agent >= conf->agents)
		return refuse(r, EINVAL, "vhost.agent", "there is no agent %u (option agents)",
			      m->agent);
	wish->kind = PORT_VHOST;
	wish->name = vif->name;
	wish->devargs = m->path;
	wish->agent = m->agent;
	wish->flags = m->server ? PORT_VHOST_SERVER : 0;
	wish->queues = m->queues;
	rc = check_queues("vhost.queues", m->queues, r);
	if (rc < 0)
		return rc;
	return m->has_slot_case ? parse_slot("vhost.slot", m->slot, conf, wish, r) : 0;
}

static int
parse_device(const Vrouter__Vif__Device *m, struct port_wish *wish, struct refusal *r)
{
	int rc;

	if (*m->name == '\0')
		return refuse(r, EINVAL, "device.name", "device.name is missing");
	wish->kind = PORT_DEVICE;
	wish->name = m->name;
	wish->devargs = m->devargs;
	wish->queues = m->queues;
	rc = check_name("device.name", m->name, NAME_LEN - 1, r);
	if (rc == 0)
		rc = check_queues("device.queues", m->queues, r);
	if (rc == 0 && strlen(m->devargs) >= sizeof(((struct port *)NULL)->devargs))
		return refuse(r, EINVAL, "device.devargs",
			      "device.devargs is longer than %zu bytes",
			      sizeof(((struct port *)NULL)->devargs) - 1);
	return rc;
}

static int
parse_mac(const ProtobufCBinaryData *mac, uint8_t out[MAC_LEN], struct refusal *r)
{
	static const uint8_t zero[MAC_LEN];

	if (mac->len != MAC_LEN)
		return refuse(r, EINVAL, "mac", "mac has %zu bytes, not 6", mac->len);
	if ((mac->data[0] & 1) != 0)
		return refuse(r, EINVAL, "mac", "mac is a multicast address");
	if (memcmp(mac->data, zero, MAC_LEN) == 0)
		return refuse(r, EINVAL, "mac", "mac is 00:00:00:00:00:00");
	memcpy(out, mac->data, MAC_LEN);
	return 0;
}

static int
parse_flags(const Vrouter__Vif *m, uint32_t *flags, struct refusal *r)
{
	uint32_t wanted = 0;

	for (size_t i = 0; i < m->n_flags; i++) {
		switch ((int)m->flags[i]) {
		case VROUTER__VIF__FLAG__FLAG_NONE:
			if (m->n_flags > 1)
				return refuse(r, EINVAL, "flags",
					      "flags has FLAG_NONE beside others: it stands alone");
			break;
#define VIF_FLAG(NAME, bit, name, text)    \
	case VROUTER__VIF__FLAG__##NAME:   \
		wanted |= VIF_FLAG_##NAME; \
		break;
#define VIF_FLAG_LATER(NAME, number, name, text)   \
	case VROUTER__VIF__FLAG__##NAME:           \
		return refuse(r, ENOTSUP, "flags", \
			      "flag " name " is not supported: there is no " text " here yet");
#include "common/vif_flags.def"
#undef VIF_FLAG
#undef VIF_FLAG_LATER
		default:
			return refuse(r, EINVAL, "flags", "flag %d is not known", m->flags[i]);
		}
	}
	if ((wanted & (VIF_FLAG_L2 | VIF_FLAG_L3)) == 0)
		wanted |= VIF_FLAG_L2 | VIF_FLAG_L3;
	*flags = wanted;
	return 0;
}

static int
parse_address(const char *field, const ProtobufCBinaryData *m, size_t size, void *out,
	      struct refusal *r)
{
	if (m->len != size)
		return refuse(r, EINVAL, field, "%s has %zu bytes, not %zu", field, m->len, size);
	memcpy(out, m->data, size);
	return 0;
}

static int
parse_cross_connect(const Vrouter__Vif *m, const struct conf *conf, struct vif *vif,
		    struct refusal *r)
{
	if (m->n_cross_connect > 1)
		return refuse(r, ENOTSUP, "cross_connect",
			      "%zu vifs in cross_connect are not supported: give one",
			      m->n_cross_connect);
	if (m->cross_connect[0] >= conf->vifs)
		return refuse(r, EINVAL, "cross_connect",
			      "cross_connect %u is above %llu (option vifs)", m->cross_connect[0],
			      (unsigned long long)conf->vifs - 1);
	if (m->cross_connect[0] == vif->id)
		return refuse(r, EINVAL, "cross_connect",
			      "it cannot be cross-connected with itself");
	vif->cross_connect = m->cross_connect[0];
	return 0;
}

/* What is given, into what is there: all that ADD and SET have in common. */
static int
parse_given(const Vrouter__Vif *m, const struct conf *conf, struct vif *vif, struct refusal *r)
{
	int rc;

	if (m->vrf >= conf->vrfs)
		return refuse(r, EINVAL, "vrf", "vrf %u is above %llu (option vrfs)", m->vrf,
			      (unsigned long long)conf->vrfs - 1);
	if (m->has_nexthop_case && m->nexthop >= conf->nexthops)
		return refuse(r, EINVAL, "nexthop", "nexthop %u is above %llu (option nexthops)",
			      m->nexthop, (unsigned long long)conf->nexthops - 1);
	if (m->mtu != 0 && (m->mtu < MTU_MIN || m->mtu > MTU_MAX))
		return refuse(r, EINVAL, "mtu", "mtu %u is not in %d to %d", m->mtu, MTU_MIN,
			      MTU_MAX);
	if (m->vlan > VLAN_MAX)
		return refuse(r, EINVAL, "vlan", "vlan %u is above %d", m->vlan, VLAN_MAX);
	if (m->vlan != 0 && vif->type != VIF_PHYSICAL)
		return refuse(r, EINVAL, "vlan", "vlan is for type physical");
	rc = check_name("name", m->name, NAME_LEN - 1, r);
	if (rc == 0 && m->mac.len != 0)
		rc = parse_mac(&m->mac, vif->mac, r);
	if (rc == 0 && m->n_flags != 0)
		rc = parse_flags(m, &vif->flags, r);
	if (rc == 0 && m->ip.len != 0)
		rc = parse_address("ip", &m->ip, sizeof(vif->ip_be), &vif->ip_be, r);
	if (rc == 0 && m->ip6.len != 0)
		rc = parse_address("ip6", &m->ip6, sizeof(vif->ip6), vif->ip6, r);
	if (rc == 0 && m->n_cross_connect != 0)
		rc = parse_cross_connect(m, conf, vif, r);
	if (rc < 0)
		return rc;
	vif->vrf = m->vrf != 0 ? m->vrf : vif->vrf;
	vif->nexthop = m->has_nexthop_case ? m->nexthop : vif->nexthop;
	vif->mtu = (uint16_t)(m->mtu != 0 ? m->mtu : vif->mtu);
	vif->vlan = (uint16_t)(m->vlan != 0 ? m->vlan : vif->vlan);
	if (*m->name != '\0') {
		memset(vif->name, 0, sizeof(vif->name));
		snprintf(vif->name, sizeof(vif->name), "%s", m->name);
	}
	return 0;
}

static int
parse_type(const Vrouter__Vif *m, struct vif *vif, struct refusal *r)
{
	switch ((int)m->type) {
	case VROUTER__VIF__TYPE__TYPE_UNSET:
		return refuse(r, EINVAL, "type", "type is missing");
	case VROUTER__VIF__TYPE__VLAN:
	case VROUTER__VIF__TYPE__MONITORING:
		return refuse(
		    r, ENOTSUP, "type",
		    "type %s is not supported: there are virtual, physical, host and agent",
		    m->type == VROUTER__VIF__TYPE__VLAN ? "vlan" : "monitoring");
	default:
		break;
	}
	if (m->type == VROUTER__VIF__TYPE__AGENT && m->transport_case != 0)
		return refuse(
		    r, EINVAL, "type",
		    "type agent has no transport: its packets go to clients of this socket");
	if (m->type == VROUTER__VIF__TYPE__HOST && m->transport_case != 0 &&
	    m->transport_case != VROUTER__VIF__TRANSPORT_TAP)
		return refuse(r, EINVAL, "type", "type host has a tap, and no other transport");
	vif->type = (uint8_t)(m->type - 1);
	return 0;
}

int
vif_parse(const Vrouter__Vif *m, const struct conf *conf, struct vif *vif, struct port_wish *wish,
	  struct refusal *r)
{
	int rc;

	memset(vif, 0, sizeof(*vif));
	memset(wish, 0, sizeof(*wish));
	wish->slot = -1;
	if (m->id >= conf->vifs)
		return refuse(r, EINVAL, "id", "id %u is above %llu (option vifs)", m->id,
			      (unsigned long long)conf->vifs - 1);
	rc = parse_type(m, vif, r);
	if (rc < 0)
		return rc;
	vif->id = m->id;
	vif->nexthop = NEXTHOP_NONE;
	vif->port = VIF_NO_PORT;
	vif->cross_connect = VIF_NONE;
	vif->mtu = MTU_DEFAULT;
	vif->flags = VIF_FLAG_L2 | VIF_FLAG_L3;
	memcpy(vif->mac, default_mac, MAC_LEN);
	snprintf(vif->name, sizeof(vif->name), "vif%u", vif->id);
	rc = parse_given(m, conf, vif, r);
	if (rc < 0)
		return rc;
	wish->mtu = vif->mtu;
	wish->mac = m->mac.len != 0 || vif->type == VIF_HOST ? vif->mac : NULL;

	switch (m->transport_case) {
	case VROUTER__VIF__TRANSPORT_TAP:
		return parse_tap(m->tap, conf, vif, wish, r);
	case VROUTER__VIF__TRANSPORT_DEVICE:
		return parse_device(m->device, wish, r);
	case VROUTER__VIF__TRANSPORT_VHOST:
		return parse_vhost(m->vhost, conf, vif, wish, r);
	default:
		return 0;
	}
}

/* --- ports --- */

static const struct port *
port_at(const struct ctl *ctl, int32_t index)
{
	const struct ports *t = ctl->tables.ports;

	return index >= 0 && (uint32_t)index < t->n ? &t->p[index] : NULL;
}

int64_t
vif_find_port(const struct ctl *ctl, const char *name)
{
	const struct ports *t = ctl->tables.ports;

	for (uint32_t i = 0; i < t->n; i++)
		if (__atomic_load_n(&t->p[i].state, __ATOMIC_ACQUIRE) == PORT_ACTIVE &&
		    strcmp(t->p[i].name, name) == 0)
			return i;
	return -ENOENT;
}

/* Whether the port was made for a vif, and goes with it. */
static bool
port_is_vifs(const struct ctl *ctl, const struct port *p)
{
	const struct conf_list *configured = &ctl->conf->ports;
	size_t n = strlen(p->name);

	if (p->kind != PORT_DEVICE)
		return true;
	for (uint32_t i = 0; i < configured->n; i++)
		if (strncmp(configured->v[i], p->name, n) == 0 && configured->v[i][n] == '=')
			return false;
	return true;
}

/* A port that is there already must be what was asked for. */
static int
port_check(const struct ctl *ctl, const struct vif *vif, const struct port_wish *wish,
	   uint32_t index, struct refusal *r)
{
	const char *transport = wish->kind == PORT_TAP     ? "tap"
				: wish->kind == PORT_VHOST ? "vhost"
							   : "device";
	const struct port *p = &ctl->tables.ports->p[index];
	int64_t user = tables_staged_vif_of_port(&ctl->tables, index);
	char field[32];

	snprintf(field, sizeof(field), "%s.name", transport);
	if (user >= 0 && user != vif->id)
		return refuse(r, EEXIST, field, "port %s is used by vif %lld", p->name,
			      (long long)user);
	if (p->kind != wish->kind)
		return refuse(r, EEXIST, field, "there is a port %s of another kind", p->name);
	if (wish->devargs != NULL && *wish->devargs != '\0' &&
	    strcmp(wish->devargs, p->devargs) != 0)
		return refuse(r, EBUSY, wish->kind == PORT_VHOST ? "vhost.path" : "device.devargs",
			      "port %s is there with %s instead: delete the vif first", p->name,
			      p->devargs);
	if (wish->kind == PORT_VHOST && wish->flags != (p->flags & ~(uint32_t)PORT_MOVING))
		return refuse(r, EBUSY, "vhost.server",
			      "port %s is there with vhost.server=%s: delete the vif first",
			      p->name, (p->flags & PORT_VHOST_SERVER) != 0 ? "true" : "false");
	if (wish->queues != 0 && wish->queues != p->queues) {
		snprintf(field, sizeof(field), "%s.queues", transport);
		return refuse(
		    r, EBUSY, field,
		    "port %s is there with %u queues: delete the vif first to change them", p->name,
		    p->queues);
	}
	return 0;
}

int
vif_make_port(struct ctl *ctl, const ProtobufCMessage *object, struct refusal *r,
	      primary_reply *reply, void *arg, char name[NAME_LEN])
{
	struct port_wish wish;
	struct vif vif;
	int rc;

	rc = vif_parse((const Vrouter__Vif *)object, ctl->conf, &vif, &wish, r);
	if (rc < 0 || wish.name == NULL || vif_find_port(ctl, wish.name) >= 0)
		return rc;
	snprintf(name, NAME_LEN, "%s", wish.name);
	rc = primary_port_add(ctl->primary, &wish, reply, arg);
	if (rc == -EBUSY)
		return refuse(r, EBUSY, NULL, "port %s is just being made or removed: try again",
			      wish.name);
	if (rc < 0)
		return refuse(r, -rc, NULL, "cannot ask for port %s: %s", wish.name, strerror(-rc));
	return OBJECT_LATER;
}

int
vif_drop_port(struct ctl *ctl, int32_t index, struct refusal *r, primary_reply *reply, void *arg)
{
	const struct port *p = port_at(ctl, index);
	int rc;

	if (p == NULL || p->state != PORT_ACTIVE || !port_is_vifs(ctl, p) ||
	    tables_vif_of_port(&ctl->tables, (uint32_t)index) >= 0)
		return 0;
	rc = primary_port_del(ctl->primary, (uint32_t)index, p->name, reply, arg);
	if (rc < 0)
		return refuse(r, -rc, NULL, "its port %s cannot be removed now: %s", p->name,
			      rc == -EBUSY ? "it is just being changed" : strerror(-rc));
	return OBJECT_LATER;
}

int
vif_move_port(struct ctl *ctl, int32_t index, uint32_t agent, struct refusal *r,
	      primary_reply *reply, void *arg)
{
	const struct port *p = port_at(ctl, index);
	int rc;

	if (p == NULL || p->state != PORT_ACTIVE || p->kind != PORT_VHOST || p->agent == agent)
		return 0;
	rc = primary_port_move(ctl->primary, (uint32_t)index, p->name, agent, reply, arg);
	if (rc < 0)
		return refuse(r, -rc, "vhost.agent", "its port %s cannot be moved now: %s", p->name,
			      rc == -EBUSY ? "it is just being changed" : strerror(-rc));
	return OBJECT_LATER;
}

/* --- operations --- */

/* What the port table says about the port that is wished for. */
static int
use_port(struct change *c, const struct port_wish *wish, struct vif *vif)
{
	int64_t port = vif_find_port(c->ctl, wish->name);

	if (port >= 0) {
		vif->port = (int32_t)port;
		if (wish->kind == PORT_VHOST &&
		    wish->agent != c->ctl->tables.ports->p[port].agent) {
			c->port_moved = (int32_t)port;
			c->agent = wish->agent;
		}
		return port_check(c->ctl, vif, wish, (uint32_t)port, c->refusal);
	}
	if (wish->kind == PORT_DEVICE && *wish->devargs == '\0')
		return refuse(c->refusal, ENOENT, "device.name",
			      "there is no port %s: make it with device.devargs, or with the "
			      "option port",
			      wish->name);
	c->port_missing = true;
	return 0;
}

/* Of host and agent there is one. */
static int
check_only(const struct change *c, const struct vif *vif)
{
	const struct vif_roles *roles = c->ctl->tables.vif_roles;
	const struct redo_writer *batch = c->ctl->tables.batch;
	uint64_t other = 0;

	if (vif->type == VIF_HOST)
		other = redo_load(batch, &roles->host, sizeof(roles->host));
	else if (vif->type == VIF_AGENT)
		other = redo_load(batch, &roles->agent, sizeof(roles->agent));
	if (other == 0 || other == (uint64_t)vif->id + 1)
		return 0;
	return refuse(c->refusal, EEXIST, "type", "vif %llu is of type %s already: there is one",
		      (unsigned long long)other - 1, vif->type == VIF_HOST ? "host" : "agent");
}

static int
stage_role(struct tables *t, uint64_t *role, uint64_t value)
{
	if (redo_load(t->batch, role, sizeof(*role)) == value)
		return 0;
	return redo_stage(t->batch, role, sizeof(*role), value, NULL, NULL);
}

/* After a vif of one type has taken the place of one of another; VIF_VIRTUAL stands for none. */
static int
stage_roles(struct tables *t, uint8_t old_type, uint8_t type)
{
	uint64_t host = 0, agent = 0, uplink = 0;
	bool chosen = false;
	int rc;

	if (old_type == VIF_VIRTUAL && type == VIF_VIRTUAL)
		return 0;
	for (uint32_t id = 0; id < t->vifs->ids; id++) {
		const struct vif *v = idtab_staged(t->vif_writer, t->batch, id);

		if (v == NULL)
			continue;
		if (v->type == VIF_HOST)
			host = (uint64_t)id + 1;
		if (v->type == VIF_AGENT)
			agent = (uint64_t)id + 1;
		if (v->type != VIF_PHYSICAL)
			continue;
		if (uplink == 0 || (!chosen && (v->flags & VIF_FLAG_VHOST_PHYSICAL) != 0))
			uplink = (uint64_t)id + 1;
		chosen |= (v->flags & VIF_FLAG_VHOST_PHYSICAL) != 0;
	}
	rc = stage_role(t, &t->vif_roles->host, host);
	if (rc == 0)
		rc = stage_role(t, &t->vif_roles->agent, agent);
	return rc == 0 ? stage_role(t, &t->vif_roles->uplink, uplink) : rc;
}

/* Flows depend on whether their vifs ask for rules. */
static int
stage_policy(struct tables *t, const struct vif *old, const struct vif *vif)
{
	uint32_t was = old != NULL ? old->flags & VIF_FLAG_POLICY : 0;
	uint32_t is = vif->flags & VIF_FLAG_POLICY;

	return was != is ? rules_stage_revise(t->rules_writer, t->batch, is != 0) : 0;
}

static int
vif_put(struct change *c, const ProtobufCMessage *object)
{
	struct tables *t = &c->ctl->tables;
	const struct vif *old;
	struct port_wish wish;
	struct vif vif;
	uint8_t old_type;
	int32_t old_port;
	int rc;

	rc = vif_parse((const Vrouter__Vif *)object, c->ctl->conf, &vif, &wish, c->refusal);
	if (rc == 0 && wish.name != NULL)
		rc = use_port(c, &wish, &vif);
	if (rc < 0)
		return rc;
	old = idtab_staged(t->vif_writer, t->batch, vif.id);
	old_type = old != NULL ? old->type : VIF_VIRTUAL;
	old_port = old != NULL ? old->port : VIF_NO_PORT;
	if (old == NULL)
		rc = tables_stage_reset(t, vif.id);
	if (rc == 0)
		rc = check_only(c, &vif);
	if (rc == 0)
		rc = tables_stage_owner(t, &t->vif_owner[vif.id], c->owner);
	if (rc == 0)
		rc = stage_policy(t, old, &vif);
	if (rc == 0)
		rc = idtab_stage_set(t->vif_writer, t->batch, vif.id, &vif);
	if (rc == 0)
		rc = stage_roles(t, old_type, vif.type);
	if (old_port != vif.port)
		c->port_left = old_port;
	return rc;
}

/* Of a transport that is there, SET changes nothing but the agent that serves a guest. */
static int
set_agent(struct change *c, const Vrouter__Vif *m, const struct vif *vif)
{
	Vrouter__Vif__Vhost only = VROUTER__VIF__VHOST__INIT;
	const struct port *p = port_at(c->ctl, vif->port);

	if (m->transport_case == 0)
		return 0;
	if (m->transport_case == VROUTER__VIF__TRANSPORT_VHOST)
		only.agent = m->vhost->agent;
	if (m->transport_case != VROUTER__VIF__TRANSPORT_VHOST ||
	    protobuf_c_message_get_packed_size(&m->vhost->base) !=
		protobuf_c_message_get_packed_size(&only.base))
		return refuse(c->refusal, EINVAL, "transport",
			      "SET changes nothing of its transport but vhost.agent: ADD does");
	if (p == NULL || p->kind != PORT_VHOST)
		return refuse(c->refusal, EINVAL, "vhost.agent", "it has no guest's port");
	if (only.agent >= c->ctl->conf->agents)
		return refuse(c->refusal, EINVAL, "vhost.agent",
			      "there is no agent %u (option agents)", only.agent);
	c->port_moved = vif->port;
	c->agent = only.agent;
	return 0;
}

static int
vif_modify(struct change *c, const ProtobufCMessage *object)
{
	const Vrouter__Vif *m = (const Vrouter__Vif *)object;
	struct tables *t = &c->ctl->tables;
	const struct vif *old = idtab_staged(t->vif_writer, t->batch, m->id);
	struct vif vif;
	int rc;

	if (old == NULL)
		return refuse(c->refusal, ENOENT, "id", "it does not exist");
	if (m->type != VROUTER__VIF__TYPE__TYPE_UNSET && (int)m->type != old->type + 1)
		return refuse(c->refusal, EINVAL, "type",
			      "its type cannot be changed: delete it and add it anew");
	vif = *old;
	rc = set_agent(c, m, old);
	if (rc == 0)
		rc = parse_given(m, c->ctl->conf, &vif, c->refusal);
	if (rc == 0)
		rc = tables_stage_owner(t, &t->vif_owner[vif.id], c->owner);
	if (rc == 0)
		rc = stage_policy(t, old, &vif);
	if (rc == 0)
		rc = idtab_stage_set(t->vif_writer, t->batch, vif.id, &vif);
	return rc == 0 ? stage_roles(t, vif.type, vif.type) : rc;
}

int
vif_stage_del(struct tables *t, uint32_t id)
{
	const struct vif *vif = idtab_staged(t->vif_writer, t->batch, id);
	uint8_t type = vif != NULL ? vif->type : VIF_VIRTUAL;
	int rc;

	rc = idtab_stage_del(t->vif_writer, t->batch, id);
	if (rc == 0)
		rc = stage_roles(t, type, VIF_VIRTUAL);
	return rc == 0 ? tables_stage_owner(t, &t->vif_owner[id], 0) : rc;
}

static int
vif_remove(struct change *c, const ProtobufCMessage *object)
{
	uint32_t id = ((const Vrouter__Vif *)object)->id;
	struct tables *t = &c->ctl->tables;
	const struct vif *vif = idtab_staged(t->vif_writer, t->batch, id);

	if (vif == NULL)
		return refuse(c->refusal, ENOENT, "id", "it does not exist");
	c->port_left = vif->port;
	return vif_stage_del(t, id);
}

/* Room for the parts of a description. */
struct vif_view {
	Vrouter__Vif vif;
	Vrouter__Vif__State state;
	Vrouter__Vif__Tap tap;
	Vrouter__Vif__Device device;
	Vrouter__Vif__Vhost vhost;
	struct vif_guest_view guest;
	Vrouter__Vif__Flag flags[32];
	uint32_t cross_connect;
};

/* L2 and L3 together are what there is without a word. */
static void
describe_flags(const struct vif *vif, struct vif_view *v)
{
	const uint32_t both = VIF_FLAG_L2 | VIF_FLAG_L3;
	uint32_t flags = (vif->flags & both) == both ? vif->flags & ~both : vif->flags;

	v->vif.flags = v->flags;
	for (uint32_t bit = 0; bit < 32; bit++)
		if ((flags >> bit & 1) != 0)
			v->flags[v->vif.n_flags++] = (Vrouter__Vif__Flag)(bit + 1);
}

static void
describe_addresses(const struct vif *vif, struct vif_view *v)
{
	static const uint8_t none[sizeof(vif->ip6)];

	if (vif->ip_be != 0) {
		v->vif.ip.len = sizeof(vif->ip_be);
		v->vif.ip.data = (uint8_t *)(uintptr_t)&vif->ip_be;
	}
	if (memcmp(vif->ip6, none, sizeof(none)) != 0) {
		v->vif.ip6.len = sizeof(vif->ip6);
		v->vif.ip6.data = (uint8_t *)(uintptr_t)vif->ip6;
	}
}

static void
describe_port(const struct ctl *ctl, const struct port *p, struct vif_view *v)
{
	const struct slots *slots = ctl->tables.slots;

	v->state.port = (char *)(uintptr_t)p->name;
	v->state.link_up = p->link_up != 0;
	if (p->kind == PORT_TAP) {
		vrouter__vif__tap__init(&v->tap);
		v->tap.name = (char *)(uintptr_t)p->name;
		v->tap.queues = p->queues;
		if (p->rx_slot[0] < slots->n) {
			v->tap.has_slot_case = VROUTER__VIF__TAP__HAS_SLOT_SLOT;
			v->tap.slot = slots->s[p->rx_slot[0]].id;
		}
		v->vif.transport_case = VROUTER__VIF__TRANSPORT_TAP;
		v->vif.tap = &v->tap;
	} else if (p->kind == PORT_VHOST) {
		vrouter__vif__vhost__init(&v->vhost);
		v->vhost.path = (char *)(uintptr_t)p->devargs;
		v->vhost.agent = p->agent;
		v->vhost.queues = p->queues;
		v->vhost.server = (p->flags & PORT_VHOST_SERVER) != 0;
		if (p->rx_slot[0] < slots->n) {
			v->vhost.has_slot_case = VROUTER__VIF__VHOST__HAS_SLOT_SLOT;
			v->vhost.slot = slots->s[p->rx_slot[0]].id;
		}
		v->vif.transport_case = VROUTER__VIF__TRANSPORT_VHOST;
		v->vif.vhost = &v->vhost;
		vif_guest_describe(ctl, (uint32_t)(p - ctl->tables.ports->p), &v->guest);
		v->state.guest = &v->guest.guest;
	} else {
		vrouter__vif__device__init(&v->device);
		v->device.name = (char *)(uintptr_t)p->name;
		v->device.devargs = (char *)(uintptr_t)p->devargs;
		v->device.queues = p->queues;
		v->vif.transport_case = VROUTER__VIF__TRANSPORT_DEVICE;
		v->vif.device = &v->device;
	}
}

static void
describe_counters(const struct ctl *ctl, uint32_t id, Vrouter__Vif__State *state)
{
	struct vif_counters sum;

	tables_count_vif(&ctl->tables, id, &sum);
	state->rx_packets = sum.rx_packets;
	state->rx_bytes = sum.rx_bytes;
	state->tx_packets = sum.tx_packets;
	state->tx_bytes = sum.tx_bytes;
	state->rx_errors = sum.rx_errors;
	state->tx_errors = sum.tx_errors;
	for (int i = 0; i < DROPS; i++)
		state->drops += sum.drops[i];
}

/* 'v' borrows from the tables. */
static void
vif_describe(const struct ctl *ctl, const struct vif *vif, struct vif_view *v)
{
	const struct port *p = port_at(ctl, vif->port);

	vrouter__vif__init(&v->vif);
	vrouter__vif__state__init(&v->state);
	v->vif.has_id_case = VROUTER__VIF__HAS_ID_ID;
	v->vif.id = vif->id;
	v->vif.name = (char *)(uintptr_t)vif->name;
	v->vif.type = (Vrouter__Vif__Type)(vif->type + 1);
	v->vif.vrf = vif->vrf;
	v->vif.mac.len = MAC_LEN;
	v->vif.mac.data = (uint8_t *)(uintptr_t)vif->mac;
	v->vif.mtu = vif->mtu;
	if (vif->nexthop != NEXTHOP_NONE) {
		v->vif.has_nexthop_case = VROUTER__VIF__HAS_NEXTHOP_NEXTHOP;
		v->vif.nexthop = vif->nexthop;
	}
	v->vif.vlan = vif->vlan;
	if (vif->cross_connect != VIF_NONE) {
		v->cross_connect = vif->cross_connect;
		v->vif.cross_connect = &v->cross_connect;
		v->vif.n_cross_connect = 1;
	}
	describe_flags(vif, v);
	describe_addresses(vif, v);
	v->vif.state = &v->state;
	if (p != NULL && p->state != PORT_FREE)
		describe_port(ctl, p, v);
	describe_counters(ctl, vif->id, &v->state);
}

static void
vif_describe_entry(const struct ctl *ctl, const void *entry, struct call *call)
{
	struct vif_view view = {0};

	vif_describe(ctl, entry, &view);
	call_object(call, &view.vif.base);
}

/* Who counts: a slot, an agent, or the primary's io thread. */
struct vif_shares {
	Vrouter__Vif__Share share[HANDS_MAX];
	Vrouter__Vif__Share *list[HANDS_MAX];
};

static void
describe_shares(const struct ctl *ctl, uint32_t id, struct vif_shares *s,
		Vrouter__Vif__State *state)
{
	const struct slots *slots = ctl->tables.slots, *agents = ctl->tables.agents;
	struct counters *counters = ctl->tables.counters;

	state->shares = s->list;
	for (uint32_t hand = 0; hand < counters->slots && hand < HANDS_MAX; hand++) {
		const struct vif_counters *c = counters_at(counters, hand, id);
		Vrouter__Vif__Share *share = &s->share[hand];

		vrouter__vif__share__init(share);
		if (hand < slots->n) {
			share->by_case = VROUTER__VIF__SHARE__BY_SLOT;
			share->slot = slots->s[hand].id;
		} else if (hand < slots->n + agents->n) {
			share->by_case = VROUTER__VIF__SHARE__BY_AGENT;
			share->agent = agents->s[hand - slots->n].id;
		}
		share->rx_packets = c->rx_packets;
		share->rx_bytes = c->rx_bytes;
		share->tx_packets = c->tx_packets;
		share->tx_bytes = c->tx_bytes;
		share->rx_errors = c->rx_errors;
		share->tx_errors = c->tx_errors;
		for (int i = 0; i < DROPS; i++)
			share->drops += c->drops[i];
		s->list[state->n_shares++] = share;
	}
}

static int
vif_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const Vrouter__Vif *m = (const Vrouter__Vif *)object;
	const struct vif *vif = vif_lookup(ctl->tables.vifs, m->id);
	struct vif_shares shares;
	struct vif_view view = {0};

	if (vif == NULL)
		return refuse(call_refusal(call), ENOENT, "id", "it does not exist");
	vif_describe(ctl, vif, &view);
	describe_shares(ctl, vif->id, &shares, &view.state);
	call_object(call, &view.vif.base);
	return 0;
}

/* The cursor is the id to go on with. */
static int
vif_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	 struct call *call)
{
	const struct idtab *t = ctl->tables.vifs;

	(void)filter;
	for (; *cursor < t->ids && budget > 0; (*cursor)++) {
		const struct vif *vif = vif_lookup(t, (uint32_t)*cursor);

		if (vif == NULL)
			continue;
		vif_describe_entry(ctl, vif, call);
		budget--;
	}
	if (*cursor >= t->ids)
		*cursor = OBJECT_LIST_END;
	return 0;
}

const struct object_kind object_vif = {
    .put = vif_put,
    .modify = vif_modify,
    .remove = vif_remove,
    .get = vif_get,
    .list = vif_list,
    .describe = vif_describe_entry,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of vifs' local policy in the API. vr-ctl's main thread only. */
#include "ctl/object_rule.h"

#include <errno.h>
#include <string.h>

#include "common/conf.h"
#include "common/flow.h"
#include "common/rules.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/object.h"

enum { PREFIX_MAX = 17 };

/* --- between the API and the table --- */

static int
parse_prefix(const char *field, const ProtobufCBinaryData *prefix, uint64_t out[2], uint8_t *len,
	     struct refusal *r)
{
	uint8_t address[16] = {0};
	uint32_t bytes, bits;

	if (prefix->len == 0)
		return 0;
	if (prefix->len != 4 + 1 && prefix->len != 16 + 1)
		return refuse(r, EINVAL, field,
			      "%s has %zu bytes, not 5 or 17: an address and its length in bits",
			      field, prefix->len);
	bytes = (uint32_t)prefix->len - 1;
	bits = prefix->data[bytes];
	if (bits > bytes * 8)
		return refuse(r, EINVAL, field, "%s has a length of %u bits, above %u", field, bits,
			      bytes * 8);
	if (bytes == 4)
		flow_key_set_ipv4(address, prefix->data);
	else
		memcpy(address, prefix->data, 16);
	*len = (uint8_t)(bits + (bytes == 4 ? 8 * FLOW_IPV4_AT : 0));
	for (uint32_t i = 0; i < 16; i++) {
		uint32_t kept = *len > i * 8 ? *len - i * 8 : 0;

		if (kept < 8)
			address[i] &= (uint8_t)(0xff00 >> kept);
	}
	for (int i = 0; i < 2; i++) {
		memcpy(&out[i], address + 8 * i, 8);
		out[i] = __builtin_bswap64(out[i]);
	}
	return 0;
}

static int
parse_ports(const char *field, size_t n, const uint32_t *ports, uint16_t out[2], struct refusal *r)
{
	out[0] = 0;
	out[1] = UINT16_MAX;
	if (n == 0)
		return 0;
	if (n > 2)
		return refuse(r, EINVAL, field,
			      "%s has %zu numbers, not one port or first and last", field, n);
	if (ports[0] > UINT16_MAX || ports[n - 1] > UINT16_MAX)
		return refuse(r, EINVAL, field, "%s: %u is above 65535", field,
			      ports[0] > UINT16_MAX ? ports[0] : ports[n - 1]);
	if (ports[0] > ports[n - 1])
		return refuse(r, EINVAL, field, "%s: the first, %u, is above the last, %u", field,
			      ports[0], ports[n - 1]);
	out[0] = (uint16_t)ports[0];
	out[1] = (uint16_t)ports[n - 1];
	return 0;
}

static int
parse_vif(const Vrouter__Rule *m, const struct conf *conf, struct refusal *r)
{
	if (m->vif >= conf->vifs)
		return refuse(r, EINVAL, "vif", "vif %u is above %llu (option vifs)", m->vif,
			      (unsigned long long)conf->vifs - 1);
	return 0;
}

int
rule_parse(const Vrouter__Rule *m, const struct conf *conf, struct rule *rule, struct refusal *r)
{
	int rc = parse_vif(m, conf, r);

	memset(rule, 0, sizeof(*rule));
	if (rc < 0)
		return rc;
	if (m->direction == VROUTER__RULE__DIRECTION__DIRECTION_UNSET)
		return refuse(r, EINVAL, "direction", "direction is missing");
	if (m->action == VROUTER__RULE__ACTION__ACTION_UNSET)
		return refuse(r, EINVAL, "action", "action is missing");
	if (m->has_protocol_case && m->protocol > UINT8_MAX)
		return refuse(r, EINVAL, "protocol", "protocol %u is above 255", m->protocol);
	rc = parse_prefix("source_prefix", &m->source_prefix, rule->source, &rule->source_len, r);
	if (rc == 0)
		rc = parse_prefix("destination_prefix", &m->destination_prefix, rule->destination,
				  &rule->destination_len, r);
	if (rc == 0)
		rc = parse_ports("source_ports", m->n_source_ports, m->source_ports,
				 rule->source_ports, r);
	if (rc == 0)
		rc = parse_ports("destination_ports", m->n_destination_ports, m->destination_ports,
				 rule->destination_ports, r);
	if (rc < 0)
		return rc;
	if (m->source_prefix.len != 0 && m->destination_prefix.len != 0 &&
	    m->source_prefix.len != m->destination_prefix.len)
		return refuse(r, EINVAL, "destination_prefix",
			      "one prefix is IPv4 and the other IPv6: no packet has both");
	rule->priority = m->priority;
	rule->protocol = m->has_protocol_case ? (uint16_t)m->protocol : RULE_ANY_PROTOCOL;
	rule->direction =
	    m->direction == VROUTER__RULE__DIRECTION__EGRESS ? RULE_EGRESS : RULE_INGRESS;
	rule->allow = m->action == VROUTER__RULE__ACTION__ALLOW;
	return 0;
}

/* Room for the parts of a description. */
struct rule_view {
	Vrouter__Rule rule;
	uint8_t source[PREFIX_MAX], destination[PREFIX_MAX];
	uint32_t source_ports[2], destination_ports[2];
};

static void
describe_prefix(const uint64_t prefix[2], uint8_t len, uint8_t *room, ProtobufCBinaryData *out)
{
	uint64_t words[2] = {__builtin_bswap64(prefix[0]), __builtin_bswap64(prefix[1])};
	bool ipv4 = prefix[0] == UINT64_MAX && len >= 8 * FLOW_IPV4_AT;
	uint32_t n = ipv4 ? 4 : 16;

	if (len == 0)
		return;
	memcpy(room, (const uint8_t *)words + (ipv4 ? FLOW_IPV4_AT : 0), n);
	room[n] = (uint8_t)(len - (ipv4 ? 8 * FLOW_IPV4_AT : 0));
	out->data = room;
	out->len = n + 1;
}

static size_t
describe_ports(const uint16_t ports[2], uint32_t out[2])
{
	out[0] = ports[0];
	out[1] = ports[1];
	if (ports[0] == 0 && ports[1] == UINT16_MAX)
		return 0;
	return ports[0] == ports[1] ? 1 : 2;
}

/* 'v' borrows from itself. */
static void
rule_describe(uint32_t vif, const struct rule *rule, struct rule_view *v)
{
	Vrouter__Rule *m = &v->rule;

	vrouter__rule__init(m);
	m->has_vif_case = VROUTER__RULE__HAS_VIF_VIF;
	m->vif = vif;
	m->has_priority_case = VROUTER__RULE__HAS_PRIORITY_PRIORITY;
	m->priority = rule->priority;
	m->direction = rule->direction == RULE_EGRESS ? VROUTER__RULE__DIRECTION__EGRESS
						      : VROUTER__RULE__DIRECTION__INGRESS;
	m->action = rule->allow ? VROUTER__RULE__ACTION__ALLOW : VROUTER__RULE__ACTION__DENY;
	describe_prefix(rule->source, rule->source_len, v->source, &m->source_prefix);
	describe_prefix(rule->destination, rule->destination_len, v->destination,
			&m->destination_prefix);
	if (rule->protocol != RULE_ANY_PROTOCOL) {
		m->has_protocol_case = VROUTER__RULE__HAS_PROTOCOL_PROTOCOL;
		m->protocol = rule->protocol;
	}
	m->source_ports = v->source_ports;
	m->n_source_ports = describe_ports(rule->source_ports, v->source_ports);
	m->destination_ports = v->destination_ports;
	m->n_destination_ports = describe_ports(rule->destination_ports, v->destination_ports);
}

/* --- operations --- */

static int
refuse_full(struct change *c)
{
	const struct rules *t = c->ctl->tables.rules;

	return refuse(c->refusal, ENOSPC, NULL,
		      "no room: %u of %u rules (option rules), at most %u of one vif, and a change "
		      "needs room for the vif's list a second time",
		      rules_used(t), t->capacity, RULES_PER_VIF_MAX);
}

static int
rule_put(struct change *c, const ProtobufCMessage *object)
{
	const Vrouter__Rule *m = (const Vrouter__Rule *)object;
	struct tables *t = &c->ctl->tables;
	struct rule rule;
	int rc = rule_parse(m, c->ctl->conf, &rule, c->refusal);

	if (rc < 0)
		return rc;
	rc = rules_stage_put(t->rules_writer, t->batch, m->vif, &rule, c->owner);
	return rc == -ENOSPC ? refuse_full(c) : rc;
}

static int
rule_remove(struct change *c, const ProtobufCMessage *object)
{
	const Vrouter__Rule *m = (const Vrouter__Rule *)object;
	struct tables *t = &c->ctl->tables;
	int rc = parse_vif(m, c->ctl->conf, c->refusal);

	if (rc < 0)
		return rc;
	rc = rules_stage_del(t->rules_writer, t->batch, m->vif, m->priority);
	if (rc == -ENOENT)
		return refuse(c->refusal, ENOENT, "priority", "it does not exist");
	return rc == -ENOSPC ? refuse_full(c) : rc;
}

static int
rule_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const Vrouter__Rule *m = (const Vrouter__Rule *)object;
	struct refusal *r = call_refusal(call);
	struct rule_view v;
	const struct rule *rules;
	uint32_t n;
	int rc = parse_vif(m, ctl->conf, r);

	if (rc < 0)
		return rc;
	rules = rules_of(ctl->tables.rules, m->vif, &n);
	for (uint32_t i = 0; i < n; i++) {
		if (rules[i].priority != m->priority)
			continue;
		rule_describe(m->vif, &rules[i], &v);
		call_object(call, &v.rule.base);
		return 0;
	}
	return refuse(r, ENOENT, "priority", "it does not exist");
}

/* The cursor: the vif, and the priority to go on with. */
static int
rule_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	  struct call *call)
{
	const Vrouter__Rule *wanted = (const Vrouter__Rule *)filter;
	const struct rules *t = ctl->tables.rules;
	int64_t left = (int64_t)budget * 64;
	uint64_t vif = *cursor >> 32;

	for (; vif < t->vifs && left > 0; vif++, *cursor = vif << 32) {
		uint32_t n, i = 0;
		const struct rule *rules = rules_of(t, (uint32_t)vif, &n);
		struct rule_view v;

		left--;
		if (wanted->has_vif_case && wanted->vif != vif)
			continue;
		while (i < n && rules[i].priority < (uint32_t)*cursor)
			i++;
		for (; i < n; i++) {
			if (left <= 0) {
				*cursor = vif << 32 | rules[i].priority;
				return 0;
			}
			rule_describe((uint32_t)vif, &rules[i], &v);
			call_object(call, &v.rule.base);
			left -= 64;
		}
	}
	if (vif >= t->vifs)
		*cursor = OBJECT_LIST_END;
	return 0;
}

const struct object_kind object_rule = {
    .put = rule_put,
    .remove = rule_remove,
    .get = rule_get,
    .list = rule_list,
};

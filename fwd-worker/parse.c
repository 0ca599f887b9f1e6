/* SPDX-License-Identifier: BSD-3-Clause */
/* Headers to flow keys; see parse.h. A slot's thread. */
#include "fwd-worker/parse.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

enum {
	EXTENSIONS_MAX = 8, /* of one IPv6 packet; more are taken for an attack */
	PORTS_LEN = 4,
	ICMP_LEN = 8,
	TCP_FLAGS_AT = 13,
	IPPROTO_MOBILITY = 135,
	IPPROTO_HIP = 139,
	IPPROTO_SHIM6 = 140,
};

enum { ICMP4_ECHO_REPLY = 0, ICMP4_UNREACHABLE = 3, ICMP4_ECHO = 8, ICMP4_EXCEEDED = 11 };
enum { ICMP6_FIRST_INFORMATION = 128, ICMP6_ECHO = 128, ICMP6_ECHO_REPLY = 129 };
enum { ND_FIRST = 133, ND_LAST = 137 };

/* A walk along a packet; 'end' is where its IP header says it ends. */
struct cursor {
	const struct rte_mbuf *m;
	uint32_t at, end;
	bool embedded; /* in an ICMP error, which carries but the beginning of a packet */
};

/* 'n' bytes from the cursor on, or NULL; 'room' takes them if they lie in several segments. */
static inline const uint8_t *
look(const struct cursor *c, uint32_t n, void *room)
{
	if (c->at > c->end || n > c->end - c->at)
		return NULL;
	if (__builtin_expect(c->at + n <= c->m->data_len, 1))
		return rte_pktmbuf_mtod_offset(c->m, const uint8_t *, c->at);
	return rte_pktmbuf_read(c->m, c->at, n, room);
}

static inline uint16_t
load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static enum parse_kind parse_ip4(struct cursor *c, struct parsed *p);
static enum parse_kind parse_ip6(struct cursor *c, struct parsed *p);

void
parse_reverse(const struct flow_key *key, struct flow_key *reverse)
{
	uint8_t protocol = flow_key_protocol(key);
	bool icmp = protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;

	memcpy(reverse->source, key->destination, sizeof(reverse->source));
	memcpy(reverse->destination, key->source, sizeof(reverse->destination));
	reverse->source_port_be = icmp ? key->source_port_be : key->destination_port_be;
	reverse->destination_port_be = icmp ? key->destination_port_be : key->source_port_be;
	reverse->nexthop_protocol = key->nexthop_protocol;
}

/* The cursor is behind the ICMP header: at the packet that the error is about. */
static enum parse_kind
parse_embedded(struct cursor *c, int version, struct parsed *p)
{
	struct parsed inner = {.kind = PARSE_BAD};
	enum parse_kind kind;

	if (c->embedded)
		return PARSE_BAD; /* nobody answers an error with an error */
	c->embedded = true;
	kind = version == PARSE_IPV4 ? parse_ip4(c, &inner) : parse_ip6(c, &inner);
	if (kind != PARSE_FLOW)
		return kind;
	parse_reverse(&inner.key, &p->key);
	return PARSE_ERROR;
}

static enum parse_kind
parse_icmp(struct cursor *c, int version, struct parsed *p)
{
	uint8_t room[ICMP_LEN];
	const uint8_t *h = look(c, ICMP_LEN, room);
	bool echo, error;
	uint8_t type;

	if (h == NULL)
		return PARSE_BAD;
	type = h[0];
	if (version == PARSE_IPV4) {
		echo = type == ICMP4_ECHO || type == ICMP4_ECHO_REPLY;
		error = type == ICMP4_UNREACHABLE || type == ICMP4_EXCEEDED;
	} else {
		echo = type == ICMP6_ECHO || type == ICMP6_ECHO_REPLY;
		error = type < ICMP6_FIRST_INFORMATION;
		if (type >= ND_FIRST && type <= ND_LAST)
			return PARSE_NONE;
	}
	if (error) {
		c->at += ICMP_LEN;
		return parse_embedded(c, version, p);
	}
	p->key.source_port_be = echo ? load16(h + 4) : 0;
	p->key.destination_port_be = echo ? 0 : rte_cpu_to_be_16(type);
	return PARSE_FLOW;
}

static inline enum parse_kind
parse_ports(struct cursor *c, struct parsed *p)
{
	uint8_t room[PORTS_LEN];
	const uint8_t *h = look(c, PORTS_LEN, room);

	if (h == NULL)
		return PARSE_BAD;
	p->key.source_port_be = load16(h);
	p->key.destination_port_be = load16(h + 2);
	return PARSE_FLOW;
}

static inline enum parse_kind
parse_tcp(struct cursor *c, struct parsed *p)
{
	uint8_t room[TCP_FLAGS_AT + 1];
	const uint8_t *h;

	if (c->embedded)
		return parse_ports(c, p);
	h = look(c, sizeof(room), room);
	if (h == NULL)
		return PARSE_BAD;
	p->key.source_port_be = load16(h);
	p->key.destination_port_be = load16(h + 2);
	p->tcp = h[TCP_FLAGS_AT];
	return PARSE_FLOW;
}

/* The cursor is behind the IP headers. */
static inline enum parse_kind
parse_transport(struct cursor *c, int version, uint8_t protocol, struct parsed *p)
{
	p->key.nexthop_protocol = protocol;
	switch (protocol) {
	case IPPROTO_TCP:
		return parse_tcp(c, p);
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		return parse_ports(c, p);
	case IPPROTO_ICMP:
		return version == PARSE_IPV4 ? parse_icmp(c, version, p) : PARSE_FLOW;
	case IPPROTO_ICMPV6:
		return version == PARSE_IPV6 ? parse_icmp(c, version, p) : PARSE_FLOW;
	default:
		return PARSE_FLOW;
	}
}

/* Sets where the packet ends by its own account; a packet in an ICMP error may be cut. */
static inline bool
end_set(struct cursor *c, uint32_t len)
{
	if (len <= c->end - c->at)
		c->end = c->at + len;
	else if (!c->embedded)
		return false;
	return true;
}

static inline enum parse_kind
parse_ip4(struct cursor *c, struct parsed *p)
{
	uint8_t room[sizeof(struct rte_ipv4_hdr)];
	const struct rte_ipv4_hdr *ip = (const void *)look(c, sizeof(*ip), room);
	uint32_t header_len, total;
	uint16_t fragment;

	if (ip == NULL || ip->version_ihl >> 4 != 4)
		return PARSE_BAD;
	header_len = (ip->version_ihl & 15) * 4u;
	total = rte_be_to_cpu_16(ip->total_length);
	if (header_len < sizeof(*ip) || total < header_len || !end_set(c, total))
		return PARSE_BAD;
	if ((ip->dst_addr & RTE_BE32(0xf0000000)) == RTE_BE32(0xe0000000) ||
	    ip->dst_addr == UINT32_MAX)
		return PARSE_NONE;
	fragment = ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK);
	if (__builtin_expect(fragment != 0, 0))
		return PARSE_FRAGMENT;
	flow_key_set_ipv4(p->key.source, &ip->src_addr);
	flow_key_set_ipv4(p->key.destination, &ip->dst_addr);
	p->key.source_port_be = p->key.destination_port_be = 0;
	c->at += header_len;
	return parse_transport(c, PARSE_IPV4, ip->next_proto_id, p);
}

/* Bytes of an extension header; 0: it is none. */
static uint32_t
extension_len(uint8_t protocol, const uint8_t *h)
{
	switch (protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MOBILITY:
	case IPPROTO_HIP:
	case IPPROTO_SHIM6:
		return (h[1] + 1u) * 8;
	case IPPROTO_FRAGMENT:
		return 8;
	case IPPROTO_AH:
		return (h[1] + 2u) * 4;
	default:
		return 0;
	}
}

static inline bool
may_be_extension(uint8_t protocol)
{
	static const uint8_t none[2];

	return extension_len(protocol, none) != 0;
}

static enum parse_kind
parse_extensions(struct cursor *c, uint8_t protocol, struct parsed *p)
{
	for (uint32_t n = 0; may_be_extension(protocol); n++) {
		uint8_t room[8];
		const uint8_t *h = look(c, sizeof(room), room);
		uint32_t len;

		if (h == NULL || n == EXTENSIONS_MAX)
			return PARSE_BAD;
		if (protocol == IPPROTO_FRAGMENT && (load16(h + 2) & RTE_BE16(0xfff8)) != 0)
			return PARSE_FRAGMENT;
		len = extension_len(protocol, h);
		if (len > c->end - c->at)
			return PARSE_BAD;
		protocol = h[0];
		c->at += len;
	}
	return parse_transport(c, PARSE_IPV6, protocol, p);
}

/*
 * Some senders put 0, hop-by-hop options, in front of what is UDP. What then makes no sense is a
 * flow of that protocol, without ports.
 */
static enum parse_kind
parse_lenient(struct cursor *c, uint8_t protocol, struct parsed *p)
{
	enum parse_kind kind = parse_extensions(c, protocol, p);

	if (kind != PARSE_BAD || protocol != IPPROTO_HOPOPTS)
		return kind;
	p->key.source_port_be = p->key.destination_port_be = 0;
	p->key.nexthop_protocol = protocol;
	p->tcp = 0;
	return PARSE_FLOW;
}

static inline enum parse_kind
parse_ip6(struct cursor *c, struct parsed *p)
{
	uint8_t room[sizeof(struct rte_ipv6_hdr)];
	const struct rte_ipv6_hdr *ip = (const void *)look(c, sizeof(*ip), room);
	uint8_t protocol;

	if (ip == NULL || *(const uint8_t *)ip >> 4 != 6 || ip->src_addr[0] == 0xff)
		return PARSE_BAD;
	if (!end_set(c, sizeof(*ip) + rte_be_to_cpu_16(ip->payload_len)))
		return PARSE_BAD;
	if (ip->dst_addr[0] == 0xff)
		return PARSE_NONE;
	memcpy(p->key.source, ip->src_addr, sizeof(p->key.source));
	memcpy(p->key.destination, ip->dst_addr, sizeof(p->key.destination));
	p->key.source_port_be = p->key.destination_port_be = 0;
	protocol = ip->proto;
	c->at += sizeof(*ip);
	if (__builtin_expect(may_be_extension(protocol), 0))
		return parse_lenient(c, protocol, p);
	return parse_transport(c, PARSE_IPV6, protocol, p);
}

void
parse_packet(const struct rte_mbuf *m, uint32_t at, int version, struct parsed *p)
{
	struct cursor c = {.m = m, .at = at, .end = m->pkt_len};

	p->tcp = 0;
	if (version == PARSE_IPV4)
		p->kind = (uint8_t)parse_ip4(&c, p);
	else
		p->kind = (uint8_t)parse_ip6(&c, p);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Decap: a packet for the router's address on an uplink that is MPLS in GRE (RFC 4023), MPLS in UDP
 * (RFC 7510) or VXLAN (RFC 7348) loses its outer headers; its label or VNI leads to the nexthop
 * that decides about what is inside. That nexthop's family says what it is: a frame, whose MACs
 * nobody checks, or an IP packet, which gets 14 bytes of room in front. Headers that lie in several
 * segments are pulled into the first. As the option says, the slot that the inner flow belongs to
 * goes on with it. A slot's thread.
 *
 * Uses head, len; sets tunneled, outer_source_be, nexthop_id, label, vrf, asked, changes head, len,
 * inet, inet6 and the mbuf. To nexthop, bridge, ip4, ip6, arp, nd.
 */
#include <string.h>

#include <rte_gre.h>
#include <rte_udp.h>

#include "common/conf.h"
#include "common/number.h"
#include "common/offload.h"
#include "fwd-worker/handoff.h"
#include "fwd-worker/mss.h"
#include "fwd-worker/pull.h"
#include "fwd-worker/spread.h"
#include "fwd-worker/stage.h"
#include "fwd-worker/stage/flow_view.h"
#include "fwd-worker/stage/question.h"

enum {
	/* the longest outer headers and what later stages look at: IPv4 with options, UDP, VXLAN,
	 * Ethernet, VLAN, IPv6, TCP with options */
	PULL = 14 + 60 + 8 + 8 + 18 + 40 + 60,
	SHIM_LEN = 4,
	GRE_CHECKSUM = 0x8000,
	GRE_KEY = 0x2000,
	GRE_MPLS = 0x8847,
	VXLAN_LEN = 8,
	LABELS_SKIPPED = 1, /* above the one that counts */
	LABEL_SKIP = 0xfffff,
};

/* What the outer headers say. */
struct outer {
	uint32_t len;    /* bytes before what is inside */
	uint32_t number; /* label or VNI */
	uint8_t ttl;     /* of MPLS */
	bool vxlan;
	bool gre;
	bool broken;
	enum drop why;
};

static inline uint32_t
read32(const uint8_t *at)
{
	uint32_t be;

	memcpy(&be, at, sizeof(be));
	return rte_be_to_cpu_32(be);
}

static inline uint16_t
read16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void
break_off(struct outer *o, enum drop why)
{
	o->broken = true;
	o->why = why;
}

/* From the label stack at o->len on; 'end' bytes may be read. */
static inline void
mpls_parse(struct outer *o, const uint8_t *head, uint32_t end)
{
	uint32_t entry, skipped = 0;

	for (;;) {
		if (__builtin_expect(o->len + SHIM_LEN > end, 0)) {
			break_off(o, DROP_BAD_TUNNEL_HEADER);
			return;
		}
		entry = read32(head + o->len);
		o->len += SHIM_LEN;
		if (__builtin_expect((entry >> 8 & 1) != 0, 1))
			break;
		/* RFC 6790 has one like it on top */
		if (entry >> 12 != LABEL_SKIP || skipped++ == LABELS_SKIPPED) {
			break_off(o, DROP_BAD_TUNNEL_HEADER);
			return;
		}
	}
	o->number = entry >> 12;
	o->ttl = (uint8_t)entry;
	if (__builtin_expect(o->ttl <= 1, 0))
		break_off(o, DROP_TTL_EXPIRED);
}

static inline void
gre_parse(struct outer *o, const uint8_t *head, uint32_t end)
{
	uint32_t flags = read32(head + o->len);

	if (__builtin_expect((flags & ~((uint32_t)(GRE_CHECKSUM | GRE_KEY) << 16)) != GRE_MPLS,
			     0)) {
		break_off(o, DROP_BAD_TUNNEL_HEADER);
		return;
	}
	o->len += (uint32_t)sizeof(struct rte_gre_hdr);
	o->len += (flags >> 16 & GRE_CHECKSUM) != 0 ? 4 : 0;
	o->len += (flags >> 16 & GRE_KEY) != 0 ? 4 : 0;
	o->gre = true;
	mpls_parse(o, head, end);
}

static inline void
udp_parse(struct outer *o, const uint8_t *head, uint32_t end)
{
	uint16_t port = read16(head + o->len + offsetof(struct rte_udp_hdr, dst_port));
	uint32_t len = read16(head + o->len + offsetof(struct rte_udp_hdr, dgram_len));

	if (__builtin_expect(len < sizeof(struct rte_udp_hdr) + SHIM_LEN, 0)) {
		break_off(o, DROP_BAD_TUNNEL_HEADER);
		return;
	}
	o->len += (uint32_t)sizeof(struct rte_udp_hdr);
	if (port == TUNNEL_PORT_VXLAN) {
		o->vxlan = true;
		o->len += VXLAN_LEN;
		if (__builtin_expect(o->len > end, 0))
			break_off(o, DROP_BAD_TUNNEL_HEADER);
		else if (__builtin_expect((head[o->len - VXLAN_LEN] & 8) == 0, 0))
			break_off(o, DROP_INVALID_VNI);
		else
			o->number = read32(head + o->len - SHIM_LEN) >> 8;
		return;
	}
	if (port == TUNNEL_PORT_MPLS || port == TUNNEL_PORT_MPLS_OLD)
		mpls_parse(o, head, end);
	else
		break_off(o, DROP_BAD_TUNNEL_HEADER);
}

static inline bool
ip_checksum_is_right(const struct rte_mbuf *m, const uint8_t *ip, uint32_t header)
{
	uint64_t known = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK, sum = 0;
	uint32_t word;

	if (known != 0)
		return known == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	for (uint32_t at = 0; at < header; at += (uint32_t)sizeof(word)) {
		memcpy(&word, ip + at, sizeof(word));
		sum += word;
	}
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return sum == 0xffff;
}

/* What the datagram says it is long must be there; what is behind it is padding, and goes. */
static inline bool
length_settle(struct rte_mbuf *m, uint32_t total)
{
	uint32_t frame = RTE_ETHER_HDR_LEN + total;

	if (__builtin_expect(frame == m->pkt_len, 1))
		return true;
	if (frame > m->pkt_len)
		return false;
	return rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - frame)) == 0 || m->nb_segs > 1;
}

static inline struct outer
outer_parse(struct worker *w, struct rte_mbuf *m)
{
	const uint8_t *head, *ip;
	struct outer o = {0};
	uint32_t header, total, end;

	if (__builtin_expect(m->nb_segs > 1 && m->data_len < PULL, 0) && !pull(w, m, PULL)) {
		break_off(&o, DROP_NO_HEADROOM);
		return o;
	}
	head = rte_pktmbuf_mtod(m, const uint8_t *);
	ip = head + RTE_ETHER_HDR_LEN;
	end = m->data_len;
	if (__builtin_expect(
		end < RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr) || ip[0] >> 4 != 4, 0)) {
		break_off(&o, DROP_BAD_IP_HEADER);
		return o;
	}
	header = (ip[0] & 15) * 4u;
	total = read16(ip + offsetof(struct rte_ipv4_hdr, total_length));
	o.len = RTE_ETHER_HDR_LEN + header;
	if (__builtin_expect(header < sizeof(struct rte_ipv4_hdr) || o.len > end ||
				 total < header || !length_settle(m, total),
			     0)) {
		break_off(&o, DROP_BAD_IP_HEADER);
		return o;
	}
	if (__builtin_expect(!ip_checksum_is_right(m, ip, header), 0)) {
		break_off(&o, DROP_BAD_IP_CHECKSUM);
		return o;
	}
	end = m->data_len;
	if (__builtin_expect((read16(ip + offsetof(struct rte_ipv4_hdr, fragment_offset)) &
			      (RTE_IPV4_HDR_OFFSET_MASK | RTE_IPV4_HDR_MF_FLAG)) != 0 ||
				 o.len + sizeof(struct rte_udp_hdr) > end,
			     0)) {
		break_off(&o, DROP_BAD_TUNNEL_HEADER);
		return o;
	}
	if (ip[offsetof(struct rte_ipv4_hdr, next_proto_id)] == IPPROTO_GRE)
		gre_parse(&o, head, end);
	else
		udp_parse(&o, head, end);
	return o;
}

/* --- what the label or VNI leads to ----------------------------------------------------------- */

/* Takes 'len' bytes off the front. */
static inline void
strip(struct burst *b, uint32_t i, uint32_t len)
{
	struct rte_mbuf *m = b->m[i];

	m->data_off = (uint16_t)(m->data_off + len);
	m->data_len = (uint16_t)(m->data_len - len);
	m->pkt_len -= len;
	b->head[i] = rte_pktmbuf_mtod(m, uint8_t *);
	b->len[i] = m->pkt_len;
}

/*
 * What was learnt about the outer headers says nothing about the inner ones. A checksum that a
 * kernel left undone is one of the inner packet's, counted from the outer header: done here.
 */
static inline bool
flags_settle(struct rte_mbuf *m)
{
	if (__builtin_expect((m->ol_flags & OFFLOAD_WISHES) != 0, 0) && offload_checksum(m) < 0)
		return false;
	m->ol_flags &=
	    ~(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_TX_L4_MASK |
	      RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
	return true;
}

/*
 * A frame straight to a guest. If it asks for an address it is the bridge stage's affair in what it
 * does with questions: they go on to the label's nexthop if nobody answers them.
 */
static __attribute__((noinline)) struct verdict
guest_asked(const struct worker *w, struct burst *b, uint32_t i, const struct nexthop *nh)
{
	const struct vif *guest = vif_lookup(w->vifs, nh->encap.vif);
	struct verdict verdict;

	if (guest == NULL || guest->type != VIF_VIRTUAL || (b->head[i][0] & 1) != 0 ||
	    !is_question(b, i, &verdict))
		return TO(NEXTHOP);
	b->vrf[i] = guest->vrf;
	b->asked |= UINT64_C(1) << i;
	return verdict;
}

/* No fragment, no SYN: whose MSS nobody has to look for. */
static inline bool
is_plain_frame(const uint8_t *head, uint32_t len)
{
	uint16_t type_be;

	memcpy(&type_be, head + offsetof(struct rte_ether_hdr, ether_type), sizeof(type_be));
	return type_be == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
	       flow_plain_protocol(head + RTE_ETHER_HDR_LEN, len - RTE_ETHER_HDR_LEN) != 0;
}

static inline struct verdict
frame_out(const struct worker *w, struct burst *b, uint32_t i, const struct outer *o,
	  const struct nexthop *nh, uint32_t mtu)
{
	uint32_t len = o->len;
	struct flow_view flow;

	if (!o->vxlan && NEXTHOP_HAS(nh, CONTROL_WORD)) {
		if (b->m[i]->data_len < len + SHIM_LEN || read32(b->head[i] + len) != 0)
			return DROP(BAD_TUNNEL_HEADER);
		len += SHIM_LEN;
	}
	if (__builtin_expect(b->m[i]->data_len < len + RTE_ETHER_HDR_LEN, 0))
		return DROP(BAD_TUNNEL_HEADER);
	strip(b, i, len);
	if (__builtin_expect(!is_plain_frame(b->head[i], b->m[i]->data_len), 0)) {
		flow_view_frame(&flow, b->head[i], b->m[i]->data_len);
		mss_clamp(&flow, mtu, MSS_OVERHEAD_L2, false);
		if (flow.family != FLOW_INET && nh->type == NEXTHOP_ENCAP)
			return guest_asked(w, b, i, nh);
	}
	if (nh->type != NEXTHOP_VRF_TRANSLATE || NEXTHOP_HAS(nh, ROUTE_LOOKUP))
		return TO(NEXTHOP);
	b->vrf[i] = nh->vrf;
	return TO(BRIDGE);
}

/* What packets became, bit by bit; told to the burst when all are through. */
struct became {
	uint64_t inet, inet6;
};

/* FLOW_ETHER: it is no IP packet. */
static inline enum flow_family
packet_look(uint8_t *head, uint32_t len, uint32_t mtu)
{
	const uint8_t *ip = head + RTE_ETHER_HDR_LEN;
	struct flow_view flow = {.family = FLOW_ETHER};

	len -= RTE_ETHER_HDR_LEN;
	if (__builtin_expect(flow_plain_protocol(ip, len) != 0, 1))
		return FLOW_INET;
	flow_view_ip(&flow, ip, len);
	if (flow.family != FLOW_ETHER)
		mss_clamp(&flow, mtu, MSS_OVERHEAD_L3, false);
	return flow.family;
}

static inline struct verdict
packet_out(struct burst *b, uint32_t i, const struct outer *o, const struct nexthop *nh,
	   uint32_t mtu, struct became *became)
{
	/* VXLAN has an Ethernet header in the place of the room */
	uint32_t inner = o->len + (o->vxlan ? RTE_ETHER_HDR_LEN : 0);
	uint64_t bit = UINT64_C(1) << i;
	enum flow_family family;

	if (__builtin_expect(b->m[i]->data_len <= inner, 0))
		return DROP(BAD_TUNNEL_HEADER);
	strip(b, i, inner - RTE_ETHER_HDR_LEN);
	family = packet_look(b->head[i], b->m[i]->data_len, mtu);
	if (__builtin_expect(family == FLOW_ETHER, 0))
		return DROP(BAD_IP_HEADER);
	if (nh->type == NEXTHOP_VRF_TRANSLATE) {
		b->vrf[i] = nh->vrf;
		return family == FLOW_INET ? TO(IP4) : TO(IP6);
	}
	if (family == FLOW_INET)
		became->inet |= bit;
	else
		became->inet6 |= bit;
	return TO(NEXTHOP);
}

static inline struct verdict
decap_one(const struct worker *w, struct burst *b, uint32_t i, const struct outer *o, uint32_t id,
	  const struct nexthop *nh, uint32_t mtu, struct became *became)
{
	uint32_t source_be;

	if (__builtin_expect(nh == NULL, 0))
		return DROP(NO_NEXTHOP);
	memcpy(&source_be, b->head[i] + RTE_ETHER_HDR_LEN + offsetof(struct rte_ipv4_hdr, src_addr),
	       sizeof(source_be));
	b->outer_source_be[i] = source_be;
	b->nexthop_id[i] = id;
	b->label[i] = NEXTHOP_NO_LABEL;
	if (!flags_settle(b->m[i]))
		return DROP(BAD_OFFLOAD);
	if (nh->type == NEXTHOP_TUNNEL || nh->family == NEXTHOP_FAMILY_BRIDGE)
		return frame_out(w, b, i, o, nh, mtu);
	return packet_out(b, i, o, nh, mtu, became);
}

/* --- to whom ---------------------------------------------------------------------------------- */

static inline bool
is_spread(const struct worker *w, const struct outer *o)
{
	return w->spread >= SPREAD_TUNNELS || (w->spread == SPREAD_GRE && o->gre);
}

/*
 * The slot of the inner flow gets the packet where it is now; so all of a flow go one way, in their
 * order. They come by here but once.
 */
static struct verdict
spread_one(struct worker *w, struct burst *b, uint32_t i)
{
	enum stage next = (enum stage)b->verdict[i].code;
	uint8_t *head = b->head[i];
	uint32_t len = b->m[i]->data_len, slot;
	struct flow_view flow = {.family = FLOW_ETHER, .head = head};

	if (next == STAGE_IP4 || next == STAGE_IP6 || ((b->inet | b->inet6) >> i & 1) != 0)
		flow_view_ip(&flow, head + RTE_ETHER_HDR_LEN, len - RTE_ETHER_HDR_LEN);
	else
		flow_view_frame(&flow, head, len);
	slot = spread_slot(w, &flow);
	return slot == w->slot_index ? b->verdict[i] : handoff_give(w, b, i, slot, next);
}

static void
spread(struct worker *w, struct burst *b, const struct vec *v, const struct outer *outer)
{
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];

		if (is_spread(w, &outer[k]) && !verdict_is_drop(b->verdict[i]))
			b->verdict[i] = spread_one(w, b, i);
	}
}

/* Both tables' lookups, each for the packets that need it; bit k of the result: found. */
static uint64_t
numbers_lookup(const struct worker *w, const struct outer *o, uint32_t n, uint64_t *value)
{
	uint64_t keys[BURST_MAX], values[BURST_MAX], found = 0;
	uint8_t of[BURST_MAX];

	for (int vxlan = 0; vxlan <= 1; vxlan++) {
		uint32_t n_keys = 0;
		uint64_t hits;

		for (uint32_t k = 0; k < n; k++) {
			of[n_keys] = (uint8_t)k;
			keys[n_keys] = number_key_packed(o[k].number);
			n_keys += o[k].vxlan == vxlan && !o[k].broken;
		}
		if (n_keys == 0)
			continue;
		hits = bridge_lookup_burst(vxlan != 0 ? w->vnis : w->labels, keys, n_keys, values);
		for (uint32_t k = 0; k < n_keys; k++) {
			value[of[k]] = values[k];
			found |= (hits >> k & 1) << of[k];
		}
	}
	return found;
}

/* --- bursts of nearly all packets --------------------------------------------------------------
 *
 * VXLAN, or MPLS in UDP with one label, as it came from a device: one segment, no IPv4 options, no
 * fragment, nothing behind the datagram and nothing left undone. Whether all of a burst are that is
 * found out without a branch for each.
 */

enum { PLAIN_L3 = RTE_ETHER_HDR_LEN, PLAIN_L4 = PLAIN_L3 + 20, PLAIN_TUNNEL = PLAIN_L4 + 8 };

/* 'header_good': the device has checked all IPv4 headers. */
static inline bool
mbufs_are_plain(const struct burst *b, const struct vec *v, bool *header_good)
{
	uint64_t wishes = 0, bad = 0;
	uint32_t shortest = UINT32_MAX, chained = 0;

	for (uint32_t k = 0; k < v->n; k++) {
		const struct rte_mbuf *m = b->m[v->i[k]];
		uint32_t len = m->data_len;

		wishes |= m->ol_flags;
		bad |= (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) ^ RTE_MBUF_F_RX_IP_CKSUM_GOOD;
		chained |= m->pkt_len ^ len;
		shortest = len < shortest ? len : shortest;
	}
	*header_good = bad == 0;
	return chained == 0 && (wishes & OFFLOAD_WISHES) == 0 &&
	       shortest >= PLAIN_TUNNEL + VXLAN_LEN;
}

/* 0 if the outer headers are plain and go to this port. */
static inline uint64_t
outer_differs(const struct rte_mbuf *m, uint16_t port_be, bool vxlan, bool header_good,
	      uint32_t *number)
{
	const uint8_t *head = rte_pktmbuf_mtod(m, const uint8_t *), *ip = head + PLAIN_L3;
	const uint32_t fragment = RTE_IPV4_HDR_OFFSET_MASK | RTE_IPV4_HDR_MF_FLAG;
	uint32_t entry = read32(head + PLAIN_TUNNEL + (vxlan ? SHIM_LEN : 0));
	uint64_t differs;
	uint32_t middle; /* fragment, TTL, protocol */
	uint16_t to_be;

	memcpy(&middle, ip + offsetof(struct rte_ipv4_hdr, fragment_offset), sizeof(middle));
	memcpy(&to_be, head + PLAIN_L4 + offsetof(struct rte_udp_hdr, dst_port), sizeof(to_be));
	differs = (uint32_t)ip[0] ^ RTE_IPV4_VHL_DEF;
	differs |= read16(ip + offsetof(struct rte_ipv4_hdr, total_length)) + PLAIN_L3 - m->pkt_len;
	differs |= (middle & rte_cpu_to_be_32(fragment << 16 | 0xff)) ^ RTE_BE32(IPPROTO_UDP);
	differs |= (uint32_t)to_be ^ port_be;
	differs |= read16(head + PLAIN_L4 + offsetof(struct rte_udp_hdr, dgram_len)) <
		   sizeof(struct rte_udp_hdr) + SHIM_LEN;
	if (!header_good)
		differs |= !ip_checksum_is_right(m, ip, sizeof(struct rte_ipv4_hdr));
	if (vxlan) {
		*number = entry >> 8;
		return differs | (~(uint32_t)head[PLAIN_TUNNEL] & 8);
	}
	*number = entry >> 12;
	return differs | (~entry & 0x100) | ((entry & 0xff) <= 1);
}

static inline bool
outers_are_plain(const struct burst *b, const struct vec *v, uint16_t port_be, bool vxlan,
		 bool header_good, uint64_t *keys)
{
	uint64_t differs = 0;

	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t number;

		differs |= outer_differs(b->m[v->i[k]], port_be, vxlan, header_good, &number);
		keys[k] = number_key_packed(number);
	}
	return differs == 0;
}

/* Whether the burst is plain; then what it is, and its packets' keys in the table of that. */
static bool
plain_parse(const struct burst *b, const struct vec *v, struct outer *o, uint64_t *keys)
{
	const uint8_t *head = rte_pktmbuf_mtod(b->m[v->i[0]], const uint8_t *);
	bool header_good;
	uint16_t port_be;

	if (!mbufs_are_plain(b, v, &header_good))
		return false;
	memcpy(&port_be, head + PLAIN_L4 + offsetof(struct rte_udp_hdr, dst_port), sizeof(port_be));
	switch (port_be) {
	case RTE_BE16(TUNNEL_PORT_VXLAN):
		*o = (struct outer){.vxlan = true, .len = PLAIN_TUNNEL + VXLAN_LEN};
		return outers_are_plain(b, v, port_be, true, header_good, keys);
	case RTE_BE16(TUNNEL_PORT_MPLS):
	case RTE_BE16(TUNNEL_PORT_MPLS_OLD):
		*o = (struct outer){.vxlan = false, .len = PLAIN_TUNNEL + SHIM_LEN};
		return outers_are_plain(b, v, port_be, false, header_good, keys);
	default:
		return false;
	}
}

static inline bool
is_one_key(const uint64_t *keys, uint32_t n)
{
	uint64_t differ = 0;

	for (uint32_t k = 1; k < n; k++)
		differ |= keys[k] ^ keys[0];
	return differ == 0;
}

/* All packets' values. Those of a burst often have one number: then it is looked up once. */
static uint64_t
values_lookup(const struct bridge *table, const uint64_t *keys, uint32_t n, uint64_t *value)
{
	uint64_t found;

	if (!is_one_key(keys, n))
		return bridge_lookup_burst(table, keys, n, value);
	found = bridge_lookup_burst(table, keys, 1, value);
	for (uint32_t k = 1; k < n; k++)
		value[k] = value[0];
	return found != 0 ? UINT64_MAX : 0;
}

/* --- the stage -------------------------------------------------------------------------------- */

static inline void
heads_set(struct burst *b, const struct vec *v)
{
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];

		b->head[i] = rte_pktmbuf_mtod(b->m[i], uint8_t *);
		b->len[i] = b->m[i]->pkt_len;
	}
}

/* 'common': all packets have outer[0]. */
static inline void
decap_all(struct worker *w, struct burst *b, const struct vec *v, const struct outer *outer,
	  bool common, const uint64_t *value, uint64_t found)
{
	const struct vif *uplink = vif_lookup(w->vifs, b->in_vif);
	uint32_t mtu = uplink != NULL ? uplink->mtu : 0, last = 0;
	const struct nexthop *nh = nexthop_lookup(w->nexthops, last);
	struct became became = {0};
	uint64_t all = 0;
	uint8_t differ = 0;

	for (uint32_t k = 0; k < v->n; k++)
		all |= UINT64_C(1) << v->i[k];
	for (uint32_t k = 0; k < v->n; k++) {
		const struct outer *o = common ? outer : &outer[k];
		uint32_t i = v->i[k], id = bridge_value_nexthop(value[k]);
		struct verdict verdict;

		if (__builtin_expect(!common && o->broken, 0)) {
			verdict = DROP_FOR(o->why);
		} else if (__builtin_expect((found >> k & 1) == 0, 0)) {
			verdict = o->vxlan ? DROP(INVALID_VNI) : DROP(INVALID_LABEL);
		} else {
			if (id != last) {
				last = id;
				nh = nexthop_lookup(w->nexthops, id);
			}
			verdict = decap_one(w, b, i, o, id, nh, mtu, &became);
		}
		b->verdict[i] = verdict;
		differ |= verdict.code ^ STAGE_NEXTHOP;
	}
	b->tunneled |= all;
	b->inet = (b->inet & ~all) | became.inet;
	b->inet6 = (b->inet6 & ~all) | became.inet6;
	if (differ == 0)
		b->common = TO(NEXTHOP);
}

void
stage_decap(struct worker *w, struct burst *b, const struct vec *v)
{
	bool spreads = w->spread != SPREAD_OFF && w->spread_slots > 1;
	struct outer outer[BURST_MAX];
	uint64_t keys[BURST_MAX], value[BURST_MAX], found;

	if (__builtin_expect(!(spreads && w->spread >= SPREAD_TUNNELS), 1) &&
	    __builtin_expect(plain_parse(b, v, &outer[0], keys), 1)) {
		found = values_lookup(outer[0].vxlan ? w->vnis : w->labels, keys, v->n, value);
		decap_all(w, b, v, outer, true, value, found);
		return;
	}
	for (uint32_t k = 0; k < v->n; k++)
		outer[k] = outer_parse(w, b->m[v->i[k]]);
	found = numbers_lookup(w, outer, v->n, value);
	heads_set(b, v);
	decap_all(w, b, v, outer, false, value, found);
	if (spreads) {
		b->common = EACH;
		spread(w, b, v, outer);
	}
}

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

static inline struct verdict
frame_out(const struct worker *w, struct burst *b, uint32_t i, const struct outer *o, const struct nexthop *nh,
	  uint32_t mtu)
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
	flow_view_frame(&flow, b->head[i], b->m[i]->data_len);
	mss_clamp(&flow, mtu, MSS_OVERHEAD_L2, false);
	if (__builtin_expect(flow.family != FLOW_INET && nh->type == NEXTHOP_ENCAP, 0))
		return guest_asked(w, b, i, nh);
	if (nh->type != NEXTHOP_VRF_TRANSLATE || NEXTHOP_HAS(nh, ROUTE_LOOKUP))
		return TO(NEXTHOP);
	b->vrf[i] = nh->vrf;
	return TO(BRIDGE);
}

static inline struct verdict
packet_out(struct burst *b, uint32_t i, const struct outer *o, const struct nexthop *nh,
	   uint32_t mtu)
{
	/* VXLAN has an Ethernet header in the place of the room */
	uint32_t inner = o->len + (o->vxlan ? RTE_ETHER_HDR_LEN : 0);
	uint64_t bit = UINT64_C(1) << i;
	struct flow_view flow = {.family = FLOW_ETHER};

	if (__builtin_expect(b->m[i]->data_len <= inner, 0))
		return DROP(BAD_TUNNEL_HEADER);
	strip(b, i, inner - RTE_ETHER_HDR_LEN);
	flow_view_ip(&flow, b->head[i] + RTE_ETHER_HDR_LEN, b->m[i]->data_len - RTE_ETHER_HDR_LEN);
	if (__builtin_expect(flow.family == FLOW_ETHER, 0))
		return DROP(BAD_IP_HEADER);
	mss_clamp(&flow, mtu, MSS_OVERHEAD_L3, false);
	if (nh->type == NEXTHOP_VRF_TRANSLATE) {
		b->vrf[i] = nh->vrf;
		return flow.family == FLOW_INET ? TO(IP4) : TO(IP6);
	}
	if (flow.family == FLOW_INET)
		b->inet |= bit;
	else
		b->inet6 |= bit;
	return TO(NEXTHOP);
}

static inline struct verdict
decap_one(struct worker *w, struct burst *b, uint32_t i, const struct outer *o, uint32_t id,
	  uint32_t mtu)
{
	const struct nexthop *nh = nexthop_lookup(w->nexthops, id);
	uint32_t source_be;

	if (__builtin_expect(nh == NULL, 0))
		return DROP(NO_NEXTHOP);
	memcpy(&source_be, b->head[i] + RTE_ETHER_HDR_LEN + offsetof(struct rte_ipv4_hdr, src_addr),
	       sizeof(source_be));
	b->tunneled |= UINT64_C(1) << i;
	b->outer_source_be[i] = source_be;
	b->inet &= ~(UINT64_C(1) << i);
	b->inet6 &= ~(UINT64_C(1) << i);
	b->nexthop_id[i] = id;
	b->label[i] = NEXTHOP_NO_LABEL;
	if (!flags_settle(b->m[i]))
		return DROP(BAD_OFFLOAD);
	if (nh->type == NEXTHOP_TUNNEL || nh->family == NEXTHOP_FAMILY_BRIDGE)
		return frame_out(w, b, i, o, nh, mtu);
	return packet_out(b, i, o, nh, mtu);
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

void
stage_decap(struct worker *w, struct burst *b, const struct vec *v)
{
	const struct vif *uplink = vif_lookup(w->vifs, b->in_vif);
	uint32_t mtu = uplink != NULL ? uplink->mtu : 0;
	struct outer outer[BURST_MAX];
	uint64_t value[BURST_MAX], found;

	for (uint32_t k = 0; k < v->n; k++)
		outer[k] = outer_parse(w, b->m[v->i[k]]);
	found = numbers_lookup(w, outer, v->n, value);
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];

		b->head[i] = rte_pktmbuf_mtod(b->m[i], uint8_t *);
		b->len[i] = b->m[i]->pkt_len;
		if (__builtin_expect(outer[k].broken, 0))
			b->verdict[i] = DROP_FOR(outer[k].why);
		else if (__builtin_expect((found >> k & 1) == 0, 0))
			b->verdict[i] = outer[k].vxlan ? DROP(INVALID_VNI) : DROP(INVALID_LABEL);
		else
			b->verdict[i] =
			    decap_one(w, b, i, &outer[k], bridge_value_nexthop(value[k]), mtu);
	}
	if (w->spread != SPREAD_OFF && w->spread_slots > 1)
		spread(w, b, v, outer);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Input: the port's vif, counters, and each header prefetched. IP packets whose destination MAC is
 * the vif's own, the router's, are routed; everything else is bridged. As the option says, packets
 * of other slots' flows go on there. A slot's thread, once for each burst.
 *
 * Uses port; sets in_vif, in_flags, vrf, segments, head, len, policy; clears what others mark by a
 * bit. To classify, arp, ip4, ip6, bridge.
 */
#include <string.h>

#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_prefetch.h>

#include "common/pkt.h"
#include "fwd-worker/inject.h"
#include "fwd-worker/spread.h"
#include "fwd-worker/stage.h"

/* Notes every vif's port. At most once in a while: it reads the whole table. */
static void
vifs_scan(struct worker *w)
{
	uint64_t now = rte_rdtsc(), hz = rte_get_tsc_hz();
	uint64_t pause = w->vifs->used == w->vifs_scanned_used ? hz / 100 : hz / 1000;

	if (w->vifs_scanned_tsc != 0 && now - w->vifs_scanned_tsc < pause)
		return;
	w->vifs_scanned_used = w->vifs->used;
	for (uint32_t id = 0; id < w->vifs->ids; id++) {
		const struct vif *vif = vif_lookup(w->vifs, id);

		if (vif != NULL && vif->port >= 0 && (uint32_t)vif->port < w->n_ports)
			w->vif_of_port[vif->port] = id;
	}
	w->vifs_scanned_tsc = rte_rdtsc();
}

static const struct vif *
vif_of_port(struct worker *w, uint32_t port)
{
	const struct vif *vif = vif_lookup(w->vifs, w->vif_of_port[port]);

	if (__builtin_expect(vif != NULL && vif->port == (int32_t)port, 1))
		return vif;
	vifs_scan(w);
	vif = vif_lookup(w->vifs, w->vif_of_port[port]);
	return vif != NULL && vif->port == (int32_t)port ? vif : NULL;
}

static inline struct verdict
input_one(struct burst *b, uint32_t i)
{
	struct rte_mbuf *m = b->m[i];

	b->head[i] = rte_pktmbuf_mtod(m, uint8_t *);
	rte_prefetch0(b->head[i]);
	b->len[i] = m->pkt_len;
	b->segments += m->nb_segs;
	if (__builtin_expect(m->data_len < RTE_ETHER_HDR_LEN, 0))
		return DROP(RUNT);
	return TO(BRIDGE);
}

/* The first 8 bytes of a frame without what is behind the destination MAC; also of a short one. */
static inline uint64_t
destination_of(const uint8_t *head)
{
	uint64_t bytes;

	memcpy(&bytes, head, sizeof(bytes));
	return bytes << 16;
}

static inline struct verdict
routed_one(const uint8_t *head)
{
	uint16_t type_be;

	memcpy(&type_be, head + offsetof(struct rte_ether_hdr, ether_type), sizeof(type_be));
	if (__builtin_expect(type_be == RTE_BE16(RTE_ETHER_TYPE_IPV4), 1))
		return TO(IP4);
	if (type_be == RTE_BE16(RTE_ETHER_TYPE_ARP))
		return TO(ARP);
	return type_be == RTE_BE16(RTE_ETHER_TYPE_IPV6) ? TO(IP6) : TO(BRIDGE);
}

/* The last 4 bytes of a MAC, in which addresses of one network differ. */
static inline uint32_t
mac_end(const uint8_t *mac)
{
	uint32_t bytes;

	memcpy(&bytes, mac + 2, sizeof(bytes));
	return bytes;
}

static inline bool
may_be_own(const struct burst *b, const struct vif *vif)
{
	uint32_t own_end = mac_end(vif->mac);

	for (uint32_t i = 0; i < b->n; i++)
		if (__builtin_expect(mac_end(b->head[i]) == own_end, 0))
			return true;
	return false;
}

/*
 * Most bursts have no packet for the router itself, which is found out with as little as possible.
 * The verdict of all that are no runts, or EACH.
 */
static inline struct verdict
input_own(struct burst *b, const struct vif *vif)
{
	uint64_t own = destination_of(vif->mac); /* there is a reserved member behind it */
	uint8_t differ = 0;

	if (__builtin_expect(!may_be_own(b, vif), 1))
		return TO(BRIDGE);
	for (uint32_t i = 0; i < b->n; i++) {
		if (destination_of(b->head[i]) == own && !verdict_is_drop(b->verdict[i]))
			b->verdict[i] = routed_one(b->head[i]);
		differ |= b->verdict[i].code ^ STAGE_IP4;
	}
	return differ == 0 ? TO(IP4) : EACH;
}

/* Of most vifs a packet's destination MAC tells where it goes. */
static inline bool
is_plain(const struct vif *vif)
{
	const uint32_t usual = VIF_FLAG_L2 | VIF_FLAG_L3;
	const uint32_t looked_at = usual | VIF_FLAG_DHCP_TRAP | VIF_FLAG_MAC_PROXY;

	return vif->type == VIF_VIRTUAL &&
	       (vif->flags & (looked_at | VIF_FLAG_CROSS_CONNECT)) == usual;
}

/* What comes in by an uplink is mostly a tunnel's, whose inner headers lie on the next line. */
static struct verdict
to_classify(struct burst *b, const struct vif *vif, bool runt)
{
	if (vif->type == VIF_PHYSICAL)
		for (uint32_t i = 0; i < b->n; i++)
			rte_prefetch0(b->head[i] + CACHE_LINE);
	for (uint32_t i = 0; i < b->n; i++)
		if (!runt || !verdict_is_drop(b->verdict[i]))
			b->verdict[i] = TO(CLASSIFY);
	return TO(CLASSIFY);
}

static uint32_t
count_runts(const struct burst *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->n; i++)
		n += b->m[i]->data_len < RTE_ETHER_HDR_LEN;
	return n;
}

/* It is the first stage, so there is nothing but whole bursts. */
void
stage_input(struct worker *w, struct burst *b, const struct vec *v)
{
	const struct vif *vif;
	struct vif_counters *c;
	struct verdict common;
	uint64_t bytes = 0;
	bool runt = false;

	b->segments = 0;
	b->inet = b->inet6 = b->encapsulated = b->tunneled = b->flowed = 0;
	b->mine = b->asked = b->expired = 0;
	b->in_flags = 0;
	if (__builtin_expect(b->port == PORT_INJECTED, 0)) {
		inject_input(w, b);
		return;
	}
	vif = vif_of_port(w, b->port);
	b->policy = vif != NULL && (vif->flags & VIF_FLAG_POLICY) != 0;
	for (uint32_t i = 0; i < b->n; i++) {
		b->verdict[i] = input_one(b, i);
		bytes += b->len[i];
		runt |= verdict_is_drop(b->verdict[i]);
	}
	w->chained |= b->segments != v->n;
	w->room -= b->segments < w->room ? b->segments : w->room;
	b->in_vif = w->no_vif;
	if (__builtin_expect(vif == NULL, 0)) {
		for (uint32_t k = 0; k < v->n; k++)
			b->verdict[v->i[k]] = DROP(PORT_WITHOUT_VIF);
	} else {
		b->in_vif = vif->id;
		for (uint32_t i = 0; i < b->n; i++)
			b->vrf[i] = vif->vrf;
		b->in_flags = vif->flags;
		common = __builtin_expect(is_plain(vif), 1) ? input_own(b, vif)
							    : to_classify(b, vif, runt);
		b->common = __builtin_expect(runt, 0) ? EACH : common;
	}
	if (__builtin_expect(w->from_ring, 0)) {
		for (uint32_t k = 0; k < v->n; k++)
			pkt_meta(b->m[v->i[k]])->in_vif = b->in_vif;
	}
	if (spread_is_for_port(w, b->port) && vif != NULL)
		spread_input(w, b, vif);
	c = &w->count[b->in_vif];
	c->rx_packets += v->n;
	c->rx_bytes += bytes;
	if (__builtin_expect(runt, 0))
		c->rx_errors += count_runts(b);
}

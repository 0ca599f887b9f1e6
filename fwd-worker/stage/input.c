/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Input: the port's vif, counters, and a look at each header's address so that it is in the cache
 * when the next stage reads it. A slot's thread, once for each burst.
 *
 * Uses port; sets in_vif, vrf, segments, head, len. To bridge.
 */
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_prefetch.h>

#include "common/pkt.h"
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

/* It is the first stage, so there is nothing but whole bursts. */
void
stage_input(struct worker *w, struct burst *b, const struct vec *v)
{
	const struct vif *vif = vif_of_port(w, b->port);
	struct vif_counters *c;
	uint64_t bytes = 0;

	b->segments = 0;
	for (uint32_t i = 0; i < b->n; i++) {
		b->verdict[i] = input_one(b, i);
		bytes += b->len[i];
	}
	w->chained |= b->segments != v->n;
	w->room -= b->segments < w->room ? b->segments : w->room;
	b->in_vif = w->no_vif;
	if (__builtin_expect(vif == NULL, 0)) {
		for (uint32_t k = 0; k < v->n; k++)
			b->verdict[v->i[k]] = DROP(PORT_WITHOUT_VIF);
	} else {
		b->in_vif = vif->id;
		b->vrf = vif->vrf;
	}
	if (__builtin_expect(w->from_ring, 0)) {
		for (uint32_t k = 0; k < v->n; k++)
			pkt_meta(b->m[v->i[k]])->in_vif = b->in_vif;
	}
	c = &w->count[b->in_vif];
	c->rx_packets += v->n;
	c->rx_bytes += bytes;
}

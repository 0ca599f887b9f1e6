/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker without processes. See rig.h. The test's only thread. */
#include "tests/packet/rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_mempool.h>
#include <rte_rcu_qsbr.h>

#include "common/conf.h"
#include "common/grace.h"
#include "common/handshake.h"
#include "common/number.h"
#include "common/pkt.h"
#include "common/pool.h"
#include "common/redo.h"
#include "common/route.h"
#include "common/stitch.h"
#include "common/rules.h"
#include "fwd-worker/receive.h"
#include "fwd-worker/stage.h"

enum { IDS = 64, ENTRIES = 64, RULES = 64, FLOWS = 64, NO_VIF = IDS, PEERS_HAND = RIG_PEER_SLOT };

struct port_fake {
	uint32_t n_in, n_out, first_out, room;
	struct rte_mbuf *in[RIG_FRAMES];
	struct rig_frame *out[RIG_FRAMES];
};

static struct {
	struct slot slot;
	struct handshake *hs;
	struct rte_rcu_qsbr *qsbr;
	struct grace *grace;
	struct idtab_writer *vifs, *nexthops;
	struct bridge_writer *bridge, *labels, *vnis, *stitched;
	struct route_writer *routes;
	struct rules_writer *rules;
	struct flow_writer *flows;
	struct redo *redo;
	struct redo_writer *batch;
	struct worker w;
	struct conf conf;
	struct port_fake ports[RIG_PORTS];
	int taps[2]; /* the tests' ends */
	struct rte_mbuf *drained[4096];
	uint32_t n_drained;
	uint16_t headroom; /* of packets put in, and 1; 0: the usual */
	struct rig_frame taken;
	struct vif_roles roles;
	struct agent_rings *agent;
} rig;

static void
die(const char *what)
{
	fprintf(stderr, "rig: %s\n", what);
	abort();
}

static void *
zeroed(size_t size)
{
	void *p = aligned_alloc(CACHE_LINE, RTE_ALIGN(size, CACHE_LINE));

	if (p == NULL)
		die("out of memory");
	return memset(p, 0, size);
}

int
rig_eal(void)
{
	char *argv[] = {(char *)"packet_test",
			(char *)"--no-huge",
			(char *)"--no-shconf",
			(char *)"--no-pci",
			(char *)"--no-telemetry",
			(char *)"--iova-mode=va",
			(char *)"--lcores=0@0",
			(char *)"-m",
			(char *)"128",
			(char *)"--log-level=lib.*:error",
			NULL};
	struct fault f;

	if (rte_eal_init((int)RTE_DIM(argv) - 1, argv) < 0)
		return -1;
	conf_defaults(&rig.conf);
	if (conf_set(&rig.conf, "mbufs", "2048", &f) < 0 ||
	    conf_set(&rig.conf, "vifs", "64", &f) < 0 ||
	    conf_set(&rig.conf, "ring-size", "64", &f) < 0)
		die(f.text);
	rig.conf.n_slots = 2;
	rig.conf.slot_ids[0] = 10;
	rig.conf.slot_ids[1] = 11;
	if (handshake_create(&rig.conf, 1, &rig.hs, &f) < 0)
		die(f.text);
	return 0;
}

/* --- ports ------------------------------------------------------------------------------------ */

static uint16_t
fake_rx(void *queue, struct rte_mbuf **m, uint16_t n)
{
	struct port_fake *p = queue;

	if (n > p->n_in)
		n = (uint16_t)p->n_in;
	memcpy(m, p->in, n * sizeof(void *));
	p->n_in -= n;
	memmove(p->in, p->in + n, p->n_in * sizeof(void *));
	return n;
}

static void
frame_keep(struct port_fake *p, const struct rte_mbuf *m)
{
	struct rig_frame *f = malloc(sizeof(*f));
	const void *bytes;

	if (f == NULL || p->n_out == RIG_FRAMES)
		die("too many frames");
	f->len = m->pkt_len;
	f->ol_flags = m->ol_flags;
	bytes = rte_pktmbuf_read(m, 0, m->pkt_len, f->bytes);
	if (bytes != f->bytes)
		memcpy(f->bytes, bytes, m->pkt_len);
	p->out[p->n_out++] = f;
}

static uint16_t
fake_tx(void *queue, struct rte_mbuf **m, uint16_t n)
{
	struct port_fake *p = queue;

	if (n > p->room)
		n = (uint16_t)p->room;
	p->room -= n;
	for (uint16_t i = 0; i < n; i++) {
		frame_keep(p, m[i]);
		rte_pktmbuf_free(m[i]);
	}
	return n;
}

static void
port_reset(uint32_t port)
{
	struct port_fake *p = &rig.ports[port];

	for (uint32_t i = p->first_out; i < p->n_out; i++)
		free(p->out[i]);
	memset(p, 0, sizeof(*p));
	p->room = RIG_FRAMES;
	rig.w.tx[port] = (struct tx_port){
	    .way = TX_DEVICE, .hold = PORT_HOLD_NONE, .tx = fake_tx, .txq = p, .fd = -1};
	rig.w.devices[port] = (struct rx_queue){.port = (uint16_t)port, .rx = fake_rx, .rxq = p};
}

static void
tap_reset(uint32_t i)
{
	int ends[2];

	if (rig.w.taps[i].fd > 0)
		close(rig.w.taps[i].fd);
	if (rig.taps[i] > 0)
		close(rig.taps[i]);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		die("no sockets");
	rig.taps[i] = ends[0];
	rig.w.taps[i] = (struct rx_queue){.port = (uint16_t)(RIG_TAP + i), .fd = ends[1]};
	rig.w.tx[RIG_TAP + i] = (struct tx_port){.way = TX_TAP, .offloads = true, .fd = ends[1]};
}

/* --- life ------------------------------------------------------------------------------------- */

static void
worker_first(struct worker *w)
{
	w->handshake = rig.hs;
	w->hand = &rig.hs->hands[0];
	w->slot = &rig.slot;
	w->mbufs = rig.hs->pools[0];
	w->pool = pool_of(w->mbufs);
	w->n_ports = RIG_PORTS;
	w->no_vif = NO_VIF;
	w->burst_max = 32;
	w->tx = zeroed(RIG_PORTS * sizeof(*w->tx));
	w->vif_of_port = zeroed(RIG_PORTS * sizeof(*w->vif_of_port));
	w->devices = zeroed(RIG_TAP * sizeof(*w->devices));
	w->n_devices = RIG_TAP;
	w->taps = zeroed(2 * sizeof(*w->taps));
	w->n_taps = 2;
	w->rings[0] =
	    (struct rx_ring){.ring = handshake_ring(rig.hs, PEERS_HAND, 0), .from = PEERS_HAND};
	w->n_rings = 1;
	w->mesh[PEERS_HAND] = handshake_ring(rig.hs, 0, PEERS_HAND);
	stages_init(w);
	tap_reader_init(&w->tap_reader, w->hand, w->mbufs);
	rig.qsbr = zeroed(grace_size());
	rig.agent = zeroed(sizeof(*rig.agent));
	w->agent = rig.agent;
	w->roles = &rig.roles;
	pool_thread_hand(0, &w->hand->epoch);
}

static struct drop_log drop_log;

static void
tables_reset(struct worker *w)
{
	struct idtab *vifs = zeroed(idtab_size(IDS, sizeof(struct vif)));
	struct idtab *nexthops = zeroed(idtab_size(IDS, sizeof(struct nexthop)));
	struct bridge *bridge = zeroed(bridge_size(ENTRIES));
	struct bridge *labels = zeroed(bridge_size(ENTRIES));
	struct bridge *vnis = zeroed(bridge_size(ENTRIES));
	struct bridge *stitched = zeroed(bridge_size(ENTRIES));
	struct route_table *routes = zeroed(route_table_size(IDS, ENTRIES));
	struct rules *rules = zeroed(rules_size(IDS, RULES));
	struct flow_table *flows = zeroed(flow_table_size(2 * FLOWS));
	size_t size = sizeof(struct counters) + (IDS + 1) * sizeof(struct vif_counters);

	if (rig.grace != NULL) {
		idtab_writer_destroy(rig.vifs);
		idtab_writer_destroy(rig.nexthops);
		bridge_writer_destroy(rig.bridge);
		bridge_writer_destroy(rig.labels);
		bridge_writer_destroy(rig.vnis);
		bridge_writer_destroy(rig.stitched);
		route_writer_destroy(rig.routes);
		grace_destroy(rig.grace);
		free((void *)(uintptr_t)w->vifs);
		free((void *)(uintptr_t)w->nexthops);
		free((void *)(uintptr_t)w->bridge);
		free((void *)(uintptr_t)w->labels);
		free((void *)(uintptr_t)w->vnis);
		free((void *)(uintptr_t)w->stitched);
		free((void *)(uintptr_t)w->routes);
		rules_writer_destroy(rig.rules);
		flow_writer_destroy(rig.flows);
		free((void *)(uintptr_t)w->rules);
		free(w->flows);
		free(w->counters);
	}
	grace_init(rig.qsbr);
	rig.grace = grace_create(rig.qsbr, 256);
	idtab_init(vifs, IDS, sizeof(struct vif));
	idtab_init(nexthops, IDS, sizeof(struct nexthop));
	bridge_init(bridge, ENTRIES);
	bridge_init(labels, ENTRIES);
	bridge_init(vnis, ENTRIES);
	bridge_init(stitched, ENTRIES);
	route_table_init(routes, IDS, ENTRIES);
	rig.vifs = idtab_writer_create(vifs, rig.grace);
	rig.nexthops = idtab_writer_create(nexthops, rig.grace);
	rig.bridge = bridge_writer_create(bridge, rig.grace);
	rules_init(rules, IDS, RULES);
	flow_table_init(flows, 2 * FLOWS, 99);
	rig.labels = bridge_writer_create(labels, rig.grace);
	rig.vnis = bridge_writer_create(vnis, rig.grace);
	rig.stitched = bridge_writer_create(stitched, rig.grace);
	rig.routes = route_writer_create(routes, rig.grace);
	rig.rules = rules_writer_create(rules, NULL);
	rig.flows = flow_writer_create(flows, NULL);
	w->vifs = vifs;
	w->nexthops = nexthops;
	w->bridge = bridge;
	w->labels = labels;
	w->vnis = vnis;
	w->stitched = stitched;
	w->routes = routes;
	w->rules = rules;
	w->flows = flows;
	w->counters = zeroed(size);
	w->counters->slots = 1;
	w->counters->vifs = IDS + 1;
	w->count = counters_at(w->counters, 0, 0);
	memset(&drop_log, 0, sizeof(drop_log));
	w->drop_log = &drop_log;
	drop_sampler_init(&w->sampler, w->drop_log, 1, 1);
}

const struct dropped_packet *
rig_dropped(void)
{
	static struct dropped_packet copy;

	return drop_log_read(&drop_log, drop_log.next - 1, &copy) ? &copy : NULL;
}

void
rig_reset(void)
{
	struct worker *w = &rig.w;

	if (w->hand == NULL)
		worker_first(w);
	tables_reset(w);
	for (uint32_t i = 0; i < RIG_TAP; i++)
		port_reset(i);
	for (uint32_t i = 0; i < 2; i++)
		tap_reset(i);
	w->vifs_scanned_tsc = 0;
	w->io_forward = false;
	rig.headroom = 0;
	memset(rig.agent, 0, sizeof(*rig.agent));
	rig_roles(0, 0, 0);
	memset(w->vif_of_port, 0xff, RIG_PORTS * sizeof(*w->vif_of_port));
}

uint32_t
rig_missing(void)
{
	struct worker *w = &rig.w;
	uint32_t have = 0;

	tap_reader_release(&w->tap_reader);
	pool_drain(w->pool, 0);
	for (uint32_t i = 0; i < w->pool->n_words; i++)
		have += (uint32_t)__builtin_popcountll(pool_bits(w->pool)[i]);
	if (w->hand->state.where != HAND_EMPTY)
		die("the hand is not empty");
	return w->mbufs->size - have;
}

struct worker *
rig_worker(void)
{
	return &rig.w;
}

/* --- tables ----------------------------------------------------------------------------------- */

void
rig_vif(uint32_t id, uint32_t vrf, int32_t port, uint16_t mtu)
{
	struct vif vif = {.id = id, .vrf = vrf, .port = port, .mtu = mtu};

	rig_vif_as(&vif);
}

void
rig_vif_as(const struct vif *given)
{
	static const uint8_t none[6];
	struct vif vif = *given;

	vif.nexthop = NEXTHOP_NONE;
	if (memcmp(vif.mac, none, sizeof(none)) == 0)
		memcpy(vif.mac, RIG_ROUTER_MAC, sizeof(vif.mac));
	if (vif.mtu == 0)
		vif.mtu = 1514;
	if ((vif.flags & (VIF_FLAG_L2 | VIF_FLAG_L3)) == 0)
		vif.flags |= VIF_FLAG_L2 | VIF_FLAG_L3;
	if (vif.cross_connect == 0)
		vif.cross_connect = VIF_NONE;
	if (idtab_set(rig.vifs, vif.id, &vif) < 0)
		die("vif");
}

void
rig_vif_flags(uint32_t id, uint32_t flags, uint32_t nexthop)
{
	struct vif vif = *vif_lookup(rig.w.vifs, id);

	vif.flags = flags | VIF_FLAG_L2 | VIF_FLAG_L3;
	vif.nexthop = nexthop;
	if (idtab_set(rig.vifs, id, &vif) < 0)
		die("vif");
	((struct rules *)(uintptr_t)rig.w.rules)->policed |= (flags & VIF_FLAG_POLICY) != 0;
}

void
rig_rule(uint32_t vif, uint32_t priority, enum rule_direction direction, uint8_t protocol,
	 uint16_t port, bool allow)
{
	struct rule r = {.source_ports = {0, UINT16_MAX},
			 .destination_ports = {port, port != 0 ? port : UINT16_MAX},
			 .protocol = protocol != 0 ? protocol : RULE_ANY_PROTOCOL,
			 .priority = priority,
			 .direction = (uint8_t)direction,
			 .allow = allow};

	if (rig.batch == NULL) {
		rig.redo = zeroed(redo_size(16));
		redo_init(rig.redo, 16);
		rig.batch = redo_writer_create(rig.redo, NULL);
	}
	if (rules_stage_put(rig.rules, rig.batch, vif, &r, 0) < 0)
		die("rule");
	redo_commit(rig.batch);
}

struct flow_table *
rig_flows(void)
{
	return rig.w.flows;
}

struct flow_writer *
rig_flow_writer(void)
{
	return rig.flows;
}

void
rig_roles(uint64_t host, uint64_t agent, uint64_t uplink)
{
	rig.roles = (struct vif_roles){.host = host, .agent = agent, .uplink = uplink};
}

void
rig_inject(enum inject_command command, uint32_t vif, uint32_t vrf, const void *frame, uint32_t len)
{
	struct byte_ring *ring = &rig.w.agent->inject;
	struct trap_record r = {
	    .length = len, .whole_length = len, .reason = command, .vif = vif, .vrf = vrf};

	if (!byte_ring_has_room(ring, sizeof(r) + len))
		die("inject");
	byte_ring_write(ring, 0, &r, sizeof(r));
	byte_ring_write(ring, sizeof(r), frame, len);
	byte_ring_publish(ring, sizeof(r) + len);
}

bool
rig_trapped(struct trap_record *r, uint8_t *frame)
{
	struct byte_ring *ring = &rig.w.agent->trap;

	if (byte_ring_filled(ring) == 0)
		return false;
	byte_ring_read(ring, 0, r, sizeof(*r));
	byte_ring_read(ring, sizeof(*r), frame, r->length);
	byte_ring_release(ring, sizeof(*r) + r->length);
	return true;
}

void
rig_nexthop(const struct nexthop *nh)
{
	if (idtab_set(rig.nexthops, nh->id, nh) < 0)
		die("nexthop");
}

void
rig_encap(uint32_t id, uint32_t vif)
{
	struct nexthop nh = {.id = id, .type = NEXTHOP_ENCAP, .encap = {.vif = vif}};

	rig_nexthop(&nh);
}

void
rig_rewrite(uint32_t id, enum nexthop_family family, uint32_t vif, const void *bytes, uint16_t len)
{
	struct nexthop nh = {.id = id,
			     .type = NEXTHOP_ENCAP,
			     .family = (uint8_t)family,
			     .encap = {.vif = vif, .rewrite_len = len}};

	memcpy(nh.encap.rewrite, bytes, len);
	rig_nexthop(&nh);
}

void
rig_flood(uint32_t id, uint32_t n, const uint32_t *members)
{
	struct nexthop nh = {.id = id, .type = NEXTHOP_FLOOD, .composite = {.n = (uint8_t)n}};

	for (uint32_t i = 0; i < n; i++)
		nh.composite.members[i] = nexthop_member(members[i], NEXTHOP_NO_LABEL);
	rig_nexthop(&nh);
}

static void
bridge_put(uint32_t vrf, const char *mac, uint64_t value)
{
	struct bridge_key key = {.vrf = vrf};

	if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &key.mac[0], &key.mac[1], &key.mac[2],
		   &key.mac[3], &key.mac[4], &key.mac[5]) != 6 ||
	    bridge_set(rig.bridge, &key, value) < 0)
		die("bridge entry");
}

void
rig_bridge(uint32_t vrf, const char *mac, uint32_t nexthop)
{
	bridge_put(vrf, mac, bridge_value(nexthop, 0, 0));
}

void
rig_bridge_labelled(uint32_t vrf, const char *mac, uint32_t nexthop, uint32_t label)
{
	bridge_put(vrf, mac, bridge_value(nexthop, label, BRIDGE_LABEL_VALID));
}

static void
route_put(uint32_t vrf, const char *address, uint8_t length, uint64_t value)
{
	struct route_key key = {.vrf = vrf, .length = length};
	bool inet6 = strchr(address, ':') != NULL;
	int rc;

	key.family = inet6 ? ROUTE_INET6 : ROUTE_INET;
	if (inet_pton(inet6 ? AF_INET6 : AF_INET, address, key.address) != 1)
		die("address");
	do
		rc = route_add(rig.routes, &key, value);
	while (rc == -ENOBUFS);
	if (rc < 0)
		die("route");
}

void
rig_stitch(uint32_t vrf, const char *address, const char *mac)
{
	bool inet6 = strchr(address, ':') != NULL;
	uint8_t bytes[16];
	struct bridge_key key;
	int rc = inet_pton(inet6 ? AF_INET6 : AF_INET, address, bytes);

	if (rc == 1) {
		key = stitch_key(vrf, inet6, bytes);
		rc = bridge_set(rig.stitched, &key,
				stitch_value(inet6, bytes, (const uint8_t *)mac));
	}
	if (rc < 0)
		abort();
}

void
rig_route(uint32_t vrf, const char *address, uint8_t length, uint32_t nexthop)
{
	rig_route_flags(vrf, address, length, nexthop, 0);
}

void
rig_route_flags(uint32_t vrf, const char *address, uint8_t length, uint32_t nexthop, uint64_t flags)
{
	route_put(vrf, address, length, route_value(nexthop, 0, flags));
}

void
rig_route_labelled(uint32_t vrf, const char *address, uint8_t length, uint32_t nexthop,
		   uint32_t label)
{
	route_put(vrf, address, length, route_value(nexthop, label, ROUTE_LABEL_VALID));
}

static void
number_put(struct bridge_writer *w, uint32_t number, uint32_t nexthop)
{
	struct bridge_key key = number_key(number);

	if (bridge_set(w, &key, nexthop) < 0)
		die("label or VNI");
}

void
rig_label(uint32_t label, uint32_t nexthop)
{
	number_put(rig.labels, label, nexthop);
}

void
rig_vni(uint32_t vni, uint32_t nexthop)
{
	number_put(rig.vnis, vni, nexthop);
}

void
rig_uplink(uint32_t id, int32_t port, uint16_t mtu, const char *address)
{
	struct vif vif = {.id = id,
			  .port = port,
			  .mtu = mtu,
			  .type = VIF_PHYSICAL,
			  .nexthop = NEXTHOP_NONE,
			  .cross_connect = VIF_NONE};

	memcpy(vif.mac, RIG_ROUTER_MAC, sizeof(vif.mac));
	if (inet_pton(AF_INET, address, &vif.ip_be) != 1 || idtab_set(rig.vifs, id, &vif) < 0)
		die("uplink");
}

void
rig_tunnel(uint32_t id, enum tunnel_kind kind, uint32_t vif, const char *destination,
	   uint16_t flags)
{
	struct nexthop nh = {
	    .id = id,
	    .type = NEXTHOP_TUNNEL,
	    .flags = flags,
	    .encap = {.vif = vif, .rewrite_len = sizeof(RIG_LINK) - 1},
	    .tunnel = {.kind = (uint8_t)kind, .inner_mac = {0x02, 0, 0, 0, 0, 0x77}}};

	memcpy(nh.encap.rewrite, RIG_LINK, sizeof(RIG_LINK) - 1);
	if (inet_pton(AF_INET, "192.0.2.1", &nh.tunnel.source_be) != 1 ||
	    inet_pton(AF_INET, destination, &nh.tunnel.destination_be) != 1)
		die("address");
	nexthop_tunnel_prepare(&nh);
	rig_nexthop(&nh);
}

void
rig_ecmp(uint32_t id, enum nexthop_family family, uint32_t n, const uint32_t *members,
	 const uint32_t *labels)
{
	struct nexthop nh = {.id = id,
			     .type = NEXTHOP_ECMP,
			     .family = (uint8_t)family,
			     .composite = {.n = (uint8_t)n}};

	for (uint32_t i = 0; i < n; i++)
		nh.composite.members[i] =
		    nexthop_member(members[i], labels != NULL ? labels[i] : NEXTHOP_NO_LABEL);
	rig_nexthop(&nh);
}

/* --- packets ---------------------------------------------------------------------------------- */

/* Longer frames than one mbuf holds become chains. */
static struct rte_mbuf *
mbuf_make(const uint8_t *bytes, uint32_t len)
{
	struct rte_mbuf *head = NULL;

	do {
		struct rte_mbuf *m = rte_pktmbuf_alloc(rig.w.mbufs);
		uint16_t n;

		if (m == NULL)
			die("no mbuf");
		if (rig.headroom != 0)
			m->data_off = rig.headroom - 1;
		n = (uint16_t)RTE_MIN(len, (uint32_t)rte_pktmbuf_tailroom(m));
		memcpy(rte_pktmbuf_append(m, n), bytes, n);
		bytes += n;
		len -= n;
		if (head == NULL)
			head = m;
		else if (rte_pktmbuf_chain(head, m) < 0)
			die("chain");
	} while (len > 0);
	return head;
}

void
rig_put_bytes(uint32_t port, const void *bytes, uint32_t len)
{
	rig_put_flags(port, bytes, len, 0);
}

void
rig_put_flags(uint32_t port, const void *bytes, uint32_t len, uint64_t ol_flags)
{
	struct port_fake *p = &rig.ports[port];

	if (port >= RIG_TAP || p->n_in == RIG_FRAMES)
		die("rig_put");
	p->in[p->n_in] = mbuf_make(bytes, len);
	p->in[p->n_in++]->ol_flags |= ol_flags;
}

/* 'first' bytes in the first mbuf, 'second' in the next, the rest behind. */
void
rig_put_split(uint32_t port, const void *bytes, uint32_t len, uint32_t first, uint32_t second)
{
	struct port_fake *p = &rig.ports[port];
	const uint8_t *at = bytes;
	struct rte_mbuf *m = mbuf_make(at, first), *next = mbuf_make(at + first, second);

	if (rte_pktmbuf_chain(m, next) < 0 ||
	    (len > first + second &&
	     rte_pktmbuf_chain(m, mbuf_make(at + first + second, len - first - second)) < 0))
		die("chain");
	p->in[p->n_in++] = m;
}

void
rig_headroom(uint16_t bytes)
{
	rig.headroom = (uint16_t)(bytes + 1);
}

void
rig_put(uint32_t port, uint8_t mac, uint32_t len)
{
	uint8_t bytes[16384] = {0x02, 0, 0, 0, 0, mac};

	if (len > sizeof(bytes))
		die("rig_put");
	rig_put_bytes(port, bytes, len);
}

void
rig_run(void)
{
	struct worker *w = &rig.w;
	uint32_t n;

	do {
		n = 0;
		for (uint32_t i = 0; i < w->n_devices; i++)
			n += receive_from_device(w, &w->devices[i]);
		for (uint32_t i = 0; i < w->n_taps; i++)
			n += receive_from_tap(w, &w->taps[i]);
		for (uint32_t i = 0; i < w->n_rings; i++)
			n += receive_from_ring(w, &w->rings[i]);
		n += receive_injected(w);
	} while (n > 0);
}

bool
rig_take(uint32_t port, const struct rig_frame **frame)
{
	struct port_fake *p = &rig.ports[port];

	if (p->first_out == p->n_out)
		return false;
	rig.taken = *p->out[p->first_out];
	free(p->out[p->first_out++]);
	*frame = &rig.taken;
	return true;
}

uint32_t
rig_count(uint32_t port)
{
	return rig.ports[port].n_out - rig.ports[port].first_out;
}

void
rig_port_room(uint32_t port, uint32_t room)
{
	rig.ports[port].room = room;
}

int
rig_tap(uint32_t port)
{
	return rig.taps[port - RIG_TAP];
}

/* --- the other slot --------------------------------------------------------------------------- */

void
rig_port_of_peer(uint32_t port)
{
	rig.w.tx[port] = (struct tx_port){
	    .way = TX_MESH, .to_hand = PEERS_HAND, .ring = rig_ring_to_peer(), .fd = -1};
}

void
rig_port_of_guest(uint32_t port, uint64_t features)
{
	static uint64_t agreed[RIG_PORTS];

	rig_port_of_peer(port);
	agreed[port] = features;
	rig.w.tx[port].offloads = true;
	rig.w.tx[port].guest = &agreed[port];
}

struct rte_ring *
rig_ring_to_peer(void)
{
	return handshake_ring(rig.hs, 0, PEERS_HAND);
}

struct rte_ring *
rig_ring_from_peer(void)
{
	return handshake_ring(rig.hs, PEERS_HAND, 0);
}

/* --- memory ----------------------------------------------------------------------------------- */

void
rig_pool_drain(uint32_t left)
{
	struct rte_mempool *mp = rig.w.mbufs;

	while (rig.n_drained < RTE_DIM(rig.drained) &&
	       rte_mempool_get(mp, (void **)&rig.drained[rig.n_drained]) == 0)
		rig.n_drained++;
	for (; left > 0 && rig.n_drained > 0; left--)
		rte_mempool_put(mp, rig.drained[--rig.n_drained]);
}

void
rig_pool_refill(void)
{
	while (rig.n_drained > 0)
		rte_mempool_put(rig.w.mbufs, rig.drained[--rig.n_drained]);
}

/* --- counters --------------------------------------------------------------------------------- */

uint64_t
rig_drops(uint32_t vif, enum drop why)
{
	return rig.w.count[vif].drops[why];
}

uint64_t
rig_drops_all(enum drop why)
{
	uint64_t n = 0;

	for (uint32_t vif = 0; vif <= NO_VIF; vif++)
		n += rig.w.count[vif].drops[why];
	return n;
}

const struct vif_counters *
rig_counters(uint32_t vif)
{
	return &rig.w.count[vif];
}

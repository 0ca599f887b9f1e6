/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_flowgen: a DPDK vdev that is an endless source and sink of packets at next to no cost, so
 * that what a thread spends between rx and tx can be measured, and dataplanes compared at the same
 * point by the same code. It is linked into the benchmark's builds of our programs, and is a shared
 * object for dpdk-testpmd. The thread that polls a queue runs its rx and tx; probing, configuring
 * and starting happen in the primary, and a secondary attaches.
 *
 * It costs what the memory of a NIC costs: a received buffer was written when it was posted, a
 * ring's length of packets before it is seen; a sent one is freed a ring's length later; checksum
 * flags, packet type and RSS hash are filled in.
 *
 * Devargs:
 *
 *   frame=FILE   what to send, at most 128 bytes. Somewhere in it is an IPv6 header, or an IPv4
 *                header without options, and behind it UDP with checksum 0. Flow i of N gets
 *                source port + i % 1024 and source address (its last 32 bits) + i / 1024.
 *
 *   ip=N         where that header begins (default 14)
 *
 *   flows=N      how many flows, one packet of each in turn (default 1)
 *
 *   shuffle=0|1  ... in pseudo-random order instead
 *
 *   dsts=N       the n-th packet has the frame's destination + (n % N) in the address' third
 *                byte, of IPv6 in its eighth, which is 0 in the frame; at most 256 (default 1)
 *
 *   spread=0|1   the destination is an address of 1.0.0.0 to 223.255.255.255 that the flow's
 *                number decides, evenly spread; IPv4 only
 *
 *   imix=0|1     lengths of IMIX (7 x 60, 4 x 590, 1 x 1514) instead of the frame's own; only
 *                with ip=14 and IPv4
 *
 *   sink=0|1     nothing is received; frame is not needed
 *
 *   ring=N       descriptors of each ring, a power of two (default 1024)
 *
 *   stats=FILE   where struct flowgen_stats is; made here, mapped by whoever wants to look
 *
 *   closed=0|1   receives nothing until flowgen_stats.open is set (default 0)
 *
 *   mac=MAC      the port's address
 *
 * Queues and rings lie in DPDK's shared heap, and pointers in there point into it. What differs
 * between processes, the place where the file is mapped, is in rte_eth_dev.process_private.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <ethdev_vdev.h>
#include <rte_cycles.h>
#include <rte_kvargs.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>

enum {
	QUEUES_MAX = 8,
	BURST_LIMIT = 256,
	RING_MAX = 4096,
	RING_DEFAULT = 1024,
	HEADERS = 64, /* bytes written into a buffer, of short frames */
	HEADERS_MAX = 128,
	IP4_LEN = 20,
	IP6_LEN = 40,
	UDP_LEN = 8,
	PORTS_PER_ADDRESS = 1024,
	SAMPLE_EVERY = 1 << 14, /* bursts */
	SAMPLE_LEN = 256,
	IMIX_CYCLE = 12,
};

#define FLOWGEN_MAGIC UINT64_C(0x31676e65676c6f66)

struct flowgen_counters {
	uint64_t packets;
	uint64_t bytes;
	uint64_t bursts;
	uint64_t no_mbuf; /* bursts not received because the pool was dry */
	uint64_t thread;  /* tid of the last caller, in its own PID namespace */
	uint64_t reserved[3];
} __rte_cache_aligned;

/* The file: 64-bit words, as bench.py reads them. One writing thread for each queue's counters. */
struct flowgen_stats {
	uint64_t magic; /* written last */
	uint64_t tsc_hz;
	uint64_t open; /* the reader of the file writes it */
	uint64_t sample_len;
	uint64_t reserved[4];
	struct flowgen_counters rx[QUEUES_MAX], tx[QUEUES_MAX];
	uint8_t sample[SAMPLE_LEN]; /* the beginning of a sent frame, now and then another */
} __rte_cache_aligned;
_Static_assert(offsetof(struct flowgen_stats, rx) == 8 * 8, "bench.py: RX");
_Static_assert(offsetof(struct flowgen_stats, tx) == 72 * 8, "bench.py: TX");
_Static_assert(offsetof(struct flowgen_stats, sample) == 136 * 8, "bench.py: SAMPLE");

struct rx_desc {
	struct rte_mbuf *m;
	uint32_t len;
	uint32_t hash;
};

/* Shared. */
struct rx_queue {
	const struct flowgen *dev;
	struct rte_mempool *pool;
	struct rx_desc *ring;
	uint64_t rearm; /* the mbuf's first fields, all the same in every packet */
	uint32_t packet_type;
	uint32_t head;
	uint32_t mask;
	uint32_t flow;   /* of the next packet written */
	uint32_t length; /* of the next packet written, an index into imix_lengths */
	uint32_t to;     /* destination of the next packet written */
	uint32_t order;  /* shuffle: state of the generator */
	uint16_t port;
	uint16_t queue;
} __rte_cache_aligned;

/* Shared. */
struct tx_queue {
	struct rte_mbuf **ring;
	uint32_t head;
	uint32_t mask;
	uint16_t port;
	uint16_t queue;
} __rte_cache_aligned;

/* Shared: dev_private. Constant once probed, but for the queues. */
struct flowgen {
	uint8_t frame[HEADERS_MAX] __rte_cache_aligned;
	uint32_t frame_len;
	uint32_t ip;       /* offsets in the frame: of the IP header, */
	uint32_t src_at;   /* of the source address' last 32 bits, */
	uint32_t dst_at;   /* of the destination's byte that varies, */
	uint32_t ports_at; /* of the UDP header */
	uint32_t is_ip6;
	uint32_t flows;
	uint32_t shuffle;
	uint32_t dsts;
	uint32_t spread;
	uint32_t imix;
	uint32_t sink;
	uint32_t ring;
	uint32_t closed;
	uint32_t src;      /* source address of flow 0 */
	uint32_t ip_sum;   /* header's sum without checksum and what varies in it */
	uint16_t src_port; /* of flow 0 */
	struct rte_ether_addr mac;
	char frame_path[PATH_MAX];
	char stats_path[PATH_MAX];
	struct rx_queue rx[QUEUES_MAX];
	struct tx_queue tx[QUEUES_MAX];
};

static const uint16_t imix_lengths[IMIX_CYCLE] = {60,   590, 60,  60, 590, 60,
						  1514, 60,  590, 60, 590, 60};

static struct flowgen_stats *
stats_of(uint16_t port)
{
	return rte_eth_devices[port].process_private;
}

static uint64_t
thread_id(void)
{
	static __thread pid_t tid;

	if (unlikely(tid == 0))
		tid = gettid();
	return (uint64_t)tid;
}

static inline void
store_be16(uint8_t *at, uint32_t value)
{
	const uint16_t be = rte_cpu_to_be_16((uint16_t)value);

	memcpy(at, &be, sizeof(be));
}

static inline void
store_be32(uint8_t *at, uint32_t value)
{
	const uint32_t be = rte_cpu_to_be_32(value);

	memcpy(at, &be, sizeof(be));
}

static uint32_t
load_be32(const uint8_t *at)
{
	uint32_t be;

	memcpy(&be, at, sizeof(be));
	return rte_be_to_cpu_32(be);
}

/* A permutation of 32-bit numbers in which neighbours are far from each other. */
static inline uint32_t
mix(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7feb352dU;
	x ^= x >> 15;
	x *= 0x846ca68bU;
	return x ^ x >> 16;
}

/* An address of 1.0.0.0 to 223.255.255.255. */
static inline uint32_t
spread_address(uint32_t flow)
{
	return (1U << 24) + (uint32_t)((uint64_t)mix(flow) * (223U << 24) >> 32);
}

/*
 * The next flow: in turn, or by a generator that visits each number below the next power of two
 * once, of which those that are no flows are passed over (at most every other one).
 */
static inline uint32_t
next_flow(struct rx_queue *q)
{
	const struct flowgen *dev = q->dev;
	const uint32_t flow = q->flow;
	uint32_t mask;

	if (!dev->shuffle) {
		q->flow = flow + 1 == dev->flows ? 0 : flow + 1;
		return flow;
	}
	mask = rte_align32pow2(dev->flows) - 1;
	do
		q->order = (q->order * 1664525U + 1013904223U) & mask;
	while (q->order >= dev->flows);
	return q->order;
}

/* Posts a buffer: writes the next flow's headers into it, as a NIC would by DMA. */
static inline void
post(struct rx_queue *q, struct rx_desc *desc, struct rte_mbuf *m)
{
	const struct flowgen *dev = q->dev;
	uint8_t *frame = (uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM;
	const uint32_t flow = next_flow(q);
	const uint32_t src = dev->src + flow / PORTS_PER_ADDRESS;
	uint32_t sum = dev->ip_sum + (src >> 16) + (src & 0xffff);
	uint32_t len = dev->frame_len;
	uint32_t hash = flow * 2654435761U;

	hash ^= hash >> 15;
	rte_memcpy(frame, dev->frame, HEADERS);
	if (dev->frame_len > HEADERS)
		rte_memcpy(frame + HEADERS, dev->frame + HEADERS, HEADERS_MAX - HEADERS);
	store_be16(frame + dev->ports_at, dev->src_port + flow % PORTS_PER_ADDRESS);
	store_be32(frame + dev->src_at, src);
	if (dev->spread) {
		const uint32_t dst = spread_address(flow);

		store_be32(frame + dev->dst_at - 2, dst);
		sum += (dst >> 16) + (dst & 0xffff);
	} else if (dev->dsts > 1) {
		frame[dev->dst_at] = (uint8_t)q->to;
		sum += q->to << 8;
		q->to = q->to + 1 == dev->dsts ? 0 : q->to + 1;
	}
	if (dev->imix) {
		len = imix_lengths[q->length];
		q->length = q->length + 1 == IMIX_CYCLE ? 0 : q->length + 1;
		store_be16(frame + dev->ip + 2, len - dev->ip);
		store_be16(frame + dev->ports_at + 4, len - dev->ports_at);
		sum += len - dev->ip;
	}
	if (!dev->is_ip6) {
		sum = (sum >> 16) + (sum & 0xffff);
		sum += sum >> 16;
		store_be16(frame + dev->ip + 10, ~sum);
	}

	desc->m = m;
	desc->len = len;
	desc->hash = hash;
}

static inline void
fill_metadata(const struct rx_queue *q, const struct rx_desc *desc)
{
	struct rte_mbuf *m = desc->m;

	memcpy((void *)&m->rearm_data, &q->rearm, sizeof(q->rearm));
	m->ol_flags =
	    RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_RSS_HASH;
	m->packet_type = q->packet_type;
	m->pkt_len = desc->len;
	m->data_len = (uint16_t)desc->len;
	m->vlan_tci = 0;
	m->hash.rss = desc->hash;
}

static uint16_t
flowgen_rx(void *queue, struct rte_mbuf **bufs, uint16_t n)
{
	struct rx_queue *q = queue;
	struct flowgen_stats *stats = stats_of(q->port);
	struct flowgen_counters *c = &stats->rx[q->queue];
	struct rte_mbuf *fresh[BURST_LIMIT];
	uint64_t bytes = 0;

	if (unlikely(!__atomic_load_n(&stats->open, __ATOMIC_RELAXED)))
		return 0;
	n = RTE_MIN(n, BURST_LIMIT);
	if (unlikely(rte_mempool_get_bulk(q->pool, (void **)fresh, n) < 0)) {
		c->no_mbuf++;
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct rx_desc *desc = &q->ring[q->head];

		rte_prefetch0(&q->ring[(q->head + 4) & q->mask].m->rearm_data);
		fill_metadata(q, desc);
		bytes += desc->len;
		bufs[i] = desc->m;
		post(q, desc, fresh[i]);
		q->head = (q->head + 1) & q->mask;
	}
	c->bytes += bytes;
	c->bursts++;
	c->thread = thread_id();
	c->packets += n;
	return n;
}

static uint16_t
flowgen_rx_nothing(void *queue, struct rte_mbuf **bufs, uint16_t n)
{
	(void)queue;
	(void)bufs;
	(void)n;
	return 0;
}

static inline void
give_back(struct rte_mempool *pool, struct rte_mbuf **run, uint32_t len)
{
	if (pool != NULL)
		rte_mempool_put_bulk(pool, (void *const *)run, len);
}

/* Frees what was sent a ring's length ago; NULL where the ring was not yet full. */
static inline void
free_sent(struct rte_mbuf **sent, uint32_t n)
{
	struct rte_mempool *pool = NULL;
	struct rte_mbuf *run[BURST_LIMIT];
	uint32_t len = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = sent[i];

		if (unlikely(m == NULL))
			continue;
		if (unlikely(m->nb_segs > 1)) {
			rte_pktmbuf_free(m);
			continue;
		}
		m = rte_pktmbuf_prefree_seg(m);
		if (unlikely(m == NULL))
			continue;
		if (unlikely(m->pool != pool)) {
			give_back(pool, run, len);
			pool = m->pool;
			len = 0;
		}
		run[len++] = m;
	}
	give_back(pool, run, len);
}

static void
take_sample(struct flowgen_stats *stats, const struct rte_mbuf *m)
{
	memcpy(stats->sample, rte_pktmbuf_mtod(m, const void *), RTE_MIN(m->data_len, SAMPLE_LEN));
	stats->sample_len = m->pkt_len;
}

static uint16_t
flowgen_tx(void *queue, struct rte_mbuf **bufs, uint16_t n)
{
	struct tx_queue *q = queue;
	struct flowgen_stats *stats = stats_of(q->port);
	struct flowgen_counters *c = &stats->tx[q->queue];
	struct rte_mbuf *sent[BURST_LIMIT];
	uint64_t bytes = 0;

	if (n == 0)
		return 0;
	n = RTE_MIN(n, BURST_LIMIT);
	if (unlikely(c->bursts % SAMPLE_EVERY == 0))
		take_sample(stats, bufs[0]);
	for (uint32_t i = 0; i < n; i++) {
		bytes += bufs[i]->pkt_len;
		sent[i] = q->ring[q->head];
		rte_prefetch0(&sent[i]->rearm_data);
		q->ring[q->head] = bufs[i];
		q->head = (q->head + 1) & q->mask;
	}
	free_sent(sent, n);
	c->bytes += bytes;
	c->bursts++;
	c->thread = thread_id();
	c->packets += n;
	return n;
}

/* --- setting up, in the primary ------------------------------------------- */

static int
flowgen_configure(struct rte_eth_dev *eth)
{
	(void)eth;
	return 0;
}

static int
flowgen_rx_queue_setup(struct rte_eth_dev *eth, uint16_t queue, uint16_t descriptors,
		       unsigned int socket, const struct rte_eth_rxconf *conf,
		       struct rte_mempool *pool)
{
	struct flowgen *dev = eth->data->dev_private;
	struct rx_queue *q = &dev->rx[queue];
	struct rte_mbuf m = {.nb_segs = 1, .data_off = RTE_PKTMBUF_HEADROOM};

	(void)descriptors;
	(void)socket;
	(void)conf;
	if (q->ring == NULL)
		q->ring = rte_zmalloc("flowgen", sizeof(*q->ring) * dev->ring, RTE_CACHE_LINE_SIZE);
	if (q->ring == NULL)
		return -ENOMEM;
	m.port = eth->data->port_id;
	rte_mbuf_refcnt_set(&m, 1);
	memcpy(&q->rearm, (const void *)&m.rearm_data, sizeof(q->rearm));
	q->dev = dev;
	q->pool = pool;
	q->mask = dev->ring - 1;
	q->flow = (uint32_t)((uint64_t)dev->flows * queue / QUEUES_MAX);
	q->order = q->flow;
	q->packet_type = RTE_PTYPE_L2_ETHER | RTE_PTYPE_L4_UDP;
	q->packet_type |=
	    dev->is_ip6 && dev->ip == RTE_ETHER_HDR_LEN ? RTE_PTYPE_L3_IPV6 : RTE_PTYPE_L3_IPV4;
	q->port = eth->data->port_id;
	q->queue = queue;
	eth->data->rx_queues[queue] = q;
	return 0;
}

static int
flowgen_tx_queue_setup(struct rte_eth_dev *eth, uint16_t queue, uint16_t descriptors,
		       unsigned int socket, const struct rte_eth_txconf *conf)
{
	struct flowgen *dev = eth->data->dev_private;
	struct tx_queue *q = &dev->tx[queue];

	(void)descriptors;
	(void)socket;
	(void)conf;
	if (q->ring == NULL)
		q->ring = rte_zmalloc("flowgen", sizeof(struct rte_mbuf *) * dev->ring,
				      RTE_CACHE_LINE_SIZE);
	if (q->ring == NULL)
		return -ENOMEM;
	q->mask = dev->ring - 1;
	q->port = eth->data->port_id;
	q->queue = queue;
	eth->data->tx_queues[queue] = q;
	return 0;
}

static int
flowgen_start(struct rte_eth_dev *eth)
{
	struct flowgen *dev = eth->data->dev_private;

	for (uint32_t i = 0; i < eth->data->nb_rx_queues; i++) {
		struct rx_queue *q = &dev->rx[i];

		for (uint32_t d = 0; d < dev->ring && !dev->sink; d++) {
			void *m;

			if (q->ring[d].m != NULL)
				continue;
			if (rte_mempool_get(q->pool, &m) < 0)
				return -ENOMEM;
			post(q, &q->ring[d], m);
		}
		eth->data->rx_queue_state[i] = RTE_ETH_QUEUE_STATE_STARTED;
	}
	for (uint32_t i = 0; i < eth->data->nb_tx_queues; i++)
		eth->data->tx_queue_state[i] = RTE_ETH_QUEUE_STATE_STARTED;
	eth->data->dev_link.link_status = RTE_ETH_LINK_UP;
	return 0;
}

static int
flowgen_stop(struct rte_eth_dev *eth)
{
	struct flowgen *dev = eth->data->dev_private;

	eth->data->dev_link.link_status = RTE_ETH_LINK_DOWN;
	for (uint32_t i = 0; i < QUEUES_MAX; i++) {
		struct rx_desc *rx = dev->rx[i].ring;
		struct rte_mbuf **tx = dev->tx[i].ring;

		for (uint32_t d = 0; d < dev->ring; d++) {
			if (rx != NULL && rx[d].m != NULL) {
				rte_mempool_put(dev->rx[i].pool, rx[d].m);
				rx[d].m = NULL;
			}
			if (tx != NULL) {
				rte_pktmbuf_free(tx[d]);
				tx[d] = NULL;
			}
		}
	}
	return 0;
}

static int
flowgen_close(struct rte_eth_dev *eth)
{
	struct flowgen *dev = eth->data->dev_private;

	if (eth->process_private != NULL)
		munmap(eth->process_private, sizeof(struct flowgen_stats));
	eth->process_private = NULL;
	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return 0;
	for (uint32_t i = 0; i < QUEUES_MAX; i++) {
		rte_free(dev->rx[i].ring);
		rte_free(dev->tx[i].ring);
		dev->rx[i].ring = NULL;
		dev->tx[i].ring = NULL;
	}
	eth->data->mac_addrs = NULL; /* lies in dev_private, which ethdev frees */
	return 0;
}

static int
flowgen_info(struct rte_eth_dev *eth, struct rte_eth_dev_info *info)
{
	const struct rte_eth_desc_lim limits = {.nb_max = RING_MAX, .nb_min = 32, .nb_align = 1};

	(void)eth;
	info->max_mac_addrs = 1;
	info->max_rx_pktlen = 9728;
	info->min_mtu = RTE_ETHER_MIN_MTU;
	info->max_mtu = 9000;
	info->max_rx_queues = QUEUES_MAX;
	info->max_tx_queues = QUEUES_MAX;
	info->rx_offload_capa = RTE_ETH_RX_OFFLOAD_CHECKSUM | RTE_ETH_RX_OFFLOAD_RSS_HASH;
	info->rx_queue_offload_capa = info->rx_offload_capa;
	info->tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	info->flow_type_rss_offloads = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP;
	info->hash_key_size = 40;
	info->reta_size = 128;
	info->rx_desc_lim = limits;
	info->tx_desc_lim = limits;
	info->default_rxportconf.burst_size = 32;
	info->default_txportconf.burst_size = 32;
	info->default_rxportconf.ring_size = RING_DEFAULT;
	info->default_txportconf.ring_size = RING_DEFAULT;
	return 0;
}

static int
flowgen_stats_get(struct rte_eth_dev *eth, struct rte_eth_stats *out)
{
	const struct flowgen_stats *stats = eth->process_private;

	for (uint32_t i = 0; i < QUEUES_MAX; i++) {
		out->ipackets += stats->rx[i].packets;
		out->ibytes += stats->rx[i].bytes;
		out->opackets += stats->tx[i].packets;
		out->obytes += stats->tx[i].bytes;
		out->rx_nombuf += stats->rx[i].no_mbuf;
	}
	return 0;
}

/* Everything arrives whatever is asked for, and the counters are the benchmark's own. */
static int
flowgen_accept(struct rte_eth_dev *eth)
{
	(void)eth;
	return 0;
}

static int
flowgen_link_update(struct rte_eth_dev *eth, int wait)
{
	(void)eth;
	(void)wait;
	return 0;
}

static int
flowgen_mtu_set(struct rte_eth_dev *eth, uint16_t mtu)
{
	(void)eth;
	(void)mtu;
	return 0;
}

static int
flowgen_mac_set(struct rte_eth_dev *eth, struct rte_ether_addr *mac)
{
	(void)eth;
	(void)mac;
	return 0;
}

static const uint32_t *
flowgen_ptypes(struct rte_eth_dev *eth)
{
	static const uint32_t types[] = {RTE_PTYPE_L2_ETHER, RTE_PTYPE_L3_IPV4, RTE_PTYPE_L3_IPV6,
					 RTE_PTYPE_L4_UDP, RTE_PTYPE_UNKNOWN};

	(void)eth;
	return types;
}

static const struct eth_dev_ops flowgen_ops = {
    .dev_configure = flowgen_configure,
    .dev_start = flowgen_start,
    .dev_stop = flowgen_stop,
    .dev_close = flowgen_close,
    .dev_infos_get = flowgen_info,
    .dev_supported_ptypes_get = flowgen_ptypes,
    .rx_queue_setup = flowgen_rx_queue_setup,
    .tx_queue_setup = flowgen_tx_queue_setup,
    .stats_get = flowgen_stats_get,
    .stats_reset = flowgen_accept,
    .promiscuous_enable = flowgen_accept,
    .promiscuous_disable = flowgen_accept,
    .allmulticast_enable = flowgen_accept,
    .allmulticast_disable = flowgen_accept,
    .link_update = flowgen_link_update,
    .mtu_set = flowgen_mtu_set,
    .mac_addr_set = flowgen_mac_set,
};

/* --- probing ---------------------------------------------------------------- */

enum {
	ARG_FRAME,
	ARG_IP,
	ARG_FLOWS,
	ARG_SHUFFLE,
	ARG_DSTS,
	ARG_SPREAD,
	ARG_IMIX,
	ARG_SINK,
	ARG_RING,
	ARG_STATS,
	ARG_CLOSED,
	ARG_MAC,
	ARGS,
};
static const char *const arg_names[ARGS + 1] = {"frame",  "ip",   "flows", "shuffle", "dsts",
						"spread", "imix", "sink",  "ring",    "stats",
						"closed", "mac",  NULL};

static int
number_read(const char *value, uint32_t min, uint32_t max, uint32_t *out)
{
	char *end;
	const unsigned long n = strtoul(value, &end, 0);

	if (*value == '\0' || *end != '\0' || n < min || n > max)
		return -EINVAL;
	*out = (uint32_t)n;
	return 0;
}

static int
path_read(const char *value, char *out, size_t size)
{
	return (size_t)snprintf(out, size, "%s", value) < size ? 0 : -ENAMETOOLONG;
}

static int
arg_read(const char *key, const char *value, void *opaque)
{
	struct flowgen *dev = opaque;
	int arg = 0;

	while (arg < ARGS && strcmp(key, arg_names[arg]) != 0)
		arg++;
	if (value == NULL)
		return -EINVAL;
	switch (arg) {
	case ARG_FRAME:
		return path_read(value, dev->frame_path, sizeof(dev->frame_path));
	case ARG_STATS:
		return path_read(value, dev->stats_path, sizeof(dev->stats_path));
	case ARG_FLOWS:
		return number_read(value, 1, 1U << 24, &dev->flows);
	case ARG_IP:
		return number_read(value, RTE_ETHER_HDR_LEN, HEADERS_MAX, &dev->ip);
	case ARG_SHUFFLE:
		return number_read(value, 0, 1, &dev->shuffle);
	case ARG_SPREAD:
		return number_read(value, 0, 1, &dev->spread);
	case ARG_DSTS:
		return number_read(value, 1, 256, &dev->dsts);
	case ARG_IMIX:
		return number_read(value, 0, 1, &dev->imix);
	case ARG_SINK:
		return number_read(value, 0, 1, &dev->sink);
	case ARG_CLOSED:
		return number_read(value, 0, 1, &dev->closed);
	case ARG_RING:
		if (number_read(value, 32, RING_MAX, &dev->ring) < 0 ||
		    !rte_is_power_of_2(dev->ring))
			return -EINVAL;
		return 0;
	case ARG_MAC:
		return rte_ether_unformat_addr(value, &dev->mac);
	default:
		return -EINVAL;
	}
}

/* Where in the frame is what varies, and what the IPv4 header sums up to without it. */
static int
frame_look(struct flowgen *dev)
{
	const uint8_t *ip = dev->frame + dev->ip;

	if (dev->ip >= dev->frame_len)
		return -EINVAL;
	dev->is_ip6 = *ip >> 4 == 6;
	dev->src_at = dev->ip + (dev->is_ip6 ? 20 : 12);
	dev->dst_at = dev->ip + (dev->is_ip6 ? 31 : 18);
	dev->ports_at = dev->ip + (dev->is_ip6 ? IP6_LEN : IP4_LEN);
	if (dev->ports_at + UDP_LEN > dev->frame_len)
		return -EINVAL;
	if (dev->is_ip6)
		return dev->imix || dev->spread ? -EINVAL : 0;
	for (uint32_t word = 0; word < IP4_LEN / 2; word++) {
		bool varies = word >= 5 && word <= 7;

		varies |= word == 1 && dev->imix;
		varies |= word >= 8 && dev->spread;
		if (!varies)
			dev->ip_sum += load_be32(ip + 2 * word) >> 16;
	}
	return 0;
}

static int
frame_read(struct flowgen *dev)
{
	FILE *file = fopen(dev->frame_path, "re");
	int rc;

	if (file == NULL)
		return -errno;
	dev->frame_len = (uint32_t)fread(dev->frame, 1, HEADERS_MAX, file);
	fclose(file);
	rc = frame_look(dev);
	if (rc < 0)
		return rc;
	if ((dev->dsts > 1 && dev->frame[dev->dst_at] != 0) ||
	    (dev->imix && dev->ip != RTE_ETHER_HDR_LEN))
		return -EINVAL;
	dev->src = load_be32(dev->frame + dev->src_at);
	dev->src_port = (uint16_t)(load_be32(dev->frame + dev->ports_at) >> 16);
	return 0;
}

/* Maps the file; 'dev' is given by whoever makes it. */
static int
stats_map(const char *path, const struct flowgen *dev, struct flowgen_stats **out)
{
	const int fd = open(path, O_RDWR | O_CLOEXEC | (dev != NULL ? O_CREAT | O_TRUNC : 0), 0644);
	struct flowgen_stats *stats;

	if (fd < 0)
		return -errno;
	if (dev != NULL && ftruncate(fd, sizeof(*stats)) < 0)
		stats = MAP_FAILED;
	else
		stats = mmap(NULL, sizeof(*stats), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (stats == MAP_FAILED)
		return -EIO;
	if (dev != NULL) {
		stats->tsc_hz = rte_get_tsc_hz();
		stats->open = !dev->closed;
		__atomic_store_n(&stats->magic, FLOWGEN_MAGIC, __ATOMIC_RELEASE);
	}
	*out = stats;
	return 0;
}

static int
device_init(struct flowgen *dev, const char *devargs, struct flowgen_stats **stats)
{
	struct rte_kvargs *args = rte_kvargs_parse(devargs, arg_names);
	int rc;

	if (args == NULL)
		return -EINVAL;
	dev->flows = 1;
	dev->dsts = 1;
	dev->ip = RTE_ETHER_HDR_LEN;
	dev->ring = RING_DEFAULT;
	rte_eth_random_addr(dev->mac.addr_bytes);
	rc = rte_kvargs_process(args, NULL, arg_read, dev);
	rte_kvargs_free(args);
	if (rc == 0 && !dev->sink)
		rc = frame_read(dev);
	if (rc == 0)
		rc = stats_map(dev->stats_path, dev, stats);
	return rc;
}

static void
functions_set(struct rte_eth_dev *eth)
{
	const struct flowgen *dev = eth->data->dev_private;

	eth->dev_ops = &flowgen_ops;
	eth->rx_pkt_burst = dev->sink ? flowgen_rx_nothing : flowgen_rx;
	eth->tx_pkt_burst = flowgen_tx;
}

static int
secondary_attach(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *eth = rte_eth_dev_attach_secondary(rte_vdev_device_name(vdev));
	const struct flowgen *dev;
	struct flowgen_stats *stats = NULL;
	int rc;

	if (eth == NULL)
		return -ENODEV;
	dev = eth->data->dev_private;
	rc = stats_map(dev->stats_path, NULL, &stats);
	if (rc < 0) {
		rte_eth_dev_release_port(eth);
		return rc;
	}
	eth->device = &vdev->device;
	eth->process_private = stats;
	functions_set(eth);
	rte_eth_dev_probing_finish(eth);
	return 0;
}

static int
flowgen_probe(struct rte_vdev_device *vdev)
{
	const char *devargs = rte_vdev_device_args(vdev);
	struct rte_eth_dev *eth;
	struct flowgen *dev;
	struct flowgen_stats *stats = NULL;
	int rc;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return secondary_attach(vdev);

	if (vdev->device.numa_node == SOCKET_ID_ANY)
		vdev->device.numa_node = 0;
	eth = rte_eth_vdev_allocate(vdev, sizeof(*dev));
	if (eth == NULL)
		return -ENOMEM;
	dev = eth->data->dev_private;
	rc = device_init(dev, devargs != NULL ? devargs : "", &stats);
	if (rc < 0) {
		fprintf(stderr, "%s: bad arguments '%s': %s\n", rte_vdev_device_name(vdev), devargs,
			strerror(-rc));
		rte_eth_dev_release_port(eth);
		return rc;
	}
	eth->process_private = stats;
	eth->data->nb_rx_queues = 1;
	eth->data->nb_tx_queues = 1;
	eth->data->mac_addrs = &dev->mac;
	eth->data->promiscuous = 1;
	eth->data->dev_flags |= RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
	eth->data->dev_link = (struct rte_eth_link){
	    .link_speed = RTE_ETH_SPEED_NUM_100G,
	    .link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
	    .link_autoneg = RTE_ETH_LINK_FIXED,
	    .link_status = RTE_ETH_LINK_UP,
	};
	functions_set(eth);
	rte_eth_dev_probing_finish(eth);
	return 0;
}

static int
flowgen_remove(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *eth = rte_eth_dev_allocated(rte_vdev_device_name(vdev));

	if (eth == NULL)
		return 0;
	flowgen_close(eth);
	return rte_eth_dev_release_port(eth);
}

static struct rte_vdev_driver flowgen_driver = {
    .probe = flowgen_probe,
    .remove = flowgen_remove,
};

RTE_PMD_REGISTER_VDEV(net_flowgen, flowgen_driver);
RTE_PMD_REGISTER_PARAM_STRING(
    net_flowgen,
    "frame=<file> ip=<int> flows=<int> shuffle=0|1 dsts=<int> spread=0|1 imix=0|1 sink=0|1 "
    "ring=<int> stats=<file> closed=0|1 mac=<mac>");

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports that are DPDK devices; see device_port.h.
 *
 * A bond configures, starts and polls its members itself. So a member is only attached here, and a
 * port of the table whose queues nobody uses; the bond is made after it, and removed before.
 */
#include "primary/device_port.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "common/hand_inventory.h"
#include "primary/primary.h"

#define LOG_MODULE "port"
#include "common/log.h"

enum {
	DEVARGS_MAX = 127, /* of DPDK's hot-plug requests */
	DESCRIPTORS = 1024,
	ETHER_HEADER = 14,
	RINGS_MAX = 16, /* of a net_ring */
};

enum poller { POLLER_WORKERS, POLLER_PEER, POLLER_IO, POLLER_PATIENT, POLLER_NOBODY };

struct driver {
	const char *name;
	enum port_hold hold;
	enum poller poller;
	const char *why_not;
};

static const struct driver drivers[] = {
#define DRIVER(name, hold, poller, why_not) {name, PORT_HOLD_##hold, POLLER_##poller, why_not},
#include "primary/drivers.def"
#undef DRIVER
};

static const char bond_driver[] = "net_bonding";
static const char bond_member[] = "slave="; /* its argument */

bool
device_is_pci(const char *devargs)
{
	if (strncmp(devargs, "vdev:", 5) == 0)
		return false;
	return strncmp(devargs, "pci:", 4) == 0 || strspn(devargs, "0123456789abcdefABCDEF:.") >= 7;
}

/* By the driver's name, or by that of a virtual device ("net_null0"; "eth_" is its older form). */
static const struct driver *
driver_find(const char *name, bool whole)
{
	const char *stem = strncmp(name, "eth_", 4) == 0   ? name + 4
			   : strncmp(name, "net_", 4) == 0 ? name + 4
							   : name;

	for (unsigned int i = 0; i < RTE_DIM(drivers); i++) {
		const char *known = drivers[i].name + 4;
		size_t len = strlen(known);

		if (strncmp(stem, known, len) == 0 && (!whole || stem[len] == '\0'))
			return &drivers[i];
	}
	return NULL;
}

static int
driver_check(const char *devargs, const struct driver *d, struct fault *f)
{
	if (d == NULL || d->poller != POLLER_NOBODY)
		return 0;
	return fault_set(f, ENOTSUP, "%s: nobody polls %s: %s", devargs, d->name, d->why_not);
}

/* The device's name: devargs without bus and arguments. */
static void
device_name(const char *devargs, char *name, size_t size)
{
	const char *start = strncmp(devargs, "vdev:", 5) == 0  ? devargs + 5
			    : strncmp(devargs, "pci:", 4) == 0 ? devargs + 4
							       : devargs;

	snprintf(name, size, "%.*s", (int)strcspn(start, ","), start);
}

static const struct driver *
driver_of(const char *devargs)
{
	char name[RTE_DEV_NAME_MAX_LEN];

	device_name(devargs, name, sizeof(name));
	return driver_find(name, false);
}

static bool
is_io(const struct driver *d)
{
	return d != NULL && (d->poller == POLLER_IO || d->poller == POLLER_PATIENT);
}

bool
device_is_io(const char *devargs)
{
	return is_io(driver_of(devargs));
}

bool
device_is_patient(const char *devargs)
{
	const struct driver *d = driver_of(devargs);

	return d != NULL && d->poller == POLLER_PATIENT;
}

static bool
device_has_peer(const char *devargs)
{
	const struct driver *d = driver_of(devargs);

	return d != NULL && d->poller == POLLER_PEER;
}

bool
device_is_bond(const char *devargs)
{
	const struct driver *d = driver_of(devargs);

	return d != NULL && strcmp(d->name, bond_driver) == 0;
}

/* The next member a bond's devargs name after 'from', and where its name ends; NULL: no more. */
static const char *
member_next(const char *from, size_t *len)
{
	const char *member;

	for (member = strchr(from, ','); member != NULL; member = strchr(member, ','))
		if (strncmp(++member, bond_member, sizeof(bond_member) - 1) == 0) {
			member += sizeof(bond_member) - 1;
			*len = strcspn(member, ",");
			return member;
		}
	return NULL;
}

static bool
is_called(const char *name, const char *devargs, const char *text, size_t len)
{
	char device[RTE_DEV_NAME_MAX_LEN];

	device_name(devargs, device, sizeof(device));
	return (strlen(name) == len && memcmp(name, text, len) == 0) ||
	       (strlen(device) == len && memcmp(device, text, len) == 0);
}

bool
device_bond_has(const char *bond, const char *name, const char *devargs)
{
	size_t len;

	if (!device_is_bond(bond))
		return false;
	for (const char *m = member_next(bond, &len); m != NULL; m = member_next(m, &len))
		if (is_called(name, devargs, m, len))
			return true;
	return false;
}

static const struct port *
member_port(const struct primary *p, const char *text, size_t len)
{
	for (uint32_t i = 0; i < p->ports->n; i++) {
		const struct port *port = &p->ports->p[i];

		if (port->state != PORT_FREE && port->kind == PORT_DEVICE &&
		    is_called(port->name, port->devargs, text, len))
			return port;
	}
	return NULL;
}

/* A bond's devargs as DPDK takes them: with the devices of the ports they name as members. */
static int
bond_devargs(const struct primary *p, const char *devargs, char *out, size_t size, struct fault *f)
{
	size_t n = 0, len;
	const char *m, *from = devargs;

	for (m = member_next(devargs, &len); m != NULL; m = member_next(m, &len)) {
		const struct port *port = member_port(p, m, len);
		char device[RTE_DEV_NAME_MAX_LEN];

		if (port == NULL)
			return fault_set(f, ENOENT, "%s: there is no port %.*s to be its member",
					 devargs, (int)len, m);
		if ((port->flags & PORT_MEMBER) == 0)
			return fault_set(
			    f, EBUSY,
			    "%s: port %s is in use by itself; a bond whose members are "
			    "not set aside at start must be in the configuration too",
			    devargs, port->name);
		device_name(port->devargs, device, sizeof(device));
		if (n < size)
			n += (size_t)snprintf(out + n, size - n, "%.*s%s", (int)(m - from), from,
					      device);
		from = m + len;
	}
	if (n < size)
		n += (size_t)snprintf(out + n, size - n, "%s", from);
	if (n >= size)
		return fault_set(f, E2BIG, "%s: with its members' devices longer than %zu", devargs,
				 size - 1);
	return 0;
}

static int
eth_port_of(const char *devargs, uint16_t *eth_port, struct rte_eth_dev_info *info)
{
	char name[RTE_DEV_NAME_MAX_LEN];
	uint16_t i;

	device_name(devargs, name, sizeof(name));
	RTE_ETH_FOREACH_DEV (i) {
		const char *dev;

		if (rte_eth_dev_info_get(i, info) != 0 || info->device == NULL)
			continue;
		dev = rte_dev_name(info->device);
		if (strcmp(dev, name) == 0 ||
		    (device_is_pci(devargs) && strstr(dev, name) != NULL)) {
			*eth_port = i;
			return 0;
		}
	}
	return -ENODEV;
}

static bool
is_in_use(const struct primary *p, uint16_t eth_port)
{
	for (uint32_t i = 0; i < p->ports->n; i++)
		if (p->ports->p[i].state != PORT_FREE && p->ports->p[i].kind == PORT_DEVICE &&
		    p->hs->port_run[i].eth_port == eth_port &&
		    (p->hs->port_run[i].n_rxq > 0 || p->hs->port_run[i].poller == PORT_BY_BOND))
			return true;
	return false;
}

static void
log_virtual_function(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.32s/physfn", name);
	if (access(path, F_OK) == 0)
		log_info("%s is an SR-IOV virtual function", name);
}

/*
 * More queues make one thread no faster, but all that were asked for in the device's arguments may
 * get packets.
 */
static uint32_t
io_queues(const char *devargs, uint32_t max)
{
	const struct driver *d = driver_of(devargs);
	bool has_its_number = strcmp(d->name, bond_driver) != 0 &&
			      strcmp(d->name, "net_tap") != 0 && strcmp(d->name, "net_tun") != 0;

	return has_its_number ? max : 1;
}

static int
queues_choose(const struct primary *p, const char *devargs, const struct rte_eth_dev_info *info,
	      uint32_t asked, uint32_t *queues, struct fault *f)
{
	uint32_t max = RTE_MIN(info->max_rx_queues, info->max_tx_queues);

	if (max > PORT_QUEUES_MAX)
		max = PORT_QUEUES_MAX;
	if (asked > max)
		return fault_set(f, ERANGE, "%s: %u queues are more than the %u it has", devargs,
				 asked, max);
	if (device_is_io(devargs)) {
		*queues = asked > 0 ? asked : io_queues(devargs, max);
		return 0;
	}
	if (device_has_peer(devargs)) {
		*queues = asked > 0 ? asked : 1;
		return 0;
	}
	*queues = asked > 0 ? asked : RTE_MIN(max, p->slots->n);
	if (max == 1 && p->slots->n > 1)
		log_notice(
		    "%s has one queue: one slot polls it and the others transmit through that one",
		    devargs);
	return 0;
}

static void
conf_fill(struct rte_eth_conf *c, const struct rte_eth_dev_info *info, uint32_t queues,
	  uint32_t mtu)
{
	const uint64_t rx = RTE_ETH_RX_OFFLOAD_CHECKSUM;
	const uint64_t tx = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
			    RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO |
			    RTE_ETH_TX_OFFLOAD_MULTI_SEGS;

	memset(c, 0, sizeof(*c));
	c->rxmode.offloads = rx & info->rx_offload_capa;
	c->txmode.offloads = tx & info->tx_offload_capa;
	if (mtu != 0)
		c->rxmode.mtu = mtu - ETHER_HEADER;
	if (queues > 1) {
		c->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		c->rx_adv_conf.rss_conf.rss_hf =
		    info->flow_type_rss_offloads &
		    (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
		if (c->rx_adv_conf.rss_conf.rss_hf == 0)
			c->rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
	}
}

static int
configure(struct primary *p, uint16_t eth_port, const char *devargs,
	  const struct rte_eth_dev_info *info, uint32_t queues, uint32_t mtu, struct fault *f)
{
	uint16_t rx_desc = DESCRIPTORS, tx_desc = DESCRIPTORS;
	struct rte_eth_conf conf;
	int rc;

	conf_fill(&conf, info, queues, mtu);
	rc = rte_eth_dev_configure(eth_port, (uint16_t)queues, (uint16_t)queues, &conf);
	if (rc < 0)
		return fault_set(f, -rc, "%s: cannot be configured with %u queues: %s", devargs,
				 queues, rte_strerror(-rc));
	rc = rte_eth_dev_adjust_nb_rx_tx_desc(eth_port, &rx_desc, &tx_desc);
	for (uint16_t q = 0; rc >= 0 && q < queues; q++)
		rc = rte_eth_rx_queue_setup(eth_port, q, rx_desc, SOCKET_ID_ANY, NULL,
					    p->hs->pools[0]);
	for (uint16_t q = 0; rc >= 0 && q < queues; q++)
		rc = rte_eth_tx_queue_setup(eth_port, q, tx_desc, SOCKET_ID_ANY, NULL);
	if (rc < 0)
		return fault_set(f, -rc, "%s: queues cannot be set up: %s", devargs,
				 rte_strerror(-rc));
	rc = rte_eth_dev_start(eth_port);
	if (rc < 0)
		return fault_set(f, -rc, "%s: cannot be started: %s", devargs, rte_strerror(-rc));
	rc = rte_eth_promiscuous_enable(eth_port);
	if (rc < 0 && rc != -ENOTSUP)
		log_warning("%s: no promiscuous mode: %s", devargs, rte_strerror(-rc));
	return 0;
}

/* net_ring keeps its packets in named rings, which a repair and an audit look into. */
static void
rings_find(struct port_run *run, const char *devargs)
{
	char device[RTE_DEV_NAME_MAX_LEN], name[RTE_DEV_NAME_MAX_LEN + 32];

	device_name(devargs, device, sizeof(device));
	for (uint32_t q = 0; q < run->n_rxq; q++) {
		snprintf(name, sizeof(name), "ETH_RXTX%u_%s", q, device);
		run->rx_ring[q] = rte_ring_lookup(name);
		run->tx_ring[q] = run->rx_ring[q];
		if (run->rx_ring[q] == NULL)
			log_warning("%s: ring %s is not there", devargs, name);
	}
}

static void
run_fill(struct port_run *run, uint16_t eth_port, const char *devargs, const char *driver,
	 uint32_t queues)
{
	const struct driver *d = driver_find(driver, true);
	struct rte_eth_conf conf;

	memset(run, 0, sizeof(*run));
	run->eth_port = eth_port;
	run->hold = d == NULL ? PORT_HOLD_RETAINS : d->hold;
	run->n_rxq = queues;
	run->n_txq = queues;
	run->flags = d != NULL && d->poller == POLLER_PEER ? PORT_RUN_PEER : 0;
	run->poller = is_io(d) ? PORT_BY_IO : PORT_BY_WORKERS;
	if (rte_eth_dev_conf_get(eth_port, &conf) == 0)
		run->tx_offloads = conf.txmode.offloads;
	for (uint32_t q = 0; q < queues; q++) {
		run->rxq[q] = rte_eth_fp_ops[eth_port].rxq.data[q];
		run->txq[q] = rte_eth_fp_ops[eth_port].txq.data[q];
	}
	if (run->hold == PORT_HOLD_RING)
		rings_find(run, devargs);
}

static int
attach(const char *devargs, struct fault *f)
{
	int rc;

	if (strlen(devargs) > DEVARGS_MAX)
		return fault_set(f, E2BIG, "'%.32s...': longer than %d characters", devargs,
				 DEVARGS_MAX);
	rc = rte_dev_probe(devargs);
	/* One on the allow list is there since EAL's start. */
	if (rc < 0 && rc != -EEXIST)
		return fault_set(f, -rc, "%s: cannot be attached: %s%s", devargs, rte_strerror(-rc),
				 device_is_pci(devargs)
				     ? "; a PCI device must be named in the configuration (port)"
				     : "");
	return 0;
}

static void
detach(uint16_t eth_port, const char *devargs)
{
	struct rte_eth_dev_info info;
	int rc;

	if (rte_eth_dev_info_get(eth_port, &info) != 0)
		return;
	rc = rte_dev_remove(info.device);
	if (rc < 0)
		log_error("%s: cannot be detached: %s", devargs, rte_strerror(-rc));
}

/* Its bond does all the rest. */
static void
member_fill(struct port_run *run, uint16_t eth_port, struct port *port)
{
	memset(run, 0, sizeof(*run));
	run->eth_port = eth_port;
	run->poller = PORT_BY_BOND;
	port->queues = 0;
}

int
device_port_add(struct primary *p, uint32_t index, const char *devargs, uint32_t queues,
		uint32_t mtu, struct port *port, struct fault *f)
{
	struct port_run *run = &p->hs->port_run[index];
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	char name[RTE_DEV_NAME_MAX_LEN], bond[sizeof(port->devargs)];
	uint16_t eth_port, now_mtu;
	int rc;

	if (device_is_bond(devargs)) {
		rc = bond_devargs(p, devargs, bond, sizeof(bond), f);
		if (rc < 0)
			return rc;
		devargs = bond;
	}
	device_name(devargs, name, sizeof(name));
	rc = driver_check(devargs, driver_find(name, false), f);
	if (rc < 0)
		return rc;
	rc = attach(devargs, f);
	if (rc < 0)
		return rc;
	rc = eth_port_of(devargs, &eth_port, &info);
	if (rc < 0)
		return fault_set(f, ENODEV, "%s: is no network device", devargs);
	if (is_in_use(p, eth_port))
		return fault_set(f, EEXIST, "%s: is another port's device already", devargs);
	rc = driver_check(devargs, driver_find(info.driver_name, true), f);
	if (rc < 0)
		goto detach;
	log_virtual_function(name);
	if ((port->flags & PORT_MEMBER) != 0) {
		member_fill(run, eth_port, port);
		return 0;
	}
	rc = queues_choose(p, devargs, &info, queues, &queues, f);
	if (rc < 0)
		goto detach;
	rc = configure(p, eth_port, devargs, &info, queues, mtu, f);
	if (rc < 0)
		goto stop;
	run_fill(run, eth_port, devargs, info.driver_name, queues);
	port->queues = queues;
	port->mtu = mtu;
	if (mtu == 0 && rte_eth_dev_get_mtu(eth_port, &now_mtu) == 0)
		port->mtu = now_mtu + ETHER_HEADER;
	if (rte_eth_macaddr_get(eth_port, &mac) == 0)
		memcpy(port->mac, mac.addr_bytes, sizeof(port->mac));
	return 0;

stop:
	rte_eth_dev_stop(eth_port);
detach:
	detach(eth_port, devargs);
	return rc;
}

/* What no driver frees: packets still in rings that are about to go. */
static void
rings_drain(const struct port_run *run)
{
	void *objs[BURST_MAX];

	for (uint32_t q = 0; q < run->n_rxq; q++) {
		unsigned int n;

		if (run->rx_ring[q] == NULL)
			continue;
		while ((n = rte_ring_dequeue_burst(run->rx_ring[q], objs, BURST_MAX, NULL)) > 0)
			rte_pktmbuf_free_bulk((struct rte_mbuf **)objs, n);
	}
}

/* The driver makes more rings than queues, and leaves those that it does not use. */
static void
rings_free(const char *devargs)
{
	char device[RTE_DEV_NAME_MAX_LEN], name[RTE_DEV_NAME_MAX_LEN + 32];

	device_name(devargs, device, sizeof(device));
	for (unsigned int i = 0; i < RINGS_MAX; i++) {
		snprintf(name, sizeof(name), "ETH_RXTX%u_%s", i, device);
		rte_ring_free(rte_ring_lookup(name));
	}
}

/* Never close first: other processes would keep a port without a device behind it. */
void
device_port_remove(struct primary *p, uint32_t index, bool detach_too)
{
	struct port_run *run = &p->hs->port_run[index];
	const char *devargs = p->ports->p[index].devargs;
	struct hand_repair r = {0};
	uint16_t eth_port = (uint16_t)run->eth_port;
	int rc;

	rc = rte_eth_dev_stop(eth_port);
	if (rc < 0)
		log_warning("%s: cannot be stopped: %s", devargs, rte_strerror(-rc));
	rings_drain(run);
	if (detach_too)
		detach(eth_port, devargs);
	if (detach_too && run->hold == PORT_HOLD_RING)
		rings_free(devargs);
	memset(run, 0, sizeof(*run));
	if (!detach_too)
		return;
	quarantine_release(p->hs, (uint16_t)index, &r);
	if (r.freed > 0)
		log_info("%s: %u quarantined mbufs are free again", devargs, r.freed);
}

bool
device_port_link(const struct port_run *run, uint32_t *mbps)
{
	struct rte_eth_link link;

	*mbps = 0;
	if (rte_eth_link_get_nowait((uint16_t)run->eth_port, &link) != 0)
		return false;
	if (link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		*mbps = link.link_speed;
	return link.link_status == RTE_ETH_LINK_UP;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Which devices with a peer may be used. See links.h. */
#include "fwd-worker/links.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_ethdev.h>

#include <urcu/urcu-qsbr.h>

#define LOG_MODULE "port"
#include "common/log.h"

struct links {
	uint32_t n_ports;
	uint64_t version;
	uint8_t up[]; /* [n_ports] */
};

struct links *
links_create(uint32_t n_ports)
{
	struct links *l = calloc(1, sizeof(*l) + n_ports);

	if (l == NULL)
		return NULL;
	l->n_ports = n_ports;
	l->version = 1;
	return l;
}

static void
set(struct links *l, uint32_t port, bool up)
{
	__atomic_store_n(&l->up[port], up, __ATOMIC_RELEASE);
	__atomic_add_fetch(&l->version, 1, __ATOMIC_ACQ_REL);
}

/* DPDK maps or unmaps what belongs to the link as it is now. */
static bool
ask(const struct port_run *run)
{
	struct rte_eth_link link;

	return rte_eth_link_get_nowait((uint16_t)run->eth_port, &link) == 0 &&
	       link.link_status == RTE_ETH_LINK_UP;
}

static int
look_at(struct links *l, uint32_t i, bool present, const struct port *port,
	const struct port_run *run)
{
	bool up = present && __atomic_load_n(&port->link_up, __ATOMIC_ACQUIRE) != 0;

	if (up == (l->up[i] != 0))
		return 0;
	if (up) {
		if (ask(run))
			set(l, i, true);
		return 0;
	}
	set(l, i, false);
	urcu_qsbr_synchronize_rcu();
	if (!present || !ask(run))
		return 0;
	log_notice("port %s: its peer came back at once", port->name);
	return -ESTALE;
}

int
links_look(struct links *l, const struct ports *ports, const struct port_run *run)
{
	int rc = 0, n = 0;

	for (uint32_t i = 0; rc == 0 && i < ports->n && i < l->n_ports; i++) {
		const struct port *port = &ports->p[i];
		bool present = __atomic_load_n(&port->state, __ATOMIC_ACQUIRE) == PORT_ACTIVE &&
			       port->kind == PORT_DEVICE && (run[i].flags & PORT_RUN_PEER) != 0 &&
			       rte_eth_dev_is_valid_port((uint16_t)run[i].eth_port);

		if (present || l->up[i] != 0)
			rc = look_at(l, i, present, port, &run[i]);
		n += present;
	}
	return rc < 0 ? rc : n;
}

uint64_t
links_version(const struct links *l)
{
	return __atomic_load_n(&l->version, __ATOMIC_ACQUIRE);
}

bool
links_up(const struct links *l, uint32_t port)
{
	return port < l->n_ports && __atomic_load_n(&l->up[port], __ATOMIC_ACQUIRE) != 0;
}

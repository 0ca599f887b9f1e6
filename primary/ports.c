/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making, publishing and removing ports; see ports.h.
 *
 * A removal goes through steps, one per look: REMOVING is published, every slot that lives has seen
 * it, the port is torn down, a tap's interface is gone, the entry is free and control has its
 * answer.
 */
#include "primary/ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/guest.h"
#include "primary/device_port.h"
#include "primary/io.h"
#include "primary/peers.h"
#include "primary/tap_port.h"
#include "primary/token.h"

#define LOG_MODULE "port"
#include "common/log.h"

enum {
	REQUESTS_MAX = 1024,
	ACK_MS = 2000,    /* a slot whose heart beats but that does not look at ports is broken */
	VANISH_MS = 1000, /* workers close a tap's descriptors within this */
	MTU_MIN = 82,     /* an interface's least, 68, and the Ethernet header */
	MTU_MAX = 65535,
};

enum step { STEP_NONE, STEP_ACK, STEP_VANISH, STEP_MOVE };

/* What of a port is this process' alone. */
struct local {
	int fds[PORT_QUEUES_MAX];
	uint32_t n_fds;
	enum step step;   /* of a removal, or a move */
	uint64_t version; /* of the table, that says REMOVING, or MOVING */
	uint32_t agent;   /* to move to */
	uint64_t since_ms;
	process_key asked_by; /* 0: nobody waits for an answer */
	uint32_t serial;
};

struct request {
	process_key asked_by;
	struct process_msg m;
};

struct port_set {
	uint32_t n_requests, first_request;
	struct request requests[REQUESTS_MAX];
	uint32_t n_removals;
	struct local local[];
};

struct port_set *
ports_create(struct primary *p, struct fault *f)
{
	struct port_set *s = calloc(1, sizeof(*s) + p->ports->n * sizeof(s->local[0]));

	if (s == NULL)
		fault_set(f, ENOMEM, "no memory for %u ports", p->ports->n);
	return s;
}

void
ports_destroy(struct primary *p)
{
	free(p->port_set);
	p->port_set = NULL;
}

/* --- publishing --------------------------------------------------------------------------------
 */

static void
publish(struct primary *p, struct port *port, enum port_state state)
{
	__atomic_store_n(&port->state, (uint32_t)state, __ATOMIC_RELEASE);
	__atomic_store_n(&p->hs->ports_version, p->hs->ports_version + 1, __ATOMIC_RELEASE);
	peers_event(p);
}

static void
answer(struct primary *p, process_key asked_by, uint32_t serial, uint32_t port,
       const struct fault *f)
{
	struct peer *peer = asked_by == 0 ? NULL : peer_by_key(p, asked_by);
	struct process_msg m = {.magic = PROCESS_MAGIC, .type = MSG_PORT_REPLY};

	if (peer == NULL)
		return;
	m.port_reply.serial = serial;
	m.port_reply.code = f->code;
	m.port_reply.port = port;
	snprintf(m.port_reply.text, sizeof(m.port_reply.text), "%s", f->text);
	if (peer_send(peer, &m, -1) < 0)
		log_warning("control does not read; the answer about port %u is lost", port);
}

/* --- queues and slots ---------------------------------------------------------------------------
 */

/* Queue i of the new port goes to the slot with the fewest queues so far. */
static void
slots_assign(struct primary *p, struct port *port, int32_t first_slot)
{
	uint32_t queues[SLOTS_MAX] = {0};
	uint32_t n = p->slots->n;

	for (uint32_t i = 0; i < p->ports->n; i++) {
		const struct port *other = &p->ports->p[i];

		if (other == port || other->state == PORT_FREE)
			continue;
		for (uint32_t q = 0; q < other->queues && q < PORT_QUEUES_MAX; q++)
			if (other->rx_slot[q] < n)
				queues[other->rx_slot[q]]++;
	}
	for (uint32_t q = 0; q < port->queues; q++) {
		uint32_t best = 0;

		for (uint32_t s = 1; s < n; s++)
			if (queues[s] < queues[best])
				best = s;
		if (q == 0 && first_slot >= 0)
			best = (uint32_t)first_slot;
		port->rx_slot[q] = (uint8_t)best;
		queues[best]++;
	}
}

/* --- making -------------------------------------------------------------------------------------
 */

static int
free_entry(struct primary *p, const char *name, uint32_t *index, struct fault *f)
{
	uint32_t found = UINT32_MAX;

	for (uint32_t i = 0; i < p->ports->n; i++) {
		const struct port *port = &p->ports->p[i];

		if (port->state == PORT_FREE && p->port_set->local[i].step == STEP_NONE) {
			found = found == UINT32_MAX ? i : found;
			continue;
		}
		if (strncmp(port->name, name, NAME_LEN) == 0)
			return fault_set(f, EEXIST, "port %s is there already, number %u", name, i);
	}
	if (found == UINT32_MAX)
		return fault_set(f, ENOSPC, "all %u ports are in use (vifs)", p->ports->n);
	*index = found;
	return 0;
}

/* Descriptors of a tap that older workers kept alive while there was no primary. */
static uint32_t
tap_rescue(struct primary *p, const struct port *port, int *fds)
{
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = peer_at(p, i);
		uint32_t n;

		if (peer == NULL || peer->state != PEER_OLD)
			continue;
		n = tap_port_rescue(peer->pid, peer->pidfd, port->name, fds, port->queues);
		if (n == port->queues)
			return n;
		while (n-- > 0)
			close(fds[n]);
	}
	return 0;
}

static int
tap_make(struct primary *p, uint32_t index, bool again, struct fault *f)
{
	struct port *port = &p->ports->p[index];
	struct local *l = &p->port_set->local[index];
	struct port_run *run = &p->hs->port_run[index];
	int rc = 0;

	if (port->queues == 0)
		port->queues = 1;
	if (port->queues > PORT_QUEUES_MAX)
		return fault_set(f, ERANGE, "%u queues are more than %d", port->queues,
				 PORT_QUEUES_MAX);
	if (port->mtu == 0)
		port->mtu = TAP_MTU_DEFAULT;
	l->n_fds = again ? tap_rescue(p, port, l->fds) : 0;
	if (l->n_fds == 0) {
		rc = tap_port_open(port->name, port->queues, port->mtu,
				   (port->flags & PORT_HOST) != 0 ? port->mac : NULL, !again,
				   l->fds, f);
		if (rc < 0)
			return rc;
		l->n_fds = port->queues;
	} else {
		log_info("tap %s: taken over from a living worker", port->name);
	}
	memset(run, 0, sizeof(*run));
	run->eth_port = UINT32_MAX;
	run->hold = PORT_HOLD_NONE;
	run->n_rxq = port->queues;
	run->n_txq = port->queues;
	port->link_up = tap_port_link(port->name);
	return 0;
}

/* Nothing of a guest's port is ours: its agent reads the table. */
static int
vhost_make(struct primary *p, uint32_t index, struct fault *f)
{
	struct port *port = &p->ports->p[index];
	struct port_run *run = &p->hs->port_run[index];

	if (port->queues == 0)
		port->queues = 1;
	if (port->queues > PORT_QUEUES_MAX)
		return fault_set(f, ERANGE, "%u queues are more than %d", port->queues,
				 PORT_QUEUES_MAX);
	if (port->agent >= p->hs->n_agents)
		return fault_set(f, ENOENT, "agent %u is not among the %u configured (agents)",
				 port->agent, p->hs->n_agents);
	port->flags &= ~(uint32_t)PORT_MOVING;
	memset(run, 0, sizeof(*run));
	run->eth_port = UINT32_MAX;
	run->hold = PORT_HOLD_NONE;
	run->n_rxq = port->queues;
	run->n_txq = port->queues;
	port->link_up = 0;
	return 0;
}

static int
port_make(struct primary *p, uint32_t index, bool again, struct fault *f)
{
	struct port *port = &p->ports->p[index];
	uint32_t mbps;
	int rc;

	if (port->kind == PORT_TAP)
		return tap_make(p, index, again, f);
	if (port->kind == PORT_VHOST)
		return vhost_make(p, index, f);
	rc = device_port_add(p, index, port->devargs, port->queues, port->mtu, port, f);
	if (rc < 0)
		return rc;
	if (p->hs->port_run[index].poller == PORT_BY_IO) {
		rc = io_start(p->io, f);
		if (rc < 0) {
			device_port_remove(p, index, true);
			return rc;
		}
	}
	port->link_up = device_port_link(&p->hs->port_run[index], &mbps);
	port->link_mbps = mbps;
	return 0;
}

static void
mac_choose(uint8_t *mac)
{
	static const uint8_t none[6];

	if (memcmp(mac, none, sizeof(none)) != 0)
		return;
	if (getrandom(mac, 6, 0) != 6)
		memset(mac, 0x5a, 6);
	mac[0] = (uint8_t)((mac[0] & 0xfc) | 2); /* locally administered, one station */
}

static int
request_check(struct primary *p, const struct process_msg *m, int32_t *slot, struct fault *f)
{
	int rc;

	*slot = -1;
	if (m->port_add.kind >= PORT_KINDS)
		return fault_set(f, EINVAL, "%u is no kind of port", m->port_add.kind);
	if (strnlen(m->port_add.name, NAME_LEN) == NAME_LEN || m->port_add.name[0] == '\0')
		return fault_set(f, EINVAL, "a port needs a name of 1 to %d characters",
				 NAME_LEN - 1);
	if (m->port_add.mtu != 0 && (m->port_add.mtu < MTU_MIN || m->port_add.mtu > MTU_MAX))
		return fault_set(f, ERANGE, "MTU %u is not between %d and %d", m->port_add.mtu,
				 MTU_MIN, MTU_MAX);
	if (m->port_add.slot >= 0) {
		*slot = slot_index(p->slots, (uint32_t)m->port_add.slot);
		if (*slot < 0)
			return fault_set(f, ENOENT, "slot %d is not configured", m->port_add.slot);
	}
	if (m->port_add.kind == PORT_TAP) {
		rc = tap_port_name_check(m->port_add.name, f);
		if (rc < 0)
			return rc;
	} else if (strnlen(m->port_add.devargs, sizeof(m->port_add.devargs)) ==
		       sizeof(m->port_add.devargs) ||
		   m->port_add.devargs[0] == '\0') {
		return fault_set(f, EINVAL, "port %s needs the %s", m->port_add.name,
				 m->port_add.kind == PORT_VHOST ? "path of a socket"
								: "devargs of a device");
	}
	return 0;
}

static int
port_add(struct primary *p, const struct process_msg *m, uint32_t *index, struct fault *f)
{
	struct guest_note *note;
	struct port *port;
	int32_t slot;
	int rc;

	rc = request_check(p, m, &slot, f);
	if (rc < 0)
		return rc;
	rc = free_entry(p, m->port_add.name, index, f);
	if (rc < 0)
		return rc;
	port = &p->ports->p[*index];
	memset(port, 0, sizeof(*port));
	port->kind = m->port_add.kind;
	port->queues = m->port_add.queues;
	port->mtu = m->port_add.mtu;
	memcpy(port->mac, m->port_add.mac, sizeof(port->mac));
	snprintf(port->name, sizeof(port->name), "%s", m->port_add.name);
	port->agent = m->port_add.agent;
	port->flags = m->port_add.flags;
	if (port->kind != PORT_TAP)
		snprintf(port->devargs, sizeof(port->devargs), "%s", m->port_add.devargs);
	note = &p->guests->note[*index];
	memset(note, 0, sizeof(*note));
	note->mode = m->port_add.mode;
	note->uid = m->port_add.uid;
	note->gid = m->port_add.gid;
	rc = port_make(p, *index, false, f);
	if (rc < 0) {
		memset(port, 0, sizeof(*port));
		return rc;
	}
	mac_choose(port->mac);
	slots_assign(p, port, slot);
	publish(p, port, PORT_ACTIVE);
	if (port->kind == PORT_TAP)
		peers_tap_added(p);
	log_info("port %u: %s %s, %u queues", *index,
		 port->kind == PORT_TAP ? "tap" : port->devargs, port->name, port->queues);
	return 0;
}

/* --- removing -----------------------------------------------------------------------------------
 */

static void
removal_begin(struct primary *p, uint32_t index, process_key asked_by, uint32_t serial)
{
	struct local *l = &p->port_set->local[index];

	publish(p, &p->ports->p[index], PORT_REMOVING);
	l->step = STEP_ACK;
	l->version = p->hs->ports_version;
	l->since_ms = now_ms();
	l->asked_by = asked_by;
	l->serial = serial;
	p->port_set->n_removals++;
}

static bool
all_saw(struct primary *p, struct slots *slots, const struct local *l)
{
	bool all = true;

	for (uint32_t i = 0; i < slots->n; i++) {
		struct slot *s = &slots->s[i];
		process_key key = slots == p->slots ? s->owner : s->animated_by;
		struct peer *peer = key == 0 ? NULL : peer_by_key(p, key);

		/* One of an older generation has ports of its own. */
		if (peer == NULL ||
		    __atomic_load_n(&s->ports_version, __ATOMIC_ACQUIRE) >= l->version)
			continue;
		if (now_ms() - l->since_ms > ACK_MS)
			peer_kill(peer, "does not let go of a port");
		all = false;
	}
	return all;
}

/* The thread is ours: there is nothing to do about one that is stuck in a driver but to say so. */
static bool
io_has_seen(const struct primary *p, struct local *l)
{
	if (io_saw(p->io, l->version))
		return true;
	if (now_ms() - l->since_ms > ACK_MS) {
		log_error("the io thread does not let go of a port");
		l->since_ms = now_ms();
	}
	return false;
}

static void
tap_close(struct local *l)
{
	for (uint32_t i = 0; i < l->n_fds; i++)
		close(l->fds[i]);
	l->n_fds = 0;
}

static bool
some_port_is_io(const struct primary *p)
{
	for (uint32_t i = 0; i < p->ports->n; i++)
		if (p->ports->p[i].state != PORT_FREE && p->ports->p[i].kind == PORT_DEVICE &&
		    p->hs->port_run[i].poller == PORT_BY_IO)
			return true;
	return false;
}

static void
removal_end(struct primary *p, uint32_t index)
{
	struct local *l = &p->port_set->local[index];
	struct port *port = &p->ports->p[index];
	struct fault f = {0};

	log_info("port %u: %s is removed", index, port->name);
	publish(p, port, PORT_FREE);
	answer(p, l->asked_by, l->serial, index, &f);
	memset(l, 0, sizeof(*l));
	p->port_set->n_removals--;
	if (!some_port_is_io(p))
		io_stop(p->io);
}

static void
removal_step(struct primary *p, uint32_t index)
{
	struct local *l = &p->port_set->local[index];
	struct port *port = &p->ports->p[index];

	if (l->step == STEP_ACK) {
		if (!all_saw(p, p->slots, l) || !all_saw(p, p->agents, l) || !io_has_seen(p, l))
			return;
		l->step = STEP_VANISH;
		l->since_ms = now_ms();
		if (port->kind == PORT_TAP) {
			tap_close(l);
			peers_tap_removed(p, index);
		} else if (port->kind == PORT_DEVICE) {
			device_port_remove(p, index, true);
		}
		memset(&p->hs->port_run[index], 0, sizeof(p->hs->port_run[index]));
	}
	if (port->kind == PORT_TAP && tap_port_exists(port->name) &&
	    now_ms() - l->since_ms < VANISH_MS)
		return;
	removal_end(p, index);
}

/* --- moving a guest to another agent ------------------------------------------------------------
 */

/*
 * The agents look at the flag first and at the number later, when nobody serves the guest: so two
 * never do. If we die in between, the next primary takes the flag away, and whichever number is
 * there is right.
 */
static void
request_move(struct primary *p, const struct request *r)
{
	uint32_t index = r->m.port_move.port;
	struct fault f = {0};
	struct local *l;

	if (index >= p->ports->n || p->ports->p[index].state != PORT_ACTIVE ||
	    p->ports->p[index].kind != PORT_VHOST)
		fault_set(&f, ENOENT, "port %u is no guest's", index);
	else if (r->m.port_move.agent >= p->hs->n_agents)
		fault_set(&f, ENOENT, "agent %u is not among the %u configured (agents)",
			  r->m.port_move.agent, p->hs->n_agents);
	else if (p->port_set->local[index].step != STEP_NONE)
		fault_set(&f, EALREADY, "port %u is being moved", index);
	if (f.code < 0 || p->ports->p[index].agent == r->m.port_move.agent) {
		answer(p, r->asked_by, r->m.port_move.serial, index, &f);
		return;
	}
	l = &p->port_set->local[index];
	p->ports->p[index].flags |= PORT_MOVING;
	publish(p, &p->ports->p[index], PORT_ACTIVE);
	l->step = STEP_MOVE;
	l->version = p->hs->ports_version;
	l->since_ms = now_ms();
	l->agent = r->m.port_move.agent;
	l->asked_by = r->asked_by;
	l->serial = r->m.port_move.serial;
	p->port_set->n_removals++;
}

static void
move_step(struct primary *p, uint32_t index)
{
	struct local *l = &p->port_set->local[index];
	struct port *port = &p->ports->p[index];
	struct fault f = {0};

	if (!all_saw(p, p->agents, l))
		return;
	log_info("port %u: %s moves from agent %u to %u", index, port->name, port->agent, l->agent);
	port->agent = l->agent;
	port->flags &= ~(uint32_t)PORT_MOVING;
	publish(p, port, PORT_ACTIVE);
	answer(p, l->asked_by, l->serial, index, &f);
	memset(l, 0, sizeof(*l));
	p->port_set->n_removals--;
}

/* The bond that has port 'index' as its member. */
static const struct port *
bond_of(const struct primary *p, uint32_t index)
{
	const struct port *member = &p->ports->p[index];

	for (uint32_t i = 0; i < p->ports->n; i++) {
		const struct port *port = &p->ports->p[i];

		if (port->state != PORT_FREE && port->kind == PORT_DEVICE &&
		    device_bond_has(port->devargs, member->name, member->devargs))
			return port;
	}
	return NULL;
}

static void
request_del(struct primary *p, const struct request *r)
{
	uint32_t index = r->m.port_del.port;
	struct fault f = {0};

	if (index >= p->ports->n || p->ports->p[index].state == PORT_FREE)
		fault_set(&f, ENOENT, "there is no port %u", index);
	else if (p->ports->p[index].state == PORT_REMOVING)
		fault_set(&f, EALREADY, "port %u is being removed", index);
	else if (p->port_set->local[index].step != STEP_NONE)
		fault_set(&f, EBUSY, "port %u is being moved", index);
	else if ((p->ports->p[index].flags & PORT_MEMBER) != 0 && bond_of(p, index) != NULL)
		fault_set(&f, EBUSY, "port %u is a member of %s", index, bond_of(p, index)->name);
	if (f.code < 0) {
		answer(p, r->asked_by, r->m.port_del.serial, index, &f);
		return;
	}
	removal_begin(p, index, r->asked_by, r->m.port_del.serial);
}

/* --- requests -----------------------------------------------------------------------------------
 */

void
ports_request(struct primary *p, struct peer *peer, const struct process_msg *m)
{
	struct port_set *s = p->port_set;
	struct fault f = {0};
	struct request *r;

	if (s->n_requests == REQUESTS_MAX) {
		fault_set(&f, EBUSY, "%d requests about ports wait already", REQUESTS_MAX);
		answer(p, peer->key, m->port_add.serial, UINT32_MAX, &f);
		return;
	}
	r = &s->requests[(s->first_request + s->n_requests++) % REQUESTS_MAX];
	r->asked_by = peer->key;
	r->m = *m;
}

static void
request_do(struct primary *p, const struct request *r)
{
	uint32_t index = UINT32_MAX;
	struct fault f = {0};

	if (r->m.type == MSG_PORT_DEL) {
		request_del(p, r);
		return;
	}
	if (r->m.type == MSG_PORT_MOVE) {
		request_move(p, r);
		return;
	}
	if (port_add(p, &r->m, &index, &f) < 0)
		log_notice("port %.*s refused: %s", NAME_LEN - 1, r->m.port_add.name, f.text);
	answer(p, r->asked_by, r->m.port_add.serial, index, &f);
}

void
ports_poll(struct primary *p)
{
	struct port_set *s = p->port_set;

	if (s->n_requests == 0 && s->n_removals == 0)
		return;
	token_eal_begin(p->token);
	if (s->n_requests > 0) {
		struct request r = s->requests[s->first_request];

		s->first_request = (s->first_request + 1) % REQUESTS_MAX;
		s->n_requests--;
		request_do(p, &r);
	}
	for (uint32_t i = 0; s->n_removals > 0 && i < p->ports->n; i++)
		if (s->local[i].step == STEP_MOVE)
			move_step(p, i);
		else if (s->local[i].step != STEP_NONE)
			removal_step(p, i);
	token_eal_end(p->token);
}

bool
ports_busy(struct primary *p)
{
	return p->port_set->n_requests > 0 || p->port_set->n_removals > 0;
}

/* --- start and end ------------------------------------------------------------------------------
 */

static void
make_again(struct primary *p, uint32_t index)
{
	struct port *port = &p->ports->p[index];
	struct fault f = {0};

	if (port->state == PORT_REMOVING) {
		publish(p, port, PORT_FREE);
		return;
	}
	for (uint32_t q = 0; q < PORT_QUEUES_MAX; q++)
		if (port->rx_slot[q] >= p->slots->n)
			port->rx_slot[q] = 0;
	if (port_make(p, index, true, &f) == 0) {
		publish(p, port, PORT_ACTIVE);
		log_info("port %u: %s is here again", index, port->name);
		return;
	}
	log_error("port %u: %s is lost: %s", index, port->name, f.text);
	publish(p, port, PORT_FREE);
}

static bool
is_configured_bond(const char *text)
{
	const char *equals = strchr(text, '=');

	return equals != NULL && device_is_bond(equals + 1);
}

/* Some bond of the configuration has this port. */
static bool
is_member(const struct primary *p, const struct process_msg *m)
{
	for (uint32_t i = 0; i < p->conf.ports.n; i++)
		if (is_configured_bond(p->conf.ports.v[i]) &&
		    device_bond_has(strchr(p->conf.ports.v[i], '=') + 1, m->port_add.name,
				    m->port_add.devargs))
			return true;
	return false;
}

/* NAME=DEVARGS[,queues=N]; 'queues' is also an argument of some drivers, so only the last counts.
 */
static void
make_configured(struct primary *p, const char *text)
{
	struct process_msg m = {.magic = PROCESS_MAGIC, .type = MSG_PORT_ADD};
	const char *equals = strchr(text, '=');
	struct fault f = {0};
	uint32_t index = 0;
	char *queues;

	if (equals == NULL) {
		log_error("port = %s: is not NAME=DEVARGS", text);
		return;
	}
	snprintf(m.port_add.name, sizeof(m.port_add.name), "%.*s", (int)(equals - text), text);
	snprintf(m.port_add.devargs, sizeof(m.port_add.devargs), "%s", equals + 1);
	m.port_add.kind = PORT_DEVICE;
	m.port_add.slot = -1;
	m.port_add.flags = is_member(p, &m) ? PORT_MEMBER : 0;
	queues = strrchr(m.port_add.devargs, ',');
	if (queues != NULL && sscanf(queues, ",queues=%u", &m.port_add.queues) == 1)
		*queues = '\0';
	for (uint32_t i = 0; i < p->ports->n; i++)
		if (p->ports->p[i].state != PORT_FREE &&
		    strcmp(p->ports->p[i].name, m.port_add.name) == 0)
			return;
	if (port_add(p, &m, &index, &f) < 0)
		log_error("port = %s: %s", text, f.text);
}

static bool
is_bond(const struct port *port)
{
	return port->kind == PORT_DEVICE && device_is_bond(port->devargs);
}

/* Bonds come last, when their members are there. */
void
ports_start(struct primary *p)
{
	token_eal_begin(p->token);
	for (int bonds = 0; bonds <= 1; bonds++)
		for (uint32_t i = 0; i < p->ports->n; i++)
			if (p->ports->p[i].state != PORT_FREE && is_bond(&p->ports->p[i]) == bonds)
				make_again(p, i);
	for (int bonds = 0; bonds <= 1; bonds++)
		for (uint32_t i = 0; i < p->conf.ports.n; i++)
			if (is_configured_bond(p->conf.ports.v[i]) == bonds)
				make_configured(p, p->conf.ports.v[i]);
	token_eal_end(p->token);
}

void
ports_release(struct primary *p, bool stop_devices)
{
	token_eal_begin(p->token);
	for (uint32_t i = 0; i < p->ports->n; i++) {
		struct port *port = &p->ports->p[i];

		if (port->state == PORT_FREE || p->port_set->local[i].step == STEP_VANISH)
			continue;
		if (port->kind == PORT_TAP)
			tap_close(&p->port_set->local[i]);
		else if (port->kind == PORT_DEVICE && stop_devices &&
			 (port->flags & PORT_MEMBER) == 0)
			device_port_remove(p, i, false);
	}
	token_eal_end(p->token);
}

uint32_t
ports_tap_queues(struct primary *p, uint32_t port)
{
	const struct port *entry = &p->ports->p[port];

	return entry->state == PORT_ACTIVE && entry->kind == PORT_TAP
		   ? p->port_set->local[port].n_fds
		   : 0;
}

int
ports_tap_fd(struct primary *p, uint32_t port, uint32_t queue)
{
	return p->port_set->local[port].fds[queue];
}

/* The agent lives and has the guest. */
static bool
guest_link(struct primary *p, const struct port *port)
{
	return port->agent < p->agents->n &&
	       __atomic_load_n(&p->agents->s[port->agent].animated_by, __ATOMIC_ACQUIRE) != 0 &&
	       __atomic_load_n(&port->guest, __ATOMIC_ACQUIRE) != 0;
}

static void
link_note(struct port *port, bool up, uint32_t mbps)
{
	if (up != (port->link_up != 0))
		log_info("port %s is %s", port->name, up ? "up" : "down");
	__atomic_store_n(&port->link_up, up, __ATOMIC_RELEASE);
	port->link_mbps = mbps;
}

void
ports_peers(struct primary *p)
{
	for (uint32_t i = 0; i < p->ports->n; i++) {
		struct port *port = &p->ports->p[i];
		const struct port_run *run = &p->hs->port_run[i];
		uint32_t mbps = 0;

		if (port->state == PORT_ACTIVE && port->kind == PORT_DEVICE &&
		    (run->flags & PORT_RUN_PEER) != 0)
			link_note(port, device_port_link(run, &mbps), mbps);
	}
}

void
ports_links(struct primary *p)
{
	for (uint32_t i = 0; i < p->ports->n; i++) {
		struct port *port = &p->ports->p[i];
		uint32_t mbps = 0;
		bool up;

		if (port->state != PORT_ACTIVE)
			continue;
		up = port->kind == PORT_TAP     ? tap_port_link(port->name)
		     : port->kind == PORT_VHOST ? guest_link(p, port)
						: device_port_link(&p->hs->port_run[i], &mbps);
		link_note(port, up, mbps);
	}
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The other processes; see peers.h. */
#include "primary/peers.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_version.h>

#include "common/pool.h"
#include "primary/children.h"
#include "primary/entry.h"
#include "primary/hello.h"
#include "primary/lcores.h"
#include "primary/ports.h"
#include "primary/repair.h"
#include "primary/watchdog.h"
#include "primary/token.h"

#define LOG_MODULE "process"
#include "common/log.h"

enum {
	CLOSED_MS = 1000, /* a process that lives on without its socket is killed after this, */
	CLOSED_ATTACHING_MS = 100, /* or after this, if it holds the token */
	SILENT_MS = 5000,          /* so long may pass between connecting and hello */
	DEVICE_MS = 1000,          /* answers to MSG_DEVICE */
	LATER_MAX = 256,
};

/* From a slot's death to its first loop under the successor. */
struct recovery {
	uint64_t died_us; /* 0: nothing to measure */
	process_key successor;
	struct process *entry;
};

struct peers {
	struct watch listen_watch;
	int listen;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char ops[sizeof(((struct process_msg *)0)->hello.ops)];
	struct lcores lcores;
	struct recovery recoveries[SLOTS_MAX];
	struct process *own; /* the primary's entry, NULL when the table was full */
	struct peer peer[PEERS_MAX];
};

static void peer_gone(struct primary *p, struct peer *peer);
static void peer_message(struct primary *p, struct peer *peer, const struct process_msg *m, int fd);

struct peer *
peer_at(struct primary *p, unsigned int i)
{
	struct peer *peer = &p->peers->peer[i];

	return peer->state == PEER_FREE || peer->state == PEER_NEW ? NULL : peer;
}

struct peer *
peer_by_pid(struct primary *p, pid_t pid)
{
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = peer_at(p, i);

		if (peer != NULL && peer->pid == pid)
			return peer;
	}
	return NULL;
}

struct peer *
peer_by_key(struct primary *p, process_key key)
{
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = peer_at(p, i);

		if (peer != NULL && peer->key == key && peer->state != PEER_OLD)
			return peer;
	}
	return NULL;
}

static int
number_of(const struct primary *p, const struct peer *peer)
{
	return (int)(peer - p->peers->peer);
}

/* --- entries of the region's table ------------------------------------------------------------ */

static void
entry_state(struct primary *p, struct peer *peer, enum process_state state)
{
	if (peer->entry == NULL)
		return;
	__atomic_store_n(&peer->entry->state, (uint32_t)state, __ATOMIC_RELEASE);
	peers_event(p);
}

static void
entry_fill(struct primary *p, struct peer *peer, struct process *e)
{
	peer->key = entry_take(p->processes, e, peer->role, peer->slots, peer->pid, wall_ms());
	peer->entry = e;
	e->n_slots = peer->n_slots;
	entry_state(p, peer, PROCESS_WELCOMED);
}

/* The primary stands in the table as well, for people to see, and for its successor. */
static void
own_entry_open(struct primary *p)
{
	struct process *e = entry_find(p->processes, ROLE_PRIMARY, 0);

	p->peers->own = e;
	if (e == NULL)
		return;
	entry_take(p->processes, e, ROLE_PRIMARY, 0, getpid(), wall_ms());
	e->ready_ms = e->started_ms;
	__atomic_store_n(&e->state, PROCESS_READY, __ATOMIC_RELEASE);
}

static void
own_entry_close(struct primary *p)
{
	struct process *e = p->peers->own;

	if (e == NULL)
		return;
	process_died(e, wall_ms(), true);
	e->death_signal = 0;
	e->death_status = 0;
	__atomic_store_n(&e->state, PROCESS_DEAD, __ATOMIC_RELEASE);
}

/* --- messages to a peer ------------------------------------------------------------------------
 */

int
peer_send(struct peer *peer, const struct process_msg *m, int fd)
{
	if (peer->sock < 0)
		return -EPIPE;
	return process_msg_send(peer->sock, m, fd);
}

static int
peer_send_type(struct peer *peer, enum process_msg_type type)
{
	struct process_msg m = {.magic = PROCESS_MAGIC, .type = type};

	return peer_send(peer, &m, -1);
}

void
peer_kill(struct peer *peer, const char *why)
{
	if (peer->pidfd < 0 || peer->hung)
		return;
	log_warning("%s %d: %s; killing it", process_role_name(peer->role), (int)peer->pid, why);
	peer->hung = true;
	pidfd_send_signal(peer->pidfd, SIGKILL, NULL, 0);
}

void
peer_kill_wait(struct peer *peer, const char *why, int patience_ms)
{
	struct pollfd pf = {.fd = peer->pidfd, .events = POLLIN};

	/* One that closed its socket may be dying already. */
	if (poll(&pf, 1, patience_ms) == 1)
		return;
	peer_kill(peer, why);
	if (poll(&pf, 1, 1000) != 1)
		log_error("%s %d does not die", process_role_name(peer->role), (int)peer->pid);
}

void
peers_event(struct primary *p)
{
	for (unsigned int i = 0; p->peers != NULL && i < PEERS_MAX; i++) {
		struct peer *peer = peer_at(p, i);

		if (peer != NULL && peer->role == ROLE_CTL && peer->state == PEER_READY)
			peer->event_due = true;
	}
}

/* One event stands for all changes before it. */
static void
event_send(struct peer *peer)
{
	if (!peer->event_due)
		return;
	if (peer_send_type(peer, MSG_EVENT) != -EAGAIN)
		peer->event_due = false;
}

static void
peer_want_write(struct primary *p, struct peer *peer, bool want)
{
	struct epoll_event ev = {.events = EPOLLIN | (want ? EPOLLOUT : 0),
				 .data.ptr = &peer->sock_watch};

	if (peer->sock >= 0)
		epoll_ctl(p->epoll, EPOLL_CTL_MOD, peer->sock, &ev);
}

/* --- slots -------------------------------------------------------------------------------------
 */

/* The store of 'owner' is what makes the peer's threads go. */
static void
animate(struct primary *p, struct peer *peer)
{
	peer->animated = true;
	for (uint32_t i = 0; i < p->slots->n; i++) {
		struct slot *s = &p->slots->s[i];
		struct recovery *r = &p->peers->recoveries[i];

		if ((peer->slots >> i & 1) == 0)
			continue;
		r->successor = peer->key;
		r->entry = peer->entry;
		s->ports_version = 0;
		watchdog_slot_owned(p->watchdog, i, peer->key, peer->pidfd);
		__atomic_store_n(&s->owner, peer->key, __ATOMIC_RELEASE);
	}
	log_info("%s %d animates %u slots", process_role_name(peer->role), (int)peer->pid,
		 peer->n_slots);
}

/* Sends what is due of tap queues; afterwards a worker that is ready gets its slots. */
static void
taps_send(struct primary *p, struct peer *peer)
{
	for (uint32_t port = 0; peer->taps_due && port < p->ports->n; port++) {
		uint32_t queues = ports_tap_queues(p, port);

		while (peer->taps_sent[port] < queues) {
			struct process_msg m = {.magic = PROCESS_MAGIC, .type = MSG_TAP};
			int rc;

			m.tap.port = port;
			m.tap.queue = peer->taps_sent[port];
			rc = peer_send(peer, &m, ports_tap_fd(p, port, m.tap.queue));
			if (rc == -EAGAIN || rc == -ETOOMANYREFS) {
				peer_want_write(p, peer, true);
				return;
			}
			if (rc < 0) {
				peer->taps_due = false;
				return;
			}
			peer->taps_sent[port]++;
		}
	}
	if (peer->taps_due) {
		peer->taps_due = false;
		peer_want_write(p, peer, false);
	}
	if (!peer->animated && !peer->stopping)
		animate(p, peer);
}

void
peers_tap_added(struct primary *p)
{
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = peer_at(p, i);

		if (peer == NULL || peer->role != ROLE_FWD || peer->state != PEER_READY)
			continue;
		peer->taps_due = true;
		taps_send(p, peer);
	}
}

void
peers_tap_removed(struct primary *p, uint32_t port)
{
	struct process_msg m = {.magic = PROCESS_MAGIC, .type = MSG_TAP_CLOSE};

	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = peer_at(p, i);

		if (peer == NULL || peer->role != ROLE_FWD || peer->state != PEER_READY ||
		    peer->taps_sent[port] == 0)
			continue;
		for (uint32_t q = 0; q < peer->taps_sent[port]; q++) {
			m.tap.port = port;
			m.tap.queue = q;
			if (peer_send(peer, &m, -1) == -EAGAIN)
				log_warning(
				    "worker %d does not read; it keeps queue %u of port %u open",
				    (int)peer->pid, q, port);
		}
		peer->taps_sent[port] = 0;
	}
}

/* Takes the slots from a peer that died or left. */
static void
slots_take(struct primary *p, struct peer *peer, uint64_t died_us)
{
	for (uint32_t i = 0; i < p->slots->n; i++) {
		struct slot *s = &p->slots->s[i];

		if (s->owner != peer->key)
			continue;
		watchdog_slot_owned(p->watchdog, i, 0, -1);
		__atomic_store_n(&s->owner, 0, __ATOMIC_RELEASE);
		p->peers->recoveries[i] = (struct recovery){.died_us = died_us};
	}
}

static uint32_t
agent_of(const struct peer *peer)
{
	return (uint32_t)__builtin_ctzll(peer->slots);
}

/* An agent that died or left; of one that hung, the guest it was busy with is to blame. */
static void
agent_take(struct primary *p, struct peer *peer)
{
	watchdog_agent_owned(p->watchdog, agent_of(peer), 0, -1);
	if (peer->hung && peer->joined)
		repair_blame_guest(p, peer);
}

/* Sees the first loops of successors. Returns whether some are still awaited. */
static bool
recoveries_poll(struct primary *p)
{
	bool awaited = false;

	for (uint32_t i = 0; i < p->slots->n; i++) {
		struct recovery *r = &p->peers->recoveries[i];
		struct slot *s = &p->slots->s[i];

		if (r->died_us == 0 || r->successor == 0)
			continue;
		if (__atomic_load_n(&s->animated_by, __ATOMIC_ACQUIRE) != r->successor) {
			awaited = true;
			continue;
		}
		r->entry->death_recovered_us = now_us() - r->died_us;
		log_info("slot %u is back after %.1f ms", s->id,
			 (double)r->entry->death_recovered_us / 1000);
		r->died_us = 0;
		peers_event(p);
	}
	return awaited;
}

/* --- the token ---------------------------------------------------------------------------------
 */

static struct peer *
longest_waiting(struct primary *p)
{
	struct peer *best = NULL;

	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = peer_at(p, i);

		if (peer != NULL && peer->state == PEER_WAITING &&
		    (best == NULL || peer->waits_since_us < best->waits_since_us))
			best = peer;
	}
	return best;
}

/* Ports first: they are quick, and wait only while a token is out. */
static void
token_poll(struct primary *p)
{
	struct peer *peer;

	if (p->token->holder != TOKEN_NOBODY) {
		peer = &p->peers->peer[p->token->holder];
		if (now_ms() - p->token->since_ms > p->conf.attach_ms)
			peer_kill(peer, "holds the attach token for too long");
		return;
	}
	ports_poll(p);
	while ((peer = longest_waiting(p)) != NULL) {
		token_give(p->token, number_of(p, peer));
		peer->state = PEER_ATTACHING;
		entry_state(p, peer, PROCESS_ATTACHING);
		if (peer_send_type(peer, MSG_TOKEN) == 0)
			return;
		token_return(p->token);
		peer->state = PEER_WELCOMED;
	}
}

/* --- coming and going --------------------------------------------------------------------------
 */

static void
peer_close_socket(struct peer *peer)
{
	if (peer->sock >= 0)
		close(peer->sock); /* leaves the epoll by itself */
	peer->sock = -1;
}

static void
peer_free(struct primary *p, struct peer *peer)
{
	peer_close_socket(peer);
	if (peer->pidfd >= 0)
		close(peer->pidfd);
	lcores_give_back(&p->peers->lcores, peer->lcore, peer->n_lcores);
	free(peer->taps_sent);
	free(peer->later);
	memset(peer, 0, sizeof(*peer));
	peer->sock = -1;
	peer->pidfd = -1;
}

/*
 * The end of a peer, known to be dead (or to have replaced itself by exec, which is the same for
 * what it held). Each step may be interrupted by our own death: the next primary has another EAL
 * generation and finds no owner alive.
 */
static void
peer_bury(struct primary *p, struct peer *peer, const struct death *d)
{
	uint64_t died_us = d->us;
	struct process *e = peer->entry;
	struct repair_sum sum = {0};

	if (p->token->holder == number_of(p, peer)) {
		token_recover(p->token);
		log_notice("%s %d died while it attached; EAL's shared state is put back",
			   process_role_name(peer->role), (int)peer->pid);
	}
	peer_close_socket(peer);
	slots_take(p, peer, d->planned ? 0 : died_us);
	if (peer->role == ROLE_VHOST)
		agent_take(p, peer);
	if (!d->alive) {
		repair_process(p, peer, &sum);
		repair_files(p, peer->pid);
	}
	e->death_signal = d->signal;
	e->death_status = d->status;
	e->death_hung = peer->hung;
	process_died(e, wall_ms(), d->planned);
	e->death_repaired_us = now_us() - died_us;
	e->death_recovered_us = 0;
	entry_state(p, peer, PROCESS_DEAD);
	if (d->planned)
		log_info("%s %d left", process_role_name(peer->role), (int)peer->pid);
	else
		log_warning("%s %d died%s (%s %d); repaired in %lu us: %u mbufs freed, %u "
			    "quarantined, %u rings",
			    process_role_name(peer->role), (int)peer->pid,
			    peer->hung ? ", hung" : "", d->signal != 0 ? "signal" : "status",
			    d->signal != 0 ? d->signal : d->status,
			    (unsigned long)e->death_repaired_us, sum.freed, sum.quarantined,
			    sum.ring_fixed);
	if (sum.already_free > 0)
		log_error("%u mbufs of %s %d were free already", sum.already_free,
			  process_role_name(peer->role), (int)peer->pid);
	peer_free(p, peer);
}

static void
peer_gone(struct primary *p, struct peer *peer)
{
	struct death d = {.us = now_us(), .status = -1};

	if (watchdog_hung(p->watchdog, peer->key))
		peer->hung = true;
	children_gone(p, peer->pid, peer->ready_ms, &d);
	if (peer->hung && d.signal == 0)
		d.signal = SIGKILL;
	d.planned = (peer->goodbye || peer->stopping) && d.signal == 0;
	peer_bury(p, peer, &d);
}

static void
on_pidfd(struct primary *p, struct watch *w, uint32_t events)
{
	struct peer *peer = (struct peer *)((char *)w - offsetof(struct peer, pid_watch));

	(void)events;
	if (peer->state != PEER_FREE && peer->pidfd >= 0) {
		struct pollfd pf = {.fd = peer->pidfd, .events = POLLIN};

		/* The number may be another peer's by now: an earlier event freed the first. */
		if (poll(&pf, 1, 0) == 1)
			peer_gone(p, peer);
	}
}

static void
refuse(struct peer *peer, const struct fault *f)
{
	struct process_msg m = {.magic = PROCESS_MAGIC, .type = MSG_REFUSED};

	log_warning("process refused: %s", f->text);
	m.refused.code = f->code;
	snprintf(m.refused.text, sizeof(m.refused.text), "%s", f->text);
	peer_send(peer, &m, -1);
}

static void
welcome(struct primary *p, struct peer *peer)
{
	struct process_msg m = {.magic = PROCESS_MAGIC, .type = MSG_WELCOME};

	m.welcome.key = peer->key;
	m.welcome.hand = peer->hand;
	m.welcome.eal_generation = p->hs->eal_generation;
	m.welcome.region_address = p->region.header->address;
	m.welcome.eal_base_address = p->conf.eal_base_address;
	m.welcome.lcore = peer->lcore;
	snprintf(m.welcome.region_path, sizeof(m.welcome.region_path), "%s", p->region.path);
	snprintf(m.welcome.eal_prefix, sizeof(m.welcome.eal_prefix), "%s", p->eal_prefix);
	peer_send(peer, &m, -1);
}

/* Slots' hands are their indices, agents' follow, then control's. */
static uint32_t
hand_first(const struct handshake *hs, const struct peer *peer)
{
	switch (peer->role) {
	case ROLE_FWD:
		return (uint32_t)__builtin_ctzll(peer->slots);
	case ROLE_VHOST:
		return hand_of_agent(hs->n_slots, agent_of(peer));
	default:
		return hs->n_hands - 2;
	}
}

static int
check(struct primary *p, const struct process_msg *m, const struct ucred *cred, uint64_t *slots,
      struct fault *f)
{
	struct hello_living living[PEERS_MAX];
	struct hello_context ctx = {.uid = geteuid(),
				    .dpdk = rte_version(),
				    .ops = p->peers->ops,
				    .slots = p->slots,
				    .agents = p->hs->n_agents,
				    .living = living};

	if (p->stopping)
		return fault_set(f, ESHUTDOWN, "the primary is stopping");
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = peer_at(p, i);

		if (peer == NULL || peer->pid == cred->pid)
			continue;
		living[ctx.n_living].role = peer->role;
		living[ctx.n_living].slots = peer->slots;
		living[ctx.n_living++].pid = peer->pid;
	}
	return hello_check(&ctx, m, cred, slots, f);
}

/* What depends on the sender being who the kernel says, and there being room. */
static int
admit(struct primary *p, struct peer *peer, const struct process_msg *m, const struct ucred *cred,
      struct fault *f)
{
	uint32_t n_lcores = m->hello.n_slots > 0 ? m->hello.n_slots : 1;
	struct process *e;
	int lcore;

	peer->role = (enum process_role)m->hello.role;
	peer->n_slots = m->hello.n_slots;
	peer->pid = cred->pid;
	peer->pidfd = pidfd_open(cred->pid, 0);
	if (peer->pidfd < 0)
		return fault_set(f, errno, "process %d cannot be watched: %s", (int)cred->pid,
				 strerror(errno));
	if (pidfd_send_signal(peer->pidfd, 0, NULL, 0) < 0)
		return fault_set(f, errno, "process %d cannot be signalled by the primary: %s",
				 (int)cred->pid, strerror(errno));
	peer->taps_sent = calloc(p->ports->n, 1);
	if (peer->taps_sent == NULL)
		return fault_set(f, ENOMEM, "no memory for another process");
	e = entry_find(p->processes, peer->role, peer->slots);
	if (e == NULL)
		return fault_set(f, ENOSPC, "%u processes are attached already", p->processes->n);
	lcore = lcores_take(&p->peers->lcores, peer->role, n_lcores);
	if (lcore < 0)
		return fault_set(f, ENOSPC, "no %u lcore ids are free", n_lcores);
	peer->lcore = (uint32_t)lcore;
	peer->n_lcores = n_lcores;
	if (primary_watch(p, peer->pidfd, EPOLLIN, &peer->pid_watch) < 0)
		return fault_set(f, errno, "process %d cannot be watched: %s", (int)cred->pid,
				 strerror(errno));
	peer->hand = hand_first(p->hs, peer);
	entry_fill(p, peer, e);
	return 0;
}

static void
on_hello(struct primary *p, struct peer *peer, const struct process_msg *m)
{
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);
	struct fault f = {0};
	struct peer *before;

	if (peer->state != PEER_NEW)
		return;
	getsockopt(peer->sock, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	if (check(p, m, &cred, &peer->slots, &f) < 0)
		goto refuse;

	/*
	 * The same process again: it executed itself anew, so what it held is ours to repair; but
	 * one of an older generation still runs, and executes itself when it reads our welcome.
	 */
	before = peer_by_pid(p, cred.pid);
	if (before != NULL) {
		struct death d = {
		    .us = now_us(), .planned = true, .alive = before->state == PEER_OLD};

		peer_bury(p, before, &d);
	}
	if (admit(p, peer, m, &cred, &f) < 0)
		goto refuse;
	peer->state = PEER_WELCOMED;
	log_info("%s %d is here, build %.63s", process_role_name(peer->role), (int)peer->pid,
		 m->hello.build);
	welcome(p, peer);
	return;

refuse:
	refuse(peer, &f);
	peer_free(p, peer);
}

static void
on_ready(struct primary *p, struct peer *peer)
{
	if (peer->state != PEER_ATTACHING)
		return;
	token_return(p->token);
	peer->state = PEER_READY;
	peer->joined = true;
	peer->ready_ms = now_ms();
	peer->entry->ready_ms = wall_ms();
	entry_state(p, peer, PROCESS_READY);
	log_info("%s %d is ready", process_role_name(peer->role), (int)peer->pid);
	if (peer->role == ROLE_VHOST)
		watchdog_agent_owned(p->watchdog, agent_of(peer), peer->key, peer->pidfd);
	if (peer->role == ROLE_FWD) {
		peer->taps_due = true;
		taps_send(p, peer);
	}
}

/* Drained: its slots may go at once; the process itself exits soon. */
static void
on_goodbye(struct primary *p, struct peer *peer)
{
	peer->goodbye = true;
	if (peer->state == PEER_READY) {
		slots_take(p, peer, 0);
		if (peer->role == ROLE_VHOST)
			watchdog_agent_owned(p->watchdog, agent_of(peer), 0, -1);
		entry_state(p, peer, PROCESS_STOPPING);
	}
}

static void
peer_message(struct primary *p, struct peer *peer, const struct process_msg *m, int fd)
{
	if (fd >= 0)
		close(fd);
	switch (m->type) {
	case MSG_HELLO:
		on_hello(p, peer, m);
		return;
	case MSG_WANT_TOKEN:
		if (peer->state != PEER_WELCOMED)
			return;
		peer->state = PEER_WAITING;
		peer->waits_since_us = now_us();
		return;
	case MSG_READY:
		on_ready(p, peer);
		return;
	case MSG_GOODBYE:
		if (peer->state != PEER_NEW)
			on_goodbye(p, peer);
		return;
	case MSG_PORT_ADD:
	case MSG_PORT_DEL:
	case MSG_PORT_MOVE:
		if (peer->role == ROLE_CTL && peer->state == PEER_READY)
			ports_request(p, peer, m);
		return;
	default:
		log_debug("%d: message of type %u is of no use now", (int)peer->pid, m->type);
	}
}

/* The process may still live: it is given a moment to come back or to die. */
static void
on_eof(struct primary *p, struct peer *peer)
{
	if (peer->state == PEER_NEW) {
		peer_free(p, peer);
		return;
	}
	peer_close_socket(peer);
	peer->closed_ms = now_ms();
	if (peer->state == PEER_WAITING)
		peer->state = PEER_WELCOMED;
}

static void
peer_later(struct primary *p, struct peer *peer)
{
	struct process_msg *later = peer->later;
	uint32_t n = peer->n_later;
	process_key key = peer->key;

	peer->later = NULL;
	peer->n_later = 0;
	for (uint32_t i = 0; i < n && peer->state != PEER_FREE && peer->key == key; i++)
		peer_message(p, peer, &later[i], -1);
	free(later);
}

static void
on_socket(struct primary *p, struct watch *w, uint32_t events)
{
	struct peer *peer = (struct peer *)((char *)w - offsetof(struct peer, sock_watch));
	int sock = peer->sock;

	if ((events & EPOLLOUT) != 0 && peer->taps_due)
		taps_send(p, peer);
	while (peer->sock >= 0 && peer->sock == sock) {
		struct process_msg m;
		int fd = -1, rc;

		rc = process_msg_recv(sock, &m, &fd);
		if (rc == -EAGAIN)
			return;
		if (rc < 0) {
			if (rc == -EPROTO && peer->state != PEER_NEW)
				peer_kill(peer, "sent something that is no message");
			on_eof(p, peer);
			return;
		}
		peer_message(p, peer, &m, fd);
	}
}

static void
on_connection(struct primary *p, struct watch *w, uint32_t events)
{
	struct peers *t = p->peers;
	struct peer *peer = NULL;
	int sock;

	(void)w;
	(void)events;
	sock = accept4(t->listen, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (sock < 0)
		return;
	for (unsigned int i = 0; i < PEERS_MAX && peer == NULL; i++)
		if (t->peer[i].state == PEER_FREE)
			peer = &t->peer[i];
	if (peer == NULL) {
		log_warning("too many processes connect");
		close(sock);
		return;
	}
	peer->sock = sock;
	peer->state = PEER_NEW;
	peer->sock_watch.fn = on_socket;
	peer->pid_watch.fn = on_pidfd;
	peer->waits_since_us = now_us();
	if (primary_watch(p, sock, EPOLLIN, &peer->sock_watch) < 0)
		peer_free(p, peer);
}

/* --- device messages, from inside of DPDK's hot-plug -------------------------------------------
 */

static int
keep_for_later(struct peer *peer, const struct process_msg *m)
{
	if (peer->later == NULL)
		peer->later = calloc(LATER_MAX, sizeof(*peer->later));
	if (peer->later == NULL || peer->n_later == LATER_MAX)
		return -ENOMEM;
	peer->later[peer->n_later++] = *m;
	return 0;
}

int
peer_device(struct peer *peer, struct process_msg *m, int32_t *result)
{
	uint64_t deadline = now_ms() + DEVICE_MS;
	int rc;

	rc = peer_send(peer, m, -1);
	if (rc < 0)
		return rc == -EAGAIN ? -ETIMEDOUT : rc;
	for (;;) {
		struct pollfd pf[2] = {{.fd = peer->sock, .events = POLLIN},
				       {.fd = peer->pidfd, .events = POLLIN}};
		struct process_msg answer;
		uint64_t now = now_ms();
		int fd = -1;

		if (now >= deadline)
			return -ETIMEDOUT;
		if (poll(pf, 2, (int)(deadline - now)) <= 0)
			continue;
		if (pf[1].revents != 0)
			return -EPIPE;
		rc = process_msg_recv(peer->sock, &answer, &fd);
		if (fd >= 0)
			close(fd);
		if (rc == -EAGAIN)
			continue;
		if (rc < 0)
			return -EPIPE;
		if (answer.type == MSG_DEVICE_DONE && answer.device.serial == m->device.serial) {
			*result = answer.device.result;
			return 0;
		}
		if (answer.type != MSG_DEVICE_DONE && keep_for_later(peer, &answer) < 0)
			log_warning("%s %d sends too much; a message is lost",
				    process_role_name(peer->role), (int)peer->pid);
	}
}

/* --- life of the server ------------------------------------------------------------------------
 */

struct peers *
peers_create(struct primary *p, struct fault *f)
{
	struct peers *t = calloc(1, sizeof(*t));
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int n;

	if (t == NULL) {
		fault_set(f, ENOMEM, "no memory for the table of processes");
		return NULL;
	}
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		t->peer[i].sock = -1;
		t->peer[i].pidfd = -1;
	}
	t->lcores.taken[0] = true;
	t->lcores.taken[1] = true;
	pool_ops_names(t->ops, sizeof(t->ops));
	n = snprintf(a.sun_path, sizeof(a.sun_path), "%s/primary.sock", p->conf.run_dir);
	if (n < 0 || (size_t)n >= sizeof(a.sun_path)) {
		fault_set(f, ENAMETOOLONG, "run-dir '%s' is too long for a socket's address",
			  p->conf.run_dir);
		goto fail;
	}
	snprintf(t->path, sizeof(t->path), "%s", a.sun_path);
	unlink(t->path); /* a dead primary's: we hold the lock */
	t->listen = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t->listen < 0 || bind(t->listen, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chmod(t->path, 0660) < 0 || listen(t->listen, PROCESSES_MAX) < 0) {
		fault_set(f, errno, "%s: %s", t->path, strerror(errno));
		goto fail;
	}
	t->listen_watch.fn = on_connection;
	if (primary_watch(p, t->listen, EPOLLIN, &t->listen_watch) < 0) {
		fault_set(f, errno, "epoll: %s", strerror(errno));
		goto fail;
	}
	return t;

fail:
	if (t->listen > 0)
		close(t->listen);
	free(t);
	return NULL;
}

void
peers_destroy(struct primary *p)
{
	struct peers *t = p->peers;

	if (t == NULL)
		return;
	own_entry_close(p);
	unlink(t->path);
	close(t->listen);
	for (unsigned int i = 0; i < PEERS_MAX; i++)
		if (t->peer[i].state != PEER_FREE)
			peer_free(p, &t->peer[i]);
	free(t);
	p->peers = NULL;
}

void
peers_adopt(struct primary *p)
{
	for (uint32_t i = 0; i < p->processes->n; i++) {
		struct process *e = &p->processes->p[i];
		struct peer *peer = &p->peers->peer[i];

		if (e->state == PROCESS_FREE || e->state == PROCESS_DEAD)
			continue;
		/* We hold the instance's lock, so an earlier primary is dead, whoever has its pid.
		 */
		peer->pidfd = e->role == ROLE_PRIMARY ? -1 : repair_old_process(e);
		if (peer->pidfd < 0) {
			log_notice("%s %d died while there was no primary",
				   process_role_name((enum process_role)e->role), e->pid);
			process_died(e, wall_ms(), false);
			e->death_signal = 0;
			e->death_status = -1;
			repair_slots_of(p, e->key);
			__atomic_store_n(&e->state, PROCESS_DEAD, __ATOMIC_RELEASE);
			continue;
		}
		log_notice("%s %d lives on from an earlier primary",
			   process_role_name((enum process_role)e->role), e->pid);
		peer->state = PEER_OLD;
		peer->pid = e->pid;
		peer->role = (enum process_role)e->role;
		peer->n_slots = e->n_slots;
		peer->slots = e->slots;
		peer->key = e->key;
		peer->entry = e;
		peer->hand = UINT32_MAX;
		peer->sock_watch.fn = on_socket;
		peer->pid_watch.fn = on_pidfd;
		primary_watch(p, peer->pidfd, EPOLLIN, &peer->pid_watch);
		for (uint32_t s = 0; s < p->slots->n; s++)
			if (p->slots->s[s].owner == peer->key)
				watchdog_slot_owned(p->watchdog, s, peer->key, peer->pidfd);
		if (peer->role == ROLE_VHOST && e->state == PROCESS_READY)
			watchdog_agent_owned(p->watchdog, agent_of(peer), peer->key, peer->pidfd);
	}
	for (uint32_t s = 0; s < p->slots->n; s++) {
		process_key owner = p->slots->s[s].owner;
		bool lives = false;

		for (unsigned int i = 0; i < PEERS_MAX; i++)
			lives |=
			    p->peers->peer[i].state == PEER_OLD && p->peers->peer[i].key == owner;
		if (owner != 0 && !lives)
			repair_slots_of(p, owner);
	}
	own_entry_open(p);
}

int
peers_poll(struct primary *p)
{
	uint64_t now;
	int wait = 1000;

	token_poll(p);
	now = now_ms();
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = &p->peers->peer[i];

		if (peer->state == PEER_NEW && now - peer->waits_since_us / 1000 > SILENT_MS) {
			peer_free(p, peer);
			continue;
		}
		if (peer_at(p, i) == NULL)
			continue;
		if (watchdog_hung(p->watchdog, peer->key))
			peer->hung = true;
		if (peer->n_later > 0)
			peer_later(p, peer);
		if (peer->closed_ms != 0 &&
		    now - peer->closed_ms >
			(peer->state == PEER_ATTACHING ? CLOSED_ATTACHING_MS : CLOSED_MS))
			peer_kill(peer, "lives on without its socket");
		event_send(peer);
		if (peer->event_due || peer->closed_ms != 0 || peer->state == PEER_ATTACHING)
			wait = wait < 20 ? wait : 20;
	}
	if (longest_waiting(p) != NULL && p->token->holder == TOKEN_NOBODY)
		wait = 0;
	if (recoveries_poll(p))
		wait = wait < 1 ? wait : 1;
	return wait;
}

void
peers_stop(struct primary *p)
{
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = peer_at(p, i);

		if (peer == NULL || !children_has(p, peer->pid))
			continue;
		peer->stopping = true;
		if (peer_send_type(peer, MSG_STOP) < 0)
			pidfd_send_signal(peer->pidfd, SIGTERM, NULL, 0);
	}
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control's connection to the primary; see primary.h. vr-ctl's main thread only.
 *
 * A port request is kept until it is answered: sent when there is a connection, and again when the
 * primary died before it answered, unless the port table says that it is done.
 */
#include "ctl/primary.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/port.h"
#include "common/process_client.h"
#include "ctl/ctl.h"
#include "ctl/events.h"
#include "ctl/main.h"

#define LOG_MODULE "primary"
#include "common/log.h"

enum {
	REPLY_MAX_MS = 8000, /* of a request, waiting for a primary included */
	SWEEP_MS = 500,
};

struct request {
	struct process_msg msg;
	char name[NAME_LEN];
	primary_reply *reply;
	void *arg;
	int sweeps; /* left before it is given up */
	bool sent;
	TAILQ_ENTRY(request) link;
};

struct primary {
	struct ctl *ctl;
	struct process_client *client;
	struct event *readable; /* of 'fd' */
	struct event *again;    /* when the client wants to be stepped */
	struct event *sweep;
	uint32_t serial;
	bool connected;
	TAILQ_HEAD(requests, request) requests;
};

/* --- requests --- */

static void
request_end(struct primary *p, struct request *q, int code, const char *text)
{
	TAILQ_REMOVE(&p->requests, q, link);
	q->reply(q->arg, code, text);
	free(q);
}

static bool
request_send(struct primary *p, struct request *q)
{
	if (!p->connected || q->sent)
		return q->sent;
	q->sent = process_client_send(p->client, &q->msg) == 0;
	return q->sent;
}

static int
request_add(struct primary *p, const struct process_msg *msg, const char *name,
	    primary_reply *reply, void *arg)
{
	struct request *q;

	TAILQ_FOREACH (q, &p->requests, link) {
		if (strcmp(q->name, name) == 0)
			return -EBUSY;
	}
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return -ENOMEM;
	q->msg = *msg;
	q->reply = reply;
	q->arg = arg;
	q->sweeps = REPLY_MAX_MS / SWEEP_MS;
	snprintf(q->name, sizeof(q->name), "%s", name);
	TAILQ_INSERT_TAIL(&p->requests, q, link);
	request_send(p, q);
	return 0;
}

int
primary_port_add(struct primary *p, const struct port_wish *wish, primary_reply *reply, void *arg)
{
	struct process_msg m = {.magic = PROCESS_MAGIC, .type = MSG_PORT_ADD};

	m.port_add.serial = ++p->serial;
	m.port_add.kind = wish->kind;
	m.port_add.queues = wish->queues;
	m.port_add.mtu = wish->mtu;
	m.port_add.slot = wish->slot;
	m.port_add.agent = (uint16_t)wish->agent;
	m.port_add.flags = wish->flags;
	m.port_add.mode = wish->mode;
	m.port_add.uid = wish->uid;
	m.port_add.gid = wish->gid;
	if (wish->mac != NULL)
		memcpy(m.port_add.mac, wish->mac, sizeof(m.port_add.mac));
	snprintf(m.port_add.name, sizeof(m.port_add.name), "%s", wish->name);
	if (wish->devargs != NULL)
		snprintf(m.port_add.devargs, sizeof(m.port_add.devargs), "%s", wish->devargs);
	return request_add(p, &m, wish->name, reply, arg);
}

int
primary_port_move(struct primary *p, uint32_t port, const char *name, uint32_t agent,
		  primary_reply *reply, void *arg)
{
	struct process_msg m = {.magic = PROCESS_MAGIC, .type = MSG_PORT_MOVE};

	m.port_move.serial = ++p->serial;
	m.port_move.port = port;
	m.port_move.agent = agent;
	return request_add(p, &m, name, reply, arg);
}

int
primary_port_del(struct primary *p, uint32_t port, const char *name, primary_reply *reply,
		 void *arg)
{
	struct process_msg m = {.magic = PROCESS_MAGIC, .type = MSG_PORT_DEL};

	m.port_del.serial = ++p->serial;
	m.port_del.port = port;
	return request_add(p, &m, name, reply, arg);
}

static uint32_t
request_serial(const struct request *q)
{
	return q->msg.type == MSG_PORT_ADD    ? q->msg.port_add.serial
	       : q->msg.type == MSG_PORT_MOVE ? q->msg.port_move.serial
					      : q->msg.port_del.serial;
}

static void
on_reply(struct primary *p, const struct process_msg *m)
{
	char text[sizeof(m->port_reply.text)];
	struct request *q;

	snprintf(text, sizeof(text), "%.*s", (int)sizeof(text) - 1, m->port_reply.text);
	TAILQ_FOREACH (q, &p->requests, link) {
		if (request_serial(q) != m->port_reply.serial)
			continue;
		request_end(p, q, m->port_reply.code < 0 ? m->port_reply.code : 0, text);
		return;
	}
}

static bool
port_active(const struct primary *p, const char *name)
{
	const struct ports *t = p->ctl->tables.ports;

	for (uint32_t i = 0; i < t->n; i++)
		if (t->p[i].state == PORT_ACTIVE && strcmp(t->p[i].name, name) == 0)
			return true;
	return false;
}

/* What the last primary had done without saying so is done; the rest is asked for again. */
static void
requests_resume(struct primary *p)
{
	struct request *q, *next;

	for (q = TAILQ_FIRST(&p->requests); q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		if (!q->sent && (q->msg.type == MSG_PORT_ADD) == port_active(p, q->name))
			request_end(p, q, 0, "");
		else
			request_send(p, q);
	}
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct primary *p = arg;
	struct request *q, *next;

	(void)fd;
	(void)what;
	for (q = TAILQ_FIRST(&p->requests); q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		if (q->sweeps-- > 0)
			request_send(p, q);
		else if (p->connected)
			request_end(p, q, -ETIMEDOUT, "the primary did not answer in time");
		else
			request_end(p, q, -ENOTCONN, "the primary is not running");
	}
}

/* --- connection --- */

static void
on_lost(struct primary *p)
{
	struct request *q;

	p->connected = false;
	TAILQ_FOREACH (q, &p->requests, link)
		q->sent = false;
}

static void
on_connected(struct primary *p)
{
	p->connected = true;
	p->ctl->handshake = process_client_handshake(p->client);
	requests_resume(p);
}

static void on_event(evutil_socket_t fd, short what, void *arg);

/* Watches the descriptor that the client has now, and its clock. */
static void
watch(struct primary *p)
{
	int fd = process_client_fd(p->client), ms = process_client_wait_ms(p->client);
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (p->readable != NULL)
		event_free(p->readable);
	p->readable = NULL;
	if (fd >= 0)
		p->readable = event_new(p->ctl->base, fd, EV_READ, on_event, p);
	if (p->readable != NULL)
		event_add(p->readable, NULL);
	if (ms >= 0)
		event_add(p->again, &wait);
}

static void
on_message(struct primary *p, const struct process_msg *m, int fd)
{
	if (fd >= 0)
		close(fd);
	if (m->type == MSG_PORT_REPLY)
		on_reply(p, m);
	else if (m->type == MSG_EVENT)
		events_look(p->ctl->events);
}

/* Does all that is due. False when vr-ctl is to end. */
static bool
step(struct primary *p)
{
	struct process_msg m;
	struct fault f = {0};
	int fd;

	for (;;) {
		switch (process_client_step(p->client, &m, &fd, &f)) {
		case CLIENT_NOTHING:
			return true;
		case CLIENT_REGION:
			if (main_on_region(p->ctl, process_client_region(p->client)) < 0)
				return false;
			return true; /* clients first, EAL in the next round */
		case CLIENT_READY:
		case CLIENT_BACK:
			on_connected(p);
			break;
		case CLIENT_LOST:
			on_lost(p);
			break;
		case CLIENT_MESSAGE:
			on_message(p, &m, fd);
			break;
		case CLIENT_STOP:
			main_stop(p->ctl, 0);
			return false;
		case CLIENT_RESTART:
			main_stop(p->ctl, MAIN_RESTART);
			return false;
		case CLIENT_FAILED:
			log_error("%s", f.text);
			main_stop(p->ctl, 1);
			return false;
		}
	}
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct primary *p = arg;

	(void)fd;
	(void)what;
	if (step(p))
		watch(p);
}

int
primary_create(struct ctl *ctl, struct primary **primary, struct fault *f)
{
	const struct timeval every = {.tv_usec = SWEEP_MS * 1000}, now = {0};
	struct process_client_config config = {
	    .conf = ctl->conf, .role = ROLE_CTL, .core = (int32_t)ctl->conf->ctl_core};
	struct primary *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return fault_set(f, ENOMEM, "not enough memory");
	TAILQ_INIT(&p->requests);
	p->ctl = ctl;
	config.argv = ctl->argv;
	p->client = process_client_create(&config);
	p->again = evtimer_new(ctl->base, on_event, p);
	p->sweep = event_new(ctl->base, -1, EV_PERSIST, on_sweep, p);
	if (p->client == NULL || p->again == NULL || p->sweep == NULL) {
		primary_destroy(p);
		return fault_set(f, ENOMEM, "not enough memory");
	}
	event_add(p->sweep, &every);
	event_add(p->again, &now);
	*primary = p;
	return 0;
}

void
primary_destroy(struct primary *p)
{
	struct request *q;

	if (p == NULL)
		return;
	while ((q = TAILQ_FIRST(&p->requests)) != NULL) {
		TAILQ_REMOVE(&p->requests, q, link);
		free(q);
	}
	if (p->readable != NULL)
		event_free(p->readable);
	if (p->again != NULL)
		event_free(p->again);
	if (p->sweep != NULL)
		event_free(p->sweep);
	process_client_destroy(p->client);
	free(p);
}

bool
primary_connected(const struct primary *p)
{
	return p->connected;
}

void
primary_goodbye(struct primary *p)
{
	process_client_goodbye(p->client);
}

int
primary_restart(struct primary *p)
{
	return process_client_restart(p->client);
}

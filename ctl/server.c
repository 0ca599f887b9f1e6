/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket; see server.h. vr-ctl's main thread only.
 *
 * Each client has a 'turn': an event that carries out some of its requests, or a part of a list,
 * and then lets the others have theirs. A turn is due while there is a whole frame, the client is
 * not waiting for a call, and its output is below OUTPUT_LOW.
 */
#include "ctl/server.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <grp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/conf.h"
#include "ctl/call.h"
#include "ctl/client/frame.h"
#include "ctl/ctl.h"
#include "ctl/events.h"

#define LOG_MODULE "server"
#include "common/log.h"

enum {
	OUTPUT_LOW = 128 * 1024, /* a client with more than this to read gets no further turns */
	EVENTS_MAX = 256 * 1024, /* nor events, with more than this */
	TURN_CALLS = 64,         /* requests of one turn, */
	TURN_US = 1000,          /* or until so much has passed */
	TURN_OBJECTS = 256,      /* objects of one turn of a list */
	READ_MAX = 64 * 1024,    /* bytes read or written at once */
	BLOCKED_RETRY_US = 1000,
	BACKLOG = 128,
	FILES_SPARE = 64,      /* descriptors for all but clients */
	ACCEPT_PAUSE_MS = 100, /* when there are no file descriptors left */
};

struct client {
	struct caller caller;
	struct watcher watcher;
	struct server *server;
	struct bufferevent *stream;
	struct event *turn;
	struct call *call;     /* being carried out, NULL: none */
	enum call_state state; /* of 'call' */
	bool ended;            /* it sends nothing more */
	bool closing;          /* to be disconnected when its answers are written */
	pid_t pid;
	LIST_ENTRY(client) link;
};

struct server {
	struct ctl *ctl;
	struct evconnlistener *listener;
	struct event *resume; /* accepts again */
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	gid_t writers, readers; /* NO_GROUP: none, everybody */
	uint32_t n_clients;
	uint32_t refused; /* since the limit of clients was last logged */
	LIST_HEAD(, client) clients;
};

static const gid_t NO_GROUP = (gid_t)-1;

static void
client_close(struct client *c)
{
	if (c->call != NULL)
		call_abandon(c->call);
	events_unwatch(c->server->ctl->events, &c->watcher, NULL);
	LIST_REMOVE(c, link);
	c->server->n_clients--;
	event_free(c->turn);
	bufferevent_free(c->stream);
	free(c);
}

/* Closes once everything is written; nothing more is read. */
static void
client_finish(struct client *c)
{
	c->closing = true;
	bufferevent_disable(c->stream, EV_READ);
	bufferevent_setwatermark(c->stream, EV_WRITE, 0, 0);
	if (evbuffer_get_length(bufferevent_get_output(c->stream)) == 0)
		client_close(c);
}

static void
on_answer(struct caller *caller, const Vrouter__Response *answer)
{
	struct client *c = (struct client *)caller;
	struct evbuffer *out = bufferevent_get_output(c->stream);
	size_t size = vrouter__response__get_packed_size(answer);
	struct evbuffer_iovec v;

	if (evbuffer_reserve_space(out, (ev_ssize_t)(FRAME_HEADER + size), &v, 1) != 1) {
		log_error("no memory for an answer of %zu bytes", size);
		return;
	}
	frame_put(v.iov_base, (uint32_t)size);
	vrouter__response__pack(answer, (uint8_t *)v.iov_base + FRAME_HEADER);
	v.iov_len = FRAME_HEADER + size;
	evbuffer_commit_space(out, &v, 1);
}

/* Events wait up to EVENTS_MAX together with answers; beyond it they are missed. */
static bool
on_event(struct watcher *watcher, const Vrouter__Response *response)
{
	struct client *c = (struct client *)((char *)watcher - offsetof(struct client, watcher));

	if (evbuffer_get_length(bufferevent_get_output(c->stream)) >= EVENTS_MAX || c->closing)
		return false;
	on_answer(&c->caller, response);
	return true;
}

/*
 * A timer, not event_active(): others' sockets are looked at before it comes. One that is due is
 * let be: libevent repeats on_readable() while the input is full, and would put it off for ever.
 */
static void
client_take_turn(struct client *c)
{
	const struct timeval now = {0};

	if (!event_pending(c->turn, EV_TIMEOUT, NULL))
		event_add(c->turn, &now);
}

static void
on_done(struct caller *caller)
{
	struct client *c = (struct client *)caller;

	c->call = NULL;
	client_take_turn(c);
}

static void
on_wake(struct caller *caller)
{
	struct client *c = (struct client *)caller;

	c->state = CALL_BLOCKED;
	client_take_turn(c);
}

static bool
may_send(struct client *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->stream)) < OUTPUT_LOW;
}

/*
 * Takes the next whole frame and makes it a call. False when there is none yet, or the client sent
 * something that makes the rest of its stream meaningless and may be gone now.
 */
static bool
next_call(struct client *c)
{
	struct evbuffer *in = bufferevent_get_input(c->stream);
	uint32_t limit = (uint32_t)c->server->ctl->conf->control_message_max;
	uint8_t header[FRAME_HEADER];
	uint32_t size;

	if (evbuffer_copyout(in, header, sizeof(header)) != sizeof(header))
		goto incomplete;
	size = frame_get(header);
	if (size > limit) {
		Vrouter__Response response = VROUTER__RESPONSE__INIT;
		Vrouter__Result result = VROUTER__RESULT__INIT;
		char text[128];

		snprintf(text, sizeof(text),
			 "a message of %u bytes is longer than control-message-max, %u", size,
			 limit);
		result.code = VROUTER__RESULT__CODE__MALFORMED;
		result.text = text;
		response.result = &result;
		on_answer(&c->caller, &response);
		client_finish(c);
		return false;
	}
	if (evbuffer_get_length(in) < FRAME_HEADER + size)
		goto incomplete;
	evbuffer_drain(in, FRAME_HEADER);
	c->call = call_create(c->server->ctl, &c->caller,
			      size > 0 ? evbuffer_pullup(in, size) : (const uint8_t *)"", size);
	if (c->call == NULL) {
		client_finish(c);
		return false;
	}
	evbuffer_drain(in, size);
	return true;

incomplete:
	if (c->ended)
		client_finish(c);
	return false;
}

static uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval retry = {.tv_usec = BLOCKED_RETRY_US};
	struct client *c = arg;
	uint64_t end = now_us() + TURN_US;

	(void)fd;
	(void)what;
	for (int i = 0; i < TURN_CALLS && may_send(c) && (i == 0 || now_us() < end); i++) {
		if (c->call != NULL && c->state == CALL_LATER)
			return;
		if (c->call == NULL && !next_call(c))
			return;
		c->state = call_run(c->call, TURN_OBJECTS);
		switch (c->state) {
		case CALL_DONE:
			c->call = NULL;
			break;
		case CALL_MORE:
			client_take_turn(c);
			return;
		case CALL_BLOCKED:
			event_add(c->turn, &retry);
			return;
		case CALL_LATER:
			return;
		}
	}
	/* With output to write, the turn comes when that is done. */
	if (may_send(c))
		client_take_turn(c);
}

static void
on_readable(struct bufferevent *stream, void *arg)
{
	struct client *c = arg;

	(void)stream;
	if (c->call == NULL && !c->closing)
		client_take_turn(c);
}

/* The output fell to the low-water mark. */
static void
on_writable(struct bufferevent *stream, void *arg)
{
	struct client *c = arg;

	if (!c->closing) {
		events_room(&c->watcher);
		if (c->call == NULL || c->state == CALL_MORE)
			client_take_turn(c);
		return;
	}
	if (evbuffer_get_length(bufferevent_get_output(stream)) == 0)
		client_close(c);
}

static void
on_stream_event(struct bufferevent *stream, short what, void *arg)
{
	struct client *c = arg;

	(void)stream;
	if (what & BEV_EVENT_EOF) {
		/* What it sent before is still answered. */
		c->ended = true;
		if (c->call == NULL && !c->closing)
			client_take_turn(c);
		return;
	}
	if (what & BEV_EVENT_TIMEOUT)
		log_notice("process %d has not read its answers for %llu s: disconnected",
			   (int)c->pid, (unsigned long long)c->server->ctl->conf->control_unread_s);
	client_close(c);
}

/* Whether the peer of 'fd' is in 'group', by its main group or one of the others. */
static bool
peer_in_group(int fd, const struct ucred *cred, gid_t group)
{
	gid_t groups[256];
	socklen_t size = sizeof(groups);

	if (group == NO_GROUP)
		return false;
	if (cred->gid == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(groups[0]); i++)
		if (groups[i] == group)
			return true;
	return false;
}

/* Reads the peer's credentials and says what it may do. */
static int
client_authorize(struct client *c, int fd)
{
	const struct server *s = c->server;
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return -errno;
	c->pid = cred.pid;
	c->caller.may_write =
	    cred.uid == 0 || cred.uid == geteuid() || peer_in_group(fd, &cred, s->writers);
	c->caller.may_read =
	    c->caller.may_write || s->readers == NO_GROUP || peer_in_group(fd, &cred, s->readers);
	return 0;
}

static void
on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *peer, int len, void *arg)
{
	struct server *s = arg;
	const struct timeval unread_max = {.tv_sec = (time_t)s->ctl->conf->control_unread_s};
	struct client *c;

	(void)l;
	(void)peer;
	(void)len;
	if (s->n_clients >= s->ctl->conf->control_clients) {
		if (s->refused++ == 0)
			log_warning("%u clients are connected, the limit: others are refused",
				    s->n_clients);
		close(fd);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		goto close_fd;
	c->server = s;
	c->caller.send = on_answer;
	c->caller.done = on_done;
	c->caller.wake = on_wake;
	c->caller.watcher = &c->watcher;
	c->watcher.take = on_event;
	if (client_authorize(c, fd) < 0)
		goto free_client;
	c->turn = event_new(s->ctl->base, -1, 0, on_turn, c);
	if (c->turn == NULL)
		goto free_client;
	c->stream = bufferevent_socket_new(s->ctl->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (c->stream == NULL)
		goto free_turn;
	bufferevent_setcb(c->stream, on_readable, on_writable, on_stream_event, c);
	bufferevent_setwatermark(c->stream, EV_READ, 0,
				 s->ctl->conf->control_message_max + FRAME_HEADER);
	bufferevent_set_max_single_read(c->stream, READ_MAX);
	bufferevent_set_max_single_write(c->stream, READ_MAX);
	bufferevent_setwatermark(c->stream, EV_WRITE, OUTPUT_LOW / 2, 0);
	bufferevent_set_timeouts(c->stream, NULL, &unread_max);
	bufferevent_enable(c->stream, EV_READ | EV_WRITE);
	LIST_INSERT_HEAD(&s->clients, c, link);
	s->n_clients++;
	return;

free_turn:
	event_free(c->turn);
free_client:
	free(c);
close_fd:
	close(fd);
}

/* Without this a full table of file descriptors would make the loop spin. */
static void
on_accept_error(struct evconnlistener *l, void *arg)
{
	const struct timeval pause = {.tv_usec = ACCEPT_PAUSE_MS * 1000};
	struct server *s = arg;

	log_warning("cannot accept a client: %s", strerror(errno));
	evconnlistener_disable(l);
	event_add(s->resume, &pause);
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd;
	(void)what;
	evconnlistener_enable(s->listener);
}

static int
find_group(const char *option, const char *name, gid_t *gid, struct fault *f)
{
	const struct group *g;

	*gid = NO_GROUP;
	if (*name == '\0')
		return 0;
	g = getgrnam(name);
	if (g == NULL)
		return fault_set(f, ENOENT, "%s: there is no group called %s", option, name);
	*gid = g->gr_gid;
	return 0;
}

void
server_path(const struct conf *conf, char *path, unsigned long size)
{
	if (conf->control_socket[0] != '\0')
		snprintf(path, size, "%s", conf->control_socket);
	else
		snprintf(path, size, "%s/control.sock", conf->run_dir);
}

/* Everybody may connect; what they may do is decided by who they are. */
static int
server_listen(struct server *s, struct fault *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, rc;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fault_set(f, errno, "cannot make a socket: %s", strerror(errno));
	memcpy(addr.sun_path, s->path, sizeof(addr.sun_path));
	unlink(s->path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(s->path, 0666) < 0) {
		rc = fault_set(f, errno, "cannot make the control socket %s: %s", s->path,
			       strerror(errno));
		goto close_fd;
	}
	s->listener = evconnlistener_new(
	    s->ctl->base, on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);
	if (s->listener == NULL) {
		rc = fault_set(f, ENOMEM, "cannot listen on %s", s->path);
		goto close_fd;
	}
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	return 0;

close_fd:
	close(fd);
	return rc;
}

/* A descriptor for each client, as far as the system lets us. */
static void
raise_files(const struct conf *conf)
{
	rlim_t wanted = (rlim_t)conf->control_clients + FILES_SPARE;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= wanted)
		return;
	r.rlim_cur = r.rlim_max < wanted ? r.rlim_max : wanted;
	if (setrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur < wanted)
		log_warning("RLIMIT_NOFILE is %llu: fewer clients than control-clients, %llu, can "
			    "be served",
			    (unsigned long long)r.rlim_cur,
			    (unsigned long long)conf->control_clients);
}

int
server_create(struct ctl *ctl, struct server **server, struct fault *f)
{
	const struct conf *conf = ctl->conf;
	struct server *s = calloc(1, sizeof(*s));
	char path[CONF_TEXT * 2];
	int rc;

	if (s == NULL)
		return fault_set(f, ENOMEM, "not enough memory");
	s->ctl = ctl;
	LIST_INIT(&s->clients);
	raise_files(conf);
	server_path(conf, path, sizeof(path));
	if (strlen(path) >= sizeof(s->path)) {
		rc = fault_set(f, ENAMETOOLONG,
			       "the path %s is longer than the %zu bytes of a socket's", path,
			       sizeof(s->path) - 1);
		goto free_server;
	}
	memcpy(s->path, path, strlen(path) + 1);
	rc = find_group("control-group", conf->control_group, &s->writers, f);
	if (rc == 0)
		rc = find_group("control-readers", conf->control_readers, &s->readers, f);
	if (rc < 0)
		goto free_server;
	s->resume = evtimer_new(ctl->base, on_resume, s);
	if (s->resume == NULL) {
		rc = fault_set(f, ENOMEM, "not enough memory");
		goto free_server;
	}
	rc = server_listen(s, f);
	if (rc < 0)
		goto free_resume;
	log_info("serving %s", s->path);
	*server = s;
	return 0;

free_resume:
	event_free(s->resume);
free_server:
	free(s);
	return rc;
}

void
server_destroy(struct server *s)
{
	if (s == NULL)
		return;
	unlink(s->path);
	while (!LIST_EMPTY(&s->clients))
		client_close(LIST_FIRST(&s->clients));
	evconnlistener_free(s->listener);
	event_free(s->resume);
	free(s);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libvrouter; see vrouter.h. Any thread, one at a time for each connection.
 *
 * The socket is non-blocking; every wait is a poll() with what is left of the timeout. While output
 * waits for room, input is read too, so that pipelining never deadlocks against a server that stops
 * reading from who does not read.
 */
#include "ctl/client/vrouter.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ctl/client/frame.h"

enum {
	FLUSH_AT = 64 * 1024, /* output that is sent without being asked to */
	READ_SIZE = 64 * 1024,
	RETRY_MS = 20,
	MESSAGE_MAX = 256 * 1024 * 1024,
};

/* Bytes from 'start' to 'end' of an allocation. */
struct bytes {
	uint8_t *data;
	size_t start, end, size;
};

/* An event that came while an answer was waited for. */
struct kept_event {
	Vrouter__Response *event;
	STAILQ_ENTRY(kept_event) link;
};

enum { WATCHED_MAX = 64 };

struct vrouter {
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int timeout_ms;
	int fd;
	uint64_t last_id;
	struct bytes in, out;
	STAILQ_HEAD(, kept_event) events;
	unsigned int n_events;
	uint64_t missed; /* events that found no place among them */
	uint32_t watched[WATCHED_MAX];
	unsigned int n_watched;
	bool lost;      /* the subscription: its connection is gone */
	bool lost_told; /* by vrouter_event() */
	char error[512];
};

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

__attribute__((format(printf, 3, 4))) static int
fail(struct vrouter *v, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->error, sizeof(v->error), fmt, ap);
	va_end(ap);
	return code;
}

/* --- bytes --- */

/* Room for 'n' more at the end; NULL when out of memory. */
static uint8_t *
bytes_room(struct bytes *b, size_t n)
{
	size_t used = b->end - b->start, size = b->size;
	uint8_t *data;

	if (b->start > 0 && b->end + n > b->size) {
		memmove(b->data, b->data + b->start, used);
		b->start = 0;
		b->end = used;
	}
	if (b->end + n <= b->size)
		return b->data + b->end;
	while (size < b->end + n)
		size = size == 0 ? 4096 : size * 2;
	data = realloc(b->data, size);
	if (data == NULL)
		return NULL;
	b->data = data;
	b->size = size;
	return b->data + b->end;
}

static size_t
bytes_used(const struct bytes *b)
{
	return b->end - b->start;
}

static void
bytes_take(struct bytes *b, size_t n)
{
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}

/* --- connection --- */

struct vrouter *
vrouter_open(const char *path, int timeout_ms)
{
	struct vrouter *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	if (path == NULL)
		path = VROUTER_SOCKET_DEFAULT;
	/* One that is too long is refused by connecting to it. */
	if (strlen(path) < sizeof(v->path))
		snprintf(v->path, sizeof(v->path), "%s", path);
	v->timeout_ms = timeout_ms > 0 ? timeout_ms : -1;
	v->fd = -1;
	STAILQ_INIT(&v->events);
	return v;
}

void
vrouter_disconnect(struct vrouter *v)
{
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
	v->lost |= v->n_watched > 0;
	v->in.start = v->in.end = 0;
	v->out.start = v->out.end = 0;
}

static Vrouter__Response *
kept_event_take(struct vrouter *v)
{
	struct kept_event *kept = STAILQ_FIRST(&v->events);
	Vrouter__Response *event = kept->event;

	STAILQ_REMOVE_HEAD(&v->events, link);
	v->n_events--;
	free(kept);
	return event;
}

void
vrouter_close(struct vrouter *v)
{
	if (v == NULL)
		return;
	vrouter_disconnect(v);
	while (!STAILQ_EMPTY(&v->events))
		vrouter_response_free(kept_event_take(v));
	free(v->in.data);
	free(v->out.data);
	free(v);
}

const char *
vrouter_error(const struct vrouter *v)
{
	return v->error;
}

static int
connect_once(struct vrouter *v)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, err;

	if (v->path[0] == '\0')
		return fail(v, -ENAMETOOLONG, "the socket's path is empty or too long");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(v, -errno, "cannot make a socket: %s", strerror(errno));
	memcpy(addr.sun_path, v->path, sizeof(addr.sun_path));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		err = errno;
		close(fd);
		return fail(v, -err, "cannot connect to %s: %s", v->path, strerror(err));
	}
	v->fd = fd;
	return 0;
}

/* A full backlog of the listening socket shows as EAGAIN. */
int
vrouter_connect(struct vrouter *v)
{
	uint64_t start = now_ms();
	int rc;

	if (v->fd >= 0)
		return 0;
	for (;;) {
		rc = connect_once(v);
		if (rc != -EAGAIN)
			return rc;
		if (v->timeout_ms >= 0 && now_ms() - start >= (uint64_t)v->timeout_ms)
			return fail(v, -ETIMEDOUT, "%s accepts no connection in time", v->path);
		poll(NULL, 0, RETRY_MS);
	}
}

/* Reads what there is. -EPIPE: the server is gone. */
static int
fill(struct vrouter *v)
{
	uint8_t *room = bytes_room(&v->in, READ_SIZE);
	ssize_t n;

	if (room == NULL)
		return fail(v, -ENOMEM, "out of memory");
	n = recv(v->fd, room, READ_SIZE, 0);
	if (n > 0)
		v->in.end += (size_t)n;
	else if (n == 0)
		return fail(v, -EPIPE, "%s was closed by the server", v->path);
	else if (errno != EAGAIN && errno != EINTR)
		return fail(v, -EPIPE, "%s: %s", v->path, strerror(errno));
	return 0;
}

static int
drain(struct vrouter *v)
{
	ssize_t n = send(v->fd, v->out.data + v->out.start, bytes_used(&v->out), MSG_NOSIGNAL);

	if (n > 0)
		bytes_take(&v->out, (size_t)n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		return fail(v, -EPIPE, "%s: %s", v->path, strerror(errno));
	return 0;
}

/* Waits until the server can be read from, or written to while there is something to write. */
static int
progress_within(struct vrouter *v, int timeout_ms)
{
	struct pollfd p = {.fd = v->fd, .events = POLLIN};
	int n, rc = 0;

	if (bytes_used(&v->out) > 0)
		p.events |= POLLOUT;
	n = poll(&p, 1, timeout_ms);
	if (n < 0 && errno != EINTR)
		return fail(v, -errno, "poll: %s", strerror(errno));
	if (n == 0)
		return fail(v, -ETIMEDOUT, "no answer from %s within %d ms", v->path, timeout_ms);
	if (p.revents & POLLOUT)
		rc = drain(v);
	if (rc == 0 && p.revents & (POLLIN | POLLHUP | POLLERR))
		rc = fill(v);
	return rc;
}

static int
progress(struct vrouter *v)
{
	return progress_within(v, v->timeout_ms);
}

/* --- messages --- */

int
vrouter_flush(struct vrouter *v)
{
	int rc = v->fd < 0 ? fail(v, -EPIPE, "not connected") : 0;

	while (rc == 0 && bytes_used(&v->out) > 0)
		rc = progress(v);
	if (rc < 0)
		vrouter_disconnect(v);
	return rc;
}

int
vrouter_send_request(struct vrouter *v, Vrouter__Request *request)
{
	uint8_t *room;
	size_t size;
	int rc;

	rc = vrouter_connect(v);
	if (rc < 0)
		return rc;
	request->id = ++v->last_id;
	size = vrouter__request__get_packed_size(request);
	room = bytes_room(&v->out, FRAME_HEADER + size);
	if (room == NULL)
		return fail(v, -ENOMEM, "out of memory");
	frame_put(room, (uint32_t)size);
	vrouter__request__pack(request, room + FRAME_HEADER);
	v->out.end += FRAME_HEADER + size;
	return bytes_used(&v->out) >= FLUSH_AT ? vrouter_flush(v) : 0;
}

int
vrouter_send(struct vrouter *v, Vrouter__Op op, Vrouter__Object *object, uint64_t *id)
{
	Vrouter__Request request = VROUTER__REQUEST__INIT;
	int rc;

	request.op = op;
	request.object = object;
	rc = vrouter_send_request(v, &request);
	if (id != NULL)
		*id = request.id;
	return rc;
}

/* Takes a whole message out of the input, if there is one. 1: taken, 0: not yet. */
static int
take(struct vrouter *v, Vrouter__Response **answer)
{
	const uint8_t *at = v->in.data + v->in.start;
	uint32_t size;

	if (bytes_used(&v->in) < FRAME_HEADER)
		return 0;
	size = frame_get(at);
	if (size > MESSAGE_MAX)
		return fail(v, -EPROTO, "%s sent a message of %u bytes", v->path, size);
	if (bytes_used(&v->in) < FRAME_HEADER + (size_t)size)
		return 0;
	*answer = vrouter__response__unpack(NULL, size, at + FRAME_HEADER);
	if (*answer == NULL)
		return fail(v, -EPROTO, "%s sent what is no answer", v->path);
	bytes_take(&v->in, FRAME_HEADER + (size_t)size);
	return 1;
}

/* Keeps an event for who asks for events. */
static void
event_keep(struct vrouter *v, Vrouter__Response *event)
{
	struct kept_event *kept =
	    v->n_events < VROUTER_EVENTS_MAX && v->missed == 0 ? malloc(sizeof(*kept)) : NULL;

	if (kept == NULL) {
		vrouter_response_free(event);
		v->missed++;
		return;
	}
	kept->event = event;
	STAILQ_INSERT_TAIL(&v->events, kept, link);
	v->n_events++;
}

/* As take(), for answers only. */
static int
take_answer(struct vrouter *v, Vrouter__Response **answer)
{
	for (;;) {
		int rc = take(v, answer);

		if (rc <= 0 || (*answer)->event == NULL)
			return rc;
		event_keep(v, *answer);
		*answer = NULL;
	}
}

int
vrouter_receive(struct vrouter *v, Vrouter__Response **answer)
{
	int rc = v->fd < 0 ? fail(v, -EPIPE, "not connected") : 0;

	*answer = NULL;
	while (rc == 0) {
		rc = take_answer(v, answer);
		if (rc == 0)
			rc = progress(v);
	}
	if (rc < 0) {
		vrouter_disconnect(v);
		return rc;
	}
	return 0;
}

void
vrouter_response_free(Vrouter__Response *answer)
{
	if (answer != NULL)
		vrouter__response__free_unpacked(answer, NULL);
}

/* The answer to the request sent last; one to no request (id 0) is about the connection. */
static int
receive_last(struct vrouter *v, Vrouter__Response **answer)
{
	int rc;

	for (;;) {
		rc = vrouter_receive(v, answer);
		assert(rc < 0 || *answer != NULL);
		if (rc < 0 || (*answer)->id == v->last_id || (*answer)->id == 0)
			return rc;
		vrouter_response_free(*answer);
	}
}

static int
judge(struct vrouter *v, const Vrouter__Response *answer)
{
	if (answer->result == NULL || answer->result->code == VROUTER__RESULT__CODE__OK)
		return 0;
	return fail(v, -EREMOTE, "%s", answer->result->text);
}

static int
call_once(struct vrouter *v, Vrouter__Request *request, Vrouter__Response **answer)
{
	int rc;

	rc = vrouter_send_request(v, request);
	if (rc == 0)
		rc = vrouter_flush(v);
	if (rc == 0)
		rc = receive_last(v, answer);
	return rc;
}

/* Whether it is worth trying again: the server died, or its successor is not there yet. */
static bool
may_come_back(int rc, bool was_connected)
{
	return rc == -EPIPE || (was_connected && (rc == -ECONNREFUSED || rc == -ENOENT));
}

int
vrouter_request(struct vrouter *v, Vrouter__Request *request, Vrouter__Response **answer)
{
	Vrouter__Response *got = NULL;
	uint64_t start = now_ms();
	bool was_connected = v->fd >= 0;
	int rc;

	if (answer != NULL)
		*answer = NULL;
	for (;;) {
		rc = call_once(v, request, &got);
		if (rc == 0)
			break;
		was_connected |= rc == -EPIPE;
		if (!may_come_back(rc, was_connected))
			return rc;
		if (v->timeout_ms >= 0 && now_ms() - start >= (uint64_t)v->timeout_ms)
			return rc;
		poll(NULL, 0, RETRY_MS);
	}
	rc = judge(v, got);
	if (answer != NULL)
		*answer = got;
	else
		vrouter_response_free(got);
	return rc;
}

int
vrouter_call(struct vrouter *v, Vrouter__Op op, Vrouter__Object *object, Vrouter__Response **answer)
{
	Vrouter__Request request = VROUTER__REQUEST__INIT;

	request.op = op;
	request.object = object;
	return vrouter_request(v, &request, answer);
}

int
vrouter_list(struct vrouter *v, Vrouter__Object *filter, vrouter_each *each, void *arg)
{
	Vrouter__Response *answer;
	bool more = true;
	int rc;

	rc = vrouter_send(v, VROUTER__OP__LIST, filter, NULL);
	if (rc == 0)
		rc = vrouter_flush(v);
	while (rc == 0 && more) {
		rc = receive_last(v, &answer);
		if (rc < 0)
			break;
		more = answer->more;
		if (more && answer->object != NULL)
			rc = each(arg, answer->object);
		else
			rc = judge(v, answer);
		vrouter_response_free(answer);
		if (rc != 0 && more)
			vrouter_disconnect(v);
	}
	return rc;
}

/* --- events --- */

static int
watch_kind(struct vrouter *v, uint32_t number, bool on)
{
	const ProtobufCFieldDescriptor *kind =
	    protobuf_c_message_descriptor_get_field(&vrouter__object__descriptor, number);
	Vrouter__Request request = VROUTER__REQUEST__INIT;
	Vrouter__Object object = VROUTER__OBJECT__INIT;
	ProtobufCMessage *content;
	int rc;

	if (kind == NULL)
		return fail(v, -EINVAL, "there is no kind of object with the number %u", number);
	content = malloc(((const ProtobufCMessageDescriptor *)kind->descriptor)->sizeof_message);
	if (content == NULL)
		return fail(v, -ENOMEM, "out of memory");
	protobuf_c_message_init(kind->descriptor, content);
	object.kind_case = number;
	memcpy((char *)&object + kind->offset, &content, sizeof(content));
	request.op = VROUTER__OP__WATCH;
	request.object = &object;
	request.unwatch = !on;
	rc = vrouter_request(v, &request, NULL);
	free(content);
	return rc;
}

static bool
is_among(const uint32_t *kinds, unsigned int n, uint32_t kind)
{
	for (unsigned int i = 0; i < n; i++)
		if (kinds[i] == kind)
			return true;
	return false;
}

int
vrouter_watch(struct vrouter *v, const uint32_t *kinds, unsigned int n)
{
	int rc = 0;

	if (n > WATCHED_MAX)
		return fail(v, -EINVAL, "%u kinds are more than the %d that can be watched", n,
			    WATCHED_MAX);
	for (unsigned int i = 0; v->fd >= 0 && i < v->n_watched && rc == 0; i++)
		if (!is_among(kinds, n, v->watched[i]))
			rc = watch_kind(v, v->watched[i], false);
	for (unsigned int i = 0; i < n && rc == 0; i++)
		rc = watch_kind(v, kinds[i], true);
	if (rc < 0)
		return rc;
	if (kinds != v->watched && n > 0)
		memcpy(v->watched, kinds, n * sizeof(*kinds));
	v->n_watched = n;
	v->lost = v->lost_told = false;
	return 0;
}

/* Makes a subscription again that went with its connection. */
static int
watch_again(struct vrouter *v, int timeout_ms)
{
	uint64_t start = now_ms();
	int rc;

	for (;;) {
		rc = vrouter_watch(v, v->watched, v->n_watched);
		if (!may_come_back(rc, true))
			return rc;
		if (timeout_ms >= 0 && now_ms() - start >= (uint64_t)timeout_ms)
			return -ETIMEDOUT;
		poll(NULL, 0, RETRY_MS);
	}
}

/* For what was missed here; from the server's own it differs in nothing. */
static int
missed_here(struct vrouter *v, Vrouter__Response **event)
{
	Vrouter__Response *r = malloc(sizeof(*r));
	Vrouter__Event *e = malloc(sizeof(*e));
	char *text = malloc(64);

	if (r == NULL || e == NULL || text == NULL) {
		free(r);
		free(e);
		free(text);
		return fail(v, -ENOMEM, "out of memory");
	}
	vrouter__response__init(r);
	vrouter__event__init(e);
	snprintf(text, 64, "%llu events were missed", (unsigned long long)v->missed);
	e->what = VROUTER__EVENT__WHAT__MISSED;
	e->missed = v->missed;
	e->text = text;
	r->event = e;
	v->missed = 0;
	*event = r;
	return 0;
}

/* An event that is here already. 1: taken, 0: none. */
static int
event_take(struct vrouter *v, Vrouter__Response **event)
{
	int rc;

	if (!STAILQ_EMPTY(&v->events)) {
		*event = kept_event_take(v);
		return 1;
	}
	if (v->missed > 0) {
		rc = missed_here(v, event);
		return rc < 0 ? rc : 1;
	}
	for (;;) {
		rc = v->fd >= 0 ? take(v, event) : 0;
		if (rc <= 0 || (*event)->event != NULL)
			return rc;
		/* An answer that nobody waits for. */
		vrouter_response_free(*event);
	}
}

int
vrouter_event(struct vrouter *v, int timeout_ms, Vrouter__Response **event)
{
	uint64_t start = now_ms();
	int rc, left = timeout_ms;

	*event = NULL;
	for (;;) {
		rc = event_take(v, event);
		if (rc != 0)
			break;
		if (v->n_watched == 0)
			return fail(v, -EINVAL, "no events are watched");
		if (v->lost && v->lost_told)
			return watch_again(v, timeout_ms);
		if (v->lost) {
			v->lost_told = true;
			return fail(v, -EPIPE, "the connection to %s is lost", v->path);
		}
		if (timeout_ms >= 0)
			left = timeout_ms - (int)(now_ms() - start);
		if (timeout_ms >= 0 && left < 0)
			left = 0;
		rc = progress_within(v, left);
		if (rc < 0)
			break;
	}
	if (rc > 0)
		return 0;
	if (rc == -ETIMEDOUT)
		return rc;
	vrouter_disconnect(v);
	v->lost_told = true;
	return rc;
}

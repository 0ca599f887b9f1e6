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

struct vrouter {
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int timeout_ms;
	int fd;
	uint64_t last_id;
	struct bytes in, out;
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
	return v;
}

void
vrouter_disconnect(struct vrouter *v)
{
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
	v->in.start = v->in.end = 0;
	v->out.start = v->out.end = 0;
}

void
vrouter_close(struct vrouter *v)
{
	if (v == NULL)
		return;
	vrouter_disconnect(v);
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
progress(struct vrouter *v)
{
	struct pollfd p = {.fd = v->fd, .events = POLLIN};
	int n, rc = 0;

	if (bytes_used(&v->out) > 0)
		p.events |= POLLOUT;
	n = poll(&p, 1, v->timeout_ms);
	if (n < 0 && errno != EINTR)
		return fail(v, -errno, "poll: %s", strerror(errno));
	if (n == 0)
		return fail(v, -ETIMEDOUT, "no answer from %s within %d ms", v->path,
			    v->timeout_ms);
	if (p.revents & POLLOUT)
		rc = drain(v);
	if (rc == 0 && p.revents & (POLLIN | POLLHUP | POLLERR))
		rc = fill(v);
	return rc;
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

int
vrouter_receive(struct vrouter *v, Vrouter__Response **answer)
{
	int rc = v->fd < 0 ? fail(v, -EPIPE, "not connected") : 0;

	*answer = NULL;
	while (rc == 0) {
		rc = take(v, answer);
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

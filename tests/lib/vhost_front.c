/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest's end of vhost-user; see vhost_front.h. Numbers and layouts are those of the vhost-user
 * specification and of virtio 1.1 (split virtqueues).
 *
 * The memory is one memfd: first the rings, each in pages of its own, then a buffer for each
 * descriptor. Queue 2i is where pair i receives, 2i + 1 where it sends. A descriptor and its buffer
 * have the same number; a frame takes one descriptor, or several if it is long.
 */
#include "tests/lib/vhost_front.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

enum {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	GET_QUEUE_NUM = 17,
	SET_VRING_ENABLE = 18,
	NET_SET_MTU = 20,
};

enum {
	FLAG_VERSION = 1,
	FLAG_REPLY = 4,
	F_PROTOCOL_FEATURES = 30, /* bit of the features */
	PROTOCOL_F_MQ = 0,        /* bits of the protocol features */
	PROTOCOL_F_NET_MTU = 4,
	BUFFER_SIZE = 2048, /* unless told otherwise */
	/* An odd number of lines between buffers: their beginnings would share a few sets of every
	   cache else. */
	BUFFER_GAP = 64,
	PAGE = 4096,
	HUGE_PAGE = 2 << 20,
	REPLY_MS = 5000,
};

#define GUEST_ADDRESS UINT64_C(0x40000000)

struct message {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of what follows */
	union {
		uint64_t u64;
		struct {
			uint32_t index;
			uint32_t num;
		} state;
		struct {
			uint32_t index;
			uint32_t flags;
			uint64_t descriptors;
			uint64_t used;
			uint64_t available;
			uint64_t log;
		} address;
		struct {
			uint32_t n;
			uint32_t padding;
			struct {
				uint64_t guest;
				uint64_t size;
				uint64_t user;
				uint64_t offset;
			} region;
		} memory;
	};
} __attribute__((packed));
enum { MESSAGE_HEADER = 12 };

struct queue {
	struct vring ring;
	uint8_t *buffers; /* [ring.num] of 'size' bytes, with gaps */
	uint32_t size;
	uint16_t last_used; /* used entries we have seen */
	uint16_t n_free;    /* sending: descriptors that are not the agent's */
	uint16_t used_seen; /* used->idx, as far as it was looked at */
	uint16_t held;      /* entries of avail->ring[] behind its idx, until the next flush */
	uint16_t *free;     /* stack of them */
	int kick, call;
};

/* Messages before the queues', and for each queue. */
enum {
	STEP_OWNER,
	STEP_GET_FEATURES,
	STEP_GET_PROTOCOL,
	STEP_SET_PROTOCOL,
	STEP_QUEUE_NUM,
	STEP_SET_FEATURES,
	STEP_MTU,
	STEP_MEMORY,
	STEPS_COMMON
};
enum { STEP_NUM, STEP_BASE, STEP_ADDRESS, STEP_KICK, STEP_CALL, STEP_ENABLE, STEPS_QUEUE };

struct vhost_front {
	struct vhost_front_config config;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int listen;
	int sock;
	uint32_t step;
	uint64_t features;
	uint64_t protocol;
	int memfd;
	uint8_t *memory;
	size_t size;
	uint32_t n_queues;
	struct queue q[2 * VHOST_FRONT_PAIRS_MAX];
};

/* --- memory and rings ------------------------------------------------------------------------- */

static size_t
pages(size_t bytes, size_t page)
{
	return (bytes + page - 1) / page * page;
}

static uint64_t
guest_address(const struct vhost_front *f, const void *p)
{
	return GUEST_ADDRESS + (uint64_t)((const uint8_t *)p - f->memory);
}

static void
offer(struct queue *q, uint16_t id)
{
	uint16_t at = q->ring.avail->idx;

	q->ring.avail->ring[at % q->ring.num] = id;
	__atomic_store_n(&q->ring.avail->idx, (uint16_t)(at + 1), __ATOMIC_RELEASE);
	if ((__atomic_load_n(&q->ring.used->flags, __ATOMIC_ACQUIRE) & VRING_USED_F_NO_NOTIFY) == 0)
		(void)!write(q->kick, &(uint64_t){1}, sizeof(uint64_t));
}

static int
queue_init(struct vhost_front *f, uint32_t i, uint8_t *rings, uint8_t *buffers)
{
	struct queue *q = &f->q[i];
	bool receives = i % 2 == 0;

	vring_init(&q->ring, f->config.ring_size, rings, 64);
	q->buffers = buffers;
	q->size = f->config.buffer_size;
	q->ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	q->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->free = calloc(q->ring.num, sizeof(q->free[0]));
	if (q->kick < 0 || q->call < 0 || q->free == NULL)
		return -ENOMEM;
	for (uint32_t d = 0; d < q->ring.num; d++) {
		q->ring.desc[d] = (struct vring_desc){
		    .addr = guest_address(f, buffers + (size_t)d * (q->size + BUFFER_GAP)),
		    .len = q->size,
		    .flags = receives ? VRING_DESC_F_WRITE : 0};
		if (receives)
			offer(q, (uint16_t)d);
		else
			q->free[q->n_free++] = (uint16_t)d;
	}
	return 0;
}

static int
memory_init(struct vhost_front *f)
{
	size_t rings = pages(vring_size(f->config.ring_size, 64), PAGE);
	size_t buffers = (size_t)f->config.ring_size * (f->config.buffer_size + BUFFER_GAP);

	f->size = pages(f->n_queues * (rings + buffers), f->config.huge ? HUGE_PAGE : PAGE);
	f->memfd = memfd_create("guest", MFD_CLOEXEC | (f->config.huge ? MFD_HUGETLB : 0));
	if (f->memfd < 0 || ftruncate(f->memfd, (off_t)f->size) < 0)
		return -errno;
	f->memory = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, f->memfd, 0);
	if (f->memory == MAP_FAILED) {
		f->memory = NULL;
		return -errno;
	}
	for (uint32_t i = 0; i < f->n_queues; i++) {
		int rc = queue_init(f, i, f->memory + i * rings,
				    f->memory + f->n_queues * rings + i * buffers);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
listen_at(struct vhost_front *f)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	memcpy(a.sun_path, f->path, sizeof(a.sun_path));
	unlink(f->path);
	f->listen = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (f->listen < 0 || bind(f->listen, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(f->listen, 1) < 0)
		return -errno;
	return 0;
}

int
vhost_front_create(const struct vhost_front_config *config, struct vhost_front **front)
{
	struct vhost_front *f;
	int rc;

	if (config->pairs == 0 || config->pairs > VHOST_FRONT_PAIRS_MAX ||
	    strlen(config->path) >= sizeof(f->path))
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	f->config = *config;
	if (f->config.buffer_size == 0)
		f->config.buffer_size = BUFFER_SIZE;
	memcpy(f->path, config->path, strlen(config->path) + 1);
	f->listen = f->sock = f->memfd = -1;
	f->n_queues = 2 * config->pairs;
	for (uint32_t i = 0; i < f->n_queues; i++)
		f->q[i].kick = f->q[i].call = -1;
	rc = memory_init(f);
	if (rc == 0 && config->server)
		rc = listen_at(f);
	if (rc < 0) {
		vhost_front_destroy(f);
		return rc;
	}
	*front = f;
	return 0;
}

static void
close_if(int fd)
{
	if (fd >= 0)
		close(fd);
}

void
vhost_front_destroy(struct vhost_front *f)
{
	if (f == NULL)
		return;
	vhost_front_disconnect(f);
	if (f->listen >= 0)
		unlink(f->path);
	close_if(f->listen);
	close_if(f->memfd);
	for (uint32_t i = 0; i < f->n_queues; i++) {
		close_if(f->q[i].kick);
		close_if(f->q[i].call);
		free(f->q[i].free);
	}
	if (f->memory != NULL)
		munmap(f->memory, f->size);
	free(f);
}

/* --- connections ------------------------------------------------------------------------------ */

int
vhost_front_connect(struct vhost_front *f, int timeout_ms)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	vhost_front_disconnect(f);
	if (f->config.server) {
		struct pollfd p = {.fd = f->listen, .events = POLLIN};

		if (poll(&p, 1, timeout_ms) <= 0)
			return -ETIMEDOUT;
		f->sock = accept4(f->listen, NULL, NULL, SOCK_CLOEXEC);
		return f->sock < 0 ? -errno : 0;
	}
	memcpy(a.sun_path, f->path, sizeof(a.sun_path));
	f->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (f->sock < 0)
		return -errno;
	for (; connect(f->sock, (struct sockaddr *)&a, sizeof(a)) < 0; timeout_ms--) {
		int rc = -errno;

		if (timeout_ms <= 0) {
			vhost_front_disconnect(f);
			return rc;
		}
		usleep(1000);
	}
	return 0;
}

void
vhost_front_disconnect(struct vhost_front *f)
{
	close_if(f->sock);
	f->sock = -1;
	f->step = 0;
}

bool
vhost_front_connected(struct vhost_front *f)
{
	char byte;
	ssize_t n;

	if (f->sock < 0)
		return false;
	n = recv(f->sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return true;
	vhost_front_disconnect(f);
	return false;
}

/* --- messages --------------------------------------------------------------------------------- */

static int
say(struct vhost_front *f, struct message *m, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = m, .iov_len = MESSAGE_HEADER + m->size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	m->flags = FLAG_VERSION;
	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	n = sendmsg(f->sock, &msg, MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	return n == (ssize_t)iov.iov_len ? 0 : -EPROTO;
}

static int
say_u64(struct vhost_front *f, uint32_t request, uint64_t value, int fd)
{
	struct message m = {.request = request, .size = sizeof(m.u64), .u64 = value};

	return say(f, &m, fd);
}

static int
say_state(struct vhost_front *f, uint32_t request, uint32_t index, uint32_t num)
{
	struct message m = {
	    .request = request, .size = sizeof(m.state), .state = {.index = index, .num = num}};

	return say(f, &m, -1);
}

static int
hear(struct vhost_front *f, uint32_t request, struct message *m)
{
	struct pollfd p = {.fd = f->sock, .events = POLLIN};

	if (poll(&p, 1, REPLY_MS) <= 0)
		return -ETIMEDOUT;
	if (recv(f->sock, m, MESSAGE_HEADER, MSG_WAITALL) != MESSAGE_HEADER)
		return -EPIPE;
	if (m->request != request || (m->flags & FLAG_REPLY) == 0 ||
	    m->size > sizeof(*m) - MESSAGE_HEADER)
		return -EPROTO;
	if (recv(f->sock, &m->u64, m->size, MSG_WAITALL) != (ssize_t)m->size)
		return -EPIPE;
	return 0;
}

static int
ask_u64(struct vhost_front *f, uint32_t request, uint64_t *value)
{
	struct message m = {.request = request};
	int rc = say(f, &m, -1);

	if (rc == 0)
		rc = hear(f, request, &m);
	if (rc == 0)
		*value = m.u64;
	return rc;
}

static int
say_memory(struct vhost_front *f)
{
	struct message m = {.request = SET_MEM_TABLE, .size = sizeof(m.memory)};

	m.memory.n = 1;
	m.memory.region.guest = GUEST_ADDRESS;
	m.memory.region.size = f->size;
	m.memory.region.user = (uintptr_t)f->memory;
	return say(f, &m, f->memfd);
}

static int
say_address(struct vhost_front *f, uint32_t index)
{
	struct vring *r = &f->q[index].ring;
	struct message m = {.request = SET_VRING_ADDR, .size = sizeof(m.address)};

	m.address.index = index;
	m.address.descriptors = (uintptr_t)r->desc;
	m.address.available = (uintptr_t)r->avail;
	m.address.used = (uintptr_t)r->used;
	return say(f, &m, -1);
}

static int
step_common(struct vhost_front *f, uint32_t step)
{
	uint64_t n = 0;
	int rc;

	switch (step) {
	case STEP_OWNER: {
		struct message m = {.request = SET_OWNER};

		return say(f, &m, -1);
	}
	case STEP_GET_FEATURES:
		rc = ask_u64(f, GET_FEATURES, &f->features);
		f->features &= f->config.features | UINT64_C(1) << VIRTIO_F_VERSION_1 |
			       UINT64_C(1) << F_PROTOCOL_FEATURES;
		if (f->config.pairs > 1)
			f->features |= UINT64_C(1) << VIRTIO_NET_F_MQ;
		if (f->config.mtu != 0)
			f->features |= UINT64_C(1) << VIRTIO_NET_F_MTU;
		return rc;
	case STEP_GET_PROTOCOL:
		return ask_u64(f, GET_PROTOCOL_FEATURES, &f->protocol);
	case STEP_SET_PROTOCOL:
		f->protocol &= UINT64_C(1) << PROTOCOL_F_MQ |
			       (f->config.mtu != 0 ? UINT64_C(1) << PROTOCOL_F_NET_MTU : 0);
		return say_u64(f, SET_PROTOCOL_FEATURES, f->protocol, -1);
	case STEP_QUEUE_NUM:
		rc = ask_u64(f, GET_QUEUE_NUM, &n);
		return rc == 0 && n < f->config.pairs ? -E2BIG : rc;
	case STEP_SET_FEATURES:
		return say_u64(f, SET_FEATURES, f->features, -1);
	case STEP_MTU:
		return (f->protocol >> PROTOCOL_F_NET_MTU & 1) != 0
			   ? say_u64(f, NET_SET_MTU, f->config.mtu, -1)
			   : 0;
	default:
		return say_memory(f);
	}
}

/*
 * The base is what the agent has used: offered entries beyond it are its to process again, which is
 * what virtual machine monitors do after an agent died.
 */
static int
step_queue(struct vhost_front *f, uint32_t index, uint32_t step)
{
	struct queue *q = &f->q[index];

	switch (step) {
	case STEP_NUM:
		return say_state(f, SET_VRING_NUM, index, q->ring.num);
	case STEP_BASE:
		return say_state(f, SET_VRING_BASE, index,
				 __atomic_load_n(&q->ring.used->idx, __ATOMIC_ACQUIRE));
	case STEP_ADDRESS:
		return say_address(f, index);
	case STEP_KICK:
		return say_u64(f, SET_VRING_KICK, index, q->kick);
	case STEP_CALL:
		return say_u64(f, SET_VRING_CALL, index, q->call);
	default:
		return say_state(f, SET_VRING_ENABLE, index, 1);
	}
}

uint32_t
vhost_front_steps(const struct vhost_front *f)
{
	return STEPS_COMMON + f->n_queues * STEPS_QUEUE;
}

int
vhost_front_step(struct vhost_front *f)
{
	uint32_t step = f->step, queue;
	int rc;

	if (f->sock < 0)
		return -ENOTCONN;
	if (step == vhost_front_steps(f))
		return 0;
	if (step < STEPS_COMMON) {
		rc = step_common(f, step);
	} else {
		queue = (step - STEPS_COMMON) / STEPS_QUEUE;
		rc = step_queue(f, queue, (step - STEPS_COMMON) % STEPS_QUEUE);
	}
	if (rc < 0)
		return rc;
	f->step++;
	return f->step < vhost_front_steps(f) ? 1 : 0;
}

int
vhost_front_start(struct vhost_front *f)
{
	int rc;

	do
		rc = vhost_front_step(f);
	while (rc > 0);
	return rc;
}

int
vhost_front_stop(struct vhost_front *f)
{
	for (uint32_t i = 0; i < f->n_queues; i++) {
		struct message m;
		int rc = say_state(f, GET_VRING_BASE, i, 0);

		if (rc == 0)
			rc = hear(f, GET_VRING_BASE, &m);
		if (rc < 0)
			return rc;
	}
	f->step = STEPS_COMMON;
	return 0;
}

uint64_t
vhost_front_features(const struct vhost_front *f)
{
	return f->features;
}

/* --- frames ----------------------------------------------------------------------------------- */

static bool
is_used_up(const struct queue *q)
{
	return __atomic_load_n(&q->ring.used->idx, __ATOMIC_ACQUIRE) == q->last_used;
}

/* The next entry the agent has used. */
static struct vring_used_elem
used_next(struct queue *q)
{
	struct vring_used_elem e = q->ring.used->ring[q->last_used % q->ring.num];

	q->last_used++;
	e.id %= q->ring.num;
	return e;
}

/* A chain that the agent has used. */
static void
chain_free(struct queue *q, uint16_t id)
{
	for (;;) {
		struct vring_desc *d = &q->ring.desc[id];
		bool more = (d->flags & VRING_DESC_F_NEXT) != 0;
		uint16_t next = d->next % q->ring.num;

		d->flags = 0;
		q->free[q->n_free++] = id;
		if (!more || q->n_free == q->ring.num)
			return;
		id = next;
	}
}

/* Copies as much as fits behind 'at' bytes of a descriptor's buffer; returns how much. */
static size_t
fill(struct queue *q, uint16_t id, size_t at, const void *bytes, size_t len)
{
	size_t n = len < q->size - at ? len : q->size - at;

	memcpy(q->buffers + (size_t)id * (q->size + BUFFER_GAP) + at, bytes, n);
	q->ring.desc[id].len = (uint32_t)(at + n);
	q->ring.desc[id].flags = 0;
	return n;
}

int
vhost_front_send(struct vhost_front *f, uint32_t pair, const void *frame, size_t len,
		 const struct virtio_net_hdr *header)
{
	struct queue *q = &f->q[2 * pair + 1];
	struct virtio_net_hdr_mrg_rxbuf h = {.num_buffers = 0};
	uint16_t first, id;
	size_t sent;

	if (len > VHOST_FRONT_TSO_MAX)
		return -EMSGSIZE;
	while (!is_used_up(q) && q->n_free < q->ring.num)
		chain_free(q, (uint16_t)used_next(q).id);
	if (q->n_free < (sizeof(h) + len + q->size - 1) / q->size)
		return -ENOBUFS;
	if (header != NULL)
		h.hdr = *header;
	first = id = q->free[--q->n_free];
	memcpy(q->buffers + (size_t)id * (q->size + BUFFER_GAP), &h, sizeof(h));
	for (sent = fill(q, id, sizeof(h), frame, len); sent < len;) {
		uint16_t next = q->free[--q->n_free];

		q->ring.desc[id].flags = VRING_DESC_F_NEXT;
		q->ring.desc[id].next = next;
		id = next;
		sent += fill(q, id, 0, (const uint8_t *)frame + sent, len - sent);
	}
	offer(q, first);
	return 0;
}

size_t
vhost_front_receive(struct vhost_front *f, uint32_t pair, void *frame, size_t size,
		    struct virtio_net_hdr *header)
{
	struct queue *q = &f->q[2 * pair];
	struct virtio_net_hdr_mrg_rxbuf h;
	size_t got = 0, skip = sizeof(h);
	uint32_t buffers = 1;

	if (is_used_up(q))
		return 0;
	for (uint32_t i = 0; i < buffers && !is_used_up(q); i++, skip = 0) {
		struct vring_used_elem e = used_next(q);
		const uint8_t *buffer = q->buffers + (size_t)e.id * (q->size + BUFFER_GAP);
		size_t n = e.len > q->size ? q->size : e.len;

		if (i == 0) {
			memcpy(&h, buffer, sizeof(h));
			if (h.num_buffers > 1)
				buffers = h.num_buffers;
		}
		n = n > skip ? n - skip : 0;
		if (n > size - got)
			n = size - got;
		memcpy((uint8_t *)frame + got, buffer + skip, n);
		got += n;
		offer(q, (uint16_t)e.id);
	}
	if (header != NULL)
		*header = h.hdr;
	return got;
}

/* --- frames in place -------------------------------------------------------------------------- */

enum { NET_HEADER = sizeof(struct virtio_net_hdr_mrg_rxbuf) };

static bool
is_used_up_now(struct queue *q)
{
	if (q->used_seen == q->last_used)
		q->used_seen = __atomic_load_n(&q->ring.used->idx, __ATOMIC_ACQUIRE);
	return q->used_seen == q->last_used;
}

static void
hold(struct queue *q, uint16_t id)
{
	q->ring.avail->ring[(uint16_t)(q->ring.avail->idx + q->held++) % q->ring.num] = id;
}

static void
flush(struct queue *q)
{
	if (q->held == 0)
		return;
	__atomic_store_n(&q->ring.avail->idx, (uint16_t)(q->ring.avail->idx + q->held),
			 __ATOMIC_RELEASE);
	q->held = 0;
}

uint8_t *
vhost_front_place(struct vhost_front *f, uint32_t pair, size_t len)
{
	struct queue *q = &f->q[2 * pair + 1];
	uint8_t *buffer;
	uint16_t id;

	if (q->n_free > 0)
		id = q->free[--q->n_free];
	else if (!is_used_up_now(q))
		id = (uint16_t)used_next(q).id;
	else
		return NULL;
	buffer = q->buffers + (size_t)id * (q->size + BUFFER_GAP);
	memset(buffer, 0, NET_HEADER);
	q->ring.desc[id].len = (uint32_t)(NET_HEADER + len);
	hold(q, id);
	return buffer + NET_HEADER;
}

void
vhost_front_place_flush(struct vhost_front *f, uint32_t pair)
{
	flush(&f->q[2 * pair + 1]);
}

const uint8_t *
vhost_front_peek(struct vhost_front *f, uint32_t pair, size_t *len)
{
	struct queue *q = &f->q[2 * pair];
	struct vring_used_elem e;

	if (is_used_up_now(q))
		return NULL;
	e = used_next(q);
	hold(q, (uint16_t)e.id);
	*len = e.len > NET_HEADER && e.len <= q->size ? e.len - NET_HEADER : 0;
	return q->buffers + (size_t)e.id * (q->size + BUFFER_GAP) + NET_HEADER;
}

void
vhost_front_peek_flush(struct vhost_front *f, uint32_t pair)
{
	flush(&f->q[2 * pair]);
}

/* --- for guests that lie ---------------------------------------------------------------------- */

enum { RAW_FDS_MAX = 16 };

int
vhost_front_say_raw(struct vhost_front *f, const void *bytes, size_t n, const int *fds,
		    uint32_t n_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(RAW_FDS_MAX * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (f->sock < 0 || n_fds > RAW_FDS_MAX)
		return -EINVAL;
	if (n_fds > 0) {
		struct cmsghdr *c;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	return sendmsg(f->sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int
vhost_front_say_urgent(struct vhost_front *f, uint8_t byte)
{
	return send(f->sock, &byte, 1, MSG_OOB | MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

struct vring *
vhost_front_ring(struct vhost_front *f, uint32_t index)
{
	return &f->q[index].ring;
}

int
vhost_front_call_fd(const struct vhost_front *f, uint32_t index)
{
	return f->q[index].call;
}

int
vhost_front_memory_fd(const struct vhost_front *f, size_t *size)
{
	*size = f->size;
	return f->memfd;
}

uint64_t
vhost_front_address(const struct vhost_front *f, const void *p)
{
	return guest_address(f, p);
}

void
vhost_front_offer(struct vhost_front *f, uint32_t index, uint16_t id)
{
	offer(&f->q[index], id);
}

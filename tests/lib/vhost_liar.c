/* SPDX-License-Identifier: BSD-3-Clause */
/* Lies of a hostile guest; see vhost_liar.h. */
#include "tests/lib/vhost_liar.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/vhost_front.h"

enum {
	RING = 64,
	CONNECT_MS = 300,
	LOOK_US = 300, /* for the agent to look at what was offered */
	FRAME = 60,
	FLOOD = 20000,
	RING_MAX = 1024, /* the largest that agents take */
	FDS_TOO_MANY = 12,
};

/* A message of any shape. */
struct raw {
	uint32_t request, flags, size;
	uint64_t words[40];
};
enum { HEADER = 12, FLAG_VERSION = 1 };

static const struct {
	const char *name;
	bool running;
} lies[] = {
#define LIE(NAME, name, running) {name, running},
#include "tests/lib/vhost_lies.def"
#undef LIE
};

const char *
vhost_lie_name(enum lie lie)
{
	return lies[lie].name;
}

static void
say(struct vhost_front *f, uint32_t request, const uint64_t *words, uint32_t n, const int *fds,
    uint32_t n_fds)
{
	struct raw m = {.request = request, .flags = FLAG_VERSION, .size = n * 8};

	memcpy(m.words, words, n * sizeof(words[0]));
	vhost_front_say_raw(f, &m, HEADER + m.size, fds, n_fds);
}

static uint64_t
index_and(uint32_t index, uint32_t number)
{
	return (uint64_t)number << 32 | index;
}

/* --- descriptors ------------------------------------------------------------------------------ */

/* One frame: all of the memory that is shared, again and again. */
static void
long_chain(struct vhost_front *f, struct vring *r)
{
	uint8_t *start = (uint8_t *)vhost_front_ring(f, 0)->desc;
	size_t size;

	vhost_front_memory_fd(f, &size);
	for (uint16_t i = 0; i < r->num; i++)
		r->desc[i] = (struct vring_desc){.addr = vhost_front_address(f, start),
						 .len = (uint32_t)size,
						 .flags = VRING_DESC_F_NEXT,
						 .next = (uint16_t)(i + 1)};
	r->desc[r->num - 1].flags = 0;
}

static void
lie_descriptor(struct vhost_front *f, enum lie lie, unsigned int variant)
{
	struct vring *r = vhost_front_ring(f, 1);
	struct vring_desc *d = &r->desc[0];
	uint8_t *room = (uint8_t *)r->desc; /* its own table, as a table of indirect ones */

	switch (lie) {
	case LIE_DESCRIPTOR_LOOP:
		d->flags = VRING_DESC_F_NEXT;
		d->next = variant % 2;
		r->desc[1].flags = VRING_DESC_F_NEXT;
		r->desc[1].next = 0;
		r->desc[1].len = variant % 3 == 0 ? 0 : FRAME;
		break;
	case LIE_DESCRIPTOR_LENGTH:
		d->len = variant % 2 == 0 ? UINT32_MAX : 0x7fffffff;
		break;
	case LIE_DESCRIPTOR_ADDRESS:
		d->addr = variant % 3 == 0 ? 0 : variant % 3 == 1 ? UINT64_MAX - 8 : d->addr << 8;
		break;
	case LIE_DESCRIPTOR_NEXT:
		d->flags = VRING_DESC_F_NEXT;
		d->next = (uint16_t)(RING + variant);
		break;
	case LIE_DESCRIPTOR_INDIRECT:
		d->flags = (uint16_t)(VRING_DESC_F_INDIRECT | (variant % 2) * VRING_DESC_F_NEXT);
		d->addr = vhost_front_address(f, room);
		d->len = variant % 3 == 0 ? 16 : variant % 3 == 1 ? UINT32_MAX - 15 : 7;
		break;
	case LIE_DESCRIPTOR_LONG:
		long_chain(f, r);
		break;
	default: /* shorter than a header */
		d->len = variant % 13;
		break;
	}
	vhost_front_offer(f, 1, 0);
}

/* Frames that come in need buffers: the guest sends to itself by the broadcast of nobody. */
static void
lie_receive_buffers(struct vhost_front *f, unsigned int variant)
{
	struct vring *r = vhost_front_ring(f, 0);

	for (unsigned int i = 0; i < RING; i++) {
		r->desc[i].len = variant % 2 == 0 ? 1 : UINT32_MAX;
		r->desc[i].addr += variant % 3 == 0 ? UINT64_C(1) << 40 : 0;
		r->desc[i].flags = (uint16_t)(variant % 5);
		r->desc[i].next = (uint16_t)i;
	}
}

/* Every buffer is a chain through all descriptors, and has no room. */
static void
endless_buffers(struct vhost_front *f)
{
	struct vring *r = vhost_front_ring(f, 0);

	for (uint16_t i = 0; i < r->num; i++) {
		r->desc[i].len = 0;
		r->desc[i].flags = VRING_DESC_F_WRITE | VRING_DESC_F_NEXT;
		r->desc[i].next = (uint16_t)(i + 1);
		r->avail->ring[i] = 0;
	}
	r->desc[r->num - 1].flags = VRING_DESC_F_WRITE;
	__atomic_store_n(&r->avail->idx, (uint16_t)(r->avail->idx + r->num), __ATOMIC_RELEASE);
}

static void
lie_index(struct vhost_front *f, enum lie lie, unsigned int variant)
{
	struct vring *r = vhost_front_ring(f, 1 - variant % 2);
	uint16_t now = r->avail->idx;

	if (lie == LIE_RING_ENTRY) {
		r->avail->ring[now % RING] = (uint16_t)(RING + variant);
		now++;
	} else {
		now = lie == LIE_INDEX_JUMP ? (uint16_t)(now + RING + 1 + variant * 7919)
					    : (uint16_t)(now - 1 - variant % 100);
	}
	__atomic_store_n(&r->avail->idx, now, __ATOMIC_RELEASE);
}

static void
lie_header(struct vhost_front *f, unsigned int variant)
{
	struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				   .gso_type = (uint8_t)variant,
				   .hdr_len = (uint16_t)(variant * 257),
				   .gso_size = (uint16_t)(variant % 3 == 0 ? 0 : variant),
				   .csum_start = (uint16_t)(variant * 31),
				   .csum_offset = (uint16_t)(variant * 17)};
	uint8_t frame[FRAME];

	for (unsigned int i = 0; i < FRAME; i++)
		frame[i] = (uint8_t)(variant * 251 + i * 31);
	frame[0] = frame[6] = 2;
	frame[12] = variant % 2 == 0 ? 0x08 : 0x86;
	frame[13] = variant % 2 == 0 ? 0x00 : 0xdd;
	vhost_front_send(f, 0, frame, sizeof(frame), &h);
}

/* --- memory and rings ------------------------------------------------------------------------- */

static void
say_memory(struct vhost_front *f, uint64_t guest, uint64_t size, uint64_t user, uint64_t offset,
	   int fd)
{
	uint64_t words[5] = {1, guest, size, user, offset};

	say(f, 5, words, 5, &fd, 1);
}

static void
lie_memory(struct vhost_front *f, enum lie lie, unsigned int variant)
{
	size_t size;
	int fd = vhost_front_memory_fd(f, &size);
	uint64_t guest = vhost_front_address(f, vhost_front_ring(f, 0)->desc);
	uint64_t user = (uintptr_t)vhost_front_ring(f, 0)->desc;

	if (lie == LIE_MEMORY_TRUNCATED) {
		(void)!ftruncate(fd, variant % 2 == 0 ? 0 : 4096);
	} else if (lie == LIE_MEMORY_TABLE_SHRUNK) {
		say_memory(f, guest, 4096, user, 0, fd);
	} else {
		static const uint64_t strange[] = {
		    0, 1, 4095, UINT64_MAX, UINT64_C(1) << 62, UINT64_MAX - 4096};
		uint64_t a = strange[variant % 6], b = strange[variant / 6 % 6];

		say_memory(f, variant % 4 == 0 ? a : guest, variant % 4 == 1 ? a : size,
			   variant % 4 == 2 ? a : user, variant % 4 == 3 ? b : 0, fd);
	}
}

static void
lie_ring(struct vhost_front *f, enum lie lie, unsigned int variant)
{
	static const uint32_t sizes[] = {0, 3, 32769, 65536, UINT32_MAX, 32768};
	static const uint32_t indices[] = {64, 255, 256, 65535, UINT32_MAX, 7};
	static const uint32_t requests[] = {8, 10, 11, 18, 12, 13, 9};
	uint64_t words[5] = {0};

	switch (lie) {
	case LIE_RING_RESIZED:
		words[0] = index_and(1, 32768);
		say(f, 8, words, 1, NULL, 0);
		break;
	case LIE_RING_SIZE:
		words[0] = index_and(variant % 2, sizes[variant % 6]);
		say(f, 8, words, 1, NULL, 0);
		break;
	case LIE_RING_ADDRESS:
		words[0] = index_and(0, 0);
		for (int i = 1; i < 5; i++)
			words[i] = variant % 3 == 0 ? 0 : UINT64_MAX - variant * 8;
		say(f, 9, words, 5, NULL, 0);
		break;
	default:
		words[0] = index_and(indices[variant % 6], 1);
		say(f, requests[variant / 6 % 7], words, requests[variant / 6 % 7] == 9 ? 5 : 1,
		    NULL, 0);
		break;
	}
}

/* --- messages --------------------------------------------------------------------------------- */

static void
lie_message(struct vhost_front *f, enum lie lie, unsigned int variant)
{
	static const uint32_t long_sizes[] = {UINT32_MAX, 4096, 1025, 0x80000000, 300};
	static const uint32_t foreign[] = {0,  22, 23, 24, 25, 26, 27,   28,
					   29, 30, 31, 32, 33, 41, 1000, UINT32_MAX};
	struct raw m = {.request = 1 + variant % 21, .flags = FLAG_VERSION, .size = 8};
	uint8_t noise[400];

	switch (lie) {
	case LIE_MESSAGE_OVERSIZED:
		m.size = long_sizes[variant % 5];
		vhost_front_say_raw(f, &m, sizeof(m), NULL, 0);
		break;
	case LIE_MESSAGE_TRUNCATED:
		m.size = 40;
		vhost_front_say_raw(f, &m, 1 + variant % 51, NULL, 0);
		break;
	case LIE_MESSAGE_GARBAGE:
		srand(variant);
		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (uint8_t)rand();
		vhost_front_say_raw(f, noise, 1 + variant % sizeof(noise), NULL, 0);
		break;
	case LIE_MESSAGE_FOREIGN:
		m.request = foreign[variant % 16];
		m.words[0] = UINT64_MAX;
		m.words[1] = UINT64_MAX;
		m.size = 24;
		vhost_front_say_raw(f, &m, HEADER + m.size, NULL, 0);
		break;
	case LIE_MESSAGE_OUT_OF_BAND:
		vhost_front_say_urgent(f, (uint8_t)variant);
		break;
	default: /* questions whose answers nobody reads */
		m.request = 1;
		m.size = 0;
		for (int i = 0; i < FLOOD; i++)
			if (vhost_front_say_raw(f, &m, HEADER, NULL, 0) < 0)
				break;
		break;
	}
}

/* --- descriptors of files --------------------------------------------------------------------- */

static void
lie_fd(struct vhost_front *f, enum lie lie, unsigned int variant)
{
	static const uint32_t requests[] = {5, 6, 7, 12, 13, 14, 21};
	uint32_t request = requests[variant % 7], n = lie == LIE_FD_KIND ? 1 : variant / 7 % 12;
	uint64_t words[5] = {request == 5 ? 1 : 0, 0x40000000, 4096, 0x40000000, 0};
	int pair[2] = {-1, -1}, fds[16], memory = memfd_create("lie", MFD_CLOEXEC);

	if (variant / 7 % 2 == 0 ? pipe2(pair, O_CLOEXEC) < 0
				 : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	for (int i = 0; i < 16; i++)
		fds[i] = variant / 14 % 2 == 0 ? pair[i % 2] : memory;
	say(f, request, words, request == 5 ? 5 : 2, fds, n);
	close(pair[0]);
	close(pair[1]);
	close(memory);
}

/* Whoever closes it last waits until its other end has read everything, for an hour at most. */
static int
lingering_socket(int *other)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	socklen_t len = sizeof(a);
	static const char bytes[65536];

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*other = -1;
	if (bind(l, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(l, 1) == 0 &&
	    getsockname(l, (struct sockaddr *)&a, &len) == 0 &&
	    connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		*other = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	close(l);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 3600}, sizeof(struct linger));
	while (*other >= 0 && send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	return fd;
}

/* As a queue's eventfd; more than a message may have are closed by the kernel instead. */
static void
lie_lingering(struct vhost_front *f, uint32_t n, useconds_t hold_us)
{
	struct raw m = {.request = 12, .flags = FLAG_VERSION, .size = 8};
	int fds[16], other, fd = lingering_socket(&other);

	for (uint32_t i = 0; i < n; i++)
		fds[i] = fd;
	vhost_front_say_raw(f, &m, HEADER, fds, n);
	close(fd); /* while it is on its way: not the last */
	vhost_front_say_raw(f, m.words, m.size, NULL, 0);
	usleep(hold_us);
	close(other);
}

/*
 * The eventfd's description is shared: that the agent made it non-blocking can be taken back, and a
 * full counter makes who writes to it wait for ever.
 */
static void
lie_call(struct vhost_front *f)
{
	uint8_t frame[FRAME] = {2};
	int fd = vhost_front_call_fd(f, 1);

	(void)!read(fd, &(uint64_t){0}, sizeof(uint64_t));
	(void)!write(fd, &(uint64_t){UINT64_MAX - 1}, sizeof(uint64_t));
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	vhost_front_ring(f, 1)->avail->flags = 0; /* wants to be told what is used */
	vhost_front_send(f, 0, frame, sizeof(frame), NULL);
}

/* --- telling them ----------------------------------------------------------------------------- */

static void
tell(struct vhost_front *f, enum lie lie, unsigned int variant)
{
	if (lie <= LIE_DESCRIPTOR_LONG)
		lie_descriptor(f, lie, variant);
	else if (lie == LIE_RECEIVE_BUFFERS)
		lie_receive_buffers(f, variant);
	else if (lie == LIE_RECEIVE_ENDLESS)
		endless_buffers(f);
	else if (lie <= LIE_RING_ENTRY)
		lie_index(f, lie, variant);
	else if (lie == LIE_HEADER_OFFLOADS)
		lie_header(f, variant);
	else if (lie <= LIE_MEMORY_TABLE_LIES)
		lie_memory(f, lie, variant);
	else if (lie <= LIE_RING_UNKNOWN)
		lie_ring(f, lie, variant);
	else if (lie <= LIE_MESSAGE_OUT_OF_BAND)
		lie_message(f, lie, variant);
	else if (lie <= LIE_FD_COUNT)
		lie_fd(f, lie, variant);
	else if (lie == LIE_FD_LINGERING)
		lie_lingering(f, 1, LOOK_US);
	else if (lie == LIE_CALL_FULL)
		lie_call(f);
}

static bool
go_some_way(struct vhost_front *f, enum lie lie, unsigned int variant)
{
	uint32_t steps = vhost_front_steps(f);

	if (!lies[lie].running)
		steps = variant % steps;
	for (; steps > 0; steps--)
		if (vhost_front_step(f) < 0)
			return false;
	return true;
}

bool
vhost_lie_tell(const struct vhost_front_config *config, enum lie lie, unsigned int variant)
{
	struct vhost_front_config c = *config;
	struct vhost_front *f;
	bool told;

	c.ring_size = RING;
	c.features = ~UINT64_C(0);
	if (vhost_front_create(&c, &f) < 0)
		return false;
	told = vhost_front_connect(f, CONNECT_MS) == 0 && go_some_way(f, lie, variant);
	if (told && lies[lie].running)
		usleep(LOOK_US); /* the agent has our last message */
	if (told)
		tell(f, lie, variant);
	if (told && lies[lie].running)
		usleep(LOOK_US);
	vhost_front_destroy(f);
	return told;
}

static int
connect_for(const struct vhost_front_config *config, enum vhost_attack attack,
	    struct vhost_front **front)
{
	struct vhost_front_config c = *config;
	int rc;

	c.ring_size = attack == VHOST_ATTACK_RECEIVE ? RING_MAX : RING;
	c.features = ~UINT64_C(0);
	rc = vhost_front_create(&c, front);
	if (rc < 0)
		return rc;
	rc = vhost_front_connect(*front, CONNECT_MS);
	if (rc == 0)
		rc = vhost_front_start(*front);
	if (rc < 0)
		vhost_front_destroy(*front);
	return rc;
}

int
vhost_attack(const struct vhost_front_config *config, enum vhost_attack attack, int ms)
{
	struct vhost_front *f;
	int rc = connect_for(config, attack, &f);

	if (rc < 0)
		return rc;
	usleep(50000);
	switch (attack) {
	case VHOST_ATTACK_CALL:
		lie_call(f);
		break;
	case VHOST_ATTACK_RECEIVE:
		endless_buffers(f);
		break;
	case VHOST_ATTACK_LINGER:
		lie_lingering(f, FDS_TOO_MANY, (useconds_t)ms * 1000);
		break;
	default:
		lie_message(f, LIE_MESSAGE_FLOOD, 0);
		break;
	}
	for (; ms > 0 && vhost_front_connected(f); ms--)
		usleep(1000);
	vhost_front_destroy(f);
	return 0;
}

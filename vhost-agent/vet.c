/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages of guests, vetted; see vet.h. Numbers and layouts are those of the vhost-user
 * specification.
 *
 * rte_vhost reads a header with recvmsg(), then its payload with a read(). Nothing that is done to
 * a descriptor here waits for whoever made it, as stat() of a file in user space would.
 */
#include "vhost-agent/vet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost-agent/blame.h"
#include "vhost-agent/guests.h"

enum {
	HEADER = 12,
	PAYLOAD_MAX = 1024, /* more than any message has */
	PARTIAL_MS = 200,   /* for a message to be whole: front ends send it at once */
	PARTIAL_LOOK_US = 1000,
	READ_MS = 50, /* for what is there to be read */
	FDS_MAX = 8,
	REGIONS_MAX = 8,
	RING_MAX = 1024, /* QEMU's; what bad descriptors cost us grows with its square */
	NO_FD = 0x100,   /* flag of messages about queues' eventfds */
	QUEUE_MASK = 0xff,
	EVENTFD_OPEN_MAX = 64,
	LISTENER_MS = 20, /* until a listener that is new is looked at */
	SOCKETS_MAX = 1 << 16,
};

enum fds { FDS_NONE, FDS_EVENT, FDS_MEMORY, FDS_LOG, FDS_SOCKET };

enum message_number {
#define VHOST_MESSAGE(number, NAME, least, fds) NAME = number,
#include "vhost-agent/messages.def"
#undef VHOST_MESSAGE
};

static const struct rule {
	const char *name;
	uint32_t least;
	enum fds fds;
} rules[] = {
#define VHOST_MESSAGE(number, NAME, least, fds) [number] = {#NAME, least, FDS_##fds},
#include "vhost-agent/messages.def"
#undef VHOST_MESSAGE
};

struct header {
	uint32_t request, flags, size;
};
_Static_assert(sizeof(struct header) == HEADER, "header of vhost-user");

struct region {
	uint64_t guest, size, user, offset;
};

struct payload {
	union {
		uint64_t u64;
		struct {
			uint32_t index, num;
		} state;
		struct {
			uint32_t n, padding;
			struct region r[REGIONS_MAX];
		} memory;
		struct {
			uint64_t size, offset;
		} log;
		uint8_t bytes[PAYLOAD_MAX];
	};
};

struct message {
	struct header header;
	struct payload payload;
	uint32_t n_fds;
	int fds[FDS_MAX];
};

ssize_t __real_recvmsg(int sock, struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int sock, struct msghdr *msg, int flags);
ssize_t __real_sendmsg(int sock, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int sock, const struct msghdr *msg, int flags);
int __real___poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);
int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);
int __real_connect(int sock, const struct sockaddr *a, socklen_t len);
int __wrap_connect(int sock, const struct sockaddr *a, socklen_t len);

/* --- descriptors ------------------------------------------------------------------------------ */

/* Also sees to it that writing to it does not block. */
static bool
is_eventfd(int fd)
{
	char path[EVENTFD_OPEN_MAX], target[EVENTFD_OPEN_MAX] = "";
	int flags;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, target, sizeof(target) - 1) < 0 ||
	    strcmp(target, "anon_inode:[eventfd]") != 0)
		return false;
	flags = fcntl(fd, F_GETFL);
	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

/*
 * Of tmpfs or hugetlbfs, which alone know seals (memfds are of one of them): from there, no access
 * to it waits for a disk, or for a guest that plays file system.
 */
static bool
is_memory(int fd, uint64_t size, uint64_t offset)
{
	struct stat st;

	return fcntl(fd, F_GET_SEALS) >= 0 && size != 0 && offset + size >= size &&
	       fstat(fd, &st) == 0 && (uint64_t)st.st_size >= offset + size;
}

static bool
is_socket(int fd)
{
	int domain = AF_UNSPEC;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

static const char *
memory_wrong(const struct message *m)
{
	const struct region *r = m->payload.memory.r;

	for (uint32_t i = 0; i < m->n_fds; i++) {
		if (r[i].guest + r[i].size < r[i].size || r[i].user + r[i].size < r[i].size)
			return "a region of memory that goes beyond the last address";
		if (!is_memory(m->fds[i], r[i].size, r[i].offset))
			return "memory of neither tmpfs nor hugetlbfs, or shorter than it said";
	}
	return NULL;
}

static const char *
fds_wrong(const struct message *m, const struct rule *rule)
{
	switch (rule->fds) {
	case FDS_EVENT:
		for (uint32_t i = 0; i < m->n_fds; i++)
			if (!is_eventfd(m->fds[i]))
				return "no eventfd";
		return NULL;
	case FDS_MEMORY:
		return memory_wrong(m);
	case FDS_LOG:
		return m->n_fds == 1 &&
			       !is_memory(m->fds[0], m->payload.log.size, m->payload.log.offset)
			   ? "a log of neither tmpfs nor hugetlbfs, or shorter than it said"
			   : NULL;
	case FDS_SOCKET:
		return m->n_fds == 1 && !is_socket(m->fds[0]) ? "no socket" : NULL;
	default:
		return NULL;
	}
}

/* --- messages --------------------------------------------------------------------------------- */

static uint32_t
fds_expected(const struct message *m, const struct rule *rule)
{
	switch (rule->fds) {
	case FDS_EVENT:
		return m->header.request != SET_LOG_FD && (m->payload.u64 & NO_FD) != 0 ? 0 : 1;
	case FDS_MEMORY:
		return m->payload.memory.n;
	case FDS_LOG:
	case FDS_SOCKET:
		return 1;
	default:
		return 0;
	}
}

/* About one queue: what rte_vhost does not ask. */
static const char *
queue_wrong(struct vet *v, const struct message *m)
{
	uint32_t i = m->header.request == SET_VRING_KICK || m->header.request == SET_VRING_CALL ||
			     m->header.request == SET_VRING_ERR
			 ? m->payload.u64 & QUEUE_MASK
			 : m->payload.state.index;
	uint32_t num = m->payload.state.num;

	if (i >= VET_QUEUES_MAX)
		return "a virtqueue beyond the last";
	switch (m->header.request) {
	case SET_VRING_NUM:
		if (num == 0 || num > RING_MAX)
			return "a ring of no descriptors, or of more than 1024";
		/* Its addresses were checked for the size it had. */
		if ((v->running >> i & 1) != 0 && num != v->ring_size[i])
			return "another size for a ring that runs";
		v->ring_size[i] = num;
		break;
	case SET_VRING_ADDR:
		if (v->ring_size[i] == 0)
			return "addresses of a ring without a size";
		v->running |= UINT64_C(1) << i;
		break;
	case SET_VRING_KICK:
		if (v->ring_size[i] == 0)
			return "the start of a ring without a size";
		break;
	case GET_VRING_BASE:
		v->running &= ~(UINT64_C(1) << i);
		break;
	default:
		break;
	}
	return NULL;
}

static bool
is_about_queue(uint32_t request)
{
	return (request >= SET_VRING_NUM && request <= SET_VRING_ERR) ||
	       request == SET_VRING_ENABLE;
}

static const char *
message_wrong(struct vet *v, const struct message *m, enum guest_offence *offence)
{
	uint32_t request = m->header.request;
	const struct rule *rule;
	const char *wrong = NULL;

	*offence = GUEST_MESSAGE;
	if (request >= sizeof(rules) / sizeof(rules[0]) || rules[request].name == NULL)
		return "one that is not for guests like this";
	rule = &rules[request];
	if (m->header.size < rule->least)
		return "one that is too short";
	if (request == SET_MEM_TABLE &&
	    (m->payload.memory.n > REGIONS_MAX ||
	     m->header.size < 8 + m->payload.memory.n * sizeof(struct region)))
		return "more memory than the message has";
	if (is_about_queue(request))
		wrong = queue_wrong(v, m);
	if (wrong != NULL)
		return wrong;
	*offence = GUEST_DESCRIPTOR;
	if (m->n_fds != fds_expected(m, rule))
		return "too many or too few descriptors";
	return fds_wrong(m, rule);
}

/* --- in rte_vhost's place --------------------------------------------------------------------- */

/* By descriptor, of sockets that we connected: the guest's port and 1; atomic. */
static uint16_t connected_to[SOCKETS_MAX];

static struct guest *
guest_named(const struct sockaddr_un *a)
{
	return a->sun_family == AF_UNIX ? guests_find(a->sun_path) : NULL;
}

/*
 * Whose connection this is. One that we accepted has the name of our own socket. One that we made
 * has none, and the name of the guest's is what the guest called it when it bound it: a path
 * relative to anything, or of another mount namespace, or the path of somebody else.
 */
static struct guest *
guest_at(int sock)
{
	struct sockaddr_un a = {.sun_family = AF_UNSPEC};
	socklen_t len = sizeof(a) - 1;
	uint16_t port;

	if (getsockname(sock, (struct sockaddr *)&a, &len) == 0 && a.sun_path[0] != '\0')
		return guest_named(&a);
	if (sock < 0 || sock >= SOCKETS_MAX)
		return NULL;
	port = __atomic_load_n(&connected_to[sock], __ATOMIC_RELAXED);
	return port == 0 ? NULL : guests_at(port - 1u);
}

/* A descriptor's number may have been another's: the last one to connect it counts. */
int
__wrap_connect(int sock, const struct sockaddr *to, socklen_t len)
{
	struct sockaddr_un a = {.sun_family = AF_UNSPEC};
	const struct guest *g;

	memcpy(&a, to, len < sizeof(a) ? len : sizeof(a) - 1);
	g = guest_named(&a);
	if (sock >= 0 && sock < SOCKETS_MAX)
		__atomic_store_n(&connected_to[sock], g == NULL ? 0 : (uint16_t)(g->port + 1),
				 __ATOMIC_RELAXED);
	return __real_connect(sock, to, len);
}

static void
fds_of(const struct msghdr *msg, struct message *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
	     c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		m->n_fds = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		if (m->n_fds > FDS_MAX)
			m->n_fds = FDS_MAX;
		memcpy(m->fds, CMSG_DATA(c), m->n_fds * sizeof(int));
		return;
	}
}

/* All of it is there: looked at, left where it is. */
static bool
payload_peek(int sock, struct message *m)
{
	size_t size = m->header.size;

	return size <= sizeof(m->payload.bytes) &&
	       (size == 0 ||
		recv(sock, m->payload.bytes, size, MSG_PEEK | MSG_DONTWAIT) == (ssize_t)size);
}

static ssize_t
refuse(struct guest *g, const struct message *m, enum guest_offence offence, const char *what)
{
	blame_note(g, offence, what);
	for (uint32_t i = 0; i < m->n_fds; i++)
		close(m->fds[i]);
	errno = EPROTO;
	return -1;
}

/*
 * Whether it is the guest's connection. One that was never heard has no deadline for reads yet: it
 * gets one, and is the guest's from now on.
 */
static bool
is_connection(struct vet *v, int sock)
{
	struct timeval t = {0};
	socklen_t len = sizeof(t);

	if (getsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &t, &len) < 0)
		return false;
	if (t.tv_sec != 0 || t.tv_usec != 0)
		return v->sock == sock + 1;
	t.tv_usec = READ_MS * 1000;
	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) < 0)
		return false;
	memset(v, 0, sizeof(*v));
	v->sock = sock + 1;
	return true;
}

ssize_t
__wrap_recvmsg(int sock, struct msghdr *msg, int flags)
{
	struct message m = {.n_fds = 0};
	enum guest_offence offence = GUEST_MESSAGE;
	struct guest *g = guest_at(sock);
	const char *wrong;
	ssize_t n;

	if (g == NULL)
		return __real_recvmsg(sock, msg, flags);
	blame_message_begin(g);
	if (!is_connection(&g->vet, sock))
		return refuse(g, &m, GUEST_MESSAGE,
			      "one on a connection that a newer one replaced");
	if (g->vet.over) {
		errno = EPROTO;
		return -1;
	}
	n = __real_recvmsg(sock, msg, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && errno == EAGAIN)
		return refuse(g, &m, GUEST_MESSAGE, "none, out of band");
	if (n <= 0)
		return n;
	g->note->messages++;
	g->vet.partial_sock = 0;
	fds_of(msg, &m);
	if (n != HEADER || msg->msg_iov[0].iov_len != HEADER)
		return refuse(g, &m, GUEST_MESSAGE, "half a header");
	if ((msg->msg_flags & MSG_CTRUNC) != 0)
		return refuse(g, &m, GUEST_DESCRIPTOR, "too many or too few descriptors");
	memcpy(&m.header, msg->msg_iov[0].iov_base, HEADER);
	if (!payload_peek(sock, &m))
		return refuse(g, &m, GUEST_MESSAGE, "one that is not whole, or too long");
	wrong = message_wrong(&g->vet, &m, &offence);
	if (wrong != NULL)
		return refuse(g, &m, offence, wrong);
	if (m.header.request == SET_VRING_NUM && m.payload.state.index < GUEST_RINGS_MAX)
		g->note->ring_size[m.payload.state.index] = (uint16_t)m.payload.state.num;
	return n;
}

/* Whoever asks reads the answer before it asks again, so there is room for it. */
ssize_t
__wrap_sendmsg(int sock, const struct msghdr *msg, int flags)
{
	struct guest *g = blame_guest();
	ssize_t n;

	if (g == NULL)
		return __real_sendmsg(sock, msg, flags);
	n = __real_sendmsg(sock, msg, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno == EAGAIN) {
		blame_note(g, GUEST_MESSAGE, "questions, and does not read the answers");
		g->vet.over = true;
		shutdown(sock, SHUT_RDWR);
	}
	return n;
}

/* --- messages that are not whole yet ---------------------------------------------------------- */

static bool
is_partial(int sock)
{
	struct header h;
	ssize_t n = recv(sock, &h, sizeof(h), MSG_PEEK | MSG_DONTWAIT);
	int there = 0;

	if (n < 0)
		return errno == EAGAIN;
	if (n == 0 || ioctl(sock, FIONREAD, &there) < 0)
		return false;
	if (n < (ssize_t)sizeof(h))
		return there < HEADER;
	return h.size <= PAYLOAD_MAX && there < (int)(HEADER + h.size);
}

/* Whether rte_vhost shall not hear yet that something can be read there. */
static bool
is_to_wait(const struct pollfd *p)
{
	uint64_t now = guest_now_ms();
	struct guest *g;

	if (p->revents != POLLIN || !is_partial(p->fd))
		return false;
	g = guest_at(p->fd);
	if (g == NULL)
		return false;
	if (g->vet.partial_sock != p->fd + 1) {
		g->vet.partial_sock = p->fd + 1;
		g->vet.partial_ms = now;
	}
	return now - g->vet.partial_ms < PARTIAL_MS;
}

/*
 * rte_vhost waits for the next message: the last one's consequences are over. It would wait for up
 * to a second, and only then see sockets that were added meanwhile.
 */
int
__wrap___poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size)
{
	int ready, waiting = 0;

	blame_message_end();
	ready = __real___poll_chk(fds, n, timeout > LISTENER_MS ? LISTENER_MS : timeout, size);
	for (nfds_t i = 0; ready > 0 && i < n; i++)
		if (is_to_wait(&fds[i])) {
			fds[i].revents = 0;
			waiting++;
		}
	if (waiting == 0)
		return ready;
	if (ready == waiting)
		usleep(PARTIAL_LOOK_US);
	return ready - waiting;
}

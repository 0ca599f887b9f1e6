/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of processes, the process table's creation, and the messages of the process socket. Sending
 * and receiving are called by the one thread of either end that owns the socket.
 */
#include "common/process.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const role_names[] = {
#define ROLE(NAME, name, program) [ROLE_##NAME] = name,
#include "common/roles.def"
#undef ROLE
};

const char *
process_role_name(enum process_role role)
{
	assert(role < ROLES);
	return role_names[role];
}

void
process_died(struct process *p, uint64_t now_ms, bool planned)
{
	p->died_ms = now_ms;
	if (planned)
		return;
	memmove(&p->deaths_ms[1], &p->deaths_ms[0], sizeof(p->deaths_ms) - sizeof(p->deaths_ms[0]));
	p->deaths_ms[0] = now_ms;
}

void
processes_init(struct processes *t)
{
	t->n = PROCESSES_MAX;
}

/* A peer that went away is one thing to the callers, however it shows. */
static int
gone_or(int err)
{
	return err == ECONNRESET || err == EPIPE ? -EPIPE : -err;
}

int
process_msg_send(int sock, const struct process_msg *m, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)m, .iov_len = sizeof(*m)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

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
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return gone_or(errno);
	return 0;
}

/* The descriptor that came along, -1 if none. More than one never comes: the buffer is for one. */
static int
descriptor_of(struct msghdr *msg)
{
	struct cmsghdr *c;
	int fd = -1;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
		    c->cmsg_len != CMSG_LEN(sizeof(int)))
			continue;
		memcpy(&fd, CMSG_DATA(c), sizeof(int));
	}
	return fd;
}

int
process_msg_recv(int sock, struct process_msg *m, int *fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = m, .iov_len = sizeof(*m)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf)};
	int got;
	ssize_t n;

	if (fd != NULL)
		*fd = -1;
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return gone_or(errno);
	if (n == 0)
		return -EPIPE;
	got = descriptor_of(&msg);
	if (n != sizeof(*m) || (msg.msg_flags & MSG_TRUNC) != 0 || m->magic != PROCESS_MAGIC) {
		if (got >= 0)
			close(got);
		return -EPROTO;
	}
	if (fd != NULL)
		*fd = got;
	else if (got >= 0)
		close(got);
	return 0;
}

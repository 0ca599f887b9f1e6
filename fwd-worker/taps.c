/* SPDX-License-Identifier: BSD-3-Clause */
/* The process' descriptors of taps. See taps.h. */
#include "fwd-worker/taps.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <urcu/urcu-qsbr.h>

#include "common/limits.h"

struct taps {
	uint32_t n_ports;
	uint64_t version;
	int fds[]; /* [n_ports * PORT_QUEUES_MAX], fd + 1, 0: none */
};

struct taps *
taps_create(uint32_t n_ports)
{
	struct taps *t;

	t = calloc(1, sizeof(*t) + (size_t)n_ports * PORT_QUEUES_MAX * sizeof(t->fds[0]));
	if (t == NULL)
		return NULL;
	t->n_ports = n_ports;
	t->version = 1;
	return t;
}

static void
replace(struct taps *t, uint32_t port, uint32_t queue, int fd)
{
	int *place = &t->fds[port * PORT_QUEUES_MAX + queue];
	int old = __atomic_exchange_n(place, fd + 1, __ATOMIC_ACQ_REL);

	__atomic_add_fetch(&t->version, 1, __ATOMIC_ACQ_REL);
	if (old == 0)
		return;
	urcu_qsbr_synchronize_rcu();
	close(old - 1);
}

int
taps_put(struct taps *t, uint32_t port, uint32_t queue, int fd)
{
	if (port >= t->n_ports || queue >= PORT_QUEUES_MAX) {
		close(fd);
		return -EINVAL;
	}
	replace(t, port, queue, fd);
	return 0;
}

void
taps_remove(struct taps *t, uint32_t port, uint32_t queue)
{
	if (port < t->n_ports && queue < PORT_QUEUES_MAX)
		replace(t, port, queue, -1);
}

uint64_t
taps_version(const struct taps *t)
{
	return __atomic_load_n(&t->version, __ATOMIC_ACQUIRE);
}

int
taps_get(const struct taps *t, uint32_t port, uint32_t queue)
{
	return __atomic_load_n(&t->fds[port * PORT_QUEUES_MAX + queue], __ATOMIC_ACQUIRE) - 1;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The process' descriptors of taps. See taps.h. */
#include "fwd-worker/taps.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/limits.h"

struct retired {
	struct retired *next;
	int fd;
	uint64_t version; /* the first in which it is gone */
};

struct taps {
	uint32_t n_ports;
	uint32_t n_slots;
	uint64_t version;
	uint64_t seen[SLOTS_MAX];
	struct retired *retired; /* the main thread's */
	int fds[];               /* [n_ports * PORT_QUEUES_MAX], fd + 1, 0: none */
};

struct taps *
taps_create(uint32_t n_ports, uint32_t n_slots)
{
	struct taps *t;

	t = calloc(1, sizeof(*t) + (size_t)n_ports * PORT_QUEUES_MAX * sizeof(t->fds[0]));
	if (t == NULL)
		return NULL;
	t->n_ports = n_ports;
	t->n_slots = n_slots;
	t->version = 1;
	return t;
}

static void
retire(struct taps *t, int fd, uint64_t version)
{
	struct retired *r = malloc(sizeof(*r));

	if (r == NULL)
		return; /* it stays open */
	*r = (struct retired){.next = t->retired, .fd = fd, .version = version};
	t->retired = r;
}

static void
replace(struct taps *t, uint32_t port, uint32_t queue, int fd)
{
	int *place = &t->fds[port * PORT_QUEUES_MAX + queue];
	int old = __atomic_exchange_n(place, fd + 1, __ATOMIC_ACQ_REL);
	uint64_t version = __atomic_add_fetch(&t->version, 1, __ATOMIC_ACQ_REL);

	if (old != 0)
		retire(t, old - 1, version);
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

bool
taps_close_retired(struct taps *t)
{
	struct retired **at = &t->retired;
	uint64_t all_saw = UINT64_MAX;

	for (uint32_t i = 0; i < t->n_slots; i++) {
		uint64_t saw = __atomic_load_n(&t->seen[i], __ATOMIC_ACQUIRE);

		if (saw < all_saw)
			all_saw = saw;
	}
	while (*at != NULL) {
		struct retired *r = *at;

		if (r->version > all_saw) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		close(r->fd);
		free(r);
	}
	return t->retired != NULL;
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

void
taps_seen(struct taps *t, uint32_t slot, uint64_t version)
{
	__atomic_store_n(&t->seen[slot], version, __ATOMIC_RELEASE);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets of guests and what rte_vhost says about them. See guests.h.
 *
 * rte_vhost calls back from threads of its own, or from within rte_vhost_driver_unregister() on the
 * main thread; so the table's lock is never held around a call into rte_vhost. All of rte_vhost's
 * memory is this process' own (common/private_heap.h): nobody else cares when we die in it.
 */
#include "vhost-agent/guests.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_vhost.h>

#define LOG_MODULE "guest"
#include "common/fault_point.h"
#include "common/log.h"
#include "common/conf.h"
#include "common/region.h"
#include "vhost-agent/blame.h"
#include "vhost-agent/pump.h"
#include "vhost-agent/socket_file.h"

enum {
	RETRY_MS = 1000,
	CLOSED_RETRY_MS = 20,
	CONNECT_RETRY_US = 20000,
	QUEUE_BITS = 32,
	DEVICES_MAX = 1024, /* as many as rte_vhost has */
};

/* A guest that agreed on nothing is still one. */
#define GUEST_IS_THERE (UINT64_C(1) << VHOST_USER_F_PROTOCOL_FEATURES)

/*
 * Not offered: packed rings, because what is on its way in one is lost when an agent dies; and
 * segmentation that mbufs or the other kinds of ports cannot express.
 */
#define FEATURES_OFF                                                                    \
	(UINT64_C(1) << VIRTIO_F_RING_PACKED | UINT64_C(1) << VIRTIO_NET_F_HOST_UFO |   \
	 UINT64_C(1) << VIRTIO_NET_F_GUEST_UFO | UINT64_C(1) << VIRTIO_NET_F_HOST_ECN | \
	 UINT64_C(1) << VIRTIO_NET_F_GUEST_ECN)

struct guests {
	struct ports *ports;
	struct guests_table *notes;
	uint32_t agent;
	bool make_directories;
	struct pump *pump;
	struct guest_list *list; /* what the pump has */
	bool leaving;            /* we stop: guests are left to our successor */
	pthread_mutex_t lock;    /* of guest[], against rte_vhost's threads */
	struct guest *guest[];   /* [ports->n] */
};

/* rte_vhost's callbacks have no argument of ours. */
static struct guests *the_guests;
static struct device devices[DEVICES_MAX]; /* by vid */

/* --- rte_vhost's threads ---------------------------------------------------------------------- */

struct guest *
guests_find(const char *path)
{
	struct guests *gs = the_guests;
	struct guest *found = NULL;

	if (gs == NULL || *path == '\0')
		return NULL;
	pthread_mutex_lock(&gs->lock);
	for (uint32_t i = 0; i < gs->ports->n && found == NULL; i++)
		if (gs->guest[i] != NULL && strcmp(gs->guest[i]->path, path) == 0)
			found = gs->guest[i];
	pthread_mutex_unlock(&gs->lock);
	return found;
}

struct guest *
guests_at(uint32_t port)
{
	struct guests *gs = the_guests;
	struct guest *g;

	if (gs == NULL || port >= gs->ports->n)
		return NULL;
	pthread_mutex_lock(&gs->lock);
	g = gs->guest[port];
	pthread_mutex_unlock(&gs->lock);
	return g;
}

static struct guest *
guest_of(int vid)
{
	char path[GUEST_PATH_LEN] = "";

	return rte_vhost_get_ifname(vid, path, sizeof(path)) < 0 ? NULL : guests_find(path);
}

static struct device *
device_of(int vid)
{
	return vid >= 0 && vid < DEVICES_MAX ? &devices[vid] : NULL;
}

static int
on_connection(int vid)
{
	struct device *d = device_of(vid);
	struct guest *g = guest_of(vid);

	if (d == NULL || g == NULL)
		return -1;
	*d = (struct device){.vid = vid};
	memset(g->note->ring_size, 0, sizeof(g->note->ring_size));
	return 0;
}

/* For people. */
static void
note_device(struct guest_note *note, const struct device *d)
{
	uint16_t mtu = 0;

	note->mtu = rte_vhost_get_mtu(d->vid, &mtu) == 0 ? mtu : 0;
	rte_vhost_get_negotiated_protocol_features(d->vid, &note->protocol_features);
	note->rx_pairs = __atomic_load_n(&d->rx_ready, __ATOMIC_ACQUIRE);
	note->tx_pairs = __atomic_load_n(&d->tx_ready, __ATOMIC_ACQUIRE);
	note->connections++;
}

static int
on_new_device(int vid)
{
	struct guest *g = guest_of(vid);
	struct device *d = device_of(vid);

	if (g == NULL || d == NULL)
		return -1;
	rte_vhost_get_negotiated_features(vid, &d->features);
	note_device(g->note, d);
	__atomic_store_n(&g->entry->guest, d->features | GUEST_IS_THERE, __ATOMIC_RELEASE);
	FAULT_POINT("guest-new");
	__atomic_store_n(&g->device, d, __ATOMIC_RELEASE);
	log_info("port %u: the guest at %s is there, features 0x%llx", g->port, g->path,
		 (unsigned long long)d->features);
	return 0;
}

static void
on_destroy_device(int vid)
{
	struct guest *g = guest_of(vid);
	struct device *d = device_of(vid);

	if (g != NULL && __atomic_load_n(&g->device, __ATOMIC_ACQUIRE) == d) {
		__atomic_store_n(&g->device, NULL, __ATOMIC_SEQ_CST);
		g->note->rx_pairs = g->note->tx_pairs = 0;
		if (!the_guests->leaving)
			__atomic_store_n(&g->entry->guest, 0, __ATOMIC_RELEASE);
		log_info("port %u: the guest at %s is gone", g->port, g->path);
	}
	FAULT_POINT("guest-gone");
	pump_sync(the_guests->pump);
}

/* May be called with the queue's lock held: nothing here waits for the pump. */
static int
on_vring_state(int vid, uint16_t queue, int enable)
{
	struct device *d = device_of(vid);
	uint32_t *ready, bit;
	const struct guest *g;

	if (d == NULL || queue / 2 >= QUEUE_BITS)
		return 0;
	ready = queue % 2 == 0 ? &d->rx_ready : &d->tx_ready;
	bit = UINT32_C(1) << queue / 2;
	if (enable)
		__atomic_fetch_or(ready, bit, __ATOMIC_RELEASE);
	else
		__atomic_fetch_and(ready, ~bit, __ATOMIC_RELEASE);
	g = blame_guest();
	if (g != NULL && __atomic_load_n(&g->device, __ATOMIC_ACQUIRE) == d) {
		g->note->rx_pairs = __atomic_load_n(&d->rx_ready, __ATOMIC_ACQUIRE);
		g->note->tx_pairs = __atomic_load_n(&d->tx_ready, __ATOMIC_ACQUIRE);
	}
	return 0;
}

unsigned int __real_sleep(unsigned int seconds);
unsigned int __wrap_sleep(unsigned int seconds);

/*
 * rte_vhost's thread that tries guests which listen, but were not there yet, tries all of them and
 * then sleeps for a second: too long for guests that wait. It sleeps for as long as makes it take
 * a hundredth of a core.
 */
unsigned int
__wrap_sleep(unsigned int seconds)
{
	static __thread uint64_t used_us;
	uint64_t now_us, wait_us;
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	now_us = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
	wait_us = (now_us - used_us) * 100;
	used_us = now_us;
	if (wait_us >= seconds * UINT64_C(1000000))
		return __real_sleep(seconds);
	usleep(wait_us < CONNECT_RETRY_US ? CONNECT_RETRY_US : (useconds_t)wait_us);
	return 0;
}

static const struct rte_vhost_device_ops ops = {
    .new_connection = on_connection,
    .new_device = on_new_device,
    .destroy_device = on_destroy_device,
    .vring_state_changed = on_vring_state,
};

/* --- sockets ---------------------------------------------------------------------------------- */

static int
register_at(struct guest *g)
{
	bool server = (g->flags & PORT_VHOST_SERVER) != 0;

	if (rte_vhost_driver_register(g->path, server ? 0 : RTE_VHOST_USER_CLIENT) < 0)
		return -EIO;
	if (rte_vhost_driver_disable_features(g->path, FEATURES_OFF) == 0 &&
	    rte_vhost_driver_callback_register(g->path, &ops) == 0 &&
	    rte_vhost_driver_start(g->path) == 0)
		return 0;
	rte_vhost_driver_unregister(g->path);
	return -EIO;
}

static int
try_register(const struct guests *gs, struct guest *g, struct fault *f)
{
	bool server = (g->flags & PORT_VHOST_SERVER) != 0;
	int rc = socket_file_prepare(g->path, g->note, gs->make_directories, server, f);

	if (rc < 0)
		return rc;
	if (register_at(g) < 0)
		return fault_set(f, EIO,
				 "it cannot be used; does its directory exist, and may we write?");
	if (!server)
		return 0;
	rc = socket_file_finish(g->path, g->note, f);
	if (rc < 0)
		rte_vhost_driver_unregister(g->path);
	return rc;
}

/* Not yet: the last agents died of it. */
static bool
is_quarantined(struct guest *g, uint64_t now)
{
	uint64_t left_ms = guest_quarantined_ms(g->note, now);

	if (left_ms == 0)
		return false;
	g->retry_ms = now + (left_ms < RETRY_MS ? left_ms : RETRY_MS);
	if (!g->complained)
		log_warning(
		    "guest of port %u (%s) %s, %u times in a row: it is not served for %lu ms",
		    g->port, g->entry->name, guest_offence_text(g->note->last_offence),
		    g->note->deaths_in_row, (unsigned long)left_ms);
	g->complained = true;
	return true;
}

static void
register_guest(const struct guests *gs, struct guest *g)
{
	uint64_t now = guest_now_ms();
	struct fault f = {.code = 0};

	if (is_quarantined(g, now))
		return;
	g->registered = try_register(gs, g, &f) == 0;
	g->retry_ms = g->registered ? 0 : now + RETRY_MS;
	if (g->registered)
		log_info("port %u: %s %s", g->port,
			 (g->flags & PORT_VHOST_SERVER) != 0 ? "listening at"
							     : "looking for a guest at",
			 g->path);
	else if (!g->complained)
		log_error("port %u (%s): socket %s: %s; trying again and again", g->port,
			  g->entry->name, g->path, f.text);
	g->complained = !g->registered;
}

/* --- in step with the port table -------------------------------------------------------------- */

static bool
is_ours(const struct guests *gs, const struct port *p)
{
	return __atomic_load_n(&p->state, __ATOMIC_ACQUIRE) == PORT_ACTIVE &&
	       p->kind == PORT_VHOST && (p->flags & PORT_MOVING) == 0 && p->agent == gs->agent;
}

static bool
is_same(const struct guest *g, const struct port *p)
{
	return strncmp(g->path, p->devargs, sizeof(g->path)) == 0 && g->flags == p->flags &&
	       g->queues == p->queues;
}

static struct guest *
guest_make(struct guests *gs, uint32_t index)
{
	struct port *p = &gs->ports->p[index];
	struct guest *g;

	if (strnlen(p->devargs, sizeof(p->devargs)) >= sizeof(g->path)) {
		log_error("port %u: %.120s is too long for a socket", index, p->devargs);
		return NULL;
	}
	if (posix_memalign((void **)&g, CACHE_LINE, sizeof(*g)) != 0)
		return NULL;
	memset(g, 0, sizeof(*g));
	g->entry = p;
	g->note = &gs->notes->note[index];
	g->port = (uint16_t)index;
	g->queues = p->queues;
	g->flags = p->flags;
	memcpy(g->path, p->devargs, strlen(p->devargs) + 1);
	g->expected = __atomic_exchange_n(&p->guest, 0, __ATOMIC_ACQ_REL) != 0;
	return g;
}

static void
place_set(struct guests *gs, uint32_t index, struct guest *g)
{
	pthread_mutex_lock(&gs->lock);
	gs->guest[index] = g;
	pthread_mutex_unlock(&gs->lock);
}

/* Gives the pump all guests there are, but for one; afterwards the pump knows nothing else. */
static void
list_publish(struct guests *gs, const struct guest *without)
{
	uint32_t n = gs->ports->n;
	struct guest_list *l = calloc(1, sizeof(*l) + 2 * n * sizeof(void *)), *old = gs->list;

	if (l == NULL) {
		log_error("out of memory");
		exit(EXIT_FAILURE);
	}
	l->n_ports = n;
	l->by_port = &l->g[n];
	for (uint32_t i = 0; i < n; i++) {
		struct guest *g = gs->guest[i];

		if (g == NULL || g == without)
			continue;
		l->g[l->n++] = g;
		l->by_port[i] = g;
	}
	gs->list = l;
	pump_guests(gs->pump, l);
	free(old);
}

/* Its connection and its socket; the pump knows it no more. */
static void
guest_close(struct guests *gs, struct guest *g)
{
	list_publish(gs, g);
	if (g->registered)
		rte_vhost_driver_unregister(g->path);
	g->registered = false;
}

static void
guest_remove(struct guests *gs, uint32_t index)
{
	struct guest *g = gs->guest[index];

	guest_close(gs, g);
	place_set(gs, index, NULL);
	log_info("port %u: %s is closed", index, g->path);
	free(g);
}

struct guests *
guests_create(const struct region *r, uint32_t agent, const struct conf *conf, struct pump *pump)
{
	struct ports *ports = region_table(r, "ports");
	struct guests *gs = calloc(1, sizeof(*gs) + ports->n * sizeof(void *));

	if (gs == NULL)
		return NULL;
	gs->ports = ports;
	gs->notes = region_table(r, "guests");
	gs->agent = agent;
	gs->make_directories = conf->vhost_mkdir != 0;
	gs->pump = pump;
	pthread_mutex_init(&gs->lock, NULL);
	the_guests = gs;
	list_publish(gs, NULL);
	return gs;
}

void
guests_destroy(struct guests *gs)
{
	if (gs == NULL)
		return;
	gs->leaving = true;
	for (uint32_t i = 0; i < gs->ports->n; i++)
		if (gs->guest[i] != NULL)
			guest_remove(gs, i);
	pump_guests(gs->pump, NULL);
	free(gs->list);
	the_guests = NULL;
	pthread_mutex_destroy(&gs->lock);
	free(gs);
}

/* It did what a guest must not: it has to connect again, if it may. */
static bool
offender_close(struct guests *gs, struct guest *g)
{
	uint32_t why = __atomic_exchange_n(&g->close_for, 0, __ATOMIC_ACQ_REL);

	if (why == 0)
		return false;
	blame_note(g, why - 1, "its connection is closed");
	guest_close(gs, g);
	g->retry_ms = guest_now_ms() + CLOSED_RETRY_MS;
	return true;
}

void
guests_update(struct guests *gs)
{
	bool changed = false;

	for (uint32_t i = 0; i < gs->ports->n; i++) {
		const struct port *p = &gs->ports->p[i];
		struct guest *g = gs->guest[i];

		if (g != NULL && (!is_ours(gs, p) || !is_same(g, p))) {
			guest_remove(gs, i);
			g = NULL;
		}
		changed |= g != NULL && offender_close(gs, g);
		if (g != NULL || !is_ours(gs, p))
			continue;
		g = guest_make(gs, i);
		place_set(gs, i, g);
		changed |= g != NULL;
	}
	if (changed)
		list_publish(gs, NULL);
	for (uint32_t i = 0; i < gs->ports->n; i++) {
		struct guest *g = gs->guest[i];

		if (g != NULL && !g->registered && guest_now_ms() >= g->retry_ms)
			register_guest(gs, g);
	}
}

int
guests_wait_ms(const struct guests *gs)
{
	uint64_t now = guest_now_ms();
	int wait = -1;

	for (uint32_t i = 0; i < gs->ports->n; i++) {
		const struct guest *g = gs->guest[i];
		int due;

		if (g == NULL || g->registered)
			continue;
		due = g->retry_ms <= now ? 0 : (int)(g->retry_ms - now);
		wait = wait < 0 || due < wait ? due : wait;
	}
	return wait;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost-tap: a guest with a kernel's network stack and no virtual machine. Its driver is a front
 * end of vhost-user (vhost_front.h), its network interface a tap, whose frames go from one to the
 * other with their virtio-net headers: what the kernel leaves undone reaches the agent as a guest's
 * kernel would leave it, and what the agent leaves undone is the kernel's to finish. For system
 * tests. Runs until SIGTERM or SIGINT.
 *
 *   vhost-tap PATH NAME
 *
 * It listens at PATH and makes the tap NAME, which may be moved to a namespace. While its virtqueue
 * is full, frames wait in the tap, as they would in a guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <net/if.h>

#include <linux/if_tun.h>

#include "tests/lib/vhost_front.h"

enum {
	RING = 1024,
	BUFFER = 4096, /* as Linux's driver comes to have them when frames are long */
	BURST = 32,
	CONNECT_MS = 100,
	IDLE_LOOPS = 100, /* then whoever shares our core may have it */
	IDLE_US = 20,
	HEADER = sizeof(struct virtio_net_hdr),
};

static volatile sig_atomic_t over;

static void
on_signal(int number)
{
	(void)number;
	over = 1;
}

struct guest {
	struct vhost_front *front;
	int tap;
	size_t waiting; /* bytes of the frame that the virtqueue had no room for */
	struct virtio_net_hdr header;
	uint8_t frame[VHOST_FRONT_TSO_MAX], in[VHOST_FRONT_TSO_MAX];
};

static int
tap_open(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	return fd;
}

/* The kernel may leave to the tap what the agent takes. */
static int
tap_agree(int tap, uint64_t features)
{
	static const struct {
		unsigned int virtio, tun;
	} offloads[] = {{VIRTIO_NET_F_CSUM, TUN_F_CSUM},
			{VIRTIO_NET_F_HOST_TSO4, TUN_F_TSO4},
			{VIRTIO_NET_F_HOST_TSO6, TUN_F_TSO6}};
	unsigned int flags = 0;

	for (size_t i = 0; i < sizeof(offloads) / sizeof(offloads[0]); i++)
		flags |= (features >> offloads[i].virtio & 1) != 0 ? offloads[i].tun : 0;
	return ioctl(tap, TUNSETOFFLOAD, flags) < 0 ? -errno : 0;
}

/* Whether there was something to do. */
static bool
from_kernel(struct guest *g)
{
	int n;

	for (n = 0; n < BURST; n++) {
		if (g->waiting == 0) {
			struct iovec iov[] = {{&g->header, HEADER}, {g->frame, sizeof(g->frame)}};
			ssize_t len = readv(g->tap, iov, 2);

			if (len <= HEADER)
				break;
			g->waiting = (size_t)len - HEADER;
		}
		if (vhost_front_send(g->front, 0, g->frame, g->waiting, &g->header) == -ENOBUFS)
			break;
		g->waiting = 0;
	}
	return n > 0;
}

static bool
to_kernel(struct guest *g)
{
	struct virtio_net_hdr header;
	int n;

	for (n = 0; n < BURST; n++) {
		size_t len = vhost_front_receive(g->front, 0, g->in, sizeof(g->in), &header);
		struct iovec iov[] = {{&header, HEADER}, {g->in, len}};

		if (len == 0)
			break;
		/* A kernel that has its interface down, or finds the frame wrong, counts it. */
		(void)!writev(g->tap, iov, 2);
	}
	return n > 0;
}

static void
serve(struct guest *g)
{
	unsigned int idle = 0;

	while (!over && (idle == 0 || vhost_front_connected(g->front))) {
		bool busy = to_kernel(g);

		busy |= from_kernel(g);
		idle = busy ? 0 : idle + 1;
		if (idle > IDLE_LOOPS)
			usleep(IDLE_US);
	}
}

int
main(int argc, char **argv)
{
	static struct guest g;
	struct sigaction sa = {.sa_handler = on_signal};
	struct vhost_front_config c = {
	    .server = true,
	    .pairs = 1,
	    .ring_size = RING,
	    .buffer_size = BUFFER,
	    .features =
		UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF | UINT64_C(1) << VIRTIO_NET_F_CSUM |
		UINT64_C(1) << VIRTIO_NET_F_GUEST_CSUM | UINT64_C(1) << VIRTIO_NET_F_HOST_TSO4 |
		UINT64_C(1) << VIRTIO_NET_F_HOST_TSO6 | UINT64_C(1) << VIRTIO_NET_F_GUEST_TSO4 |
		UINT64_C(1) << VIRTIO_NET_F_GUEST_TSO6,
	};
	int rc;

	if (argc != 3) {
		fprintf(stderr, "usage: vhost-tap PATH NAME\n");
		return EXIT_FAILURE;
	}
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_TIMERSLACK, 1);
	c.path = argv[1];
	g.tap = tap_open(argv[2]);
	if (g.tap < 0) {
		fprintf(stderr, "vhost-tap: %s: %s\n", argv[2], strerror(-g.tap));
		return EXIT_FAILURE;
	}
	rc = vhost_front_create(&c, &g.front);
	if (rc < 0) {
		fprintf(stderr, "vhost-tap: %s: %s\n", c.path, strerror(-rc));
		return EXIT_FAILURE;
	}
	while (!over) {
		if (vhost_front_connect(g.front, CONNECT_MS) < 0)
			continue;
		if (vhost_front_start(g.front) == 0 &&
		    tap_agree(g.tap, vhost_front_features(g.front)) == 0)
			serve(&g);
	}
	vhost_front_destroy(g.front);
	return EXIT_SUCCESS;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest's end of vhost-user, as a virtual machine monitor would be: for tests, without a virtual
 * machine. It speaks the protocol message by message, so that a test can leave off anywhere, and
 * sends and receives Ethernet frames over split virtqueues in memory of its own, which outlives
 * connections: when the agent comes back, what it had not used yet is offered again.
 *
 * One thread at a time per front end. Needs no DPDK.
 */
#ifndef TESTS_LIB_VHOST_FRONT_H
#define TESTS_LIB_VHOST_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

enum {
	VHOST_FRONT_PAIRS_MAX = 16,
	VHOST_FRONT_FRAME_MAX = 9216,
	VHOST_FRONT_TSO_MAX = 65535 + 14, /* a frame that is still to be cut */
};

struct vhost_front_config {
	const char *path;     /* of the socket */
	bool server;          /* we listen and the agent connects; else we connect */
	uint32_t pairs;       /* queue pairs */
	uint32_t ring_size;   /* descriptors of a virtqueue, a power of two */
	uint32_t buffer_size; /* bytes of each one's buffer, 0: 2048 */
	uint64_t features;    /* asked for, beside VERSION_1; cut down to what the agent offers */
	uint16_t mtu;         /* told to the agent, 0: none */
	bool huge;            /* memory in huge pages of 2 MB */
};

struct vhost_front;

/* 0 or a negative errno. A server's socket listens from now on. */
int vhost_front_create(const struct vhost_front_config *config, struct vhost_front **front);
/* NULL is fine. */
void vhost_front_destroy(struct vhost_front *f);

/* Waits for a connection. 0, -ETIMEDOUT, or -ECONNREFUSED and the like. */
int vhost_front_connect(struct vhost_front *f, int timeout_ms);
/* Closes the connection without a word. Rings and memory stay. */
void vhost_front_disconnect(struct vhost_front *f);
/* Whether the agent is still there; one that went away is disconnected. */
bool vhost_front_connected(struct vhost_front *f);

/*
 * How many messages lead from a connection to running queues, and the next one of them: 1 while
 * there are more, 0 when the queues run, or a negative errno when the agent went away or said
 * something that makes no sense.
 */
uint32_t vhost_front_steps(const struct vhost_front *f);
int vhost_front_step(struct vhost_front *f);
/* All that are left. */
int vhost_front_start(struct vhost_front *f);
/* Stops the queues by GET_VRING_BASE, as a guest's reset does. */
int vhost_front_stop(struct vhost_front *f);

/* What was agreed on. */
uint64_t vhost_front_features(const struct vhost_front *f);

/*
 * Puts a frame into the pair's transmit queue; -ENOBUFS when it is full. 'header' may be NULL.
 */
int vhost_front_send(struct vhost_front *f, uint32_t pair, const void *frame, size_t len,
		     const struct virtio_net_hdr *header);
/*
 * Takes a frame from the pair's receive queue: its length, or 0 when there is none. What does not
 * fit into 'size' is cut off.
 */
size_t vhost_front_receive(struct vhost_front *f, uint32_t pair, void *frame, size_t size,
			   struct virtio_net_hdr *header);

/*
 * The same without a copy, many at a time. place: where the next frame of 'len' bytes is to be
 * written, NULL when the queue is full; peek: the next frame that came in one buffer, NULL when
 * there is none. Both are the agent's with the next flush of their queue, and not before.
 */
uint8_t *vhost_front_place(struct vhost_front *f, uint32_t pair, size_t len);
void vhost_front_place_flush(struct vhost_front *f, uint32_t pair);
const uint8_t *vhost_front_peek(struct vhost_front *f, uint32_t pair, size_t *len);
void vhost_front_peek_flush(struct vhost_front *f, uint32_t pair);

/* --- for guests that lie (vhost_liar.h) --- */

/* Sends bytes as they are, with up to 16 descriptors. 0 or a negative errno. */
int vhost_front_say_raw(struct vhost_front *f, const void *bytes, size_t n, const int *fds,
			uint32_t n_fds);
/* A byte out of band (MSG_OOB). */
int vhost_front_say_urgent(struct vhost_front *f, uint8_t byte);
/* Virtqueue 'index' (2i: pair i receives, 2i + 1: it sends), and its eventfd for calls. */
struct vring *vhost_front_ring(struct vhost_front *f, uint32_t index);
int vhost_front_call_fd(const struct vhost_front *f, uint32_t index);
/* The memory that is shared, and how much of it. */
int vhost_front_memory_fd(const struct vhost_front *f, size_t *size);
/* The address that the agent knows 'p', in that memory, by: a guest's, and the front end's. */
uint64_t vhost_front_address(const struct vhost_front *f, const void *p);
/* Offers descriptor 'id' of a queue without looking whether it makes sense. */
void vhost_front_offer(struct vhost_front *f, uint32_t index, uint16_t id);

#endif

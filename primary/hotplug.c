/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replaces DPDK's broadcast of attached and detached devices to secondaries, which blocks for ten
 * seconds on a process that hangs, and runs in a thread of every process where a kill would leave
 * shared locks taken. The linker sends rte_dev_probe() and rte_dev_remove() here (--wrap); nobody
 * calls it by name.
 *
 * Each ready process is asked in turn, over its process socket and with the attach token in its
 * hands, so that its death at any point is undone and passed over: its successor finds the device
 * when it attaches, or doesn't find it. One that does not answer within a second is killed.
 *
 * Of virtual devices that only the primary can poll no other process is to hear at all: some
 * drivers would open files again, or ask for descriptors. So they are left out here, and of the
 * list that EAL sends to a process that attaches (rte_mp_sendmsg(), --wrap too).
 */
#include "primary/hotplug.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_eal.h>

#include "primary/device_port.h"
#include "primary/peers.h"
#include "primary/primary.h"
#include "primary/token.h"

#define LOG_MODULE "port"
#include "common/log.h"

/* As DPDK 22.11 passes it. */
enum request_type {
	REQUEST_ATTACH,
	REQUEST_DETACH,
	REQUEST_ATTACH_ROLLBACK,
	REQUEST_DETACH_ROLLBACK
};

struct eal_dev_mp_req {
	enum request_type type;
	char devargs[128];
	int result;
};

/* What the bus of virtual devices tells a process that attaches, one message for each. */
static const char vdev_messages[] = "bus_vdev_mp";
enum { VDEV_ONE = 2 };

struct vdev_param {
	int type;
	int num;
	char name[RTE_DEV_NAME_MAX_LEN];
};

int __wrap_eal_dev_hotplug_request_to_secondary(struct eal_dev_mp_req *req);
int __real_rte_mp_sendmsg(struct rte_mp_msg *msg);
int __wrap_rte_mp_sendmsg(struct rte_mp_msg *msg);

enum { CLOSED_MS = 100 }; /* from a socket's end to the process' own */

static struct primary *primary;
static uint32_t serial;

void
hotplug_init(struct primary *p)
{
	primary = p;
}

/* Returns what the process said; one that died has nothing to say. */
static int32_t
ask(struct peer *peer, const struct eal_dev_mp_req *req)
{
	struct process_msg m = {.magic = PROCESS_MAGIC, .type = MSG_DEVICE};
	int32_t result = 0;
	int rc;

	m.device.serial = ++serial;
	m.device.attach = req->type == REQUEST_ATTACH || req->type == REQUEST_DETACH_ROLLBACK;
	snprintf(m.device.devargs, sizeof(m.device.devargs), "%.*s", (int)sizeof(req->devargs) - 1,
		 req->devargs);
	token_give(primary->token, (int)(peer->pid));
	rc = peer_device(peer, &m, &result);
	if (rc == 0) {
		token_return(primary->token);
		return result;
	}
	if (rc == -ETIMEDOUT)
		peer_kill_wait(peer, "does not answer about a device", 0);
	else
		peer_kill_wait(peer, "closed its socket", CLOSED_MS);
	token_recover(primary->token);
	return 0;
}

int
__wrap_eal_dev_hotplug_request_to_secondary(struct eal_dev_mp_req *req)
{
	req->result = 0;
	if (device_is_io(req->devargs))
		return 0;
	for (unsigned int i = 0; primary != NULL && primary->peers != NULL && i < PEERS_MAX; i++) {
		struct peer *peer = peer_at(primary, i);
		int32_t result;

		if (peer == NULL || peer->state != PEER_READY || peer->sock < 0)
			continue;
		result = ask(peer, req);
		if (result == 0 || (req->type == REQUEST_ATTACH && result == -EEXIST) ||
		    (req->type == REQUEST_DETACH && result == -ENOENT))
			continue;
		log_warning("%s: process %d: %s", req->devargs, (int)peer->pid, strerror(-result));
		req->result = result;
	}
	return 0;
}

/* EAL's message thread. */
int
__wrap_rte_mp_sendmsg(struct rte_mp_msg *msg)
{
	const struct vdev_param *vdev = (const struct vdev_param *)msg->param;

	if (strcmp(msg->name, vdev_messages) == 0 && msg->len_param == sizeof(*vdev) &&
	    vdev->type == VDEV_ONE && device_is_io(vdev->name))
		return 0;
	return __real_rte_mp_sendmsg(msg);
}

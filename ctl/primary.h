/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control's connection to the primary (common/process.h): it registers, attaches to the primary's
 * EAL, asks for ports, and starts over when the primary does. Main thread only.
 *
 * Requests made while there is no primary wait for one, for a few seconds.
 */
#ifndef CTL_PRIMARY_H
#define CTL_PRIMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/fault.h"
#include "common/process.h"

struct ctl;
struct primary;

/* Connects now if it can, else keeps trying. */
int primary_create(struct ctl *ctl, struct primary **primary, struct fault *f);
/* Replies that are due do not come any more. NULL is fine. */
void primary_destroy(struct primary *primary);
/* Tells the primary that we end in good order. */
void primary_goodbye(struct primary *primary);
/* Executes vr-ctl anew, with the same pid; returns a negative errno if that failed. */
int primary_restart(struct primary *primary);

/* Whether the primary knows us and takes requests. */
bool primary_connected(const struct primary *primary);

/* What is asked for; see process_msg.port_add. */
struct port_wish {
	enum port_kind kind;
	uint32_t queues;    /* 0: default */
	uint32_t mtu;       /* 0: default */
	int32_t slot;       /* operator's number, -1: spread */
	const uint8_t *mac; /* NULL: default */
	const char *name;
	const char *devargs; /* vhost: path of the socket; NULL for taps */
	uint32_t agent;      /* vhost */
	uint32_t flags;      /* enum port_flag */
	uint32_t mode;       /* vhost: of the agent's socket, and whose it is; guest.h */
	uint32_t uid, gid;
};

/* 'code' is 0 or a negative errno with a sentence in 'text'. Never called before the request
 * returned. */
typedef void primary_reply(void *arg, int code, const char *text);

/* -EBUSY: a request about this name is under way. -ENOMEM. */
int primary_port_add(struct primary *primary, const struct port_wish *wish, primary_reply *reply,
		     void *arg);
/* A guest's port: agent 'agent' is to serve it from now on. */
int primary_port_move(struct primary *primary, uint32_t port, const char *name, uint32_t agent,
		      primary_reply *reply, void *arg);
int primary_port_del(struct primary *primary, uint32_t port, const char *name, primary_reply *reply,
		     void *arg);

#endif

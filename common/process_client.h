/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A secondary's end of the process socket, and its life: wait for the primary, say hello, map the
 * region, get the attach token, join EAL, be ready; then stay connected, and outlive the primary.
 * Used by vr-fwd, vr-vhost and vr-ctl, each on its main thread alone.
 *
 * It never blocks but in rte_eal_init, so it fits poll() and libevent alike: call
 * process_client_step() when process_client_fd() is readable, and when process_client_wait_ms() is
 * over, until it says CLIENT_NOTHING. The descriptor changes with every connection. A program with
 * nothing else to do before it is ready calls process_client_start() instead, once.
 *
 * What EAL holds belongs to one generation, and EAL cannot be joined twice. So when the primary's
 * successor greets us with another generation, the program ends what it has in hand and calls
 * process_client_restart(), which executes it anew with the same arguments and pid.
 */
#ifndef COMMON_PROCESS_CLIENT_H
#define COMMON_PROCESS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/fault.h"
#include "common/process.h"
#include "common/slot.h"

struct conf;
struct region;
struct handshake;
struct process_client;

struct process_client_config {
	const struct conf *conf; /* must outlive the client */
	enum process_role role;
	uint32_t n_slots;
	uint32_t slot_ids[SLOTS_MAX]; /* operator's numbers */
	uint32_t agent;               /* ROLE_VHOST: its number */
	int32_t core;                 /* CPU of the main thread, -1: wherever it is now */
	char **argv;                  /* of main(), for process_client_restart() */
};

enum process_client_event {
	CLIENT_NOTHING, /* no more for now */
	CLIENT_REGION,  /* process_client_region() is there: tables can be read and written */
	CLIENT_READY,   /* process_client_handshake() is there */
	CLIENT_MESSAGE, /* *m is for the caller; so is *fd, if it is not -1 */
	CLIENT_STOP,    /* drain, process_client_goodbye(), exit 0 */
	CLIENT_LOST,    /* the primary is gone: go on with what there is */
	CLIENT_BACK, /* connected again, same generation; process_client_key() may have changed */
	CLIENT_RESTART, /* another generation: finish, then process_client_restart() */
	CLIENT_FAILED,  /* refused or impossible, *f says why: exit */
};

/* NULL when out of memory. */
struct process_client *process_client_create(const struct process_client_config *config);
/* Closes the socket; region and EAL stay as they are. NULL is fine. */
void process_client_destroy(struct process_client *pc);

/* -1 while there is no connection. */
int process_client_fd(const struct process_client *pc);
/* When to step without being told by the descriptor: milliseconds from now, or -1. */
int process_client_wait_ms(const struct process_client *pc);
/*
 * Does the next thing that is due. Messages about devices are dealt with here; of the others,
 * MSG_TAP, MSG_TAP_CLOSE, MSG_EVENT and MSG_PORT_REPLY come out as CLIENT_MESSAGE.
 */
enum process_client_event process_client_step(struct process_client *pc, struct process_msg *m,
					      int *fd, struct fault *f);

/*
 * Blocks, stepping, until the process is ready (0), or cannot be (negative errno, with a fault), or
 * shall stop (-ECANCELED): asked by the primary, or because 'stop_fd' (a signalfd, or -1) became
 * readable.
 */
int process_client_start(struct process_client *pc, int stop_fd, struct fault *f);

/* NULL before CLIENT_REGION, and before CLIENT_READY. */
const struct region *process_client_region(const struct process_client *pc);
struct handshake *process_client_handshake(const struct process_client *pc);
/* Any thread. 0 before the first welcome. */
process_key process_client_key(const struct process_client *pc);
/* First hand id of an agent or of control (slots' are their indices). */
uint32_t process_client_hand(const struct process_client *pc);

/* -ENOTCONN while the primary is away, -EAGAIN when it does not read. */
int process_client_send(struct process_client *pc, const struct process_msg *m);
/* Tells the primary that everything is drained. Also when it is not there to listen. */
void process_client_goodbye(struct process_client *pc);
/* Executes the program anew. Returns only if that failed: a negative errno. */
int process_client_restart(struct process_client *pc);

#endif

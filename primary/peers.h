/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The other processes: the process socket's server, the serialized attach, who animates which slot,
 * and what happens when one of them dies. All on the primary's main thread.
 *
 * A peer is the primary's private side of an entry of the region's process table. Its death is what
 * its pidfd says; an EOF of its socket only starts a clock.
 */
#ifndef PRIMARY_PEERS_H
#define PRIMARY_PEERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/process.h"
#include "primary/primary.h"

enum { PEERS_MAX = 2 * PROCESSES_MAX };

enum peer_state {
	PEER_FREE,
	PEER_NEW,       /* connected, no hello yet */
	PEER_WELCOMED,  /* knows where the region is */
	PEER_WAITING,   /* wants the token */
	PEER_ATTACHING, /* has it */
	PEER_READY,
	PEER_OLD, /* belongs to an earlier primary's EAL generation; not heard of yet */
};

struct peer {
	struct watch sock_watch, pid_watch;
	enum peer_state state;
	int sock;  /* -1: closed */
	int pidfd; /* -1: before hello */
	pid_t pid;
	enum process_role role;
	uint32_t n_slots;
	uint64_t slots;
	process_key key;
	struct process *entry;
	uint32_t hand; /* first; agents' and control's own */
	uint32_t lcore, n_lcores;
	bool joined;    /* is or was ready in this EAL generation: its hands are to be repaired */
	bool hung;      /* killed by us */
	bool stopping;  /* asked to */
	bool goodbye;   /* has drained */
	bool animated;  /* its slots are its own */
	bool event_due; /* control: an event could not be sent yet */
	bool taps_due;  /* not all descriptors of taps are sent */
	uint8_t *taps_sent; /* queues sent, by port */
	uint64_t closed_ms; /* when the socket closed though the process lives, 0: it did not */
	uint64_t waits_since_us;
	uint64_t ready_ms;
	uint32_t n_later;
	struct process_msg *later; /* came while an answer was waited for */
};

struct peers *peers_create(struct primary *p, struct fault *f);
/* Closes the process socket and removes it; the processes stay. */
void peers_destroy(struct primary *p);

/* What is due by time: the token, kills, events. Returns ms until it wants to be called again. */
int peers_poll(struct primary *p);

/* Processes that an earlier primary left behind, found in the region's table. After peers_create().
 */
void peers_adopt(struct primary *p);

/* Living peer number 'i' of PEERS_MAX, or NULL. */
struct peer *peer_at(struct primary *p, unsigned int i);
struct peer *peer_by_pid(struct primary *p, pid_t pid);
/* The living peer of this EAL generation whose key is 'key', or NULL. */
struct peer *peer_by_key(struct primary *p, process_key key);

/* 0 or a negative errno; a peer whose queue is full is not at fault: -EAGAIN. */
int peer_send(struct peer *peer, const struct process_msg *m, int fd);
void peer_kill(struct peer *peer, const char *why);
/*
 * SIGKILLs it, if it does not die by itself within 'patience_ms', and blocks until it is really
 * gone (its threads too), for a second at most.
 */
void peer_kill_wait(struct peer *peer, const char *why, int patience_ms);

/* Tells control that a table changed. */
void peers_event(struct primary *p);
/* New or removed taps: descriptors are sent, or their closing. */
void peers_tap_added(struct primary *p);
void peers_tap_removed(struct primary *p, uint32_t port);

/*
 * Blocks until the peer answers MSG_DEVICE (0, and *result), dies (-EPIPE) or lets a second pass
 * (-ETIMEDOUT; it is dead then). Other messages of the peer are kept for later.
 */
int peer_device(struct peer *peer, struct process_msg *m, int32_t *result);

/* Asks those that we started to stop. */
void peers_stop(struct primary *p);

#endif

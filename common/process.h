/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processes as the router sees them: the table in the region that people look at, and the messages
 * of the process socket between the primary and the others.
 *
 * The process socket is SOCK_SEQPACKET (run-dir/primary.sock); one message is one fixed-size
 * struct, in host byte order, since both ends run on one machine. The primary checks SO_PEERCRED,
 * opens a pidfd, and must be able to signal the peer. Order of a secondary's life:
 *
 *   connect, HELLO -> WELCOME (or REFUSED with a sentence) -> attach to the region, check layouts
 *   -> WANT_TOKEN -> TOKEN -> rte_eal_init, rte_service_finalize -> READY -> ANIMATE, TAP, ...
 *
 * One token is out at a time and the primary takes no lock of EAL's shared memory meanwhile, so
 * when its holder dies the primary restores the snapshot of the shared configuration that it took
 * before (primary/token.h). After READY a secondary makes no EAL call that takes a shared lock.
 */
#ifndef COMMON_PROCESS_H
#define COMMON_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/fault.h"
#include "common/limits.h"
#include "common/slot.h"

enum process_role {
#define ROLE(NAME, name, program) ROLE_##NAME,
#include "common/roles.def"
#undef ROLE
	ROLES
};
const char *process_role_name(enum process_role role);

enum process_state {
	PROCESS_FREE,      /* entry unused, or only kept for its last death */
	PROCESS_WELCOMED,  /* hello accepted, waits for its token */
	PROCESS_ATTACHING, /* holds the token */
	PROCESS_READY,
	PROCESS_STOPPING, /* asked to stop */
	PROCESS_DEAD,     /* kept until somebody of the same role and slots comes */
};

/* Shared (region), the primary writes. 'state' is stored last (release). */
struct process {
	uint32_t state; /* enum process_state */
	uint32_t role;
	process_key key;
	int32_t pid; /* as the primary sees it */
	uint32_t n_slots;
	uint64_t slots;      /* bit i: slot index i asked for; an agent: bit of its number */
	uint64_t started_ms; /* Unix time of HELLO */
	uint64_t ready_ms;
	uint32_t restarts; /* times a process of this identity came back */
	/* last death of this identity */
	int32_t death_signal;        /* 0: exited */
	int32_t death_status;        /* exit status, -1 when not our child and so unknown */
	uint32_t death_hung;         /* 1: killed by the primary because it hung */
	uint64_t died_ms;            /* Unix time of its end, planned or not; 0: never */
	uint64_t death_repaired_us;  /* from the pidfd's word to the repaired hand */
	uint64_t death_recovered_us; /* from the pidfd's word to the first loop of the successor */
	uint64_t deaths_ms[4]; /* those nobody planned: Unix time, the latest first; 0: none */
};

/* Shared (region). */
struct processes {
	uint32_t n;        /* PROCESSES_MAX */
	uint32_t sequence; /* last start sequence given, see process_key */
	uint32_t reserved[14];
	struct process p[PROCESSES_MAX];
};

/*
 * Primary: notes the time of an end; 'planned' if somebody asked for it. If the primary dies itself
 * meanwhile, a death may be missing or be told twice, to people only.
 */
void process_died(struct process *p, uint64_t now_ms, bool planned);

/* Primary, on zeroed memory. */
void processes_init(struct processes *t);

#define PROCESS_MAGIC UINT32_C(0x76727031)

enum process_msg_type {
	/* to the primary */
	MSG_HELLO = 1,
	MSG_WANT_TOKEN,
	MSG_READY,
	MSG_GOODBYE,     /* drained, about to exit 0 */
	MSG_DEVICE_DONE, /* answer to MSG_DEVICE: result */
	MSG_PORT_ADD,    /* control: make a port */
	MSG_PORT_DEL,
	MSG_PORT_MOVE, /* control: another agent is to serve a guest */
	/* from the primary */
	MSG_WELCOME = 64,
	MSG_REFUSED,
	MSG_TOKEN,
	MSG_TAP, /* one file descriptor by SCM_RIGHTS: queue 'queue' of tap port 'port' */
	MSG_TAP_CLOSE,
	MSG_DEVICE, /* attach or detach an EAL device locally (EAL calls allowed: token is held) */
	MSG_STOP,   /* drain and exit */
	MSG_PORT_REPLY, /* answer to MSG_PORT_ADD, MSG_PORT_DEL and MSG_PORT_MOVE */
	MSG_EVENT,      /* control: something in the process, slot or port table changed */
};

enum port_kind {
#define PORT_KIND(NAME, name, text) PORT_##NAME,
#include "common/port_kinds.def"
#undef PORT_KIND
	PORT_KINDS
};

struct process_msg {
	uint32_t magic; /* PROCESS_MAGIC */
	uint32_t type;  /* enum process_msg_type */
	union {
		struct {
			uint32_t role;
			uint32_t version; /* of this protocol: 1 */
			uint32_t n_slots;
			uint32_t slot_ids[SLOTS_MAX]; /* operator's numbers */
			uint32_t agent;               /* VHOST: its number, from 0 */
			char dpdk[32];                /* rte_version() */
			char build[64];               /* version_build() */
			char ops[256]; /* mempool ops by index, comma separated: must equal the
					  primary's */
		} hello;
		struct {
			process_key key;
			uint32_t
			    hand; /* first hand id that is yours (hand.h), slots have their own */
			uint32_t eal_generation;
			uint64_t region_address;
			uint64_t eal_base_address;
			char region_path[256];
			char eal_prefix[64]; /* --file-prefix */
			uint32_t lcore;      /* unique lcore id to use as main lcore */
		} welcome;
		struct {
			int32_t code;
			char text[256];
		} refused;
		struct {
			uint32_t port;
			uint32_t queue;
		} tap;
		struct {
			uint32_t serial;
			uint32_t attach; /* 1: attach, 0: detach */
			int32_t result;
			char devargs[256];
		} device;
		struct {
			uint32_t serial;
			uint32_t kind;   /* enum port_kind */
			uint32_t queues; /* RX/TX queue pairs, 0: default */
			uint32_t mtu;    /* as vif.mtu, 0: default */
			uint8_t mac[6];  /* of the router's end, zero: default */
			uint16_t agent;  /* VHOST */
			int32_t
			    slot; /* operator's number of the slot that polls queue 0, -1: spread */
			char name[NAME_LEN]; /* tap: interface name; device: name of the port */
			char devargs[256]; /* device: what rte_dev_probe() takes; vhost: path of the
					      socket */
			uint32_t flags;    /* enum port_flag */
			uint32_t mode;     /* VHOST: of the agent's socket, see guest.h */
			uint32_t uid, gid;
		} port_add;
		struct {
			uint32_t serial;
			uint32_t port;
		} port_del;
		struct {
			uint32_t serial;
			uint32_t port;
			uint32_t agent;
		} port_move;
		struct {
			uint32_t serial;
			int32_t code;  /* 0 or negative errno */
			uint32_t port; /* index */
			char text[256];
		} port_reply;
	};
};

/*
 * One whole message; -EAGAIN, -EPIPE (peer gone), -EPROTO (size or magic wrong). 'fd' may be -1 or
 * NULL; a received one is close-on-exec and the caller's.
 */
int process_msg_send(int sock, const struct process_msg *m, int fd);
int process_msg_recv(int sock, struct process_msg *m, int *fd);

#endif

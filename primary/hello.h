/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may join: checks a secondary's hello against what the primary is and who lives already. Pure;
 * called by the process socket's server (peers.c) on the main thread.
 */
#ifndef PRIMARY_HELLO_H
#define PRIMARY_HELLO_H

#include <stdint.h>
#include <sys/socket.h>

#include "common/process.h"
#include "common/slot.h"

enum { PROCESS_PROTOCOL = 1 };

/* A process that has been welcomed and lives. */
struct hello_living {
	enum process_role role;
	uint64_t slots; /* bit i: slot index i; of an agent, its number */
	pid_t pid;
};

struct hello_context {
	uid_t uid; /* ours */
	const char *dpdk;
	const char *ops;
	const struct slots *slots;
	uint32_t agents; /* numbers of vhost agents are below */
	uint32_t n_living;
	const struct hello_living *living;
};

/*
 * Returns 0 and the slots asked for (an agent's number, as a bit), or a negative errno with a
 * sentence for the sender. 'cred' is the kernel's word about the sender, who is not among the
 * living itself.
 */
int hello_check(const struct hello_context *ctx, const struct process_msg *m,
		const struct ucred *cred, uint64_t *slots, struct fault *f);

#endif

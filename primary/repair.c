/* SPDX-License-Identifier: BSD-3-Clause */
/* Repair after a death; see repair.h. */
#include "primary/repair.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>

#include "common/flow.h"
#include "common/grace.h"
#include "common/guest.h"
#include "common/hand.h"
#include "primary/peers.h"
#include "primary/primary.h"

#define LOG_MODULE "process"
#include "common/log.h"

static void
repair_hand(struct primary *p, uint32_t hand, struct repair_sum *sum, uint64_t *quarantined)
{
	struct hand_repair r = {0};

	hand_repair(p->hs, hand, &r);
	sum->freed += r.freed;
	sum->quarantined += r.quarantined;
	sum->ring_fixed += r.ring_fixed;
	sum->already_free += r.already_free;
	*quarantined += r.quarantined;
}

static void
repair_agent(struct primary *p, uint32_t agent)
{
	struct slot *s = &p->agents->s[agent];

	__atomic_store_n(&s->animated_by, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&s->generation, s->generation + 1, __ATOMIC_RELEASE);
	s->restarts++;
}

void
repair_blame_guest(struct primary *p, const struct peer *peer)
{
	union hand_state at = p->hs->hands[peer->hand].state;
	uint64_t quarantined_ms;

	if ((at.where != HAND_RX && at.where != HAND_TX_INSIDE) || at.port_hold != PORT_HOLD_NONE ||
	    at.port >= p->ports->n)
		return;
	quarantined_ms = guest_blame(&p->guests->note[at.port], GUEST_HANG,
				     (uint32_t)p->conf.guest_deaths, guest_now_ms());
	log_warning("guest of port %u (%s) %s %d", at.port, p->ports->p[at.port].name,
		    guest_offence_text(GUEST_HANG), (int)peer->pid);
	if (quarantined_ms > 0)
		log_warning("guest of port %u (%s) is not served for %lu ms", at.port,
			    p->ports->p[at.port].name, (unsigned long)quarantined_ms);
}

void
repair_process(struct primary *p, struct peer *peer, struct repair_sum *sum)
{
	uint64_t quarantined = 0;

	if (peer->role == ROLE_VHOST)
		repair_agent(p, (uint32_t)__builtin_ctzll(peer->slots));
	if (peer->role != ROLE_FWD) {
		if (peer->hand >= p->hs->n_hands)
			return;
		if (peer->joined)
			repair_hand(p, peer->hand, sum, &quarantined);
		grace_reap(p->grace, peer->hand);
		return;
	}
	for (uint32_t i = 0; i < p->slots->n; i++) {
		struct slot *s = &p->slots->s[i];

		if ((peer->slots >> i & 1) == 0 || s->owner != 0)
			continue;
		if (peer->joined)
			repair_hand(p, i, sum, &s->quarantined);
		flow_repair(p->flows, i); /* while its reader still holds up grace periods */
		grace_reap(p->grace, i);
		__atomic_store_n(&s->generation, s->generation + 1, __ATOMIC_RELEASE);
		s->restarts++;
	}
}

void
repair_slots_of(struct primary *p, process_key owner)
{
	for (uint32_t i = 0; i < p->slots->n; i++) {
		struct slot *s = &p->slots->s[i];

		if (s->owner != owner)
			continue;
		flow_repair(p->flows, i);
		grace_reap(p->grace, i);
		__atomic_store_n(&s->generation, s->generation + 1, __ATOMIC_RELEASE);
		s->restarts++;
		__atomic_store_n(&s->owner, 0, __ATOMIC_RELEASE);
	}
}

void
repair_files(struct primary *p, pid_t pid)
{
	DIR *dir = opendir(rte_eal_get_runtime_dir());
	char array_end[32], socket_start[32];
	struct dirent *e;

	(void)p;
	if (dir == NULL)
		return;
	snprintf(array_end, sizeof(array_end), "_%d", (int)pid);
	snprintf(socket_start, sizeof(socket_start), "mp_socket_%d_", (int)pid);
	while ((e = readdir(dir)) != NULL) {
		size_t len = strlen(e->d_name);
		bool array = strncmp(e->d_name, "fbarray_", 8) == 0 && len > strlen(array_end) &&
			     strcmp(e->d_name + len - strlen(array_end), array_end) == 0;

		if (array || strncmp(e->d_name, socket_start, strlen(socket_start)) == 0)
			unlinkat(dirfd(dir), e->d_name, 0);
	}
	closedir(dir);
}

/* Unix time at which a process was started, in ms; 0 if there is none. */
static uint64_t
process_start_ms(pid_t pid)
{
	struct timespec real, boot;
	uint64_t ticks = 0;
	char path[64], text[1024];
	const char *after;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	after = strrchr(text, ')'); /* the name may have anything in it */
	if (after == NULL || sscanf(after + 1,
				    " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
				    "%*d %*d %*d %*d %" SCNu64,
				    &ticks) != 1)
		return 0;
	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (uint64_t)(real.tv_sec - boot.tv_sec) * 1000 +
	       (uint64_t)((real.tv_nsec - boot.tv_nsec) / 1000000) +
	       ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

int
repair_old_process(const struct process *e)
{
	int pidfd = pidfd_open(e->pid, 0);
	uint64_t start_ms;

	if (pidfd < 0)
		return -1;
	start_ms = process_start_ms(e->pid);
	/* It said hello after it was started; a later one has only got its number. */
	if (start_ms == 0 || start_ms > e->started_ms + 1000) {
		close(pidfd);
		return -1;
	}
	return pidfd;
}

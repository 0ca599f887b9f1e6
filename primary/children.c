/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes that the primary starts; see children.h. */
#include "primary/children.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "primary/backoff.h"
#include "primary/peers.h"

#define LOG_MODULE "spawn"
#include "common/log.h"

enum {
	CHILDREN_MAX = SLOTS_MAX + AGENTS_MAX + 1,
	ARGS_MAX = 512,
	START_AGAIN_MS = 100, /* a program that cannot be executed, say while it is replaced */
};

struct child {
	struct watch watch; /* of its pidfd, for deaths before hello */
	enum process_role role;
	uint64_t slots;           /* an agent's: bit of its number */
	char list[SLOTS_MAX * 8]; /* of slots, or the agent's number */
	char program[PATH_MAX];
	pid_t pid; /* 0: does not run */
	int pidfd;
	bool ours; /* to be waited for; else an earlier primary's */
	struct backoff backoff;
	uint64_t start_at_ms; /* while it does not run */
};

struct children {
	unsigned int n;
	struct child child[CHILDREN_MAX];
};

static cpu_set_t given_affinity;
static bool affinity_noted;

extern char **environ;

void
children_note_affinity(void)
{
	affinity_noted = sched_getaffinity(0, sizeof(given_affinity), &given_affinity) == 0;
}

/* --- which children there are ------------------------------------------------------------------
 */

static int
program_path(char *path, size_t size, const char *program)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return -errno;
	self[n] = '\0';
	snprintf(path, size, "%s/%s", dirname(self), program);
	return access(path, X_OK) == 0 ? 0 : -errno;
}

/* Slots are dealt out like cards. */
static void
add_workers(struct primary *p, struct children *c, const char *path)
{
	uint32_t workers = p->spawn_workers < p->slots->n ? p->spawn_workers : p->slots->n;

	for (uint32_t w = 0; w < workers; w++) {
		struct child *child = &c->child[c->n++];
		size_t len = 0;

		child->role = ROLE_FWD;
		snprintf(child->program, sizeof(child->program), "%s", path);
		for (uint32_t i = w; i < p->slots->n; i += workers) {
			child->slots |= UINT64_C(1) << i;
			len += (size_t)snprintf(child->list + len, sizeof(child->list) - len,
						"%s%u", len == 0 ? "" : ",", p->slots->s[i].id);
		}
	}
}

static void
add_agents(struct primary *p, struct children *c, const char *path)
{
	for (uint32_t a = 0; a < p->spawn_agents; a++) {
		struct child *child = &c->child[c->n++];

		child->role = ROLE_VHOST;
		child->slots = UINT64_C(1) << a;
		snprintf(child->program, sizeof(child->program), "%s", path);
		snprintf(child->list, sizeof(child->list), "%u", a);
	}
}

struct children *
children_create(struct primary *p, struct fault *f)
{
	struct children *c = calloc(1, sizeof(*c));
	char path[PATH_MAX];

	if (c == NULL) {
		fault_set(f, ENOMEM, "no memory for children");
		return NULL;
	}
	if (!p->spawn)
		return c;
	if (program_path(path, sizeof(path), "vr-fwd") < 0) {
		fault_set(f, ENOENT, "--spawn: %s cannot be executed: %s", path, strerror(errno));
		free(c);
		return NULL;
	}
	add_workers(p, c, path);
	if (program_path(path, sizeof(path), "vr-vhost") == 0)
		add_agents(p, c, path);
	else if (p->spawn_agents > 0)
		log_warning("--spawn: no vhost agents, since %s cannot be executed: %s", path,
			    strerror(errno));
	if (program_path(path, sizeof(path), "vr-ctl") < 0) {
		log_warning("--spawn: no control, since %s cannot be executed: %s", path,
			    strerror(errno));
		return c;
	}
	c->child[c->n].role = ROLE_CTL;
	snprintf(c->child[c->n++].program, sizeof(path), "%s", path);
	return c;
}

void
children_destroy(struct primary *p)
{
	if (p->children == NULL)
		return;
	for (unsigned int i = 0; i < p->children->n; i++)
		if (p->children->child[i].pid != 0)
			close(p->children->child[i].pidfd);
	free(p->children);
	p->children = NULL;
}

static struct child *
child_of(struct primary *p, pid_t pid)
{
	for (unsigned int i = 0; i < p->children->n; i++)
		if (p->children->child[i].pid == pid)
			return &p->children->child[i];
	return NULL;
}

bool
children_has(struct primary *p, pid_t pid)
{
	return child_of(p, pid) != NULL;
}

/* --- starting ----------------------------------------------------------------------------------
 */

/* Our own arguments, but for those that are only ours. */
static void
child_args(struct primary *p, struct child *c, char **args)
{
	unsigned int n = 0;

	args[n++] = c->program;
	for (int i = 1; i < p->argc && n < ARGS_MAX - 3; i++) {
		if (strcmp(p->argv[i], "--spawn") == 0 ||
		    strncmp(p->argv[i], "--spawn-workers=", 16) == 0 ||
		    strncmp(p->argv[i], "--spawn-agents=", 15) == 0)
			continue;
		if (strcmp(p->argv[i], "--spawn-workers") == 0 ||
		    strcmp(p->argv[i], "--spawn-agents") == 0) {
			i++;
			continue;
		}
		args[n++] = p->argv[i];
	}
	if (c->role == ROLE_FWD) {
		args[n++] = (char *)"--slots";
		args[n++] = c->list;
	} else if (c->role == ROLE_VHOST) {
		args[n++] = (char *)"--agent";
		args[n++] = c->list;
	}
	args[n] = NULL;
}

/* vfork inside: the size of our address space costs nothing. */
static int
spawn(struct child *c, char **args)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	cpu_set_t now;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
					    POSIX_SPAWN_SETSIGDEF);
	/* The child gets the affinity of who starts it. */
	if (affinity_noted) {
		sched_getaffinity(0, sizeof(now), &now);
		sched_setaffinity(0, sizeof(given_affinity), &given_affinity);
	}
	rc = posix_spawn(&c->pid, c->program, &actions, &attr, args, environ);
	if (affinity_noted)
		sched_setaffinity(0, sizeof(now), &now);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

static void on_child(struct primary *p, struct watch *w, uint32_t events);

static void
child_start(struct primary *p, struct child *c)
{
	char *args[ARGS_MAX];
	int rc;

	child_args(p, c, args);
	rc = spawn(c, args);
	if (rc < 0) {
		c->pid = 0;
		c->start_at_ms = now_ms() + START_AGAIN_MS;
		log_error("%s cannot be started: %s", c->program, strerror(-rc));
		return;
	}
	c->ours = true;
	c->watch.fn = on_child;
	c->pidfd = pidfd_open(c->pid, 0);
	if (c->pidfd < 0 || primary_watch(p, c->pidfd, EPOLLIN, &c->watch) < 0)
		log_error("%s %d cannot be watched: %s", process_role_name(c->role), (int)c->pid,
			  strerror(errno));
	log_info("started %s %d%s%s", process_role_name(c->role), (int)c->pid,
		 c->role == ROLE_FWD     ? " for slots "
		 : c->role == ROLE_VHOST ? ", agent "
					 : "",
		 c->list);
}

/* An earlier primary's process of the same role and number, or that has one of the child's slots.
 */
static struct peer *
stand_in(struct primary *p, const struct child *c)
{
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = peer_at(p, i);

		if (peer != NULL && peer->role == c->role &&
		    (peer->slots == c->slots || (peer->slots & c->slots) != 0))
			return peer;
	}
	return NULL;
}

void
children_start(struct primary *p)
{
	for (unsigned int i = 0; i < p->children->n; i++) {
		struct child *c = &p->children->child[i];
		struct peer *peer = stand_in(p, c);

		if (peer == NULL) {
			child_start(p, c);
			continue;
		}
		c->pid = peer->pid;
		c->ours = false;
		c->pidfd = dup(peer->pidfd);
		c->watch.fn = on_child;
		primary_watch(p, c->pidfd, EPOLLIN, &c->watch);
	}
}

/* --- ends --------------------------------------------------------------------------------------
 */

static void
reap(struct child *c, struct death *d)
{
	siginfo_t si = {0};

	if (!c->ours || waitid(P_PIDFD, (id_t)c->pidfd, &si, WEXITED | WNOHANG) < 0)
		return;
	if (si.si_code == CLD_EXITED) {
		d->status = si.si_status;
	} else {
		d->signal = si.si_status;
		d->status = 0;
	}
}

void
children_gone(struct primary *p, pid_t pid, uint64_t ready_ms, struct death *d)
{
	struct child *c = child_of(p, pid);
	uint64_t lived, wait;

	if (c == NULL)
		return;
	reap(c, d);
	close(c->pidfd);
	c->pid = 0;
	if (p->stopping) {
		c->start_at_ms = UINT64_MAX;
		return;
	}
	lived = ready_ms == 0 ? 0 : now_ms() - ready_ms;
	wait = backoff_after_death(&c->backoff, lived, p->conf.backoff_ms);
	c->start_at_ms = now_ms() + wait;
	if (wait == 0)
		child_start(p, c);
}

/* Only who died before hello; who is a peer is buried by peers.c, whichever event comes first. */
static void
on_child(struct primary *p, struct watch *w, uint32_t events)
{
	struct child *c = (struct child *)((char *)w - offsetof(struct child, watch));
	struct pollfd pf = {.fd = c->pidfd, .events = POLLIN};
	enum process_role role = c->role;
	struct death d = {.status = -1};
	pid_t pid = c->pid;

	(void)events;
	if (pid == 0 || poll(&pf, 1, 0) != 1)
		return;
	if (peer_by_pid(p, pid) != NULL) {
		/* Told once is enough, or it would be said until the other event is handled. */
		epoll_ctl(p->epoll, EPOLL_CTL_DEL, c->pidfd, NULL);
		return;
	}
	children_gone(p, pid, 0, &d);
	repair_files(p, pid);
	if (!p->stopping)
		log_warning("%s %d ended before it said hello (%s %d)", process_role_name(role),
			    (int)pid, d.signal != 0 ? "signal" : "status",
			    d.signal != 0 ? d.signal : d.status);
}

int
children_poll(struct primary *p)
{
	uint64_t now = now_ms();
	int wait = -1;

	if (p->stopping)
		return -1;
	for (unsigned int i = 0; i < p->children->n; i++) {
		struct child *c = &p->children->child[i];

		if (c->pid == 0 && c->start_at_ms <= now)
			child_start(p, c);
		else if (c->pid == 0 && (wait < 0 || (uint64_t)wait > c->start_at_ms - now))
			wait = (int)(c->start_at_ms - now);
	}
	return wait;
}

unsigned int
children_alive(struct primary *p)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < p->children->n; i++)
		n += p->children->child[i].pid != 0;
	return n;
}

void
children_signal(struct primary *p, int sig)
{
	for (unsigned int i = 0; i < p->children->n; i++)
		if (p->children->child[i].pid != 0)
			pidfd_send_signal(p->children->child[i].pidfd, sig, NULL, 0);
}

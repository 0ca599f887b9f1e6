/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vr-primary: owns memory and ports, supervises all other processes, and repairs what the dead
 * leave behind. It reads nothing from outside but its configuration and fixed-size messages of
 * processes that the kernel vouches for.
 *
 * Threads: this one, in one epoll, does all work; the timer thread (watchdog.h) watches hearts; the
 * io thread (io.h) moves packets of devices that no other process can poll, if there are any.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_eal.h>

#include "common/need.h"
#include "primary/children.h"
#include "primary/eal.h"
#include "primary/hotplug.h"
#include "primary/io.h"
#include "primary/peers.h"
#include "primary/ports.h"
#include "primary/primary.h"
#include "primary/watchdog.h"
#include "primary/token.h"

#define LOG_MODULE "main"
#include "common/log.h"

enum {
	LOCK_MS = 500,    /* for a primary that was killed to be gone */
	STOP_MS = 3000,   /* that processes may take to drain */
	KILL_MS = 500,    /* and to be gone after SIGKILL */
	FILES_BASE = 512, /* descriptors for everything but taps */
	PORTS_BUSY_MS = 2,
};

/* --- start -------------------------------------------------------------------------------------
 */

static int
number_option(const struct conf_extra *option, uint32_t min, uint32_t max, uint32_t *number,
	      struct fault *f)
{
	unsigned long n;
	char *end;

	if (option->value == NULL)
		return 0;
	n = strtoul(option->value, &end, 10);
	if (end == option->value || *end != '\0' || n < min || n > max)
		return fault_set(f, ERANGE, "--%s %s: is not between %u and %u", option->name,
				 option->value, min, max);
	*number = (uint32_t)n;
	return 0;
}

static int
options(struct primary *p, int argc, char **argv, struct fault *f)
{
	struct conf_extra extra[] = {
	    {.name = "spawn",
	     .help = "start vr-fwd, vr-vhost and vr-ctl too, and again whenever they die"},
	    {.name = "spawn-workers",
	     .help = "how many vr-fwd processes the slots are spread over with --spawn (default 1)",
	     .metavar = "N"},
	    {.name = "spawn-agents",
	     .help = "how many vr-vhost processes --spawn starts (default: as many as agents)",
	     .metavar = "N"},
	    {.name = "config-example",
	     .help = "print a configuration file with all options, and exit"},
	    {0},
	};
	int rc;

	rc = conf_load(&p->conf, argc, argv,
		       "Owns the router's memory and ports, and supervises its other processes.",
		       extra, f);
	if (rc < 0)
		return rc;
	if (extra[3].value != NULL) {
		conf_example_print(stdout);
		exit(0);
	}
	p->argc = argc;
	p->argv = argv;
	p->spawn = extra[0].value != NULL;
	p->spawn_workers = 1;
	p->spawn_agents = (uint32_t)p->conf.agents;
	rc = number_option(&extra[1], 1, SLOTS_MAX, &p->spawn_workers, f);
	return rc < 0 ? rc
		      : number_option(&extra[2], 0, (uint32_t)p->conf.agents, &p->spawn_agents, f);
}

/* Every guest's tap is a descriptor here, and may be in flight to a worker. */
static int
raise_files(const struct conf *c, struct fault *f)
{
	uint64_t need = FILES_BASE + 2 * c->guests;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return fault_set(f, errno, "RLIMIT_NOFILE: %s", strerror(errno));
	if (r.rlim_max < need && geteuid() == 0) {
		r.rlim_max = need;
		if (setrlimit(RLIMIT_NOFILE, &r) < 0)
			getrlimit(RLIMIT_NOFILE, &r);
	}
	if (r.rlim_max < need)
		return fault_set(
		    f, EMFILE,
		    "%llu guests need %llu open files, but the hard limit is %llu: raise it "
		    "(ulimit -Hn, LimitNOFILE=), or lower guests",
		    (unsigned long long)c->guests, (unsigned long long)need,
		    (unsigned long long)r.rlim_max);
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) < 0)
		return fault_set(f, errno, "RLIMIT_NOFILE: %s", strerror(errno));
	if (r.rlim_max < FILES_BASE + c->vifs)
		log_notice("the limit of %llu open files lets at most %llu of %llu vifs be taps",
			   (unsigned long long)r.rlim_max,
			   (unsigned long long)r.rlim_max - FILES_BASE,
			   (unsigned long long)c->vifs);
	return 0;
}

/* The lock lives as long as the process; its file stays. */
/* One that was just killed holds its lock until the kernel has taken its memory apart. */
static int
lock_wait(int fd)
{
	for (uint64_t start = now_ms(); now_ms() - start < LOCK_MS; usleep(5000))
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
	return flock(fd, LOCK_EX | LOCK_NB);
}

static int
lock_instance(const struct conf *c, struct fault *f)
{
	char path[CONF_TEXT + 16];
	int fd;

	if (mkdir(c->run_dir, 0750) < 0 && errno != EEXIST)
		return fault_set(f, errno, "run-dir %s: %s", c->run_dir, strerror(errno));
	snprintf(path, sizeof(path), "%s/primary.lock", c->run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return fault_set(f, errno, "%s: %s", path, strerror(errno));
	if (lock_wait(fd) < 0)
		return fault_set(
		    f, EBUSY,
		    "another vr-primary runs in run-dir %s; stop it, or choose another "
		    "run-dir and instance",
		    c->run_dir);
	return 0;
}

static bool
stop_old(struct primary *p, int signal)
{
	bool any = false;

	for (uint32_t i = 0; i < p->processes->n; i++) {
		struct process *e = &p->processes->p[i];
		int pidfd;

		if (e->state == PROCESS_FREE || e->state == PROCESS_DEAD || e->role == ROLE_PRIMARY)
			continue;
		pidfd = repair_old_process(e);
		if (pidfd < 0)
			continue;
		any = true;
		if (signal != 0)
			pidfd_send_signal(pidfd, signal, NULL, 0);
		close(pidfd);
	}
	return any;
}

/*
 * Processes of the last generation hold its memory. If there isn't enough for a second one beside
 * it, they have to go first: an outage instead of an overlap.
 */
static int
make_room(struct primary *p, struct fault *f)
{
	int signal = SIGTERM;

	if (!p->adopted || !stop_old(p, 0))
		return f->code;
	log_warning("%s", f->text);
	log_warning(
	    "too few huge pages for an overlap: the processes of the last primary are stopped");
	for (uint64_t start = now_ms();
	     stop_old(p, signal) && now_ms() - start < STOP_MS + KILL_MS;) {
		signal = now_ms() - start < STOP_MS ? 0 : SIGKILL;
		usleep(10000);
	}
	return need_check(&p->conf, f);
}

static int
memory_start(struct primary *p, struct fault *f)
{
	struct fault need = {0};
	int rc;

	eal_clean(&p->conf);
	rc = need_check(&p->conf, &need);
	if (rc < 0 && rc != -ENOMEM) {
		*f = need;
		return rc;
	}
	if (rc == 0 || access(p->conf.hugepage_dir, W_OK) == 0) {
		struct fault region = {0};

		rc = region_create(&p->region, &p->conf, &p->adopted, &region);
		if (rc < 0) {
			*f = need.code < 0 && rc == -ENOMEM ? need : region;
			return rc;
		}
	}
	p->slots = region_table(&p->region, "slots");
	p->flows = region_table(&p->region, "flow");
	p->agents = region_table(&p->region, "agents");
	p->processes = region_table(&p->region, "processes");
	p->ports = region_table(&p->region, "ports");
	p->guests = region_table(&p->region, "guests");
	p->grace = region_table(&p->region, "grace");
	if (need.code < 0) {
		rc = make_room(p, &need);
		if (rc < 0) {
			if (!p->adopted)
				unlink(p->region.path);
			*f = need;
			return rc;
		}
	}
	eal_prefix(&p->conf, p->region.header->eal_generation, p->eal_prefix,
		   sizeof(p->eal_prefix));
	return eal_start(&p->conf, p->eal_prefix, f);
}

static int
start(struct primary *p, struct fault *f)
{
	uint64_t began_us = now_us();
	int rc;

	rc = raise_files(&p->conf, f);
	if (rc < 0)
		return rc;
	rc = lock_instance(&p->conf, f);
	if (rc < 0)
		return rc;
	children_note_affinity();
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll < 0)
		return fault_set(f, errno, "epoll: %s", strerror(errno));
	rc = memory_start(p, f);
	if (rc < 0)
		return rc;
	rc = handshake_create(&p->conf, p->region.header->eal_generation, &p->hs, f);
	if (rc < 0)
		return rc;
	p->token = token_create(rte_eal_get_runtime_dir(), f);
	p->port_set = p->token == NULL ? NULL : ports_create(p, f);
	p->io = p->port_set == NULL ? NULL : io_create(p, f);
	p->watchdog = p->io == NULL ? NULL : watchdog_create(p);
	if (p->watchdog == NULL)
		return f->code < 0 ? f->code
				   : fault_set(f, ENOMEM, "the timer thread cannot be started");
	hotplug_init(p);
	p->peers = peers_create(p, f);
	if (p->peers == NULL)
		return f->code;
	p->children = children_create(p, f);
	if (p->children == NULL)
		return f->code;
	peers_adopt(p);
	ports_start(p);
	children_start(p);
	log_notice("%s: region %s, EAL generation %u, %u slots, ready after %.0f ms",
		   p->conf.instance, p->adopted ? "adopted" : "made", p->hs->eal_generation,
		   p->slots->n, (double)(now_us() - began_us) / 1000);
	return 0;
}

/* --- run ---------------------------------------------------------------------------------------
 */

static void
on_signal(struct primary *p, struct watch *w, uint32_t events)
{
	(void)w;
	(void)events;
	if (p->stopping)
		return;
	p->stopping = true;
	p->stop_deadline_ms = now_ms() + STOP_MS;
	log_notice("stopping");
	peers_stop(p);
	children_signal(p, SIGTERM);
}

static int
watch_signals(struct primary *p, struct watch *w)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	w->fn = on_signal;
	return fd < 0 ? -errno : primary_watch(p, fd, EPOLLIN | EPOLLET, w);
}

static int
min_wait(int a, int b)
{
	return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

static bool
is_over(struct primary *p)
{
	if (!p->stopping)
		return false;
	if (children_alive(p) == 0)
		return true;
	if (now_ms() < p->stop_deadline_ms)
		return false;
	if (!p->killing)
		log_warning("%u processes did not stop in time; killing them", children_alive(p));
	p->killing = true;
	children_signal(p, SIGKILL);
	return now_ms() > p->stop_deadline_ms + KILL_MS;
}

/* One event at a time: handling one may free what another is about. */
static void
run(struct primary *p)
{
	while (!is_over(p)) {
		struct epoll_event ev;
		struct watch *w;
		int wait;

		wait = min_wait(peers_poll(p), children_poll(p));
		if (ports_busy(p))
			wait = min_wait(wait, PORTS_BUSY_MS);
		if (p->stopping)
			wait = min_wait(wait, 50);
		if (epoll_wait(p->epoll, &ev, 1, wait) != 1)
			continue;
		w = ev.data.ptr;
		w->fn(p, w, ev.events);
	}
}

static void
finish(struct primary *p)
{
	bool others = false;

	for (unsigned int i = 0; i < PEERS_MAX; i++)
		others |= peer_at(p, i) != NULL;
	watchdog_destroy(p->watchdog);
	io_destroy(p->io);
	p->io = NULL;
	if (p->token->holder != TOKEN_NOBODY)
		token_return(p->token);
	ports_release(p, !others);
	children_destroy(p);
	peers_destroy(p);
	ports_destroy(p);
	token_destroy(p->token);
	eal_clean(&p->conf);
	region_detach(&p->region);
	log_notice("stopped%s", others ? "; other processes go on" : "");
}

int
main(int argc, char **argv)
{
	static struct primary primary;
	struct watch signals;
	struct fault f = {0};
	sigset_t set;

	if (options(&primary, argc, argv, &f) < 0) {
		fprintf(stderr, "vr-primary: %s\n", f.text);
		return 2;
	}
	log_init("vr-primary", primary.conf.log == 1, (enum log_level)primary.conf.log_level);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL); /* before EAL makes threads */
	signal(SIGPIPE, SIG_IGN);
	if (start(&primary, &f) < 0 || watch_signals(&primary, &signals) < 0) {
		log_error("%s", f.text);
		return 1;
	}
	run(&primary);
	finish(&primary);
	return 0;
}

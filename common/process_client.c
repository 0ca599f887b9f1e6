/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A secondary's end of the process socket. See process_client.h. Main thread of vr-fwd, vr-vhost
 * and vr-ctl; only process_client_key() is for every thread.
 *
 *   WAITING  -connect, HELLO->  GREETED  -WELCOME->  QUEUED  -TOKEN, EAL, READY->  READY
 *
 * Without the primary we are WAITING again; once EAL is joined, a WELCOME of the same generation
 * leads straight to READY, and one of another generation to the end of this incarnation.
 */
#include "common/process_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_service_component.h>
#include <rte_version.h>

#include "common/conf.h"
#include "common/fault_point.h"
#include "common/handshake.h"
#define LOG_MODULE "process"
#include "common/log.h"
#include "common/pool.h"
#include "common/private_heap.h"
#include "common/region.h"
#include "common/version.h"

enum client_state { WAITING, GREETED, QUEUED, READY };

enum {
	RECONNECT_MS = 20, /* between attempts to find the primary */
	TAKEN_MS = 500,    /* a slot may be another's, before we believe it */
	REMIND_MS = 5000,  /* between log lines while waiting */
	PROTOCOL_VERSION = 1,
};

struct process_client {
	struct process_client_config config;
	enum client_state state;
	int sock;
	process_key key;
	uint32_t hand;
	uint32_t eal_generation; /* of the EAL we joined */
	bool eal_joined;
	bool region_mapped;
	bool region_told;
	uint32_t lcore;
	char eal_prefix[64];
	uint64_t eal_base_address;
	uint64_t next_connect_ms;
	uint64_t next_remind_ms;
	uint64_t taken_since_ms; /* first refusal because somebody has our place */
	cpu_set_t affinity;      /* as we were started */
	struct region region;
	struct handshake *handshake;
};

/* EAL's own halves of hot-plug, without the broadcast to other processes; linked in statically. */
int local_dev_probe(const char *devargs, struct rte_device **new_dev);
int local_dev_remove(struct rte_device *dev);

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static const char *
program_of(enum process_role role)
{
	static const char *const programs[ROLES] = {
#define ROLE(NAME, name, program) program,
#include "common/roles.def"
#undef ROLE
	};

	return role < ROLES ? programs[role] : "vr";
}

struct process_client *
process_client_create(const struct process_client_config *config)
{
	struct process_client *pc = calloc(1, sizeof(*pc));

	if (pc == NULL)
		return NULL;
	/* After process_client_restart() the kernel would show us as "exe". */
	prctl(PR_SET_NAME, program_of(config->role));
	pc->config = *config;
	pc->sock = -1;
	pc->state = WAITING;
	if (sched_getaffinity(0, sizeof(pc->affinity), &pc->affinity) < 0)
		CPU_ZERO(&pc->affinity);
	return pc;
}

void
process_client_destroy(struct process_client *pc)
{
	if (pc == NULL)
		return;
	if (pc->sock >= 0)
		close(pc->sock);
	free(pc);
}

int
process_client_fd(const struct process_client *pc)
{
	return pc->sock;
}

int
process_client_wait_ms(const struct process_client *pc)
{
	uint64_t now;

	if (pc->state != WAITING)
		return -1;
	now = now_ms();
	return now >= pc->next_connect_ms ? 0 : (int)(pc->next_connect_ms - now);
}

const struct region *
process_client_region(const struct process_client *pc)
{
	return pc->region_mapped ? &pc->region : NULL;
}

struct handshake *
process_client_handshake(const struct process_client *pc)
{
	return pc->handshake;
}

process_key
process_client_key(const struct process_client *pc)
{
	return __atomic_load_n(&pc->key, __ATOMIC_RELAXED);
}

uint32_t
process_client_hand(const struct process_client *pc)
{
	return pc->hand;
}

int
process_client_send(struct process_client *pc, const struct process_msg *m)
{
	if (pc->sock < 0)
		return -ENOTCONN;
	return process_msg_send(pc->sock, m, -1);
}

static int
send_type(struct process_client *pc, enum process_msg_type type)
{
	struct process_msg m = {.magic = PROCESS_MAGIC, .type = type};

	return process_client_send(pc, &m);
}

static void
disconnect(struct process_client *pc)
{
	close(pc->sock);
	pc->sock = -1;
	pc->state = WAITING;
}

static enum process_client_event
lose(struct process_client *pc)
{
	enum client_state was = pc->state;

	disconnect(pc);
	pc->next_connect_ms = now_ms() + RECONNECT_MS;
	pc->next_remind_ms = now_ms() + REMIND_MS;
	if (was != READY) {
		log_warning("the primary is gone, waiting for the next one");
		return CLIENT_NOTHING;
	}
	log_warning("the primary is gone; going on without it");
	return CLIENT_LOST;
}

static int
connect_socket(const struct conf *conf)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int sock, n, err;

	n = snprintf(a.sun_path, sizeof(a.sun_path), "%s/primary.sock", conf->run_dir);
	if (n < 0 || (size_t)n >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	if (connect(sock, (struct sockaddr *)&a, sizeof(a)) < 0) {
		err = -errno;
		close(sock);
		return err;
	}
	return sock;
}

static int
send_hello(struct process_client *pc)
{
	struct process_msg m = {.magic = PROCESS_MAGIC, .type = MSG_HELLO};

	m.hello.role = pc->config.role;
	m.hello.version = PROTOCOL_VERSION;
	m.hello.n_slots = pc->config.n_slots;
	m.hello.agent = pc->config.agent;
	memcpy(m.hello.slot_ids, pc->config.slot_ids, sizeof(m.hello.slot_ids));
	snprintf(m.hello.dpdk, sizeof(m.hello.dpdk), "%s", rte_version());
	snprintf(m.hello.build, sizeof(m.hello.build), "%s", version_build());
	pool_ops_names(m.hello.ops, sizeof(m.hello.ops));
	return process_client_send(pc, &m);
}

static enum process_client_event
try_connect(struct process_client *pc, struct fault *f)
{
	const char *run_dir = pc->config.conf->run_dir;
	uint64_t now = now_ms();
	int sock;

	if (now < pc->next_connect_ms)
		return CLIENT_NOTHING;
	pc->next_connect_ms = now + RECONNECT_MS;
	sock = connect_socket(pc->config.conf);
	if (sock == -ENAMETOOLONG) {
		fault_set(f, ENAMETOOLONG, "run-dir '%s' is too long for a socket's address",
			  run_dir);
		return CLIENT_FAILED;
	}
	if (sock == -EACCES || sock == -EPERM) {
		fault_set(f, -sock, "may not connect to %s/primary.sock: %s", run_dir,
			  strerror(-sock));
		return CLIENT_FAILED;
	}
	if (sock < 0) {
		if (pc->next_remind_ms == 0)
			log_notice("waiting for the primary at %s/primary.sock", run_dir);
		else if (now >= pc->next_remind_ms)
			log_notice("still waiting for the primary at %s/primary.sock", run_dir);
		if (now >= pc->next_remind_ms)
			pc->next_remind_ms = now + REMIND_MS;
		return CLIENT_NOTHING;
	}
	pc->sock = sock;
	if (send_hello(pc) < 0) {
		lose(pc);
		return CLIENT_NOTHING;
	}
	pc->state = GREETED;
	return CLIENT_NOTHING;
}

static enum process_client_event
map_region(struct process_client *pc, const struct process_msg *m, struct fault *f)
{
	char path[sizeof(m->welcome.region_path)];
	int rc;

	snprintf(path, sizeof(path), "%.*s", (int)sizeof(path) - 1, m->welcome.region_path);
	if (pc->region_mapped) {
		/* Only a region that was made anew is another file under the same name. */
		if (strcmp(pc->region.path, path) == 0 &&
		    (uintptr_t)pc->region.header == m->welcome.region_address)
			return CLIENT_NOTHING;
		return CLIENT_RESTART;
	}
	rc = region_attach(&pc->region, path, m->welcome.region_address, f);
	if (rc < 0)
		return CLIENT_FAILED;
	pc->region_mapped = true;
	return CLIENT_REGION;
}

static enum process_client_event
welcomed(struct process_client *pc, const struct process_msg *m, struct fault *f)
{
	enum process_client_event event;
	bool same = pc->eal_joined && m->welcome.eal_generation == pc->eal_generation;

	if (pc->eal_joined && !same) {
		log_notice("the primary's EAL generation is %u, ours %u: starting anew",
			   m->welcome.eal_generation, pc->eal_generation);
		return CLIENT_RESTART;
	}
	event = map_region(pc, m, f);
	if (event == CLIENT_FAILED || event == CLIENT_RESTART)
		return event;

	__atomic_store_n(&pc->key, m->welcome.key, __ATOMIC_RELAXED);
	pc->hand = m->welcome.hand;
	pc->eal_generation = m->welcome.eal_generation;
	pc->eal_base_address = m->welcome.eal_base_address;
	pc->lcore = m->welcome.lcore;
	snprintf(pc->eal_prefix, sizeof(pc->eal_prefix), "%.*s", (int)sizeof(pc->eal_prefix) - 1,
		 m->welcome.eal_prefix);

	if (same) {
		if (send_type(pc, MSG_READY) < 0)
			return lose(pc);
		pc->state = READY;
		log_notice("the primary is back");
		return CLIENT_BACK;
	}
	if (send_type(pc, MSG_WANT_TOKEN) < 0)
		return lose(pc);
	pc->state = QUEUED;
	return event;
}

/* The CPU EAL shall think we live on: 'core' if this process may use it, else any it may use. */
static int
main_cpu(const cpu_set_t *allowed, int32_t core)
{
	if (core >= 0 && core < CPU_SETSIZE && CPU_ISSET((size_t)core, allowed))
		return core;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET((size_t)cpu, allowed))
			return cpu;
	}
	return 0;
}

/* Neither "net_..." nor "vdev:...": an address on the PCI bus. */
static bool
is_pci(const char *devargs)
{
	return strncmp(devargs, "pci:", 4) == 0 || strspn(devargs, "0123456789abcdefABCDEF:.") >= 7;
}

/* As the primary does: only the devices that the configuration names, and the bus only for them. */
static int
pci_args(const struct conf *conf, char (*text)[CONF_TEXT], char **argv)
{
	int argc = 0;

	for (uint32_t i = 0; i < conf->ports.n; i++) {
		const char *devargs = strchr(conf->ports.v[i], '=');
		char *queues;

		if (devargs == NULL || !is_pci(devargs + 1))
			continue;
		snprintf(text[i], CONF_TEXT, "%s", devargs + 1);
		queues = strstr(text[i], ",queues=");
		if (queues != NULL)
			*queues = '\0';
		argv[argc++] = (char *)"-a";
		argv[argc++] = text[i];
	}
	if (argc == 0)
		argv[argc++] = (char *)"--no-pci";
	return argc;
}

static int
join_eal(struct process_client *pc, struct fault *f)
{
	const struct conf *conf = pc->config.conf;
	static char devices[CONF_LIST_MAX][CONF_TEXT]; /* EAL keeps pointers into its arguments */
	char prefix[96], lcores[32], base[48];
	char *argv[16 + 2 * CONF_LIST_MAX];
	cpu_set_t pin;
	int argc = 0, cpu, rc;

	cpu = main_cpu(&pc->affinity, pc->config.core);
	snprintf(prefix, sizeof(prefix), "--file-prefix=%s", pc->eal_prefix);
	snprintf(lcores, sizeof(lcores), "--lcores=%u@%d", pc->lcore, cpu);
	snprintf(base, sizeof(base), "--base-virtaddr=0x%llx",
		 (unsigned long long)pc->eal_base_address);
	argv[argc++] = pc->config.argv[0];
	argv[argc++] = (char *)"--proc-type=secondary";
	argv[argc++] = prefix;
	argv[argc++] = lcores;
	argv[argc++] = base;
	argv[argc++] = (char *)"--iova-mode=va";
	argv[argc++] = (char *)"--no-telemetry";
	argv[argc++] = (char *)"--log-level=lib.*:warning";
	argc += pci_args(conf, devices, &argv[argc]);
	argv[argc] = NULL;

	/* EAL keeps its runtime files in $RUNTIME_DIRECTORY/dpdk/PREFIX. */
	setenv("RUNTIME_DIRECTORY", conf->run_dir, 1);
	private_heap_force(true);
	FAULT_POINT("eal-before");
	if (rte_eal_init(argc, argv) < 0)
		return fault_set(f, rte_errno != 0 ? rte_errno : EIO,
				 "EAL of the primary ('%s') cannot be joined: %s", pc->eal_prefix,
				 rte_strerror(rte_errno));
	FAULT_POINT("eal-joined");
	rte_service_finalize();
	pc->eal_joined = true;

	pin = pc->affinity;
	if (pc->config.core >= 0) {
		CPU_ZERO(&pin);
		CPU_SET((size_t)cpu, &pin);
	}
	pthread_setaffinity_np(pthread_self(), sizeof(pin), &pin);

	rc = handshake_attach(&pc->handshake, f);
	if (rc < 0)
		return rc;
	if (pc->handshake->eal_generation != pc->eal_generation)
		return fault_set(f, EPROTO, "the handshake is of EAL generation %u, not %u",
				 pc->handshake->eal_generation, pc->eal_generation);
	return 0;
}

static enum process_client_event
got_token(struct process_client *pc, struct fault *f)
{
	if (pc->eal_joined)
		return CLIENT_NOTHING;
	if (join_eal(pc, f) < 0) {
		char byte;

		/* EAL cannot be tried twice in one process: if its primary died meanwhile, start
		 * anew. */
		if (recv(pc->sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
			log_warning("%s, and the primary is gone", f->text);
			return CLIENT_RESTART;
		}
		return CLIENT_FAILED;
	}
	FAULT_POINT("ready-before");
	if (send_type(pc, MSG_READY) < 0)
		return lose(pc);
	pc->state = READY;
	return CLIENT_READY;
}

/* 'devargs' as attached: "net_ring0,..." or "vdev:net_ring0,..."; its device by name, or NULL. */
static struct rte_device *
find_device(const char *devargs)
{
	struct rte_dev_iterator it;
	struct rte_devargs da;
	struct rte_device *dev;
	char filter[96];

	if (rte_devargs_parse(&da, devargs) != 0)
		return NULL;
	snprintf(filter, sizeof(filter), "bus=%s", rte_bus_name(da.bus));
	RTE_DEV_FOREACH(dev, filter, &it)
	{
		if (strcmp(rte_dev_name(dev), da.name) == 0)
			break;
	}
	rte_devargs_reset(&da);
	return dev;
}

static enum process_client_event
device(struct process_client *pc, const struct process_msg *m)
{
	struct process_msg reply = *m;
	struct rte_device *dev;
	char devargs[sizeof(m->device.devargs)];

	snprintf(devargs, sizeof(devargs), "%.*s", (int)sizeof(devargs) - 1, m->device.devargs);
	if (!pc->eal_joined) {
		reply.device.result = -EAGAIN;
	} else if (m->device.attach != 0) {
		FAULT_POINT("device-attach");
		reply.device.result = local_dev_probe(devargs, &dev);
		if (reply.device.result == -EEXIST)
			reply.device.result = 0;
	} else {
		FAULT_POINT("device-detach");
		dev = find_device(devargs);
		reply.device.result = dev == NULL ? 0 : local_dev_remove(dev);
	}
	if (reply.device.result < 0)
		log_warning("device %s: cannot be %s: %s", devargs,
			    m->device.attach != 0 ? "attached" : "detached",
			    strerror(-reply.device.result));
	reply.type = MSG_DEVICE_DONE;
	FAULT_POINT("device-done");
	if (process_client_send(pc, &reply) == -EPIPE)
		return lose(pc);
	return CLIENT_NOTHING;
}

/*
 * Our place is taken. Whoever has it may just have been killed, and the primary not know it yet: so
 * a refusal counts when it is still the answer after a while.
 */
static bool
is_worth_another_try(struct process_client *pc)
{
	uint64_t now = now_ms();

	if (pc->taken_since_ms == 0)
		pc->taken_since_ms = now;
	return now - pc->taken_since_ms < TAKEN_MS;
}

static enum process_client_event
dispatch(struct process_client *pc, const struct process_msg *m, struct fault *f)
{
	switch (m->type) {
	case MSG_WELCOME:
		return welcomed(pc, m, f);
	case MSG_REFUSED:
		if (m->refused.code == -EEXIST && is_worth_another_try(pc)) {
			pc->next_connect_ms = now_ms() + RECONNECT_MS;
			disconnect(pc);
			return CLIENT_NOTHING;
		}
		fault_set(f, m->refused.code < 0 ? -m->refused.code : ECONNREFUSED,
			  "the primary refuses us: %.200s", m->refused.text);
		return CLIENT_FAILED;
	case MSG_TOKEN:
		return got_token(pc, f);
	case MSG_DEVICE:
		return device(pc, m);
	case MSG_STOP:
		return CLIENT_STOP;
	case MSG_TAP:
	case MSG_TAP_CLOSE:
	case MSG_EVENT:
	case MSG_PORT_REPLY:
		return CLIENT_MESSAGE;
	default:
		log_warning("the primary sent a message of unknown type %u", m->type);
		return CLIENT_NOTHING;
	}
}

enum process_client_event
process_client_step(struct process_client *pc, struct process_msg *m, int *fd, struct fault *f)
{
	*fd = -1;
	for (;;) {
		enum process_client_event event;
		int rc;

		if (pc->state == WAITING) {
			event = try_connect(pc, f);
			if (event != CLIENT_NOTHING || pc->state == WAITING)
				return event;
		}
		rc = process_msg_recv(pc->sock, m, fd);
		if (rc == -EAGAIN || rc == -EINTR)
			return CLIENT_NOTHING;
		if (rc < 0) {
			if (rc != -EPIPE)
				log_warning("process socket: %s", strerror(-rc));
			event = lose(pc);
			if (event != CLIENT_NOTHING)
				return event;
			continue;
		}
		event = dispatch(pc, m, f);
		if (*fd >= 0 && event != CLIENT_MESSAGE) {
			close(*fd);
			*fd = -1;
		}
		if (event != CLIENT_NOTHING)
			return event;
	}
}

int
process_client_start(struct process_client *pc, int stop_fd, struct fault *f)
{
	for (;;) {
		struct process_msg m;
		int fd;

		switch (process_client_step(pc, &m, &fd, f)) {
		case CLIENT_READY:
			return 0;
		case CLIENT_FAILED:
			return f->code;
		case CLIENT_STOP:
			return -ECANCELED;
		case CLIENT_RESTART:
			return fault_set(f, -process_client_restart(pc), "cannot start anew");
		case CLIENT_MESSAGE:
			if (fd >= 0)
				close(fd);
			continue;
		case CLIENT_NOTHING: {
			struct pollfd p[2] = {{.fd = pc->sock, .events = POLLIN},
					      {.fd = stop_fd, .events = POLLIN}};

			if (poll(p, 2, process_client_wait_ms(pc)) > 0 && p[1].revents != 0)
				return -ECANCELED;
			continue;
		}
		default:
			continue;
		}
	}
}

void
process_client_goodbye(struct process_client *pc)
{
	if (pc->sock >= 0)
		(void)send_type(pc, MSG_GOODBYE);
}

int
process_client_restart(struct process_client *pc)
{
	/* exec would inherit the main thread's pin. */
	pthread_setaffinity_np(pthread_self(), sizeof(pc->affinity), &pc->affinity);
	execv("/proc/self/exe", pc->config.argv);
	return -errno;
}

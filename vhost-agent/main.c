/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vr-vhost: an agent that serves guests over vhost-user. The main thread lives with the primary
 * (process_client.h) and keeps the guests' sockets in step with the port table; rte_vhost's threads
 * speak with the guests; the pump moves packets.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_log.h>

#include "common/conf.h"
#include "common/handshake.h"
#define LOG_MODULE "main"
#include "common/log.h"
#include "common/process_client.h"
#include "common/program.h"
#include "vhost-agent/blame.h"
#include "vhost-agent/guest_call.h"
#include "vhost-agent/guests.h"
#include "vhost-agent/pump.h"

/* A guest of one queue pair: its socket, memory, two descriptors for each queue, and some air. */
enum { DESCRIPTORS_EACH = 8, DESCRIPTORS_OURS = 64 };

struct agent {
	struct conf conf;
	uint32_t number;
	int32_t core;
	int signals;
	struct process_client *client;
	struct pump *pump;
	struct guests *guests;
};

static int
number_parse(const char *name, const char *text, uint32_t max, uint32_t *number, struct fault *f)
{
	unsigned long n;
	char *end;

	if (text == NULL)
		return 0;
	n = strtoul(text, &end, 10);
	if (end == text || *end != '\0' || n > max)
		return fault_set(f, EINVAL, "--%s: '%s' is not a number from 0 to %u", name, text,
				 max);
	*number = (uint32_t)n;
	return 0;
}

static int
options_parse(struct agent *a, const struct conf_extra *extra, struct fault *f)
{
	uint32_t core = 0;

	if (a->conf.agents == 0)
		return fault_set(f, EINVAL, "agents = 0: no vhost agent is configured");
	if (number_parse("agent", extra[0].value, (uint32_t)a->conf.agents - 1, &a->number, f) <
		0 ||
	    number_parse("core", extra[1].value, 1023, &core, f) < 0)
		return f->code;
	a->core = extra[1].value != NULL ? (int32_t)core : a->conf.agent_cores[a->number];
	return 0;
}

static int
descriptors_check(const struct conf *conf, struct fault *f)
{
	uint64_t need = conf->guests * DESCRIPTORS_EACH + DESCRIPTORS_OURS;
	uint64_t there = program_descriptors();

	if (there == 0 || there >= need)
		return 0;
	return fault_set(
	    f, EMFILE,
	    "guests = %llu need %llu descriptors, RLIMIT_NOFILE allows %llu: raise it, "
	    "or configure fewer guests",
	    (unsigned long long)conf->guests, (unsigned long long)need, (unsigned long long)there);
}

static void
ports_look(struct agent *a)
{
	uint64_t version = pump_ports_changed(a->pump);

	guests_update(a->guests);
	pump_ports_seen(a->pump, version);
}

static void
stop(struct agent *a)
{
	pump_stop(a->pump);
	guests_destroy(a->guests);
	a->guests = NULL;
}

static int
shortest(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Until it is time to go: 0, or a negative errno with a fault. */
static int
serve(struct agent *a, struct fault *f)
{
	for (;;) {
		struct process_msg m;
		int fd;

		switch (process_client_step(a->client, &m, &fd, f)) {
		case CLIENT_MESSAGE:
			if (fd >= 0)
				close(fd);
			continue;
		case CLIENT_STOP:
			return 0;
		case CLIENT_FAILED:
			return f->code;
		case CLIENT_RESTART:
			stop(a);
			return fault_set(f, -process_client_restart(a->client),
					 "cannot start anew");
		case CLIENT_NOTHING: {
			struct pollfd p[3] = {
			    {.fd = process_client_fd(a->client), .events = POLLIN},
			    {.fd = a->signals, .events = POLLIN},
			    {.fd = pump_event_fd(a->pump), .events = POLLIN}};
			int n = poll(
			    p, 3,
			    shortest(process_client_wait_ms(a->client), guests_wait_ms(a->guests)));

			if (n > 0 && p[1].revents != 0)
				return 0;
			if (n > 0 && p[2].revents != 0)
				ports_look(a);
			else if (guests_wait_ms(a->guests) >= 0)
				guests_update(a->guests);
			continue;
		}
		default:
			continue;
		}
	}
}

static int
run(struct agent *a, char **argv, struct fault *f)
{
	struct process_client_config config = {
	    .conf = &a->conf, .role = ROLE_VHOST, .agent = a->number, .core = -1, .argv = argv};
	struct pump_config pump = {.conf = &a->conf, .agent = a->number, .core = a->core};
	int rc;

	a->client = process_client_create(&config);
	if (a->client == NULL)
		return fault_set(f, ENOMEM, "out of memory");
	rc = process_client_start(a->client, a->signals, f);
	if (rc == -ECANCELED)
		return 0;
	if (rc < 0)
		return rc;
	pump.client = a->client;
	rc = pump_create(&pump, &a->pump, f);
	if (rc < 0)
		return rc;
	/* A hostile guest must not fill logs: what it does wrong is counted and said by ourselves.
	 */
	rte_log_set_level_pattern("lib.vhost.*", RTE_LOG_CRIT);
	guest_call_init();
	blame_init((uint32_t)a->conf.guest_deaths, pump_event_fd(a->pump));
	a->guests = guests_create(process_client_region(a->client), a->number, &a->conf, a->pump);
	if (a->guests == NULL)
		return fault_set(f, ENOMEM, "out of memory");
	rc = pump_start(a->pump, f);
	if (rc < 0)
		return rc;
	rc = serve(a, f);
	stop(a);
	process_client_goodbye(a->client);
	process_client_destroy(a->client);
	pump_destroy(a->pump);
	return rc;
}

int
main(int argc, char **argv)
{
	static struct agent agent;
	struct conf_extra extra[] = {
	    {.name = "agent", .help = "number of this agent, from 0; default: 0", .metavar = "N"},
	    {.name = "core",
	     .help = "CPU of the thread that moves packets; default: as agent-core says",
	     .metavar = "CPU"},
	    {.name = NULL}};
	struct fault f = {.code = 0};

	if (conf_load(&agent.conf, argc, argv, "Serves guests over vhost-user.", extra, &f) < 0 ||
	    options_parse(&agent, extra, &f) < 0 || descriptors_check(&agent.conf, &f) < 0) {
		fprintf(stderr, "vr-vhost: %s\n", f.text);
		return EXIT_FAILURE;
	}
	log_init("vr-vhost", agent.conf.log == 1, (enum log_level)agent.conf.log_level);
	umask(0077); /* a new socket is nobody else's until it has its owner */
	agent.signals = program_signals();
	if (run(&agent, argv, &f) < 0) {
		log_error("%s", f.text);
		return EXIT_FAILURE;
	}
	log_notice("stopped");
	return EXIT_SUCCESS;
}

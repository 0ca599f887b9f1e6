/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vr-ctl: serves the control API and is the only writer of the tables. Everything runs on one
 * thread, in libevent's loop. Forwarding does not need it: when it dies, the next one adopts the
 * tables as it finds them.
 */
#include "ctl/main.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/conf.h"
#include "ctl/ageing.h"
#include "ctl/ctl.h"
#include "ctl/events.h"
#include "ctl/primary.h"
#include "ctl/rates.h"
#include "ctl/server.h"
#include "ctl/traps.h"

#define LOG_MODULE "main"
#include "common/log.h"

#define ABOUT "Serves the control API of the router and writes its tables."

enum { GRACE_POLL_MS = 10 };

/*
 * There is one writer. The lock goes with the process, however that ends. Its file stays: removing
 * it would let two processes hold locks on two files of one name.
 */
static int
take_writer_lock(const struct conf *conf, struct fault *f)
{
	char path[CONF_TEXT + 16];
	int fd;

	if (mkdir(conf->run_dir, 0755) < 0 && errno != EEXIST)
		return fault_set(f, errno, "cannot make run-dir %s: %s", conf->run_dir,
				 strerror(errno));
	snprintf(path, sizeof(path), "%s/ctl.lock", conf->run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return fault_set(f, errno, "cannot open %s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	close(fd);
	if (errno == EWOULDBLOCK)
		return fault_set(f, EBUSY,
				 "another vr-ctl serves this router (it holds %s); end it first",
				 path);
	return fault_set(f, errno, "cannot lock %s: %s", path, strerror(errno));
}

void
main_stop(struct ctl *ctl, int status)
{
	ctl->exit_status = status;
	event_base_loopbreak(ctl->base);
}

int
main_on_region(struct ctl *ctl, const struct region *region)
{
	struct fault f = {0};

	ctl->region = region;
	if (tables_find(&ctl->tables, region, &f) < 0 || tables_adopt(&ctl->tables, &f) < 0)
		goto fail;
	ctl->rates = rates_create(ctl);
	if (ctl->rates == NULL) {
		fault_set(&f, ENOMEM, "not enough memory");
		goto fail;
	}
	ctl->events = events_create(ctl);
	if (ctl->events == NULL) {
		fault_set(&f, ENOMEM, "not enough memory");
		goto fail;
	}
	ctl->traps = traps_create(ctl);
	if (ctl->traps == NULL) {
		fault_set(&f, ENOMEM, "not enough memory");
		goto fail;
	}
	if (server_create(ctl, &ctl->server, &f) < 0)
		goto fail;
	return 0;

fail:
	log_error("%s", f.text);
	main_stop(ctl, 1);
	return f.code;
}

static void
on_grace(evutil_socket_t fd, short what, void *arg)
{
	struct ctl *ctl = arg;

	(void)fd;
	(void)what;
	tables_poll(&ctl->tables);
	if (ctl->ageing == NULL)
		ctl->ageing = ageing_create(ctl);
	if (ctl->ageing != NULL && ctl->tables.flow_writer != NULL)
		ageing_step(ctl->ageing);
}

static void
on_signal(evutil_socket_t sig, short what, void *arg)
{
	(void)what;
	log_notice("%s: stopping", strsignal((int)sig));
	main_stop(arg, 0);
}

static uint64_t
clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* event_base_dispatch(), and notes what a turn takes. */
static void
turn_until_stopped(struct ctl *ctl)
{
	uint64_t began = cpu_us(), now;
	bool serving = false; /* when the turn began */

	while (event_base_loop(ctl->base, EVLOOP_ONCE) == 0 && !event_base_got_break(ctl->base)) {
		now = cpu_us();
		if (serving && now - began > ctl->longest_turn_us)
			ctl->longest_turn_us = now - began;
		serving = ctl->server != NULL;
		began = now;
	}
}

/* Runs until told to stop; returns the exit status. */
static int
run(struct ctl *ctl)
{
	const struct timeval grace_every = {.tv_usec = GRACE_POLL_MS * 1000};
	struct event *events[3];
	struct fault f = {0};

	ctl->base = event_base_new();
	if (ctl->base == NULL) {
		log_error("cannot make an event loop");
		return 1;
	}
	events[0] = evsignal_new(ctl->base, SIGTERM, on_signal, ctl);
	events[1] = evsignal_new(ctl->base, SIGINT, on_signal, ctl);
	events[2] = event_new(ctl->base, -1, EV_PERSIST, on_grace, ctl);
	event_add(events[0], NULL);
	event_add(events[1], NULL);
	event_add(events[2], &grace_every);

	if (primary_create(ctl, &ctl->primary, &f) < 0) {
		log_error("%s", f.text);
		ctl->exit_status = 1;
	} else {
		turn_until_stopped(ctl);
	}

	server_destroy(ctl->server);
	ctl->server = NULL;
	traps_destroy(ctl->traps);
	events_destroy(ctl->events);
	ctl->events = NULL;
	ageing_destroy(ctl->ageing);
	rates_destroy(ctl->rates);
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		event_free(events[i]);
	if (ctl->primary != NULL && ctl->exit_status == MAIN_RESTART) {
		log_error("cannot start anew: %s", strerror(-primary_restart(ctl->primary)));
		ctl->exit_status = 1;
	}
	if (ctl->primary != NULL)
		primary_goodbye(ctl->primary);
	primary_destroy(ctl->primary);
	tables_release(&ctl->tables);
	event_base_free(ctl->base);
	return ctl->exit_status;
}

int
main(int argc, char **argv)
{
	struct conf_extra none[] = {{.name = NULL}};
	static struct conf conf;
	struct ctl ctl = {.conf = &conf, .argv = argv, .revision = clock_us()};
	struct fault f = {0};

	if (conf_load(&conf, argc, argv, ABOUT, none, &f) < 0) {
		fprintf(stderr, "vr-ctl: %s\n", f.text);
		return 2;
	}
	log_init("vr-ctl", conf.log != 0, (enum log_level)conf.log_level);
	signal(SIGPIPE, SIG_IGN);
	if (take_writer_lock(&conf, &f) < 0) {
		log_error("%s", f.text);
		return 1;
	}
	return run(&ctl);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vr-fwd: forwards packets. The main thread lives with the primary (process_client.h): it gets
 * taps, attaches devices, starts a thread for each slot and stops them; it touches no packet.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/handshake.h"
#define LOG_MODULE "main"
#include "common/log.h"
#include "common/process_client.h"
#include "common/program.h"
#include "common/region.h"
#include "fwd-worker/links.h"
#include "fwd-worker/slot.h"
#include "fwd-worker/taps.h"

struct fwd {
	struct conf conf;
	struct process_client *client;
	struct taps *taps;
	struct links *links;
	int signals;
	bool io_forward;
	uint32_t n_slots;
	uint32_t slot_ids[SLOTS_MAX];
	struct slot_thread *threads[SLOTS_MAX];
};

/* "10,11"; without it every slot of the configuration. */
static int
slots_parse(struct fwd *fwd, const char *list, struct fault *f)
{
	char *end;

	if (list == NULL) {
		fwd->n_slots = fwd->conf.n_slots;
		memcpy(fwd->slot_ids, fwd->conf.slot_ids, sizeof(fwd->slot_ids));
	}
	for (; list != NULL; list = *end == ',' ? end + 1 : NULL) {
		unsigned long id = strtoul(list, &end, 10);

		if (end == list || (*end != ',' && *end != '\0') || id > UINT32_MAX)
			return fault_set(f, EINVAL, "--slots: '%s' is not a list such as 10,11",
					 list);
		for (uint32_t i = 0; i < fwd->n_slots; i++) {
			if (fwd->slot_ids[i] == id)
				return fault_set(f, EINVAL, "--slots: slot %lu is there twice", id);
		}
		if (fwd->n_slots == SLOTS_MAX)
			return fault_set(f, EINVAL, "--slots: more than %d slots", SLOTS_MAX);
		fwd->slot_ids[fwd->n_slots++] = (uint32_t)id;
	}
	if (fwd->n_slots == 0)
		return fault_set(f, EINVAL,
				 "no slot to animate: give --slots, or slot in the file");
	return 0;
}

static int
threads_start(struct fwd *fwd, struct fault *f)
{
	const struct slots *slots = region_table(process_client_region(fwd->client), "slots");

	for (uint32_t i = 0; i < fwd->n_slots; i++) {
		struct slot_thread_config config = {.conf = &fwd->conf,
						    .client = fwd->client,
						    .taps = fwd->taps,
						    .links = fwd->links,
						    .io_forward = fwd->io_forward};
		int index = slot_index(slots, fwd->slot_ids[i]);
		int rc;

		if (index < 0)
			return fault_set(f, ENOENT, "there is no slot %u", fwd->slot_ids[i]);
		config.index = (uint32_t)index;
		rc = slot_thread_create(&config, &fwd->threads[i], f);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void
threads_stop(struct fwd *fwd)
{
	for (uint32_t i = 0; i < fwd->n_slots; i++) {
		if (fwd->threads[i] != NULL)
			slot_thread_stop(fwd->threads[i]);
	}
	for (uint32_t i = 0; i < fwd->n_slots; i++) {
		slot_thread_destroy(fwd->threads[i]);
		fwd->threads[i] = NULL;
	}
}

static void
message(struct fwd *fwd, const struct process_msg *m, int fd)
{
	if (m->type == MSG_TAP && fd >= 0) {
		if (taps_put(fwd->taps, m->tap.port, m->tap.queue, fd) < 0)
			log_warning("a tap for port %u, queue %u: there is no such port",
				    m->tap.port, m->tap.queue);
		return;
	}
	if (m->type == MSG_TAP)
		log_error(
		    "port %u, queue %u: its descriptor did not arrive; is RLIMIT_NOFILE too low?",
		    m->tap.port, m->tap.queue);
	if (m->type == MSG_TAP_CLOSE)
		taps_remove(fwd->taps, m->tap.port, m->tap.queue);
	if (fd >= 0)
		close(fd);
}

static int
start_anew(struct fwd *fwd, struct fault *f)
{
	threads_stop(fwd);
	return fault_set(f, -process_client_restart(fwd->client), "cannot start anew");
}

/* How long to wait for a message before it is time to look at links again. */
static int
wait_ms(const struct fwd *fwd, int n_peers)
{
	int look = n_peers > 0 ? LINKS_LOOK_MS : LINKS_NONE_MS;
	int wait = process_client_wait_ms(fwd->client);

	return wait >= 0 && wait < look ? wait : look;
}

/* Until it is time to go: 0, or a negative errno with a fault. */
static int
serve(struct fwd *fwd, struct fault *f)
{
	const struct ports *ports = region_table(process_client_region(fwd->client), "ports");
	const struct port_run *run = process_client_handshake(fwd->client)->port_run;

	for (;;) {
		struct process_msg m;
		int fd, n_peers = links_look(fwd->links, ports, run);

		if (n_peers < 0)
			return start_anew(fwd, f);
		switch (process_client_step(fwd->client, &m, &fd, f)) {
		case CLIENT_MESSAGE:
			message(fwd, &m, fd);
			continue;
		case CLIENT_STOP:
			return 0;
		case CLIENT_FAILED:
			return f->code;
		case CLIENT_RESTART:
			return start_anew(fwd, f);
		case CLIENT_NOTHING: {
			struct pollfd p[2] = {
			    {.fd = process_client_fd(fwd->client), .events = POLLIN},
			    {.fd = fwd->signals, .events = POLLIN}};

			if (poll(p, 2, wait_ms(fwd, n_peers)) > 0 && p[1].revents != 0)
				return 0;
			continue;
		}
		default:
			continue;
		}
	}
}

static int
run(struct fwd *fwd, char **argv, struct fault *f)
{
	struct process_client_config config = {.conf = &fwd->conf,
					       .role = ROLE_FWD,
					       .n_slots = fwd->n_slots,
					       .core = -1,
					       .argv = argv};
	int rc;

	memcpy(config.slot_ids, fwd->slot_ids, sizeof(config.slot_ids));
	fwd->client = process_client_create(&config);
	if (fwd->client == NULL)
		return fault_set(f, ENOMEM, "out of memory");
	rc = process_client_start(fwd->client, fwd->signals, f);
	if (rc == -ECANCELED)
		return 0;
	if (rc < 0)
		return rc;
	fwd->taps = taps_create(process_client_handshake(fwd->client)->n_ports);
	fwd->links = links_create(process_client_handshake(fwd->client)->n_ports);
	if (fwd->taps == NULL || fwd->links == NULL)
		return fault_set(f, ENOMEM, "out of memory");
	rc = threads_start(fwd, f);
	if (rc == 0)
		rc = serve(fwd, f);
	threads_stop(fwd);
	process_client_goodbye(fwd->client);
	process_client_destroy(fwd->client);
	return rc;
}

int
main(int argc, char **argv)
{
	static struct fwd fwd;
	struct conf_extra extra[] = {
	    {.name = "slots",
	     .help = "slots to animate, e.g. 10,11; default: all",
	     .metavar = "LIST"},
	    {.name = "io-forward",
	     .help = "for benchmarks: a port's packets leave through its peer, undecided"},
	    {.name = NULL}};
	struct fault f = {.code = 0};

	if (conf_load(&fwd.conf, argc, argv, "Forwards packets, in one thread for each slot.",
		      extra, &f) < 0 ||
	    slots_parse(&fwd, extra[0].value, &f) < 0) {
		fprintf(stderr, "vr-fwd: %s\n", f.text);
		return EXIT_FAILURE;
	}
	fwd.io_forward = extra[1].value != NULL;
	log_init("vr-fwd", fwd.conf.log == 1, (enum log_level)fwd.conf.log_level);
	program_descriptors(); /* each tap takes one for each of its queues */
	fwd.signals = program_signals();
	if (run(&fwd, argv, &f) < 0) {
		log_error("%s", f.text);
		return EXIT_FAILURE;
	}
	log_notice("stopped");
	return EXIT_SUCCESS;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vr-heap: joins a router as a vhost agent without guests, prints how much of DPDK's shared heap is
 * in use as one JSON object, and leaves. For system tests: whatever processes come, die and leave,
 * the heap must be as it was; and who can run this can attach.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_malloc.h>

#include "common/conf.h"
#include "common/log.h"
#include "common/process_client.h"

int
main(int argc, char **argv)
{
	static struct conf conf;
	struct conf_extra extra[] = {{.name = "agent", .help = "number to use", .metavar = "N"},
				     {.name = NULL}};
	struct process_client_config config = {
	    .conf = &conf, .role = ROLE_VHOST, .core = -1, .argv = argv};
	struct rte_malloc_socket_stats stats = {0};
	struct process_client *client = NULL;
	struct fault f = {.code = 0};

	if (conf_load(&conf, argc, argv, "Shows the shared heap.", extra, &f) < 0)
		goto failed;
	log_init("vr-heap", false, LOG_LEVEL_WARNING);
	config.agent = extra[0].value != NULL ? (uint32_t)atoi(extra[0].value) : 0;
	client = process_client_create(&config);
	if (client == NULL || process_client_start(client, -1, &f) < 0)
		goto failed;
	rte_malloc_get_socket_stats(0, &stats);
	printf("{\"allocated\":%zu,\"blocks\":%u}\n", stats.heap_allocsz_bytes, stats.alloc_count);
	process_client_goodbye(client);
	process_client_destroy(client);
	return EXIT_SUCCESS;

failed:
	fprintf(stderr, "vr-heap: %s\n", f.text);
	process_client_destroy(client);
	return EXIT_FAILURE;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fills the flow table of a running router that has no workers, as its first slot would: so that
 * `make bench CASES=control` can measure what vr-ctl does with many flows.
 *
 *   flow_fill_bench --config FILE
 *
 * Prints how many flows it made: as many as there is room for, but for the last ones of slots'
 * blocks. All are IPv4 UDP, of different hosts.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>

#include "common/conf.h"
#include "common/flow.h"
#include "common/region.h"

static struct flow_key
key_of(uint32_t i, bool reverse)
{
	const uint8_t host[4] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
	static const uint8_t server[4] = {192, 0, 2, 1};
	struct flow_key k = {.nexthop_protocol = (reverse ? 2u : 1u) << 8 | 17};

	flow_key_set_ipv4(k.source, reverse ? server : host);
	flow_key_set_ipv4(k.destination, reverse ? host : server);
	k.source_port_be = reverse ? 53 << 8 : 1000;
	k.destination_port_be = reverse ? 1000 : 53 << 8;
	return k;
}

static uint32_t
fill(struct flow_table *t)
{
	struct flow_new n = {.created_s = (uint32_t)time(NULL)};
	uint32_t made = 0, entry;

	n.action[0].verdict = n.action[1].verdict = FLOW_FORWARD;
	n.vif[1] = 1;
	for (uint32_t i = 0; i < flow_capacity(t); i++) {
		uint64_t now = rte_rdtsc();

		n.key[0] = key_of(i, false);
		n.key[1] = key_of(i, true);
		n.clock = flow_clock(now);
		made += flow_insert(t, 0, &n, now, &entry) == 0;
	}
	return made;
}

int
main(int argc, char **argv)
{
	struct conf_extra none[] = {{.name = NULL}};
	static struct conf conf;
	struct flow_table *flows;
	struct fault f = {0};
	struct region r;
	char path[CONF_TEXT * 2 + 16];

	if (conf_load(&conf, argc, argv, "Fills a flow table, to measure.", none, &f) < 0)
		goto fail;
	snprintf(path, sizeof(path), "%s/%s.region", conf.hugepage_dir, conf.instance);
	if (region_attach(&r, path, conf.region_address, &f) < 0)
		goto fail;
	flows = region_table(&r, "flow");
	if (flows == NULL) {
		fputs("flow_fill_bench: there is no flow table\n", stderr);
		return 1;
	}
	printf("%u\n", fill(flows));
	region_detach(&r);
	return 0;

fail:
	fprintf(stderr, "flow_fill_bench: %s\n", f.text);
	return 1;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Measures the route table: cycles of a lookup, memory, rates of changes, adoption; and the shapes
 * that were not chosen, of our own and DPDK's. A program of its own, built and run by hand:
 *
 *   make build/release/bench/route_bench && build/release/bench/route_bench [EAL's arguments]
 *
 * Route.c and its writer are included, so that shapes can be chosen. Cycles are TSC cycles for each
 * address, in bursts of 32, the best of several passes; rates are by CPU time; one thread.
 */
#include "common/route.c"         /* NOLINT(bugprone-suspicious-include) */
#include "common/route_memory.c"  /* NOLINT(bugprone-suspicious-include) */
#include "common/route_records.c" /* NOLINT(bugprone-suspicious-include) */
#include "common/route_trie.c"    /* NOLINT(bugprone-suspicious-include) */
#include "common/route_writer.c"  /* NOLINT(bugprone-suspicious-include) */

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_lpm.h>

enum { BURST = 32, PASSES = 9, DESTINATIONS = 1 << 20, NEXTHOPS = 64 };

static struct route_table *table;
static struct route_writer *writer;
static size_t table_bytes;

static uint64_t seed = 1;

static uint32_t
any(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((seed >> 33) % below);
}

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
open_table(uint32_t vrfs, uint32_t routes)
{
	void *mem;

	table_bytes = (route_table_size(vrfs, routes) + (2 << 20) - 1) & ~(size_t)((2 << 20) - 1);
	mem = mmap(NULL, table_bytes, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (mem == MAP_FAILED) {
		mem = mmap(NULL, table_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
		madvise(mem, table_bytes, MADV_HUGEPAGE);
		printf("(no hugetlb pages: transparent ones)\n");
	}
	table = mem;
	route_table_init(table, vrfs, routes);
	writer = route_writer_create(table, NULL);
}

static void
close_table(void)
{
	route_writer_destroy(writer);
	munmap(table, table_bytes);
}

/* Lengths as in a full BGP table, out of 1,000. */
static uint8_t
bgp_length(uint32_t family)
{
	static const struct {
		uint16_t below;
		uint8_t length[2];
	} share[] = {{600, {24, 48}}, {700, {23, 44}}, {810, {22, 40}}, {860, {21, 36}},
		     {910, {20, 32}}, {940, {19, 32}}, {960, {18, 32}}, {970, {17, 46}},
		     {990, {16, 47}}, {1000, {15, 29}}};
	uint32_t i = 0, at = any(1000);

	while (at >= share[i].below)
		i++;
	return share[i].length[family];
}

/* IPv4 spread over 1.0.0.0 to 223.255.255.255, IPv6 over 30,000 allocations of /32 in 12 blocks. */
static void
any_prefix(struct route_key *k, uint32_t family, uint8_t length)
{
	static const uint8_t blocks[12][2] = {
	    {0x20, 0x01}, {0x24, 0x00}, {0x24, 0x01}, {0x24, 0x02}, {0x26, 0x00}, {0x26, 0x02},
	    {0x28, 0x00}, {0x28, 0x01}, {0x2a, 0x00}, {0x2a, 0x01}, {0x2a, 0x02}, {0x2c, 0x0f}};
	uint32_t word = any(1u << 31) << 1 | any(2), place = any(30000);

	*k = (struct route_key){.family = (uint8_t)family, .length = length};
	memcpy(k->address, &word, sizeof(word));
	if (family == ROUTE_INET) {
		k->address[0] = (uint8_t)(1 + any(223));
		return;
	}
	memcpy(k->address + 4, &word, sizeof(word));
	memcpy(k->address, blocks[place % 12], 2);
	k->address[2] = (uint8_t)(place / 12 / 256 * 8);
	k->address[3] = (uint8_t)(place / 12);
}

static struct route_key *keys;
static uint32_t n_keys;

static void
make_keys(uint32_t n, uint32_t family, bool bgp)
{
	keys = malloc(n * sizeof(*keys));
	n_keys = n;
	for (uint32_t i = 0; i < n; i++)
		any_prefix(&keys[i], family, bgp ? bgp_length(family) : 24);
}

static uint8_t (*destinations)[16];
static uint32_t n_destinations;

/* In a route, anywhere. */
static void
make_destinations(uint32_t n)
{
	n_destinations = n;
	for (uint32_t i = 0; i < n; i++) {
		const struct route_key *k = &keys[any(n_keys)];
		struct route_key host;

		any_prefix(&host, ROUTE_INET6, 0);
		for (uint32_t b = 0; b < 16; b++) {
			uint32_t bits = k->length > b * 8 ? k->length - b * 8 : 0;
			uint8_t mask = bits >= 8 ? 0xff : (uint8_t)(0xff00 >> bits);

			destinations[i][b] =
			    (uint8_t)((k->address[b] & mask) | (any(256) & (uint8_t)~mask));
		}
	}
}

static double
fill(void)
{
	double start = seconds();

	for (uint32_t i = 0; i < n_keys; i++)
		if (route_add(writer, &keys[i], route_value(any(NEXTHOPS), 0, 0)) < 0)
			printf("route %u was refused\n", i);
	return n_keys / (seconds() - start);
}

typedef void (*lookup_fn)(void *, uint32_t first, uint64_t *values);

static uint32_t *inet, *inet_host;
static uint32_t vrf[BURST];

static void
lookup_ours(void *t, uint32_t first, uint64_t *values)
{
	route_lookup_inet(t, vrf, inet + first, BURST, values);
}

static void
lookup_ours6(void *t, uint32_t first, uint64_t *values)
{
	const void *address[BURST];

	for (uint32_t i = 0; i < BURST; i++)
		address[i] = destinations[first + i];
	route_lookup_inet6(t, vrf, address, BURST, values);
}

static void
lookup_fib(void *t, uint32_t first, uint64_t *values)
{
	rte_fib_lookup_bulk(t, inet_host + first, values, BURST);
}

static void
lookup_fib6(void *t, uint32_t first, uint64_t *values)
{
	rte_fib6_lookup_bulk(t, destinations + first, values, BURST);
}

static void
lookup_lpm(void *t, uint32_t first, uint64_t *values)
{
	uint32_t hop[BURST];

	rte_lpm_lookup_bulk(t, inet_host + first, hop, BURST);
	for (uint32_t i = 0; i < BURST; i++)
		values[i] = hop[i];
}

/* Runs a piece of the destinations; its TSC cycles. */
static uint64_t
piece(lookup_fn fn, void *t, uint32_t first, uint32_t end, uint32_t turns)
{
	uint64_t values[BURST], sum = 0, start = rte_rdtsc();

	for (uint32_t turn = 0; turn < turns; turn++)
		for (uint32_t i = first; i < end; i += BURST) {
			fn(t, i, values);
			sum += values[0] + values[BURST - 1];
		}
	__asm__ volatile("" ::"r"(sum));
	return rte_rdtsc() - start;
}

/*
 * All destinations in turn, in pieces of less than a millisecond; the best of each piece counts, so
 * that other work on the machine is left out. All pieces run before one runs again.
 */
static double
cycles(lookup_fn fn, void *t)
{
	enum { PIECE = 16384 };
	uint64_t best[DESTINATIONS / PIECE + 1], sum = 0;
	uint32_t n = n_destinations / BURST * BURST, turns = n < PIECE ? PIECE / n : 1;

	memset(best, 0xff, sizeof(best));
	for (uint32_t i = 0; i < n_destinations; i++) {
		memcpy(&inet[i], destinations[i], 4);
		inet_host[i] = __builtin_bswap32(inet[i]);
	}
	for (int pass = 0; pass < PASSES; pass++)
		for (uint32_t i = 0; i < n; i += PIECE) {
			uint32_t end = i + PIECE < n ? i + PIECE : n;
			uint64_t spent = piece(fn, t, i, end, turns);

			best[i / PIECE] = spent < best[i / PIECE] ? spent : best[i / PIECE];
		}
	for (uint32_t i = 0; i < n; i += PIECE)
		sum += best[i / PIECE];
	return (double)sum / ((double)n * turns);
}

static void
adoption(void)
{
	double start;

	route_writer_destroy(writer);
	start = seconds();
	writer = route_writer_create(table, NULL);
	printf("  adopted in %.0f ms\n", (seconds() - start) * 1e3);
}

static void
deletion(void)
{
	double start = seconds();

	for (uint32_t i = 0; i < n_keys / 2; i++)
		route_del(writer, &keys[i]);
	printf("  %.0f deletions per second\n", n_keys / 2 / (seconds() - start));
}

static void
shape(const char *name, uint32_t routes, uint32_t family, uint32_t to)
{
	double rate;

	open_table(16, routes);
	rate = fill();
	make_destinations(to);
	printf("%-34s %5.1f cycles, trie %6.2f MB of %6.2f, table %6.2f MB, %.0f adds/s\n", name,
	       cycles(family == ROUTE_INET ? lookup_ours : lookup_ours6, table),
	       (double)route_bytes_used(table) / 1e6, (double)route_bytes(table) / 1e6,
	       (double)route_table_size(16, routes) / 1e6, rate);
}

static void
shapes(const char *title, uint32_t routes, uint32_t family, uint32_t to)
{
	printf("%s\n", title);
	shape("  chosen", routes, family, to);
	adoption();
	deletion();
	close_table();
	bitmap_runs_fast = 119;
	shape("  bitmaps up to 8 lines", routes, family, to);
	close_table();
	bitmap_runs_fast = 23;
	shape("  bitmaps up to 2 lines", routes, family, to);
	close_table();
	bitmap_runs_fast = 7;
	wide_from = UINT32_MAX;
	shape("  no wide top (8-8-8-8)", routes, family, to);
	close_table();
	wide_from = 64;
}

static void
others(uint32_t n)
{
	struct rte_fib_conf c = {.type = RTE_FIB_DIR24_8, .default_nh = 0, .max_routes = 1 << 21};
	struct rte_lpm_config l = {.max_rules = 1 << 21, .number_tbl8s = 1 << 15};
	struct rte_fib *fib;
	struct rte_lpm *lpm;

	c.dir24_8.nh_sz = RTE_FIB_DIR24_8_8B;
	c.dir24_8.num_tbl8 = 1 << 15;
	fib = rte_fib_create("fib8", -1, &c);
	c.dir24_8.nh_sz = RTE_FIB_DIR24_8_4B;
	for (int i = 0; i < 2; i++) {
		for (uint32_t k = 0; fib != NULL && k < n; k++) {
			uint32_t word;

			memcpy(&word, keys[k].address, 4);
			word = __builtin_bswap32(word) &
			       (uint32_t)(UINT64_C(0xffffffff00000000) >> keys[k].length);
			rte_fib_add(fib, word, keys[k].length, any(NEXTHOPS));
		}
		if (fib != NULL)
			printf("  rte_fib DIR-24-8, %d bytes          %5.1f cycles\n",
			       i == 0 ? 8 : 4, cycles(lookup_fib, fib));
		rte_fib_free(fib);
		fib = i == 0 ? rte_fib_create("fib4", -1, &c) : NULL;
	}
	lpm = rte_lpm_create("lpm", -1, &l);
	for (uint32_t k = 0; lpm != NULL && n <= 1000 && k < n; k++) {
		uint32_t word;

		memcpy(&word, keys[k].address, 4);
		rte_lpm_add(lpm, __builtin_bswap32(word), keys[k].length, any(NEXTHOPS));
	}
	if (lpm != NULL && n <= 1000)
		printf("  rte_lpm                            %5.1f cycles\n",
		       cycles(lookup_lpm, lpm));
	rte_lpm_free(lpm);
}

static void
others6(uint32_t n)
{
	struct rte_fib6_conf c = {.type = RTE_FIB6_TRIE, .max_routes = 1 << 20};
	struct rte_fib6 *fib;

	c.trie.nh_sz = RTE_FIB6_TRIE_8B;
	c.trie.num_tbl8 = 1 << 16;
	fib = rte_fib6_create("fib6", -1, &c);
	for (uint32_t k = 0; fib != NULL && k < n; k++)
		rte_fib6_add(fib, keys[k].address, keys[k].length, any(NEXTHOPS));
	if (fib != NULL)
		printf("  rte_fib6 trie, 8 bytes             %5.1f cycles\n",
		       cycles(lookup_fib6, fib));
	rte_fib6_free(fib);
}

static void
many_vrfs(void)
{
	open_table(4096, 65536);
	for (uint32_t i = 0; i < 40960; i++) {
		struct route_key k;

		any_prefix(&k, ROUTE_INET, 32);
		k.vrf = i % 4096;
		if (route_add(writer, &k, route_value(i, 0, 0)) < 0)
			printf("route %u was refused\n", i);
	}
	printf("4,096 VRFs with 10 host routes each, --routes 65536: trie %.2f MB, table %.2f MB\n",
	       (double)route_bytes_used(table) / 1e6, (double)route_table_size(4096, 65536) / 1e6);
	adoption();
	close_table();
}

int
main(int argc, char **argv)
{
	bool dpdk = argc > 1 && rte_eal_init(argc, argv) >= 0;

	destinations = malloc(DESTINATIONS * sizeof(*destinations));
	inet = malloc(DESTINATIONS * sizeof(*inet));
	inet_host = malloc(DESTINATIONS * sizeof(*inet_host));
	make_keys(256, ROUTE_INET, false);
	shapes("256 prefixes of /24, 1,000 destinations", 1 << 20, ROUTE_INET, 1000);
	if (dpdk)
		others(256);
	make_keys(1000000, ROUTE_INET, true);
	shapes("1,000,000 prefixes as in BGP, random destinations", 1 << 20, ROUTE_INET,
	       DESTINATIONS);
	if (dpdk)
		others(1000000);
	make_keys(200000, ROUTE_INET6, true);
	shapes("200,000 IPv6 prefixes of /29 to /48", 1 << 20, ROUTE_INET6, DESTINATIONS);
	if (dpdk)
		others6(200000);
	many_vrfs();
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a configuration needs in huge pages: the same arithmetic as region_create() and
 * handshake_create(), which allocate it. Where those depend on DPDK's layout of a pool or a ring,
 * the bound is above theirs.
 */
#include "common/need.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include <rte_mbuf.h>

#include "common/conf.h"
#include "common/handshake.h"
#include "common/pkt.h"
#include "common/region.h"

enum { LINE = CACHE_LINE, MEMZONE_OVERHEAD = 256 };

static uint64_t
up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/* A pool's object: a header line, the mbuf, and padding to an odd number of lines. */
static uint64_t
object_size(const struct conf *c)
{
	uint64_t lines =
	    up(sizeof(struct rte_mbuf) + sizeof(struct pkt_meta) + c->mbuf_size, LINE) / LINE;

	return ((lines + 1) | 1) * LINE;
}

/* Bits and holders of the pool come with its hands. */
static uint64_t
packets_size(const struct conf *c)
{
	return c->mbufs * object_size(c) + up(c->mbufs, 64) / 64 * 10 + MEMZONE_OVERHEAD;
}

/* A ring from each slot to each other, and to and from every agent, control and the primary. */
static uint64_t
rings_size(const struct conf *c)
{
	uint64_t n = c->n_slots * (c->n_slots - 1) + 2 * c->n_slots * (c->agents + 2);

	return n * (c->ring_size * sizeof(void *) + 4 * (uint64_t)LINE + MEMZONE_OVERHEAD);
}

static uint64_t
hands_size(const struct conf *c)
{
	uint64_t n = c->n_slots + c->agents + 2;

	return n * (sizeof(struct hand) + sizeof(struct magazine)) + sizeof(struct handshake) +
	       sizeof(struct quarantine) + sizeof(struct slot) + c->vifs * sizeof(struct port_run);
}

void
need_compute(const struct conf *conf, uint64_t page, struct need *need)
{
	uint64_t eal;

	*need = (struct need){
	    .page = page,
	    .region = region_size(conf, page),
	    .packets = packets_size(conf),
	    .rings = rings_size(conf),
	    .hands = hands_size(conf),
	    .drivers = conf->eal_extra_mb << 20,
	};
	eal = up(need->packets + need->rings + need->hands + need->drivers,
		 page < 1 << 20 ? 1 << 20 : page);
	need->eal_mb = eal >> 20;
	need->pages = (need->region + eal) / page;
}

static uint64_t
mib(uint64_t bytes)
{
	return up(bytes, 1 << 20) >> 20;
}

void
need_print(const struct need *need, char text[NEED_TEXT])
{
	snprintf(text, NEED_TEXT,
		 "needs %" PRIu64 " pages of %" PRIu64 " kB (%" PRIu64 " MiB): region %" PRIu64
		 " MiB, packets %" PRIu64 " MiB, rings %" PRIu64 " MiB, hands %" PRIu64
		 " MiB, drivers %" PRIu64 " MiB",
		 need->pages, need->page >> 10, mib(need->pages * need->page), mib(need->region),
		 mib(need->packets), mib(need->rings), mib(need->hands), mib(need->drivers));
}

/* A number of the kernel's about huge pages of this size; 0 if it has none. */
static uint64_t
kernel_says(uint64_t page, const char *what)
{
	char path[96];
	uint64_t n = 0;
	FILE *in;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/%s",
		 page >> 10, what);
	in = fopen(path, "re");
	if (in == NULL)
		return 0;
	if (fscanf(in, "%" SCNu64, &n) != 1)
		n = 0;
	fclose(in);
	return n;
}

static uint64_t
less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

uint64_t
need_free_pages(const struct statfs *fs)
{
	uint64_t page = (uint64_t)fs->f_bsize, n;

	if (fs->f_type != HUGETLBFS_MAGIC)
		return fs->f_bfree;
	n = less(kernel_says(page, "free_hugepages"), kernel_says(page, "resv_hugepages")) +
	    less(kernel_says(page, "nr_overcommit_hugepages"),
		 kernel_says(page, "surplus_hugepages"));
	return fs->f_blocks != 0 && fs->f_bfree < n ? fs->f_bfree : n;
}

/* Bytes that a region left by the last primary has taken already. */
static uint64_t
region_there(const struct conf *c)
{
	char path[2 * CONF_TEXT + 16];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s.region", c->hugepage_dir, c->instance);
	return stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

int
need_check(const struct conf *conf, struct fault *f)
{
	char text[NEED_TEXT];
	struct need need;
	struct statfs fs;
	uint64_t free_pages;

	if (statfs(conf->hugepage_dir, &fs) < 0)
		return fault_set(f, errno, "hugepage-dir = %s: %m", conf->hugepage_dir);
	if (fs.f_type != HUGETLBFS_MAGIC)
		return fault_set(f, ENOTSUP, "hugepage-dir = %s: is no hugetlbfs",
				 conf->hugepage_dir);
	need_compute(conf, (uint64_t)fs.f_bsize, &need);
	free_pages = need_free_pages(&fs) + region_there(conf) / need.page;
	if (free_pages >= need.pages)
		return 0;
	need_print(&need, text);
	return fault_set(f, ENOMEM, "%s; %" PRIu64 " free", text, free_pages);
}

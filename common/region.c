/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The region's file: made or adopted by the primary, attached by everybody else. Called once by a
 * process' main thread, before it starts others.
 *
 * The header is read with pread() and judged before anything is mapped, so a process that does not
 * fit leaves without having touched the region. All pages are reserved when the file is made
 * (fallocate), so that no store meets SIGBUS later because huge pages ran out.
 */
#include "common/region.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "common/bridge.h"
#include "common/conf.h"
#include "common/controller.h"
#include "common/counters.h"
#include "common/drop_log.h"
#include "common/fault_point.h"
#include "common/flow.h"
#include "common/grace.h"
#include "common/guest.h"
#include "common/idtab.h"
#include "common/layouts.h"
#include "common/log.h"
#include "common/need.h"
#include "common/nexthop.h"
#include "common/port.h"
#include "common/process.h"
#include "common/route.h"
#include "common/rules.h"
#include "common/redo.h"
#include "common/slot.h"
#include "common/trap.h"
#include "common/vif.h"
#include "common/vif_roles.h"
#include "common/vrf.h"

#define AFRESH "remove the file to start afresh (all tables are lost)"

/* --- what this program would have a region look like --- */

struct table {
	const char *name;
	uint64_t size;
	uint64_t capacity;
	uint32_t entry_size;
};

enum {
	TABLES = 0
#define TABLE(...) +1
#include "common/tables.def"
#undef TABLE
};

static void
tables_wanted(const struct conf *c, struct table *t)
{
#define TABLE(label, bytes, init, writer, text, entry, cap) \
	*t++ = (struct table){.name = label, .size = bytes, .capacity = cap, .entry_size = entry};
#include "common/tables.def"
#undef TABLE
}

/* Guests choose keys: where those stand must not be foretold. */
static uint64_t
random_seed(void)
{
	uint64_t seed = 0;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = rte_rdtsc();
	return seed | 1;
}

static void
table_init(int i, void *mem, const struct conf *c)
{
	int at = 0;

#define TABLE(label, bytes, init, writer, text, entry, cap) \
	if (i == at++)                                      \
		init;
#include "common/tables.def"
#undef TABLE
}

static uint64_t
up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

uint64_t
region_size(const struct conf *conf, uint64_t page)
{
	uint64_t size = up(sizeof(struct region_header), CACHE_LINE);
	struct table tables[TABLES];

	tables_wanted(conf, tables);
	for (int i = 0; i < TABLES; i++)
		size += up(tables[i].size, CACHE_LINE);
	size += conf->region_spare_mb << 20;
	return up(size, page);
}

/* FNV-1a, 64 bit. */
static uint64_t
layout_hash(const struct layout *l)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (const char *p = l->text; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	return h;
}

void
region_layouts_print(void)
{
	for (uint32_t i = 0; i < n_layouts; i++)
		printf("%-20s %u.%u %7u %016" PRIx64 "\n", layouts[i].name, layouts[i].major,
		       layouts[i].minor, layouts[i].size, layout_hash(&layouts[i]));
}

/* --- judging a header --- */

static const struct region_layout *
layout_find(const struct region_header *h, const char *name)
{
	for (uint32_t i = 0; i < h->n_layouts && i < REGION_LAYOUTS_MAX; i++)
		if (strncmp(h->layouts[i].name, name, sizeof(h->layouts[i].name)) == 0)
			return &h->layouts[i];
	return NULL;
}

/* Another minor version has other text and so another hash, but the size stays. */
static bool
layout_fits(const struct layout *here, const struct region_layout *there)
{
	if (here->major != there->major || here->size != there->size)
		return false;
	return here->minor != there->minor || layout_hash(here) == there->hash;
}

/* Structs that the region does not know are new kinds, and none of its tables has them. */
static int
layouts_check(const struct region_header *h, bool adopting, const char *path, struct fault *f)
{
	for (uint32_t i = 0; i < n_layouts; i++) {
		const struct layout *here = &layouts[i];
		const struct region_layout *there = layout_find(h, here->name);

		if (there == NULL || layout_fits(here, there))
			continue;
		if (adopting && here->life == LAYOUT_GENERATION)
			continue; /* made anew, with this program's layout */
		return fault_set(f, EPROTO,
				 "struct %s is %u.%u, %u bytes, %016" PRIx64
				 " in this program; %u.%u, %u bytes, %016" PRIx64 " in %.60s%s",
				 here->name, here->major, here->minor, here->size,
				 layout_hash(here), there->major, there->minor, there->size,
				 there->hash, path, adopting ? ": " AFRESH : "");
	}
	return 0;
}

static const struct region_table *
table_find(const struct region_header *h, const char *name)
{
	uint32_t n = __atomic_load_n(&h->n_tables, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < n && i < REGION_TABLES_MAX; i++)
		if (strncmp(h->tables[i].name, name, sizeof(h->tables[i].name)) == 0)
			return &h->tables[i];
	return NULL;
}

/* Where the next table begins; 'used' says the same, for people. */
static uint64_t
tables_end(const struct region_header *h)
{
	uint64_t end = up(sizeof(*h), CACHE_LINE);

	for (uint32_t i = 0; i < h->n_tables && i < REGION_TABLES_MAX; i++)
		if (h->tables[i].offset + h->tables[i].size > end)
			end = up(h->tables[i].offset + h->tables[i].size, CACHE_LINE);
	return end;
}

/* Tables that are not there yet are made from the spare space, if it suffices. */
static int
tables_check(const struct region_header *h, const struct conf *c, const char *path, struct fault *f)
{
	struct table tables[TABLES];
	uint64_t used = tables_end(h);

	tables_wanted(c, tables);
	for (int i = 0; i < TABLES; i++) {
		const struct region_table *there = table_find(h, tables[i].name);

		if (there == NULL)
			used += up(tables[i].size, CACHE_LINE);
		else if (there->capacity != tables[i].capacity ||
			 there->entry_size != tables[i].entry_size || there->size != tables[i].size)
			return fault_set(f, EPROTO,
					 "table %s has %" PRIu64
					 " entries of %u bytes in %.60s, %" PRIu64
					 " of %u are configured: " AFRESH,
					 tables[i].name, there->capacity, there->entry_size, path,
					 tables[i].capacity, tables[i].entry_size);
	}
	if (used > h->size)
		return fault_set(f, EPROTO,
				 "%.60s has no room for new tables: %" PRIu64
				 " bytes missing: " AFRESH,
				 path, used - h->size);
	return 0;
}

/* --- the file --- */

/* Returns 1 and the header if there is a complete one, 0 if there is none. */
static int
header_read(int fd, struct region_header *h, struct fault *f)
{
	ssize_t n = pread(fd, h, sizeof(*h), 0);
	struct stat st;

	if (n < 0 || fstat(fd, &st) < 0)
		return fault_set(f, errno, "region: %m");
	if (n < (ssize_t)sizeof(*h) || h->magic != REGION_MAGIC)
		return 0;
	if ((uint64_t)st.st_size < h->size)
		return fault_set(f, EPROTO,
				 "region: %" PRIu64 " bytes long, its header says %" PRIu64,
				 (uint64_t)st.st_size, h->size);
	return 1;
}

static int
map(struct region *r, uint64_t address, uint64_t size, struct fault *f)
{
	void *want = (void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr) */
	void *got =
	    mmap(want, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, r->fd, 0);

	if (got == MAP_FAILED && errno == EEXIST)
		return fault_set(f, EADDRINUSE,
				 "region-address 0x%" PRIx64
				 ": something else is mapped within %" PRIu64 " MiB",
				 address, size >> 20);
	if (got == MAP_FAILED)
		return fault_set(f, errno, "%.100s: cannot be mapped at 0x%" PRIx64 ": %m", r->path,
				 address);
	if (got != want) { /* a kernel that takes the address for a hint */
		munmap(got, size);
		return fault_set(f, EADDRINUSE, "region-address 0x%" PRIx64 ": is taken", address);
	}
	r->header = got;
	return 0;
}

/* Makes the file 'size' long and sees that every page of it is there. */
static int
reserve(struct region *r, uint64_t size, uint64_t page, struct fault *f)
{
	uint64_t free_pages;
	struct statfs fs;
	int rc = 0;

	if (ftruncate(r->fd, 0) < 0 || fstatfs(r->fd, &fs) < 0)
		return fault_set(f, errno, "%.100s: %m", r->path);
	free_pages = need_free_pages(&fs);
	if (free_pages < size / page)
		return fault_set(f, ENOMEM,
				 "%.100s: needs %" PRIu64 " pages of %" PRIu64 " kB, %" PRIu64
				 " are free",
				 r->path, size / page, page >> 10, free_pages);
	if (ftruncate(r->fd, (off_t)size) < 0 || fallocate(r->fd, 0, 0, (off_t)size) < 0)
		rc = fault_set(f, errno == ENOSPC ? ENOMEM : errno,
			       "%.100s: needs %" PRIu64 " pages of %" PRIu64 " kB, %" PRIu64
			       " are free: %m",
			       r->path, size / page, page >> 10, free_pages);
	if (rc < 0)
		(void)!ftruncate(r->fd, 0); /* gives back what was had, as far as possible */
	return rc;
}

/* --- filling the header --- */

static void
layouts_fill(struct region_header *h)
{
	for (uint32_t i = 0; i < n_layouts; i++) {
		const struct region_layout *there = layout_find(h, layouts[i].name);
		struct region_layout *l =
		    &h->layouts[there != NULL ? there - h->layouts : h->n_layouts];

		if (there != NULL && layouts[i].life == LAYOUT_REGION)
			continue;
		snprintf(l->name, sizeof(l->name), "%s", layouts[i].name);
		l->major = layouts[i].major;
		l->minor = layouts[i].minor;
		l->size = layouts[i].size;
		l->hash = layout_hash(&layouts[i]);
		if (there == NULL)
			__atomic_store_n(&h->n_layouts, h->n_layouts + 1, __ATOMIC_RELEASE);
	}
}

/*
 * Makes what is missing of the tables. The bytes behind the last one may have been written by a
 * primary that died in here, so they are cleared first; an entry counts only after n_tables.
 */
static void
tables_fill(struct region_header *h, const struct conf *c, bool fresh)
{
	struct table tables[TABLES];

	tables_wanted(c, tables);
	for (int i = 0; i < TABLES; i++) {
		struct region_table *t = &h->tables[h->n_tables];
		uint64_t offset = tables_end(h);
		char *mem = (char *)h + offset;

		if (table_find(h, tables[i].name) != NULL)
			continue;
		*t = (struct region_table){.entry_size = tables[i].entry_size,
					   .capacity = tables[i].capacity,
					   .offset = offset,
					   .size = tables[i].size};
		snprintf(t->name, sizeof(t->name), "%s", tables[i].name);
		if (!fresh)
			memset(mem, 0, tables[i].size);
		table_init(i, mem, c);
		FAULT_POINT("region table before published");
		__atomic_store_n(&h->n_tables, h->n_tables + 1, __ATOMIC_RELEASE);
		FAULT_POINT("region table before used");
		h->used = tables_end(h);
	}
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- making and adopting --- */

static int
make(struct region *r, const struct conf *c, uint64_t page, struct fault *f)
{
	uint64_t size = region_size(c, page);
	struct region_header *h;
	int rc = reserve(r, size, page, f);

	if (rc == 0)
		rc = map(r, c->region_address, size, f);
	if (rc < 0)
		return rc;
	h = r->header;
	assert(h != NULL);
	h->address = c->region_address;
	h->size = size;
	h->created_ms = now_ms();
	layouts_fill(h);
	tables_fill(h, c, true);
	h->eal_generation = 1;
	__atomic_store_n(&h->magic, REGION_MAGIC, __ATOMIC_RELEASE);
	return 0;
}

static int
adopt(struct region *r, const struct region_header *found, const struct conf *c, struct fault *f)
{
	int rc = layouts_check(found, true, r->path, f);

	if (rc < 0)
		return rc;
	if (found->address != c->region_address)
		return fault_set(f, EPROTO,
				 "%.60s was made for address 0x%" PRIx64
				 ", region-address is 0x%" PRIx64 ": " AFRESH,
				 r->path, found->address, c->region_address);
	rc = tables_check(found, c, r->path, f);
	if (rc < 0)
		return rc;
	rc = map(r, found->address, found->size, f);
	if (rc < 0)
		return rc;
	assert(r->header != NULL);
	rc = slots_adopt(region_table(r, "slots"), c, f);
	if (rc < 0)
		return rc;
	layouts_fill(r->header);
	tables_fill(r->header, c, false);
	r->header->eal_generation++;
	return 0;
}

static int
make_or_adopt(struct region *r, const struct conf *c, bool *adopted, struct fault *f)
{
	struct region_header found;
	struct statfs fs;
	int rc;

	if (flock(r->fd, LOCK_EX | LOCK_NB) < 0)
		return fault_set(f, EBUSY, "%.100s: another primary has it", r->path);
	if (fstatfs(r->fd, &fs) < 0)
		return fault_set(f, errno, "%.100s: %m", r->path);
	rc = header_read(r->fd, &found, f);
	if (rc < 0)
		return rc;
	*adopted = rc == 1;
	if (*adopted)
		return adopt(r, &found, c, f);
	return make(r, c, (uint64_t)fs.f_bsize, f);
}

static int
open_file(struct region *r, const char *path, int flags, struct fault *f)
{
	*r = (struct region){.fd = -1};
	if (strlen(path) >= sizeof(r->path))
		return fault_set(f, ENAMETOOLONG, "%.100s...: path of the region is too long",
				 path);
	snprintf(r->path, sizeof(r->path), "%s", path);
	r->fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
	if (r->fd < 0)
		return fault_set(f, errno, "%.100s: %m", path);
	return 0;
}

int
region_create(struct region *r, const struct conf *conf, bool *adopted, struct fault *f)
{
	char path[2 * CONF_TEXT + 16];
	int rc;

	snprintf(path, sizeof(path), "%s/%s.region", conf->hugepage_dir, conf->instance);
	rc = open_file(r, path, O_CREAT, f);
	if (rc == 0)
		rc = make_or_adopt(r, conf, adopted, f);
	if (rc < 0)
		region_detach(r);
	else
		log_follow(region_table(r, "log-levels"));
	return rc;
}

int
region_attach(struct region *r, const char *path, uint64_t address, struct fault *f)
{
	struct region_header found;
	int rc = open_file(r, path, 0, f);

	if (rc < 0)
		return rc;
	rc = header_read(r->fd, &found, f);
	if (rc == 0)
		rc = fault_set(f, ENOENT, "%.100s: is no region", path);
	else if (rc > 0 && found.address != address)
		rc = fault_set(f, EPROTO, "%.100s: is for address 0x%" PRIx64 ", not 0x%" PRIx64,
			       path, found.address, address);
	else if (rc > 0)
		rc = layouts_check(&found, false, path, f);
	if (rc == 0)
		rc = map(r, address, found.size, f);
	if (rc < 0)
		region_detach(r);
	else
		log_follow(region_table(r, "log-levels"));
	return rc;
}

void
region_detach(struct region *r)
{
	if (r->header != NULL) {
		log_follow(NULL);
		munmap(r->header, r->header->size);
	}
	if (r->fd >= 0)
		close(r->fd);
	r->header = NULL;
	r->fd = -1;
}

void *
region_table(const struct region *r, const char *name)
{
	const struct region_table *t = region_table_info(r, name);

	return t == NULL ? NULL : (char *)r->header + t->offset;
}

const struct region_table *
region_table_info(const struct region *r, const char *name)
{
	return table_find(r->header, name);
}

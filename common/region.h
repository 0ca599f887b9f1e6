/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The region: one file on a hugetlbfs of the router's own that holds everything durable (vifs,
 * nexthops, bridge entries, counters, slots, the process table). The primary creates or adopts it;
 * every process maps it shared, at one fixed address, so pointers into it are equal everywhere
 * (they are still never stored in it: links are indices or offsets). No DPDK object lives here.
 *
 * Layout is versioned per struct (shm_structs.def): major counts the members there are, minor what
 * was appended in reserved space, and a hash of the declaration guards against a version that
 * somebody forgot to raise. The primary writes its list of layouts into the header; whoever
 * attaches compares and refuses, naming the struct. So an upgrade can be judged before it is tried
 * (PROGRAM --layout prints the same list).
 *
 * Crash safety: 'magic' is the last store of a creation; a file without it is a creation that died,
 * and the next primary starts it afresh. The directory only ever grows: an entry is filled first,
 * then 'n_tables' is stored (release). A primary that dies in between leaves the entry invisible.
 */
#ifndef COMMON_REGION_H
#define COMMON_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/fault.h"
#include "common/limits.h"

struct conf;

#define REGION_MAGIC UINT64_C(0x6e6f69676572727e)

enum { REGION_TABLES_MAX = 64, REGION_LAYOUTS_MAX = 64 };

/* One table: 'capacity' entries of 'entry_size' bytes at 'offset' from the region's address. */
struct region_table {
	char name[32];
	uint32_t entry_size;
	uint32_t reserved;
	uint64_t capacity;
	uint64_t offset; /* multiple of CACHE_LINE */
	uint64_t size;   /* bytes, headers of the table included */
};

struct region_layout {
	char name[32];
	uint16_t major;
	uint16_t minor;
	uint32_t size; /* sizeof */
	uint64_t hash;
};

struct region_header {
	uint64_t magic;
	uint64_t address; /* where every process maps it */
	uint64_t size;    /* bytes, a multiple of the huge page size */
	uint64_t used;    /* bytes given to tables; the rest is spare for object kinds to come */
	uint32_t eal_generation; /* raised by every primary that takes the region over */
	uint32_t n_tables;
	uint32_t n_layouts;
	uint32_t reserved[5];
	uint64_t created_ms; /* Unix time */
	struct region_layout layouts[REGION_LAYOUTS_MAX];
	struct region_table tables[REGION_TABLES_MAX];
};

/* Process-local view. */
struct region {
	struct region_header *header; /* at the region's address */
	int fd;
	char path[256];
};

/*
 * Primary only. Maps 'path' at 'address', adopting what is there if the layouts fit and every table
 * has the configured capacity; else creates it with all tables of tables.def, sized by 'conf'.
 * 'adopted' says which. Fails with -ENOMEM when huge pages are missing (the fault names how many
 * are needed and free), -EADDRINUSE when the address is taken, -EPROTO when a living layout differs
 * (names the struct), -EBUSY when another primary holds the file's lock.
 */
int region_create(struct region *r, const struct conf *conf, bool *adopted, struct fault *f);

/* Any other process. -EPROTO names the struct that differs, here and there; -ENOENT: no region. */
int region_attach(struct region *r, const char *path, uint64_t address, struct fault *f);

void region_detach(struct region *r);

/* Bytes the region takes with this configuration, rounded up to huge pages of 'page' bytes. */
uint64_t region_size(const struct conf *conf, uint64_t page);

/* First byte of the table called 'name' (see tables.def), NULL when there is none. */
void *region_table(const struct region *r, const char *name);
const struct region_table *region_table_info(const struct region *r, const char *name);

/* Prints the layouts this program was built with, one per line: name major.minor size hash. */
void region_layouts_print(void);

#endif

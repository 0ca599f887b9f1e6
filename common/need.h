/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many huge pages a configuration needs, and whether there are as many: asked by the primary
 * before it makes anything, so that what is missing is a sentence and not a failure halfway.
 */
#ifndef COMMON_NEED_H
#define COMMON_NEED_H

#include <stdint.h>

#include "common/fault.h"

struct conf;
struct statfs;

struct need {
	uint64_t page; /* bytes of one */
	/* bytes */
	uint64_t region; /* a multiple of 'page' */
	uint64_t packets;
	uint64_t rings;
	uint64_t hands; /* journals, magazines, the handshake */
	uint64_t drivers;
	/* sums */
	uint64_t eal_mb; /* MiB for EAL's -m; a multiple of 'page' */
	uint64_t pages;  /* region and EAL */
};

enum { NEED_TEXT = 232 };

void need_compute(const struct conf *conf, uint64_t page, struct need *need);

/* "needs 412 pages of 2 MB (824 MiB): region 300 MiB, packets 460 MiB, ..." */
void need_print(const struct need *need, char text[NEED_TEXT]);

/*
 * Pages that can still be had on a filesystem. A hugetlbfs mounted without a limit does not say;
 * there it is what the kernel has free and not promised, and what it may still find (overcommit).
 */
uint64_t need_free_pages(const struct statfs *fs);

/*
 * Compares with the free pages of hugepage-dir's filesystem, to which those of an instance's region
 * that is there already are added, since it is adopted. -ENOMEM with the sentence above and how
 * many are free; -ENOTSUP when the directory is no hugetlbfs.
 */
int need_check(const struct conf *conf, struct fault *f);

#endif

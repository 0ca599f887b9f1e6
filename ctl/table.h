/* SPDX-License-Identifier: BSD-3-Clause */
/* How full a table is; for `table` and for the judgement in `status`. Main thread only. */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/tables.h"

struct table_use {
	bool counted; /* false: nobody counts what is used */
	bool fills;   /* false: its entries are there from the start */
	uint64_t used;
	uint64_t size;
};

/* By the name in tables.def. */
struct table_use table_use(const struct tables *t, const char *name);

#endif

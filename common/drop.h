/* SPDX-License-Identifier: BSD-3-Clause */
/* Drop reasons, derived from drops.def. */
#ifndef COMMON_DROP_H
#define COMMON_DROP_H

enum drop {
#define DROP(NAME, name, text) DROP_##NAME,
#include "common/drops.def"
#undef DROP
	DROPS
};

/* Room for reasons to come without moving a counter: the counters' layout depends on it. */
enum { DROPS_MAX = 64 };
_Static_assert((int)DROPS <= (int)DROPS_MAX, "raise DROPS_MAX and the layout of vif_counters");

const char *drop_name(enum drop d); /* as in the API, "no-nexthop" */
const char *drop_text(enum drop d); /* a sentence fragment for people */

#endif

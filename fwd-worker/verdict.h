/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a stage says about a packet: where it goes next, that it has been put where it leaves from,
 * or why it ends. One byte, so that a burst's verdicts compare eight at a time.
 */
#ifndef FWD_WORKER_VERDICT_H
#define FWD_WORKER_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/drop.h"

enum stage {
#define STAGE(NAME, name, text) STAGE_##NAME,
#include "fwd-worker/stages.def"
#undef STAGE
	STAGES
};

struct verdict {
	uint8_t code;
};

enum { VERDICT_EACH = 62, VERDICT_SENT = 63, VERDICT_DROP = 64 };
_Static_assert((int)STAGES < (int)VERDICT_EACH, "stages and drops share a byte");

#define TO(NAME)      ((struct verdict){.code = STAGE_##NAME})
#define EACH          ((struct verdict){.code = VERDICT_EACH}) /* packets differ */
#define SENT          ((struct verdict){.code = VERDICT_SENT})
#define DROP_FOR(why) ((struct verdict){.code = (uint8_t)(VERDICT_DROP + (why))})
#define DROP(NAME)    DROP_FOR(DROP_##NAME)

static inline bool
verdict_is_drop(struct verdict v)
{
	return v.code >= VERDICT_DROP;
}
static inline enum drop
verdict_drop(struct verdict v)
{
	return (enum drop)(v.code - VERDICT_DROP);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* See flow_audit.h. Walks the whole table; called when nobody works on it. */
#include "common/flow_audit.h"

#include <stdbool.h>

#include "common/flow_shared.h"

static bool
has_bit(const struct flow_table *t, uint32_t pair)
{
	return (flow_bitmap(t)[pair / FLOW_BLOCK] >> pair % FLOW_BLOCK & 1) != 0;
}

/* Each key must lead to an entry with that key of this pair: either one if both keys are equal. */
static bool
is_found(const struct flow_table *t, uint32_t pair)
{
	for (uint32_t d = 0; d < 2; d++) {
		struct flow_key key = flow_key_of(t, 2 * pair + d);

		if (flow_lookup(t, &key) / 2 != pair)
			return false;
	}
	return true;
}

static void
audit_pair(const struct flow_table *t, uint32_t pair, struct flow_audit *a)
{
	union flow_state_word first = flow_state_load(flow_at(t, 2 * pair));
	union flow_state_word second = flow_state_load(flow_at(t, 2 * pair + 1));

	a->half +=
	    first.word != second.word || first.state == FLOW_CLAIMED || first.state == FLOW_LOST;
	if (first.state == FLOW_ACTIVE) {
		a->active++;
		a->twice += has_bit(t, pair);
		a->hidden += !is_found(t, pair);
	} else {
		a->lost += !has_bit(t, pair);
	}
}

void
flow_audit(struct flow_table *t, struct flow_audit *a)
{
	const struct flow_bucket *b = flow_part(t, t->buckets_at);
	uint32_t mask = (uint32_t)((UINT64_C(1) << t->index_bits) - 1), cells = 0;

	*a = (struct flow_audit){0};
	for (uint32_t p = 0; p < t->pairs; p++)
		audit_pair(t, p, a);
	for (uint32_t i = 0; i < t->n_buckets; i++) {
		for (uint32_t c = 0; c < FLOW_CELLS; c++) {
			if (b[i].cell[c] == 0)
				continue;
			cells++;
			a->strays +=
			    flow_state_load(flow_at(t, (b[i].cell[c] & mask) & ~1u)).state !=
			    FLOW_ACTIVE;
		}
	}
	/* every ACTIVE pair was found by both its keys, so it has two cells at least */
	if (cells > 2 * a->active)
		a->strays += cells - 2 * a->active;
}

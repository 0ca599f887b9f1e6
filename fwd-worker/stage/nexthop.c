/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nexthop: what happens to a packet whose lookup ended at this id. Packets of a burst often share
 * one; then it is looked at once. A slot's thread.
 *
 * Uses nexthop_id; sets nexthop. To flood, output.
 */
#include "fwd-worker/stage.h"

static struct verdict
nexthop_verdict(const struct nexthop *nh)
{
	if (nh == NULL)
		return DROP(NO_NEXTHOP);
	switch ((enum nexthop_type)nh->type) {
	case NEXTHOP_DISCARD:
		return DROP(DISCARD);
	case NEXTHOP_ENCAP:
		return TO(OUTPUT);
	case NEXTHOP_FLOOD:
		return TO(FLOOD);
	case NEXTHOP_TYPES:
		break;
	}
	return DROP(NO_NEXTHOP);
}

static inline bool
is_one_id(const struct burst *b, const struct vec *v, bool whole)
{
	uint32_t id = b->nexthop_id[v->i[0]], differ = 0;

	for (uint32_t k = 0; k < v->n; k++)
		differ |= b->nexthop_id[vec_at(v, k, whole)] ^ id;
	return differ == 0;
}

static inline void
nexthop_all(struct worker *w, struct burst *b, const struct vec *v, bool whole)
{
	uint32_t id = b->nexthop_id[v->i[0]];
	const struct nexthop *nh = nexthop_lookup(w->nexthops, id);
	struct verdict verdict = nexthop_verdict(nh);

	if (__builtin_expect(is_one_id(b, v, whole), 1)) {
		for (uint32_t k = 0; k < v->n; k++)
			b->nexthop[vec_at(v, k, whole)] = nh;
		for (uint32_t k = 0; k < v->n; k++)
			b->verdict[vec_at(v, k, whole)] = verdict;
		return;
	}
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = vec_at(v, k, whole);

		nh = nexthop_lookup(w->nexthops, b->nexthop_id[i]);
		b->nexthop[i] = nh;
		b->verdict[i] = nexthop_verdict(nh);
	}
}

void
stage_nexthop(struct worker *w, struct burst *b, const struct vec *v)
{
	if (vec_is_whole(b, v))
		nexthop_all(w, b, v, true);
	else
		nexthop_all(w, b, v, false);
}

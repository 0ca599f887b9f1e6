/* SPDX-License-Identifier: BSD-3-Clause */
/* The stage runner. See stage.h. A slot's thread. */
#include "fwd-worker/stage.h"

#include <string.h>

#include "common/fault_point.h"

_Static_assert((int)STAGES <= 32, "pending");

static const struct vec everybody = {
    .n = BURST_MAX,
    .i = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
	  22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
	  44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63}};
_Static_assert((int)BURST_MAX == 64, "everybody");

static const char *const names[STAGES] = {
#define STAGE(NAME, name, text) #name,
#include "fwd-worker/stages.def"
#undef STAGE
};

const char *
stage_name(enum stage s)
{
	return s < STAGES ? names[s] : "none";
}

static void
stage_call(struct worker *w, enum stage s, const struct vec *v)
{
	switch (s) {
#define STAGE(NAME, name, text)                \
	case STAGE_##NAME:                     \
		stage_##name(w, &w->burst, v); \
		break;
#include "fwd-worker/stages.def"
#undef STAGE
	case STAGES:
		break;
	}
}

/*
 * The one verdict of all packets, or EACH. For stages that have not said: finds out without a
 * branch for each packet. A vec as long as the burst is the whole burst, in order, which the
 * compiler can compare many at a time.
 */
static struct verdict
verdict_of(const struct burst *b, const struct vec *v)
{
	struct verdict first = b->verdict[v->i[0]];
	uint8_t differ = 0;

	if (b->common.code != VERDICT_EACH)
		return b->common;
	if (vec_is_whole(b, v)) {
		for (uint32_t i = 0; i < b->n; i++)
			differ |= b->verdict[i].code ^ first.code;
	} else {
		for (uint32_t k = 0; k < v->n; k++)
			differ |= b->verdict[v->i[k]].code ^ first.code;
	}
	return differ == 0 ? first : EACH;
}

static void
drop_all(struct worker *w, enum stage s, const struct vec *v, enum drop why)
{
	struct hand *h = w->hand;

	for (uint32_t k = 0; k < v->n && drop_sampler_wants(&w->sampler, why); k++)
		drop_sampler_keep(&w->sampler, why, stage_name(s), w->burst.in_vif,
				  w->burst.m[v->i[k]]);
	for (uint32_t k = 0; k < v->n; k++)
		hand_drop(h, w->burst.m[v->i[k]]);
	count_drops(w, w->burst.in_vif, why, v->n);
}

/* All of a stage's packets to another, which mostly has none yet: then the two change vecs. */
static void
pass_on(struct burst *b, enum stage from, enum stage to)
{
	struct vec *v = b->todo[from], *w = b->todo[to];

	b->pending |= UINT32_C(1) << to;
	if (__builtin_expect(w->n == 0, 1)) {
		b->todo[from] = w;
		b->todo[to] = v;
		return;
	}
	memcpy(&w->i[w->n], v->i, v->n);
	w->n += v->n;
}

static void
follow_one_by_one(struct worker *w, enum stage s, const struct vec *v)
{
	struct burst *b = &w->burst;

	for (uint32_t k = 0; k < v->n; k++) {
		struct verdict verdict = b->verdict[v->i[k]];

		if (verdict_is_drop(verdict)) {
			drop_sampler_see(&w->sampler, verdict_drop(verdict), stage_name(s),
					 b->in_vif, b->m[v->i[k]]);
			hand_drop(w->hand, b->m[v->i[k]]);
			count_drops(w, b->in_vif, verdict_drop(verdict), 1);
		} else if (verdict.code < STAGES) {
			struct vec *to = b->todo[verdict.code];

			to->i[to->n++] = v->i[k];
			b->pending |= UINT32_C(1) << verdict.code;
		}
	}
}

static void
follow(struct worker *w, enum stage s, const struct vec *v)
{
	struct verdict verdict = verdict_of(&w->burst, v);

	if (__builtin_expect(verdict.code < STAGES, 1))
		pass_on(&w->burst, s, (enum stage)verdict.code);
	else if (verdict_is_drop(verdict))
		drop_all(w, s, v, verdict_drop(verdict));
	else if (verdict.code == VERDICT_EACH)
		follow_one_by_one(w, s, v);
}

/* Where a trace request will have its say: one test for a burst of which nothing is traced. */
static inline void
trace(const struct burst *b, enum stage s, const struct vec *v)
{
	if (__builtin_expect(b->traced == 0, 1))
		return;
	(void)s;
	(void)v;
}

/* Packets that go in a circle end. */
static void
drop_pending(struct worker *w)
{
	struct burst *b = &w->burst;

	for (; b->pending != 0; b->pending &= b->pending - 1) {
		uint32_t s = (uint32_t)__builtin_ctz(b->pending);
		struct vec *v = b->todo[s];

		drop_all(w, (enum stage)s, v, DROP_NEXTHOP_LOOP);
		v->n = 0;
	}
}

void
stages_init(struct worker *w)
{
	struct burst *b = &w->burst;

	for (uint32_t s = 0; s < STAGES; s++) {
		b->vecs[s].n = 0;
		b->todo[s] = &b->vecs[s];
	}
}

void
stages_run(struct worker *w)
{
	stages_run_from(w, (enum stage)0);
}

void
stages_run_from(struct worker *w, enum stage from)
{
	struct burst *b = &w->burst;
	uint32_t last = 0, returns = 0;

	*b->todo[from] = everybody;
	b->todo[from]->n = b->n;
	b->pending = UINT32_C(1) << from;
	while (b->pending != 0) {
		uint32_t s = (uint32_t)__builtin_ctz(b->pending);
		const struct vec *v = b->todo[s];

		if (__builtin_expect(s < last, 0) && ++returns > RETURNS_MAX) {
			drop_pending(w);
			break;
		}
		last = s;
		b->pending &= b->pending - 1;
		b->common = EACH;
		stage_call(w, (enum stage)s, v);
		FAULT_POINT("stage");
		trace(b, (enum stage)s, v);
		follow(w, (enum stage)s, v);
		b->todo[s]->n = 0;
	}
}

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
 * Most bursts have one verdict for all: finds out without a branch for each packet. A vec as long
 * as the burst is the whole burst, in order, which the compiler can compare many at a time.
 */
static bool
is_unanimous(const struct burst *b, const struct vec *v)
{
	uint8_t first = b->verdict[v->i[0]].code, differ = 0;

	if (vec_is_whole(b, v)) {
		for (uint32_t i = 0; i < b->n; i++)
			differ |= b->verdict[i].code ^ first;
		return differ == 0;
	}
	for (uint32_t k = 0; k < v->n; k++)
		differ |= b->verdict[v->i[k]].code ^ first;
	return differ == 0;
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

static void
vec_append(struct vec *to, const struct vec *v)
{
	if (__builtin_expect(to->n == 0, 1)) {
		*to = *v;
		return;
	}
	memcpy(&to->i[to->n], v->i, v->n);
	to->n += v->n;
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
			struct vec *to = &b->todo[verdict.code];

			to->i[to->n++] = v->i[k];
			b->pending |= UINT32_C(1) << verdict.code;
		}
	}
}

static void
follow(struct worker *w, enum stage s, const struct vec *v)
{
	struct verdict verdict = w->burst.verdict[v->i[0]];

	if (__builtin_expect(!is_unanimous(&w->burst, v), 0))
		follow_one_by_one(w, s, v);
	else if (verdict_is_drop(verdict))
		drop_all(w, s, v, verdict_drop(verdict));
	else if (verdict.code < STAGES) {
		vec_append(&w->burst.todo[verdict.code], v);
		w->burst.pending |= UINT32_C(1) << verdict.code;
	}
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
		struct vec *v = &b->todo[s];

		drop_all(w, (enum stage)s, v, DROP_NEXTHOP_LOOP);
		v->n = 0;
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

	b->todo[from] = everybody;
	b->todo[from].n = b->n;
	b->pending = UINT32_C(1) << from;
	while (b->pending != 0) {
		uint32_t s = (uint32_t)__builtin_ctz(b->pending);
		struct vec *v = &b->todo[s];

		if (__builtin_expect(s < last, 0) && ++returns > RETURNS_MAX) {
			drop_pending(w);
			break;
		}
		last = s;
		b->pending &= b->pending - 1;
		stage_call(w, (enum stage)s, v);
		FAULT_POINT("stage");
		trace(b, (enum stage)s, v);
		follow(w, (enum stage)s, v);
		v->n = 0;
	}
}

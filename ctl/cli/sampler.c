/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters remembered between two looks; see sampler.h. vrctl's only thread. */
#include "ctl/cli/sampler.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct sample {
	uint64_t key, value;
	bool used;
};

/* Open addressing, at most half full, 'room' a power of two. */
struct samples {
	uint64_t at_us;
	size_t n, room;
	struct sample *list;
};

struct sampler {
	struct samples before, now;
};

struct sampler *
sampler_create(void)
{
	return calloc(1, sizeof(struct sampler));
}

void
sampler_destroy(struct sampler *s)
{
	if (s == NULL)
		return;
	free(s->before.list);
	free(s->now.list);
	free(s);
}

void
sampler_begin(struct sampler *s, uint64_t now_us)
{
	struct samples old = s->before;

	s->before = s->now;
	s->now = old;
	s->now.n = 0;
	s->now.at_us = now_us;
	if (s->now.room != 0)
		memset(s->now.list, 0, s->now.room * sizeof(*s->now.list));
}

/* Where the key is or belongs; NULL while there is no room at all. */
static struct sample *
place(const struct samples *of, uint64_t key)
{
	size_t at;

	if (of->room == 0)
		return NULL;
	at = (size_t)((key * 0x9e3779b97f4a7c15) >> 32) & (of->room - 1);
	while (of->list[at].used && of->list[at].key != key)
		at = (at + 1) & (of->room - 1);
	return &of->list[at];
}

static bool
grow(struct samples *of)
{
	struct samples larger = *of;

	larger.room = of->room == 0 ? 256 : of->room * 2;
	larger.list = calloc(larger.room, sizeof(*larger.list));
	if (larger.list == NULL)
		return false;
	for (size_t i = 0; i < of->room; i++)
		if (of->list[i].used)
			*place(&larger, of->list[i].key) = of->list[i];
	free(of->list);
	*of = larger;
	return true;
}

double
sampler_rate(struct sampler *s, uint64_t key, uint64_t value)
{
	const struct sample *old = place(&s->before, key);
	uint64_t passed = s->now.at_us - s->before.at_us;
	struct sample *new;

	if (s->now.n * 2 >= s->now.room && !grow(&s->now))
		return -1;
	new = place(&s->now, key);
	s->now.n += !new->used;
	*new = (struct sample){key, value, true};
	if (old == NULL || !old->used || passed == 0 || value < old->value)
		return -1;
	return (double)(value - old->value) * 1e6 / (double)passed;
}

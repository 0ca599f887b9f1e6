/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Routes as a list that is searched from end to end: slow, and obviously right. For tests, which
 * hold the route table against it.
 */
#ifndef COMMON_ROUTE_MODEL_H
#define COMMON_ROUTE_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/route.h"

enum { ROUTE_MODEL_MAX = 1500 };

struct route_model {
	struct route_key k[ROUTE_MODEL_MAX];
	uint64_t value[ROUTE_MODEL_MAX];
	uint32_t n;
};

/* Whether the address of 'a', or its prefix, has the prefix 'k'. */
static inline bool
route_model_covers(const struct route_key *k, const struct route_key *a)
{
	uint32_t bytes = k->length / 8, bits = k->length % 8;

	if (k->vrf != a->vrf || k->family != a->family ||
	    memcmp(k->address, a->address, bytes) != 0)
		return false;
	return bits == 0 || (k->address[bytes] ^ a->address[bytes]) >> (8 - bits) == 0;
}

static inline bool
route_model_same(const struct route_key *a, const struct route_key *b)
{
	return a->length == b->length && route_model_covers(a, b);
}

/* The value of the longest prefix of the address, 0 if there is none. */
static inline uint64_t
route_model_lookup(const struct route_model *m, const struct route_key *a)
{
	uint64_t value = 0;
	int longest = -1;

	for (uint32_t i = 0; i < m->n; i++) {
		if (m->k[i].length <= longest || !route_model_covers(&m->k[i], a))
			continue;
		longest = m->k[i].length;
		value = m->value[i];
	}
	return value;
}

/* The place of this very prefix, m->n if it has none. */
static inline uint32_t
route_model_find(const struct route_model *m, const struct route_key *k)
{
	uint32_t i = 0;

	while (i < m->n && !route_model_same(&m->k[i], k))
		i++;
	return i;
}

/* Adds or replaces, with room for it; a value of 0 deletes. */
static inline void
route_model_set(struct route_model *m, const struct route_key *k, uint64_t value)
{
	uint32_t i = route_model_find(m, k);

	if (value == 0 && i < m->n) {
		m->n--;
		m->k[i] = m->k[m->n];
		m->value[i] = m->value[m->n];
	} else if (value != 0) {
		m->k[i] = *k;
		m->value[i] = value;
		m->n += i == m->n;
	}
}

#endif

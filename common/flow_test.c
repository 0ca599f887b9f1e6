/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table against a slow model, and slots that make and find pairs at the same time. Threads
 * stand for slots; deaths are in ctl/flow_model_kill_test.c.
 */
#include "common/flow.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/flow_audit.h"
#include "common/flow_shared.h"
#include "common/grace.h"

#ifdef __SANITIZE_THREAD__
enum { OPERATIONS = 300000, ROUNDS = 500, REMOVED = 2000 };
#else
enum { OPERATIONS = 3000000, ROUNDS = 3000, REMOVED = 20000 };
#endif
enum { TSC_STEP = 1 << 21 }; /* between two searches for room */

static struct flow_table *
table_create(uint32_t entries)
{
	struct flow_table *t = NULL;

	assert_int_equal(posix_memalign((void **)&t, 4096, flow_table_size(entries)), 0);
	memset(t, 0, flow_table_size(entries));
	flow_table_init(t, entries, UINT64_C(0x123456789abcdef1));
	return t;
}

static void
check_sound(struct flow_table *t, uint32_t active)
{
	struct flow_audit a;

	flow_audit(t, &a);
	assert_int_equal(a.active, active);
	assert_int_equal(a.half, 0);
	assert_int_equal(a.hidden, 0);
	assert_int_equal(a.strays, 0);
	assert_int_equal(a.lost, 0);
	assert_int_equal(a.twice, 0);
}

/* Flow 'i' of host 1 to host 2: even i IPv4, odd i IPv6. */
static struct flow_key
key_of(uint32_t i, bool reverse)
{
	struct flow_key k = {.source_port_be = (uint16_t)i, .destination_port_be = 80};
	uint8_t a[16] = {0x20, 0x01, 0x0d, 0xb8, 1, [15] = 1};
	uint8_t b[16] = {0x20, 0x01, 0x0d, 0xb8, 2, [15] = 2};
	uint32_t nexthop = 7, swap_nexthop = 9;

	a[10] = (uint8_t)(i >> 16);
	if (i % 2 == 0) {
		flow_key_set_ipv4(a, &(uint32_t){0x0100000a + (i >> 16)});
		flow_key_set_ipv4(b, &(uint32_t){0x0200000a});
	}
	memcpy(k.source, reverse ? b : a, 16);
	memcpy(k.destination, reverse ? a : b, 16);
	if (reverse) {
		uint16_t port = k.source_port_be;

		k.source_port_be = k.destination_port_be;
		k.destination_port_be = port;
		nexthop = swap_nexthop;
	}
	k.nexthop_protocol = nexthop << 8 | 6;
	return k;
}

/* The pair that a packet of flow 'i' in one direction makes. */
static struct flow_new
pair_of(uint32_t i, bool reverse)
{
	struct flow_new n = {.key = {key_of(i, reverse), key_of(i, !reverse)},
			     .action = {{.verdict = FLOW_FORWARD}, {.verdict = FLOW_FORWARD}},
			     .vif = {1, 2},
			     .clock = 5,
			     .created_s = 1000};

	return n;
}

static void
both_directions_of_a_pair_are_found_once_it_is_made(void **state)
{
	struct flow_table *t = table_create(1024);
	struct flow_new n = pair_of(3, false);
	const struct flow_entry *e;
	uint32_t entry = 99;

	(void)state;
	assert_int_equal(flow_lookup(t, &n.key[0]), FLOW_NONE);
	assert_int_equal(flow_insert(t, 4, &n, 0, &entry), 0);
	assert_int_equal(flow_lookup(t, &n.key[0]), entry);
	assert_int_equal(flow_lookup(t, &n.key[1]), entry + 1);
	e = flow_entry(t, entry);
	assert_int_equal(flow_seen_load(&e[0]).owner, 4 + 1);
	assert_int_equal(flow_seen_load(&e[1]).owner, FLOW_OWNER_NONE);
	assert_int_equal(flow_seen_load(&e[0]).vif, 1);
	assert_int_equal(flow_seen_load(&e[1]).vif, 2);
	for (uint32_t d = 0; d < 2; d++) {
		struct flow_key key = flow_key_of(t, entry + d);

		assert_true(flow_key_equal(&key, &n.key[d]));
		assert_ptr_equal(flow_entry(t, entry + d), e + d);
		assert_int_equal(flow_number(t, e + d), entry + d);
	}
	assert_int_equal(flow_state_load(e).slot, 4);
	assert_int_equal(flow_state_load(e).generation, 1);
	assert_int_equal(flow_state_load(e).created_s, 1000);
	assert_int_equal(flow_state_load(e + 1).word, flow_state_load(e).word);
	assert_int_equal(flow_action_load(e).verdict, FLOW_FORWARD);
	assert_int_equal(flow_used(t), 1);
	check_sound(t, 1);
	free(t);
}

static void
a_second_pair_with_one_of_the_keys_is_refused(void **state)
{
	struct flow_table *t = table_create(1024);
	struct flow_new forward = pair_of(3, false), reverse = pair_of(3, true), mixed;
	uint32_t first, entry;

	(void)state;
	assert_int_equal(flow_insert(t, 0, &forward, 0, &first), 0);
	assert_int_equal(flow_insert(t, 1, &forward, 0, &entry), -EEXIST);
	assert_int_equal(entry, first);
	assert_int_equal(flow_insert(t, 1, &reverse, 0, &entry), -EEXIST);
	assert_int_equal(entry, first + 1);
	mixed = pair_of(5, false);
	mixed.key[1] = forward.key[1];
	assert_int_equal(flow_insert(t, 1, &mixed, 0, &entry), -EEXIST);
	assert_int_equal(entry, FLOW_NONE);
	assert_int_equal(flow_slot(t, 1)->raced, 3);
	assert_int_equal(flow_used(t), 1);
	check_sound(t, 1);
	free(t);
}

static void
a_flow_made_again_has_the_same_index_and_the_next_generation(void **state)
{
	struct flow_table *t = table_create(1024);
	struct flow_writer *w = flow_writer_create(t, NULL);
	struct flow_new n = pair_of(8, false);
	uint32_t entry, again;

	(void)state;
	assert_int_equal(flow_insert(t, 0, &n, 0, &entry), 0);
	assert_int_equal(flow_retire(w, entry / 2, 2), -ESTALE);
	assert_int_equal(flow_retire(w, entry / 2, 1), 0);
	assert_int_equal(flow_retire(w, entry / 2, 1), -ENOENT);
	assert_int_equal(flow_retire(w, 512, 1), -ENOENT);
	assert_int_equal(flow_lookup(t, &n.key[0]), FLOW_NONE);
	assert_int_equal(flow_lookup(t, &n.key[1]), FLOW_NONE);
	assert_int_equal(flow_used(t), 1);
	flow_writer_poll(w);
	assert_int_equal(flow_used(t), 0);
	assert_int_equal(flow_insert(t, 0, &n, 0, &again), 0);
	assert_int_equal(again, entry);
	assert_int_equal(flow_state_load(flow_entry(t, again)).generation, 2);
	check_sound(t, 1);
	flow_writer_destroy(w);
	free(t);
}

static void
a_removed_pair_is_used_again_only_after_readers_moved_on(void **state)
{
	struct rte_rcu_qsbr *v = NULL;
	struct flow_table *t = table_create(2 * FLOW_BLOCK);
	struct flow_writer *w;
	struct flow_new n;
	struct grace *g;
	uint32_t entry;

	(void)state;
	assert_int_equal(posix_memalign((void **)&v, 64, grace_size()), 0);
	grace_init(v);
	g = grace_create(v, 16);
	w = flow_writer_create(t, g);
	grace_online(v, 3);
	for (uint32_t i = 0; i < FLOW_BLOCK; i++) {
		n = pair_of(i, false);
		assert_int_equal(flow_insert(t, 0, &n, 0, &entry), 0);
	}
	assert_int_equal(flow_retire(w, 5, 1), 0);
	flow_writer_poll(w);
	n = pair_of(1000, false);
	assert_int_equal(flow_insert(t, 0, &n, 1 * TSC_STEP, &entry), -ENOSPC);
	flow_writer_poll(w);
	assert_int_equal(flow_insert(t, 0, &n, 2 * TSC_STEP, &entry), -ENOSPC);
	assert_int_equal(flow_slot(t, 0)->refused, 2);
	grace_quiescent(v, 3);
	flow_writer_poll(w);
	assert_int_equal(flow_insert(t, 0, &n, 3 * TSC_STEP, &entry), 0);
	assert_int_equal(entry, 10);
	check_sound(t, FLOW_BLOCK);
	flow_writer_destroy(w);
	grace_destroy(g);
	free(v);
	free(t);
}

static void
a_full_table_refuses_new_pairs_and_keeps_the_old(void **state)
{
	enum { PAIRS = 3 * FLOW_BLOCK + 10 };
	struct flow_table *t = table_create(2 * PAIRS), *none = table_create(0);
	struct flow_new n;
	uint32_t entry;

	(void)state;
	for (uint32_t i = 0; i < PAIRS; i++) {
		n = pair_of(i, i % 3 == 0);
		assert_int_equal(flow_insert(t, i / FLOW_BLOCK % 2, &n, 0, &entry), 0);
	}
	n = pair_of(PAIRS, false);
	assert_int_equal(flow_insert(t, 0, &n, 0, &entry), -ENOSPC);
	assert_int_equal(flow_insert(t, 7, &n, 0, &entry), -ENOSPC);
	for (uint32_t i = 0; i < PAIRS; i++) {
		struct flow_key k = key_of(i, false);

		assert_int_not_equal(flow_lookup(t, &k), FLOW_NONE);
	}
	assert_int_equal(flow_used(t), PAIRS);
	check_sound(t, PAIRS);
	assert_int_equal(flow_insert(none, 0, &n, 0, &entry), -ENOSPC);
	assert_int_equal(flow_lookup(none, &n.key[0]), FLOW_NONE);
	free(t);
	free(none);
}

static void
a_large_table_takes_as_many_pairs_as_it_is_made_for(void **state)
{
	enum { PAIRS = 1 << 17 };
	struct flow_table *t = table_create(2 * PAIRS);
	uint32_t entry;

	(void)state;
	for (uint32_t i = 0; i < PAIRS; i++) {
		struct flow_new n = pair_of(i, false);

		assert_int_equal(flow_insert(t, 0, &n, 0, &entry), 0);
	}
	check_sound(t, PAIRS);
	free(t);
}

/* A packet to oneself: both directions have one key. */
static void
a_flow_that_is_its_own_reverse_is_one_pair(void **state)
{
	struct flow_table *t = table_create(256);
	struct flow_writer *w = flow_writer_create(t, NULL);
	struct flow_new n = pair_of(6, false);
	uint32_t entry;

	(void)state;
	n.key[1] = n.key[0];
	assert_int_equal(flow_insert(t, 0, &n, 0, &entry), 0);
	assert_int_equal(flow_lookup(t, &n.key[0]) / 2, entry / 2);
	assert_int_equal(flow_insert(t, 0, &n, 0, &entry), -EEXIST);
	check_sound(t, 1);
	assert_int_equal(flow_retire(w, entry / 2, 1), 0);
	assert_int_equal(flow_lookup(t, &n.key[0]), FLOW_NONE);
	flow_writer_poll(w);
	check_sound(t, 0);
	flow_writer_destroy(w);
	free(t);
}

static void
a_direction_belongs_to_the_slot_that_sees_it_first(void **state)
{
	struct flow_table *t = table_create(256);
	struct flow_new n = pair_of(6, false);
	uint32_t entry;

	(void)state;
	assert_int_equal(flow_insert(t, 3, &n, 0, &entry), 0);
	assert_int_equal(flow_own(flow_entry(t, entry), 5), 3);
	assert_int_equal(flow_own(flow_entry(t, entry + 1), 5), 5);
	assert_int_equal(flow_own(flow_entry(t, entry + 1), 3), 5);
	free(t);
}

/* --- the model: an array of what is there --- */

enum { MODEL_FLOWS = 700, MODEL_PAIRS = 512 };

struct model {
	bool there[MODEL_FLOWS];
	bool reversed[MODEL_FLOWS]; /* made by a packet of the second direction */
	uint32_t pair[MODEL_FLOWS], generation[MODEL_FLOWS];
	uint32_t last_generation[MODEL_PAIRS];
	uint32_t n;
};

static uint32_t
dice(uint64_t *seed, uint32_t sides)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((*seed >> 33) % sides);
}

static void
model_insert(struct model *m, struct flow_table *t, uint32_t i, bool reverse, uint64_t tsc)
{
	struct flow_new n = pair_of(i, reverse);
	uint32_t entry, pair;
	int rc = flow_insert(t, i % 3, &n, tsc, &entry);

	if (m->there[i]) {
		if (rc == -ENOSPC) /* asked for room first */
			return;
		assert_int_equal(rc, -EEXIST);
		assert_int_equal(entry, 2 * m->pair[i] + (reverse != m->reversed[i]));
		return;
	}
	if (rc == -ENOSPC) {
		/* what other slots' blocks have left is not for this one */
		assert_true(m->n >= MODEL_PAIRS - 3 * FLOW_BLOCK);
		return;
	}
	assert_int_equal(rc, 0);
	pair = entry / 2;
	m->there[i] = true;
	m->reversed[i] = reverse;
	m->pair[i] = pair;
	m->generation[i] = flow_state_load(flow_entry(t, entry)).generation;
	assert_true(m->generation[i] > m->last_generation[pair]);
	m->last_generation[pair] = m->generation[i];
	m->n++;
}

static void
model_lookup(const struct model *m, const struct flow_table *t, uint64_t *seed)
{
	struct flow_query q = {.n = 0};
	struct flow_key keys[BURST_MAX], key;
	struct flow_entry *found[BURST_MAX];
	uint32_t flow[BURST_MAX], n = 1 + dice(seed, BURST_MAX);
	uint64_t missing;
	bool reverse[BURST_MAX];

	for (uint32_t k = 0; k < n; k++) {
		flow[k] = dice(seed, MODEL_FLOWS);
		reverse[k] = dice(seed, 2) == 0;
		keys[k] = key_of(flow[k], reverse[k]);
		flow_query_add(t, &q, &keys[k]);
	}
	missing = flow_lookup_burst(t, &q, found);
	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = flow[k];
		uint32_t expected =
		    m->there[i] ? 2 * m->pair[i] + (reverse[k] != m->reversed[i]) : FLOW_NONE;

		assert_int_equal(flow_lookup(t, &keys[k]), expected);
		key = flow_query_key(&q, k);
		assert_true(flow_key_equal(&key, &keys[k]));
		assert_int_equal(missing >> k & 1, expected == FLOW_NONE);
		if (expected == FLOW_NONE)
			assert_null(found[k]);
		else
			assert_ptr_equal(found[k], flow_entry(t, expected));
	}
}

static void
the_table_does_what_a_plain_array_does(void **state)
{
	struct flow_table *t = table_create(2 * MODEL_PAIRS);
	struct flow_writer *w = flow_writer_create(t, NULL);
	struct model *m = calloc(1, sizeof(*m));
	uint64_t seed = 42, tsc = 0;

	(void)state;
	for (uint32_t op = 0; op < OPERATIONS; op++) {
		uint32_t i = dice(&seed, MODEL_FLOWS);

		switch (dice(&seed, 8)) {
		case 0:
		case 1:
		case 2:
			tsc += TSC_STEP;
			model_insert(m, t, i, dice(&seed, 2) == 0, tsc);
			break;
		case 3:
		case 4:
			assert_int_equal(flow_retire(w, m->there[i] ? m->pair[i] : MODEL_PAIRS,
						     m->generation[i]),
					 m->there[i] ? 0 : -ENOENT);
			m->n -= m->there[i];
			m->there[i] = false;
			flow_writer_poll(w);
			break;
		case 5:
			flow_recover(w, dice(&seed, MODEL_PAIRS), 8);
			break;
		default:
			model_lookup(m, t, &seed);
		}
		if (op % 100000 == 0)
			check_sound(t, m->n);
	}
	check_sound(t, m->n);
	assert_int_equal(flow_used(t), m->n);
	free(m);
	flow_writer_destroy(w);
	free(t);
}

/* --- slots at the same time --- */

enum { RACERS = 4, RACE_KEYS = 8 };

struct race {
	struct flow_table *t;
	pthread_barrier_t *barrier;
	uint32_t slot;
	uint32_t made;
	struct rte_rcu_qsbr *v;
	bool *stop;
	uint64_t found, wrong;
};

static void *
racer_main(void *arg)
{
	struct race *r = arg;
	uint32_t entry;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(r->barrier);
		for (uint32_t k = 0; k < RACE_KEYS; k++) {
			struct flow_new n =
			    pair_of((k + r->slot) % RACE_KEYS, (r->slot + round) % 2 == 0);

			r->made +=
			    flow_insert(r->t, r->slot, &n, (uint64_t)round * TSC_STEP, &entry) == 0;
		}
		pthread_barrier_wait(r->barrier); /* the referee looks, and removes all */
		pthread_barrier_wait(r->barrier);
	}
	return NULL;
}

static void
slots_that_race_for_a_key_end_with_one_pair(void **state)
{
	struct flow_table *t = table_create(16 * FLOW_BLOCK);
	struct flow_writer *w = flow_writer_create(t, NULL);
	struct race r[RACERS];
	pthread_t threads[RACERS];
	pthread_barrier_t barrier;
	uint32_t made = 0, total = 0;
	struct flow_audit a;

	(void)state;
	pthread_barrier_init(&barrier, NULL, RACERS + 1);
	for (uint32_t i = 0; i < RACERS; i++) {
		r[i] = (struct race){.t = t, .barrier = &barrier, .slot = i};
		assert_int_equal(pthread_create(&threads[i], NULL, racer_main, &r[i]), 0);
	}
	for (uint32_t round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		flow_audit(t, &a);
		assert_int_equal(a.half + a.hidden + a.strays + a.lost + a.twice, 0);
		assert_true(a.active <= RACE_KEYS);
		total += a.active;
		for (uint32_t p = 0; p < flow_capacity(t); p++)
			flow_retire(w, p, flow_state_load(flow_entry(t, 2 * p)).generation);
		flow_writer_poll(w);
		pthread_barrier_wait(&barrier);
	}
	for (uint32_t i = 0; i < RACERS; i++) {
		pthread_join(threads[i], NULL);
		made += r[i].made;
	}
	assert_int_equal(made, total);
	/* the last of them always finds the way free, or somebody who was there before */
	assert_true(total > ROUNDS * RACE_KEYS / 2);
	pthread_barrier_destroy(&barrier);
	flow_writer_destroy(w);
	free(t);
}

enum { CHURN_FLOWS = 400 };

/* Makes what it does not find, and counts on what it finds until its quiescent point. */
static void *
churner_main(void *arg)
{
	struct race *r = arg;
	uint64_t seed = 1000 + r->slot, tsc = 0;

	grace_online(r->v, r->slot);
	while (!__atomic_load_n(r->stop, __ATOMIC_RELAXED)) {
		struct flow_query q = {.n = 0};
		struct flow_entry *found[32];
		uint32_t flow[32];

		for (int k = 0; k < 32; k++) {
			struct flow_key key;

			flow[k] = dice(&seed, CHURN_FLOWS);
			key = key_of(flow[k], r->slot % 2 == 0);
			flow_query_add(r->t, &q, &key);
		}
		flow_lookup_burst(r->t, &q, found);
		for (int k = 0; k < 32; k++) {
			struct flow_new n = pair_of(flow[k], r->slot % 2 == 0);
			uint32_t entry = FLOW_NONE;
			struct flow_key key;

			if (found[k] != NULL)
				entry = flow_number(r->t, found[k]);
			else if (flow_insert(r->t, r->slot, &n, tsc += TSC_STEP, &entry) == -ENOSPC)
				continue;
			if (entry == FLOW_NONE)
				continue;
			/* it may be removed, but is not another's until we are quiescent */
			key = flow_key_of(r->t, entry);
			r->wrong += !flow_key_equal(&key, &n.key[0]);
			r->found++;
		}
		grace_quiescent(r->v, r->slot);
	}
	grace_offline(r->v, r->slot);
	return NULL;
}

static void
readers_never_see_another_flow_under_their_key(void **state)
{
	struct flow_table *t = table_create(12 * FLOW_BLOCK);
	struct rte_rcu_qsbr *v = NULL;
	struct race r[RACERS];
	pthread_t threads[RACERS];
	struct flow_writer *w;
	uint64_t seed = 5;
	uint32_t removed = 0;
	bool stop = false;
	struct grace *g;
	struct flow_audit a;

	(void)state;
	assert_int_equal(posix_memalign((void **)&v, 64, grace_size()), 0);
	grace_init(v);
	g = grace_create(v, 16);
	w = flow_writer_create(t, g);
	for (uint32_t i = 0; i < RACERS; i++) {
		r[i] = (struct race){.t = t, .v = v, .stop = &stop, .slot = i};
		assert_int_equal(pthread_create(&threads[i], NULL, churner_main, &r[i]), 0);
	}
	while (removed < REMOVED) {
		uint32_t p = dice(&seed, flow_capacity(t));

		removed += flow_retire(w, p, flow_state_load(flow_entry(t, 2 * p)).generation) == 0;
		flow_recover(w, p, 4);
		flow_writer_poll(w);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < RACERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(r[i].wrong, 0);
		assert_true(r[i].found > 0);
	}
	for (int i = 0; i < 3; i++)
		flow_writer_poll(w);
	flow_audit(t, &a);
	check_sound(t, a.active);
	flow_writer_destroy(w);
	grace_destroy(g);
	free(v);
	free(t);
}

static void
clocks_wrap(void **state)
{
	(void)state;
	assert_int_equal(flow_clock_ms(10, 10, 1 << 24), 0);
	assert_int_equal(flow_clock_ms(UINT32_MAX, 1, (1 << 24) * UINT64_C(1000)), 2);
	assert_int_equal(flow_clock_ms(11, 10, 1 << 24), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_directions_of_a_pair_are_found_once_it_is_made),
	    cmocka_unit_test(a_second_pair_with_one_of_the_keys_is_refused),
	    cmocka_unit_test(a_flow_made_again_has_the_same_index_and_the_next_generation),
	    cmocka_unit_test(a_removed_pair_is_used_again_only_after_readers_moved_on),
	    cmocka_unit_test(a_full_table_refuses_new_pairs_and_keeps_the_old),
	    cmocka_unit_test(a_large_table_takes_as_many_pairs_as_it_is_made_for),
	    cmocka_unit_test(a_flow_that_is_its_own_reverse_is_one_pair),
	    cmocka_unit_test(a_direction_belongs_to_the_slot_that_sees_it_first),
	    cmocka_unit_test(the_table_does_what_a_plain_array_does),
	    cmocka_unit_test(slots_that_race_for_a_key_end_with_one_pair),
	    cmocka_unit_test(readers_never_see_another_flow_under_their_key),
	    cmocka_unit_test(clocks_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bridge table against a plain array; with a writer that dies at any store, and with readers
 * that look while it writes. bridge.c is included, so that a table can be made too small and the
 * points where its writer may die are ours.
 */
#include "common/test_death.h"

#include "common/bridge.c" /* NOLINT(bugprone-suspicious-include) */

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "common/test_dice.h"

enum { KEYS = 96, ABSENT = -1 };

/* With all that may go with a nexthop. */
static uint64_t
any_value(void)
{
	return bridge_value(any(UINT32_MAX), any(BRIDGE_LABEL_MAX + 1),
			    any(2) != 0 ? BRIDGE_LABEL_VALID | BRIDGE_DHCP_FLOOD : 0);
}

static struct bridge_key
key_number(uint32_t i)
{
	return (struct bridge_key){.vrf = i % 3,
				   .mac = {2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i}};
}

/* 64 entries in the smallest number of buckets that still takes them, if need be by moving. */
static struct bridge *
crowded_table(void)
{
	struct bridge *b = aligned_alloc(CACHE_LINE, bridge_size(64));

	assert_non_null(b);
	memset(b, 0, bridge_size(64));
	bridge_init(b, 64);
	b->n_buckets = 18;
	return b;
}

static int64_t
found(const struct bridge *b, uint32_t i)
{
	struct bridge_key key = key_number(i);
	uint64_t value;

	return bridge_lookup(b, &key, &value) == 0 ? (int64_t)value : ABSENT;
}

static void
assert_equals(const struct bridge *b, const int64_t *model)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < KEYS; i++) {
		assert_int_equal(found(b, i), model[i]);
		n += model[i] != ABSENT;
	}
	assert_int_equal(bridge_used(b), n);
}

static void
none(int64_t *model)
{
	for (uint32_t i = 0; i < KEYS; i++)
		model[i] = ABSENT;
}

static void
behaves_like_a_plain_array(void **state)
{
	struct bridge *b = crowded_table();
	struct bridge_writer *w = bridge_writer_create(b, NULL);
	int64_t model[KEYS];

	(void)state;
	none(model);
	for (int step = 0; step < 50000; step++) {
		uint64_t value = any_value();
		uint32_t i = any(KEYS);
		struct bridge_key key = key_number(i);

		if (any(3) != 0) {
			int rc = bridge_set(w, &key, value);

			if (rc == 0)
				model[i] = (int64_t)value;
			else
				assert_int_equal(rc, -ENOSPC);
		} else {
			assert_int_equal(bridge_del(w, &key), model[i] == ABSENT ? -ENOENT : 0);
			model[i] = ABSENT;
		}
		if (step % 64 == 0)
			assert_equals(b, model);
	}
	assert_equals(b, model);
	assert_true(b->moved > 100);
	bridge_writer_destroy(w);
	free(b);
}

/* Lets the next writer die as well, now and then, while it finishes what the last one left. */
static struct bridge_writer *
next_writer(struct bridge *b)
{
	if (setjmp(death) == 0) {
		stores_left = (int)any(5);
		finish_move(b);
	}
	stores_left = 0;
	return bridge_writer_create(b, NULL);
}

static void
change(struct bridge_writer *w, uint32_t i, bool set, uint64_t value)
{
	struct bridge_key key = key_number(i);

	if (set)
		bridge_set(w, &key, value);
	else
		bridge_del(w, &key);
}

static void
a_writer_dying_at_any_store_leaves_before_or_after(void **state)
{
	struct bridge *b = crowded_table();
	struct bridge_writer *w = bridge_writer_create(b, NULL);
	static int64_t model[KEYS];
	volatile int deaths = 0;

	(void)state;
	none(model);
	for (volatile int step = 0; step < 30000; step++) {
		volatile uint64_t value = any_value();
		volatile uint32_t i = any(KEYS);
		volatile bool set = any(4) != 0;
		int64_t now;

		if (setjmp(death) == 0) {
			stores_left = 1 + (int)any(14);
			change(w, i, set, value);
			stores_left = 0;
		} else {
			deaths++;
			bridge_writer_destroy(w);
			w = next_writer(b);
		}
		now = found(b, i);
		if (now != model[i])
			assert_int_equal(now, set ? (int64_t)value : ABSENT);
		model[i] = now;
		if (step % 16 == 0)
			assert_equals(b, model);
	}
	assert_equals(b, model);
	assert_true(deaths > 5000);
	assert_true(b->moved > 100);
	assert_int_equal(b->moving, 0);
	bridge_writer_destroy(w);
	free(b);
}

static uint64_t
packed_key(const struct bridge_key *k)
{
	return bridge_key_packed(k->vrf, (const char *)k + offsetof(struct bridge_key, mac));
}

static void
a_burst_finds_what_single_lookups_find(void **state)
{
	struct bridge *b = crowded_table();
	struct bridge_writer *w = bridge_writer_create(b, NULL);
	struct bridge_key keys[BURST_MAX];
	uint64_t packed[BURST_MAX];
	uint64_t values[BURST_MAX], one;

	(void)state;
	for (uint32_t i = 0; i < 60; i++)
		change(w, i, true, i + 100);
	for (uint32_t n = 0; n <= BURST_MAX; n++) {
		uint64_t mask;

		for (uint32_t i = 0; i < n; i++) {
			keys[i] = key_number(any(KEYS));
			packed[i] = packed_key(&keys[i]);
		}
		mask = bridge_lookup_burst(b, packed, n, values);
		for (uint32_t i = 0; i < n; i++) {
			int rc = bridge_lookup(b, &keys[i], &one);

			assert_int_equal(mask >> i & 1, rc == 0);
			if (rc == 0)
				assert_int_equal(values[i], one);
		}
		assert_true(n == 64 || mask >> n == 0);
	}
	bridge_writer_destroy(w);
	free(b);
}

static void
takes_as_many_entries_as_it_was_made_for(void **state)
{
	enum { ENTRIES = 50000 };
	struct bridge *b = aligned_alloc(CACHE_LINE, bridge_size(ENTRIES));
	struct bridge_key key = {.vrf = 7};
	struct bridge_writer *w;
	uint64_t value;

	(void)state;
	memset(b, 0, bridge_size(ENTRIES));
	bridge_init(b, ENTRIES);
	w = bridge_writer_create(b, NULL);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		memcpy(&key.mac[2], &i, 4);
		assert_int_equal(bridge_set(w, &key, i), 0);
	}
	assert_int_equal(bridge_used(b), ENTRIES);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		memcpy(&key.mac[2], &i, 4);
		assert_int_equal(bridge_lookup(b, &key, &value), 0);
		assert_int_equal(value, i);
	}
	key.vrf = 8;
	assert_int_equal(bridge_set(w, &key, 1), -ENOSPC);
	assert_int_equal(b->refused, 1);
	bridge_writer_destroy(w);
	free(b);
}

static void
keys_differ_by_vrf_and_by_every_byte_of_the_mac(void **state)
{
	struct bridge *b = crowded_table();
	struct bridge_writer *w = bridge_writer_create(b, NULL);
	struct bridge_key key = {.vrf = 65534, .mac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	struct bridge_key other;
	uint64_t value;

	(void)state;
	assert_int_equal(bridge_set(w, &key, 5), 0);
	assert_int_equal(bridge_lookup(b, &key, &value), 0);
	assert_int_equal(value, 5);
	for (int i = 0; i < 6; i++) {
		other = key;
		other.mac[i] = 0;
		assert_int_equal(bridge_lookup(b, &other, &value), -ENOENT);
	}
	other = key;
	other.vrf = 0;
	assert_int_equal(bridge_lookup(b, &other, &value), -ENOENT);
	other.vrf = 65535;
	assert_int_equal(bridge_set(w, &other, 5), -ERANGE);
	memset(&other, 0, sizeof(other));
	assert_int_equal(bridge_lookup(b, &other, &value), -ENOENT);
	assert_int_equal(bridge_set(w, &other, 6), 0);
	assert_int_equal(bridge_lookup(b, &other, &value), 0);
	bridge_writer_destroy(w);
	free(b);
}

static void
a_walk_in_small_steps_visits_every_entry_once(void **state)
{
	struct bridge *b = crowded_table();
	struct bridge_writer *w = bridge_writer_create(b, NULL);
	bool seen[KEYS] = {false};
	struct bridge_key keys[5];
	uint64_t values[5];
	uint32_t total = 0;
	uint64_t cursor = 0;

	(void)state;
	for (uint32_t i = 0; i < 50; i++)
		change(w, i, true, i);
	while (cursor != UINT64_MAX) {
		uint32_t n = bridge_walk(b, &cursor, 5, keys, values);

		for (uint32_t i = 0; i < n; i++) {
			struct bridge_key want = key_number((uint32_t)values[i]);

			assert_memory_equal(&keys[i], &want, sizeof(want));
			assert_false(seen[values[i]]);
			seen[values[i]] = true;
		}
		total += n;
	}
	assert_int_equal(total, 50);
	bridge_writer_destroy(w);
	free(b);
}

struct readers {
	struct bridge *b;
	struct rte_rcu_qsbr *v;
	int stop;
	uint64_t bursts;
};

enum { STABLE = 24 }; /* keys that are always there; their value is 2 i or 2 i + 1 */

static void *
reader(void *arg)
{
	struct readers *r = arg;
	uint64_t packed[STABLE];
	uint64_t values[STABLE];

	for (uint32_t i = 0; i < STABLE; i++) {
		struct bridge_key key = key_number(i);

		packed[i] = packed_key(&key);
	}
	grace_online(r->v, 3);
	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		uint64_t mask = bridge_lookup_burst(r->b, packed, STABLE, values);

		if (mask != (1u << STABLE) - 1)
			return (void *)"an entry was missed";
		for (uint32_t i = 0; i < STABLE; i++)
			if (values[i] / 2 != i)
				return (void *)"an entry had another's value";
		grace_quiescent(r->v, 3);
		r->bursts++;
	}
	grace_offline(r->v, 3);
	return NULL;
}

static void
a_reader_never_misses_an_entry_that_is_being_moved(void **state)
{
	struct readers r = {.b = crowded_table()};
	struct bridge_writer *w;
	struct timespec now, end;
	struct grace *grace;
	pthread_t thread;
	void *complaint;

	(void)state;
	r.v = aligned_alloc(CACHE_LINE, grace_size());
	memset(r.v, 0, grace_size());
	grace_init(r.v);
	grace = grace_create(r.v, 1000);
	w = bridge_writer_create(r.b, grace);
	for (uint32_t i = 0; i < STABLE; i++)
		change(w, i, true, 2 * i);
	assert_int_equal(pthread_create(&thread, NULL, reader, &r), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec++;
	do {
		for (int k = 0; k < 100; k++) {
			uint32_t i = any(KEYS);

			change(w, i, i < STABLE || any(3) != 0,
			       i < STABLE ? 2 * i + any(2) : 2000000);
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec ||
		 (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
	__atomic_store_n(&r.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, &complaint);
	if (complaint != NULL)
		fail_msg("%s", (const char *)complaint);
	assert_true(r.bursts > 100);
	assert_true(r.b->moved > 0);
	grace_poll(grace);
	bridge_writer_destroy(w);
	grace_destroy(grace);
	free(r.v);
	free(r.b);
}

static void
an_emptied_cell_waits_for_its_readers(void **state)
{
	struct bridge *b = crowded_table();
	struct rte_rcu_qsbr *v = aligned_alloc(CACHE_LINE, grace_size());
	struct bridge_key key = key_number(1), other = key_number(2);
	struct bridge_writer *w;
	struct grace *grace;

	(void)state;
	memset(v, 0, grace_size());
	grace_init(v);
	b->n_buckets = 2;
	grace = grace_create(v, 100);
	w = bridge_writer_create(b, grace);
	for (uint32_t i = 10; i < 17; i++)
		change(w, i, true, i);
	assert_int_equal(bridge_set(w, &key, 1), 0);
	grace_online(v, 0);
	assert_int_equal(bridge_del(w, &key), 0);
	assert_int_equal(bridge_set(w, &other, 2), -ENOBUFS);
	grace_quiescent(v, 0);
	assert_int_equal(bridge_set(w, &other, 2), 0);
	bridge_writer_destroy(w);
	grace_destroy(grace);
	free(v);
	free(b);
}

static void
a_new_writer_lets_everything_cool_first(void **state)
{
	struct bridge *b = crowded_table();
	struct rte_rcu_qsbr *v = aligned_alloc(CACHE_LINE, grace_size());
	struct bridge_key key = key_number(1);
	struct bridge_writer *w;
	struct grace *grace;

	(void)state;
	memset(v, 0, grace_size());
	grace_init(v);
	grace_online(v, 0);
	grace = grace_create(v, 100);
	w = bridge_writer_create(b, grace);
	assert_int_equal(bridge_set(w, &key, 1), -ENOBUFS);
	grace_reap(v, 0);
	assert_int_equal(bridge_set(w, &key, 1), 0);
	bridge_writer_destroy(w);
	grace_destroy(grace);
	free(v);
	free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(behaves_like_a_plain_array),
	    cmocka_unit_test(a_writer_dying_at_any_store_leaves_before_or_after),
	    cmocka_unit_test(a_burst_finds_what_single_lookups_find),
	    cmocka_unit_test(takes_as_many_entries_as_it_was_made_for),
	    cmocka_unit_test(keys_differ_by_vrf_and_by_every_byte_of_the_mac),
	    cmocka_unit_test(a_walk_in_small_steps_visits_every_entry_once),
	    cmocka_unit_test(a_reader_never_misses_an_entry_that_is_being_moved),
	    cmocka_unit_test(an_emptied_cell_waits_for_its_readers),
	    cmocka_unit_test(a_new_writer_lets_everything_cool_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

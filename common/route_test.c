/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The route table against a list that is searched from end to end; with a writer that dies at any
 * store, and with readers that look while it writes. Its sources are included, so that a trie's
 * shapes can be provoked with few routes and the points where its writer may die are ours.
 */
#include "common/test_death.h"

#include "common/redo.c"          /* NOLINT(bugprone-suspicious-include) */
#include "common/route.c"         /* NOLINT(bugprone-suspicious-include) */
#include "common/route_memory.c"  /* NOLINT(bugprone-suspicious-include) */
#include "common/route_records.c" /* NOLINT(bugprone-suspicious-include) */
#include "common/route_trie.c"    /* NOLINT(bugprone-suspicious-include) */
#include "common/route_writer.c"  /* NOLINT(bugprone-suspicious-include) */

#include <arpa/inet.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "common/route_model.h"
#include "common/test_dice.h"

enum { VRFS = 3, ROUTES = ROUTE_MODEL_MAX };

static struct route_table *
table(uint32_t routes)
{
	struct route_table *t = aligned_alloc(CACHE_LINE, route_table_size(VRFS, routes));

	assert_non_null(t);
	memset(t, 0, route_table_size(VRFS, routes));
	route_table_init(t, VRFS, routes);
	return t;
}

/* "10.0.0.0/8" */
static struct route_key
key(uint32_t vrf, const char *text)
{
	struct route_key k = {.vrf = vrf};
	char address[64];
	int length;

	assert_int_equal(sscanf(text, "%63[^/]/%d", address, &length), 2);
	k.family = strchr(address, ':') != NULL ? ROUTE_INET6 : ROUTE_INET;
	k.length = (uint8_t)length;
	assert_int_equal(inet_pton(k.family == ROUTE_INET ? AF_INET : AF_INET6, address, k.address),
			 1);
	return k;
}

static void
add(struct route_writer *w, uint32_t vrf, const char *prefix, uint32_t nexthop)
{
	struct route_key k = key(vrf, prefix);

	assert_int_equal(route_add(w, &k, route_value(nexthop, 0, 0)), 0);
}

static void
del(struct route_writer *w, uint32_t vrf, const char *prefix)
{
	struct route_key k = key(vrf, prefix);

	assert_int_equal(route_del(w, &k), 0);
}

static uint64_t
lookup_value(const struct route_table *t, const struct route_key *k)
{
	uint64_t value = 1;
	const void *address = k->address;
	uint32_t inet;

	memcpy(&inet, k->address, sizeof(inet));
	if (k->family == ROUTE_INET)
		route_lookup_inet(t, &k->vrf, &inet, 1, &value);
	else
		route_lookup_inet6(t, &k->vrf, &address, 1, &value);
	return value;
}

/* The nexthop of an address, -1 if it has none. */
static int
nexthop_of(const struct route_table *t, uint32_t vrf, const char *address)
{
	struct route_key k;
	char text[64];
	uint64_t value;

	snprintf(text, sizeof(text), "%s/0", address);
	k = key(vrf, text);
	value = lookup_value(t, &k);
	return (value & ROUTE_PRESENT) != 0 ? (int)route_value_nexthop(value) : -1;
}

/* --- literal cases --- */

static void
the_longest_prefix_wins(void **state)
{
	static const struct {
		const char *prefix;
		const char *inside;
		const char *outside;
	} cases[] = {
	    {"0.0.0.0/1", "127.255.255.255", "128.0.0.0"},
	    {"10.0.0.0/7", "11.255.0.1", "12.0.0.0"},
	    {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
	    {"10.128.0.0/9", "10.128.0.0", "10.127.255.255"},
	    {"10.1.0.0/16", "10.1.255.255", "10.2.0.0"},
	    {"10.1.128.0/17", "10.1.128.0", "10.1.127.255"},
	    {"10.1.2.0/24", "10.1.2.255", "10.1.3.0"},
	    {"10.1.2.0/25", "10.1.2.127", "10.1.2.128"},
	    {"10.1.2.2/31", "10.1.2.3", "10.1.2.4"},
	    {"10.1.2.3/32", "10.1.2.3", "10.1.2.2"},
	    {"255.255.255.255/32", "255.255.255.255", "255.255.255.254"},
	    {"2000::/3", "3fff::1", "4000::"},
	    {"2001:db8::/32", "2001:db8:ffff::", "2001:db9::"},
	    {"2001:db8:1:2::/64", "2001:db8:1:2:ffff::", "2001:db8:1:3::"},
	    {"2001:db8::8000:0/97", "2001:db8::ffff:0", "2001:db8::7fff:0"},
	    {"2001:db8::1/128", "2001:db8::1", "2001:db8::"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct route_table *t = table(ROUTES);
		struct route_writer *w = route_writer_create(t, NULL);
		bool inet6 = strchr(cases[i].prefix, ':') != NULL;
		uint32_t empty = t->lines_used;

		add(w, 1, cases[i].prefix, 5);
		assert_int_equal(nexthop_of(t, 1, cases[i].inside), 5);
		assert_int_equal(nexthop_of(t, 1, cases[i].outside), -1);
		assert_int_equal(nexthop_of(t, 0, cases[i].inside), -1);
		assert_int_equal(nexthop_of(t, VRFS, cases[i].inside), -1);
		add(w, 1, inet6 ? "::/0" : "0.0.0.0/0", 6);
		assert_int_equal(nexthop_of(t, 1, cases[i].inside), 5);
		assert_int_equal(nexthop_of(t, 1, cases[i].outside), 6);
		del(w, 1, cases[i].prefix);
		assert_int_equal(nexthop_of(t, 1, cases[i].inside), 6);
		assert_int_equal(t->lines_used, empty);
		del(w, 1, inet6 ? "::/0" : "0.0.0.0/0");
		assert_int_equal(nexthop_of(t, 1, cases[i].inside), -1);
		route_writer_destroy(w);
		free(t);
	}
}

static void
a_deleted_route_uncovers_the_next_shorter_one(void **state)
{
	static const char *const prefixes[] = {"10.0.0.0/8",  "10.1.0.0/16", "10.1.2.0/23",
					       "10.1.2.0/24", "10.1.2.0/26", "10.1.2.3/32"};
	struct route_table *t = table(ROUTES);
	struct route_writer *w = route_writer_create(t, NULL);

	(void)state;
	for (uint32_t i = 6; i-- > 0;)
		add(w, 0, prefixes[i], i);
	assert_int_equal(nexthop_of(t, 0, "10.1.2.3"), 5);
	assert_int_equal(nexthop_of(t, 0, "10.1.2.64"), 3);
	del(w, 0, "10.1.2.0/24");
	assert_int_equal(nexthop_of(t, 0, "10.1.2.64"), 2);
	assert_int_equal(nexthop_of(t, 0, "10.1.2.2"), 4);
	del(w, 0, "10.1.2.3/32");
	assert_int_equal(nexthop_of(t, 0, "10.1.2.3"), 4);
	del(w, 0, "10.1.2.0/26");
	del(w, 0, "10.1.2.0/23");
	assert_int_equal(nexthop_of(t, 0, "10.1.2.3"), 1);
	del(w, 0, "10.0.0.0/8");
	assert_int_equal(nexthop_of(t, 0, "10.1.2.3"), 1);
	assert_int_equal(nexthop_of(t, 0, "10.2.2.3"), -1);
	route_writer_destroy(w);
	free(t);
}

static void
host_bits_are_masked_and_a_replaced_value_is_the_new_one(void **state)
{
	struct route_table *t = table(ROUTES);
	struct route_writer *w = route_writer_create(t, NULL);
	struct route_key k = key(2, "10.1.2.3/16");
	uint64_t value;

	(void)state;
	assert_int_equal(route_add(w, &k, route_value(7, 1048575, ROUTE_LABEL_VALID)), 0);
	k = key(2, "10.1.9.9/16");
	assert_int_equal(route_get(w, &k, &value), 0);
	assert_int_equal(route_value_nexthop(value), 7);
	assert_int_equal(route_value_label(value), 1048575);
	assert_int_equal(route_add(w, &k, route_value(8, 0, 0)), 0);
	assert_int_equal(route_used(t, ROUTE_INET), 1);
	assert_int_equal(nexthop_of(t, 2, "10.1.0.0"), 8);
	assert_int_equal(route_add(w, &k, 8), -EINVAL);
	k.length = 33;
	assert_int_equal(route_add(w, &k, ROUTE_PRESENT), -EINVAL);
	k.family = 2;
	assert_int_equal(route_del(w, &k), -EINVAL);
	k = key(VRFS, "10.0.0.0/8");
	assert_int_equal(route_add(w, &k, ROUTE_PRESENT), -ERANGE);
	k = key(1, "10.1.0.0/16");
	assert_int_equal(route_del(w, &k), -ENOENT);
	route_writer_destroy(w);
	free(t);
}

static void
the_longest_entry_not_longer_than_asked_is_found(void **state)
{
	static const struct {
		const char *asked;
		int length; /* -1: none */
	} cases[] = {
	    {"10.1.2.3/32", 24}, {"10.1.2.3/24", 24}, {"10.1.2.3/23", 8}, {"10.1.2.3/8", 8},
	    {"10.1.2.3/7", 0},   {"11.0.0.0/32", 0},  {"::/128", -1},
	};
	struct route_table *t = table(ROUTES);
	struct route_writer *w = route_writer_create(t, NULL);

	(void)state;
	add(w, 1, "0.0.0.0/0", 100);
	add(w, 1, "10.0.0.0/8", 108);
	add(w, 1, "10.1.2.0/24", 124);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct route_key k = key(1, cases[i].asked), found;
		uint64_t value;
		int rc = route_find(w, &k, &found, &value);

		assert_int_equal(rc, cases[i].length < 0 ? -ENOENT : 0);
		if (rc < 0)
			continue;
		assert_int_equal(found.length, cases[i].length);
		assert_int_equal(route_value_nexthop(value), 100 + cases[i].length);
	}
	route_writer_destroy(w);
	free(t);
}

/* --- the model (route_model.h) --- */

/* Addresses close to each other, so that prefixes meet; 'spread' values of each byte. */
static struct route_key
any_address(uint32_t spread)
{
	struct route_key k = {.vrf = any(VRFS), .family = (uint8_t)any(2)};
	int n = k.family == ROUTE_INET ? 4 : 16;
	uint32_t plain = any(4);

	for (int i = 0; i < n; i++)
		k.address[i] = (uint8_t)(any(spread) * 37 + (any(8) == 0 ? any(256) : 0));
	for (int i = 4; i < n && plain > 0; i++)
		k.address[i] = i < 12 ? 0 : k.address[i];
	return k;
}

static struct route_key
any_prefix(uint32_t spread)
{
	struct route_key k = any_address(spread);
	uint32_t bits = k.family == ROUTE_INET ? 32 : 128;

	k.length = (uint8_t)(any(3) == 0 ? any(bits / 8 + 1) * 8 : any(bits + 1));
	return k;
}

static void
assert_alike(const struct route_table *t, const struct route_model *m, const struct route_key *a)
{
	assert_int_equal(lookup_value(t, a), route_model_lookup(m, a));
}

/* Near the edges of a prefix, and anywhere. */
static void
assert_alike_around(const struct route_table *t, const struct route_model *m,
		    const struct route_key *k)
{
	int n = k->family == ROUTE_INET ? 4 : 16;
	struct route_key a;

	assert_alike(t, m, k);
	for (int i = 0; i < 6; i++) {
		a = *k;
		a.address[any((uint32_t)n)] ^= (uint8_t)(1 << any(8));
		assert_alike(t, m, &a);
		if (m->n == 0)
			return;
		a = m->k[any(m->n)];
		a.address[n - 1] ^= (uint8_t)any(4);
		assert_alike(t, m, &a);
	}
	a = any_address(4);
	assert_alike(t, m, &a);
}

/* The next writer finds as much free as the last one thought. */
static struct route_writer *
no_line_is_lost(struct route_table *t, struct route_writer *w)
{
	uint32_t used = t->lines_used;

	route_writer_destroy(w);
	w = route_writer_create(t, NULL);
	assert_int_equal(t->lines_used, used);
	return w;
}

static void
behaves_like_a_list(void **state)
{
	static struct route_model m;

	(void)state;
	for (uint32_t round = 0; round < 8; round++) {
		static const uint32_t spreads[] = {2, 4, 16, 256};
		struct route_table *t = table(ROUTES);
		struct route_writer *w = route_writer_create(t, NULL);
		uint32_t spread = spreads[round % 4], empty = t->lines_used;

		wide_from = round < 4 ? 64 : UINT32_MAX;
		bitmap_runs_fast = round % 2 == 0 ? 23 : 7;
		m.n = 0;
		for (uint32_t step = 0; step < 20000; step++) {
			bool grow = step / 4000 % 2 == 0;
			struct route_key k = any_prefix(spread);
			uint64_t value = 0;

			if (m.n > 0 && (!grow || any(4) == 0))
				k = m.k[any(m.n)];
			if (any(8) != 0 ? grow : !grow)
				value = route_value(any(5), 0, 0);
			if (m.n == ROUTES && value != 0)
				continue;
			if (value != 0)
				assert_int_equal(route_add(w, &k, value), 0);
			else
				assert_int_equal(route_del(w, &k),
						 route_model_find(&m, &k) < m.n ? 0 : -ENOENT);
			route_model_set(&m, &k, value);
			assert_alike_around(t, &m, &k);
		}
		w = no_line_is_lost(t, w);
		while (m.n > 0) {
			struct route_key k = m.k[any(m.n)];

			assert_int_equal(route_del(w, &k), 0);
			route_model_set(&m, &k, 0);
			assert_alike_around(t, &m, &k);
		}
		assert_int_equal(t->lines_used, empty);
		assert_int_equal(route_used(t, 0) + route_used(t, 1), 0);
		route_writer_destroy(w);
		free(t);
	}
	wide_from = 64;
	bitmap_runs_fast = 7;
}

/* --- deaths --- */

/* Lets the next writer die as well, now and then, while it finishes what the last one left. */
static struct route_writer *
next_writer(struct route_table *t)
{
	static struct rte_rcu_qsbr *v;
	struct grace *volatile grace;
	struct route_writer *volatile w;

	if (v == NULL)
		v = aligned_alloc(CACHE_LINE, grace_size());
	memset(v, 0, grace_size());
	grace_init(v);
	do {
		grace = grace_create(v, 10);
		w = route_writer_create(t, grace);
		if (setjmp(death) == 0) {
			stores_left = (int)any(6);
			grace_poll(grace); /* sweeps and finishes */
		}
		stores_left = 0;
		grace_destroy(grace);
		route_writer_destroy(w);
	} while (any(3) == 0);
	free(v);
	v = NULL;
	return route_writer_create(t, NULL);
}

static void
a_writer_dying_at_any_store_leaves_before_or_after(void **state)
{
	static struct route_model m, changed;
	struct route_table *t = table(ROUTES);
	struct route_writer *w = route_writer_create(t, NULL);
	volatile int deaths = 0, done = 0;

	(void)state;
	m.n = 0;
	for (volatile int step = 0; step < 20000; step++) {
		static struct route_key k;
		static uint64_t value;

		k = any_prefix(3);
		value = 0;
		if (m.n > 0 && any(2) == 0)
			k = m.k[any(m.n)];
		if (any(2) == 0 && m.n < 300)
			value = route_value(any(1000), 0, 0);
		changed = m;
		route_model_set(&changed, &k, value);
		if (setjmp(death) == 0) {
			stores_left = 1 + (int)any(24);
			if (value != 0)
				assert_int_equal(route_add(w, &k, value), 0);
			else
				route_del(w, &k);
			stores_left = 0;
			m = changed;
		} else {
			uint64_t now = 0;

			deaths++;
			route_writer_destroy(w);
			w = next_writer(t);
			route_get(w, &k, &now);
			if (now == value) {
				m = changed;
				done++;
			}
		}
		assert_alike_around(t, &m, &k);
		assert_int_equal(pending(w), 0);
		assert_int_equal(route_used(t, 0) + route_used(t, 1), m.n);
	}
	assert_true(deaths > 2000);
	assert_true(done > 500 && done < deaths - 500);
	w = no_line_is_lost(t, w);
	route_writer_destroy(w);
	free(t);
}

/* --- batches --- */

enum { STORES = 64, BATCH = 12 };

/* A table and a log, as in the region. */
static struct {
	char *base;
	size_t size;
	struct redo *log;
	struct route_table *t;
	struct route_writer *w;
	struct redo_writer *redo;
} bt;

static void
batches_open(uint32_t routes)
{
	size_t log = (redo_size(STORES) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;

	bt.size = log + route_table_size(VRFS, routes);
	bt.base = aligned_alloc(CACHE_LINE, (bt.size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	assert_non_null(bt.base);
	memset(bt.base, 0, bt.size);
	bt.log = (struct redo *)bt.base;
	bt.t = (struct route_table *)(bt.base + log);
	redo_init(bt.log, STORES);
	route_table_init(bt.t, VRFS, routes);
	bt.redo = redo_writer_create(bt.log, bt.base);
	bt.w = route_writer_create(bt.t, NULL);
}

static void
batches_close(void)
{
	redo_writer_destroy(bt.redo);
	route_writer_destroy(bt.w);
	free(bt.base);
}

static void
batches_reopen(void)
{
	redo_writer_destroy(bt.redo);
	route_writer_destroy(bt.w);
	redo_roll_forward(bt.log, bt.base, bt.size);
	bt.w = next_writer(bt.t);
	bt.redo = redo_writer_create(bt.log, bt.base);
}

/* One change, staged and done to the model. */
static void
stage_any(struct route_model *m)
{
	struct route_key k = m->n > 0 && any(2) == 0 ? m->k[any(m->n)] : any_prefix(3);
	bool there = route_model_find(m, &k) < m->n;
	uint64_t value = any(2) == 0 && m->n < 300 ? route_value(any(40), 0, 0) : 0;

	if (value != 0)
		assert_int_equal(
		    route_stage_add(bt.w, bt.redo, &k, value, (uint16_t)route_value_nexthop(value)),
		    0);
	else
		assert_int_equal(route_stage_del(bt.w, bt.redo, &k), there ? 0 : -ENOENT);
	route_model_set(m, &k, value);
}

static bool
table_is(const struct route_model *m)
{
	struct route_key keys[400];
	uint64_t values[400], cursor = 0;
	uint16_t owners[400];
	uint32_t n = route_walk(bt.t, &cursor, UINT32_MAX, 400, keys, values, owners);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = route_model_find(m, &keys[i]);

		if (at == m->n || m->value[at] != values[i] ||
		    owners[i] != (uint16_t)route_value_nexthop(values[i]))
			return false;
	}
	return n == m->n && route_used(bt.t, 0) + route_used(bt.t, 1) == n;
}

static void
assert_followed(const struct route_model *m)
{
	assert_int_equal(route_follow(bt.w, route_changes(bt.w), UINT32_MAX), 0);
	for (uint32_t i = 0; i < m->n; i++)
		assert_alike(bt.t, m, &m->k[i]);
	for (int i = 0; i < 20; i++) {
		struct route_key a = any_address(3);

		assert_alike(bt.t, m, &a);
	}
}

static void
a_batch_killed_at_any_store_is_whole_or_nothing(void **state)
{
	static struct route_model before, after;
	volatile int deaths = 0, done = 0;

	(void)state;
	batches_open(ROUTES);
	before.n = 0;
	for (volatile int step = 0; step < 4000; step++) {
		after = before;
		if (setjmp(death) == 0) {
			stores_left = any(2) != 0 ? 1 + (int)any(80) : 0;
			for (uint32_t i = any(BATCH) + 1; i > 0; i--)
				stage_any(&after);
			if (any(4) == 0) {
				stores_left = 0;
				redo_abandon(bt.redo);
				after = before;
			} else {
				redo_commit(bt.redo);
			}
			/* Others' batches may come before the tries have followed this one. */
			route_follow(bt.w, route_changes(bt.w), any(BATCH));
			stores_left = 0;
			assert_true(table_is(&after));
			before = after;
		} else {
			deaths++;
			batches_reopen();
			if (!table_is(&before)) {
				assert_true(table_is(&after));
				before = after;
				done++;
			}
		}
		if (any(3) == 0)
			assert_followed(&before);
	}
	assert_true(deaths > 500);
	assert_true(done > 100 && done < deaths - 100);
	assert_followed(&before);
	bt.w = no_line_is_lost(bt.t, bt.w);
	batches_close();
}

/* Values too: what batches hold of them when they are given up is free again. */
static void
abandoned_batches_leave_all_that_was_free(void **state)
{
	(void)state;
	batches_open(40);
	for (uint32_t i = 0; i < 5000; i++) {
		struct route_key k = {.length = 32, .address = {10, 0, 0, (uint8_t)(i % 40)}};

		if (i % 40 == 0)
			redo_abandon(bt.redo);
		assert_int_equal(route_stage_add(bt.w, bt.redo, &k, route_value(i, 0, 0), 1), 0);
		if (i % 3 == 0)
			assert_int_equal(route_stage_del(bt.w, bt.redo, &k), 0);
	}
	redo_abandon(bt.redo);
	for (uint32_t i = 0; i < 40; i++) {
		struct route_key k = {.length = 32, .address = {10, 0, 0, (uint8_t)i}};

		assert_int_equal(route_add(bt.w, &k, route_value(i, 0, 0)), 0);
		assert_int_equal(nexthop_of(bt.t, 0, "10.0.0.0"), 0);
	}
	batches_close();
}

/* Without the room that is promised to them, routes wait for others to go. */
static void
routes_without_room_in_the_trie_wait_for_it(void **state)
{
	static struct route_model m;
	uint32_t waited = 0;

	(void)state;
	batches_open(ROUTES);
	route_writer_destroy(bt.w);
	bt.t->lines = TRIE_LINES_MAX + 64;
	lines_promised = 0;
	bt.w = route_writer_create(bt.t, NULL);
	m.n = 0;
	for (uint32_t i = 0; i < 600; i++) {
		struct route_key k = any_prefix(256);

		if (route_stage_add(bt.w, bt.redo, &k, route_value(i, 0, 0), 1) == 0)
			route_model_set(&m, &k, route_value(i, 0, 0));
		if (i % 50 != 49)
			continue;
		redo_commit(bt.redo);
		waited += route_follow(bt.w, route_changes(bt.w), UINT32_MAX) == -ENOSPC;
	}
	assert_true(waited > 0);
	while (m.n > 20) {
		struct route_key k = m.k[m.n - 1];
		int rc = route_stage_del(bt.w, NULL, &k);

		route_follow(bt.w, route_changes(bt.w), UINT32_MAX);
		if (rc == -ENOSPC || rc == -ENOBUFS) {
			/* What is full refuses deletions too: the table is opened anew. */
			lines_promised = 0;
			route_writer_destroy(bt.w);
			bt.t->lines += 64;
			bt.w = route_writer_create(bt.t, NULL);
			continue;
		}
		assert_int_equal(rc, 0);
		route_model_set(&m, &k, 0);
	}
	assert_followed(&m);
	lines_promised = 2;
	batches_close();
}

/* --- bursts, dumps, limits --- */

static void
a_burst_finds_what_single_lookups_find(void **state)
{
	static struct route_key k[BURST_MAX];
	struct route_table *t = table(ROUTES);
	struct route_writer *w = route_writer_create(t, NULL);
	uint64_t values[BURST_MAX];
	uint32_t vrf[BURST_MAX] = {0}, inet[BURST_MAX] = {0};
	const void *inet6[BURST_MAX] = {NULL};

	(void)state;
	for (uint32_t i = 0; i < ROUTES / 2; i++) {
		struct route_key p = any_prefix(16);

		assert_int_equal(route_add(w, &p, route_value(i, 0, 0)), 0);
	}
	for (uint32_t n = 0; n <= BURST_MAX; n++) {
		uint8_t family = n % 2;

		for (uint32_t i = 0; i < n; i++) {
			k[i] = any_address(16);
			k[i].family = family;
			k[i].vrf = any(VRFS + 1);
			vrf[i] = k[i].vrf;
			memcpy(&inet[i], k[i].address, sizeof(inet[i]));
			inet6[i] = k[i].address;
		}
		if (family == ROUTE_INET)
			route_lookup_inet(t, vrf, inet, n, values);
		else
			route_lookup_inet6(t, vrf, inet6, n, values);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(values[i], lookup_value(t, &k[i]));
	}
	route_writer_destroy(w);
	free(t);
}

static void
a_walk_in_small_steps_visits_every_route_once(void **state)
{
	struct route_table *t = table(ROUTES);
	struct route_writer *w = route_writer_create(t, NULL);
	struct route_key keys[5], k = {.length = 32};
	uint32_t seen[400] = {0}, total = 0;
	uint64_t values[5], cursor = 0;

	(void)state;
	for (uint32_t i = 0; i < 400; i++) {
		k.address[2] = (uint8_t)(i / 256);
		k.address[3] = (uint8_t)i;
		assert_int_equal(route_add(w, &k, route_value(i, 0, 0)), 0);
	}
	while (cursor != UINT64_MAX) {
		uint32_t n = route_walk(t, &cursor, 64, 5, keys, values, NULL);

		for (uint32_t i = 0; i < n; i++) {
			uint32_t at = keys[i].address[2] * 256u + keys[i].address[3];

			assert_int_equal(route_value_nexthop(values[i]), at);
			assert_int_equal(seen[at]++, 0);
		}
		total += n;
	}
	assert_int_equal(total, 400);
	route_writer_destroy(w);
	free(t);
}

static void
a_full_table_refuses_and_changes_nothing(void **state)
{
	struct route_table *t = table(100);
	struct route_writer *w = route_writer_create(t, NULL);
	struct route_key k = {.length = 32};

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		k.address[3] = (uint8_t)i;
		assert_int_equal(route_add(w, &k, route_value(i, 0, 0)), 0);
	}
	k.address[3] = 100;
	assert_int_equal(route_add(w, &k, ROUTE_PRESENT), -ENOSPC);
	assert_int_equal(route_refused(t), 1);
	assert_int_equal(lookup_value(t, &k), 0);
	k.address[3] = 50;
	assert_int_equal(route_add(w, &k, route_value(1000, 0, 0)), 0);
	assert_int_equal(route_value_nexthop(lookup_value(t, &k)), 1000);
	assert_int_equal(route_del(w, &k), 0);
	k.address[3] = 100;
	assert_int_equal(route_add(w, &k, ROUTE_PRESENT), 0);
	route_writer_destroy(w);
	free(t);
}

static void
a_full_trie_refuses_and_changes_nothing(void **state)
{
	static struct route_model m;
	struct route_table *t = table(ROUTES);
	struct route_writer *w;
	uint32_t refused = 0;

	(void)state;
	t->lines = TRIE_LINES_MAX + 256;
	w = route_writer_create(t, NULL);
	m.n = 0;
	for (uint32_t step = 0; step < 5000; step++) {
		struct route_key k = any_prefix(256);
		uint64_t value = route_value(any(5), 0, 0);
		int rc = -1;

		if (m.n > 0 && any(4) == 0) {
			k = m.k[any(m.n)];
			rc = route_del(w, &k);
			value = 0;
		} else if (m.n < ROUTES) {
			rc = route_add(w, &k, value);
		}
		assert_true(rc == 0 || rc == -ENOSPC);
		refused += rc != 0;
		if (rc == 0)
			route_model_set(&m, &k, value);
		assert_alike_around(t, &m, &k);
	}
	assert_true(refused > 100);
	assert_int_equal(route_refused(t), refused);
	route_writer_destroy(w);
	free(t);
}

/* --- readers --- */

struct readers {
	struct route_table *t;
	struct rte_rcu_qsbr *v;
	int stop;
	uint64_t bursts;
};

enum { STABLE = 48 };

/* Addresses whose route is 10.9.i.0/24, or fd00:9:i::/48, always there: nexthop 2 i or 2 i + 1. */
static void
stable_address(uint32_t i, enum route_family family, uint8_t address[16])
{
	static const uint8_t inet[4] = {10, 9, 0, 7}, inet6[16] = {0xfd, 0, 0, 9, 0, 0, 0, 7};

	memcpy(address, family == ROUTE_INET ? inet : inet6, family == ROUTE_INET ? 4 : 16);
	address[family == ROUTE_INET ? 2 : 5] = (uint8_t)(i * 5);
}

static void *
reader(void *arg)
{
	struct readers *r = arg;
	uint32_t vrf[STABLE] = {0}, inet[STABLE];
	uint8_t address[STABLE][16], four[16];
	const void *inet6[STABLE];
	uint64_t values[2][STABLE];

	for (uint32_t i = 0; i < STABLE; i++) {
		stable_address(i, ROUTE_INET, four);
		memcpy(&inet[i], four, sizeof(inet[i]));
		stable_address(i, ROUTE_INET6, address[i]);
		inet6[i] = address[i];
	}
	grace_online(r->v, 3);
	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		route_lookup_inet(r->t, vrf, inet, STABLE, values[0]);
		route_lookup_inet6(r->t, vrf, inet6, STABLE, values[1]);
		for (uint32_t i = 0; i < 2 * STABLE; i++)
			if (route_value_nexthop(values[i / STABLE][i % STABLE]) / 2 != i % STABLE)
				return (void *)"an address had another's nexthop";
		grace_quiescent(r->v, 3);
		r->bursts++;
	}
	grace_offline(r->v, 3);
	return NULL;
}

static void
stable_set(struct route_writer *w, uint32_t i, enum route_family family, uint32_t odd)
{
	struct route_key k = {.family = (uint8_t)family, .length = family == ROUTE_INET ? 24 : 48};

	stable_address(i, family, k.address);
	while (route_add(w, &k, route_value(2 * i + odd, 0, 0)) == -ENOBUFS)
		;
}

/* Coarser and finer routes come and go around the stable ones; never between them and readers. */
static void
disturb(struct route_writer *w)
{
	struct route_key k = {.family = (uint8_t)any(2)};
	uint32_t stable = k.family == ROUTE_INET ? 24 : 48;

	stable_address(any(STABLE), k.family, k.address);
	if (any(3) != 0) {
		k.length = (uint8_t)any(stable);
		k.address[any(stable / 8)] ^= any(3) == 0 ? (uint8_t)any(256) : 0;
	} else {
		k.length = (uint8_t)(stable + 1 + any(8));
		k.address[stable / 8] = 0x80;
	}
	if (any(2) == 0)
		route_add(w, &k, route_value(1000000 + any(100), 0, 0));
	else
		route_del(w, &k);
}

static void
a_reader_always_finds_the_route_that_is_there(void **state)
{
	struct readers r = {.t = table(ROUTES)};
	struct route_writer *w;
	struct timespec now, end;
	struct grace *grace;
	pthread_t thread;
	void *complaint;

	(void)state;
	r.v = aligned_alloc(CACHE_LINE, grace_size());
	memset(r.v, 0, grace_size());
	grace_init(r.v);
	grace = grace_create(r.v, 1000);
	w = route_writer_create(r.t, grace);
	for (uint32_t i = 0; i < 2 * STABLE; i++)
		stable_set(w, i % STABLE, i / STABLE, 0);
	assert_int_equal(pthread_create(&thread, NULL, reader, &r), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += 2;
	do {
		for (int k = 0; k < 100; k++) {
			disturb(w);
			stable_set(w, any(STABLE), any(2), any(2));
		}
		grace_poll(grace);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec ||
		 (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
	__atomic_store_n(&r.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, &complaint);
	if (complaint != NULL)
		fail_msg("%s", (const char *)complaint);
	assert_true(r.bursts > 100);
	route_writer_destroy(w);
	grace_destroy(grace);
	free(r.v);
	free(r.t);
}

static void
what_the_last_writer_left_waits_for_the_readers(void **state)
{
	struct route_table *t = table(ROUTES);
	struct rte_rcu_qsbr *v = aligned_alloc(CACHE_LINE, grace_size());
	struct route_key k = key(0, "10.0.0.0/8");
	struct route_writer *w;
	struct grace *grace;

	(void)state;
	memset(v, 0, grace_size());
	grace_init(v);
	grace_online(v, 0);
	grace = grace_create(v, 100);
	w = route_writer_create(t, grace);
	assert_int_equal(route_add(w, &k, ROUTE_PRESENT), -ENOBUFS);
	grace_reap(v, 0);
	assert_int_equal(route_add(w, &k, ROUTE_PRESENT), 0);
	route_writer_destroy(w);
	grace_destroy(grace);
	free(v);
	free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_longest_prefix_wins),
	    cmocka_unit_test(a_deleted_route_uncovers_the_next_shorter_one),
	    cmocka_unit_test(host_bits_are_masked_and_a_replaced_value_is_the_new_one),
	    cmocka_unit_test(the_longest_entry_not_longer_than_asked_is_found),
	    cmocka_unit_test(behaves_like_a_list),
	    cmocka_unit_test(a_writer_dying_at_any_store_leaves_before_or_after),
	    cmocka_unit_test(a_batch_killed_at_any_store_is_whole_or_nothing),
	    cmocka_unit_test(abandoned_batches_leave_all_that_was_free),
	    cmocka_unit_test(routes_without_room_in_the_trie_wait_for_it),
	    cmocka_unit_test(a_burst_finds_what_single_lookups_find),
	    cmocka_unit_test(a_walk_in_small_steps_visits_every_route_once),
	    cmocka_unit_test(a_full_table_refuses_and_changes_nothing),
	    cmocka_unit_test(a_full_trie_refuses_and_changes_nothing),
	    cmocka_unit_test(a_reader_always_finds_the_route_that_is_there),
	    cmocka_unit_test(what_the_last_writer_left_waits_for_the_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

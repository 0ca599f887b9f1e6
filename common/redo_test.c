/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The redo log under an idtab and a bridge table: batches against a plain model, with a writer that
 * dies at any store. redo.c is included, so that the points where it may die are ours.
 */
#include "common/test_death.h"

#include "common/redo.c" /* NOLINT(bugprone-suspicious-include) */

#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "common/bridge.h"
#include "common/idtab.h"
#include "common/test_dice.h"

enum { IDS = 40, KEYS = 60, STORES = 256, BYTES = 1 << 20, ABSENT = -1 };

/* What stands for a region, and its writers. */
static struct {
	char *base;
	struct redo *redo;
	struct idtab *ids;
	struct bridge *bridge;
	uint16_t *owners;
	struct redo_writer *w;
	struct idtab_writer *ids_w;
	struct bridge_writer *bridge_w;
} r;

static void
writer_open(void)
{
	redo_roll_forward(r.redo, r.base, BYTES);
	r.w = redo_writer_create(r.redo, r.base);
	r.ids_w = idtab_writer_create(r.ids, NULL);
	r.bridge_w = bridge_writer_create(r.bridge, NULL);
	assert_true(r.w != NULL && r.ids_w != NULL && r.bridge_w != NULL);
	bridge_writer_owners(r.bridge_w, r.owners);
}

static void
writer_close(void)
{
	redo_writer_destroy(r.w);
	idtab_writer_destroy(r.ids_w);
	bridge_writer_destroy(r.bridge_w);
}

static int
open_tables(void **state)
{
	(void)state;
	r.base = aligned_alloc(CACHE_LINE, BYTES);
	assert_non_null(r.base);
	memset(r.base, 0, BYTES);
	r.redo = (struct redo *)r.base;
	redo_init(r.redo, STORES);
	r.ids = (struct idtab *)(r.base + (64 << 10));
	idtab_init(r.ids, IDS, 64);
	r.bridge = (struct bridge *)(r.base + (256 << 10));
	bridge_init(r.bridge, KEYS);
	r.owners = (uint16_t *)(r.base + (512 << 10));
	writer_open();
	return 0;
}

static int
close_tables(void **state)
{
	(void)state;
	writer_close();
	free(r.base);
	return 0;
}

struct model {
	int64_t id[IDS];
	int64_t key[KEYS];
};

static struct bridge_key
key_number(uint32_t i)
{
	return (struct bridge_key){.vrf = 1, .mac = {2, 0, 0, 0, 0, (uint8_t)i}};
}

static void
look(struct model *m)
{
	for (uint32_t i = 0; i < IDS; i++) {
		const uint64_t *entry = idtab_lookup(r.ids, i);

		m->id[i] = entry != NULL ? (int64_t)entry[0] : ABSENT;
	}
	for (uint32_t i = 0; i < KEYS; i++) {
		struct bridge_key key = key_number(i);
		uint64_t got;

		m->key[i] =
		    bridge_lookup(r.bridge, &key, &got) == 0 ? (int64_t)got : (int64_t)ABSENT;
	}
}

/* One change, staged and done to the model. */
static void
change(struct model *m)
{
	uint32_t value = any(5);
	uint64_t entry[8] = {value};
	uint32_t i;

	switch (any(4)) {
	case 0:
		i = any(IDS);
		assert_int_equal(idtab_stage_set(r.ids_w, r.w, i, entry), 0);
		m->id[i] = value;
		break;
	case 1:
		i = any(IDS);
		assert_int_equal(idtab_stage_del(r.ids_w, r.w, i),
				 m->id[i] == ABSENT ? -ENOENT : 0);
		m->id[i] = ABSENT;
		break;
	case 2: {
		struct bridge_key key = key_number(i = any(KEYS));

		assert_int_equal(bridge_stage_set(r.bridge_w, r.w, &key, value, (uint16_t)value),
				 0);
		m->key[i] = value;
		break;
	}
	default: {
		struct bridge_key key = key_number(i = any(KEYS));

		assert_int_equal(bridge_stage_del(r.bridge_w, r.w, &key),
				 m->key[i] == ABSENT ? -ENOENT : 0);
		m->key[i] = ABSENT;
		break;
	}
	}
}

static uint32_t
count(const int64_t *values, uint32_t n)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < n; i++)
		used += values[i] != ABSENT;
	return used;
}

static void
a_batch_sees_itself_and_is_made_or_given_up(void **state)
{
	struct model before, after, now;

	(void)state;
	for (int step = 0; step < 5000; step++) {
		bool commit = any(3) != 0;

		look(&before);
		after = before;
		for (uint32_t n = any(30); n > 0; n--)
			change(&after);
		look(&now);
		assert_memory_equal(&now, &before, sizeof(now));
		if (commit)
			redo_commit(r.w);
		else
			redo_abandon(r.w);
		look(&now);
		assert_memory_equal(&now, commit ? &after : &before, sizeof(now));
		assert_int_equal(r.ids->used, count(now.id, IDS));
		assert_int_equal(bridge_used(r.bridge), count(now.key, KEYS));
	}
}

static void
a_writer_dying_at_any_store_leaves_before_or_after(void **state)
{
	static struct model before, after, now;
	volatile int deaths = 0, rolled = 0;

	(void)state;
	for (volatile int step = 0; step < 20000; step++) {
		look(&before);
		after = before;
		if (setjmp(death) == 0) {
			stores_left = 1 + (int)any(40);
			for (uint32_t n = 1 + any(8); n > 0; n--)
				change(&after);
			redo_commit(r.w);
			stores_left = 0;
			look(&now);
			assert_memory_equal(&now, &after, sizeof(now));
			continue;
		}
		deaths++;
		rolled += r.redo->committed != 0;
		writer_close();
		/* The next one may die too. */
		if (setjmp(death) == 0) {
			stores_left = (int)any(6);
			redo_roll_forward(r.redo, r.base, BYTES);
		}
		stores_left = 0;
		writer_open();
		look(&now);
		if (memcmp(&now, &before, sizeof(now)) != 0)
			assert_memory_equal(&now, &after, sizeof(now));
		assert_int_equal(r.ids->used, count(now.id, IDS));
		assert_int_equal(bridge_used(r.bridge), count(now.key, KEYS));
	}
	assert_true(deaths > 5000);
	assert_true(rolled > 1000);
}

static void
a_full_log_says_so_and_nothing_happened(void **state)
{
	struct model before, now;
	int rc = 0;

	(void)state;
	look(&before);
	for (uint32_t i = 0; i < STORES; i++)
		assert_int_equal(redo_stage(r.w, r.base + (768 << 10) + 8 * i, 8, i, NULL, NULL),
				 0);
	rc = redo_stage(r.w, r.base, 8, 1, NULL, NULL);
	assert_int_equal(rc, -EFBIG);
	assert_int_equal(redo_load(r.w, r.base + (768 << 10) + 80, 8), 10);
	redo_abandon(r.w);
	assert_int_equal(redo_load(r.w, r.base + (768 << 10) + 80, 8), 0);
	look(&now);
	assert_memory_equal(&now, &before, sizeof(now));
}

static void
what_a_batch_sets_twice_takes_one_entry(void **state)
{
	uint64_t entry[8] = {1000};
	int rc = 0;

	(void)state;
	for (uint32_t i = 0; i < 200 && rc == 0; i++) {
		entry[0]++;
		rc = idtab_stage_set(r.ids_w, r.w, i % IDS, entry);
	}
	assert_int_equal(rc, 0);
	redo_commit(r.w);
	assert_int_equal(r.ids->used, IDS);
}

static void
a_log_that_is_not_ours_is_not_carried_out(void **state)
{
	(void)state;
	r.redo->stores[0] = (struct redo_store){(uint64_t)BYTES << 4 | 8, 1};
	r.redo->committed = 1;
	assert_int_equal(redo_roll_forward(r.redo, r.base, BYTES), 1);
	assert_int_equal(r.redo->committed, 0);
}

static void
one_batch_fills_a_whole_bridge_table(void **state)
{
	enum { ENTRIES = 20000, LOG = 3 * ENTRIES };
	size_t log = (redo_size(LOG) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	size_t size = (log + bridge_size(ENTRIES) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	char *base = aligned_alloc(CACHE_LINE, size);
	struct bridge *b = (struct bridge *)(base + log);
	struct bridge_key k = {.vrf = 1};
	struct bridge_writer *bw;
	struct redo_writer *w;
	uint64_t value;

	(void)state;
	memset(base, 0, size);
	redo_init((struct redo *)base, LOG);
	bridge_init(b, ENTRIES);
	w = redo_writer_create((struct redo *)base, base);
	bw = bridge_writer_create(b, NULL);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		memcpy(k.mac, &i, sizeof(i));
		assert_int_equal(bridge_stage_set(bw, w, &k, i, 1), 0);
		if (i % 7 == 0) { /* gone again, and back */
			assert_int_equal(bridge_stage_del(bw, w, &k), 0);
			assert_int_equal(bridge_stage_set(bw, w, &k, i, 1), 0);
		}
	}
	k.vrf = 2;
	assert_int_equal(bridge_stage_set(bw, w, &k, 1, 1), -ENOSPC);
	k.vrf = 1;
	redo_commit(w);
	assert_int_equal(bridge_used(b), ENTRIES);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		memcpy(k.mac, &i, sizeof(i));
		assert_int_equal(bridge_lookup(b, &k, &value), 0);
		assert_int_equal(value, i);
	}
	bridge_writer_destroy(bw);
	redo_writer_destroy(w);
	free(base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_batch_sees_itself_and_is_made_or_given_up),
	    cmocka_unit_test(a_writer_dying_at_any_store_leaves_before_or_after),
	    cmocka_unit_test(a_full_log_says_so_and_nothing_happened),
	    cmocka_unit_test(what_a_batch_sets_twice_takes_one_entry),
	    cmocka_unit_test(a_log_that_is_not_ours_is_not_carried_out),
	    cmocka_unit_test(one_batch_fills_a_whole_bridge_table),
	};

	return cmocka_run_group_tests(tests, open_tables, close_tables);
}

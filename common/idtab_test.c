/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables of immutable entries against a plain array, with a writer that dies at any store, and with
 * a reader that looks meanwhile. idtab.c is included, so that the points where its writer may die
 * are ours.
 */
#include "common/test_death.h"

#include "common/idtab.c" /* NOLINT(bugprone-suspicious-include) */

#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "common/test_dice.h"

enum { IDS = 100 };

/* All words of an entry are equal, so a mixture of two would show. */
struct entry {
	uint64_t word[8];
};

static struct entry
entry_with(uint64_t value)
{
	struct entry e;

	for (int i = 0; i < 8; i++)
		e.word[i] = value;
	return e;
}

static struct idtab *
table(void)
{
	size_t size = line_up(idtab_size(IDS, sizeof(struct entry)));
	struct idtab *t = aligned_alloc(CACHE_LINE, size);

	assert_non_null(t);
	memset(t, 0, size);
	idtab_init(t, IDS, sizeof(struct entry));
	return t;
}

static struct rte_rcu_qsbr *
readers(void)
{
	struct rte_rcu_qsbr *v = aligned_alloc(CACHE_LINE, grace_size());

	assert_non_null(v);
	memset(v, 0, grace_size());
	grace_init(v);
	return v;
}

/* The value under 'id', 0 when absent; fails if the entry is a mixture. */
static uint64_t
value_of(const struct idtab *t, uint32_t id)
{
	const struct entry *e = idtab_lookup(t, id);

	if (e == NULL)
		return 0;
	for (int i = 1; i < 8; i++)
		assert_int_equal(e->word[i], e->word[0]);
	return e->word[0];
}

static int
set(struct idtab_writer *w, uint32_t id, uint64_t value)
{
	struct entry e = entry_with(value);

	return idtab_set(w, id, &e);
}

static void
assert_equals(const struct idtab *t, const uint64_t *model)
{
	uint32_t n = 0;

	for (uint32_t id = 0; id < IDS; id++) {
		assert_int_equal(value_of(t, id), model[id]);
		n += model[id] != 0;
	}
	assert_int_equal(t->used, n);
}

static void
behaves_like_a_plain_array(void **state)
{
	struct idtab *t = table();
	struct idtab_writer *w = idtab_writer_create(t, NULL);
	uint64_t model[IDS] = {0};

	(void)state;
	for (int step = 0; step < 50000; step++) {
		uint32_t id = any(IDS);

		if (any(3) != 0) {
			model[id] = 1 + any(1000);
			assert_int_equal(set(w, id, model[id]), 0);
		} else {
			assert_int_equal(idtab_del(w, id), model[id] == 0 ? -ENOENT : 0);
			model[id] = 0;
		}
		if (step % 100 == 0)
			assert_equals(t, model);
	}
	assert_equals(t, model);
	idtab_writer_destroy(w);
	free(t);
}

static void
ids_beyond_the_table_are_absent_and_refused(void **state)
{
	struct idtab *t = table();
	struct idtab_writer *w = idtab_writer_create(t, NULL);

	(void)state;
	assert_int_equal(set(w, IDS - 1, 5), 0);
	assert_int_equal(set(w, IDS, 5), -ERANGE);
	assert_int_equal(idtab_del(w, IDS), -ENOENT);
	assert_null(idtab_lookup(t, IDS));
	assert_null(idtab_lookup(t, UINT32_MAX));
	idtab_writer_destroy(w);
	free(t);
}

static void
a_writer_dying_at_any_store_leaves_before_or_after(void **state)
{
	struct idtab *t = table();
	struct idtab_writer *w = idtab_writer_create(t, NULL);
	static uint64_t model[IDS];
	volatile int deaths = 0;

	(void)state;
	for (volatile int step = 0; step < 20000; step++) {
		volatile uint32_t id = any(IDS), value = any(4) == 0 ? 0 : 1 + any(1000);
		uint64_t now;

		if (setjmp(death) == 0) {
			stores_left = 1 + (int)any(5);
			if (value == 0)
				idtab_del(w, id);
			else
				set(w, id, value);
			stores_left = 0;
		} else {
			deaths++;
			idtab_writer_destroy(w);
			w = idtab_writer_create(t, NULL);
			assert_int_equal(w->n_free, t->entries - t->used);
		}
		now = value_of(t, id);
		if (now != model[id])
			assert_int_equal(now, value);
		model[id] = now;
		if (step % 16 == 0)
			assert_equals(t, model);
	}
	assert_equals(t, model);
	assert_true(deaths > 5000);
	idtab_writer_destroy(w);
	free(t);
}

static void
an_unpublished_entry_waits_for_its_readers(void **state)
{
	struct rte_rcu_qsbr *v = readers();
	struct grace *grace = grace_create(v, 1000);
	struct idtab *t = table();
	struct idtab_writer *w = idtab_writer_create(t, grace);
	const struct entry *borrowed;
	uint32_t spare;

	(void)state;
	assert_int_equal(set(w, 1, 77), 0);
	grace_online(v, 0);
	borrowed = idtab_lookup(t, 1);
	spare = w->n_free;
	for (uint32_t i = 0; i < spare; i++)
		assert_int_equal(set(w, 1, 1000 + i), 0);
	assert_int_equal(set(w, 1, 5), -ENOBUFS);
	assert_int_equal(borrowed->word[0], 77);
	assert_int_equal(value_of(t, 1), 1000 + spare - 1);
	grace_quiescent(v, 0);
	assert_int_equal(set(w, 1, 5), 0);
	assert_int_equal(value_of(t, 1), 5);
	grace_offline(v, 0);
	assert_int_equal(grace_poll(grace), 0);
	assert_int_equal(w->n_free, t->entries - 1);
	idtab_writer_destroy(w);
	grace_destroy(grace);
	free(t);
	free(v);
}

static void
a_change_is_refused_while_no_more_can_be_deferred(void **state)
{
	struct rte_rcu_qsbr *v = readers();
	struct grace *grace = grace_create(v, 2);
	struct idtab *t = table();
	struct idtab_writer *w = idtab_writer_create(t, grace);

	(void)state;
	for (uint32_t id = 0; id < 3; id++)
		assert_int_equal(set(w, id, 9), 0);
	grace_online(v, 0);
	assert_int_equal(idtab_del(w, 0), 0);
	assert_int_equal(idtab_del(w, 1), 0);
	assert_int_equal(idtab_del(w, 2), -ENOBUFS);
	assert_int_equal(set(w, 2, 10), -ENOBUFS);
	assert_int_equal(value_of(t, 2), 9);
	grace_quiescent(v, 0);
	assert_int_equal(idtab_del(w, 2), 0);
	idtab_writer_destroy(w);
	grace_destroy(grace);
	free(t);
	free(v);
}

static void
a_new_writer_frees_what_the_dead_one_had_retired_after_a_grace_period(void **state)
{
	struct rte_rcu_qsbr *v = readers();
	struct grace *grace = grace_create(v, 100);
	struct idtab *t = table();
	struct idtab_writer *w = idtab_writer_create(t, grace);
	const struct entry *borrowed;

	(void)state;
	assert_int_equal(set(w, 1, 77), 0);
	grace_online(v, 0);
	borrowed = idtab_lookup(t, 1);
	assert_int_equal(idtab_del(w, 1), 0);
	idtab_writer_destroy(w);
	grace_destroy(grace);

	grace = grace_create(v, 100);
	w = idtab_writer_create(t, grace);
	assert_int_equal(set(w, 2, 5), -ENOBUFS);
	assert_int_equal(borrowed->word[0], 77);
	grace_quiescent(v, 0);
	assert_int_equal(set(w, 2, 5), 0);
	idtab_writer_destroy(w);
	grace_destroy(grace);
	free(t);
	free(v);
}

static void
setting_the_same_again_uses_nothing_up(void **state)
{
	struct rte_rcu_qsbr *v = readers();
	struct grace *grace = grace_create(v, 4);
	struct idtab *t = table();
	struct idtab_writer *w = idtab_writer_create(t, grace);

	(void)state;
	assert_int_equal(set(w, 1, 77), 0);
	grace_online(v, 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(set(w, 1, 77), 0);
	assert_int_equal(w->n_free, t->entries - 1);
	idtab_writer_destroy(w);
	grace_destroy(grace);
	free(t);
	free(v);
}

struct reading {
	struct idtab *t;
	struct rte_rcu_qsbr *v;
	int stop;
};

static void *
reader(void *arg)
{
	struct reading *r = arg;

	grace_online(r->v, 3);
	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		for (uint32_t id = 0; id < IDS; id++) {
			const struct entry *e = idtab_lookup(r->t, id);

			for (int i = 1; e != NULL && i < 8; i++)
				if (e->word[i] != e->word[0])
					return (void *)"an entry was seen half";
		}
		grace_quiescent(r->v, 3);
	}
	grace_offline(r->v, 3);
	return NULL;
}

static void
a_replaced_entry_is_seen_whole_or_not_at_all(void **state)
{
	struct reading r = {.t = table(), .v = readers()};
	struct grace *grace = grace_create(r.v, 1000);
	struct idtab_writer *w = idtab_writer_create(r.t, grace);
	pthread_t thread;
	void *complaint;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, reader, &r), 0);
	for (int i = 0; i < 200000; i++) {
		int rc = any(4) == 0 ? idtab_del(w, any(IDS)) : set(w, any(IDS), any(UINT32_MAX));

		assert_true(rc == 0 || rc == -ENOENT || rc == -ENOBUFS);
	}
	__atomic_store_n(&r.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, &complaint);
	if (complaint != NULL)
		fail_msg("%s", (const char *)complaint);
	idtab_writer_destroy(w);
	grace_destroy(grace);
	free(r.t);
	free(r.v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(behaves_like_a_plain_array),
	    cmocka_unit_test(ids_beyond_the_table_are_absent_and_refused),
	    cmocka_unit_test(a_writer_dying_at_any_store_leaves_before_or_after),
	    cmocka_unit_test(an_unpublished_entry_waits_for_its_readers),
	    cmocka_unit_test(a_change_is_refused_while_no_more_can_be_deferred),
	    cmocka_unit_test(a_new_writer_frees_what_the_dead_one_had_retired_after_a_grace_period),
	    cmocka_unit_test(setting_the_same_again_uses_nothing_up),
	    cmocka_unit_test(a_replaced_entry_is_seen_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

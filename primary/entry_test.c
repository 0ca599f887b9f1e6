/* SPDX-License-Identifier: BSD-3-Clause */
#include "primary/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct processes table;

static int
setup(void **state)
{
	(void)state;
	memset(&table, 0, sizeof(table));
	processes_init(&table);
	return 0;
}

static struct process *
begin(enum process_role role, uint64_t slots, pid_t pid)
{
	struct process *e = entry_find(&table, role, slots);

	assert_non_null(e);
	entry_take(&table, e, role, slots, pid, 1000);
	e->state = PROCESS_READY;
	return e;
}

static void
end(struct process *e, uint64_t ms)
{
	process_died(e, ms, false);
	e->state = PROCESS_DEAD;
}

static void
who_comes_back_gets_its_entry_and_another_key(void **state)
{
	struct process *e = begin(ROLE_FWD, 3, 77), *other = begin(ROLE_FWD, 4, 78);
	process_key key = e->key;

	(void)state;
	end(other, 1500);
	end(e, 2000);
	assert_ptr_equal(begin(ROLE_FWD, 3, 77), e);
	assert_int_not_equal(e->key, key);
	assert_int_equal(e->restarts, 1);
	assert_int_equal(e->died_ms, 2000);
}

static void
a_full_table_forgets_its_oldest_death(void **state)
{
	struct process *first = begin(ROLE_FWD, 1, 100), *second = begin(ROLE_FWD, 2, 101);

	(void)state;
	for (uint32_t i = 2; i < table.n; i++)
		begin(ROLE_FWD, i + 1, (pid_t)(100 + i));
	assert_null(entry_find(&table, ROLE_CTL, 0));
	end(second, 3000);
	end(first, 4000);
	assert_ptr_equal(begin(ROLE_CTL, 0, 200), second);
	assert_int_equal(second->restarts, 0);
	assert_int_equal(second->died_ms, 0);
	assert_ptr_equal(begin(ROLE_CTL, 0, 201), first);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(who_comes_back_gets_its_entry_and_another_key),
	    TEST(a_full_table_forgets_its_oldest_death),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that is given back in one go. */
#include "ctl/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { PIECES = 5000 };

static void
pieces_are_aligned_and_apart(void **state)
{
	static uint8_t *pieces[PIECES];
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < PIECES; i++) {
		size_t size = i % 97 == 0 ? 100000 : i % 50;

		pieces[i] = a.allocator.alloc(a.allocator.allocator_data, size);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % 16, 0);
		memset(pieces[i], (int)(i % 251), size);
		a.allocator.free(a.allocator.allocator_data, pieces[i / 2]);
	}
	for (size_t i = 0; i < PIECES; i++)
		for (size_t at = 0; at < i % 50 && i % 97 != 0; at++)
			assert_int_equal(pieces[i][at], i % 251);
	arena_fini(&a);
	assert_non_null(arena_take(&a, 1));
	arena_fini(&a);
}

static void
what_nobody_has_is_not_given(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	assert_null(arena_take(&a, SIZE_MAX));
	assert_null(arena_take(&a, SIZE_MAX / 2 - 100));
	assert_non_null(arena_take(&a, 8));
	arena_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pieces_are_aligned_and_apart),
	    cmocka_unit_test(what_nobody_has_is_not_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the private heap. The calls of rte_malloc.h below are redirected by
 * the linker, as they are in the programs. EAL is not initialised.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "common/private_heap.h"

static int
force(void **state)
{
	(void)state;
	private_heap_force(true);
	return 0;
}

static void
allocation_is_private_only_when_forced_or_secondary(void **state)
{
	(void)state;
	assert_true(private_heap_active());
	private_heap_force(false);
	assert_false(private_heap_active());
	private_heap_force(true);
}

static void
blocks_are_aligned_as_asked_and_to_a_cache_line_at_least(void **state)
{
	static const unsigned int aligns[] = {0, 1, 8, 64, 128, 4096, 65536};

	(void)state;
	for (unsigned int i = 0; i < sizeof(aligns) / sizeof(aligns[0]); i++) {
		unsigned int align = aligns[i] < 64 ? 64 : aligns[i];
		char *p = rte_malloc("test", 100, aligns[i]);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % align, 0);
		memset(p, 0xff, 100);
		rte_free(p);
	}
	assert_null(rte_malloc("test", 100, 96));
	assert_null(rte_malloc("test", 0, 0));
	assert_int_equal(private_heap_bytes(), 0);
}

static void
zeroed_where_promised(void **state)
{
	static const char zeros[256];
	volatile size_t too_many = SIZE_MAX / 2;
	void *p[4];

	(void)state;
	p[0] = rte_malloc("test", 256, 0);
	memset(p[0], 0xff, 256);
	rte_free(p[0]);

	p[0] = rte_zmalloc("test", 256, 0);
	p[1] = rte_zmalloc_socket("test", 256, 0, 1);
	p[2] = rte_calloc("test", 2, 128, 0);
	p[3] = rte_calloc_socket("test", 64, 4, 0, SOCKET_ID_ANY);
	for (int i = 0; i < 4; i++) {
		assert_memory_equal(p[i], zeros, 256);
		rte_free(p[i]);
	}
	assert_null(rte_calloc("test", too_many, 3, 0));
}

static void
resizing_keeps_content_and_alignment(void **state)
{
	char *p = rte_malloc_socket("test", 16, 256, 0);

	(void)state;
	memcpy(p, "fifteen letters", 16);
	p = rte_realloc(p, 100000, 0);
	assert_non_null(p);
	assert_int_equal((uintptr_t)p % 256, 0);
	assert_string_equal(p, "fifteen letters");
	p = rte_realloc_socket(p, 8, 0, 0);
	assert_memory_equal(p, "fifteen ", 8);
	assert_int_equal(private_heap_bytes(), 8);
	assert_null(rte_realloc(p, 0, 0));
	assert_int_equal(private_heap_bytes(), 0);

	p = rte_realloc(NULL, 10, 0);
	assert_non_null(p);
	rte_free(p);
}

static void
block_from_before_forcing_ended_is_still_known_as_private(void **state)
{
	void *p = rte_malloc("test", 10, 0);

	(void)state;
	private_heap_force(false);
	rte_free(p);
	private_heap_force(true);
	assert_int_equal(private_heap_bytes(), 0);
}

static void
memory_of_others_is_neither_freed_nor_resized(void **state)
{
	static _Alignas(64) char foreign[256];
	uint64_t before = private_heap_refused();

	(void)state;
	rte_free(foreign + 64);
	rte_free(foreign + 72);
	assert_null(rte_realloc(foreign + 128, 10, 0));
	assert_int_equal(private_heap_refused(), before + 3);

	rte_free(NULL);
	assert_int_equal(private_heap_refused(), before + 3);
}

static void
copied_header_does_not_make_a_block(void **state)
{
	static _Alignas(64) char copy[192];
	char *p = rte_malloc("test", 10, 0);
	uintptr_t header = (uintptr_t)p - 32; /* the compiler knows p[-32] is no part of p */
	uint64_t before = private_heap_refused();

	(void)state;
	memcpy(copy + 32, (const void *)header, 32);
	rte_free(copy + 64);
	assert_int_equal(private_heap_refused(), before + 1);
	rte_free(p);
}

static void
size_and_device_address_are_known(void **state)
{
	void *p = rte_malloc("test", 1234, 0);
	size_t size = 0;

	(void)state;
	assert_int_equal(rte_malloc_validate(p, &size), 0);
	assert_int_equal(size, 1234);
	if (rte_eal_iova_mode() == RTE_IOVA_VA)
		assert_int_equal(rte_malloc_virt2iova(p), (uintptr_t)p);
	else
		assert_true(rte_malloc_virt2iova(p) == RTE_BAD_IOVA);
	rte_free(p);
}

static void
list_entry_of_a_named_object_is_refused(void **state)
{
	uint64_t before = private_heap_refused();

	(void)state;
	assert_null(rte_zmalloc("RING_TAILQ_ENTRY", 24, 0));
	assert_int_equal(private_heap_refused(), before + 1);
}

static void
pool_is_refused_before_any_lock_is_taken(void **state)
{
	(void)state;
	assert_null(rte_mempool_create_empty("test", 64, 64, 0, 0, SOCKET_ID_ANY, 0));
	assert_null(
	    rte_mempool_create("test", 64, 64, 0, 0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(allocation_is_private_only_when_forced_or_secondary, force),
	    cmocka_unit_test_setup(blocks_are_aligned_as_asked_and_to_a_cache_line_at_least, force),
	    cmocka_unit_test_setup(zeroed_where_promised, force),
	    cmocka_unit_test_setup(resizing_keeps_content_and_alignment, force),
	    cmocka_unit_test_setup(block_from_before_forcing_ended_is_still_known_as_private,
				   force),
	    cmocka_unit_test_setup(memory_of_others_is_neither_freed_nor_resized, force),
	    cmocka_unit_test_setup(copied_header_does_not_make_a_block, force),
	    cmocka_unit_test_setup(size_and_device_address_are_known, force),
	    cmocka_unit_test_setup(list_entry_of_a_named_object_is_refused, force),
	    cmocka_unit_test_setup(pool_is_refused_before_any_lock_is_taken, force),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

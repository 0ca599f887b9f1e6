/* SPDX-License-Identifier: BSD-3-Clause */
/* The need of huge pages, and the sentence about it. */
#include "common/need.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/conf.h"
#include "common/region.h"

enum { PAGE = 2 << 20 };

static struct conf conf;
static struct need need;

static void
parts_sum_up_in_whole_pages(void **state)
{
	(void)state;
	need_compute(&conf, PAGE, &need);
	assert_int_equal(need.region, region_size(&conf, PAGE));
	assert_int_equal(need.region % PAGE, 0);
	assert_int_equal(need.eal_mb % 2, 0);
	assert_true(need.eal_mb << 20 >= need.packets + need.rings + need.hands + need.drivers);
	assert_int_equal(need.pages, (need.region + (need.eal_mb << 20)) / PAGE);
	assert_int_equal(need.drivers, 64 << 20);
}

static void
an_mbuf_takes_its_data_its_headers_and_an_odd_number_of_lines(void **state)
{
	uint64_t one;

	(void)state;
	need_compute(&conf, PAGE, &need);
	one = need.packets;
	conf.mbufs += 64000;
	need_compute(&conf, PAGE, &need);
	/* 2176 + 128 + 64, a header line, padded to 39 lines; and ten bytes for each 64 of them */
	assert_int_equal(need.packets - one, 64000 * 39 * 64 + 64000 / 64 * 10);
}

static void
the_demo_fits_into_one_gigabyte(void **state)
{
	(void)state;
	conf.n_slots = 2;
	conf.mbufs = 65536;
	need_compute(&conf, PAGE, &need);
	assert_in_range(need.pages, 1, 512);
}

static void
the_sentence_has_all_parts(void **state)
{
	char text[NEED_TEXT];

	(void)state;
	need = (struct need){.page = PAGE,
			     .region = 300 << 20,
			     .packets = 460 << 20,
			     .rings = 5,
			     .hands = (8 << 20) - 1,
			     .drivers = 64 << 20,
			     .pages = 417};
	need_print(&need, text);
	assert_string_equal(
	    text, "needs 417 pages of 2048 kB (834 MiB): region 300 MiB, packets 460 MiB, "
		  "rings 1 MiB, hands 8 MiB, drivers 64 MiB");
}

static void
a_directory_that_is_no_hugetlbfs_is_refused(void **state)
{
	struct fault f;

	(void)state;
	snprintf(conf.hugepage_dir, sizeof(conf.hugepage_dir), "/");
	assert_int_equal(need_check(&conf, &f), -ENOTSUP);
	assert_string_equal(f.text, "hugepage-dir = /: is no hugetlbfs");
	snprintf(conf.hugepage_dir, sizeof(conf.hugepage_dir), "/nonexistent");
	assert_int_equal(need_check(&conf, &f), -ENOENT);
	assert_string_equal(f.text, "hugepage-dir = /nonexistent: No such file or directory");
}

static int
setup(void **state)
{
	(void)state;
	conf_defaults(&conf);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(parts_sum_up_in_whole_pages, setup),
	    cmocka_unit_test_setup(an_mbuf_takes_its_data_its_headers_and_an_odd_number_of_lines,
				   setup),
	    cmocka_unit_test_setup(the_demo_fits_into_one_gigabyte, setup),
	    cmocka_unit_test_setup(the_sentence_has_all_parts, setup),
	    cmocka_unit_test_setup(a_directory_that_is_no_hugetlbfs_is_refused, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The region on an ordinary file: made, adopted, attached to, and refused. region.c is included, so
 * that the points where a primary may die are ours.
 */
#ifndef FAULT_POINTS
#define FAULT_POINTS
#endif
#include "common/region.c" /* NOLINT(bugprone-suspicious-include) */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cmocka.h>

#define ADDRESS UINT64_C(0x7e9000000000)

static struct conf conf;
static struct fault fault;
static char path[CONF_TEXT * 2];
static int stores_left;

void
fault_point(const struct fault_site *site)
{
	(void)site;
	if (stores_left > 0 && --stores_left == 0)
		_exit(77);
}

static struct region
created(bool want_adopted)
{
	struct region r;
	bool adopted = !want_adopted;

	if (region_create(&r, &conf, &adopted, &fault) < 0)
		fail_msg("%s", fault.text);
	assert_int_equal(adopted, want_adopted);
	assert(r.header != NULL);
	return r;
}

static void
assert_refused(int want, const char *words)
{
	struct region r;
	bool adopted;

	memset(&fault, 0, sizeof(fault));
	assert_int_equal(region_create(&r, &conf, &adopted, &fault), want);
	if (strstr(fault.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", fault.text, words);
	assert_int_equal(r.fd, -1);
}

static void
every_table_is_there_aligned_and_apart(void **state)
{
	struct region r = created(false);
	struct table tables[TABLES];
	uint64_t end = sizeof(struct region_header);

	(void)state;
	assert_ptr_equal(r.header, (void *)ADDRESS);
	tables_wanted(&conf, tables);
	for (int i = 0; i < TABLES; i++) {
		const struct region_table *t = region_table_info(&r, tables[i].name);

		assert_non_null(t);
		assert_int_equal(t->offset % CACHE_LINE, 0);
		assert_true(t->offset >= end);
		end = t->offset + t->size;
	}
	assert_true(end <= r.header->size);
	assert_null(region_table(&r, "moons"));
	assert_int_equal(slot_index(region_table(&r, "slots"), 10), 0);
	assert_int_equal(((struct processes *)region_table(&r, "processes"))->n, PROCESSES_MAX);
	region_detach(&r);
}

static void
the_next_primary_adopts_what_is_there(void **state)
{
	struct region r = created(false);

	(void)state;
	assert_int_equal(r.header->eal_generation, 1);
	((struct counters *)region_table(&r, "counters"))->c[0].rx_packets = 12;
	region_detach(&r);
	conf.slot_cores[0] = 3;
	r = created(true);
	assert_int_equal(r.header->eal_generation, 2);
	assert_int_equal(((struct counters *)region_table(&r, "counters"))->c[0].rx_packets, 12);
	assert_int_equal(((struct slots *)region_table(&r, "slots"))->s[0].core, 3);
	region_detach(&r);
}

static void
two_primaries_do_not_share_a_region(void **state)
{
	struct region r = created(false);

	(void)state;
	assert_refused(-EBUSY, "another primary");
	region_detach(&r);
}

static void
a_region_with_other_sizes_is_refused_and_left_alone(void **state)
{
	struct region r = created(false);

	(void)state;
	region_detach(&r);
	conf.nexthops = 200;
	assert_refused(-EPROTO, "table nexthop has 100 entries of 128 bytes");
	assert_refused(-EPROTO, "200 of 128 are configured: remove the file");
	conf.nexthops = 100;
	conf.slot_ids[0] = 12;
	assert_refused(-EPROTO, "slot number 1 of the region is 10, configured is 12");
	conf.slot_ids[0] = 10;
	conf.region_address += 1 << 30;
	assert_refused(-EPROTO, "was made for address 0x7e9000000000");
	conf.region_address = ADDRESS;
	r = created(true);
	assert_int_equal(r.header->eal_generation, 2);
	region_detach(&r);
}

static struct region_layout *
layout_of(struct region *r, const char *name)
{
	assert(r->header != NULL);
	return (struct region_layout *)(uintptr_t)layout_find(r->header, name);
}

static void
a_struct_that_differs_is_named(void **state)
{
	struct region r = created(false);

	(void)state;
	layout_of(&r, "vif")->hash++;
	region_detach(&r);
	assert_refused(-EPROTO, "struct vif is 1.");
	assert_refused(-EPROTO, "remove the file");
	assert_int_equal(region_attach(&r, path, ADDRESS, &fault), -EPROTO);
	assert_non_null(strstr(fault.text, "struct vif is 1."));
	assert_null(strstr(fault.text, "remove"));
}

static void
another_minor_version_fits_and_another_major_does_not(void **state)
{
	struct region r = created(false), again;

	(void)state;
	layout_of(&r, "vif")->hash++;
	layout_of(&r, "vif")->minor++;
	assert_int_equal(region_attach(&again, path, ADDRESS, &fault), -EADDRINUSE);
	region_detach(&r);
	assert_int_equal(region_attach(&r, path, ADDRESS, &fault), 0);
	layout_of(&r, "vif")->major++;
	region_detach(&r);
	assert_int_equal(region_attach(&r, path, ADDRESS, &fault), -EPROTO);
}

static void
what_each_primary_makes_anew_may_differ_when_it_adopts(void **state)
{
	struct region r = created(false);

	(void)state;
	layout_of(&r, "hand")->major = 9;
	region_detach(&r);
	assert_int_equal(region_attach(&r, path, ADDRESS, &fault), -EPROTO);
	r = created(true);
	region_detach(&r);
	assert_int_equal(region_attach(&r, path, ADDRESS, &fault), 0);
	region_detach(&r);
}

static void
others_attach_at_the_same_address(void **state)
{
	struct region r;

	(void)state;
	assert_int_equal(region_attach(&r, path, ADDRESS, &fault), -ENOENT);
	r = created(false);
	region_detach(&r);
	assert_int_equal(region_attach(&r, path, ADDRESS + (1 << 30), &fault), -EPROTO);
	assert_int_equal(region_attach(&r, path, ADDRESS, &fault), 0);
	assert_int_equal(((struct idtab *)region_table(&r, "vif"))->ids, 50);
	region_detach(&r);
}

static void
a_file_without_magic_is_started_afresh(void **state)
{
	struct region r = created(false);

	(void)state;
	((struct counters *)region_table(&r, "counters"))->c[0].rx_packets = 12;
	r.header->magic = 0;
	region_detach(&r);
	assert_int_equal(region_attach(&r, path, ADDRESS, &fault), -ENOENT);
	r = created(false);
	assert_int_equal(((struct counters *)region_table(&r, "counters"))->c[0].rx_packets, 0);
	region_detach(&r);
}

/* Takes the tables from "counters" on away, as if a program that did not know them had made it. */
static void
forget_counters(struct region *r)
{
	const struct region_table *t = region_table_info(r, "counters");
	uint64_t end;

	assert_non_null(t);
	r->header->n_tables = (uint32_t)(t - r->header->tables);
	end = tables_end(r->header);
	memset((char *)r->header + end, 0xee, r->header->size - end);
}

static void
a_table_to_come_is_made_from_the_spare_space(void **state)
{
	struct region r = created(false);

	(void)state;
	forget_counters(&r);
	assert_null(region_table(&r, "counters"));
	region_detach(&r);
	r = created(true);
	assert_int_equal(r.header->n_tables, TABLES);
	assert_int_equal(((struct counters *)region_table(&r, "counters"))->vifs, 51);
	assert_int_equal(((struct counters *)region_table(&r, "counters"))->c[0].rx_packets, 0);
	region_detach(&r);
}

static void
a_region_without_room_for_a_new_table_is_refused(void **state)
{
	struct region r = created(false);
	uint64_t size = r.header->size;

	(void)state;
	r.header->n_tables--;
	r.header->size = tables_end(r.header) + 64;
	munmap(r.header, size);
	close(r.fd);
	assert_refused(-EPROTO, "has no room for new tables");
}

/* Dies in region_create() at the n-th point; returns whether it did. */
static bool
primary_dies_at(int n)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct region r;
		bool adopted;

		stores_left = n;
		_exit(region_create(&r, &conf, &adopted, &fault) < 0 ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 1);
	return WEXITSTATUS(status) == 77;
}

static void
a_primary_dying_while_it_makes_or_adopts_leaves_no_trace(void **state)
{
	struct region r;
	int n;

	(void)state;
	for (n = 1; primary_dies_at(n); n++) {
		r = created(false);
		forget_counters(&r);
		region_detach(&r);
		primary_dies_at(1 + n % 2);
		r = created(true);
		assert_int_equal(((struct counters *)region_table(&r, "counters"))->vifs, 51);
		assert_int_equal(r.header->n_tables, TABLES);
		assert_int_equal(r.header->used, tables_end(r.header));
		region_detach(&r);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(n, 2 * TABLES + 1);
}

static void
the_address_may_be_taken(void **state)
{
	void *taken = mmap((void *)ADDRESS, 4096, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	(void)state;
	assert_ptr_equal(taken, (void *)ADDRESS);
	assert_refused(-EADDRINUSE, "region-address 0x7e9000000000");
	munmap(taken, 4096);
}

static void
missing_pages_are_counted(void **state)
{
	(void)state;
	conf.region_spare_mb = 1048576;
	assert_refused(-ENOMEM, "pages of");
}

static void
names_of_layouts_fit_and_are_unique(void **state)
{
	(void)state;
	assert_true(n_layouts > 0 && n_layouts <= REGION_LAYOUTS_MAX);
	for (uint32_t i = 0; i < n_layouts; i++) {
		assert_true(strlen(layouts[i].name) < sizeof(((struct region_layout *)0)->name));
		for (uint32_t j = 0; j < i; j++)
			assert_string_not_equal(layouts[i].name, layouts[j].name);
	}
}

static int
setup(void **state)
{
	static char dir[] = "/tmp/region_test.XXXXXX";
	static bool made;

	(void)state;
	conf_defaults(&conf);
	conf.vifs = 50;
	conf.nexthops = 100;
	conf.bridge_entries = 1000;
	conf.routes = 1000;
	conf.flow_entries = 100;
	conf.labels = 64;
	conf.vnis = 64;
	conf.rules = 64;
	conf.region_spare_mb = 2;
	if (!made && mkdtemp(dir) == NULL)
		return -1;
	made = true;
	snprintf(conf.hugepage_dir, sizeof(conf.hugepage_dir), "%s", dir);
	snprintf(conf.instance, sizeof(conf.instance), "test");
	snprintf(path, sizeof(path), "%s/test.region", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	return rmdir(conf.hugepage_dir);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(every_table_is_there_aligned_and_apart),
	    TEST(the_next_primary_adopts_what_is_there),
	    TEST(two_primaries_do_not_share_a_region),
	    TEST(a_region_with_other_sizes_is_refused_and_left_alone),
	    TEST(a_struct_that_differs_is_named),
	    TEST(another_minor_version_fits_and_another_major_does_not),
	    TEST(what_each_primary_makes_anew_may_differ_when_it_adopts),
	    TEST(others_attach_at_the_same_address),
	    TEST(a_file_without_magic_is_started_afresh),
	    TEST(a_table_to_come_is_made_from_the_spare_space),
	    TEST(a_region_without_room_for_a_new_table_is_refused),
	    TEST(a_primary_dying_while_it_makes_or_adopts_leaves_no_trace),
	    TEST(the_address_may_be_taken),
	    TEST(missing_pages_are_counted),
	    TEST(names_of_layouts_fit_and_are_unique),
	};

	return cmocka_run_group_tests(tests, NULL, remove_dir);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of vifs: what matches, and that changes are whole and leave no rule taken. */
#include "common/rules.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/flow.h"
#include "common/redo.h"

enum { VIFS = 8, CAPACITY = 64, STORES = 64 };

static struct rules *rules;
static struct rules_writer *writer;
static struct redo *log_;
static struct redo_writer *batch;

static void *
zeroed(size_t size)
{
	void *p = NULL;

	assert_int_equal(posix_memalign(&p, 64, size), 0);
	return memset(p, 0, size);
}

static int
setup(void **state)
{
	(void)state;
	rules = zeroed(rules_size(VIFS, CAPACITY));
	rules_init(rules, VIFS, CAPACITY);
	writer = rules_writer_create(rules, NULL);
	log_ = zeroed(redo_size(STORES));
	redo_init(log_, STORES);
	batch = redo_writer_create(log_, NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	redo_writer_destroy(batch);
	rules_writer_destroy(writer);
	free(rules);
	free(log_);
	return 0;
}

/* IPv4 10.0.0.'host' */
static const struct rule any = {.source_ports = {0, 65535},
				.destination_ports = {0, 65535},
				.protocol = RULE_ANY_PROTOCOL,
				.direction = RULE_INGRESS};

static struct rule
rule_of(uint32_t priority, bool allow)
{
	struct rule r = any;

	r.priority = priority;
	r.allow = allow;
	return r;
}

static struct flow_key
key_to(uint8_t host, uint16_t port)
{
	struct flow_key k = {.destination_port_be = __builtin_bswap16(port), .nexthop_protocol = 6};

	flow_key_set_ipv4(k.source, (uint8_t[4]){10, 0, 0, 1});
	flow_key_set_ipv4(k.destination, (uint8_t[4]){10, 0, 0, host});
	return k;
}

static void
put_rule(uint32_t vif, const struct rule *r)
{
	assert_int_equal(rules_stage_put(writer, batch, vif, r, 7), 0);
	redo_commit(batch);
}

#define PUT(vif, ...)                           \
	do {                                    \
		struct rule made = __VA_ARGS__; \
		put_rule(vif, &made);           \
	} while (0)

static void
without_rules_everything_is_allowed(void **state)
{
	struct flow_key k = key_to(2, 80);

	(void)state;
	assert_true(rules_allow(rules, 3, RULE_INGRESS, &k));
	assert_true(rules_allow(rules, VIFS, RULE_INGRESS, &k));
	PUT(3, rule_of(1, false));
	assert_false(rules_allow(rules, 3, RULE_INGRESS, &k));
	assert_true(rules_allow(rules, 3, RULE_EGRESS, &k));
	assert_true(rules_allow(rules, 4, RULE_INGRESS, &k));
}

static void
each_part_of_a_rule_is_asked(void **state)
{
	struct flow_key k = key_to(2, 80);
	struct rule r;

	(void)state;
	r = rule_of(1, false);
	r.destination[0] = UINT64_MAX;
	r.destination[1] = UINT64_C(0xffffffff0a000002);
	r.destination_len = 128;
	put_rule(1, &r);
	assert_false(rules_allow(rules, 1, RULE_INGRESS, &k));
	k = key_to(3, 80);
	assert_true(rules_allow(rules, 1, RULE_INGRESS, &k));
	r.destination_len = 96 + 24; /* the bits behind it are not looked at */
	put_rule(1, &r);
	assert_false(rules_allow(rules, 1, RULE_INGRESS, &k));
	r.destination_ports[0] = 81;
	put_rule(1, &r);
	assert_true(rules_allow(rules, 1, RULE_INGRESS, &k));
	k = key_to(3, 81);
	assert_false(rules_allow(rules, 1, RULE_INGRESS, &k));
	r.protocol = 17;
	put_rule(1, &r);
	assert_true(rules_allow(rules, 1, RULE_INGRESS, &k));
	r = rule_of(1, false);
	r.source_len = 97; /* of IPv4: 128.0.0.0/1 */
	r.source[0] = UINT64_MAX;
	r.source[1] = UINT64_C(0xffffffff80000000);
	put_rule(1, &r);
	assert_true(rules_allow(rules, 1, RULE_INGRESS, &k));
	r.source[1] = UINT64_C(0xffffffff00000000);
	put_rule(1, &r);
	assert_false(rules_allow(rules, 1, RULE_INGRESS, &k));
}

static void
rules_stand_in_the_order_of_their_priorities(void **state)
{
	const uint32_t order[] = {50, 10, 30, 20, 40};
	const struct rule *list;
	uint32_t n;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(
		    rules_stage_put(writer, batch, 2, &(struct rule){.priority = order[i]}, 7), 0);
	rules_of(rules, 2, &n);
	assert_int_equal(n, 0); /* not yet */
	redo_commit(batch);
	list = rules_of(rules, 2, &n);
	assert_int_equal(n, 5);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(list[i].priority, 10 * (i + 1));
	assert_int_equal(rules_stage_del(writer, batch, 2, 30), 0);
	assert_int_equal(rules_stage_del(writer, batch, 2, 30), -ENOENT);
	redo_commit(batch);
	list = rules_of(rules, 2, &n);
	assert_int_equal(n, 4);
	assert_int_equal(list[2].priority, 40);
	assert_int_equal(*rules_owner(rules, &list[2]), 7);
}

static void
an_abandoned_batch_leaves_nothing(void **state)
{
	uint32_t n, revision = rules_revision(rules);

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		struct rule r = rule_of(i % 10, true);

		assert_int_equal(rules_stage_put(writer, batch, 5, &r, i % 3), 0);
		if (i % 10 == 9)
			redo_abandon(batch);
	}
	rules_of(rules, 5, &n);
	assert_int_equal(n, 0);
	assert_int_equal(rules_revision(rules), revision);
	for (uint32_t i = 0; i < CAPACITY / 4; i++)
		PUT(5, rule_of(i, true));
	assert_int_equal(rules_used(rules), CAPACITY / 4);
}

static void
a_full_table_refuses_and_keeps_what_it_has(void **state)
{
	struct rule r = rule_of(99, true);
	uint32_t n = 0;
	int rc = 0;

	(void)state;
	while (rc == 0) {
		struct rule more = rule_of(n, true);

		rc = rules_stage_put(writer, batch, 1, &more, 0);
		redo_commit(batch);
		n += rc == 0;
	}
	assert_int_equal(rc, -ENOSPC);
	assert_true(n >= CAPACITY / 4); /* rows must be whole, and stand twice for a moment */
	assert_int_equal(rules_used(rules), n);
	assert_int_equal(rules_stage_put(writer, batch, 1, &r, 0), -ENOSPC);
}

static void
what_is_added_again_changes_its_owner_and_nothing_else(void **state)
{
	struct rule r = rule_of(4, true);
	const struct rule *list;
	uint32_t n, revision;

	(void)state;
	put_rule(1, &r);
	list = rules_of(rules, 1, &n);
	revision = rules_revision(rules);
	assert_int_equal(rules_stage_put(writer, batch, 1, &r, 9), 0);
	redo_commit(batch);
	assert_ptr_equal(rules_of(rules, 1, &n), list);
	assert_int_equal(*rules_owner(rules, list), 9);
	assert_int_equal(rules_revision(rules), revision);
	r.allow = 0;
	put_rule(1, &r);
	assert_true(rules_revision(rules) != revision);
}

static void
the_next_writer_finds_what_is_free_and_revises(void **state)
{
	uint32_t revision;

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		PUT(6, rule_of(i, true));
	revision = rules_revision(rules);
	rules_writer_destroy(writer);
	writer = rules_writer_create(rules, NULL);
	assert_true(rules_revision(rules) != revision);
	for (uint32_t i = 0; i < 10; i++)
		PUT(7, rule_of(i, true));
	assert_int_equal(rules_used(rules), 20);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(without_rules_everything_is_allowed),
	    TEST(each_part_of_a_rule_is_asked),
	    TEST(rules_stand_in_the_order_of_their_priorities),
	    TEST(an_abandoned_batch_leaves_nothing),
	    TEST(a_full_table_refuses_and_keeps_what_it_has),
	    TEST(what_is_added_again_changes_its_owner_and_nothing_else),
	    TEST(the_next_writer_finds_what_is_free_and_revises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

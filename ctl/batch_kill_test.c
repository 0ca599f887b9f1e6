/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ctl that is killed inside a batch at every point there is: what the next one finds is what was
 * before, or all that was asked for. The doomed ctl is a child process with the same region. Only a
 * build with -DFAULT_POINTS has the points.
 */
#include "ctl/sample_test.h"

#include <signal.h>
#include <sys/wait.h>

#include "common/counters.h"
#include "common/fault_point.h"
#include "common/vif.h"

#ifdef FAULT_POINTS
static int points_left; /* 0: immortal */

void
fault_point(const struct fault_site *site)
{
	(void)site;
	if (points_left > 0 && --points_left == 0) {
		kill(getpid(), SIGKILL);
		pause();
	}
}

enum { STEPS = 5, KINDS_MAX = 64, PICTURE_MAX = 65536 };

/* All that the API lists of all kinds that can be in a batch, and where packets go. */
struct picture {
	uint32_t objects[KINDS_MAX]; /* by place in objects.def */
	int64_t route[SAMPLES];
	uint64_t rx_packets[SAMPLES]; /* by vif; 0 also if it is not there */
	size_t size;
	uint8_t listed[PICTURE_MAX];
};

static void
add_to_picture(void *arg, const Vrouter__Response *r)
{
	struct picture *p = arg;
	size_t size = vrouter__object__get_packed_size(r->object);

	assert_true(p->size + size <= sizeof(p->listed));
	p->size += vrouter__object__pack(r->object, p->listed + p->size);
}

static void
take_picture(struct picture *p)
{
	const struct tables *t = &test_ctl.tables;
	uint32_t n;
	const struct object_info *kinds = object_kinds(&n);

	memset(p, 0, sizeof(*p));
	assert_true(n <= KINDS_MAX);
	for (uint32_t k = 0; k < n; k++)
		if (sample_of(&kinds[k]) != NULL)
			p->objects[k] = list_kind(&kinds[k], add_to_picture, p);
	for (uint32_t i = 0; i < SAMPLES; i++) {
		struct vif_counters sum;

		p->route[i] = route_leads_to(i);
		tables_count_vif(t, i, &sum);
		p->rx_packets[i] = vif_lookup(t->vifs, i) != NULL ? sum.rx_packets : 0;
	}
}

static bool
is_there(int step, uint32_t i)
{
	return step >= 0 && (step + (int)i) % 3 != 0;
}

/* Number 'step' of a row of batches that add, replace and remove some of each kind. */
static void
put_together(int step)
{
	uint32_t n;
	const struct object_info *kinds = object_kinds(&n);

	for (uint32_t i = 0; i < SAMPLES; i++) {
		for (uint32_t k = 0; k < n; k++) {
			sample_maker *make = sample_of(&kinds[k]);

			if (make != NULL && is_there(step, i))
				make(VROUTER__OP__ADD, i, (uint32_t)step);
			else if (make != NULL && is_there(step - 1, i))
				make(VROUTER__OP__DEL, i, (uint32_t)step);
		}
	}
}

static void
next_ctl(void)
{
	struct fault f = {0};

	tables_release(&test_ctl.tables);
	assert_int_equal(tables_adopt(&test_ctl.tables, &f), 0);
	tables_poll(&test_ctl.tables);
}

/* Whether it died. */
static bool
doomed_ctl(int step, int points)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		next_ctl();
		put_together(step);
		points_left = points;
		_exit(ask_batch()->code == VROUTER__RESULT__CODE__OK ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return true;
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

/* That the batch made what it says: the picture of a whole batch is no proof of itself. */
static void
assert_made(const struct picture *p, int step)
{
	uint32_t n, there = 0;
	const struct object_info *kinds = object_kinds(&n);

	for (uint32_t i = 0; i < SAMPLES; i++) {
		there += is_there(step, i);
		assert_int_equal(p->route[i], is_there(step, i) ? step : -1);
	}
	for (uint32_t k = 0; k < n; k++)
		if (sample_of(&kinds[k]) != NULL && p->objects[k] != there)
			fail_msg("step %d: %u objects of %s, not %u", step, p->objects[k],
				 kinds[k].name, there);
}

/* What there is after the batch when nobody dies. */
static void
take_after(int step, struct picture *after)
{
	put_together(step);
	assert_ok(ask_batch());
	take_picture(after);
	assert_made(after, step);
}

/*
 * The region is put back after each death, so that every point of every batch is died at, those
 * after the decision too.
 */
static void
killed_at_any_point_a_batch_is_whole_or_nothing(void **state)
{
	static struct picture before, after, now;
	size_t size = test_region.header->size;
	int old = 0, new = 0;
	void *kept = malloc(size);

	(void)state;
	assert_non_null(kept);
	for (int step = 0; step < STEPS; step++) {
		/* What was counted before is not the count of a vif that the batch adds. */
		for (uint32_t i = 0; i < SAMPLES; i++)
			counters_at(test_ctl.tables.counters, 0, i)->rx_packets += 100;
		take_picture(&before);
		memcpy(kept, test_region.header, size);
		take_after(step, &after);
		for (uint32_t i = 0; i < SAMPLES; i++)
			if (!is_there(step - 1, i))
				assert_int_equal(after.rx_packets[i], 0);
		memcpy(test_region.header, kept, size);
		for (int points = 1; doomed_ctl(step, points); points++) {
			next_ctl();
			take_picture(&now);
			if (memcmp(&now, &before, sizeof(now)) == 0)
				old++;
			else if (memcmp(&now, &after, sizeof(now)) == 0)
				new ++;
			else
				fail_msg("step %d, dead at point %d: neither before nor after",
					 step, points);
			memcpy(test_region.header, kept, size);
		}
		next_ctl();
		take_picture(&now);
		assert_memory_equal(&now, &after, sizeof(now));
	}
	free(kept);
	assert_true(old > 80 && new > 50);
	printf("died %d times before the decision, %d after\n", old, new);
}
#else
static void
killed_at_any_point_a_batch_is_whole_or_nothing(void **state)
{
	(void)state;
	skip();
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(killed_at_any_point_a_batch_is_whole_or_nothing),
	};

	return cmocka_run_group_tests(tests, router_open, router_close);
}

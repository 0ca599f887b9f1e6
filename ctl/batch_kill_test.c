/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ctl that is killed inside a batch at every point there is: what the next one finds is what was
 * before, or all that was asked for. The doomed ctl is a child process with the same region. Only a
 * build with -DFAULT_POINTS has the points.
 */
#include "ctl/batch_test.h"

#include <signal.h>
#include <sys/wait.h>

#include "common/bridge.h"
#include "common/counters.h"
#include "common/fault_point.h"
#include "common/nexthop.h"
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

enum { OBJECTS = 4 };

/* What there is of each kind. -1: absent. */
struct picture {
	int64_t vif[OBJECTS], nexthop[OBJECTS], bridge[OBJECTS], route[OBJECTS];
	uint64_t rx_packets[OBJECTS];
};

static void
take_picture(struct picture *p)
{
	const struct tables *t = &test_ctl.tables;

	memset(p, 0, sizeof(*p));
	for (uint32_t i = 0; i < OBJECTS; i++) {
		const struct vif *v = vif_lookup(t->vifs, i);
		const struct nexthop *nh = nexthop_lookup(t->nexthops, i);
		struct bridge_key key = {.vrf = 1, .mac = {2, 0, (uint8_t)i}};
		struct vif_counters sum;
		uint64_t to;

		p->vif[i] = v != NULL ? v->mtu : -1;
		p->nexthop[i] = nh != NULL ? (int64_t)nh->encap.vif : -1;
		p->bridge[i] = bridge_lookup(t->bridge, &key, &to) == 0
				   ? (int64_t)bridge_value_nexthop(to)
				   : -1;
		p->route[i] = route_leads_to(i);
		tables_count_vif(t, i, &sum);
		p->rx_packets[i] = v != NULL ? sum.rx_packets : 0;
	}
}

/* Number 'step' of a row of batches that add, replace and remove some of each kind. */
static void
put_together(int step)
{
	for (uint32_t i = 0; i < OBJECTS; i++) {
		bool add = (step + (int)i) % 3 != 0;
		bool there = step > 0 && (step - 1 + (int)i) % 3 != 0;

		if (add) {
			vif(VROUTER__OP__ADD, i, NULL);
			q.vif[q.n - 1].mtu = 1000 + (uint32_t)step;
			nexthop(VROUTER__OP__ADD, i, (uint32_t)step % 40);
			bridge(VROUTER__OP__ADD, i, (uint32_t)step);
			route(VROUTER__OP__ADD, i, (uint32_t)step);
		} else if (there) {
			vif(VROUTER__OP__DEL, i, NULL);
			nexthop(VROUTER__OP__DEL, i, 0);
			bridge(VROUTER__OP__DEL, i, 0);
			route(VROUTER__OP__DEL, i, 0);
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

static void
assert_made(const struct picture *p, int step)
{
	for (uint32_t i = 0; i < OBJECTS; i++) {
		bool there = (step + (int)i) % 3 != 0;

		assert_int_equal(p->vif[i], there ? 1000 + step : -1);
		assert_int_equal(p->nexthop[i], there ? step % 40 : -1);
		assert_int_equal(p->bridge[i], there ? step : -1);
		assert_int_equal(p->route[i], there ? step : -1);
	}
}

/*
 * The region is put back after each death, so that every point of every batch is died at, those
 * after the decision too.
 */
static void
killed_at_any_point_a_batch_is_whole_or_nothing(void **state)
{
	size_t size = test_region.header->size;
	struct picture before, now;
	int old = 0, new = 0;
	void *kept = malloc(size);

	(void)state;
	assert_non_null(kept);
	for (int step = 0; step < 5; step++) {
		/* What was counted before is not the count of a vif that the batch adds. */
		for (uint32_t i = 0; i < OBJECTS; i++)
			counters_at(test_ctl.tables.counters, 0, i)->rx_packets += 100;
		take_picture(&before);
		memcpy(kept, test_region.header, size);
		for (int points = 1; doomed_ctl(step, points); points++) {
			next_ctl();
			take_picture(&now);
			if (memcmp(&now, &before, sizeof(now)) == 0) {
				old++;
			} else {
				new ++;
				assert_made(&now, step);
			}
			memcpy(test_region.header, kept, size);
		}
		next_ctl();
		take_picture(&now);
		assert_made(&now, step);
		for (uint32_t i = 0; i < OBJECTS; i++)
			if (before.vif[i] == -1)
				assert_int_equal(now.rx_packets[i], 0);
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

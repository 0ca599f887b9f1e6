/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kills slots that make flows, and the vr-ctl that removes them, at random (and, with
 * FLAVOUR=fault, at every injected point), repairs as the primary does, and looks for what they
 * left half made. All are forks on one shared table.
 *
 * FLOW_KILLS=N sets the number of kills.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_cycles.h>

#include "common/fault_point.h"
#include "common/flow.h"
#include "common/flow_audit.h"
#include "common/grace.h"

enum { SLOTS = 3, CTL = SLOTS, CHILDREN, PAIRS = 512, FLOWS = 600, ROUND_KILLS = 10 };

static struct flow_table *table;
static struct rte_rcu_qsbr *readers;
static uint64_t *made, *removed, *wrong; /* shared */

static uint32_t dice_state;

static uint32_t
dice(uint32_t sides)
{
	dice_state = dice_state * 1103515245 + 12345;
	return (dice_state >> 16) % sides;
}

/* Of odd flows IPv6. */
static struct flow_key
key_of(uint32_t i, bool reverse)
{
	struct flow_key k = {.source_port_be = (uint16_t)i,
			     .destination_port_be = (uint16_t)i,
			     .nexthop_protocol = 5 << 8 | 17};

	if (i % 2 != 0) {
		k.source[15] = reverse ? 2 : 1;
		k.destination[15] = reverse ? 1 : 2;
		return k;
	}
	flow_key_set_ipv4(reverse ? k.destination : k.source, &(uint32_t){1});
	flow_key_set_ipv4(reverse ? k.source : k.destination, &(uint32_t){2});
	return k;
}

/* --- the children ----------------------------------------------------------------------------- */

static void
burst(uint32_t me)
{
	struct flow_query q = {.n = 0};
	struct flow_entry *found[16];
	struct flow_key keys[16];
	uint32_t flow[16];
	bool reverse = dice(2) == 0;

	for (int k = 0; k < 16; k++) {
		flow[k] = dice(FLOWS);
		keys[k] = key_of(flow[k], reverse);
		flow_query_add(table, &q, &keys[k]);
	}
	flow_lookup_burst(table, &q, found);
	for (int k = 0; k < 16; k++) {
		struct flow_new n = {.key = {keys[k], key_of(flow[k], !reverse)}};
		uint32_t entry = found[k] != NULL ? flow_number(table, found[k]) : FLOW_NONE;
		struct flow_key key;

		if (entry == FLOW_NONE && flow_insert(table, me, &n, rte_rdtsc(), &entry) == 0)
			__atomic_fetch_add(made, 1, __ATOMIC_RELAXED);
		if (entry == FLOW_NONE)
			continue;
		key = flow_key_of(table, entry);
		if (!flow_key_equal(&key, &keys[k]))
			__atomic_fetch_add(wrong, 1, __ATOMIC_RELAXED);
	}
}

static void
slot_child(uint32_t me)
{
	grace_online(readers, me);
	for (;;) {
		burst(me);
		grace_quiescent(readers, me);
	}
}

static void
ctl_child(void)
{
	struct grace *g = grace_create(readers, 64);
	struct flow_writer *w = flow_writer_create(table, g);
	uint32_t at = 0;

	for (;;) {
		uint32_t p = dice(PAIRS);

		if (flow_retire(w, p, flow_state_load(flow_entry(table, 2 * p)).generation) == 0)
			__atomic_fetch_add(removed, 1, __ATOMIC_RELAXED);
		flow_recover(w, at, 8);
		at = (at + 8) % PAIRS;
		flow_writer_poll(w);
	}
}

static pid_t
start(uint32_t me)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dice_state = (uint32_t)getpid() * 2654435761u + (uint32_t)rte_rdtsc();
#ifdef FAULT_POINTS
	setenv("VR_FAULT", "*:100", 1);
	fault_point_arm();
#endif
	if (me == CTL)
		ctl_child();
	else
		slot_child(me);
	_exit(1);
}

/* --- the primary's part, and the tester's ----------------------------------------------------- */

static uint32_t
kills_wanted(void)
{
	const char *n = getenv("FLOW_KILLS");

#ifdef FAULT_POINTS
	enum { USUAL = 100 }; /* each waits until a point is picked that is on its way */
#else
	enum { USUAL = 300 };
#endif

	return n != NULL ? (uint32_t)strtoul(n, NULL, 10) : USUAL;
}

static void
repair(uint32_t who)
{
	if (who == CTL)
		return;
	flow_repair(table, who);
	flow_repair(table, who); /* it may be done again */
	grace_reap(readers, who);
}

/* Kills one, or waits until one has died by itself. */
static uint32_t
one_dies(const pid_t *pids)
{
	uint32_t victim = dice(CHILDREN);
#ifdef FAULT_POINTS
	pid_t dead = waitpid(-1, NULL, 0);

	for (victim = 0; victim < CHILDREN && pids[victim] != dead;)
		victim++;
	assert_true(victim < CHILDREN);
#else
	struct timespec t = {.tv_nsec = 100000 + (long)(rte_rdtsc() % 2000000)};

	nanosleep(&t, NULL);
	kill(pids[victim], SIGKILL);
	assert_int_equal(waitpid(pids[victim], NULL, 0), pids[victim]);
#endif
	return victim;
}

static void
check_nothing_half_made(void)
{
	struct flow_writer *w = flow_writer_create(table, NULL);
	struct flow_audit a;

	flow_recover(w, 0, PAIRS);
	flow_writer_poll(w);
	flow_audit(table, &a);
	assert_int_equal(a.half, 0);
	assert_int_equal(a.hidden, 0);
	assert_int_equal(a.strays, 0);
	assert_int_equal(a.lost, 0);
	assert_int_equal(a.twice, 0);
	assert_int_equal(flow_used(table), a.active);
	flow_writer_destroy(w);
}

static void
killed_slots_and_controls_leave_nothing_half_made(void **state)
{
	uint32_t kills = kills_wanted();
	pid_t pids[CHILDREN];

	(void)state;
	dice_state = (uint32_t)getpid();
	for (uint32_t k = 0; k < kills; k += ROUND_KILLS) {
		for (uint32_t i = 0; i < CHILDREN; i++)
			pids[i] = start(i);
		for (uint32_t i = 0; i < ROUND_KILLS; i++) {
			uint32_t victim = one_dies(pids);

			repair(victim);
			pids[victim] = start(victim);
		}
		for (uint32_t i = 0; i < CHILDREN; i++) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
		for (uint32_t i = 0; i < CHILDREN; i++)
			repair(i);
		check_nothing_half_made();
	}
	assert_int_equal(*wrong, 0);
	assert_true(*made > 0);
	assert_true(*removed > 0);
	printf("%u kills, %lu pairs made, %lu removed\n", kills, (unsigned long)*made,
	       (unsigned long)*removed);
}

static void *
shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static int
setup(void **state)
{
	(void)state;
	table = shared(flow_table_size(2 * PAIRS));
	flow_table_init(table, 2 * PAIRS, 1);
	readers = shared(grace_size());
	grace_init(readers);
	made = shared(4096);
	removed = made + 1;
	wrong = made + 2;
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(killed_slots_and_controls_leave_nothing_half_made),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

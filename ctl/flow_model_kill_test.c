/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table against a book that says of each flow whether it is there, over millions of random
 * operations: slots make flows, race for them, find them and own them, vr-ctl deletes them and ages
 * them, and all are killed, at random, and with FLAVOUR=fault at injected points. They are forks on
 * one shared table, as the router's processes are.
 *
 * Who is about to make or remove a flow says so in its note before, and what has come of it after.
 * So a lookup between two looks at a note that says the same has one right answer. When somebody
 * has died, its flows must be there or not, with both directions, and nothing else.
 *
 * MODEL_OPS=N sets the number of operations, lookups not counted.
 */
#include "ctl/ageing.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/conf.h"
#include "common/flow.h"
#include "common/flow_audit.h"
#include "common/grace.h"
#include "common/test_kills.h"
#include "ctl/ctl.h"

enum { SLOTS = 3, CTL = SLOTS, CHILDREN, PAIRS = 960, FLOWS = 600, ROUND_DEATHS = 20, BURST = 16 };
enum { AGEING_STEPS = PAIRS / 64 }; /* once over the table, as slices are no smaller */

enum state {
	ABSENT,
	MAKING, /* by 'makers' */
	THERE,  /* 'makers' make it in vain */
	IDLING, /* the one of 'makers' makes it so */
	IDLE,   /* ageing removes it */
	GOING,  /* vr-ctl deletes it */
};

/* Of a flow. Only from ABSENT does it become MAKING, and only in THERE is it counted upon. */
union note {
	uint64_t word;
	struct {
		uint64_t state : 3; /* enum state */
		uint64_t makers : SLOTS;
		uint64_t contested : 1; /* more than one wanted to make it */
		uint64_t won : 1;       /* one of them did; the rest says what */
		uint64_t reversed : 1;  /* its first packet was of the other direction */
		uint64_t pair : 10;
		uint64_t generation : 24;
		uint64_t turn : 21; /* how often it was ABSENT */
	};
};
_Static_assert(sizeof(union note) == 8, "note: one store");

/* Shared. */
static struct {
	uint64_t note[FLOWS];
	uint64_t owner[FLOWS]; /* of the second direction: turn + 1 << 8 | slot + 1 */
	uint64_t lookups, made, in_vain, deleted, aged, owned;
} * book;

static struct flow_table *table;
static struct rte_rcu_qsbr *readers;
static struct conf conf;
static struct ctl ctl;
static uint32_t idle_ticks; /* of flow_clock() */

static union note
note_of(uint32_t i)
{
	return (union note){.word = __atomic_load_n(&book->note[i], __ATOMIC_SEQ_CST)};
}

/* Whether it was still 'old'. */
static bool
note_change(uint32_t i, union note old, union note new)
{
	return __atomic_compare_exchange_n(&book->note[i], &old.word, new.word, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static union note
absent_after(union note n)
{
	return (union note){.state = ABSENT, .turn = n.turn + 1};
}

static void
count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static void
complain(uint32_t i, const char *what)
{
	union note n = note_of(i);

	fprintf(stderr,
		"flow %u: %s; its note: state %u makers %x contested %u won %u reversed %u pair %u "
		"generation %u turn %u\n",
		i, what, (uint32_t)n.state, (uint32_t)n.makers, (uint32_t)n.contested,
		(uint32_t)n.won, (uint32_t)n.reversed, (uint32_t)n.pair, (uint32_t)n.generation,
		(uint32_t)n.turn);
	_exit(1);
}

/* --- flows ------------------------------------------------------------------------------------ */

static uint8_t
protocol_of(uint32_t i)
{
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP, IPPROTO_SCTP};

	return protocols[i % 3];
}

/* Of odd flows IPv6. */
static struct flow_key
key_of(uint32_t i, bool reverse)
{
	uint32_t from = reverse ? 2 : 1;
	struct flow_key k = {.source_port_be = (uint16_t)i,
			     .destination_port_be = (uint16_t)i,
			     .nexthop_protocol = (4 + from) << 8 | protocol_of(i)};

	if (i % 2 != 0) {
		k.source[15] = (uint8_t)from;
		k.destination[15] = (uint8_t)(3 - from);
		return k;
	}
	flow_key_set_ipv4(k.source, &(uint32_t){from});
	flow_key_set_ipv4(k.destination, &(uint32_t){3 - from});
	return k;
}

static struct flow_new
pair_of(uint32_t i, bool reverse)
{
	uint16_t from = reverse ? 2 : 1;

	return (struct flow_new){
	    .key = {key_of(i, reverse), key_of(i, !reverse)},
	    .action = {{.verdict = FLOW_FORWARD, .revision = i}, {.verdict = FLOW_UNDECIDED}},
	    .vif = {from, (uint16_t)(3 - from)},
	    .clock = flow_clock(rte_rdtsc()),
	    .created_s = 1000 + i,
	};
}

static uint32_t
find(uint32_t i, bool reverse)
{
	struct flow_key k = key_of(i, reverse);

	return flow_lookup(table, &k);
}

static uint32_t
entry_noted(union note n, bool reverse)
{
	return 2 * (uint32_t)n.pair + (reverse != n.reversed);
}

/* --- slots: finding and owning ---------------------------------------------------------------- */

/* Whoever is told that a direction is a slot's is told the same as others, as long as it lives. */
static void
check_owner(uint32_t i, union note n, uint32_t owner)
{
	uint64_t tag = n.turn + 1, now = tag << 8 | (owner + 1);
	uint64_t seen = __atomic_load_n(&book->owner[i], __ATOMIC_SEQ_CST);

	if (seen >> 8 == tag && seen != now)
		complain(i, "its second direction has two owners");
	__atomic_store_n(&book->owner[i], now, __ATOMIC_SEQ_CST);
	count(&book->owned);
}

/* What is found as long as the flow is there. */
static void
check_entry(uint32_t me, uint32_t i, bool reverse, union note n, uint32_t entry,
	    union flow_state_word s)
{
	struct flow_entry *e = flow_entry(table, entry);
	bool second = reverse != n.reversed;

	if (entry != entry_noted(n, reverse))
		complain(i, "it is not found where it is");
	if (s.state != FLOW_ACTIVE || s.generation != n.generation || s.created_s != 1000 + i)
		complain(i, "its entry has become another's");
	if (flow_seen_load(e).vif != (reverse ? 2 : 1))
		complain(i, "it came in elsewhere");
	if (flow_action_load(e).verdict != (second ? FLOW_UNDECIDED : FLOW_FORWARD))
		complain(i, "it has another verdict");
	if (!second && flow_seen_load(e).owner != s.slot + 1)
		complain(i, "who made it does not own it");
	if (second)
		check_owner(i, n, flow_own(e, me));
}

static void
check_found(uint32_t me, uint32_t i, bool reverse, union note before, uint32_t entry)
{
	struct flow_key key = key_of(i, reverse);
	union flow_state_word s = {0};
	union note after;

	if (entry != FLOW_NONE) {
		struct flow_key is = flow_key_of(table, entry);

		s = flow_state_load(flow_entry(table, entry));
		if (!flow_key_equal(&is, &key))
			complain(i, "another flow was found");
	}
	after = note_of(i);
	if (after.state != before.state || after.turn != before.turn)
		return;
	if (after.state == ABSENT && entry != FLOW_NONE)
		complain(i, "it is found, but not there");
	if (after.state == THERE && entry == FLOW_NONE)
		complain(i, "it is there, but not found");
	if (after.state == THERE)
		check_entry(me, i, reverse, before, entry, s);
}

static void
look(uint32_t me)
{
	struct flow_query q = {.n = 0};
	struct flow_entry *found[BURST];
	uint32_t flow[BURST];
	bool reverse[BURST];
	union note before[BURST];

	for (int k = 0; k < BURST; k++) {
		struct flow_key key;

		flow[k] = any(FLOWS);
		reverse[k] = any(2) == 0;
		before[k] = note_of(flow[k]);
		key = key_of(flow[k], reverse[k]);
		flow_query_add(table, &q, &key);
	}
	flow_lookup_burst(table, &q, found);
	for (int k = 0; k < BURST; k++)
		check_found(me, flow[k], reverse[k], before[k],
			    found[k] != NULL ? flow_number(table, found[k]) : FLOW_NONE);
	__atomic_fetch_add(&book->lookups, BURST, __ATOMIC_RELAXED);
}

/* --- slots: making ---------------------------------------------------------------------------- */

/* What the note becomes when one of the makers is through. */
static union note
note_made(uint32_t i, union note n, uint32_t me, bool reverse, int rc, uint32_t entry)
{
	n.makers &= ~(1u << me);
	if (rc == 0) {
		if (n.won)
			complain(i, "it was made twice");
		n.won = 1;
		n.reversed = reverse;
		n.pair = entry / 2;
		n.generation = flow_state_load(flow_entry(table, entry)).generation;
		n.state = THERE;
	} else if (rc == -EEXIST && !n.won && !n.contested) {
		complain(i, "it was refused, and nobody was in the way");
	} else if (rc != -EEXIST && rc != -ENOSPC) {
		complain(i, "it was refused without a reason");
	}
	return n.makers == 0 && !n.won ? absent_after(n) : n;
}

static void
make(uint32_t me)
{
	uint32_t i = any(FLOWS), entry;
	bool reverse = any(2) == 0;
	struct flow_new new = pair_of(i, reverse);
	union note before = note_of(i), now = before;
	int rc;

	if (before.state != ABSENT && before.state != MAKING && before.state != THERE)
		return;
	if (before.state == ABSENT)
		now.state = MAKING;
	else
		now.contested = 1;
	now.makers |= 1u << me;
	if (!note_change(i, before, now))
		return;
	rc = flow_insert(table, me, &new, rte_rdtsc(), &entry);
	if (before.won && rc == -EEXIST && entry != entry_noted(before, reverse))
		complain(i, "who makes it again is told another entry");
	do
		before = note_of(i);
	while (!note_change(i, before, note_made(i, before, me, reverse, rc, entry)));
	if (rc == -ENOSPC) /* what was removed waits for all slots to move on */
		test_sleep_us(20);
	else
		count(rc == 0 ? &book->made : &book->in_vain);
}

/* --- slots: no more packets ------------------------------------------------------------------- */

/* As an owner would, though others may just become it. */
static void
seen_change(struct flow_entry *e, uint32_t clock, uint8_t tcp)
{
	union flow_seen seen = flow_seen_load(e), now;

	do {
		now = seen;
		now.clock = clock;
		now.tcp |= tcp;
	} while (!__atomic_compare_exchange_n(&e->seen, &seen.word, now.word, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
}

/*
 * One direction's clock says that it is idle, or both do. Of a UDP flow that is not long enough, of
 * a TCP one only when it has been reset, and never if the other direction has packets.
 */
static void
make_idle(uint32_t me)
{
	uint32_t i = any(FLOWS), old = flow_clock(rte_rdtsc()) - idle_ticks;
	union note before = note_of(i), now = before;
	bool enough = protocol_of(i) != IPPROTO_UDP && any(4) == 0;
	struct flow_entry *e = flow_entry(table, 2 * (uint32_t)before.pair);

	if (before.state != THERE || before.makers != 0)
		return;
	now.state = IDLING;
	now.makers = 1u << me;
	if (enough && !note_change(i, before, now))
		return;
	seen_change(&e[0], old, 0);
	if (!enough && protocol_of(i) == IPPROTO_SCTP)
		return;
	seen_change(&e[1], old, 0);
	if (!enough)
		return;
	seen_change(&e[1], old, FLOW_TCP_RST);
	before = now;
	now.state = IDLE;
	now.makers = 0;
	if (!note_change(i, before, now))
		complain(i, "somebody else had a hand in it");
}

static void
slot_child(uint32_t me)
{
	grace_online(readers, me);
	for (;;) {
		uint32_t what = any(8);

		if (what < 2)
			look(me);
		else if (what < 7)
			make(me);
		else
			make_idle(me);
		grace_quiescent(readers, me);
	}
}

/* --- vr-ctl ----------------------------------------------------------------------------------- */

static void
check_gone(uint32_t i, const char *otherwise)
{
	if (find(i, false) != FLOW_NONE || find(i, true) != FLOW_NONE)
		complain(i, otherwise);
}

static void
gone(uint32_t i, union note before)
{
	if (!note_change(i, before, absent_after(before)))
		complain(i, "somebody else had a hand in it");
}

/* Somebody has died when it was to go: it has gone, or is there. */
static void
finish_going(uint32_t i, union note n)
{
	uint32_t entry = find(i, false);

	if (entry != FLOW_NONE &&
	    (entry / 2 != n.pair ||
	     flow_retire(ctl.tables.flow_writer, entry / 2, (uint32_t)n.generation) != 0))
		complain(i, "it can't be deleted once more");
	check_gone(i, "it is half deleted");
	gone(i, n);
}

static void
remove_flow(uint32_t i)
{
	union note before = note_of(i), now = before;
	uint32_t pair = (uint32_t)before.pair, generation = (uint32_t)before.generation;

	if (before.state == GOING) {
		finish_going(i, before);
		return;
	}
	now.state = GOING;
	if (before.state != THERE || before.makers != 0 || !note_change(i, before, now))
		return;
	if (flow_retire(ctl.tables.flow_writer, pair, generation + 1) != -ESTALE ||
	    flow_retire(ctl.tables.flow_writer, pair, generation) != 0)
		complain(i, "it can't be deleted");
	check_gone(i, "it is found, but deleted");
	gone(i, now);
	count(&book->deleted);
}

/* Removes what was idle before, and nothing that is not: that would not be found any more. */
static void
age(void)
{
	static union note before[FLOWS];

	for (uint32_t i = 0; i < FLOWS; i++)
		before[i] = note_of(i);
	for (uint32_t i = 0; i < AGEING_STEPS; i++)
		ageing_step(ctl.ageing);
	for (uint32_t i = 0; i < FLOWS; i++) {
		union note now = note_of(i);

		if (now.state != IDLE)
			continue;
		if (now.word == before[i].word)
			check_gone(i, "it is idle, and still there");
		if (find(i, false) != FLOW_NONE || find(i, true) != FLOW_NONE)
			continue;
		gone(i, now);
		count(&book->aged);
	}
}

static void
ctl_child(void)
{
	struct grace *g = grace_create(readers, 64);

	ctl.tables.flow_writer = flow_writer_create(table, g);
	for (uint32_t at = 0; at < PAIRS; at += 8)
		flow_recover(ctl.tables.flow_writer, at, 8);
	for (uint32_t i = 0; i < FLOWS; i++)
		if (note_of(i).state == GOING)
			remove_flow(i);
	for (;;) {
		if (any(200) == 0)
			age();
		remove_flow(any(FLOWS));
		flow_writer_poll(ctl.tables.flow_writer);
	}
}

/* --- the primary's part, and the tester's ----------------------------------------------------- */

/* What the note becomes now that this slot is dead and repaired. */
static union note
note_resolved(uint32_t i, union note n, uint32_t slot)
{
	uint32_t entry = find(i, false);

	n.makers &= ~(1u << slot);
	if (n.state == IDLING) {
		n.state = GOING;
		return n;
	}
	if (n.won)
		return n;
	if (entry != FLOW_NONE && flow_state_load(flow_entry(table, entry)).slot == slot) {
		assert_int_equal(find(i, true), entry ^ 1);
		n.won = 1;
		n.reversed = entry & 1;
		n.pair = entry / 2;
		n.generation = flow_state_load(flow_entry(table, entry)).generation;
		n.state = THERE;
	} else if (n.makers == 0) {
		assert_int_equal(entry, FLOW_NONE);
		assert_int_equal(find(i, true), FLOW_NONE);
		n = absent_after(n);
	}
	return n;
}

static void
repair(uint32_t slot)
{
	if (slot == CTL)
		return;
	flow_repair(table, slot);
	flow_repair(table, slot); /* it may be done again */
	grace_reap(readers, slot);
	for (uint32_t i = 0; i < FLOWS; i++) {
		union note n = note_of(i);

		while ((n.makers >> slot & 1) != 0 && !note_change(i, n, note_resolved(i, n, slot)))
			n = note_of(i);
	}
}

/* Nobody works on the table. */
static void
check_book(void)
{
	struct flow_writer *w = flow_writer_create(table, NULL);
	struct flow_audit a;
	uint32_t there = 0;

	flow_recover(w, 0, PAIRS);
	flow_writer_poll(w);
	flow_audit(table, &a);
	assert_int_equal(a.half + a.hidden + a.strays + a.lost + a.twice, 0);
	for (uint32_t i = 0; i < FLOWS; i++) {
		union note n = note_of(i);
		uint32_t entry = find(i, false);

		assert_int_equal(n.makers, 0);
		assert_int_not_equal(n.state, MAKING);
		assert_int_equal(find(i, true), entry != FLOW_NONE ? entry ^ 1 : FLOW_NONE);
		if (n.state == THERE)
			assert_int_equal(entry, entry_noted(n, false));
		if (n.state == ABSENT)
			assert_int_equal(entry, FLOW_NONE);
		there += entry != FLOW_NONE;
	}
	assert_int_equal(a.active, there);
	assert_int_equal(flow_used(table), there);
	flow_writer_destroy(w);
}

static pid_t
start(uint32_t me)
{
	pid_t pid = test_fork();

	if (pid != 0)
		return pid;
	test_arm("*:100");
	if (me == CTL)
		ctl_child();
	else
		slot_child(me);
	_exit(1);
}

static void
play_round(void)
{
	pid_t pids[CHILDREN];

	for (uint32_t i = 0; i < CHILDREN; i++)
		pids[i] = start(i);
	for (uint32_t i = 0; i < ROUND_DEATHS; i++) {
		uint32_t victim = test_one_dies(pids, CHILDREN, 20000);

		repair(victim);
		pids[victim] = start(victim);
	}
	for (uint32_t i = 0; i < CHILDREN; i++)
		test_kill(pids[i]);
	for (uint32_t i = 0; i < CHILDREN; i++)
		repair(i);
	check_book();
}

static uint64_t
operations(void)
{
	return book->made + book->in_vain + book->deleted + book->aged;
}

static void
flows_are_found_made_owned_and_removed_as_the_book_says(void **state)
{
	uint64_t wanted = test_number("MODEL_OPS", 1000000, 2000000);
	uint32_t deaths = 0;

	(void)state;
	for (; operations() < wanted; deaths += ROUND_DEATHS)
		play_round();
	assert_true(book->made > 0);
	assert_true(book->deleted > 0);
	assert_true(book->aged > 0);
	assert_true(book->owned > 0);
	printf("%lu operations, %lu lookups, %u deaths; %lu made, %lu deleted, %lu aged\n",
	       (unsigned long)operations(), (unsigned long)book->lookups, deaths,
	       (unsigned long)book->made, (unsigned long)book->deleted, (unsigned long)book->aged);
}

/* Flows that say so have been idle for 700 s. */
static int
setup(void **state)
{
	(void)state;
	any_anew();
	table = test_shared(flow_table_size(2 * PAIRS));
	flow_table_init(table, 2 * PAIRS, 1);
	readers = test_shared(grace_size());
	grace_init(readers);
	book = test_shared(sizeof(*book));
	conf_defaults(&conf);
	conf.flow_age_tcp = conf.flow_age_tcp_opening = conf.flow_age_udp = 1000;
	conf.flow_age_tcp_closed = conf.flow_age_other = 400;
	ctl.conf = &conf;
	ctl.tables.flows = table;
	ctl.ageing = ageing_create(&ctl);
	test_sleep_us(150000); /* until it knows the clock's rate */
	idle_ticks = flow_clock(700 * ageing_tsc_hz(ctl.ageing));
	return idle_ticks > 0 ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	ageing_destroy(ctl.ageing);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(flows_are_found_made_owned_and_removed_as_the_book_says),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a watcher is told. The primary is this test, which changes processes, slots and ports as the
 * primary does; a watcher is a few variables.
 */
#include "ctl/ctl_test.h"

#include <event2/event.h>

#include "common/process.h"
#include "ctl/events.h"
#include "ctl/rates.h"

struct test_watcher {
	struct watcher watcher;
	bool full;
	uint32_t n;
	Vrouter__Response *told[256];
};
static struct test_watcher watcher, other;

static bool
take(struct watcher *w, const Vrouter__Response *r)
{
	struct test_watcher *t = (struct test_watcher *)w;
	uint8_t *packed;
	size_t size;

	if (t->full)
		return false;
	size = vrouter__response__get_packed_size(r);
	packed = malloc(size + 1);
	assert_non_null(packed);
	vrouter__response__pack(r, packed);
	assert_true(t->n < 256);
	t->told[t->n] = vrouter__response__unpack(NULL, size, packed);
	assert_non_null(t->told[t->n++]);
	free(packed);
	return true;
}

static void
forget(struct test_watcher *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		vrouter__response__free_unpacked(t->told[i], NULL);
	t->n = 0;
}

static void
leave(struct test_watcher *t)
{
	events_unwatch(test_ctl.events, &t->watcher, NULL);
	forget(t);
	memset(t, 0, sizeof(*t));
	t->watcher.take = take;
}

static int
test_open(void **state)
{
	if (router_open(state) != 0)
		return -1;
	test_ctl.base = event_base_new();
	test_ctl.rates = rates_create(&test_ctl);
	test_ctl.events = events_create(&test_ctl);
	watcher.watcher.take = other.watcher.take = take;
	return test_ctl.rates != NULL && test_ctl.events != NULL ? 0 : -1;
}

static int
test_close(void **state)
{
	events_destroy(test_ctl.events);
	rates_destroy(test_ctl.rates);
	event_base_free(test_ctl.base);
	return router_close(state);
}

/* Each test begins with nobody watching. */
static int
nobody(void **state)
{
	(void)state;
	leave(&watcher);
	leave(&other);
	return 0;
}

static void
watch(struct test_watcher *t, const char *kind, uint64_t id)
{
	assert_int_equal(events_watch(test_ctl.events, &t->watcher, object_by_name(kind), id), 0);
}

/* What was told since the last time, as a person reads it, is this. */
static void
assert_told(struct test_watcher *t, uint32_t n, const char *const *texts)
{
	for (uint32_t i = 0; i < n && i < t->n; i++)
		assert_string_equal(t->told[i]->event->text, texts[i]);
	assert_int_equal(t->n, n);
}
#define ASSERT_TOLD(t, ...)                                                             \
	do {                                                                            \
		const char *const texts_[] = {__VA_ARGS__};                             \
		assert_told(t, (uint32_t)(sizeof(texts_) / sizeof(texts_[0])), texts_); \
		forget(t);                                                              \
	} while (0)

static struct process *
worker(void)
{
	return &test_ctl.tables.processes->p[3];
}

static void
begins(uint32_t pid, uint32_t restarts)
{
	struct process *p = worker();

	p->role = ROLE_FWD;
	p->slots = 3;
	p->key = (uint64_t)(100 + restarts) << 32 | pid;
	p->pid = (int32_t)pid;
	p->restarts = restarts;
	p->ready_ms = 0;
	p->state = PROCESS_WELCOMED;
}

static void
is_ready(void)
{
	worker()->ready_ms = 5000;
	worker()->state = PROCESS_READY;
}

static void
dies(uint64_t ms, int sig)
{
	worker()->died_ms = ms;
	worker()->death_signal = sig;
	worker()->death_recovered_us = 0;
	worker()->state = PROCESS_DEAD;
}

static void
look(void)
{
	events_look(test_ctl.events);
}

/* --- tests --- */

static void
a_process_starts_dies_and_comes_back(void **state)
{
	(void)state;
	memset(worker(), 0, sizeof(*worker()));
	watch(&watcher, "process", 5);
	begins(1000, 0);
	look();
	ASSERT_TOLD(&watcher, "process fwd 10,11 started");
	is_ready();
	look();
	ASSERT_TOLD(&watcher, "process fwd 10,11 is ready");
	look();
	assert_int_equal(watcher.n, 0);
	dies(7000, 9);
	look();
	assert_int_equal(watcher.told[0]->id, 5);
	assert_int_equal(watcher.told[0]->event->what, VROUTER__EVENT__WHAT__DIED);
	assert_int_equal(watcher.told[0]->event->sequence, 3);
	assert_int_equal(watcher.told[0]->object->process->pid, 1000);
	assert_string_equal(watcher.told[0]->object->process->death->why,
			    "killed by signal 9 (Killed)");
	ASSERT_TOLD(&watcher, "process fwd 10,11 died: killed by signal 9 (Killed)");
	begins(1001, 1);
	is_ready();
	worker()->death_recovered_us = 12300;
	look();
	ASSERT_TOLD(&watcher, "process fwd 10,11 started", "process fwd 10,11 is ready",
		    "process fwd 10,11 works again: after 12.3 ms");
}

static void
what_happened_between_two_looks_is_told_by_the_counters(void **state)
{
	(void)state;
	memset(worker(), 0, sizeof(*worker()));
	begins(1000, 0);
	is_ready();
	watch(&watcher, "process", 5);
	/* It dies, its successor too, and a third one works. */
	dies(7000, 9);
	begins(1001, 1);
	dies(7001, 11);
	begins(1002, 2);
	is_ready();
	look();
	ASSERT_TOLD(&watcher, "process fwd 10,11 died: another followed too soon to tell why",
		    "process fwd 10,11 started",
		    "process fwd 10,11 died: killed by signal 11 (Segmentation fault)",
		    "process fwd 10,11 started", "process fwd 10,11 is ready");
}

static void
an_entry_that_is_just_being_written_is_left_for_the_next_look(void **state)
{
	(void)state;
	memset(worker(), 0, sizeof(*worker()));
	begins(1000, 0);
	is_ready();
	watch(&watcher, "process", 5);
	worker()->died_ms = 8000;
	look();
	assert_int_equal(watcher.n, 0);
	worker()->state = PROCESS_DEAD;
	worker()->death_signal = 9;
	look();
	ASSERT_TOLD(&watcher, "process fwd 10,11 died: killed by signal 9 (Killed)");
	worker()->key++;
	worker()->restarts++;
	look();
	assert_int_equal(watcher.n, 0);
	worker()->ready_ms = 0;
	worker()->state = PROCESS_WELCOMED;
	look();
	ASSERT_TOLD(&watcher, "process fwd 10,11 started");
}

static void
slots_are_repaired_handed_over_and_hang(void **state)
{
	struct slot *slot = &test_ctl.tables.slots->s[0];

	(void)state;
	memset(worker(), 0, sizeof(*worker()));
	begins(1000, 0);
	slot->owner = 1000;
	watch(&watcher, "slot", 6);
	slot->owner = 1001;
	look();
	ASSERT_TOLD(&watcher, "slot 10 was handed over: process 1001");
	slot->owner = 0;
	slot->generation++;
	slot->owner = 1002;
	look();
	ASSERT_TOLD(&watcher, "slot 10 has no process", "slot 10 was repaired",
		    "slot 10 is animated: process 1002");
	slot->generation += 2;
	look();
	ASSERT_TOLD(&watcher, "slot 10 was repaired", "slot 10 was repaired");
	worker()->death_hung = 1;
	dies(9000, 9);
	look();
	ASSERT_TOLD(&watcher, "slot 10 hung", "slot 11 hung");
	slot->owner = 0;
	look();
	ASSERT_TOLD(&watcher, "slot 10 has no process");
}

static void
ports_come_and_go_and_have_links(void **state)
{
	struct port *p = test_ctl.tables.ports->p;
	int32_t at;

	(void)state;
	watch(&watcher, "port", 7);
	at = make_port("red", PORT_TAP, "", 1);
	look();
	ASSERT_TOLD(&watcher, "port red was added");
	p[at].link_up = 1;
	look();
	assert_true(watcher.told[0]->object->port->link_up);
	ASSERT_TOLD(&watcher, "port red has a link");
	p[at].link_up = 0;
	look();
	ASSERT_TOLD(&watcher, "port red has no link");
	/* Another one has taken its place since. */
	strcpy(p[at].name, "blue");
	look();
	assert_string_equal(watcher.told[0]->object->port->name, "red");
	ASSERT_TOLD(&watcher, "port red was removed", "port blue was added");
	p[at].state = PORT_REMOVING;
	look();
	ASSERT_TOLD(&watcher, "port blue was removed");
	p[at].state = PORT_FREE;
	look();
	assert_int_equal(watcher.n, 0);
}

static Vrouter__Vif
plain_vif(uint32_t id)
{
	Vrouter__Vif m = VROUTER__VIF__INIT;

	m.has_id_case = VROUTER__VIF__HAS_ID_ID;
	m.id = id;
	m.type = VROUTER__VIF__TYPE__VIRTUAL;
	return m;
}

/* Without a look: vr-ctl itself changes them. */
static void
each_change_of_a_vif_is_told(void **state)
{
	Vrouter__Reset everything = VROUTER__RESET__INIT;
	Vrouter__Vif m = plain_vif(4);

	(void)state;
	watch(&watcher, "vif", 8);
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	m.vrf = 2;
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	assert_int_equal(watcher.told[1]->object->vif->vrf, 2);
	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
	ASSERT_TOLD(&watcher, "vif 4 was added", "vif 4 was changed", "vif 4 was removed");
	m.vrf = 99;
	ask(VROUTER__OP__ADD, "vif", &m);
	assert_int_equal(watcher.n, 0);
	m.vrf = 0;
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	everything.tables = true;
	assert_ok(ask(VROUTER__OP__SET, "reset", &everything));
	ASSERT_TOLD(&watcher, "vif 4 was added", "vif 4 was removed");
}

static Vrouter__Bridge
entry(uint32_t n, uint8_t mac[6])
{
	Vrouter__Bridge m = VROUTER__BRIDGE__INIT;

	memset(mac, 2, 6);
	mac[4] = (uint8_t)(n >> 8);
	mac[5] = (uint8_t)n;
	m.has_vrf_case = VROUTER__BRIDGE__HAS_VRF_VRF;
	m.vrf = 1;
	m.mac.data = mac;
	m.mac.len = 6;
	m.has_nexthop_case = VROUTER__BRIDGE__HAS_NEXTHOP_NEXTHOP;
	return m;
}

static void
a_table_is_full_once_until_a_sixteenth_is_free(void **state)
{
	uint32_t n, used;
	Vrouter__Bridge m;
	uint8_t mac[6];

	(void)state;
	watch(&watcher, "table", 9);
	for (n = 0; n < 10000; n++) {
		m = entry(n, mac);
		if (ask(VROUTER__OP__ADD, "bridge", &m)->code != VROUTER__RESULT__CODE__OK)
			break;
	}
	assert_in_range(n, 1000, 9999);
	used = n;
	ask(VROUTER__OP__ADD, "bridge", &m);
	look();
	assert_int_equal(watcher.n, 1);
	assert_int_equal(watcher.told[0]->event->what, VROUTER__EVENT__WHAT__FULL);
	assert_string_equal(watcher.told[0]->object->table->name, "bridge");
	assert_int_equal(watcher.told[0]->object->table->used, used);
	forget(&watcher);
	m = entry(0, mac);
	assert_ok(ask(VROUTER__OP__DEL, "bridge", &m));
	look();
	assert_int_equal(watcher.n, 0);
	for (n = 1; n <= used / 16; n++) {
		m = entry(n, mac);
		assert_ok(ask(VROUTER__OP__DEL, "bridge", &m));
	}
	look();
	assert_int_equal(watcher.n, 1);
	assert_int_equal(watcher.told[0]->event->what, VROUTER__EVENT__WHAT__ROOM);
	look();
	assert_int_equal(watcher.n, 1);
}

/* Nor is a table full that a batch is too large for. */
static void
a_batch_that_does_not_fit_fills_no_table(void **state)
{
	(void)state;
	watch(&watcher, "table", 9);
	events_full(test_ctl.events, "nexthop", false);
	assert_int_equal(watcher.n, 0);
	events_full(test_ctl.events, "nexthop", true);
	assert_int_equal(watcher.n, 1);
}

static void
who_has_no_room_is_told_how_many_it_missed(void **state)
{
	Vrouter__Vif m = plain_vif(4);

	(void)state;
	watch(&watcher, "vif", 8);
	watch(&other, "vif", 9);
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	watcher.full = true;
	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	events_room(&watcher.watcher);
	watcher.full = false;
	/* Until it was told, it gets nothing, so that nothing seems to come before what it missed.
	 */
	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
	ASSERT_TOLD(&watcher, "vif 4 was added");
	events_room(&watcher.watcher);
	events_room(&watcher.watcher);
	assert_int_equal(watcher.told[0]->event->what, VROUTER__EVENT__WHAT__MISSED);
	assert_int_equal(watcher.told[0]->event->missed, 3);
	assert_int_equal(watcher.told[0]->event->sequence, 4);
	ASSERT_TOLD(&watcher, "3 events were missed");
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	assert_int_equal(watcher.told[0]->event->sequence, 5);
	ASSERT_TOLD(&watcher, "vif 4 was added");
	assert_int_equal(other.told[4]->id, 9);
	ASSERT_TOLD(&other, "vif 4 was added", "vif 4 was removed", "vif 4 was added",
		    "vif 4 was removed", "vif 4 was added");
	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
}

static void
only_what_was_asked_for_is_told(void **state)
{
	Vrouter__Vif m = plain_vif(4);

	(void)state;
	watch(&watcher, "vif", 8);
	watch(&watcher, "slot", 9);
	watch(&other, "process", 1);
	assert_true(events_watched(test_ctl.events, object_by_name("vif")));
	events_unwatch(test_ctl.events, &watcher.watcher, object_by_name("vif"));
	assert_false(events_watched(test_ctl.events, object_by_name("vif")));
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	test_ctl.tables.slots->s[1].generation++;
	look();
	ASSERT_TOLD(&watcher, "slot 11 was repaired");
	assert_int_equal(other.n, 0);
	leave(&watcher);
	leave(&other);
	assert_false(events_watched(test_ctl.events, NULL));
	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
}

static void
watching_is_asked_for_as_anything_is(void **state)
{
	Vrouter__Bridge bridge = VROUTER__BRIDGE__INIT;
	Vrouter__Vif m = VROUTER__VIF__INIT;

	(void)state;
	assert_refused(ask(VROUTER__OP__WATCH, "bridge", &bridge),
		       VROUTER__RESULT__CODE__UNSUPPORTED, "op", "no operation WATCH for bridge");
	assert_refused(ask(VROUTER__OP__WATCH, "vif", &m), VROUTER__RESULT__CODE__UNSUPPORTED, "op",
		       "cannot be watched from here");
}

/* Each line of events.def is about a kind that can be described. */
static void
what_is_declared_can_be_watched(void **state)
{
	static const char *const kinds[] = {
#define EVENT(kind, WHAT, text) #kind,
#include "ctl/events.def"
#undef EVENT
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		assert_non_null(object_by_name(kinds[i]));
		assert_true(object_can(object_by_name(kinds[i]), VROUTER__OP__WATCH));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(a_process_starts_dies_and_comes_back, nobody),
	    cmocka_unit_test_setup(what_happened_between_two_looks_is_told_by_the_counters, nobody),
	    cmocka_unit_test_setup(an_entry_that_is_just_being_written_is_left_for_the_next_look,
				   nobody),
	    cmocka_unit_test_setup(slots_are_repaired_handed_over_and_hang, nobody),
	    cmocka_unit_test_setup(ports_come_and_go_and_have_links, nobody),
	    cmocka_unit_test_setup(each_change_of_a_vif_is_told, nobody),
	    cmocka_unit_test_setup(a_table_is_full_once_until_a_sixteenth_is_free, nobody),
	    cmocka_unit_test_setup(a_batch_that_does_not_fit_fills_no_table, nobody),
	    cmocka_unit_test_setup(who_has_no_room_is_told_how_many_it_missed, nobody),
	    cmocka_unit_test_setup(only_what_was_asked_for_is_told, nobody),
	    cmocka_unit_test_setup(watching_is_asked_for_as_anything_is, nobody),
	    cmocka_unit_test_setup(what_is_declared_can_be_watched, nobody),
	};

	return cmocka_run_group_tests(tests, test_open, test_close);
}

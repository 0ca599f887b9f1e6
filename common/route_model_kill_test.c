/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The route table against a slow model (route_model.h), over millions of random changes, while
 * readers look and writers are killed: at random, and with FLAVOUR=fault at injected points. All
 * are forks on one shared table, as the router's processes are.
 *
 * The parent writes a script of changes, in batches, which everybody knows. The writer says how far
 * it is; a reader and the parent then know which changes may have been seen. What is found for an
 * address must be a route that was there at some moment of this window, and no shorter one than the
 * longest that was there all the time. The next writer must find exactly what was before, or after,
 * the batch that the last one died in.
 *
 * MODEL_OPS=N sets the number of changes.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/grace.h"
#include "common/limits.h"
#include "common/redo.h"
#include "common/route.h"
#include "common/route_model.h"
#include "common/test_kills.h"

enum {
	VRFS = 4,
	ROUTES = 1000, /* at once */
	SCRIPT = 20000,
	BATCH = 12,
	STORES = 64,
	WAVE = 4000, /* changes, until a growing table shrinks, or the other way round */
	READERS = 2,
	OPS_A_DEATH = 2000, /* twice as many as on average */
};

struct change {
	struct route_key k;
	uint64_t value; /* 0: deletes */
	bool ends_batch;
};

/* How far the writer is; counts of changes. Shared. */
struct progress {
	uint64_t begun;    /* readers may see these */
	uint64_t decided;  /* the next writer finds these */
	uint64_t followed; /* readers see these */
	uint32_t adopted;  /* the writer waits for the parent to have looked */
	uint32_t stop;     /* to the readers */
	uint64_t lookups[READERS];
	char complaint[256];
};

static struct progress *progress;
static struct rte_rcu_qsbr *readers;
static struct route_table *table;
static struct redo *redo_log;
static void *base; /* of the log and the table, as in the region */
static size_t size;

static struct change script[SCRIPT];
/* What there is after so many changes of the script; everybody has their own. */
static struct route_model model;
static uint64_t model_at;

static uint64_t
load(const uint64_t *count)
{
	return __atomic_load_n(count, __ATOMIC_SEQ_CST);
}

static void
store(uint64_t *count, uint64_t value)
{
	__atomic_store_n(count, value, __ATOMIC_SEQ_CST);
}

static void
model_go_to(uint64_t at)
{
	for (; model_at < at; model_at++)
		route_model_set(&model, &script[model_at].k, script[model_at].value);
}

/* --- the script ------------------------------------------------------------------------------- */

static uint32_t
bits_of(const struct route_key *k)
{
	return k->family == ROUTE_INET ? 32 : 128;
}

/* As in a router that has the Internet's routes and hosts of its own. */
static uint8_t
usual_length(uint32_t family)
{
	static const uint8_t inet[] = {24, 24, 24, 24, 24, 23, 22, 22, 21, 20, 19, 16, 8, 32, 32};
	static const uint8_t inet6[] = {48, 48, 48, 48, 32, 32, 44, 40, 36, 29, 56, 64, 64, 128};

	if (any(8) == 0)
		return (uint8_t)any(family == ROUTE_INET ? 33 : 129);
	return family == ROUTE_INET ? inet[any(sizeof(inet))] : inet6[any(sizeof(inet6))];
}

static void
change_bits_behind(struct route_key *k, uint32_t bit)
{
	for (uint32_t i = bit; i < bits_of(k); i++)
		k->address[i / 8] ^= (uint8_t)(any(2) << (7 - i % 8));
}

static struct route_key
fresh_prefix(void)
{
	static const uint8_t first[2][4] = {{10, 100, 172, 203}, {0x20, 0x24, 0x2a, 0xfd}};
	struct route_key k = {.vrf = any(2) == 0 ? 0 : any(VRFS),
			      .family = (uint8_t)any(ROUTE_FAMILIES)};

	change_bits_behind(&k, 0);
	k.address[0] = first[k.family][any(4)];
	if (any(2) == 0)
		k.address[1] = (uint8_t)any(4);
	k.length = usual_length(k.family);
	return k;
}

/* A new one; or a longer, a shorter or a neighbouring one, the default, or a host of one there. */
static struct route_key
any_prefix(const struct route_model *m)
{
	struct route_key k;
	uint32_t bit;

	if (m->n == 0 || any(3) == 0)
		return fresh_prefix();
	k = m->k[any(m->n)];
	switch (any(8)) {
	case 0:
		k.length = 0;
		break;
	case 1:
		change_bits_behind(&k, k.length);
		k.length = (uint8_t)bits_of(&k);
		break;
	case 2:
	case 3:
	case 4:
		bit = k.length;
		k.length = usual_length(k.family);
		change_bits_behind(&k, bit < k.length ? bit : k.length);
		break;
	default:
		if (k.length == 0)
			break;
		bit = k.length - 1u - any(k.length < 5 ? k.length : 5);
		k.address[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
	}
	return k;
}

/* Many routes share a value; others have one of their own, by which they are known. */
static uint64_t
any_value(void)
{
	static uint32_t own = 100;

	return any(2) == 0 ? route_value(any(8), 0, 0) : route_value(own++, 17, 0);
}

/* For the routes that there are after the last script. */
static void
write_script(void)
{
	static struct route_model m;

	m = model;
	for (uint32_t i = 0; i < SCRIPT; i++) {
		bool grow = i / WAVE % 2 == 0 && m.n < ROUTES;
		struct change *c = &script[i];
		bool there = m.n > 0 && any(4) == 0;

		*c = (struct change){.ends_batch = any(BATCH) == 0 || i + 1 == SCRIPT};
		if (i / (WAVE / 4) % 2 == 0) /* readers may be most exact about one at a time */
			c->ends_batch = true;
		if (any(4) == 0)
			grow = !grow && m.n < ROUTES;
		if (grow) {
			c->k = there ? m.k[any(m.n)] : any_prefix(&m);
			c->value = any_value();
		} else {
			c->k = m.n > 0 ? m.k[any(m.n)] : fresh_prefix();
		}
		route_model_set(&m, &c->k, c->value);
	}
}

static uint64_t
end_of_batch(uint64_t at)
{
	uint64_t end = at + 1;

	while (!script[end - 1].ends_batch)
		end++;
	return end - at <= BATCH ? end : at + BATCH;
}

/* --- what may be found ------------------------------------------------------------------------ */

static bool
is_deleted_in(uint64_t end, const struct route_key *k)
{
	for (uint64_t i = model_at; i < end; i++)
		if (script[i].value == 0 && route_model_same(&script[i].k, k))
			return true;
	return false;
}

/*
 * Whether 'value' may be found for an address between the moment of 'model' and the script's 'end'.
 * What stays all the time hides all shorter ones.
 */
static bool
may_be_found(uint64_t end, const struct route_key *address, uint64_t value)
{
	int stays = -1;

	for (uint32_t i = 0; i < model.n; i++)
		if (model.k[i].length > stays && route_model_covers(&model.k[i], address) &&
		    !is_deleted_in(end, &model.k[i]))
			stays = model.k[i].length;
	if (value == 0)
		return stays < 0;
	for (uint32_t i = 0; i < model.n; i++)
		if (model.value[i] == value && model.k[i].length >= stays &&
		    route_model_covers(&model.k[i], address))
			return true;
	for (uint64_t i = model_at; i < end; i++)
		if (script[i].value == value && script[i].k.length >= stays &&
		    route_model_covers(&script[i].k, address))
			return true;
	return false;
}

/* At an edge of the prefix, or in it. */
static struct route_key
address_at(const struct route_key *prefix)
{
	struct route_key a = *prefix;
	uint32_t fill = any(3), bits = bits_of(&a);

	for (uint32_t i = a.length; i < bits; i++) {
		uint32_t bit = fill < 2 ? fill : any(2);

		a.address[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
		a.address[i / 8] |= (uint8_t)(bit << (7 - i % 8));
	}
	if (any(4) == 0 && a.length > 0) /* just beside it */
		a.address[(a.length - 1) / 8] ^= (uint8_t)(0x80 >> (a.length - 1) % 8);
	return a;
}

static void
lookup(const struct route_key *a, uint32_t n, uint64_t *value)
{
	uint32_t vrf[BURST_MAX], inet[BURST_MAX];
	const void *inet6[BURST_MAX];

	for (uint32_t i = 0; i < n; i++) {
		vrf[i] = a[i].vrf;
		memcpy(&inet[i], a[i].address, sizeof(inet[i]));
		inet6[i] = a[i].address;
	}
	if (a[0].family == ROUTE_INET)
		route_lookup_inet(table, vrf, inet, n, value);
	else
		route_lookup_inet6(table, vrf, inet6, n, value);
}

/* Says it for all to see; false. */
static bool
complain(const char *who, const struct route_key *a, uint64_t value, uint64_t end)
{
	char *to = progress->complaint;
	size_t room = sizeof(progress->complaint);
	int n = snprintf(to, room, "%s, changes %lu to %lu, VRF %u, address ", who,
			 (unsigned long)model_at, (unsigned long)end, a->vrf);

	for (uint32_t i = 0; i < bits_of(a) / 8; i++)
		n += snprintf(to + n, room - (size_t)n, "%02x", a->address[i]);
	snprintf(to + n, room - (size_t)n, ": found %lx, not %lx", (unsigned long)value,
		 (unsigned long)route_model_lookup(&model, a));
	return false;
}

/* --- readers ---------------------------------------------------------------------------------- */

/* Addresses of one family, and mostly of one VRF; near routes, and near those about to change. */
static uint32_t
any_burst(struct route_key *a)
{
	uint32_t n = 1 + any(BURST_MAX), family = any(ROUTE_FAMILIES), got = 0;
	uint32_t vrf = any(VRFS);
	bool one_vrf = any(4) != 0;

	for (uint32_t tries = 0; got < n && tries < 8 * BURST_MAX; tries++) {
		uint64_t soon = model_at + any(64);
		const struct route_key *k = &script[soon < SCRIPT ? soon : SCRIPT - 1].k;

		if (model.n > 0 && any(2) == 0)
			k = &model.k[any(model.n)];
		if (k->family != family)
			continue;
		a[got] = address_at(k);
		if (one_vrf)
			a[got].vrf = vrf;
		got++;
	}
	return got;
}

static bool
look(void)
{
	struct route_key a[BURST_MAX];
	uint64_t value[BURST_MAX], end;
	uint32_t n;

	model_go_to(load(&progress->followed));
	n = any_burst(a);
	if (n == 0)
		return true;
	lookup(a, n, value);
	end = load(&progress->begun);
	for (uint32_t i = 0; i < n; i++)
		if (!may_be_found(end, &a[i], value[i]))
			return complain("a reader", &a[i], value[i], end);
	return true;
}

static void
reader_child(uint32_t me)
{
	bool right = true;

	grace_online(readers, me);
	while (right && __atomic_load_n(&progress->stop, __ATOMIC_RELAXED) == 0) {
		right = look();
		progress->lookups[me]++;
		grace_quiescent(readers, me);
	}
	grace_offline(readers, me);
	_exit(right ? 0 : 1);
}

/* --- the writer ------------------------------------------------------------------------------- */

static struct {
	struct grace *grace;
	struct redo_writer *redo;
	struct route_writer *w;
} writer;

static void
give_up(const char *what, int rc)
{
	snprintf(progress->complaint, sizeof(progress->complaint), "the writer: %s: %s", what,
		 strerror(-rc));
	_exit(1);
}

static void
follow_all(void)
{
	int rc = -EAGAIN;

	while (rc < 0) {
		rc = route_follow(writer.w, route_changes(writer.w), UINT32_MAX);
		grace_poll(writer.grace);
		if (rc == -ENOBUFS)
			sched_yield();
		else if (rc < 0 && rc != -EAGAIN)
			give_up("following", rc);
	}
}

static void
stage(const struct change *c)
{
	int rc;

	for (;;) {
		rc = c->value != 0 ? route_stage_add(writer.w, writer.redo, &c->k, c->value, 1)
				   : route_stage_del(writer.w, writer.redo, &c->k);
		if (rc == 0 || (rc == -ENOENT && c->value == 0))
			return;
		if (rc != -ENOBUFS)
			give_up("staging", rc);
		route_follow(writer.w, route_changes(writer.w), UINT32_MAX);
		grace_poll(writer.grace);
		sched_yield();
	}
}

static uint64_t
make_batch(uint64_t at)
{
	uint64_t end = end_of_batch(at);

	store(&progress->begun, end);
	for (uint64_t i = at; i < end; i++)
		stage(&script[i]);
	redo_commit(writer.redo);
	store(&progress->decided, end);
	if (any(4) == 0) { /* the tries may follow later, and have others' batches come between */
		route_follow(writer.w, route_changes(writer.w), any(BATCH));
	} else {
		follow_all();
		store(&progress->followed, end);
	}
	grace_poll(writer.grace);
	return end;
}

static void
writer_child(void)
{
	uint64_t at;

	test_arm("*:100");
	redo_roll_forward(redo_log, base, size);
	writer.redo = redo_writer_create(redo_log, base);
	writer.grace = grace_create(readers, 1000);
	writer.w = route_writer_create(table, writer.grace);
	if (writer.redo == NULL || writer.grace == NULL || writer.w == NULL)
		give_up("opening the table", -ENOMEM);
	follow_all();
	__atomic_store_n(&progress->adopted, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&progress->adopted, __ATOMIC_SEQ_CST) != 0)
		sched_yield();
	for (at = load(&progress->decided); at < SCRIPT;)
		at = make_batch(at);
	follow_all();
	store(&progress->followed, SCRIPT);
	_exit(0);
}

/* --- the parent ------------------------------------------------------------------------------- */

/* Of all routes, and of those that were to change; nobody writes. */
static void
check_all_addresses(uint64_t end, const char *when)
{
	for (uint32_t i = 0; i < model.n + BURST_MAX; i++) {
		uint64_t soon = model_at + i - model.n, value;
		struct route_key a;

		if (i >= model.n && soon >= SCRIPT)
			break;
		a = address_at(i < model.n ? &model.k[i] : &script[soon].k);
		lookup(&a, 1, &value);
		if (!may_be_found(end, &a, value)) {
			complain(when, &a, value, end);
			fail_msg("%s", progress->complaint);
		}
	}
}

/* Whether the table has the model's routes, and no other. */
static bool
table_is_model(void)
{
	static struct route_key keys[ROUTE_MODEL_MAX];
	static uint64_t values[ROUTE_MODEL_MAX];
	uint64_t cursor = 0;
	uint32_t n = route_walk(table, &cursor, UINT32_MAX, ROUTE_MODEL_MAX, keys, values, NULL);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = route_model_find(&model, &keys[i]);

		if (at == model.n || model.value[at] != values[i])
			return false;
	}
	return n == model.n && route_used(table, 0) + route_used(table, 1) == n;
}

/* The writer has taken over, and waits. */
static void
check_adopted(uint32_t *old, uint32_t *new)
{
	uint64_t begun = load(&progress->begun), decided = load(&progress->decided);

	model_go_to(decided);
	if (table_is_model()) {
		(*old)++;
	} else {
		model_go_to(begun);
		if (!table_is_model())
			fail_msg("neither what was before changes %lu to %lu nor after",
				 (unsigned long)decided, (unsigned long)begun);
		(*new)++;
	}
	store(&progress->begun, model_at);
	store(&progress->decided, model_at);
	store(&progress->followed, model_at);
	check_all_addresses(model_at, "after a death");
}

static bool
has_ended(pid_t pid, int *status)
{
	pid_t rc = waitpid(pid, status, WNOHANG);

	assert_true(rc == 0 || rc == pid);
	return rc == pid;
}

/* Waits until the writer has taken over, or has made so many changes; whether it has ended. */
static bool
wait_for(pid_t pid, uint64_t decided, int *status)
{
	while (decided != UINT64_MAX ? load(&progress->decided) < decided
				     : __atomic_load_n(&progress->adopted, __ATOMIC_SEQ_CST) == 0) {
		if (has_ended(pid, status))
			return true;
		test_sleep_us(20);
	}
	return false;
}

struct tally {
	uint32_t deaths, old, new;
};

/* One life of a writer; whether it came to the script's end. */
static bool
writer_lives(struct tally *t)
{
	bool doomed = TEST_DIES_BY_ITSELF == 0, ended;
	pid_t pid;
	int status = 0;

	__atomic_store_n(&progress->adopted, 0, __ATOMIC_SEQ_CST);
	pid = test_fork();
	if (pid == 0)
		writer_child();
	if (doomed && any(8) == 0) { /* while it takes over */
		test_sleep_us(any(2000));
		test_kill(pid);
		return false;
	}
	ended = wait_for(pid, UINT64_MAX, &status);
	if (!ended) {
		check_adopted(&t->old, &t->new);
		__atomic_store_n(&progress->adopted, 0, __ATOMIC_SEQ_CST);
		ended =
		    wait_for(pid, doomed ? model_at + any(OPS_A_DEATH) : UINT64_MAX - 1, &status);
	}
	if (!ended) {
		for (uint64_t until = rte_rdtsc() + any(100000); rte_rdtsc() < until;)
			;
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	if (status == 0)
		return true;
	if (WIFEXITED(status))
		fail_msg("%s", progress->complaint);
	test_assert_killed(status);
	return false;
}

static uint64_t
play_script(struct tally *t)
{
	pid_t pids[READERS];
	uint64_t lookups = 0;
	int status;

	write_script();
	model_at = 0;
	memset(progress, 0, sizeof(*progress));
	for (uint32_t i = 0; i < READERS; i++) {
		pids[i] = test_fork();
		if (pids[i] == 0)
			reader_child(i);
	}
	while (!writer_lives(t)) {
		t->deaths++;
		model_go_to(load(&progress->followed));
		check_all_addresses(load(&progress->begun), "with a dead writer");
	}
	__atomic_store_n(&progress->stop, 1, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < READERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		if (status != 0)
			fail_msg("a reader ended with status %x: %s", (unsigned int)status,
				 progress->complaint);
		lookups += progress->lookups[i];
	}
	model_go_to(SCRIPT);
	assert_true(table_is_model());
	check_all_addresses(SCRIPT, "at the end");
	return lookups;
}

static void
readers_and_the_next_writer_find_what_the_model_says(void **state)
{
	uint64_t wanted = test_number("MODEL_OPS", 100000, 60000), ops = 0, bursts = 0;
	struct tally t = {0};

	(void)state;
	for (; ops < wanted; ops += SCRIPT)
		bursts += play_script(&t);
	assert_true(bursts > 0);
	assert_true(t.deaths > 0);
	printf("%lu changes, %lu bursts of lookups, %u deaths; found before %u, after %u\n",
	       (unsigned long)ops, (unsigned long)bursts, t.deaths, t.old, t.new);
}

static int
setup(void **state)
{
	size_t log_size = (redo_size(STORES) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;

	(void)state;
	any_anew();
	size = log_size + route_table_size(VRFS, ROUTE_MODEL_MAX);
	base = test_shared(size);
	redo_log = base;
	table = (struct route_table *)((char *)base + log_size);
	redo_init(redo_log, STORES);
	route_table_init(table, VRFS, ROUTE_MODEL_MAX);
	readers = test_shared(grace_size());
	grace_init(readers);
	progress = test_shared(sizeof(*progress));
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(readers_and_the_next_writer_find_what_the_model_says),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

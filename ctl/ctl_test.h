/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the unit tests of ctl/ share: a small router's tables in a region on an ordinary file, a
 * primary that is a few variables, and a way to make a request and look at its answer without a
 * socket. Included by each test once.
 */
#ifndef CTL_CTL_TEST_H
#define CTL_CTL_TEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/conf.h"
#include "common/grace.h"
#include "common/port.h"
#include "common/region.h"
#include "common/slot.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/object.h"
#include "ctl/primary.h"

/* --- the router --- */

static struct conf test_conf;
static struct region test_region;
static struct ctl test_ctl = {.conf = &test_conf, .revision = 1000};
static char test_dir[] = "/tmp/ctl-test-XXXXXX";

static inline int
router_open(void **state)
{
	struct fault f = {0};
	bool adopted;

	(void)state;
	conf_defaults(&test_conf);
	test_conf.vifs = 50;
	test_conf.nexthops = 10000;
	test_conf.vrfs = 8;
	test_conf.bridge_entries = 1000;
	test_conf.routes = 1000;
	test_conf.flow_entries = 0;
	test_conf.labels = 100;
	test_conf.vnis = 100;
	test_conf.batch_stores = 1024;
	test_conf.region_spare_mb = 1;
	test_conf.n_slots = 2;
	test_conf.slot_ids[0] = 10;
	test_conf.slot_ids[1] = 11;
	test_conf.slot_cores[0] = test_conf.slot_cores[1] = -1;
	test_conf.ports.n = 1;
	strcpy(test_conf.ports.v[0], "uplink=net_null0");
	if (mkdtemp(test_dir) == NULL)
		return -1;
	strcpy(test_conf.hugepage_dir, test_dir);
	strcpy(test_conf.run_dir, test_dir);
	if (region_create(&test_region, &test_conf, &adopted, &f) < 0 ||
	    tables_find(&test_ctl.tables, &test_region, &f) < 0 ||
	    tables_adopt(&test_ctl.tables, &f) < 0) {
		fprintf(stderr, "%s\n", f.text);
		return -1;
	}
	test_ctl.region = &test_region;
	return 0;
}

static int
router_close(void **state)
{
	char command[64];

	(void)state;
	tables_release(&test_ctl.tables);
	region_detach(&test_region);
	snprintf(command, sizeof(command), "rm -r %s", test_dir);
	return system(command);
}

/* --- the primary --- */

static struct {
	bool away;       /* answers nothing */
	int refuses;     /* errno */
	int refuses_add; /* the add of this number, from 1; 0: none */
	int n_adds, n_dels;
	struct port_wish wish; /* of the last add */
	/* the request that waits for fake_primary_works() */
	primary_reply *reply;
	void *arg;
	uint32_t del_port;
	bool moves; /* the request is a move */
	uint32_t move_port;
	uint32_t move_agent;
	char name[NAME_LEN];
	char devargs[256];
} fake_primary;

int
primary_port_add(struct primary *p, const struct port_wish *wish, primary_reply *reply, void *arg)
{
	(void)p;
	if (fake_primary.reply != NULL)
		return -EBUSY;
	fake_primary.n_adds++;
	fake_primary.wish = *wish;
	fake_primary.reply = reply;
	fake_primary.arg = arg;
	snprintf(fake_primary.name, sizeof(fake_primary.name), "%s", wish->name);
	snprintf(fake_primary.devargs, sizeof(fake_primary.devargs), "%s",
		 wish->devargs != NULL ? wish->devargs : "");
	fake_primary.del_port = UINT32_MAX;
	return 0;
}

int
primary_port_del(struct primary *p, uint32_t port, const char *name, primary_reply *reply,
		 void *arg)
{
	(void)p;
	(void)name;
	if (fake_primary.reply != NULL)
		return -EBUSY;
	fake_primary.n_dels++;
	fake_primary.reply = reply;
	fake_primary.arg = arg;
	fake_primary.del_port = port;
	return 0;
}

int
primary_port_move(struct primary *p, uint32_t port, const char *name, uint32_t agent,
		  primary_reply *reply, void *arg)
{
	(void)p;
	(void)name;
	if (fake_primary.reply != NULL)
		return -EBUSY;
	fake_primary.reply = reply;
	fake_primary.arg = arg;
	fake_primary.move_port = port;
	fake_primary.move_agent = agent;
	fake_primary.moves = true;
	return 0;
}

bool
primary_connected(const struct primary *p)
{
	(void)p;
	return !fake_primary.away;
}

static inline int32_t
make_port(const char *name, enum port_kind kind, const char *devargs, uint32_t queues)
{
	struct ports *t = test_ctl.tables.ports;

	for (uint32_t i = 0; i < t->n; i++) {
		if (t->p[i].state != PORT_FREE)
			continue;
		memset(&t->p[i], 0, sizeof(t->p[i]));
		snprintf(t->p[i].name, sizeof(t->p[i].name), "%s", name);
		snprintf(t->p[i].devargs, sizeof(t->p[i].devargs), "%s", devargs);
		t->p[i].kind = kind;
		t->p[i].queues = queues != 0 ? queues : 1;
		t->p[i].state = PORT_ACTIVE;
		return (int32_t)i;
	}
	return -1;
}

/* Does what was asked for, and answers. */
static inline void
fake_primary_works(void)
{
	primary_reply *reply = fake_primary.reply;

	assert_non_null(reply);
	fake_primary.reply = NULL;
	if (fake_primary.refuses != 0) {
		reply(fake_primary.arg, -fake_primary.refuses, "the kernel says no");
		return;
	}
	if (fake_primary.del_port == UINT32_MAX && fake_primary.refuses_add != 0 &&
	    fake_primary.n_adds == fake_primary.refuses_add) {
		reply(fake_primary.arg, -EIO, "the kernel says no");
		return;
	}
	if (fake_primary.moves)
		test_ctl.tables.ports->p[fake_primary.move_port].agent = fake_primary.move_agent;
	else if (fake_primary.del_port != UINT32_MAX)
		test_ctl.tables.ports->p[fake_primary.del_port].state = PORT_FREE;
	else
		make_port(fake_primary.name, fake_primary.wish.kind, fake_primary.devargs,
			  fake_primary.wish.queues);
	fake_primary.moves = false;
	reply(fake_primary.arg, 0, "");
}

/* --- requests --- */

enum { ANSWERS_MAX = 20000 };

/* A caller that keeps what it is told. */
struct test_caller {
	struct caller caller;
	Vrouter__Response *answers[ANSWERS_MAX];
	uint32_t n;
	bool done, wake;
};
static struct test_caller asker;

static void
asker_send(struct caller *c, const Vrouter__Response *answer)
{
	struct test_caller *t = (struct test_caller *)c;
	size_t size = vrouter__response__get_packed_size(answer);
	uint8_t *packed = malloc(size + 1);

	assert_non_null(packed);
	assert_true(t->n < ANSWERS_MAX);
	vrouter__response__pack(answer, packed);
	t->answers[t->n] = vrouter__response__unpack(NULL, size, packed);
	assert_non_null(t->answers[t->n]);
	t->n++;
	free(packed);
}

static void
asker_done(struct caller *c)
{
	((struct test_caller *)c)->done = true;
}

static void
asker_wake(struct caller *c)
{
	((struct test_caller *)c)->wake = true;
}

static inline void
asker_forget(void)
{
	for (uint32_t i = 0; i < asker.n; i++)
		vrouter__response__free_unpacked(asker.answers[i], NULL);
	memset(&asker, 0, sizeof(asker));
	asker.caller.may_read = true;
	asker.caller.may_write = true;
	asker.caller.send = asker_send;
	asker.caller.done = asker_done;
	asker.caller.wake = asker_wake;
}

/* Carries a call on as the server would, until it is done. */
static inline const Vrouter__Result *
drive(struct call *call)
{
	enum call_state state;

	for (;;) {
		state = call_run(call, 64);
		if (state == CALL_DONE)
			break;
		grace_poll(test_ctl.tables.grace);
		if (state != CALL_LATER)
			continue;
		asker.wake = asker.done = false;
		fake_primary_works();
		if (asker.done)
			break;
		assert_true(asker.wake);
	}
	assert_true(asker.n > 0);
	assert_false(asker.answers[asker.n - 1]->more);
	return asker.answers[asker.n - 1]->result;
}

/* Makes a request out of bytes; its final result, which lives until the next. */
static inline const Vrouter__Result *
ask_bytes(const uint8_t *bytes, size_t size)
{
	struct call *call;
	bool may_read = asker.caller.send == NULL || asker.caller.may_read;
	bool may_write = asker.caller.send == NULL || asker.caller.may_write;

	asker_forget();
	asker.caller.may_read = may_read;
	asker.caller.may_write = may_write;
	call = call_create(&test_ctl, &asker.caller, bytes, size);
	if (call == NULL)
		return asker.answers[0]->result;
	return drive(call);
}

static inline const Vrouter__Result *
ask(Vrouter__Op op, const char *kind, void *message)
{
	const struct object_info *info = object_by_name(kind);
	Vrouter__Request request = VROUTER__REQUEST__INIT;
	Vrouter__Object object = VROUTER__OBJECT__INIT;
	const Vrouter__Result *result;
	uint8_t *packed;
	size_t size;

	assert_non_null(info);
	object.kind_case = info->member->id;
	*(void **)((char *)&object + info->member->offset) = message;
	request.id = 7;
	request.op = op;
	request.object = &object;
	size = vrouter__request__get_packed_size(&request);
	packed = malloc(size + 1);
	assert_non_null(packed);
	vrouter__request__pack(&request, packed);
	result = ask_bytes(packed, size);
	assert_int_equal(asker.answers[asker.n - 1]->id, 7);
	free(packed);
	return result;
}

static inline const Vrouter__Object *
answered_object(uint32_t i)
{
	assert_true(i < asker.n);
	assert_non_null(asker.answers[i]->object);
	return asker.answers[i]->object;
}

static inline void
assert_ok(const Vrouter__Result *r)
{
	if (r->code != VROUTER__RESULT__CODE__OK)
		fail_msg("refused: %s", r->text);
}

/* Refused for this reason, at this field, and in words that contain 'words'. */
static inline void
assert_refused(const Vrouter__Result *r, Vrouter__Result__Code code, const char *field,
	       const char *words)
{
	if (r->code != code)
		fail_msg("code %d, not %d: %s", r->code, code, r->text);
	assert_string_equal(r->field, field);
	if (strstr(r->text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", r->text, words);
}

#endif

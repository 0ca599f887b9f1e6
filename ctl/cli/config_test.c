/* SPDX-License-Identifier: BSD-3-Clause */
/* A configuration as text: what is read, what is written, what differs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/cli/config.h"
#include "ctl/cli/contract.h"
#include "ctl/cli/words.h"

/* What is read, the mistakes in 'err', which holds 1024 bytes. */
static int
parse(struct config *c, const char *text, char *err)
{
	FILE *in = fmemopen((char *)(uintptr_t)text, strlen(text) + (*text == '\0'), "r");
	FILE *out = fmemopen(err, 1024, "w");
	int rc;

	*c = (struct config){0};
	*err = '\0';
	rc = config_parse(c, in, "f", out);
	fclose(in);
	fclose(out);
	return rc;
}

static char *
printed(const struct config *c)
{
	static char text[2048];
	FILE *out = fmemopen(text, sizeof(text), "w");

	for (size_t i = 0; i < c->n; i++) {
		config_print(out, &c->list[i]);
		fputc('\n', out);
	}
	fclose(out);
	return text;
}

static void
what_is_written_is_read_again(void **state)
{
	static const char text[] =
	    "vif add id=0 name='a b' type=virtual vrf=1 nexthop=0 tap.name=red-1 tap.slot=10\n"
	    "vif add id=2 name='it'\\''s' type=physical mac=02:00:00:00:00:01 mtu=9000 "
	    "device.name=up device.devargs='net_ring0,x=#1'\n"
	    "vif add id=10 type=virtual vhost.path=/run/a.sock vhost.server=yes\n"
	    "vif add id=11 type=virtual tap.name=\n"
	    "nexthop add id=7 type=encap family=inet vif=2 rewrite=02:00:0a\n"
	    "nexthop add id=100 type=flood vrf=1 members=1,2\n"
	    "bridge add vrf=1 mac=02:00:00:00:00:0a nexthop=7\n"
	    "bridge add vrf=1 mac=ff:ff:ff:ff:ff:ff nexthop=100\n"
	    "bridge add vrf=2 mac=02:00:00:00:00:01 nexthop=0\n";
	struct config c;
	char err[1024];

	(void)state;
	assert_int_equal(parse(&c, text, err), 0);
	assert_string_equal(err, "");
	assert_string_equal(printed(&c), text);
	config_free(&c);
}

static void
lines_are_sorted_and_comments_left_out(void **state)
{
	struct config c;
	char err[1024];

	(void)state;
	assert_int_equal(parse(&c,
			       "# all of it\n"
			       "\n"
			       "bridge  add\tmac=02-00-00-00-00-0b vrf=1 nexthop=10 # why\n"
			       "nexthop add id=10 type=discard\n"
			       "nexthop add 9 type=DISCARD vrf=0\n"
			       "  vif add id=0x1 \"name=a\\\"b\" type=virtual\r\n",
			       err),
			 0);
	assert_string_equal(printed(&c), "vif add id=1 name='a\"b' type=virtual\n"
					 "nexthop add id=9 type=discard\n"
					 "nexthop add id=10 type=discard\n"
					 "bridge add vrf=1 mac=02:00:00:00:00:0b nexthop=10\n");
	assert_int_equal(c.list[0].line, 6);
	config_free(&c);
	assert_int_equal(parse(&c, "", err), 0);
	assert_int_equal(c.n, 0);
	config_free(&c);
}

static void
mistakes_name_their_line(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
	    {"\nvif del id=1\n", "f:2: vif: a configuration says `vif add` only, not \"del\"; "
				 "--replace deletes what it "
				 "does not name\n"},
	    {"vif", "f:1: vif: a configuration says `vif add` only, not \"\"; --replace deletes "
		    "what it does not name\n"},
	    {"slot add id=1\n", "f:1: slot is nothing that can be added\n"},
	    {"nexthop add id=1 vrf=red\n", "f:1: nexthop: vrf: \"red\" is not a number; `vrctl "
					   "help nexthop` shows its fields\n"},
	    {"vif add id=1 tap.slot=x\n", "f:1: vif: tap.slot: \"x\" is not a number; `vrctl help "
					  "vif` shows its fields\n"},
	    {"vif add id=1 tap.colour=x\n", "f:1: vif: there is no field \"tap.colour\"; there are "
					    "name, queues, slot; `vrctl help "
					    "vif` shows its fields\n"},
	    {"vif add name=a\n", "f:1: vif: id is missing; give it as id=...\n"},
	    {"bridge add vrf=1 nexthop=1\n", "f:1: bridge: mac is missing; give it as mac=...\n"},
	    {"vif add id=1 name='a\n", "f:1: a quote has no end\n"},
	    {"nexthop add id=1\nnexthop add id=2\nnexthop add id=0x1\nslot add\n",
	     "f:4: slot is nothing that can be added\n"
	     "f:3: nexthop id=1 is in line 1 already\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config c;
		char err[1024];

		assert_true(parse(&c, cases[i].text, err) > 0);
		assert_string_equal(err, cases[i].said);
		config_free(&c);
	}
}

static void
write_change(void *arg, const struct config_object *have, const struct config_object *want)
{
	config_print_change(arg, have, want);
}

static void
differences_are_those_that_matter(void **state)
{
	static const struct {
		const char *have, *want;
		bool replace;
		const char *said;
	} cases[] = {
	    {"", "", true, ""},
	    {"nexthop add id=1 type=discard", "nexthop add id=1 type=discard", true, ""},
	    {"", "nexthop add id=1 type=discard", true, "+ nexthop add id=1 type=discard\n"},
	    {"nexthop add id=1 type=discard", "", true, "- nexthop add id=1 type=discard\n"},
	    {"nexthop add id=1 type=discard", "", false, ""},
	    {"nexthop add id=1 type=encap vif=0", "nexthop add id=1 type=encap vif=3 vrf=2", false,
	     "~ nexthop id=1: vrf=2 (was 0), vif=3 (was 0)\n"},
	    {"nexthop add id=1 type=flood members=1,2", "nexthop add id=1 type=flood members=1",
	     false, "~ nexthop id=1: members=1 (was 1,2)\n"},
	    {"nexthop add id=1 type=discard\nnexthop add id=3 type=discard",
	     "nexthop add id=2 type=discard\nbridge add vrf=1 mac=020000000001 nexthop=2", true,
	     "- nexthop add id=1 type=discard\n"
	     "+ nexthop add id=2 type=discard\n"
	     "- nexthop add id=3 type=discard\n"
	     "+ bridge add vrf=1 mac=02:00:00:00:00:01 nexthop=2\n"},
	    /* The router says what its defaults were. */
	    {"vif add id=1 name=vif1 type=virtual mac=00:00:5e:00:01:00 mtu=1514 tap.name=vif1 "
	     "tap.queues=1 tap.slot=10",
	     "vif add id=1 type=virtual tap.name=", true, ""},
	    {"vif add id=1 type=virtual mac=02:00:00:00:00:01 mtu=9000 tap.queues=2",
	     "vif add id=1 type=virtual tap.queues=0", true,
	     "~ vif id=1: mac=- (was 02:00:00:00:00:01), mtu=0 (was 9000), tap.queues=0 (was "
	     "2)\n"},
	    /* What has no default is gone when it is not given. */
	    {"vif add id=1 type=virtual vrf=4 nexthop=2 tap.name=a", "vif add id=1 type=virtual",
	     false, "~ vif id=1: vrf=0 (was 4), nexthop=- (was 2), tap.name=- (was a)\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char err[1024], said[1024] = "";
		struct config have, want;
		FILE *out = fmemopen(said, sizeof(said), "w");

		assert_int_equal(parse(&have, cases[i].have, err), 0);
		assert_int_equal(parse(&want, cases[i].want, err), 0);
		config_diff(&have, &want, cases[i].replace, write_change, out);
		fclose(out);
		assert_string_equal(said, cases[i].said);
		config_free(&have);
		config_free(&want);
	}
}

static void
the_contract_tells_keys_and_operations(void **state)
{
	const ProtobufCMessageDescriptor *objects = &vrouter__object__descriptor;
	const ProtobufCFieldDescriptor *keys[CONTRACT_KEYS_MAX];

	(void)state;
	for (unsigned int i = 0; i < objects->n_fields; i++) {
		const ProtobufCMessageDescriptor *d = objects->fields[i].descriptor;

		if (contract_ops(d) == 0)
			fail_msg("the comment of %s names no operation", d->name);
		if (contract_keys(d, keys) == 0)
			fail_msg("the comment of %s names no key that is a field", d->name);
	}
	assert_int_equal(contract_keys(words_kind("bridge")->descriptor, keys), 2);
	assert_string_equal(keys[0]->name, "vrf");
	assert_string_equal(keys[1]->name, "mac");
	assert_int_equal(contract_keys(words_kind("vif")->descriptor, keys), 1);
	assert_string_equal(keys[0]->name, "id");
	assert_int_equal(contract_ops(words_kind("log")->descriptor),
			 1u << VROUTER__OP__GET | 1u << VROUTER__OP__SET | 1u << VROUTER__OP__LIST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_written_is_read_again),
	    cmocka_unit_test(lines_are_sorted_and_comments_left_out),
	    cmocka_unit_test(mistakes_name_their_line),
	    cmocka_unit_test(differences_are_those_that_matter),
	    cmocka_unit_test(the_contract_tells_keys_and_operations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments of vrctl into messages, messages into text and JSON, and tables of texts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/cli/contract.h"
#include "ctl/cli/help.h"
#include "ctl/cli/message.h"
#include "ctl/cli/text_table.h"
#include "proto/vrouter.pb-c.h"

static const ProtobufCMessageDescriptor *
kind(const char *name)
{
	const ProtobufCFieldDescriptor *f =
	    protobuf_c_message_descriptor_get_field_by_name(&vrouter__object__descriptor, name);

	assert_non_null(f);
	return f->descriptor;
}

static char *
json(const ProtobufCMessage *m)
{
	static char text[1024];
	FILE *out = fmemopen(text, sizeof(text), "w");

	message_print_json(out, m);
	fclose(out);
	return text;
}

/* Objects get fields and values in time, at the end of what is listed. */
static void
assert_begins(const char *text, const char *beginning)
{
	if (strncmp(text, beginning, strlen(beginning)) != 0)
		fail_msg("\"%s\" does not begin with \"%s\"", text, beginning);
}

static void
arguments_become_fields(void **state)
{
	static const struct {
		const char *kind;
		const char *arguments[6];
		const char *json;
	} cases[] = {
	    {"nexthop",
	     {"id=7", "type=encap", "vif=3"},
	     "{\"id\": 7, \"type\": \"encap\", \"family\": \"bridge\", \"vrf\": 0, \"vif\": 3, "
	     "\"rewrite\": \"\", \"members\": []"},
	    {"nexthop",
	     {"id=0x10", "type=FLOOD", "members=1,2,3"},
	     "{\"id\": 16, \"type\": \"flood\", \"family\": \"bridge\", \"vrf\": 0, "
	     "\"rewrite\": \"\", \"members\": [1, 2, 3]"},
	    {"nexthop",
	     {"id=0", "rewrite=0a0B0c"},
	     "{\"id\": 0, \"type\": \"-\", \"family\": \"bridge\", \"vrf\": 0, "
	     "\"rewrite\": \"0a:0b:0c\", \"members\": []"},
	    {"bridge",
	     {"vrf=1", "mac=02:00:00:00:00:01", "nexthop=7"},
	     "{\"vrf\": 1, \"mac\": \"02:00:00:00:00:01\", \"nexthop\": 7"},
	    {"bridge", {"mac=02-00-00-00-00-ff"}, "{\"mac\": \"02:00:00:00:00:ff\""},
	    {"bridge", {"mac=10.0.0.1"}, "{\"mac\": \"10.0.0.1\""},
	    {"route",
	     {"vrf=1", "prefix=10.0.0.0/8", "nexthop=12"},
	     "{\"vrf\": 1, \"prefix\": \"10.0.0.0/8\", \"nexthop\": 12"},
	    {"route", {"prefix=192.0.2.1"}, "{\"prefix\": \"192.0.2.1/32\""},
	    {"route", {"prefix=::/0"}, "{\"prefix\": \"::/0\""},
	    {"route", {"prefix=fd00:1::/33"}, "{\"prefix\": \"fd00:1::/33\""},
	    {"log",
	     {"module=a\"b\\\n", "level=debug"},
	     "{\"module\": \"a\\\"b\\\\\\u000a\", \"level\": \"debug\""},
	    {"drop",
	     {"per=slot", "vif=0"},
	     "{\"reason\": \"\", \"packets\": 0, \"text\": \"\", \"vif\": 0, \"per\": \"slot\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ProtobufCMessage *m = message_create(kind(cases[i].kind));
		struct fault f = {0};

		for (size_t j = 0; j < 6 && cases[i].arguments[j] != NULL; j++)
			if (message_assign(m, cases[i].arguments[j], &f) < 0)
				fail_msg("%s: %s", cases[i].arguments[j], f.text);
		assert_begins(json(m), cases[i].json); /* without the last brace */
		protobuf_c_message_free_unpacked(m, NULL);
	}
}

static void
dotted_arguments_become_parts(void **state)
{
	ProtobufCMessage *m = message_create(kind("vif"));
	struct fault f = {0};

	(void)state;
	assert_int_equal(message_assign(m, "tap.name=red-1", &f), 0);
	assert_int_equal(message_assign(m, "tap.slot=11", &f), 0);
	assert_non_null(
	    strstr(json(m), "\"tap\": {\"name\": \"red-1\", \"queues\": 0, \"slot\": 11}"));
	assert_int_equal(message_assign(m, "device.name=uplink", &f), -EINVAL);
	assert_string_equal(f.text, "tap and device exclude each other");
	protobuf_c_message_free_unpacked(m, NULL);
}

static void
wrong_arguments_are_named(void **state)
{
	static const struct {
		const char *kind, *first, *argument, *text;
	} cases[] = {
	    {"route", NULL, "prefix=10.0.0/8",
	     "prefix: \"10.0.0/8\" is no prefix such as 10.0.0.0/8"},
	    {"route", NULL, "prefix=10.0.0.0/",
	     "prefix: \"10.0.0.0/\" is no prefix such as 10.0.0.0/8"},
	    {"route", NULL, "prefix=10.0.0.0/-8",
	     "prefix: \"10.0.0.0/-8\" is no prefix such as 10.0.0.0/8"},
	    {"nexthop", NULL, "vif", "\"vif\" is not of the form field=value"},
	    {"nexthop", NULL, "=3", "\"=3\" is not of the form field=value"},
	    {"nexthop", NULL, "typ=encap",
	     "there is no field \"typ\"; there are id, type, family, vrf, vif, rewrite, members"},
	    {"nexthop", NULL, "type=discord", "type: \"discord\" is none of discard, encap, flood"},
	    {"nexthop", NULL, "type=type-unset",
	     "type: \"type-unset\" is none of discard, encap, flood"},
	    {"nexthop", NULL, "id=-1", "id: \"-1\" is not a number"},
	    {"nexthop", NULL, "id=", "id: \"\" is not a number"},
	    {"nexthop", NULL, "id=7x", "id: \"7x\" is not a number"},
	    {"nexthop", NULL, "id=4294967296", "id: 4294967296 is too large"},
	    {"nexthop", NULL, "id.x=1", "id has no fields of its own"},
	    {"nexthop", "id=1", "id=2", "id is given twice"},
	    {"nexthop", "members=1", "members=2", "members is given twice"},
	    {"nexthop", NULL, "members=1,x", "members: \"x\" is not a number"},
	    {"vif", "name=a", "name=b", "name is given twice"},
	    {"vif", NULL, "tap=red", "tap: one of its fields must be named, as in tap.name=..."},
	    {"vif", NULL, "mac=02:zz",
	     "mac: \"02:zz\" is no address and no row of hexadecimal digits"},
	    {"vif", NULL, "state.link_up=maybe", "state.link_up: \"maybe\" is neither yes nor no"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ProtobufCMessage *m = message_create(kind(cases[i].kind));
		struct fault f = {0};

		if (cases[i].first != NULL)
			assert_int_equal(message_assign(m, cases[i].first, &f), 0);
		assert_true(message_assign(m, cases[i].argument, &f) < 0);
		assert_begins(f.text, cases[i].text);
		protobuf_c_message_free_unpacked(m, NULL);
	}
}

static void
values_are_shown_with_their_units(void **state)
{
	Vrouter__Process__Death death = VROUTER__PROCESS__DEATH__INIT;
	const struct {
		const char *field, *text;
	} cases[] = {
	    {"died_time_ms", "90 s ago"},
	    {"why", "-"},
	    {"repaired_us", "850 us"},
	    {"recovered_us", "23.4 ms"},
	};

	(void)state;
	death.died_time_ms = 1000000;
	death.repaired_us = 850;
	death.recovered_us = 23400;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64] = "";
		FILE *out = fmemopen(text, sizeof(text), "w");

		message_print(out, &death.base,
			      protobuf_c_message_descriptor_get_field_by_name(death.base.descriptor,
									      cases[i].field),
			      1090000);
		fclose(out);
		assert_string_equal(text, cases[i].text);
	}
}

static void
durations_are_short(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} cases[] = {
	    {0, "0 ms"},
	    {999, "999 ms"},
	    {1000, "1 s"},
	    {119999, "119 s"},
	    {120000, "2 min"},
	    {7199000, "119 min"},
	    {7800000, "2 h 10 min"},
	    {172800000, "2 d 0 h"},
	    {356400000, "4 d 3 h"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64] = "";
		FILE *out = fmemopen(text, sizeof(text), "w");

		message_print_duration(out, cases[i].ms);
		fclose(out);
		assert_string_equal(text, cases[i].text);
	}
}

static char *
printed_table(unsigned int width)
{
	static char text[512];
	FILE *out = fmemopen(text, sizeof(text), "w");
	struct text_table *t = text_table_create();

	text_table_column(t, "ID", true);
	text_table_column(t, "NAME", false);
	text_table_column(t, "NONE", false);
	text_table_column(t, "PACKETS", true);
	text_table_cell(t, "7");
	text_table_cell(t, "größer-als-alles");
	text_table_cell(t, "-");
	text_table_cellf(t, "%d", 12345);
	text_table_cell(t, "100");
	text_table_cell(t, "x");
	text_table_cell(t, "-");
	text_table_cell(t, "0");
	text_table_hide_empty(t);
	text_table_print(t, out, width);
	text_table_destroy(t);
	fclose(out);
	return text;
}

static void
a_table_fits_its_terminal(void **state)
{
	(void)state;
	assert_string_equal(printed_table(0), " ID  NAME              PACKETS\n"
					      "  7  größer-als-alles    12345\n"
					      "100  x                       0\n");
	assert_string_equal(printed_table(24), " ID  NAME        PACKETS\n"
					       "  7  größer-al…    12345\n"
					       "100  x                 0\n");
	assert_string_equal(printed_table(15), " ID  NAME\n"
					       "  7  größer-…\n"
					       "100  x\n"
					       "(1 more column found no room; --wide shows all)\n");
}

static void
every_kind_and_field_has_help(void **state)
{
	const ProtobufCMessageDescriptor *objects = &vrouter__object__descriptor;
	FILE *out = fopen("/dev/null", "w");

	(void)state;
	for (unsigned int i = 0; i < objects->n_fields; i++) {
		const ProtobufCMessageDescriptor *d = objects->fields[i].descriptor;

		if (*contract_comment(d->name) == '\0')
			fail_msg("%s has no comment", d->name);
		assert_int_equal(help_object(out, objects->fields[i].name), 0);
	}
	assert_int_equal(help_object(out, "moon"), -ENOENT);
	assert_string_equal(contract_comment("vrouter.Nexthop.Type.ENCAP"),
			    "Leaves through `vif`.");
	assert_string_equal(contract_comment("vrouter.Vif.Tap.queues"), "0: one; at most 16.");
	help_overview(out);
	help_reference(out);
	fclose(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(arguments_become_fields),
	    cmocka_unit_test(dotted_arguments_become_parts),
	    cmocka_unit_test(wrong_arguments_are_named),
	    cmocka_unit_test(values_are_shown_with_their_units),
	    cmocka_unit_test(durations_are_short),
	    cmocka_unit_test(a_table_fits_its_terminal),
	    cmocka_unit_test(every_kind_and_field_has_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

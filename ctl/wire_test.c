/* SPDX-License-Identifier: BSD-3-Clause */
/* Fields in protobuf's wire format, whole and broken. */
#include "ctl/wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
each_field_is_found(void **state)
{
	/* 1: 150; 2: 8 bytes; 4: "ab"; 5: 4 bytes; 4: "" */
	static const uint8_t bytes[] = {0x08, 0x96, 0x01, 0x11, 1,    2, 3, 4, 5, 6,    7, 8,
					0x22, 2,    'a',  'b',  0x2d, 1, 2, 3, 4, 0x22, 0};
	static const struct {
		uint32_t number, type;
		size_t size;
	} fields[] = {{1, 0, 0}, {2, 1, 0}, {4, WIRE_BYTES, 2}, {5, 5, 0}, {4, WIRE_BYTES, 0}};
	struct wire w = {bytes, bytes + sizeof(bytes)};
	struct wire_field f;

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		assert_int_equal(wire_next(&w, &f), 1);
		assert_int_equal(f.number, fields[i].number);
		assert_int_equal(f.type, fields[i].type);
		assert_int_equal(f.size, fields[i].size);
		assert_int_equal(f.bytes != NULL, f.type == WIRE_BYTES);
	}
	assert_int_equal(wire_next(&w, &f), 0);
}

static void
what_is_no_field_is_found_out(void **state)
{
	static const struct {
		uint8_t bytes[12];
		size_t size;
	} broken[] = {
	    {{0x80}, 1},                   /* half a tag */
	    {{0x00, 0x01}, 2},             /* number 0 */
	    {{0x08}, 1},                   /* no value */
	    {{0x08, 0xff}, 2},             /* half a value */
	    {{0x09, 1, 2, 3, 4, 5, 6}, 7}, /* 8 bytes cut short */
	    {{0x0d, 1, 2, 3}, 4},          /* 4 bytes cut short */
	    {{0x0a, 5, 'a'}, 3},           /* 5 bytes cut short */
	    {{0x0b}, 1},                   /* a group */
	    {{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 11},
	    {{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 12},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct wire w = {broken[i].bytes, broken[i].bytes + broken[i].size};
		struct wire_field f;

		assert_int_equal(wire_next(&w, &f), -EBADMSG);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_field_is_found),
	    cmocka_unit_test(what_is_no_field_is_found_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

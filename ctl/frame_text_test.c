/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames in one line, whole, cut anywhere, and made of nonsense. */
#include "ctl/frame_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MACS "020000000002020000000001"

static size_t
bytes_of(const char *hex, uint8_t *out)
{
	size_t n = 0;

	for (; *hex != '\0'; hex += 2) {
		unsigned int byte;

		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		out[n++] = (uint8_t)byte;
	}
	return n;
}

static const struct {
	const char *hex, *text;
} frames[] = {
    {"0200", "no Ethernet header"},
    {MACS "88b5", "02:00:00:00:00:01 > 02:00:00:00:00:02 EtherType 0x88b5"},
    {MACS "0800450000280000000040110000"
	  "0a0000010a000002"
	  "04d20035",
     "02:00:00:00:00:01 > 02:00:00:00:00:02 10.0.0.1.1234 > 10.0.0.2.53 UDP TTL 64"},
    {MACS "0800450000280000000001010000"
	  "0a0000010a000002"
	  "0800",
     "02:00:00:00:00:01 > 02:00:00:00:00:02 10.0.0.1 > 10.0.0.2 ICMP type 8 code 0 TTL 1"},
    {MACS "0800450000280000002040060000"
	  "0a0000010a000002"
	  "04d20035",
     "02:00:00:00:00:01 > 02:00:00:00:00:02 10.0.0.1 > 10.0.0.2 TCP fragment at 256 TTL 64"},
    {MACS "0800460000280000000040060000"
	  "0a0000010a000002"
	  "01010101"
	  "04d20035",
     "02:00:00:00:00:01 > 02:00:00:00:00:02 10.0.0.1.1234 > 10.0.0.2.53 TCP TTL 64"},
    {MACS "0800430000280000000040060000"
	  "0a0000010a000002",
     "02:00:00:00:00:01 > 02:00:00:00:00:02 no IPv4 header"},
    {MACS "08004500", "02:00:00:00:00:01 > 02:00:00:00:00:02 (cut)"},
    {MACS "8100000a86dd6000000000083aff"
	  "fd000000000000000000000000000001"
	  "fd000000000000000000000000000002"
	  "8000",
     "02:00:00:00:00:01 > 02:00:00:00:00:02 VLAN 10 fd00::1 > fd00::2 ICMPv6 type 128 code 0 hop "
     "limit 255"},
    {MACS "08060001080006040001"
	  "0200000000010a000001"
	  "0000000000000a000002",
     "02:00:00:00:00:01 > 02:00:00:00:00:02 ARP asks 10.0.0.1 > 10.0.0.2"},
    {MACS "884700012140", "02:00:00:00:00:01 > 02:00:00:00:00:02 MPLS label 18"},
};

static void
headers_read_as_people_write_them(void **state)
{
	uint8_t bytes[128];
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		frame_text(bytes, bytes_of(frames[i].hex, bytes), text, sizeof(text));
		assert_string_equal(text, frames[i].text);
	}
}

/* The sanitizers look at what is read: the bytes lie at the end of their memory. */
static void
a_frame_may_be_cut_anywhere(void **state)
{
	uint8_t bytes[128];
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		size_t n = bytes_of(frames[i].hex, bytes);

		for (size_t cut = 0; cut <= n; cut++) {
			uint8_t *exact = malloc(cut + 1);

			assert_non_null(exact);
			memcpy(exact + 1, bytes, cut);
			frame_text(exact + 1, cut, text, sizeof(text));
			assert_true(strlen(text) > 0);
			free(exact);
		}
	}
}

static void
a_small_buffer_gets_the_beginning(void **state)
{
	uint8_t bytes[128];
	char text[20] = "", one = 'x';
	size_t n = bytes_of(frames[2].hex, bytes);

	(void)state;
	frame_text(bytes, n, text, sizeof(text));
	assert_string_equal(text, "02:00:00:00:00:01 >");
	frame_text(bytes, n, &one, 1);
	assert_int_equal(one, '\0');
	frame_text(bytes, n, &one, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(headers_read_as_people_write_them),
	    cmocka_unit_test(a_frame_may_be_cut_anywhere),
	    cmocka_unit_test(a_small_buffer_gets_the_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

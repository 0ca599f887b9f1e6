/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring of bytes: records come out as they went in, also when who writes them is killed. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/byte_ring.h"

/* A record: its length, its number, and bytes that follow from them. */
struct head {
	uint32_t length; /* of the bytes behind this */
	uint32_t number;
};
enum { LONGEST = 9000 };

static struct byte_ring *
ring_make(void)
{
	void *p = mmap(NULL, sizeof(struct byte_ring), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static uint32_t
length_of(uint32_t number)
{
	return number * 2654435761u % LONGEST;
}

static void
fill(uint8_t *bytes, uint32_t number)
{
	for (uint32_t i = 0; i < length_of(number); i++)
		bytes[i] = (uint8_t)(number + i * 3);
}

static bool
put(struct byte_ring *r, uint32_t number)
{
	struct head h = {.length = length_of(number), .number = number};
	uint8_t bytes[LONGEST];

	if (!byte_ring_has_room(r, sizeof(h) + h.length))
		return false;
	fill(bytes, number);
	byte_ring_write(r, 0, &h, sizeof(h));
	byte_ring_write(r, sizeof(h), bytes, h.length);
	byte_ring_publish(r, sizeof(h) + h.length);
	return true;
}

/* Whether there was a record, which must be this one. */
static bool
take(struct byte_ring *r, uint32_t number)
{
	uint8_t bytes[LONGEST], wanted[LONGEST];
	struct head h;

	if (byte_ring_filled(r) == 0)
		return false;
	byte_ring_read(r, 0, &h, sizeof(h));
	assert_int_equal(h.number, number);
	assert_int_equal(h.length, length_of(number));
	byte_ring_read(r, sizeof(h), bytes, h.length);
	byte_ring_release(r, sizeof(h) + h.length);
	fill(wanted, number);
	assert_memory_equal(bytes, wanted, h.length);
	return true;
}

static void
records_of_all_lengths_come_out_in_order_round_the_end(void **state)
{
	struct byte_ring *r = ring_make();
	uint32_t in = 0, out = 0;

	(void)state;
	while (out < 1000) {
		while (put(r, in))
			in++;
		assert_true(in > out);
		while (take(r, out))
			out++;
		assert_int_equal(in, out);
	}
	munmap(r, sizeof(*r));
}

static void
a_full_ring_takes_nothing_and_loses_nothing(void **state)
{
	struct byte_ring *r = ring_make();
	uint64_t n = 0;

	(void)state;
	while (byte_ring_has_room(r, 1000)) {
		byte_ring_write(r, 0, &n, sizeof(n));
		byte_ring_publish(r, 1000);
		n++;
	}
	assert_int_equal(n, BYTE_RING_SIZE / 1000);
	assert_int_equal(byte_ring_filled(r), n * 1000);
	byte_ring_release(r, 1000);
	assert_true(byte_ring_has_room(r, 1000));
	munmap(r, sizeof(*r));
}

/* Killed at any moment, the writer leaves whole records; its successor goes on behind them. */
static void
records_are_whole_whenever_their_writer_is_killed(void **state)
{
	struct byte_ring *r = ring_make();
	uint32_t next = 0;

	(void)state;
	srand(1);
	for (int round = 0; round < 100; round++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			for (uint32_t i = next;;)
				i += put(r, i);
		}
		for (int k = rand() % 200; k > 0; k--)
			next += take(r, next);
		usleep((useconds_t)(rand() % 500));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		while (take(r, next))
			next++;
	}
	assert_true(next > 0);
	munmap(r, sizeof(*r));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_of_all_lengths_come_out_in_order_round_the_end),
	    cmocka_unit_test(a_full_ring_takes_nothing_and_loses_nothing),
	    cmocka_unit_test(records_are_whole_whenever_their_writer_is_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

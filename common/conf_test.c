/* SPDX-License-Identifier: BSD-3-Clause */
/* Options: what is accepted, and in which words the rest is refused. */
#include "common/conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct conf conf;
static struct fault fault;
static char path[] = "/tmp/conf_test.XXXXXX";

/* Makes the file 'path' with this text. */
static void
write_file(const char *text)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static int
load(int argc, const char *const *args, struct conf_extra *extra)
{
	char *argv[16] = {(char *)(uintptr_t) "vr-test"};

	for (int i = 0; i < argc; i++)
		argv[i + 1] = (char *)(uintptr_t)args[i];
	memset(&fault, 0, sizeof(fault));
	return conf_load(&conf, argc + 1, argv, "tests", extra, &fault);
}

#define LOAD(extra, ...)                                             \
	load(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
	     (const char *[]){__VA_ARGS__}, extra)

static void
defaults_hold_without_any_option(void **state)
{
	(void)state;
	assert_int_equal(load(0, NULL, NULL), 0);
	assert_int_equal(conf.mbufs, 65536);
	assert_int_equal(conf.region_address, 0x7e9000000000);
	assert_string_equal(conf.run_dir, "/run/vrouter");
	assert_int_equal(conf.poll, POLL_BUSY);
	assert_int_equal(conf.n_slots, 1);
	assert_int_equal(conf.slot_ids[0], 10);
	assert_int_equal(conf.slot_cores[0], -1);
}

static void
wrong_values_are_refused_in_a_sentence(void **state)
{
	static const struct {
		const char *name, *value, *text;
	} cases[] = {
	    {"mbufs", "12", "mbufs = 12: must be 2048 to 16777216 mbufs"},
	    {"mbufs", "many", "mbufs = many: must be a number of mbufs"},
	    {"mbufs", "-1", "mbufs = -1: must be a number of mbufs"},
	    {"mbufs", "", "mbufs = : must be a number of mbufs"},
	    {"mbufs", "64kB", "mbufs = 64kB: must be a number of mbufs"},
	    {"mbufs", "99999999999999999999",
	     "mbufs = 99999999999999999999: must be 2048 to 16777216 mbufs"},
	    {"mbufs", "17179869184G", "mbufs = 17179869184G: must be 2048 to 16777216 mbufs"},
	    {"ring-size", "1000", "ring-size = 1000: must be a power of two"},
	    {"mbuf-size", "2100", "mbuf-size = 2100: must be a multiple of 64 bytes"},
	    {"flow-entries", "11", "flow-entries = 11: must be even, a pair has two entries"},
	    {"region-address", "0x7e9000000001",
	     "region-address = 0x7e9000000001: must be a multiple of 0x200000 (2 MiB)"},
	    {"region-address", "1", "region-address = 1: must be 0x10000000 to 0x7fffffffffff"},
	    {"poll", "lazy", "poll = lazy: must be one of busy|adaptive"},
	    {"poll", "", "poll = : must be one of busy|adaptive"},
	    {"run-dir", "run", "run-dir = run: must be an absolute path"},
	    {"instance", "a/b", "instance = a/b: must be 1 to 31 letters, digits, '_', '-' or '.'"},
	    {"slot", "x",
	     "slot = x: must be NUMBER or NUMBER@CPU, number 0 to 65535, CPU 0 to 1023"},
	    {"slot", "10@",
	     "slot = 10@: must be NUMBER or NUMBER@CPU, number 0 to 65535, CPU 0 to 1023"},
	    {"slot", "10@2000",
	     "slot = 10@2000: must be NUMBER or NUMBER@CPU, number 0 to 65535, CPU 0 to 1023"},
	    {"port", "uplink", "port = uplink: must be NAME=DEVARGS"},
	    {"port", "up=", "port = up=: must be NAME=DEVARGS"},
	    {"port", "up=net_null0,queues=99",
	     "port = up=net_null0,queues=99: queues must be 1 to 16"},
	    {"port", "u p=net_null0",
	     "port = u p: must be 1 to 63 letters, digits, '_', '-' or '.'"},
	    {"moons", "2", "moons: there is no such option"},
	};

	(void)state;
	conf_defaults(&conf);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(conf_set(&conf, cases[i].name, cases[i].value, &fault) < 0);
		assert_string_equal(fault.text, cases[i].text);
	}
}

static void
numbers_may_be_hexadecimal_or_have_a_suffix(void **state)
{
	static const struct {
		const char *value;
		uint64_t want;
	} cases[] = {{"0x10000", 65536}, {"64k", 65536}, {"64K", 65536},
		     {"1M", 1048576},    {"4096", 4096}, {"0010000", 10000}};

	(void)state;
	conf_defaults(&conf);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(conf_set(&conf, "mbufs", cases[i].value, &fault), 0);
		assert_int_equal(conf.mbufs, cases[i].want);
	}
}

static void
the_file_is_read_and_the_command_line_wins(void **state)
{
	(void)state;
	write_file("# a router\n"
		   "\n"
		   "  mbufs = 8192   # few\r\n"
		   "poll=adaptive\n"
		   "slot = 10@0\n"
		   "slot = 11\n"
		   "port = r0=net_ring0\n"
		   "ring-size = 256");
	assert_int_equal(LOAD(NULL, "--config", path, "--ring-size=512"), 0);
	assert_int_equal(conf.mbufs, 8192);
	assert_int_equal(conf.poll, POLL_ADAPTIVE);
	assert_int_equal(conf.ring_size, 512);
	assert_int_equal(conf.n_slots, 2);
	assert_int_equal(conf.slot_cores[0], 0);
	assert_int_equal(conf.slot_ids[1], 11);
	assert_int_equal(conf.slot_cores[1], -1);

	assert_int_equal(LOAD(NULL, "--slot", "20", "--config", path, "--slot", "21@1"), 0);
	assert_int_equal(conf.n_slots, 2);
	assert_int_equal(conf.slot_ids[0], 20);
	assert_int_equal(conf.slot_ids[1], 21);
}

static void
a_refusal_names_file_and_line(void **state)
{
	char want[256];

	(void)state;
	write_file("mbufs = 8192\n\nmbufs = 12\n");
	assert_int_equal(LOAD(NULL, "--config", path), -ERANGE);
	snprintf(want, sizeof(want), "%s:3: mbufs = 12: must be 2048 to 16777216 mbufs", path);
	assert_string_equal(fault.text, want);

	write_file("mbufs\n");
	assert_int_equal(LOAD(NULL, "--config", path), -EINVAL);
	snprintf(want, sizeof(want), "%s:1: mbufs: must be 'name = value'", path);
	assert_string_equal(fault.text, want);

	assert_int_equal(LOAD(NULL, "--config", "/nonexistent/file"), -ENOENT);
	assert_string_equal(fault.text, "/nonexistent/file: No such file or directory");
}

static void
the_command_line_is_refused_in_a_sentence(void **state)
{
	(void)state;
	assert_int_equal(LOAD(NULL, "--mbufs", "12"), -ERANGE);
	assert_string_equal(fault.text, "command line: mbufs = 12: must be 2048 to 16777216 mbufs");
	assert_int_equal(LOAD(NULL, "--mbufs"), -EINVAL);
	assert_string_equal(fault.text, "--mbufs needs a value");
	assert_int_equal(LOAD(NULL, "--moons=2"), -ENOENT);
	assert_string_equal(fault.text, "--moons: there is no such option; see --help");
	assert_int_equal(LOAD(NULL, "mbufs"), -EINVAL);
	assert_string_equal(fault.text, "mbufs: options begin with --; see --help");
	assert_int_equal(LOAD(NULL, "--slot", "10", "--slot", "10@1"), -EEXIST);
	assert_string_equal(fault.text, "slot = 10@1: slot 10 is given twice");
	assert_int_equal(LOAD(NULL, "--port", "a=net_null0", "--port", "a=net_null1"), -EEXIST);
	assert_string_equal(fault.text, "port = a=net_null1: port a is given twice");
}

static void
a_programs_own_options_are_returned(void **state)
{
	struct conf_extra extra[] = {{.name = "spawn", .help = "starts the others"},
				     {.name = "slots", .help = "which", .metavar = "LIST"},
				     {.name = "standby", .help = "waits"},
				     {0}};

	(void)state;
	assert_int_equal(LOAD(extra, "--spawn", "--mbufs=4096", "--slots", "10,11"), 0);
	assert_string_equal(extra[0].value, "1");
	assert_string_equal(extra[1].value, "10,11");
	assert_null(extra[2].value);
	assert_int_equal(conf.mbufs, 4096);
	assert_int_equal(LOAD(extra, "--spawn=yes"), -EINVAL);
	assert_string_equal(fault.text, "--spawn takes no value");
}

static void
a_port_is_taken_apart(void **state)
{
	struct conf_port p;

	(void)state;
	assert_int_equal(conf_port_parse("uplink=0000:03:00.0,queues=4", &p, &fault), 0);
	assert_string_equal(p.name, "uplink");
	assert_string_equal(p.devargs, "0000:03:00.0");
	assert_int_equal(p.queues, 4);
	assert_int_equal(
	    conf_port_parse("v=net_virtio_user0,path=/dev/vhost-net,queues=2,queue_size=256", &p,
			    &fault),
	    0);
	assert_string_equal(p.devargs,
			    "net_virtio_user0,path=/dev/vhost-net,queues=2,queue_size=256");
	assert_int_equal(p.queues, 1);
}

static char *
slurp(FILE *in)
{
	char *text = calloc(1, 1 << 16);

	assert_non_null(in);
	assert_non_null(text);
	assert_in_range(fread(text, 1, (1 << 16) - 1, in), 1, (1 << 16) - 2);
	fclose(in);
	return text;
}

/* To bring it up to date: build/release/bin/vr-primary --config-example >
 * deploy/vrouter.conf.example */
static void
the_example_file_is_up_to_date_and_loads(void **state)
{
	FILE *out = fopen(path, "w");
	char *want, *have;

	(void)state;
	assert_non_null(out);
	conf_example_print(out);
	fclose(out);
	assert_int_equal(LOAD(NULL, "--config", path), 0);
	want = slurp(fopen(path, "r"));
	have = slurp(fopen("deploy/vrouter.conf.example", "r"));
	assert_string_equal(have, want);
	free(want);
	free(have);
}

/* Every default is also accepted when it is written out. */
static void
the_example_file_loads_with_every_line_in_force(void **state)
{
	char *text, *line, *rest;

	(void)state;
	text = slurp(fopen("deploy/vrouter.conf.example", "r"));
	conf_defaults(&conf);
	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		char *equals = strstr(line, " =");

		if (line[0] != '#' || line[1] == ' ' || line[1] == '#' || equals == NULL)
			continue;
		*equals = '\0';
		if (strcmp(line, "#slot") == 0 || strcmp(line, "#port") == 0 ||
		    strcmp(line, "#agent-core") == 0)
			continue;
		if (conf_set(&conf, line + 1, equals[2] == '\0' ? "" : equals + 3, &fault) < 0)
			fail_msg("%s", fault.text);
	}
	free(text);
}

static int
make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int
remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults_hold_without_any_option),
	    cmocka_unit_test(wrong_values_are_refused_in_a_sentence),
	    cmocka_unit_test(numbers_may_be_hexadecimal_or_have_a_suffix),
	    cmocka_unit_test(the_file_is_read_and_the_command_line_wins),
	    cmocka_unit_test(a_refusal_names_file_and_line),
	    cmocka_unit_test(the_command_line_is_refused_in_a_sentence),
	    cmocka_unit_test(a_programs_own_options_are_returned),
	    cmocka_unit_test(a_port_is_taken_apart),
	    cmocka_unit_test(the_example_file_is_up_to_date_and_loads),
	    cmocka_unit_test(the_example_file_loads_with_every_line_in_force),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}

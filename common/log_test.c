/* SPDX-License-Identifier: BSD-3-Clause */
/* Logs: the lines written to stderr, and which ones are. */
#define LOG_MODULE "slot"
#include "common/log.h"

#include <errno.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_log.h>

#include <cmocka.h>

static int saved, pipe_out[2];
static char got[8192];

static void
begin(void)
{
	fflush(stderr);
	saved = dup(STDERR_FILENO);
	assert_int_equal(pipe(pipe_out), 0);
	dup2(pipe_out[1], STDERR_FILENO);
}

/* What was written to stderr since begin(). */
static const char *
end(void)
{
	ssize_t n;

	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipe_out[1]);
	n = read(pipe_out[0], got, sizeof(got) - 1);
	close(pipe_out[0]);
	got[n < 0 ? 0 : n] = '\0';
	return got;
}

static void
assert_matches(const char *text, const char *pattern)
{
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&re, text, 0, NULL, 0) != 0)
		fail_msg("\"%s\" does not match %s", text, pattern);
	regfree(&re);
}

static void
a_line_says_when_who_what_and_how_bad(void **state)
{
	char pattern[160];

	(void)state;
	snprintf(pattern, sizeof(pattern),
		 "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z vr-test\\[%d\\] slot warning: "
		 "slot 11: "
		 "hung for 120 ms\n$",
		 (int)getpid());
	begin();
	log_warning("slot %d: hung for %d ms", 11, 120);
	assert_matches(end(), pattern);
}

static void
only_important_enough_lines_are_written(void **state)
{
	(void)state;
	log_level_set("*", LOG_LEVEL_WARNING);
	begin();
	log_info("not this");
	log_warning("this");
	assert_matches(end(), "^[^\n]*: this\n$");
}

static void
a_module_has_a_level_of_its_own_until_all_are_set(void **state)
{
	(void)state;
	assert_int_equal(log_level_set("nobody", LOG_LEVEL_DEBUG), -ENOENT);
	assert_int_equal(log_level_set("slot", LOG_LEVEL_DEBUG), 0);
	assert_int_equal(log_level_get("slot"), LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_get("port"), LOG_LEVEL_INFO);
	begin();
	log_debug("fine");
	log_write(LOG_LEVEL_DEBUG, "port", "not this");
	assert_matches(end(), "^[^\n]*: fine\n$");
	assert_int_equal(log_level_set("*", LOG_LEVEL_ERROR), 0);
	assert_int_equal(log_level_get("slot"), LOG_LEVEL_ERROR);
	assert_int_equal(log_level_get("nobody"), LOG_LEVEL_ERROR);
}

static void
a_level_taken_back_is_the_configured_one_again(void **state)
{
	(void)state;
	assert_false(log_level_is_set("*"));
	assert_int_equal(log_level_set("*", LOG_LEVEL_ERROR), 0);
	assert_int_equal(log_level_set("port", LOG_LEVEL_DEBUG), 0);
	assert_true(log_level_is_set("*"));
	assert_true(log_level_is_set("port"));
	assert_int_equal(log_level_unset("port"), 0);
	assert_false(log_level_is_set("port"));
	assert_int_equal(log_level_get("port"), LOG_LEVEL_ERROR);
	assert_int_equal(log_level_unset("*"), 0);
	assert_int_equal(log_level_get("port"), LOG_LEVEL_INFO);
	assert_int_equal(log_level_unset("nobody"), -ENOENT);
}

/* Another process' writes, which this one only sees in memory. */
static void
shared_levels_count_while_they_are_followed(void **state)
{
	static struct log_levels shared = {
	    .n = 2,
	    .common = LOG_LEVEL_WARNING + 1,
	    .module = {{.name = "timer", .level = LOG_LEVEL_DEBUG + 1}, {.name = "of-a-later-one"}},
	};

	(void)state;
	log_follow(&shared);
	assert_int_equal(log_level_get("timer"), LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_get("slot"), LOG_LEVEL_WARNING);
	assert_int_equal(log_level_set("slot", LOG_LEVEL_NOTICE), 0);
	assert_int_equal(shared.n, 3);
	assert_string_equal(shared.module[2].name, "slot");
	assert_int_equal(log_level_set("slot", LOG_LEVEL_ERROR), 0);
	assert_int_equal(shared.n, 3);
	shared.module[2].level = 77;
	assert_int_equal(log_level_get("slot"), LOG_LEVEL_DEBUG);
	shared.n = LOG_MODULES_MAX;
	assert_int_equal(log_level_set("port", LOG_LEVEL_ERROR), -ENOSPC);
	log_follow(NULL);
	assert_int_equal(log_level_get("timer"), LOG_LEVEL_INFO);
}

static void
levels_have_names(void **state)
{
	enum log_level level;

	(void)state;
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
		assert_int_equal(log_level_parse(log_level_name((enum log_level)i), &level), 0);
		assert_int_equal(level, i);
	}
	assert_int_equal(log_level_parse("loud", &level), -EINVAL);
}

static void
text_from_outside_makes_neither_lines_nor_colours(void **state)
{
	(void)state;
	begin();
	log_info("name %s", "a\nb\033[31m");
	assert_matches(end(), "^[^\n]*: name a b \\[31m\n$");
}

static void
a_long_text_is_cut_and_still_one_line(void **state)
{
	char *text = malloc(5000);
	const char *line;

	(void)state;
	memset(text, 'x', 4999);
	text[4999] = '\0';
	begin();
	log_info("%s", text);
	line = end();
	assert_in_range(strlen(line), 1000, 1200);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	free(text);
}

static void
errno_survives(void **state)
{
	(void)state;
	begin();
	errno = ENOTTY;
	log_info("%m");
	assert_int_equal(errno, ENOTTY);
	assert_matches(end(), "Inappropriate ioctl");
}

static void
dpdks_lines_are_ours_from_warning_on(void **state)
{
	(void)state;
	begin();
	rte_log(RTE_LOG_ERR, RTE_LOGTYPE_EAL, "EAL: first\nsecond\n");
	rte_log(RTE_LOG_WARNING, RTE_LOGTYPE_EAL, "EAL: third\n");
	rte_log(RTE_LOG_NOTICE, RTE_LOGTYPE_EAL, "EAL: not this\n");
	assert_matches(end(),
		       "^[^\n]* dpdk error: EAL: first\n[^\n]* dpdk error: second\n[^\n]* dpdk "
		       "warning: EAL: third\n$");
}

static int
start(void **state)
{
	(void)state;
	log_init("vr-test", false, LOG_LEVEL_INFO);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(a_line_says_when_who_what_and_how_bad, start),
	    cmocka_unit_test_setup(only_important_enough_lines_are_written, start),
	    cmocka_unit_test_setup(a_module_has_a_level_of_its_own_until_all_are_set, start),
	    cmocka_unit_test_setup(a_level_taken_back_is_the_configured_one_again, start),
	    cmocka_unit_test_setup(shared_levels_count_while_they_are_followed, start),
	    cmocka_unit_test_setup(levels_have_names, start),
	    cmocka_unit_test_setup(text_from_outside_makes_neither_lines_nor_colours, start),
	    cmocka_unit_test_setup(a_long_text_is_cut_and_still_one_line, start),
	    cmocka_unit_test_setup(errno_survives, start),
	    cmocka_unit_test_setup(dpdks_lines_are_ours_from_warning_on, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

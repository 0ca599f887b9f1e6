/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What vrctl says about itself, word for word: help of each command and object, the manual page,
 * the completion script, and docs/api.md, which is as the contract's comments are now. With
 * GOLDEN=write in the environment (make golden) the files are written anew instead.
 */
#include "ctl/cli/help.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/cli/completion.h"
#include "proto/vrouter.pb-c.h"

typedef void writer(FILE *out);

/* Each command and each object as `vrctl help NAME` has it. */
static void
write_all_help(FILE *out)
{
	const ProtobufCMessageDescriptor *d = &vrouter__object__descriptor;

	fputs("$ vrctl help\n", out);
	help_overview(out);
#define COMMAND(name, arguments, text)            \
	fputs("\n$ vrctl help " #name "\n", out); \
	if (help_command(out, #name) < 0)         \
		help_object(out, strcmp(#name, "drops") == 0 ? "drop" : #name);
#include "ctl/cli/usage.def"
	for (unsigned int i = 0; i < d->n_fields; i++) {
		fprintf(out, "\n$ vrctl help %s\n", d->fields[i].name);
		assert_int_equal(help_object(out, d->fields[i].name), 0);
	}
}

static char *
text_of(writer *write)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	write(out);
	fclose(out);
	return text;
}

static char *
read_file(const char *name)
{
	FILE *in = fopen(name, "r");
	char *text = NULL;
	size_t room = 0;

	if (in == NULL)
		fail_msg("no %s: run the tests from the repository's top, after `make golden`",
			 name);
	if (getdelim(&text, &room, '\0', in) < 0)
		fail_msg("%s is empty", name);
	fclose(in);
	return text;
}

/* The first line that differs says more than two long texts. */
static void
assert_same_text(const char *name, const char *is, const char *should)
{
	for (unsigned int line = 1;; line++) {
		size_t a = strcspn(is, "\n"), b = strcspn(should, "\n");

		if (a != b || memcmp(is, should, a) != 0)
			fail_msg("%s:%u: \"%.*s\" is \"%.*s\" now: run `make golden` and look at "
				 "the difference",
				 name, line, (int)b, should, (int)a, is);
		if (is[a] == '\0' || should[b] == '\0') {
			assert_int_equal(is[a], should[b]);
			return;
		}
		is += a + 1;
		should += b + 1;
	}
}

static void
what_vrctl_says_about_itself_is_as_written_down(void **state)
{
	static const struct {
		const char *name;
		writer *write;
	} files[] = {
	    {"ctl/cli/golden/help.txt", write_all_help},
	    {"ctl/cli/golden/vrctl.1", help_manual},
	    {"ctl/cli/golden/completion.bash", completion_script},
	    {"docs/api.md", help_reference},
	};
	const char *golden = getenv("GOLDEN");

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char *is = text_of(files[i].write), *should;

		if (golden != NULL && strcmp(golden, "write") == 0) {
			FILE *out = fopen(files[i].name, "w");

			assert_non_null(out);
			fputs(is, out);
			assert_int_equal(fclose(out), 0);
		}
		should = read_file(files[i].name);
		assert_same_text(files[i].name, is, should);
		free(is);
		free(should);
	}
}

static void
what_does_not_exist_has_no_help(void **state)
{
	(void)state;
	assert_true(help_object(stderr, "moon") < 0);
	assert_true(help_command(stderr, "moon") < 0);
	assert_true(help_command(stderr, "vif") < 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_vrctl_says_about_itself_is_as_written_down),
	    cmocka_unit_test(what_does_not_exist_has_no_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

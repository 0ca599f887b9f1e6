/* SPDX-License-Identifier: BSD-3-Clause */
/* --watch; see watch.h. vrctl's only thread. */
#include "ctl/cli/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "ctl/cli/sampler.h"
#include "ctl/cli/text_table.h"

enum { WATCH_MS = 2000, WATCH_MIN_MS = 100, WATCH_MAX_MS = 3600 * 1000 };

int
watch_parse(const char *text, unsigned int *ms)
{
	char *end;
	double s;

	*ms = WATCH_MS;
	if (text == NULL)
		return 0;
	s = strtod(text, &end);
	if (end == text || *end != '\0' || !(s >= WATCH_MIN_MS / 1e3) || s > WATCH_MAX_MS / 1e3)
		return -EINVAL;
	*ms = (unsigned int)(s * 1000);
	return 0;
}

static uint64_t
monotonic_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static unsigned int
terminal_rows(FILE *out)
{
	struct winsize size;

	return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_row > 1 ? size.ws_row : 24;
}

/* From the top left corner; what is left of the last drawing is wiped out line by line. */
static void
draw(FILE *out, const char *text, const char *title)
{
	unsigned int rows = terminal_rows(out) - 1, more = 0;

	fprintf(out, "\033[H%s\033[K\n", title);
	for (rows--; *text != '\0'; rows -= rows > 0) {
		size_t n = strcspn(text, "\n");

		if (rows > 1 || (rows == 1 && text[n + (text[n] == '\n')] == '\0'))
			fprintf(out, "%.*s\033[K\n", (int)n, text);
		else
			more++;
		text += n + (text[n] == '\n');
	}
	if (more > 0)
		fprintf(out, "(%u more lines found no room)\033[K", more);
	fputs("\033[J", out);
}

static void
title_of(const struct vrctl *v, int argc, char **argv, char *title, size_t size)
{
	time_t now = (time_t)(v->now_ms / 1000);
	struct tm tm;
	size_t n;

	localtime_r(&now, &tm);
	n = strftime(title, size, "%T  every ", &tm);
	n += (size_t)snprintf(title + n, size - n, "%g s: vrctl", v->watch_ms / 1e3);
	for (int i = 0; i < argc && n < size; i++)
		n += (size_t)snprintf(title + n, size - n, " %s", argv[i]);
	if (v->width != 0 && v->width < size)
		title[v->width] = '\0';
}

/* One look; what the command prints is kept until it is whole, so that the screen does not flicker.
 */
static enum exit_status
look(struct vrctl *v, command_fn *command, int argc, char **argv, bool first)
{
	FILE *screen = stdout, *kept;
	enum exit_status status;
	char title[256], *text = NULL;
	size_t size;

	kept = open_memstream(&text, &size);
	if (kept == NULL)
		return EXIT_CONNECTION;
	v->width = v->wide ? 0 : text_table_terminal_width(screen);
	v->now_ms = vrctl_now_ms();
	stdout = kept;
	status = command(v, argc, argv);
	stdout = screen;
	fclose(kept);
	if (isatty(fileno(screen))) {
		title_of(v, argc, argv, title, sizeof(title));
		if (status == EXIT_OK || status == EXIT_UNHEALTHY)
			draw(screen, text, title);
	} else if (size > 0) {
		fprintf(screen, "%s%s", first ? "" : "\n", text);
	}
	fflush(screen);
	free(text);
	return status;
}

enum exit_status
watch(struct vrctl *v, command_fn *command, int argc, char **argv)
{
	struct timespec pause = {v->watch_ms / 1000, (long)(v->watch_ms % 1000) * 1000000};
	enum exit_status status;
	bool first = true;

	v->sampler = sampler_create();
	if (v->sampler == NULL)
		return EXIT_CONNECTION;
	if (isatty(STDOUT_FILENO))
		fputs("\033[2J", stdout);
	for (;;) {
		sampler_begin(v->sampler, monotonic_us());
		status = look(v, command, argc, argv, first);
		if (status == EXIT_REFUSED || status == EXIT_USAGE ||
		    (first && status == EXIT_CONNECTION) || ferror(stdout))
			break;
		first = false;
		nanosleep(&pause, NULL);
	}
	sampler_destroy(v->sampler);
	v->sampler = NULL;
	return status;
}

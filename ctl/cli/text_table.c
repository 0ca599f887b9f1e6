/* SPDX-License-Identifier: BSD-3-Clause */
/* A table of texts; see text_table.h. vrctl's only thread. */
#include "ctl/cli/text_table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { COLUMNS_MAX = 160, GAP = 2, CUT_MIN = 8 };

struct text_table {
	unsigned int n_columns;
	struct {
		char *title;
		bool number;
		bool hidden;
	} columns[COLUMNS_MAX];
	size_t n_cells, room;
	char **cells;
	bool failed; /* out of memory */
};

struct text_table *
text_table_create(void)
{
	return calloc(1, sizeof(struct text_table));
}

void
text_table_destroy(struct text_table *t)
{
	if (t == NULL)
		return;
	for (unsigned int i = 0; i < t->n_columns; i++)
		free(t->columns[i].title);
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

void
text_table_column(struct text_table *t, const char *title, bool number)
{
	if (t->n_columns == COLUMNS_MAX)
		return;
	t->columns[t->n_columns].title = strdup(title);
	t->columns[t->n_columns].number = number;
	t->failed |= t->columns[t->n_columns].title == NULL;
	t->n_columns++;
}

void
text_table_cell(struct text_table *t, const char *text)
{
	if (t->n_cells == t->room) {
		size_t room = t->room == 0 ? 256 : t->room * 2;
		char **cells = realloc(t->cells, room * sizeof(*cells));

		if (cells == NULL) {
			t->failed = true;
			return;
		}
		t->cells = cells;
		t->room = room;
	}
	t->cells[t->n_cells] = strdup(text);
	t->failed |= t->cells[t->n_cells] == NULL;
	t->n_cells++;
}

void
text_table_cellf(struct text_table *t, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_table_cell(t, text);
}

void
text_table_rate(struct text_table *t, double per_second)
{
	if (per_second < 0)
		text_table_cell(t, "-");
	else
		text_table_cellf(t, "%.*f", per_second > 0 && per_second < 10, per_second);
}

static size_t
n_rows(const struct text_table *t)
{
	return t->n_columns != 0 ? t->n_cells / t->n_columns : 0;
}

void
text_table_hide_empty(struct text_table *t)
{
	for (unsigned int c = 0; c < t->n_columns && n_rows(t) != 0; c++) {
		bool empty = true;

		for (size_t r = 0; r < n_rows(t) && empty && !t->failed; r++)
			empty = strcmp(t->cells[r * t->n_columns + c], "-") == 0;
		t->columns[c].hidden = empty;
	}
}

/* Places on the terminal: UTF-8 sequences count once. */
static unsigned int
places(const char *text)
{
	unsigned int n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void
measure(const struct text_table *t, unsigned int *widths)
{
	for (unsigned int c = 0; c < t->n_columns; c++) {
		widths[c] = t->columns[c].hidden ? 0 : places(t->columns[c].title);
		for (size_t r = 0; r < n_rows(t) && widths[c] != 0; r++) {
			unsigned int n = places(t->cells[r * t->n_columns + c]);

			if (n > widths[c])
				widths[c] = n;
		}
	}
}

static unsigned int
total(const struct text_table *t, const unsigned int *widths)
{
	unsigned int sum = 0;

	for (unsigned int c = 0; c < t->n_columns; c++)
		if (widths[c] != 0)
			sum += widths[c] + (sum != 0 ? GAP : 0);
	return sum;
}

/* Makes the table narrower by cutting texts, then by leaving out columns at the right. */
static unsigned int
fit(const struct text_table *t, unsigned int *widths, unsigned int width)
{
	unsigned int left_out = 0;

	while (width != 0 && total(t, widths) > width) {
		unsigned int widest = t->n_columns;

		for (unsigned int c = 0; c < t->n_columns; c++)
			if (!t->columns[c].number && widths[c] > CUT_MIN &&
			    widths[c] > places(t->columns[c].title) &&
			    (widest == t->n_columns || widths[c] > widths[widest]))
				widest = c;
		if (widest != t->n_columns) {
			widths[widest]--;
			continue;
		}
		for (widest = t->n_columns - 1; widest > 0 && widths[widest] == 0;)
			widest--;
		if (widest == 0)
			break;
		widths[widest] = 0;
		left_out++;
	}
	return left_out;
}

static void
print_cell(FILE *out, const char *text, unsigned int width, bool number, bool last)
{
	unsigned int n = places(text), shown = 0;

	if (number)
		fprintf(out, "%*s", n < width ? (int)(width - n) : 0, "");
	if (n <= width) {
		fputs(text, out);
	} else {
		for (; *text != '\0'; text++) {
			shown += ((unsigned char)*text & 0xc0) != 0x80;
			if (shown >= width)
				break;
			fputc(*text, out);
		}
		fputs("…", out);
	}
	if (!number && !last && n < width)
		fprintf(out, "%*s", (int)(width - n), "");
}

static void
print_row(const struct text_table *t, FILE *out, const unsigned int *widths, char *const *cells)
{
	unsigned int last = t->n_columns;
	bool first = true;

	for (unsigned int c = 0; c < t->n_columns; c++)
		if (widths[c] != 0)
			last = c;
	for (unsigned int c = 0; c < t->n_columns; c++) {
		if (widths[c] == 0)
			continue;
		if (!first)
			fprintf(out, "%*s", GAP, "");
		first = false;
		print_cell(out, cells != NULL ? cells[c] : t->columns[c].title, widths[c],
			   t->columns[c].number, c == last);
	}
	fputc('\n', out);
}

void
text_table_print(const struct text_table *t, FILE *out, unsigned int width)
{
	unsigned int widths[COLUMNS_MAX], left_out;

	if (t == NULL || t->failed) {
		fputs("out of memory\n", stderr);
		return;
	}
	measure(t, widths);
	left_out = fit(t, widths, width);
	print_row(t, out, widths, NULL);
	for (size_t r = 0; r < n_rows(t); r++)
		print_row(t, out, widths, &t->cells[r * t->n_columns]);
	if (left_out != 0)
		fprintf(out, "(%u more column%s found no room; --wide shows all)\n", left_out,
			left_out == 1 ? "" : "s");
}

unsigned int
text_table_terminal_width(FILE *out)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (columns != NULL && atoi(columns) > 0)
		return (unsigned int)atoi(columns);
	if (isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0)
		return size.ws_col;
	return 0;
}

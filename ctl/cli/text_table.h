/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table of texts that fits a terminal: columns as wide as their widest cell, numbers at the
 * right, and on a terminal that is too narrow the widest texts are cut. vrctl's only thread.
 */
#ifndef CTL_CLI_TEXT_TABLE_H
#define CTL_CLI_TEXT_TABLE_H

#include <stdbool.h>
#include <stdio.h>

struct text_table;

/* NULL when out of memory, as is every cell then: printing says so. */
struct text_table *text_table_create(void);
void text_table_destroy(struct text_table *t);

/* Columns come before cells. */
void text_table_column(struct text_table *t, const char *title, bool number);
/* The next cell; a row is full when it has as many as there are columns. The text is copied. */
void text_table_cell(struct text_table *t, const char *text);
void text_table_cellf(struct text_table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* How much per second; "-" if it is negative, that is not known. */
void text_table_rate(struct text_table *t, double per_second);
/* Leaves out the columns in which every row says "-". */
void text_table_hide_empty(struct text_table *t);

/* 'width' 0: as wide as it gets. Columns that find no room are left out, and counted in a last
 * line. */
void text_table_print(const struct text_table *t, FILE *out, unsigned int width);

/* Columns of the terminal behind 'out', 0 if it is none. COLUMNS in the environment wins. */
unsigned int text_table_terminal_width(FILE *out);

#endif

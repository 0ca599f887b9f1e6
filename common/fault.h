/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a request or an option was refused: an errno and a sentence that names the thing and the
 * reason. Filled by whoever refuses, shown to whoever asked; never used for our own bugs.
 */
#ifndef COMMON_FAULT_H
#define COMMON_FAULT_H

struct fault {
	int code;       /* negative errno, 0 while nothing was refused */
	char text[256]; /* one sentence without a full stop, in UTF-8 */
};

/* Sets code to -'err' (err > 0) and the text; returns -'err'. 'f' may be NULL. */
int fault_set(struct fault *f, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif

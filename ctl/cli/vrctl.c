/* SPDX-License-Identifier: BSD-3-Clause */
/* What vrctl's commands share; see vrctl.h. vrctl's only thread. */
#include "ctl/cli/vrctl.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

enum exit_status
vrctl_fail(const struct vrctl *v, int code)
{
	const char *remedy = "";

	if (code == -EREMOTE) {
		fprintf(stderr, "vrctl: refused: %s\n", vrouter_error(v->router));
		return EXIT_REFUSED;
	}
	if (code == -ENOENT || code == -ECONNREFUSED)
		remedy = "; is vr-ctl running? (--socket PATH for another one)";
	else if (code == -EACCES)
		remedy = "; try as root";
	fprintf(stderr, "vrctl: %s%s\n", vrouter_error(v->router), remedy);
	return EXIT_CONNECTION;
}

enum exit_status
vrctl_no_memory(void)
{
	fputs("vrctl: out of memory\n", stderr);
	return EXIT_CONNECTION;
}

uint64_t
vrctl_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* CPU time of other processes' threads; see starved.h. */
#include "primary/starved.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool
read_text(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (f == NULL)
		return false;
	n = fread(text, 1, size - 1, f);
	fclose(f);
	text[n] = '\0';
	return n > 0;
}

static void
add_thread(const char *dir, const char *tid, struct cpu_time *t)
{
	char path[128], text[512];
	const char *after;
	uint64_t ns;

	snprintf(path, sizeof(path), "%s/%.16s/schedstat", dir, tid);
	if (read_text(path, text, sizeof(text)) && sscanf(text, "%" SCNu64, &ns) == 1)
		t->ns += ns;
	snprintf(path, sizeof(path), "%s/%.16s/stat", dir, tid);
	if (!read_text(path, text, sizeof(text)))
		return;
	after = strrchr(text, ')');
	if (after == NULL || strlen(after) < 3)
		return;
	t->runnable += after[2] == 'R';
	t->stopped += after[2] == 'T' || after[2] == 't';
}

void
cpu_time_read(pid_t pid, struct cpu_time *t)
{
	struct dirent *e;
	char dir[64];
	DIR *d;

	memset(t, 0, sizeof(*t));
	snprintf(dir, sizeof(dir), "/proc/%d/task", (int)pid);
	d = opendir(dir);
	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			add_thread(dir, e->d_name, t);
	closedir(d);
}

bool
cpu_starved(const struct cpu_time *from, const struct cpu_time *to, uint64_t ms, bool asleep)
{
	return (to->runnable > 0 || asleep) && to->stopped == 0 && to->ns >= from->ns &&
	       to->ns - from->ns < ms * 100000;
}

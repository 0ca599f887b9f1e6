/* SPDX-License-Identifier: BSD-3-Clause */
/* The attach token and its snapshot; see token.h. */
#include "primary/token.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_memzone.h>

#include "common/fault.h"
#include "primary/primary.h"

/* Held by the thread of the primary that is inside EAL, and while a token is out. */
static pthread_mutex_t eal_mutex = PTHREAD_MUTEX_INITIALIZER;

int
snapshot_add(struct snapshot *s, void *addr, size_t len)
{
	void *copy;

	if (s->n == SNAPSHOT_AREAS_MAX)
		return -ENOSPC;
	copy = malloc(len);
	if (copy == NULL)
		return -ENOMEM;
	s->areas[s->n].addr = addr;
	s->areas[s->n].len = len;
	s->areas[s->n].copy = copy;
	s->n++;
	return 0;
}

void
snapshot_take(struct snapshot *s)
{
	for (unsigned int i = 0; i < s->n; i++)
		memcpy(s->areas[i].copy, s->areas[i].addr, s->areas[i].len);
}

void
snapshot_restore(const struct snapshot *s)
{
	for (unsigned int i = 0; i < s->n; i++)
		memcpy(s->areas[i].addr, s->areas[i].copy, s->areas[i].len);
}

void
snapshot_fini(struct snapshot *s)
{
	for (unsigned int i = 0; i < s->n; i++)
		free(s->areas[i].copy);
	s->n = 0;
}

int
snapshot_find_mapping(const char *maps, const char *path, void **addr, size_t *len)
{
	uint64_t start = 0, end = 0;

	for (const char *line = maps; *line != '\0';) {
		const char *next = strchr(line, '\n');
		size_t line_len = next == NULL ? strlen(line) : (size_t)(next - line);
		char text[PATH_MAX + 128];
		uint64_t from, to;
		int at = 0;

		snprintf(text, sizeof(text), "%.*s", (int)line_len, line);
		line += line_len + (next != NULL);
		if (sscanf(text, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %*s %n", &from, &to, &at) !=
			2 ||
		    at == 0 || strcmp(text + at, path) != 0)
			continue;
		if (end != 0 && from != end)
			break;
		if (end == 0)
			start = from;
		end = to;
	}
	if (end == 0)
		return -ENOENT;
	*addr = (void *)(uintptr_t)start;
	*len = end - start;
	return 0;
}

/* The whole of /proc/self/maps, to be freed; NULL when it cannot be read. */
static char *
maps_read(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	size_t room = 0;
	char *text = NULL;

	if (f == NULL)
		return NULL;
	if (getdelim(&text, &room, '\0', f) < 0) {
		free(text);
		text = NULL;
	}
	fclose(f);
	return text;
}

struct token *
token_create(const char *runtime_dir, struct fault *f)
{
	struct token *t = calloc(1, sizeof(*t));
	char path[PATH_MAX], real[PATH_MAX];
	char *maps = maps_read();
	void *addr;
	size_t len;
	int rc;

	if (t == NULL || maps == NULL) {
		fault_set(f, ENOMEM, "no memory for the attach token");
		goto fail;
	}
	t->holder = TOKEN_NOBODY;
	snprintf(path, sizeof(path), "%s/config", runtime_dir);
	if (realpath(path, real) == NULL) {
		fault_set(f, errno, "%s: %s", path, strerror(errno));
		goto fail;
	}
	rc = snapshot_find_mapping(maps, real, &addr, &len);
	if (rc < 0) {
		fault_set(f, -rc, "%s is not mapped, so attaching cannot be made safe", real);
		goto fail;
	}
	rc = snapshot_add(&t->snapshot, addr, len);
	if (rc < 0) {
		fault_set(f, -rc, "no memory for a copy of %s", real);
		goto fail;
	}
	free(maps);
	return t;

fail:
	free(maps);
	free(t);
	return NULL;
}

void
token_destroy(struct token *t)
{
	if (t == NULL)
		return;
	snapshot_fini(&t->snapshot);
	free(t);
}

/* The memzone appears with the first port. It begins with the next owner's id and the lock. */
static void
add_ethdev_lock(struct token *t)
{
	const struct rte_memzone *mz;

	if (t->ethdev)
		return;
	mz = rte_memzone_lookup("rte_eth_dev_data");
	if (mz == NULL)
		return;
	t->ethdev = snapshot_add(&t->snapshot, mz->addr, 2 * sizeof(uint64_t)) == 0;
}

void
token_give(struct token *t, int holder)
{
	assert(t->holder == TOKEN_NOBODY);
	if (!t->inside)
		pthread_mutex_lock(&eal_mutex);
	add_ethdev_lock(t);
	snapshot_take(&t->snapshot);
	t->holder = holder;
	t->since_ms = now_ms();
}

void
token_return(struct token *t)
{
	assert(t->holder != TOKEN_NOBODY);
	t->holder = TOKEN_NOBODY;
	if (!t->inside)
		pthread_mutex_unlock(&eal_mutex);
}

void
token_recover(struct token *t)
{
	snapshot_restore(&t->snapshot);
	token_return(t);
}

void
token_eal_begin(struct token *t)
{
	assert(t->holder == TOKEN_NOBODY && !t->inside);
	pthread_mutex_lock(&eal_mutex);
	t->inside = true;
}

void
token_eal_end(struct token *t)
{
	t->inside = false;
	pthread_mutex_unlock(&eal_mutex);
}

bool
token_timer_begin(struct token *t)
{
	(void)t;
	return pthread_mutex_trylock(&eal_mutex) == 0;
}

void
token_timer_end(struct token *t)
{
	(void)t;
	pthread_mutex_unlock(&eal_mutex);
}

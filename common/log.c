/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logs: formats a line, decides whether it is wanted, and writes it at once. Called by any thread
 * that is not on the packet path.
 *
 * Modules register themselves with their first line, in an array that only grows; a place in it is
 * taken with one compare-and-swap, so nobody holds a lock when he dies or forks.
 */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <rte_log.h>

enum { MODULES_MAX = 64, LINE_MAX_BYTES = 1024 };

/* A program without DPDK (vrctl, a unit test) logs too; there these are NULL. */
#pragma weak rte_openlog_stream
#pragma weak rte_log_cur_msg_loglevel
#pragma weak rte_log_set_global_level

static const struct {
	const char *name;
	int syslog;
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", LOG_ERR},      [LOG_LEVEL_WARNING] = {"warning", LOG_WARNING},
    [LOG_LEVEL_NOTICE] = {"notice", LOG_NOTICE}, [LOG_LEVEL_INFO] = {"info", LOG_INFO},
    [LOG_LEVEL_DEBUG] = {"debug", LOG_DEBUG},
};
enum { LEVELS = sizeof(levels) / sizeof(levels[0]) };

struct module {
	const char *name; /* NULL: place not taken yet */
	int own_level;    /* 0: like all others, else level + 1 */
};

static struct module modules[MODULES_MAX];
static int common_level = LOG_LEVEL_INFO;
static const char *program = "vrouter";
static bool to_syslog;

static struct module *
module_find(const char *name)
{
	for (int i = 0; i < MODULES_MAX; i++) {
		const char *taken = __atomic_load_n(&modules[i].name, __ATOMIC_ACQUIRE);

		if (taken == NULL)
			return NULL;
		if (taken == name || strcmp(taken, name) == 0)
			return &modules[i];
	}
	return NULL;
}

/* NULL when there are too many modules: they all follow the common level then. */
static struct module *
module_get(const char *name)
{
	for (int i = 0; i < MODULES_MAX; i++) {
		const char *taken = NULL;

		if (__atomic_compare_exchange_n(&modules[i].name, &taken, name, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return &modules[i];
		if (taken == name || strcmp(taken, name) == 0)
			return &modules[i];
	}
	return NULL;
}

static enum log_level
module_level(const struct module *m)
{
	int own = m == NULL ? 0 : __atomic_load_n(&m->own_level, __ATOMIC_RELAXED);

	if (own > 0)
		return (enum log_level)(own - 1);
	return (enum log_level)__atomic_load_n(&common_level, __ATOMIC_RELAXED);
}

int
log_level_set(const char *module, enum log_level level)
{
	struct module *m;

	if (strcmp(module, "*") == 0) {
		__atomic_store_n(&common_level, (int)level, __ATOMIC_RELAXED);
		for (int i = 0; i < MODULES_MAX; i++)
			__atomic_store_n(&modules[i].own_level, 0, __ATOMIC_RELAXED);
		return 0;
	}
	m = module_find(module);
	if (m == NULL)
		return -ENOENT;
	__atomic_store_n(&m->own_level, (int)level + 1, __ATOMIC_RELAXED);
	return 0;
}

enum log_level
log_level_get(const char *module)
{
	return module_level(module_find(module));
}

int
log_level_parse(const char *text, enum log_level *level)
{
	for (int i = 0; i < LEVELS; i++) {
		if (strcmp(levels[i].name, text) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *
log_level_name(enum log_level level)
{
	return levels[level].name;
}

/* Text may come from outside: it gets neither a second line nor the terminal's attention. */
static void
printable(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = ' ';
}

static size_t
stamp(char *buf, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	return n + (size_t)snprintf(buf + n, size - n, ".%03ldZ", now.tv_nsec / 1000000);
}

static void
write_stderr(enum log_level level, const char *module, const char *text)
{
	char line[LINE_MAX_BYTES + 160];
	size_t n = stamp(line, sizeof(line));
	ssize_t rc;

	n += (size_t)snprintf(line + n, sizeof(line) - n, " %s[%d] %s %s: %s\n", program,
			      (int)getpid(), module, levels[level].name, text);
	if (n >= sizeof(line)) {
		n = sizeof(line);
		line[n - 1] = '\n';
	}
	do
		rc = write(STDERR_FILENO, line, n);
	while (rc < 0 && errno == EINTR);
}

void
log_write(enum log_level level, const char *module, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	int saved = errno; /* callers log between a failed call and its errno's use */
	va_list ap;

	if (level > module_level(module_get(module)))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printable(text);
	if (to_syslog)
		syslog(levels[level].syslog, "%s %s: %s", module, levels[level].name, text);
	else
		write_stderr(level, module, text);
	errno = saved;
}

static enum log_level
level_of_dpdk(int level)
{
	if (level <= (int)RTE_LOG_ERR)
		return LOG_LEVEL_ERROR;
	if (level <= (int)RTE_LOG_WARNING)
		return LOG_LEVEL_WARNING;
	if (level == (int)RTE_LOG_NOTICE)
		return LOG_LEVEL_NOTICE;
	return level == (int)RTE_LOG_INFO ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
}

/* DPDK flushes after every message, so what arrives is one message of one or more lines. */
static ssize_t
dpdk_write(void *cookie, const char *buf, size_t size)
{
	enum log_level level = level_of_dpdk(rte_log_cur_msg_loglevel());
	size_t at = 0;

	(void)cookie;
	while (at < size) {
		const char *nl = memchr(buf + at, '\n', size - at);
		size_t n = nl == NULL ? size - at : (size_t)(nl - (buf + at));

		if (n > 0)
			log_write(level, "dpdk", "%.*s", (int)n, buf + at);
		at += n + 1;
	}
	return (ssize_t)size;
}

static void
dpdk_route(void)
{
	cookie_io_functions_t io = {.write = dpdk_write};
	FILE *f;

	if (rte_openlog_stream == NULL)
		return;
	f = fopencookie(NULL, "w", io);
	if (f == NULL)
		return; /* DPDK goes on logging to stderr by itself */
	rte_openlog_stream(f);
	rte_log_set_global_level(RTE_LOG_WARNING);
}

void
log_init(const char *name, bool use_syslog, enum log_level level)
{
	program = name;
	to_syslog = use_syslog;
	if (use_syslog)
		openlog(name, LOG_PID, LOG_DAEMON);
	log_level_set("*", level);
	dpdk_route();
}

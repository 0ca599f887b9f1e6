/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logs: formats a line, decides whether it is wanted, and writes it at once. Called by any thread
 * that is not on the packet path.
 *
 * Levels are looked up by the module's name with every line, in a short table that lies in the
 * region once there is one; nobody holds a lock when he dies or forks.
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

enum { LINE_MAX_BYTES = 1024 };

/* A program without DPDK (vrctl, a unit test) logs too; there these are NULL. */
#pragma weak rte_openlog_stream
#pragma weak rte_log_cur_msg_loglevel
#pragma weak rte_log_set_global_level

static const struct {
	const char *name;
	int syslog;
} words[] = {
    [LOG_LEVEL_ERROR] = {"error", LOG_ERR},      [LOG_LEVEL_WARNING] = {"warning", LOG_WARNING},
    [LOG_LEVEL_NOTICE] = {"notice", LOG_NOTICE}, [LOG_LEVEL_INFO] = {"info", LOG_INFO},
    [LOG_LEVEL_DEBUG] = {"debug", LOG_DEBUG},
};
enum { LEVELS = sizeof(words) / sizeof(words[0]) };

static const struct log_module declared[] = {
#define LOG_MODULE_IS(name, text) {name, text},
#include "common/log_modules.def"
#undef LOG_MODULE_IS
};
enum { DECLARED = sizeof(declared) / sizeof(declared[0]) };
_Static_assert((int)DECLARED <= (int)LOG_MODULES_MAX, "raise LOG_MODULES_MAX");

static struct log_levels own;
static struct log_levels *levels = &own;
static enum log_level configured = LOG_LEVEL_INFO;
static const char *program = "vrouter";
static bool to_syslog;

bool
log_module_at(uint32_t i, struct log_module *m)
{
	if (i >= DECLARED)
		return false;
	*m = declared[i];
	return true;
}

void
log_follow(struct log_levels *shared)
{
	__atomic_store_n(&levels, shared != NULL ? shared : &own, __ATOMIC_RELEASE);
}

static struct log_levels *
followed(void)
{
	return __atomic_load_n(&levels, __ATOMIC_ACQUIRE);
}

static struct log_module_level *
module_find(struct log_levels *l, const char *name)
{
	uint32_t n = __atomic_load_n(&l->n, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < n && i < LOG_MODULES_MAX; i++)
		if (strncmp(l->module[i].name, name, LOG_MODULE_LEN) == 0)
			return &l->module[i];
	return NULL;
}

static uint32_t
set_level_of(struct log_levels *l, const char *name)
{
	const struct log_module_level *m = module_find(l, name);

	return m == NULL ? 0 : __atomic_load_n(&m->level, __ATOMIC_RELAXED);
}

/* A level out of range in the region is no reason to read beyond the names. */
static enum log_level
level_of(uint32_t set)
{
	return set <= LEVELS ? (enum log_level)(set - 1) : LOG_LEVEL_DEBUG;
}

enum log_level
log_level_get(const char *module)
{
	struct log_levels *l = followed();
	uint32_t set = set_level_of(l, module);

	if (set == 0)
		set = __atomic_load_n(&l->common, __ATOMIC_RELAXED);
	return set != 0 ? level_of(set) : configured;
}

bool
log_level_is_set(const char *module)
{
	struct log_levels *l = followed();

	if (strcmp(module, "*") == 0)
		return __atomic_load_n(&l->common, __ATOMIC_RELAXED) != 0;
	return set_level_of(l, module) != 0;
}

static bool
is_declared(const char *name)
{
	for (int i = 0; i < DECLARED; i++)
		if (strcmp(declared[i].name, name) == 0)
			return true;
	return false;
}

static int
set_module(struct log_levels *l, const char *name, uint32_t level)
{
	struct log_module_level *m = module_find(l, name);

	if (m == NULL && !is_declared(name))
		return -ENOENT;
	if (m == NULL) {
		if (l->n >= LOG_MODULES_MAX)
			return -ENOSPC;
		m = &l->module[l->n];
		snprintf(m->name, sizeof(m->name), "%s", name);
		m->level = level;
		__atomic_store_n(&l->n, l->n + 1, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&m->level, level, __ATOMIC_RELAXED);
	return 0;
}

static int
set(const char *name, uint32_t level)
{
	struct log_levels *l = followed();

	if (strcmp(name, "*") != 0)
		return set_module(l, name, level);
	__atomic_store_n(&l->common, level, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < l->n && i < LOG_MODULES_MAX; i++)
		__atomic_store_n(&l->module[i].level, 0, __ATOMIC_RELAXED);
	return 0;
}

int
log_level_set(const char *module, enum log_level level)
{
	return set(module, (uint32_t)level + 1);
}

int
log_level_unset(const char *module)
{
	return set(module, 0);
}

int
log_level_parse(const char *text, enum log_level *level)
{
	for (int i = 0; i < LEVELS; i++) {
		if (strcmp(words[i].name, text) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *
log_level_name(enum log_level level)
{
	return words[level].name;
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
			      (int)getpid(), module, words[level].name, text);
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

	if (level > log_level_get(module))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printable(text);
	if (to_syslog)
		syslog(words[level].syslog, "%s %s: %s", module, words[level].name, text);
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
	configured = level;
	memset(&own, 0, sizeof(own));
	dpdk_route();
}

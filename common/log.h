/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logs: one line per event, to stderr or syslog:
 *
 *   2026-11-22T18:20:01.123Z vr-fwd[4711] slot warning: slot 11: hung for 120 ms
 *
 * Any thread of any process may log; nothing on the packet path does. A line is written with one
 * write(2), so lines of several processes on one terminal do not mix.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/*
 * Levels that all processes obey. Shared (region); control writes, everybody reads with every line.
 * A module is in the table since it first was given a level; its name never changes again.
 *
 * Crash safety: an entry is filled first, then 'n' is stored (release): a writer that dies in
 * between has set nothing. "All modules" is several stores: one that dies among them leaves some
 * modules with the level they had, which is seen in `vrctl log list` and set again.
 */
enum { LOG_MODULES_MAX = 64, LOG_MODULE_LEN = 24 };
struct log_module_level {
	char name[LOG_MODULE_LEN];
	uint32_t level; /* 0: as all others, else enum log_level + 1 */
	uint32_t reserved;
};
struct log_levels {
	uint32_t n; /* entries */
	uint32_t
	    common; /* of all others; 0: as each process was configured, else enum log_level + 1 */
	uint64_t reserved[7];
	struct log_module_level module[LOG_MODULES_MAX];
};

/* 'program' must outlive the process. Also routes DPDK's own log here, at warning and above. */
void log_init(const char *program, bool to_syslog, enum log_level level);

/*
 * From now on these levels count: the region's, while it is mapped, or with NULL the process' own.
 * Any thread.
 */
void log_follow(struct log_levels *levels);

/*
 * One level for all modules ("*") or for one, in every process that follows the same levels. One
 * writer at a time. -ENOENT: no module of that name is declared in log_modules.def; -ENOSPC: older
 * versions of the router have left so many names that there is no room for this one.
 */
int log_level_set(const char *module, enum log_level level);
/* Undoes that: the module follows the others again, all modules what each process was told. */
int log_level_unset(const char *module);
/* What counts for it here. */
enum log_level log_level_get(const char *module);
/* Whether it has a level of its own; "*": whether all were given one. */
bool log_level_is_set(const char *module);
/* -EINVAL unless 'text' is error, warning, notice, info or debug. */
int log_level_parse(const char *text, enum log_level *level);
const char *log_level_name(enum log_level level);

/* A module of log_modules.def, by number; false when there are no more. */
struct log_module {
	const char *name, *text;
};
bool log_module_at(uint32_t i, struct log_module *m);

void log_write(enum log_level level, const char *module, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A file that logs defines LOG_MODULE before it includes this header. */
#define log_error(...)   log_write(LOG_LEVEL_ERROR, LOG_MODULE, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, LOG_MODULE, __VA_ARGS__)
#define log_notice(...)  log_write(LOG_LEVEL_NOTICE, LOG_MODULE, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, LOG_MODULE, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, LOG_MODULE, __VA_ARGS__)

#endif

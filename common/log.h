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

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* 'program' must outlive the process. Also routes DPDK's own log here, at warning and above. */
void log_init(const char *program, bool to_syslog, enum log_level level);

/* One level for all modules ("*") or for one; -ENOENT when no module of that name logged yet. */
int log_level_set(const char *module, enum log_level level);
enum log_level log_level_get(const char *module);
/* -EINVAL unless 'text' is error, warning, notice, info or debug. */
int log_level_parse(const char *text, enum log_level *level);
const char *log_level_name(enum log_level level);

void log_write(enum log_level level, const char *module, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A file that logs defines LOG_MODULE before it includes this header. */
#define log_error(...)   log_write(LOG_LEVEL_ERROR, LOG_MODULE, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, LOG_MODULE, __VA_ARGS__)
#define log_notice(...)  log_write(LOG_LEVEL_NOTICE, LOG_MODULE, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, LOG_MODULE, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, LOG_MODULE, __VA_ARGS__)

#endif

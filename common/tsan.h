/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UNDER_TSAN: 1 in a build with -fsanitize=thread, which knows loads of 16 bytes only as plain
 * ones, so there code takes another way to the same.
 */
#ifndef COMMON_TSAN_H
#define COMMON_TSAN_H

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif

#endif

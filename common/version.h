/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which build this is: what --version, `vrctl status` and the hello between
 * processes show. Any thread may ask.
 */
#ifndef VR_COMMON_VERSION_H
#define VR_COMMON_VERSION_H

/*
 * Returns the version and, when it was built from a git tree, the commit in
 * parentheses: "0.1.0 (3f2a1bc)". Never NULL; lives as long as the process.
 */
const char *version_build(void);

/* Returns the version alone: "0.1.0". */
const char *version_number(void);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starts EAL as the primary of a new generation, and removes what generations leave on filesystems.
 * Called by main(), on the main thread.
 */
#ifndef PRIMARY_EAL_H
#define PRIMARY_EAL_H

#include "common/conf.h"

/*
 * Removes the runtime directories and huge page files of all this instance's EAL generations.
 * Processes that still map the files keep them until they exit. We hold the instance's lock.
 */
void eal_clean(const struct conf *c);

/* "INSTANCE-gN" */
void eal_prefix(const struct conf *c, uint32_t generation, char *buf, size_t size);

/* rte_eal_init with what 'c' says; takes the token out of nobody's hands, so before all else. */
int eal_start(const struct conf *c, const char *prefix, struct fault *f);

#endif

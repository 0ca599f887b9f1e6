/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which build this is. The Makefile gives both constants to this file alone,
 * so that a new commit recompiles nothing else.
 */
#include "common/version.h"

#ifndef VR_VERSION
#define VR_VERSION "0.0.0"
#endif
#ifndef VR_COMMIT
#define VR_COMMIT ""
#endif

const char *
version_build(void)
{
	return sizeof(VR_COMMIT) > 1 ? VR_VERSION " (" VR_COMMIT ")" : VR_VERSION;
}

const char *
version_number(void)
{
	return VR_VERSION;
}

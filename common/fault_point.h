/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Injected deaths. Between stores that another process may read stands FAULT_POINT("name"); in a
 * build with -DFAULT_POINTS (FLAVOUR=fault) the process may SIGKILL itself there, else it is
 * nothing.
 *
 * VR_FAULT=NAME:N     dies the N-th time it passes NAME
 * VR_FAULT=*:N        picks one of its program's points at random and dies at the 1st to N-th pass;
 *                     a point that is not reached for a while makes it pick again
 * VR_FAULT_PROGRAM=P  only a program called P
 * VR_FAULT_LOG=FILE   appends the point's name just before
 */
#ifndef COMMON_FAULT_POINT_H
#define COMMON_FAULT_POINT_H

#ifdef FAULT_POINTS
struct fault_site {
	const char *name;
};
void fault_point(const struct fault_site *site);
/* Reads the environment anew; the first point passed does it otherwise. For forked children. */
void fault_point_arm(void);
#define FAULT_POINT(text)                                                   \
	do {                                                                \
		static const struct fault_site fault_site_                  \
		    __attribute__((section("fault_sites"), used)) = {text}; \
		fault_point(&fault_site_);                                  \
	} while (0)
#else
#define FAULT_POINT(text) ((void)0)
#endif

#endif

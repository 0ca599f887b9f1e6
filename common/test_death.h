/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of a writer that dies at any store: passing the points in the sources that a test
 * includes counts down, and the last one leaps to where the test had setjmp(death). Include first,
 * before these sources; the test links no other fault_point().
 */
#ifndef COMMON_TEST_DEATH_H
#define COMMON_TEST_DEATH_H

#ifndef FAULT_POINTS
#define FAULT_POINTS
#endif
#include <setjmp.h>

#include "common/fault_point.h"

static jmp_buf death;
static int stores_left; /* 0: the writer is immortal */

void
fault_point(const struct fault_site *site)
{
	(void)site;
	if (stores_left > 0 && --stores_left == 0)
		longjmp(death, 1);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Pseudo-random numbers for tests; the same ones each time, unless a test throws anew. */
#ifndef COMMON_TEST_DICE_H
#define COMMON_TEST_DICE_H

#include <stdint.h>

static uint64_t test_dice = 42;

/* 0 <= result < below */
static inline uint32_t
any(uint32_t below)
{
	test_dice = test_dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((test_dice >> 33) % below);
}

#endif

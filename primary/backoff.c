/* SPDX-License-Identifier: BSD-3-Clause */
/* Back-off before a restart; see backoff.h. */
#include "primary/backoff.h"

uint64_t
backoff_after_death(struct backoff *b, uint64_t lived_ms, uint64_t max_ms)
{
	uint64_t wait;

	if (lived_ms >= BACKOFF_LIVED_MS) {
		b->quick_deaths = 0;
		return 0;
	}
	if (b->quick_deaths == 0) {
		b->quick_deaths = 1;
		return 0;
	}
	wait = b->quick_deaths <= 32 ? UINT64_C(1) << (b->quick_deaths - 1) : max_ms;
	if (b->quick_deaths < UINT32_MAX)
		b->quick_deaths++;
	return wait < max_ms ? wait : max_ms;
}

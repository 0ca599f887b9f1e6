/* SPDX-License-Identifier: BSD-3-Clause */
/* lcore ids; see lcores.h. */
#include "primary/lcores.h"

#include <errno.h>
#include <string.h>

/* Where each role looks first; above, whatever is free. */
enum { FIRST_AGENT = 2, FIRST_CTL = 8, SECOND_CTL, FIRST_FWD };

static bool
are_free(const struct lcores *l, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		if (i >= RTE_MAX_LCORE || l->taken[i])
			return false;
	return true;
}

static uint32_t
first_for(const struct lcores *l, enum process_role role, uint32_t n)
{
	if (role == ROLE_CTL)
		return !are_free(l, FIRST_CTL, 1) && are_free(l, SECOND_CTL, 1) ? SECOND_CTL
										: FIRST_CTL;
	return role == ROLE_VHOST && are_free(l, FIRST_AGENT, n) ? FIRST_AGENT : FIRST_FWD;
}

int
lcores_take(struct lcores *l, enum process_role role, uint32_t n)
{
	uint32_t first = first_for(l, role, n);

	while (first < RTE_MAX_LCORE && !are_free(l, first, n))
		first++;
	if (first >= RTE_MAX_LCORE)
		return -ENOSPC;
	memset(&l->taken[first], true, n);
	return (int)first;
}

void
lcores_give_back(struct lcores *l, uint32_t first, uint32_t n)
{
	memset(&l->taken[first], false, n);
}

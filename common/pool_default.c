/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes our mempool ops (common/pool.c) the default of every pool that
 * anything in our processes creates: libraries, drivers and ourselves.
 *
 * The stock ops, and any per-lcore cache, wedge or hand one mbuf to two owners
 * when a process is killed inside them. So the linker sends the calls that name
 * ops or a cache size here (--wrap, see common/drivers.mk). Nobody calls these
 * functions by name; they run in whichever thread creates a pool.
 *
 * What --wrap does not see is a call within one object file of DPDK. It costs
 * us nothing in 22.11: rte_mempool_create is wrapped like the _empty it calls,
 * and both choose their ops by a function in another file. Ops other than the
 * stock rings and stacks (those of a NIC, say) are left as asked for; such a
 * pool shows as foreign in `vrctl mempool list`.
 *
 * If our ops are not linked, as in a unit test, names pass through unchanged.
 */
#include <stdbool.h>
#include <string.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_mempool.h>

#include "common/private_heap.h"

#define OUR_OPS "vr_bitmap"

/* clang-format off */
int __real_rte_mempool_set_ops_byname(struct rte_mempool *mp, const char *name, void *pool_config);
struct rte_mempool *__real_rte_mempool_create_empty(const char *name, unsigned int n,
	unsigned int elt_size, unsigned int cache_size, unsigned int private_data_size,
	int socket_id, unsigned int flags);
struct rte_mempool *__real_rte_mempool_create(const char *name, unsigned int n,
	unsigned int elt_size, unsigned int cache_size, unsigned int private_data_size,
	rte_mempool_ctor_t *mp_init, void *mp_init_arg, rte_mempool_obj_cb_t *obj_init,
	void *obj_init_arg, int socket_id, unsigned int flags);

int __wrap_rte_mempool_set_ops_byname(struct rte_mempool *mp, const char *name, void *pool_config);
struct rte_mempool *__wrap_rte_mempool_create_empty(const char *name, unsigned int n,
	unsigned int elt_size, unsigned int cache_size, unsigned int private_data_size,
	int socket_id, unsigned int flags);
struct rte_mempool *__wrap_rte_mempool_create(const char *name, unsigned int n,
	unsigned int elt_size, unsigned int cache_size, unsigned int private_data_size,
	rte_mempool_ctor_t *mp_init, void *mp_init_arg, rte_mempool_obj_cb_t *obj_init,
	void *obj_init_arg, int socket_id, unsigned int flags);
/* clang-format on */

static const char *const replaced_ops[] = {
    "ring_mp_mc",  "ring_sp_sc",  "ring_mp_sc", "ring_sp_mc",
    "ring_mt_rts", "ring_mt_hts", "stack",      "lf_stack",
};

static bool
is_replaced(const char *name)
{
	for (unsigned int i = 0; i < RTE_DIM(replaced_ops); i++) {
		if (strcmp(name, replaced_ops[i]) == 0)
			return true;
	}
	return false;
}

static bool
is_registered(const char *name)
{
	for (unsigned int i = 0; i < rte_mempool_ops_table.num_ops; i++) {
		if (strcmp(name, rte_mempool_ops_table.ops[i].name) == 0)
			return true;
	}
	return false;
}

int
__wrap_rte_mempool_set_ops_byname(struct rte_mempool *mp, const char *name, void *pool_config)
{
	if (is_replaced(name) && is_registered(OUR_OPS))
		name = OUR_OPS;
	return __real_rte_mempool_set_ops_byname(mp, name, pool_config);
}

/*
 * A pool belongs in a list all processes walk, under a shared lock: creating
 * one is for the primary.
 */
static bool
may_create(void)
{
	if (!private_heap_active())
		return true;
	rte_errno = E_RTE_SECONDARY;
	return false;
}

struct rte_mempool *
__wrap_rte_mempool_create_empty(const char *name, unsigned int n, unsigned int elt_size,
				unsigned int cache_size, unsigned int private_data_size,
				int socket_id, unsigned int flags)
{
	(void)cache_size;
	if (!may_create())
		return NULL;
	return __real_rte_mempool_create_empty(name, n, elt_size, 0, private_data_size, socket_id,
					       flags);
}

struct rte_mempool *
__wrap_rte_mempool_create(const char *name, unsigned int n, unsigned int elt_size,
			  unsigned int cache_size, unsigned int private_data_size,
			  rte_mempool_ctor_t *mp_init, void *mp_init_arg,
			  rte_mempool_obj_cb_t *obj_init, void *obj_init_arg, int socket_id,
			  unsigned int flags)
{
	(void)cache_size;
	if (!may_create())
		return NULL;
	return __real_rte_mempool_create(name, n, elt_size, 0, private_data_size, mp_init,
					 mp_init_arg, obj_init, obj_init_arg, socket_id, flags);
}

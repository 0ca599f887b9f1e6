/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of a secondary's hello; see hello.h. */
#include "primary/hello.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static int
check_sender(const struct hello_context *ctx, const struct ucred *cred, struct fault *f)
{
	if (cred->pid <= 0)
		return fault_set(
		    f, EPERM,
		    "the process lives in a PID namespace that the primary cannot see "
		    "into, so it could not be supervised; share the primary's, or start it "
		    "in one below");
	if (cred->uid != ctx->uid && cred->uid != 0)
		return fault_set(f, EPERM, "process %d runs as user %u, but the primary as user %u",
				 (int)cred->pid, cred->uid, ctx->uid);
	return 0;
}

/* Texts of a message need not be terminated. */
static bool
text_differs(const char *text, size_t size, const char *ours)
{
	return strnlen(text, size) == size || strcmp(text, ours) != 0;
}

static int
check_build(const struct hello_context *ctx, const struct process_msg *m, struct fault *f)
{
	if (m->hello.version != PROCESS_PROTOCOL)
		return fault_set(
		    f, EPROTO,
		    "the process speaks version %u of the process protocol, the primary %u",
		    m->hello.version, PROCESS_PROTOCOL);
	if (text_differs(m->hello.dpdk, sizeof(m->hello.dpdk), ctx->dpdk))
		return fault_set(f, EPROTO, "the process was built with %.31s, the primary with %s",
				 m->hello.dpdk, ctx->dpdk);
	if (text_differs(m->hello.ops, sizeof(m->hello.ops), ctx->ops))
		return fault_set(f, EPROTO,
				 "the process was linked with other mempool ops (%.80s) than the "
				 "primary (%.80s)",
				 m->hello.ops, ctx->ops);
	return 0;
}

static int
check_slots(const struct hello_context *ctx, const struct process_msg *m, uint64_t *slots,
	    struct fault *f)
{
	*slots = 0;
	if (m->hello.role == ROLE_VHOST) {
		if (m->hello.agent >= ctx->agents)
			return fault_set(f, ENOENT,
					 "agent %u is not among the %u configured (agents)",
					 m->hello.agent, ctx->agents);
		*slots = UINT64_C(1) << m->hello.agent;
	}
	if (m->hello.role != ROLE_FWD)
		return m->hello.n_slots == 0
			   ? 0
			   : fault_set(f, EINVAL, "only forwarding workers have slots, not role %s",
				       process_role_name((enum process_role)m->hello.role));
	if (m->hello.n_slots == 0 || m->hello.n_slots > SLOTS_MAX)
		return fault_set(f, EINVAL, "a worker needs 1 to %d slots, not %u", SLOTS_MAX,
				 m->hello.n_slots);
	for (uint32_t i = 0; i < m->hello.n_slots; i++) {
		int index = slot_index(ctx->slots, m->hello.slot_ids[i]);

		if (index < 0)
			return fault_set(f, ENOENT, "slot %u is not configured",
					 m->hello.slot_ids[i]);
		if ((*slots >> index & 1) != 0)
			return fault_set(f, EINVAL, "slot %u is named twice", m->hello.slot_ids[i]);
		*slots |= UINT64_C(1) << index;
	}
	return 0;
}

static int
check_living(const struct hello_context *ctx, enum process_role role, uint64_t slots,
	     struct fault *f)
{
	for (uint32_t i = 0; i < ctx->n_living; i++) {
		const struct hello_living *l = &ctx->living[i];

		if (l->role != role)
			continue;
		if (role == ROLE_CTL)
			return fault_set(f, EEXIST, "process %d is control already", (int)l->pid);
		if ((l->slots & slots) == 0)
			continue;
		if (role == ROLE_VHOST)
			return fault_set(f, EEXIST, "agent %d is process %d already",
					 __builtin_ctzll(slots), (int)l->pid);
		if (role == ROLE_FWD)
			return fault_set(f, EEXIST, "slot %u is animated by process %d already",
					 ctx->slots->s[__builtin_ctzll(l->slots & slots)].id,
					 (int)l->pid);
	}
	return 0;
}

int
hello_check(const struct hello_context *ctx, const struct process_msg *m, const struct ucred *cred,
	    uint64_t *slots, struct fault *f)
{
	int rc;

	rc = check_sender(ctx, cred, f);
	if (rc < 0)
		return rc;
	rc = check_build(ctx, m, f);
	if (rc < 0)
		return rc;
	if (m->hello.role == ROLE_PRIMARY || m->hello.role >= ROLES)
		return fault_set(f, EINVAL, "role %u cannot be attached", m->hello.role);
	rc = check_slots(ctx, m, slots, f);
	if (rc < 0)
		return rc;
	return check_living(ctx, (enum process_role)m->hello.role, *slots, f);
}

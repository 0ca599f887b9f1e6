/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waking guests; see guest_call.h.
 *
 * Finished requests are noted in a ring that the kernel shares with us. Nobody wants to know: it is
 * emptied by moving its head, when the kernel finds it full.
 */
#include "vhost-agent/guest_call.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/aio_abi.h>

#include "common/guest.h"
#define LOG_MODULE "call"
#include "common/log.h"
#include "vhost-agent/blame.h"
#include "vhost-agent/guests.h"

enum { REQUESTS = 64 };

/* The head of a context's ring, as the kernel lays it out and libaio knows it. */
struct finished {
	uint32_t id, n;
	uint32_t head, tail;
	uint32_t magic;
};
enum { RING_MAGIC = 0xa10a10a1 };

static aio_context_t context;
static int nothing = -1; /* a file to read no bytes of */
static bool begun;

int __real_eventfd_write(int fd, uint64_t value);
int __wrap_eventfd_write(int fd, uint64_t value);

static int
context_make(void)
{
	nothing = memfd_create("nothing", MFD_CLOEXEC);
	if (nothing < 0 || syscall(SYS_io_setup, REQUESTS, &context) < 0)
		return -errno;
	return ((struct finished *)(uintptr_t)context)->magic == RING_MAGIC ? 0 : -ENOTSUP;
}

void
guest_call_init(void)
{
	int rc = context_make();

	begun = rc == 0;
	if (!begun)
		log_warning("no asynchronous I/O (%s): a guest that wants to can make us wait when "
			    "we wake it; see fs.aio-max-nr",
			    strerror(-rc));
}

static void
finished_forget(void)
{
	struct finished *f = (struct finished *)(uintptr_t)context;

	__atomic_store_n(&f->head, __atomic_load_n(&f->tail, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
}

static int
submit(struct iocb *request)
{
	return syscall(SYS_io_submit, context, 1, &request) == 1 ? 0 : -errno;
}

int
guest_call(int fd)
{
	struct iocb request = {.aio_lio_opcode = IOCB_CMD_PREAD,
			       .aio_fildes = (uint32_t)nothing,
			       .aio_flags = IOCB_FLAG_RESFD,
			       .aio_resfd = (uint32_t)fd};
	int rc;

	if (!begun)
		return __real_eventfd_write(fd, 1) == 0 ? 0 : -errno;
	rc = submit(&request);
	if (rc != -EAGAIN)
		return rc;
	finished_forget();
	return submit(&request);
}

int
__wrap_eventfd_write(int fd, uint64_t value)
{
	struct guest *g = blame_guest();

	(void)value; /* rte_vhost has no other than 1 */
	if (g != NULL)
		g->note->calls++;
	return guest_call(fd) == 0 ? 0 : -1;
}

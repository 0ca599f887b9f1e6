/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waking guests: raising the counters of their eventfds, without ever waiting. Whoever shares an
 * eventfd can fill its counter and make it blocking again, at any moment; a plain write() would
 * then wait for as long as it pleases the guest. A finished request of Linux' asynchronous I/O
 * raises a counter too (io_submit(2), IOCB_FLAG_RESFD), and that never waits: so a call is a read
 * of no bytes. It costs about 1 us more than a write().
 *
 * rte_vhost's calls of eventfd_write() come through here (--wrap), all of them on the pump's
 * thread.
 */
#ifndef VHOST_AGENT_GUEST_CALL_H
#define VHOST_AGENT_GUEST_CALL_H

/*
 * Main thread, before the pump starts. Where the kernel has no asynchronous I/O, or no more of it
 * (fs.aio-max-nr), that is logged, and calls are plain writes.
 */
void guest_call_init(void);

/* The pump's thread. 0 or a negative errno; a counter that is full stays full. */
int guest_call(int eventfd);

#endif

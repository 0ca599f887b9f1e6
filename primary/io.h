/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The io thread (lcore 3): polls the devices whose drivers work only in the primary (drivers.def),
 * and takes to them what slots send. It runs while there is such a port. Functions here are the
 * main thread's.
 *
 * It keeps the promises of a slot (common/slot.h) in the handshake's 'io': it acts on a changed
 * table of ports and says so before a device is stopped, and stands still for an audit.
 */
#ifndef PRIMARY_IO_H
#define PRIMARY_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "common/fault.h"

struct primary;
struct io;

enum { IO_LCORE = 3 };

/* The CPU it is to run on. */
struct conf;
unsigned int io_core(const struct conf *c);

/* After the handshake. NULL with a fault. */
struct io *io_create(struct primary *p, struct fault *f);
/* Stops the thread. */
void io_destroy(struct io *io);

/* Lets the thread run if it doesn't; it sees ports once they are published. */
int io_start(struct io *io, struct fault *f);
/* Waits for the thread's end; what it held is free. */
void io_stop(struct io *io);
/* Whether the thread uses no port any more that this version of the table has not. */
bool io_saw(const struct io *io, uint64_t ports_version);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file of a guest's socket where the agent listens: its directory, what may stand in its place,
 * its mode and owner. Main thread.
 */
#ifndef VHOST_AGENT_SOCKET_FILE_H
#define VHOST_AGENT_SOCKET_FILE_H

#include <stdbool.h>

#include "common/fault.h"
#include "common/guest.h"

/*
 * Before a socket is made at 'path', or looked for there: makes the directory, if 'make_directory'
 * and only its last part is missing, and, if 'listen', removes the socket of a dead agent. Nothing
 * else is ever removed: -EEXIST with a sentence when something else is in the way, -EADDRINUSE when
 * somebody listens there.
 */
int socket_file_prepare(const char *path, const struct guest_note *note, bool make_directory,
			bool listen, struct fault *f);

/* Gives the socket its mode and owner. */
int socket_file_finish(const char *path, const struct guest_note *note, struct fault *f);

#endif

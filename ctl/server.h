/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket: accepts clients, cuts what they send into frames, lets their calls run and
 * sends the answers. Main thread only.
 *
 * The requests of one client are carried out one after the other, those of different clients in
 * turns. A client that does not read its answers is not read from either, so it costs a bounded
 * amount of memory, delays nobody, and is disconnected when it has not read anything for a while.
 */
#ifndef CTL_SERVER_H
#define CTL_SERVER_H

#include "common/fault.h"

struct ctl;
struct server;

/* Path of the control socket with this configuration. */
struct conf;
void server_path(const struct conf *conf, char *path, unsigned long size);

/*
 * Listens. The caller holds the writer lock, so a socket that is there is nobody's and goes away.
 * Fails when the path is too long, its directory is not there, or a configured group does not
 * exist.
 */
int server_create(struct ctl *ctl, struct server **server, struct fault *f);
/* Disconnects everybody and removes the socket. */
void server_destroy(struct server *server);

#endif

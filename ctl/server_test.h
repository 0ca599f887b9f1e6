/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of the control socket share: the server in a child process, and clients. Included
 * by each test once.
 */
#ifndef CTL_SERVER_TEST_H
#define CTL_SERVER_TEST_H

#include "ctl/ctl_test.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "ctl/client/frame.h"
#include "ctl/client/vrouter.h"
#include "ctl/events.h"
#include "ctl/rates.h"
#include "ctl/server.h"

static pid_t server_pid;
static char socket_path[128];

static inline void
on_term(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	event_base_loopbreak(arg);
}

static inline _Noreturn void
serve(void)
{
	struct fault f = {0};
	struct event *term;

	/* As the next vr-ctl would, whatever the last one wrote. */
	tables_release(&test_ctl.tables);
	if (tables_adopt(&test_ctl.tables, &f) < 0)
		_exit(1);
	test_ctl.base = event_base_new();
	term = evsignal_new(test_ctl.base, SIGTERM, on_term, test_ctl.base);
	event_add(term, NULL);
	test_ctl.rates = rates_create(&test_ctl);
	test_ctl.events = events_create(&test_ctl);
	if (test_ctl.rates == NULL || test_ctl.events == NULL ||
	    server_create(&test_ctl, &test_ctl.server, &f) < 0)
		_exit(1);
	event_base_dispatch(test_ctl.base);
	server_destroy(test_ctl.server);
	events_destroy(test_ctl.events);
	rates_destroy(test_ctl.rates);
	event_free(term);
	event_base_free(test_ctl.base);
	_exit(0);
}

static inline void
start(void)
{
	server_pid = fork();
	if (server_pid == 0)
		serve();
	for (int i = 0; i < 500 && access(socket_path, F_OK) != 0; i++)
		usleep(10000);
}

/* Ends it in good order, or kills it. */
static inline int
stop(int sig)
{
	int status;

	kill(server_pid, sig);
	waitpid(server_pid, &status, 0);
	return sig != SIGTERM || (WIFEXITED(status) && WEXITSTATUS(status) == 0) ? 0 : -1;
}

static inline int
server_open(void **state)
{
	if (router_open(state) != 0)
		return -1;
	test_conf.control_message_max = 65536;
	test_conf.control_clients = 1000;
	server_path(&test_conf, socket_path, sizeof(socket_path));
	start();
	return 0;
}

static inline int
server_close(void **state)
{
	int rc = stop(SIGTERM);

	return rc < 0 ? rc : router_close(state);
}

/* --- clients --- */

static Vrouter__Nexthop nexthop;
static Vrouter__Object object;

static inline Vrouter__Object *
flood(uint32_t id)
{
	vrouter__nexthop__init(&nexthop);
	nexthop.has_id_case = VROUTER__NEXTHOP__HAS_ID_ID;
	nexthop.id = id;
	nexthop.type = VROUTER__NEXTHOP__TYPE__FLOOD;
	vrouter__object__init(&object);
	object.kind_case = VROUTER__OBJECT__KIND_NEXTHOP;
	object.nexthop = &nexthop;
	return &object;
}

static Vrouter__Vif vif;

static inline Vrouter__Object *
vif_object(uint32_t id)
{
	vrouter__vif__init(&vif);
	vif.has_id_case = VROUTER__VIF__HAS_ID_ID;
	vif.id = id;
	vif.type = VROUTER__VIF__TYPE__VIRTUAL;
	vrouter__object__init(&object);
	object.kind_case = VROUTER__OBJECT__KIND_VIF;
	object.vif = &vif;
	return &object;
}

static inline struct vrouter *
client(void)
{
	struct vrouter *v = vrouter_open(socket_path, 10000);

	assert_non_null(v);
	return v;
}

static inline void
assert_serves(void)
{
	struct vrouter *v = client();

	assert_int_equal(vrouter_call(v, VROUTER__OP__ADD, flood(1), NULL), 0);
	vrouter_close(v);
}

static inline int
bare_client(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval wait = {.tv_sec = 10};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, socket_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	return fd;
}

#endif

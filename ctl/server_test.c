/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket with real clients: the server runs in a child process, the clients are
 * libvrouter and bare sockets.
 */
#include "ctl/ctl_test.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "ctl/client/frame.h"
#include "ctl/client/vrouter.h"
#include "ctl/server.h"

static pid_t server_pid;
static char socket_path[128];

static void
on_term(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	event_base_loopbreak(arg);
}

static _Noreturn void
serve(void)
{
	struct fault f = {0};
	struct event *term;

	test_ctl.base = event_base_new();
	term = evsignal_new(test_ctl.base, SIGTERM, on_term, test_ctl.base);
	event_add(term, NULL);
	if (server_create(&test_ctl, &test_ctl.server, &f) < 0)
		_exit(1);
	event_base_dispatch(test_ctl.base);
	server_destroy(test_ctl.server);
	event_free(term);
	event_base_free(test_ctl.base);
	_exit(0);
}

static void
start(void)
{
	server_pid = fork();
	if (server_pid == 0)
		serve();
	for (int i = 0; i < 500 && access(socket_path, F_OK) != 0; i++)
		usleep(10000);
}

static int
server_open(void **state)
{
	if (router_open(state) != 0)
		return -1;
	test_conf.control_message_max = 65536;
	test_conf.control_clients = 300;
	server_path(&test_conf, socket_path, sizeof(socket_path));
	start();
	return 0;
}

static int
server_close(void **state)
{
	int status;

	kill(server_pid, SIGTERM);
	waitpid(server_pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return -1;
	return router_close(state);
}

/* --- clients --- */

static Vrouter__Nexthop nexthop;
static Vrouter__Object object;

static Vrouter__Object *
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

static struct vrouter *
client(void)
{
	struct vrouter *v = vrouter_open(socket_path, 10000);

	assert_non_null(v);
	return v;
}

static void
assert_serves(void)
{
	struct vrouter *v = client();

	assert_int_equal(vrouter_call(v, VROUTER__OP__ADD, flood(1), NULL), 0);
	vrouter_close(v);
}

static int
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

/* Reads until the server hangs up; how many bytes came. */
static size_t
drain_socket(int fd, uint8_t *out, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while ((got = recv(fd, out + n, size - n, 0)) > 0)
		n += (size_t)got;
	assert_int_equal(got, 0);
	return n;
}

static Vrouter__Response *
only_answer(const uint8_t *bytes, size_t size)
{
	Vrouter__Response *r;

	assert_true(size > FRAME_HEADER);
	assert_int_equal(frame_get(bytes), size - FRAME_HEADER);
	r = vrouter__response__unpack(NULL, size - FRAME_HEADER, bytes + FRAME_HEADER);
	assert_non_null(r);
	return r;
}

/* --- tests --- */

static void
pipelined_requests_are_answered_in_order(void **state)
{
	struct vrouter *v = client();
	Vrouter__Response *answer;
	uint64_t id, first = 0;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		assert_int_equal(vrouter_send(v, VROUTER__OP__ADD, flood(i), &id), 0);
		first = i == 0 ? id : first;
	}
	assert_int_equal(vrouter_flush(v), 0);
	for (uint32_t i = 0; i < 5000; i++) {
		assert_int_equal(vrouter_receive(v, &answer), 0);
		assert_int_equal(answer->id, first + i);
		assert_int_equal(answer->result->code, VROUTER__RESULT__CODE__OK);
		vrouter_response_free(answer);
	}
	vrouter_close(v);
}

static int
count_objects(void *arg, const Vrouter__Object *o)
{
	assert_int_equal(o->nexthop->id, *(uint32_t *)arg);
	++*(uint32_t *)arg;
	return 0;
}

static void
a_long_list_comes_whole(void **state)
{
	struct vrouter *v = client();
	uint32_t n = 0;

	(void)state;
	assert_int_equal(vrouter_list(v, flood(0), count_objects, &n), 0);
	assert_int_equal(n, 5000);
	vrouter_close(v);
}

static void
a_refusal_reaches_the_client(void **state)
{
	struct vrouter *v = client();
	Vrouter__Response *answer;

	(void)state;
	assert_int_equal(vrouter_call(v, VROUTER__OP__ADD, flood(10000), &answer), -EREMOTE);
	assert_int_equal(answer->result->code, VROUTER__RESULT__CODE__INVALID);
	assert_string_equal(vrouter_error(v),
			    "nexthop 10000: id 10000 is above 9999 (option nexthops)");
	vrouter_response_free(answer);
	vrouter_close(v);
}

static void
an_oversized_frame_is_refused_and_hung_up_on(void **state)
{
	uint8_t out[512], header[FRAME_HEADER];
	Vrouter__Response *answer;
	int fd = bare_client();

	(void)state;
	frame_put(header, 65537);
	assert_int_equal(send(fd, header, sizeof(header), 0), sizeof(header));
	answer = only_answer(out, drain_socket(fd, out, sizeof(out)));
	assert_int_equal(answer->result->code, VROUTER__RESULT__CODE__MALFORMED);
	assert_non_null(strstr(answer->result->text, "control-message-max, 65536"));
	vrouter_response_free(answer);
	close(fd);
	assert_serves();
}

static void
a_frame_of_garbage_is_refused_and_hung_up_on(void **state)
{
	uint8_t out[512], frame[] = {0, 0, 0, 3, 0xff, 0xff, 0xff};
	Vrouter__Response *answer;
	int fd = bare_client();

	(void)state;
	assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
	answer = only_answer(out, drain_socket(fd, out, sizeof(out)));
	assert_int_equal(answer->result->code, VROUTER__RESULT__CODE__MALFORMED);
	vrouter_response_free(answer);
	close(fd);
	assert_serves();
}

static void
a_truncated_frame_is_forgotten(void **state)
{
	uint8_t out[512], frame[] = {0, 0, 0, 9, 8};
	int fd = bare_client();

	(void)state;
	assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
	shutdown(fd, SHUT_WR);
	assert_int_equal(drain_socket(fd, out, sizeof(out)), 0);
	close(fd);
	assert_serves();
}

static void
what_was_sent_before_the_end_is_answered(void **state)
{
	uint8_t out[512], frame[256];
	Vrouter__Request request = VROUTER__REQUEST__INIT;
	Vrouter__Response *answer;
	int fd = bare_client();
	size_t size;

	(void)state;
	request.id = 99;
	request.op = VROUTER__OP__ADD;
	request.object = flood(5);
	size = vrouter__request__pack(&request, frame + FRAME_HEADER);
	frame_put(frame, (uint32_t)size);
	for (size_t i = 0; i < FRAME_HEADER + size; i++)
		assert_int_equal(send(fd, frame + i, 1, 0), 1);
	shutdown(fd, SHUT_WR);
	answer = only_answer(out, drain_socket(fd, out, sizeof(out)));
	assert_int_equal(answer->id, 99);
	assert_int_equal(answer->result->code, VROUTER__RESULT__CODE__OK);
	vrouter_response_free(answer);
	close(fd);
}

/* It asks for more lists than any queue should hold, and reads nothing. */
static void
a_client_that_does_not_read_delays_nobody(void **state)
{
	uint8_t frame[256];
	Vrouter__Request request = VROUTER__REQUEST__INIT;
	int fd = bare_client(), sent = 0;
	size_t size;

	(void)state;
	request.op = VROUTER__OP__LIST;
	request.object = flood(0);
	size = vrouter__request__pack(&request, frame + FRAME_HEADER);
	frame_put(frame, (uint32_t)size);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (sent < 100000 &&
	       send(fd, frame, FRAME_HEADER + size, 0) == (ssize_t)(FRAME_HEADER + size))
		sent++;
	assert_true(sent > 0);
	for (int i = 0; i < 100; i++)
		assert_serves();
	close(fd);
	assert_serves();
}

static void
many_clients_are_served_and_too_many_are_not(void **state)
{
	static struct vrouter *v[301];
	int served = 0;

	(void)state;
	for (int i = 0; i < 301; i++) {
		v[i] = vrouter_open(socket_path, 2000);
		served += vrouter_connect(v[i]) == 0 &&
			  vrouter_send(v[i], VROUTER__OP__ADD, flood(1), NULL) == 0 &&
			  vrouter_flush(v[i]) == 0;
	}
	for (int i = 0; i < 301; i++) {
		Vrouter__Response *answer;

		if (vrouter_receive(v[i], &answer) == 0)
			vrouter_response_free(answer);
		else
			served--;
		vrouter_close(v[i]);
	}
	assert_in_range(served, 299, 300);
	usleep(50000);
	assert_serves();
}

static void
a_client_survives_the_servers_restart(void **state)
{
	struct vrouter *v = client();
	int status;

	(void)state;
	assert_int_equal(vrouter_call(v, VROUTER__OP__ADD, flood(42), NULL), 0);
	kill(server_pid, SIGKILL);
	waitpid(server_pid, &status, 0);
	start();
	assert_int_equal(vrouter_call(v, VROUTER__OP__GET, flood(42), NULL), 0);
	vrouter_close(v);
}

static void
nobody_there_is_said_at_once(void **state)
{
	struct vrouter *v = vrouter_open("/nowhere/control.sock", 10000);

	(void)state;
	assert_int_equal(vrouter_call(v, VROUTER__OP__GET, flood(1), NULL), -ENOENT);
	assert_string_equal(vrouter_error(v),
			    "cannot connect to /nowhere/control.sock: No such file or directory");
	vrouter_close(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pipelined_requests_are_answered_in_order),
	    cmocka_unit_test(a_long_list_comes_whole),
	    cmocka_unit_test(a_refusal_reaches_the_client),
	    cmocka_unit_test(an_oversized_frame_is_refused_and_hung_up_on),
	    cmocka_unit_test(a_frame_of_garbage_is_refused_and_hung_up_on),
	    cmocka_unit_test(a_truncated_frame_is_forgotten),
	    cmocka_unit_test(what_was_sent_before_the_end_is_answered),
	    cmocka_unit_test(a_client_that_does_not_read_delays_nobody),
	    cmocka_unit_test(many_clients_are_served_and_too_many_are_not),
	    cmocka_unit_test(a_client_survives_the_servers_restart),
	    cmocka_unit_test(nobody_there_is_said_at_once),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, server_open, server_close);
}

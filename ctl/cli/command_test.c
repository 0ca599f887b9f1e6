/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What vrctl prints and how it ends, word for word, against a router that is made up: a child that
 * answers from a list of objects. It says yes to every change and keeps none, except that it
 * refuses nexthop 13, and what only a router says.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/cli/config.h"
#include "ctl/cli/message.h"
#include "ctl/cli/vrctl.h"
#include "ctl/cli/words.h"
#include "ctl/client/frame.h"

enum { MESSAGE_MAX = 65536, OBJECTS_MAX = 64, TEXT_MAX = 16384 };

static char directory[] = "/tmp/vrctl-test-XXXXXX";
static char path[64];
static pid_t child;

/* --- the router --- */

/* "OBJECT FIELD=VALUE ...", also with what only a router says. */
static const char *const inventory[] = {
    "vif id=1 name=red-1 type=virtual vrf=1 mac=00:00:5e:00:01:00 mtu=1514 nexthop=1 "
    "tap.name=red-1 "
    "tap.queues=1 tap.slot=10 state.port=red-1 state.link_up=yes state.rx_packets=1200 "
    "state.rx_bytes=96000 state.tx_packets=7 state.drops=3",
    "vif id=2 name=up type=physical vrf=0 mac=02:00:00:00:00:02 mtu=9000 device.name=up "
    "device.queues=2 state.port=up",
    "nexthop id=1 type=encap vrf=1 vif=1",
    "nexthop id=100 type=flood vrf=1 members=1,2",
    "bridge vrf=1 mac=02:00:00:00:00:01 nexthop=1",
    "process name=fwd-10,11 role=fwd slots=10,11 state=ready pid=4711 "
    "started_time_ms=1699999940000 "
    "restarts=1 death.why='killed by signal 9 (Killed)' death.died_time_ms=1699999940000 "
    "death.recovered_us=23400",
    "slot id=10 pid=4711 core=1 busy_percent=40 packets_per_second=1000000 cycles_per_packet=210 "
    "packets=123456789 restarts=1 rx_drops=2 ring_max=512 ring_size=1024",
    "port name=red-1 kind=tap state=active link_up=yes vif=1 queues=1 slots=10 mtu=1500 "
    "mac=02:00:00:00:00:01 rx_packets=1200 tx_packets=7 rx_packets_per_second=900 drops=3 "
    "top_drop=no-nexthop",
    "table name=nexthop used=2 size=524288 size_bytes=33554432 writer=ctl",
    "mempool name=mbuf0 ops=vr_bitmap size=16384 available=12288 used_percent=25",
    "drop reason=no-nexthop packets=3 text='No nexthop' per=reason",
    "dropped dropped_time_ms=1699999998000 reason=no-nexthop vif=1 slot=10 by='slot 10' "
    "stage=nexthop length_bytes=60 text='02:00:00:00:00:01 > 02:00:00:00:00:02' "
    "frame=02:00:00:00:00:02:02:00:00:00:00:01:88:b5",
    "log module=server level=debug state.set=yes state.text='clients of the control API'",
    "audit pool=mbuf0 size=16384 free=16383 unaccounted=1",
    "status healthy=no instance=test version=0.1.0 created_time_ms=1699999000000 "
    "used_bytes=1048576 "
    "size_bytes=4194304 reasons='slot 11 has no process'",
};

static Vrouter__Object objects[OBJECTS_MAX];
static size_t n_objects;

static void
objects_make(void)
{
	for (size_t i = 0; i < sizeof(inventory) / sizeof(inventory[0]); i++) {
		char line[512], *words[32];
		struct fault f = {0};
		ProtobufCMessage *m;
		int n;

		snprintf(line, sizeof(line), "%s", inventory[i]);
		n = words_split(line, words, 32, &f);
		m = words_object(words_kind(words[0]), &objects[n_objects++]);
		for (int j = 1; j < n; j++)
			if (message_assign(m, words[j], &f) < 0)
				fail_msg("%s: %s", words[j], f.text);
	}
}

static void
answer(int fd, Vrouter__Response *response)
{
	uint8_t out[MESSAGE_MAX];
	size_t n = vrouter__response__pack(response, out + FRAME_HEADER);

	frame_put(out, (uint32_t)n);
	if (write(fd, out, FRAME_HEADER + n) < 0)
		_exit(1);
}

static void
answer_hello(Vrouter__Response *response, Vrouter__Object *object)
{
	static Vrouter__Op ops[] = {VROUTER__OP__ADD, VROUTER__OP__DEL, VROUTER__OP__GET,
				    VROUTER__OP__LIST};
	static const char *const names[] = {"vif", "nexthop", "bridge"};
	static Vrouter__Hello__Kind kinds[3], *list[3];
	static Vrouter__Hello hello;

	vrouter__hello__init(&hello);
	for (size_t i = 0; i < 3; i++) {
		vrouter__hello__kind__init(&kinds[i]);
		kinds[i].name = (char *)(uintptr_t)names[i];
		kinds[i].ops = ops;
		kinds[i].n_ops = 4;
		list[i] = &kinds[i];
	}
	hello.server = (char *)(uintptr_t) "vr-ctl 0.1.0";
	hello.message_max_bytes = 1024;
	hello.kinds = list;
	hello.n_kinds = 3;
	vrouter__object__init(object);
	object->kind_case = VROUTER__OBJECT__KIND_HELLO;
	object->hello = &hello;
	response->object = object;
}

static bool
is_unwanted(Vrouter__Op op, const Vrouter__Object *o)
{
	if (op != VROUTER__OP__ADD && op != VROUTER__OP__DEL)
		return false;
	return (o->kind_case == VROUTER__OBJECT__KIND_NEXTHOP && o->nexthop->id == 13) ||
	       (o->kind_case == VROUTER__OBJECT__KIND_VIF && o->vif->state != NULL);
}

static void
serve(int fd, const Vrouter__Request *request)
{
	Vrouter__Response response = VROUTER__RESPONSE__INIT;
	Vrouter__Result result = VROUTER__RESULT__INIT;
	Vrouter__Object object;
	uint32_t refused = 0;

	response.id = request->id;
	response.more = 1;
	for (size_t i = 0; request->op == VROUTER__OP__LIST && i < n_objects; i++) {
		if (objects[i].kind_case != request->object->kind_case)
			continue;
		response.object = &objects[i];
		answer(fd, &response);
	}
	response.more = 0;
	response.object = NULL;
	response.result = &result;
	response.revision = 5;
	for (size_t i = 0; request->op == VROUTER__OP__GET && i < n_objects; i++)
		if (objects[i].kind_case == request->object->kind_case && response.object == NULL)
			response.object = &objects[i];
	for (size_t i = 0; request->batch != NULL && i < request->batch->n_changes; i++)
		if (is_unwanted(request->batch->changes[i]->op, request->batch->changes[i]->object))
			refused = (uint32_t)i + 1;
	if (refused != 0 && request->batch->n_changes > 1)
		result.change = refused;
	if (refused != 0 ||
	    (request->object != NULL && is_unwanted(request->op, request->object))) {
		result.code = VROUTER__RESULT__CODE__INVALID;
		result.text = (char *)(uintptr_t) "nexthop 13 brings bad luck";
	} else if (request->object != NULL &&
		   request->object->kind_case == VROUTER__OBJECT__KIND_HELLO) {
		answer_hello(&response, &object);
	}
	answer(fd, &response);
}

static bool
read_all(int fd, uint8_t *to, size_t n)
{
	while (n > 0) {
		ssize_t got = read(fd, to, n);

		if (got <= 0)
			return false;
		to += got;
		n -= (size_t)got;
	}
	return true;
}

static void
router(int listening)
{
	uint8_t in[MESSAGE_MAX];

	for (;;) {
		int fd = accept(listening, NULL, NULL);

		while (read_all(fd, in, FRAME_HEADER)) {
			uint32_t n = frame_get(in);
			Vrouter__Request *request;

			if (n > sizeof(in) || !read_all(fd, in, n))
				break;
			request = vrouter__request__unpack(NULL, n, in);
			if (request == NULL)
				break;
			serve(fd, request);
			vrouter__request__free_unpacked(request, NULL);
		}
		close(fd);
	}
}

static int
router_start(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/socket", directory);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 8) < 0)
		return -1;
	objects_make();
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		router(fd);
	}
	close(fd);
	return child > 0 ? 0 : -1;
}

static int
router_stop(void **state)
{
	(void)state;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	unlink(path);
	rmdir(directory);
	for (size_t i = 0; i < n_objects; i++)
		protobuf_c_message_free_unpacked(
		    (ProtobufCMessage *)(uintptr_t)words_content(&objects[i]), NULL);
	return 0;
}

/* --- commands --- */

/* Standard output and error of the last command. */
static char out_text[TEXT_MAX], err_text[TEXT_MAX];

static enum exit_status
run_with(struct vrctl v, const char *command)
{
	FILE *out = stdout, *err = stderr;
	enum exit_status status;
	char line[512], *words[32];
	struct fault f = {0};
	int n;

	snprintf(line, sizeof(line), "%s", command);
	n = words_split(line, words, 32, &f);
	memset(out_text, 0, sizeof(out_text));
	memset(err_text, 0, sizeof(err_text));
	stdout = fmemopen(out_text, sizeof(out_text), "w");
	stderr = fmemopen(err_text, sizeof(err_text), "w");
	v.now_ms = 1700000000000;
	if (v.path == NULL)
		v.path = path;
	v.router = vrouter_open(v.path, 5000);
	status = command_run(&v, n, words);
	vrouter_close(v.router);
	fclose(stdout);
	fclose(stderr);
	stdout = out;
	stderr = err;
	return status;
}

/* "..." at the end of what is expected stands for more. */
static void
assert_begins_with(char *text, const char *expected)
{
	size_t n = strlen(expected);

	if (n < 3 || strcmp(expected + n - 3, "...") != 0) {
		assert_string_equal(text, expected);
		return;
	}
	assert_int_equal(strncmp(text, expected, n - 3), 0);
}

/*
 * The transcript: each line that begins with "$ " is a command; what follows is what it prints,
 * then
 * "[N]" if it ends with another status than 0. COLUMNS=N before it is the terminal's width, --json
 * and --last are its options, so is --socket=PATH. With GOLDEN=write in the environment (make
 * golden) the transcript is written anew instead: look at the difference before you commit it.
 */
#define TRANSCRIPT "ctl/cli/golden/commands.txt"

static void
transcribe_command(FILE *to, char *line)
{
	struct vrctl v = {.path = NULL};
	enum exit_status status;
	char *at = line + strlen("$ ");

	fprintf(to, "%s\n", line);
	if (strncmp(at, "COLUMNS=", 8) == 0)
		v.width = (unsigned int)strtoul(at + 8, &at, 10);
	at += strspn(at, " ");
	at += strlen("vrctl ");
	for (; strncmp(at, "--", 2) == 0; at += strcspn(at, " "), at += strspn(at, " ")) {
		v.json |= strncmp(at, "--json ", 7) == 0;
		v.last |= strncmp(at, "--last ", 7) == 0;
		v.dry_run |= strncmp(at, "--dry-run ", 10) == 0;
		if (strncmp(at, "--socket=", 9) == 0)
			v.path = strndupa(at + 9, strcspn(at + 9, " "));
	}
	status = run_with(v, at);
	fprintf(to, "%s%s", out_text, err_text);
	if (status != EXIT_OK)
		fprintf(to, "[%d]\n", (int)status);
}

static char *
transcribe(FILE *from)
{
	char line[512], *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	bool head = true;

	assert_non_null(to);
	while (fgets(line, sizeof(line), from) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		head &= *line == '#';
		if (head)
			fprintf(to, "%s\n", line);
		if (strncmp(line, "$ ", 2) == 0)
			transcribe_command(to, line);
	}
	fclose(to);
	return text;
}

static char *
read_file(const char *name)
{
	FILE *in = fopen(name, "r");
	char *text = NULL;
	size_t room = 0;

	assert_non_null(in);
	if (getdelim(&text, &room, '\0', in) < 0)
		fail_msg("%s is empty", name);
	fclose(in);
	return text;
}

static void
commands_print_what_they_should(void **state)
{
	const char *golden = getenv("GOLDEN");
	FILE *file = fopen(TRANSCRIPT, "r");
	char *is, *should;

	(void)state;
	if (file == NULL)
		fail_msg("no " TRANSCRIPT ": run the tests from the repository's top");
	is = transcribe(file);
	fclose(file);
	if (golden != NULL && strcmp(golden, "write") == 0) {
		file = fopen(TRANSCRIPT, "w");
		assert_non_null(file);
		fputs(is, file);
		assert_int_equal(fclose(file), 0);
	}
	should = read_file(TRANSCRIPT);
	assert_string_equal(is, should);
	assert_true(strstr(is, "\n$ ") != NULL);
	free(is);
	free(should);
}

static void
failures_say_what_and_why(void **state)
{
	static const struct {
		const char *command;
		const char *path;
		enum exit_status status;
		const char *err;
	} cases[] = {
	    {"moon list", NULL, EXIT_USAGE,
	     "vrctl: there is no object \"moon\"; there are hello, status, ..."},
	    {"vif", NULL, EXIT_USAGE,
	     "vrctl: vif: a verb is missing; there are add, set, del, get, list, watch; `vrctl "
	     "help vif` shows more\n"},
	    {"log put", NULL, EXIT_USAGE,
	     "vrctl: log: there is no verb \"put\"; there are set, get, list; `vrctl help log` "
	     "shows more\n"},
	    {"nexthop add id=x", NULL, EXIT_USAGE,
	     "vrctl: nexthop: id: \"x\" is not a number; `vrctl help nexthop` shows its fields\n"},
	    {"vif add id=1 tap.slot=-1", NULL, EXIT_USAGE,
	     "vrctl: vif: tap.slot: \"-1\" is not a number; `vrctl help vif` shows its fields\n"},
	    {"nexthop list where colour=red", NULL, EXIT_USAGE,
	     "vrctl: nexthop: where: there is no field \"colour\"; there are id, type, family, "
	     "vrf, "
	     "vif, rewrite, members..."},
	    {"nexthop list where", NULL, EXIT_USAGE,
	     "vrctl: nexthop: where: a condition is missing, such as FIELD=VALUE\n"},
	    {"events vif moon", NULL, EXIT_USAGE,
	     "vrctl: events: there are none about \"moon\"; there are about process, slot, port, "
	     "table, "
	     "vif..."},
	    {"nexthop watch", NULL, EXIT_USAGE,
	     "vrctl: nexthop: there is no verb \"watch\"; there are ..."},
	    {"mempool audit all", NULL, EXIT_USAGE,
	     "vrctl: mempool audit: \"all\" is too much; only `where` may follow\n"},
	    {"dump all", NULL, EXIT_USAGE,
	     "vrctl: dump: \"all\" is too much; dump takes no arguments\n"},
	    {"apply", NULL, EXIT_USAGE,
	     "vrctl: apply: name one file, or - for the standard input: vrctl apply [--dry-run] "
	     "[--replace] FILE\n"},
	    {"apply /nonexistent/file", NULL, EXIT_USAGE,
	     "vrctl: apply: cannot read /nonexistent/file: No such file or directory\n"},
	    {"nexthop add id=13 type=discard", NULL, EXIT_REFUSED,
	     "vrctl: refused: nexthop 13 brings bad luck\n"},
	    {"status", "/nonexistent/socket", EXIT_CONNECTION,
	     "vrctl: cannot connect to /nonexistent/socket: No such file or directory; is vr-ctl "
	     "running? (--socket PATH for another one)\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(run_with((struct vrctl){.path = cases[i].path}, cases[i].command),
				 cases[i].status);
		assert_string_equal(out_text, "");
		assert_begins_with(err_text, cases[i].err);
	}
	assert_int_equal(run_with((struct vrctl){0}, "mempool audit"), EXIT_UNHEALTHY);
}

static void
an_applied_file_changes_what_differs(void **state)
{
	static const struct {
		const char *file;
		struct vrctl v;
		enum exit_status status;
		const char *out, *err;
	} cases[] = {
	    {"", {0}, EXIT_OK, "nothing to change\n", ""},
	    {"nexthop add id=1 type=encap vrf=1 vif=1\n", {0}, EXIT_OK, "nothing to change\n", ""},
	    {"nexthop add id=1 type=encap vrf=1 vif=1\nnexthop add id=2 type=discard\n",
	     {0},
	     EXIT_OK,
	     "1 added, 0 changed, 0 deleted\n",
	     ""},
	    {"nexthop add id=2 type=discard\n\nnexthop add id=13 type=discard\n",
	     {0},
	     EXIT_REFUSED,
	     "",
	     "%s:3: refused: nexthop 13 brings bad luck; nothing was changed\n"},
	    {"nexthop add id=1 type=discard vrf=1\nnexthop add id=2 type=discard\n",
	     {.dry_run = true, .json = true},
	     EXIT_OK,
	     "{\"added\": 1, \"changed\": 1, \"deleted\": 0, \"dry_run\": true, \"changes\": [\n"
	     "  {\"kind\": \"nexthop\", \"have\": {...",
	     ""},
	    {"# one change\n\nnexthop add id=13 type=discard\n",
	     {0},
	     EXIT_REFUSED,
	     "",
	     "%s:3: refused: nexthop 13 brings bad luck; nothing was changed\n"},
	    {"",
	     {.replace = true, .json = true},
	     EXIT_OK,
	     "{\"added\": 0, \"changed\": 0, \"deleted\": 5}\n",
	     ""},
	    {"nexthop add id=1 type=discard vrf=1\nvif add id=1 name=red-1 type=virtual vrf=1 "
	     "nexthop=1 tap.name=red-1\n",
	     {.dry_run = true, .replace = true},
	     EXIT_OK,
	     "- bridge add vrf=1 mac=02:00:00:00:00:01 nexthop=1\n"
	     "- nexthop add id=100 type=flood vrf=1 members=1,2\n"
	     "- vif add id=2 name=up type=physical mac=02:00:00:00:00:02 mtu=9000 device.name=up "
	     "device.queues=2\n"
	     "~ nexthop id=1: type=discard (was encap), vif=- (was 1)\n"
	     "0 to add, 1 to change, 3 to delete\n",
	     ""},
	    {"nexthop add id=2 type=discard\nnexthop add id=3 vif=discord\n",
	     {0},
	     EXIT_USAGE,
	     "",
	     "%s:2: nexthop: vif: \"discord\" is not a number; `vrctl help nexthop` "
	     "shows its fields\nvrctl: 1 mistake; nothing was changed\n"},
	};
	char file[64], command[80], expected[512];

	(void)state;
	snprintf(file, sizeof(file), "%s/config", directory);
	snprintf(command, sizeof(command), "apply %s", file);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		FILE *out = fopen(file, "w");

		assert_non_null(out);
		fputs(cases[i].file, out);
		fclose(out);
		assert_int_equal(run_with(cases[i].v, command), cases[i].status);
		assert_begins_with(out_text, cases[i].out);
		snprintf(expected, sizeof(expected), cases[i].err, file);
		assert_string_equal(err_text, expected);
	}
	unlink(file);
}

static void
a_file_too_large_for_one_batch_is_refused(void **state)
{
	char file[64], command[80];
	FILE *out;

	(void)state;
	snprintf(file, sizeof(file), "%s/config", directory);
	snprintf(command, sizeof(command), "apply %s", file);
	out = fopen(file, "w");
	assert_non_null(out);
	for (int i = 0; i < 200; i++)
		fprintf(out, "nexthop add id=%d type=discard\n", 1000 + i);
	fclose(out);
	assert_int_equal(run_with((struct vrctl){0}, command), EXIT_REFUSED);
	assert_non_null(strstr(err_text, "200 changes are a message of "));
	assert_non_null(strstr(err_text, "control-message-max"));
	unlink(file);
}

static void
only_what_reads_can_be_watched(void **state)
{
	static const struct {
		const char *command;
		bool reads;
	} cases[] = {
	    {"status", true},        {"drops vif=1", true},   {"vif list", true},
	    {"vif get 1", true},     {"mempool audit", true}, {"vif", false},
	    {"vif add id=1", false}, {"log set x=y", false},  {"dump", false},
	    {"apply file", false},   {"vif watch", false},
	};
	char line[64], *words[8];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fault f = {0};

		snprintf(line, sizeof(line), "%s", cases[i].command);
		assert_int_equal(command_reads(words_split(line, words, 8, &f), words),
				 cases[i].reads);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(commands_print_what_they_should),
	    cmocka_unit_test(failures_say_what_and_why),
	    cmocka_unit_test(an_applied_file_changes_what_differs),
	    cmocka_unit_test(a_file_too_large_for_one_batch_is_refused),
	    cmocka_unit_test(only_what_reads_can_be_watched),
	};

	return cmocka_run_group_tests(tests, router_start, router_stop);
}

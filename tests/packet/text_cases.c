/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads and runs the cases; see text_cases.h. The test's only thread. */
#include "tests/packet/text_cases.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/virtio_net.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "common/drop.h"
#include "tests/packet/coverage.h"
#include "tests/packet/frame_words.h"
#include "tests/packet/mutants.h"
#include "tests/packet/rig.h"
#include "tests/packet/rig_text.h"

enum { CASES_MAX = 1024, LINE_MAX_LEN = 2000, NONE = UINT32_MAX };

struct line {
	uint32_t number;
	char *text;
};

struct lines {
	uint32_t n;
	struct line *list;
};

struct text_case {
	char *file, *name;
	const struct lines *before; /* of the whole file */
	struct lines lines;
};

/* --- reading ---------------------------------------------------------------------------------- */

static void
lines_add(struct lines *l, uint32_t number, const char *text)
{
	l->list = realloc(l->list, (l->n + 1) * sizeof(*l->list));
	if (l->list == NULL)
		abort();
	l->list[l->n++] = (struct line){number, strdup(text)};
}

/* Joins lines that end with a backslash, and leaves out what they begin with. False at the end. */
static bool
line_read(FILE *in, char *line, uint32_t *number)
{
	char part[LINE_MAX_LEN];
	size_t len = 0;

	while (fgets(part, (int)(sizeof(part) - len), in) != NULL) {
		++*number;
		part[strcspn(part, "\n")] = '\0';
		strcpy(line + len, part + strspn(part, " \t"));
		len = strlen(line);
		if (len == 0 || line[len - 1] != '\\')
			return true;
		len--;
	}
	return len > 0;
}

static int
file_read(const char *folder, const char *file, struct text_case *cases, uint32_t n)
{
	struct lines *before = calloc(1, sizeof(*before));
	struct text_case *c = NULL;
	char path[512], line[LINE_MAX_LEN];
	uint32_t number = 0;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	in = fopen(path, "r");
	if (in == NULL || before == NULL)
		return -1;
	while (line_read(in, line, &number)) {
		if (*line == '\0' || *line == '#')
			continue;
		if (strncmp(line, "case ", 5) != 0) {
			lines_add(c != NULL ? &c->lines : before, number, line);
			continue;
		}
		if (n == CASES_MAX)
			return -1;
		c = &cases[n++];
		*c = (struct text_case){strdup(file), strdup(line + 5), before, {0}};
	}
	fclose(in);
	return (int)n;
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
is_case_file(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 4 && strcmp(d->d_name + n - 4, ".txt") == 0;
}

static int
cases_read(struct text_case *cases)
{
	const char *folder = getenv("PACKET_CASES");
	struct dirent **files;
	int n_files, n = 0;

	folder = folder != NULL ? folder : "tests/packet/cases";
	n_files = scandir(folder, &files, is_case_file, by_name);
	if (n_files <= 0) {
		fprintf(stderr, "there are no cases in %s\n", folder);
		return -1;
	}
	for (int i = 0; i < n_files && n >= 0; i++)
		n = file_read(folder, files[i]->d_name, cases, (uint32_t)n);
	for (int i = 0; i < n_files; i++)
		free(files[i]);
	free(files);
	return n;
}

/* --- running ---------------------------------------------------------------------------------- */

/* The case at work, and the line that is carried out. */
static struct {
	const struct text_case *c;
	uint32_t line;
	bool pending; /* packets came in and were not looked at */
	struct frame_words in;
	uint64_t drops[65][DROPS]; /* expected so far, by vif; 64: no vif */
	char config[65536];
	uint32_t config_lines;
} now;

/* What is left out of every configuration, NULL: nothing; and whether control refused the rest. */
static const struct mutant *mutant;
static bool is_refused;

static void __attribute__((noreturn, format(printf, 1, 2))) give_up(const char *format, ...)
{
	char text[600];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fail_msg("%s:%u: %s", now.c->file, now.line, text);
	abort();
}

static void
run(void)
{
	if (now.pending)
		rig_run();
	now.pending = false;
}

/* Configuration waits for the last of consecutive lines. */
static void
config_flush(void)
{
	const char *why;

	if (now.config[0] == '\0')
		return;
	why = rig_text_change(now.c->file, now.config, false);
	now.config[0] = '\0';
	now.config_lines = 0;
	is_refused |= why != NULL;
	if (why != NULL)
		give_up("refused: %s", why);
}

/* Empty lines before it keep the numbers in messages right. */
static void
config_line(const char *text)
{
	char rest[LINE_MAX_LEN];
	size_t len = strlen(now.config);

	run();
	if (mutant != NULL && mutant_take_out(mutant, text, rest))
		text = rest;
	coverage_config(text);
	for (; now.config_lines + 1 < now.line; now.config_lines++)
		now.config[len++] = '\n';
	if (len + strlen(text) + 2 > sizeof(now.config))
		give_up("too much configuration");
	sprintf(now.config + len, "%s\n", text);
	now.config_lines++;
}

/* The next word, which is cut off. */
static char *
word(char **rest)
{
	char *w = strtok_r(NULL, " ", rest);

	if (w == NULL)
		give_up("a word is missing");
	return w;
}

static uint32_t
number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	if (end == text || *end != '\0')
		give_up("\"%s\" is no number", text);
	return (uint32_t)value;
}

static uint32_t
port(const char *text)
{
	uint32_t p = text[0] == 'p' ? number(text + 1) : RIG_PORTS;

	if (p >= RIG_PORTS)
		give_up("there is no port \"%s\"", text);
	return p;
}

/* "key=7". */
static uint32_t
keyed(const char *text, const char *key)
{
	size_t n = strlen(key);

	if (strncmp(text, key, n) != 0 || text[n] != '=')
		give_up("\"%s\" is not %s=...", text, key);
	return number(text + n + 1);
}

/* A drop's vif, as an index of counters. */
static uint32_t
counted_vif(const char *text)
{
	return strcmp(text, "none") == 0 ? rig_worker()->no_vif : number(text);
}

static void
frame_parse(const char *text, uint32_t repetition, struct frame_words *out)
{
	struct fault f = {0};

	if (strcmp(text, "same") == 0) {
		*out = now.in;
		return;
	}
	if (frame_words_parse(text, repetition, out, &f) < 0)
		give_up("%s", f.text);
}

static void
put(uint32_t p, const struct frame_words *f)
{
	struct virtio_net_hdr_mrg_rxbuf header = {0};
	struct iovec parts[] = {{&header, sizeof(header)}, {(void *)(uintptr_t)f->bytes, f->len}};

	if (p < RIG_TAP)
		rig_put_bytes(p, f->bytes, f->len);
	else if (writev(rig_tap(p), parts, 2) < 0)
		give_up("the tap takes nothing");
}

static void
line_in(char *rest)
{
	uint32_t p = port(word(&rest)), n = 1;

	if (rest[0] == 'x')
		n = number(word(&rest) + 1);
	for (uint32_t i = 0; i < n; i++) {
		frame_parse(rest, i, &now.in);
		put(p, &now.in);
	}
	now.pending = true;
}

static void
line_inject(char *rest)
{
	const char *command = word(&rest);
	uint32_t vif = keyed(word(&rest), "vif"), vrf = keyed(word(&rest), "vrf");

	frame_parse(rest, 0, &now.in);
	rig_inject(strcmp(command, "route") == 0 ? INJECT_ROUTE : INJECT_SWITCH, vif, vrf,
		   now.in.bytes, now.in.len);
	now.pending = true;
}

static void
print_hex(const char *title, const uint8_t *bytes, uint32_t len)
{
	fprintf(stderr, "%s, %u bytes:", title, len);
	for (uint32_t i = 0; i < len && i < 256; i++)
		fprintf(stderr, "%s%02x", i % 16 == 0 ? "\n  " : " ", bytes[i]);
	fputc('\n', stderr);
}

static void
compare(const char *text, const uint8_t *bytes, uint32_t len)
{
	struct frame_words want;
	uint32_t at;

	frame_parse(text, 0, &want);
	if (frame_words_equal(&want, bytes, len, &at))
		return;
	print_hex("expected", want.bytes, want.len);
	print_hex("got", bytes, len);
	give_up("another frame; they differ from byte %u on", at);
}

/* The oldest frame that left; NULL: none. */
static const struct rig_frame *
taken(uint32_t p)
{
	static struct rig_frame f;
	static uint8_t bytes[sizeof(struct virtio_net_hdr_mrg_rxbuf) + sizeof(f.bytes)];
	const struct rig_frame *device;
	ssize_t n;

	if (p < RIG_TAP)
		return rig_take(p, &device) ? device : NULL;
	n = read(rig_tap(p), bytes, sizeof(bytes));
	if (n < (ssize_t)sizeof(struct virtio_net_hdr_mrg_rxbuf))
		return NULL;
	f.len = (uint32_t)n - (uint32_t)sizeof(struct virtio_net_hdr_mrg_rxbuf);
	memcpy(f.bytes, bytes + sizeof(struct virtio_net_hdr_mrg_rxbuf), f.len);
	return &f;
}

static void
line_out(char *rest)
{
	uint32_t p = port(word(&rest));
	const struct rig_frame *f;

	run();
	f = taken(p);
	if (f == NULL)
		give_up("nothing left by p%u", p);
	compare(rest, f->bytes, f->len);
}

static const char *const trap_names[] = {
#define TRAP_REASON(NAME, name, truncated, text) name,
#include "common/trap_reasons.def"
#undef TRAP_REASON
};

static void
line_trap(char *rest)
{
	static uint8_t frame[TRAP_FRAME_MAX];
	const char *reason = word(&rest);
	uint32_t vif = keyed(word(&rest), "vif");
	struct trap_record r;

	run();
	if (!rig_trapped(&r, frame))
		give_up("nothing was trapped");
	if (r.reason >= TRAP_REASONS || strcmp(trap_names[r.reason], reason) != 0)
		give_up("trapped for %s", r.reason < TRAP_REASONS ? trap_names[r.reason] : "?");
	if (r.vif != vif)
		give_up("trapped from vif %u", r.vif);
	compare(rest, frame, r.length);
	coverage_trap((enum trap_reason)r.reason);
}

static enum drop
drop_of(const char *name)
{
	for (uint32_t i = 0; i < DROPS; i++)
		if (strcmp(drop_name((enum drop)i), name) == 0)
			return (enum drop)i;
	give_up("there is no drop reason \"%s\"", name);
}

static void
line_drop(char *rest)
{
	uint32_t vif = counted_vif(word(&rest)), n;
	enum drop why = drop_of(word(&rest));

	n = *rest != '\0' ? number(rest) : 1;
	run();
	now.drops[vif][why] += n;
	if (rig_drops(vif, why) != now.drops[vif][why])
		give_up("%llu were dropped there for that, not %llu",
			(unsigned long long)rig_drops(vif, why),
			(unsigned long long)now.drops[vif][why]);
	coverage_drop(why);
}

static void
line_count(char *rest)
{
	const struct vif_counters *c = (run(), rig_counters(counted_vif(word(&rest))));
	const struct {
		const char *name;
		uint64_t value;
	} counters[] = {{"rx", c->rx_packets},       {"tx", c->tx_packets},
			{"rx_bytes", c->rx_bytes},   {"tx_bytes", c->tx_bytes},
			{"rx_errors", c->rx_errors}, {"tx_errors", c->tx_errors}};
	char *w;

	while ((w = strtok_r(NULL, " ", &rest)) != NULL) {
		char *value = strchr(w, '=');
		uint32_t i = 0;

		if (value == NULL)
			give_up("\"%s\" is no COUNTER=N", w);
		*value++ = '\0';
		while (i < 6 && strcmp(counters[i].name, w) != 0)
			i++;
		if (i == 6)
			give_up("there is no counter \"%s\"", w);
		if (counters[i].value != number(value))
			give_up("%s is %llu", w, (unsigned long long)counters[i].value);
	}
}

static void
line_room(char *rest)
{
	uint32_t p = port(word(&rest));

	rig_port_room(p, number(rest));
}

static void
line_mbufs(char *rest)
{
	rig_pool_drain(number(rest));
}

/* Bytes before the frames that come in from now on. */
static void
line_headroom(char *rest)
{
	rig_headroom((uint16_t)number(rest));
}

/* So many more were trapped, whatever they are. */
static void
line_trapped(char *rest)
{
	static uint8_t frame[TRAP_FRAME_MAX];
	uint32_t n = number(rest), k = 0;
	struct trap_record r;

	run();
	while (k < n && rig_trapped(&r, frame))
		k++;
	if (k != n)
		give_up("%u were trapped", k);
}

/* So many more frames left by a port, whatever they are. */
static void
line_left(char *rest)
{
	uint32_t p = port(word(&rest)), n = number(rest), k = 0;

	run();
	while (k < n && taken(p) != NULL)
		k++;
	if (k != n)
		give_up("%u left", k);
}

/* So many more wait for the other slot. */
static void
line_waiting(char *rest)
{
	uint32_t n = number(rest), k = 0;
	void *m;

	run();
	for (; rte_ring_dequeue(rig_ring_to_peer(), &m) == 0; k++)
		rte_pktmbuf_free(m);
	if (k != n)
		give_up("%u wait", k);
}

static void
line_peer(char *rest)
{
	rig_port_of_peer(port(rest));
}

static void
line_del(char *rest)
{
	char text[LINE_MAX_LEN];
	const char *kind = word(&rest), *why;

	run();
	snprintf(text, sizeof(text), "%s add %s\n", kind, rest);
	why = rig_text_change(now.c->file, text, true);
	if (why != NULL)
		give_up("refused: %s", why);
}

static void
line_refused(char *rest)
{
	coverage_config(rest);
	if (rig_text_change(now.c->file, rest, false) == NULL)
		give_up("it was not refused");
}

static void
line_run(const struct line *l)
{
	static const struct {
		const char *name;
		void (*run)(char *rest);
	} verbs[] = {
	    {"in", line_in},           {"out", line_out},         {"trap", line_trap},
	    {"drop", line_drop},       {"count", line_count},     {"inject", line_inject},
	    {"room", line_room},       {"mbufs", line_mbufs},     {"peer", line_peer},
	    {"del", line_del},         {"refused", line_refused}, {"headroom", line_headroom},
	    {"trapped", line_trapped}, {"waiting", line_waiting}, {"left", line_left}};
	char text[LINE_MAX_LEN];
	size_t len = strcspn(l->text, " ");

	now.line = l->number;
	for (uint32_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strlen(verbs[i].name) != len || strncmp(verbs[i].name, l->text, len) != 0)
			continue;
		config_flush();
		snprintf(text, sizeof(text), "%s", l->text + len + strspn(l->text + len, " "));
		verbs[i].run(text);
		return;
	}
	config_line(l->text);
}

/* Nothing but what was said. */
static void
nothing_else(void)
{
	static uint8_t frame[TRAP_FRAME_MAX];
	const struct rig_frame *f;
	struct trap_record r;

	run();
	for (uint32_t p = 0; p < RIG_PORTS; p++) {
		f = taken(p);
		if (f == NULL)
			continue;
		print_hex("got", f->bytes, f->len);
		give_up("a frame more left by p%u", p);
	}
	if (rig_trapped(&r, frame))
		give_up("a packet more was trapped: %s", trap_names[r.reason]);
	for (uint32_t vif = 0; vif <= rig_worker()->no_vif; vif++)
		for (uint32_t d = 0; d < DROPS; d++)
			if (rig_drops(vif, (enum drop)d) != now.drops[vif][d])
				give_up("%llu packets of vif %u were dropped: %s",
					(unsigned long long)rig_drops(vif, (enum drop)d), vif,
					drop_name((enum drop)d));
}

static void
case_run(void **state)
{
	const struct text_case *c = *state;

	memset(&now, 0, sizeof(now));
	now.c = c;
	for (uint32_t i = 0; i < c->before->n; i++)
		line_run(&c->before->list[i]);
	config_flush();
	for (uint32_t i = 0; i < c->lines.n; i++)
		line_run(&c->lines.list[i]);
	config_flush();
	nothing_else();
}

static int
case_open(void **state)
{
	(void)state;
	rig_reset();
	return rig_text_open();
}

static int
case_close(void **state)
{
	(void)state;
	rig_text_close();
	rig_pool_refill();
	assert_int_equal(rig_missing(), 0);
	return 0;
}

static void
everything_declared_occurs_in_a_case(void **state)
{
	(void)state;
	assert_int_equal(coverage_missing(stderr), 0);
}

/* --- what must matter to some case ------------------------------------------------------------ */

static struct text_case cases[CASES_MAX];
static int n_cases;

static bool
lines_have(const struct lines *l, const struct mutant *m)
{
	char rest[LINE_MAX_LEN];

	for (uint32_t i = 0; i < l->n; i++)
		if (mutant_take_out(m, l->list[i].text, rest))
			return true;
	return false;
}

enum outcome { PASSES, FAILS, REFUSED };

/* The case without the mutant's words, in a process of its own, as a failure may leave anything. */
static enum outcome
outcome_without(struct text_case *c, const struct mutant *m)
{
	struct CMUnitTest test = {c->name, case_run, case_open, case_close, c};
	int status, null;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		null = open("/dev/null", O_WRONLY);
		if (null < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
			_exit(99);
		mutant = m;
		is_refused = false;
		if (_cmocka_run_group_tests("mutant", &test, 1, NULL, NULL) == 0)
			_exit(PASSES);
		_exit(is_refused ? REFUSED : FAILS);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= REFUSED);
	return (enum outcome)WEXITSTATUS(status);
}

static void
each_word_matters_to_a_case(void **state)
{
	const struct mutant *m;
	int missing = 0;

	(void)state;
	for (size_t k = 0; (m = mutant_at(k)) != NULL; k++) {
		bool matters = false;

		for (int i = 0; i < n_cases && !matters; i++)
			matters =
			    (lines_have(cases[i].before, m) || lines_have(&cases[i].lines, m)) &&
			    outcome_without(&cases[i], m) == FAILS;
		if (!matters)
			fprintf(stderr, "no case fails without %s %s=%s\n", m->kind, m->key,
				m->value != NULL ? m->value : "...");
		missing += !matters;
	}
	assert_int_equal(missing, 0);
}

int
text_cases_run(void)
{
	static struct CMUnitTest tests[CASES_MAX + 2];
	int n = cases_read(cases);

	if (n <= 0)
		return 1;
	n_cases = n;
	for (int i = 0; i < n; i++)
		tests[i] =
		    (struct CMUnitTest){cases[i].name, case_run, case_open, case_close, &cases[i]};
	tests[n] = (struct CMUnitTest){"everything_declared_occurs_in_a_case",
				       everything_declared_occurs_in_a_case, NULL, NULL, NULL};
	tests[n + 1] = (struct CMUnitTest){"each_word_matters_to_a_case",
					   each_word_matters_to_a_case, NULL, NULL, NULL};
	return _cmocka_run_group_tests("text cases", tests, (size_t)n + 2, NULL, NULL);
}

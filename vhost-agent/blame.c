/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blame; see blame.h.
 *
 * Handlers of fatal signals run on the thread that failed, so a thread-local variable says whom it
 * served. They call what is async-signal-safe, and format a line, which in practice is.
 *
 * rte_vhost's calls of mmap() and munmap() come through here (--wrap), for a list of what belongs
 * to guests. A page that a guest has truncated away raises SIGBUS at our first access; then the
 * whole mapping is replaced by empty memory with one system call, and the access is made again.
 */
#include "vhost-agent/blame.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_cycles.h>

#define LOG_MODULE "guest"
#include "common/log.h"
#include "vhost-agent/guests.h"

enum {
	MAPPINGS_MAX = 8192,
	/* Messages take microseconds; other threads may have our CPU. */
	MESSAGE_INTERRUPT_MS = 1000,
	MESSAGE_HUNG_MS = 5000,
};

struct mapping {
	void *start; /* atomic; NULL: unused */
	size_t len;
	struct guest *guest;
};

static struct mapping mappings[MAPPINGS_MAX];
static uint32_t n_mappings; /* atomic; none beyond */
static uint32_t deaths_limit;
static int woken = -1;
static uint64_t message_since_tsc; /* atomic; 0: no message is being heard */
static struct guest *message_guest;
static pthread_t message_thread;
__thread struct guest *blame_busy_with;

/* --- offences --------------------------------------------------------------------------------- */

void
blame_note(struct guest *g, enum guest_offence offence, const char *what)
{
	guest_blame(g->note, offence, deaths_limit, guest_now_ms());
	/* The first ones tell all there is to tell; a flood of lines would be another harm. */
	if (g->note->offences[offence] <= 8 || g->note->offences[offence] % 1000 == 0)
		log_warning("guest of port %u (%s) %s: %s (%u times)", g->port, g->entry->name,
			    guest_offence_text(offence), what, g->note->offences[offence]);
}

void
blame_close(struct guest *g, enum guest_offence offence)
{
	__atomic_store_n(&g->close_for, (uint32_t)offence + 1, __ATOMIC_RELEASE);
	(void)!write(woken, &(uint64_t){1}, sizeof(uint64_t));
}

static void
say_last(struct guest *g, enum guest_offence offence, int number, uint64_t quarantine_ms)
{
	char line[256];
	int n = snprintf(line, sizeof(line),
			 "vr-vhost: guest of port %u (%s) %s (signal %d); %u in a row; not served "
			 "for %lu ms\n",
			 g->port, g->entry->name, guest_offence_text(offence), number,
			 g->note->deaths_in_row, (unsigned long)quarantine_ms);

	if (n > 0)
		(void)!write(STDERR_FILENO, line,
			     (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static void
die_of(struct guest *g, enum guest_offence offence, int number)
{
	uint64_t ms = guest_blame(g->note, offence, deaths_limit, guest_now_ms());

	say_last(g, offence, number, ms);
}

/* --- memory ----------------------------------------------------------------------------------- */

void *__real_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t len);
void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *addr, size_t len);

static void
mapping_add(void *start, size_t len, struct guest *g)
{
	for (uint32_t i = 0; i < MAPPINGS_MAX; i++) {
		struct mapping *m = &mappings[i];

		if (__atomic_load_n(&m->start, __ATOMIC_ACQUIRE) != NULL)
			continue;
		m->len = len;
		m->guest = g;
		__atomic_store_n(&m->start, start, __ATOMIC_RELEASE);
		if (i >= n_mappings)
			__atomic_store_n(&n_mappings, i + 1, __ATOMIC_RELEASE);
		return;
	}
}

static struct mapping *
mapping_of(const void *address)
{
	uint32_t n = __atomic_load_n(&n_mappings, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < n; i++) {
		const char *start = __atomic_load_n(&mappings[i].start, __ATOMIC_ACQUIRE);

		if (start != NULL && (const char *)address >= start &&
		    (const char *)address < start + mappings[i].len)
			return &mappings[i];
	}
	return NULL;
}

void *
__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	void *start = __real_mmap64(addr, len, prot, flags, fd, offset);

	if (start != MAP_FAILED && fd >= 0 && blame_busy_with != NULL)
		mapping_add(start, len, blame_busy_with);
	return start;
}

/* Forgotten first: the address may be somebody else's right after. */
int
__wrap_munmap(void *addr, size_t len)
{
	struct mapping *m = mapping_of(addr);

	if (m != NULL && m->start == addr)
		__atomic_store_n(&m->start, NULL, __ATOMIC_RELEASE);
	return __real_munmap(addr, len);
}

/* Whether the failed access may be made again. */
static bool
memory_replace(const void *address)
{
	struct mapping *m = mapping_of(address);

	if (m == NULL || __real_mmap64(m->start, m->len, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
				       0) == MAP_FAILED)
		return false;
	blame_close(m->guest, GUEST_MEMORY);
	return true;
}

/* --- signals ---------------------------------------------------------------------------------- */

/* Made again with the default action, the access ends the process, with a core that shows it. */
static void
on_fatal(int number, siginfo_t *info, void *context)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};

	(void)context;
	if (number == SIGBUS && info->si_code > 0 && memory_replace(info->si_addr))
		return;
	sigaction(number, &standard, NULL);
	if (blame_busy_with != NULL)
		die_of(blame_busy_with, GUEST_CRASH, number);
	if (info->si_code <= 0) /* somebody sent it: nothing is made again */
		raise(number);
}

/* That it comes is enough: what waits in a system call is told so (EINTR). */
static void
on_interrupt(int number)
{
	(void)number;
}

void
blame_init(uint32_t deaths_max, int event)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
	struct sigaction a = {.sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO | SA_NODEFER};
	struct sigaction interrupt = {.sa_handler = on_interrupt};

	sigaction(SIGURG, &interrupt, NULL);
	deaths_limit = deaths_max;
	woken = event;
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &a, NULL);
}

/* --- the thread that hears messages ----------------------------------------------------------- */

void
blame_message_begin(struct guest *g)
{
	blame_begin(g);
	message_guest = g;
	message_thread = pthread_self();
	__atomic_store_n(&message_since_tsc, rte_rdtsc(), __ATOMIC_RELEASE);
}

void
blame_message_end(void)
{
	if (blame_busy_with == NULL)
		return;
	__atomic_store_n(&message_since_tsc, 0, __ATOMIC_RELEASE);
	blame_end();
}

/* Again and again, since it may not be waiting yet; it does nothing but end a wait. */
void
blame_message_check(uint64_t now_tsc)
{
	uint64_t since = __atomic_load_n(&message_since_tsc, __ATOMIC_ACQUIRE);
	uint64_t ms = rte_get_tsc_hz() / 1000;

	if (since == 0 || now_tsc < since || now_tsc - since < ms * MESSAGE_INTERRUPT_MS)
		return;
	if (now_tsc - since < ms * MESSAGE_HUNG_MS) {
		pthread_kill(message_thread, SIGURG);
		return;
	}
	die_of(message_guest, GUEST_HANG, SIGKILL);
	raise(SIGKILL);
}

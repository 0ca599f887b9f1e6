/* SPDX-License-Identifier: BSD-3-Clause */
/* EAL's start and its leftovers; see eal.h. */
#include "primary/eal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#define LOG_MODULE "eal"
#include "common/log.h"
#include "common/need.h"
#include "primary/device_port.h"
#include "primary/io.h"

enum {
	ARGS_MAX = 24 + CONF_LIST_MAX * 2,
	FDS_AT_START = 1024,
	MESSAGE_MS = 20,
};

struct args {
	int n;
	char *v[ARGS_MAX + 1];
	char text[ARGS_MAX][CONF_TEXT + 32];
};

static void __attribute__((format(printf, 2, 3))) arg(struct args *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->text[a->n], sizeof(a->text[0]), fmt, ap);
	va_end(ap);
	a->v[a->n] = a->text[a->n];
	a->n++;
}

void
eal_prefix(const struct conf *c, uint32_t generation, char *buf, size_t size)
{
	snprintf(buf, size, "%.40s-g%u", c->instance, generation);
}

/* Whether 'name' is "INSTANCE-gN" followed by 'rest'. */
static bool
is_generation(const struct conf *c, const char *name, const char *rest)
{
	size_t len = strlen(c->instance);

	if (strncmp(name, c->instance, len) != 0 || strncmp(name + len, "-g", 2) != 0 ||
	    !isdigit((unsigned char)name[len + 2]))
		return false;
	name += len + 2;
	name += strspn(name, "0123456789");
	return strncmp(name, rest, strlen(rest)) == 0 && (*rest != '\0' || *name == '\0');
}

static void
remove_directory(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(fd, e->d_name, 0);
	closedir(dir);
	unlinkat(parent, name, AT_REMOVEDIR);
}

void
eal_clean(const struct conf *c)
{
	char path[CONF_TEXT + 8];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/dpdk", c->run_dir);
	dir = opendir(path);
	while (dir != NULL && (e = readdir(dir)) != NULL)
		if (is_generation(c, e->d_name, ""))
			remove_directory(dirfd(dir), e->d_name);
	if (dir != NULL)
		closedir(dir);
	dir = opendir(c->hugepage_dir);
	while (dir != NULL && (e = readdir(dir)) != NULL)
		if (is_generation(c, e->d_name, "map_"))
			unlinkat(dirfd(dir), e->d_name, 0);
	if (dir != NULL)
		closedir(dir);
}

static unsigned int
numa_nodes(void)
{
	char path[64];
	unsigned int n = 0;

	do
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%u", ++n);
	while (access(path, F_OK) == 0 && n < 32);
	return n;
}

/* Memory is all there from the start: growing it later needs every process to agree. */
static void
add_memory(struct args *a, const struct conf *c, uint64_t page)
{
	char text[NEED_TEXT];
	char limits[CONF_TEXT] = "";
	unsigned int nodes = numa_nodes();
	struct need need;
	size_t len = 0;

	need_compute(c, page, &need);
	need_print(&need, text);
	log_notice("%s", text);
	arg(a, "-m");
	arg(a, "%llu", (unsigned long long)need.eal_mb);
	for (unsigned int i = 0; i < nodes && len < sizeof(limits) - 16; i++)
		len += (size_t)snprintf(limits + len, sizeof(limits) - len, "%s%llu",
					i > 0 ? "," : "", (unsigned long long)need.eal_mb);
	arg(a, "--socket-limit=%s", limits);
	arg(a, "--huge-dir=%s", c->hugepage_dir);
	arg(a, "--single-file-segments");
	arg(a, "--iova-mode=va");
	arg(a, "--base-virtaddr=0x%llx", (unsigned long long)c->eal_base_address);
}

/* The bus is scanned only if the configuration names a device on it, and probed for nothing else.
 */
static void
add_pci(struct args *a, const struct conf *c)
{
	bool any = false;

	for (uint32_t i = 0; i < c->ports.n; i++) {
		const char *devargs = strchr(c->ports.v[i], '=');
		const char *queues;
		size_t len;

		if (devargs == NULL || !device_is_pci(++devargs))
			continue;
		queues = strstr(devargs, ",queues=");
		len = queues == NULL ? strlen(devargs) : (size_t)(queues - devargs);
		arg(a, "-a");
		arg(a, "%.*s", (int)len, devargs);
		any = true;
	}
	if (!any)
		arg(a, "--no-pci");
}

/*
 * EAL's own messages to secondaries (which devices there are, told to all when one attaches) block
 * for ever on a process that does not read, holding the list of devices. Ours give up instead.
 */
static void
messages_give_up(void)
{
	static const char ending[] = "/mp_socket";
	const struct timeval limit = {.tv_usec = MESSAGE_MS * 1000};
	struct sockaddr_un a;

	for (int fd = 0; fd < FDS_AT_START; fd++) {
		socklen_t len = sizeof(a);
		size_t n;

		memset(&a, 0, sizeof(a));
		if (getsockname(fd, (struct sockaddr *)&a, &len) < 0 || a.sun_family != AF_UNIX)
			continue;
		n = strnlen(a.sun_path, sizeof(a.sun_path));
		if (n >= sizeof(ending) - 1 &&
		    memcmp(a.sun_path + n - (sizeof(ending) - 1), ending, sizeof(ending) - 1) ==
			0 &&
		    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
			log_warning("EAL's socket: %s", strerror(errno));
	}
}

int
eal_start(const struct conf *c, const char *prefix, struct fault *f)
{
	struct args *a = calloc(1, sizeof(*a));
	struct statfs fs;
	int rc = 0;

	if (a == NULL)
		return fault_set(f, ENOMEM, "no memory for EAL's arguments");
	if (statfs(c->hugepage_dir, &fs) < 0) {
		rc = fault_set(f, errno, "%s: %s", c->hugepage_dir, strerror(errno));
		goto out;
	}
	arg(a, "vr-primary");
	arg(a, "--proc-type=primary");
	arg(a, "--file-prefix=%s", prefix);
	add_memory(a, c, (uint64_t)fs.f_bsize);
	arg(a, "--no-telemetry");
	arg(a, "--lcores=0@%u,1@%u,%d@%u", (unsigned int)c->primary_core,
	    (unsigned int)c->primary_core, IO_LCORE, io_core(c));
	arg(a, "--main-lcore=0");
	arg(a, "--log-level=lib.*:warning");
	add_pci(a, c);

	/* EAL keeps its runtime files in $RUNTIME_DIRECTORY/dpdk/PREFIX. */
	setenv("RUNTIME_DIRECTORY", c->run_dir, 1);
	if (rte_eal_init(a->n, a->v) < 0)
		rc = fault_set(f, rte_errno != 0 ? rte_errno : EIO, "EAL cannot be started: %s",
			       rte_strerror(rte_errno));
	else
		messages_give_up();
out:
	free(a); /* EAL keeps copies of what it needs */
	return rc;
}

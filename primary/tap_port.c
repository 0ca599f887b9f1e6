/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taps of our own; see tap_port.h.
 *
 * A tap with several queues sends a flow to the queue it was last written from, so that packets
 * would follow whichever worker transmits. A program of three instructions replaces that: the
 * packet's hash, which the kernel takes modulo the number of queues.
 */
#include "primary/tap_port.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/if_tun.h>

#include "common/tap.h"

#define LOG_MODULE "port"
#include "common/log.h"

enum { ETHER_HEADER = 14 };

int
tap_port_name_check(const char *name, struct fault *f)
{
	size_t len = strnlen(name, IFNAMSIZ);

	if (len == 0)
		return fault_set(f, EINVAL, "a tap needs an interface name");
	if (len == IFNAMSIZ)
		return fault_set(f, EINVAL, "interface name '%.32s' is longer than %d characters",
				 name, IFNAMSIZ - 1);
	if (strpbrk(name, "/: \t\n%") != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return fault_set(f, EINVAL, "'%s' cannot be the name of an interface", name);
	return 0;
}

bool
tap_port_exists(const char *name)
{
	return if_nametoindex(name) != 0;
}

static int
queue_open(const char *name, bool only_new, struct fault *f)
{
	int header = TAP_VNET_HDR_LEN;
	struct ifreq ifr = {0};
	int fd, err;

	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return fault_set(f, errno, "/dev/net/tun: %s", strerror(errno));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ifr.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE |
				(only_new ? IFF_TUN_EXCL : 0));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		err = errno;
		close(fd);
		if (err == EBUSY)
			return fault_set(f, EEXIST, "interface %s is there already, and not ours",
					 name);
		return fault_set(f, err, "tap %s: %s", name, strerror(err));
	}
	if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0 ||
	    ioctl(fd, TUNSETOFFLOAD, tap_offloads()) < 0) {
		err = errno;
		close(fd);
		return fault_set(f, err, "tap %s: offloads: %s", name, strerror(err));
	}
	return fd;
}

static void
steer_by_hash(int fd, const char *name)
{
	static const char license[] = "Dual BSD/GPL";
	const struct bpf_insn code[] = {
	    {.code = BPF_LDX | BPF_MEM | BPF_W,
	     .dst_reg = BPF_REG_0,
	     .src_reg = BPF_REG_1,
	     .off = offsetof(struct __sk_buff, hash)},
	    {.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {0};
	int prog;

	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uint64_t)(uintptr_t)code;
	attr.insn_cnt = sizeof(code) / sizeof(code[0]);
	attr.license = (uint64_t)(uintptr_t)license;
	prog = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (prog < 0 || ioctl(fd, TUNSETSTEERINGEBPF, &prog) < 0)
		log_warning(
		    "tap %s: queues cannot be steered by hash (%s); flows may change workers", name,
		    strerror(errno));
	if (prog >= 0)
		close(prog);
}

static int
set_up(const char *name, uint32_t mtu, const uint8_t *mac, struct fault *f)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {0};
	int rc = 0;

	if (sock < 0)
		return fault_set(f, errno, "socket: %s", strerror(errno));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ifr.ifr_mtu = (int)mtu - ETHER_HEADER;
	if (ioctl(sock, SIOCSIFMTU, &ifr) < 0) {
		rc = fault_set(f, errno, "tap %s: MTU %u: %s", name, mtu, strerror(errno));
		goto out;
	}
	if (mac != NULL) {
		ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
		memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
		if (ioctl(sock, SIOCSIFHWADDR, &ifr) < 0) {
			rc = fault_set(f, errno, "tap %s: MAC: %s", name, strerror(errno));
			goto out;
		}
	}
	if (ioctl(sock, SIOCGIFFLAGS, &ifr) < 0) {
		rc = fault_set(f, errno, "tap %s: %s", name, strerror(errno));
		goto out;
	}
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &ifr) < 0)
		rc = fault_set(f, errno, "tap %s: up: %s", name, strerror(errno));
out:
	close(sock);
	return rc;
}

int
tap_port_open(const char *name, uint32_t queues, uint32_t mtu, const uint8_t *mac, bool fresh,
	      int *fds, struct fault *f)
{
	bool existed = tap_port_exists(name);
	uint32_t n;
	int rc;

	if (fresh && existed)
		return fault_set(f, EEXIST, "interface %s is there already, and not ours", name);
	for (n = 0; n < queues; n++) {
		fds[n] = queue_open(name, fresh && n == 0, f);
		rc = fds[n];
		if (rc < 0)
			goto close_queues;
	}
	if (queues > 1)
		steer_by_hash(fds[0], name);
	rc = set_up(name, mtu, mac, f);
	if (rc < 0)
		goto close_queues;
	return 0;

close_queues:
	while (n-- > 0)
		close(fds[n]);
	return rc;
}

/* The kernel names the interface in the descriptor's fdinfo. */
static bool
is_queue_of(pid_t pid, const char *fd, const char *name)
{
	char path[96], line[128], iface[IFNAMSIZ + 1];
	ssize_t n;
	FILE *f;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/fd/%.16s", (int)pid, fd);
	n = readlink(path, line, sizeof(line) - 1);
	if (n < 0)
		return false;
	line[n] = '\0';
	if (strcmp(line, "/dev/net/tun") != 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.16s", (int)pid, fd);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = sscanf(line, "iff: %16s", iface) == 1 && strcmp(iface, name) == 0;
	fclose(f);
	return found;
}

uint32_t
tap_port_rescue(pid_t pid, int pidfd, const char *name, int *fds, uint32_t max)
{
	struct dirent *e;
	uint32_t n = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		return 0;
	while (n < max && (e = readdir(dir)) != NULL) {
		int fd;

		if (e->d_name[0] == '.' || !is_queue_of(pid, e->d_name, name))
			continue;
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, atoi(e->d_name), 0);
		if (fd >= 0)
			fds[n++] = fd;
	}
	closedir(dir);
	return n;
}

bool
tap_port_link(const char *name)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {0};
	bool up = true;

	if (sock < 0)
		return up;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(sock, SIOCGIFFLAGS, &ifr) == 0)
		up = (ifr.ifr_flags & IFF_UP) != 0;
	close(sock);
	return up;
}

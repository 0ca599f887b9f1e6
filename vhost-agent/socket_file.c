/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of guests' sockets; see socket_file.h. */
#include "vhost-agent/socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Who may read may also look into a directory. */
static mode_t
directory_mode(mode_t mode)
{
	return mode | (mode & 0444) >> 2;
}

static uid_t
id_or_keep(uint32_t id)
{
	return id == GUEST_ID_KEEP ? (uid_t)-1 : id;
}

static int
directory_make(const char *path, const struct guest_note *note, struct fault *f)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *end = strrchr(path, '/');
	mode_t mode = directory_mode(note->mode);

	if (end == NULL || end == path)
		return 0;
	snprintf(dir, sizeof(dir), "%.*s", (int)(end - path), path);
	if (mkdir(dir, mode) < 0)
		return errno == EEXIST ? 0
				       : fault_set(f, errno, "its directory %s cannot be made: %s",
						   dir, strerror(errno));
	/* Not what the umask made of it. */
	if (chmod(dir, mode) < 0 || chown(dir, id_or_keep(note->uid), id_or_keep(note->gid)) < 0)
		return fault_set(f, errno, "its directory %s cannot be given away: %s", dir,
				 strerror(errno));
	return 0;
}

/* A socket file that nobody listens at is a dead agent's. */
static int
stale_remove(const char *path, struct fault *f)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct stat st;
	int sock, rc = 0;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return fault_set(f, EEXIST,
				 "something is there that is no socket: move it away, or choose "
				 "another path");
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return fault_set(f, errno, "%s", strerror(errno));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (connect(sock, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EAGAIN)
		rc = fault_set(f, EADDRINUSE, "somebody listens there");
	else if (errno == ECONNREFUSED && unlink(path) < 0)
		rc = fault_set(f, errno, "a dead agent's socket cannot be removed: %s",
			       strerror(errno));
	close(sock);
	return rc;
}

int
socket_file_prepare(const char *path, const struct guest_note *note, bool make_directory,
		    bool listen, struct fault *f)
{
	int rc = make_directory ? directory_make(path, note, f) : 0;

	return rc == 0 && listen ? stale_remove(path, f) : rc;
}

int
socket_file_finish(const char *path, const struct guest_note *note, struct fault *f)
{
	if (lchown(path, id_or_keep(note->uid), id_or_keep(note->gid)) < 0)
		return fault_set(f, errno, "its owner cannot be set: %s", strerror(errno));
	if (chmod(path, note->mode) < 0)
		return fault_set(f, errno, "its mode cannot be set: %s", strerror(errno));
	return 0;
}

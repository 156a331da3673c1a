/* SPDX-License-Identifier: MIT */
#include "fs/share_seat.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"

#define BACKLOG	   128
#define LOCK_TRIES 200
#define LOCK_US	   10000
#define OTHERS_MAX 64u	/* looked at; a host has a few */
#define SWEEP_MAX  256u /* looked at each time */

void share_seat_none(struct share_seat *seat, const char *why)
{
	*seat = (struct share_seat){.folder = -1, .listener = -1};
	(void)snprintf(seat->why, sizeof(seat->why), "%s", why);
}

/* Whoever can enter it can ask for another's image: it must be ours alone. */
static int open_folder(void)
{
	CLEANUP_CLOSE int folder = -1;
	struct stat st;

	if (mkdir(SHARE_FOLDER, 0700) && errno != EEXIST)
		return -errno;
	folder = open(SHARE_FOLDER,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0 || fstat(folder, &st))
		return -errno;
	if (st.st_uid != geteuid() || st.st_mode & (S_IRWXG | S_IRWXO))
		return -EPERM;
	return steal_fd(&folder);
}

/* It is held for some system calls only; but its holder may be stopped. */
static int lock(int folder)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(folder, LOCK_EX | LOCK_NB))
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		(void)usleep(LOCK_US);
	}
	return -EAGAIN;
}

/* By the open folder: what its path leads to may be another one by now. */
static struct sockaddr_un address_of(int folder, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(address.sun_path, sizeof(address.sun_path),
		       "/proc/self/fd/%d/%.40s", folder, name);
	return address;
}

static int new_socket(void)
{
	int sock = socket(AF_UNIX,
			  SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return sock < 0 ? -errno : sock;
}

/* An open of its own: a copy of the descriptor would share its place. */
static DIR *open_list(int folder_fd)
{
	int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);

	if (!folder && fd >= 0)
		(void)close(fd);
	return folder;
}

/* -ENOENT: none there; -ECONNREFUSED: a dead one. */
static int connect_to(int folder, const char *name)
{
	const struct sockaddr_un address = address_of(folder, name);
	CLEANUP_CLOSE int sock = new_socket();

	if (sock < 0)
		return sock;
	if (connect(sock, (const struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return steal_fd(&sock);
}

/*
 * What dead servers have left, of whatever image: nobody else would come to
 * take it.  Who holds the lock sees no server that has its socket and does not
 * listen yet.
 */
static void sweep(int folder_fd)
{
	CLEANUP_CLOSEDIR DIR *folder = open_list(folder_fd);
	struct dirent *entry;
	unsigned nr = 0;

	while (folder && nr++ < SWEEP_MAX && (entry = readdir(folder))) {
		int sock = -1;

		if (strlen(entry->d_name) == SHARE_NAME_MAX)
			sock = connect_to(folder_fd, entry->d_name);
		if (sock == -ECONNREFUSED)
			(void)unlinkat(folder_fd, entry->d_name, 0);
		cleanup_close(&sock);
	}
}

static int sit(struct share_seat *seat)
{
	const struct sockaddr_un address = address_of(seat->folder, seat->name);
	CLEANUP_CLOSE int sock = new_socket();

	if (sock < 0)
		return sock;
	(void)unlinkat(seat->folder, seat->name, 0);
	sweep(seat->folder);
	if (bind(sock, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(sock, BACKLOG))
		return -errno;
	seat->listener = steal_fd(&sock);
	return 0;
}

static int find(struct share_seat *seat, int *ret_sock)
{
	int sock, r = lock(seat->folder);

	if (r)
		return r;
	sock = connect_to(seat->folder, seat->name);
	if (sock == -ENOENT || sock == -ECONNREFUSED) {
		sock = -1;
		r = sit(seat);
	} else if (sock < 0) {
		r = sock;
	}
	(void)flock(seat->folder, LOCK_UN);
	if (!r)
		*ret_sock = sock;
	return r;
}

int share_seat_find(const struct share_terms *terms, struct share_seat *seat,
		    int *ret_sock)
{
	int r;

	share_seat_none(seat, "");
	seat->terms = *terms;
	share_name(terms, seat->name);
	seat->folder = open_folder();
	if (seat->folder < 0)
		return seat->folder;
	r = find(seat, ret_sock);
	if (r)
		share_seat_leave(seat);
	return r;
}

void share_seat_others(const struct share_seat *seat,
		       int (*fn)(void *arg, int sock), void *arg)
{
	CLEANUP_CLOSEDIR DIR *folder = open_list(seat->folder);
	struct dirent *entry;
	unsigned nr = 0;

	while (folder && nr < OTHERS_MAX && (entry = readdir(folder))) {
		int sock;

		if (strncmp(entry->d_name, seat->name, SHARE_PREFIX_LEN) != 0 ||
		    !strcmp(entry->d_name, seat->name))
			continue;
		nr++;
		sock = connect_to(seat->folder, entry->d_name);
		if (sock >= 0 && fn(arg, sock))
			return;
	}
}

/*
 * The name first, so that who comes now finds none rather than one that goes.
 */
void share_seat_leave(struct share_seat *seat)
{
	if (seat->listener >= 0) {
		(void)unlinkat(seat->folder, seat->name, 0);
		(void)close(seat->listener);
	}
	if (seat->folder >= 0)
		(void)close(seat->folder);
	seat->folder = seat->listener = -1;
}

/* SPDX-License-Identifier: MIT */
/* listen.c - see listen.h */
#include "parent/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/parse.h"
#include "parent/peer.h"

#define BACKLOG	    128
#define FOLDER_MODE 0755u
#define LOCK_END    ".lock"
#define LOCK_TRIES  200u
#define LOCK_US	    10000u

/* Split "[V6]:PORT", "V4:PORT", "V4", "[V6]" or "V6" in place. */
static int split(char *text, char **ret_addr, char **ret_port)
{
	char *colon = strchr(text, ':'), *bracket;

	*ret_addr = text;
	*ret_port = NULL;
	if (*text == '[') {
		bracket = strchr(text, ']');
		if (!bracket || (bracket[1] && bracket[1] != ':'))
			return -EINVAL;
		*ret_addr = text + 1;
		*ret_port = bracket[1] ? bracket + 2 : NULL;
		*bracket = '\0';
	} else if (colon && !strchr(colon + 1, ':')) {
		*ret_port = colon + 1;
		*colon = '\0';
	}
	return 0;
}

static int fill_address(const char *addr, uint16_t port,
			struct listen_address *ret)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_port = htons(port)};

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, addr, &in.sin_addr) == 1) {
		memcpy(&ret->addr, &in, sizeof(in));
		ret->addr_bytes = sizeof(in);
		return 0;
	}
	if (inet_pton(AF_INET6, addr, &in6.sin6_addr) != 1)
		return -EINVAL;
	memcpy(&ret->addr, &in6, sizeof(in6));
	ret->addr_bytes = sizeof(in6);
	return 0;
}

static int is_loopback(const struct listen_address *address)
{
	struct peer_end end;

	return !peer_end_of(&address->addr, &end) && peer_is_loopback(&end);
}

int listen_parse(const char *text, uint16_t default_port,
		 struct listen_address *ret_address, struct refusal *ret_why)
{
	char copy[LISTEN_TEXT_MAX], *addr, *port_text;
	struct listen_address address;
	uint64_t port = default_port;

	(void)snprintf(copy, sizeof(copy), "%s", text);
	if (strlen(text) >= sizeof(copy) || split(copy, &addr, &port_text) ||
	    (port_text && parse_u64(port_text, 0, UINT16_MAX, &port)) ||
	    fill_address(addr, (uint16_t)port, &address))
		return refuse(ret_why, -EINVAL,
			      "cannot listen on %.64s: not an address as in "
			      "127.0.0.1:7373 or [::1]:7373",
			      text);
	*ret_address = address;
	return 0;
}

void listen_set_port(struct listen_address *address, uint16_t port)
{
	/* sin_port and sin6_port lie at the same place. */
	((struct sockaddr_in *)&address->addr)->sin_port = htons(port);
}

void listen_address_text(const struct listen_address *address,
			 char ret_text[LISTEN_TEXT_MAX])
{
	const struct sockaddr_in *in = (const void *)&address->addr;
	const struct sockaddr_in6 *in6 = (const void *)&address->addr;
	char text[INET6_ADDRSTRLEN] = "?";

	if (address->addr.ss_family == AF_INET) {
		(void)inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		(void)snprintf(ret_text, LISTEN_TEXT_MAX, "%s:%u", text,
			       ntohs(in->sin_port));
	} else {
		(void)inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		(void)snprintf(ret_text, LISTEN_TEXT_MAX, "[%s]:%u", text,
			       ntohs(in6->sin6_port));
	}
}

int listen_allow(const struct listen_address *address, enum wire_sec sec,
		 struct refusal *ret_why)
{
	char text[LISTEN_TEXT_MAX];

	if (sec != WIRE_SEC_NONE || is_loopback(address))
		return 0;
	listen_address_text(address, text);
	return refuse(ret_why, -EPERM,
		      "cannot listen on %s: without --sec=munge or psk only "
		      "loopback and the unix socket are served",
		      text);
}

static int say_inet(const struct listen_address *address, int error,
		    struct refusal *ret_why)
{
	char text[LISTEN_TEXT_MAX];

	listen_address_text(address, text);
	if (error == -EADDRINUSE)
		return refuse(ret_why, error,
			      "cannot listen on %s: the port is taken: is "
			      "another mitosisd running? See --listen",
			      text);
	return refuse(ret_why, error, "cannot listen on %s: %s", text,
		      strerror(-error));
}

/* IPv6 sockets serve IPv6 only, so that each address is listed by itself. */
static int bind_inet(int fd, const struct listen_address *address)
{
	int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		return -errno;
	if (address->addr.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)))
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address->addr,
		 address->addr_bytes) ||
	    listen(fd, BACKLOG))
		return -errno;
	return 0;
}

int listen_inet(const struct listen_address *address, int *ret_fd,
		struct refusal *ret_why)
{
	CLEANUP_CLOSE int fd = -1;
	int error;

	fd = socket(address->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return say_inet(address, -errno, ret_why);
	error = bind_inet(fd, address);
	if (error)
		return say_inet(address, error, ret_why);
	*ret_fd = steal_fd(&fd);
	return 0;
}

void listen_text(int fd, char ret_text[LISTEN_TEXT_MAX])
{
	struct listen_address bound;

	bound.addr_bytes = sizeof(bound.addr);
	ret_text[0] = '\0';
	if (!getsockname(fd, (struct sockaddr *)&bound.addr, &bound.addr_bytes))
		listen_address_text(&bound, ret_text);
}

/* It must belong to root or to us, and nobody else may write in it. */
static int open_folder(const char *path, int *ret_dir, struct refusal *ret_why)
{
	CLEANUP_CLOSE int dir = -1;
	char copy[sizeof(((struct sockaddr_un *)0)->sun_path)], *folder;
	struct stat st;
	bool is_new;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	folder = dirname(copy);
	is_new = mkdir(folder, FOLDER_MODE) == 0;
	if (!is_new && errno != EEXIST)
		return refuse(ret_why, -errno, "cannot make the folder %s: %s",
			      folder, strerror(errno));
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &st))
		return refuse(ret_why, -errno, "cannot open the folder %s: %s",
			      folder, strerror(errno));
	if ((st.st_uid && st.st_uid != geteuid()) ||
	    st.st_mode & (S_IWGRP | S_IWOTH))
		return refuse(ret_why, -EPERM,
			      "cannot listen in %s: others may write there; "
			      "give --socket a path in a folder of your own",
			      folder);
	/* The umask is for files that are nobody else's business. */
	if (is_new && fchmod(dir, (st.st_mode & ~0777u) | FOLDER_MODE))
		return refuse(ret_why, -errno, "cannot open %s to others: %s",
			      folder, strerror(errno));
	*ret_dir = steal_fd(&dir);
	return 0;
}

/* 1 with the lock on a file that still has its name, which its holder takes. */
static int try_lock(int dir, const char *name, int *ret_lock)
{
	CLEANUP_CLOSE int lock = -1;
	struct stat st;

	lock = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		      0600);
	if (lock < 0)
		return -errno;
	if (flock(lock, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK || errno == EINTR ? 0 : -errno;
	if (fstat(lock, &st))
		return -errno;
	if (!st.st_nlink)
		return 0;
	*ret_lock = steal_fd(&lock);
	return 1;
}

/*
 * Two daemons that start at once take turns.  Whoever can open a file can hold
 * its lock, were it only to read: so it is not the folder's, nor waited for
 * without end.
 */
static int lock_name(int dir, const char *lock, int *ret_lock,
		     struct refusal *ret_why)
{
	const char *name = strrchr(lock, '/') + 1;

	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		int rc = try_lock(dir, name, ret_lock);

		if (rc < 0)
			return refuse(ret_why, rc, "cannot lock %s: %s", lock,
				      strerror(-rc));
		if (rc)
			return 0;
		(void)usleep(LOCK_US);
	}
	return refuse(ret_why, -EBUSY,
		      "%s has been locked for %u s, by another mitosisd that "
		      "does not come to listen? End that one",
		      lock, LOCK_TRIES * LOCK_US / 1000000);
}

/* The name is taken: by a living daemon, a dead one, or something else. */
static int take_over(const struct sockaddr_un *un, struct refusal *ret_why)
{
	CLEANUP_CLOSE int probe = -1;
	struct stat st;

	if (lstat(un->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return refuse(ret_why, -EEXIST,
			      "cannot listen on %s: it is there and no socket",
			      un->sun_path);
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return -errno;
	if (!connect(probe, (const struct sockaddr *)un, sizeof(*un)) ||
	    errno != ECONNREFUSED)
		return refuse(ret_why, -EADDRINUSE,
			      "cannot listen on %s: a mitosisd is listening "
			      "there; stop it or give another --socket",
			      un->sun_path);
	return unlink(un->sun_path) ? -errno : 0;
}

static int bind_unix(int fd, const struct sockaddr_un *un)
{
	if (bind(fd, (const struct sockaddr *)un, sizeof(*un)))
		return -errno;
	if (chmod(un->sun_path, 0666) || listen(fd, BACKLOG)) {
		int error = -errno;

		(void)unlink(un->sun_path);
		return error;
	}
	return 0;
}

/* With the lock on the name. */
static int take_name(const struct sockaddr_un *un, int *ret_fd,
		     struct refusal *ret_why)
{
	CLEANUP_CLOSE int fd = -1;
	int error = take_over(un, ret_why);

	if (!error) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		error = fd < 0 ? -errno : bind_unix(fd, un);
	}
	if (error && !ret_why->why[0])
		return refuse(ret_why, error, "cannot listen on %s: %s",
			      un->sun_path, strerror(-error));
	if (!error)
		*ret_fd = steal_fd(&fd);
	return error;
}

int listen_unix(const char *path, int *ret_fd, struct refusal *ret_why)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	char lock[sizeof(un.sun_path) + sizeof(LOCK_END)];
	CLEANUP_CLOSE int dir = -1, lock_fd = -1;
	struct refusal why = {""};
	int error;

	if (*path != '/' || strlen(path) >= sizeof(un.sun_path))
		return refuse(ret_why, -EINVAL,
			      "cannot listen on %.120s: a socket wants an "
			      "absolute path of at most %zu bytes",
			      path, sizeof(un.sun_path) - 1);
	strcpy(un.sun_path, path);
	(void)snprintf(lock, sizeof(lock), "%s" LOCK_END, un.sun_path);
	error = open_folder(path, &dir, &why);
	error = error ? error : lock_name(dir, lock, &lock_fd, &why);
	if (error)
		return refuse(ret_why, error, "%s", why.why);
	error = take_name(&un, ret_fd, &why);
	(void)unlinkat(dir, strrchr(lock, '/') + 1, 0);
	return error ? refuse(ret_why, error, "%s", why.why) : 0;
}

void listen_unlink(const char *path, int fd)
{
	struct sockaddr_un un;
	socklen_t len = sizeof(un);

	/* A daemon that took the name over while we lived would have been
	 * refused, so what has the name now is ours or nobody's. */
	if (getsockname(fd, (struct sockaddr *)&un, &len) ||
	    un.sun_family != AF_UNIX || strcmp(un.sun_path, path))
		return;
	(void)unlink(path);
}

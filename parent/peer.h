/* SPDX-License-Identifier: MIT */
/*
 * peer.h - who is at the other end of a connection
 *
 * The kernel says so, never the peer: SO_PEERCRED on a unix socket (unix(7)),
 * and for a TCP connection inside this host the owner of the socket at its far
 * end (sock_diag(7), or /proc/net/tcp where that is not built in).  Whoever
 * comes over a wire is unknown to it.
 *
 * Above: parent/identity.c, which asks once per connection, and
 * parent/registry.c, which decides by the answer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct peer {
	bool known;    /* else no number below counts */
	bool squashed; /* root of another host: not known for that */
	uid_t uid;
	gid_t gid; /* of TCP peers: the user's group in the user database */
	pid_t pid; /* 0: not told */
};

/*
 * Find out who is connected to the socket @fd.
 *
 * Blocks for the kernel only, and for TCP peers other than root for the user
 * database (getpwuid_r(3)).  A peer that cannot be told, also one that has just
 * closed its socket, is not an error: *@ret_peer is then not known.
 *
 * Returns 0 or -errno of getsockopt and friends.
 */
int peer_of_socket(int fd, struct peer *ret_peer);

/* One end of a TCP connection; IPv4 as ::ffff:a.b.c.d. */
struct peer_end {
	uint8_t addr[16];
	uint16_t port;
};

/*
 * Search @len bytes of /proc/net/tcp or tcp6 for the established connection
 * from @near to @far.
 *
 * Returns 1 with the owner of the socket at @near, 0 when there is none or it
 * has no owner any more, or -EPROTO for a line that is not as proc(5) says.
 */
int peer_scan_proc(const char *text, size_t len, const struct peer_end *near,
		   const struct peer_end *far, uid_t *ret_uid);

/* The end that a socket address names.  Returns 0 or -EAFNOSUPPORT. */
int peer_end_of(const struct sockaddr_storage *from, struct peer_end *ret);

/* 1 when @end is an address of the loopback interface. */
int peer_is_loopback(const struct peer_end *end);

/* SPDX-License-Identifier: MIT */
/*
 * listen.h - where mitosisd may be reached, and where it may not
 *
 * Below: sockets.  Above: tools/mitosisd.c.  Everybody who can reach a port
 * must be known: by the kernel of this host, so loopback is always served, or
 * by a credential, which --sec asks for (listen_allow()).
 *
 * Threads: any; the functions have no state.
 */
#pragma once

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/wire.h"
#include "parent/refusal.h"

#define LISTEN_TEXT_MAX 64 /* "[...]:65535" and its NUL */

struct listen_address {
	struct sockaddr_storage addr;
	socklen_t addr_bytes;
};

/*
 * Parse "ADDR", "ADDR:PORT" or "[V6]:PORT": numbers, never a name, so that no
 * resolver decides where the daemon listens.
 *
 * Returns 0, or -EINVAL with words.
 */
int listen_parse(const char *text, uint16_t default_port,
		 struct listen_address *ret_address, struct refusal *ret_why);

/*
 * Whether clients may come to @address, of TCP or RDMA, by @sec: to loopback
 * always, elsewhere never without a credential.
 *
 * Returns 0, or -EPERM with words.
 */
int listen_allow(const struct listen_address *address, enum wire_sec sec,
		 struct refusal *ret_why);

/*
 * A listening TCP socket; the caller owns it.
 *
 * Returns 0, or -errno of bind(2) with words: -EADDRINUSE, -EADDRNOTAVAIL (no
 * such address, or no IPv6 here).
 */
int listen_inet(const struct listen_address *address, int *ret_fd,
		struct refusal *ret_why);

/* The address as listen_parse() reads it, and its port. */
void listen_address_text(const struct listen_address *address,
			 char ret_text[LISTEN_TEXT_MAX]);
void listen_set_port(struct listen_address *address, uint16_t port);

/* Where the TCP socket @fd listens, as listen_parse() reads it. */
void listen_text(int fd, char ret_text[LISTEN_TEXT_MAX]);

/*
 * A listening unix socket at @path, which anybody may connect to: who it is
 * says the kernel.  Makes the last folder of @path when it is not there (mode
 * 0755, whatever the umask), and takes over the socket that a dead daemon left.  Blocks for 2 s at
 * most, for others who begin to listen there: while it works, the file
 * @path.lock is there and locked.
 *
 * Returns 0, or with words
 *   -EINVAL     not an absolute path, or too long for a socket
 *   -EADDRINUSE somebody listens there
 *   -EBUSY      somebody holds the lock
 *   -EPERM      the folder is not ours, so others could change what is in it
 *   -EEXIST     something that is no socket has the name
 *   or -errno of mkdir(2), open(2), bind(2)
 */
int listen_unix(const char *path, int *ret_fd, struct refusal *ret_why);

/* Remove @path if it is still the socket that @fd is bound to. */
void listen_unlink(const char *path, int fd);

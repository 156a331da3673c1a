/* SPDX-License-Identifier: MIT */
/*
 * identity.h - who a client is: what the kernel says, or a credential
 *
 *     comes by          without a credential        with one
 *     unix socket       the kernel's word           the credential's user
 *     inside this host  the kernel's word (TCP)     the credential's user
 *     over a network    refused                     the credential's user
 *
 * A key of sec=psk, by which a connection is inside TLS, counts as a
 * credential. One that is shown must be right, whatever the kernel says.  Root
 * of another host is nobody here, unless the daemon's owner wants it otherwise:
 * an administrator of one host of a cluster need not be one of all.
 *
 * Above: parent/session.c.  Below: parent/peer.c and rdmafetch/sec.c.
 *
 * Threads: any.
 */
#pragma once

#include <stdbool.h>

#include "parent/peer.h"
#include "rdmafetch/sec.h"

struct identity_policy {
	struct sec_settings sec;
	bool no_root_squash;
};

/* A connection, as its transport sees it. */
struct identity_ask {
	int fd; /* its socket; -1 where it has none */
	bool is_verbs;
	/* Both ends, where there is no socket. */
	const struct sockaddr_storage *here, *there;
	const struct wire_hello *hello;
	const char *tls_name; /* by whose key its TLS is; NULL: none */
};

/*
 * Find out who has said HELLO.  Who is let in but cannot be told is not known
 * in
 * *@ret_peer, and may show an image's key.
 *
 * Blocks as peer_of_socket() and sec_check_credential() do.  Returns 0, or with
 * words in @why (WIRE_WHY_MAX + 1 bytes)
 *   -EACCES      over a network without a credential, or one that is not right
 *   -EOPNOTSUPP  a credential that this daemon does not take
 *   -EAGAIN      it cannot be checked now
 *   or -errno of getsockname(2).
 */
int identity_find(const struct identity_policy *policy,
		  const struct identity_ask *ask, struct peer *ret_peer,
		  char *why);

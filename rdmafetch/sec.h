/* SPDX-License-Identifier: MIT */
/*
 * sec.h - who a client is, told by a credential in its HELLO
 *
 * The kernel knows who connects inside a host (parent/peer.h).  Across hosts
 * somebody both ends trust must say it: sec=munge asks munged(8), which runs on
 * each host of a cluster with one key, for a credential that holds the client's
 * uid and gid as its kernel says them.
 *
 *     client        munged                    munged       mitosisd
 *       |--- payload -->|                        |             |
 *       |<- credential -|   (same key)           |             |
 *       |------------------ HELLO, credential ---------------->|
 *       |                                        |<-- decode --|
 *       |                                        |-- uid, gid, |
 *       |                                        |   payload ->|
 *
 * The payload says what the credential is for: a HELLO, and to which end of
 * which transport.  A daemon that was given one cannot use it at another, and a
 * credential that was seen on the wire is refused as replayed (munged remembers
 * them until they expire).
 *
 * Above: tcp_control.c and the verbs control (clients), parent/identity.c
 * (servers).  Below: sec_munge.c.
 *
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/wire.h"

#define SEC_SOCKET_MAX 107u /* a unix socket's path, bytes */
#define SEC_WAIT_MS    2000 /* the longest that a call waits for munged */
#define SEC_TTL_S      60   /* how long a credential is good; clocks too */

/* What an end is told to use. */
struct sec_settings {
	enum wire_sec kind;
	char munge_socket[SEC_SOCKET_MAX + 1]; /* "": libmunge's own */
};

/* The connection that a credential is for: the server's end of it. */
struct sec_way {
	bool is_verbs;
	const struct sockaddr *server; /* of any family */
};

struct sec_identity {
	uid_t uid;
	gid_t gid;
};

/* "none", "munge", or "?" for what is neither. */
const char *sec_name(unsigned kind);

/*
 * Settings from an option's words: NULL for what was not said, which is "none"
 * and libmunge's own socket.  @why has WIRE_WHY_MAX + 1 bytes.
 *
 * Returns 0, or with words -EINVAL, or -EOPNOTSUPP where this build has not got
 * what is wanted.
 */
int sec_set(const char *kind, const char *munge_socket,
	    struct sec_settings *ret_settings, char *why);

/*
 * Put a credential for this process's effective user into @hello; nothing with
 * WIRE_SEC_NONE.  @way->server is what the client is connected to.  @why has
 * WIRE_WHY_MAX + 1 bytes and words for every error.
 *
 * Blocks for the munged of this host, SEC_WAIT_MS at most.  Returns 0, or
 *   -EOPNOTSUPP  built without it
 *   -EAGAIN      munged is not running, not reachable, or does not answer
 *   -EIO         munged refused, or made what does not fit
 *   -ENOMEM
 */
int sec_make_credential(const struct sec_settings *settings,
			const struct sec_way *way, struct wire_hello *hello,
			char *why);

/*
 * Check the credential in @hello, which must be of the kind that @settings
 * names, and for the end @way->server of a connection here.
 *
 * Blocks as sec_make_credential(); after munged has failed to answer, calls end
 * at once with -EAGAIN until it does again.  Returns 0, or with words
 *   -EACCES      not genuine, expired, replayed, or for something else
 *   -EOPNOTSUPP  built without it, or not the kind that is taken here
 *   -EAGAIN      the munged of this host cannot be asked now
 *   -ENOMEM
 */
int sec_check_credential(const struct sec_settings *settings,
			 const struct sec_way *way,
			 const struct wire_hello *hello,
			 struct sec_identity *ret_identity, char *why);

#define SEC_PAYLOAD_MAX 95u

/* What a credential for @way says: tests look at it. */
void sec_payload(const struct sec_way *way, char ret[SEC_PAYLOAD_MAX + 1]);

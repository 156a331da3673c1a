/* SPDX-License-Identifier: MIT */
/*
 * sec.h - who a client is, told by a credential in its HELLO, or by its key
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
 * sec=psk asks nobody: the whole connection is inside TLS (tls.h), to which
 * both ends bring the same key out of a file each; whose key it is, is who the
 * client is.  HELLO then says "psk", with no credential.
 *
 * Above: tcp_control.c and the verbs control (clients), parent/identity.c
 * (servers).  Below: sec_munge.c, sec_psk.c.
 *
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/wire.h"
#include "rdmafetch/psk.h"

#define SEC_FILE_MAX   1023u /* a key file's path, bytes */
#define SEC_SOCKET_MAX 107u  /* a unix socket's path, bytes */
#define SEC_WAIT_MS    2000  /* the longest that a call waits for munged */
#define SEC_TTL_S      60    /* how long a credential is good; clocks too */

/* What an end is told to use. */
struct sec_settings {
	enum wire_sec kind;
	char munge_socket[SEC_SOCKET_MAX + 1]; /* "": libmunge's own */
	char psk_file[SEC_FILE_MAX + 1];
	char psk_user[PSK_NAME_MAX + 1]; /* a client's; the server's is "" */
};

/* The words of options; NULL for what was not said. */
struct sec_words {
	const char *kind, *munge_socket, *psk_file, *psk_user;
	bool is_server;
};

/* The connection that a credential is for: the server's end of it. */
struct sec_way {
	bool is_verbs;
	const struct sockaddr *server; /* of any family */
	const char *tls_name; /* who the client is by its key; NULL: no TLS */
};

struct sec_identity {
	uid_t uid;
	gid_t gid;
};

/* "none", "munge", "psk", or "?" for what is none of them. */
const char *sec_name(unsigned kind);

/*
 * Settings from @words: what they do not say is "none", libmunge's own socket,
 * the usual key file, and the name of who runs this.  @why has WIRE_WHY_MAX + 1
 * bytes.
 *
 * Blocks for the user database with psk.  Returns 0, or with words -EINVAL, or
 * -EOPNOTSUPP where this build has not got what is wanted.
 */
int sec_set(const struct sec_words *words, struct sec_settings *ret_settings,
	    char *why);

/*
 * Whether a server can begin to check what @settings want: with psk its key
 * file is read.  Returns 0, or with words an error of psk_read().
 */
int sec_check_server(const struct sec_settings *settings, char *why);

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
 * and -EOPNOTSUPP for psk over RDMA, which is not inside TLS.
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
 *   -EACCES      not genuine, expired, replayed, or for something else; a key
 *                whose name no user of this host has
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

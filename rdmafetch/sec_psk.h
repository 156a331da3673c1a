/* SPDX-License-Identifier: MIT */
/*
 * sec_psk.h - which key, and which user by it
 *
 * The handshake itself is tls.c's.  A name in a key file is the name of a user,
 * as the daemon's host knows it.
 *
 * Above: sec.c.  Below: psk.c, and the user database.
 *
 * Threads: any.
 */
#pragma once

#include "rdmafetch/sec.h"

/*
 * The file and the name in it that @words want; what they do not say is the
 * usual file, and who runs this program.  Blocks for the user database.
 *
 * Returns 0, or with words in @why -EINVAL (too long, or no name of a user), or
 * -EOPNOTSUPP where this build has not got TLS.
 */
int sec_psk_set(const struct sec_words *words, struct sec_settings *settings,
		char *why);

/*
 * The user of this host that is called @name.  Blocks for the user database.
 * Returns 0, or -EACCES with words.
 */
int sec_psk_identity(const char *name, struct sec_identity *ret, char *why);

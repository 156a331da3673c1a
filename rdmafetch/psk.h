/* SPDX-License-Identifier: MIT */
/*
 * psk.h - the file of pre-shared keys: sec=psk's secret
 *
 * A line is NAME:KEY, the key in hexadecimal, as psktool(1) writes it and
 * nbdkit(1) reads it.  Lines that are empty or begin with '#' say nothing
 * (psktool puts names that are not text there; users have none of these).
 *
 *     alice:eb3e772184fa59d4d9b951ceb848ad10d4b2dd1637514fc9b7451f00571f8a34
 *
 * The first line of a name counts.  Every line is looked at whatever is looked
 * for, so that a name that is not there takes as long as one that is.
 *
 * Above: sec.c, tls.c.
 *
 * Threads: any; the functions have no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PSK_NAME_MAX 64u /* bytes of a name */
#define PSK_KEY_MIN  16u /* bytes of a key: a shorter one can be guessed */
#define PSK_KEY_MAX  64u
#define PSK_FILE_MAX (1u << 20) /* bytes of a file */

struct psk_key {
	unsigned len_bytes;
	uint8_t bytes[PSK_KEY_MAX];
};

/* Whether a user can be called so: printable ASCII, no ':', not too long. */
int psk_name_ok(const char *name, size_t len);

/*
 * Look for the key of @name in the @len bytes of @text.
 *
 * Returns 1 with the key, 0 when there is none, or -EINVAL when a line is not
 * NAME:KEY or its key is too short or too long: *@ret_line is its number then,
 * from 1.
 */
int psk_find(const char *text, size_t len, const char *name,
	     struct psk_key *ret_key, unsigned *ret_line);

/*
 * Look for the key of @name (NULL: of nobody) in the file at @path, which must
 * belong to who reads it, and be for nobody else: mode 0600 or less.
 *
 * Returns 1 with the key, 0 when there is none, or with words in @why, which
 * has WIRE_WHY_MAX + 1 bytes
 *   -EACCES  somebody else can read or change it
 *   -EINVAL  no file, or a line that is none of a key
 *   -ENODATA there is no key in it at all
 *   -EFBIG   longer than PSK_FILE_MAX
 *   -ENOMEM  or -errno of open(2) and read(2).
 */
int psk_read(const char *path, const char *name, struct psk_key *ret_key,
	     char *why);

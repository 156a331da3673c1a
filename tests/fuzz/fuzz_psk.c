/* SPDX-License-Identifier: MIT */
/*
 * fuzz_psk.c - a key file, and a name that is looked for in it
 *
 * The name is what stands before the first NUL.  A key that is found stands in
 * the file, behind its name.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdmafetch/psk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void demand(bool truth)
{
	if (!truth)
		abort();
}

/* Whether NAME:KEY is in the text, in either case of its digits. */
static bool stands_in(const char *text, size_t len, const char *name,
		      const struct psk_key *key)
{
	char line[PSK_NAME_MAX + 2 + 2 * PSK_KEY_MAX];
	size_t used = (size_t)sprintf(line, "%s:", name), name_bytes = used;

	for (unsigned i = 0; i < key->len_bytes; i++)
		used += (size_t)sprintf(line + used, "%02x", key->bytes[i]);
	for (size_t at = 0; at + used <= len; at++) {
		size_t same = 0;

		while (same < used &&
		       (same < name_bytes
				? text[at + same] == line[same]
				: tolower((unsigned char)text[at + same]) ==
					  line[same]))
			same++;
		if (same == used)
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *name = (const char *)data, *text;
	const uint8_t *nul = memchr(data, 0, len);
	struct psk_key key;
	unsigned line = 0;
	int r;

	if (!nul)
		return 0;
	text = (const char *)nul + 1;
	len -= (size_t)(text - name);
	r = psk_find(text, len, name, &key, &line);
	if (r < 0)
		demand(line > 0);
	if (r > 0) {
		demand(psk_name_ok(name, strlen(name)));
		demand(key.len_bytes >= PSK_KEY_MIN &&
		       key.len_bytes <= PSK_KEY_MAX);
		demand(stands_in(text, len, name, &key));
	}
	return 0;
}

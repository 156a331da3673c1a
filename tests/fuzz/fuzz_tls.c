/* SPDX-License-Identifier: MIT */
/*
 * fuzz_tls.c - what a stranger sends to either end of TLS
 *
 * The first byte picks the end, the second how many bytes come at a time.
 * Nobody who does not know the key is let in.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire.h"
#include "rdmafetch/tls.h"
#include "tests/contract/keyfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void demand(bool truth)
{
	if (!truth)
		abort();
}

static struct tls *open_end(bool is_server)
{
	static char path[KEYFILE_PATH_MAX];
	struct psk_key key = {.len_bytes = 16};
	struct tls *tls = NULL;

	if (!path[0])
		keyfile_make("alice:" KEYFILE_KEY "\n", path);
	if (is_server)
		demand(!tls_new_server(path, &tls));
	else
		demand(!tls_new_client("alice", &key, &tls));
	return tls;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char why[WIRE_WHY_MAX + 1] = "";
	struct tls *tls;
	size_t step;
	int r;

	if (len < 2)
		return 0;
	tls = open_end(data[0] % 2);
	step = data[1] + 1u;
	data += 2;
	len -= 2;
	while ((r = tls_greet(tls, why)) == -EAGAIN && len) {
		size_t room, out_bytes, part = step < len ? step : len;
		void *in = tls_room(tls, &room);

		part = part < room ? part : room;
		memcpy(in, data, part);
		tls_came(tls, part);
		(void)tls_out(tls, &out_bytes);
		tls_went(tls, out_bytes);
		data += part;
		len -= part;
	}
	demand(r != 0);
	demand(r == -EAGAIN || why[0]);
	tls_free(tls);
	return 0;
}

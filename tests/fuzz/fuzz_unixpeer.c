/* SPDX-License-Identifier: MIT */
/* fuzz_unixpeer.c - any bytes as an answer of the socket diagnosis: nothing is
 * read beyond them, and no peer is made up */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parent/unixpeer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Aligned as the kernel's answers are, and no byte longer. */
	uint8_t *answer = malloc(size ? size : 1);
	uint64_t peer = 0;
	int rc;

	if (!answer)
		return 0;
	memcpy(answer, data, size);
	rc = unixpeer_parse(answer, size, &peer);
	if ((rc == 0) != (peer != 0) || rc > 0)
		abort();
	free(answer);
	return 0;
}

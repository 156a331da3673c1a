/* SPDX-License-Identifier: MIT */
/* fuzz_mountstatus.c - any bytes as the file status of a mount */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mountstatus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Inside the text, or nothing. */
static void check(const char *text, size_t size, const char *found)
{
	if (found[0] && (found < text || found + strlen(found) > text + size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mountstatus status;
	/* Exactly as long, so that a read past the end is seen. */
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	mountstatus_parse(text, &status);
	check(text, size, status.source);
	check(text, size, status.state);
	check(text, size, status.mode);
	check(text, size, status.tier);
	check(text, size, status.why);
	free(text);
	return 0;
}

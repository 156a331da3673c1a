/* SPDX-License-Identifier: MIT */
/*
 * fuzz_source.c - words of a command line: sources, sizes, times, names
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void demand(bool truth)
{
	if (!truth)
		abort();
}

static void try_source(const char *text)
{
	struct parse_source source;

	if (parse_source(text, &source))
		return;
	demand(strlen(text) <= PARSE_SOURCE_MAX); /* others have room for it */
	demand(!!source.pid != !!source.name[0]);
	demand(source.pid >= 0);
	demand(!source.name[0] || parse_name_ok(source.name));
	demand((source.where == PARSE_TCP) == !!source.host[0]);
	demand(strlen(source.host) <= PARSE_HOST_MAX);
	demand(!strpbrk(source.host, "/[] \n\033"));
}

static void try_numbers(const char *text)
{
	uint64_t value;

	if (!parse_u64(text, 5, 500, &value))
		demand(value >= 5 && value <= 500);
	if (!parse_bytes(text, 1u << 30, &value))
		demand(value <= 1u << 30);
	if (!parse_duration(text, 1000000000, &value))
		demand(value <= 1000000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);

	demand(text != NULL);
	memcpy(text, data, len);
	text[len] = '\0';
	try_source(text);
	try_numbers(text);
	free(text);
	return 0;
}

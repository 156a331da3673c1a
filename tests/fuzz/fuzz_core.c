/* SPDX-License-Identifier: MIT */
/*
 * fuzz_core.c - the ELF core of whatever decodes as a descriptor
 *
 * The headers fit their room, and the pieces cover the file from end to end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/desc.h"
#include "fs/core.h"

/* Of a file with very many pieces the first will do. */
#define PIECES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void demand(int truth)
{
	if (!truth)
		abort();
}

/* Touch every byte, for the sanitizers. */
static void sum_of(const uint8_t *bytes, uint64_t len)
{
	uint8_t sum = 0;

	for (uint64_t i = 0; i < len; i++)
		sum ^= bytes[i];
	__asm__ volatile("" : : "r"(sum));
}

static void check_core(struct core *core)
{
	uint64_t size = core_size_bytes(core), at = 0;
	struct core_piece piece;

	demand(core_present_pages(core) <= size / 4096);
	for (int i = 0; at < size && i < PIECES_MAX; i++) {
		uint64_t found = core_seek(core, at, SEEK_DATA);

		demand(found >= at && found <= size);
		found = core_seek(core, at, SEEK_HOLE);
		demand(found >= at && found <= size);
		demand(!core_piece_at(core, at, &piece));
		demand(piece.len_bytes > 0 && piece.len_bytes <= size - at);
		if (piece.kind == CORE_HEADERS)
			sum_of(piece.bytes, piece.len_bytes);
		at += piece.len_bytes;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct image *image;
	struct core *core;

	if (desc_decode(data, len, &image))
		return 0;
	if (!core_new(image, &core)) {
		check_core(core);
		core_free(core);
	}
	image_free(image);
	return 0;
}

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

/* Written so that what is read is read, under the eyes of a sanitizer. */
static volatile uint8_t last_byte;

static void demand(int truth)
{
	if (!truth)
		abort();
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
			last_byte = piece.bytes[piece.len_bytes - 1];
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

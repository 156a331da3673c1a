/* SPDX-License-Identifier: MIT */
/*
 * fuzz_linkmap.c - a program that lies to who reads its dynamic linker's lists
 *
 * The bytes are its memory, at AT; the first 64 of them are its auxv, too.  It
 * dies after some reads, or a list that leads back into itself would be all
 * there is time for; that such a list ends, test_linkmap.c sees.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/image.h"
#include "parent/linkmap.h"

#define AT	   0x10000ull
#define AUXV_BYTES 64u
#define READS_MAX  400u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint8_t *bytes;
static size_t nr_bytes;
static unsigned nr_reads;

static int read_bytes(const struct linkmap_memory *memory, uint64_t raddr,
		      void *buf, size_t len_bytes)
{
	if (nr_reads++ >= READS_MAX)
		return -ESRCH;
	if (raddr < AT || len_bytes > nr_bytes ||
	    raddr - AT > nr_bytes - len_bytes)
		return -EIO;
	memcpy(buf, bytes + (raddr - AT), len_bytes);
	return 0;
}

static void check(const struct image *image)
{
	for (uint32_t i = 0; i < image->nr_aliases; i++)
		if (image->aliases[i].mapped >= image->nr_mapped ||
		    !image_path_ok(image->aliases[i].path))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char name[] = "/usr/lib/libz.so.1.2", auxv[] = "auxv";
	struct image_vma vmas[] = {
		{.start = AT, .end = AT + 0x1000, .inode = 2, .name = name},
		{.start = AT + 0x1000, .end = AT + 0x9000, .name = auxv},
		{.start = AT + 0x9000,
		 .end = UINT64_MAX,
		 .inode = 2,
		 .name = name},
	};
	struct image_mapped mapped = {.raddr = AT, .path = name};
	struct image_text text = {.name = auxv, .len_bytes = AUXV_BYTES};
	struct image image = {
		.vmas = vmas,
		.nr_vmas = 3,
		.mapped = &mapped,
		.nr_mapped = 1,
		.texts = &text,
		.nr_texts = 1,
	};
	const struct linkmap_memory memory = {read_bytes};

	if (len < AUXV_BYTES)
		return 0;
	bytes = data;
	nr_bytes = len;
	nr_reads = 0;
	text.bytes = (uint8_t *)data;
	if (!linkmap_read(&memory, &image))
		check(&image);
	for (uint32_t i = 0; i < image.nr_aliases; i++)
		free(image.aliases[i].path);
	free(image.aliases);
	return 0;
}

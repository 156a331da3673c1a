/* SPDX-License-Identifier: MIT */
/*
 * core.h - an image laid out as an ELF core, without moving a byte of memory
 *
 *     file    | Ehdr Phdr... [Shdr] notes pad | | area | | area | ... | area |
 *               made at the first read            fetched when read
 *     memory                                    start    start        start
 *
 * One PT_LOAD an area, in the order of addresses, but one for the read-only
 * pieces of a file that lie side by side.  Nothing but the core is needed to
 * read any address: text of files is there too, as it costs nothing until
 * somebody reads it.  Areas that can hold nothing (closed and never touched, or
 * the kernel's own) have a header and no bytes.  Format: elf(5), core(5), and
 * fs/binfmt_elf.c, also for more than 65,534 areas.
 *
 * Above: fs/tree.c for size and holes, fs/ops.c for bytes.
 * Threads: any, once core_new() has returned.
 * Locks: one, around the making of the headers; never held across I/O.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/image.h"

struct core;

enum core_kind {
	CORE_HEADERS,
	CORE_MEMORY, /* holes of the image read as zeros */
	CORE_ZEROS,  /* between two areas */
};

/* Where some bytes of the file come from. */
struct core_piece {
	enum core_kind kind;
	uint64_t len_bytes;
	const uint8_t *bytes; /* CORE_HEADERS */
	uint64_t raddr;	      /* CORE_MEMORY */
};

/*
 * Lay @image out; it is borrowed and must outlive the core.  Costs a walk over
 * areas and threads.  Returns 0 or -ENOMEM.
 */
int core_new(const struct image *image, struct core **ret_core);

/* The size of the file: a multiple of the page. */
uint64_t core_size_bytes(const struct core *core);

/* Pages that are no holes, headers included. */
uint64_t core_present_pages(const struct core *core);

/*
 * What lies at @offset_bytes, which is inside the file: the longest piece from
 * there on that comes from one place.  The first call makes the headers, which
 * takes memory: returns 0 or -ENOMEM.  The bytes live as long as the core.
 */
int core_piece_at(struct core *core, uint64_t offset_bytes,
		  struct core_piece *ret_piece);

/*
 * lseek(2)'s SEEK_DATA and SEEK_HOLE from @offset_bytes, which is inside the
 * file.  Returns the offset, or the file's size when there is no more.
 */
uint64_t core_seek(const struct core *core, uint64_t offset_bytes, int whence);

/* NULL is allowed. */
void core_free(struct core *core);

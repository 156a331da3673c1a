/* SPDX-License-Identifier: MIT */
/*
 * linkmap.h - what a program's dynamic linker calls the files that it mapped
 *
 * The kernel knows a mapped library by the path at which it lies
 * (/usr/lib/x86_64-linux-gnu/libz.so.1.2.13); the dynamic linker by the path at
 * which it was found (/lib/x86_64-linux-gnu/libz.so.1), and that is what a
 * debugger looks for.  The names are in the process's memory:
 *
 *     auxv AT_PHDR -> PT_INTERP                           the linker's own
 *                     PT_DYNAMIC -> DT_DEBUG -> r_debug -> link_map -> ...
 *
 * The memory is the program's to fill as it likes: every address, length and
 * name is looked at, and the worst that a lie does is a link with an odd name.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"

/* Where memory comes from: 0, or -errno when not all of it is there. */
struct linkmap_memory {
	int (*read)(const struct linkmap_memory *memory, uint64_t raddr,
		    void *buf, size_t len_bytes);
};

/*
 * Fill image->aliases, from its mapped files, areas and auxv and from @memory.
 * A program without a dynamic linker has none.  Returns 0 or -ENOMEM.
 */
int linkmap_read(const struct linkmap_memory *memory, struct image *image);

/* The same from /proc/@twin/mem. */
int linkmap_read_twin(pid_t twin, struct image *image);

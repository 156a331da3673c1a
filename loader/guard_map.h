/* SPDX-License-Identifier: MIT */
/*
 * guard_map.h - what a process has mapped in a range, piece by piece
 *
 *     range     |------------------------------------|
 *     VMAs    [ image file      ][ anon ]    [ image  ]
 *     pieces    |ours  |  file  || anon |    | ours   |
 *               (a window ends inside the VMA)
 *
 * Asks the kernel by PROCMAP_QUERY (Linux 6.11), else reads /proc/TID/maps; the
 * facts are those of Documentation/filesystems/proc.rst.
 *
 * Above: guard_drop, guard_remap.  No state, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "loader/guard.h"

struct guard_map_vma {
	uint64_t start, end;
	uint64_t offset_bytes, inode;
	dev_t dev;
	uint32_t prot;
	bool shared;
};

enum guard_map_kind {
	GUARD_MAP_OURS,	  /* the image's, and it stands for anonymous memory */
	GUARD_MAP_ANON,	  /* private anonymous */
	GUARD_MAP_SHARED, /* any shared map: dropping it changes no byte */
	GUARD_MAP_FILE,	  /* another private file map */
	GUARD_MAP_IMAGE,  /* the image's, and it stands for a file */
};

struct guard_map_piece {
	uint64_t start, end;
	uint32_t prot;
	uint32_t vma_flags; /* of the window, for the image's */
	enum guard_map_kind kind;
	uint64_t inode, offset_bytes; /* of the image's file, likewise */
};

/* By address, none longer than a VMA; parts of the range may be in no piece. */
struct guard_map {
	struct guard_map_piece *pieces;
	unsigned nr, max;
	unsigned nr_ours;
	unsigned nr_written; /* GUARD_MAP_IMAGE that may be written */
};

/*
 * What thread @tid's process has in [@start, @end).  On success *@ret is the
 * caller's, to give to guard_map_clear().
 *
 * 0, -ENOMEM, -EPROTO for text that is not maps, or what open() says: -EACCES
 * when the process may not be looked at, -ENOENT when it is gone.
 */
int guard_map_read(pid_t tid, uint64_t start, uint64_t end,
		   const struct guard_options *options, struct guard_map *ret);

/* As guard_map_read(), but always from the text. */
int guard_map_read_text(pid_t tid, uint64_t start, uint64_t end,
			const struct guard_options *options,
			struct guard_map *ret);

/*
 * Of the pieces that the image had with MADV_DONTFORK, take the flag from those
 * that have been told MADV_DOFORK since.  Reads smaps, which is slow, where
 * there are such pieces.  Where it cannot be read they keep the flag.
 */
void guard_map_refine(pid_t tid, struct guard_map *map);

/*
 * Does it stand for a file, and may it be written now?  What was written and
 * made read-only since is not told: dropped, it shows what the image has.
 */
bool guard_map_is_written(const struct guard_map_piece *piece);

/* Free what @map owns; an empty map is allowed. */
void guard_map_clear(struct guard_map *map);

/* One line of maps, with or without its newline.  0 or -EPROTO. */
int guard_map_parse(const char *line, struct guard_map_vma *ret_vma);

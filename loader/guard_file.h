/* SPDX-License-Identifier: MIT */
/*
 * guard_file.h - files for the pages that a held call drops
 *
 * A page of the image that stands for a file's and is dropped must be the
 * file's again, not what the parent had written.  The files are asked for here,
 * given to the waiting thread (SECCOMP_IOCTL_NOTIF_ADDFD), mapped by it, and
 * closed again, while the thread is held.
 *
 * Other threads use the same descriptors meanwhile.  So a file is put at a high
 * number that is free, and what is there is compared with it (kcmp(2)) behind
 * each use.
 *
 * Above: guard_drop.  Below: guard_call, guard_map.
 */
#pragma once

#include "loader/guard_call.h"
#include "loader/guard_map.h"

#define GUARD_FILES_MAX 64u

struct guard_file {
	int fd;	  /* ours, which stays open_file()'s */
	int slot; /* the thread's, or -1 */
};

struct guard_files {
	struct guard_file list[GUARD_FILES_MAX];
	unsigned nr;
};

/*
 * Ask for the files of the pieces of @map that may be written, if there are
 * any; blocks as open_file() does.  0, or -ENOENT when one is not to be had or
 * they are more than GUARD_FILES_MAX.
 */
int guard_file_open(const struct guard_call *call, const struct guard_map *map,
		    struct guard_files *files);

/*
 * Give them to the thread, which waits and is seized.  0, or -errno of the
 * ioctl: -EMFILE when it may have no more descriptors.
 */
int guard_file_send(const struct guard_call *call, struct guard_files *files);

/*
 * Have the held thread map its file over @piece, whose file is in @files.  0;
 * -ESRCH when the thread died; -ESTALE when another thread has put another file
 * in its place, which may be mapped now; or mmap's -errno, nothing done.
 */
int guard_file_map(const struct guard_call *call,
		   const struct guard_files *files, struct guard_inject *inject,
		   const struct guard_map_piece *piece);

/*
 * Have the held thread close what it was given and still has.  0, or -ESRCH
 * when it died.
 */
int guard_file_take_back(const struct guard_files *files,
			 struct guard_inject *inject);

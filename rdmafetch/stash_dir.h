/* SPDX-License-Identifier: MIT */
/*
 * stash_dir.h - the directory that stashes of many images share
 *
 * Each image has a file; who uses it holds its flock(2).  What all may take
 * together is given out in grants, which the files' heads note: images that
 * nobody uses go for it, the longest unused first.
 *
 * Locks: flock(2) of the directory, held while its files are listed, made, and
 * removed; waited for 2 s at most.  Every call blocks for its I/O.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rdmafetch/stash_format.h"

#define STASH_WHY_MAX 255

/*
 * Open @path, which is made where only its last part is missing.  Images are
 * secret: it must be a directory, no symbolic link, of the caller's, that
 * nobody else may enter.
 *
 * Returns 0 with the caller's descriptor, or -errno with the reason in @why
 * (STASH_WHY_MAX + 1 bytes).
 */
int stash_dir_open(const char *path, int *ret_fd, char *why);

/*
 * Open the file of @head's image, or make it, and lock it; one with another
 * head, or a damaged one, is made anew.  Who has unmounted a moment ago still
 * has to let go: waits 1 s for that.
 *
 * Returns 0, -EBUSY when another process uses it (or the directory all the
 * time), or another -errno.
 */
int stash_dir_claim(int dir_fd, const struct stash_head *head, int *ret_fd);

/*
 * Let the image of @head, whose file @fd is, take @want_bytes of @max_bytes for
 * all: others that nobody uses are removed for it.  head->granted_bytes becomes
 * what there is to have: at most @want_bytes, and not less than it was.
 *
 * Returns 0 or -errno: then the grant is as it was.
 */
int stash_dir_grow(int dir_fd, int fd, struct stash_head *head,
		   uint64_t want_bytes, uint64_t max_bytes);

/*
 * Remove the file of @head's image, which the caller has claimed; even when the
 * directory is in use all the time.
 */
void stash_dir_drop(int dir_fd, const struct stash_head *head);

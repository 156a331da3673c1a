/* SPDX-License-Identifier: MIT */
/*
 * mounts.h - what is mounted in the child's world
 *
 * Raw system calls, no libc state: loader/reaper.c runs in the memory of the
 * supervisor, beside it.
 */
#pragma once

#include <stddef.h>

/*
 * A mount namespace of its own for the calling process, and the /proc of its
 * pid namespace in it.  0, or -errno with *@ret_what, a constant, in words.
 */
int mounts_make(const char **ret_what);

/*
 * Detach the images that are mounted here, in a mount namespace that is a copy:
 * or a mount that was ended on the host would live on in it.  @room is for the
 * text of the list: a longer line than @size is passed over.
 */
void mounts_forget_images(char *room, size_t size);

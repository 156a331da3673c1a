/* SPDX-License-Identifier: MIT */
/*
 * proctext.h - texts in the formats of proc(5), made from the image
 *
 * What the capture did not copy word for word.  Each text is NUL-terminated and
 * the caller's to free(), or NULL without memory.
 *
 * Above: fs/tree.c, fs/core_notes.c.  Pure; any thread.
 */
#pragma once

#include "common/image.h"

/* proc_pid_smaps(5): Rss and what follows from it are pages of the image. */
char *proctext_smaps(const struct image *image);

/* proc_pid_fdinfo(5), as far as the image knows. */
char *proctext_fdinfo(const struct image *image, const struct image_fd *fd);

/* proc_tid_comm(5). */
char *proctext_comm(const struct image_thread *thread);

/* The signal lines and ids of proc_pid_status(5), of one thread. */
char *proctext_status(const struct image *image,
		      const struct image_thread *thread);

/* "NAME 0x..." a line, in the order of struct user_regs_struct. */
char *proctext_regs(const struct image_thread *thread);

/* Signals that wait for thread @tid, 0 for the whole process: bit 0 is 1. */
uint64_t proctext_pending(const struct image *image, int32_t tid);

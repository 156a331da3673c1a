/* SPDX-License-Identifier: MIT */
/*
 * vmas.h - the memory areas of a process, from /proc/PID/smaps
 *
 * Above: snapshot.c.  Below: the text cursor (text.h).  smaps rather than maps
 * because only VmFlags tells DONTFORK, WIPEONFORK, stacks that grow and areas
 * that belong to a device; it walks page tables, so it is read while the
 * target runs, and again from the stopped twin, never inside the pause.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"
#include "parent/refusal.h"

/*
 * Parse @len_bytes of smaps text.
 *
 * On success *@ret_vmas (and each name) is the caller's: vmas_free().
 *
 * Returns 0, or
 *   -EOPNOTSUPP  an area that cannot be imaged (device, userfaultfd, AIO or
 *                io_uring ring, secret memory, shadow stack, protection key),
 *                words in @why
 *   -EPROTO      not smaps text, or areas that are not in order
 *   -E2BIG       more than IMAGE_VMAS_MAX areas, or a name that is too long
 *   -ENOMEM
 */
int vmas_parse(const char *text, size_t len_bytes, struct image_vma **ret_vmas,
	       uint32_t *ret_nr, struct refusal *why);

/* vmas_parse() of /proc/@pid/smaps; also -ESRCH, -EACCES and other -errno. */
int vmas_read(pid_t pid, struct image_vma **ret_vmas, uint32_t *ret_nr,
	      struct refusal *why);

/* Free the table and the names in it; NULL is allowed. */
void vmas_free(struct image_vma *vmas, uint32_t nr);

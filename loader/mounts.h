/* SPDX-License-Identifier: MIT */
/*
 * mounts.h - let a child's mount namespace hold no image alive
 *
 * A new mount namespace is a copy: it holds every mitosisfs mount of the host,
 * and where mounts are not shared (mount_namespaces(7)) an umount outside does
 * not reach it.  The server of another image, and its twin at the parent, would
 * live as long as this child.  The child's own pages are held by its maps.
 */
#pragma once

/*
 * Detach every mitosisfs mount of this process's mount namespace.  What cannot
 * be detached stays.  Blocks on no file system.
 */
void mounts_forget_images(void);

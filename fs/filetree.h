/* SPDX-License-Identifier: MIT */
/*
 * filetree.h - mapped files as a tree of their paths, fit to be a sysroot
 *
 *     /usr/lib/libz.so.1.2     mapped    usr/lib/libz.so.1.2
 *     /lib/libz.so.1           alias     lib/libz.so.1 ->
 * ../usr/lib/libz.so.1.2
 *
 * Of two files with one path (a library that was replaced while it was mapped)
 * the one that is there has the name; the other has " (deleted)" behind it, and
 * a third and so on its number, too.  An alias gives way to any file.
 *
 * Above: fs/tree.c.
 */
#pragma once

#include "common/image.h"
#include "fs/nodes.h"

/*
 * Fill the directory @root with the mapped files of @image that may be read.
 * The image is borrowed and must outlive the nodes.  Returns 0 or -ENOMEM; what
 * nodes cannot allocate they say at nodes_link().
 */
int filetree_add(struct nodes *nodes, const struct tree_node *root,
		 const struct image *image);

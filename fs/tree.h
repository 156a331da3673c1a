/* SPDX-License-Identifier: MIT */
/*
 * tree.h - the image as inodes: built once, read-only after
 *
 * Above: fs/ops.c.  Below: the image.  Knows nothing of FUSE's messages.
 *
 *   /               status status.json metrics   live
 *                   core                 the image as an ELF core
 *   /files/         usr/lib/...          mapped files, at their paths
 *   /image/         maps smaps status cmdline ...   as in /proc
 *                   descriptor image.json
 *                   exe                  the parent's executable
 *                   mem                  offset = address, no size
 *                   cwd root             links that lead nowhere here
 *                   files                a link to the above
 *                   .space               not listed: offset = address
 *                   .warm                the same in the warm tier (warm.h)
 *                   core                 not listed: the one above
 *   /image/vma/     START-END ...        one area each
 *   /image/by-name/ heap libc.so.6.0 ... links to ../vma/
 *   /image/fd/      N ...                links that lead nowhere here
 *   /image/fdinfo/  N ...
 *   /image/task/TID/  comm status regs
 *
 * What is not listed is not copied: a core in the image directory would make
 * every copy of an image twice as large, and hold nothing new.  The same goes
 * for files: their mapped parts are in vma/ already, and a process may have
 * mapped a megabyte of a file of a terabyte.  Who wants them copies both.
 *
 * Links to what the parent had open begin with "parent:" and are relative: they
 * must not lead to another file of the same name on this host.
 *
 * Threads: any, once tree_new() has returned.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/image.h"
#include "fs/core.h"
#include "fs/nodes.h"

#define TREE_ROOT_INO 1

/* The size of .space: all of the lower half's user addresses. */
#define TREE_SPACE_BYTES (1ull << 47)

struct tree;

/*
 * Build the tree of @image, whose encoded form is @desc.  Both are borrowed and
 * must outlive the tree.  Returns 0 or -ENOMEM.
 */
int tree_new(const struct image *image, const void *desc, size_t desc_bytes,
	     struct tree **ret_tree);

/* The node @ino, or NULL. */
const struct tree_node *tree_get(const struct tree *tree, uint64_t ino);

/* The child @name of directory @dir, hidden ones too, or NULL. */
const struct tree_node *tree_lookup(const struct tree *tree,
				    const struct tree_node *dir,
				    const char *name);

/*
 * How many bytes of TREE_MEM can be read from @raddr on, at most @len_bytes: as
 * far as areas with bytes follow on each other.
 */
uint64_t tree_mapped(const struct tree *tree, uint64_t raddr,
		     uint64_t len_bytes);

/* The hidden file of the whole address space, and its warm twin. */
const struct tree_node *tree_space(const struct tree *tree);
const struct tree_node *tree_warm(const struct tree *tree);

/* The layout of the core, for readers of a TREE_CORE. */
struct core *tree_core(const struct tree *tree);

/*
 * Size, mode, blocks and times as stat(2) shows them, for the mount's owner.
 * Long texts are made for the first who asks here: to be called before a node's
 * bytes are read, as the kernel does.  Returns 0 or -ENOMEM.
 */
int tree_stat(const struct tree *tree, const struct tree_node *node,
	      struct stat *ret_stat);

/*
 * lseek's SEEK_DATA and SEEK_HOLE in @node from @offset_bytes.
 * Returns the offset, or -ENXIO past the last one.
 */
int64_t tree_seek(const struct tree *tree, const struct tree_node *node,
		  int64_t offset_bytes, int whence);

void tree_free(struct tree *tree);

/* SPDX-License-Identifier: MIT */
#include "fs/tree.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "common/source.h"
#include "fs/filetree.h"
#include "fs/holes.h"
#include "fs/names.h"
#include "fs/proctext.h"
#include "fs/text.h"

struct tree {
	const struct image *image;
	struct nodes *nodes;
	const struct tree_node *root, *image_dir, *space, *warm, *core_node;
	struct core *core;
};

/* ---- what is in the mount ---- */

/* The kernel's own areas have no bytes of the process. */
static int has_file(const struct image_vma *vma)
{
	return vma->kind != IMAGE_VMA_VVAR && vma->kind != IMAGE_VMA_VSYSCALL;
}

static const char *area_name(struct nodes *nodes, const struct image_vma *vma)
{
	return nodes_printf(nodes, "%08" PRIx64 "-%08" PRIx64, vma->start,
			    vma->end);
}

static void add_area(struct tree *tree, const struct tree_node *dir,
		     const struct image_vma *vma)
{
	struct tree_node *node = nodes_add(
		tree->nodes, dir, area_name(tree->nodes, vma), TREE_AREA);

	node->vma = vma;
	node->raddr = vma->start;
	node->size_bytes = vma->end - vma->start;
	node->present_pages = image_present_pages(
		tree->image, page_of(vma->start), page_of(node->size_bytes));
}

static void add_areas(struct tree *tree, const struct tree_node *dir)
{
	for (uint32_t i = 0; i < tree->image->nr_vmas; i++)
		if (has_file(&tree->image->vmas[i]))
			add_area(tree, dir, &tree->image->vmas[i]);
}

static int add_names(struct tree *tree, const struct tree_node *dir)
{
	CLEANUP_FREE uint32_t *numbers = names_number(tree->image);
	struct nodes *nodes = tree->nodes;
	char name[NAMES_BYTES];
	int numbered;

	if (!numbers)
		return -ENOMEM;
	for (uint32_t i = 0; i < tree->image->nr_vmas; i++) {
		const struct image_vma *vma = &tree->image->vmas[i];

		if (!has_file(vma) || names_of(vma, name, &numbered))
			continue;
		if (numbers[i] != NAMES_PLAIN)
			(void)snprintf(name + strlen(name), NAMES_NUMBER_BYTES,
				       ".%u", numbers[i]);
		nodes_add_link(nodes, dir, nodes_printf(nodes, "%s", name),
			       nodes_printf(nodes,
					    "../vma/%08" PRIx64 "-%08" PRIx64,
					    vma->start, vma->end));
	}
	return 0;
}

/*
 * Where a link of the parent leads, as a link that leads nowhere here.  Cut to
 * what a link may have: the kernel reads no longer one, and as nothing is by
 * such a path, it means what it meant, nothing here.
 */
static const char *parents(struct nodes *nodes, const char *target)
{
	const char *prefix = target[0] == '/' ? "parent:" : "";

	return nodes_printf(nodes, "%s%.*s", prefix,
			    PATH_MAX - 1 - (int)strlen(prefix), target);
}

static void add_files(struct tree *tree, const struct tree_node *image_dir)
{
	struct nodes *nodes = tree->nodes;
	const struct tree_node *fds =
		nodes_add(nodes, image_dir, "fd", TREE_DIR);
	const struct tree_node *infos =
		nodes_add(nodes, image_dir, "fdinfo", TREE_DIR);

	for (uint32_t i = 0; i < tree->image->nr_fds; i++) {
		const struct image_fd *fd = &tree->image->fds[i];
		const char *name = nodes_printf(nodes, "%d", fd->fd);

		nodes_add_link(nodes, fds, name, parents(nodes, fd->path));
		nodes_add_text(nodes, infos, name,
			       proctext_fdinfo(tree->image, fd));
	}
}

static void add_threads(struct tree *tree, const struct tree_node *tasks)
{
	struct nodes *nodes = tree->nodes;

	for (uint32_t i = 0; i < tree->image->nr_threads; i++) {
		const struct image_thread *thread = &tree->image->threads[i];
		const struct tree_node *dir = nodes_add(
			nodes, tasks, nodes_printf(nodes, "%d", thread->tid),
			TREE_DIR);

		nodes_add_text(nodes, dir, "comm", proctext_comm(thread));
		nodes_add_text(nodes, dir, "status",
			       proctext_status(tree->image, thread));
		nodes_add_text(nodes, dir, "regs", proctext_regs(thread));
	}
}

/* Files of the image's directory that are found, but in no listing. */
static const struct tree_node *unlisted(const struct tree *tree,
					const char *name)
{
	const struct tree_node *const nodes[] = {tree->core_node, tree->space,
						 tree->warm};

	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		if (!strcmp(name, nodes[i]->name))
			return nodes[i];
	return NULL;
}

/* Of a name that is there already the one that came first stays. */
static void add_texts(struct tree *tree, const struct tree_node *dir)
{
	struct nodes *nodes = tree->nodes;

	nodes_add_made(nodes, dir, "maps", text_maps);
	nodes_add_made(nodes, dir, "smaps", proctext_smaps);
	nodes_add_made(nodes, dir, "image.json", text_image_json);
	for (uint32_t i = 0; i < tree->image->nr_texts; i++) {
		const struct image_text *text = &tree->image->texts[i];

		if (!unlisted(tree, text->name))
			(void)nodes_add_bytes(nodes, dir, text->name,
					      text->bytes, text->len_bytes);
	}
}

/* A file of all addresses. */
static const struct tree_node *
add_space(struct nodes *nodes, const struct tree_node *dir, const char *name)
{
	struct tree_node *node = nodes_add(nodes, dir, name, TREE_AREA);

	node->size_bytes = TREE_SPACE_BYTES;
	node->mode = S_IFREG | 0500;
	node->is_hidden = 1;
	return node;
}

/* Files that are made of pages. */
static void add_pages(struct tree *tree, const struct tree_node *dir)
{
	struct tree_node *node = nodes_add(tree->nodes, dir, "exe", TREE_FILE);

	node->mode = S_IFREG | 0500;
	node->object = SOURCE_EXE;
	node->size_bytes = tree->image->exe_bytes;
	(void)nodes_add(tree->nodes, dir, "mem", TREE_MEM);
	tree->space = add_space(tree->nodes, dir, ".space");
	tree->warm = add_space(tree->nodes, dir, ".warm");
}

static void add_core(struct tree *tree)
{
	struct tree_node *node =
		nodes_add(tree->nodes, tree->root, "core", TREE_CORE);

	node->size_bytes = core_size_bytes(tree->core);
	node->present_pages = core_present_pages(tree->core);
	tree->core_node = node;
}

static int fill(struct tree *tree, const void *desc, size_t desc_bytes)
{
	struct nodes *nodes = tree->nodes;
	const struct tree_node *dir;
	int r;

	tree->root = nodes_add(nodes, NULL, "", TREE_DIR);
	nodes_add(nodes, tree->root, "status", TREE_LIVE)->live =
		TREE_LIVE_STATUS;
	nodes_add(nodes, tree->root, "status.json", TREE_LIVE)->live =
		TREE_LIVE_STATUS_JSON;
	nodes_add(nodes, tree->root, "metrics", TREE_LIVE)->live =
		TREE_LIVE_METRICS;
	nodes_add(nodes, tree->root, "faults", TREE_LIVE)->live =
		TREE_LIVE_FAULTS;
	(void)nodes_add_bytes(nodes, tree->root, "README", text_readme(),
			      strlen(text_readme()));
	add_core(tree);
	dir = tree->image_dir = nodes_add(nodes, tree->root, "image", TREE_DIR);
	add_pages(tree, dir);
	(void)nodes_add_bytes(nodes, dir, "descriptor", desc, desc_bytes);
	nodes_add_link(nodes, dir, "cwd", parents(nodes, tree->image->cwd));
	nodes_add_link(nodes, dir, "root", parents(nodes, tree->image->root));
	nodes_add_link(nodes, dir, "files", "../files");
	r = filetree_add(nodes, nodes_add(nodes, tree->root, "files", TREE_DIR),
			 tree->image);
	if (r)
		return r;
	add_areas(tree, nodes_add(nodes, dir, "vma", TREE_DIR));
	add_files(tree, dir);
	add_threads(tree, nodes_add(nodes, dir, "task", TREE_DIR));
	add_texts(tree, dir);
	return add_names(tree, nodes_add(nodes, dir, "by-name", TREE_DIR));
}

static void tree_freep(struct tree **tree)
{
	tree_free(*tree);
}

int tree_new(const struct image *image, const void *desc, size_t desc_bytes,
	     struct tree **ret_tree)
{
	CLEANUP(tree_freep) struct tree *tree = calloc(1, sizeof(*tree));
	int r;

	if (!tree)
		return -ENOMEM;
	tree->image = image;
	tree->nodes = nodes_new(32 + 2 * (size_t)image->nr_vmas);
	if (!tree->nodes || core_new(image, &tree->core))
		return -ENOMEM;
	r = fill(tree, desc, desc_bytes);
	if (!r)
		r = nodes_link(tree->nodes);
	if (r)
		return r;
	*ret_tree = steal_ptr(&tree);
	return 0;
}

/* ---- questions ---- */

const struct tree_node *tree_get(const struct tree *tree, uint64_t ino)
{
	return nodes_get(tree->nodes, ino);
}

const struct tree_node *tree_space(const struct tree *tree)
{
	return tree->space;
}

const struct tree_node *tree_warm(const struct tree *tree)
{
	return tree->warm;
}

struct core *tree_core(const struct tree *tree)
{
	return tree->core;
}

const struct tree_node *tree_lookup(const struct tree *tree,
				    const struct tree_node *dir,
				    const char *name)
{
	const struct tree_node *node =
		dir == tree->image_dir ? unlisted(tree, name) : NULL;

	return node ? node : nodes_find(dir, name);
}

uint64_t tree_mapped(const struct tree *tree, uint64_t raddr,
		     uint64_t len_bytes)
{
	uint64_t at = raddr;

	while (at - raddr < len_bytes) {
		const struct image_vma *vma = image_vma_at(tree->image, at);

		if (!vma || !has_file(vma))
			break;
		at = vma->end;
	}
	return at - raddr < len_bytes ? at - raddr : len_bytes;
}

int tree_stat(const struct tree *tree, const struct tree_node *node,
	      struct stat *ret_stat)
{
	uint64_t ns = node->mtime_ns ? node->mtime_ns
				     : tree->image->captured_realtime_ns;
	int r = nodes_make(tree->nodes, node, tree->image);

	if (r)
		return r;
	*ret_stat = (struct stat){
		.st_ino = node->ino,
		.st_mode = node->mode,
		.st_nlink = 1,
		.st_uid = geteuid(),
		.st_gid = getegid(),
		.st_size = (off_t)node->size_bytes,
		.st_blksize = PAGE_BYTES,
		.st_mtim = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)},
	};
	ret_stat->st_atim = ret_stat->st_ctim = ret_stat->st_mtim;
	if (node->kind == TREE_AREA || node->kind == TREE_CORE)
		ret_stat->st_blocks =
			(blkcnt_t)(node->present_pages * (PAGE_BYTES / 512));
	else
		ret_stat->st_blocks =
			(blkcnt_t)((node->size_bytes + 511) / 512);
	return 0;
}

static uint64_t seek_area(const struct tree *tree, const struct tree_node *node,
			  uint64_t offset_bytes, int whence)
{
	uint64_t raddr = node->raddr + offset_bytes;
	uint64_t found = whence == SEEK_DATA
				 ? holes_next_data(tree->image, raddr)
				 : holes_next_hole(tree->image, raddr);

	return found == UINT64_MAX ? found : found - node->raddr;
}

int64_t tree_seek(const struct tree *tree, const struct tree_node *node,
		  int64_t offset_bytes, int whence)
{
	uint64_t size = node->size_bytes, found;

	if (offset_bytes < 0 || (uint64_t)offset_bytes >= size)
		return -ENXIO;
	if (node->kind == TREE_CORE)
		found = core_seek(tree->core, (uint64_t)offset_bytes, whence);
	else if (node->kind == TREE_AREA)
		found = seek_area(tree, node, (uint64_t)offset_bytes, whence);
	else
		found = whence == SEEK_DATA ? (uint64_t)offset_bytes : size;
	if (found < size)
		return (int64_t)found;
	return whence == SEEK_DATA ? -ENXIO : (int64_t)size;
}

void tree_free(struct tree *tree)
{
	if (!tree)
		return;
	nodes_free(tree->nodes);
	core_free(tree->core);
	free(tree);
}

/* SPDX-License-Identifier: MIT */
#include "fs/tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "fs/holes.h"
#include "fs/text.h"

/* root, status, README, core, image, vma, .space, exe, descriptor */
#define NR_FIXED   9
#define NR_MADE	   2  /* maps, image.json */
#define NAME_BYTES 36 /* two addresses of 16 digits, a dash, a NUL */

struct tree {
	const struct image *image;
	struct tree_node *nodes; /* inode number - 1 */
	uint32_t nr_nodes;
	const struct tree_node **children; /* of all directories, in a row */
	uint32_t nr_children;
	char (*vma_names)[NAME_BYTES];
	const struct tree_node *image_dir, *space, *core_node;
	struct core *core;
	char *maps, *json; /* made texts */
};

static struct tree_node *add(struct tree *tree, const struct tree_node *dir,
			     const char *name, enum tree_kind kind)
{
	struct tree_node *node = &tree->nodes[tree->nr_nodes++];

	*node = (struct tree_node){
		.ino = tree->nr_nodes,
		.parent_ino = dir ? dir->ino : TREE_ROOT_INO,
		.name = name,
		.kind = kind,
		.mode = kind == TREE_DIR ? S_IFDIR | 0500 : S_IFREG | 0400,
	};
	return node;
}

static void add_bytes(struct tree *tree, const struct tree_node *dir,
		      const char *name, const void *bytes, size_t len)
{
	struct tree_node *node = add(tree, dir, name, TREE_BYTES);

	node->bytes = bytes;
	node->size_bytes = len;
}

/* Device pages and the kernel's own have no bytes of the process. */
static int has_file(const struct image_vma *vma)
{
	return vma->kind != IMAGE_VMA_VVAR && vma->kind != IMAGE_VMA_VSYSCALL;
}

static void add_vmas(struct tree *tree, const struct tree_node *dir)
{
	for (uint32_t i = 0; i < tree->image->nr_vmas; i++) {
		const struct image_vma *vma = &tree->image->vmas[i];
		uint64_t bytes = vma->end - vma->start;
		struct tree_node *node;

		if (!has_file(vma))
			continue;
		(void)snprintf(tree->vma_names[i], NAME_BYTES,
			       "%08" PRIx64 "-%08" PRIx64, vma->start,
			       vma->end);
		node = add(tree, dir, tree->vma_names[i], TREE_AREA);
		node->raddr = vma->start;
		node->size_bytes = bytes;
		node->present_pages = image_present_pages(
			tree->image, page_of(vma->start), page_of(bytes));
	}
}

static void add_texts(struct tree *tree, const struct tree_node *dir)
{
	for (uint32_t i = 0; i < tree->image->nr_texts; i++) {
		const struct image_text *text = &tree->image->texts[i];

		if (!tree_lookup(tree, dir, text->name))
			add_bytes(tree, dir, text->name, text->bytes,
				  text->len_bytes);
	}
}

static void fill(struct tree *tree, const void *desc, size_t desc_bytes)
{
	struct tree_node *root = add(tree, NULL, "", TREE_DIR);
	struct tree_node *image, *node;

	add(tree, root, "status", TREE_LIVE);
	add_bytes(tree, root, "README", text_readme(), strlen(text_readme()));
	node = add(tree, root, "core", TREE_CORE);
	node->size_bytes = core_size_bytes(tree->core);
	node->present_pages = core_present_pages(tree->core);
	tree->core_node = node;
	image = add(tree, root, "image", TREE_DIR);
	tree->image_dir = image;
	add_bytes(tree, image, "maps", tree->maps, strlen(tree->maps));
	add_bytes(tree, image, "image.json", tree->json, strlen(tree->json));
	add_bytes(tree, image, "descriptor", desc, desc_bytes);
	node = add(tree, image, "exe", TREE_EXE);
	node->mode = S_IFREG | 0500;
	node->size_bytes = tree->image->exe_bytes;
	node = add(tree, image, ".space", TREE_AREA);
	node->size_bytes = TREE_SPACE_BYTES;
	node->mode = S_IFREG | 0500;
	tree->space = node;
	add_texts(tree, image);
	add_vmas(tree, add(tree, image, "vma", TREE_DIR));
}

static int by_dir_and_name(const void *a, const void *b)
{
	const struct tree_node *x = *(const struct tree_node *const *)a;
	const struct tree_node *y = *(const struct tree_node *const *)b;

	if (x->parent_ino != y->parent_ino)
		return x->parent_ino < y->parent_ino ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* One sorted array of all listed nodes; each directory gets its stretch. */
static void link_children(struct tree *tree)
{
	for (uint32_t i = 1; i < tree->nr_nodes; i++)
		if (tree->nodes[i].name[0] != '.')
			tree->children[tree->nr_children++] = &tree->nodes[i];
	qsort(tree->children, tree->nr_children, sizeof(tree->children[0]),
	      by_dir_and_name);
	for (uint32_t i = 0; i < tree->nr_children; i++) {
		struct tree_node *dir =
			&tree->nodes[tree->children[i]->parent_ino - 1];

		if (!dir->nr_children++)
			dir->children = &tree->children[i];
	}
}

static void tree_freep(struct tree **tree)
{
	tree_free(*tree);
}

int tree_new(const struct image *image, const void *desc, size_t desc_bytes,
	     struct tree **ret_tree)
{
	CLEANUP(tree_freep) struct tree *tree = calloc(1, sizeof(*tree));
	size_t most = NR_FIXED + NR_MADE + image->nr_texts + image->nr_vmas;

	if (!tree)
		return -ENOMEM;
	tree->image = image;
	tree->nodes = calloc(most, sizeof(tree->nodes[0]));
	tree->children = calloc(most, sizeof(tree->children[0]));
	tree->vma_names = calloc(image->nr_vmas + 1, NAME_BYTES);
	if (core_new(image, &tree->core))
		return -ENOMEM;
	tree->maps = text_maps(image);
	tree->json = text_image_json(image);
	if (!tree->nodes || !tree->children || !tree->vma_names ||
	    !tree->maps || !tree->json)
		return -ENOMEM;
	fill(tree, desc, desc_bytes);
	link_children(tree);
	*ret_tree = steal_ptr(&tree);
	return 0;
}

const struct tree_node *tree_get(const struct tree *tree, uint64_t ino)
{
	if (ino < 1 || ino > tree->nr_nodes)
		return NULL;
	return &tree->nodes[ino - 1];
}

const struct tree_node *tree_space(const struct tree *tree)
{
	return tree->space;
}

struct core *tree_core(const struct tree *tree)
{
	return tree->core;
}

/* While the tree is being built its few texts are not sorted yet. */
static const struct tree_node *
scan(const struct tree *tree, const struct tree_node *dir, const char *name)
{
	for (uint32_t i = 1; i < tree->nr_nodes; i++)
		if (tree->nodes[i].parent_ino == dir->ino &&
		    strcmp(tree->nodes[i].name, name) == 0)
			return &tree->nodes[i];
	return NULL;
}

const struct tree_node *tree_lookup(const struct tree *tree,
				    const struct tree_node *dir,
				    const char *name)
{
	uint32_t low = 0, high = dir->nr_children;

	if (!tree->nr_children)
		return scan(tree, dir, name);
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		int order = strcmp(name, dir->children[middle]->name);

		if (order == 0)
			return dir->children[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	if (dir != tree->image_dir)
		return NULL;
	if (strcmp(name, tree->space->name) == 0)
		return tree->space;
	return strcmp(name, tree->core_node->name) ? NULL : tree->core_node;
}

void tree_stat(const struct tree *tree, const struct tree_node *node,
	       struct stat *ret_stat)
{
	uint64_t ns = tree->image->captured_realtime_ns;

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
	free(tree->nodes);
	free(tree->children);
	free(tree->vma_names);
	free(tree->maps);
	free(tree->json);
	core_free(tree->core);
	free(tree);
}

/* SPDX-License-Identifier: MIT */
/*
 * fuzz_tree.c - the mounted tree of whatever decodes as a descriptor
 *
 * Names are in order and without slashes, and every node is found by its name.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/desc.h"
#include "fs/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void demand(int truth)
{
	if (!truth)
		abort();
}

static void check_link(const struct tree_node *node)
{
	const char *target = node->bytes;

	demand(target && strlen(target) == node->size_bytes);
	demand(target[0] != '/');
}

static void check_dir(const struct tree *tree, const struct tree_node *dir)
{
	for (uint32_t i = 0; i < dir->nr_children; i++) {
		const struct tree_node *node = dir->children[i];
		struct stat st;

		demand(node->name[0] && !strchr(node->name, '/'));
		demand(strcmp(node->name, "..") != 0);
		demand(!i ||
		       strcmp(dir->children[i - 1]->name, node->name) < 0);
		demand(tree_lookup(tree, dir, node->name) == node);
		demand(tree_get(tree, node->ino) == node);
		tree_stat(tree, node, &st);
		demand(!(st.st_mode & (S_ISUID | S_ISGID)));
		if (node->kind == TREE_DIR)
			check_dir(tree, node);
		else if (node->kind == TREE_LINK)
			check_link(node);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct image *image;
	struct tree *tree;

	if (desc_decode(data, len, &image))
		return 0;
	if (!tree_new(image, data, len, &tree)) {
		check_dir(tree, tree_get(tree, TREE_ROOT_INO));
		tree_free(tree);
	}
	image_free(image);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "fs/filetree.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/source.h"

#define NO_ALIAS UINT32_MAX

/* A name for something: sorted, all that is below one directory is together. */
struct entry {
	const char *path; /* after the first slash */
	uint32_t mapped;  /* index */
	uint32_t alias;	  /* index, or NO_ALIAS */
	bool deleted;
};

struct filetree {
	struct nodes *nodes;
	const struct tree_node *root;
	const struct image *image;
	struct entry *entries;
	uint32_t nr;
	const char **shown; /* by mapped: its path in the tree */
};

/* ---- order ---- */

/* A slash sorts before all else: "a/b" before "a.c". */
static int compare_paths(const char *a, const char *b)
{
	unsigned char x, y;

	while (*a && *a == *b) {
		a++;
		b++;
	}
	x = *a == '/' ? 1 : (unsigned char)*a;
	y = *b == '/' ? 1 : (unsigned char)*b;
	return x == y ? (*a == '/') - (*b == '/') : x - y;
}

/* With one path: files that are there, deleted ones, aliases. */
static int compare(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	int order = compare_paths(a->path, b->path);

	if (order)
		return order;
	if ((a->alias == NO_ALIAS) != (b->alias == NO_ALIAS))
		return a->alias == NO_ALIAS ? -1 : 1;
	if (a->deleted != b->deleted)
		return a->deleted ? 1 : -1;
	return (a->mapped > b->mapped) - (a->mapped < b->mapped);
}

static bool is_open(const struct image *image, uint32_t mapped)
{
	return !(image->mapped[mapped].flags & IMAGE_MAPPED_CLOSED);
}

static void list_entries(struct filetree *tree)
{
	const struct image *image = tree->image;

	for (uint32_t i = 0; i < image->nr_mapped; i++)
		if (is_open(image, i))
			tree->entries[tree->nr++] = (struct entry){
				image->mapped[i].path + 1, i, NO_ALIAS,
				image->mapped[i].flags & IMAGE_MAPPED_DELETED};
	for (uint32_t i = 0; i < image->nr_aliases; i++)
		if (is_open(image, image->aliases[i].mapped))
			tree->entries[tree->nr++] = (struct entry){
				image->aliases[i].path + 1,
				image->aliases[i].mapped, i, false};
	qsort(tree->entries, tree->nr, sizeof(*tree->entries), compare);
}

/* ---- names ---- */

static bool is_below(const struct entry *entry, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(entry->path, dir, len) && entry->path[len] == '/';
}

/* Entries with one path are side by side, and what is below it follows them. */
static uint32_t group_end(const struct filetree *tree, uint32_t at)
{
	uint32_t end = at + 1;

	while (end < tree->nr &&
	       !strcmp(tree->entries[at].path, tree->entries[end].path))
		end++;
	return end;
}

static const char *other_name(struct nodes *nodes, const char *path,
			      uint32_t number)
{
	return number < 2
		       ? nodes_printf(nodes, "%s (deleted)", path)
		       : nodes_printf(nodes, "%s (deleted %u)", path, number);
}

/* Say where each file of a group is shown; a directory takes the name, too. */
static void name_group(struct filetree *tree, uint32_t at, uint32_t end)
{
	uint32_t taken = end < tree->nr &&
			 is_below(&tree->entries[end], tree->entries[at].path);

	for (uint32_t i = at; i < end; i++) {
		const struct entry *entry = &tree->entries[i];

		if (entry->alias != NO_ALIAS)
			continue;
		tree->shown[entry->mapped] =
			taken ? other_name(tree->nodes, entry->path, taken)
			      : entry->path;
		taken++;
	}
}

static void name_all(struct filetree *tree)
{
	for (uint32_t at = 0, end; at < tree->nr; at = end) {
		end = group_end(tree, at);
		name_group(tree, at, end);
	}
}

/* ---- nodes ---- */

/* The directories on the way to the entry before, and now to this one. */
struct way {
	const struct tree_node *dirs[IMAGE_STRING_MAX / 2 + 1];
	size_t ends[IMAGE_STRING_MAX / 2 + 1]; /* bytes of the path */
	uint32_t depth;
	const char *path;
};

static void leave(struct way *way, const char *path)
{
	while (way->depth) {
		size_t end = way->ends[way->depth];

		if (!strncmp(way->path, path, end) && path[end] == '/')
			break;
		way->depth--;
	}
}

/* The directory of @path, with all that is missing of it; *@ret_name is in it.
 */
static const struct tree_node *enter(struct filetree *tree, struct way *way,
				     const char *path, const char **ret_name)
{
	const char *at, *slash;

	leave(way, path);
	at = path + way->ends[way->depth] + (way->depth > 0);
	for (; (slash = strchr(at, '/')); at = slash + 1) {
		const struct tree_node *dir = way->dirs[way->depth];

		way->depth++;
		way->dirs[way->depth] =
			nodes_add(tree->nodes, dir,
				  nodes_printf(tree->nodes, "%.*s",
					       (int)(slash - at), at),
				  TREE_DIR);
		way->ends[way->depth] = (size_t)(slash - path);
	}
	way->path = path;
	*ret_name = at;
	return way->dirs[way->depth];
}

static void add_file(struct filetree *tree, const struct tree_node *dir,
		     const char *name, uint32_t index)
{
	const struct image_mapped *mapped = &tree->image->mapped[index];
	struct tree_node *node = nodes_add(tree->nodes, dir, name, TREE_FILE);

	/* Who mounts it may read it, whosever it is there. */
	node->mode = S_IFREG | S_IRUSR | mapped->mode;
	node->object = SOURCE_MAPPED + index;
	node->size_bytes = mapped->size_bytes;
	node->mtime_ns = mapped->mtime_ns;
}

static void add_alias(struct filetree *tree, const struct tree_node *dir,
		      const char *name, const struct entry *entry)
{
	const char *up = "";

	for (const char *at = entry->path; (at = strchr(at, '/')); at++)
		up = nodes_printf(tree->nodes, "../%s", up ? up : "");
	nodes_add_link(tree->nodes, dir, name,
		       nodes_printf(tree->nodes, "%s%s", up ? up : "",
				    tree->shown[entry->mapped]));
}

static void add_all(struct filetree *tree, struct way *way)
{
	for (uint32_t i = 0; i < tree->nr; i++) {
		const struct entry *entry = &tree->entries[i];
		bool is_file = entry->alias == NO_ALIAS;
		const char *path =
			is_file ? tree->shown[entry->mapped] : entry->path;
		const struct tree_node *dir;
		const char *name;

		if (!path) /* no memory, which nodes will say */
			continue;
		dir = enter(tree, way, path, &name);
		if (is_file)
			add_file(tree, dir, name, entry->mapped);
		else if (!(i && !strcmp(tree->entries[i - 1].path, path)) &&
			 !(i + 1 < tree->nr &&
			   is_below(&tree->entries[i + 1], path)))
			add_alias(tree, dir, name, entry);
	}
}

int filetree_add(struct nodes *nodes, const struct tree_node *root,
		 const struct image *image)
{
	size_t most = (size_t)image->nr_mapped + image->nr_aliases + 1;
	CLEANUP_FREE struct entry *entries = calloc(most, sizeof(*entries));
	CLEANUP_FREE const char **shown = calloc(most, sizeof(*shown));
	CLEANUP_FREE struct way *way = calloc(1, sizeof(*way));
	struct filetree tree = {
		.nodes = nodes,
		.root = root,
		.image = image,
		.entries = entries,
		.shown = shown,
	};

	if (!entries || !shown || !way)
		return -ENOMEM;
	list_entries(&tree);
	name_all(&tree);
	way->dirs[0] = root;
	way->path = "";
	add_all(&tree, way);
	return 0;
}

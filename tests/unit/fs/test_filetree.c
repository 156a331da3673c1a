/* SPDX-License-Identifier: MIT */
/* Mapped files at their paths: directories, names that clash, links. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/image.h"
#include "common/source.h"
#include "fs/filetree.h"

struct forest {
	struct image image;
	struct image_mapped mapped[16];
	struct image_alias aliases[16];
	struct nodes *nodes;
};

static void add(struct forest *forest, const char *path, uint32_t flags)
{
	forest->mapped[forest->image.nr_mapped++] = (struct image_mapped){
		.path = (char *)path,
		.flags = flags,
		.mode = 0644,
		.size_bytes = 100 + forest->image.nr_mapped,
		.mtime_ns = 5,
	};
}

static void add_alias(struct forest *forest, const char *path, uint32_t mapped)
{
	forest->aliases[forest->image.nr_aliases++] =
		(struct image_alias){mapped, (char *)path};
}

static void plant(struct forest *forest)
{
	const struct tree_node *root;

	forest->image.mapped = forest->mapped;
	forest->image.aliases = forest->aliases;
	forest->nodes = nodes_new(8);
	root = nodes_add(forest->nodes, NULL, "", TREE_DIR);
	assert_int_equal(filetree_add(forest->nodes, root, &forest->image), 0);
	assert_int_equal(nodes_link(forest->nodes), 0);
}

static const struct tree_node *find(const struct forest *forest,
				    const char *path)
{
	const struct tree_node *node = nodes_get(forest->nodes, 1);
	char copy[128], *save = NULL, *name;

	strcpy(copy, path);
	for (name = strtok_r(copy, "/", &save); name && node;
	     name = strtok_r(NULL, "/", &save))
		node = nodes_find(node, name);
	return node;
}

/* The file @index of the image, and nothing else, is at @path. */
static void assert_file(const struct forest *forest, const char *path,
			uint32_t index)
{
	const struct tree_node *node = find(forest, path);

	if (!node)
		fail_msg("%s is missing", path);
	assert_int_equal(node->kind, TREE_FILE);
	assert_int_equal(node->object, SOURCE_MAPPED + index);
	assert_int_equal(node->size_bytes, 101 + index);
	assert_int_equal(node->mtime_ns, 5);
}

static void assert_link(const struct forest *forest, const char *path,
			const char *target)
{
	const struct tree_node *node = find(forest, path);

	if (!node)
		fail_msg("%s is missing", path);
	assert_int_equal(node->kind, TREE_LINK);
	assert_string_equal(node->bytes, target);
}

static uint32_t count(const struct tree_node *dir)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < dir->nr_children; i++)
		nr += 1 + count(dir->children[i]);
	return nr;
}

static void files_lie_at_their_paths(void **state)
{
	struct forest forest = {0};

	add(&forest, "/usr/lib/x/libc.so.6", 0);
	add(&forest, "/usr/bin/prog", 0);
	add(&forest, "/usr/lib/libz.so", 0);
	add(&forest, "/usr/lib.d", 0);
	add(&forest, "/usr/lib x", 0);
	add(&forest, "/top", IMAGE_MAPPED_DELETED);
	plant(&forest);
	assert_file(&forest, "usr/lib/x/libc.so.6", 0);
	assert_file(&forest, "usr/bin/prog", 1);
	assert_file(&forest, "usr/lib/libz.so", 2);
	assert_file(&forest, "usr/lib.d", 3);
	assert_file(&forest, "usr/lib x", 4);
	assert_file(&forest, "top", 5);
	assert_int_equal(find(&forest, "usr/lib")->mode, S_IFDIR | 0500);
	/* usr lib bin x, and the six files: no directory is there twice. */
	assert_int_equal(count(nodes_get(forest.nodes, 1)), 10);
	nodes_free(forest.nodes);
}

static void of_one_path_the_living_has_the_name(void **state)
{
	struct forest forest = {0};

	add(&forest, "/lib/a", IMAGE_MAPPED_DELETED);
	add(&forest, "/lib/a", 0);
	add(&forest, "/lib/a", IMAGE_MAPPED_DELETED);
	add(&forest, "/b", IMAGE_MAPPED_DELETED);
	plant(&forest);
	assert_file(&forest, "lib/a", 1);
	assert_file(&forest, "lib/a (deleted)", 0);
	assert_file(&forest, "lib/a (deleted 2)", 2);
	assert_file(&forest, "b", 3);
	nodes_free(forest.nodes);
}

/* A file whose path became a directory, in which others lie. */
static void a_directory_takes_the_name(void **state)
{
	struct forest forest = {0};

	add(&forest, "/lib/a", IMAGE_MAPPED_DELETED);
	add(&forest, "/lib/a/b", 0);
	add_alias(&forest, "/lib/a", 1);
	plant(&forest);
	assert_file(&forest, "lib/a (deleted)", 0);
	assert_file(&forest, "lib/a/b", 1);
	assert_int_equal(count(nodes_get(forest.nodes, 1)), 4);
	nodes_free(forest.nodes);
}

static void aliases_are_relative_links(void **state)
{
	struct forest forest = {0};

	add(&forest, "/usr/lib/libz.so.1.2", 0);
	add(&forest, "/closed", IMAGE_MAPPED_CLOSED);
	add(&forest, "/usr/lib/libz.so.1.2", IMAGE_MAPPED_DELETED);
	add_alias(&forest, "/lib/libz.so.1", 0);
	add_alias(&forest, "/lib/libz.so.1", 2);
	add_alias(&forest, "/z", 2);
	add_alias(&forest, "/also/closed", 1);
	add_alias(&forest, "/usr/lib/libz.so.1.2", 2);
	plant(&forest);
	assert_link(&forest, "lib/libz.so.1", "../usr/lib/libz.so.1.2");
	assert_link(&forest, "z", "usr/lib/libz.so.1.2 (deleted)");
	assert_file(&forest, "usr/lib/libz.so.1.2", 0);
	assert_null(find(&forest, "closed"));
	assert_null(find(&forest, "also"));
	nodes_free(forest.nodes);
}

/* The owner of a mount may read what the image's user may. */
static void modes_are_the_files_and_readable(void **state)
{
	struct forest forest = {0};

	add(&forest, "/a", 0);
	add(&forest, "/b", 0);
	forest.mapped[0].mode = 0755;
	forest.mapped[1].mode = 0040;
	plant(&forest);
	assert_int_equal(find(&forest, "a")->mode, S_IFREG | 0755);
	assert_int_equal(find(&forest, "b")->mode, S_IFREG | 0440);
	nodes_free(forest.nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_lie_at_their_paths),
		cmocka_unit_test(of_one_path_the_living_has_the_name),
		cmocka_unit_test(a_directory_takes_the_name),
		cmocka_unit_test(aliases_are_relative_links),
		cmocka_unit_test(modes_are_the_files_and_readable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Names, sizes, holes and modes of the tree, from an image of known shape. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "fs/proctext.h"
#include "fs/text.h"
#include "fs/tree.h"
#include "tests/unit/fs/sample.h"

static struct image *image;
static struct tree *tree;

static int set_up(void **state)
{
	image = sample_image();
	return tree_new(image, "desc", 4, &tree);
}

static int tear_down(void **state)
{
	tree_free(tree);
	image_free(image);
	return 0;
}

/* Follow a path of names from the root. */
static const struct tree_node *find(const char *path)
{
	const struct tree_node *node = tree_get(tree, TREE_ROOT_INO);
	char copy[128], *save = NULL, *name;

	strcpy(copy, path);
	for (name = strtok_r(copy, "/", &save); name && node;
	     name = strtok_r(NULL, "/", &save))
		node = tree_lookup(tree, node, name);
	return node;
}

static void every_file_is_there(void **state)
{
	const char *const paths[] = {
		"status",
		"status.json",
		"metrics",
		"faults",
		"README",
		"core",
		"image/core",
		"image/maps",
		"image/image.json",
		"image/descriptor",
		"image/exe",
		"image/cmdline",
		"image/vma/00010000-00020000",
		"image/vma/7f0000000000-7f0000004000",
		"image/vma/7ffe00000000-7ffe00002000",
		"image/mem",
		"image/smaps",
		"image/task/77/status",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (!find(paths[i]))
			fail_msg("%s is missing", paths[i]);
	assert_null(find("image/vma/7fff00000000-7fff00004000"));
	assert_null(find("image/nothing"));
}

static void assert_link(const char *path, const char *target)
{
	const struct tree_node *node = find(path);

	if (!node)
		fail_msg("%s is missing", path);
	assert_int_equal(node->kind, TREE_LINK);
	assert_int_equal(node->size_bytes, strlen(target));
	assert_string_equal(node->bytes, target);
}

/* None leads to a file of this host. */
static void links_lead_to_areas_or_nowhere(void **state)
{
	assert_link("image/cwd", "parent:/");
	assert_link("image/root", "parent:/");
	assert_link("image/files", "../files");
	assert_link("image/fd/3", "parent:/etc/hostname");
	assert_link("image/fd/10", "pipe:[5]");
	assert_link("image/by-name/libc.so.6.0",
		    "../vma/7f0000000000-7f0000004000");
	assert_link("image/by-name/stack", "../vma/7ffe00000000-7ffe00002000");
	assert_null(find("image/by-name/vvar"));
	assert_int_equal(find("image/by-name")->nr_children, 2);
}

/* The longest link that the kernel takes from a file system. */
static void long_links_can_be_read(void **state)
{
	struct image *odd = sample_image();
	struct tree *odd_tree;
	const struct tree_node *cwd;

	free(odd->cwd);
	odd->cwd = malloc(PATH_MAX);
	memset(odd->cwd, 'd', PATH_MAX - 1);
	odd->cwd[0] = '/';
	odd->cwd[PATH_MAX - 1] = '\0';
	assert_int_equal(tree_new(odd, "desc", 4, &odd_tree), 0);
	cwd = tree_lookup(odd_tree, tree_get(odd_tree, TREE_ROOT_INO), "image");
	cwd = tree_lookup(odd_tree, cwd, "cwd");
	assert_int_equal(cwd->size_bytes, PATH_MAX - 1);
	assert_int_equal(strlen(cwd->bytes), PATH_MAX - 1);
	assert_memory_equal(cwd->bytes, "parent:/dd", 10);
	tree_free(odd_tree);
	image_free(odd);
}

static void assert_text(const char *path, const char *wanted)
{
	const struct tree_node *node = find(path);
	struct stat st;

	if (!node)
		fail_msg("%s is missing", path);
	assert_int_equal(tree_stat(tree, node, &st), 0);
	assert_int_equal(st.st_size, node->size_bytes);
	if (!memmem(node->bytes, node->size_bytes, wanted, strlen(wanted)))
		fail_msg("%s has no '%s'", path, wanted);
}

static void files_and_threads_are_described(void **state)
{
	assert_text("image/fdinfo/3", "pos:\t123\nflags:\t02002001\nino:\t9\n");
	assert_text("image/fdinfo/10", "pos:\t0\n");
	assert_text("image/task/77/comm", "worker\n");
	assert_text("image/task/77/status", "Pid:\t77\n");
	assert_text("image/task/77/status", "SigBlk:\t0000000000000010\n");
	assert_text("image/task/77/regs", "rip      0x7f0000001234\n");
	assert_text("image/smaps",
		    "00010000-00020000 rw-p 00000000 00:00 0 \n"
		    "Size:                 64 kB\n");
	assert_text("image/smaps", "Rss:                  12 kB\n");
	assert_text("image/smaps", "VmFlags: rd ex \n");
}

/* A text of the image does not stand in for a file of ours. */
/* A thread may call itself as it likes: as /proc has it, escaped in one. */
static void a_threads_name_is_one_line(void **state)
{
	struct image_thread thread = {.tid = 5, .comm = "\\a\nUid:\t0\n"};
	static const char wanted[] = "Name:\t\\\\a\\nUid:\t0\\n\nUmask:";
	CLEANUP_FREE char *status = proctext_status(image, &thread);
	CLEANUP_FREE char *comm = proctext_comm(&thread);

	assert_ptr_equal(strstr(status, wanted), status);
	assert_string_equal(comm, "\\a\nUid:\t0\n\n");
}

static void the_first_of_two_names_stays(void **state)
{
	struct image *other = sample_image();
	struct tree *odd;
	const struct tree_node *dir, *maps;
	struct stat st;

	free(other->texts[0].name);
	other->texts[0].name = strdup("maps");
	assert_int_equal(tree_new(other, "desc", 4, &odd), 0);
	dir = tree_lookup(odd, tree_get(odd, TREE_ROOT_INO), "image");
	maps = tree_lookup(odd, dir, "maps");
	assert_int_equal(tree_stat(odd, maps, &st), 0);
	assert_true(st.st_size > 100);
	for (uint32_t i = 1; i < dir->nr_children; i++)
		assert_true(strcmp(dir->children[i - 1]->name,
				   dir->children[i]->name) < 0);
	tree_free(odd);
	image_free(other);
}

static void *stat_maps(void *arg)
{
	struct stat st;
	int r = tree_stat(arg, find("image/maps"), &st);

	return (void *)(uintptr_t)(r ? 0 : st.st_size);
}

/* It is not known before; many ask at once, and all see the same. */
static void long_texts_are_made_for_the_first_who_asks(void **state)
{
	const struct tree_node *maps = find("image/maps");
	CLEANUP_FREE char *text = text_maps(image);
	pthread_t threads[8];
	void *size;

	for (size_t i = 0; i < 8; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, stat_maps, tree), 0);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(pthread_join(threads[i], &size), 0);
		assert_int_equal((uintptr_t)size, strlen(text));
	}
	assert_memory_equal(maps->bytes, text, strlen(text));
}

static void memory_ends_where_no_area_follows(void **state)
{
	assert_int_equal(tree_mapped(tree, 0x1ff00, 0x1000), 0x100);
	assert_int_equal(tree_mapped(tree, 0x10000, 0x800), 0x800);
	assert_int_equal(tree_mapped(tree, 0x20000, 1), 0);
	assert_int_equal(tree_mapped(tree, 0, 1), 0);
	assert_int_equal(tree_mapped(tree, 0x7fff00000000, 1), 0);
}

static void space_is_found_but_not_listed(void **state)
{
	const struct tree_node *dir = find("image");

	assert_ptr_equal(find("image/.space"), tree_space(tree));
	for (uint32_t i = 0; i < dir->nr_children; i++)
		assert_string_not_equal(dir->children[i]->name, ".space");
	assert_null(find("image/vma/.space"));
}

/* A text of the image is in no listing in the name of an unlisted file. */
static void no_text_stands_in_for_space(void **state)
{
	struct image *other = sample_image();
	struct tree *odd;
	const struct tree_node *dir;

	free(other->texts[0].name);
	other->texts[0].name = strdup(".space");
	assert_int_equal(tree_new(other, "desc", 4, &odd), 0);
	dir = tree_lookup(odd, tree_get(odd, TREE_ROOT_INO), "image");
	assert_ptr_equal(tree_lookup(odd, dir, ".space"), tree_space(odd));
	for (uint32_t i = 0; i < dir->nr_children; i++)
		assert_string_not_equal(dir->children[i]->name, ".space");
	tree_free(odd);
	image_free(other);
}

/* Copies of the image directory must not be twice as large for it. */
static void the_core_is_listed_at_the_top_only(void **state)
{
	const struct tree_node *root = find(""), *dir = find("image");
	int listed = 0;

	assert_ptr_equal(find("image/core"), find("core"));
	for (uint32_t i = 0; i < root->nr_children; i++)
		listed += root->children[i] == find("core");
	assert_int_equal(listed, 1);
	for (uint32_t i = 0; i < dir->nr_children; i++)
		assert_string_not_equal(dir->children[i]->name, "core");
	assert_null(find("image/vma/core"));
}

static void the_core_is_sparse(void **state)
{
	const struct tree_node *core = find("core");
	int64_t size = (int64_t)core->size_bytes, at;
	struct stat st;

	assert_int_equal(tree_stat(tree, core, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0400);
	assert_int_equal(st.st_size, core_size_bytes(tree_core(tree)));
	assert_int_equal(st.st_blocks, core_present_pages(tree_core(tree)) * 8);
	at = tree_seek(tree, core, 0, SEEK_HOLE);
	assert_true(at >= 4096);
	assert_true(tree_seek(tree, core, at, SEEK_DATA) > at);
	/* The stack, the last area, was never touched. */
	assert_int_equal(tree_seek(tree, core, size - 1, SEEK_DATA), -ENXIO);
	assert_int_equal(tree_seek(tree, core, size - 1, SEEK_HOLE), size - 1);
	assert_int_equal(tree_seek(tree, core, size, SEEK_HOLE), -ENXIO);
}

static void stat_tells_size_and_presence(void **state)
{
	struct stat st;

	assert_int_equal(
		tree_stat(tree, find("image/vma/00010000-00020000"), &st), 0);
	assert_int_equal(st.st_size, 0x10000);
	assert_int_equal(st.st_blocks, 3 * 8);
	assert_int_equal(st.st_mode, S_IFREG | 0400);
	assert_int_equal(st.st_mtim.tv_sec, 1700000000);
	assert_int_equal(tree_stat(tree, find("image/exe"), &st), 0);
	assert_int_equal(st.st_size, 5000);
	assert_int_equal(st.st_mode, S_IFREG | 0500);
	assert_int_equal(tree_stat(tree, find("image"), &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0500);
}

static void seek_finds_data_and_holes(void **state)
{
	const struct tree_node *area = find("image/vma/00010000-00020000");

	assert_int_equal(tree_seek(tree, area, 0, SEEK_DATA), 0x2000);
	assert_int_equal(tree_seek(tree, area, 0x2abc, SEEK_DATA), 0x2abc);
	assert_int_equal(tree_seek(tree, area, 0x2abc, SEEK_HOLE), 0x4000);
	assert_int_equal(tree_seek(tree, area, 0x4000, SEEK_DATA), 0x9000);
	assert_int_equal(tree_seek(tree, area, 0x4000, SEEK_HOLE), 0x4000);
	assert_int_equal(tree_seek(tree, area, 0x9000, SEEK_HOLE), 0xa000);
	assert_int_equal(tree_seek(tree, area, 0xa000, SEEK_DATA), -ENXIO);
	assert_int_equal(tree_seek(tree, area, 0x10000, SEEK_HOLE), -ENXIO);
	assert_int_equal(tree_seek(tree, find("image/exe"), 7, SEEK_HOLE),
			 5000);
}

/* A run may go on behind the area: the end of the file is a hole. */
static void data_to_the_end_is_followed_by_the_end(void **state)
{
	const struct tree_node *libc =
		find("image/vma/7f0000000000-7f0000004000");

	assert_int_equal(tree_seek(tree, libc, 0, SEEK_DATA), 0);
	assert_int_equal(tree_seek(tree, libc, 0, SEEK_HOLE), 0x4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_file_is_there),
		cmocka_unit_test(links_lead_to_areas_or_nowhere),
		cmocka_unit_test(long_links_can_be_read),
		cmocka_unit_test(a_threads_name_is_one_line),
		cmocka_unit_test(files_and_threads_are_described),
		cmocka_unit_test(the_first_of_two_names_stays),
		cmocka_unit_test(long_texts_are_made_for_the_first_who_asks),
		cmocka_unit_test(memory_ends_where_no_area_follows),
		cmocka_unit_test(space_is_found_but_not_listed),
		cmocka_unit_test(no_text_stands_in_for_space),
		cmocka_unit_test(the_core_is_listed_at_the_top_only),
		cmocka_unit_test(the_core_is_sparse),
		cmocka_unit_test(stat_tells_size_and_presence),
		cmocka_unit_test(seek_finds_data_and_holes),
		cmocka_unit_test(data_to_the_end_is_followed_by_the_end),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

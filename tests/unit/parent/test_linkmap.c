/* SPDX-License-Identifier: MIT */
/* The names of a dynamic linker, from its own memory and from lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "common/image.h"
#include "common/page.h"
#include "parent/linkmap.h"

#define AT	0x10000ull /* of the memory */
#define PHDR	(AT + 0x40)
#define DYNAMIC (AT + 0x400)
#define DEBUG	(AT + 0x800)
#define OBJECTS (AT + 0x900)
#define STRINGS (AT + 0x1000)
#define PROGRAM 0x400000ull
#define LIBRARY 0x7f0000000000ull
#define LINKER	0x7f0000100000ull
#define BIAS	0x8000ull

static struct {
	uint8_t bytes[0x4000];
	size_t strings; /* bytes used */
	Elf64_auxv_t auxv[4];
	struct image *image;
} rig;

static void put(uint64_t raddr, const void *bytes, size_t len)
{
	assert_true(raddr >= AT && raddr + len <= AT + sizeof(rig.bytes));
	memcpy(rig.bytes + (raddr - AT), bytes, len);
}

static uint64_t put_string(const char *text)
{
	uint64_t raddr = STRINGS + rig.strings;

	put(raddr, text, strlen(text) + 1);
	rig.strings += strlen(text) + 1;
	return raddr;
}

static int read_rig(const struct linkmap_memory *memory, uint64_t raddr,
		    void *buf, size_t len_bytes)
{
	if (raddr < AT || len_bytes > sizeof(rig.bytes) ||
	    raddr - AT > sizeof(rig.bytes) - len_bytes)
		return -EIO;
	memcpy(buf, rig.bytes + (raddr - AT), len_bytes);
	return 0;
}

static void put_headers(void)
{
	const Elf64_Phdr headers[] = {
		{.p_type = PT_PHDR, .p_vaddr = PHDR - BIAS},
		{.p_type = PT_INTERP,
		 .p_vaddr = put_string("/lib64/ld.so") - BIAS},
		{.p_type = PT_LOAD, .p_vaddr = 3},
		{.p_type = PT_DYNAMIC,
		 .p_vaddr = DYNAMIC - BIAS,
		 .p_memsz = 4 * sizeof(Elf64_Dyn)},
	};
	const Elf64_Dyn dynamic[] = {
		{DT_NEEDED, {1}},
		{DT_DEBUG, {DEBUG}},
	};
	const struct r_debug debug = {
		.r_map = (struct link_map *)OBJECTS,
	};

	put(PHDR, headers, sizeof(headers));
	put(DYNAMIC, dynamic, sizeof(dynamic));
	put(DEBUG, &debug, sizeof(debug));
	rig.auxv[0] = (Elf64_auxv_t){AT_PHDR, {PHDR}};
	rig.auxv[1] = (Elf64_auxv_t){AT_PHNUM, {4}};
	rig.auxv[2] = (Elf64_auxv_t){AT_BASE, {LINKER}};
}

static void put_object(int index, const char *name, uint64_t dynamic, int next)
{
	const struct link_map object = {
		.l_name = (char *)put_string(name),
		.l_ld = (void *)dynamic,
		.l_next = next < 0 ? NULL
				   : (struct link_map *)(OBJECTS +
							 next * sizeof(object)),
	};

	put(OBJECTS + (uint64_t)index * sizeof(object), &object,
	    sizeof(object));
}

static void add_area(uint64_t start, uint64_t inode, const char *name)
{
	struct image_vma *vma = &rig.image->vmas[rig.image->nr_vmas++];

	*vma = (struct image_vma){.start = start,
				  .end = start + PAGE_BYTES,
				  .inode = inode,
				  .name = strdup(name)};
}

static int set_up(void **state)
{
	static const struct {
		uint64_t raddr;
		const char *path;
	} files[] = {{PROGRAM, "/usr/bin/prog"},
		     {LIBRARY, "/usr/lib/libz.so.1.2"},
		     {LINKER, "/usr/lib/ld-2.so"}};
	struct image *image = rig.image = image_new();

	memset(rig.bytes, 0, sizeof(rig.bytes));
	rig.strings = 0;
	image->vmas = calloc(8, sizeof(*image->vmas));
	add_area(PROGRAM, 1, files[0].path);
	add_area(LIBRARY, 2, files[1].path);
	add_area(LIBRARY + PAGE_BYTES, 0, "");
	add_area(LIBRARY + 2 * PAGE_BYTES, 2, files[1].path);
	add_area(LINKER, 3, files[2].path);
	image->mapped = calloc(3, sizeof(*image->mapped));
	for (int i = 0; i < 3; i++)
		image->mapped[image->nr_mapped++] = (struct image_mapped){
			.raddr = files[i].raddr, .path = strdup(files[i].path)};
	put_headers();
	image->texts = calloc(1, sizeof(*image->texts));
	image->texts[0].name = strdup("auxv");
	image->texts[0].bytes = malloc(sizeof(rig.auxv));
	image->texts[0].len_bytes = sizeof(rig.auxv);
	memcpy(image->texts[0].bytes, rig.auxv, sizeof(rig.auxv));
	image->nr_texts = 1;
	return 0;
}

static int tear_down(void **state)
{
	image_free(rig.image);
	return 0;
}

static void look(void)
{
	const struct linkmap_memory memory = {read_rig};

	assert_int_equal(linkmap_read(&memory, rig.image), 0);
}

static void assert_alias(uint32_t index, uint32_t mapped, const char *path)
{
	assert_true(index < rig.image->nr_aliases);
	assert_int_equal(rig.image->aliases[index].mapped, mapped);
	assert_string_equal(rig.image->aliases[index].path, path);
}

static void names_that_differ_are_told(void **state)
{
	put_object(0, "", PROGRAM, 1);
	put_object(1, "linux-vdso.so.1", 0x7fff00000000, 2);
	put_object(2, "/lib/libz.so.1", LIBRARY + 2 * PAGE_BYTES + 8, 3);
	put_object(3, "/usr/lib/ld-2.so", LINKER, -1);
	look();
	assert_alias(0, 2, "/lib64/ld.so");
	assert_alias(1, 1, "/lib/libz.so.1");
	assert_int_equal(rig.image->nr_aliases, 2);
}

static void paths_are_tidied(void **state)
{
	put_object(0, "/opt/app/bin/../lib//./z.so", LIBRARY, 1);
	put_object(1, "/../../z.so", LIBRARY, 2);
	put_object(2, "z.so", LIBRARY, 3);
	put_object(3, "/..", LIBRARY, 4);
	put_object(4, "/usr/x/../lib/libz.so.1.2", LIBRARY, -1);
	look();
	assert_alias(1, 1, "/opt/app/lib/z.so");
	assert_alias(2, 1, "/z.so");
	assert_int_equal(rig.image->nr_aliases, 3);
}

/* A ring, an address without memory, a name without an end. */
static void lies_end(void **state)
{
	char longest[IMAGE_STRING_MAX + 2];

	put_object(0, "/anon", LIBRARY + PAGE_BYTES, 1);
	put_object(1, "/nowhere", 0, 2);
	put_object(2, "", PROGRAM, 0);
	look();
	assert_int_equal(rig.image->nr_aliases, 1);

	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	put_object(0, longest, LIBRARY, 1000);
	look();
	assert_int_equal(rig.image->nr_aliases, 2); /* the linker's again */
}

static void without_headers_there_are_no_names(void **state)
{
	rig.image->texts[0].bytes[8] ^= 0xff; /* AT_PHDR */
	look();
	assert_int_equal(rig.image->nr_aliases, 0);
	rig.image->texts[0].len_bytes = 15;
	look();
	assert_int_equal(rig.image->nr_aliases, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_that_differ_are_told),
		TEST(paths_are_tidied),
		TEST(lies_end),
		TEST(without_headers_there_are_no_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What areas are called in by-name/, odd names of other hosts included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/names.h"
#include "tests/unit/fs/sample.h"

static void assert_name(const char *given, const char *wanted, int is_numbered)
{
	struct image_vma vma = {.name = (char *)given};
	char name[NAMES_BYTES];
	int numbered = -1;

	assert_int_equal(names_of(&vma, name, &numbered), 0);
	assert_string_equal(name, wanted);
	assert_int_equal(numbered, is_numbered);
}

static void names_say_what_is_there(void **state)
{
	assert_name("[heap]", "heap", 0);
	assert_name("[vdso]", "vdso", 0);
	assert_name("/usr/lib/libc.so.6", "libc.so.6", 1);
	assert_name("/tmp/gone (deleted)", "gone", 1);
	assert_name("/memfd:a b", "memfd:a b", 1);
	assert_name("[anon:glibc: malloc]", "anon-glibc: malloc", 1);
	assert_name("[anon:a/b\n]", "anon-a_b_", 1);
	assert_name("[anon:]", "anon-", 1);
}

static void some_have_none(void **state)
{
	static const char *const given[] = {"", "[", "[]", "[x", "/", "/a/b/"};
	char name[NAMES_BYTES];
	int numbered;

	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		struct image_vma vma = {.name = (char *)given[i]};

		if (!names_of(&vma, name, &numbered))
			fail_msg("'%s' has the name '%s'", given[i], name);
	}
}

static void long_names_are_cut(void **state)
{
	char given[5000], name[NAMES_BYTES];
	struct image_vma vma = {.name = given};
	int numbered;

	memset(given, 'x', sizeof(given) - 1);
	given[sizeof(given) - 1] = '\0';
	assert_int_equal(names_of(&vma, name, &numbered), 0);
	assert_in_range(strlen(name), 200, NAMES_BYTES - 12);
	memcpy(given, "[anon:", 6);
	given[sizeof(given) - 2] = ']';
	assert_int_equal(names_of(&vma, name, &numbered), 0);
	assert_in_range(strlen(name), 200, NAMES_BYTES - 12);
}

static void areas_of_one_name_are_counted(void **state)
{
	static const char *const given[] = {"/a/x", "/b/x", "[heap]", "/a/y",
					    "",	    "/a/x", "/a/y"};
	static const uint32_t wanted[] = {0, 1, NAMES_PLAIN, 0, 0, 2, 1};
	struct image *image = image_new();
	uint32_t *numbers;

	image->vmas = calloc(8, sizeof(image->vmas[0]));
	for (uint64_t i = 0; i < 7; i++)
		sample_vma(image, i << 20, (i + 1) << 20, IMAGE_VMA_FILE,
			   given[i]);
	numbers = names_number(image);
	assert_memory_equal(numbers, wanted, sizeof(wanted));
	free(numbers);
	image_free(image);
}

/* The first piece has the name that it would have alone; a file has another. */
static void pieces_of_one_area_are_counted(void **state)
{
	static const char *const given[] = {
		"/x/heap", "[heap]",  "[heap]",	 "[heap]",
		"[stack]", "[stack]", "/x/heap", "[anon_shmem:a]",
	};
	static const uint32_t wanted[] = {0, NAMES_PLAIN, 2, 3, NAMES_PLAIN, 1,
					  4, NAMES_PLAIN};
	struct image *image = image_new();
	uint32_t *numbers;

	image->vmas = calloc(8, sizeof(image->vmas[0]));
	for (uint64_t i = 0; i < 8; i++)
		sample_vma(image, i << 20, (i + 1) << 20, IMAGE_VMA_FILE,
			   given[i]);
	numbers = names_number(image);
	assert_memory_equal(numbers, wanted, sizeof(wanted));
	free(numbers);
	image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_say_what_is_there),
		cmocka_unit_test(some_have_none),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(areas_of_one_name_are_counted),
		cmocka_unit_test(pieces_of_one_area_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The made texts: maps must be what the kernel would have printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "fs/text.h"
#include "tests/unit/fs/sample.h"

static void maps_has_the_kernels_columns(void **state)
{
	struct image *image = sample_image();
	CLEANUP_FREE char *maps = text_maps(image);

	assert_string_equal(maps,
			    "00010000-00020000 rw-p 00000000 00:00 0 \n"
			    "7f0000000000-7f0000004000 r-xp 00028000 fe:00 4711"
			    "                       /lib/libc.so.6\n"
			    "7ffe00000000-7ffe00002000 rw-p 00000000 00:00 0"
			    "                          [stack]\n"
			    "7fff00000000-7fff00004000 rw-p 00000000 00:00 0"
			    "                          [vvar]\n");
	image_free(image);
}

static void a_newline_in_a_name_is_escaped(void **state)
{
	struct image *image = sample_image();
	CLEANUP_FREE char *maps = NULL;

	free(image->vmas[1].name);
	image->vmas[1].name = strdup("/a\nb");
	maps = text_maps(image);
	assert_non_null(strstr(maps, "/a\\012b\n"));
	image_free(image);
}

static void json_names_the_process(void **state)
{
	struct image *image = sample_image();
	CLEANUP_FREE char *json = text_image_json(image);

	assert_non_null(strstr(json, "\"format\""));
	assert_non_null(strstr(json, "/bin/sample"));
	assert_non_null(strstr(json, "\"pid\""));
	image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_has_the_kernels_columns),
		cmocka_unit_test(a_newline_in_a_name_is_escaped),
		cmocka_unit_test(json_names_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

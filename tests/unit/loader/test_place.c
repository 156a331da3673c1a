/* SPDX-License-Identifier: MIT */
/*
 * test_place.c - maps text into a table, two tables into a hole
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "loader/place.h"

#define TIB (UINT64_C(1) << 40)
#define MIB (UINT64_C(1) << 20)

static void a_maps_file_becomes_a_table(void **state)
{
	static const char text[] =
		"00400000-00401000 r-xp 00002000 fe:01 77   /bin/a b\n"
		"7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n"
		"7ffff0000000-7ffff0004000 r--p 00000000 00:00 0   [vvar]\n";
	struct place_maps maps;

	assert_int_equal(place_parse(text, &maps), 0);
	assert_int_equal(maps.nr, 3);
	assert_int_equal(maps.list[0].start, 0x400000);
	assert_int_equal(maps.list[0].end, 0x401000);
	assert_int_equal(maps.list[0].offset_bytes, 0x2000);
	assert_int_equal(maps.list[0].prot, PROT_READ | PROT_EXEC);
	assert_int_equal(maps.list[0].dev_major, 0xfe);
	assert_int_equal(maps.list[0].inode, 77);
	assert_string_equal(maps.list[0].name, "/bin/a b");
	assert_string_equal(maps.list[1].name, "");
	assert_string_equal(maps.list[2].name, "[vvar]");
	free(maps.list);
}

static void broken_maps_are_refused(void **state)
{
	struct place_maps maps;

	assert_int_equal(place_parse("nonsense\n", &maps), -EPROTO);
	assert_int_equal(place_parse("2000-1000 r-xp 0 0:0 0\n", &maps),
			 -EPROTO);
	assert_int_equal(place_parse("3000-4000 r-xp 0 0:0 0\n"
				     "1000-2000 r-xp 0 0:0 0\n",
				     &maps),
			 -EPROTO);
}

static bool overlaps(uint64_t start, uint64_t bytes, uint64_t from, uint64_t to)
{
	return start < to && start + bytes > from;
}

static void the_hole_avoids_both_tables(void **state)
{
	struct place_map own[] = {{.start = 100 * TIB, .end = 127 * TIB}};
	struct place_maps maps = {own, 1};
	struct image_vma theirs[] = {
		{.start = 1 * TIB, .end = 2 * TIB},
		{.start = 60 * TIB, .end = 99 * TIB},
	};
	struct image image = {.vmas = theirs, .nr_vmas = 2};
	uint64_t hole = place_find(&maps, &image, 2048 * MIB);

	assert_int_not_equal(hole, 0);
	assert_int_equal(hole % (2 * MIB), 0);
	assert_false(overlaps(hole, 2048 * MIB, 100 * TIB, 127 * TIB));
	assert_false(overlaps(hole, 2048 * MIB, 1 * TIB, 2 * TIB));
	assert_false(overlaps(hole, 2048 * MIB, 60 * TIB, 99 * TIB));
	/* Far from both ends of the largest gap, 2 to 60 TiB. */
	assert_in_range(hole, 20 * TIB, 40 * TIB);
}

static void a_full_address_space_has_no_hole(void **state)
{
	struct place_maps maps = {NULL, 0};
	struct image_vma theirs[] = {{.start = 4096, .end = 128 * TIB - 4096}};
	struct image image = {.vmas = theirs, .nr_vmas = 1};

	assert_int_equal(place_find(&maps, &image, 2 * MIB), 0);
}

static void own_maps_hold_this_function(void **state)
{
	struct place_maps maps;
	uint64_t here = (uint64_t)own_maps_hold_this_function;
	bool found = false;

	assert_int_equal(place_read_maps(&maps), 0);
	for (uint32_t i = 0; i < maps.nr; i++)
		found |= overlaps(here, 1, maps.list[i].start,
				  maps.list[i].end) &&
			 maps.list[i].prot & PROT_EXEC;
	assert_true(found);
	free(maps.list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_maps_file_becomes_a_table),
		cmocka_unit_test(broken_maps_are_refused),
		cmocka_unit_test(the_hole_avoids_both_tables),
		cmocka_unit_test(a_full_address_space_has_no_hole),
		cmocka_unit_test(own_maps_hold_this_function),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

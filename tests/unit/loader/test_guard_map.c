/* SPDX-License-Identifier: MIT */
/* guard_map and guard_filter: the pure parts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "loader/guard_map.h"

#define PAGE 4096ul

static void lines_are_parsed(void **state)
{
	struct guard_map_vma vma;

	assert_int_equal(
		guard_map_parse("7f00-9f000 r-xp 00001000 fd:1a 42   /lib/x\n",
				&vma),
		0);
	assert_int_equal(vma.start, 0x7f00);
	assert_int_equal(vma.end, 0x9f000);
	assert_int_equal(vma.prot, PROT_READ | PROT_EXEC);
	assert_int_equal(vma.offset_bytes, 0x1000);
	assert_int_equal(vma.dev, makedev(0xfd, 0x1a));
	assert_int_equal(vma.inode, 42);
	assert_false(vma.shared);
	assert_int_equal(guard_map_parse("1000-2000 ---s 0 0:0 0", &vma), 0);
	assert_true(vma.shared);
}

static void bad_lines_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"1000",
		"1000-",
		"1000-2000",
		"1000-2000 rwx",
		"1000-2000 rwxq 0 0:0 0",
		"2000-1000 rwxp 0 0:0 0",
		"1000-1000 rwxp 0 0:0 0",
		"1000-2000 rwxp 0 0:0 ",
		"1000-2000 rwxp 0 0 0",
		"1000-2000 wrxp 0 0:0 0",
		"fffffffffffffffff-2000 rwxp 0 0:0 0",
		"1000-2000 rwxp 0 1ffffffff:0 0",
		"1000-2000 rwxp 0 0:0 99999999999999999999",
	};
	struct guard_map_vma vma;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(guard_map_parse(bad[i], &vma), -EPROTO);
}

/* Eight pages of a file, of which [1, 3) and [5, 6) are windows, with page 7
 * made anonymous and another protection from page 4 on. */
static unsigned char *eight_pages(struct guard_options *options,
				  struct guard_window *windows)
{
	int fd = memfd_create("map", MFD_CLOEXEC);
	unsigned char *p;
	struct stat st;

	assert_int_equal(ftruncate(fd, 16 * PAGE), 0);
	assert_int_equal(fstat(fd, &st), 0);
	p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
		 4 * PAGE);
	assert_ptr_not_equal(p, MAP_FAILED);
	(void)close(fd);
	(void)mprotect(p + 4 * PAGE, 3 * PAGE, PROT_READ);
	(void)mmap(p + 7 * PAGE, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	windows[0] = (struct guard_window){st.st_ino - 1, 0, 1ul << 40, 0};
	windows[1] = (struct guard_window){st.st_ino, 5 * PAGE, 7 * PAGE, 1};
	windows[2] =
		(struct guard_window){st.st_ino, 9 * PAGE, 10 * PAGE, 2, true};
	windows[3] = (struct guard_window){st.st_ino + 1, 0, 1ul << 40, 0};
	*options = (struct guard_options){
		.dev = st.st_dev,
		.windows = windows,
		.nr_windows = 4,
	};
	return p;
}

static void check_pieces(const struct guard_map *map, const unsigned char *p)
{
	static const struct {
		unsigned first, end, flags;
		enum guard_map_kind kind;
		uint32_t prot;
	} want[] = {
		{0, 1, 0, GUARD_MAP_FILE, PROT_READ | PROT_WRITE},
		{1, 3, 1, GUARD_MAP_OURS, PROT_READ | PROT_WRITE},
		{3, 4, 0, GUARD_MAP_FILE, PROT_READ | PROT_WRITE},
		{4, 5, 0, GUARD_MAP_FILE, PROT_READ},
		{5, 6, 2, GUARD_MAP_IMAGE, PROT_READ},
		{6, 7, 0, GUARD_MAP_FILE, PROT_READ},
		{7, 8, 0, GUARD_MAP_ANON, PROT_READ | PROT_WRITE},
	};

	assert_int_equal(map->nr, 7);
	assert_int_equal(map->nr_ours, 1);
	for (unsigned i = 0; i < map->nr; i++) {
		const struct guard_map_piece *piece = &map->pieces[i];

		assert_int_equal(piece->start,
				 (uintptr_t)p + want[i].first * PAGE);
		assert_int_equal(piece->end, (uintptr_t)p + want[i].end * PAGE);
		assert_int_equal(piece->kind, want[i].kind);
		assert_int_equal(piece->vma_flags, want[i].flags);
		assert_int_equal(piece->prot, want[i].prot);
	}
}

static void pieces_end_where_windows_do(void **state)
{
	struct guard_window windows[4];
	struct guard_options options;
	struct guard_map map;
	unsigned char *p = eight_pages(&options, windows);
	uint64_t start = (uintptr_t)p, end = start + 8 * PAGE;

	assert_int_equal(guard_map_read(getpid(), start, end, &options, &map),
			 0);
	check_pieces(&map, p);
	guard_map_clear(&map);
	assert_int_equal(
		guard_map_read_text(getpid(), start, end, &options, &map), 0);
	check_pieces(&map, p);
	guard_map_clear(&map);
	assert_int_equal(guard_map_read(getpid(), start + 2 * PAGE,
					start + 3 * PAGE, &options, &map),
			 0);
	assert_int_equal(map.nr, 1);
	assert_int_equal(map.nr_ours, 1);
	assert_int_equal(map.pieces[0].start, start + 2 * PAGE);
	guard_map_clear(&map);
	(void)munmap(p, 8 * PAGE);
	assert_int_equal(guard_map_read(getpid(), start, end, &options, &map),
			 0);
	assert_int_equal(map.nr_ours, 0);
	guard_map_clear(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_parsed),
		cmocka_unit_test(bad_lines_are_refused),
		cmocka_unit_test(pieces_end_where_windows_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

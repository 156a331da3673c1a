/* SPDX-License-Identifier: MIT */
/*
 * test_stash_damage.c - damage of each kind: what comes out is right all the
 * same, and what does not is counted
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/page.h"
#include "rdmafetch/stash.h"
#include "rdmafetch/stash_format.h"
#include "tests/unit/rdmafetch/stasher.h"

static void write_file(uint64_t at, const void *bytes, size_t len)
{
	int fd = open(file_path(), O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, (off_t)at), len);
	(void)close(fd);
}

static void flip(uint64_t at)
{
	char byte = 0;
	int fd = open(file_path(), O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	(void)close(fd);
}

/* ---- damage ---- */

static void a_flipped_bit_of_a_page_is_noticed(void **state)
{
	struct stash *stash = open_usual();

	put_all(stash);
	stash_close(stash);
	flip(stash_data_at(NR_PAGES, 5) + 100);
	stash = open_usual();
	assert_int_equal(all_here(stash), NR_PAGES - 1);
	assert_int_equal(stats_of(stash).bad_pages, 1);
	put(stash, SOLID + 5, 1);
	assert_int_equal(all_here(stash), NR_PAGES);
	assert_int_equal(stats_of(stash).bad_pages, 1);
	stash_close(stash);
}

static void a_flipped_bit_while_it_is_open_too(void **state)
{
	struct stash *stash = open_usual();

	put_all(stash);
	flip(stash_data_at(NR_PAGES, 1100));
	assert_int_equal(all_here(stash), NR_PAGES - 1);
	assert_int_equal(stats_of(stash).bad_pages, 1);
	stash_close(stash);
}

static void a_flipped_bit_of_the_index_is_noticed(void **state)
{
	struct stash *stash = open_usual();

	put_all(stash);
	stash_close(stash);
	flip(stash_entry_at(9) + 3);
	stash = open_usual();
	assert_int_equal(all_here(stash), NR_PAGES - 1);
	assert_int_equal(stats_of(stash).bad_pages, 1);
	stash_close(stash);
}

static void an_index_without_its_pages_is_noticed(void **state)
{
	struct stash *stash = open_usual();
	uint64_t entries[64];

	put(stash, SOLID, 16);
	stash_close(stash);
	memset(entries, 0x5a, sizeof(entries));
	write_file(stash_entry_at(16), entries, sizeof(entries));
	stash = open_usual();
	assert_int_equal(all_here(stash), 16);
	assert_int_equal(stats_of(stash).bad_pages, 64);
	stash_close(stash);
}

static void pages_without_their_index_are_not_here(void **state)
{
	static const uint64_t none[NR_PAGES];
	struct stash *stash = open_usual();
	uint64_t before;

	put_all(stash);
	stash_close(stash);
	before = blocks_of(file_path());
	write_file(stash_entry_at(0), none, sizeof(none));
	stash = open_usual();
	assert_int_equal(all_here(stash), 0);
	assert_int_equal(stats_of(stash).bad_pages, 0);
	/* And what they took is given back. */
	assert_true(before > NR_PAGES * PAGE_BYTES);
	assert_true(blocks_of(file_path()) < 100000);
	stash_close(stash);

	/* In parts of a chunk, too. */
	stash = open_usual();
	put_all(stash);
	stash_close(stash);
	for (unsigned i = 0; i < NR_PAGES; i += 2)
		write_file(stash_entry_at(i), none, 8);
	stash = open_usual();
	assert_int_equal(all_here(stash), NR_PAGES / 2);
	assert_true(blocks_of(file_path()) < NR_PAGES / 2 * PAGE_BYTES + 50000);
	stash_close(stash);
}

static void read_file(uint64_t at, void *bytes, size_t len)
{
	int fd = open(file_path(), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, bytes, len, (off_t)at), len);
	(void)close(fd);
}

/* Any bytes, of which none has the sum of a page. */
static void write_garbage(uint64_t at, size_t len)
{
	uint8_t *bytes = malloc(len);

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 167 + (i >> 8) * 13 + 1);
	write_file(at, bytes, len);
	free(bytes);
}

/* What a disk may hold of a write in whose middle the power went. */
static void garbage_in_the_middle_is_noticed(void **state)
{
	struct stash *stash = open_usual();

	put_all(stash);
	stash_close(stash);
	write_garbage(stash_data_at(NR_PAGES, 300) + 512, 100 * PAGE_BYTES);
	stash = open_usual();
	assert_int_equal(all_here(stash), NR_PAGES - 101);
	assert_int_equal(stats_of(stash).bad_pages, 101);
	put_all(stash);
	assert_int_equal(all_here(stash), NR_PAGES);
	stash_close(stash);

	/* From the index on, over what was used, into the pages. */
	write_garbage(stash_entry_at(1000),
		      stash_data_at(NR_PAGES, 20) - stash_entry_at(1000));
	stash = open_usual();
	assert_int_equal(all_here(stash), 1000 - 20);
	put_all(stash);
	assert_int_equal(all_here(stash), NR_PAGES);
	stash_close(stash);
}

/* Of an index that reached the disk only in part the rest is as it was. */
static void an_old_index_is_as_good_as_it_was(void **state)
{
	struct stash *stash = open_usual();
	uint64_t old[NR_PAGES];

	put(stash, SOLID, 200);
	stash_close(stash);
	read_file(stash_entry_at(0), old, sizeof(old));
	stash = open_usual();
	put_all(stash);
	stash_close(stash);
	write_file(stash_entry_at(0), old, sizeof(old));
	stash = open_usual();
	assert_int_equal(all_here(stash), 200);
	assert_int_equal(stats_of(stash).bad_pages, 0);
	put_all(stash);
	assert_int_equal(all_here(stash), NR_PAGES);
	stash_close(stash);
}

/* Right bytes with their right sum, in the wrong place. */
static void pages_that_changed_places_are_noticed(void **state)
{
	struct stash *stash = open_usual();
	struct stash_head head;
	char page[PAGE_BYTES];
	uint64_t sum;

	put_all(stash);
	stash_close(stash);
	stash_head_of("descriptor", 10, NR_PAGES, &head);
	fill(SOLID + 3, page, 1);
	sum = stash_sum(&head, 3, page);
	write_file(stash_data_at(NR_PAGES, 4), page, sizeof(page));
	write_file(stash_entry_at(4), &sum, sizeof(sum));
	stash = open_usual();
	assert_int_equal(all_here(stash), NR_PAGES - 1);
	assert_int_equal(stats_of(stash).bad_pages, 1);
	stash_close(stash);
}

static void a_truncated_file_is_noticed(void **state)
{
	struct stash *stash = open_usual();

	put_all(stash);
	stash_close(stash);
	assert_int_equal(
		truncate(file_path(), (off_t)stash_data_at(NR_PAGES, 100)), 0);
	stash = open_usual();
	assert_int_equal(all_here(stash), 100);
	assert_int_equal(stats_of(stash).bad_pages, NR_PAGES - 100);
	stash_close(stash);

	/* In the middle of the index, and of the head. */
	for (uint64_t len = 40; len < 8000; len += 5000) {
		assert_int_equal(truncate(file_path(), (off_t)len), 0);
		stash = open_usual();
		assert_int_equal(all_here(stash), 0);
		put_all(stash);
		stash_close(stash);
		stash = open_usual();
		assert_int_equal(all_here(stash), NR_PAGES);
		stash_close(stash);
	}
}

static void a_file_that_shrinks_while_it_is_open_too(void **state)
{
	struct stash *stash = open_usual();

	put_all(stash);
	assert_int_equal(truncate(file_path(), 0), 0);
	assert_int_equal(all_here(stash), 0);
	assert_int_equal(stats_of(stash).bad_pages, NR_PAGES);
	put_all(stash);
	assert_int_equal(all_here(stash), NR_PAGES);
	stash_close(stash);
}

static void a_damaged_head_begins_anew(void **state)
{
	for (unsigned at = 0; at < STASH_HEAD_BYTES; at += 5) {
		struct stash *stash = open_usual();

		put(stash, SOLID, 20);
		stash_close(stash);
		flip(at);
		stash = open_usual();
		assert_int_equal(all_here(stash), 0);
		assert_int_equal(stats_of(stash).bad_pages, 0);
		stash_close(stash);
	}
}

/* Another image's file by this one's name, all of it right in itself. */
static void a_foreign_file_begins_anew(void **state)
{
	struct stash_options options = usual();
	struct stash_head head;
	char name[STASH_NAME_BYTES];
	struct stash *stash;

	options.desc = "of another";
	stash = open_with(&options);
	put_all(stash);
	stash_close(stash);
	stash_head_of("of another", 10, NR_PAGES, &head);
	stash_name(&head, name);
	assert_int_equal(renameat(stasher_dir_fd, name, AT_FDCWD, file_path()),
			 0);
	stash = open_usual();
	assert_int_equal(all_here(stash), 0);
	stash_close(stash);
}

/* And if its head is exchanged as well, the sums tell. */
static void a_foreign_files_pages_are_wrong(void **state)
{
	uint8_t bytes[STASH_HEAD_BYTES];
	struct stash *stash = open_usual();
	int fd = open(file_path(), O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	(void)close(fd);
	stash_close(stash);
	a_foreign_file_begins_anew(state);
	assert_int_equal(unlink(file_path()), 0);
	{
		struct stash_options options = usual();
		struct stash_head head;
		char name[STASH_NAME_BYTES];

		options.desc = "of another";
		stash = open_with(&options);
		put_all(stash);
		stash_close(stash);
		stash_head_of("of another", 10, NR_PAGES, &head);
		stash_name(&head, name);
		assert_int_equal(
			renameat(stasher_dir_fd, name, AT_FDCWD, file_path()),
			0);
	}
	write_file(0, bytes, sizeof(bytes));
	stash = open_usual();
	assert_int_equal(all_here(stash), 0);
	assert_int_equal(stats_of(stash).bad_pages, NR_PAGES);
	stash_close(stash);
}

#define TEST(name) cmocka_unit_test_setup(name, stasher_empty)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_flipped_bit_of_a_page_is_noticed),
		TEST(a_flipped_bit_while_it_is_open_too),
		TEST(a_flipped_bit_of_the_index_is_noticed),
		TEST(an_index_without_its_pages_is_noticed),
		TEST(pages_without_their_index_are_not_here),
		TEST(pages_that_changed_places_are_noticed),
		TEST(garbage_in_the_middle_is_noticed),
		TEST(an_old_index_is_as_good_as_it_was),
		TEST(a_truncated_file_is_noticed),
		TEST(a_file_that_shrinks_while_it_is_open_too),
		TEST(a_damaged_head_begins_anew),
		TEST(a_foreign_file_begins_anew),
		TEST(a_foreign_files_pages_are_wrong),
	};

	return cmocka_run_group_tests(tests, stasher_set_up, stasher_tear_down);
}

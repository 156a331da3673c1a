/* SPDX-License-Identifier: MIT */
/*
 * fuzz_stash.c - any bytes as a stash's file: no crash, no page but the one
 * that was written there with its sum, and what is put in comes out
 *
 * The first byte says what is made right behind the fuzzer's back, so that it
 * gets past the head; each of the next 40 whether a page has its right sum.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/page.h"
#include "rdmafetch/stash.h"
#include "rdmafetch/stash_dir.h"

#define NR_PAGES 40u
#define DESC	 "of the fuzzer"

enum { RIGHT_HEAD = 1, SMALL_BOUND = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct image_run runs[] = {{16, 20}, {100, 20}};
static const struct image image = {.runs = runs, .nr_runs = 2};
static char dir_path[] = "/dev/shm/fuzz_stash.XXXXXX";
static int dir_fd = -1;

static void remove_dir(void)
{
	(void)rmdir(dir_path);
}

static void make_dir(void)
{
	char why[STASH_WHY_MAX + 1];

	if (dir_fd >= 0)
		return;
	if (!mkdtemp(dir_path) || stash_dir_open(dir_path, &dir_fd, why))
		abort();
	(void)atexit(remove_dir);
}

static uint64_t page_at(unsigned rank)
{
	return rank < 20 ? 16 + rank : 80 + rank;
}

/* A head that is taken is what it says, to the last byte. */
static void check_head(const uint8_t *data, size_t size)
{
	uint8_t again[STASH_HEAD_BYTES];
	struct stash_head head;

	if (stash_head_get(data, size, &head))
		return;
	stash_head_put(again, &head);
	if (memcmp(again, data, sizeof(again)) != 0)
		abort();
}

static void write_at(int fd, const void *buf, size_t len, uint64_t at)
{
	if (pwrite(fd, buf, len, (off_t)at) != (ssize_t)len)
		abort();
}

static void make_file(const struct stash_head *head, const uint8_t *right,
		      const uint8_t *data, size_t size)
{
	uint8_t bytes[STASH_HEAD_BYTES], page[PAGE_BYTES];
	char name[STASH_NAME_BYTES];
	int fd;

	stash_name(head, name);
	fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		abort();
	write_at(fd, data, size, 0);
	stash_head_put(bytes, head);
	if (right[0] & RIGHT_HEAD)
		write_at(fd, bytes, sizeof(bytes), 0);
	for (unsigned rank = 0; rank < NR_PAGES; rank++) {
		uint64_t sum;

		memset(page, (int)rank + 1, sizeof(page));
		sum = stash_sum(head, rank, page);
		write_at(fd, page, sizeof(page), stash_data_at(NR_PAGES, rank));
		if (right[1 + rank] & 1)
			write_at(fd, &sum, sizeof(sum), stash_entry_at(rank));
	}
	(void)close(fd);
}

static bool is_all(const uint8_t *page, unsigned value)
{
	for (unsigned i = 0; i < PAGE_BYTES; i++)
		if (page[i] != value)
			return false;
	return true;
}

/* Its own page, or none; then put in, it is there. */
static void check_pages(struct stash *stash)
{
	uint8_t page[PAGE_BYTES];

	for (unsigned rank = 0; rank < NR_PAGES; rank++) {
		const struct prefetch_run run = {page_at(rank), 1};

		if (stash_get(stash, run, page) && !is_all(page, rank + 1))
			abort();
		memset(page, (int)rank + 1, sizeof(page));
		stash_put(stash, run, page);
		if (!stash_get(stash, run, page) || !is_all(page, rank + 1))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stash_options options = {
		.image = &image,
		.desc = DESC,
		.desc_bytes = sizeof(DESC),
		.max_bytes = 1 << 20,
		.is_transient = true,
	};
	const size_t skip = 1 + NR_PAGES;
	struct stash_head head;
	struct stash *stash;

	check_head(data, size);
	if (size < skip)
		return 0;
	make_dir();
	if (data[0] & SMALL_BOUND)
		options.max_bytes = 128 << 10;
	options.dir_fd = dir_fd;
	stash_head_of(DESC, sizeof(DESC), NR_PAGES, &head);
	make_file(&head, data, data + skip, size - skip);
	if (stash_open(&options, &stash))
		abort();
	check_pages(stash);
	stash_close(stash);
	return 0;
}

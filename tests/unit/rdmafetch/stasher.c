/* SPDX-License-Identifier: MIT */
#include "tests/unit/rdmafetch/stasher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/page.h"
#include "common/source.h"
#include "rdmafetch/stash_dir.h"
#include "tests/contract/pattern.h"

static struct image_run runs[201] = {{SOLID, 1000}};
const struct image stasher_image = {
	.runs = runs, .nr_runs = 201, .captured_realtime_ns = 77};
static char dir_path[] = "/tmp/test_stash.XXXXXX";
int stasher_dir_fd = -1;

struct stash_options usual(void)
{
	return (struct stash_options){
		.image = &stasher_image,
		.desc = "descriptor",
		.desc_bytes = 10,
		.dir_fd = stasher_dir_fd,
		.max_bytes = BIG,
	};
}

struct stash *open_with(const struct stash_options *options)
{
	struct stash *stash = NULL;

	assert_int_equal(stash_open(options, &stash), 0);
	return stash;
}

struct stash *open_usual(void)
{
	const struct stash_options options = usual();

	return open_with(&options);
}

struct stash_stats stats_of(struct stash *stash)
{
	struct stash_stats stats;

	stash_get_stats(stash, &stats);
	return stats;
}

void fill(uint64_t page, void *buf, uint64_t nr_pages)
{
	pattern_fill(SOURCE_MEMORY, page << PAGE_SHIFT, buf,
		     nr_pages << PAGE_SHIFT);
}

bool is_right(uint64_t page, const void *buf, uint64_t nr_pages)
{
	return pattern_is(SOURCE_MEMORY, page << PAGE_SHIFT, buf,
			  nr_pages << PAGE_SHIFT);
}

void put(struct stash *stash, uint64_t page, uint64_t nr_pages)
{
	char *buf = malloc(nr_pages << PAGE_SHIFT);

	fill(page, buf, nr_pages);
	stash_put(stash, (struct prefetch_run){page, nr_pages}, buf);
	free(buf);
}

/* How many pages of [@page, @page + @nr_pages) are here, which are right. */
uint64_t nr_here(struct stash *stash, uint64_t page, uint64_t nr_pages)
{
	char buf[PAGE_BYTES];
	uint64_t nr = 0;

	for (uint64_t i = 0; i < nr_pages; i++) {
		if (!stash_get(stash, (struct prefetch_run){page + i, 1}, buf))
			continue;
		assert_true(is_right(page + i, buf, 1));
		nr++;
	}
	return nr;
}

void put_all(struct stash *stash)
{
	put(stash, SOLID, 1000);
	put(stash, SINGLES, 400);
}

uint64_t all_here(struct stash *stash)
{
	uint64_t nr = nr_here(stash, SOLID, 1000);

	for (unsigned i = 0; i < 200; i++)
		nr += nr_here(stash, SINGLES + 2 * i, 1);
	return nr;
}

/* The path of the one file there is. */
const char *file_path(void)
{
	static char path[256];
	struct stash_head head;
	char name[STASH_NAME_BYTES];

	stash_head_of("descriptor", 10, NR_PAGES, &head);
	stash_name(&head, name);
	(void)snprintf(path, sizeof(path), "%s/%s", dir_path, name);
	return path;
}

uint64_t blocks_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

int stasher_empty(void **state)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "rm -rf %s/*", dir_path);
	return system(command);
}

int stasher_set_up(void **state)
{
	char why[STASH_WHY_MAX + 1];

	for (unsigned i = 0; i < 200; i++)
		runs[i + 1] = (struct image_run){SINGLES + 2 * i, 1};
	if (!mkdtemp(dir_path))
		return -1;
	return stash_dir_open(dir_path, &stasher_dir_fd, why);
}

int stasher_tear_down(void **state)
{
	(void)stasher_empty(state);
	return rmdir(dir_path);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_shared.c - the copy holds what shared memory held when it was made
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/page.h"
#include "parent/areas.h"
#include "parent/shared.h"
#include "parent/vmas.h"
#include "tests/unit/parent/victim.h"

#define SPARSE_PAGES 100000u

static struct {
	uint8_t *sparse, *memfd, *memfd_again, *shm, *readable, *file, *late;
	int file_fd;
} areas;

static uint8_t *map_fd(int fd, size_t bytes, int prot, off_t offset)
{
	void *at = mmap(NULL, bytes, prot, MAP_SHARED, fd, offset);

	return at == MAP_FAILED ? NULL : at;
}

static int make_areas(void **state)
{
	const int both = PROT_READ | PROT_WRITE;
	char name[] = "/tmp/test-shared-XXXXXX";
	char shm_name[64];
	int fd;

	areas.sparse = mmap(NULL, SPARSE_PAGES * PAGE_BYTES, both,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	fd = memfd_create("m", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 8 * PAGE_BYTES))
		return -1;
	areas.memfd = map_fd(fd, 8 * PAGE_BYTES, both, 0);
	areas.memfd_again =
		map_fd(fd, 2 * PAGE_BYTES, PROT_READ, 4 * PAGE_BYTES);
	(void)close(fd);
	(void)snprintf(shm_name, sizeof(shm_name), "/test-shared-%d", getpid());
	fd = shm_open(shm_name, O_CREAT | O_EXCL | O_RDWR, 0600);
	/* A last page that the object ends in. */
	if (fd < 0 || shm_unlink(shm_name) || ftruncate(fd, PAGE_BYTES + 100))
		return -1;
	areas.shm = map_fd(fd, 2 * PAGE_BYTES, both, 0);
	areas.readable = map_fd(fd, PAGE_BYTES, PROT_READ, 0);
	(void)close(fd);
	areas.file_fd = mkstemp(name);
	if (areas.file_fd < 0 || unlink(name) ||
	    ftruncate(areas.file_fd, 3 * PAGE_BYTES))
		return -1;
	areas.file = map_fd(areas.file_fd, 3 * PAGE_BYTES, both, 0);
	return areas.sparse && areas.memfd && areas.shm && areas.file ? 0 : -1;
}

/* A page of @byte at page @page of an area. */
static void fill(uint8_t *area, uint64_t page, int byte)
{
	memset(area + page * PAGE_BYTES, byte, PAGE_BYTES);
}

static void write_first(void *arg)
{
	fill(areas.sparse, 5, 0x10);
	fill(areas.sparse, SPARSE_PAGES - 1, 0x11);
	fill(areas.memfd, 0, 0x20);
	fill(areas.memfd, 4, 0x21);
	(void)mprotect(areas.memfd, 8 * PAGE_BYTES, PROT_NONE);
	fill(areas.shm, 0, 0x30);
	fill(areas.shm, 1, 0x31);
	fill(areas.file, 2, 0x40);
	(void)raise(SIGSTOP);
	/* Between preparing and copying. */
	fill(areas.sparse, 5, 0x50);
	fill(areas.sparse, 7, 0x51);
	areas.late = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fill(areas.late, 0, 0x52);
}

struct copy {
	int fd;
	struct image_run *runs;
	uint32_t nr;
	struct refusal why;
	int rc;
};

static struct shared *prepare(pid_t pid, uint64_t max_bytes)
{
	struct shared_origin origin = {
		.pid = pid, .mem_fd = -1, .max_bytes = max_bytes};
	struct image_vma *vmas = NULL;
	struct shared *shared = NULL;
	uint32_t nr;

	assert_int_equal(vmas_read(pid, &vmas, &nr, NULL), 0);
	origin.vmas = vmas;
	origin.nr_vmas = nr;
	assert_int_equal(shared_prepare(&origin, &shared, NULL), 0);
	vmas_free(vmas, nr);
	return shared;
}

static struct copy copy(struct shared *shared)
{
	struct copy result = {.fd = -1};

	result.rc = shared_copy(shared, &result.fd, &result.runs, &result.nr,
				&result.why);
	return result;
}

static void copy_end(struct copy *result)
{
	free(result->runs);
	if (result->fd >= 0)
		(void)close(result->fd);
}

/* The byte that fills the page at @at in the copy, or -1 for a hole. */
static int byte_at(const struct copy *result, const uint8_t *at)
{
	uint64_t page = page_of((uintptr_t)at), offset_pages = 0;
	uint8_t bytes[PAGE_BYTES];

	for (uint32_t i = 0; i < result->nr; i++) {
		const struct image_run *run = &result->runs[i];

		if (page - run->first_page < run->nr_pages) {
			offset_pages += page - run->first_page;
			assert_int_equal(
				pread(result->fd, bytes, PAGE_BYTES,
				      (off_t)(offset_pages << PAGE_SHIFT)),
				PAGE_BYTES);
			assert_memory_equal(bytes, bytes + 1, PAGE_BYTES - 1);
			return bytes[0];
		}
		offset_pages += run->nr_pages;
	}
	return -1;
}

static void every_kind_is_copied_with_its_holes(void **state)
{
	pid_t pid = victim_start(write_first, NULL);
	struct shared *shared = prepare(pid, 64 << 20);
	struct copy result = copy(shared);

	victim_end(pid);
	shared_free(shared);
	assert_int_equal(result.rc, 0);
	assert_int_equal(byte_at(&result, areas.sparse + 5 * PAGE_BYTES), 0x10);
	assert_int_equal(byte_at(&result, areas.sparse + 6 * PAGE_BYTES), -1);
	assert_int_equal(byte_at(&result, areas.sparse + (SPARSE_PAGES - 1) *
								 PAGE_BYTES),
			 0x11);
	assert_int_equal(byte_at(&result, areas.memfd), 0x20);
	assert_int_equal(byte_at(&result, areas.memfd + PAGE_BYTES), -1);
	assert_int_equal(byte_at(&result, areas.memfd + 4 * PAGE_BYTES), 0x21);
	assert_int_equal(byte_at(&result, areas.memfd_again), 0x21);
	assert_int_equal(byte_at(&result, areas.memfd_again + PAGE_BYTES), -1);
	assert_int_equal(byte_at(&result, areas.readable), 0x30);
	/* Also what lies past the object's end in its last page. */
	assert_int_equal(byte_at(&result, areas.shm + PAGE_BYTES), 0x31);
	assert_int_equal(byte_at(&result, areas.file + 2 * PAGE_BYTES), 0x40);
	copy_end(&result);
}

static void what_came_after_preparing_is_copied(void **state)
{
	pid_t pid = victim_start(write_first, NULL);
	struct shared *shared = prepare(pid, 64 << 20);
	struct copy result;
	unsigned late = 0;

	victim_step(pid);
	result = copy(shared);
	victim_end(pid);
	shared_free(shared);
	assert_int_equal(result.rc, 0);
	assert_int_equal(byte_at(&result, areas.sparse + 5 * PAGE_BYTES), 0x50);
	assert_int_equal(byte_at(&result, areas.sparse + 7 * PAGE_BYTES), 0x51);
	for (uint32_t i = 0; i < result.nr; i++)
		for (uint64_t k = 0; k < result.runs[i].nr_pages; k++)
			late += byte_at(&result,
					(const uint8_t
						 *)((result.runs[i].first_page +
						     k)
						    << PAGE_SHIFT)) == 0x52;
	assert_int_equal(late, 1);
	copy_end(&result);
}

static void too_much_is_refused_in_words(void **state)
{
	pid_t pid = victim_start(write_first, NULL);
	struct shared_origin origin = {.pid = pid, .max_bytes = PAGE_BYTES};
	struct shared *shared = NULL;
	struct refusal why = {0};
	int rc = shared_prepare(&origin, &shared, &why);

	victim_end(pid);
	assert_int_equal(rc, -EFBIG);
	assert_null(shared);
	assert_non_null(strstr(why.why, "shared memory"));
}

static void growing_past_the_limit_is_refused_in_the_pause(void **state)
{
	pid_t pid = victim_start(write_first, NULL);
	struct shared *probe = prepare(pid, 64 << 20), *shared;
	struct copy all = copy(probe), result;
	uint64_t pages = 0;

	for (uint32_t i = 0; i < all.nr; i++)
		pages += all.runs[i].nr_pages;
	shared = prepare(pid, pages * PAGE_BYTES);
	victim_step(pid);
	result = copy(shared);
	victim_end(pid);
	shared_free(probe);
	shared_free(shared);
	copy_end(&all);
	assert_int_equal(result.rc, -EFBIG);
	assert_int_equal(result.fd, -1);
}

static void nothing(void *arg)
{
	(void)munmap(areas.sparse, SPARSE_PAGES * PAGE_BYTES);
	(void)munmap(areas.memfd, 8 * PAGE_BYTES);
	(void)munmap(areas.memfd_again, 2 * PAGE_BYTES);
	(void)munmap(areas.shm, 2 * PAGE_BYTES);
	(void)munmap(areas.readable, PAGE_BYTES);
	(void)munmap(areas.file, 3 * PAGE_BYTES);
}

static void nothing_shared_is_no_descriptor(void **state)
{
	pid_t pid = victim_start(nothing, NULL);
	struct shared *shared = prepare(pid, 0);
	struct copy result = copy(shared);

	victim_end(pid);
	shared_free(shared);
	assert_int_equal(result.rc, 0);
	assert_int_equal(result.nr, 0);
	assert_int_equal(result.fd, -1);
	copy_end(&result);
}

static void old_kernels_list_the_same_areas(void **state)
{
	struct image_vma *fast = NULL, *slow = NULL;
	uint32_t nr_fast = 0, nr_slow = 0;
	int fd = areas_open(getpid());

	assert_int_equal(areas_list(fd, &fast, &nr_fast), 0);
	assert_int_equal(areas_list_slowly(fd, &slow, &nr_slow), 0);
	assert_true(nr_fast >= 6);
	assert_int_equal(nr_fast, nr_slow);
	for (uint32_t i = 0; i < nr_fast; i++) {
		assert_int_equal(fast[i].start, slow[i].start);
		assert_int_equal(fast[i].end, slow[i].end);
		assert_int_equal(fast[i].prot, slow[i].prot);
		assert_int_equal(fast[i].offset_bytes, slow[i].offset_bytes);
		assert_int_equal(fast[i].inode, slow[i].inode);
		assert_string_equal(fast[i].name, slow[i].name);
	}
	vmas_free(fast, nr_fast);
	vmas_free(slow, nr_slow);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_copied_with_its_holes),
		cmocka_unit_test(what_came_after_preparing_is_copied),
		cmocka_unit_test(too_much_is_refused_in_words),
		cmocka_unit_test(
			growing_past_the_limit_is_refused_in_the_pause),
		cmocka_unit_test(nothing_shared_is_no_descriptor),
		cmocka_unit_test(old_kernels_list_the_same_areas),
	};

	return cmocka_run_group_tests(tests, make_areas, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_runs.c - the hole map of a stopped child against what it wrote
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/page.h"
#include "common/pagescan.h"
#include "parent/pagemap.h"
#include "parent/runs.h"
#include "parent/vmas.h"
#include "tests/unit/parent/victim.h"

#define AREA_PAGES 600u
#define HUGE_BYTES (8ul << 20)

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* Made by the test before the fork, so that both know the addresses. */
static struct {
	uint8_t *anon, *none, *wiped, *huge, *file, *file_past, *file_last,
		*shared;
	int file_fd;
} areas;

static void *map(size_t bytes, int prot, int flags, int fd)
{
	void *at = mmap(NULL, bytes, prot, flags, fd, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

static int make_areas(void **state)
{
	const int anon = MAP_PRIVATE | MAP_ANONYMOUS;
	char name[] = "/tmp/test-runs-XXXXXX";

	areas.file_fd = mkstemp(name);
	if (areas.file_fd < 0 || unlink(name))
		return -1;
	/* Two pages and a bit of the four that are mapped. */
	if (pwrite(areas.file_fd, "x", 1, 2 * PAGE_BYTES) != 1)
		return -1;
	areas.anon =
		map(AREA_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, anon, -1);
	areas.none = map(4 * PAGE_BYTES, PROT_READ | PROT_WRITE, anon, -1);
	areas.wiped = map(4 * PAGE_BYTES, PROT_READ | PROT_WRITE, anon, -1);
	areas.huge = map(HUGE_BYTES, PROT_READ | PROT_WRITE, anon, -1);
	areas.file = map(4 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			 areas.file_fd);
	areas.file_past = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE,
			       areas.file_fd, 3 * PAGE_BYTES);
	areas.file_last = mmap(NULL, 2 * PAGE_BYTES, PROT_READ, MAP_PRIVATE,
			       areas.file_fd, 2 * PAGE_BYTES);
	areas.shared = map(4 * PAGE_BYTES, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1);
	return areas.file_past == MAP_FAILED ? -1 : 0;
}

/* Every third page of the first 300, none of the rest but the very last. */
static void write_pattern(void *arg)
{
	for (unsigned i = 0; i < 300; i += 3)
		areas.anon[i * PAGE_BYTES] = 1;
	areas.anon[(AREA_PAGES - 1) * PAGE_BYTES] = 1;
	memset(areas.none, 1, 2 * PAGE_BYTES);
	(void)mprotect(areas.none, 4 * PAGE_BYTES, PROT_NONE);
	memset(areas.wiped, 1, 4 * PAGE_BYTES);
	(void)madvise(areas.wiped, 4 * PAGE_BYTES, MADV_WIPEONFORK);
	(void)madvise(areas.huge, HUGE_BYTES, MADV_HUGEPAGE);
	memset(areas.huge, 1, HUGE_BYTES);
	areas.file[0] = 1;
	(void)madvise(areas.file + PAGE_BYTES, PAGE_BYTES, MADV_GUARD_INSTALL);
	memset(areas.shared, 1, 4 * PAGE_BYTES);
	(void)madvise(areas.anon + 400 * PAGE_BYTES, PAGE_BYTES,
		      MADV_GUARD_INSTALL);
}

struct look {
	struct image image; /* runs only */
	struct image_vma *vmas;
	uint32_t nr_vmas;
};

/* Linux 6.15: of file maps, and told. */
static bool knows_guards(void)
{
	uint8_t *at = map(PAGE_BYTES, PROT_READ, MAP_PRIVATE, areas.file_fd);
	bool knows = !madvise(at, PAGE_BYTES, MADV_GUARD_INSTALL);

	(void)munmap(at, PAGE_BYTES);
	return knows;
}

static struct look look_at(pid_t pid, const struct image_run *shared_runs,
			   uint32_t nr_shared_runs)
{
	struct look look = {0};
	struct runs_origin origin = {
		.twin = pid,
		.shared_runs = shared_runs,
		.nr_shared_runs = nr_shared_runs,
	};
	struct runs_found found;

	assert_int_equal(vmas_read(pid, &look.vmas, &look.nr_vmas, NULL), 0);
	origin.vmas = look.vmas;
	origin.nr_vmas = look.nr_vmas;
	assert_int_equal(runs_scan(&origin, &found), 0);
	look.image.runs = found.runs;
	look.image.nr_runs = found.nr_runs;
	look.image.guards = found.guards;
	look.image.nr_guards = found.nr_guards;
	return look;
}

static void look_end(struct look *look)
{
	vmas_free(look->vmas, look->nr_vmas);
	free(look->image.runs);
	free(look->image.guards);
}

static uint64_t present(const struct look *look, const void *at, uint64_t pages)
{
	return image_present_pages(&look->image, page_of((uintptr_t)at), pages);
}

static void written_pages_are_found_and_no_others(void **state)
{
	pid_t pid = victim_start(write_pattern, NULL);
	struct look look = look_at(pid, NULL, 0);

	victim_end(pid);
	for (unsigned i = 0; i < AREA_PAGES; i++) {
		bool written = (i < 300 && i % 3 == 0) || i == AREA_PAGES - 1;

		assert_int_equal(present(&look, areas.anon + i * PAGE_BYTES, 1),
				 written);
	}
	/* Without permission, but there. */
	assert_int_equal(present(&look, areas.none, 4), 2);
	assert_int_equal(present(&look, areas.wiped, 4), 0);
	assert_int_equal(present(&look, areas.huge, HUGE_BYTES / PAGE_BYTES),
			 HUGE_BYTES / PAGE_BYTES);
	look_end(&look);
}

static void files_end_with_their_last_page(void **state)
{
	pid_t pid = victim_start(write_pattern, NULL);
	struct look look = look_at(pid, NULL, 0);

	victim_end(pid);
	assert_int_equal(present(&look, areas.file, 3), knows_guards() ? 2 : 3);
	assert_int_equal(present(&look, areas.file + 3 * PAGE_BYTES, 1), 0);
	assert_int_equal(present(&look, areas.file_past, 1), 0);
	assert_int_equal(present(&look, areas.file_last, 1), 1);
	assert_int_equal(present(&look, areas.file_last + PAGE_BYTES, 1), 0);
	look_end(&look);
}

/* Memory, and a file's: no data, and both noted. */
static void guard_regions_are_found(void **state)
{
	const uint64_t pages[] = {page_of((uintptr_t)areas.anon) + 400,
				  page_of((uintptr_t)areas.file) + 1};
	bool in_order = pages[0] < pages[1];
	pid_t pid;
	struct look look;

	if (!knows_guards())
		skip();
	pid = victim_start(write_pattern, NULL);
	look = look_at(pid, NULL, 0);
	victim_end(pid);
	assert_int_equal(look.image.nr_guards, 2);
	for (int i = 0; i < 2; i++) {
		const struct image_run *guard = &look.image.guards[i];

		assert_int_equal(guard->first_page, pages[in_order ? i : !i]);
		assert_int_equal(guard->nr_pages, 1);
		assert_int_equal(
			image_present_pages(&look.image, guard->first_page, 1),
			0);
	}
	look_end(&look);
}

static void shared_pages_are_those_of_the_copy(void **state)
{
	const struct image_run runs[] = {
		{1, 1}, {page_of((uintptr_t)areas.shared) + 1, 2}};
	pid_t pid = victim_start(write_pattern, NULL);
	struct look look = look_at(pid, runs, 2);

	victim_end(pid);
	assert_int_equal(present(&look, areas.shared, 1), 0);
	assert_int_equal(present(&look, areas.shared + PAGE_BYTES, 2), 2);
	assert_int_equal(present(&look, areas.shared + 3 * PAGE_BYTES, 1), 0);
	look_end(&look);
}

/* One run of two areas that touch, one of which is not shared. */
static void a_shared_run_is_cut_at_its_area(void **state)
{
	const uint64_t first = page_of((uintptr_t)areas.shared);
	const struct image_run shared_run = {first - 1, 6};
	struct image_vma vma = {.start = first << PAGE_SHIFT,
				.end = (first + 4) << PAGE_SHIFT,
				.kind = IMAGE_VMA_SHARED};
	struct runs_origin origin = {getpid(), &vma, 1, &shared_run, 1};
	struct runs_found found = {0};

	assert_int_equal(runs_scan(&origin, &found), 0);
	assert_int_equal(found.nr_runs, 1);
	assert_int_equal(found.runs[0].first_page, first);
	assert_int_equal(found.runs[0].nr_pages, 4);
	free(found.runs);
	free(found.guards);
}

/* Our own scratch memory was taken out of the table: it is in no run. */
static void what_is_in_no_area_is_in_no_run(void **state)
{
	const int both = PROT_READ | PROT_WRITE;
	uint8_t *at =
		map(3 * PAGE_BYTES, both, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	const uint64_t start = (uintptr_t)at;
	struct image_vma vmas[] = {
		{.start = start,
		 .end = start + PAGE_BYTES,
		 .kind = IMAGE_VMA_ANON},
		{.start = start + 2 * PAGE_BYTES,
		 .end = start + 3 * PAGE_BYTES,
		 .kind = IMAGE_VMA_ANON},
	};
	struct runs_origin origin = {getpid(), vmas, 2, NULL, 0};
	struct runs_found found = {0};

	memset(at, 1, 3 * PAGE_BYTES);
	assert_int_equal(runs_scan(&origin, &found), 0);
	assert_int_equal(found.nr_runs, 2);
	assert_int_equal(found.runs[0].nr_pages, 1);
	assert_int_equal(found.runs[1].first_page, page_of(start) + 2);
	free(found.runs);
	free(found.guards);
	(void)munmap(at, 3 * PAGE_BYTES);
}

static void runs_are_ordered_and_apart(void **state)
{
	pid_t pid = victim_start(write_pattern, NULL);
	struct look look = look_at(pid, NULL, 0);

	victim_end(pid);
	assert_true(look.image.nr_runs > 100);
	for (uint32_t i = 1; i < look.image.nr_runs; i++) {
		const struct image_run *last = &look.image.runs[i - 1];

		assert_true(last->nr_pages > 0);
		assert_true(last->first_page + last->nr_pages <
			    look.image.runs[i].first_page);
	}
	look_end(&look);
}

static void the_vdso_is_whole_and_vvar_is_not_there(void **state)
{
	pid_t pid = victim_start(write_pattern, NULL);
	struct look look = look_at(pid, NULL, 0);
	unsigned vdso = 0;

	victim_end(pid);
	for (uint32_t i = 0; i < look.nr_vmas; i++) {
		const struct image_vma *vma = &look.vmas[i];
		uint64_t pages = page_of(vma->end - vma->start);
		uint64_t there = image_present_pages(
			&look.image, page_of(vma->start), pages);

		if (vma->kind == IMAGE_VMA_VDSO) {
			assert_int_equal(there, pages);
			vdso++;
		} else if (vma->kind == IMAGE_VMA_VVAR ||
			   vma->kind == IMAGE_VMA_VSYSCALL) {
			assert_int_equal(there, 0);
		}
	}
	assert_int_equal(vdso, 1);
	look_end(&look);
}

/* Both ways of asking agree, over more regions than one answer holds. */
static void old_kernels_give_the_same_answer(void **state)
{
	struct runlist scanned = {0}, read = {0};
	size_t bytes = 5000 * PAGE_BYTES;
	uint8_t *at = map(bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1);
	int fd = pagescan_open(getpid());

	assert_true(fd >= 0);
	for (size_t i = 0; i < bytes; i += 2 * PAGE_BYTES)
		at[i] = 1;
	assert_int_equal(pagemap_scan(fd, (uintptr_t)at, (uintptr_t)at + bytes,
				      &scanned, NULL),
			 0);
	assert_int_equal(
		pagemap_read(fd, (uintptr_t)at, (uintptr_t)at + bytes, &read),
		0);
	assert_int_equal(scanned.nr, 2500);
	assert_int_equal(read.nr, 2500);
	assert_memory_equal(scanned.runs, read.runs, 2500 * sizeof(*read.runs));
	runlist_free(&scanned);
	runlist_free(&read);
	(void)close(fd);
	(void)munmap(at, bytes);
}

static void a_dead_twin_is_esrch(void **state)
{
	struct runs_origin origin = {.twin = 1 << 23};
	struct runs_found found;

	assert_int_equal(runs_scan(&origin, &found), -ESRCH);
}

/*
 * The kernel's answer can be full exactly where the walk ends.  Whatever the
 * number of runs around that, each is seen once and in order.
 */
static void a_full_answer_at_the_end_is_taken_once(void **state)
{
	enum { MOST = 2060, LEAST = 1000 };
	size_t bytes = 2 * MOST * PAGE_BYTES;
	char *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = pagescan_open(getpid());

	assert_true(area != MAP_FAILED);
	assert_true(fd >= 0);
	assert_int_equal(madvise(area, bytes, MADV_NOHUGEPAGE), 0);
	for (unsigned i = 0; i < MOST; i++) {
		struct runlist list = {0};

		area[2 * i * PAGE_BYTES] = 1;
		if (i + 1 < LEAST)
			continue;
		assert_int_equal(pagemap_scan(fd, (uintptr_t)area,
					      (uintptr_t)area + bytes, &list,
					      NULL),
				 0);
		assert_int_equal(list.nr, i + 1);
		for (unsigned k = 0; k < list.nr; k++)
			assert_int_equal(list.runs[k].first_page,
					 page_of((uintptr_t)area) + 2 * k);
		runlist_free(&list);
	}
	assert_int_equal(close(fd), 0);
	assert_int_equal(munmap(area, bytes), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_pages_are_found_and_no_others),
		cmocka_unit_test(files_end_with_their_last_page),
		cmocka_unit_test(guard_regions_are_found),
		cmocka_unit_test(shared_pages_are_those_of_the_copy),
		cmocka_unit_test(a_shared_run_is_cut_at_its_area),
		cmocka_unit_test(what_is_in_no_area_is_in_no_run),
		cmocka_unit_test(runs_are_ordered_and_apart),
		cmocka_unit_test(the_vdso_is_whole_and_vvar_is_not_there),
		cmocka_unit_test(old_kernels_give_the_same_answer),
		cmocka_unit_test(a_full_answer_at_the_end_is_taken_once),
		cmocka_unit_test(a_dead_twin_is_esrch),
	};

	return cmocka_run_group_tests(tests, make_areas, NULL);
}

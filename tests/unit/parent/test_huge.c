/* SPDX-License-Identifier: MIT */
/*
 * test_huge.c - an image of a process with private huge pages takes none from
 * the pool, and leaves it as free to write to its own as it was
 *
 * The pool is the machine's: it is set here, and put back.
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"
#include "parent/snapshot.h"
#include "tests/unit/parent/target.h"

#define POOL_PATH  "/proc/sys/vm/nr_hugepages"
#define HUGE_BYTES (2u << 20)
#define NR_USED	   2
#define WAIT_MS	   10000

static struct {
	uint8_t *at; /* in the target */
	volatile bool write, written;
} * play;

static unsigned pool_before;

static unsigned pool(void)
{
	CLEANUP_FREE char *text = NULL;
	size_t len;

	return io_slurp_at(AT_FDCWD, POOL_PATH, 32, &text, &len)
		       ? 0
		       : (unsigned)strtoul(text, NULL, 10);
}

static unsigned free_pages(void)
{
	CLEANUP_FREE char *text = NULL;
	const char *line;
	size_t len;

	assert_int_equal(
		io_slurp_at(AT_FDCWD, "/proc/meminfo", 1 << 16, &text, &len),
		0);
	line = strstr(text, "HugePages_Free:");
	assert_non_null(line);
	return (unsigned)strtoul(line + strlen("HugePages_Free:"), NULL, 10);
}

static void set_pool(unsigned nr)
{
	CLEANUP_FCLOSE FILE *file = fopen(POOL_PATH, "we");

	if (file)
		(void)fprintf(file, "%u\n", nr);
}

/* Another program of the machine may use some; then this says nothing. */
static void need_pool(unsigned nr)
{
	set_pool(pool_before + nr);
	if (pool() == pool_before + nr && free_pages() == nr)
		return;
	(void)fprintf(stderr, "no %u free huge pages to be had\n", nr);
	skip();
}

static int put_back(void **state)
{
	(void)state;
	set_pool(pool_before);
	return 0;
}

static void body(int ready_fd)
{
	uint8_t *at =
		mmap(NULL, NR_USED * HUGE_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE,
		     -1, 0);

	if (at == MAP_FAILED)
		_exit(1);
	for (unsigned i = 0; i < NR_USED; i++)
		memset(at + i * HUGE_BYTES, 0x11 + (int)i, HUGE_BYTES);
	play->at = at;
	(void)!write(ready_fd, "x", 1);
	while (!play->write)
		(void)usleep(200);
	memset(at, 0x33, NR_USED * HUGE_BYTES);
	play->written = true;
	for (;;)
		(void)pause();
}

/* The byte at @raddr in the copy, or -1. */
static int byte_at(const struct snapshot *snapshot, const uint8_t *raddr)
{
	const uint64_t page = page_of((uintptr_t)raddr);
	uint64_t before_pages = 0;
	uint8_t byte;

	for (uint32_t i = 0; i < snapshot->nr_shared_runs; i++) {
		const struct image_run *run = &snapshot->shared_runs[i];

		if (page - run->first_page < run->nr_pages)
			return pread(snapshot->shared_fd, &byte, 1,
				     (off_t)((before_pages + page -
					      run->first_page)
					     << PAGE_SHIFT)) == 1
				       ? byte
				       : -1;
		before_pages += run->nr_pages;
	}
	return -1;
}

static bool has_old_bytes(const struct snapshot *snapshot)
{
	for (unsigned i = 0; i < NR_USED; i++)
		if (byte_at(snapshot, play->at + i * HUGE_BYTES) !=
			    0x11 + (int)i ||
		    byte_at(snapshot, play->at + (i + 1) * HUGE_BYTES - 1) !=
			    0x11 + (int)i)
			return false;
	return true;
}

/* The target's turn, with the image in being.  NULL, or what is wrong. */
static const char *write_all(void)
{
	play->write = true;
	for (int i = 0; i < WAIT_MS && !play->written; i++)
		(void)usleep(1000);
	return play->written ? NULL : "the target cannot write";
}

static const char *take(pid_t pid, unsigned free)
{
	const struct snapshot_options options = {5000, 64 << 20, 0};
	struct snapshot *snapshot;
	struct refusal why = {0};
	const char *wrong = NULL;
	int rc = snapshot_take(pid, &options, &snapshot, &why);

	if (rc) {
		(void)fprintf(stderr, "%d %s\n", rc, why.why);
		return "it is not taken";
	}
	if (!has_old_bytes(snapshot))
		wrong = "the image has other bytes";
	if (free_pages() != free)
		wrong = "the pool has other free pages";
	wrong = wrong ? wrong : write_all();
	if (!wrong && free_pages() != free)
		wrong = "pages were taken for what the target wrote";
	if (!wrong && !has_old_bytes(snapshot))
		wrong = "the image changed";
	snapshot_release(snapshot);
	return wrong;
}

/* With so many pages in the pool, of which the target has two. */
static void with_a_pool_of(unsigned nr)
{
	const char *wrong;
	int status;
	pid_t pid, taker;

	need_pool(nr);
	play->write = play->written = false;
	pid = start(body);
	taker = fork();
	if (taker == 0) {
		wrong = take(pid, nr - NR_USED);
		if (wrong)
			(void)fprintf(stderr, "%s\n", wrong);
		_exit(wrong != NULL);
	}
	assert_int_equal(waitpid(taker, &status, 0), taker);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(status, 0);
}

static void pages_to_spare(void **state)
{
	(void)state;
	with_a_pool_of(NR_USED + 4);
}

static void not_one_left(void **state)
{
	(void)state;
	with_a_pool_of(NR_USED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(pages_to_spare, put_back),
		cmocka_unit_test_teardown(not_one_left, put_back),
	};

	if (access(POOL_PATH, W_OK)) {
		(void)fprintf(stderr, "cannot set the pool of huge pages\n");
		return 77;
	}
	pool_before = pool();
	play = mmap(NULL, sizeof(*play), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

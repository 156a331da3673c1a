/* SPDX-License-Identifier: MIT */
/*
 * test_jump.c - a stopped process goes on as another one: plan, blob and jump
 *
 * The victim waits until its pid changes, which only a load can do, and then
 * checks itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "loader/imagedir.h"
#include "loader/jump.h"
#include "loader/nspace.h"
#include "loader/plan.h"
#include "tests/unit/loader/dump.h"

#define FD_BASE	     512
#define VICTIM_FINE  42
#define PATTERN_INTS (1u << 18)

static __thread int thread_word = 7;
static volatile int other_done;

static void pause_ms(long ms)
{
	struct timespec time = {0, ms * 1000000};

	(void)nanosleep(&time, NULL);
}

static bool still_parent(pid_t pid)
{
	return syscall(SYS_getpid) == pid;
}

static int check_deep(int depth)
{
	volatile char frame[4096];

	frame[0] = (char)depth;
	return depth ? check_deep(depth - 1) + (frame[0] == (char)depth) : 0;
}

static int victim_checks(const unsigned *pattern, const char *heap,
			 const char *reserved)
{
	struct timespec now;

	for (unsigned i = 0; i < PATTERN_INTS; i++)
		if (pattern[i] != i * 2654435761u)
			return 1;
	if (strcmp(heap, "on the heap") != 0 || thread_word != 8)
		return 2;
	if (check_deep(400) != 400)
		return 3;
	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		return 4;
	for (int i = 0; i < 4096; i++)
		if (reserved[i])
			return 5;
	return VICTIM_FINE;
}

static unsigned *make_pattern(void)
{
	unsigned *pattern = mmap(NULL, PATTERN_INTS * sizeof(unsigned),
				 PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (unsigned i = 0; i < PATTERN_INTS; i++)
		pattern[i] = i * 2654435761u;
	return pattern;
}

static void victim_single(pid_t pid)
{
	unsigned *pattern = make_pattern();
	char *reserved = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *heap = strdup("on the heap");

	thread_word = 8;
	while (still_parent(pid))
		pause_ms(2);
	_exit(victim_checks(pattern, heap, reserved));
}

static void *other_thread(void *word)
{
	pid_t pid = *(pid_t *)word;

	thread_word = 9;
	while (still_parent(pid))
		pause_ms(1);
	if (thread_word == 9)
		__atomic_add_fetch(&other_done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

#define OTHERS 20

static void victim_threads(pid_t pid)
{
	pthread_t threads[OTHERS];

	for (int i = 0; i < OTHERS; i++)
		(void)pthread_create(&threads[i], NULL, other_thread, &pid);
	for (int i = 0; i < OTHERS; i++)
		(void)pthread_join(threads[i], NULL);
	_exit(other_done == OTHERS && !still_parent(pid) ? VICTIM_FINE : 1);
}

/* Start @victim, image it into @dir, end it. */
static void make_image(void (*victim)(pid_t), const char *dir, bool space)
{
	struct image *image;
	pid_t pid = fork();
	int status;

	if (!pid) {
		(void)alarm(60);
		victim(getpid());
	}
	pause_ms(80);
	assert_int_equal(dump_stop(pid, &image), 0);
	assert_int_equal(dump_write(pid, image, dir, space), 0);
	dump_release(pid, image);
	image_free(image);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void put_slot(int fd, enum plan_slot slot)
{
	if (fd >= 0)
		assert_int_equal(dup2(fd, FD_BASE + (int)slot),
				 FD_BASE + (int)slot);
}

static void become(const char *path, int report)
{
	struct why why = {""};
	struct place_maps maps;
	struct plan_facts facts = {
		.code_bytes = jump_code_bytes(),
		.maps = &maps,
		.fd_base = FD_BASE,
		.new_pid = true,
	};
	struct imagedir *dir = NULL;
	struct plan *plan;
	sigset_t all;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	if (imagedir_open(path, &dir, &why) || place_read_maps(&maps) ||
	    credentials_read(dir->image, &facts.credentials))
		_exit(101);
	frame_read_xsave(dir->image, true, &facts.xsave);
	facts.has_space = dir->space >= 0;
	facts.hole = place_find(&maps, dir->image, PLAN_HOLE_BYTES);
	facts.vma_inodes = calloc(dir->image->nr_vmas, sizeof(uint64_t));
	put_slot(dir->space, PLAN_SLOT_SPACE);
	put_slot(dir->fd, PLAN_SLOT_DIR);
	put_slot(report, PLAN_SLOT_REPORT);
	if (plan_build(dir->image, &facts, &plan, &why))
		_exit(102);
	if (jump_prepare(plan))
		_exit(103);
	nspace_default_signals();
	jump_go(plan, true);
}

static char dir_path[64];

static int make_dir(void **state)
{
	(void)strcpy(dir_path, "/dev/shm/mitosis-test-XXXXXX");
	return mkdtemp(dir_path) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir_path);
	return system(command);
}

static void load_and_expect_fine(void)
{
	struct blob_report report = {0};
	int ends[2], status;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (!pid)
		become(dir_path, ends[1]);
	(void)close(ends[1]);
	assert_int_equal(read(ends[0], &report, sizeof(report)),
			 sizeof(report));
	(void)close(ends[0]);
	assert_int_equal(report.error, 0);
	assert_int_equal(report.step, BLOB_RUNNING);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), VICTIM_FINE);
}

static void one_thread_goes_on_from_vma_files(void **state)
{
	make_image(victim_single, dir_path, false);
	load_and_expect_fine();
}

static void one_thread_goes_on_from_space(void **state)
{
	make_image(victim_single, dir_path, true);
	load_and_expect_fine();
}

static void twenty_threads_go_on(void **state)
{
	make_image(victim_threads, dir_path, true);
	load_and_expect_fine();
}

static void an_image_is_loaded_twice(void **state)
{
	make_image(victim_single, dir_path, true);
	load_and_expect_fine();
	load_and_expect_fine();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			one_thread_goes_on_from_vma_files, make_dir,
			remove_dir),
		cmocka_unit_test_setup_teardown(one_thread_goes_on_from_space,
						make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(twenty_threads_go_on, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(an_image_is_loaded_twice,
						make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

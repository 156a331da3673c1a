/* SPDX-License-Identifier: MIT */
/*
 * The pager on children that live in two registered areas: A, half of whose
 * pages the image has, and B, huge and almost empty.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "common/io.h"
#include "loader/pager.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define PAGE	4096ul
#define A	0x200000000000ul
#define A_PAGES 4096ul
#define B	0x210000000000ul
#define B_BYTES (5ul << 30)
#define B_EVERY 65536ul /* pages from one present page to the next */
#define RUN	8ul	/* A: this many pages present, as many not */
#define SHIFT	(A - (1ul << 20))

static unsigned batch_pages = 16;

/* ---- the image ---- */

static bool is_present(uint64_t raddr)
{
	if (raddr < B)
		return (raddr - A) / PAGE / RUN % 2 == 0;
	return (raddr - B) / PAGE % B_EVERY == 0;
}

/* What every word of the image's page at @raddr is; 0 for a hole. */
static uint64_t word_of(uint64_t raddr)
{
	return is_present(raddr) ? raddr ^ 0x5a5a5a5a5a5a5a5aull : 0;
}

static void write_run(int fd, struct image_run *run, uint64_t raddr,
		      uint64_t nr_pages)
{
	run->first_page = raddr / PAGE;
	run->nr_pages = nr_pages;
	for (uint64_t i = 0; i < nr_pages; i++) {
		uint64_t words[PAGE / 8], at = raddr + i * PAGE;

		for (size_t k = 0; k < PAGE / 8; k++)
			words[k] = word_of(at);
		assert_int_equal(pwrite(fd, words, PAGE, (off_t)(at - SHIFT)),
				 PAGE);
	}
}

static struct image *make_image(int fd)
{
	unsigned nr_a = A_PAGES / RUN / 2;
	unsigned nr_b = B_BYTES / PAGE / B_EVERY;
	struct image *image = image_new();

	assert_non_null(image);
	image->runs = calloc(nr_a + nr_b, sizeof(*image->runs));
	for (unsigned i = 0; i < nr_a; i++)
		write_run(fd, &image->runs[image->nr_runs++],
			  A + 2 * i * RUN * PAGE, RUN);
	for (unsigned i = 0; i < nr_b; i++)
		write_run(fd, &image->runs[image->nr_runs++],
			  B + i * B_EVERY * PAGE, 1);
	return image;
}

/* ---- the child ---- */

static int wrong;

static void check(bool right, const char *what)
{
	if (!right && !wrong++)
		(void)fprintf(stderr, "child: wrong: %s\n", what);
}

static volatile uint64_t *at(uint64_t addr)
{
	return (volatile uint64_t *)addr;
}

/* The page at @addr is what the image has for @raddr. */
static bool is_image(uint64_t addr, uint64_t raddr)
{
	return *at(addr) == word_of(raddr) &&
	       *at(addr + PAGE - 8) == word_of(raddr);
}

static bool is_zero(uint64_t addr)
{
	return *at(addr) == 0 && *at(addr + PAGE - 8) == 0;
}

static void map_area(int uffd, uint64_t start, uint64_t len_bytes)
{
	struct uffdio_register r = {
		.range = {start, len_bytes},
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (mmap((void *)start, len_bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			 MAP_FIXED_NOREPLACE,
		 -1, 0) != (void *)start ||
	    ioctl(uffd, UFFDIO_REGISTER, &r))
		_exit(126);
}

static void become_child(int sock, int (*body)(void))
{
	int uffd = pager_userfaultfd();
	char go;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (uffd < 0)
		_exit(uffd == -EPERM ? 77 : 126);
	map_area(uffd, A, A_PAGES * PAGE);
	map_area(uffd, B, B_BYTES);
	if (io_send_fds(sock, "u", 1, &uffd, 1) || close(uffd) ||
	    io_read_all(sock, &go, 1))
		_exit(126);
	(void)body();
	_exit(wrong ? 1 : 0);
}

/* ---- the supervisor ---- */

struct run {
	bool push;
	int fail_offset; /* > 0: cut the image's file to this many bytes */
	int status, served;
	struct pager_stats stats;
};

static int supervise(struct pager *pager, pid_t pid, struct run *run)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool more = run->push;
	int r = 0;

	while (!r) {
		struct pollfd fds[] = {
			{.fd = pidfd, .events = POLLIN},
			{.fd = pager_fd(pager), .events = POLLIN},
		};
		int n = poll(fds, 2, more ? 0 : 30000);

		if (fds[0].revents)
			break;
		if (!n && !more)
			r = -ETIMEDOUT;
		else
			r = more ? pager_push(pager, &more)
				 : pager_serve(pager);
	}
	(void)close(pidfd);
	return r;
}

static void run_child(struct run *run, int (*body)(void))
{
	int fd = memfd_create("image", MFD_CLOEXEC), socks[2], uffd;
	struct pager_area areas[2] = {
		{A, A + A_PAGES * PAGE, fd, SHIFT},
		{B, B + B_BYTES, fd, SHIFT},
	};
	struct image *image = make_image(fd);
	struct pager_options options = {image, areas, 2, batch_pages};
	struct pager *pager;
	unsigned nr;
	char c;
	pid_t pid;

	if (run->fail_offset)
		assert_int_equal(ftruncate(fd, run->fail_offset), 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	pid = fork();
	if (!pid)
		become_child(socks[1], body);
	(void)close(socks[1]);
	assert_int_equal(io_recv_fds(socks[0], &c, 1, &uffd, 1, &nr), 0);
	assert_int_equal(pager_open(uffd, &options, &pager), 0);
	assert_int_equal(io_write_all(socks[0], "g", 1), 0);
	run->served = supervise(pager, pid, run);
	if (run->served)
		(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &run->status, 0);
	pager_get_stats(pager, &run->stats);
	pager_close(pager);
	(void)close(socks[0]);
	(void)close(fd);
	image_free(image);
}

static void passes(struct run *run, int (*body)(void))
{
	run_child(run, body);
	assert_int_equal(run->served, 0);
	assert_true(WIFEXITED(run->status));
	assert_int_equal(WEXITSTATUS(run->status), 0);
}

/* ---- one thread ---- */

static int read_everything(void)
{
	for (uint64_t i = 0; i < A_PAGES; i++) {
		uint64_t page = A + i * 1237 % A_PAGES * PAGE;

		check(is_image(page, page), "content of A");
	}
	for (uint64_t i = 0; i < B_BYTES / PAGE; i += B_EVERY / 2)
		check(is_image(B + i * PAGE, B + i * PAGE), "content of B");
	return 0;
}

static void all_pages_are_the_images(void **state)
{
	static const unsigned batches[] = {1, 16, 64, 7};
	struct run run = {0};

	for (size_t i = 0; i < 4; i++) {
		batch_pages = batches[i];
		passes(&run, read_everything);
		assert_int_equal(run.stats.copied_pages,
				 A_PAGES / 2 + B_BYTES / PAGE / B_EVERY);
	}
	assert_true(run.stats.faults < A_PAGES);
	batch_pages = 16;
}

static int drop_untouched(void)
{
	check(!madvise((void *)(A + 4 * PAGE), 32 * PAGE, MADV_DONTNEED),
	      "drop");
	for (uint64_t i = 4; i < 36; i++)
		check(is_zero(A + i * PAGE), "dropped before it was touched");
	check(is_image(A + 3 * PAGE, A + 3 * PAGE), "page before");
	check(is_image(A + 36 * PAGE, A + 36 * PAGE), "page behind");
	*at(A + 48 * PAGE) = 1;
	(void)madvise((void *)(A + 48 * PAGE), PAGE, MADV_DONTNEED);
	check(is_zero(A + 48 * PAGE), "dropped after it was written");
	check(is_image(A + 49 * PAGE, A + 49 * PAGE), "its neighbour");
	(void)madvise((void *)B, B_BYTES, MADV_DONTNEED);
	check(is_zero(B) && is_zero(B + B_EVERY * PAGE), "all of B");
	return 0;
}

static void dropped_pages_are_zero(void **state)
{
	struct run run = {0};

	passes(&run, drop_untouched);
	assert_true(run.stats.events >= 3);
}

static int map_again(void)
{
	void *there = (void *)(A + 16 * PAGE);

	(void)munmap(there, 16 * PAGE);
	check(mmap(there, 16 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == there,
	      "map");
	for (uint64_t i = 16; i < 32; i++)
		check(is_zero(A + i * PAGE), "mapped again");
	check(is_image(A + 32 * PAGE, A + 32 * PAGE), "page behind");
	return 0;
}

static void new_maps_are_zero(void **state)
{
	struct run run = {0};

	passes(&run, map_again);
}

static int move_about(void)
{
	uint64_t to = 0x220000000000ul, part = A + 64 * PAGE;
	uint64_t a, i;

	/* A part moves away, grows there, and comes back smaller. */
	a = (uint64_t)mremap((void *)part, 64 * PAGE, 128 * PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, (void *)to);
	check(a == to, "move and grow");
	for (i = 0; i < 64; i += 3)
		check(is_image(to + i * PAGE, part + i * PAGE), "moved");
	for (i = 64; i < 128; i += 5)
		check(is_zero(to + i * PAGE), "grown");
	(void)madvise((void *)(to + 17 * PAGE), PAGE, MADV_DONTNEED);
	check(is_zero(to + 17 * PAGE), "dropped at the new place");
	a = (uint64_t)mremap((void *)to, 128 * PAGE, 32 * PAGE, 0);
	a = (uint64_t)mremap((void *)a, 32 * PAGE, 64 * PAGE, 0);
	check(a == to, "shrink and grow");
	check(is_image(to + PAGE, part + PAGE), "kept");
	for (i = 32; i < 64; i++)
		check(is_zero(to + i * PAGE), "regrown");
	return 0;
}

static int leave_copy(void)
{
	uint64_t part = A + 256 * PAGE, i;
	uint64_t to = (uint64_t)mremap((void *)part, 64 * PAGE, 64 * PAGE,
				       MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);

	check(to != (uint64_t)MAP_FAILED, "DONTUNMAP");
	for (i = 0; i < 64; i++)
		check(is_image(to + i * PAGE, part + i * PAGE), "moved away");
	for (i = 0; i < 64; i++)
		check(is_zero(part + i * PAGE), "left behind");
	return 0;
}

static void moved_pages_keep_their_bytes(void **state)
{
	struct run run = {0};

	passes(&run, move_about);
	passes(&run, leave_copy);
}

/* Faults of the kernel on the child's behalf, and of its other protections. */
static int by_kernel(void)
{
	uint64_t word;
	int pipes[2];

	if (pipe(pipes))
		return 126;
	check(write(pipes[1], (void *)(A + 160 * PAGE), 8) == 8, "write");
	check(read(pipes[0], &word, 8) == 8 && word == word_of(A + 160 * PAGE),
	      "its word");
	check(write(pipes[1], "abcdefg", 8) == 8 &&
		      read(pipes[0], (void *)(A + 176 * PAGE), 8) == 8,
	      "read");
	check(*at(A + 176 * PAGE + 8) == word_of(A + 176 * PAGE), "its rest");
	(void)mprotect((void *)(A + 195 * PAGE), PAGE, PROT_READ);
	check(is_image(A + 194 * PAGE, A + 194 * PAGE), "before the cut");
	check(is_image(A + 195 * PAGE, A + 195 * PAGE), "read-only");
	check(is_image(A + 196 * PAGE, A + 196 * PAGE), "behind the cut");
	return 0;
}

static void the_kernel_faults_too(void **state)
{
	struct run run = {0};

	passes(&run, by_kernel);
}

/* ---- forks ---- */

static int end_of(pid_t pid)
{
	int status = -1;

	(void)waitpid(pid, &status, 0);
	return status;
}

static int generation(int depth)
{
	uint64_t mine = A + (uint64_t)(512 + 64 * depth) * PAGE;
	pid_t pid;

	check(is_image(A + (uint64_t)depth * 16 * PAGE,
		       A + (uint64_t)depth * 16 * PAGE),
	      "untouched before the fork");
	(void)madvise((void *)mine, 32 * PAGE, MADV_DONTNEED);
	for (int i = 0; depth < 3 && i < 4; i++) {
		pid = fork();
		if (!pid) {
			wrong = 0;
			(void)generation(depth + 1);
			_exit(wrong);
		}
		check(!end_of(pid), "a descendant");
	}
	check(is_zero(mine) && is_zero(mine + 31 * PAGE), "own drop");
	check(is_image(mine + 64 * PAGE, mine + 64 * PAGE),
	      "a descendant's drop is its own");
	return 0;
}

static int fork_all(void)
{
	pid_t pid;

	(void)generation(0);
	pid = fork();
	if (!pid) {
		(void)execl("/bin/true", "true", NULL);
		_exit(99);
	}
	check(!end_of(pid), "fork and exec");
	return 0;
}

static void forks_have_pages_of_their_own(void **state)
{
	struct run run = {0};

	passes(&run, fork_all);
	assert_int_equal(run.stats.forks, 4 + 16 + 64 + 1);
}

/* ---- threads ---- */

#define THREADS 6

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed >> 16;
}

/* Each thread drops its own slice of pages at random, all read all others. */
static void *fault_about(void *arg)
{
	uint64_t id = (uintptr_t)arg, seed = 88172645463325252ull + id * 7919;
	const uint64_t slice = A_PAGES / THREADS;
	bool dropped[A_PAGES / THREADS] = {0};

	for (int i = 0; i < 3000; i++) {
		uint64_t k = next(&seed) % slice, mine = id * slice + k;
		uint64_t other = A + next(&seed) % A_PAGES * PAGE;

		check(*at(other) == 0 || *at(other) == word_of(other) ||
			      *at(other) == 0,
		      "another's page");
		if (next(&seed) % 3 == 0) {
			(void)madvise((void *)(A + mine * PAGE), PAGE,
				      MADV_DONTNEED);
			dropped[k] = true;
		}
		check(dropped[k] ? is_zero(A + mine * PAGE)
				 : is_image(A + mine * PAGE, A + mine * PAGE),
		      "own page");
	}
	return NULL;
}

static int thread_about(void)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, fault_about, (void *)i))
			return 126;
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	return 0;
}

static volatile uint64_t turn;

static void *touch_in_turn(void *arg)
{
	uint64_t seen = 0;

	while (seen < A_PAGES) {
		while (turn == seen)
			(void)sched_yield();
		seen = turn;
		(void)*at(A + (seen - 1) * PAGE);
	}
	return arg;
}

/* A page that is dropped while it is being fetched must not come back old. */
static int drop_in_flight(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, touch_in_turn, NULL))
		return 126;
	for (uint64_t i = 0; i < A_PAGES; i++) {
		turn = i + 1;
		if (i % 3)
			(void)sched_yield();
		(void)madvise((void *)(A + i * PAGE), PAGE, MADV_DONTNEED);
		check(is_zero(A + i * PAGE), "dropped in flight");
	}
	(void)pthread_join(thread, NULL);
	return 0;
}

static void threads_fault_at_once(void **state)
{
	struct run run = {0};

	passes(&run, thread_about);
	passes(&run, drop_in_flight);
	batch_pages = 1;
	passes(&run, drop_in_flight);
	batch_pages = 16;
}

/* ---- random operations against a model ---- */

#define MODEL_MAX 512u

struct model {
	uint64_t at;
	size_t pages;
	uint64_t words[MODEL_MAX];
	uint64_t seed;
};

static void verify(const struct model *m, unsigned every)
{
	for (size_t i = 0; i < m->pages; i += every)
		check(*at(m->at + i * PAGE + 8) == m->words[i], "the model");
}

static void change(struct model *m)
{
	size_t first = next(&m->seed) % m->pages;
	size_t n = 1 + next(&m->seed) % (m->pages - first);

	if (next(&m->seed) % 2) {
		m->words[first] = next(&m->seed);
		*at(m->at + first * PAGE + 8) = m->words[first];
		return;
	}
	if (n > 16)
		n = 16;
	(void)madvise((void *)(m->at + first * PAGE), n * PAGE, MADV_DONTNEED);
	memset(m->words + first, 0, n * sizeof(m->words[0]));
}

static void move(struct model *m)
{
	bool leave = next(&m->seed) % 3 == 0;
	size_t pages = leave ? m->pages : 1 + next(&m->seed) % MODEL_MAX;
	void *p = mremap((void *)m->at, m->pages * PAGE, pages * PAGE,
			 MREMAP_MAYMOVE | (leave ? MREMAP_DONTUNMAP : 0), 0);

	if (p == MAP_FAILED) {
		check(false, "mremap");
		return;
	}
	if (pages > m->pages)
		memset(m->words + m->pages, 0,
		       (pages - m->pages) * sizeof(m->words[0]));
	if (leave) {
		check(is_zero(m->at), "left behind");
		(void)munmap((void *)m->at, m->pages * PAGE);
	}
	m->at = (uint64_t)p;
	m->pages = pages;
}

static int fuzz(void)
{
	static struct model m = {.seed = 88172645463325252ull};

	for (int area = 0; area < 7; area++) {
		m.at = A + (uint64_t)area * 512 * PAGE;
		m.pages = 256;
		for (size_t i = 0; i < m.pages; i++)
			m.words[i] = word_of(m.at + i * PAGE);
		for (int i = 0; i < 200 && !wrong; i++) {
			if (next(&m.seed) % 8)
				change(&m);
			else
				move(&m);
			if (i % 16 == 0)
				verify(&m, 5);
			if (i % 64 == 63) {
				pid_t pid = fork();

				if (!pid) {
					verify(&m, 1);
					_exit(wrong);
				}
				check(!end_of(pid), "a fork's view");
			}
		}
		verify(&m, 1);
	}
	return 0;
}

static void random_operations_match_a_model(void **state)
{
	static const unsigned batches[] = {1, 16, 64};
	struct run run = {0};

	for (size_t i = 0; i < 3; i++) {
		batch_pages = batches[i];
		passes(&run, fuzz);
	}
	batch_pages = 16;
	run.push = true;
	passes(&run, fuzz);
}

/* ---- pushing, and what is complete ---- */

static int wait_and_see(void)
{
	for (int i = 0; i < 5000; i++) {
		struct timespec ms = {.tv_nsec = 1000000};
		unsigned char there = 0;

		(void)mincore((void *)(A + (A_PAGES - 16) * PAGE), PAGE,
			      &there);
		if (there & 1)
			break;
		(void)nanosleep(&ms, NULL);
	}
	(void)read_everything();
	(void)madvise((void *)A, A_PAGES * PAGE, MADV_DONTNEED);
	for (uint64_t i = 0; i < A_PAGES; i++)
		check(is_zero(A + i * PAGE), "dropped when complete");
	return 0;
}

static void pushed_areas_are_given_back(void **state)
{
	struct run run = {.push = true};

	passes(&run, wait_and_see);
	assert_true(run.stats.pushed_pages > 0);
	assert_true(run.stats.given_back > 0);
	assert_true(run.stats.faults < A_PAGES / 2);
}

/* A map that has grown is never half given back. */
static int grow_then_finish(void)
{
	uint64_t a = (uint64_t)mremap((void *)A, A_PAGES * PAGE,
				      (A_PAGES + 64) * PAGE, 0);

	check(a == A, "grow in place");
	(void)read_everything();
	check(is_zero(A + (A_PAGES + 3) * PAGE), "its tail");
	a = (uint64_t)mremap((void *)A, (A_PAGES + 64) * PAGE,
			     (A_PAGES + 128) * PAGE, MREMAP_MAYMOVE);
	check(a != (uint64_t)MAP_FAILED, "grow again, as one");
	check(is_image(a, A) && is_zero(a + (A_PAGES + 100) * PAGE),
	      "its bytes");
	return 0;
}

static void grown_maps_stay_whole(void **state)
{
	struct run run = {0};

	passes(&run, grow_then_finish);
}

/* ---- what must not go on ---- */

static int read_last(void)
{
	(void)*at(A);
	(void)*at(A + (A_PAGES - 16) * PAGE);
	return 0;
}

static void a_page_that_cannot_be_had_is_an_error(void **state)
{
	struct run run = {.fail_offset = (int)(A - SHIFT + 64 * PAGE)};

	run_child(&run, read_last);
	assert_int_equal(run.served, -ENODATA);
	assert_true(WIFSIGNALED(run.status));
}

static void areas_are_checked(void **state)
{
	struct pager_area areas[2] = {{A, A + PAGE, -1, 0},
				      {A, A + 2 * PAGE, -1, 0}};
	struct image *image = image_new();
	struct pager_options options = {image, areas, 2, 16};
	struct pager *pager;

	assert_int_equal(pager_open(-1, &options, &pager), -EINVAL);
	areas[1].start = A + PAGE + 1;
	assert_int_equal(pager_open(-1, &options, &pager), -EINVAL);
	image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(areas_are_checked),
		cmocka_unit_test(all_pages_are_the_images),
		cmocka_unit_test(dropped_pages_are_zero),
		cmocka_unit_test(new_maps_are_zero),
		cmocka_unit_test(moved_pages_keep_their_bytes),
		cmocka_unit_test(the_kernel_faults_too),
		cmocka_unit_test(forks_have_pages_of_their_own),
		cmocka_unit_test(threads_fault_at_once),
		cmocka_unit_test(random_operations_match_a_model),
		cmocka_unit_test(pushed_areas_are_given_back),
		cmocka_unit_test(grown_maps_stay_whole),
		cmocka_unit_test(a_page_that_cannot_be_had_is_an_error),
	};
	int fd = pager_userfaultfd();

	if (fd < 0) {
		(void)fprintf(stderr, "userfaultfd: %s\n", strerror(-fd));
		return fd == -EPERM || fd == -ENOSYS ? 77 : 1;
	}
	(void)close(fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

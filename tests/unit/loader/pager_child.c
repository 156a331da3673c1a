/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pager_child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
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

#define RUN 8ul /* A: this many pages present, as many not */

/* ---- the image ---- */

bool dense, fenced;

static bool is_present(uint64_t raddr)
{
	if (raddr < B)
		return dense || (raddr - A) / PAGE / RUN % 2 == 0;
	return (raddr - B) / PAGE % B_EVERY == 0;
}

/* What every word of the image's page at @raddr is; 0 for a hole. */
uint64_t word_of(uint64_t raddr)
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
	uint64_t run_pages = dense ? A_PAGES : RUN;
	unsigned nr_a = dense ? 1 : A_PAGES / RUN / 2;
	unsigned nr_b = B_BYTES / PAGE / B_EVERY;
	struct image *image = image_new();

	assert_non_null(image);
	image->runs = calloc(nr_a + nr_b, sizeof(*image->runs));
	for (unsigned i = 0; i < nr_a; i++)
		write_run(fd, &image->runs[image->nr_runs++],
			  A + 2 * i * RUN * PAGE, run_pages);
	for (unsigned i = 0; i < nr_b; i++)
		write_run(fd, &image->runs[image->nr_runs++],
			  B + i * B_EVERY * PAGE, 1);
	if (fenced) {
		image->guards = calloc(1, sizeof(*image->guards));
		image->guards[0] = (struct image_run){FENCE / PAGE, 1};
		image->nr_guards = 1;
	}
	return image;
}

/* ---- the child ---- */

int wrong;

void check(bool right, const char *what)
{
	if (!right && !wrong++)
		(void)fprintf(stderr, "child: wrong: %s\n", what);
}

volatile uint64_t *at(uint64_t addr)
{
	return (volatile uint64_t *)addr;
}

/* The page at @addr is what the image has for @raddr. */
bool is_image(uint64_t addr, uint64_t raddr)
{
	return *at(addr) == word_of(raddr) &&
	       *at(addr + PAGE - 8) == word_of(raddr);
}

bool is_zero(uint64_t addr)
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
	(void)signal(SIGSEGV, SIG_DFL); /* not cmocka's: it would go on */
	(void)signal(SIGBUS, SIG_DFL);
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

uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed >> 16;
}

int end_of(pid_t pid)
{
	int status = -1;

	(void)waitpid(pid, &status, 0);
	return status;
}

int read_everything(void)
{
	for (uint64_t i = 0; i < A_PAGES; i++) {
		uint64_t page = A + i * 1237 % A_PAGES * PAGE;

		check(is_image(page, page), "content of A");
	}
	for (uint64_t i = 0; i < B_BYTES / PAGE; i += B_EVERY / 2)
		check(is_image(B + i * PAGE, B + i * PAGE), "content of B");
	return 0;
}

/* ---- the supervisor ---- */

static int push(struct pager *pager, struct run *run, bool *ret_more)
{
	struct pager_stats before, after;
	uint64_t pages;
	int r;

	pager_get_stats(pager, &before);
	r = run->let_go ? pager_let_go_some(pager, ret_more)
			: pager_push(pager, ret_more);
	pager_get_stats(pager, &after);
	pages = after.pushed_pages - before.pushed_pages;
	if (pages > run->most_pages)
		run->most_pages = pages;
	return r;
}

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
			r = more ? push(pager, run, &more) : pager_serve(pager);
	}
	(void)close(pidfd);
	return r;
}

void run_child(struct run *run, int (*body)(void))
{
	int fd = memfd_create("image", MFD_CLOEXEC), socks[2], uffd;
	struct pager_area areas[2] = {
		{A, A + A_PAGES * PAGE, fd, SHIFT},
		{B, B + B_BYTES, fd, SHIFT},
	};
	struct image *image = make_image(fd);
	struct pager_options options = {image, areas, 2, run->batch_pages};
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

void passes(struct run *run, int (*body)(void))
{
	run_child(run, body);
	assert_int_equal(run->served, 0);
	assert_true(WIFEXITED(run->status));
	assert_int_equal(WEXITSTATUS(run->status), 0);
}

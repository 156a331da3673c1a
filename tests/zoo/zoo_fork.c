/* SPDX-License-Identifier: MIT */
/*
 * zoo_fork.c - after the image: children of children, exec, vfork, spawn
 *
 * Every generation sees the right bytes, drops pages to zeros of its own and
 * disturbs nobody else.
 */
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

enum {
	NR_PAGES = 256,
	GENERATIONS = 3,
};

static char *block;

static void generation(unsigned depth)
{
	char *own = block + depth * 16 * ZOO_PAGE;
	pid_t pid;

	zoo_filled(own, 16 * ZOO_PAGE, depth, "inherited pages");
	zoo_call(madvise(own, 8 * ZOO_PAGE, MADV_DONTNEED) == 0, "madvise");
	zoo_zero(own, 8 * ZOO_PAGE, "pages dropped by a grandchild");
	memset(own, depth, 8 * ZOO_PAGE);
	if (depth == GENERATIONS)
		return;
	pid = fork();
	if (pid == 0) {
		generation(depth + 1);
		_exit(0);
	}
	zoo_wait_child(pid, "grandchild");
	zoo_filled(block + (depth + 1) * 16 * ZOO_PAGE, 16 * ZOO_PAGE,
		   depth + 1, "pages that a grandchild changed");
}

/* What the executed program does: fresh memory, no trace of the image's. */
static int executed(void)
{
	char *fresh = zoo_map(64 * ZOO_PAGE);

	memset(fresh, 1, 64 * ZOO_PAGE);
	zoo_call(madvise(fresh, 64 * ZOO_PAGE, MADV_DONTNEED) == 0, "madvise");
	zoo_zero(fresh, 64 * ZOO_PAGE, "dropped after exec");
	return 0;
}

static void exec_self(void)
{
	(void)execl("/proc/self/exe", "zoo_fork", "--executed", "x", NULL);
	_exit(99);
}

int main(int argc, char **argv)
{
	char *const spawn_argv[] = {"zoo_fork", "--executed", "x", NULL};
	pid_t pid;

	if (argc == 3 && !strcmp(argv[1], "--executed"))
		return executed();
	zoo_start(argc, argv);
	block = zoo_map(NR_PAGES * ZOO_PAGE);
	for (unsigned i = 0; i < NR_PAGES / 16; i++)
		zoo_fill(block + i * 16 * ZOO_PAGE, 16 * ZOO_PAGE, i);
	zoo_ready();
	while (zoo_running())
		zoo_filled(block, 16 * ZOO_PAGE, 0, "first pages");

	generation(0);
	pid = fork();
	if (pid == 0)
		exec_self();
	zoo_wait_child(pid, "fork and exec");
	pid = vfork();
	if (pid == 0)
		exec_self();
	zoo_wait_child(pid, "vfork and exec");
	zoo_check(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, spawn_argv,
			      environ) == 0,
		  "posix_spawn");
	zoo_wait_child(pid, "posix_spawn");
	zoo_check(system("exit 0") == 0, "system()");
	return zoo_end();
}

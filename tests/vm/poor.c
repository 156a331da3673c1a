/* SPDX-License-Identifier: MIT */
/* poor.c - see poor.h */
#include "tests/vm/poor.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY	   65534
#define AREA_WORDS ((24ul << 20) / sizeof(uint64_t))
#define BSS_WORDS  ((1ul << 20) / sizeof(uint64_t))

static uint64_t bss[BSS_WORDS];
static uint64_t *area;

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static void fill(uint64_t *words, size_t nr, uint64_t seed)
{
	for (size_t i = 0; i < nr; i++)
		words[i] = (i + seed) * 0x9e3779b97f4a7c15ull;
}

static int is_filled(const uint64_t *words, size_t nr, uint64_t seed)
{
	for (size_t i = 0; i < nr; i++)
		if (words[i] != (i + seed) * 0x9e3779b97f4a7c15ull)
			return 0;
	return 1;
}

static void set_limit(int resource, rlim_t most)
{
	const struct rlimit limit = {most, most};

	(void)setrlimit(resource, &limit);
}

/* read, write and exit_group; rt_sigreturn, as its image must come back. */
static void allow_little(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof(filter) / sizeof(*filter),
					   filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		die("seccomp");
}

/* 'w' and a seed: write; 'c' and a seed: is it there?  Answers 'y' or 'n'. */
static void serve(void)
{
	uint8_t asked[2];

	while (read(0, asked, 2) == 2) {
		int is_right = 1;

		if (asked[0] == 'w') {
			fill(area, AREA_WORDS, asked[1]);
			fill(bss, BSS_WORDS, asked[1]);
		} else {
			is_right = is_filled(area, AREA_WORDS, asked[1]) &&
				   is_filled(bss, BSS_WORDS, asked[1]);
		}
		(void)!write(1, is_right ? "y" : "n", 1);
	}
}

static void live(int asks_fd, int says_fd)
{
	(void)dup2(asks_fd, 0);
	(void)dup2(says_fd, 1);
	(void)syscall(SYS_close_range, 2, ~0u, 0);
	area = mmap(NULL, AREA_WORDS * sizeof(*area), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		_exit(EXIT_FAILURE);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	set_limit(RLIMIT_NOFILE, 3);
	set_limit(RLIMIT_MEMLOCK, 0);
	allow_little();
	serve();
	_exit(EXIT_SUCCESS);
}

static void ask(struct poor *poor, char what, uint8_t seed)
{
	const uint8_t asked[2] = {(uint8_t)what, seed};
	char says = 'n';

	if (write(poor->asks_fd, asked, 2) != 2 ||
	    read(poor->says_fd, &says, 1) != 1 || says != 'y') {
		(void)printf("wrong: the parent is not well\n");
		exit(EXIT_FAILURE);
	}
}

void poor_start(struct poor *poor)
{
	int asks[2], says[2];

	if (pipe(asks) || pipe(says))
		die("pipe");
	poor->pid = fork();
	if (poor->pid == 0)
		live(asks[0], says[1]);
	(void)close(asks[0]);
	(void)close(says[1]);
	poor->asks_fd = asks[1];
	poor->says_fd = says[0];
	ask(poor, 'w', 1);
}

void poor_rewrite(struct poor *poor)
{
	ask(poor, 'w', 2);
}

void poor_check(struct poor *poor)
{
	ask(poor, 'c', 2);
}

void poor_end(struct poor *poor)
{
	if (!poor->pid)
		return;
	(void)close(poor->asks_fd);
	(void)close(poor->says_fd);
	(void)kill(poor->pid, SIGKILL);
	(void)waitpid(poor->pid, NULL, 0);
}

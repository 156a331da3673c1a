/* SPDX-License-Identifier: MIT */
#include "victim.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int failures;

void victim_checkpoint(void)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);

	if (fcntl(VICTIM_NOTICE_FD, F_GETFD) < 0)
		return;
	if (write(VICTIM_NOTICE_FD, &tid, sizeof(tid)) != sizeof(tid))
		_exit(126);
	(void)syscall(SYS_tgkill, getpid(), tid, SIGSTOP);
}

void victim_check(bool right, const char *what)
{
	if (right)
		return;
	__atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);
	(void)fprintf(stderr, "victim: wrong: %s\n", what);
}

int victim_failures(void)
{
	return failures;
}

unsigned char *victim_pages(size_t pages, unsigned char byte)
{
	unsigned char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(126);
	memset(p, byte, pages * PAGE);
	return p;
}

bool victim_is(const void *p, size_t len, unsigned char byte)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < len; i++)
		if (b[i] != byte)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	const struct victim *const families[] = {victims_drop, victims_remap,
						 victims_alloc, victims_many};

	if (argc < 2)
		return 126;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		for (const struct victim *v = families[i]; v->name; v++)
			if (!strcmp(v->name, argv[1]))
				return v->run();
	return 126;
}

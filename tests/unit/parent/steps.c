/* SPDX-License-Identifier: MIT */
#include "tests/unit/parent/steps.h"

#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void (*steps_hook)(unsigned step);
static unsigned steps;

static void step(void)
{
	if (steps_hook)
		steps_hook(++steps);
}

void steps_begin(void (*hook)(unsigned step))
{
	steps = 0;
	steps_hook = hook;
}

long __real_ptrace(enum __ptrace_request request, pid_t pid, void *addr,
		   void *data);
long __wrap_ptrace(enum __ptrace_request request, pid_t pid, void *addr,
		   void *data);
int __real_waitid(idtype_t type, id_t id, siginfo_t *info, int options);
int __wrap_waitid(idtype_t type, id_t id, siginfo_t *info, int options);
ssize_t __real_pwrite64(int fd, const void *buf, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t at);

long __wrap_ptrace(enum __ptrace_request request, pid_t pid, void *addr,
		   void *data)
{
	step();
	return __real_ptrace(request, pid, addr, data);
}

int __wrap_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	step();
	return __real_waitid(type, id, info, options);
}

ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t at)
{
	step();
	return __real_pwrite64(fd, buf, len, at);
}

/* SPDX-License-Identifier: MIT */
/*
 * zoo_identity.c - what a process can learn about itself stays true
 *
 * pid and tid, /proc/self, auxv, the vdso, the restartable-sequence area,
 * credentials, limits, the program's name, and that it wants no
 * huge pages.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/rseq.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

struct identity {
	pid_t pid, tid;
	uid_t uid;
	gid_t gid;
	unsigned long vdso, page_bytes;
	char exe[PATH_MAX], cmdline[PATH_MAX], comm[16], environ[65536];
};

static struct identity before, now;

static size_t slurp(const char *path, char *buf, size_t room)
{
	FILE *file = fopen(path, "re");
	size_t len;

	zoo_call(file, path);
	len = fread(buf, 1, room, file);
	(void)fclose(file);
	return len;
}

static void learn(struct identity *me)
{
	memset(me, 0, sizeof(*me));
	me->pid = getpid();
	me->tid = gettid();
	me->uid = geteuid();
	me->gid = getegid();
	me->vdso = getauxval(AT_SYSINFO_EHDR);
	me->page_bytes = getauxval(AT_PAGESZ);
	zoo_call(readlink("/proc/self/exe", me->exe, sizeof(me->exe) - 1) > 0,
		 "/proc/self/exe");
	(void)slurp("/proc/self/cmdline", me->cmdline, sizeof(me->cmdline));
	(void)slurp("/proc/self/environ", me->environ, sizeof(me->environ));
	(void)prctl(PR_GET_NAME, me->comm);
}

static void compare(void)
{
	learn(&now);
	zoo_check(now.pid == before.pid, "pid %d, not %d", now.pid, before.pid);
	zoo_check(now.tid == before.tid, "tid %d, not %d", now.tid, before.tid);
	zoo_check(now.uid == before.uid && now.gid == before.gid,
		  "other credentials: %u, %u", now.uid, now.gid);
	zoo_check(now.vdso == before.vdso && now.page_bytes == ZOO_PAGE,
		  "another auxv");
	zoo_check(!memcmp((void *)now.vdso, "\177ELF", 4),
		  "no vdso where auxv says");
	zoo_check(!strcmp(now.exe, before.exe), "exe is %s", now.exe);
	zoo_check(!memcmp(now.cmdline, before.cmdline, sizeof(now.cmdline)),
		  "cmdline starts %s", now.cmdline);
	zoo_check(!memcmp(now.environ, before.environ, sizeof(now.environ)),
		  "another environ");
	zoo_check(!strcmp(now.comm, before.comm), "comm is %s", now.comm);
}

/* The kernel keeps the CPU number in the area that glibc registered. */
static void check_rseq(void)
{
	const volatile struct rseq *area =
		(void *)((char *)__builtin_thread_pointer() + __rseq_offset);
	unsigned cpu;

	if (__rseq_size == 0)
		return;
	for (int i = 0; i < 1000; i++) {
		zoo_call(getcpu(&cpu, NULL) == 0, "getcpu");
		if (area->cpu_id == cpu)
			return;
	}
	zoo_fail("the rseq area says CPU %d, not %u", (int)area->cpu_id, cpu);
}

static void check_clock(void)
{
	uint64_t last = zoo_now_ns();

	for (int i = 0; i < 1000; i++) {
		uint64_t t = zoo_now_ns();

		zoo_check(t >= last, "the clock went back by %lu ns", last - t);
		last = t;
	}
}

/* The map that the kernel labels @label holds @place. */
static void check_label(const char *label, const void *place)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512];
	bool found = false;

	zoo_call(maps, "/proc/self/maps");
	while (fgets(line, sizeof(line), maps))
		found |= strstr(line, label) &&
			 sscanf(line, "%lx-%lx", &start, &end) == 2 &&
			 (uintptr_t)place >= start && (uintptr_t)place < end;
	(void)fclose(maps);
	zoo_check(found, "no map %s with %p", label, place);
}

static void check_huge_pages(void)
{
	long off = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0);

	zoo_check(off == 1 || (off < 0 && errno == EINVAL),
		  "huge pages are on again");
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	char here = 0;

	zoo_start(argc, argv);
	(void)prctl(PR_SET_NAME, "who am I");
	(void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	learn(&before);
	zoo_ready();
	while (zoo_running()) {
		compare();
		check_rseq();
		check_clock();
	}
	compare();
	check_huge_pages();
	check_label("[stack]", &here);
	check_label("[vdso]", (void *)now.vdso);
	zoo_call(getrlimit(RLIMIT_STACK, &limit) == 0, "getrlimit");
	zoo_check(limit.rlim_cur >= 1 << 20, "the stack's limit is %lu",
		  limit.rlim_cur);
	return zoo_end();
}

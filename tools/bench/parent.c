/* SPDX-License-Identifier: MIT */
/*
 * parent.c - "mitosis-bench-parent MIB": what parent.py is, in C
 *
 * The same commands and answers; see there.  One anonymous area, page by page.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FORKS_MAX  1024
#define PAGE_WORDS (4096 / sizeof(uint64_t))
#define WORK_PAGES 2048 /* at most: 8 MiB */
#define SORTED	   10000

static uint64_t *heap;
static size_t nr_pages;
static uint64_t *ground; /* what touch touches: the heap, or a floor */
static pthread_t spinner;
static volatile bool spinning;
static uint64_t gap_ns;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void say(const char *word, uint64_t number)
{
	(void)dprintf(STDOUT_FILENO, "%s %lu\n", word, number);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t work(void)
{
	static uint64_t sorted[SORTED];
	size_t pages = nr_pages < WORK_PAGES ? nr_pages : WORK_PAGES;
	uint64_t sum = 0;

	for (size_t i = 0; i < pages * PAGE_WORDS; i++)
		sum += heap[i];
	for (size_t i = 0; i < SORTED; i++)
		sorted[i] = (i * 7919 + sum) % 10007;
	qsort(sorted, SORTED, sizeof(*sorted), compare);
	return sum + sorted[SORTED / 2];
}

static uint64_t read_all(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < nr_pages; i++)
		sum += heap[i * PAGE_WORDS];
	return sum;
}

/* The page after @at, in an order that visits each of 2^@bits once. */
static size_t next_at_random(size_t at, unsigned bits)
{
	return (at * 1664525 + 1013904223) & (((size_t)1 << bits) - 1);
}

static uint64_t touch_page(size_t page, bool writes)
{
	volatile uint64_t *word = &ground[page * PAGE_WORDS];
	uint64_t value = *word;

	if (writes)
		*word = value;
	return value;
}

/* So many percent of the pages: the first ones, or any, each once. */
static uint64_t touch(unsigned percent, bool is_random, bool writes)
{
	size_t left = nr_pages * percent / 100, at = 0, page;
	unsigned bits = 1;
	uint64_t sum = 0;

	while (((size_t)1 << bits) < nr_pages)
		bits++;
	for (; left; at = is_random ? next_at_random(at, bits) : at + 1) {
		/* The low bits of such a row alone have a short period. */
		page = is_random ? at ^ (at >> (bits + 1) / 2) : at;
		if (page >= nr_pages)
			continue;
		sum += touch_page(page, writes);
		left--;
	}
	return sum;
}

/* What touch touches from now on. */
static void lay(const char *what)
{
	static int file = -1;

	if (ground != heap)
		(void)munmap(ground, nr_pages * 4096);
	ground = heap;
	if (!strcmp(what, "heap"))
		return;
	if (file < 0) {
		file = memfd_create("floor", MFD_CLOEXEC);
		for (size_t i = 0; i < nr_pages; i++)
			if (write(file, heap + i * PAGE_WORDS, 4096) != 4096)
				exit(1);
	}
	ground = mmap(NULL, nr_pages * 4096, PROT_READ | PROT_WRITE,
		      strcmp(what, "file") ? MAP_PRIVATE | MAP_ANONYMOUS
					   : MAP_PRIVATE,
		      strcmp(what, "file") ? -1 : file, 0);
	if (ground == MAP_FAILED)
		exit(1);
}

static void *watch_clock(void *arg)
{
	uint64_t last = now_ns();

	while (spinning) {
		uint64_t this = now_ns();

		if (this - last > gap_ns)
			gap_ns = this - last;
		last = this;
	}
	return arg;
}

static void spin(void)
{
	spinning = true;
	gap_ns = 0;
	(void)pthread_create(&spinner, NULL, watch_clock, NULL);
	(void)usleep(20000);
	gap_ns = 0; /* the thread's own start is not a pause */
	(void)puts("spinning");
}

static void take_over(const char *path, int flags, int fd)
{
	int opened = open(path, flags);

	if (opened < 0 || dup2(opened, fd) < 0)
		_exit(1);
	(void)close(opened);
}

static void do_fork(const char *in, const char *out)
{
	uint64_t start = now_ns();
	pid_t pid = fork();
	uint64_t end = now_ns();

	if (pid) {
		(void)dprintf(STDOUT_FILENO, "forked %d %lu %lu\n", pid, start,
			      end - start);
		return;
	}
	take_over(in, O_RDONLY, STDIN_FILENO);
	take_over(out, O_WRONLY, STDOUT_FILENO);
	say("first", end);
}

struct forked {
	pid_t pid;
	int to, from;
};

/* Of this process and of the children that it has waited for. */
static uint64_t cpu_ns(void)
{
	uint64_t us = 0;

	for (int who = RUSAGE_CHILDREN; who <= RUSAGE_SELF; who++) {
		struct rusage usage;

		(void)getrusage(who, &usage);
		us += (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) *
			      1000000ull +
		      usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
	}
	return us * 1000;
}

/* True in the child, which goes on with pipes for stdin and stdout. */
static bool fork_on_pipes(struct forked *ret)
{
	int requests[2], answers[2];

	if (pipe(requests) < 0 || pipe(answers) < 0)
		exit(1);
	ret->pid = fork();
	if (ret->pid < 0)
		exit(1);
	if (!ret->pid) {
		(void)dup2(requests[0], STDIN_FILENO);
		(void)dup2(answers[1], STDOUT_FILENO);
		(void)close_range(3, ~0u, 0);
		return true;
	}
	(void)close(requests[0]);
	(void)close(answers[1]);
	ret->to = requests[1];
	ret->from = answers[0];
	return false;
}

static void hear_and_reap(const struct forked *child)
{
	char answer[256];

	if (read(child->from, answer, sizeof(answer)) <= 0)
		exit(1);
	(void)close(child->from);
	(void)waitpid(child->pid, NULL, 0);
}

/* One wave; true in a child of it. */
static bool fork_wave(unsigned at_once, const char *request)
{
	static struct forked children[FORKS_MAX];

	for (unsigned i = 0; i < at_once; i++) {
		if (fork_on_pipes(&children[i]))
			return true;
		(void)dprintf(children[i].to, "%s\n", request);
		(void)close(children[i].to);
	}
	for (unsigned i = 0; i < at_once; i++)
		hear_and_reap(&children[i]);
	return false;
}

static void do_forks(unsigned total, unsigned at_once, const char *request)
{
	uint64_t start = now_ns(), cpu = cpu_ns();

	if (!at_once || at_once > FORKS_MAX)
		exit(1);
	for (unsigned i = 0; i < total / at_once; i++)
		if (fork_wave(at_once, request))
			return;
	(void)dprintf(STDOUT_FILENO, "forks %lu %lu\n", now_ns() - start,
		      cpu_ns() - cpu);
}

/* Unbuffered: what stdin is may change between two lines. */
static bool read_line(char *line, size_t room)
{
	for (size_t len = 0; len + 1 < room; len++) {
		if (read(STDIN_FILENO, line + len, 1) != 1)
			return false;
		if (line[len] == '\n') {
			line[len] = '\0';
			return true;
		}
	}
	return false;
}

static void answer(const char *command, char *first, const char *second,
		   const char *third)
{
	if (!strcmp(command, "ping")) {
		(void)puts("pong");
	} else if (!strcmp(command, "work")) {
		say("work", work());
	} else if (!strcmp(command, "readall")) {
		say("read", read_all());
	} else if (!strcmp(command, "touch")) {
		say("touched",
		    touch((unsigned)atoi(first), !strcmp(second, "random"),
			  !strcmp(third, "write")));
	} else if (!strcmp(command, "lay")) {
		lay(first);
		(void)puts("laid");
	} else if (!strcmp(command, "spin")) {
		spin();
	} else if (!strcmp(command, "gap")) {
		spinning = false;
		(void)pthread_join(spinner, NULL);
		say("gap", gap_ns);
	} else if (!strcmp(command, "fork")) {
		do_fork(first, second);
	} else if (!strcmp(command, "forks")) {
		do_forks((unsigned)atoi(first), (unsigned)atoi(second), third);
	} else if (!strcmp(command, "reap")) {
		(void)kill(atoi(first), SIGKILL);
		(void)waitpid(atoi(first), NULL, 0);
		(void)puts("reaped");
	} else {
		exit(0);
	}
}

int main(int argc, char **argv)
{
	char line[8448], command[16], first[4096], second[4096], third[16];

	if (argc != 2)
		return 2;
	(void)setvbuf(stdout, NULL, _IONBF, 0);
	nr_pages = (size_t)atoi(argv[1]) << 8;
	if (nr_pages) /* else a hello world */
		heap = mmap(NULL, nr_pages * 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (heap == MAP_FAILED)
		return 1;
	ground = heap;
	for (size_t i = 0; i < nr_pages; i++)
		heap[i * PAGE_WORDS] = i * 2654435761u;
	(void)puts("ready");
	while (read_line(line, sizeof(line))) {
		command[0] = first[0] = second[0] = third[0] = '\0';
		(void)sscanf(line, "%15s %4095s %4095s %15s", command, first,
			     second, third);
		answer(command, first, second, third);
	}
	return 0;
}

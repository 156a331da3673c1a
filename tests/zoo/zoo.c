/* SPDX-License-Identifier: MIT */
#include "tests/zoo/zoo.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_NS (300 * 1000000000ull)

static const char *name, *dir;
static char go_path[PATH_MAX];
static uint64_t deadline_ns;
/* Our own buffer: stdio must not move the heap while a test watches it. */
static char stdout_buffer[BUFSIZ];

void zoo_start(int argc, char **argv)
{
	name = argv[0];
	dir = argc == 2 ? argv[1] : NULL;
	(void)setvbuf(stdout, stdout_buffer, _IOLBF, sizeof(stdout_buffer));
	zoo_check(dir, "usage: %s DIR", name);
	zoo_check((size_t)snprintf(go_path, sizeof(go_path), "%s/go", dir) <
			  sizeof(go_path),
		  "the directory's name is too long");
	deadline_ns = zoo_now_ns() + PATIENCE_NS;
}

const char *zoo_dir(void)
{
	return dir;
}

void zoo_ready(void)
{
	(void)puts("ready");
}

bool zoo_running(void)
{
	if (access(go_path, F_OK) == 0)
		return false;
	zoo_check(zoo_now_ns() < deadline_ns, "nobody said go");
	return true;
}

int zoo_end(void)
{
	pid_t pid = waitpid(-1, NULL, WNOHANG | __WALL);

	zoo_check(pid == -1 && errno == ECHILD,
		  "a child that this program never made: %d", pid);
	(void)puts("ok");
	return 0;
}

void zoo_fail(const char *format, ...)
{
	char line[512];
	int len = snprintf(line, sizeof(line), "fail: ");
	va_list args;

	va_start(args, format);
	len += vsnprintf(line + len, sizeof(line) - len - 1, format, args);
	va_end(args);
	if (len > (int)sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	(void)!write(STDOUT_FILENO, line, len);
	_exit(1);
}

const char *zoo_errno_words(void)
{
	return strerror(errno);
}

void *zoo_map(size_t bytes)
{
	void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	zoo_call(block != MAP_FAILED, "mmap");
	return block;
}

static uint64_t pattern(uint64_t seed, size_t place)
{
	uint64_t word = (seed + 1) * 0x9e3779b97f4a7c15ull +
			place * 0xbf58476d1ce4e5b9ull;

	return word ^ word >> 29;
}

void zoo_fill(void *block, size_t bytes, uint64_t seed)
{
	uint64_t *words = block;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = pattern(seed, i);
}

void zoo_filled(const void *block, size_t bytes, uint64_t seed,
		const char *what)
{
	const uint64_t *words = block;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		zoo_check(words[i] == pattern(seed, i),
			  "%s: byte %zu of %zu at %p holds %#lx, not %#lx",
			  what, i * sizeof(*words), bytes, (void *)&words[i],
			  words[i], pattern(seed, i));
}

void zoo_zero(const void *block, size_t bytes, const char *what)
{
	const uint8_t *b = block;

	for (size_t i = 0; i < bytes; i++)
		zoo_check(b[i] == 0, "%s: byte %zu of %zu at %p is %#x, not 0",
			  what, i, bytes, (void *)&b[i], b[i]);
}

uint64_t zoo_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

uint64_t zoo_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

void zoo_sleep_ms(unsigned ms)
{
	struct timespec left = {ms / 1000, ms % 1000 * 1000000l};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

pthread_t zoo_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, run, arg);

	zoo_check(!error, "pthread_create: %s", strerror(error));
	return thread;
}

void *zoo_join(pthread_t thread)
{
	void *result;
	int error = pthread_join(thread, &result);

	zoo_check(!error, "pthread_join: %s", strerror(error));
	return result;
}

void zoo_wait_child(pid_t pid, const char *what)
{
	int status;

	zoo_call(pid > 0, what);
	zoo_call(waitpid(pid, &status, 0) == pid, "waitpid");
	zoo_check(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		  "%s: wait status %#x", what, status);
}

/* SPDX-License-Identifier: MIT */
/*
 * zoo_stack.c - imaged deep in a recursion, goes deeper, and comes back
 *
 * The frames above must be as they were, the stack must grow on demand to its
 * old limit, and glibc must still find its bounds.
 */
#include <string.h>

#include "tests/zoo/zoo.h"

enum {
	FRAME_BYTES = 4096,
	DEPTH_AT_IMAGE = 200,
	DEPTH_AFTER = 1600, /* 6.4 MiB of the usual 8 */
};

static size_t stack_bytes(void)
{
	pthread_attr_t attr;
	void *base;
	size_t bytes;

	zoo_check(pthread_getattr_np(pthread_self(), &attr) == 0,
		  "pthread_getattr_np");
	zoo_check(pthread_attr_getstack(&attr, &base, &bytes) == 0,
		  "pthread_attr_getstack");
	(void)pthread_attr_destroy(&attr);
	return bytes;
}

/* Put a known frame on the stack @depth times, run @bottom, check each frame.
 */
static void __attribute__((noinline))
recurse(unsigned depth, void (*bottom)(void))
{
	uint64_t frame[FRAME_BYTES / sizeof(uint64_t)];

	zoo_fill(frame, sizeof(frame), depth);
	__asm__ volatile("" : : "r"(frame) : "memory");
	if (depth)
		recurse(depth - 1, bottom);
	else
		bottom();
	zoo_filled(frame, sizeof(frame), depth, "stack frame");
}

static void nothing(void)
{
}

static void live(void)
{
	size_t bytes = stack_bytes();

	zoo_ready();
	while (zoo_running())
		recurse(20, nothing);
	recurse(DEPTH_AFTER, nothing);
	/* The main stack's size is its limit, rounded by where it begins. */
	zoo_check(stack_bytes() + (1 << 20) > bytes,
		  "the stack shrank from %zu to %zu bytes", bytes,
		  stack_bytes());
}

static void *thread(void *arg)
{
	recurse(DEPTH_AT_IMAGE, live);
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t second;

	zoo_start(argc, argv);
	second = zoo_thread(thread, NULL);
	recurse(DEPTH_AT_IMAGE, live);
	(void)zoo_join(second);
	return zoo_end();
}

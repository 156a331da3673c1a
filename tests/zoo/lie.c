/* SPDX-License-Identifier: MIT */
/*
 * lie.c - a library to preload that makes MADV_DONTNEED forget to drop
 *
 * With it the zoo must fail: it shows that the programs would notice a child
 * whose dropped pages come back with their old bytes.  The first calls are
 * honest, as they are in the parent: jemalloc tries the call when it starts.
 */
#include <dlfcn.h>
#include <sys/mman.h>

#define HONEST_CALLS 20

int madvise(void *start, size_t bytes, int advice)
{
	static int (*real)(void *, size_t, int);
	static int calls;

	if (!real)
		real = (int (*)(void *, size_t, int))dlsym(RTLD_NEXT,
							   "madvise");
	if (advice == MADV_DONTNEED &&
	    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED) >= HONEST_CALLS)
		advice = MADV_NORMAL;
	return real(start, bytes, advice);
}

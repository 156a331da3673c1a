/* SPDX-License-Identifier: MIT */
#include "parent/cpus.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct mask {
	uint8_t bits[IMAGE_CPUS_BYTES_MAX];
	uint32_t bytes; /* up to the last that is not 0; 0: not known */
};

static void read_mask(pid_t tid, struct mask *mask)
{
	long got = syscall(SYS_sched_getaffinity, tid, sizeof(mask->bits),
			   mask->bits);

	while (got > 0 && !mask->bits[got - 1])
		got--;
	mask->bytes = got > 0 ? (uint32_t)got : 0;
}

int cpus_take(pid_t tid, struct image_thread *thread)
{
	struct mask mask;

	read_mask(tid, &mask);
	if (!mask.bytes)
		return 0;
	thread->cpus = malloc(mask.bytes);
	if (!thread->cpus)
		return -ENOMEM;
	memcpy(thread->cpus, mask.bits, mask.bytes);
	thread->cpus_bytes = mask.bytes;
	return 0;
}

static bool is_bound(const struct image_thread *thread, const struct mask *all)
{
	return all->bytes && (thread->cpus_bytes != all->bytes ||
			      memcmp(thread->cpus, all->bits, all->bytes));
}

void cpus_settle(pid_t twin, struct image *image)
{
	struct mask all;

	read_mask(twin, &all);
	for (uint32_t i = 0; i < image->nr_threads; i++) {
		struct image_thread *thread = &image->threads[i];

		if (is_bound(thread, &all))
			continue;
		free(thread->cpus);
		thread->cpus = NULL;
		thread->cpus_bytes = 0;
	}
}

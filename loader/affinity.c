/* SPDX-License-Identifier: MIT */
#include "loader/affinity.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void affinity_read(struct affinity *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (syscall(SYS_sched_getaffinity, 0, sizeof(ret->cpus), ret->cpus) < 0)
		memset(ret, 0, sizeof(*ret));
}

static bool are_bound_alike(const struct image *image)
{
	const struct image_thread *first = &image->threads[0];

	for (uint32_t i = 1; i < image->nr_threads; i++) {
		const struct image_thread *thread = &image->threads[i];

		if (thread->cpus_bytes != first->cpus_bytes ||
		    (first->cpus_bytes &&
		     memcmp(thread->cpus, first->cpus, first->cpus_bytes)))
			return false;
	}
	return true;
}

uint32_t affinity_of(const struct image *image, uint32_t i,
		     const struct affinity *own, bool same_host,
		     struct affinity *ret)
{
	const struct image_thread *thread = &image->threads[i];
	uint32_t bytes = 0;

	if (!thread->cpus_bytes || (!same_host && are_bound_alike(image)))
		return 0;
	for (uint32_t k = 0; k < thread->cpus_bytes; k++) {
		ret->cpus[k] = thread->cpus[k] & own->cpus[k];
		if (ret->cpus[k])
			bytes = k + 1;
	}
	return bytes;
}

/* SPDX-License-Identifier: MIT */
/*
 * phases.c - a table of times in shared memory
 *
 * CLOCK_REALTIME, which is one for all time namespaces.
 */
#include "loader/phases.h"

#include <stddef.h>
#include <sys/mman.h>

#include "common/io.h"

struct times {
	uint64_t began_ns, over_ns[PHASES];
};

static struct times *times;

void phases_begin(uint64_t began_ns)
{
	void *page = mmap(NULL, sizeof(*times), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (page == MAP_FAILED)
		return;
	times = page;
	times->began_ns = io_realtime_ns() - (io_monotonic_ns() - began_ns);
}

void phases_mark(enum phase phase)
{
	if (times && !times->over_ns[phase])
		times->over_ns[phase] = io_realtime_ns();
}

uint64_t phases_us(enum phase phase)
{
	return times && times->over_ns[phase]
		       ? (times->over_ns[phase] - times->began_ns) / 1000
		       : 0;
}

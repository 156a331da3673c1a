/* SPDX-License-Identifier: MIT */
#include "tools/bench/eager.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "common/say.h"
#include "tools/bench/bulk.h"
#include "tools/bench/pace.h"

enum who { OURS, TO_FILE, TO_BUFFER, WHO_END };

struct measured {
	struct pace paces[WHO_END];
	uint64_t bytes;
};

/*
 * The host of a virtual machine takes back memory that is free, and then a
 * first touch of it costs 20 times as much, whoever's turn it is.  So all have
 * it before each turn: what is kept, what is sent, and as much again.
 */
static void have_memory(const struct options *options)
{
	size_t bytes = ((size_t)options->parent.mib << 20) * 3;
	struct sysinfo info;
	void *memory;

	if (sysinfo(&info) || bytes > info.freeram * info.mem_unit / 2)
		return;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return;
	(void)madvise(memory, bytes, MADV_HUGEPAGE);
	(void)madvise(memory, bytes, MADV_POPULATE_WRITE);
	(void)munmap(memory, bytes);
}

static int measure_ours(struct bench *bench, struct measured *measured)
{
	uint64_t eager_us = 0, pages = 0;
	int error = bench_take_image(bench);

	if (!error)
		error = host_status(bench->host, "eager_us", &eager_us);
	if (!error)
		error = host_status(bench->host, "pages_here", &pages);
	if (error)
		return error;
	stats_add(&measured->paces[OURS].took_ns, eager_us * 1000);
	measured->bytes = pages << PAGE_SHIFT;
	return 0;
}

static void report(const struct options *options,
		   const struct measured *measured)
{
	const struct pace_table table = {
		.benchmark = "eager",
		.paces = measured->paces,
		.nr = WHO_END,
		.reference = TO_FILE,
		.bytes = measured->bytes,
	};

	pace_report(options, &table);
}

static struct measured *new_measured(void)
{
	static const struct pace paces[WHO_END] = {
		[OURS] = {"mitosisfs", "mitosisfs, mode=eager", {0}},
		[TO_FILE] = {"socket_to_file", "socket, kept in a file", {0}},
		[TO_BUFFER] = {"socket_to_buffer", "socket, thrown away", {0}},
	};
	struct measured *measured = calloc(1, sizeof(*measured));

	if (measured)
		memcpy(measured->paces, paces, sizeof(paces));
	return measured;
}

int eager_measure(struct bench *bench)
{
	struct measured *measured CLEANUP_FREE = new_measured();
	int error = measured ? 0 : -ENOMEM;

	for (unsigned i = 0; !error && i < bench->options->runs; i++) {
		int drop_error;

		have_memory(bench->options);
		error = measure_ours(bench, measured);
		drop_error = host_drop(bench->host);
		have_memory(bench->options);
		if (!error)
			error = drop_error;
		if (!error)
			error = bulk_copy_both(
				measured->bytes, bench->options->delay_us,
				&measured->paces[TO_FILE].took_ns,
				&measured->paces[TO_BUFFER].took_ns);
	}
	if (!error)
		report(bench->options, measured);
	return error;
}

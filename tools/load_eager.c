/* SPDX-License-Identifier: MIT */
#include "tools/load_eager.h"

#include <unistd.h>

#include "common/io.h"
#include "common/progress.h"
#include "loader/eager.h"

struct bringing {
	struct progress progress;
	struct progress_show show;
	uint64_t start_ns;
};

static void tell_progress(void *arg, uint64_t done_bytes, uint64_t all_bytes)
{
	struct bringing *bringing = arg;

	bringing->progress.done_bytes = done_bytes;
	bringing->progress.all_bytes = all_bytes;
	bringing->progress.took_ns = io_monotonic_ns() - bringing->start_ns;
	progress_tell(&bringing->show, &bringing->progress, false);
}

int load_eager(const struct load *load, struct why *why)
{
	struct bringing bringing = {
		.progress = {.what = load->dir->path, .state = "running"},
		.show = progress_to(STDERR_FILENO),
		.start_ns = io_monotonic_ns(),
	};
	const struct eager_watch watch = {tell_progress, &bringing};
	int error = eager_bring(load->dir, &watch, why);

	bringing.progress.state = error ? "failed" : "complete";
	progress_tell(&bringing.show, &bringing.progress, true);
	return error;
}

/* SPDX-License-Identifier: MIT */
/*
 * inplace-run MODE [--preload LIB] PROGRAM ARGS...: one victim, by hand.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "inplace.h"

static int mode_of(const char *name)
{
	static const char *const names[] = {"native", "bare", "guarded",
					    "traced", "stopped"};

	for (int i = 0; i < 5; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

int main(int argc, char **argv)
{
	struct inplace run = {.timeout_s = 120};
	int mode = argc > 2 ? mode_of(argv[1]) : -1;
	const struct guard_stats *s = &run.stats;
	int first = 2, r;

	if (argc > 4 && !strcmp(argv[2], "--preload")) {
		run.preload = argv[3];
		first = 4;
	}
	if (mode < 0) {
		(void)fprintf(stderr,
			      "inplace-run native|bare|guarded|traced|stopped "
			      "[--preload LIB] PROGRAM ARGS...\n");
		return 2;
	}
	run.mode = (enum inplace_mode)mode;
	r = inplace_run(&run, argv + first);
	(void)fprintf(stderr,
		      "inplace-run: %d, status %#x, calls %lu continued %lu "
		      "replaced %lu zero-filled %lu moved %lu failed %lu "
		      "gone %lu\n",
		      r, (unsigned)run.status, s->calls, s->continued,
		      s->replaced, s->zero_filled, s->moved, s->failed,
		      s->gone);
	return r || run.status;
}

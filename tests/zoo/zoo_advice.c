/* SPDX-License-Identifier: MIT */
/*
 * zoo_advice.c - areas that fork treats in a way of their own
 *
 * MADV_DONTFORK memory is in the image (some runtimes keep their whole heap so)
 * and MADV_WIPEONFORK memory is wiped in the child, as in any fork; both stay
 * what they are for later forks.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

enum {
	BYTES = 64 * ZOO_PAGE,
};

static char *kept_out, *wiped;

/* All as filled (here), or all zero (in a child): never a mixture. */
static void check_wiped_or_whole(void)
{
	if (*(uint64_t *)wiped == 0)
		zoo_zero(wiped, BYTES, "wiped area");
	else
		zoo_filled(wiped, BYTES, 2, "area to wipe in a fork");
}

static void in_fork(void)
{
	unsigned char residency[BYTES / ZOO_PAGE];

	zoo_zero(wiped, BYTES, "wiped area in a fork");
	zoo_check(mincore(kept_out, BYTES, residency) == -1 && errno == ENOMEM,
		  "an area kept out of forks is in a fork");
	_exit(0);
}

int main(int argc, char **argv)
{
	pid_t pid;

	zoo_start(argc, argv);
	kept_out = zoo_map(BYTES);
	wiped = zoo_map(BYTES);
	zoo_fill(kept_out, BYTES, 1);
	zoo_fill(wiped, BYTES, 2);
	zoo_call(madvise(kept_out, BYTES, MADV_DONTFORK) == 0, "MADV_DONTFORK");
	zoo_call(madvise(wiped, BYTES, MADV_WIPEONFORK) == 0,
		 "MADV_WIPEONFORK");
	zoo_ready();
	/* The other area may be wiped at any moment, so it is looked at later.
	 */
	while (zoo_running())
		zoo_filled(kept_out, BYTES, 1, "area kept out of forks");
	zoo_filled(kept_out, BYTES, 1, "area kept out of forks");
	check_wiped_or_whole();
	zoo_fill(wiped, BYTES, 3);
	pid = fork();
	if (pid == 0)
		in_fork();
	zoo_wait_child(pid, "fork with special areas");
	zoo_filled(wiped, BYTES, 3, "area to wipe, after the fork");
	zoo_call(madvise(kept_out, BYTES, MADV_DOFORK) == 0, "MADV_DOFORK");
	pid = fork();
	if (pid == 0) {
		zoo_filled(kept_out, BYTES, 1, "area forked after all");
		_exit(0);
	}
	zoo_wait_child(pid, "fork after MADV_DOFORK");
	return zoo_end();
}

/* SPDX-License-Identifier: MIT */
/*
 * zoo_advice.c - areas that fork treats in a way of their own
 *
 * MADV_DONTFORK memory is in the image (some runtimes keep their whole heap so)
 * and MADV_WIPEONFORK memory is wiped in the child, as in any fork; both stay
 * what they are for later forks.  What the kernel was told about the order of
 * looks (MADV_RANDOM, MADV_SEQUENTIAL) it is told again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

enum {
	BYTES = 64 * ZOO_PAGE,
};

static char *kept_out, *kept_in, *wiped, *random_order, *swept;

/* Whether the area that begins at @area has @letters among its VmFlags. */
static bool has_flag(const char *area, const char *letters)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[512], flag[8];
	uintptr_t start, end;
	bool inside = false, found = false;

	zoo_call(smaps != NULL, "opening smaps");
	(void)snprintf(flag, sizeof(flag), " %s ", letters);
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &start, &end) == 2)
			inside = start == (uintptr_t)area;
		else if (inside && !strncmp(line, "VmFlags:", 8))
			found = strstr(line, flag) != NULL;
	}
	(void)fclose(smaps);
	return found;
}

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

/* A drop changes no advice: neither that of old nor that given since. */
static void drop_kept(void)
{
	pid_t pid;

	zoo_call(madvise(kept_in, BYTES, MADV_DOFORK) == 0, "MADV_DOFORK");
	zoo_call(madvise(kept_in, BYTES / 2, MADV_DONTNEED) == 0 &&
			 madvise(kept_out, BYTES / 2, MADV_DONTNEED) == 0,
		 "MADV_DONTNEED");
	pid = fork();
	if (pid == 0) {
		unsigned char residency[1];

		zoo_zero(kept_in, BYTES / 2, "dropped area in a fork");
		zoo_check(mincore(kept_out, ZOO_PAGE, residency) == -1 &&
				  errno == ENOMEM,
			  "a dropped area kept out of forks is in a fork");
		_exit(0);
	}
	zoo_wait_child(pid, "fork after a drop");
	zoo_zero(kept_out, BYTES / 2, "dropped area");
	zoo_fill(kept_out, BYTES, 1);
}

int main(int argc, char **argv)
{
	pid_t pid;

	zoo_start(argc, argv);
	kept_out = zoo_map(BYTES);
	wiped = zoo_map(BYTES);
	kept_in = zoo_map(BYTES);
	zoo_fill(kept_out, BYTES, 1);
	zoo_fill(kept_in, BYTES, 6);
	zoo_fill(wiped, BYTES, 2);
	zoo_call(madvise(kept_out, BYTES, MADV_DONTFORK) == 0, "MADV_DONTFORK");
	zoo_call(madvise(kept_in, BYTES, MADV_DONTFORK) == 0, "MADV_DONTFORK");
	zoo_call(madvise(wiped, BYTES, MADV_WIPEONFORK) == 0,
		 "MADV_WIPEONFORK");
	random_order = zoo_map(BYTES);
	swept = zoo_map(BYTES);
	zoo_fill(random_order, BYTES, 4);
	zoo_fill(swept, BYTES, 5);
	zoo_call(madvise(random_order, BYTES, MADV_RANDOM) == 0, "MADV_RANDOM");
	zoo_call(madvise(swept, BYTES, MADV_SEQUENTIAL) == 0,
		 "MADV_SEQUENTIAL");
	zoo_ready();
	/* The other area may be wiped at any moment, so it is looked at later.
	 */
	while (zoo_running())
		zoo_filled(kept_out, BYTES, 1, "area kept out of forks");
	zoo_filled(kept_out, BYTES, 1, "area kept out of forks");
	zoo_filled(random_order, BYTES, 4, "area of random order");
	zoo_filled(swept, BYTES, 5, "swept area");
	zoo_check(has_flag(random_order, "rr"), "the advice random is lost");
	zoo_check(has_flag(swept, "sr"), "the advice sequential is lost");
	check_wiped_or_whole();
	zoo_fill(wiped, BYTES, 3);
	pid = fork();
	if (pid == 0)
		in_fork();
	zoo_wait_child(pid, "fork with special areas");
	zoo_filled(wiped, BYTES, 3, "area to wipe, after the fork");
	drop_kept();
	zoo_call(madvise(kept_out, BYTES, MADV_DOFORK) == 0, "MADV_DOFORK");
	pid = fork();
	if (pid == 0) {
		zoo_filled(kept_out, BYTES, 1, "area forked after all");
		_exit(0);
	}
	zoo_wait_child(pid, "fork after MADV_DOFORK");
	return zoo_end();
}

/* SPDX-License-Identifier: MIT */
/*
 * pss.h - the memory of processes: what each has for itself, and its share of
 * what it has with others
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct pss {
	uint64_t pss_bytes;	/* proportional set size */
	uint64_t written_bytes; /* private and dirty: its own copies */
};

/* Add those of @pid to @sum.  Says its errors and returns -errno. */
int pss_add(pid_t pid, struct pss *sum);

/* What our programs need for themselves. */
struct pss_programs {
	struct pss servers; /* mitosisfs, mitosisd and their keepers */
	struct pss twins;   /* the snapshots' processes */
	struct pss loaders; /* mitosis-load and the init of each child */
};

/* Of all that descend from @root.  Says its errors and returns -errno. */
int pss_programs(pid_t root, struct pss_programs *ret);

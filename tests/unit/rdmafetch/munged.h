/* SPDX-License-Identifier: MIT */
/*
 * munged.h - a munged of the test's own: key, socket and files in a directory
 *
 * It dies with the test (PR_SET_PDEATHSIG), however that ends.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct munged {
	pid_t pid;
	char dir[40], socket[64];
};

/* Whether this build and this host can; else say why in a skip. */
bool munged_possible(void);

/* Start one with a key of @key bytes.  Fails the test when it does not run. */
void munged_start(struct munged *munged, char key);

/* End it and remove its directory. */
void munged_stop(struct munged *munged);

/* SPDX-License-Identifier: MIT */
/*
 * standard.h - descriptors 0 to 2: there when a program begins, and what was
 * printed really written when it ends
 *
 * For programs only, as say.h.
 */
#pragma once

/*
 * Open /dev/null for those of 0 to 2 that are closed: else a descriptor of our
 * own would get such a number, and what is done to standard output be done to it.
 * To be called before anything is opened.  Cannot fail: without /dev/null they
 * stay closed.
 */
void standard_open(void);

/*
 * Write what stdout still holds.
 *
 * Returns 0, or -errno after a line on stderr when anything that was printed
 * could not be written: then whoever reads it has not got all, and the exit
 * status must say so.
 */
int standard_end(void);

/* SPDX-License-Identifier: MIT */
/*
 * steps.h - something happens at the k-th step of a snapshot, whichever k is
 *
 * A step is a call by which the library acts on its target.  The linker puts
 * what is here in front of each, when it is told to (steps_wraps in
 * meson.build).
 */
#pragma once

/*
 * Call @hook before every step from now on, with the step's number, which
 * begins at 1; NULL: no more.  For this process, which has one thread.
 */
void steps_begin(void (*hook)(unsigned step));

/* SPDX-License-Identifier: MIT */
/*
 * late.h - libraries that most runs do not need, loaded when first called
 *
 * libgnutls, libibverbs, librdmacm and libmunge would take three times as long
 * to load as the rest of a mount's start.  late_stubs.S has a stub for each of
 * their functions; a program that is linked with it is not linked with them.
 *
 * A function that is missing there is no error: the linker then takes the whole
 * library, as always, and tests/integration/test_late.sh tells.
 */
#pragma once

/* One stub's data, as late_stubs.S lays it out. */
struct late_call {
	void *function; /* jumped to by each call */
	const char *library, *name;
};

/*
 * Load @call's library and set its function.  From any thread; twice does no
 * harm.  There is no way on without it: says what is missing, and exits.
 */
void late_resolve(struct late_call *call);

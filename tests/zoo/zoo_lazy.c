/* SPDX-License-Identifier: MIT */
/*
 * zoo_lazy.c - much memory that nobody looks at until the end
 *
 * Most of it still waits at the parent's host when the child begins to check:
 * what is fetched on demand must be right, and what cannot be fetched any more
 * must not read as something else.
 */
#include "tests/zoo/zoo.h"

#define AREA_BYTES (128ul << 20)

int main(int argc, char **argv)
{
	char *area;

	zoo_start(argc, argv);
	area = zoo_map(AREA_BYTES);
	zoo_fill(area, AREA_BYTES, 1);
	zoo_ready();
	while (zoo_running())
		zoo_sleep_ms(5);
	zoo_filled(area, AREA_BYTES, 1, "memory nobody looked at");
	return zoo_end();
}

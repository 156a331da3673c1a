/* SPDX-License-Identifier: MIT */
/* What a page costs through the pager, by batch.  Not a test: prints a table.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/io.h"
#include "pager_child.h"

static void say(const char *what, uint64_t start_ns)
{
	(void)printf("  %-20s %6.2f us/page\n", what,
		     (double)(io_monotonic_ns() - start_ns) / 1e3 / A_PAGES);
	(void)fflush(stdout);
}

static int sequential(void)
{
	uint64_t start_ns = io_monotonic_ns();

	for (uint64_t i = 0; i < A_PAGES; i++)
		(void)*at(A + i * PAGE);
	say("read in order", start_ns);
	start_ns = io_monotonic_ns();
	for (uint64_t i = 0; i < A_PAGES; i++)
		(void)*at(B + (i + 1) * PAGE);
	say("zeros, read", start_ns);
	start_ns = io_monotonic_ns();
	for (uint64_t i = 0; i < A_PAGES; i++)
		*at(B + (2 * A_PAGES + i) * PAGE) = 1;
	say("zeros, written", start_ns);
	return 0;
}

static int at_random(void)
{
	uint64_t start_ns = io_monotonic_ns();

	for (uint64_t i = 0; i < A_PAGES; i++)
		*at(A + i * 1237 % A_PAGES * PAGE) = 1;
	say("written at random", start_ns);
	return 0;
}

static int plain(void)
{
	volatile uint64_t *p =
		mmap(NULL, A_PAGES * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start_ns = io_monotonic_ns();

	(void)madvise((void *)(uintptr_t)p, A_PAGES * PAGE, MADV_NOHUGEPAGE);
	for (uint64_t i = 0; i < A_PAGES; i++)
		p[i * PAGE / 8] = 1;
	say("kernel's own, written", start_ns);
	return 0;
}

int main(void)
{
	static const unsigned batches[] = {1, 16, 64, 256};

	dense = true;
	for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
		struct run run = {.batch_pages = batches[i]};

		(void)printf("batch %u\n", batches[i]);
		(void)fflush(stdout);
		run_child(&run, sequential);
		run_child(&run, at_random);
		run_child(&run, plain);
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * zoo_shared.c - MAP_SHARED memory, constant within the image, shared with
 * forks
 *
 * The memory changes all the time under an invariant, so a copy that was not
 * taken inside the pause shows.  The parent and its child do not share it.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

enum {
	NR_PAGES = 64,
	WORDS = ZOO_PAGE / sizeof(uint64_t),
};

static volatile uint64_t *shared;

/* Page i holds round n + 1 when i is behind the writer, n when ahead. */
static void write_round(uint64_t round)
{
	for (size_t i = 0; i < NR_PAGES; i++) {
		volatile uint64_t *page = shared + i * WORDS;

		zoo_check(page[0] == round - 1 && page[WORDS - 1] == round - 1,
			  "page %zu is of round %lu and %lu, not %lu", i,
			  page[0], page[WORDS - 1], round - 1);
		page[0] = round;
		page[WORDS - 1] = round;
	}
}

static void child_writes(uint64_t round)
{
	pid_t pid = fork();

	if (pid == 0) {
		write_round(round);
		_exit(0);
	}
	zoo_wait_child(pid, "child that writes shared memory");
}

int main(int argc, char **argv)
{
	uint64_t round = 1;

	zoo_start(argc, argv);
	shared = mmap(NULL, NR_PAGES * ZOO_PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	zoo_call(shared != MAP_FAILED, "mmap");
	zoo_ready();
	for (; zoo_running(); round++)
		write_round(round);
	for (int i = 0; i < 3; i++, round += 2) {
		child_writes(round); /* we must see what it wrote */
		write_round(round + 1);
	}
	return zoo_end();
}

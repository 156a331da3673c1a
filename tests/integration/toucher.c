/* SPDX-License-Identifier: MIT */
/*
 * toucher.c - reads and writes as many pages as it is told, and ends
 *
 *     toucher FILE
 *
 * Has an area of AREA_PAGES pages, all written.  Waits until FILE is there; it
 * says "READ WRITTEN FORKS STATUS": how many pages of it to read, and how many
 * others to write, each STRIDE pages from the one before, so that none comes
 * along with another; how many children to have that end at once; what to end
 * with, or, below 0, to sleep.  Says "done" then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE_BYTES 4096ul
#define AREA_PAGES 16384ul
#define STRIDE	   33ul

static volatile unsigned char *area;

static void look(unsigned long from, unsigned long nr)
{
	for (unsigned long i = from; i < from + nr; i++)
		if (area[i * STRIDE * PAGE_BYTES] != i * STRIDE % 251)
			_exit(99);
}

static void spoil(unsigned long from, unsigned long nr)
{
	for (unsigned long i = from; i < from + nr; i++)
		area[i * STRIDE * PAGE_BYTES] = 255;
}

static void have_children(unsigned long nr)
{
	for (unsigned long i = 0; i < nr; i++)
		if (fork() == 0)
			exit(0);
	while (wait(NULL) > 0)
		;
}

int main(int argc, char **argv)
{
	unsigned long nr_read, nr_written, nr_forks;
	FILE *file = NULL;
	int status;

	area = mmap(NULL, AREA_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (argc != 2 || area == MAP_FAILED ||
	    madvise((void *)area, AREA_PAGES * PAGE_BYTES, MADV_NOHUGEPAGE))
		return 98;
	for (unsigned long i = 0; i < AREA_PAGES; i++)
		area[i * PAGE_BYTES] = (unsigned char)(i % 251);
	puts("ready");
	(void)fflush(stdout);
	while (!(file = fopen(argv[1], "r")))
		(void)usleep(10000);
	if (fscanf(file, "%lu %lu %lu %d", &nr_read, &nr_written, &nr_forks,
		   &status) != 4)
		return 97;
	look(0, nr_read);
	spoil(nr_read, nr_written);
	have_children(nr_forks);
	puts("done");
	(void)fflush(stdout);
	while (status < 0)
		(void)pause();
	return status;
}

/* SPDX-License-Identifier: MIT */
/*
 * zoo_fifo.c - a FIFO that is open in both directions, and a pipe whose ends
 * are open more than once
 *
 * A FIFO opened O_RDWR (a shell's "exec 3<>fifo") is a pipe with both its ends
 * in one descriptor: it is never at its end, and what is written comes back.
 * Each open() of a pipe's end is a description of its own, whose O_NONBLOCK the
 * others do not have.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

static int both, ends[2], reader, writer, duplex;

static int open_again(int fd, int flags)
{
	char path[32];
	int opened;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	opened = open(path, flags | O_CLOEXEC);
	zoo_call(opened >= 0, "open of a pipe's end");
	return opened;
}

static void make_all(void)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/fifo", zoo_dir());
	zoo_call(mkfifo(path, 0600) == 0, "mkfifo");
	both = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	zoo_call(both >= 0, "open of a FIFO");
	zoo_call(write(both, "kept", 4) == 4, "write to a FIFO");
	zoo_call(pipe2(ends, O_CLOEXEC) == 0, "pipe2");
	reader = open_again(ends[0], O_RDONLY | O_NONBLOCK);
	writer = open_again(ends[1], O_WRONLY | O_NONBLOCK);
	duplex = open_again(ends[0], O_RDWR);
}

static void expect_flags(int fd, int expected)
{
	const int mask = O_ACCMODE | O_NONBLOCK;
	int flags = fcntl(fd, F_GETFL);

	zoo_check((flags & mask) == expected, "descriptor %d has flags %#o", fd,
		  (unsigned)flags);
}

static void check_descriptions(void)
{
	char byte;

	expect_flags(both, O_RDWR | O_NONBLOCK);
	expect_flags(ends[0], O_RDONLY);
	expect_flags(ends[1], O_WRONLY);
	expect_flags(reader, O_RDONLY | O_NONBLOCK);
	expect_flags(writer, O_WRONLY | O_NONBLOCK);
	expect_flags(duplex, O_RDWR);
	zoo_call(write(writer, "1", 1) == 1 && write(ends[1], "2", 1) == 1 &&
			 write(duplex, "3", 1) == 1,
		 "write to a pipe");
	zoo_check(read(reader, &byte, 1) == 1 && byte == '1' &&
			  read(ends[0], &byte, 1) == 1 && byte == '2' &&
			  read(duplex, &byte, 1) == 1 && byte == '3',
		  "these are not of one pipe");
	zoo_check(read(reader, &byte, 1) == -1 && errno == EAGAIN,
		  "the pipe is not empty, or ended");
}

static void echo(const char *text, int bytes)
{
	char got[16];

	zoo_call(write(both, text, (size_t)bytes) == bytes, "write to a FIFO");
	zoo_check(read(both, got, sizeof(got)) == bytes &&
			  !memcmp(got, text, (size_t)bytes),
		  "the FIFO does not give back what was written");
	zoo_check(read(both, got, 1) == -1 && errno == EAGAIN,
		  "the FIFO is not empty, or ended");
}

int main(int argc, char **argv)
{
	char got[16];

	zoo_start(argc, argv);
	make_all();
	zoo_ready();
	while (zoo_running()) {
		check_descriptions();
		zoo_sleep_ms(3);
	}
	check_descriptions();
	zoo_check(read(both, got, sizeof(got)) == 4 && !memcmp(got, "kept", 4),
		  "what waited in the FIFO is gone");
	for (int i = 0; i < 100; i++)
		echo("there and back", i % 14 + 1);
	(void)close(ends[1]);
	(void)close(writer);
	(void)close(duplex);
	zoo_call(read(ends[0], got, 1) == 0, "end of file");
	return zoo_end();
}

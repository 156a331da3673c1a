/* SPDX-License-Identifier: MIT */
/*
 * zoo_pipes.c - pipes, pairs of sockets, eventfds and epoll sets that live
 * inside one process
 *
 * Unread bytes, counters and watched events are part of the image; both ends of
 * a pipe are in it, so a thread that waits in read() is woken by a later write,
 * and an end that nobody writes to does not end: an event loop would spin.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

#define MAGIC 0xfeedfacecafe

enum {
	UNREAD_BYTES = 12000,
	COUNT = 12345,
};

static int unread[2], lively[2], packets[2], pair[2], quiet[2], counter, waker,
	epoll;

static void make_all(void)
{
	static char bytes[UNREAD_BYTES];
	struct epoll_event event = {EPOLLIN | EPOLLET, {.u64 = MAGIC}};

	zoo_call(pipe2(unread, O_NONBLOCK | O_CLOEXEC) == 0, "pipe2");
	zoo_call(pipe2(lively, O_CLOEXEC) == 0, "pipe2");
	zoo_call(pipe2(packets, O_DIRECT | O_CLOEXEC) == 0 &&
			 write(packets[1], "one", 3) == 3 &&
			 write(packets[1], "2", 1) == 1 &&
			 write(packets[1], "three", 5) == 5,
		 "messages to a pipe");
	zoo_call(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0,
		 "socketpair");
	zoo_call(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, quiet) == 0,
		 "socketpair");
	counter = eventfd(COUNT, EFD_NONBLOCK | EFD_CLOEXEC);
	waker = eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	zoo_call(counter >= 0 && waker >= 0 && epoll >= 0, "eventfd");
	zoo_fill(bytes, sizeof(bytes), 1);
	zoo_call(write(unread[1], bytes, sizeof(bytes)) == sizeof(bytes),
		 "write");
	zoo_call(write(pair[1], bytes, sizeof(bytes)) == sizeof(bytes),
		 "write to a socket");
	zoo_call(epoll_ctl(epoll, EPOLL_CTL_ADD, waker, &event) == 0 &&
			 epoll_ctl(epoll, EPOLL_CTL_ADD, quiet[0], &event) == 0,
		 "epoll_ctl");
}

/* Echo: reads a number that main writes, 0 ends it. */
static void *reader(void *arg)
{
	uint64_t expected = 1, got;

	do {
		zoo_call(read(lively[0], &got, sizeof(got)) == sizeof(got),
			 "read of a pipe");
		zoo_check(got == expected || got == 0,
			  "the pipe gave %lu, not %lu", got, expected);
		expected++;
	} while (got);
	return arg;
}

static void write_number(uint64_t number)
{
	zoo_call(write(lively[1], &number, sizeof(number)) == sizeof(number),
		 "write to a pipe");
}

static void check_unread(void)
{
	static char bytes[UNREAD_BYTES + 1];

	zoo_call(read(unread[0], bytes, sizeof(bytes)) == UNREAD_BYTES,
		 "read of the bytes that waited");
	zoo_filled(bytes, UNREAD_BYTES, 1, "bytes that waited in a pipe");
	zoo_check(read(unread[0], bytes, 1) == -1 && errno == EAGAIN,
		  "the pipe is not empty, or not O_NONBLOCK any more");
	(void)close(unread[1]);
	zoo_call(read(unread[0], bytes, 1) == 0, "end of file");
}

/* One at a time, and what there is no room for is thrown away. */
static void check_packets(void)
{
	static const char *const want[] = {"one", "2", "th", "four"};
	static const ssize_t room[] = {20, 20, 2, 20};
	char bytes[20];

	zoo_call(write(packets[1], "four", 4) == 4, "write of a message");
	for (int i = 0; i < 4; i++) {
		ssize_t len = (ssize_t)strlen(want[i]);

		zoo_check(read(packets[0], bytes, (size_t)room[i]) == len &&
				  !memcmp(bytes, want[i], (size_t)len),
			  "message %d is not %s", i, want[i]);
	}
}

static void check_pairs(void)
{
	static char bytes[UNREAD_BYTES + 1];
	struct epoll_event event;

	zoo_call(read(pair[0], bytes, sizeof(bytes)) == UNREAD_BYTES,
		 "read of the bytes that waited in a socket");
	zoo_filled(bytes, UNREAD_BYTES, 1, "bytes that waited in a socket");
	zoo_check(read(pair[0], bytes, 1) == -1 && errno == EAGAIN,
		  "the socket is not empty, or not O_NONBLOCK any more");
	zoo_check(epoll_wait(epoll, &event, 1, 50) == 0,
		  "epoll reports what nobody wrote");
	zoo_call(write(quiet[1], "packet", 6) == 6, "write to a socket");
	zoo_check(read(quiet[0], bytes, sizeof(bytes)) == 6,
		  "a packet did not come as it was sent");
	zoo_call(write(pair[0], "back", 4) == 4, "write to a socket");
	zoo_call(read(pair[1], bytes, sizeof(bytes)) == 4, "read of a socket");
}

static void check_counters(void)
{
	struct epoll_event event;
	uint64_t value;

	zoo_call(read(counter, &value, sizeof(value)) == sizeof(value),
		 "read of an eventfd");
	zoo_check(value == COUNT, "the eventfd counted %lu", value);
	value = 2;
	zoo_call(write(waker, &value, sizeof(value)) == sizeof(value),
		 "write to an eventfd");
	zoo_call(epoll_wait(epoll, &event, 1, 10000) == 1, "epoll_wait");
	zoo_check(event.data.u64 == MAGIC && event.events == EPOLLIN,
		  "epoll reports %#x with %#lx", event.events, event.data.u64);
	zoo_call(read(waker, &value, sizeof(value)) == sizeof(value), "read");
	zoo_check(value == 1, "EFD_SEMAPHORE is gone");
}

int main(int argc, char **argv)
{
	pthread_t thread;
	uint64_t number = 1;

	zoo_start(argc, argv);
	make_all();
	thread = zoo_thread(reader, NULL);
	zoo_ready();
	for (; zoo_running(); number++) {
		write_number(number);
		zoo_sleep_ms(number % 8 ? 0 : 20);
	}
	for (int i = 0; i < 100; i++)
		write_number(number++);
	write_number(0);
	(void)zoo_join(thread);
	check_unread();
	check_packets();
	check_pairs();
	check_counters();
	return zoo_end();
}

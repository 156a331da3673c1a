/* SPDX-License-Identifier: MIT */
/*
 * test_unixpeer.c - pairs of unix sockets: who is whose peer, and what is on
 * its way between them
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "parent/fds.h"
#include "parent/unixpeer.h"
#include "tests/unit/parent/victim.h"

/* The numbers that a victim uses. */
enum {
	FD_A = 100,
	FD_B,
	FD_B_TOO,
	FD_MESSAGES,
	FD_MESSAGES_PEER,
	FD_PACKETS,
	FD_PACKETS_PEER,
	FD_GIVES,
	FD_GETS,
	FD_SHUT,
	FD_SHUT_PEER,
	FD_LEFT,
};

static void put_pair(int type, int a, int b)
{
	int ends[2];

	if (socketpair(AF_UNIX, type, 0, ends) || dup2(ends[0], a) != a ||
	    dup2(ends[1], b) != b)
		_exit(99);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void give_descriptor(int sock)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.head = {.cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS,
			      .cmsg_len = CMSG_LEN(sizeof(int))}};
	struct iovec bytes = {"x", 1};
	struct msghdr msg = {.msg_iov = &bytes,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.head), &sock, sizeof(sock));
	if (sendmsg(sock, &msg, 0) != 1)
		_exit(99);
}

static void open_pairs(void *arg)
{
	put_pair(SOCK_STREAM, FD_A, FD_B);
	(void)dup2(FD_B, FD_B_TOO);
	/* Three packets in the kernel, for one stream. */
	if (write(FD_A, "on ", 3) != 3 || write(FD_A, "its ", 4) != 4 ||
	    write(FD_A, "way", 3) != 3 || write(FD_B, "back", 4) != 4)
		_exit(99);
	put_pair(SOCK_DGRAM, FD_MESSAGES, FD_MESSAGES_PEER);
	put_pair(SOCK_SEQPACKET, FD_PACKETS, FD_PACKETS_PEER);
	if (write(FD_PACKETS, "bounds", 6) != 6)
		_exit(99);
	put_pair(SOCK_STREAM, FD_GIVES, FD_GETS);
	give_descriptor(FD_GIVES);
	put_pair(SOCK_STREAM, FD_SHUT, FD_SHUT_PEER);
	(void)shutdown(FD_SHUT, SHUT_WR);
	put_pair(SOCK_STREAM, FD_LEFT, FD_LEFT + 1);
	(void)close(FD_LEFT + 1);
}

static struct image *image_of(pid_t pid)
{
	struct image *image = image_new();
	struct fds *fds = NULL;

	assert_non_null(image);
	assert_int_equal(fds_scan(pid, &fds, NULL), 0);
	assert_int_equal(fds_capture(fds, NULL), 0);
	assert_int_equal(fds_finish(fds, image), 0);
	fds_free(fds);
	return image;
}

static const struct image_fd *must(const struct image *image, int fd)
{
	for (uint32_t i = 0; i < image->nr_fds; i++)
		if (image->fds[i].fd == fd) {
			assert_int_equal(image->fds[i].kind, IMAGE_FD_SOCKET);
			return &image->fds[i];
		}
	fail_msg("descriptor %d is not in the image", fd);
	return NULL;
}

static void assert_unread(const struct image_fd *fd, const char *bytes)
{
	assert_int_equal(fd->data_bytes, strlen(bytes));
	assert_memory_equal(fd->data, bytes, strlen(bytes));
}

static void check_pairs(const struct image *image)
{
	const struct image_fd *a = must(image, FD_A), *b = must(image, FD_B);

	assert_int_equal(a->value, b->inode);
	assert_int_equal(b->value, a->inode);
	assert_unread(a, "back");
	assert_unread(b, "on its way");
	assert_int_equal(must(image, FD_B_TOO)->same_as, FD_B);
	a = must(image, FD_MESSAGES);
	assert_int_equal(a->value, must(image, FD_MESSAGES_PEER)->inode);
	assert_int_equal(a->data_bytes, 0);
	/* What cannot be carried whole is not half carried. */
	assert_int_equal(must(image, FD_PACKETS_PEER)->value, 0);
	assert_int_equal(must(image, FD_GETS)->value, 0);
	assert_int_equal(must(image, FD_SHUT)->value, 0);
	assert_int_equal(must(image, FD_LEFT)->value, 0);
}

/* Its bytes are where they were, and the descriptor on its way, too. */
static void read_all(void *arg)
{
	char bytes[16];

	open_pairs(arg);
	(void)raise(SIGSTOP);
	_exit(read(FD_B, bytes, 16) != 10 || memcmp(bytes, "on its way", 10) ||
	      read(FD_A, bytes, 16) != 4 || memcmp(bytes, "back", 4) ||
	      read(FD_PACKETS_PEER, bytes, 16) != 6 ||
	      read(FD_GETS, bytes, 16) != 1);
}

static void pairs_are_whole_or_none(void **state)
{
	pid_t pid = victim_start(read_all, NULL);
	struct image *image;
	int status;

	assert_true(pid > 0);
	image = image_of(pid);
	check_pairs(image);
	image_free(image);
	(void)kill(pid, SIGCONT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void open_pairs_elsewhere(void *arg)
{
	if (unshare(CLONE_NEWNET))
		_exit(77);
	open_pairs(arg);
}

static void pairs_of_another_network_too(void **state)
{
	pid_t pid = victim_start(open_pairs_elsewhere, NULL);
	struct stat before, after;
	struct image *image;

	if (pid < 0)
		skip(); /* not root */
	(void)stat("/proc/self/ns/net", &before);
	image = image_of(pid);
	victim_end(pid);
	check_pairs(image);
	image_free(image);
	(void)stat("/proc/self/ns/net", &after);
	assert_int_equal(before.st_ino, after.st_ino);
}

struct answer {
	struct nlmsghdr head;
	struct unix_diag_msg msg;
	struct rtattr peer_head;
	uint32_t peer;
	struct rtattr shut_head;
	uint8_t shut, pad[3];
};

static struct answer answer_with(uint32_t peer, uint8_t shut)
{
	return (struct answer){
		.head = {.nlmsg_len = sizeof(struct answer),
			 .nlmsg_type = SOCK_DIAG_BY_FAMILY},
		.peer_head = {RTA_LENGTH(4), UNIX_DIAG_PEER},
		.peer = peer,
		.shut_head = {RTA_LENGTH(1), UNIX_DIAG_SHUTDOWN},
		.shut = shut,
	};
}

static void answers_are_checked(void **state)
{
	struct answer answer = answer_with(4711, 0);
	uint64_t peer = 0;

	assert_int_equal(unixpeer_parse(&answer, sizeof(answer), &peer), 0);
	assert_int_equal(peer, 4711);
	peer = 0;
	for (size_t len = 0; len < sizeof(answer); len++)
		assert_int_equal(unixpeer_parse(&answer, len, &peer), -EPROTO);
	answer = answer_with(0, 0);
	assert_int_equal(unixpeer_parse(&answer, sizeof(answer), &peer),
			 -ENOENT);
	answer = answer_with(4711, 1);
	assert_int_equal(unixpeer_parse(&answer, sizeof(answer), &peer),
			 -ESHUTDOWN);
	/* An attribute that says it goes on behind the end is none. */
	answer = answer_with(4711, 0);
	answer.peer_head.rta_len = 4096;
	assert_int_equal(unixpeer_parse(&answer, sizeof(answer), &peer),
			 -ENOENT);
	/* One that ends at the end, but not at a multiple of four. */
	answer = answer_with(4711, 1);
	answer.head.nlmsg_len -= 3;
	assert_int_equal(unixpeer_parse(&answer, sizeof(answer) - 3, &peer),
			 -ESHUTDOWN);
	answer.head.nlmsg_type = NLMSG_ERROR;
	assert_int_equal(unixpeer_parse(&answer, sizeof(answer), &peer),
			 -EPROTO);
	assert_int_equal(peer, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_are_whole_or_none),
		cmocka_unit_test(pairs_of_another_network_too),
		cmocka_unit_test(answers_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

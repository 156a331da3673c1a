/* SPDX-License-Identifier: MIT */
#include "parent/unixpeer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <linux/unix_diag.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "parent/sockdiag.h"

static int open_space(const char *process)
{
	char path[40];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%s/ns/net", process);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool is_same_space(int a, int b)
{
	struct stat x, y;

	return !fstat(a, &x) && !fstat(b, &y) && x.st_ino == y.st_ino &&
	       x.st_dev == y.st_dev;
}

static int open_there(int there, int here)
{
	int fd;

	/* Whoever may not come back does not go. */
	if (setns(here, CLONE_NEWNET) || setns(there, CLONE_NEWNET))
		return -errno;
	fd = sockdiag_open();
	(void)setns(here, CLONE_NEWNET);
	return fd;
}

int unixpeer_open(pid_t pid)
{
	CLEANUP_CLOSE int here = open_space("thread-self");
	CLEANUP_CLOSE int there = -1;
	char number[12];

	(void)snprintf(number, sizeof(number), "%d", pid);
	there = open_space(number);
	if (here < 0 || there < 0)
		return here < 0 ? here : there;
	return is_same_space(here, there) ? sockdiag_open()
					  : open_there(there, here);
}

static int parse_attributes(const struct nlmsghdr *head, uint64_t *ret_peer)
{
	const struct unix_diag_msg *msg = NLMSG_DATA(head);
	const struct rtattr *at = (const void *)(msg + 1);
	/* Signed: the last step may go beyond the end. */
	int left = (int)(head->nlmsg_len - NLMSG_LENGTH(sizeof(*msg)));
	uint64_t peer = 0;
	uint8_t shut = 0;

	for (; RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		if (at->rta_type == UNIX_DIAG_PEER && RTA_PAYLOAD(at) >= 4)
			peer = *(const uint32_t *)RTA_DATA(at);
		if (at->rta_type == UNIX_DIAG_SHUTDOWN && RTA_PAYLOAD(at) >= 1)
			shut = *(const uint8_t *)RTA_DATA(at);
	}
	if (!peer)
		return -ENOENT;
	if (shut)
		return -ESHUTDOWN;
	*ret_peer = peer;
	return 0;
}

int unixpeer_parse(const void *answer, size_t len_bytes, uint64_t *ret_peer)
{
	int error =
		sockdiag_check(answer, len_bytes, sizeof(struct unix_diag_msg));

	return error ? error : parse_attributes(answer, ret_peer);
}

int unixpeer_of(int diag_fd, uint64_t inode, uint64_t *ret_peer)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req request;
	} question = {
		.head.nlmsg_len = sizeof(question),
		.request = {.sdiag_family = AF_UNIX,
			    .udiag_states = UINT32_MAX,
			    .udiag_ino = (uint32_t)inode,
			    .udiag_show = UDIAG_SHOW_PEER,
			    .udiag_cookie = {UINT32_MAX, UINT32_MAX}},
	};
	union sockdiag_answer answer;
	int error = sockdiag_ask(diag_fd, &question.head,
				 sizeof(struct unix_diag_msg), &answer);

	return error ? error : parse_attributes(&answer.head, ret_peer);
}

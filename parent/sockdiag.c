/* SPDX-License-Identifier: MIT */
/* sockdiag.c - see sockdiag.h */
#include "parent/sockdiag.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/cleanup.h"

/* Of a connected socket the kernel refuses what others send to it. */
int sockdiag_open(void)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	CLEANUP_CLOSE int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC,
				      NETLINK_SOCK_DIAG);

	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	return steal_fd(&fd);
}

int sockdiag_check(const void *answer, size_t len_bytes, size_t msg_bytes)
{
	const struct nlmsghdr *head = answer;

	if (!NLMSG_OK(head, len_bytes))
		return -EPROTO;
	if (head->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *error = NLMSG_DATA(head);

		return head->nlmsg_len >= NLMSG_LENGTH(sizeof(*error)) &&
				       error->error < 0
			       ? error->error
			       : -EPROTO;
	}
	return head->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
			       head->nlmsg_len >= NLMSG_LENGTH(msg_bytes)
		       ? 0
		       : -EPROTO;
}

/* The answer to an earlier question, which nobody read, is none to this. */
static ssize_t recv_answer(int fd, uint32_t seq, union sockdiag_answer *ret)
{
	ssize_t len;

	do
		len = recv(fd, ret, sizeof(*ret), MSG_DONTWAIT);
	while (len >= (ssize_t)sizeof(ret->head) && ret->head.nlmsg_seq != seq);
	return len < 0 ? -errno : len;
}

int sockdiag_ask(int fd, struct nlmsghdr *question, size_t msg_bytes,
		 union sockdiag_answer *ret_answer)
{
	static _Atomic uint32_t last_seq;
	ssize_t len;

	question->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	question->nlmsg_flags = NLM_F_REQUEST;
	question->nlmsg_seq = ++last_seq;
	if (send(fd, question, question->nlmsg_len, 0) < 0)
		return -errno;
	len = recv_answer(fd, question->nlmsg_seq, ret_answer);
	return len < 0 ? (int)len
		       : sockdiag_check(ret_answer, (size_t)len, msg_bytes);
}

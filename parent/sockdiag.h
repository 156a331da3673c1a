/* SPDX-License-Identifier: MIT */
/*
 * sockdiag.h - one question to the kernel's socket diagnosis (sock_diag(7))
 *
 * Above: peer.c and unixpeer.c, which know what to ask about TCP and unix
 * sockets.  Whoever has CAP_NET_ADMIN in a network namespace may send to our
 * netlink socket, too: only what the kernel says to this question counts.
 * Threads: one owner of each socket.
 */
#pragma once

#include <linux/netlink.h>
#include <stddef.h>

/*
 * A socket to ask by, connected to the kernel, in the network namespace of the
 * calling thread; for the caller to close.  It, or -errno.
 */
int sockdiag_open(void);

/* An answer: to be read from @head, when sockdiag_ask() has returned 0. */
union sockdiag_answer {
	struct nlmsghdr head;
	unsigned char bytes[1024];
};

/*
 * Ask @question, whose nlmsg_len counts what is behind the head, for a message
 * of @msg_bytes at least.  Its type, flags and number are filled in.
 *
 * Does not block: the kernel has answered when it has taken the question.
 * Returns 0, -EPROTO, -errno as the kernel answers (-ENOENT: there is no such
 * socket), or that of the socket.
 */
int sockdiag_ask(int fd, struct nlmsghdr *question, size_t msg_bytes,
		 union sockdiag_answer *ret_answer);

/*
 * Check @len_bytes of an answer, aligned as a struct nlmsghdr is.
 *
 * Returns 0 when it is a message of @msg_bytes or more, whole; the error that
 * it tells; or -EPROTO.
 */
int sockdiag_check(const void *answer, size_t len_bytes, size_t msg_bytes);

/* SPDX-License-Identifier: MIT */
/*
 * unixpeer.h - which socket is at the other end of a unix socket
 *
 * Above: fdlook.c, inside the pause too.  Only the kernel's socket diagnosis
 * tells it (linux/unix_diag.h, CONFIG_UNIX_DIAG), to anybody in the socket's
 * network namespace.  Threads: one owner.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A way to ask about sockets in the network namespace of @pid, for the caller
 * to close.
 *
 * The calling thread is in that namespace for a moment, if it is another.
 * Returns it, -EPERM when it may not go there, -EAFNOSUPPORT, or -errno.
 */
int unixpeer_open(pid_t pid);

/*
 * The inode of the socket that @inode is connected to.
 *
 * Returns 0, or
 *   -ENOENT      there is no such socket, or it has no peer
 *   -ESHUTDOWN   one direction, or both, are closed by shutdown(2)
 *   -EOPNOTSUPP, -EPROTO, or -errno: the kernel does not tell
 */
int unixpeer_of(int diag_fd, uint64_t inode, uint64_t *ret_peer);

/* unixpeer_of(), from the @len_bytes of an answer. */
int unixpeer_parse(const void *answer, size_t len_bytes, uint64_t *ret_peer);

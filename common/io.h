/* SPDX-License-Identifier: MIT */
/*
 * io.h - whole reads and writes, small files, descriptors over a socket
 *
 * All block, restart after signals, and return -errno.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* Read exactly @len bytes.  0, -errno, or -ENODATA at an early end. */
int io_read_all(int fd, void *buf, size_t len);

/* Write exactly @len bytes.  0 or -errno. */
int io_write_all(int fd, const void *buf, size_t len);

/* As io_read_all() at @offset, which is not moved. */
int io_pread_all(int fd, void *buf, size_t len, off_t offset);

/*
 * Read the file @path (relative to @dirfd, or AT_FDCWD) to its end.
 *
 * On success *@ret_buf is the caller's, with a NUL after its last byte.
 * Returns 0, -errno, or -EFBIG past @max bytes.
 */
int io_slurp_at(int dirfd, const char *path, size_t max, char **ret_buf,
		size_t *ret_len);

/*
 * As strerror() of @error, which is -errno, for what was to be written: EFBIG
 * names the limit.  It comes where SIGXFSZ, which comes first, is ignored.
 */
const char *io_strerror(int error);

/* A memfd named @name holding @len bytes of @buf, sealed against change. */
int io_memfd(const char *name, const void *buf, size_t len, int *ret_fd);

/* The text of the symbolic link @path, on the heap, at most 4096 bytes. */
int io_readlink(const char *path, char **ret_text);

/*
 * Send @len bytes with @nr_fds (at most 16) descriptors over a unix socket.
 * Stays the owner of the descriptors.
 */
int io_send_fds(int sock, const void *buf, size_t len, const int *fds,
		unsigned nr_fds);

/*
 * Receive what io_send_fds() sent: exactly @len bytes, at most @max_fds
 * descriptors, close-on-exec; the caller owns them.  -ENODATA when the far end
 * closed, -EPROTO when more descriptors came than fit (all are closed).
 */
int io_recv_fds(int sock, void *buf, size_t len, int *fds, unsigned max_fds,
		unsigned *ret_nr_fds);

/* The moment of CLOCK_MONOTONIC that is @ms milliseconds from now. */
struct timespec io_in_ms(int ms);

/* CLOCK_MONOTONIC and CLOCK_REALTIME, in nanoseconds. */
uint64_t io_monotonic_ns(void);
uint64_t io_realtime_ns(void);

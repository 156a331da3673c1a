/* SPDX-License-Identifier: MIT */
/*
 * test_io.c - short reads, early ends, and descriptors that must not leak
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/io.h"

#define BIG (300u << 10) /* more than a pipe or a socket buffer holds */

static uint8_t big[BIG];

static void fill_big(void)
{
	for (unsigned i = 0; i < BIG; i++)
		big[i] = (uint8_t)(i * 31 >> 3);
}

static unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	(void)closedir(dir);
	return nr;
}

static void *write_big(void *arg)
{
	int fd = *(int *)arg;
	int error = io_write_all(fd, big, BIG);

	(void)close(fd);
	return (void *)(intptr_t)error;
}

static void test_read_and_write_all(void **state)
{
	static uint8_t got[BIG];
	int fds[2];
	pthread_t thread;
	void *written;
	uint8_t more;

	fill_big();
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&thread, NULL, write_big, &fds[1]), 0);
	assert_int_equal(io_read_all(fds[0], got, BIG), 0);
	assert_int_equal(io_read_all(fds[0], &more, 1), -ENODATA);
	assert_int_equal(pthread_join(thread, &written), 0);
	assert_int_equal((intptr_t)written, 0);
	assert_memory_equal(got, big, BIG);
	(void)close(fds[0]);
}

static void test_errors_come_through(void **state)
{
	uint8_t byte = 0;

	assert_int_equal(io_read_all(-1, &byte, 1), -EBADF);
	assert_int_equal(io_write_all(-1, &byte, 1), -EBADF);
	assert_int_equal(io_pread_all(-1, &byte, 1, 0), -EBADF);
}

static int file_of(const char *text)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
	return fd;
}

static void test_pread_all(void **state)
{
	int fd = file_of("0123456789");
	char got[5] = "";

	assert_int_equal(lseek(fd, 3, SEEK_SET), 3);
	assert_int_equal(io_pread_all(fd, got, 4, 6), 0);
	assert_string_equal(got, "6789");
	assert_int_equal(io_pread_all(fd, got, 4, 7), -ENODATA);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 3);
	(void)close(fd);
}

static int slurp_fd(int fd, size_t max, char **text, size_t *len)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return io_slurp_at(AT_FDCWD, path, max, text, len);
}

static void test_slurp_limits(void **state)
{
	int fd = file_of("0123456789");
	char *text = NULL;
	size_t len;

	assert_int_equal(slurp_fd(fd, 10, &text, &len), 0);
	assert_int_equal(len, 10);
	assert_string_equal(text, "0123456789");
	free(text);
	text = NULL;
	assert_int_equal(slurp_fd(fd, 9, &text, &len), -EFBIG);
	assert_int_equal(slurp_fd(fd, 0, &text, &len), -EFBIG);
	assert_null(text);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(slurp_fd(fd, 0, &text, &len), 0);
	assert_int_equal(len, 0);
	assert_string_equal(text, "");
	free(text);
	(void)close(fd);
}

/* Sizes on both sides of each doubling. */
static void test_slurp_sizes(void **state)
{
	static const unsigned sizes[] = {4094, 4095, 4096,  4097,  8191,
					 8192, 8193, 65535, 65536, BIG};

	fill_big();
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int fd = memfd_create("file", MFD_CLOEXEC);
		char *text = NULL;
		size_t len;

		assert_int_equal(io_write_all(fd, big, sizes[i]), 0);
		assert_int_equal(slurp_fd(fd, SIZE_MAX, &text, &len), 0);
		assert_int_equal(len, sizes[i]);
		assert_memory_equal(text, big, len);
		assert_int_equal(text[len], 0);
		free(text);
		text = NULL;
		assert_int_equal(slurp_fd(fd, sizes[i], &text, &len), 0);
		free(text);
		assert_int_equal(slurp_fd(fd, sizes[i] - 1, &text, &len),
				 -EFBIG);
		(void)close(fd);
	}
}

/* A file of /proc says its size is 0 and comes in pieces. */
static void test_slurp_proc(void **state)
{
	char *text = NULL, *own;
	size_t len;
	int dirfd = open("/proc/self", O_PATH | O_CLOEXEC);

	assert_int_equal(io_slurp_at(dirfd, "smaps", 64u << 20, &text, &len),
			 0);
	own = strstr(text, "[stack]");
	assert_non_null(own);
	assert_non_null(strstr(own, "VmFlags:")); /* it is all there */
	assert_int_equal(strlen(text), len);
	free(text);
	assert_int_equal(io_slurp_at(dirfd, "no-such", 10, &text, &len),
			 -ENOENT);
	(void)close(dirfd);
}

static void test_memfd(void **state)
{
	char got[6] = "";
	int fd = -1;

	assert_int_equal(io_memfd("name", "hello", 5, &fd), 0);
	assert_int_equal(io_read_all(fd, got, 5), 0); /* from its start */
	assert_string_equal(got, "hello");
	assert_true(pwrite(fd, "x", 1, 0) < 0 && errno == EPERM);
	assert_true(ftruncate(fd, 1) < 0 && errno == EPERM);
	assert_true(ftruncate(fd, 10) < 0 && errno == EPERM);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	(void)close(fd);
}

static void test_readlink(void **state)
{
	char directory[] = "/tmp/test_io-XXXXXX", path[64];
	char target[PATH_MAX];
	char *text = NULL;

	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/link", directory);
	memset(target, 'x', sizeof(target));
	target[PATH_MAX - 1] = '\0'; /* the longest that a link can have */
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(io_readlink(path, &text), 0);
	assert_string_equal(text, target);
	free(text);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(io_readlink(path, &text), -ENOENT);
	assert_int_equal(io_readlink(directory, &text), -EINVAL);
	assert_int_equal(rmdir(directory), 0);
}

struct pair {
	int a, b;
};

static struct pair pair_open(void)
{
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	return (struct pair){fds[0], fds[1]};
}

static void pair_close(struct pair pair)
{
	(void)close(pair.a);
	(void)close(pair.b);
}

static ino_t inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void test_fds_travel(void **state)
{
	unsigned before = open_fds(), nr = 99;
	struct pair pair = pair_open();
	int sent[2] = {file_of("first"), file_of("second")}, got[16];
	char words[4] = "";

	assert_int_equal(io_send_fds(pair.a, "abc", 3, sent, 2), 0);
	assert_int_equal(io_recv_fds(pair.b, words, 3, got, 16, &nr), 0);
	assert_string_equal(words, "abc");
	assert_int_equal(nr, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(inode(got[i]), inode(sent[i]));
		assert_int_not_equal(got[i], sent[i]);
		assert_int_equal(fcntl(got[i], F_GETFD), FD_CLOEXEC);
		(void)close(got[i]);
		(void)close(sent[i]);
	}
	pair_close(pair);
	assert_int_equal(open_fds(), before);
}

static void test_sixteen_fds_and_none(void **state)
{
	struct pair pair = pair_open();
	int sent[17], got[16];
	unsigned nr = 99;
	char byte;

	for (int i = 0; i < 17; i++)
		sent[i] = pair.a;
	assert_int_equal(io_send_fds(pair.a, "x", 1, sent, 17), -EINVAL);
	assert_int_equal(io_send_fds(pair.a, "x", 1, sent, 16), 0);
	assert_int_equal(io_send_fds(pair.a, "y", 1, NULL, 0), 0);
	assert_int_equal(io_recv_fds(pair.b, &byte, 1, got, 16, &nr), 0);
	assert_int_equal(nr, 16);
	for (unsigned i = 0; i < nr; i++)
		(void)close(got[i]);
	assert_int_equal(io_recv_fds(pair.b, &byte, 1, NULL, 0, &nr), 0);
	assert_int_equal(nr, 0);
	assert_int_equal(byte, 'y');
	pair_close(pair);
}

static void test_too_many_fds(void **state)
{
	unsigned before = open_fds(), nr = 99;
	struct pair pair = pair_open();
	int sent[3] = {pair.a, pair.a, pair.a}, got[2] = {-7, -7};
	char byte;

	assert_int_equal(io_send_fds(pair.a, "x", 1, sent, 3), 0);
	assert_int_equal(io_recv_fds(pair.b, &byte, 1, got, 2, &nr), -EPROTO);
	assert_int_equal(nr, 99);
	assert_int_equal(got[0], -7);
	pair_close(pair);
	assert_int_equal(open_fds(), before);
}

/* More than io_send_fds() would ever send: the kernel must cut the message. */
static void test_flood_of_fds(void **state)
{
	enum { NR = 200 };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * NR)];
	} control = {.bytes = {0}};
	unsigned before = open_fds(), nr;
	struct pair pair = pair_open();
	struct iovec iov = {.iov_base = "x", .iov_len = 1};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int got[16];
	char byte;

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int) * NR);
	for (int i = 0; i < NR; i++)
		memcpy(CMSG_DATA(header) + sizeof(int) * (size_t)i, &pair.a,
		       sizeof(int));
	assert_int_equal(sendmsg(pair.a, &message, 0), 1);
	assert_int_equal(io_recv_fds(pair.b, &byte, 1, got, 16, &nr), -EPROTO);
	pair_close(pair);
	assert_int_equal(open_fds(), before);
}

static void test_far_end_closed(void **state)
{
	unsigned before = open_fds(), nr;
	struct pair pair = pair_open();
	int got[2], sent = file_of("x");
	char words[8];

	assert_int_equal(io_send_fds(pair.a, "abc", 3, &sent, 1), 0);
	(void)close(sent);
	(void)close(pair.a);
	assert_int_equal(io_recv_fds(pair.b, words, 8, got, 2, &nr), -ENODATA);
	assert_int_equal(io_recv_fds(pair.b, words, 8, got, 2, &nr), -ENODATA);
	assert_int_equal(io_send_fds(pair.b, "abc", 3, NULL, 0), -EPIPE);
	(void)close(pair.b);
	assert_int_equal(open_fds(), before);
}

static void on_signal(int signo)
{
}

static void *send_big(void *arg)
{
	int sock = *(int *)arg;

	return (void *)(intptr_t)io_send_fds(sock, big, BIG, &sock, 1);
}

/* Let a sender that fills @sock's buffer be interrupted in the middle. */
static void interrupt_sender(pthread_t thread, int sock)
{
	int ready = 0;

	while (!ready)
		assert_int_equal(ioctl(sock, FIONREAD, &ready), 0);
	for (int i = 0; i < 20; i++) {
		(void)usleep(1000);
		assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
	}
}

/* A message that takes many system calls carries its descriptors once. */
static void test_long_message_with_fd(void **state)
{
	const struct sigaction action = {.sa_handler = on_signal};
	static uint8_t words[BIG];
	struct pair pair = pair_open();
	pthread_t thread;
	unsigned nr = 0;
	int got[16];
	void *sent;

	fill_big();
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, send_big, &pair.a), 0);
	interrupt_sender(thread, pair.b);
	assert_int_equal(io_recv_fds(pair.b, words, BIG, got, 16, &nr), 0);
	assert_int_equal(pthread_join(thread, &sent), 0);
	assert_int_equal((intptr_t)sent, 0);
	assert_int_equal(nr, 1);
	assert_int_equal(inode(got[0]), inode(pair.a));
	assert_memory_equal(words, big, BIG);
	(void)close(got[0]);
	pair_close(pair);
}

static void test_clocks(void **state)
{
	uint64_t first = io_monotonic_ns();

	assert_true(io_monotonic_ns() >= first);
	/* after 2020-01-01 */
	assert_true(io_realtime_ns() > UINT64_C(1577836800000000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_and_write_all),
		cmocka_unit_test(test_errors_come_through),
		cmocka_unit_test(test_pread_all),
		cmocka_unit_test(test_slurp_limits),
		cmocka_unit_test(test_slurp_sizes),
		cmocka_unit_test(test_slurp_proc),
		cmocka_unit_test(test_memfd),
		cmocka_unit_test(test_readlink),
		cmocka_unit_test(test_fds_travel),
		cmocka_unit_test(test_sixteen_fds_and_none),
		cmocka_unit_test(test_too_many_fds),
		cmocka_unit_test(test_flood_of_fds),
		cmocka_unit_test(test_far_end_closed),
		cmocka_unit_test(test_long_message_with_fd),
		cmocka_unit_test(test_clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

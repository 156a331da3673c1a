/* SPDX-License-Identifier: MIT */
/* test_listen.c - loopback, or --sec; dead sockets are taken over, living ones
 * not */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "parent/listen.h"

static char dir[32], path[64];
static struct refusal why;

static int start(void **state)
{
	strcpy(dir, "/tmp/test_listen.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/control.sock", dir);
	return 0;
}

static int stop(void **state)
{
	(void)unlink(path);
	return rmdir(dir);
}

static int parse(const char *text, struct listen_address *ret)
{
	return listen_parse(text, 7373, ret, &why);
}

static void loopback_addresses_are_taken(void **state)
{
	const struct sockaddr_in *in;
	const struct sockaddr_in6 *in6;
	struct listen_address address;

	assert_int_equal(0, parse("127.0.0.1", &address));
	assert_int_equal(0, listen_allow(&address, WIRE_SEC_NONE, &why));
	in = (const void *)&address.addr;
	assert_int_equal(7373, ntohs(in->sin_port));
	assert_int_equal(0, parse("127.9.9.9:0", &address));
	assert_int_equal(0, ntohs(in->sin_port));
	assert_int_equal(0, parse("[::1]:65535", &address));
	assert_int_equal(0, listen_allow(&address, WIRE_SEC_NONE, &why));
	in6 = (const void *)&address.addr;
	assert_int_equal(AF_INET6, in6->sin6_family);
	assert_int_equal(65535, ntohs(in6->sin6_port));
	assert_int_equal(0, parse("::1", &address));
	assert_int_equal(7373, ntohs(in6->sin6_port));
}

static const char *const outside[] = {
	"0.0.0.0",   "10.0.0.1:7373", "[::]:7373",     "::",
	"128.0.0.1", "[fe80::1]:1",   "::ffff:8.8.8.8"};

static void nothing_else_is_served_without_sec(void **state)
{
	struct listen_address address;

	for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++) {
		assert_int_equal(0, parse(outside[i], &address));
		assert_int_equal(-EPERM,
				 listen_allow(&address, WIRE_SEC_NONE, &why));
		assert_non_null(strstr(why.why,
				       "without --sec=munge or psk only "
				       "loopback and the unix socket "
				       "are served"));
	}
}

static void with_sec_all_addresses_are_served(void **state)
{
	struct listen_address address;

	for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++) {
		assert_int_equal(0, parse(outside[i], &address));
		assert_int_equal(0,
				 listen_allow(&address, WIRE_SEC_MUNGE, &why));
	}
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const texts[] = {
		"",	"localhost", "127.0.0.1:",   "127.0.0.1:65536",
		"[::1", "[::1]7373", "127.0.0.1:73x"};
	struct listen_address address;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(-EINVAL, parse(texts[i], &address));
}

static void taken_port_is_told(void **state)
{
	struct listen_address address;
	struct sockaddr_in *in = (void *)&address.addr;
	socklen_t len = sizeof(*in);
	int first = -1, second = -1;

	assert_int_equal(0, parse("127.0.0.1:0", &address));
	assert_int_equal(0, listen_inet(&address, &first, &why));
	assert_int_equal(0, getsockname(first, (void *)in, &len));
	assert_int_equal(-EADDRINUSE, listen_inet(&address, &second, &why));
	assert_non_null(strstr(why.why, "the port is taken"));
	(void)close(first);
}

static void unix_socket_is_open_to_everybody(void **state)
{
	struct stat st;
	int fd = -1;

	assert_int_equal(0, listen_unix(path, &fd, &why));
	assert_int_equal(0, stat(path, &st));
	assert_int_equal(0666, st.st_mode & 07777);
	listen_unlink(path, fd);
	assert_int_equal(-1, stat(path, &st));
	(void)close(fd);
}

static void living_socket_is_refused_and_dead_one_taken_over(void **state)
{
	int first = -1, second = -1;

	assert_int_equal(0, listen_unix(path, &first, &why));
	assert_int_equal(-EADDRINUSE, listen_unix(path, &second, &why));
	assert_non_null(strstr(why.why, "a mitosisd is listening"));
	(void)close(first); /* as a killed daemon does: the name stays */
	assert_int_equal(0, access(path, F_OK));
	assert_int_equal(0, listen_unix(path, &second, &why));
	(void)close(second);
}

static void file_of_another_kind_is_left_alone(void **state)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	(void)close(fd);
	assert_int_equal(-EEXIST, listen_unix(path, &fd, &why));
	assert_int_equal(0, access(path, F_OK));
}

static void folder_that_others_may_write_is_refused(void **state)
{
	int fd = -1;

	assert_int_equal(0, chmod(dir, 0777));
	assert_int_equal(-EPERM, listen_unix(path, &fd, &why));
	assert_non_null(strstr(why.why, "others may write there"));
}

static void missing_folder_is_made(void **state)
{
	const mode_t before = umask(077);
	char deep[96], made[80];
	struct stat st;
	int fd = -1;

	(void)snprintf(made, sizeof(made), "%s/run", dir);
	(void)snprintf(deep, sizeof(deep), "%s/control.sock", made);
	assert_int_equal(0, listen_unix(deep, &fd, &why));
	assert_int_equal(0, stat(made, &st));
	assert_int_equal(0755, st.st_mode & 07777);
	(void)umask(before);
	listen_unlink(deep, fd);
	(void)close(fd);
	assert_int_equal(0, rmdir(made));
}

/* Who has made it has a reason for what it is. */
static void mode_of_a_folder_that_was_there_stays(void **state)
{
	struct stat st;
	int fd = -1;

	assert_int_equal(0, chmod(dir, 0710));
	assert_int_equal(0, listen_unix(path, &fd, &why));
	assert_int_equal(0, stat(dir, &st));
	assert_int_equal(0710, st.st_mode & 07777);
	(void)close(fd);
}

static mode_t locked; /* of what flock() was called for last */

int __real_flock(int fd, int how);
int __wrap_flock(int fd, int how);

int __wrap_flock(int fd, int how)
{
	struct stat st;

	assert_int_equal(0, fstat(fd, &st));
	locked = st.st_mode;
	assert_true(how & LOCK_NB);
	return __real_flock(fd, how);
}

/* Everybody can open the folder, and so hold what lock it has. */
static void nobody_else_can_hold_the_lock(void **state)
{
	int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;

	assert_int_equal(0, __real_flock(folder, LOCK_EX));
	assert_int_equal(0, listen_unix(path, &fd, &why));
	assert_int_equal(S_IFREG | 0600, locked);
	(void)close(folder);
	(void)close(fd);
}

static void held_lock_is_not_waited_for_without_end(void **state)
{
	char name[80];
	int lock, fd = -1;

	(void)snprintf(name, sizeof(name), "%s.lock", path);
	lock = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_int_equal(0, __real_flock(lock, LOCK_EX));
	assert_int_equal(-EBUSY, listen_unix(path, &fd, &why));
	assert_non_null(strstr(why.why, "control.sock.lock"));
	assert_int_equal(-1, access(path, F_OK));
	/* Who held it took the name, and then dropped it. */
	assert_int_equal(0, unlink(name));
	assert_int_equal(0, listen_unix(path, &fd, &why));
	(void)close(lock);
	(void)close(fd);
}

static void lock_that_is_a_link_is_not_followed(void **state)
{
	char name[80], other[80];
	int fd = -1;

	(void)snprintf(name, sizeof(name), "%s.lock", path);
	(void)snprintf(other, sizeof(other), "%s.other", path);
	assert_int_equal(0, symlink(other, name));
	assert_int_equal(-ELOOP, listen_unix(path, &fd, &why));
	assert_int_equal(-1, access(other, F_OK));
	assert_int_equal(0, unlink(name));
}

static void path_too_long_or_relative_is_refused(void **state)
{
	char longer[200];
	int fd = -1;

	memset(longer, 'a', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(-EINVAL, listen_unix(longer, &fd, &why));
	assert_int_equal(-EINVAL, listen_unix("control.sock", &fd, &why));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(loopback_addresses_are_taken),
		CASE(nothing_else_is_served_without_sec),
		CASE(with_sec_all_addresses_are_served),
		CASE(what_is_no_address_is_refused),
		CASE(taken_port_is_told),
		CASE(unix_socket_is_open_to_everybody),
		CASE(living_socket_is_refused_and_dead_one_taken_over),
		CASE(file_of_another_kind_is_left_alone),
		CASE(folder_that_others_may_write_is_refused),
		CASE(missing_folder_is_made),
		CASE(mode_of_a_folder_that_was_there_stays),
		CASE(nobody_else_can_hold_the_lock),
		CASE(held_lock_is_not_waited_for_without_end),
		CASE(lock_that_is_a_link_is_not_followed),
		CASE(path_too_long_or_relative_is_refused),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}

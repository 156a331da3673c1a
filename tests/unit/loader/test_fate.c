/* SPDX-License-Identifier: MIT */
/*
 * test_fate.c - what becomes of descriptors, case by case
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "loader/fate.h"

#define FDS_MAX 12

struct table {
	struct image_fd fds[FDS_MAX];
	struct fate fates[FDS_MAX];
	struct image image;
	struct fate_options options;
	struct why why;
};

static struct image_fd *add(struct table *table, int fd,
			    enum image_fd_kind kind, const char *path)
{
	struct image_fd *new = &table->fds[table->image.nr_fds++];

	table->image.fds = table->fds;
	*new = (struct image_fd){.fd = fd,
				 .kind = kind,
				 .path = (char *)path,
				 .same_as = -1,
				 .inode = 100 + (uint64_t)fd};
	return new;
}

static int decide(struct table *table)
{
	return fate_decide(&table->image, &table->options, table->fates,
			   &table->why);
}

static void files_are_reopened(void **state)
{
	struct table table = {0};

	add(&table, 0, IMAGE_FD_FILE, "/etc/passwd");
	add(&table, 3, IMAGE_FD_DIR, "/tmp");
	add(&table, 4, IMAGE_FD_CHARDEV, "/dev/null");
	add(&table, 5, IMAGE_FD_FILE, "/etc/passwd")->same_as = 0;
	assert_int_equal(decide(&table), 0);
	assert_int_equal(table.fates[0].kind, FATE_REOPEN);
	assert_int_equal(table.fates[1].kind, FATE_REOPEN);
	assert_int_equal(table.fates[2].kind, FATE_REOPEN);
	assert_int_equal(table.fates[3].kind, FATE_DUP);
	assert_int_equal(table.fates[3].number, 0);
}

static void a_deleted_file_is_refused_with_the_way_out(void **state)
{
	struct table table = {0};
	const struct fate_choice choice = {
		.fd = 7, .own_fd = -1, .path = "/tmp/other"};

	add(&table, 7, IMAGE_FD_FILE, "/tmp/x (deleted)")->size_bytes = 9;
	assert_int_equal(decide(&table), -EOPNOTSUPP);
	assert_non_null(strstr(table.why.text, "descriptor 7"));
	assert_non_null(strstr(table.why.text, "/tmp/x"));
	assert_non_null(strstr(table.why.text, "--fd 7=PATH"));
	table.options =
		(struct fate_options){.choices = &choice, .nr_choices = 1};
	assert_int_equal(decide(&table), 0);
	assert_int_equal(table.fates[0].kind, FATE_PATH);
	assert_string_equal(table.fates[0].path, "/tmp/other");
}

static void a_deleted_file_lives_when_its_bytes_are_in_the_image(void **state)
{
	struct image_vma vma = {.kind = IMAGE_VMA_SHARED,
				.flags = IMAGE_VMA_SHARED_MAP,
				.inode = 102,
				.end = 4096,
				.name = (char *)"/dev/shm/x (deleted)"};
	struct table table = {0};
	uint8_t bytes[9] = {0};

	add(&table, 5, IMAGE_FD_FILE, "/tmp/empty (deleted)");
	add(&table, 6, IMAGE_FD_FILE, "/tmp/x (deleted)")->size_bytes = 9;
	table.fds[1].data = bytes;
	table.fds[1].data_bytes = sizeof(bytes);
	/* The memory that is mapped of it is all there is to know. */
	add(&table, 7, IMAGE_FD_FILE, "/dev/shm/x (deleted)")->size_bytes = 9;
	table.fds[2].inode = 102;
	table.image.vmas = &vma;
	table.image.nr_vmas = 1;
	assert_int_equal(decide(&table), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(table.fates[i].kind, FATE_MEMFD);
	table.fds[1].data_bytes = 8;
	assert_int_equal(decide(&table), -EOPNOTSUPP);
	table.fds[1].data_bytes = 9;
	/* The same number on another file system is another file. */
	vma.name = (char *)"/dev/shm/y (deleted)";
	vma.dev_minor = 77;
	assert_int_equal(decide(&table), -EOPNOTSUPP);
	table.fds[2].dev = makedev(0, 77);
	assert_int_equal(decide(&table), 0);
	add(&table, 8, IMAGE_FD_DIR, "/tmp/dir (deleted)");
	assert_int_equal(decide(&table), -EOPNOTSUPP);
}

static void unknown_kinds_are_refused(void **state)
{
	struct table table = {0};

	add(&table, 9, IMAGE_FD_UNSUPPORTED, "anon_inode:inotify");
	assert_int_equal(decide(&table), -EOPNOTSUPP);
	assert_non_null(strstr(table.why.text, "anon_inode:inotify"));
}

static void streams_of_stdio_are_the_loaders(void **state)
{
	struct table table = {0};

	add(&table, 0, IMAGE_FD_TTY, "/dev/pts/1");
	add(&table, 1, IMAGE_FD_PIPE, "pipe:[5]")->open_flags = O_WRONLY;
	add(&table, 2, IMAGE_FD_SOCKET, "socket:[6]");
	/* The same terminal and the same pipe under other numbers. */
	add(&table, 4, IMAGE_FD_TTY, "/dev/pts/1")->inode = 100;
	add(&table, 5, IMAGE_FD_PIPE, "pipe:[5]")->inode = 101;
	table.fds[4].open_flags = O_WRONLY;
	assert_int_equal(decide(&table), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(table.fates[i].kind, FATE_STDIO);
	assert_int_equal(table.fates[2].number, 2);
	assert_int_equal(table.fates[3].number, 0);
	assert_int_equal(table.fates[4].number, 1);
}

static void a_file_as_stdout_stays_a_file(void **state)
{
	struct table table = {0};

	add(&table, 1, IMAGE_FD_FILE, "/tmp/log");
	assert_int_equal(decide(&table), 0);
	assert_int_equal(table.fates[0].kind, FATE_REOPEN);
}

static void a_pipe_lives_when_both_ends_are_inside(void **state)
{
	struct table table = {0};

	add(&table, 3, IMAGE_FD_PIPE, "pipe:[9]")->inode = 9;
	add(&table, 4, IMAGE_FD_PIPE, "pipe:[9]")->inode = 9;
	table.fds[1].open_flags = O_WRONLY;
	add(&table, 5, IMAGE_FD_PIPE, "pipe:[10]")->inode = 10;
	add(&table, 6, IMAGE_FD_PIPE, "pipe:[10]")->inode = 10;
	assert_int_equal(decide(&table), 0);
	assert_int_equal(table.fates[0].kind, FATE_PIPE);
	assert_int_equal(table.fates[1].kind, FATE_PIPE);
	/* Two reading ends do not make a pipe. */
	assert_int_equal(table.fates[2].kind, FATE_DEAD_PIPE);
	assert_int_equal(table.fates[3].kind, FATE_DEAD_PIPE);
	assert_ptr_equal(fate_far_end(&table.image, 0), &table.fds[1]);
}

static struct image_fd *add_pipe(struct table *table, int fd, uint64_t inode,
				 int flags)
{
	struct image_fd *added = add(table, fd, IMAGE_FD_PIPE, "/tmp/fifo");

	added->inode = inode;
	added->open_flags = (uint32_t)flags;
	return added;
}

static void a_fifo_of_both_directions_is_a_pipe_by_itself(void **state)
{
	struct table table = {0};

	/* How somebody else is spoken to, with a duplicate; and all our own. */
	(void)add_pipe(&table, 0, 20, O_RDWR);
	(void)add_pipe(&table, 3, 21, O_RDWR);
	add_pipe(&table, 4, 20, O_RDWR)->same_as = 0;
	/* Two descriptions of one pipe. */
	(void)add_pipe(&table, 5, 22, O_RDWR);
	(void)add_pipe(&table, 6, 22, O_RDONLY);
	/* Neither reads nor writes; and the same number elsewhere. */
	(void)add_pipe(&table, 7, 23, O_WRONLY);
	(void)add_pipe(&table, 8, 23, O_PATH);
	add_pipe(&table, 9, 23, O_RDONLY)->dev = 1;
	assert_int_equal(decide(&table), 0);
	assert_int_equal(table.fates[0].kind, FATE_STDIO);
	assert_int_equal(table.fates[1].kind, FATE_PIPE);
	assert_ptr_equal(fate_far_end(&table.image, 1), &table.fds[1]);
	assert_int_equal(table.fates[2].kind, FATE_DUP);
	assert_int_equal(table.fates[3].kind, FATE_PIPE);
	assert_int_equal(table.fates[4].kind, FATE_PIPE);
	for (int i = 5; i < 8; i++)
		assert_int_equal(table.fates[i].kind, FATE_DEAD_PIPE);
}

static struct image_fd *add_socket(struct table *table, int fd, uint64_t inode,
				   uint64_t peer)
{
	struct image_fd *added = add(table, fd, IMAGE_FD_SOCKET, "socket:[1]");

	added->inode = inode;
	added->value = peer;
	added->domain = AF_UNIX;
	added->type = SOCK_STREAM;
	return added;
}

static void sockets_live_when_they_are_each_others_peers(void **state)
{
	struct table table = {0};

	(void)add_socket(&table, 3, 9, 10);
	(void)add_socket(&table, 4, 10, 9);
	/* A stranger's, one-sided, its own, of another type, a network's. */
	(void)add_socket(&table, 5, 11, 99);
	(void)add_socket(&table, 6, 12, 9);
	(void)add_socket(&table, 7, 13, 13);
	add_socket(&table, 8, 14, 15)->type = SOCK_DGRAM;
	(void)add_socket(&table, 9, 15, 14);
	add_socket(&table, 10, 16, 17)->domain = AF_INET;
	add_socket(&table, 11, 17, 16)->domain = AF_INET;
	assert_int_equal(decide(&table), 0);
	for (int i = 0; i < 9; i++)
		assert_int_equal(table.fates[i].kind,
				 i < 2 ? FATE_PAIR : FATE_DEAD_SOCKET);
	assert_ptr_equal(fate_peer(&table.image, 0), &table.fds[1]);
	assert_ptr_equal(fate_peer(&table.image, 1), &table.fds[0]);
}

static void a_memfd_needs_its_bytes_in_the_image(void **state)
{
	/* In two pieces, the second one lower in memory. */
	struct image_vma vmas[] = {
		{.end = 4096, .offset_bytes = 4096},
		{.start = 8192, .end = 8192 + 4096},
	};
	struct table table = {0};

	for (int i = 0; i < 2; i++) {
		vmas[i].kind = IMAGE_VMA_SHARED;
		vmas[i].flags = IMAGE_VMA_SHARED_MAP;
		vmas[i].inode = 103;
		vmas[i].name = (char *)"/memfd:x (deleted)";
	}
	add(&table, 3, IMAGE_FD_MEMFD, "/memfd:x (deleted)")->size_bytes = 8000;
	assert_int_equal(decide(&table), -EOPNOTSUPP);
	table.image.vmas = vmas;
	table.image.nr_vmas = 2;
	assert_int_equal(decide(&table), 0);
	assert_int_equal(table.fates[0].kind, FATE_MEMFD);
	/* What nobody had mapped is not in the image. */
	table.fds[0].size_bytes = 8193;
	assert_int_equal(decide(&table), -EOPNOTSUPP);
	table.fds[0].size_bytes = 8000;
	table.image.nr_vmas = 1;
	assert_int_equal(decide(&table), -EOPNOTSUPP);
	vmas[0] = (struct image_vma){.kind = IMAGE_VMA_SHARED,
				     .inode = 103,
				     .end = 8192,
				     .name = (char *)"/memfd:x (deleted)"};
	assert_int_equal(decide(&table), -EOPNOTSUPP);
}

static void a_choice_about_nothing_is_refused(void **state)
{
	const struct fate_choice choices[] = {
		{.fd = 3, .own_fd = -1, .path = "/tmp/other"},
		{.fd = 4, .own_fd = -1, .path = "/tmp/other"},
	};
	struct table table = {.options = {choices, 1, NULL, 0}};

	add(&table, 3, IMAGE_FD_FILE, "/tmp/log");
	assert_int_equal(decide(&table), 0);
	table.options.nr_choices = 2;
	assert_int_equal(decide(&table), -EINVAL);
	assert_non_null(strstr(table.why.text, "--fd 4"));
}

static void a_port_that_nobody_listens_on_is_refused(void **state)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons(80)};
	const struct sockaddr_in6 six = {.sin6_family = AF_INET6,
					 .sin6_port = htons(81)};
	const struct fate_port ports[] = {{80, 90}, {81, 91}, {82, 92}};
	struct table table = {.options = {NULL, 0, ports, 2}};
	struct image_fd *fd = add(&table, 3, IMAGE_FD_LISTENER, "socket:[1]");

	fd->data = (uint8_t *)&address;
	fd->data_bytes = sizeof(address);
	fd = add(&table, 4, IMAGE_FD_LISTENER, "socket:[2]");
	fd->data = (uint8_t *)&six;
	fd->data_bytes = sizeof(six);
	assert_int_equal(decide(&table), 0);
	table.options.nr_ports = 3;
	assert_int_equal(decide(&table), -EINVAL);
	assert_non_null(strstr(table.why.text, "--port 82"));
}

static void the_dead_are_counted(void **state)
{
	struct table table = {0};
	char text[128];

	add(&table, 3, IMAGE_FD_SOCKET, "socket:[1]");
	add(&table, 4, IMAGE_FD_SOCKET, "socket:[2]");
	add(&table, 5, IMAGE_FD_PIPE, "pipe:[3]");
	assert_int_equal(decide(&table), 0);
	fate_describe_dead(table.fates, 3, text, sizeof(text));
	assert_non_null(strstr(text, "2 sockets"));
	assert_non_null(strstr(text, "1 pipe end "));
	fate_describe_dead(table.fates, 0, text, sizeof(text));
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_reopened),
		cmocka_unit_test(a_deleted_file_is_refused_with_the_way_out),
		cmocka_unit_test(
			a_deleted_file_lives_when_its_bytes_are_in_the_image),
		cmocka_unit_test(unknown_kinds_are_refused),
		cmocka_unit_test(streams_of_stdio_are_the_loaders),
		cmocka_unit_test(a_file_as_stdout_stays_a_file),
		cmocka_unit_test(a_pipe_lives_when_both_ends_are_inside),
		cmocka_unit_test(a_fifo_of_both_directions_is_a_pipe_by_itself),
		cmocka_unit_test(sockets_live_when_they_are_each_others_peers),
		cmocka_unit_test(a_memfd_needs_its_bytes_in_the_image),
		cmocka_unit_test(a_choice_about_nothing_is_refused),
		cmocka_unit_test(a_port_that_nobody_listens_on_is_refused),
		cmocka_unit_test(the_dead_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

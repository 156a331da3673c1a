/* SPDX-License-Identifier: MIT */
/*
 * The tree through the kernel: a session over the null transport, whose bytes
 * tell their address, is mounted in a private mount namespace and read as tools
 * and children read it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/page.h"
#include "common/source.h"
#include "fs/core.h"
#include "fs/session.h"
#include "rdmafetch/null.h"
#include "tests/unit/fs/sample.h"

static char mountpoint[] = "/tmp/mitosis-fs-test.XXXXXX";
static pid_t server;

static void nobody_waits(void *arg)
{
}

static void null_words(void *arg, char *text)
{
	(void)strcpy(text, "null");
}

static int serve(int ready_fd)
{
	char *argv[] = {"mitosisfs", "local:/pid/77", mountpoint};
	struct options options;
	struct session *session;
	struct image *image = sample_image();
	struct session_image from = {
		.image = image,
		.desc = "desc",
		.desc_bytes = 4,
		.origin = {.source = "local:/pid/77",
			   .transport = null_words,
			   .name = "",
			   .image = image},
	};
	int r;

	if (options_parse(3, argv, &options) ||
	    null_open(NULL, &from.transport) ||
	    session_open(&options, &from, &session))
		return 1;
	if (write(ready_fd, "x", 1) != 1)
		return 1;
	r = session_run(session, nobody_waits, NULL);
	session_close(session);
	image_free(image);
	options_done(&options);
	return r ? 1 : 0;
}

static int set_up(void **state)
{
	int fds[2];
	char ready;

	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return 0; /* not root: each test skips */
	if (!mkdtemp(mountpoint) || pipe(fds))
		return -1;
	server = fork();
	if (server == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(serve(fds[1]));
	}
	(void)close(fds[1]);
	return read(fds[0], &ready, 1) == 1 ? 0 : -1;
}

static int tear_down(void **state)
{
	int status = 0;

	if (server > 0) {
		(void)umount(mountpoint);
		(void)waitpid(server, &status, 0);
		(void)rmdir(mountpoint);
	}
	return status;
}

static int open_at(const char *name, int flags)
{
	char path[256];

	if (server <= 0) {
		print_message("needs root, to mount\n");
		skip();
	}
	(void)snprintf(path, sizeof(path), "%s/%s", mountpoint, name);
	return open(path, flags | O_CLOEXEC);
}

static void assert_word(const uint64_t *page, uint64_t raddr)
{
	assert_int_equal(page[0], null_word(SOURCE_MEMORY, raddr));
	assert_int_equal(page[511], null_word(SOURCE_MEMORY, raddr + 4088));
}

static void a_private_map_of_space_has_pages_at_their_address(void **state)
{
	int fd = open_at("image/.space", O_RDONLY);
	uint64_t *pages = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE, fd, 0x10000);

	assert_true(pages != MAP_FAILED);
	assert_word(pages + 2 * 512, 0x12000);
	assert_word(pages + 3 * 512, 0x13000);
	assert_word(pages + 9 * 512, 0x19000);
	for (int page = 4; page < 9; page++)
		assert_int_equal(pages[page * 512 + 7], 0);
	pages[2 * 512] = 5; /* copy on write: nobody else sees it */
	assert_int_equal(munmap(pages, 0x10000), 0);
	close(fd);
}

static void high_addresses_are_mapped_too(void **state)
{
	int fd = open_at("image/.space", O_RDONLY);
	uint64_t *pages = mmap(NULL, 0x4000, PROT_READ | PROT_EXEC, MAP_PRIVATE,
			       fd, 0x7f0000000000);

	assert_true(pages != MAP_FAILED);
	assert_word(pages + 3 * 512, 0x7f0000003000);
	assert_int_equal(munmap(pages, 0x4000), 0);
	close(fd);
}

static void odd_reads_of_an_area_are_exact(void **state)
{
	int fd = open_at("image/vma/00010000-00020000", O_RDONLY);
	uint8_t bytes[0x3000], word[8];
	uint64_t expected = null_word(SOURCE_MEMORY, 0x13ff8);

	assert_int_equal(pread(fd, bytes, sizeof(bytes), 0x1ffc), 0x3000);
	assert_int_equal(bytes[0], 0);
	memcpy(word, bytes + (0x3ff8 - 0x1ffc), 8);
	assert_memory_equal(word, &expected, 8);
	assert_int_equal(bytes[0x2fff], 0);
	assert_int_equal(pread(fd, bytes, 100, 0xffff), 1);
	assert_int_equal(pread(fd, bytes, 100, 0x10000), 0);
	close(fd);
}

static void holes_are_found(void **state)
{
	int fd = open_at("image/vma/00010000-00020000", O_RDONLY);

	assert_int_equal(lseek(fd, 0, SEEK_DATA), 0x2000);
	assert_int_equal(lseek(fd, 0x2000, SEEK_HOLE), 0x4000);
	close(fd);
}

static void the_executable_has_its_size(void **state)
{
	int fd = open_at("image/exe", O_RDONLY);
	uint8_t bytes[6000];
	uint64_t expected = null_word(SOURCE_EXE, 0x1000);

	assert_int_equal(read(fd, bytes, sizeof(bytes)), 5000);
	assert_memory_equal(bytes + 0x1000, &expected, 8);
	close(fd);
}

/* What the null transport has at @raddr, if the sample has it. */
static uint8_t memory_byte(const struct image *image, uint64_t raddr)
{
	uint64_t word = null_word(SOURCE_MEMORY, raddr & ~7ull);

	if (!image_present_pages(image, page_of(raddr), 1))
		return 0;
	return (uint8_t)(word >> raddr % 8 * 8);
}

static void assert_core(struct core *core, const struct image *image,
			uint64_t at, const uint8_t *bytes, uint64_t len)
{
	struct core_piece piece;

	for (uint64_t i = 0; i < len; i++) {
		uint8_t wanted = 0;

		assert_int_equal(core_piece_at(core, at + i, &piece), 0);
		if (piece.kind == CORE_HEADERS)
			wanted = piece.bytes[0];
		if (piece.kind == CORE_MEMORY)
			wanted = memory_byte(image, piece.raddr);
		if (bytes[i] != wanted)
			fail_msg("byte %lu of the core is wrong", at + i);
	}
}

/* At any offset and length, over the seams of headers, gaps and areas. */
static void the_core_is_read_anywhere(void **state)
{
	int fd = open_at("image/core", O_RDONLY);
	struct image *image = sample_image();
	uint8_t *bytes = malloc(1 << 20);
	struct core *core;
	uint64_t size;

	assert_int_equal(core_new(image, &core), 0);
	size = core_size_bytes(core);
	assert_int_equal(lseek(fd, 0, SEEK_END), size);
	assert_int_equal(pread(fd, bytes, 1 << 20, 0), size);
	assert_core(core, image, 0, bytes, size);
	srandom(1);
	for (int i = 0; i < 200; i++) {
		uint64_t at = (uint64_t)random() % size;
		uint64_t len = (uint64_t)random() % 20000;
		ssize_t got = pread(fd, bytes, len, (off_t)at);

		assert_int_equal(got, len < size - at ? len : size - at);
		assert_core(core, image, at, bytes, (uint64_t)got);
	}
	core_free(core);
	image_free(image);
	free(bytes);
	close(fd);
}

/* As /proc/PID/mem, but with an end at 0 for tools that copy. */
static void mem_is_read_by_address(void **state)
{
	int fd = open_at("image/mem", O_RDONLY);
	uint8_t bytes[8192];
	uint64_t expected = null_word(SOURCE_MEMORY, 0x12008);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(read(fd, bytes, 100), 0);
	assert_int_equal(pread(fd, bytes, 8, 0x12008), 8);
	assert_memory_equal(bytes, &expected, 8);
	assert_int_equal(pread(fd, bytes, 16, 0x12ff8), 16);
	expected = null_word(SOURCE_MEMORY, 0x12ff8);
	assert_memory_equal(bytes, &expected, 8);
	expected = null_word(SOURCE_MEMORY, 0x13000);
	assert_memory_equal(bytes + 8, &expected, 8);
	assert_int_equal(pread(fd, bytes, 8192, 0x1fffd), 3);
	assert_int_equal(pread(fd, bytes, 1, 0x20000), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(pread(fd, bytes, 1, 0x7fff00000000), -1);
	assert_int_equal(errno, EIO);
	close(fd);
}

static void links_are_read(void **state)
{
	char path[256], target[64] = "";
	int fd = open_at("image/by-name/stack", O_RDONLY);

	assert_int_equal(lseek(fd, 0, SEEK_END), 0x2000);
	close(fd);
	(void)snprintf(path, sizeof(path), "%s/image/fd/3", mountpoint);
	assert_int_equal(readlink(path, target, sizeof(target) - 1), 20);
	assert_string_equal(target, "parent:/etc/hostname");
	(void)snprintf(path, sizeof(path), "%s/image/maps", mountpoint);
	assert_int_equal(readlink(path, target, sizeof(target)), -1);
	assert_int_equal(errno, EINVAL);
}

static void areas_have_attributes(void **state)
{
	static const char names[] =
		"user.mitosis.addr\0user.mitosis.name\0"
		"user.mitosis.perms";
	char got[128] = "";
	int fd = open_at("image/vma/7f0000000000-7f0000004000", O_RDONLY);
	int anon = open_at("image/vma/00010000-00020000", O_RDONLY);

	assert_int_equal(flistxattr(fd, got, sizeof(got)), sizeof(names));
	assert_memory_equal(got, names, sizeof(names));
	assert_int_equal(fgetxattr(fd, "user.mitosis.name", got, 0), 14);
	assert_int_equal(fgetxattr(fd, "user.mitosis.name", got, 128), 14);
	assert_memory_equal(got, "/lib/libc.so.6", 14);
	assert_int_equal(fgetxattr(fd, "user.mitosis.name", got, 3), -1);
	assert_int_equal(errno, ERANGE);
	assert_int_equal(fgetxattr(fd, "user.mitosis.perms", got, 128), 4);
	assert_memory_equal(got, "r-xp", 4);
	assert_int_equal(fgetxattr(anon, "user.mitosis.addr", got, 128), 8);
	assert_memory_equal(got, "00010000", 8);
	assert_int_equal(fgetxattr(anon, "user.mitosis.name", got, 128), -1);
	assert_int_equal(errno, ENODATA);
	assert_int_equal(fsetxattr(fd, "user.mitosis.perms", "x", 1, 0), -1);
	assert_int_equal(errno, EROFS);
	close(fd);
	close(anon);
	fd = open_at("image/maps", O_RDONLY);
	assert_int_equal(flistxattr(fd, got, sizeof(got)), 0);
	close(fd);
}

static void status_is_live(void **state)
{
	char text[4096];
	int fd = open_at("status", O_RDONLY);
	ssize_t len = read(fd, text, sizeof(text) - 1);

	assert_true(len > 0);
	text[len] = '\0';
	assert_non_null(strstr(text, "source: local:/pid/77\n"));
	assert_non_null(strstr(text, "pages_present: 7\n"));
	close(fd);
}

/* One reader sees one moment, though it reads in pieces. */
static void status_json_is_made_at_its_open(void **state)
{
	char first[4096] = "", second[4096] = "";
	int fd = open_at("status.json", O_RDONLY), again, area;

	assert_int_equal(pread(fd, first, 5, 0), 5);
	area = open_at("image/vma/00010000-00020000", O_RDONLY | O_DIRECT);
	assert_int_equal(pread(area, second, 8, 0x9000), 8);
	close(area);
	assert_true(pread(fd, first + 5, sizeof(first) - 6, 5) > 100);
	close(fd);
	assert_non_null(strstr(first, "\"format\": 1,"));
	assert_string_equal(first + strlen(first) - 2, "}\n");
	again = open_at("status.json", O_RDONLY);
	assert_true(read(again, second, sizeof(second) - 1) > 100);
	close(again);
	assert_string_not_equal(strstr(first, "\"reads_demand\""),
				strstr(second, "\"reads_demand\""));
}

static void metrics_are_live(void **state)
{
	char text[16384];
	int fd = open_at("metrics", O_RDONLY);
	ssize_t len = 0, got;

	while ((got = pread(fd, text + len, 100, len)) > 0)
		len += got;
	assert_int_equal(got, 0);
	text[len] = '\0';
	assert_non_null(strstr(text, "\nmitosisfs_faults_total "));
	assert_non_null(strstr(text, ",transport=\"null\"} 1\n"));
	assert_non_null(
		strstr(text, "\nmitosisfs_image_present_bytes 28672\n"));
	assert_int_equal(text[len - 1], '\n');
	close(fd);
}

static void directories_list_every_name_once(void **state)
{
	int fd = open_at("image/vma", O_RDONLY | O_DIRECTORY);
	DIR *dir = fdopendir(fd);
	int nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	assert_int_equal(nr, 2 + 3);
	closedir(dir);
}

static void nothing_can_be_written(void **state)
{
	char path[256];

	assert_int_equal(open_at("image/maps", O_WRONLY), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(open_at("image/new", O_CREAT | O_WRONLY), -1);
	assert_int_equal(errno, EROFS);
	(void)snprintf(path, sizeof(path), "%s/image/maps", mountpoint);
	assert_int_equal(unlink(path), -1);
	assert_int_equal(errno, EROFS);
	(void)snprintf(path, sizeof(path), "%s/dir", mountpoint);
	assert_int_equal(mkdir(path, 0700), -1);
	assert_int_equal(errno, EROFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_private_map_of_space_has_pages_at_their_address),
		cmocka_unit_test(high_addresses_are_mapped_too),
		cmocka_unit_test(odd_reads_of_an_area_are_exact),
		cmocka_unit_test(holes_are_found),
		cmocka_unit_test(the_executable_has_its_size),
		cmocka_unit_test(the_core_is_read_anywhere),
		cmocka_unit_test(mem_is_read_by_address),
		cmocka_unit_test(links_are_read),
		cmocka_unit_test(areas_have_attributes),
		cmocka_unit_test(status_is_live),
		cmocka_unit_test(status_json_is_made_at_its_open),
		cmocka_unit_test(metrics_are_live),
		cmocka_unit_test(directories_list_every_name_once),
		cmocka_unit_test(nothing_can_be_written),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_mapped.c - mapped files as a user may have them: through the areas, and
 * by path where there is no power for that
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/page.h"
#include "parent/mapped.h"
#include "parent/vmas.h"
#include "tests/unit/parent/target.h"

#define NOBODY 65534

static char dir[] = "/tmp/test-mapped-XXXXXX";

/* Made in this order; mapped by the target in it, too. */
enum file { OPEN, SECRET, GROUP, GONE, ODD, REPLACED, NR_FILES };

static const struct {
	const char *name;
	mode_t mode;
} files[NR_FILES] = {
	[OPEN] = {"open", 0644},	 [SECRET] = {"secret", 0600},
	[GROUP] = {"group", 0640},	 [GONE] = {"gone", 0644},
	[ODD] = {"odd (deleted)", 0755}, [REPLACED] = {"replaced", 0644},
};

static const char *path_of(enum file file)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, files[file].name);
	return path;
}

static void make(enum file file, const char *text)
{
	int fd = open(path_of(file), O_CREAT | O_EXCL | O_WRONLY, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, files[file].mode), 0);
	assert_int_equal(fchown(fd, 0, file == GROUP ? NOBODY : 0), 0);
	(void)close(fd);
}

/* Maps what it may open, and a memfd. */
static void map_all(int ready_fd)
{
	int memfd = memfd_create("not-a-file", 0);

	(void)ftruncate(memfd, PAGE_BYTES);
	(void)mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, memfd, 0);
	for (int i = 0; i < NR_FILES; i++) {
		int fd = open(path_of((enum file)i), O_RDONLY);

		(void)mmap(NULL, 2 * PAGE_BYTES, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	(void)write(ready_fd, "r", 1);
	for (;;)
		pause();
}

static void change_all(void)
{
	assert_int_equal(unlink(path_of(GONE)), 0);
	assert_int_equal(unlink(path_of(REPLACED)), 0);
	make(REPLACED, "another file");
}

static void remove_all(void)
{
	for (int i = 0; i < NR_FILES; i++)
		(void)unlink(path_of((enum file)i));
}

static void make_all(void)
{
	for (int i = 0; i < NR_FILES; i++)
		make((enum file)i, files[i].name);
}

static struct image *scan(pid_t pid, uid_t uid)
{
	const struct mapped_ask ask = {pid, uid, uid};
	struct image *image = image_new();

	assert_int_equal(vmas_read(pid, &image->vmas, &image->nr_vmas, NULL),
			 0);
	assert_int_equal(mapped_scan(&ask, image), 0);
	return image;
}

static const struct image_mapped *find(const struct image *image,
				       enum file file)
{
	const struct image_mapped *found = NULL;

	for (uint32_t i = 0; i < image->nr_mapped; i++)
		if (!strcmp(image->mapped[i].path, path_of(file))) {
			assert_null(found);
			found = &image->mapped[i];
		}
	return found;
}

static void assert_found(const struct image *image, enum file file,
			 uint32_t flags)
{
	const struct image_mapped *mapped = find(image, file);

	if (!mapped)
		fail_msg("%s is missing", files[file].name);
	assert_int_equal(mapped->flags, flags);
	assert_int_equal(mapped->size_bytes, strlen(files[file].name));
	assert_int_equal(mapped->mode, files[file].mode);
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void root_has_all_as_they_were_mapped(void **state)
{
	pid_t pid;
	struct image *image;
	const struct image_mapped *mapped;
	char bytes[32] = "";
	int fd;

	make_all();
	pid = start(map_all);
	change_all();
	image = scan(pid, 0);
	assert_found(image, OPEN, 0);
	assert_found(image, SECRET, 0);
	assert_found(image, GROUP, 0);
	assert_found(image, GONE, IMAGE_MAPPED_DELETED);
	assert_found(image, ODD, 0);
	assert_found(image, REPLACED, IMAGE_MAPPED_DELETED);
	for (uint32_t i = 0; i < image->nr_mapped; i++)
		assert_null(strstr(image->mapped[i].path, "memfd"));
	mapped = find(image, REPLACED);
	assert_int_equal(mapped_open(pid, image_vma_at(image, mapped->raddr),
				     O_RDONLY, &fd),
			 0);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), 8);
	assert_string_equal(bytes, "replaced");
	assert_true(mapped_is_same(fd, mapped));
	(void)close(fd);
	image_free(image);
	end(pid);
	remove_all();
}

/* Root's process, and what another user may have of it. */
static void user_has_what_the_kernel_lets_him_read(void **state)
{
	pid_t pid;
	struct image *image;

	make_all();
	pid = start(map_all);
	change_all();
	image = scan(pid, NOBODY);
	assert_found(image, OPEN, 0);
	assert_found(image, SECRET, IMAGE_MAPPED_CLOSED);
	assert_found(image, GROUP, 0);
	assert_found(image, GONE, IMAGE_MAPPED_DELETED);
	image_free(image);
	image = scan(pid, NOBODY - 1);
	assert_found(image, GROUP, IMAGE_MAPPED_CLOSED);
	assert_found(image, REPLACED, IMAGE_MAPPED_DELETED);
	image_free(image);
	end(pid);
	remove_all();
}

static void be_nobody(void)
{
	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(setresgid(NOBODY, NOBODY, NOBODY), 0);
	assert_int_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
	/* As after an exec(): its processes may look at each other. */
	assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0);
}

/* Without power map_files is shut: the path must lead to the same inode. */
static void look_as_nobody(void)
{
	struct image *image;
	pid_t pid;
	int fd;

	assert_int_equal(chown(path_of(ODD), NOBODY, NOBODY), 0);
	be_nobody();
	pid = start(map_all);
	image = scan(pid, NOBODY);
	assert_found(image, OPEN, 0);
	assert_found(image, GROUP, 0);
	assert_found(image, ODD, 0);
	assert_null(find(image, SECRET)); /* could not be mapped */
	assert_int_equal(
		mapped_open(pid, image_vma_at(image, find(image, GONE)->raddr),
			    O_RDONLY, &fd),
		0);
	(void)close(fd);
	image_free(image);
	/* Mapped when it was open to him. */
	assert_int_equal(chmod(path_of(ODD), 0), 0);
	image = scan(pid, NOBODY);
	assert_int_equal(find(image, ODD)->flags, IMAGE_MAPPED_CLOSED);
	image_free(image);
	end(pid);
}

static void user_without_power_goes_by_path(void **state)
{
	int status;
	pid_t child;

	make_all();
	child = fork();
	if (child == 0) {
		look_as_nobody();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	remove_all();
}

/* What was replaced is not opened by its path. */
static void another_inode_is_refused(void **state)
{
	struct image_vma vma = {
		.name = (char *)path_of(OPEN), .start = 0x1000, .end = 0x2000};
	struct stat st;
	int status, fd;
	pid_t child;

	make_all();
	assert_int_equal(stat(path_of(OPEN), &st), 0);
	vma.inode = st.st_ino + 1;
	child = fork();
	if (child == 0) {
		be_nobody();
		_exit(mapped_open(getpid(), &vma, O_RDONLY, &fd) == 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	remove_all();
}

static void a_change_is_seen(void **state)
{
	struct image_mapped mapped;
	struct stat st;
	int fd;

	make(OPEN, "text");
	fd = open(path_of(OPEN), O_RDWR);
	assert_int_equal(fstat(fd, &st), 0);
	mapped.size_bytes = 4;
	mapped.mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u +
			  (uint64_t)st.st_mtim.tv_nsec;
	assert_true(mapped_is_same(fd, &mapped));
	assert_int_equal(unlink(path_of(OPEN)), 0);
	assert_true(mapped_is_same(fd, &mapped));
	st.st_mtim.tv_nsec ^= 1;
	assert_int_equal(
		futimens(fd, (struct timespec[]){st.st_atim, st.st_mtim}), 0);
	assert_false(mapped_is_same(fd, &mapped));
	st.st_mtim.tv_nsec ^= 1;
	assert_int_equal(ftruncate(fd, 5), 0);
	assert_int_equal(
		futimens(fd, (struct timespec[]){st.st_atim, st.st_mtim}), 0);
	assert_false(mapped_is_same(fd, &mapped));
	(void)close(fd);
}

static int set_up(void **state)
{
	(void)umask(022);
	if (!mkdtemp(dir) || chmod(dir, 0755))
		return -1;
	return 0;
}

static int tear_down(void **state)
{
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_has_all_as_they_were_mapped),
		cmocka_unit_test(user_has_what_the_kernel_lets_him_read),
		cmocka_unit_test(user_without_power_goes_by_path),
		cmocka_unit_test(another_inode_is_refused),
		cmocka_unit_test(a_change_is_seen),
	};

	if (geteuid() != 0) {
		print_message("skip: only root may be other users\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

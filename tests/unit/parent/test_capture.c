/* SPDX-License-Identifier: MIT */
/*
 * test_capture.c - what /proc says of a stopped child, in the image's words
 */
#include "tests/unit/parent/cmocka_env.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "parent/capture.h"
#include "tests/unit/parent/victim.h"

static void set_up(void *arg)
{
	const gid_t groups[] = {4, 24};

	(void)umask(0137);
	(void)personality(ADDR_NO_RANDOMIZE);
	(void)prctl(PR_SET_NAME, "vic tim)");
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (chdir("/usr") || (!geteuid() && setgroups(2, groups)) ||
	    (!geteuid() && setresgid(5, 6, 7)))
		_exit(99);
	/* Changing groups makes a process undumpable: /proc says root then. */
	(void)prctl(PR_SET_DUMPABLE, 1);
}

struct captured {
	struct image *image;
	int exe_fd;
};

static struct captured capture(void)
{
	struct captured captured = {image_new(), -1};
	pid_t pid = victim_start(set_up, NULL);

	assert_true(pid > 0);
	captured.image->mm.brk = 0x123000;
	assert_int_equal(capture_before(pid, captured.image), 0);
	capture_clocks(captured.image);
	assert_int_equal(capture_finish(pid, captured.image, &captured.exe_fd),
			 0);
	assert_int_equal(captured.image->host_pid, pid);
	victim_end(pid);
	return captured;
}

static void captured_end(struct captured *captured)
{
	image_free(captured->image);
	if (captured->exe_fd >= 0)
		(void)close(captured->exe_fd);
}

static void the_process_is_described(void **state)
{
	struct captured captured = capture();
	const struct image *image = captured.image;

	assert_int_equal(image->umask, 0137);
	assert_int_equal(image->personality & ADDR_NO_RANDOMIZE,
			 ADDR_NO_RANDOMIZE);
	assert_string_equal(image->comm, "vic tim)");
	assert_string_equal(image->cwd, "/usr");
	assert_int_equal(image->no_new_privs, 1);
	assert_int_equal(image->uid[1], geteuid());
	if (!geteuid()) {
		assert_int_equal(image->gid[0], 5);
		assert_int_equal(image->gid[1], 6);
		assert_int_equal(image->gid[2], 7);
		assert_int_equal(image->nr_groups, 2);
		assert_int_equal(image->groups[1], 24);
	}
	captured_end(&captured);
}

static void the_program_is_described(void **state)
{
	struct captured captured = capture();
	const struct image *image = captured.image;
	char self[PATH_MAX] = "";
	struct stat ours, theirs;

	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	assert_string_equal(image->exe, self);
	assert_int_equal(stat(self, &ours), 0);
	assert_int_equal(fstat(captured.exe_fd, &theirs), 0);
	assert_int_equal(image->exe_bytes, ours.st_size);
	assert_int_equal(ours.st_ino, theirs.st_ino);
	/* Addresses of a fork are ours. */
	assert_in_range((uintptr_t)set_up, image->mm.start_code,
			image->mm.end_code);
	assert_in_range((uintptr_t)&captured, (uintptr_t)&captured,
			image->mm.start_stack);
	assert_in_range((uintptr_t)environ[0], image->mm.env_start,
			image->mm.env_end);
	assert_int_equal(image->mm.brk, 0x123000);
	captured_end(&captured);
}

static void the_texts_are_those_of_proc(void **state)
{
	static const char *const names[] = {
		"status", "stat", "comm",    "limits",
		"cgroup", "auxv", "cmdline", "environ",
	};
	struct captured captured = capture();
	const struct image_text *text;
	bool found = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_non_null(image_text(captured.image, names[i]));
	text = image_text(captured.image, "auxv");
	for (uint32_t i = 0; i + sizeof(Elf64_auxv_t) <= text->len_bytes;
	     i += sizeof(Elf64_auxv_t)) {
		Elf64_auxv_t aux;

		memcpy(&aux, text->bytes + i, sizeof(aux));
		if (aux.a_type == AT_ENTRY) {
			assert_int_equal(aux.a_un.a_val, getauxval(AT_ENTRY));
			found = true;
		}
	}
	assert_true(found);
	text = image_text(captured.image, "comm");
	assert_int_equal(text->len_bytes, 9);
	assert_memory_equal(text->bytes, "vic tim)\n", 9);
	captured_end(&captured);
}

static void the_host_is_described(void **state)
{
	struct captured captured = capture();
	struct utsname names;
	bool any_feature = false;

	assert_int_equal(uname(&names), 0);
	assert_string_equal(captured.image->kernel, names.release);
	assert_string_equal(captured.image->hostname, names.nodename);
	assert_int_equal(strlen(captured.image->boot_id), 36);
	for (int i = 0; i < IMAGE_CPU_WORDS; i++)
		any_feature |= captured.image->cpu_features[i] != 0;
	assert_true(any_feature);
	assert_true(captured.image->captured_realtime_ns >
		    UINT64_C(1600000000000000000));
	assert_true(captured.image->captured_boottime_ns >=
		    captured.image->captured_monotonic_ns);
	captured_end(&captured);
}

static void nobody_is_esrch(void **state)
{
	struct image *image = image_new();
	int fd = -1;

	assert_int_equal(capture_before(1 << 23, image), -ESRCH);
	assert_int_equal(capture_finish(1 << 23, image, &fd), -ESRCH);
	assert_int_equal(fd, -1);
	image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_process_is_described),
		cmocka_unit_test(the_program_is_described),
		cmocka_unit_test(the_texts_are_those_of_proc),
		cmocka_unit_test(the_host_is_described),
		cmocka_unit_test(nobody_is_esrch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parent/gadget.h"
#include "parent/vmas.h"

#define BASE 0x7000000000ul

static void scan_finds_both_kinds(void **state)
{
	static const uint8_t code[] = {0x90, 0x0f, 0x05, 0x90, 0xb8,
				       0x0f, 0x00, 0x00, 0x00, 0x0f,
				       0x05, 0x0f, 0x05, 0xc3};
	struct gadgets gadgets = {0};

	(void)state;
	gadgets_scan(&gadgets, code, sizeof(code), BASE);
	assert_int_equal(gadgets.sigreturn, BASE + 4);
	assert_int_equal(gadgets.syscall_ret, BASE + 11);
	/* What was found stays. */
	gadgets_scan(&gadgets, code, sizeof(code), 0);
	assert_int_equal(gadgets.syscall_ret, BASE + 11);
}

static void scan_needs_every_byte(void **state)
{
	static const uint8_t code[] = {0xb8, 0x0f, 0x00, 0x00,
				       0x0f, 0x05, 0xc4};
	struct gadgets gadgets = {0};

	(void)state;
	gadgets_scan(&gadgets, code, sizeof(code), BASE);
	assert_int_equal(gadgets.sigreturn, 0);
	assert_int_equal(gadgets.syscall_ret, 0);
}

/* Run what was found in this very process: getpid() with the number in rax. */
static long call_through(uint64_t syscall_ret, long nr)
{
	long result;

	/* Past the red zone that this function may use. */
	__asm__ volatile("sub $128, %%rsp; call *%1; add $128, %%rsp"
			 : "=a"(result)
			 : "r"(syscall_ret), "a"(nr)
			 : "rcx", "r11", "memory", "cc");
	return result;
}

/* Reading makes memory areas of our own move, under sanitizers. */
static int read_vmas(struct image_vma **ret_vmas, uint32_t *ret_nr)
{
	struct refusal why;
	int rc = -EPROTO;

	for (int i = 0; i < 10 && rc == -EPROTO; i++)
		rc = vmas_read(getpid(), ret_vmas, ret_nr, &why);
	return rc;
}

static void finds_them_in_a_process(void **state)
{
	int mem_fd = open("/proc/self/mem", O_RDONLY);
	struct image_vma *vmas;
	struct gadgets gadgets;
	struct refusal why;
	uint32_t nr;

	(void)state;
	assert_int_equal(read_vmas(&vmas, &nr), 0);
	assert_int_equal(gadgets_find(mem_fd, vmas, nr, &gadgets, &why), 0);
	assert_true(gadgets_hold(&gadgets, mem_fd));
	assert_int_equal(call_through(gadgets.syscall_ret, SYS_getpid),
			 getpid());
	gadgets.sigreturn++;
	assert_false(gadgets_hold(&gadgets, mem_fd));
	for (uint32_t i = 0; i < nr; i++)
		vmas[i].prot &= ~(uint32_t)PROT_EXEC;
	assert_int_equal(gadgets_find(mem_fd, vmas, nr, &gadgets, &why),
			 -EOPNOTSUPP);
	vmas_free(vmas, nr);
	(void)close(mem_fd);
}

static const uint8_t both[] = {0x0f, 0x05, 0xc3, 0xb8, 0x0f,
			       0x00, 0x00, 0x00, 0x0f, 0x05};

/* "A process" that is a file: its memory at BASE is @vma's file from there on.
 */
static void assert_found_at(int mem_fd, const struct image_vma *vma,
			    uint64_t syscall_ret)
{
	struct gadgets gadgets;
	struct refusal why;

	assert_int_equal(gadgets_find(mem_fd, vma, 1, &gadgets, &why), 0);
	assert_int_equal(gadgets.syscall_ret, syscall_ret);
}

/* The same file elsewhere: the place is asked first, and not believed. */
static void what_was_learnt_is_looked_at_first(void **state)
{
	int self_fd = open("/proc/self/mem", O_RDONLY);
	int mem_fd = memfd_create("memory", 0);
	struct image_vma *vmas, here, there;
	struct gadgets ours;
	struct refusal why;
	uint8_t bytes[16];
	uint32_t nr, i = 0;

	(void)state;
	assert_int_equal(read_vmas(&vmas, &nr), 0);
	assert_int_equal(gadgets_find(self_fd, vmas, nr, &ours, &why), 0);
	while (vmas[i].end <= ours.syscall_ret)
		i++;
	here = there = vmas[i];
	there.start = BASE;
	there.end = BASE + (here.end - here.start);
	/* What is found without having learnt is the first. */
	assert_int_equal(pwrite(mem_fd, both, sizeof(both), BASE),
			 sizeof(both));
	for (int k = 0; k < 2; k++) {
		const uint64_t at = k ? ours.sigreturn : ours.syscall_ret;

		assert_int_equal(pread(self_fd, bytes, 16, (off_t)at), 16);
		assert_int_equal(pwrite(mem_fd, bytes, 16,
					(off_t)(BASE + at - here.start)),
				 16);
	}
	assert_found_at(mem_fd, &there, BASE);
	gadgets_learn();
	assert_found_at(mem_fd, &there, BASE + ours.syscall_ret - here.start);
	there.inode++;
	assert_found_at(mem_fd, &there, BASE);
	there.inode--;
	assert_int_equal(pwrite(mem_fd, "\x90", 1,
				(off_t)(BASE + ours.syscall_ret - here.start)),
			 1);
	assert_found_at(mem_fd, &there, BASE);
	vmas_free(vmas, nr);
	(void)close(self_fd);
	(void)close(mem_fd);
}

/* A process that ended meanwhile has no code: it is gone, not strange. */
static void an_ended_process_is_esrch(void **state)
{
	char path[32];
	struct image_vma *vmas;
	struct gadgets gadgets;
	struct refusal why;
	int mem_fd, status;
	uint32_t nr;
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem_fd = open(path, O_RDONLY);
	assert_true(mem_fd >= 0);
	assert_int_equal(read_vmas(&vmas, &nr), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(gadgets_find(mem_fd, vmas, nr, &gadgets, &why),
			 -ESRCH);
	vmas_free(vmas, nr);
	(void)close(mem_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scan_finds_both_kinds),
		cmocka_unit_test(scan_needs_every_byte),
		cmocka_unit_test(finds_them_in_a_process),
		cmocka_unit_test(what_was_learnt_is_looked_at_first),
		cmocka_unit_test(an_ended_process_is_esrch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

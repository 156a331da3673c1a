/* SPDX-License-Identifier: MIT */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <unistd.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "parent/restart.h"

static struct user_regs_struct stopped_in(long nr, long result)
{
	return (struct user_regs_struct){.orig_rax = (uint64_t)nr,
					 .rax = (uint64_t)result,
					 .rip = 0x1002};
}

static void only_waits_are_repeated(void **state)
{
	struct user_regs_struct regs = stopped_in(SYS_epoll_wait, -EINTR);

	(void)state;
	assert_true(restart_is_repeatable(&regs));
	restart_repeat(&regs);
	assert_int_equal(regs.rax, SYS_epoll_wait);
	assert_int_equal(regs.rip, 0x1000);
	assert_int_equal((int64_t)regs.orig_rax, -1);
	regs = stopped_in(SYS_splice, -EINTR);
	assert_true(restart_is_repeatable(&regs));

	regs = stopped_in(SYS_close, -EINTR);
	assert_false(restart_is_repeatable(&regs));
	regs = stopped_in(SYS_epoll_wait, 1);
	assert_false(restart_is_repeatable(&regs));
	regs = stopped_in(-1, -EINTR);
	assert_false(restart_is_repeatable(&regs));
}

static void assert_settled(long nr, long result, uint64_t rax, uint64_t rip)
{
	struct user_regs_struct regs = stopped_in(nr, result);

	restart_settle(&regs);
	assert_int_equal(regs.rax, rax);
	assert_int_equal(regs.rip, rip);
	assert_int_equal((int64_t)regs.orig_rax, -1);
}

static void settles_as_the_kernel_does(void **state)
{
	(void)state;
	assert_settled(SYS_read, -512, SYS_read, 0x1000);
	assert_settled(SYS_futex, -513, SYS_futex, 0x1000);
	assert_settled(SYS_pselect6, -514, SYS_pselect6, 0x1000);
	assert_settled(SYS_nanosleep, -516, SYS_nanosleep, 0x1000);
	assert_settled(SYS_restart_syscall, -516, (uint64_t)-EINTR, 0x1002);
	assert_settled(SYS_read, 5, 5, 0x1002);
	assert_settled(SYS_read, -EAGAIN, (uint64_t)-EAGAIN, 0x1002);
	/* Not in a call: whatever rax is, it is the program's. */
	assert_settled(-1, -512, (uint64_t)-512, 0x1002);
}

/* A call that restarted once, in code that tells its number or does not. */
static void settles_what_lost_its_number_by_its_code(void **state)
{
	static const char tells[] = "\xb8\xe6\0\0\0\x0f\x05";
	uint8_t code[RESTART_CODE_BYTES];
	struct user_regs_struct regs = stopped_in(SYS_restart_syscall, -516);
	int mem_fd = open("/proc/self/mem", O_RDONLY);

	(void)state;
	memset(code, 0x90, sizeof(code));
	memcpy(code + sizeof(code) - 7, tells, 7);
	regs.rip = (uintptr_t)(code + sizeof(code));
	restart_settle_in(mem_fd, &regs);
	assert_int_equal(regs.rax, SYS_clock_nanosleep);
	assert_int_equal(regs.rip, (uintptr_t)(code + sizeof(code) - 2));
	assert_int_equal((int64_t)regs.orig_rax, -1);

	memset(code, 0x90, sizeof(code) - 2);
	regs = stopped_in(SYS_restart_syscall, -516);
	regs.rip = (uintptr_t)(code + sizeof(code));
	restart_settle_in(mem_fd, &regs);
	assert_int_equal(regs.rax, (uint64_t)-EINTR);
	assert_int_equal(regs.rip, (uintptr_t)(code + sizeof(code)));
	(void)close(mem_fd);
}

/* @tail at the end of as many `nop`s as are asked for. */
static int32_t find_in(const void *tail, size_t len)
{
	uint8_t code[RESTART_CODE_BYTES];

	memset(code, 0x90, sizeof(code));
	memcpy(code + sizeof(code) - len, tail, len);
	return restart_find_nr(code);
}

#define FIND(tail) find_in(tail, sizeof(tail) - 1)

static void finds_the_lost_number(void **state)
{
	(void)state;
	assert_int_equal(FIND("\xb8\xe6\0\0\0\x0f\x05"), SYS_clock_nanosleep);
	assert_int_equal(FIND("\xb8\x07\0\0\0\x48\x89\xfb\x0f\x05"), SYS_poll);
	/* no `syscall`, no number, not a call that restarts, two of them */
	assert_int_equal(FIND("\xb8\xe6\0\0\0\x0f\x06"), -1);
	assert_int_equal(FIND("\x0f\x05"), -1);
	assert_int_equal(FIND("\xb8\x01\0\0\0\x0f\x05"), -1);
	assert_int_equal(FIND("\xb8\x07\0\0\0\xb8\xca\0\0\0\x90\x0f\x05"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_waits_are_repeated),
		cmocka_unit_test(settles_as_the_kernel_does),
		cmocka_unit_test(settles_what_lost_its_number_by_its_code),
		cmocka_unit_test(finds_the_lost_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

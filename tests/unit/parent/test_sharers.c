/* SPDX-License-Identifier: MIT */
/*
 * test_sharers.c - processes under seccomp that come to share their memory with
 * others behind the first look are refused, and keep their filter
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parent/admit.h"
#include "parent/seize.h"
#include "tests/unit/parent/taker.h"
#include "tests/unit/parent/target.h"

#define ROUNDS	  40
#define HOPS_MAX  20000 /* a chain ends, if the test dies */
#define FORBIDDEN 77

/* What the target is told to do, one byte each; it answers each with one. */
enum {
	ASK_FILTER = 'f', /* be under a filter */
	ASK_SHARER = 's', /* make a process that has its memory */
	ASK_CHAIN = 'c',  /* make one that makes one, and ends, and so on */
	ASK_END = 'e',	  /* let there be none */
	ASK_CALL = 'k',	  /* make a forbidden call: 'y' if it is that */
};

static int ask_fds[2], answer_fds[2];
static volatile int hops_left;

/* What seize_all() asks, behind the first look and before all stand still. */
static const char *between = "";

static void filter_calls(void)
{
#define FORBID(nr, action)                                                     \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),                         \
		BPF_STMT(BPF_RET | BPF_K, action)
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		FORBID(SYS_mmap, SECCOMP_RET_KILL_PROCESS),
		FORBID(SYS_munmap, SECCOMP_RET_KILL_PROCESS),
		FORBID(SYS_tkill, SECCOMP_RET_KILL_PROCESS),
		FORBID(SYS_sched_yield, SECCOMP_RET_ERRNO | FORBIDDEN),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {sizeof(code) / sizeof(*code), code};

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

/*
 * A process that uses no stack: it has its maker's.  It makes the next, which
 * is its brother, and ends, until @hops_left is used up.
 */
static pid_t begin_chain(void)
{
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	long pid = SYS_clone, flags = CLONE_VM | SIGCHLD;

	__asm__ volatile(
		"syscall\n\t"
		"test %%rax, %%rax\n\t"
		"jnz 3f\n\t"
		"or %[brother], %%rdi\n"
		"1:\n\t"
		"lock decl (%[hops])\n\t"
		"js 2f\n\t"
		"mov %[clone], %%eax\n\t"
		"syscall\n\t"
		"test %%rax, %%rax\n\t"
		"jz 1b\n"
		"2:\n\t"
		"mov %[exit], %%eax\n\t"
		"xor %%edi, %%edi\n\t"
		"syscall\n"
		"3:"
		: "+a"(pid), "+D"(flags)
		: "S"(0l), "d"(0l), "r"(r10),
		  "r"(r8), [hops] "b"(&hops_left), [brother] "i"(CLONE_PARENT),
		  [clone] "i"(SYS_clone), [exit] "i"(SYS_exit)
		: "rcx", "r11", "memory", "cc");
	return (pid_t)pid;
}

static int sharer_main(void *arg)
{
	(void)arg;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		(void)pause();
	return 0;
}

static char obey(char what)
{
	static char stack[65536];
	static pid_t sharer;

	switch (what) {
	case ASK_FILTER:
		filter_calls();
		break;
	case ASK_SHARER:
		sharer = clone(sharer_main, stack + sizeof(stack),
			       CLONE_VM | SIGCHLD, NULL);
		break;
	case ASK_CHAIN:
		hops_left = HOPS_MAX;
		if (begin_chain() < 0)
			return 'n';
		break;
	case ASK_END:
		hops_left = 0;
		if (sharer)
			(void)kill(sharer, SIGKILL);
		sharer = 0;
		while (waitpid(-1, NULL, 0) > 0)
			;
		break;
	case ASK_CALL:
		if (syscall(SYS_sched_yield) != -1 || errno != FORBIDDEN)
			return 'n';
	}
	return 'y';
}

static void target_body(int ready_fd)
{
	char what;

	(void)!write(ready_fd, "x", 1);
	while (read(ask_fds[0], &what, 1) == 1) {
		what = obey(what);
		(void)!write(answer_fds[1], &what, 1);
	}
}

/* Also in the process that takes the snapshot: it cannot assert. */
static bool ask(char what)
{
	char answer = 0;

	return write(ask_fds[1], &what, 1) == 1 &&
	       read(answer_fds[0], &answer, 1) == 1 && answer == 'y';
}

int __real_seize_all(pid_t pid, unsigned long options, int timeout_ms,
		     struct seized *ret_seized, struct refusal *why);
int __wrap_seize_all(pid_t pid, unsigned long options, int timeout_ms,
		     struct seized *ret_seized, struct refusal *why);

int __wrap_seize_all(pid_t pid, unsigned long options, int timeout_ms,
		     struct seized *ret_seized, struct refusal *why)
{
	for (const char *what = between; *what; what++)
		if (!ask(*what))
			return refuse(why, -EPROTO, "asked '%c'", *what);
	return __real_seize_all(pid, options, timeout_ms, ret_seized, why);
}

static pid_t target_start(void)
{
	assert_int_equal(pipe(ask_fds), 0);
	assert_int_equal(pipe(answer_fds), 0);
	return start(target_body);
}

static void target_end(pid_t pid)
{
	int status;

	(void)ask(ASK_END);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (int i = 0; i < 2; i++) {
		(void)close(ask_fds[i]);
		(void)close(answer_fds[i]);
	}
	assert_int_equal(status, SIGKILL); /* and of nothing before */
}

/* With what is asked of it @behind the first look. */
static int take(pid_t pid, const char *behind, struct refusal *why)
{
	int rc;

	between = behind;
	rc = taker_take(pid, 1, why);
	between = "";
	return rc;
}

static void assert_refused(pid_t pid, const char *behind)
{
	struct refusal why;
	int rc = take(pid, behind, &why);

	if (rc != -EBUSY || !strstr(why.why, "still has its memory"))
		fail_msg("\"%s\": %d \"%s\"", behind, rc, why.why);
	assert_true(ask(ASK_CALL));
}

static void assert_taken(pid_t pid)
{
	struct refusal why;
	int rc = take(pid, "", &why);

	if (rc)
		fail_msg("%d %s", rc, why.why);
	assert_true(ask(ASK_CALL));
}

static void sharer_behind_the_first_look(void **state)
{
	pid_t pid = target_start();

	(void)state;
	assert_true(ask(ASK_FILTER));
	assert_refused(pid, "s");
	assert_true(ask(ASK_END));
	assert_taken(pid);
	target_end(pid);
}

static void filter_behind_it_too(void **state)
{
	pid_t pid = target_start();

	(void)state;
	assert_refused(pid, "fs");
	assert_true(ask(ASK_END));
	assert_taken(pid);
	target_end(pid);
}

/* At every moment there is one, and never for long the same. */
static void sharers_that_make_each_other(void **state)
{
	pid_t pid = target_start();

	(void)state;
	assert_true(ask(ASK_FILTER));
	for (int i = 0; i < ROUNDS; i++) {
		assert_refused(pid, "c");
		assert_true(ask(ASK_END));
	}
	assert_taken(pid);
	target_end(pid);
}

/* The look itself: who makes the next before he is seen is not missed. */
static void no_sharer_of_a_chain_is_missed(void **state)
{
	pid_t pid = target_start();
	struct refusal why;

	(void)state;
	assert_int_equal(admit_alone(pid, &why), 0);
	for (int i = 0; i < ROUNDS; i++) {
		assert_true(ask(ASK_CHAIN));
		assert_int_equal(admit_alone(pid, &why), -EBUSY);
		assert_true(ask(ASK_END));
		assert_int_equal(admit_alone(pid, &why), 0);
	}
	target_end(pid);
}

/* It takes and takes, and they come and go: imaged or refused, never harmed. */
static void sharers_that_come_and_go(void **state)
{
	pid_t pid = target_start();
	unsigned taken = 0;

	(void)state;
	assert_true(ask(ASK_FILTER));
	for (int i = 0; i < ROUNDS; i++) {
		struct refusal why = {0};
		int rc = take(pid, i % 2 ? "se" : "ce", &why);

		taken += rc == 0;
		if (rc && (rc != -EBUSY || !why.why[0]))
			fail_msg("%d \"%s\"", rc, why.why);
		assert_true(ask(ASK_CALL));
	}
	assert_int_equal(taken, ROUNDS);
	target_end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sharer_behind_the_first_look),
		cmocka_unit_test(filter_behind_it_too),
		cmocka_unit_test(sharers_that_make_each_other),
		cmocka_unit_test(no_sharer_of_a_chain_is_missed),
		cmocka_unit_test(sharers_that_come_and_go),
	};

	if (geteuid() != 0) {
		(void)fprintf(stderr, "must be root to suspend seccomp\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

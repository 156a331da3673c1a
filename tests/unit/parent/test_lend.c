/* SPDX-License-Identifier: MIT */
/*
 * test_lend.c - a lender asks a device for us, and is its twin's equal before
 * and after; nobody but root can look into it
 *
 * There need be no device: a descriptor that is none refuses each range.
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "common/page.h"
#include "parent/borrow.h"
#include "parent/export.h"
#include "parent/keeper.h"
#include "parent/tracee.h"
#include "tests/unit/parent/target.h"

#define NOBODY	     65534
#define AREA_PAGES   64u
#define AREA	     (AREA_PAGES * PAGE_BYTES)
#define WAIT_MS	     20000
#define MAPS_MAX     (1u << 20)
#define DRIVER	     14
#define KILLS	     40
#define KILL_STEP_US 10

static const struct export_limits limits = {.ranges_max = 4096,
					    .pages_max = 1u << 28};

static struct {
	uint64_t raddr;
} * facts;

/* Every call that a lender has to make, and no other, kills. */
static void forbid_calls(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socketpair, 6, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_recvmsg, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	const struct sock_fprog program = {sizeof(filter) / sizeof(*filter),
					   filter};

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void set_limit(int resource, rlim_t most)
{
	const struct rlimit limit = {most, most};

	(void)setrlimit(resource, &limit);
}

static void map_area(void)
{
	uint8_t *at = mmap(NULL, AREA, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (unsigned i = 0; i < AREA_PAGES; i++)
		memset(at + i * PAGE_BYTES, (int)i + 1, PAGE_BYTES);
	facts->raddr = (uint64_t)at;
}

static void be_ready(int ready_fd)
{
	(void)prctl(PR_SET_NAME, "lend-model");
	(void)!write(ready_fd, "x", 1);
	for (;;)
		(void)pause();
}

static void model(int ready_fd)
{
	map_area();
	be_ready(ready_fd);
}

/* Who has nothing: no rights, no descriptors, no memory to lock, few calls. */
static void poor_model(int ready_fd)
{
	(void)dup2(ready_fd, 2);
	(void)syscall(SYS_close_range, 3, ~0u, 0);
	(void)!setresgid(NOBODY, NOBODY, NOBODY);
	(void)!setresuid(NOBODY, NOBODY, NOBODY);
	(void)prctl(PR_SET_DUMPABLE, 1);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Four will do; less must be lifted, by who may. */
	set_limit(RLIMIT_NOFILE,
		  prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE) == 1 ? 1 : 4);
	set_limit(RLIMIT_MEMLOCK, 0);
#ifndef __SANITIZE_ADDRESS__ /* its shadow alone is larger */
	set_limit(RLIMIT_AS, 1ul << 30);
#endif
	map_area();
	forbid_calls();
	be_ready(2);
}

static void foreign_model(int ready_fd)
{
	(void)unshare(CLONE_NEWUSER);
	model(ready_fd);
}

/* A target, its keeper, and the ranges that are lent of it. */
struct stage {
	pid_t target;
	struct keeper *keeper;
	const struct keeper_result *result;
	struct image_run *ranges;
	uint32_t nr;
};

static void set_stage(struct stage *stage, void (*body)(int ready_fd))
{
	struct keeper_request request = {.snapshot = {2000, 1 << 20}};
	struct export_origin origin = {0};
	struct refusal why;

	stage->target = start(body);
	request.pid = stage->target;
	assert_int_equal(keeper_start(&request, &stage->keeper), 0);
	if (keeper_finish(stage->keeper, &stage->result, &why))
		fail_msg("%s", why.why);
	origin.image = stage->result->image;
	assert_int_equal(
		export_plan(&origin, &limits, &stage->ranges, &stage->nr), 0);
	assert_true(stage->nr > 1);
}

static void clear_stage(struct stage *stage)
{
	keeper_release(stage->keeper);
	free(stage->ranges);
	(void)kill(stage->target, SIGKILL);
	assert_int_equal(waitpid(stage->target, NULL, 0), stage->target);
}

static int lend(struct stage *stage, int fd, struct lend_deed *deeds,
		struct refusal *why)
{
	const struct lend_job job = {fd, DRIVER,	0,
				     4,	 stage->ranges, stage->nr};
	struct pollfd answer = {.fd = keeper_fd(stage->keeper),
				.events = POLLIN};

	assert_int_equal(keeper_lend(stage->keeper, &job), 0);
	assert_int_equal(keeper_lend(stage->keeper, &job), -EBUSY);
	assert_int_equal(keeper_lends(stage->keeper), 1);
	assert_int_equal(keeper_alive(stage->keeper), 1);
	assert_int_equal(poll(&answer, 1, WAIT_MS), 1);
	return keeper_lent(stage->keeper, deeds, why);
}

/* A lender that was killed is made good for by the next, if there is @other. */
static int try_to_lend(struct stage *stage, int other)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct lend_deed *deeds = calloc(stage->nr, sizeof(*deeds));
	struct refusal why = {""};
	int rc = lend(stage, null, deeds, &why);

	if (rc == -ESRCH && other)
		rc = lend(stage, null, deeds, &why);
	if (rc && (other || rc != -ESRCH))
		fail_msg("%d %s", rc, why.why);
	for (uint32_t i = 0; i < stage->nr; i++)
		if (!rc || deeds[i].error != -ECANCELED)
			assert_int_equal(deeds[i].error, -ENOTTY);
	free(deeds);
	(void)close(null);
	return rc;
}

static void lend_to_nothing(struct stage *stage)
{
	assert_int_equal(try_to_lend(stage, 1), 0);
}

/* 0 for who is dead and only waits for init to see it. */
static pid_t pid_of(const char *line)
{
	pid_t pid = (pid_t)strtol(line + strlen("/proc/"), NULL, 10);
	char path[32], exe[8];

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return readlink(path, exe, sizeof(exe)) < 0 ? 0 : pid;
}

/* Of all that are called as the model: the one that leads its session and, with
 * @other, the one that does not and is not the target. */
static pid_t find(const struct stage *stage, int other)
{
	FILE *out = popen("grep -lw lend-model /proc/[0-9]*/comm 2>/dev/null",
			  "re");
	char line[64];
	pid_t found = 0;

	while (out && fgets(line, sizeof(line), out)) {
		pid_t pid = pid_of(line);

		if (pid && pid != stage->target &&
		    (getsid(pid) != pid) == other)
			found = pid;
	}
	(void)pclose(out);
	assert_true(found > 0);
	return found;
}

static char *read_proc(pid_t pid, const char *name)
{
	char path[64], *text;
	size_t len;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	assert_int_equal(io_slurp_at(AT_FDCWD, path, MAPS_MAX, &text, &len), 0);
	return text;
}

static void assert_same_maps(pid_t one, pid_t other)
{
	char *a = read_proc(one, "maps"), *b = read_proc(other, "maps");

	assert_string_equal(a, b);
	free(a);
	free(b);
}

static int open_mem(pid_t pid)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Every page that is lent: the lender's is what the source says. */
static void assert_same_pages(const struct stage *stage, pid_t lender)
{
	static uint8_t ours[PAGE_BYTES], its[PAGE_BYTES];
	struct page_source *source = stage->result->source;
	int fd = open_mem(lender);

	assert_true(fd >= 0);
	for (uint32_t i = 0; i < stage->nr; i++)
		for (uint64_t p = 0; p < stage->ranges[i].nr_pages; p++) {
			uint64_t raddr = (stage->ranges[i].first_page + p)
					 << PAGE_SHIFT;

			assert_int_equal(source->read(source, SOURCE_MEMORY,
						      raddr, ours, PAGE_BYTES),
					 0);
			assert_int_equal(
				io_pread_all(fd, its, PAGE_BYTES, (off_t)raddr),
				0);
			assert_memory_equal(ours, its, PAGE_BYTES);
		}
	(void)close(fd);
}

static void assert_no_files(pid_t pid)
{
	char command[64];

	(void)snprintf(command, sizeof(command),
		       "test -z \"$(ls /proc/%d/fd)\"", pid);
	assert_int_equal(system(command), 0); /* NOLINT: numbers only */
}

static void leaves_both_as_they_were(void **state)
{
	void (*const bodies[])(int) = {model, poor_model};
	struct stage stage;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct pollfd end = {.events = POLLIN};
		pid_t twin, lender;

		set_stage(&stage, bodies[i]);
		lend_to_nothing(&stage);
		lend_to_nothing(&stage);
		twin = find(&stage, 0);
		lender = find(&stage, 1);
		assert_no_files(twin);
		assert_no_files(lender);
		assert_same_maps(twin, lender);
		assert_same_pages(&stage, lender);
		end.fd = (int)syscall(SYS_pidfd_open, lender, 0);
		clear_stage(&stage);
		assert_int_equal(poll(&end, 1, 0), 1);
		(void)close(end.fd);
	}
}

/* 0 when @pid's memory and descriptors are closed to this user. */
static int is_closed(pid_t pid, int pidfd)
{
	if (setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return 1;
	(void)prctl(PR_SET_DUMPABLE, 1);
	if (open_mem(pid) >= 0 || errno != EACCES)
		return 2;
	if (syscall(SYS_pidfd_getfd, pidfd, 0, 0) >= 0 || errno != EPERM)
		return 3;
	return 0;
}

static int ask_as_nobody(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), status;
	pid_t child = fork();

	if (child == 0)
		_exit(is_closed(pid, pidfd));
	assert_int_equal(waitpid(child, &status, 0), child);
	(void)close(pidfd);
	return WEXITSTATUS(status);
}

static void nobody_can_look_into_it(void **state)
{
	struct stage stage;

	(void)state;
	set_stage(&stage, poor_model);
	/* Its user may look at the target: else this would show nothing. */
	assert_int_equal(ask_as_nobody(stage.target), 2);
	lend_to_nothing(&stage);
	assert_int_equal(ask_as_nobody(find(&stage, 1)), 0);
	assert_int_equal(ask_as_nobody(find(&stage, 0)), 0);
	clear_stage(&stage);
}

static void another_follows_a_dead_one(void **state)
{
	struct stage stage;
	pid_t first, second;

	(void)state;
	set_stage(&stage, model);
	lend_to_nothing(&stage);
	first = find(&stage, 1);
	assert_int_equal(kill(first, SIGKILL), 0);
	assert_int_equal(try_to_lend(&stage, 0), -ESRCH);
	lend_to_nothing(&stage);
	second = find(&stage, 1);
	assert_int_not_equal(first, second);
	assert_int_equal(keeper_alive(stage.keeper), 1);
	assert_same_pages(&stage, second);
	clear_stage(&stage);
}

/* Wherever it is killed in its errand, another does it. */
static void one_that_is_killed_at_work_is_followed(void **state)
{
	struct stage stage;

	(void)state;
	set_stage(&stage, model);
	for (useconds_t i = 0; i < KILLS; i++) {
		pid_t lender, killer;

		lend_to_nothing(&stage);
		lender = find(&stage, 1);
		killer = fork();
		if (killer == 0) {
			(void)usleep(i * KILL_STEP_US);
			_exit(kill(lender, SIGKILL) != 0);
		}
		lend_to_nothing(&stage);
		assert_int_equal(waitpid(killer, NULL, 0), killer);
	}
	assert_int_equal(keeper_alive(stage.keeper), 1);
	clear_stage(&stage);
}

/* Stopped and continued by others, it does its errand all the same. */
static void signals_do_not_matter(void **state)
{
	struct stage stage;
	pid_t lender, sender;

	(void)state;
	set_stage(&stage, model);
	lend_to_nothing(&stage);
	lender = find(&stage, 1);
	sender = fork();
	if (sender == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned i = 0;; i++) {
			(void)kill(lender, i % 2 ? SIGCONT : SIGSTOP);
			(void)kill(lender, SIGUSR1);
			(void)usleep(100);
		}
	}
	for (int i = 0; i < 50; i++)
		lend_to_nothing(&stage);
	assert_int_equal(find(&stage, 1), lender);
	(void)kill(sender, SIGKILL);
	(void)waitpid(sender, NULL, 0);
	assert_same_pages(&stage, lender);
	clear_stage(&stage);
}

static void not_out_of_a_user_namespace(void **state)
{
	struct lend_deed *deeds;
	struct stage stage;
	struct refusal why;

	(void)state;
	set_stage(&stage, foreign_model);
	deeds = calloc(stage.nr, sizeof(*deeds));
	assert_non_null(deeds);
	assert_int_equal(lend(&stage, 0, deeds, &why), -EOPNOTSUPP);
	assert_int_equal(deeds[0].error, -ECANCELED);
	assert_non_null(strstr(why.why, "user namespace"));
	/* It can be read by messages as ever. */
	assert_int_equal(keeper_alive(stage.keeper), 1);
	free(deeds);
	clear_stage(&stage);
}

/* Code of the target that its user changed: exit_group for what was asked. */
static void another_call_is_not_made(void **state)
{
	static const uint8_t code[] = {0xb8, 0xe7, 0, 0, 0, 0x0f, 0x05, 0xc3};
	uint8_t *at = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const uint64_t args[6] = {0};
	struct borrowed borrowed;
	struct tracee_stop stop;
	int64_t result = 0;

	(void)state;
	memcpy(at, code, sizeof(code));
	borrowed.pid = fork();
	if (borrowed.pid == 0)
		for (;;)
			(void)pause();
	assert_int_equal(
		tracee_seize(borrowed.pid, TRACEE_OPTIONS | PTRACE_O_EXITKILL),
		0);
	assert_int_equal(tracee_interrupt(borrowed.pid), 0);
	assert_int_equal(tracee_wait(borrowed.pid, &stop), borrowed.pid);
	borrowed.syscall_ret = (uint64_t)at;
	assert_int_equal(borrow_call(&borrowed, SYS_getpid, args, &result),
			 -EPERM);
	/* It lives, and makes the call where the code is right. */
	borrowed.syscall_ret = (uint64_t)at + 5;
	assert_int_equal(borrow_call(&borrowed, SYS_getpid, args, &result), 0);
	assert_int_equal(result, borrowed.pid);
	(void)kill(borrowed.pid, SIGKILL);
	assert_int_equal(waitpid(borrowed.pid, NULL, 0), borrowed.pid);
	(void)munmap(at, PAGE_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_both_as_they_were),
		cmocka_unit_test(nobody_can_look_into_it),
		cmocka_unit_test(another_follows_a_dead_one),
		cmocka_unit_test(one_that_is_killed_at_work_is_followed),
		cmocka_unit_test(signals_do_not_matter),
		cmocka_unit_test(not_out_of_a_user_namespace),
		cmocka_unit_test(another_call_is_not_made),
	};

	if (geteuid() != 0)
		return 77; /* becoming nobody */
	facts = mmap(NULL, sizeof(*facts), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_keeper.c - what a keeper delivers is what its target was; who may have
 * it; and that nothing outlives its user
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/io.h"
#include "parent/keeper.h"
#include "tests/unit/parent/target.h"

#define NOBODY	  65534
#define AREA	  (64ul << 10)
#define WAIT_MS	  20000
#define ALT_BYTES 32768ul

/* What the model sets up, for the test to compare: shared with it. */
struct facts {
	uint64_t private_raddr, shared_raddr, dontfork_raddr, brk;
	uint64_t altstack_raddr, robust_raddr;
	int32_t pid, timer_id;
};

static struct facts *facts;

static uint8_t *area(int flags, uint8_t fill)
{
	uint8_t *at = mmap(NULL, AREA, PROT_READ | PROT_WRITE,
			   flags | MAP_ANONYMOUS, -1, 0);

	memset(at, fill, AREA / 2);
	return at;
}

static void on_signal(int signo)
{
	(void)signo;
}

static void set_timers(void)
{
	const struct itimerval itimer = {{7, 0}, {1000, 0}};
	const struct itimerspec spec = {{3, 0}, {2000, 0}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
				 .sigev_signo = SIGUSR2};
	timer_t timer;

	(void)setitimer(ITIMER_REAL, &itimer, NULL);
	(void)timer_create(CLOCK_MONOTONIC, &event, &timer);
	(void)timer_settime(timer, 0, &spec, NULL);
}

static void set_signals(void)
{
	const struct sigaction action = {.sa_handler = on_signal,
					 .sa_flags = SA_ONSTACK | SA_NODEFER};
	const stack_t alt = {.ss_sp = malloc(ALT_BYTES), .ss_size = ALT_BYTES};
	const union sigval value = {.sival_int = 4711};
	sigset_t usr1;

	facts->altstack_raddr = (uint64_t)alt.ss_sp;
	(void)sigaltstack(&alt, NULL);
	(void)sigaction(SIGUSR2, &action, NULL);
	(void)sigemptyset(&usr1);
	(void)sigaddset(&usr1, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &usr1, NULL);
	(void)sigqueue(getpid(), SIGUSR1, value);
}

/* Of the model, and so of its twins: this test may run twice at a time. */
static char model_name[16];

static void model(int ready_fd)
{
	const struct timespec long_time = {1000, 0};
	uint8_t *dontfork = area(MAP_PRIVATE, 0xdf);

	(void)prctl(PR_SET_NAME, model_name);
	(void)madvise(dontfork, AREA, MADV_DONTFORK);
	facts->dontfork_raddr = (uint64_t)dontfork;
	facts->private_raddr = (uint64_t)area(MAP_PRIVATE, 0xaa);
	facts->shared_raddr = (uint64_t)area(MAP_SHARED, 0x55);
	facts->pid = getpid();
	set_timers();
	set_signals();
	facts->brk = (uint64_t)sbrk(0);
	(void)!write(ready_fd, "x", 1);
	(void)nanosleep(&long_time, NULL);
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static struct keeper *start_keeper(pid_t pid, uid_t uid)
{
	const struct keeper_request request = {
		.pid = pid,
		.uid = uid,
		.gid = uid,
		.snapshot = {2000, 1 << 20},
	};
	struct keeper *keeper;

	assert_int_equal(keeper_start(&request, &keeper), 0);
	return keeper;
}

static const struct keeper_result *finish(struct keeper *keeper)
{
	const struct keeper_result *result;
	struct refusal why;
	int rc = keeper_finish(keeper, &result, &why);

	if (rc)
		fail_msg("%d %s", rc, why.why);
	return result;
}

static void assert_filled(struct page_source *source, uint64_t raddr,
			  uint8_t fill)
{
	uint8_t bytes[AREA];

	assert_int_equal(
		source->read(source, SOURCE_MEMORY, raddr, bytes, AREA), 0);
	for (size_t i = 0; i < AREA; i++)
		assert_int_equal(bytes[i], i < AREA / 2 ? fill : 0);
}

static void check_memory(const struct keeper_result *result)
{
	const struct image_vma *vma =
		image_vma_at(result->image, facts->dontfork_raddr);

	assert_filled(result->source, facts->private_raddr, 0xaa);
	assert_filled(result->source, facts->dontfork_raddr, 0xdf);
	assert_filled(result->source, facts->shared_raddr, 0x55);
	assert_non_null(vma);
	assert_true(vma->flags & IMAGE_VMA_DONTFORK);
}

static void check_signals(const struct image *image)
{
	const struct image_sigaction *usr2 = &image->sigactions[SIGUSR2 - 1];
	siginfo_t info;

	assert_int_equal(usr2->handler, (uint64_t)on_signal);
	assert_int_equal(usr2->flags & (SA_ONSTACK | SA_NODEFER),
			 SA_ONSTACK | SA_NODEFER);
	assert_int_equal(image->sigactions[SIGTERM - 1].handler, 0);
	assert_int_equal(image->nr_pending, 1);
	memcpy(&info, image->pending[0].siginfo, sizeof(info));
	assert_int_equal(info.si_signo, SIGUSR1);
	assert_int_equal(info.si_value.sival_int, 4711);
	assert_int_equal(image->threads[0].sigmask, 1ull << (SIGUSR1 - 1));
	assert_int_equal(image->threads[0].altstack_sp, facts->altstack_raddr);
	assert_int_equal(image->threads[0].altstack_bytes, ALT_BYTES);
}

static void check_timers(const struct image *image)
{
	assert_int_equal(image->itimers[0].interval_us, 7000000);
	assert_in_range(image->itimers[0].value_us, 1, 1000000000);
	assert_int_equal(image->itimers[1].value_us, 0);
	assert_int_equal(image->nr_timers, 1);
	assert_int_equal(image->timers[0].signo, SIGUSR2);
	assert_int_equal(image->timers[0].interval_ns, 3000000000);
	assert_in_range(image->timers[0].value_ns, 1, 2000000000000);
}

/* Steps that follow one another take no more than the whole. */
static void check_phases(const struct image *image)
{
	const uint64_t *took = image->phase_ns;
	uint64_t all = 0, paused = 0;

	for (int phase = 0; phase < IMAGE_PHASES; phase++)
		assert_true(took[phase] > 0);
	for (int phase = 0; phase < IMAGE_PHASE_ENCODE; phase++)
		all += took[phase];
	for (int phase = IMAGE_PHASE_STOP; phase <= IMAGE_PHASE_LET_GO; phase++)
		paused += took[phase];
	assert_true(paused <= image->pause_ns);
	assert_true(all <= image->prepare_ns);
}

static void check_process(const struct image *image)
{
	assert_int_equal(image->pid, facts->pid);
	assert_int_equal(image->mm.brk, facts->brk);
	assert_int_equal(image->nr_threads, 1);
	assert_int_equal(image->threads[0].tid, facts->pid);
	assert_string_equal(image->threads[0].comm, model_name);
	assert_true(image->threads[0].xstate_bytes >= 576);
	assert_true(image->threads[0].clear_tid_addr != 0);
	assert_true(image->threads[0].robust_list_addr != 0);
	assert_true(image->pause_ns > 0 && image->pause_ns < image->prepare_ns);
	check_phases(image);
}

/* The first image has the call's number; the second only its restart. */
static void check_call(const struct image *image, bool again)
{
	const struct image_thread *thread = &image->threads[0];

	assert_int_equal(thread->regs[REG_ORIG_RAX_],
			 again ? SYS_restart_syscall : SYS_clock_nanosleep);
	assert_int_equal(thread->restart_nr, again ? SYS_clock_nanosleep : -1);
}

static void wait_call(pid_t pid, long nr)
{
	char path[32], text[64];
	long in = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	for (int i = 0; i < WAIT_MS && in != nr; i++) {
		FILE *file = fopen(path, "re");

		(void)usleep(1000);
		in = file && fgets(text, sizeof(text), file)
			     ? strtol(text, NULL, 10)
			     : -1;
		if (file)
			(void)fclose(file);
	}
	assert_int_equal(in, nr);
}

static void delivers_the_target(void **state)
{
	pid_t pid = start(model);
	const struct keeper_result *results[2];
	struct keeper *keepers[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		wait_call(pid, i ? SYS_restart_syscall : SYS_clock_nanosleep);
		keepers[i] = start_keeper(pid, 0);
		results[i] = finish(keepers[i]);
		check_memory(results[i]);
		check_signals(results[i]->image);
		check_timers(results[i]->image);
		check_process(results[i]->image);
		check_call(results[i]->image, i == 1);
	}
	/* Images outlive their target, and each other. */
	end(pid);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(keeper_alive(keepers[i]), 1);
		check_memory(results[i]);
		keeper_release(keepers[i]);
	}
}

/* The one child of ours that is not @not_this. */
static pid_t other_child(pid_t not_this)
{
	FILE *file = fopen("/proc/thread-self/children", "re");
	int pid = 0;

	assert_non_null(file);
	while (fscanf(file, "%d", &pid) == 1 && pid == not_this)
		;
	(void)fclose(file);
	assert_int_not_equal(pid, not_this);
	return pid;
}

static void spare_waits_for_its_work(void **state)
{
	pid_t pid = start(model);
	const struct keeper_request request = {pid, 0, 0, {2000, 1 << 20}};
	struct pollfd early = {.events = POLLIN};
	struct keeper *spare;

	(void)state;
	assert_int_equal(keeper_spare(&spare), 0);
	early.fd = keeper_fd(spare);
	assert_int_equal(poll(&early, 1, 50), 0);
	assert_int_equal(keeper_ask(spare, &request), 0);
	check_memory(finish(spare));
	keeper_release(spare);
	end(pid);
}

/* Nothing is under way that its end would have to wait for. */
static void spare_ends_at_once(void **state)
{
	const uint64_t start_ns = io_monotonic_ns();
	const struct keeper_request request = {getpid(), 0, 0, {2000, 1 << 20}};
	struct keeper *spare;

	(void)state;
	assert_int_equal(keeper_spare(&spare), 0);
	keeper_release(spare);
	assert_int_equal(keeper_spare(&spare), 0);
	assert_int_equal(kill(other_child(0), SIGKILL), 0);
	assert_int_equal(waitid(P_ALL, 0, NULL, WEXITED | WNOWAIT), 0);
	assert_int_equal(keeper_ask(spare, &request), -EPIPE);
	keeper_release(spare);
	assert_true(io_monotonic_ns() - start_ns < 900000000);
}

static void as_nobody(int ready_fd)
{
	(void)!setresgid(NOBODY, NOBODY, NOBODY);
	(void)!setresuid(NOBODY, NOBODY, NOBODY);
	/* Who changes identity cannot be looked at until it says so. */
	(void)prctl(PR_SET_DUMPABLE, 1);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)!write(ready_fd, "x", 1);
	(void)pause();
}

static void asks_the_kernel(void **state)
{
	pid_t roots = start(model), nobodys = start(as_nobody);
	const struct keeper_result *result;
	struct keeper *keeper;
	struct refusal why;

	(void)state;
	keeper = start_keeper(roots, NOBODY);
	assert_int_equal(keeper_finish(keeper, &result, &why), -EACCES);
	assert_non_null(strstr(why.why, "may not"));
	assert_int_equal(keeper_alive(keeper), 0);
	keeper_release(keeper);

	keeper = start_keeper(nobodys, NOBODY);
	(void)finish(keeper);
	keeper_release(keeper);
	end(roots);
	end(nobodys);
}

static void says_why_not(void **state)
{
	struct keeper *keeper = start_keeper(0x3fffffff, 0);
	const struct keeper_result *result;
	struct refusal why;

	(void)state;
	assert_int_equal(keeper_finish(keeper, &result, &why), -ESRCH);
	assert_non_null(strstr(why.why, "no such process"));
	keeper_release(keeper);
}

static int wait_gone(int pidfd)
{
	struct pollfd end = {.fd = pidfd, .events = POLLIN};

	return poll(&end, 1, WAIT_MS) == 1 ? 0 : -ETIME;
}

/* The process that is called @name too, and leads a session of its own. */
static pid_t find_twin(void)
{
	char line[64], command[96];
	FILE *out;
	pid_t twin = 0;

	(void)snprintf(command, sizeof(command),
		       "grep -lx %s /proc/[0-9]*/comm 2>/dev/null", model_name);
	out = popen(command, "re");
	while (out && fgets(line, sizeof(line), out)) {
		pid_t pid = (pid_t)strtol(line + strlen("/proc/"), NULL, 10);

		if (pid != facts->pid && getsid(pid) == pid)
			twin = pid;
	}
	(void)pclose(out);
	return twin;
}

static void user_main(pid_t pid, int ready_fd)
{
	struct keeper *keeper = start_keeper(pid, 0);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)finish(keeper);
	(void)!write(ready_fd, "x", 1);
	(void)pause();
}

static void dies_with_its_user(void **state)
{
	pid_t target = start(model), user, twin;
	int fds[2], pidfd;
	char byte;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	user = fork();
	if (user == 0)
		user_main(target, fds[1]);
	(void)close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	twin = find_twin();
	assert_true(twin > 0);
	pidfd = (int)syscall(SYS_pidfd_open, twin, 0);
	end(user);
	/* The keeper held the pipe's other end closed: only the twin is left.
	 */
	assert_int_equal(wait_gone(pidfd), 0);
	(void)close(pidfd);
	(void)close(fds[0]);
	end(target);
}

static void tells_of_a_dead_twin(void **state)
{
	pid_t target = start(model), twin;
	struct keeper *keeper = start_keeper(target, 0);

	(void)state;
	(void)finish(keeper);
	twin = find_twin();
	assert_true(twin > 0);
	assert_int_equal(kill(twin, SIGKILL), 0);
	for (int i = 0; i < WAIT_MS && keeper_alive(keeper); i++)
		(void)usleep(1000);
	assert_int_equal(keeper_alive(keeper), 0);
	keeper_release(keeper);
	end(target);
}

/* It has its parent's name, so pidof(1) and pgrep(1) find it. */
static void refuses_a_twin(void **state)
{
	pid_t target = start(model), twin;
	struct keeper *keeper = start_keeper(target, 0), *other;
	const struct keeper_result *result;
	struct refusal why;

	(void)state;
	(void)finish(keeper);
	twin = find_twin();
	assert_true(twin > 0);
	other = start_keeper(twin, 0);
	assert_int_equal(keeper_finish(other, &result, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why.why, "it is the twin of an image"));
	keeper_release(other);
	assert_int_equal(keeper_alive(keeper), 1);
	keeper_release(keeper);
	end(target);
}

static void can_be_left_early(void **state)
{
	pid_t target = start(model);

	(void)state;
	for (int i = 0; i < 10; i++) {
		struct keeper *keeper = start_keeper(target, 0);

		(void)usleep((useconds_t)i * 1000);
		keeper_release(keeper);
	}
	assert_int_equal(kill(target, 0), 0);
	end(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delivers_the_target),
		cmocka_unit_test(spare_waits_for_its_work),
		cmocka_unit_test(spare_ends_at_once),
		cmocka_unit_test(asks_the_kernel),
		cmocka_unit_test(says_why_not),
		cmocka_unit_test(dies_with_its_user),
		cmocka_unit_test(tells_of_a_dead_twin),
		cmocka_unit_test(refuses_a_twin),
		cmocka_unit_test(can_be_left_early),
	};

	if (geteuid() != 0)
		return 77; /* becoming nobody */
	(void)snprintf(model_name, sizeof(model_name), "model-%d", getpid());
	facts = mmap(NULL, sizeof(*facts), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

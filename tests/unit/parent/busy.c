/* SPDX-License-Identifier: MIT */
#include "tests/unit/parent/busy.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS	  5
#define COMPLAINT 96
#define NAP_NS	  3000000l
#define YMM_BYTES 32
#define YMM_COUNT 16

enum worker { MAIN, SLEEPER, READER, LOCKER, HANDLER };

struct busy_page {
	_Atomic uint64_t rounds[WORKERS];
	_Atomic bool end;
	_Atomic bool wrong;
	char complaint[COMPLAINT];
};

static struct busy_page *page;
static int reader_fd;

static void complain(const char *what, long got)
{
	if (!atomic_exchange(&page->wrong, true))
		(void)snprintf(page->complaint, COMPLAINT, "%s: %ld (%s)", what,
			       got, strerror(errno));
}

static void expect(bool right, const char *what, long got)
{
	if (!right)
		complain(what, got);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* Patterns in, a while of counting, and out again. */
__attribute__((target("avx"), noinline)) static void
hold_ymm(const uint8_t in[YMM_COUNT * YMM_BYTES],
	 uint8_t out[YMM_COUNT * YMM_BYTES], uint64_t spins)
{
	__asm__ volatile(
		".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
		"vmovdqu \\n*32(%1), %%ymm\\n\n\t"
		".endr\n\t"
		"1: dec %0\n\t"
		"jnz 1b\n\t"
		".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
		"vmovdqu %%ymm\\n, \\n*32(%2)\n\t"
		".endr\n\t"
		"vzeroupper"
		: "+r"(spins)
		: "r"(in), "r"(out)
		: "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
		  "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
		  "xmm12", "xmm13", "xmm14", "xmm15");
}

/* The same for integer registers, flags and the red zone: sum of what is left.
 */
__attribute__((naked, noinline)) static uint64_t
hold_integers(__attribute__((unused)) uint64_t spins)
{
	__asm__ volatile(
		"push %rbx; push %rbp; push %r12; push %r13\n\t"
		"push %r14; push %r15\n\t"
		"mov $1, %ebx; mov $2, %ebp; mov $4, %r12d\n\t"
		"mov $8, %r13d; mov $16, %r14d; mov $32, %r15d\n\t"
		"mov $64, %r8d; mov $128, %r9d; mov $256, %r10d\n\t"
		"mov $512, %r11d; mov $1024, %esi\n\t"
		"mov $2048, %edx; mov $4096, %ecx\n\t"
		"movq $8192, -8(%rsp); movq $16384, -128(%rsp)\n\t"
		"1: dec %rdi; jnz 1b\n\t"
		"mov %rbx, %rax; add %rbp, %rax; add %r12, %rax\n\t"
		"add %r13, %rax; add %r14, %rax; add %r15, %rax\n\t"
		"add %r8, %rax; add %r9, %rax; add %r10, %rax\n\t"
		"add %r11, %rax; add %rsi, %rax; add %rdx, %rax\n\t"
		"add %rcx, %rax; add -8(%rsp), %rax\n\t"
		"add -128(%rsp), %rax\n\t"
		"pop %r15; pop %r14; pop %r13; pop %r12\n\t"
		"pop %rbp; pop %rbx; ret");
}

static void check_mask(void)
{
	sigset_t mask;

	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	expect(sigismember(&mask, SIGUSR2) == 1, "SIGUSR2 blocked", 0);
	expect(sigismember(&mask, SIGTERM) == 0, "SIGTERM free", 1);
}

static void main_round(uint64_t round)
{
	uint8_t in[YMM_COUNT * YMM_BYTES], out[sizeof(in)];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(round * 31 + i * 7);
	if (__builtin_cpu_supports("avx")) {
		hold_ymm(in, out, 100000);
		expect(memcmp(in, out, sizeof(in)) == 0, "AVX registers", 0);
	}
	expect(hold_integers(100000) == 32767, "integer registers", 0);
	check_mask();
	expect(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD,
	       "children", 1);
}

static void sleeper_round(uint64_t round)
{
	const struct timespec nap = {0, NAP_NS};
	struct timeval timeval = {0, NAP_NS / 1000};
	const uint64_t start = now_ns();
	int rc = 0;

	switch (round % 4) {
	case 0:
		rc = nanosleep(&nap, NULL);
		break;
	case 1:
		rc = clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
		break;
	case 2:
		rc = poll(NULL, 0, NAP_NS / 1000000);
		break;
	case 3:
		rc = select(0, NULL, NULL, NULL, &timeval);
		break;
	}
	expect(rc == 0, "a sleep", rc);
	expect(now_ns() - start >= NAP_NS, "a whole sleep", (long)round % 4);
}

static void *sleeper(void *arg)
{
	(void)arg;
	while (!page->end) {
		sleeper_round(page->rounds[SLEEPER]);
		check_mask();
		page->rounds[SLEEPER]++;
	}
	return NULL;
}

static void *reader(void *arg)
{
	char byte = 0;
	ssize_t got;

	(void)arg;
	page->rounds[READER]++;
	got = read(reader_fd, &byte, 1);
	expect(got == 1 && byte == 'x', "read of a pipe", got);
	return NULL;
}

/*
 * As glibc's own waits, which syscall(3) is not: the number stands in the code,
 * where it is looked for when the call has restarted once (parent/restart.h).
 */
static long futex_wait(const uint32_t *word, uint32_t value,
		       const struct timespec *limit)
{
	register const struct timespec *r10 __asm__("r10") = limit;
	long rc;

	__asm__ volatile("movl %[nr], %%eax\n\tsyscall"
			 : "=&a"(rc)
			 : [nr] "i"(SYS_futex), "D"(word),
			   "S"(FUTEX_WAIT_PRIVATE), "d"(value), "r"(r10)
			 : "rcx", "r11", "memory");
	return rc;
}

static void *locker(void *arg)
{
	const struct timespec nap = {0, NAP_NS};
	static uint32_t word = 7;

	(void)arg;
	while (!page->end) {
		long rc = futex_wait(&word, 7, &nap);

		expect(rc == -ETIMEDOUT, "futex", rc);
		page->rounds[LOCKER]++;
	}
	return NULL;
}

static _Thread_local volatile uint64_t alarms;

static void on_alarm(int signo)
{
	char on_stack[256];

	(void)signo;
	memset(on_stack, (int)alarms, sizeof(on_stack));
	alarms++;
}

/* The stack that was there before is put back: sanitizers have their own. */
static void handler_setup(stack_t *ret_before)
{
	static char stack[65536];
	const stack_t alt = {.ss_sp = stack, .ss_size = sizeof(stack)};
	/* NODEFER: a mask that is always the same can be compared. */
	const struct sigaction action = {.sa_handler = on_alarm,
					 .sa_flags = SA_ONSTACK | SA_RESTART |
						     SA_NODEFER};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
				 .sigev_signo = SIGUSR1};
	const struct itimerspec every = {{0, 1000000}, {0, 1000000}};
	timer_t timer;

	event._sigev_un._tid = gettid();
	expect(sigaltstack(&alt, ret_before) == 0, "sigaltstack", 0);
	(void)sigaction(SIGUSR1, &action, NULL);
	expect(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer", 0);
	(void)timer_settime(timer, 0, &every, NULL);
}

static void *handler(void *arg)
{
	stack_t alt, stack_before;
	uint64_t before;

	(void)arg;
	handler_setup(&stack_before);
	while (!page->end) {
		before = alarms;
		while (alarms == before && !page->end)
			(void)usleep(500);
		expect(sigaltstack(NULL, &alt) == 0 && alt.ss_size == 65536,
		       "alternate stack", (long)alt.ss_size);
		page->rounds[HANDLER]++;
	}
	(void)sigaltstack(&stack_before, NULL);
	return NULL;
}

_Noreturn static void run(void)
{
	void *(*const starts[])(void *) = {sleeper, reader, locker, handler};
	pthread_t threads[WORKERS - 1];
	sigset_t blocked;

	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGUSR2);
	(void)pthread_sigmask(SIG_BLOCK, &blocked, NULL);
	for (size_t i = 0; i < WORKERS - 1; i++)
		if (pthread_create(&threads[i], NULL, starts[i], NULL))
			complain("pthread_create", (long)i);
	while (!page->end)
		main_round(page->rounds[MAIN]++);
	for (size_t i = 0; i < WORKERS - 1; i++)
		(void)pthread_join(threads[i], NULL);
	_exit(0);
}

int busy_start(struct busy *busy)
{
	int fds[2];

	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || pipe(fds) < 0)
		return -errno;
	*busy = (struct busy){.page = page, .pipe_fd = fds[1]};
	reader_fd = fds[0];
	busy->pid = fork();
	if (busy->pid < 0)
		return -errno;
	if (busy->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		run();
	}
	(void)close(fds[0]);
	return busy_wait_round(busy);
}

uint64_t busy_rounds(const struct busy *busy)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < WORKERS; i++)
		if (i != READER && busy->page->rounds[i] < least)
			least = busy->page->rounds[i];
	return least;
}

int busy_wait_round(const struct busy *busy)
{
	const uint64_t until = now_ns() + 10000000000ull;
	uint64_t from[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		from[i] = busy->page->rounds[i];
	for (int i = 0; i < WORKERS; i++)
		while (busy->page->rounds[i] == (i == READER ? 0 : from[i])) {
			if (now_ns() > until)
				return -ETIME;
			(void)usleep(200);
		}
	return 0;
}

const char *busy_complaint(const struct busy *busy)
{
	return busy->page->wrong ? busy->page->complaint : NULL;
}

const char *busy_end(struct busy *busy)
{
	static char complaint[COMPLAINT];
	int status = 0;

	busy->page->end = true;
	(void)!write(busy->pipe_fd, "x", 1);
	(void)close(busy->pipe_fd);
	if (waitpid(busy->pid, &status, 0) != busy->pid || status)
		(void)snprintf(complaint, sizeof(complaint),
			       "it ended with status %#x", status);
	else if (busy->page->wrong)
		memcpy(complaint, busy->page->complaint, COMPLAINT);
	(void)munmap(busy->page, sizeof(*busy->page));
	return *complaint ? complaint : NULL;
}

/* SPDX-License-Identifier: MIT */
#include "inplace.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "loader/guard_inject.h"
#include "loader/guard_map.h"
#include "victim.h"

#define WINDOWS_MAX 8192
#define ADDRESSES   (1ul << 47) /* of image file per conversion */
#define ROUNDS_MAX  256

struct state {
	struct inplace *run;
	pid_t pid, tracer;
	int pidfd, notice_fd, image_fd, listener;
	uint64_t cookie;
	struct stat image;
	struct guard *guard;
	struct guard_window windows[WINDOWS_MAX];
	unsigned nr_windows;
	uint64_t base_bytes; /* of this conversion in the image file */
};

/* ---- the victim's side, before exec ---- */

static void become_victim(const struct state *s, int sock, int notice_fd,
			  char *const argv[])
{
	int listener = -1;
	char go;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(s->image_fd, VICTIM_IMAGE_FD) < 0 ||
	    dup2(notice_fd, VICTIM_NOTICE_FD) < 0)
		_exit(126);
	if (s->run->preload)
		(void)setenv("LD_PRELOAD", s->run->preload, 1);
	if (s->run->mode >= INPLACE_GUARDED) {
		listener = guard_install(s->cookie, false);
		if (listener < 0)
			_exit(126);
	}
	if (io_send_fds(sock, "l", 1, &listener, listener >= 0) ||
	    io_read_all(sock, &go, 1))
		_exit(126);
	if (listener >= 0)
		(void)close(listener);
	(void)close(sock);
	(void)execv(argv[0], argv);
	_exit(126);
}

/* ---- conversion ---- */

static bool is_convertible(const char *line, const struct guard_map_vma *vma)
{
	const char *name = strchr(line, '[');

	if (vma->shared || vma->dev || vma->inode)
		return false;
	return !name || !strncmp(name, "[heap]", 6) ||
	       !strncmp(name, "[anon", 5);
}

/* Copy the present pages of @vma to the image, at their own address in this
 * conversion's part of it: older parts may still be mapped. */
static int dump(struct state *s, const struct guard_map_vma *vma, int mem_fd,
		int pagemap_fd, bool *ret_any)
{
	uint64_t nr = (vma->end - vma->start) / PAGE;
	uint64_t *entries CLEANUP_FREE = malloc(nr * 8);
	char page[PAGE];

	*ret_any = false;
	if (!entries)
		return -ENOMEM;
	if (io_pread_all(pagemap_fd, entries, nr * 8,
			 (off_t)(vma->start / PAGE * 8)))
		return -EIO;
	for (uint64_t i = 0; i < nr; i++) {
		off_t at = (off_t)(vma->start + i * PAGE);

		if (!(entries[i] >> 62))
			continue;
		*ret_any = true;
		if (io_pread_all(mem_fd, page, PAGE, at) ||
		    pwrite(s->image_fd, page, PAGE,
			   at + (off_t)s->base_bytes) != (ssize_t)PAGE)
			return -EIO;
	}
	return 0;
}

static int remap(struct state *s, struct guard_inject *inject,
		 const struct guard_map_vma *vma)
{
	const uint64_t args[6] = {
		vma->start,	 vma->end - vma->start,
		vma->prot,	 MAP_PRIVATE | MAP_FIXED,
		VICTIM_IMAGE_FD, s->base_bytes + vma->start,
	};
	int64_t result;
	int r = guard_inject_call(inject, SYS_mmap, args, &result);

	if (r || result < 0 || s->nr_windows == WINDOWS_MAX)
		return -EIO;
	s->windows[s->nr_windows++] = (struct guard_window){
		.inode = s->image.st_ino,
		.start_bytes = s->base_bytes + vma->start,
		.end_bytes = s->base_bytes + vma->end,
	};
	return 0;
}

static int open_of(pid_t pid, const char *name, int flags)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, flags | O_CLOEXEC);
}

static int convert_areas(struct state *s, struct guard_inject *inject)
{
	int mem CLEANUP_CLOSE = open_of(s->pid, "mem", O_RDONLY);
	int pagemap CLEANUP_CLOSE = open_of(s->pid, "pagemap", O_RDONLY);
	char *text CLEANUP_FREE = NULL;
	char path[64], *rest = NULL;
	size_t len;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)s->pid);
	r = io_slurp_at(AT_FDCWD, path, 64u << 20, &text, &len);
	if (r)
		return r;
	for (char *line = strtok_r(text, "\n", &rest); line && !r;
	     line = strtok_r(NULL, "\n", &rest)) {
		struct guard_map_vma vma;
		bool any = false;

		r = guard_map_parse(line, &vma);
		if (!r && is_convertible(line, &vma))
			r = dump(s, &vma, mem, pagemap, &any);
		if (!r && any)
			r = remap(s, inject, &vma);
	}
	return r;
}

/* The thread that stopped us sits in tgkill(pid, tid, SIGSTOP). */
static int stopped_call(pid_t tid, struct seccomp_data *ret)
{
	char path[64], *text CLEANUP_FREE = NULL;
	unsigned long a[6], sp, pc;
	size_t len;
	long nr;

	(void)snprintf(path, sizeof(path), "/proc/%d/syscall", (int)tid);
	if (io_slurp_at(AT_FDCWD, path, 4096, &text, &len))
		return -EIO;
	if (sscanf(text, "%ld %lx %lx %lx %lx %lx %lx %lx %lx", &nr, &a[0],
		   &a[1], &a[2], &a[3], &a[4], &a[5], &sp, &pc) != 9 ||
	    nr != SYS_tgkill)
		return -EPROTO;
	*ret = (struct seccomp_data){.nr = (int)nr, .instruction_pointer = pc};
	for (unsigned i = 0; i < 6; i++)
		ret->args[i] = a[i];
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct guard_window *x = a, *y = b;

	return x->start_bytes < y->start_bytes
		       ? -1
		       : x->start_bytes > y->start_bytes;
}

/* Each conversion opens a guard with more windows; their counts add up. */
static void close_guard(struct state *s)
{
	uint64_t *sum = (uint64_t *)&s->run->stats;
	struct guard_stats stats;
	const uint64_t *one = (const uint64_t *)&stats;

	if (!s->guard)
		return;
	guard_get_stats(s->guard, &stats);
	for (size_t i = 0; i < sizeof(stats) / sizeof(*sum); i++)
		sum[i] += one[i];
	guard_close(s->guard);
}

static int open_guard(struct state *s)
{
	const struct guard_options options = {
		.dev = s->image.st_dev,
		.windows = s->windows,
		.nr_windows = s->nr_windows,
		.cookie = s->cookie,
	};
	struct guard *guard;
	int listener, r;

	if (s->listener < 0)
		return 0;
	qsort(s->windows, s->nr_windows, sizeof(s->windows[0]), by_place);
	listener = fcntl(s->listener, F_DUPFD_CLOEXEC, 0);
	r = guard_open(listener, &options, &guard);
	if (r)
		return r;
	close_guard(s);
	s->guard = guard;
	return 0;
}

static int convert(struct state *s, pid_t tid)
{
	struct seccomp_data data;
	struct guard_inject inject;
	int r = stopped_call(tid, &data);

	if (r)
		return r;
	r = guard_inject_seize(&inject, tid);
	if (!r)
		r = guard_inject_stop(&inject, &data);
	if (r)
		return r;
	r = convert_areas(s, &inject);
	s->base_bytes += ADDRESSES;
	guard_inject_finish(&inject, 0);
	return r ? r : open_guard(s);
}

/* ---- another tracer, as a debugger would be ---- */

static void trace_forever(pid_t pid, int ready_fd)
{
	const long options = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK;
	int status;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)options))
		_exit(1);
	(void)io_write_all(ready_fd, "r", 1);
	for (;;) {
		pid_t tid = waitpid(-1, &status, __WALL);
		bool listen;
		int signal = 0;

		if (tid < 0)
			_exit(0);
		if (!WIFSTOPPED(status))
			continue;
		listen = status >> 16 == PTRACE_EVENT_STOP &&
			 WSTOPSIG(status) == SIGSTOP;
		if (!(status >> 16))
			signal = WSTOPSIG(status);
		(void)ptrace(listen ? PTRACE_LISTEN : PTRACE_CONT, tid, NULL,
			     (void *)(long)signal);
	}
}

static int start_tracer(struct state *s)
{
	int ready[2];
	char c;

	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	s->tracer = fork();
	if (!s->tracer)
		trace_forever(s->pid, ready[1]);
	(void)close(ready[1]);
	if (io_read_all(ready[0], &c, 1))
		return -EPERM;
	(void)close(ready[0]);
	return 0;
}

/* ---- the supervisor's loop ---- */

static int serve(struct state *s)
{
	if (!s->guard)
		return 0;
	s->run->served = guard_serve(s->guard);
	return s->run->served;
}

/* Its other threads may be waiting for us: serve until all have stopped. */
static int await_stop(struct state *s)
{
	siginfo_t info = {0};

	while (!waitid(P_PID, (id_t)s->pid, &info,
		       WSTOPPED | WEXITED | WNOWAIT | WNOHANG) &&
	       !info.si_pid) {
		if (serve(s))
			return -EIO;
		(void)poll(NULL, 0, 1);
	}
	return info.si_code == CLD_STOPPED ? 0 : -ECHILD;
}

static int on_notice(struct state *s)
{
	pid_t tid;
	int r = io_read_all(s->notice_fd, &tid, sizeof(tid));

	if (!r)
		r = await_stop(s);
	if (!r && s->run->mode != INPLACE_NATIVE)
		r = convert(s, tid);
	if (!r && s->run->mode == INPLACE_TRACED && !s->tracer)
		r = start_tracer(s);
	(void)kill(s->pid, SIGCONT);
	return r;
}

/* Once it is converted: stop it, or let it go on. */
static void stop_or_continue(const struct state *s, unsigned turn)
{
	if (s->run->mode == INPLACE_STOPPED && s->base_bytes)
		(void)kill(s->pid, turn % 2 ? SIGCONT : SIGSTOP);
}

static int loop(struct state *s)
{
	bool storm = s->run->mode == INPLACE_STOPPED;
	uint64_t end_ns = io_monotonic_ns() + s->run->timeout_s * 1000000000ull;

	for (unsigned turn = 0;; turn++) {
		struct pollfd fds[] = {
			{.fd = s->pidfd, .events = POLLIN},
			{.fd = s->notice_fd, .events = POLLIN},
			{.fd = s->guard ? guard_fd(s->guard) : -1,
			 .events = POLLIN},
		};
		int r = poll(fds, 3, storm ? 3 : 200);

		stop_or_continue(s, turn);

		if (io_monotonic_ns() > end_ns)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			return 0;
		r = fds[2].revents & POLLIN ? serve(s) : 0;
		if (!r && (fds[1].revents & POLLIN))
			r = on_notice(s);
		if (r)
			return r;
	}
}

static int start(struct state *s, char *const argv[])
{
	int socks[2], notice[2];
	unsigned nr = 0;
	char c;

	s->image_fd = memfd_create("image", MFD_CLOEXEC);
	if (s->image_fd < 0 ||
	    ftruncate(s->image_fd, (off_t)(ROUNDS_MAX * ADDRESSES)) ||
	    fstat(s->image_fd, &s->image) || pipe2(notice, O_CLOEXEC) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) ||
	    getrandom(&s->cookie, sizeof(s->cookie), 0) < 0)
		return -errno;
	s->pid = fork();
	if (!s->pid)
		become_victim(s, socks[1], notice[1], argv);
	(void)close(socks[1]);
	(void)close(notice[1]);
	s->notice_fd = notice[0];
	s->pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	if (s->pid < 0 || s->pidfd < 0 ||
	    io_recv_fds(socks[0], &c, 1, &s->listener, 1, &nr) ||
	    io_write_all(socks[0], "g", 1))
		return -EIO;
	(void)close(socks[0]);
	if (!nr)
		s->listener = -1;
	return open_guard(s);
}

static void finish(struct state *s)
{
	if (s->pid > 0) {
		(void)kill(s->pid, SIGKILL);
		(void)waitpid(s->pid, &s->run->status, 0);
	}
	if (s->tracer > 0) {
		(void)kill(s->tracer, SIGKILL);
		(void)waitpid(s->tracer, NULL, 0);
	}
	close_guard(s);
	cleanup_close(&s->listener);
	cleanup_close(&s->pidfd);
	cleanup_close(&s->notice_fd);
	cleanup_close(&s->image_fd);
}

int inplace_run(struct inplace *run, char *const argv[])
{
	struct state *s CLEANUP_FREE = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->run = run;
	s->pidfd = s->notice_fd = s->image_fd = s->listener = -1;
	run->served = 0;
	memset(&run->stats, 0, sizeof(run->stats));
	r = start(s, argv);
	if (!r)
		r = loop(s);
	finish(s);
	return r;
}

/* SPDX-License-Identifier: MIT */
/*
 * test_fds.c - open files of a real process, as they are when it stands still
 */
#include "tests/unit/parent/cmocka_env.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/io.h"
#include "parent/fds.h"
#include "tests/unit/parent/victim.h"

/* The numbers that a victim uses, above what the test has open itself. */
enum {
	FD_FILE = 100,
	FD_FILE_DUP,
	FD_FILE_TWICE,
	FD_DIR,
	FD_NULL,
	FD_TTY,
	FD_PIPE_READ,
	FD_PIPE_WRITE,
	FD_EVENT,
	FD_SEMAPHORE,
	FD_TIMER,
	FD_SIGNAL,
	FD_MEMFD,
	FD_LISTENER,
	FD_UNIX_LISTENER,
	FD_UDP,
	FD_PAIR_A,
	FD_PAIR_B,
	FD_INOTIFY,
	FD_URING,
};

static char dir_name[] = "/tmp/test-fds-XXXXXX";

static void put(int fd, int number)
{
	if (fd < 0 || dup2(fd, number) != number)
		_exit(99);
	if (fd != number)
		(void)close(fd);
}

static const struct image_fd *find(const struct image *image, int fd)
{
	for (uint32_t i = 0; i < image->nr_fds; i++)
		if (image->fds[i].fd == fd)
			return &image->fds[i];
	return NULL;
}

static const struct image_fd *must(const struct image *image, int fd,
				   enum image_fd_kind kind)
{
	const struct image_fd *found = find(image, fd);

	assert_non_null(found);
	assert_int_equal(found->kind, kind);
	return found;
}

/* What a victim that has stopped has open. */
static struct image *image_of(pid_t pid)
{
	struct image *image = image_new();
	struct refusal why = {0};
	struct fds *fds = NULL;

	assert_non_null(image);
	assert_int_equal(fds_scan(pid, &fds, &why), 0);
	assert_int_equal(fds_capture(fds, &why), 0);
	assert_int_equal(fds_finish(fds, image), 0);
	fds_free(fds);
	return image;
}

static struct image *image_after(void (*setup)(void *arg))
{
	pid_t pid = victim_start(setup, NULL);
	struct image *image;

	assert_true(pid > 0);
	image = image_of(pid);
	victim_end(pid);
	return image;
}

static void open_files(void *arg)
{
	int file = openat(AT_FDCWD, dir_name, O_RDWR | O_TMPFILE, 0600);

	if (write(file, "0123456789", 10) != 10)
		_exit(99);
	put(file, FD_FILE);
	put(dup(FD_FILE), FD_FILE_DUP);
	put(open("/proc/self/fd/100", O_RDWR), FD_FILE_TWICE);
	(void)lseek(FD_FILE, 7, SEEK_SET);
	(void)lseek(FD_FILE_TWICE, 7, SEEK_SET);
	put(open(dir_name, O_RDONLY | O_DIRECTORY), FD_DIR);
	(void)fcntl(FD_DIR, F_SETFD, FD_CLOEXEC);
	put(open("/dev/null", O_WRONLY | O_APPEND), FD_NULL);
	put(posix_openpt(O_RDWR | O_NOCTTY), FD_TTY);
	put(memfd_create("kept", 0), FD_MEMFD);
}

static void files_have_path_and_position(void **state)
{
	struct image *image = image_after(open_files);
	const struct image_fd *file = must(image, FD_FILE, IMAGE_FD_FILE);

	assert_int_equal(file->pos_bytes, 7);
	assert_int_equal(file->size_bytes, 10);
	assert_int_equal(file->open_flags & O_ACCMODE, O_RDWR);
	assert_true(S_ISREG(file->mode));
	assert_int_equal(strncmp(file->path, dir_name, strlen(dir_name)), 0);
	file = must(image, FD_DIR, IMAGE_FD_DIR);
	assert_string_equal(file->path, dir_name);
	assert_true(file->cloexec);
	file = must(image, FD_NULL, IMAGE_FD_CHARDEV);
	assert_int_equal(file->open_flags & (O_ACCMODE | O_APPEND),
			 O_WRONLY | O_APPEND);
	assert_false(file->cloexec);
	assert_int_equal(file->dev, makedev(1, 3));
	(void)must(image, FD_TTY, IMAGE_FD_TTY);
	file = must(image, FD_MEMFD, IMAGE_FD_MEMFD);
	assert_string_equal(file->path, "/memfd:kept (deleted)");
	image_free(image);
}

static void one_description_is_told_from_two(void **state)
{
	struct image *image = image_after(open_files);

	assert_int_equal(find(image, FD_FILE)->same_as, -1);
	assert_int_equal(find(image, FD_FILE_DUP)->same_as, FD_FILE);
	/* Same file, flags and position, opened for itself. */
	assert_int_equal(find(image, FD_FILE_TWICE)->same_as, -1);
	image_free(image);
}

static void fill_pipe(void *arg)
{
	int ends[2];

	if (pipe2(ends, O_NONBLOCK))
		_exit(99);
	put(ends[0], FD_PIPE_READ);
	put(ends[1], FD_PIPE_WRITE);
	(void)fcntl(FD_PIPE_WRITE, F_SETPIPE_SZ, 1 << 18);
	/* Packets take a slot each. */
	for (int i = 0; i < 40; i++)
		if (write(FD_PIPE_WRITE, &i, sizeof(i)) != sizeof(i))
			_exit(99);
	(void)raise(SIGSTOP);
	for (int i = 0; i < 40; i++) {
		int got;

		if (read(FD_PIPE_READ, &got, sizeof(got)) != sizeof(got) ||
		    got != i)
			_exit(1);
	}
	_exit(0);
}

static void pipes_keep_their_bytes(void **state)
{
	pid_t pid = victim_start(fill_pipe, NULL);
	struct image *image = image_of(pid);
	const struct image_fd *pipe = must(image, FD_PIPE_READ, IMAGE_FD_PIPE);
	int status;

	assert_int_equal(pipe->data_bytes, 40 * sizeof(int));
	for (int i = 0; i < 40; i++)
		assert_int_equal(((const int *)(const void *)pipe->data)[i], i);
	assert_int_equal(pipe->type, 0);
	assert_int_equal(pipe->value, 1 << 18);
	assert_int_equal(pipe->open_flags & O_NONBLOCK, O_NONBLOCK);
	pipe = must(image, FD_PIPE_WRITE, IMAGE_FD_PIPE);
	assert_int_equal(pipe->data_bytes, 0);
	assert_int_equal(pipe->inode, find(image, FD_PIPE_READ)->inode);
	image_free(image);
	/* The target still has them all. */
	(void)kill(pid, SIGCONT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void fill_packets_to_the_brim(void *arg)
{
	static char bytes[1 << 20];
	int ends[2];

	if (pipe2(ends, O_NONBLOCK | O_DIRECT))
		_exit(99);
	if (fcntl(ends[1], F_SETPIPE_SZ, sizeof(bytes)) < 0)
		return;
	if (write(ends[1], bytes, sizeof(bytes)) != sizeof(bytes))
		_exit(99);
	put(ends[0], FD_PIPE_READ);
	put(dup(FD_PIPE_READ), FD_FILE_DUP);
}

/* Their lengths have to fit, too. */
static void a_pipe_with_too_many_messages_is_unsupported(void **state)
{
	struct image *image = image_after(fill_packets_to_the_brim);

	(void)must(image, FD_PIPE_READ, IMAGE_FD_UNSUPPORTED);
	(void)must(image, FD_FILE_DUP, IMAGE_FD_UNSUPPORTED);
	image_free(image);
}

static void overfill_pipe(void *arg)
{
	static char bytes[(1 << 20) + 4096];
	int ends[2];

	if (pipe2(ends, O_NONBLOCK))
		_exit(99);
	if (fcntl(ends[1], F_SETPIPE_SZ, 1 << 21) < 0)
		return;
	if (write(ends[1], bytes, sizeof(bytes)) != sizeof(bytes))
		_exit(99);
	put(ends[0], FD_PIPE_READ);
	put(dup(FD_PIPE_READ), FD_FILE_DUP);
}

static void a_pipe_that_holds_too_much_is_unsupported(void **state)
{
	struct image *image = image_after(overfill_pipe);

	if (!find(image, FD_PIPE_READ)) {
		image_free(image);
		skip(); /* over pipe-max-size, without CAP_SYS_RESOURCE */
	}
	(void)must(image, FD_PIPE_READ, IMAGE_FD_UNSUPPORTED);
	(void)must(image, FD_FILE_DUP, IMAGE_FD_UNSUPPORTED);
	image_free(image);
}

/* One that is too large, and five of which four fit into an image. */
static void open_nameless(void *arg)
{
	for (int i = 0; i < 6; i++) {
		put(openat(AT_FDCWD, dir_name, O_RDWR | O_TMPFILE, 0600),
		    FD_FILE + i);
		if (ftruncate(FD_FILE + i, i ? 1 << 20 : (1 << 20) + 1))
			_exit(99);
	}
}

static void a_nameless_file_is_whole_or_not_there(void **state)
{
	struct image *image = image_after(open_nameless);

	for (int i = 0; i < 6; i++)
		assert_int_equal(
			must(image, FD_FILE + i, IMAGE_FD_FILE)->data_bytes,
			i >= 1 && i <= 4 ? 1 << 20 : 0);
	image_free(image);
}

static void open_counters(void *arg)
{
	const struct itimerspec when = {{1, 5}, {1000, 0}};
	sigset_t set;

	put(eventfd(41, EFD_NONBLOCK), FD_EVENT);
	put(eventfd(2, EFD_SEMAPHORE), FD_SEMAPHORE);
	put(timerfd_create(CLOCK_MONOTONIC, 0), FD_TIMER);
	(void)timerfd_settime(FD_TIMER, 0, &when, NULL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	put(signalfd(-1, &set, 0), FD_SIGNAL);
	put(inotify_init(), FD_INOTIFY);
}

static void counters_and_timers_are_exact(void **state)
{
	struct image *image = image_after(open_counters);
	const struct image_fd *fd = must(image, FD_EVENT, IMAGE_FD_EVENTFD);

	assert_int_equal(fd->value, 41);
	assert_int_equal(fd->type, 0);
	assert_int_equal(fd->open_flags & O_NONBLOCK, O_NONBLOCK);
	fd = must(image, FD_SEMAPHORE, IMAGE_FD_EVENTFD);
	assert_int_equal(fd->value, 2);
	assert_int_equal(fd->type, 1);
	fd = must(image, FD_TIMER, IMAGE_FD_TIMERFD);
	assert_int_equal(fd->clockid, CLOCK_MONOTONIC);
	assert_int_equal(fd->interval_ns, 1000000005);
	assert_in_range(fd->value_ns, 900000000000, 1000000000000);
	fd = must(image, FD_SIGNAL, IMAGE_FD_SIGNALFD);
	assert_int_equal(fd->value, 1 << (SIGUSR1 - 1));
	(void)must(image, FD_INOTIFY, IMAGE_FD_UNSUPPORTED);
	image_free(image);
}

#define RUNS_OUT_ROUNDS 300
#define RUNS_OUT_NS	2000000u

static uint64_t *runs_out_ns; /* shared with the victim */

/* Without effect where there is no such CPU. */
static void pin_to(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	(void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* Stands still with a timer that runs out, on another CPU if there is one. */
static void run_timers_out(void *arg)
{
	const struct itimerspec once = {.it_value = {0, RUNS_OUT_NS}};
	uint64_t ticks;

	pin_to(1);
	put(timerfd_create(CLOCK_MONOTONIC, 0), FD_TIMER);
	for (;;) {
		(void)timerfd_settime(FD_TIMER, 0, &once, NULL);
		*runs_out_ns = io_monotonic_ns() + RUNS_OUT_NS;
		(void)raise(SIGSTOP);
		if (read(FD_TIMER, &ticks, sizeof(ticks)) != sizeof(ticks))
			_exit(99);
	}
}

/* Whether the image, taken @early_ns before the timer runs out, still rings. */
static bool rings(pid_t pid, uint64_t early_ns)
{
	struct image *image = image_new();
	const struct image_fd *timer;
	struct fds *fds = NULL;
	bool does;

	assert_int_equal(fds_scan(pid, &fds, NULL), 0);
	while (io_monotonic_ns() + early_ns < *runs_out_ns)
		;
	assert_int_equal(fds_capture(fds, NULL), 0);
	assert_int_equal(fds_finish(fds, image), 0);
	timer = must(image, FD_TIMER, IMAGE_FD_TIMERFD);
	does = timer->value || timer->value_ns;
	fds_free(fds);
	image_free(image);
	return does;
}

/* No time left and no tick yet: the image must not have a timer that is off. */
static void a_timer_that_runs_out_just_then_still_rings(void **state)
{
	unsigned silent = 0;
	cpu_set_t mine;
	pid_t pid;

	runs_out_ns = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(runs_out_ns, MAP_FAILED);
	pid = victim_start(run_timers_out, NULL);
	assert_true(pid > 0);
	(void)sched_getaffinity(0, sizeof(mine), &mine);
	pin_to(0);
	for (unsigned i = 0; i < RUNS_OUT_ROUNDS; i++) {
		silent += !rings(pid, i % 100 * 2000);
		victim_step(pid);
	}
	(void)sched_setaffinity(0, sizeof(mine), &mine);
	victim_end(pid);
	(void)munmap(runs_out_ns, 4096);
	/* A CPU that its host takes away for 10 ms is late for good. */
	assert_in_range(silent, 0, RUNS_OUT_ROUNDS / 100);
}

static void open_sockets(void *arg)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int one = 1, pair[2];

	put(socket(AF_INET, SOCK_STREAM, 0), FD_LISTENER);
	(void)setsockopt(FD_LISTENER, SOL_SOCKET, SO_REUSEADDR, &one, 4);
	if (bind(FD_LISTENER, (struct sockaddr *)&in, sizeof(in)) ||
	    listen(FD_LISTENER, 77))
		_exit(99);
	put(socket(AF_UNIX, SOCK_STREAM, 0), FD_UNIX_LISTENER);
	/* An abstract name leaves no file. */
	(void)memcpy(un.sun_path, "\0test-fds", 9);
	if (bind(FD_UNIX_LISTENER, (struct sockaddr *)&un, 2 + 9 + 1) ||
	    listen(FD_UNIX_LISTENER, 5))
		_exit(99);
	put(socket(AF_INET, SOCK_DGRAM, 0), FD_UDP);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		_exit(99);
	put(pair[0], FD_PAIR_A);
	put(pair[1], FD_PAIR_B);
}

static void sockets_have_their_addresses(void **state)
{
	struct image *image = image_after(open_sockets);
	const struct image_fd *fd = must(image, FD_LISTENER, IMAGE_FD_LISTENER);
	struct sockaddr_in in;

	assert_int_equal(fd->domain, AF_INET);
	assert_int_equal(fd->type, SOCK_STREAM);
	assert_int_equal(fd->protocol, IPPROTO_TCP);
	assert_int_equal(fd->backlog, 77);
	assert_int_equal(fd->sockopts, IMAGE_SOCK_REUSEADDR);
	assert_int_equal(fd->data_bytes, sizeof(in));
	memcpy(&in, fd->data, sizeof(in));
	assert_int_equal(ntohl(in.sin_addr.s_addr), INADDR_LOOPBACK);
	assert_true(in.sin_port != 0);
	fd = must(image, FD_UNIX_LISTENER, IMAGE_FD_LISTENER);
	assert_int_equal(fd->domain, AF_UNIX);
	assert_int_equal(fd->data_bytes, 12);
	assert_memory_equal(fd->data + 2, "\0test-fds", 9);
	fd = must(image, FD_UDP, IMAGE_FD_LISTENER);
	assert_int_equal(fd->type, SOCK_DGRAM);
	(void)must(image, FD_PAIR_A, IMAGE_FD_SOCKET);
	image_free(image);
}

static void change_everything(void *arg)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int null = open("/dev/null", O_RDWR);

	open_files(NULL);
	put(eventfd(1, 0), FD_EVENT);
	put(socket(AF_INET, SOCK_STREAM, 0), FD_LISTENER);
	(void)raise(SIGSTOP);
	(void)lseek(FD_FILE, 3, SEEK_SET);
	(void)lseek(FD_FILE_TWICE, 10, SEEK_SET);
	if (write(FD_FILE_TWICE, "0123456789", 10) != 10)
		_exit(99);
	put(open("/dev/null", O_RDWR), FD_FILE_DUP);
	(void)close(FD_DIR);
	put(timerfd_create(CLOCK_REALTIME, 0), FD_EVENT);
	put(dup(null), FD_PIPE_READ);
	if (bind(FD_LISTENER, (struct sockaddr *)&in, sizeof(in)) ||
	    listen(FD_LISTENER, 3))
		_exit(99);
}

static void what_changed_since_the_scan_is_seen(void **state)
{
	pid_t pid = victim_start(change_everything, NULL);
	struct image *image = image_new();
	struct fds *fds = NULL;

	assert_int_equal(fds_scan(pid, &fds, NULL), 0);
	victim_step(pid);
	assert_int_equal(fds_capture(fds, NULL), 0);
	assert_int_equal(fds_finish(fds, image), 0);
	fds_free(fds);
	victim_end(pid);
	assert_int_equal(must(image, FD_FILE, IMAGE_FD_FILE)->pos_bytes, 3);
	assert_int_equal(find(image, FD_FILE)->size_bytes, 20);
	assert_int_equal(find(image, FD_FILE_TWICE)->pos_bytes, 20);
	assert_int_equal(must(image, FD_FILE_DUP, IMAGE_FD_CHARDEV)->same_as,
			 -1);
	assert_null(find(image, FD_DIR));
	(void)must(image, FD_EVENT, IMAGE_FD_TIMERFD);
	assert_string_equal(must(image, FD_PIPE_READ, IMAGE_FD_CHARDEV)->path,
			    "/dev/null");
	assert_int_equal(must(image, FD_LISTENER, IMAGE_FD_LISTENER)->backlog,
			 3);
	image_free(image);
}

static void open_uring(void *arg)
{
	char params[120] = {0};
	long fd = syscall(SYS_io_uring_setup, 1, params);

	if (fd >= 0)
		put((int)fd, FD_URING);
}

static void an_io_uring_is_refused(void **state)
{
	pid_t pid = victim_start(open_uring, NULL);
	struct refusal why = {0};
	struct fds *fds = NULL;
	char path[64];
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, FD_URING);
	rc = access(path, F_OK) ? -ENOSYS : fds_scan(pid, &fds, &why);
	victim_end(pid);
	if (rc == -ENOSYS)
		skip(); /* io_uring_disabled, or not built in */
	assert_int_equal(rc, -EOPNOTSUPP);
	assert_non_null(strstr(why.why, "descriptor 119 is an io_uring"));
}

static void nobody_is_esrch(void **state)
{
	struct fds *fds = NULL;

	assert_int_equal(fds_scan(1 << 23, &fds, NULL), -ESRCH);
	assert_null(fds);
}

static void a_dead_target_is_esrch(void **state)
{
	pid_t pid = victim_start(open_files, NULL);
	struct fds *fds = NULL;
	int rc;

	assert_int_equal(fds_scan(pid, &fds, NULL), 0);
	victim_end(pid);
	rc = fds_capture(fds, NULL);
	fds_free(fds);
	assert_int_equal(rc, -ESRCH);
}

static int make_dir(void **state)
{
	return mkdtemp(dir_name) ? 0 : -1;
}

static int remove_dir(void **state)
{
	return rmdir(dir_name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_have_path_and_position),
		cmocka_unit_test(one_description_is_told_from_two),
		cmocka_unit_test(pipes_keep_their_bytes),
		cmocka_unit_test(a_pipe_with_too_many_messages_is_unsupported),
		cmocka_unit_test(a_pipe_that_holds_too_much_is_unsupported),
		cmocka_unit_test(a_nameless_file_is_whole_or_not_there),
		cmocka_unit_test(counters_and_timers_are_exact),
		cmocka_unit_test(a_timer_that_runs_out_just_then_still_rings),
		cmocka_unit_test(sockets_have_their_addresses),
		cmocka_unit_test(what_changed_since_the_scan_is_seen),
		cmocka_unit_test(an_io_uring_is_refused),
		cmocka_unit_test(nobody_is_esrch),
		cmocka_unit_test(a_dead_target_is_esrch),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_fdwatch.c - what epoll sets of a real process watch
 */
#include "tests/unit/parent/cmocka_env.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "parent/fdlook.h"
#include "parent/fds.h"
#include "tests/unit/parent/victim.h"

/* The numbers that a victim uses, above what the test has open itself. */
enum {
	FD_EPOLL_DUP = 100,
	FD_EPOLL,
	FD_OTHER,
	FD_EVENT,
	FD_UDP,
	FD_UDP_DUP,
	FD_CLOSED,
	FD_CLOSED_DUP,
	FD_STALE, /* and the next three */
	MANY = 2000,
	FD_MANY = 200,
	FD_MANY_DUP = FD_MANY + MANY,
	FD_MANY_MOVED = FD_MANY_DUP + MANY,
	FD_MANY_END
};

static unsigned asked_in_pause;

int __real_fdlook_compare_watched(struct fdlook *look, int32_t fd,
				  const struct fdlook_slot *slot,
				  int *ret_order);
int __wrap_fdlook_compare_watched(struct fdlook *look, int32_t fd,
				  const struct fdlook_slot *slot,
				  int *ret_order);

int __wrap_fdlook_compare_watched(struct fdlook *look, int32_t fd,
				  const struct fdlook_slot *slot,
				  int *ret_order)
{
	asked_in_pause += look->hurries;
	return __real_fdlook_compare_watched(look, fd, slot, ret_order);
}

static void put(int fd, int number)
{
	if (fd < 0 || dup2(fd, number) != number)
		_exit(99);
	if (fd != number)
		(void)close(fd);
}

/* What a victim that has stopped has open; @steps between look and pause. */
static struct image *image_of(pid_t pid, int steps)
{
	struct image *image = image_new();
	struct refusal why = {0};
	struct fds *fds = NULL;

	assert_non_null(image);
	assert_int_equal(fds_scan(pid, &fds, &why), 0);
	while (steps--)
		victim_step(pid);
	asked_in_pause = 0;
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
	image = image_of(pid, 0);
	victim_end(pid);
	return image;
}

static void open_epoll(void *arg)
{
	struct epoll_event event = {EPOLLIN | EPOLLET, {.u64 = 0xfeed}};

	put(epoll_create1(0), FD_EPOLL);
	put(eventfd(0, 0), FD_EVENT);
	(void)epoll_ctl(FD_EPOLL, EPOLL_CTL_ADD, FD_EVENT, &event);
	event.data.u64 = 1;
	put(dup(FD_EPOLL), FD_EPOLL_DUP);
	/* Its file lives on as another number, and its number is another file.
	 */
	put(socket(AF_INET, SOCK_DGRAM, 0), FD_UDP);
	(void)epoll_ctl(FD_EPOLL, EPOLL_CTL_ADD, FD_UDP, &event);
	put(dup(FD_UDP), FD_UDP_DUP);
	put(open("/dev/null", O_RDONLY), FD_UDP);
}

static const struct image_epoll *watch_of(const struct image *image,
					  uint64_t data)
{
	for (uint32_t i = 0; i < image->nr_epolls; i++)
		if (image->epolls[i].data == data)
			return &image->epolls[i];
	fail_msg("no watch has the data %lu", data);
	return NULL;
}

static void epoll_sets_are_read_once(void **state)
{
	struct image *image = image_after(open_epoll);
	const struct image_epoll *watch;

	/* The lower number of the two duplicates owns the set. */
	for (uint32_t i = 0; i < image->nr_fds; i++)
		if (image->fds[i].fd == FD_EPOLL)
			assert_int_equal(image->fds[i].same_as, FD_EPOLL_DUP);
	assert_int_equal(image->nr_epolls, 2);
	watch = watch_of(image, 0xfeed);
	assert_int_equal(watch->epfd, FD_EPOLL_DUP);
	assert_int_equal(watch->fd, FD_EVENT);
	assert_int_equal(watch->through, FD_EVENT);
	/* The kernel always adds the two. */
	assert_true(watch->events == (EPOLLIN | EPOLLET | EPOLLERR | EPOLLHUP));
	watch = watch_of(image, 1);
	assert_int_equal(watch->fd, FD_UDP);
	assert_int_equal(watch->through, FD_UDP_DUP);
	image_free(image);
}

/*
 * Three descriptions that had one number, one after the other, of a kind that
 * has one inode for all; and one whose number nobody has, twice in two sets.
 */
static void open_stale(void *arg)
{
	struct epoll_event event = {EPOLLIN, {.u64 = 1}};

	put(epoll_create1(0), FD_EPOLL);
	put(epoll_create1(0), FD_OTHER);
	for (; event.data.u64 <= 3; event.data.u64++) {
		put(eventfd(0, 0), FD_EVENT);
		(void)epoll_ctl(FD_EPOLL, EPOLL_CTL_ADD, FD_EVENT, &event);
		put(dup(FD_EVENT), FD_STALE + (int)event.data.u64);
	}
	put(eventfd(0, 0), FD_CLOSED);
	put(dup(FD_CLOSED), FD_CLOSED_DUP);
	(void)epoll_ctl(FD_EPOLL, EPOLL_CTL_ADD, FD_CLOSED, &event);
	event.data.u64++;
	(void)epoll_ctl(FD_OTHER, EPOLL_CTL_ADD, FD_CLOSED, &event);
	(void)close(FD_CLOSED);
}

static void a_watch_goes_on_through_a_duplicate(void **state)
{
	const int fds[] = {FD_EVENT, FD_EVENT, FD_EVENT, FD_CLOSED, FD_CLOSED};
	const int through[] = {FD_STALE + 1, FD_STALE + 2, FD_EVENT,
			       FD_CLOSED_DUP, FD_CLOSED_DUP};
	struct image *image = image_after(open_stale);

	assert_int_equal(image->nr_epolls, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(watch_of(image, i + 1)->fd, fds[i]);
		assert_int_equal(watch_of(image, i + 1)->through, through[i]);
		assert_int_equal(watch_of(image, i + 1)->epfd,
				 i < 4 ? FD_EPOLL : FD_OTHER);
	}
	image_free(image);
}

/* The file of number FD_MANY + i is open as the @i-th of these. */
static int many_dup(int i)
{
	return FD_MANY_DUP + i * 7 % MANY;
}

/* Many of one kind, all closed but for duplicates; and then one is moved. */
static void open_many(void *arg)
{
	const struct rlimit limit = {FD_MANY_END, FD_MANY_END};
	struct epoll_event event = {EPOLLIN, {.u64 = 0}};

	if (setrlimit(RLIMIT_NOFILE, &limit))
		_exit(99);
	put(epoll_create1(0), FD_EPOLL);
	for (int i = 0; i < MANY; i++) {
		event.data.u64 = (uint64_t)i;
		put(eventfd(0, 0), FD_MANY + i);
		(void)epoll_ctl(FD_EPOLL, EPOLL_CTL_ADD, FD_MANY + i, &event);
	}
	for (int i = 0; i < MANY; i++)
		put(FD_MANY + i, many_dup(i));
	(void)raise(SIGSTOP);
	put(many_dup(5), FD_MANY_MOVED);
	put(eventfd(0, 0), many_dup(5));
}

static bool may_open_many(void)
{
	struct rlimit limit;

	return !getrlimit(RLIMIT_NOFILE, &limit) &&
	       limit.rlim_max >= FD_MANY_END;
}

static void check_many(const struct image *image, int moved)
{
	assert_int_equal(image->nr_epolls, MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		const struct image_epoll *watch = &image->epolls[i];
		const int data = (int)watch->data;

		assert_int_equal(watch->fd, FD_MANY + data);
		assert_int_equal(watch->through, data == moved
							 ? FD_MANY_MOVED
							 : many_dup(data));
	}
	/* For each question the kernel passes some 1000 watches. */
	assert_in_range(asked_in_pause, 0, 20);
}

static void the_pause_asks_no_more_for_many(void **state)
{
	struct image *image;
	pid_t pid;

	if (!may_open_many())
		skip();
	for (int steps = 0; steps < 2; steps++) {
		pid = victim_start(open_many, NULL);
		assert_true(pid > 0);
		image = image_of(pid, steps);
		victim_end(pid);
		check_many(image, steps ? 5 : -1);
		image_free(image);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(epoll_sets_are_read_once),
		cmocka_unit_test(a_watch_goes_on_through_a_duplicate),
		cmocka_unit_test(the_pause_asks_no_more_for_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_fdwatch.c - what epoll sets of a real process watch
 */
#include "tests/unit/parent/cmocka_env.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

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
};

static void put(int fd, int number)
{
	if (fd < 0 || dup2(fd, number) != number)
		_exit(99);
	if (fd != number)
		(void)close(fd);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(epoll_sets_are_read_once),
		cmocka_unit_test(a_watch_goes_on_through_a_duplicate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_image_check.c - every promise of image.h, broken once
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/desc.h"
#include "common/image_check.h"
#include "common/page.h"
#include "sample_image.h"

struct breakage {
	const char *what;
	void (*apply)(struct image *image);
	const char *why; /* a part of image_check()'s words */
};

#define BREAK(name, change)                                                    \
	static void break_##name(struct image *i)                              \
	{                                                                      \
		change;                                                        \
	}

static void swap_vmas(struct image_vma *a, struct image_vma *b)
{
	struct image_vma was = *a;

	*a = *b;
	*b = was;
}

static void set_name(char **name, const char *to)
{
	free(*name);
	*name = strdup(to);
}

static struct image_fd *listener(struct image *image)
{
	return &image->fds[IMAGE_FD_LISTENER - 1];
}

BREAK(pid, i->pid = 0)
BREAK(host_pid, i->host_pid = -1)
BREAK(comm, memset(i->comm, 'x', sizeof(i->comm)))
BREAK(brk, i->mm.brk = i->mm.start_brk - 1)
BREAK(leader, i->threads[0].tid++)
BREAK(tid_zero, i->threads[1].tid = 0)
BREAK(tid_large, i->threads[1].tid = IMAGE_TID_MAX + 1)
BREAK(tid_twice, i->threads[1].tid = i->threads[2].tid)
BREAK(thread_comm, memset(i->threads[2].comm, 'x', 16))
BREAK(restart, i->threads[1].restart_nr = -2)
BREAK(xstate_small, i->threads[0].xstate_bytes = 575)
BREAK(pending_tid, i->pending[1].tid = 106)
BREAK(pending_signo, memset(i->pending[0].siginfo, 0, 4))
BREAK(pending_signo_large, i->pending[0].siginfo[0] = IMAGE_SIGNALS + 1)
BREAK(vma_kind_zero, i->vmas[0].kind = 0)
BREAK(vma_kind_large, i->vmas[0].kind = IMAGE_VMA_VSYSCALL + 1)
BREAK(vma_prot, i->vmas[0].prot |= 8)
BREAK(vma_flags, i->vmas[0].flags |= IMAGE_VMA_FLAGS_ALL + 1)
BREAK(vma_start, i->vmas[0].start++)
BREAK(vma_end, i->vmas[2].end -= 2048)
BREAK(vma_empty, i->vmas[3].end = i->vmas[3].start)
BREAK(vma_high, i->vmas[7].end = (1ul << 47) + PAGE_BYTES)
BREAK(vma_overlap, i->vmas[0].end += PAGE_BYTES)
BREAK(vma_order, swap_vmas(&i->vmas[2], &i->vmas[4]))
BREAK(vsyscall, i->vmas[8].start += PAGE_BYTES)
BREAK(vsyscall_end, i->vmas[8].end += PAGE_BYTES)
BREAK(vsyscall_kind, i->vmas[8].kind = IMAGE_VMA_ANON)
BREAK(run_empty, i->runs[1].nr_pages = 0)
BREAK(run_wraps, i->runs[5].nr_pages = UINT64_MAX)
BREAK(run_overlap, i->runs[2].nr_pages = 3)
BREAK(run_touch, i->runs[2].nr_pages = 2)
BREAK(run_order, i->runs[3].first_page = 40)
BREAK(run_before, i->runs[0].first_page = 15)
BREAK(run_over_hole, i->runs[0].nr_pages = 12)
BREAK(run_in_hole, i->runs[1].first_page = 25; i->runs[1].nr_pages = 2)
BREAK(guard_order, i->guards[1].first_page = 30)
BREAK(guard_in_hole, i->guards[0].first_page = 25)
BREAK(run_in_wipeonfork, i->runs[1].nr_pages = 16)
BREAK(run_in_vvar, i->runs[5].first_page -= 1)
BREAK(run_after, i->runs[5].first_page = 0x7fffffff0)
BREAK(fd_negative, i->fds[0].fd = -1)
BREAK(fd_order, i->fds[1].fd = 5)
BREAK(fd_twice, i->fds[1].fd = 0)
BREAK(fd_kind_zero, i->fds[3].kind = 0)
BREAK(fd_kind_large, i->fds[3].kind = IMAGE_FD_UNSUPPORTED + 1)
BREAK(fd_sockopts, i->fds[3].sockopts = IMAGE_SOCK_ALL + 1)
BREAK(fd_packets, i->fds[IMAGE_FD_PIPE - 1].type = IMAGE_FD_PACKETS;
      memset(i->fds[IMAGE_FD_PIPE - 1].data, 0, 2))
BREAK(option_unknown, listener(i)->options[2].name = 12345)
BREAK(option_level, listener(i)->options[2].level = 255)
BREAK(option_size, listener(i)->options[2].bytes = 5)
BREAK(option_order, listener(i)->options[0] = listener(i)->options[2])
BREAK(option_twice, listener(i)->options[1] = listener(i)->options[2])
BREAK(option_no_end, memset(listener(i)->options[0].value, 'x', 16))
BREAK(same_as_missing, i->fds[13].same_as = 1)
BREAK(same_as_itself, i->fds[13].same_as = 99)
BREAK(same_as_higher, i->fds[0].same_as = 99)
BREAK(same_as_negative, i->fds[13].same_as = -2)
BREAK(same_as_kind, i->fds[13].same_as = 2)
BREAK(same_as_chain, i->fds[12].same_as = 0; i->fds[12].kind = IMAGE_FD_FILE;
      i->fds[13].same_as = i->fds[12].fd)
BREAK(epoll_set, i->epolls[0].epfd = 0)
BREAK(epoll_no_set, i->epolls[0].epfd = 77)
BREAK(epoll_fd, i->epolls[1].fd = -1)
BREAK(epoll_through, i->epolls[1].through = 77)
BREAK(timer_id, i->timers[0].id = -1)
BREAK(timer_signo, i->timers[0].signo = 65)
BREAK(timer_notify, i->timers[0].notify = 3)
BREAK(text_empty, set_name(&i->texts[0].name, ""))
BREAK(text_slash, set_name(&i->texts[0].name, "a/b"))
BREAK(text_dot, set_name(&i->texts[0].name, "."))
BREAK(text_dots, set_name(&i->texts[0].name, ".."))
BREAK(mapped_no_area, i->mapped[0].raddr += PAGE_BYTES)
BREAK(mapped_no_file, i->vmas[1].inode = 0)
BREAK(mapped_order, i->mapped[1].raddr = i->mapped[0].raddr)
BREAK(mapped_size, i->mapped[0].size_bytes = 1ull << 63)
BREAK(mapped_mode, i->mapped[0].mode = 04755)
BREAK(mapped_flags, i->mapped[1].flags = IMAGE_MAPPED_FLAGS_ALL + 1)
BREAK(mapped_relative, set_name(&i->mapped[0].path, "lib/x"))
BREAK(mapped_root, set_name(&i->mapped[0].path, "/"))
BREAK(mapped_above, set_name(&i->mapped[0].path, "/lib/../x"))
BREAK(mapped_dot, set_name(&i->mapped[0].path, "/./x"))
BREAK(mapped_empty, set_name(&i->mapped[0].path, "/lib//x"))
BREAK(mapped_slash, set_name(&i->mapped[0].path, "/lib/"))
BREAK(alias_number, i->aliases[2].mapped = i->nr_mapped)
BREAK(alias_above, set_name(&i->aliases[0].path, "/.."))
BREAK(text_twice, set_name(&i->texts[2].name, "status"))

#define ENTRY(name, why)                                                       \
	{                                                                      \
#name, break_##name, why                                       \
	}

static const struct breakage breakages[] = {
	ENTRY(pid, "pid is out of range"),
	ENTRY(host_pid, "pid is out of range"),
	ENTRY(comm, "comm has no end"),
	ENTRY(brk, "brk"),
	ENTRY(leader, "not the leader"),
	ENTRY(tid_zero, "tid is out of range"),
	ENTRY(tid_large, "tid is out of range"),
	ENTRY(tid_twice, "one tid"),
	ENTRY(thread_comm, "thread's comm"),
	ENTRY(restart, "restart number"),
	ENTRY(xstate_small, "xstate"),
	ENTRY(pending_tid, "has no thread"),
	ENTRY(pending_signo, "no such number"),
	ENTRY(pending_signo_large, "no such number"),
	ENTRY(vma_kind_zero, "no such kind"),
	ENTRY(vma_kind_large, "no such kind"),
	ENTRY(vma_prot, "unknown bits"),
	ENTRY(vma_flags, "unknown bits"),
	ENTRY(vma_start, "page aligned"),
	ENTRY(vma_end, "page aligned"),
	ENTRY(vma_empty, "empty or out of range"),
	ENTRY(vma_high, "empty or out of range"),
	ENTRY(vma_overlap, "VMAs overlap"),
	ENTRY(vma_order, "VMAs overlap"),
	ENTRY(vsyscall, "vsyscall"),
	ENTRY(vsyscall_end, "out of range"),
	ENTRY(vsyscall_kind, "out of range"),
	ENTRY(run_empty, "empty or wraps"),
	ENTRY(run_wraps, "empty or wraps"),
	ENTRY(run_overlap, "runs touch"),
	ENTRY(run_touch, "runs touch"),
	ENTRY(run_order, "runs touch"),
	ENTRY(guard_order, "runs touch"),
	ENTRY(guard_in_hole, "a run lies outside"),
	ENTRY(run_before, "outside the VMAs"),
	ENTRY(run_over_hole, "outside the VMAs"),
	ENTRY(run_in_hole, "outside the VMAs"),
	ENTRY(run_in_wipeonfork, "outside the VMAs"),
	ENTRY(run_in_vvar, "outside the VMAs"),
	ENTRY(run_after, "outside the VMAs"),
	ENTRY(fd_negative, "out of order"),
	ENTRY(fd_order, "out of order"),
	ENTRY(fd_twice, "out of order"),
	ENTRY(fd_kind_zero, "no such kind"),
	ENTRY(fd_kind_large, "no such kind"),
	ENTRY(fd_sockopts, "socket options"),
	ENTRY(fd_packets, "messages are broken"),
	ENTRY(option_unknown, "unknown or out of order"),
	ENTRY(option_level, "unknown or out of order"),
	ENTRY(option_size, "another size"),
	ENTRY(option_order, "out of order"),
	ENTRY(option_twice, "out of order"),
	ENTRY(option_no_end, "has no end"),
	ENTRY(same_as_missing, "a duplicate"),
	ENTRY(same_as_itself, "a duplicate"),
	ENTRY(same_as_higher, "a duplicate"),
	ENTRY(same_as_negative, "a duplicate"),
	ENTRY(same_as_kind, "two kinds"),
	ENTRY(same_as_chain, "a duplicate"),
	ENTRY(epoll_set, "no epoll set"),
	ENTRY(epoll_no_set, "no epoll set"),
	ENTRY(epoll_fd, "watches no"),
	ENTRY(epoll_through, "watches no"),
	ENTRY(timer_id, "timer's id"),
	ENTRY(timer_signo, "no such signal"),
	ENTRY(timer_notify, "no such notification"),
	ENTRY(text_empty, "no file name"),
	ENTRY(text_slash, "no file name"),
	ENTRY(text_dot, "no file name"),
	ENTRY(text_dots, "no file name"),
	ENTRY(text_twice, "two texts"),
	ENTRY(mapped_no_area, "no area"),
	ENTRY(mapped_no_file, "no area"),
	ENTRY(mapped_order, "mapped files are out of order"),
	ENTRY(mapped_size, "impossible size"),
	ENTRY(mapped_mode, "unknown bits"),
	ENTRY(mapped_flags, "unknown bits"),
	ENTRY(mapped_relative, "file has no path"),
	ENTRY(mapped_root, "file has no path"),
	ENTRY(mapped_above, "file has no path"),
	ENTRY(mapped_dot, "file has no path"),
	ENTRY(mapped_empty, "file has no path"),
	ENTRY(mapped_slash, "file has no path"),
	ENTRY(alias_number, "of no mapped file"),
	ENTRY(alias_above, "alias has no path"),
};

static void test_whole_image_passes(void **state)
{
	struct image *image = sample_image();
	const char *why = "untouched";

	assert_int_equal(image_check(image, &why), 0);
	assert_string_equal(why, "untouched");
	image_free(image);
}

static void test_no_threads(void **state)
{
	struct image *image = image_new();

	assert_non_null(image);
	image->pid = 1;
	assert_int_equal(image_check(image, NULL), -EPROTO);
	image_free(image);
}

/* Both the check itself and the decoder that must have run it. */
static void check_breakage(const struct breakage *breakage)
{
	struct image *image = sample_image(), *back = NULL;
	const char *why = "";
	void *buf = NULL;
	size_t len;

	breakage->apply(image);
	if (image_check(image, &why) != -EPROTO)
		fail_msg("%s: not noticed", breakage->what);
	if (!strstr(why, breakage->why))
		fail_msg("%s: blamed on \"%s\"", breakage->what, why);
	assert_int_equal(desc_encode(image, &buf, &len), 0);
	assert_int_equal(desc_decode(buf, len, &back), -EPROTO);
	free(buf);
	image_free(image);
}

static void test_every_breakage_is_seen(void **state)
{
	const size_t nr = sizeof(breakages) / sizeof(breakages[0]);

	for (size_t i = 0; i < nr; i++)
		check_breakage(&breakages[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_image_passes),
		cmocka_unit_test(test_no_threads),
		cmocka_unit_test(test_every_breakage_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

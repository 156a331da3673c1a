/* SPDX-License-Identifier: MIT */
/*
 * test_plan.c - each kind of area becomes the steps that it must
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "common/page.h"
#include "loader/plan.h"

#define HOLE	 UINT64_C(0x200000000000)
#define FD_BASE	 100
#define COOKIE	 UINT64_C(0x1122334455667788)
#define SPACE_FD ((uint64_t)(FD_BASE + PLAN_SLOT_SPACE))
#define INODE	 4711
#define VMAS_MAX 8
#define PAGE	 PAGE_BYTES

struct fixture {
	struct image_vma vmas[VMAS_MAX];
	struct image_run runs[VMAS_MAX];
	struct image_thread threads[3];
	struct image image;
	struct place_map own[2];
	struct place_maps maps;
	struct plan_facts facts;
	struct plan *plan;
	struct why why;
};

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));

	fix->threads[0] = (struct image_thread){.tid = 50, .restart_nr = -1};
	fix->image = (struct image){
		.pid = 50,
		.threads = fix->threads,
		.nr_threads = 1,
		.vmas = fix->vmas,
		.runs = fix->runs,
	};
	fix->own[0] = (struct place_map){.start = 0x7f0000000000,
					 .end = 0x7f0000004000};
	(void)strcpy(fix->own[0].name, "[vvar]");
	fix->own[1] = (struct place_map){.start = 0x7f0000004000,
					 .end = 0x7f0000006000};
	(void)strcpy(fix->own[1].name, "[vdso]");
	fix->maps = (struct place_maps){fix->own, 2};
	fix->facts = (struct plan_facts){
		.hole = HOLE,
		.code_bytes = PAGE,
		.maps = &fix->maps,
		.xsave = {.same = true},
		.fd_base = FD_BASE,
		.has_space = true,
		.space_inode = INODE,
		.cookie = COOKIE,
	};
	*state = fix;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	plan_free(fix->plan);
	free(fix);
	return 0;
}

static struct image_vma *add(struct fixture *fix, uint64_t start,
			     uint64_t pages, enum image_vma_kind kind)
{
	struct image_vma *vma = &fix->vmas[fix->image.nr_vmas++];

	*vma = (struct image_vma){
		.start = start,
		.end = start + pages * PAGE,
		.prot = PROT_READ | PROT_WRITE,
		.kind = kind,
		.name = (char *)"",
	};
	return vma;
}

static void add_run(struct fixture *fix, uint64_t start, uint64_t pages)
{
	fix->runs[fix->image.nr_runs++] =
		(struct image_run){start / PAGE, pages};
}

static void build(struct fixture *fix)
{
	assert_int_equal(
		plan_build(&fix->image, &fix->facts, &fix->plan, &fix->why), 0);
}

/* The step that calls @nr with @arg as its first (or, for pread, second). */
static const struct blob_step *find(const struct fixture *fix, uint32_t nr,
				    uint64_t arg)
{
	const struct steps *steps = &fix->plan->steps;
	int at = nr == SYS_pread64 ? 1 : 0;

	for (uint32_t i = 0; i < steps->nr; i++)
		if (steps->list[i].op == BLOB_CALL && steps->list[i].nr == nr &&
		    steps->list[i].args[at] == arg)
			return &steps->list[i];
	return NULL;
}

static void anonymous_pages_are_mapped_from_the_image(void **state)
{
	struct fixture *fix = *state;
	const struct blob_step *map;

	add(fix, 0x10000, 4, IMAGE_VMA_ANON)->flags = IMAGE_VMA_NORESERVE;
	add_run(fix, 0x11000, 1);
	build(fix);
	map = find(fix, SYS_mmap, 0x10000);
	assert_int_equal(map->check, BLOB_SAME);
	assert_int_equal(map->args[1], 4 * PAGE);
	assert_int_equal(map->args[2], PROT_READ | PROT_WRITE);
	assert_int_equal(map->args[3], MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE);
	assert_int_equal(map->args[4], SPACE_FD);
	assert_int_equal(map->args[5], 0x10000);
	assert_int_equal(fix->plan->nr_windows, 1);
	assert_int_equal(fix->plan->windows[0].inode, INODE);
	assert_int_equal(fix->plan->windows[0].start_bytes, 0x10000);
	assert_int_equal(fix->plan->windows[0].end_bytes, 0x14000);
}

static void own_memory_is_anonymous_and_paged(void **state)
{
	struct fixture *fix = *state;
	const struct blob_step *map;

	fix->facts.memory = PLAN_MEMORY_OWN;
	add(fix, 0x10000, 4, IMAGE_VMA_HEAP);
	add_run(fix, 0x11000, 1);
	build(fix);
	map = find(fix, SYS_mmap, 0x10000);
	assert_int_equal(map->args[3], MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS);
	assert_non_null(find(fix, SYS_ioctl, FD_BASE + PLAN_SLOT_UFFD));
	assert_int_equal(fix->plan->nr_windows, 0);
	assert_int_equal(fix->plan->nr_paged, 1);
	assert_int_equal(fix->plan->paged[0], 0);
}

static void areas_without_pages_stay_anonymous(void **state)
{
	struct fixture *fix = *state;
	const struct blob_step *map;

	add(fix, 0x10000, 4, IMAGE_VMA_ANON);
	add(fix, 0x20000, 1, IMAGE_VMA_ANON)->flags = IMAGE_VMA_WIPEONFORK;
	build(fix);
	map = find(fix, SYS_mmap, 0x10000);
	assert_true(map->args[3] & MAP_ANONYMOUS);
	map = find(fix, SYS_mmap, 0x20000);
	assert_true(map->args[3] & MAP_ANONYMOUS);
	assert_int_equal(find(fix, SYS_madvise, 0x20000)->args[2],
			 MADV_WIPEONFORK);
	assert_int_equal(fix->plan->nr_windows, 0);
}

/* Two areas share one; a third has none.  See loader/fence.h. */
static void plan_guards(struct fixture *fix, bool installs, bool memory_only)
{
	static struct image_run guards[] = {{0x13, 2}, {0x22, 1}};

	fix->image.guards = guards;
	fix->image.nr_guards = 2;
	fix->facts.has_fences = installs;
	fix->facts.has_file_fences = installs && !memory_only;
	add(fix, 0x10000, 4, IMAGE_VMA_ANON);
	add(fix, 0x14000, 4, IMAGE_VMA_ANON);
	add(fix, 0x20000, 4, IMAGE_VMA_FILE);
	add(fix, 0x30000, 4, IMAGE_VMA_ANON);
	add_run(fix, 0x10000, 1);
	add_run(fix, 0x20000, 2);
	build(fix);
}

static void guard_regions_are_installed(void **state)
{
	static const uint64_t at[] = {0x13000, 0x14000, 0x22000};
	struct fixture *fix = *state;

	plan_guards(fix, true, false);
	for (int i = 0; i < 3; i++) {
		const struct blob_step *guard = find(fix, SYS_madvise, at[i]);

		assert_non_null(guard);
		assert_int_equal(guard->args[1], PAGE);
		assert_int_equal(guard->args[2], 102);
		assert_int_equal(guard->args[5], COOKIE);
	}
	/* The first area is the image's: they lie in memory beside it. */
	assert_true(find(fix, SYS_mmap, 0x13000)->args[3] & MAP_ANONYMOUS);
	assert_null(find(fix, SYS_mmap, 0x22000));
	assert_null(find(fix, SYS_madvise, 0x30000));
}

/* Linux 6.13 and 6.14. */
static void guard_regions_of_files_are_closed_alone(void **state)
{
	struct fixture *fix = *state;

	plan_guards(fix, true, true);
	assert_non_null(find(fix, SYS_madvise, 0x13000));
	assert_non_null(find(fix, SYS_madvise, 0x14000));
	assert_null(find(fix, SYS_madvise, 0x22000));
	assert_int_equal(find(fix, SYS_mprotect, 0x22000)->args[2], PROT_NONE);
}

static void guard_regions_are_closed_where_none_can_be(void **state)
{
	struct fixture *fix = *state;

	plan_guards(fix, false, false);
	assert_null(find(fix, SYS_madvise, 0x22000));
	assert_int_equal(find(fix, SYS_mprotect, 0x22000)->args[1], PAGE);
	assert_int_equal(find(fix, SYS_mprotect, 0x22000)->args[2], PROT_NONE);
}

static void stacks_grow_down_and_are_filled(void **state)
{
	struct fixture *fix = *state;
	const struct blob_step *read;

	add(fix, 0x10000, 8, IMAGE_VMA_STACK);
	add_run(fix, 0x15000, 3);
	build(fix);
	assert_true(find(fix, SYS_mmap, 0x10000)->args[3] & MAP_GROWSDOWN);
	read = find(fix, SYS_pread64, 0x15000);
	assert_int_equal(read->check, BLOB_COUNT);
	assert_int_equal(read->args[0], SPACE_FD);
	assert_int_equal(read->args[2], 3 * PAGE);
	assert_int_equal(read->args[3], 0x15000);
	assert_int_equal(fix->plan->nr_windows, 0);
}

static void dropped_file_pages_are_not_zeros(void **state)
{
	struct fixture *fix = *state;

	add(fix, 0x10000, 2, IMAGE_VMA_FILE)->prot = PROT_READ | PROT_EXEC;
	build(fix);
	assert_int_equal(find(fix, SYS_mmap, 0x10000)->args[2],
			 PROT_READ | PROT_EXEC);
	assert_int_equal(fix->plan->nr_windows, 1);
	assert_true(fix->plan->windows[0].is_file);
}

static void own_memory_needs_no_guard_for_files(void **state)
{
	struct fixture *fix = *state;

	fix->facts.memory = PLAN_MEMORY_OWN;
	add(fix, 0x10000, 2, IMAGE_VMA_FILE);
	build(fix);
	assert_int_equal(fix->plan->nr_windows, 0);
}

static void memory_of_an_earlier_load_is_anonymous_again(void **state)
{
	struct fixture *fix = *state;

	add(fix, 0x10000, 2, IMAGE_VMA_FILE)->name =
		(char *)"/mnt/image/.space";
	add(fix, 0x20000, 2, IMAGE_VMA_FILE)->name =
		(char *)"/tmp/copy/vma/00020000-00022000";
	/* Code, and files that only look like it. */
	add(fix, 0x30000, 2, IMAGE_VMA_FILE)->name =
		(char *)"/mnt/image/.space";
	fix->vmas[2].prot = PROT_READ | PROT_EXEC;
	add(fix, 0x40000, 2, IMAGE_VMA_FILE)->name =
		(char *)"/tmp/vma/00020000-00022000.so";
	add(fix, 0x50000, 2, IMAGE_VMA_FILE)->name = (char *)"/mnt/image/.warm";
	add_run(fix, 0x10000, 2);
	add_run(fix, 0x20000, 2);
	add_run(fix, 0x30000, 2);
	add_run(fix, 0x40000, 2);
	add_run(fix, 0x50000, 2);
	build(fix);
	assert_int_equal(fix->plan->nr_windows, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(fix->plan->windows[i].start_bytes,
				 0x10000 * (i + 1));
		assert_int_equal(fix->plan->windows[i].is_file,
				 i == 2 || i == 3);
	}
}

static void one_object_serves_all_its_maps(void **state)
{
	struct fixture *fix = *state;
	struct image_vma *vma;
	const struct blob_step *first, *second;

	vma = add(fix, 0x10000, 1, IMAGE_VMA_SHARED);
	vma->flags = IMAGE_VMA_SHARED_MAP;
	vma->inode = 9;
	vma = add(fix, 0x20000, 2, IMAGE_VMA_SHARED);
	vma->flags = IMAGE_VMA_SHARED_MAP;
	vma->inode = 9;
	vma->offset_bytes = PAGE;
	build(fix);
	assert_int_equal(fix->plan->nr_objects, 1);
	assert_int_equal(fix->plan->objects[0].bytes, 3 * PAGE);
	first = find(fix, SYS_mmap, 0x10000);
	second = find(fix, SYS_mmap, 0x20000);
	assert_int_equal(first->args[3], MAP_SHARED | MAP_FIXED);
	assert_int_equal(first->args[4], second->args[4]);
	assert_int_equal(second->args[5], PAGE);
}

static void maps_to_read_share_what_is_written(void **state)
{
	struct fixture *fix = *state;
	const struct image_fd file = {.fd = 3, .kind = IMAGE_FD_FILE};
	const struct image_fd *live[] = {NULL, NULL, &file, NULL, NULL};

	for (unsigned i = 0; i < 5; i++) {
		struct image_vma *vma =
			add(fix, 0x10000 * (i + 1), i + 1, IMAGE_VMA_FILE);

		vma->flags = IMAGE_VMA_SHARED_MAP;
		vma->prot = PROT_READ;
		vma->inode = 9 + i;
	}
	fix->vmas[0].kind = IMAGE_VMA_SHARED;
	fix->vmas[1].inode = 9;	 /* of what is written */
	fix->vmas[3].inode = 11; /* of the live file, too */
	fix->facts.live = live;
	build(fix);
	assert_int_equal(fix->plan->nr_objects, 2);
	assert_int_equal(fix->plan->objects[0].bytes, 2 * PAGE);
	assert_null(fix->plan->objects[0].live);
	assert_ptr_equal(fix->plan->objects[1].live, &file);
	for (unsigned i = 0; i < 4; i++) {
		const struct blob_step *map =
			find(fix, SYS_mmap, 0x10000 * (i + 1));

		assert_int_equal(map->args[3], MAP_SHARED | MAP_FIXED);
		assert_int_equal(map->args[4],
				 FD_BASE + PLAN_SLOT_OBJECT + i / 2);
	}
	assert_int_equal(find(fix, SYS_mmap, 0x50000)->args[3],
			 MAP_PRIVATE | MAP_FIXED);
}

static void files_for_each_area_are_opened_by_name(void **state)
{
	struct fixture *fix = *state;
	const uint64_t inodes[] = {31};
	const struct blob_step *open, *map;
	const char *name;

	fix->facts.has_space = false;
	fix->facts.vma_inodes = inodes;
	add(fix, 0x10000, 4, IMAGE_VMA_ANON);
	add_run(fix, 0x11000, 1);
	build(fix);
	open = find(fix, SYS_openat, FD_BASE + PLAN_SLOT_DIR);
	assert_int_equal(open->check, BLOB_FD);
	name = (const char *)fix->plan->steps.data + open->args[1] -
	       fix->plan->steps.data_addr;
	assert_string_equal(name, "vma/00010000-00014000");
	map = find(fix, SYS_mmap, 0x10000);
	assert_int_equal(map->kept_arg, 5);
	assert_int_equal(map->args[5], 0);
	assert_int_equal(fix->plan->windows[0].inode, 31);
	assert_int_equal(fix->plan->windows[0].end_bytes, 4 * PAGE);
}

static void the_vdso_goes_out_and_comes_in(void **state)
{
	struct fixture *fix = *state;
	const struct blob_step *out, *in;

	add(fix, 0x7fff00000000, 4, IMAGE_VMA_VVAR);
	add(fix, 0x7fff00004000, 2, IMAGE_VMA_VDSO);
	build(fix);
	out = find(fix, SYS_mremap, 0x7f0000004000);
	assert_non_null(out);
	assert_int_equal(out->args[5], COOKIE);
	in = find(fix, SYS_mremap, out->args[4]);
	assert_int_equal(in->args[4], 0x7fff00004000);
	assert_int_equal(in->args[5], COOKIE);
	assert_true(in > out);
	assert_null(find(fix, SYS_mmap, 0x7fff00004000));
}

static void what_an_earlier_load_left_is_left_out(void **state)
{
	struct fixture *fix = *state;

	add(fix, 0x10000, 1, IMAGE_VMA_FILE)->name =
		(char *)"/memfd:mitosis-blob (deleted)";
	build(fix);
	assert_null(find(fix, SYS_mmap, 0x10000));
}

static void code_of_the_blob_that_still_runs_is_kept(void **state)
{
	struct fixture *fix = *state;

	add(fix, 0x10000, 1, IMAGE_VMA_FILE)->name =
		(char *)"/memfd:mitosis-blob (deleted)";
	fix->threads[0].regs[REG_RIP_] = 0x10010;
	build(fix);
	assert_non_null(find(fix, SYS_mmap, 0x10000));
}

static void threads_are_made_with_their_tids_and_join(void **state)
{
	struct fixture *fix = *state;
	const struct steps *steps;
	uint32_t spawns = 0, joins = 0, leaves = 0;

	fix->threads[1] = fix->threads[2] = fix->threads[0];
	fix->threads[1].tid = 60;
	fix->threads[2].tid = 70;
	fix->image.nr_threads = 3;
	build(fix);
	steps = &fix->plan->steps;
	for (uint32_t i = 0; i < steps->nr; i++) {
		const struct blob_step *step = &steps->list[i];

		spawns += step->op == BLOB_SPAWN;
		joins += step->op == BLOB_JOIN;
		leaves += step->op == BLOB_LEAVE;
		/* A thread begins right behind the end of another list. */
		if (step->op == BLOB_SPAWN)
			assert_true(steps->list[step->args[2] - 1].op ==
					    BLOB_LEAVE ||
				    steps->list[step->args[2] - 1].op ==
					    BLOB_JOIN);
	}
	assert_int_equal(spawns, 2);
	assert_int_equal(joins, 2);
	assert_int_equal(leaves, 1);
}

/* The child begins with the default action for all. */
static void signals_with_an_action_are_set(void **state)
{
	struct fixture *fix = *state;
	struct image_sigaction *actions = fix->image.sigactions;

	actions[SIGHUP - 1].handler = (uintptr_t)SIG_IGN;
	actions[SIGUSR1 - 1].handler = 0x10000;
	actions[SIGCHLD - 1].flags = SA_NOCLDWAIT;
	actions[64 - 1].mask = 1;
	actions[SIGKILL - 1].flags = actions[SIGSTOP - 1].flags = SA_RESTART;
	build(fix);
	for (uint64_t signo = 1; signo <= 64; signo++)
		if (signo == SIGHUP || signo == SIGUSR1 || signo == SIGCHLD ||
		    signo == 64)
			assert_non_null(find(fix, SYS_rt_sigaction, signo));
		else
			assert_null(find(fix, SYS_rt_sigaction, signo));
}

static void a_failed_step_is_told_in_words(void **state)
{
	struct fixture *fix = *state;
	char text[200] = "";

	add(fix, 0x10000, 4, IMAGE_VMA_FILE)->name = (char *)"/lib/libc.so.6";
	build(fix);
	for (uint32_t i = 0; i < fix->plan->steps.nr; i++)
		if (&fix->plan->steps.list[i] == find(fix, SYS_mmap, 0x10000))
			plan_describe(fix->plan, (int32_t)i, text,
				      sizeof(text));
	assert_string_equal(text, "mapping 10000-14000 (/lib/libc.so.6)");
	plan_describe(fix->plan, 1 << 20, text, sizeof(text));
	assert_string_equal(text, "an unknown step");
}

static void an_unprivileged_user_keeps_no_capability(void **state)
{
	struct fixture *fix = *state;
	const struct blob_step *uid;

	fix->facts.credentials.caps_known = true;
	fix->facts.credentials.effective = 0x3ff;
	for (int i = 0; i < 4; i++)
		fix->image.uid[i] = fix->image.gid[i] = 1000;
	build(fix);
	uid = find(fix, SYS_setresuid, 1000);
	assert_non_null(uid);
	assert_true(uid > find(fix, SYS_setresgid, 1000));
	/* Nothing that needs privilege comes after it. */
	assert_true(uid > find(fix, SYS_prctl, 35)); /* PR_SET_MM */
}

/* What is laid out once is not in the child's steps, but for its forks. */
static void areas_laid_ahead_are_not_mapped_again(void **state)
{
	struct fixture *fix = *state;
	const struct steps *laid;

	fix->facts.laid = true;
	add(fix, 0x10000, 4, IMAGE_VMA_ANON)->flags = IMAGE_VMA_DONTFORK;
	add(fix, 0x20000, 8, IMAGE_VMA_STACK)->flags =
		IMAGE_VMA_LOCKED | IMAGE_VMA_DONTDUMP;
	add_run(fix, 0x11000, 1);
	add_run(fix, 0x25000, 3);
	build(fix);
	laid = &fix->plan->laid;
	assert_null(find(fix, SYS_mmap, 0x10000));
	assert_null(find(fix, SYS_mmap, 0x20000));
	assert_null(find(fix, SYS_pread64, 0x25000));
	assert_int_equal(find(fix, SYS_madvise, 0x10000)->args[2],
			 MADV_DONTFORK);
	assert_non_null(find(fix, SYS_mlock2, 0x20000));
	assert_int_equal(laid->list[0].nr, SYS_mmap);
	assert_int_equal(laid->list[0].args[0], 0x10000);
	assert_int_equal(laid->list[0].args[4], SPACE_FD);
	assert_int_equal(laid->nr, 5); /* map; map, populate, read, advise */
	assert_int_equal(fix->plan->nr_windows, 1);
}

static void all_but_what_is_laid_is_unmapped(void **state)
{
	struct fixture *fix = *state;

	fix->facts.laid = true;
	add(fix, 0x10000, 4, IMAGE_VMA_ANON);
	add(fix, 0x14000, 2, IMAGE_VMA_ANON);
	add(fix, 0x7e0000000000, 1, IMAGE_VMA_ANON);
	add(fix, 0x7f1000000000, 4, IMAGE_VMA_VVAR);
	build(fix);
	assert_int_equal(find(fix, SYS_munmap, 0)->args[1], 0x10000);
	assert_null(find(fix, SYS_munmap, 0x14000));
	assert_int_equal(find(fix, SYS_munmap, 0x16000)->args[1],
			 HOLE - 0x16000);
	assert_int_equal(find(fix, SYS_munmap, HOLE + PLAN_HOLE_BYTES)->args[1],
			 0x7e0000000000 - HOLE - PLAN_HOLE_BYTES);
	/* The vdso's place is cleared: it waits in the hole. */
	assert_int_equal(find(fix, SYS_munmap, 0x7e0000001000)->args[1],
			 0x7ffffffff000 - 0x7e0000001000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(anonymous_pages_are_mapped_from_the_image),
		TEST(own_memory_is_anonymous_and_paged),
		TEST(areas_without_pages_stay_anonymous),
		TEST(guard_regions_are_installed),
		TEST(guard_regions_are_closed_where_none_can_be),
		TEST(guard_regions_of_files_are_closed_alone),
		TEST(stacks_grow_down_and_are_filled),
		TEST(dropped_file_pages_are_not_zeros),
		TEST(own_memory_needs_no_guard_for_files),
		TEST(memory_of_an_earlier_load_is_anonymous_again),
		TEST(one_object_serves_all_its_maps),
		TEST(maps_to_read_share_what_is_written),
		TEST(files_for_each_area_are_opened_by_name),
		TEST(the_vdso_goes_out_and_comes_in),
		TEST(what_an_earlier_load_left_is_left_out),
		TEST(code_of_the_blob_that_still_runs_is_kept),
		TEST(threads_are_made_with_their_tids_and_join),
		TEST(signals_with_an_action_are_set),
		TEST(a_failed_step_is_told_in_words),
		TEST(an_unprivileged_user_keeps_no_capability),
		TEST(areas_laid_ahead_are_not_mapped_again),
		TEST(all_but_what_is_laid_is_unmapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

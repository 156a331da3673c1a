/* SPDX-License-Identifier: MIT */
/*
 * sample_image.c - fields filled from one counter
 *
 *     page     16    20    24    32        48    56
 *     VMA      [ANON ][FILE ]     [HEAP     ][WIPE ]  .. STACK, VVAR, VDSO
 *     run        [18 .. 22]        [33..47]
 */
#include "sample_image.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "common/page.h"

/* Odd steps, so that every byte of a number takes part. */
static uint64_t next_u64(void)
{
	static uint64_t last;

	last += UINT64_C(0x0102030405060709);
	return last;
}

static uint32_t next_u32(void)
{
	return (uint32_t)(next_u64() >> 7);
}

static int32_t next_i32(void)
{
	return (int32_t)(next_u32() & 0x3fffffff);
}

static void *new_array(size_t nr, size_t bytes)
{
	void *array = calloc(nr, bytes);

	if (!array)
		abort();
	return array;
}

static char *next_name(const char *what)
{
	char *name = NULL;

	if (asprintf(&name, "%s-%08x", what, next_u32()) < 0)
		abort();
	return name;
}

static void next_bytes(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(next_u64() >> 3);
}

static uint8_t *next_blob(uint32_t len)
{
	uint8_t *blob = new_array(len, 1);

	next_bytes(blob, len);
	return blob;
}

static void fill_signals(struct image *image)
{
	for (int i = 0; i < IMAGE_SIGNALS; i++) {
		image->sigactions[i].handler = next_u64();
		image->sigactions[i].flags = next_u64();
		image->sigactions[i].restorer = next_u64();
		image->sigactions[i].mask = next_u64();
	}
	for (int i = 0; i < 3; i++) {
		image->itimers[i].value_us = next_u64();
		image->itimers[i].interval_us = next_u64();
	}
}

static void fill_mm(struct image_mm *mm)
{
	mm->start_code = next_u64();
	mm->end_code = next_u64();
	mm->start_data = next_u64();
	mm->end_data = next_u64();
	mm->start_brk = 32 * PAGE_BYTES;
	mm->brk = 48 * PAGE_BYTES - 16;
	mm->start_stack = next_u64();
	mm->arg_start = next_u64();
	mm->arg_end = next_u64();
	mm->env_start = next_u64();
	mm->env_end = next_u64();
}

static void fill_process(struct image *image)
{
	image->pid = 100;
	image->host_pid = 4100;
	image->captured_realtime_ns = next_u64();
	image->captured_monotonic_ns = next_u64();
	image->captured_boottime_ns = next_u64();
	image->pause_ns = next_u64();
	image->prepare_ns = next_u64();
	for (int phase = 0; phase < IMAGE_PHASES; phase++)
		image->phase_ns[phase] = next_u64();
	image->boot_id = next_name("boot");
	image->hostname = next_name("host");
	image->kernel = next_name("kernel");
	for (int i = 0; i < IMAGE_CPU_WORDS; i++)
		image->cpu_features[i] = next_u32();
	image->xfeatures = next_u64();
	image->exe = next_name("/usr/bin/exe");
	image->cwd = next_name("/cwd");
	image->root = next_name("/root");
	image->exe_bytes = next_u64();
	strcpy(image->comm, "leader");
	image->umask = next_u32();
	image->personality = next_u32();
	for (int i = 0; i < 4; i++)
		image->uid[i] = next_u32();
	for (int i = 0; i < 4; i++)
		image->gid[i] = next_u32();
	image->no_new_privs = next_u32();
	image->dumpable = next_u32();
	image->securebits = next_u32();
	image->thp_disable = next_u32();
	image->nr_groups = 3;
	image->groups = new_array(3, sizeof(*image->groups));
	for (int i = 0; i < 3; i++)
		image->groups[i] = next_u32();
}

static void fill_thread(struct image_thread *thread, int32_t tid, uint32_t len)
{
	thread->tid = tid;
	(void)snprintf(thread->comm, sizeof(thread->comm), "thread %d", tid);
	for (int i = 0; i < IMAGE_REGS; i++)
		thread->regs[i] = next_u64();
	thread->sigmask = next_u64();
	thread->altstack_sp = next_u64();
	thread->altstack_bytes = next_u64();
	thread->altstack_flags = next_u32();
	thread->clear_tid_addr = next_u64();
	thread->robust_list_addr = next_u64();
	thread->robust_list_bytes = next_u64();
	thread->rseq_addr = next_u64();
	thread->rseq_bytes = next_u32();
	thread->rseq_sig = next_u32();
	thread->restart_nr = len ? next_i32() : -1;
	thread->cpus_bytes = len / 64;
	thread->cpus = len ? next_blob(len / 64) : NULL;
	thread->xstate_bytes = len;
	thread->xstate = len ? next_blob(len) : NULL;
}

static void fill_threads(struct image *image)
{
	static const uint32_t xstate_bytes[] = {832, 0, 576};

	image->nr_threads = 3;
	image->threads = new_array(3, sizeof(*image->threads));
	for (int i = 0; i < 3; i++)
		fill_thread(&image->threads[i], 100 + 7 * (5 * i % 3),
			    xstate_bytes[i]);
}

struct place {
	uint64_t start_page, end_page;
	enum image_vma_kind kind;
	uint32_t prot, flags;
	const char *name;
};

static const struct place places[] = {
	{16, 20, IMAGE_VMA_ANON, PROT_READ | PROT_WRITE, IMAGE_VMA_HUGEPAGE,
	 ""},
	{20, 24, IMAGE_VMA_FILE, PROT_READ | PROT_EXEC, 0, "/lib/libx.so"},
	{32, 48, IMAGE_VMA_HEAP, PROT_READ | PROT_WRITE, IMAGE_VMA_LOCKED,
	 "[heap]"},
	{48, 56, IMAGE_VMA_ANON, PROT_WRITE,
	 IMAGE_VMA_WIPEONFORK | IMAGE_VMA_DONTDUMP, ""},
	{64, 80, IMAGE_VMA_SHARED, PROT_READ | PROT_WRITE,
	 IMAGE_VMA_SHARED_MAP | IMAGE_VMA_NORESERVE, "/dev/shm/s (deleted)"},
	{0x7ffff000, 0x7ffff100, IMAGE_VMA_STACK, PROT_READ | PROT_WRITE,
	 IMAGE_VMA_NOHUGEPAGE, "[stack]"},
	{0x7ffffff00, 0x7ffffff04, IMAGE_VMA_VVAR, PROT_READ, 0, "[vvar]"},
	{0x7ffffff04, 0x7ffffff06, IMAGE_VMA_VDSO, PROT_READ | PROT_EXEC,
	 IMAGE_VMA_DONTFORK, "[vdso]"},
	{0xffffffffff600, 0xffffffffff601, IMAGE_VMA_VSYSCALL, PROT_EXEC, 0,
	 "[vsyscall]"},
};

static void fill_vmas(struct image *image)
{
	const uint32_t nr = sizeof(places) / sizeof(places[0]);

	image->nr_vmas = nr;
	image->vmas = new_array(nr, sizeof(*image->vmas));
	for (uint32_t i = 0; i < nr; i++) {
		struct image_vma *vma = &image->vmas[i];

		vma->start = places[i].start_page * PAGE_BYTES;
		vma->end = places[i].end_page * PAGE_BYTES;
		vma->offset_bytes = next_u64();
		vma->prot = places[i].prot;
		vma->flags = places[i].flags;
		vma->kind = places[i].kind;
		vma->dev_major = next_u32();
		vma->dev_minor = next_u32();
		vma->inode = next_u64();
		vma->name = strdup(places[i].name);
	}
}

static void fill_runs(struct image *image)
{
	static const struct image_run runs[] = {
		{18, 5}, /* spans the first two VMAs */
		{33, 15}, {64, 1}, {66, 14}, {0x7ffff0f0, 16}, {0x7ffffff04, 2},
	};

	image->nr_runs = sizeof(runs) / sizeof(runs[0]);
	image->runs = new_array(1, sizeof(runs));
	memcpy(image->runs, runs, sizeof(runs));
	image->nr_guards = 2;
	image->guards = new_array(2, sizeof(*runs));
	image->guards[0] = (struct image_run){32, 1};
	image->guards[1] = (struct image_run){0x7ffff010, 2};
}

static void fill_fd(struct image_fd *fd, int32_t number,
		    enum image_fd_kind kind)
{
	fd->fd = number;
	fd->kind = kind;
	fd->open_flags = next_u32();
	fd->cloexec = number % 2;
	fd->same_as = -1;
	fd->pos_bytes = next_u64();
	fd->dev = next_u64();
	fd->inode = next_u64();
	fd->mode = next_u64();
	fd->size_bytes = next_u64();
	fd->mtime_ns = next_u64();
	fd->path = next_name("/path");
	fd->value = next_u64();
	fd->clockid = next_i32();
	fd->value_ns = next_u64();
	fd->interval_ns = next_u64();
	fd->domain = next_i32();
	fd->type = next_i32();
	fd->protocol = next_i32();
	fd->backlog = next_i32();
	fd->sockopts = IMAGE_SOCK_REUSEADDR | IMAGE_SOCK_V6ONLY;
	fd->data_bytes = (uint32_t)number * 3;
	fd->data = fd->data_bytes ? next_blob(fd->data_bytes) : NULL;
}

/* In the order of the table; one is a text, one takes all its room. */
static void fill_options(struct image_fd *fd)
{
	fd->nr_options = 3;
	fd->options = new_array(3, sizeof(*fd->options));
	fd->options[0] = (struct image_option){.level = SOL_SOCKET,
					       .name = SO_BINDTODEVICE,
					       .bytes = 16,
					       .value = "eth0"};
	fd->options[1] = (struct image_option){
		.level = SOL_SOCKET, .name = SO_RCVTIMEO, .bytes = 16};
	memset(fd->options[1].value, 7, 16);
	fd->options[2] = (struct image_option){.level = IPPROTO_IP,
					       .name = IP_TTL,
					       .bytes = 4,
					       .value = {200}};
}

/* One of each kind, at 0, 2, 4, ..., and a duplicate of the first at 99. */
static void fill_fds(struct image *image)
{
	const uint32_t nr = IMAGE_FD_UNSUPPORTED;

	image->nr_fds = nr + 1;
	image->fds = new_array(nr + 1, sizeof(*image->fds));
	for (uint32_t i = 0; i < nr; i++)
		fill_fd(&image->fds[i], (int32_t)i * 2,
			(enum image_fd_kind)(i + 1));
	fill_options(&image->fds[IMAGE_FD_LISTENER - 1]);
	fill_fd(&image->fds[nr], 99, IMAGE_FD_FILE);
	image->fds[nr].same_as = 0;
}

static void fill_epolls(struct image *image)
{
	const int32_t epfd = 2 * (IMAGE_FD_EPOLL - IMAGE_FD_FILE);

	image->nr_epolls = 2;
	image->epolls = new_array(2, sizeof(*image->epolls));
	for (int i = 0; i < 2; i++) {
		image->epolls[i].epfd = epfd;
		image->epolls[i].fd = 8 + 3 * i;
		image->epolls[i].through = 8 + 2 * i;
		image->epolls[i].events = next_u32();
		image->epolls[i].data = next_u64();
	}
}

static void fill_timers(struct image *image)
{
	image->nr_timers = 2;
	image->timers = new_array(2, sizeof(*image->timers));
	for (int i = 0; i < 2; i++) {
		struct image_timer *timer = &image->timers[i];

		timer->id = next_i32();
		timer->signo = 34 + i;
		timer->notify = i ? SIGEV_THREAD_ID : SIGEV_NONE;
		timer->clockid = next_i32();
		timer->target_tid = next_i32();
		timer->sigval = next_u64();
		timer->value_ns = next_u64();
		timer->interval_ns = next_u64();
	}
}

static void fill_pending(struct image *image)
{
	image->nr_pending = 2;
	image->pending = new_array(2, sizeof(*image->pending));
	for (int i = 0; i < 2; i++) {
		const int32_t signo = 10 + i;
		uint8_t *siginfo = image->pending[i].siginfo;

		image->pending[i].tid = i ? 107 : 0;
		next_bytes(siginfo, sizeof(image->pending[i].siginfo));
		memcpy(siginfo, &signo, sizeof(signo));
	}
}

static void fill_texts(struct image *image)
{
	static const char *const names[] = {"status", "cmdline", "environ"};

	image->nr_texts = 3;
	image->texts = new_array(3, sizeof(*image->texts));
	for (uint32_t i = 0; i < 3; i++) {
		image->texts[i].name = strdup(names[i]);
		image->texts[i].len_bytes = 40 * i; /* one is empty */
		image->texts[i].bytes = i ? next_blob(40 * i) : NULL;
	}
}

static void fill_mapped(struct image *image)
{
	image->nr_mapped = 2;
	image->mapped = new_array(2, sizeof(*image->mapped));
	for (uint32_t i = 0; i < 2; i++)
		image->mapped[i] = (struct image_mapped){
			.raddr = (i ? 64 : 20) * PAGE_BYTES,
			.size_bytes = next_u64() >> 1,
			.mtime_ns = next_u64(),
			.mode = i ? 0640 : 0755,
			.flags = i ? IMAGE_MAPPED_DELETED : 0,
			.path = strdup(i ? "/dev/shm/s" : "/lib/libx.so"),
		};
	image->nr_aliases = 3;
	image->aliases = new_array(3, sizeof(*image->aliases));
	for (uint32_t i = 0; i < 3; i++) {
		image->aliases[i].mapped = i % 2;
		image->aliases[i].path = next_name("/usr/lib/alias");
	}
}

struct image *sample_image(void)
{
	struct image *image = image_new();

	if (!image)
		abort();
	fill_process(image);
	fill_mm(&image->mm);
	fill_signals(image);
	fill_threads(image);
	fill_vmas(image);
	fill_runs(image);
	fill_fds(image);
	fill_epolls(image);
	fill_timers(image);
	fill_pending(image);
	fill_texts(image);
	fill_mapped(image);
	return image;
}

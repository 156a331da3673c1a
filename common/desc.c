/* SPDX-License-Identifier: MIT */
/*
 * desc.c - the walk over an image that is the descriptor's format
 *
 * Each walk_*() names the fields of one structure in the order in which they
 * lie in the descriptor.  A change here is a change of DESC_VERSION and of
 * docs/descriptor.md.
 */
#include "common/desc.h"

#include <stdlib.h>

#include "common/cleanup.h"
#include "common/codec.h"
#include "common/image_check.h"
#include "common/page.h"

/* Each section opens with its mark. */
enum section {
	SECTION_PROCESS = 0x434f5250, /* "PROC" */
	SECTION_THREADS = 0x44524854, /* "THRD" */
	SECTION_VMAS = 0x53414d56,    /* "VMAS" */
	SECTION_RUNS = 0x534e5552,    /* "RUNS" */
	SECTION_GUARDS = 0x44525547,  /* "GURD" */
	SECTION_FDS = 0x53534446,     /* "FDSS" */
	SECTION_EPOLLS = 0x4c4f5045,  /* "EPOL" */
	SECTION_TIMERS = 0x524d4954,  /* "TIMR" */
	SECTION_PENDING = 0x444e4550, /* "PEND" */
	SECTION_TEXTS = 0x54584554,   /* "TEXT" */
	SECTION_MAPPED = 0x4650414d,  /* "MAPF" */
	SECTION_ALIASES = 0x41494c41, /* "ALIA" */
	SECTION_END = 0x21444e45,     /* "END!" */
};

/* The least bytes of an element: all its strings and blobs empty. */
enum least_bytes {
	LEAST_THREAD = 316,
	LEAST_VMA = 54,
	LEAST_RUN = 16,
	LEAST_FD = 123,
	LEAST_OPTION = 12,
	LEAST_EPOLL = 24,
	LEAST_TIMER = 44,
	LEAST_PENDING = 132,
	LEAST_TEXT = 6,
	LEAST_MAPPED = 34,
	LEAST_ALIAS = 6,
};

static void walk_string(struct codec *codec, char **text)
{
	codec_string(codec, text, IMAGE_STRING_MAX);
}

static void walk_mm(struct codec *codec, struct image_mm *mm)
{
	codec_u64(codec, &mm->start_code);
	codec_u64(codec, &mm->end_code);
	codec_u64(codec, &mm->start_data);
	codec_u64(codec, &mm->end_data);
	codec_u64(codec, &mm->start_brk);
	codec_u64(codec, &mm->brk);
	codec_u64(codec, &mm->start_stack);
	codec_u64(codec, &mm->arg_start);
	codec_u64(codec, &mm->arg_end);
	codec_u64(codec, &mm->env_start);
	codec_u64(codec, &mm->env_end);
}

static void walk_signals(struct codec *codec, struct image *image)
{
	for (int i = 0; i < IMAGE_SIGNALS; i++) {
		struct image_sigaction *action = &image->sigactions[i];

		codec_u64(codec, &action->handler);
		codec_u64(codec, &action->flags);
		codec_u64(codec, &action->restorer);
		codec_u64(codec, &action->mask);
	}
	for (int i = 0; i < 3; i++) {
		codec_u64(codec, &image->itimers[i].value_us);
		codec_u64(codec, &image->itimers[i].interval_us);
	}
}

static void walk_credentials(struct codec *codec, struct image *image)
{
	codec_bytes(codec, image->uid, sizeof(image->uid));
	codec_bytes(codec, image->gid, sizeof(image->gid));
	codec_u32(codec, &image->no_new_privs);
	codec_u32(codec, &image->dumpable);
	codec_u32(codec, &image->securebits);
	codec_u32(codec, &image->thp_disable);
	codec_count(codec, &image->nr_groups, IMAGE_GROUPS_MAX,
		    sizeof(*image->groups));
	if (codec_decoding(codec))
		image->groups = codec_alloc(codec, image->nr_groups,
					    sizeof(*image->groups));
	codec_bytes(codec, image->groups,
		    image->nr_groups * sizeof(*image->groups));
}

static void walk_process(struct codec *codec, struct image *image)
{
	codec_mark(codec, SECTION_PROCESS);
	codec_i32(codec, &image->pid);
	codec_i32(codec, &image->host_pid);
	codec_u64(codec, &image->captured_realtime_ns);
	codec_u64(codec, &image->captured_monotonic_ns);
	codec_u64(codec, &image->captured_boottime_ns);
	codec_u64(codec, &image->pause_ns);
	codec_u64(codec, &image->prepare_ns);
	for (int phase = 0; phase < IMAGE_PHASES; phase++)
		codec_u64(codec, &image->phase_ns[phase]);
	walk_string(codec, &image->boot_id);
	walk_string(codec, &image->hostname);
	walk_string(codec, &image->kernel);
	codec_bytes(codec, image->cpu_features, sizeof(image->cpu_features));
	codec_u64(codec, &image->xfeatures);
	walk_mm(codec, &image->mm);
	walk_string(codec, &image->exe);
	walk_string(codec, &image->cwd);
	walk_string(codec, &image->root);
	codec_u64(codec, &image->exe_bytes);
	codec_bytes(codec, image->comm, sizeof(image->comm));
	codec_u32(codec, &image->umask);
	codec_u32(codec, &image->personality);
	walk_credentials(codec, image);
	walk_signals(codec, image);
}

static void walk_thread(struct codec *codec, struct image_thread *thread)
{
	codec_i32(codec, &thread->tid);
	codec_bytes(codec, thread->comm, sizeof(thread->comm));
	codec_bytes(codec, thread->regs, sizeof(thread->regs));
	codec_u64(codec, &thread->sigmask);
	codec_u64(codec, &thread->altstack_sp);
	codec_u64(codec, &thread->altstack_bytes);
	codec_u32(codec, &thread->altstack_flags);
	codec_u64(codec, &thread->clear_tid_addr);
	codec_u64(codec, &thread->robust_list_addr);
	codec_u64(codec, &thread->robust_list_bytes);
	codec_u64(codec, &thread->rseq_addr);
	codec_u32(codec, &thread->rseq_bytes);
	codec_u32(codec, &thread->rseq_sig);
	codec_i32(codec, &thread->restart_nr);
	codec_blob(codec, &thread->cpus, &thread->cpus_bytes,
		   IMAGE_CPUS_BYTES_MAX);
	codec_blob(codec, &thread->xstate, &thread->xstate_bytes,
		   IMAGE_XSTATE_MAX);
}

static void walk_vma(struct codec *codec, struct image_vma *vma)
{
	codec_u64(codec, &vma->start);
	codec_u64(codec, &vma->end);
	codec_u64(codec, &vma->offset_bytes);
	codec_u32(codec, &vma->prot);
	codec_u32(codec, &vma->flags);
	CODEC_ENUM(codec, vma->kind);
	codec_u32(codec, &vma->dev_major);
	codec_u32(codec, &vma->dev_minor);
	codec_u64(codec, &vma->inode);
	walk_string(codec, &vma->name);
}

static void walk_run(struct codec *codec, struct image_run *run)
{
	codec_u64(codec, &run->first_page);
	codec_u64(codec, &run->nr_pages);
}

static void walk_option(struct codec *codec, struct image_option *option)
{
	codec_i32(codec, &option->level);
	codec_i32(codec, &option->name);
	codec_count(codec, &option->bytes, IMAGE_OPTION_BYTES_MAX, 1);
	codec_bytes(codec, option->value, option->bytes);
}

static void walk_options(struct codec *codec, struct image_fd *fd)
{
	codec_count(codec, &fd->nr_options, IMAGE_OPTIONS_MAX, LEAST_OPTION);
	if (codec_decoding(codec))
		fd->options = codec_alloc(codec, fd->nr_options,
					  sizeof(*fd->options));
	for (uint32_t i = 0; i < fd->nr_options && !codec->error; i++)
		walk_option(codec, &fd->options[i]);
}

static void walk_fd(struct codec *codec, struct image_fd *fd)
{
	codec_i32(codec, &fd->fd);
	CODEC_ENUM(codec, fd->kind);
	codec_u32(codec, &fd->open_flags);
	codec_bool(codec, &fd->cloexec);
	codec_i32(codec, &fd->same_as);
	codec_u64(codec, &fd->pos_bytes);
	codec_u64(codec, &fd->dev);
	codec_u64(codec, &fd->inode);
	codec_u64(codec, &fd->mode);
	codec_u64(codec, &fd->size_bytes);
	codec_u64(codec, &fd->mtime_ns);
	walk_string(codec, &fd->path);
	codec_u64(codec, &fd->value);
	codec_i32(codec, &fd->clockid);
	codec_u64(codec, &fd->value_ns);
	codec_u64(codec, &fd->interval_ns);
	codec_i32(codec, &fd->domain);
	codec_i32(codec, &fd->type);
	codec_i32(codec, &fd->protocol);
	codec_i32(codec, &fd->backlog);
	codec_u32(codec, &fd->sockopts);
	walk_options(codec, fd);
	codec_blob(codec, &fd->data, &fd->data_bytes, IMAGE_FD_DATA_MAX);
}

static void walk_epoll(struct codec *codec, struct image_epoll *epoll)
{
	codec_i32(codec, &epoll->epfd);
	codec_i32(codec, &epoll->fd);
	codec_i32(codec, &epoll->through);
	codec_u32(codec, &epoll->events);
	codec_u64(codec, &epoll->data);
}

static void walk_timer(struct codec *codec, struct image_timer *timer)
{
	codec_i32(codec, &timer->id);
	codec_i32(codec, &timer->signo);
	codec_i32(codec, &timer->notify);
	codec_i32(codec, &timer->clockid);
	codec_i32(codec, &timer->target_tid);
	codec_u64(codec, &timer->sigval);
	codec_u64(codec, &timer->value_ns);
	codec_u64(codec, &timer->interval_ns);
}

static void walk_pending(struct codec *codec, struct image_pending *pending)
{
	codec_i32(codec, &pending->tid);
	codec_bytes(codec, pending->siginfo, sizeof(pending->siginfo));
}

static void walk_text(struct codec *codec, struct image_text *text)
{
	walk_string(codec, &text->name);
	codec_blob(codec, &text->bytes, &text->len_bytes, IMAGE_TEXT_MAX);
}

static void walk_mapped(struct codec *codec, struct image_mapped *mapped)
{
	codec_u64(codec, &mapped->raddr);
	codec_u64(codec, &mapped->size_bytes);
	codec_u64(codec, &mapped->mtime_ns);
	codec_u32(codec, &mapped->mode);
	codec_u32(codec, &mapped->flags);
	walk_string(codec, &mapped->path);
}

static void walk_alias(struct codec *codec, struct image_alias *alias)
{
	codec_u32(codec, &alias->mapped);
	walk_string(codec, &alias->path);
}

/* A section that is one array: its mark, its count, its elements. */
#define WALK_ARRAY(codec, mark, array, nr, max, least, walk)                   \
	do {                                                                   \
		codec_mark(codec, mark);                                       \
		codec_count(codec, &(nr), max, least);                         \
		if (codec_decoding(codec))                                     \
			(array) = codec_alloc(codec, nr, sizeof(*(array)));    \
		for (uint32_t i_ = 0; i_ < (nr) && !(codec)->error; i_++)      \
			walk(codec, &(array)[i_]);                             \
	} while (0)

static void walk_arrays(struct codec *codec, struct image *image)
{
	WALK_ARRAY(codec, SECTION_THREADS, image->threads, image->nr_threads,
		   IMAGE_THREADS_MAX, LEAST_THREAD, walk_thread);
	WALK_ARRAY(codec, SECTION_VMAS, image->vmas, image->nr_vmas,
		   IMAGE_VMAS_MAX, LEAST_VMA, walk_vma);
	WALK_ARRAY(codec, SECTION_RUNS, image->runs, image->nr_runs,
		   IMAGE_RUNS_MAX, LEAST_RUN, walk_run);
	WALK_ARRAY(codec, SECTION_GUARDS, image->guards, image->nr_guards,
		   IMAGE_RUNS_MAX, LEAST_RUN, walk_run);
	WALK_ARRAY(codec, SECTION_FDS, image->fds, image->nr_fds, IMAGE_FDS_MAX,
		   LEAST_FD, walk_fd);
	WALK_ARRAY(codec, SECTION_EPOLLS, image->epolls, image->nr_epolls,
		   IMAGE_EPOLLS_MAX, LEAST_EPOLL, walk_epoll);
	WALK_ARRAY(codec, SECTION_TIMERS, image->timers, image->nr_timers,
		   IMAGE_TIMERS_MAX, LEAST_TIMER, walk_timer);
	WALK_ARRAY(codec, SECTION_PENDING, image->pending, image->nr_pending,
		   IMAGE_PENDING_MAX, LEAST_PENDING, walk_pending);
	WALK_ARRAY(codec, SECTION_TEXTS, image->texts, image->nr_texts,
		   IMAGE_TEXTS_MAX, LEAST_TEXT, walk_text);
	WALK_ARRAY(codec, SECTION_MAPPED, image->mapped, image->nr_mapped,
		   IMAGE_MAPPED_MAX, LEAST_MAPPED, walk_mapped);
	WALK_ARRAY(codec, SECTION_ALIASES, image->aliases, image->nr_aliases,
		   IMAGE_ALIASES_MAX, LEAST_ALIAS, walk_alias);
}

static void walk_version(struct codec *codec)
{
	uint32_t version = DESC_VERSION;

	codec_mark(codec, DESC_MAGIC);
	codec_u32(codec, &version);
	if (version != DESC_VERSION)
		codec_fail(codec, -EPROTONOSUPPORT);
}

static void walk_image(struct codec *codec, struct image *image)
{
	walk_version(codec);
	walk_process(codec, image);
	walk_arrays(codec, image);
	codec_mark(codec, SECTION_END);
}

int desc_encode(const struct image *image, void **ret_buf,
		size_t *ret_len_bytes)
{
	/* The two modes used here read the image and never write to it. */
	struct image *readable = (struct image *)image;
	struct codec codec = {.mode = CODEC_MEASURE};
	uint8_t *buf;

	walk_image(&codec, readable);
	if (codec.error)
		return codec.error;
	if (codec.total_bytes > DESC_BYTES_MAX)
		return -E2BIG;
	buf = malloc(codec.total_bytes);
	if (!buf)
		return -ENOMEM;
	page_populate(buf, codec.total_bytes);
	codec.mode = CODEC_ENCODE;
	codec.at = buf;
	codec.end = buf + codec.total_bytes;
	walk_image(&codec, readable);
	*ret_buf = buf;
	*ret_len_bytes = codec.total_bytes;
	return 0;
}

/* Magic, version, section; two pids, five times; the phases before. */
#define ENCODE_PHASE_AT (3 * 4 + 2 * 4 + 5 * 8 + 8 * IMAGE_PHASE_ENCODE)

void desc_note_encoded(void *desc, uint64_t took_ns)
{
	uint8_t *at = (uint8_t *)desc + ENCODE_PHASE_AT;
	struct codec codec = {
		.mode = CODEC_ENCODE, .at = at, .end = at + sizeof(took_ns)};

	codec_u64(&codec, &took_ns);
}

static void cleanup_image(struct image **image)
{
	image_free(*image);
}

int desc_decode(const void *buf, size_t len_bytes, struct image **ret_image)
{
	/* CODEC_DECODE reads the buffer and never writes to it. */
	uint8_t *readable = (uint8_t *)buf;
	struct codec codec = {
		.mode = CODEC_DECODE,
		.at = readable,
		.end = readable + len_bytes,
	};
	CLEANUP(cleanup_image) struct image *image = image_new();
	int error;

	/* In memory a quarter more: wider structs, NULs, alignment. */
	codec.arena = arena_new(len_bytes + len_bytes / 4);
	if (!image || !codec.arena) {
		arena_free(codec.arena);
		return -ENOMEM;
	}
	walk_image(&codec, image);
	if (!codec.error && codec_left(&codec))
		codec_fail(&codec, -EPROTO);
	image->arena = codec.arena;
	error = codec.error ? codec.error : image_check(image, NULL);
	if (!error)
		*ret_image = steal_ptr(&image);
	return error;
}

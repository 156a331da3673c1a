/* SPDX-License-Identifier: MIT */
#include "fs/proctext.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/page.h"
#include "fs/text.h"

#define COMM_LEN 15 /* of the kernel's 16 bytes, without the NUL */

/* A memory stream that is being written. */
struct stream {
	FILE *out;
	char *text;
	size_t len;
};

static FILE *begin(struct stream *stream)
{
	*stream = (struct stream){0};
	stream->out = text_open(&stream->text, &stream->len);
	return stream->out;
}

/* Its text, or NULL when anything failed. */
static char *finish(struct stream *stream)
{
	int failed = ferror(stream->out);

	if (fclose(stream->out) || failed) {
		free(stream->text);
		return NULL;
	}
	return stream->text;
}

static void put_kib(FILE *out, const char *name, uint64_t pages)
{
	fprintf(out, "%-16s%8" PRIu64 " kB\n", name,
		pages * (PAGE_BYTES / 1024));
}

/* The two letters of fs/proc/task_mmu.c for what the image knows. */
static void put_flags(FILE *out, const struct image_vma *vma)
{
	const struct {
		int is_set;
		const char *letters;
	} flags[] = {
		{vma->prot & PROT_READ, "rd"},
		{vma->prot & PROT_WRITE, "wr"},
		{vma->prot & PROT_EXEC, "ex"},
		{vma->flags & IMAGE_VMA_SHARED_MAP, "sh"},
		{vma->kind == IMAGE_VMA_STACK, "gd"},
		{vma->flags & IMAGE_VMA_LOCKED, "lo"},
		{vma->flags & IMAGE_VMA_SEQUENTIAL, "sr"},
		{vma->flags & IMAGE_VMA_RANDOM, "rr"},
		{vma->flags & IMAGE_VMA_DONTFORK, "dc"},
		{vma->flags & IMAGE_VMA_NORESERVE, "nr"},
		{vma->flags & IMAGE_VMA_HUGETLB, "ht"},
		{vma->flags & IMAGE_VMA_WIPEONFORK, "wf"},
		{vma->flags & IMAGE_VMA_DONTDUMP, "dd"},
		{vma->flags & IMAGE_VMA_HUGEPAGE, "hg"},
		{vma->flags & IMAGE_VMA_NOHUGEPAGE, "nh"},
	};

	fputs("VmFlags: ", out);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (flags[i].is_set)
			fprintf(out, "%s ", flags[i].letters);
	fputc('\n', out);
}

static void put_sizes(FILE *out, const struct image *image,
		      const struct image_vma *vma)
{
	uint64_t pages = page_of(vma->end - vma->start);
	uint64_t present =
		image_present_pages(image, page_of(vma->start), pages);
	int anonymous = image_vma_is_anonymous(vma);

	put_kib(out, "Size:", pages);
	put_kib(out, "KernelPageSize:", 1);
	put_kib(out, "MMUPageSize:", 1);
	put_kib(out, "Rss:", present);
	put_kib(out, "Pss:", present);
	put_kib(out, "Anonymous:", anonymous ? present : 0);
	put_flags(out, vma);
}

char *proctext_smaps(const struct image *image)
{
	struct stream stream;
	FILE *out = begin(&stream);

	if (!out)
		return NULL;
	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		text_put_area(out, &image->vmas[i]);
		put_sizes(out, image, &image->vmas[i]);
	}
	return finish(&stream);
}

/* From here on what epoll sets watch is left out: it costs the product. */
#define WATCHED_MAX (1ull << 30)

static void put_watched(FILE *out, const struct image *image, int32_t epfd)
{
	for (uint32_t i = 0; i < image->nr_epolls; i++) {
		const struct image_epoll *epoll = &image->epolls[i];

		if (epoll->epfd == epfd)
			fprintf(out,
				"tfd: %8d events: %8x data: %16" PRIx64 "\n",
				epoll->fd, epoll->events, epoll->data);
	}
}

char *proctext_fdinfo(const struct image *image, const struct image_fd *fd)
{
	struct stream stream;
	FILE *out = begin(&stream);
	uint32_t flags = fd->open_flags | (fd->cloexec ? O_CLOEXEC : 0);

	if (!out)
		return NULL;
	fprintf(out, "pos:\t%" PRIu64 "\nflags:\t0%o\nino:\t%" PRIu64 "\n",
		fd->pos_bytes, flags, fd->inode);
	if (fd->kind == IMAGE_FD_EVENTFD)
		fprintf(out, "eventfd-count: %16" PRIx64 "\n", fd->value);
	if (fd->kind == IMAGE_FD_SIGNALFD)
		fprintf(out, "sigmask:\t%016" PRIx64 "\n", fd->value);
	if (fd->kind == IMAGE_FD_EPOLL &&
	    (uint64_t)image->nr_fds * image->nr_epolls <= WATCHED_MAX)
		put_watched(out, image, fd->fd);
	return finish(&stream);
}

char *proctext_comm(const struct image_thread *thread)
{
	char *text = NULL;

	return asprintf(&text, "%.15s\n", thread->comm) < 0 ? NULL : text;
}

uint64_t proctext_pending(const struct image *image, int32_t tid)
{
	uint64_t mask = 0;

	for (uint32_t i = 0; i < image->nr_pending; i++) {
		const struct image_pending *pending = &image->pending[i];
		int32_t signo; /* the first member of siginfo_t */

		memcpy(&signo, pending->siginfo, sizeof(signo));
		if (pending->tid == tid && signo >= 1 && signo <= IMAGE_SIGNALS)
			mask |= UINT64_C(1) << (signo - 1);
	}
	return mask;
}

/*
 * "Name:" as the kernel has it: a newline in it, which a thread may choose,
 * would begin a line of its own, and a backslash is how that is written.
 */
static void put_name(FILE *out, const char *comm)
{
	fputs("Name:\t", out);
	for (size_t i = 0; i < COMM_LEN && comm[i]; i++)
		if (comm[i] == '\n')
			fputs("\\n", out);
		else if (comm[i] == '\\')
			fputs("\\\\", out);
		else
			fputc(comm[i], out);
	fputc('\n', out);
}

char *proctext_status(const struct image *image,
		      const struct image_thread *thread)
{
	struct stream stream;
	FILE *out = begin(&stream);

	if (!out)
		return NULL;
	put_name(out, thread->comm);
	fprintf(out, "Umask:\t%04o\n", image->umask);
	fprintf(out, "Tgid:\t%d\nPid:\t%d\n", image->pid, thread->tid);
	fprintf(out, "Uid:\t%u\t%u\t%u\t%u\n", image->uid[0], image->uid[1],
		image->uid[2], image->uid[3]);
	fprintf(out, "Gid:\t%u\t%u\t%u\t%u\n", image->gid[0], image->gid[1],
		image->gid[2], image->gid[3]);
	fprintf(out, "Threads:\t%u\n", image->nr_threads);
	fprintf(out, "SigPnd:\t%016" PRIx64 "\nShdPnd:\t%016" PRIx64 "\n",
		proctext_pending(image, thread->tid),
		proctext_pending(image, 0));
	fprintf(out, "SigBlk:\t%016" PRIx64 "\n", thread->sigmask);
	fprintf(out, "NoNewPrivs:\t%u\n", image->no_new_privs);
	return finish(&stream);
}

char *proctext_regs(const struct image_thread *thread)
{
	static const char *const names[IMAGE_REGS] = {
		"r15",	   "r14",      "r13", "r12", "rbp",    "rbx", "r11",
		"r10",	   "r9",       "r8",  "rax", "rcx",    "rdx", "rsi",
		"rdi",	   "orig_rax", "rip", "cs",  "eflags", "rsp", "ss",
		"fs_base", "gs_base",  "ds",  "es",  "fs",     "gs",
	};
	struct stream stream;
	FILE *out = begin(&stream);

	if (!out)
		return NULL;
	for (int i = 0; i < IMAGE_REGS; i++)
		fprintf(out, "%-8s 0x%" PRIx64 "\n", names[i], thread->regs[i]);
	return finish(&stream);
}

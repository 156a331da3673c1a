/* SPDX-License-Identifier: MIT */
#include "fs/core_notes.h"

#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/procfs.h>

#include "common/page.h"
#include "fs/proctext.h"

/* Where FXSAVE keeps bytes for software: a register set has zeros there. */
#define FX_BYTES    512
#define FX_SW_START 464

/* struct siginfo, of which nothing is known. */
#define SIGINFO_BYTES 128

/* Where the notes go; with no buffer they are only counted. */
struct out {
	uint8_t *buf;
	size_t bytes;
};

static void put(struct out *out, const void *bytes, size_t len)
{
	if (out->buf)
		memcpy(out->buf + out->bytes, bytes, len);
	out->bytes += len;
}

static void put_u64(struct out *out, uint64_t value)
{
	put(out, &value, sizeof(value));
}

/* ELF notes are padded to 4 bytes, in 64-bit files too. */
static void pad(struct out *out)
{
	static const uint8_t zeros[4];

	put(out, zeros, -out->bytes & 3);
}

static void put_head(struct out *out, const char *name, uint32_t type,
		     size_t len)
{
	Elf64_Nhdr head = {
		.n_namesz = (uint32_t)strlen(name) + 1,
		.n_descsz = (uint32_t)len,
		.n_type = type,
	};

	put(out, &head, sizeof(head));
	put(out, name, head.n_namesz);
	pad(out);
}

static void put_note(struct out *out, const char *name, uint32_t type,
		     const void *bytes, size_t len)
{
	put_head(out, name, type, len);
	put(out, bytes, len);
	pad(out);
}

/* The members of /proc/PID/stat that a core speaks of. */
struct family {
	char state;
	int ppid, pgrp, sid;
	unsigned long flags;
};

/*
 * proc_pid_stat(5): the name in parentheses may hold any byte, so the numbers
 * begin behind the last ")".  What is missing stays 0.
 */
static struct family family_of(const struct image *image)
{
	const struct image_text *text = image_text(image, "stat");
	struct family family = {.state = 'R'};
	char copy[256] = "";
	const uint8_t *close = NULL;
	size_t len;

	if (text)
		close = memrchr(text->bytes, ')', text->len_bytes);
	if (!close)
		return family;
	len = (size_t)(text->bytes + text->len_bytes - close - 1);
	len = len < sizeof(copy) ? len : sizeof(copy) - 1;
	memcpy(copy, close + 1, len);
	(void)sscanf(copy, " %c %9d %9d %9d %*9d %*9d %19lu", &family.state,
		     &family.ppid, &family.pgrp, &family.sid, &family.flags);
	return family;
}

static void put_prstatus(struct out *out, const struct image *image,
			 const struct image_thread *thread,
			 const struct family *family)
{
	struct elf_prstatus status;

	/* Its padding too goes into the file. */
	memset(&status, 0, sizeof(status));
	status.pr_pid = thread->tid;
	status.pr_ppid = family->ppid;
	status.pr_pgrp = family->pgrp;
	status.pr_sid = family->sid;
	if (out->buf) /* a walk over all that wait, and no byte more */
		status.pr_sigpend = proctext_pending(image, thread->tid);
	status.pr_sighold = thread->sigmask;
	status.pr_fpvalid = thread->xstate_bytes >= FX_BYTES;
	_Static_assert(sizeof(status.pr_reg) == sizeof(thread->regs),
		       "an image keeps registers in the kernel's order");
	memcpy(&status.pr_reg, thread->regs, sizeof(thread->regs));
	put_note(out, "CORE", NT_PRSTATUS, &status, sizeof(status));
}

static void put_prpsinfo(struct out *out, const struct image *image,
			 const struct family *family)
{
	const struct image_text *cmdline = image_text(image, "cmdline");
	static const char states[] = "RSDTZW";
	const char *state = strchr(states, family->state);
	struct elf_prpsinfo info;
	size_t len = cmdline ? cmdline->len_bytes : 0;

	memset(&info, 0, sizeof(info));
	info.pr_state = (char)(state ? state - states : 0);
	info.pr_sname = family->state;
	info.pr_zomb = family->state == 'Z';
	info.pr_flag = family->flags;
	info.pr_uid = image->uid[0];
	info.pr_gid = image->gid[0];
	info.pr_pid = image->pid;
	info.pr_ppid = family->ppid;
	info.pr_pgrp = family->pgrp;
	info.pr_sid = family->sid;
	memcpy(info.pr_fname, image->comm, sizeof(info.pr_fname) - 1);
	if (len >= sizeof(info.pr_psargs))
		len = sizeof(info.pr_psargs) - 1;
	while (len && !cmdline->bytes[len - 1])
		len--;
	for (size_t i = 0; i < len; i++)
		info.pr_psargs[i] =
			(char)(cmdline->bytes[i] ? cmdline->bytes[i] : ' ');
	put_note(out, "CORE", NT_PRPSINFO, &info, sizeof(info));
}

static int has_file(const struct image_vma *vma)
{
	return vma->name[0] == '/';
}

/* core(5) has no more room for a note than its 32 bits. */
static size_t file_note_bytes(const struct image *image, uint64_t *ret_nr)
{
	size_t len = 2 * sizeof(uint64_t);

	*ret_nr = 0;
	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];
		size_t more = 3 * sizeof(uint64_t) + strlen(vma->name) + 1;

		if (!has_file(vma))
			continue;
		if (len + more > INT32_MAX)
			break;
		len += more;
		++*ret_nr;
	}
	return len;
}

/* All ranges, then all names: which file is mapped where. */
static void put_files(struct out *out, const struct image *image)
{
	uint64_t nr, left;
	size_t len = file_note_bytes(image, &nr);

	put_head(out, "CORE", NT_FILE, len);
	put_u64(out, nr);
	put_u64(out, PAGE_BYTES);
	left = nr;
	for (uint32_t i = 0; i < image->nr_vmas && left; i++) {
		const struct image_vma *vma = &image->vmas[i];

		if (has_file(vma)) {
			put_u64(out, vma->start);
			put_u64(out, vma->end);
			put_u64(out, vma->offset_bytes / PAGE_BYTES);
			left--;
		}
	}
	left = nr;
	for (uint32_t i = 0; i < image->nr_vmas && left; i++) {
		const struct image_vma *vma = &image->vmas[i];

		if (has_file(vma)) {
			put(out, vma->name, strlen(vma->name) + 1);
			left--;
		}
	}
	pad(out);
}

static void put_process(struct out *out, const struct image *image,
			const struct family *family)
{
	static const uint8_t siginfo[SIGINFO_BYTES];
	const struct image_text *auxv = image_text(image, "auxv");

	put_prpsinfo(out, image, family);
	put_note(out, "CORE", NT_SIGINFO, siginfo, sizeof(siginfo));
	if (auxv)
		put_note(out, "CORE", NT_AUXV, auxv->bytes, auxv->len_bytes);
	put_files(out, image);
}

static void put_floats(struct out *out, const struct image_thread *thread)
{
	uint8_t fx[FX_BYTES] = {0};

	if (thread->xstate_bytes < FX_BYTES)
		return;
	memcpy(fx, thread->xstate, FX_SW_START);
	put_note(out, "CORE", NT_FPREGSET, fx, sizeof(fx));
	put_note(out, "LINUX", NT_X86_XSTATE, thread->xstate,
		 thread->xstate_bytes);
}

static size_t put_notes(const struct image *image, uint8_t *buf)
{
	struct family family = family_of(image);
	struct out out = {.buf = buf};

	for (uint32_t i = 0; i < image->nr_threads; i++) {
		put_prstatus(&out, image, &image->threads[i], &family);
		if (i == 0)
			put_process(&out, image, &family);
		put_floats(&out, &image->threads[i]);
	}
	return out.bytes;
}

size_t core_notes_bytes(const struct image *image)
{
	return put_notes(image, NULL);
}

void core_notes_write(const struct image *image, uint8_t *buf)
{
	(void)put_notes(image, buf);
}

/* SPDX-License-Identifier: MIT */
/*
 * The ELF core of images of known shape: headers and notes field by field, and
 * every byte and hole against a file that is put together the plain way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <sys/procfs.h>
#include <unistd.h>

#include "common/page.h"
#include "fs/core.h"
#include "fs/core_notes.h"
#include "tests/unit/fs/sample.h"

#define MANY_AREAS 70000
#define LIBM	   "/lib/libm.so.6"

/* ---- an image with one of each sort ---- */

static void add_area(struct image *image, uint64_t first_page,
		     uint64_t nr_pages, uint32_t prot, const char *name)
{
	enum image_vma_kind kind =
		name[0] == '/' ? IMAGE_VMA_FILE : IMAGE_VMA_ANON;

	sample_vma(image, first_page << PAGE_SHIFT,
		   (first_page + nr_pages) << PAGE_SHIFT, kind, name);
	image->vmas[image->nr_vmas - 1].prot = prot;
	image->vmas[image->nr_vmas - 1].inode = kind == IMAGE_VMA_FILE ? 99 : 0;
}

static void add_run(struct image *image, uint64_t first_page, uint64_t nr_pages)
{
	image->runs[image->nr_runs++] =
		(struct image_run){first_page, nr_pages};
}

static void add_text(struct image *image, const char *name, const char *bytes,
		     uint32_t len_bytes)
{
	struct image_text *text = &image->texts[image->nr_texts++];

	text->name = strdup(name);
	text->bytes = malloc(len_bytes);
	memcpy(text->bytes, bytes, len_bytes);
	text->len_bytes = len_bytes;
}

static void add_threads(struct image *image)
{
	image->threads = calloc(2, sizeof(image->threads[0]));
	image->nr_threads = 2;
	for (uint32_t i = 0; i < 2; i++) {
		struct image_thread *thread = &image->threads[i];

		thread->tid = 77 + (int)i;
		thread->sigmask = 0x1000 << i;
		for (int reg = 0; reg < IMAGE_REGS; reg++)
			thread->regs[reg] = 1000 * i + (unsigned)reg;
		thread->xstate_bytes = 832;
		thread->xstate = malloc(832);
		memset(thread->xstate, 0x40 + (int)i, 832);
	}
}

static struct image *image_with(uint32_t nr_vmas, uint32_t nr_runs)
{
	struct image *image = image_new();

	image->pid = image->host_pid = 77;
	image->uid[0] = 1000;
	image->gid[0] = 1001;
	strcpy(image->comm, "sample");
	image->vmas = calloc(nr_vmas, sizeof(image->vmas[0]));
	image->runs = calloc(nr_runs, sizeof(image->runs[0]));
	image->texts = calloc(8, sizeof(image->texts[0]));
	image->pending = calloc(2, sizeof(image->pending[0]));
	add_threads(image);
	return image;
}

/* Areas by page: see the table of expected segments below. */
static struct image *image_of_all_sorts(void)
{
	struct image *image = image_with(16, 8);
	int32_t signo = SIGUSR2;

	add_area(image, 0x10, 16, PROT_READ | PROT_WRITE, "");
	add_area(image, 0x20, 4, PROT_NONE, "");
	add_area(image, 0x24, 4, PROT_NONE, "");
	add_area(image, 0x100, 1, PROT_READ, LIBM);
	add_area(image, 0x101, 3, PROT_READ | PROT_EXEC, LIBM);
	image->vmas[4].offset_bytes = PAGE_BYTES;
	add_area(image, 0x104, 1, PROT_READ, LIBM);
	add_area(image, 0x105, 2, PROT_READ | PROT_WRITE, LIBM);
	add_area(image, 0x108, 2, PROT_READ, LIBM);
	add_area(image, 0x10b, 1, PROT_READ, LIBM);
	add_area(image, 0x200, 2, PROT_READ, "[vvar]");
	image->vmas[9].kind = IMAGE_VMA_VVAR;
	add_run(image, 0x12, 2);
	add_run(image, 0x1f, 2); /* into the closed area */
	add_run(image, 0x100, 6);
	add_text(image, "auxv", "auxiliary vector", 16);
	add_text(image, "cmdline", "sample\0of all\0sorts", 20);
	add_text(image, "stat", "77 (a) R (b) T 5 6 7 0 -1 4194560 1 2", 37);
	image->pending[0].tid = 78;
	memcpy(image->pending[0].siginfo, &signo, sizeof(signo));
	image->nr_pending = 1;
	return image;
}

/* ---- the whole file, put together the plain way ---- */

struct file {
	struct image *image;
	struct core *core;
	uint8_t *bytes, *is_data; /* one byte, one page */
	uint64_t size_bytes;
};

static struct file file;

static uint8_t memory_byte(uint64_t raddr)
{
	return (uint8_t)(raddr * 2654435761u >> 13);
}

static const Elf64_Ehdr *ehdr_of(const uint8_t *bytes)
{
	return (const Elf64_Ehdr *)bytes;
}

static const Elf64_Phdr *phdrs_of(const uint8_t *bytes)
{
	return (const Elf64_Phdr *)(bytes + sizeof(Elf64_Ehdr));
}

static int is_present(const struct image *image, uint64_t page)
{
	for (uint32_t i = 0; i < image->nr_runs; i++)
		if (page - image->runs[i].first_page < image->runs[i].nr_pages)
			return 1;
	return 0;
}

static void copy_page(const Elf64_Phdr *phdr, uint64_t at)
{
	uint64_t raddr = phdr->p_vaddr + at, offset = phdr->p_offset + at;

	if (!is_present(file.image, page_of(raddr)))
		return;
	file.is_data[page_of(offset)] = 1;
	for (uint64_t i = 0; i < PAGE_BYTES; i++)
		file.bytes[offset + i] = memory_byte(raddr + i);
}

static void put_together(void)
{
	struct core_piece headers;
	uint32_t nr;

	file.size_bytes = core_size_bytes(file.core);
	file.bytes = calloc(1, file.size_bytes);
	file.is_data = calloc(1, page_of(file.size_bytes) + 1);
	assert_int_equal(core_piece_at(file.core, 0, &headers), 0);
	assert_int_equal(headers.kind, CORE_HEADERS);
	memcpy(file.bytes, headers.bytes, headers.len_bytes);
	memset(file.is_data, 1, page_of(headers.len_bytes));
	nr = ehdr_of(file.bytes)->e_phnum;
	for (uint32_t i = 1; i < nr; i++) {
		const Elf64_Phdr *phdr = &phdrs_of(file.bytes)[i];

		for (uint64_t at = 0; at < phdr->p_filesz; at += PAGE_BYTES)
			copy_page(phdr, at);
	}
}

static int set_up(void **state)
{
	file.image = image_of_all_sorts();
	if (core_new(file.image, &file.core))
		return -1;
	put_together();
	return 0;
}

static int tear_down(void **state)
{
	core_free(file.core);
	image_free(file.image);
	free(file.bytes);
	free(file.is_data);
	return 0;
}

/* ---- headers ---- */

static void the_head_is_of_a_core(void **state)
{
	const Elf64_Ehdr *ehdr = ehdr_of(file.bytes);

	assert_memory_equal(ehdr->e_ident, ELFMAG "\2\1\1\0", 8);
	assert_int_equal(ehdr->e_type, ET_CORE);
	assert_int_equal(ehdr->e_machine, EM_X86_64);
	assert_int_equal(ehdr->e_phoff, 64);
	assert_int_equal(ehdr->e_phentsize, 56);
	assert_int_equal(ehdr->e_shnum, 0);
	assert_int_equal(ehdr->e_shoff, 0);
}

static void every_area_has_its_segment(void **state)
{
	static const struct {
		uint64_t page, nr_pages, nr_file_pages;
		uint32_t flags;
	} wanted[] = {
		{0x10, 16, 16, PF_R | PF_W},
		{0x20, 4, 4, 0}, /* closed, but it was open once */
		{0x24, 4, 0, 0},
		{0x100, 5, 5, PF_R | PF_X}, /* three areas of one text */
		{0x105, 2, 2, PF_R | PF_W},
		{0x108, 2, 2, PF_R}, /* no text but what lies side by side */
		{0x10b, 1, 1, PF_R},
		{0x200, 2, 0, PF_R}, /* the kernel's own */
	};
	size_t nr = sizeof(wanted) / sizeof(wanted[0]);
	const Elf64_Phdr *phdrs = phdrs_of(file.bytes);
	uint64_t end = phdrs[0].p_offset + phdrs[0].p_filesz;

	assert_int_equal(ehdr_of(file.bytes)->e_phnum, nr + 1);
	assert_int_equal(phdrs[0].p_type, PT_NOTE);
	assert_int_equal(phdrs[0].p_filesz, core_notes_bytes(file.image));
	for (size_t i = 0; i < nr; i++) {
		const Elf64_Phdr *phdr = &phdrs[i + 1];

		assert_int_equal(phdr->p_type, PT_LOAD);
		assert_int_equal(phdr->p_vaddr, wanted[i].page << PAGE_SHIFT);
		assert_int_equal(phdr->p_memsz,
				 wanted[i].nr_pages << PAGE_SHIFT);
		assert_int_equal(phdr->p_filesz,
				 wanted[i].nr_file_pages << PAGE_SHIFT);
		assert_int_equal(phdr->p_flags, wanted[i].flags);
		assert_int_equal(phdr->p_offset % PAGE_BYTES, 0);
		assert_true(phdr->p_offset >= end);
		end = phdr->p_offset + phdr->p_filesz;
	}
	assert_int_equal(end, file.size_bytes);
}

/* ---- notes ---- */

/*
 * The @nth note of @type: a copy of its bytes, which in the file are aligned to
 * 4 only, and how many in *@ret_len.
 */
static const void *note(uint32_t type, int nth, size_t *ret_len)
{
	const Elf64_Phdr *phdr = phdrs_of(file.bytes);
	const uint8_t *at = file.bytes + phdr->p_offset;
	const uint8_t *end = at + phdr->p_filesz;
	static _Alignas(16) uint8_t copy[1024];

	while (at < end) {
		const Elf64_Nhdr *head = (const Elf64_Nhdr *)at;
		const char *name = (const char *)(head + 1);
		const uint8_t *desc =
			(const uint8_t *)name + ((head->n_namesz + 3) & ~3u);

		assert_string_equal(
			name, head->n_type == NT_X86_XSTATE ? "LINUX" : "CORE");
		assert_int_equal(head->n_namesz, strlen(name) + 1);
		*ret_len = head->n_descsz;
		if (head->n_type == type && nth-- == 0) {
			assert_true(head->n_descsz <= sizeof(copy));
			return memcpy(copy, desc, head->n_descsz);
		}
		at = desc + ((head->n_descsz + 3) & ~3u);
	}
	assert_ptr_equal(at, end);
	return NULL;
}

static void each_thread_has_its_registers(void **state)
{
	size_t len;

	for (int i = 0; i < 2; i++) {
		const struct image_thread *thread = &file.image->threads[i];
		const struct elf_prstatus *status = note(NT_PRSTATUS, i, &len);
		const uint8_t *fp;

		assert_int_equal(len, 336);
		assert_int_equal(status->pr_pid, 77 + i);
		assert_int_equal(status->pr_ppid, 5);
		assert_int_equal(status->pr_pgrp, 6);
		assert_int_equal(status->pr_sid, 7);
		assert_int_equal(status->pr_cursig, 0);
		assert_int_equal(status->pr_sighold, 0x1000 << i);
		assert_int_equal(status->pr_sigpend,
				 i ? 1 << (SIGUSR2 - 1) : 0);
		assert_memory_equal(status->pr_reg, thread->regs,
				    sizeof(thread->regs));
		fp = note(NT_FPREGSET, i, &len);
		assert_int_equal(len, 512);
		assert_memory_equal(fp, thread->xstate, 464);
		assert_int_equal(fp[464], 0);
		fp = note(NT_X86_XSTATE, i, &len);
		assert_int_equal(len, 832);
		assert_memory_equal(fp, thread->xstate, 832);
	}
	assert_null(note(NT_PRSTATUS, 2, &len));
}

static void the_process_is_described_once(void **state)
{
	size_t len;
	const struct elf_prpsinfo *info = note(NT_PRPSINFO, 0, &len);

	assert_int_equal(len, 136);
	assert_string_equal(info->pr_fname, "sample");
	assert_string_equal(info->pr_psargs, "sample of all sorts");
	assert_int_equal(info->pr_sname, 'T');
	assert_int_equal(info->pr_state, 3);
	assert_int_equal(info->pr_pid, 77);
	assert_int_equal(info->pr_ppid, 5);
	assert_int_equal(info->pr_uid, 1000);
	assert_int_equal(info->pr_gid, 1001);
	assert_int_equal(info->pr_flag, 4194560);
	assert_memory_equal(note(NT_AUXV, 0, &len), "auxiliary vector", 16);
	assert_int_equal(len, 16);
	assert_non_null(note(NT_SIGINFO, 0, &len));
	assert_int_equal(len, 128);
	for (int i = 0; i < 2; i++) {
		const uint32_t once[] = {NT_PRPSINFO, NT_AUXV, NT_SIGINFO,
					 NT_FILE};

		for (size_t j = 0; j < 4; j++)
			assert_null(note(once[j], 1, &len));
	}
}

static void mapped_files_are_listed_by_area(void **state)
{
	size_t len;
	const uint64_t *words = note(NT_FILE, 0, &len);
	const char *names = (const char *)(words + 2 + 3 * 6);

	assert_int_equal(words[0], 6);
	assert_int_equal(words[1], PAGE_BYTES);
	assert_int_equal(words[2], 0x100000);
	assert_int_equal(words[3], 0x101000);
	assert_int_equal(words[4], 0);
	assert_int_equal(words[5], 0x101000);
	assert_int_equal(words[7], 1); /* in pages */
	for (int i = 0; i < 6; i++) {
		assert_string_equal(names, LIBM);
		names += strlen(names) + 1;
	}
	assert_ptr_equal(names, (const char *)words + len);
}

/* Texts are another host's: none, torn or long ones must do no harm. */
static void odd_texts_do_no_harm(void **state)
{
	static const char *const stats[] = {"", ")", "1 (x) ", "1 (x) Q -9 z",
					    "1 (x) R 99999999999999999999"};
	struct image *image = image_with(1, 1);
	uint8_t *buf;
	char *line = malloc(5000);

	memset(line, 'x', 5000);
	add_text(image, "cmdline", line, 5000);
	add_text(image, "stat", "", 0);
	for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++) {
		size_t bytes = core_notes_bytes(image);

		free(image->texts[1].bytes);
		image->texts[1].bytes = (uint8_t *)strdup(stats[i]);
		image->texts[1].len_bytes = (uint32_t)strlen(stats[i]);
		buf = malloc(bytes);
		core_notes_write(image, buf);
		free(buf);
	}
	free(line);
	image_free(image);
}

/* ---- bytes and holes ---- */

/* Read as fs/ops.c does, with memory_byte() for the far end. */
static void read_pieces(uint64_t offset, uint8_t *buf, uint64_t len_bytes)
{
	while (len_bytes) {
		struct core_piece piece;
		uint64_t len;

		assert_int_equal(core_piece_at(file.core, offset, &piece), 0);
		assert_true(piece.len_bytes > 0);
		len = piece.len_bytes < len_bytes ? piece.len_bytes : len_bytes;
		for (uint64_t i = 0; i < len; i++) {
			uint64_t raddr = piece.raddr + i;

			buf[i] = piece.kind == CORE_HEADERS ? piece.bytes[i]
				 : piece.kind == CORE_MEMORY &&
						 is_present(file.image,
							    page_of(raddr))
					 ? memory_byte(raddr)
					 : 0;
		}
		buf += len;
		offset += len;
		len_bytes -= len;
	}
}

static void every_read_is_right(void **state)
{
	uint8_t *buf = malloc(file.size_bytes);

	srandom(4711);
	read_pieces(0, buf, file.size_bytes);
	assert_memory_equal(buf, file.bytes, file.size_bytes);
	for (int i = 0; i < 3000; i++) {
		uint64_t offset = (uint64_t)random() % file.size_bytes;
		uint64_t len = (uint64_t)random() % (5 * PAGE_BYTES);

		if (len > file.size_bytes - offset)
			len = file.size_bytes - offset;
		read_pieces(offset, buf, len);
		assert_memory_equal(buf, file.bytes + offset, len);
	}
	free(buf);
}

static uint64_t plain_seek(uint64_t offset, int want_data)
{
	uint64_t page = page_of(offset), end = page_of(file.size_bytes);

	if (file.is_data[page] == want_data)
		return offset;
	while (page < end && file.is_data[page] != want_data)
		page++;
	return page << PAGE_SHIFT;
}

static void every_hole_is_found(void **state)
{
	uint64_t nr_data = 0;

	for (uint64_t at = 0; at < file.size_bytes; at += PAGE_BYTES / 2) {
		assert_int_equal(core_seek(file.core, at, SEEK_DATA),
				 plain_seek(at, 1));
		assert_int_equal(core_seek(file.core, at, SEEK_HOLE),
				 plain_seek(at, 0));
	}
	for (uint64_t page = 0; page < page_of(file.size_bytes); page++)
		nr_data += file.is_data[page];
	assert_int_equal(core_present_pages(file.core), nr_data);
}

/* The headers of @core in a file of its size, which is open behind @path. */
static int write_headers(struct core *core, char *path)
{
	struct core_piece piece;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(core_piece_at(core, 0, &piece), 0);
	assert_int_equal(pwrite(fd, piece.bytes, piece.len_bytes, 0),
			 piece.len_bytes);
	assert_int_equal(ftruncate(fd, (off_t)core_size_bytes(core)), 0);
	return fd;
}

/* What others make of it: every header is found, and nobody complains. */
static void ask_readelf(struct core *core)
{
	char path[] = "/tmp/test-core-XXXXXX", command[128], text[256];
	int fd = write_headers(core, path), loads = 0, complaints = 0;
	FILE *out;

	(void)snprintf(command, sizeof(command),
		       "LC_ALL=C readelf -hlW %s 2>&1", path);
	out = popen(command, "r");
	assert_non_null(out);
	while (fgets(text, sizeof(text), out)) {
		loads += !strncmp(text, "  LOAD ", 7);
		complaints += strcasestr(text, "warning") ||
			      strcasestr(text, "error");
	}
	assert_int_equal(pclose(out), 0);
	(void)close(fd);
	(void)unlink(path);
	assert_int_equal(loads, MANY_AREAS);
	assert_int_equal(complaints, 0);
}

/* Every second page, so that no two areas become one. */
static void seventy_thousand_areas_are_numbered_elsewhere(void **state)
{
	struct image *image = image_with(MANY_AREAS, 1);
	const Elf64_Phdr *phdr;
	const Elf64_Shdr *shdr;
	const Elf64_Ehdr *ehdr;
	struct core_piece piece;
	struct core *core;

	for (uint64_t i = 0; i < MANY_AREAS; i++)
		add_area(image, 0x1000 + 2 * i, 1, PROT_READ, "");
	add_run(image, 0x1000 + 2 * 69999, 1);
	assert_int_equal(core_new(image, &core), 0);
	assert_int_equal(core_piece_at(core, 0, &piece), 0);
	ehdr = ehdr_of(piece.bytes);
	assert_int_equal(ehdr->e_phnum, PN_XNUM);
	assert_int_equal(ehdr->e_shnum, 1);
	assert_int_equal(ehdr->e_shentsize, sizeof(*shdr));
	shdr = (const Elf64_Shdr *)(piece.bytes + ehdr->e_shoff);
	assert_int_equal(shdr->sh_info, MANY_AREAS + 1);
	assert_int_equal(shdr->sh_type, SHT_NULL);
	phdr = &phdrs_of(piece.bytes)[MANY_AREAS];
	assert_int_equal(phdr->p_vaddr, (0x1000 + 2 * 69999) << PAGE_SHIFT);
	assert_int_equal(phdr->p_filesz, PAGE_BYTES);
	assert_true(phdrs_of(piece.bytes)->p_offset >=
		    ehdr->e_shoff + sizeof(*shdr));
	assert_int_equal(core_seek(core, piece.len_bytes, SEEK_DATA),
			 phdr->p_offset);
	ask_readelf(core);
	core_free(core);
	image_free(image);
}

/* 65,534 program headers still fit in the head. */
static void the_number_moves_at_the_last_moment(void **state)
{
	struct image *image = image_with(PN_XNUM, 1);
	struct core_piece piece;
	struct core *core;

	for (uint64_t i = 0; i < PN_XNUM - 1; i++) {
		add_area(image, 0x1000 + 2 * i, 1, PROT_READ, "");
		if (i < PN_XNUM - 3)
			continue;
		assert_int_equal(core_new(image, &core), 0);
		assert_int_equal(core_piece_at(core, 0, &piece), 0);
		assert_int_equal(ehdr_of(piece.bytes)->e_phnum, i + 2);
		assert_int_equal(ehdr_of(piece.bytes)->e_shnum,
				 i == PN_XNUM - 2);
		core_free(core);
	}
	image_free(image);
}

static void an_empty_image_has_a_core(void **state)
{
	struct image *image = image_with(1, 1);
	struct core_piece piece;
	struct core *core;

	assert_int_equal(core_new(image, &core), 0);
	assert_int_equal(core_piece_at(core, 0, &piece), 0);
	assert_int_equal(piece.len_bytes, core_size_bytes(core));
	assert_int_equal(core_seek(core, 0, SEEK_HOLE), core_size_bytes(core));
	core_free(core);
	image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_head_is_of_a_core),
		cmocka_unit_test(every_area_has_its_segment),
		cmocka_unit_test(each_thread_has_its_registers),
		cmocka_unit_test(the_process_is_described_once),
		cmocka_unit_test(mapped_files_are_listed_by_area),
		cmocka_unit_test(odd_texts_do_no_harm),
		cmocka_unit_test(every_read_is_right),
		cmocka_unit_test(every_hole_is_found),
		cmocka_unit_test(seventy_thousand_areas_are_numbered_elsewhere),
		cmocka_unit_test(the_number_moves_at_the_last_moment),
		cmocka_unit_test(an_empty_image_has_a_core),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

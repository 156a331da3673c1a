/* SPDX-License-Identifier: MIT */
#include "fs/core.h"

#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "fs/core_notes.h"
#include "fs/holes.h"

/*
 * What nobody asked for is not fetched: the kernel reads ahead of a stream of
 * reads (mm/readahead.c), and a gap of nothing ends what is a stream.
 *
 * The headers are read as one; behind them lies as much as two windows of 128
 * KiB.  Then a debugger looks at the first page of each segment; were the only
 * page of the one before it nearer than two pages, those reads would look like
 * a stream too.
 */
#define HEADER_GAP_BYTES (64 * PAGE_BYTES)
#define GAP_BYTES	 (2 * PAGE_BYTES)

/* One PT_LOAD: its place in memory and in the file. */
struct segment {
	uint64_t raddr, len_bytes;
	uint64_t offset_bytes, file_bytes; /* file_bytes: len_bytes or 0 */
	uint64_t present_pages;
	uint32_t flags;
};

struct core {
	const struct image *image;
	struct segment *segments; /* by address, which is by offset too */
	uint32_t nr_segments;
	size_t notes_bytes;
	uint64_t header_bytes; /* whole pages */
	uint64_t size_bytes, present_pages;
	pthread_mutex_t lock; /* of headers, until they are made */
	uint8_t *headers;
};

/* ---- the layout ---- */

static uint64_t nr_headers(const struct core *core)
{
	return (uint64_t)core->nr_segments + 1;
}

/* With too many program headers their number stands in section header 0. */
static int is_extended(const struct core *core)
{
	return nr_headers(core) >= PN_XNUM;
}

static uint64_t section_offset(const struct core *core)
{
	return sizeof(Elf64_Ehdr) + nr_headers(core) * sizeof(Elf64_Phdr);
}

static uint64_t notes_offset(const struct core *core)
{
	return section_offset(core) +
	       (is_extended(core) ? sizeof(Elf64_Shdr) : 0);
}

static uint32_t flags_of(const struct image_vma *vma)
{
	return (vma->prot & PROT_READ ? PF_R : 0u) |
	       (vma->prot & PROT_WRITE ? PF_W : 0u) |
	       (vma->prot & PROT_EXEC ? PF_X : 0u);
}

/* Closed areas count if they were open once: their pages are there still. */
static int has_bytes(const struct image_vma *vma, uint64_t present_pages)
{
	if (vma->kind == IMAGE_VMA_VVAR || vma->kind == IMAGE_VMA_VSYSCALL)
		return 0;
	return vma->prot & PROT_READ || present_pages;
}

/*
 * Are @vma and the one before it parts of one read-only map of a file?  Linkers
 * cut a library's text into a piece to read, one to run and two more to read;
 * as one segment, as linkers used to make it, a debugger looks at one page of
 * it and not at four.
 */
static int is_more_text(const struct image_vma *before,
			const struct image_vma *vma)
{
	return before->kind == IMAGE_VMA_FILE && vma->kind == IMAGE_VMA_FILE &&
	       before->prot & PROT_READ && vma->prot & PROT_READ &&
	       !((before->prot | vma->prot) & PROT_WRITE) &&
	       before->end == vma->start && before->inode == vma->inode &&
	       before->dev_major == vma->dev_major &&
	       before->dev_minor == vma->dev_minor &&
	       !strcmp(before->name, vma->name);
}

static void add_segments(struct core *core)
{
	const struct image *image = core->image;
	struct segment *segment = core->segments;

	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];
		uint64_t len_bytes = vma->end - vma->start;
		uint64_t present_pages = image_present_pages(
			image, page_of(vma->start), page_of(len_bytes));

		if (!i || !is_more_text(vma - 1, vma)) {
			segment = &core->segments[core->nr_segments++];
			segment->raddr = vma->start;
		}
		segment->len_bytes += len_bytes;
		segment->present_pages += present_pages;
		segment->flags |= flags_of(vma);
		if (has_bytes(vma, present_pages))
			segment->file_bytes = segment->len_bytes;
	}
}

static void lay_out(struct core *core)
{
	uint64_t gap_bytes = HEADER_GAP_BYTES;

	add_segments(core);
	core->notes_bytes = core_notes_bytes(core->image);
	core->header_bytes = page_ceil(notes_offset(core) + core->notes_bytes);
	core->size_bytes = core->header_bytes;
	core->present_pages = page_of(core->header_bytes);
	for (uint32_t i = 0; i < core->nr_segments; i++) {
		struct segment *segment = &core->segments[i];

		segment->offset_bytes = core->size_bytes;
		if (!segment->file_bytes)
			continue;
		segment->offset_bytes += gap_bytes;
		core->size_bytes = segment->offset_bytes + segment->file_bytes;
		core->present_pages += segment->present_pages;
		gap_bytes = GAP_BYTES;
	}
}

int core_new(const struct image *image, struct core **ret_core)
{
	struct core *core = calloc(1, sizeof(*core));

	if (!core)
		return -ENOMEM;
	core->image = image;
	core->segments = calloc(image->nr_vmas + 1, sizeof(*core->segments));
	if (!core->segments) {
		free(core);
		return -ENOMEM;
	}
	(void)pthread_mutex_init(&core->lock, NULL);
	lay_out(core);
	*ret_core = core;
	return 0;
}

uint64_t core_size_bytes(const struct core *core)
{
	return core->size_bytes;
}

uint64_t core_present_pages(const struct core *core)
{
	return core->present_pages;
}

/* ---- the headers ---- */

static void write_ehdr(const struct core *core, uint8_t *at)
{
	int extended = is_extended(core);
	Elf64_Ehdr ehdr = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
			    ELFDATA2LSB, EV_CURRENT, ELFOSABI_NONE},
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(ehdr),
		.e_ehsize = sizeof(ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = PN_XNUM,
	};

	if (extended) {
		ehdr.e_shoff = section_offset(core);
		ehdr.e_shentsize = sizeof(Elf64_Shdr);
		ehdr.e_shnum = 1;
	} else {
		ehdr.e_phnum = (Elf64_Half)nr_headers(core);
	}
	memcpy(at, &ehdr, sizeof(ehdr));
}

static void write_shdr(const struct core *core, uint8_t *at)
{
	Elf64_Shdr shdr = {
		.sh_type = SHT_NULL,
		.sh_size = 1, /* e_shnum */
		.sh_info = (Elf64_Word)nr_headers(core),
	};

	if (is_extended(core))
		memcpy(at, &shdr, sizeof(shdr));
}

static void write_phdrs(const struct core *core, uint8_t *at)
{
	Elf64_Phdr phdr = {
		.p_type = PT_NOTE,
		.p_offset = notes_offset(core),
		.p_filesz = core->notes_bytes,
		.p_align = 4,
	};

	memcpy(at, &phdr, sizeof(phdr));
	for (uint32_t i = 0; i < core->nr_segments; i++) {
		const struct segment *segment = &core->segments[i];

		phdr = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_flags = segment->flags,
			.p_offset = segment->offset_bytes,
			.p_vaddr = segment->raddr,
			.p_filesz = segment->file_bytes,
			.p_memsz = segment->len_bytes,
			.p_align = PAGE_BYTES,
		};
		at += sizeof(phdr);
		memcpy(at, &phdr, sizeof(phdr));
	}
}

/* The headers, made once; NULL without memory. */
static const uint8_t *headers_of(struct core *core)
{
	const uint8_t *headers;

	(void)pthread_mutex_lock(&core->lock);
	if (!core->headers) {
		uint8_t *made = calloc(1, core->header_bytes);

		if (made) {
			write_ehdr(core, made);
			write_phdrs(core, made + sizeof(Elf64_Ehdr));
			write_shdr(core, made + section_offset(core));
			core_notes_write(core->image,
					 made + notes_offset(core));
		}
		core->headers = made;
	}
	headers = core->headers;
	(void)pthread_mutex_unlock(&core->lock);
	return headers;
}

/* ---- the bytes ---- */

/* The first segment that ends behind @offset_bytes, or nr_segments. */
static uint32_t segment_after(const struct core *core, uint64_t offset_bytes)
{
	uint32_t low = 0, high = core->nr_segments;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct segment *segment = &core->segments[middle];

		if (segment->offset_bytes + segment->file_bytes > offset_bytes)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static struct core_piece piece_of(const struct segment *segment,
				  uint64_t offset_bytes)
{
	uint64_t inside = offset_bytes - segment->offset_bytes;

	if (offset_bytes < segment->offset_bytes)
		return (struct core_piece){
			.kind = CORE_ZEROS,
			.len_bytes = segment->offset_bytes - offset_bytes,
		};
	return (struct core_piece){
		.kind = CORE_MEMORY,
		.len_bytes = segment->file_bytes - inside,
		.raddr = segment->raddr + inside,
	};
}

int core_piece_at(struct core *core, uint64_t offset_bytes,
		  struct core_piece *ret_piece)
{
	const uint8_t *headers;

	if (offset_bytes >= core->header_bytes) {
		*ret_piece = piece_of(
			&core->segments[segment_after(core, offset_bytes)],
			offset_bytes);
		return 0;
	}
	headers = headers_of(core);
	if (!headers)
		return -ENOMEM;
	*ret_piece = (struct core_piece){
		.kind = CORE_HEADERS,
		.len_bytes = core->header_bytes - offset_bytes,
		.bytes = headers + offset_bytes,
	};
	return 0;
}

/* The same in @segment, from @at in the file on; or where the segment ends. */
static uint64_t seek_in(const struct core *core, const struct segment *segment,
			uint64_t at, int whence)
{
	uint64_t raddr = segment->raddr, found;

	if (at < segment->offset_bytes && whence == SEEK_HOLE)
		return at; /* in the gap */
	if (at > segment->offset_bytes)
		raddr += at - segment->offset_bytes;
	found = whence == SEEK_DATA ? holes_next_data(core->image, raddr)
				    : holes_next_hole(core->image, raddr);
	found -= segment->raddr;
	if (found > segment->file_bytes)
		found = segment->file_bytes;
	return segment->offset_bytes + found;
}

/* Follow the file from segment to segment until one has what is wanted. */
uint64_t core_seek(const struct core *core, uint64_t offset_bytes, int whence)
{
	uint64_t at = offset_bytes;

	if (at < core->header_bytes) {
		if (whence == SEEK_DATA)
			return at;
		at = core->header_bytes;
	}
	for (uint32_t i = segment_after(core, at); i < core->nr_segments; i++) {
		const struct segment *segment = &core->segments[i];
		uint64_t end = segment->offset_bytes + segment->file_bytes;
		uint64_t found = seek_in(core, segment, at, whence);

		/* Behind each segment there is a gap, or the end of all. */
		if (whence == SEEK_HOLE || found < end)
			return found;
		at = end;
	}
	return core->size_bytes;
}

void core_free(struct core *core)
{
	if (!core)
		return;
	(void)pthread_mutex_destroy(&core->lock);
	free(core->headers);
	free(core->segments);
	free(core);
}

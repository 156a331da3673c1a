/* SPDX-License-Identifier: MIT */
#include "fs/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/json.h"
#include "common/page.h"

/* Where the kernel puts the name: fs/proc/task_mmu.c pads to this column. */
#define NAME_COLUMN 73

#define JSON_FORMAT_VERSION 1

static const char readme[] =
	"This is a process as it was at one moment, shown as files by "
	"mitosisfs.\n"
	"status        how this mount is doing (live; all else never changes)\n"
	"status.json   the same for programs; metrics for Prometheus\n"
	"faults        how long faults waited: a line is what they waited for, "
	"up to "
	"so\n"
	"              many ns, how many\n"
	"core          the process as an ELF core, at image/core too:\n"
	"              gdb EXE core; what is not looked at is not fetched\n"
	"files/        the files that it has mapped, from its host\n"
	"image/maps    its memory areas; the other names of /proc are there "
	"too\n"
	"image/vma/    one sparse file an area; holes were never touched\n"
	"image/by-name/     the same by what they are: heap, libc.so.6.0\n"
	"image/mem     all areas: the offset is the address\n"
	"image/exe     its executable\n"
	"image/image.json   what is in the image, for programs\n"
	"image/descriptor   everything but the pages, for mitosis-load\n"
	"It holds every secret of the process: mind where you copy it.\n";

const char *text_readme(void)
{
	return readme;
}

static int put_prefix(FILE *out, const struct image_vma *vma)
{
	return fprintf(out,
		       "%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64
		       " %02x:%02x %" PRIu64 " ",
		       vma->start, vma->end, vma->prot & PROT_READ ? 'r' : '-',
		       vma->prot & PROT_WRITE ? 'w' : '-',
		       vma->prot & PROT_EXEC ? 'x' : '-',
		       vma->flags & IMAGE_VMA_SHARED_MAP ? 's' : 'p',
		       vma->offset_bytes, vma->dev_major, vma->dev_minor,
		       vma->inode);
}

static void put_name(FILE *out, const char *name)
{
	for (; *name; name++)
		if (*name == '\n')
			fputs("\\012", out);
		else
			fputc(*name, out);
}

void text_put_area(FILE *out, const struct image_vma *vma)
{
	int column = put_prefix(out, vma);

	if (vma->name[0]) {
		fprintf(out, "%*s", NAME_COLUMN - column, "");
		put_name(out, vma->name);
	}
	fputc('\n', out);
}

FILE *text_open(char **text, size_t *len)
{
	FILE *out = open_memstream(text, len);

	/* No other thread sees it: a lock for each letter is dear. */
	if (out)
		(void)__fsetlocking(out, FSETLOCKING_BYCALLER);
	return out;
}

/* Close a memory stream: its text, or NULL when anything failed. */
static char *finish(FILE *out, char **text)
{
	int failed = ferror(out);

	if (fclose(out) || failed) {
		free(*text);
		return NULL;
	}
	return *text;
}

char *text_maps(const struct image *image)
{
	char *text = NULL;
	size_t len;
	FILE *out = text_open(&text, &len);

	if (!out)
		return NULL;
	for (uint32_t i = 0; i < image->nr_vmas; i++)
		text_put_area(out, &image->vmas[i]);
	return finish(out, &text);
}

static const char *kind_name(enum image_vma_kind kind)
{
	static const char *const names[] = {
		[IMAGE_VMA_ANON] = "anonymous",
		[IMAGE_VMA_HEAP] = "heap",
		[IMAGE_VMA_STACK] = "stack",
		[IMAGE_VMA_FILE] = "file",
		[IMAGE_VMA_SHARED] = "shared",
		[IMAGE_VMA_VDSO] = "vdso",
		[IMAGE_VMA_VVAR] = "vvar",
		[IMAGE_VMA_VSYSCALL] = "vsyscall",
	};

	return names[kind];
}

static void put_process(struct json *json, const struct image *image)
{
	json_u64(json, "format", JSON_FORMAT_VERSION);
	json_string(json, "arch", "x86_64");
	json_u64(json, "page_bytes", PAGE_BYTES);
	json_i64(json, "pid", image->pid);
	json_i64(json, "host_pid", image->host_pid);
	json_string(json, "comm", image->comm);
	json_string(json, "exe", image->exe);
	json_string(json, "cwd", image->cwd);
	json_string(json, "root", image->root);
	json_string(json, "hostname", image->hostname);
	json_string(json, "kernel", image->kernel);
	json_string(json, "boot_id", image->boot_id);
	json_u64(json, "captured_realtime_ns", image->captured_realtime_ns);
	json_u64(json, "pause_ns", image->pause_ns);
	json_u64(json, "prepare_ns", image->prepare_ns);
	json_object(json, "phase_ns");
	for (int phase = 0; phase < IMAGE_PHASES; phase++)
		json_u64(json, image_phase_name((enum image_phase)phase),
			 image->phase_ns[phase]);
	json_end(json);
	json_u64(json, "pages_present",
		 image_present_pages(image, 0, UINT64_MAX >> PAGE_SHIFT));
}

static void put_threads(struct json *json, const struct image *image)
{
	json_array(json, "threads");
	for (uint32_t i = 0; i < image->nr_threads; i++) {
		json_object(json, NULL);
		json_i64(json, "tid", image->threads[i].tid);
		json_string(json, "comm", image->threads[i].comm);
		json_end(json);
	}
	json_end(json);
}

static void put_areas(struct json *json, const struct image *image)
{
	json_array(json, "areas");
	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];

		json_object(json, NULL);
		json_hex(json, "start", vma->start);
		json_hex(json, "end", vma->end);
		json_string(json, "kind", kind_name(vma->kind));
		json_u64(json, "pages_present",
			 image_present_pages(image, page_of(vma->start),
					     page_of(vma->end - vma->start)));
		if (vma->name[0])
			json_string(json, "name", vma->name);
		json_end(json);
	}
	json_end(json);
}

static void put_files(struct json *json, const struct image *image)
{
	json_array(json, "files");
	for (uint32_t i = 0; i < image->nr_fds; i++) {
		json_object(json, NULL);
		json_i64(json, "fd", image->fds[i].fd);
		json_string(json, "path", image->fds[i].path);
		json_u64(json, "position_bytes", image->fds[i].pos_bytes);
		json_end(json);
	}
	json_end(json);
}

/* In the order of their objects on the wire. */
static void put_mapped(struct json *json, const struct image *image)
{
	json_array(json, "mapped_files");
	for (uint32_t i = 0; i < image->nr_mapped; i++) {
		const struct image_mapped *mapped = &image->mapped[i];

		json_object(json, NULL);
		json_string(json, "path", mapped->path);
		json_u64(json, "bytes", mapped->size_bytes);
		json_bool(json, "deleted",
			  mapped->flags & IMAGE_MAPPED_DELETED);
		json_bool(json, "readable",
			  !(mapped->flags & IMAGE_MAPPED_CLOSED));
		json_end(json);
	}
	json_end(json);
}

char *text_image_json(const struct image *image)
{
	char *text = NULL;
	size_t len;
	FILE *out = text_open(&text, &len);
	struct json json;

	if (!out)
		return NULL;
	json = json_to(out);
	json_object(&json, NULL);
	put_process(&json, image);
	put_threads(&json, image);
	put_areas(&json, image);
	put_files(&json, image);
	put_mapped(&json, image);
	json_end(&json);
	return finish(out, &text);
}

/* SPDX-License-Identifier: MIT */
/*
 * sample.h - a small image with one area of each sort, for the tests of fs/
 */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/image.h"

static inline void sample_vma(struct image *image, uint64_t start, uint64_t end,
			      enum image_vma_kind kind, const char *name)
{
	image->vmas[image->nr_vmas++] = (struct image_vma){
		.start = start,
		.end = end,
		.kind = kind,
		.prot = PROT_READ | PROT_WRITE,
		.name = strdup(name),
	};
}

/* 0x10000: 16 pages, of which 2, 3 and 9 are present; libc; stack; vvar. */
static inline struct image *sample_image(void)
{
	struct image *image = image_new();

	image->pid = image->host_pid = 77;
	image->captured_realtime_ns = 1700000000123456789;
	image->exe_bytes = 5000;
	strcpy(image->comm, "sample");
	image->exe = strdup("/bin/sample");
	image->cwd = strdup("/");
	image->root = strdup("/");
	image->boot_id = strdup("boot");
	image->hostname = strdup("parent");
	image->kernel = strdup("6.18");
	image->vmas = calloc(8, sizeof(image->vmas[0]));
	sample_vma(image, 0x10000, 0x20000, IMAGE_VMA_ANON, "");
	sample_vma(image, 0x7f0000000000, 0x7f0000004000, IMAGE_VMA_FILE,
		   "/lib/libc.so.6");
	image->vmas[1].prot = PROT_READ | PROT_EXEC;
	image->vmas[1].dev_major = 254;
	image->vmas[1].inode = 4711;
	image->vmas[1].offset_bytes = 0x28000;
	sample_vma(image, 0x7ffe00000000, 0x7ffe00002000, IMAGE_VMA_STACK,
		   "[stack]");
	sample_vma(image, 0x7fff00000000, 0x7fff00004000, IMAGE_VMA_VVAR,
		   "[vvar]");
	image->runs = calloc(4, sizeof(image->runs[0]));
	image->runs[0] = (struct image_run){0x12, 2};
	image->runs[1] = (struct image_run){0x19, 1};
	image->runs[2] = (struct image_run){0x7f0000000, 4};
	image->nr_runs = 3;
	image->texts = calloc(1, sizeof(image->texts[0]));
	image->texts[0] = (struct image_text){
		.name = strdup("cmdline"),
		.bytes = (uint8_t *)strdup("sample"),
		.len_bytes = 7,
	};
	image->nr_texts = 1;
	image->fds = calloc(2, sizeof(image->fds[0]));
	image->fds[0] = (struct image_fd){
		.fd = 3,
		.kind = IMAGE_FD_FILE,
		.open_flags = 02001,
		.cloexec = true,
		.pos_bytes = 123,
		.inode = 9,
		.path = strdup("/etc/hostname"),
	};
	image->fds[1] = (struct image_fd){
		.fd = 10,
		.kind = IMAGE_FD_PIPE,
		.path = strdup("pipe:[5]"),
	};
	image->nr_fds = 2;
	image->threads = calloc(1, sizeof(image->threads[0]));
	image->threads[0].tid = 77;
	strcpy(image->threads[0].comm, "worker");
	image->threads[0].sigmask = 0x10;
	image->threads[0].regs[REG_RIP_] = 0x7f0000001234;
	image->nr_threads = 1;
	return image;
}

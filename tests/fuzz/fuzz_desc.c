/* SPDX-License-Identifier: MIT */
/*
 * fuzz_desc.c - bytes that claim to be a descriptor
 *
 * What decodes must keep image.h's promises and encode to the same bytes again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/desc.h"
#include "common/image_check.h"
#include "common/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void demand(bool truth)
{
	if (!truth)
		abort();
}

static void encode_again(const struct image *image, const uint8_t *data,
			 size_t len)
{
	void *buf = NULL;
	size_t buf_len = 0;

	demand(!desc_encode(image, &buf, &buf_len));
	demand(buf_len == len && !memcmp(buf, data, len));
	free(buf);
}

static void look_up(const struct image *image)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];

		demand(image_vma_at(image, vma->start) == vma);
		demand(image_vma_at(image, vma->end - 1) == vma);
		pages += image_present_pages(image, page_of(vma->start),
					     page_of(vma->end - vma->start));
		demand(strlen(vma->name) <= IMAGE_STRING_MAX);
	}
	for (uint32_t i = 0; i < image->nr_runs; i++)
		pages -= image->runs[i].nr_pages;
	demand(!pages); /* every run lies in VMAs, and in no two */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct image *image = NULL;

	if (desc_decode(data, len, &image)) {
		demand(!image);
		return 0;
	}
	demand(!image_check(image, NULL));
	encode_again(image, data, len);
	look_up(image);
	image_free(image);
	return 0;
}

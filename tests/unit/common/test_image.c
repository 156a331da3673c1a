/* SPDX-License-Identifier: MIT */
/*
 * test_image.c - look-ups against a plain search through everything
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/image.h"
#include "common/page.h"
#include "sample_image.h"

static const struct image_vma *slow_vma_at(const struct image *image,
					   uint64_t raddr)
{
	for (uint32_t i = 0; i < image->nr_vmas; i++)
		if (image->vmas[i].start <= raddr && raddr < image->vmas[i].end)
			return &image->vmas[i];
	return NULL;
}

static uint64_t slow_present(const struct image *image, uint64_t page)
{
	for (uint32_t i = 0; i < image->nr_runs; i++)
		if (page >= image->runs[i].first_page &&
		    page - image->runs[i].first_page < image->runs[i].nr_pages)
			return 1;
	return 0;
}

static void check_vma_at(const struct image *image, uint64_t raddr)
{
	assert_ptr_equal(image_vma_at(image, raddr), slow_vma_at(image, raddr));
}

static void test_vma_at(void **state)
{
	struct image *image = sample_image();

	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];

		assert_ptr_equal(image_vma_at(image, vma->start), vma);
		check_vma_at(image, vma->start - 1);
		check_vma_at(image, vma->end - 1);
		check_vma_at(image, vma->end);
	}
	check_vma_at(image, 0);
	check_vma_at(image, UINT64_MAX);
	image_free(image);
}

static void test_run_after(void **state)
{
	struct image *image = sample_image();

	assert_ptr_equal(image_run_after(image, 0), &image->runs[0]);
	assert_ptr_equal(image_run_after(image, 18), &image->runs[0]);
	assert_ptr_equal(image_run_after(image, 22), &image->runs[0]);
	assert_ptr_equal(image_run_after(image, 23), &image->runs[1]);
	assert_ptr_equal(image_run_after(image, 64), &image->runs[2]);
	assert_ptr_equal(image_run_after(image, 65), &image->runs[3]);
	assert_ptr_equal(image_run_after(image, 0x7ffffff05), &image->runs[5]);
	assert_null(image_run_after(image, 0x7ffffff06));
	image_free(image);
}

static void test_present_pages(void **state)
{
	struct image *image = sample_image();

	for (uint64_t first = 10; first < 90; first++) {
		uint64_t present = 0;

		for (uint64_t nr = 0; nr < 80; nr++) {
			assert_int_equal(image_present_pages(image, first, nr),
					 present);
			present += slow_present(image, first + nr);
		}
	}
	assert_int_equal(image_present_pages(image, 0, UINT64_MAX),
			 5 + 15 + 1 + 14 + 16 + 2);
	assert_int_equal(image_present_pages(image, 20, UINT64_MAX),
			 3 + 15 + 1 + 14 + 16 + 2);
	image_free(image);
}

static void test_empty_image(void **state)
{
	struct image *image = image_new();

	assert_non_null(image);
	assert_null(image_vma_at(image, 4096));
	assert_null(image_run_after(image, 0));
	assert_int_equal(image_present_pages(image, 0, 100), 0);
	assert_null(image_text(image, "status"));
	image_free(image);
	image_free(NULL);
}

static void test_text(void **state)
{
	struct image *image = sample_image();

	assert_ptr_equal(image_text(image, "environ"), &image->texts[2]);
	assert_null(image_text(image, "env"));
	image_free(image);
}

static void test_anonymous_kinds(void **state)
{
	static const bool anonymous[] = {
		[IMAGE_VMA_ANON] = true,    [IMAGE_VMA_HEAP] = true,
		[IMAGE_VMA_STACK] = true,   [IMAGE_VMA_FILE] = false,
		[IMAGE_VMA_SHARED] = false, [IMAGE_VMA_VDSO] = false,
		[IMAGE_VMA_VVAR] = false,   [IMAGE_VMA_VSYSCALL] = false,
	};

	for (int i = IMAGE_VMA_ANON; i <= IMAGE_VMA_VSYSCALL; i++) {
		struct image_vma vma = {.kind = (enum image_vma_kind)i};

		assert_int_equal(image_vma_is_anonymous(&vma), anonymous[i]);
	}
}

/* Counts already set, arrays not there yet: what a failed capture leaves. */
static void test_free_half_built(void **state)
{
	struct image *image = image_new();

	assert_non_null(image);
	image->nr_vmas = 5;
	image->nr_fds = 5;
	image->nr_texts = 5;
	image->nr_threads = 2;
	image->threads = calloc(2, sizeof(*image->threads));
	image->exe = strdup("/bin/true");
	image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vma_at),
		cmocka_unit_test(test_run_after),
		cmocka_unit_test(test_present_pages),
		cmocka_unit_test(test_empty_image),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_anonymous_kinds),
		cmocka_unit_test(test_free_half_built),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * same_image.c - plain bytes at once, what is pointed at one by one
 *
 * Structures are compared as bytes with their pointers blanked, so a new field
 * takes part without a line here.  That works because both sides start as
 * zeroed memory: padding is zero too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "same_image.h"

static void same_text(const char *a, const char *b)
{
	assert_non_null(a);
	assert_non_null(b);
	assert_string_equal(a, b);
}

static void same_bytes(const void *a, const void *b, size_t len)
{
	if (len)
		assert_memory_equal(a, b, len);
}

static void same_threads(const struct image *a, const struct image *b)
{
	for (uint32_t i = 0; i < a->nr_threads; i++) {
		struct image_thread left, right;

		memcpy(&left, &a->threads[i], sizeof(left));
		memcpy(&right, &b->threads[i], sizeof(right));
		same_bytes(left.xstate, right.xstate, left.xstate_bytes);
		same_bytes(left.cpus, right.cpus, left.cpus_bytes);
		left.xstate = right.xstate = NULL;
		left.cpus = right.cpus = NULL;
		assert_memory_equal(&left, &right, sizeof(left));
	}
}

static void same_vmas(const struct image *a, const struct image *b)
{
	for (uint32_t i = 0; i < a->nr_vmas; i++) {
		struct image_vma left, right;

		memcpy(&left, &a->vmas[i], sizeof(left));
		memcpy(&right, &b->vmas[i], sizeof(right));
		same_text(left.name, right.name);
		left.name = right.name = NULL;
		assert_memory_equal(&left, &right, sizeof(left));
	}
}

static void same_fds(const struct image *a, const struct image *b)
{
	for (uint32_t i = 0; i < a->nr_fds; i++) {
		struct image_fd left, right;

		memcpy(&left, &a->fds[i], sizeof(left));
		memcpy(&right, &b->fds[i], sizeof(right));
		same_text(left.path, right.path);
		same_bytes(left.data, right.data, left.data_bytes);
		same_bytes(left.options, right.options,
			   left.nr_options * sizeof(*left.options));
		left.path = right.path = NULL;
		left.data = right.data = NULL;
		left.options = right.options = NULL;
		assert_memory_equal(&left, &right, sizeof(left));
	}
}

static void same_texts(const struct image *a, const struct image *b)
{
	for (uint32_t i = 0; i < a->nr_texts; i++) {
		same_text(a->texts[i].name, b->texts[i].name);
		assert_int_equal(a->texts[i].len_bytes, b->texts[i].len_bytes);
		same_bytes(a->texts[i].bytes, b->texts[i].bytes,
			   a->texts[i].len_bytes);
	}
}

static void same_mapped(const struct image *a, const struct image *b)
{
	for (uint32_t i = 0; i < a->nr_mapped; i++) {
		struct image_mapped left, right;

		memcpy(&left, &a->mapped[i], sizeof(left));
		memcpy(&right, &b->mapped[i], sizeof(right));
		same_text(left.path, right.path);
		left.path = right.path = NULL;
		assert_memory_equal(&left, &right, sizeof(left));
	}
	for (uint32_t i = 0; i < a->nr_aliases; i++) {
		assert_int_equal(a->aliases[i].mapped, b->aliases[i].mapped);
		same_text(a->aliases[i].path, b->aliases[i].path);
	}
}

static void blank_pointers(struct image *image)
{
	image->boot_id = image->hostname = image->kernel = NULL;
	image->exe = image->cwd = image->root = NULL;
	image->groups = NULL;
	image->threads = NULL;
	image->vmas = NULL;
	image->runs = image->guards = NULL;
	image->fds = NULL;
	image->epolls = NULL;
	image->timers = NULL;
	image->pending = NULL;
	image->texts = NULL;
	image->mapped = NULL;
	image->aliases = NULL;
	image->arena = NULL;
}

/* The counts of both are among these bytes: after this they are equal. */
static void same_plain_fields(const struct image *a, const struct image *b)
{
	struct image left, right;

	memcpy(&left, a, sizeof(left));
	memcpy(&right, b, sizeof(right));
	blank_pointers(&left);
	blank_pointers(&right);
	assert_memory_equal(&left, &right, sizeof(left));
}

void assert_same_image(const struct image *a, const struct image *b)
{
	same_plain_fields(a, b);
	same_text(a->boot_id, b->boot_id);
	same_text(a->hostname, b->hostname);
	same_text(a->kernel, b->kernel);
	same_text(a->exe, b->exe);
	same_text(a->cwd, b->cwd);
	same_text(a->root, b->root);
	same_bytes(a->groups, b->groups, a->nr_groups * sizeof(*a->groups));
	same_bytes(a->runs, b->runs, a->nr_runs * sizeof(*a->runs));
	same_bytes(a->guards, b->guards, a->nr_guards * sizeof(*a->guards));
	same_bytes(a->epolls, b->epolls, a->nr_epolls * sizeof(*a->epolls));
	same_bytes(a->timers, b->timers, a->nr_timers * sizeof(*a->timers));
	same_bytes(a->pending, b->pending, a->nr_pending * sizeof(*a->pending));
	same_threads(a, b);
	same_vmas(a, b);
	same_fds(a, b);
	same_texts(a, b);
	same_mapped(a, b);
}

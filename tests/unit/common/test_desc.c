/* SPDX-License-Identifier: MIT */
/*
 * test_desc.c - the descriptor there and back, cut, bent and overfull
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "common/desc.h"
#include "same_image.h"
#include "sample_image.h"

struct bytes {
	uint8_t *at;
	size_t len;
};

static struct bytes encode(const struct image *image)
{
	struct bytes bytes;
	void *buf = NULL;

	assert_int_equal(desc_encode(image, &buf, &bytes.len), 0);
	bytes.at = buf;
	return bytes;
}

static struct bytes encoded_sample(void)
{
	struct image *image = sample_image();
	struct bytes bytes = encode(image);

	image_free(image);
	return bytes;
}

/* In a buffer of exactly @len bytes, so that a sanitizer sees one too many. */
static int decode_copy(const uint8_t *at, size_t len, struct image **ret)
{
	uint8_t *copy = malloc(len ? len : 1);
	int error;

	assert_non_null(copy);
	memcpy(copy, at, len);
	error = desc_decode(copy, len, ret);
	free(copy);
	return error;
}

static int decode_error(struct bytes bytes)
{
	struct image *image = NULL;
	int error = decode_copy(bytes.at, bytes.len, &image);

	image_free(image);
	return error;
}

static void test_round_trip(void **state)
{
	struct image *image = sample_image(), *back = NULL;
	struct bytes bytes = encode(image), again;

	assert_int_equal(decode_copy(bytes.at, bytes.len, &back), 0);
	assert_same_image(image, back);
	again = encode(back);
	assert_int_equal(again.len, bytes.len);
	assert_memory_equal(again.at, bytes.at, bytes.len);
	free(again.at);
	free(bytes.at);
	image_free(image);
	image_free(back);
}

/* How long the encoding took is written where it belongs, and only there. */
static void test_encoding_is_noted(void **state)
{
	struct image *image = sample_image(), *back = NULL;
	struct bytes bytes = encode(image);

	desc_note_encoded(bytes.at, 0x123456789abcdef0);
	assert_int_equal(decode_copy(bytes.at, bytes.len, &back), 0);
	image->phase_ns[IMAGE_PHASE_ENCODE] = 0x123456789abcdef0;
	assert_same_image(image, back);
	free(bytes.at);
	image_free(image);
	image_free(back);
}

/* What is empty or NULL comes back as "" and NULL. */
static void test_round_trip_of_little(void **state)
{
	struct image *image = image_new(), *back = NULL;
	struct image_thread thread = {.tid = 1, .restart_nr = -1};
	struct bytes bytes;

	assert_non_null(image);
	image->pid = 1;
	image->threads = &thread;
	image->nr_threads = 1;
	bytes = encode(image);
	assert_int_equal(decode_copy(bytes.at, bytes.len, &back), 0);
	assert_string_equal(back->exe, "");
	assert_null(back->vmas);
	assert_int_equal(back->nr_vmas, 0);
	free(bytes.at);
	image_free(back);
	image->threads = NULL;
	image_free(image);
}

#define NR_LEAST 60

/* Elements with nothing in them but what image_check() asks for. */
static struct {
	struct image_thread threads[NR_LEAST];
	struct image_vma vmas[NR_LEAST];
	struct image_run runs[NR_LEAST];
	struct image_fd fds[NR_LEAST];
	struct image_epoll epolls[NR_LEAST];
	struct image_timer timers[NR_LEAST];
	struct image_pending pending[NR_LEAST];
	struct image_text texts[NR_LEAST];
	struct image_mapped mapped[NR_LEAST];
	struct image_alias aliases[NR_LEAST];
	char names[NR_LEAST][2];
} least;

static char slash_a[] = "/a"; /* the shortest path of a file */

static void fill_least(void)
{
	for (int i = 0; i < NR_LEAST; i++) {
		least.threads[i].tid = 1 + i;
		least.vmas[i].kind = IMAGE_VMA_ANON;
		least.vmas[i].start = (uint64_t)(2 * i + 1) << 12;
		least.vmas[i].end = (uint64_t)(2 * i + 2) << 12;
		least.runs[i].first_page = (uint64_t)(2 * i + 1);
		least.runs[i].nr_pages = 1;
		least.fds[i].fd = i;
		least.fds[i].kind = IMAGE_FD_EPOLL;
		least.fds[i].same_as = -1;
		least.pending[i].siginfo[0] = 1;
		least.names[i][0] = (char)('0' + i);
		least.texts[i].name = least.names[i];
		least.vmas[i].inode = 1;
		least.mapped[i].raddr = least.vmas[i].start;
		least.mapped[i].path = slash_a;
		least.aliases[i].path = slash_a;
	}
}

/* Sections up to @last are full, the others empty. */
static void check_least(int last)
{
	struct image image = {
		.pid = 1,
		.threads = least.threads,
		.nr_threads = NR_LEAST,
		.vmas = least.vmas,
		.nr_vmas = last >= 1 ? NR_LEAST : 0,
		.runs = least.runs,
		.nr_runs = last >= 2 ? NR_LEAST : 0,
		.guards = least.runs,
		.nr_guards = last >= 3 ? NR_LEAST : 0,
		.fds = least.fds,
		.nr_fds = last >= 4 ? NR_LEAST : 0,
		.epolls = least.epolls,
		.nr_epolls = last >= 5 ? NR_LEAST : 0,
		.timers = least.timers,
		.nr_timers = last >= 6 ? NR_LEAST : 0,
		.pending = least.pending,
		.nr_pending = last >= 7 ? NR_LEAST : 0,
		.texts = least.texts,
		.nr_texts = last >= 8 ? NR_LEAST : 0,
		.mapped = least.mapped,
		.nr_mapped = last >= 9 ? NR_LEAST : 0,
		.aliases = least.aliases,
		.nr_aliases = last >= 10 ? NR_LEAST : 0,
	};
	struct bytes bytes = encode(&image);

	if (decode_error(bytes))
		fail_msg("section %d: refused", last);
	free(bytes.at);
}

/* A true count must not look like a lie: there are bytes enough, just so. */
static void test_smallest_elements(void **state)
{
	fill_least();
	for (int last = 0; last < 11; last++)
		check_least(last);
}

static void test_nul_inside_a_string(void **state)
{
	struct bytes bytes = encoded_sample();
	uint8_t *at = memmem(bytes.at, bytes.len, "boot-", 5);

	assert_non_null(at);
	at[2] = 0;
	assert_int_equal(decode_error(bytes), -EPROTO);
	free(bytes.at);
}

static void test_cut_anywhere(void **state)
{
	struct bytes bytes = encoded_sample();

	for (size_t len = 0; len < bytes.len; len++)
		assert_int_equal(decode_error((struct bytes){bytes.at, len}),
				 -EPROTO);
	free(bytes.at);
}

static void test_one_byte_more(void **state)
{
	struct bytes bytes = encoded_sample();

	bytes.at = realloc(bytes.at, bytes.len + 1);
	assert_non_null(bytes.at);
	bytes.at[bytes.len++] = 0;
	assert_int_equal(decode_error(bytes), -EPROTO);
	free(bytes.at);
}

static void test_magic_and_version(void **state)
{
	struct bytes bytes = encoded_sample();

	bytes.at[4]++;
	assert_int_equal(decode_error(bytes), -EPROTONOSUPPORT);
	bytes.at[0]++;
	assert_int_equal(decode_error(bytes), -EPROTO);
	free(bytes.at);
}

/* A bent descriptor is refused, or is another image's exact encoding. */
static void check_bent(struct bytes bytes)
{
	struct image *image = NULL;
	int error = decode_copy(bytes.at, bytes.len, &image);
	struct bytes again;

	if (error) {
		assert_true(error == -EPROTO || error == -E2BIG ||
			    error == -EPROTONOSUPPORT);
		assert_null(image);
		return;
	}
	again = encode(image);
	assert_int_equal(again.len, bytes.len);
	assert_memory_equal(again.at, bytes.at, bytes.len);
	free(again.at);
	image_free(image);
}

static void test_bits_flipped(void **state)
{
	struct bytes bytes = encoded_sample();

	for (size_t i = 0; i < bytes.len; i++) {
		uint8_t was = bytes.at[i];

		bytes.at[i] ^= (uint8_t)(1u << i % 8);
		check_bent(bytes);
		bytes.at[i] = (uint8_t)~was;
		check_bent(bytes);
		bytes.at[i] = was;
	}
	free(bytes.at);
}

struct limit {
	const char *mark;
	size_t nr_offset; /* in struct image */
	uint32_t max;
};

#define LIMIT(mark, field, max)                                                \
	{                                                                      \
		mark, offsetof(struct image, field), max                       \
	}

static const struct limit limits[] = {
	LIMIT("THRD", nr_threads, IMAGE_THREADS_MAX),
	LIMIT("VMAS", nr_vmas, IMAGE_VMAS_MAX),
	LIMIT("RUNS", nr_runs, IMAGE_RUNS_MAX),
	LIMIT("GURD", nr_guards, IMAGE_RUNS_MAX),
	LIMIT("FDSS", nr_fds, IMAGE_FDS_MAX),
	LIMIT("EPOL", nr_epolls, IMAGE_EPOLLS_MAX),
	LIMIT("TIMR", nr_timers, IMAGE_TIMERS_MAX),
	LIMIT("PEND", nr_pending, IMAGE_PENDING_MAX),
	LIMIT("TEXT", nr_texts, IMAGE_TEXTS_MAX),
};

#define NR_LIMITS (sizeof(limits) / sizeof(limits[0]))

static void test_encode_refuses_counts(void **state)
{
	struct image *image = sample_image();
	void *buf = NULL;
	size_t len;

	for (size_t i = 0; i < NR_LIMITS; i++) {
		char *at = (char *)image + limits[i].nr_offset;
		uint32_t was, over = limits[i].max + 1;

		memcpy(&was, at, sizeof(was));
		memcpy(at, &over, sizeof(over));
		assert_int_equal(desc_encode(image, &buf, &len), -E2BIG);
		memcpy(at, &was, sizeof(was));
	}
	assert_null(buf);
	image_free(image);
}

/* A count that cannot be true is refused before anything is allocated for it */
static void test_decode_refuses_counts(void **state)
{
	struct bytes bytes = encoded_sample();

	for (size_t i = 0; i < NR_LIMITS; i++) {
		uint8_t *at = memmem(bytes.at, bytes.len, limits[i].mark, 4);
		uint32_t was, over = limits[i].max + 1;

		assert_non_null(at);
		at += 4;
		memcpy(&was, at, sizeof(was));
		memcpy(at, &over, sizeof(over));
		assert_int_equal(decode_error(bytes), -E2BIG);
		memcpy(at, &limits[i].max, sizeof(was));
		assert_int_equal(decode_error(bytes), -EPROTO);
		memcpy(at, &was, sizeof(was));
	}
	assert_int_equal(decode_error(bytes), 0);
	free(bytes.at);
}

/* Where the options of the sample's listener begin: their count. */
static uint8_t *options_of(struct bytes bytes)
{
	static const int32_t first[] = {SOL_SOCKET, SO_BINDTODEVICE};
	uint8_t *at = memmem(bytes.at, bytes.len, first, sizeof(first));

	assert_non_null(at);
	return at - sizeof(uint32_t);
}

static void test_counts_of_options(void **state)
{
	struct bytes bytes = encoded_sample();
	uint8_t *count = options_of(bytes), *size = count + 3 * 4;
	const uint32_t over = IMAGE_OPTIONS_MAX + 1;
	const uint32_t nr = 3, large = IMAGE_OPTION_BYTES_MAX + 1;
	struct image *image = sample_image();
	void *buf = NULL;
	size_t len;

	assert_memory_equal(count, &nr, sizeof(nr));
	memcpy(count, &over, sizeof(over));
	assert_int_equal(decode_error(bytes), -E2BIG);
	memcpy(count, &nr, sizeof(nr));
	memcpy(size, &large, sizeof(large));
	assert_int_equal(decode_error(bytes), -E2BIG);
	image->fds[IMAGE_FD_LISTENER - 1].nr_options = IMAGE_OPTIONS_MAX + 1;
	assert_int_equal(desc_encode(image, &buf, &len), -E2BIG);
	image_free(image);
	free(bytes.at);
}

static void replace_blob(uint8_t **blob, uint32_t *len, uint32_t new_len)
{
	free(*blob);
	*blob = calloc(1, new_len);
	assert_non_null(*blob);
	*len = new_len;
}

static void replace_text(char **text, size_t len)
{
	free(*text);
	*text = calloc(1, len + 1);
	assert_non_null(*text);
	memset(*text, 'x', len);
}

/* Grow one thing of a sample to its maximum plus @more. */
static void grow(struct image *image, int what, unsigned more)
{
	struct image_thread *thread = &image->threads[0];
	struct image_fd *fd = &image->fds[0];
	struct image_text *text = &image->texts[0];

	switch (what) {
	case 0:
		replace_text(&image->exe, IMAGE_STRING_MAX + more);
		break;
	case 1:
		replace_text(&image->vmas[0].name, IMAGE_STRING_MAX + more);
		break;
	case 2:
		replace_text(&text->name, IMAGE_STRING_MAX + more);
		break;
	case 3:
		replace_blob(&thread->xstate, &thread->xstate_bytes,
			     IMAGE_XSTATE_MAX + more);
		break;
	case 4:
		replace_blob(&fd->data, &fd->data_bytes,
			     IMAGE_FD_DATA_MAX + more);
		break;
	case 5: {
		struct image_fd *listener = &image->fds[IMAGE_FD_LISTENER - 1];

		/* More than its row has is refused, and not here. */
		listener->options[1].bytes = IMAGE_OPTION_BYTES_MAX + more;
		break;
	}
	default:
		replace_blob(&text->bytes, &text->len_bytes,
			     IMAGE_TEXT_MAX + more);
		break;
	}
}

static void test_lengths_at_their_maximum(void **state)
{
	for (int what = 0; what < 7; what++) {
		struct image *image = sample_image(), *back = NULL;
		struct bytes bytes;
		void *buf = NULL;
		size_t len;

		grow(image, what, 0);
		bytes = encode(image);
		assert_int_equal(desc_decode(bytes.at, bytes.len, &back), 0);
		assert_same_image(image, back);
		free(bytes.at);
		image_free(back);
		grow(image, what, 1);
		assert_int_equal(desc_encode(image, &buf, &len), -E2BIG);
		image_free(image);
	}
}

static void test_most_threads_and_groups(void **state)
{
	struct image *image = sample_image(), *back = NULL;
	struct bytes bytes;

	for (uint32_t i = 0; i < image->nr_threads; i++)
		free(image->threads[i].xstate);
	free(image->threads);
	image->nr_threads = IMAGE_THREADS_MAX;
	image->threads = calloc(IMAGE_THREADS_MAX, sizeof(*image->threads));
	assert_non_null(image->threads);
	for (uint32_t i = 0; i < IMAGE_THREADS_MAX; i++)
		image->threads[i].tid = 100 + (int32_t)i;
	free(image->groups);
	image->nr_groups = IMAGE_GROUPS_MAX;
	image->groups = calloc(IMAGE_GROUPS_MAX, sizeof(*image->groups));
	assert_non_null(image->groups);
	bytes = encode(image);
	assert_int_equal(desc_decode(bytes.at, bytes.len, &back), 0);
	assert_same_image(image, back);
	free(bytes.at);
	image_free(back);
	image->nr_groups++;
	assert_int_equal(desc_encode(image, (void **)&bytes.at, &bytes.len),
			 -E2BIG);
	image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_encoding_is_noted),
		cmocka_unit_test(test_round_trip_of_little),
		cmocka_unit_test(test_smallest_elements),
		cmocka_unit_test(test_nul_inside_a_string),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_one_byte_more),
		cmocka_unit_test(test_magic_and_version),
		cmocka_unit_test(test_bits_flipped),
		cmocka_unit_test(test_encode_refuses_counts),
		cmocka_unit_test(test_decode_refuses_counts),
		cmocka_unit_test(test_counts_of_options),
		cmocka_unit_test(test_lengths_at_their_maximum),
		cmocka_unit_test(test_most_threads_and_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Which mounts may share a server, and what they say to each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/image.h"
#include "fs/share_link.h"
#include "rdmafetch/sec_munge.h"

#define PLAIN "host:/image/a"

static const uint8_t desc[] = "all but its pages";
static const struct image taken = {.captured_realtime_ns = 5,
				   .captured_boottime_ns = 6};
static const struct share_image plain_image = {&taken, desc, sizeof(desc),
					       false};

/* The terms of "mitosisfs @source /mnt -o lease=1@words". */
static struct share_terms terms_of(const char *source, const char *words)
{
	char name[] = "mitosisfs", where[64], mnt[] = "/mnt", flag[] = "-o",
	     opts[128];
	char *argv[] = {name, where, mnt, flag, opts, NULL};
	struct options options;
	struct share_terms terms;

	(void)snprintf(where, sizeof(where), "%s", source);
	(void)snprintf(opts, sizeof(opts), "lease=1%s", words);
	if (options_parse(5, argv, &options))
		fail_msg("'%s': %s", words, options.why);
	memset(&terms, 0xee, sizeof(terms));
	share_terms_of(&options, &plain_image, &terms);
	options_done(&options);
	return terms;
}

static enum share_term differs_by(const char *words)
{
	struct share_terms plain = terms_of(PLAIN, ""),
			   other = terms_of(PLAIN, words);
	char a[SHARE_NAME_MAX + 1], b[SHARE_NAME_MAX + 1];

	share_name(&plain, a);
	share_name(&other, b);
	assert_int_equal(strlen(a), SHARE_NAME_MAX);
	assert_memory_equal(a, b, SHARE_PREFIX_LEN);
	assert_int_equal(!strcmp(a, b),
			 share_differ(&plain, &other) == SHARE_NR_TERMS);
	return share_differ(&plain, &other);
}

static void what_shows_must_agree(void **state)
{
	static const struct {
		const char *words;
		enum share_term term;
	} rows[] = {
		{",port=7374", SHARE_PORT},
		{",socket=/x", SHARE_SOCKET},
		{",allow_other", SHARE_ALLOW_OTHER},
		{",uid=77", SHARE_UID},
		{",gid=77", SHARE_GID},
		{",hard,sharecache", SHARE_HARD},
		{",timeo=51", SHARE_TIMEO},
		{",retrans=3", SHARE_RETRANS},
		{",mode=cow", SHARE_MODE},
		{",mode=eager", SHARE_MODE},
		{",prefetch=seq", SHARE_PREFETCH},
		{",prefetch=trace", SHARE_PREFETCH},
		{",prefetch=0", SHARE_PREFETCH},
		{",prefetch=64", SHARE_PREFETCH},
		{",readahead=64", SHARE_READAHEAD},
		{",cache=off", SHARE_CACHE},
		{",stash=/s", SHARE_CACHE},
		{",cache_ttl=4", SHARE_CACHE_TTL},
		{",threads=7", SHARE_THREADS},
		{",fuse=dev", SHARE_FUSE},
		{",proto=tcp", SHARE_PROTO},
		{",rdma_dev=rxe0", SHARE_RDMA_DEV},
		{",profile", SHARE_PROFILE},
		{",debug", SHARE_DEBUG},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (differs_by(rows[i].words) != rows[i].term)
			fail_msg("'%s' differs by %u", rows[i].words,
				 differs_by(rows[i].words));
}

/* Only one of these could go warm. */
static void a_warm_mount_joins_no_other(void **state)
{
	struct share_terms warm = terms_of(PLAIN, ",mode=eager"),
			   off = terms_of(PLAIN, ",mode=eager,warm=off");

	assert_int_equal(share_differ(&warm, &off), SHARE_WARM);
}

static void stashes_must_agree(void **state)
{
	struct share_terms a = terms_of(PLAIN, ",stash=/a");
	struct share_terms b = terms_of(PLAIN, ",stash=/b");
	struct share_terms small = terms_of(PLAIN, ",stash=/a,cache_size=2M");

	assert_int_equal(share_differ(&a, &b), SHARE_STASH);
	assert_int_equal(share_differ(&a, &small), SHARE_CACHE_SIZE);
}

static void sockets_of_munged_must_agree(void **state)
{
	struct share_terms a, b;

	if (!sec_munge_is_built)
		skip();
	a = terms_of(PLAIN, ",sec=munge");
	b = terms_of(PLAIN, ",sec=munge,munge_socket=/m");
	assert_int_equal(share_differ(&a, &b), SHARE_MUNGE_SOCKET);
}

static void what_does_not_show_may_differ(void **state)
{
	static const char *const rows[] = {
		",lease=99",	  ",retry=3",	  ",mode=prefetch",
		",cache=kernel",  ",cache_ttl=5", ",prefetch=auto",
		",readahead=128", ",timeo=50",	  ",soft",
		",sharecache",	  ",reconnect",	  ",proto=auto",
		",sec=none",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (differs_by(rows[i]) != SHARE_NR_TERMS)
			fail_msg("'%s' differs by %s", rows[i],
				 share_term_name(differs_by(rows[i])));
}

static void source_must_agree_to_the_letter(void **state)
{
	struct share_terms plain = terms_of(PLAIN, ""),
			   other = terms_of("HOST:/image/a", ""),
			   local = terms_of("unix:/image/a", "");

	assert_int_equal(share_differ(&plain, &other), SHARE_SOURCE);
	assert_int_equal(share_differ(&plain, &local), SHARE_SOURCE);
}

static struct share_terms terms_with(const struct options *options,
				     const struct image *image,
				     const void *bytes, size_t len)
{
	const struct share_image open = {image, bytes, len, false};
	struct share_terms terms;

	share_terms_of(options, &open, &terms);
	return terms;
}

/* Taken anew it is another image, if all else is the same; so is one bit. */
static void each_image_is_another(void **state)
{
	char name[] = "mitosisfs", where[] = PLAIN, mnt[] = "/mnt";
	char *argv[] = {name, where, mnt, NULL};
	char plain_name[SHARE_NAME_MAX + 1], other_name[SHARE_NAME_MAX + 1];
	struct image later = taken, booted = taken;
	struct share_terms plain = terms_of(PLAIN, ""), other;
	struct share_image traced = plain_image;
	uint8_t bit[sizeof(desc)];
	struct options options;

	assert_int_equal(options_parse(3, argv, &options), 0);
	later.captured_realtime_ns++;
	booted.captured_boottime_ns++;
	share_name(&plain, plain_name);
	other = terms_with(&options, &later, desc, sizeof(desc));
	assert_memory_not_equal(plain.image, other.image, sizeof(plain.image));
	share_name(&other, other_name);
	assert_memory_not_equal(plain_name, other_name, SHARE_PREFIX_LEN);
	other = terms_with(&options, &booted, desc, sizeof(desc));
	assert_memory_not_equal(plain.image, other.image, sizeof(plain.image));
	for (size_t i = 0; i < 8 * sizeof(desc); i++) {
		memcpy(bit, desc, sizeof(desc));
		bit[i / 8] ^= (uint8_t)(1u << i % 8);
		other = terms_with(&options, &taken, bit, sizeof(bit));
		assert_memory_not_equal(plain.image, other.image,
					sizeof(plain.image));
	}
	other = terms_with(&options, &taken, desc, sizeof(desc) - 1);
	assert_memory_not_equal(plain.image, other.image, sizeof(plain.image));
	traced.has_trace = true;
	share_terms_of(&options, &traced, &other);
	assert_int_equal(share_differ(&plain, &other), SHARE_TRACE);
	options_done(&options);
}

static void every_term_has_a_name(void **state)
{
	for (unsigned i = 0; i < SHARE_NR_TERMS; i++)
		assert_non_null(share_term_name((enum share_term)i));
}

static void requests_arrive_whole_or_not(void **state)
{
	struct share_terms terms = terms_of(PLAIN, ""), got;
	struct share_request request;
	uint8_t longer[sizeof(request) + 1] = {0};

	share_put_request(&terms, &request);
	assert_int_equal(share_get_request(&request, sizeof(request), &got), 0);
	assert_memory_equal(&got, &terms, sizeof(terms));
	memcpy(longer, &request, sizeof(request));
	for (size_t len = 0; len <= sizeof(longer); len++)
		if (len != sizeof(request))
			assert_int_equal(share_get_request(longer, len, &got),
					 -EPROTO);
	request.magic++;
	assert_int_equal(share_get_request(&request, sizeof(request), &got),
			 -EPROTO);
	request.magic--;
	request.nr_terms++;
	assert_int_equal(share_get_request(&request, sizeof(request), &got),
			 -EPROTO);
}

static void replies_say_one_thing(void **state)
{
	const struct {
		struct share_reply reply;
		int r;
	} rows[] = {
		{{SHARE_MAGIC, SHARE_YES, 0, 0}, 0},
		{{SHARE_MAGIC, SHARE_WAIT, 0, 0}, 0},
		{{SHARE_MAGIC, SHARE_NO, SHARE_MODE, 0}, 0},
		{{SHARE_MAGIC, SHARE_NO, SHARE_NR_TERMS, 0}, 0},
		{{SHARE_MAGIC, SHARE_CANNOT, 0, EPERM}, 0},
		{{SHARE_MAGIC + 1, SHARE_YES, 0, 0}, -EPROTO},
		{{SHARE_MAGIC, 0, 0, 0}, -EPROTO},
		{{SHARE_MAGIC, SHARE_VERDICTS_END, 0, 0}, -EPROTO},
		{{SHARE_MAGIC, SHARE_YES, 1, 0}, -EPROTO},
		{{SHARE_MAGIC, SHARE_WAIT, 0, 1}, -EPROTO},
		{{SHARE_MAGIC, SHARE_NO, SHARE_NR_TERMS + 1, 0}, -EPROTO},
		{{SHARE_MAGIC, SHARE_NO, 0, 1}, -EPROTO},
		{{SHARE_MAGIC, SHARE_CANNOT, 0, 0}, -EPROTO},
		{{SHARE_MAGIC, SHARE_CANNOT, 0, 4096}, -EPROTO},
		{{SHARE_MAGIC, SHARE_CANNOT, 1, EPERM}, -EPROTO},
	};
	struct share_reply got;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct share_reply *reply = &rows[i].reply;

		if (share_get_reply(reply, sizeof(*reply), &got) != rows[i].r)
			fail_msg("row %zu", i);
		assert_int_equal(
			share_get_reply(reply, sizeof(*reply) - 1, &got),
			-EPROTO);
	}
	share_put_reply(SHARE_NO, SHARE_MODE, &got);
	assert_memory_equal(&got, &rows[2].reply, sizeof(got));
	share_put_reply(SHARE_CANNOT, EPERM, &got);
	assert_memory_equal(&got, &rows[4].reply, sizeof(got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_shows_must_agree),
		cmocka_unit_test(a_warm_mount_joins_no_other),
		cmocka_unit_test(stashes_must_agree),
		cmocka_unit_test(sockets_of_munged_must_agree),
		cmocka_unit_test(what_does_not_show_may_differ),
		cmocka_unit_test(source_must_agree_to_the_letter),
		cmocka_unit_test(each_image_is_another),
		cmocka_unit_test(every_term_has_a_name),
		cmocka_unit_test(requests_arrive_whole_or_not),
		cmocka_unit_test(replies_say_one_thing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

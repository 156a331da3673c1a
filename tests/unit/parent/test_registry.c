/* SPDX-License-Identifier: MIT */
/* test_registry.c - names, keys, leases, and who may read */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/io.h"
#include "parent/registry.h"

#define NS_PER_S 1000000000ull

static const struct peer alice = {.known = true, .uid = 1000};
static const struct peer bob = {.known = true, .uid = 1001};
static const struct peer root = {.known = true};
static const struct peer nobody = {.known = false};

static struct registry *registry;
static unsigned nr_ended;
static struct refusal why;

static void count_end(void *arg)
{
	nr_ended++;
}

static int start(void **state)
{
	struct registry_options options = registry_defaults;

	options.images_max = 4;
	nr_ended = 0;
	return registry_new(&options, &registry);
}

static int stop(void **state)
{
	registry_free(registry);
	registry = NULL;
	return 0;
}

static int claim(const char *name, const struct peer *owner,
		 struct registry_image **ret)
{
	const struct registry_claim wanted = {
		.name = name,
		.pid = 42,
		.owner = owner,
		.end = count_end,
	};

	return registry_claim(registry, &wanted, ret, &why);
}

/* No two images have the same descriptor. */
static struct registry_image *make(const char *name, const struct peer *owner)
{
	static struct page_source source;
	static char desc[] = "desc0";
	const struct registry_content content = {
		.source = &source, .desc = desc, .desc_bytes = 5};
	struct registry_image *image = NULL;

	desc[4]++;
	assert_int_equal(0, claim(name, owner, &image));
	assert_int_equal(0, registry_publish(image, &content));
	return image;
}

/* Ask for @name as @peer, with @key_of's key (NULL: none). */
static int find(const char *name, const struct registry_image *key_of,
		const struct peer *peer)
{
	struct registry_image *found = NULL;
	struct wire_image wanted = {0};
	const struct registry_ask ask = {&wanted, peer, 1};
	int error;

	(void)snprintf(wanted.name, sizeof(wanted.name), "%s", name);
	if (key_of)
		memcpy(wanted.key, key_of->key, sizeof(wanted.key));
	error = registry_find(registry, &ask, &found, &why);
	if (!error)
		assert_string_equal(name, found->name);
	return error;
}

static void owner_root_and_key_may_read_and_nobody_else(void **state)
{
	const struct registry_image *image = make("a", &alice);

	assert_int_equal(0, find("a", NULL, &alice));
	assert_int_equal(0, find("a", NULL, &root));
	assert_int_equal(-EACCES, find("a", NULL, &bob));
	assert_int_equal(-EACCES, find("a", NULL, &nobody));
	assert_int_equal(0, find("a", image, &bob));
	assert_int_equal(0, find("a", image, &nobody));
}

/* uid 0 of a peer that is not known must not count as root. */
static void unknown_peer_is_not_root(void **state)
{
	make("a", &root);
	assert_int_equal(-EACCES, find("a", NULL, &nobody));
	assert_false(registry_is_for(registry_first(registry), &nobody));
}

static void wrong_key_is_refused_in_every_byte(void **state)
{
	struct registry_image wrong = *make("a", &alice);

	for (unsigned i = 0; i < WIRE_KEY_BYTES; i++) {
		wrong.key[i] ^= 0x80;
		assert_int_equal(-EACCES, find("a", &wrong, &bob));
		wrong.key[i] ^= 0x80;
	}
	assert_int_equal(0, find("a", &wrong, &bob));
}

/* The owner reconnects after the name was given to another image. */
static void key_of_an_earlier_image_is_stale_even_for_its_owner(void **state)
{
	struct registry_image *image = make("a", &alice);
	const struct registry_image old = *image;

	registry_end(image);
	make("a", &alice);
	assert_int_equal(-ESTALE, find("a", &old, &alice));
	assert_int_equal(-EACCES, find("a", &old, &bob));
}

/* Ask for "a" as @peer, by the id of @image. */
static int find_by_id(const struct registry_image *image,
		      const struct peer *peer)
{
	struct registry_image shown = *image;

	memcpy(shown.key, image->id, sizeof(shown.key));
	return find("a", &shown, peer);
}

static void an_id_allows_nothing(void **state)
{
	const struct registry_image *image = make("a", &alice);

	assert_int_equal(0, find_by_id(image, &alice));
	assert_int_equal(0, find_by_id(image, &root));
	assert_int_equal(-EACCES, find_by_id(image, &bob));
	assert_int_equal(-EACCES, find_by_id(image, &nobody));
}

/* A mount of an image that was released must not keep its successor. */
static void id_of_an_earlier_image_renews_nothing(void **state)
{
	struct registry_image *image = make("a", &alice), *next;
	const struct registry_image old = *image;

	registry_end(image);
	next = make("a", &alice);
	next->deadline_ns = 1;
	assert_int_equal(-ESTALE, find_by_id(&old, &alice));
	assert_int_equal(-ESTALE, find_by_id(&old, &root));
	assert_int_equal(-EACCES, find_by_id(&old, &bob));
	assert_int_equal(1, next->deadline_ns);
	assert_int_equal(0, find("a", NULL, &alice)); /* by name: mitosisctl */
	assert_true(next->deadline_ns > 1);
}

static void keys_are_not_the_same_twice(void **state)
{
	const struct registry_image *a = make("a", &root),
				    *b = make("b", &root);
	static const uint8_t zero[WIRE_KEY_BYTES];

	assert_memory_not_equal(a->key, b->key, WIRE_KEY_BYTES);
	assert_memory_not_equal(a->key, zero, WIRE_KEY_BYTES);
}

static void name_is_taken_until_the_image_ends(void **state)
{
	struct registry_image *image = make("a", &alice), *other = NULL;

	assert_int_equal(-EEXIST, claim("a", &bob, &other));
	assert_non_null(strstr(why.why, "taken by an image of pid 42"));
	registry_end(image);
	assert_int_equal(0, claim("a", &bob, &other));
}

static void made_names_avoid_given_ones(void **state)
{
	struct registry_image *image = NULL;

	make("img-42-1", &root);
	assert_int_equal(0, claim("", &root, &image));
	assert_string_equal("img-42-2", image->name);
}

static void unknown_peer_may_not_claim(void **state)
{
	struct registry_image *image = NULL;

	assert_int_equal(-EACCES, claim("a", &nobody, &image));
	assert_int_equal(0, registry_count(registry));
}

static void user_leaves_room_for_others(void **state)
{
	struct registry_image *image = NULL;

	make("a", &alice);
	make("b", &alice);
	assert_int_equal(-ENOSPC, claim("c", &alice, &image));
	make("c", &bob);
	make("d", &root);
	assert_int_equal(-ENOSPC, claim("e", &root, &image));
	assert_non_null(strstr(why.why, "--max-images"));
}

static void image_in_preparation_cannot_be_opened(void **state)
{
	struct registry_image *image = NULL;

	assert_int_equal(0, claim("a", &alice, &image));
	assert_int_equal(-EAGAIN, find("a", NULL, &alice));
	assert_int_equal(-EACCES, find("a", NULL, &bob));
}

static void lease_ends_the_image_and_use_begins_it_anew(void **state)
{
	struct registry_image *image = make("a", &alice);
	uint64_t ends_ns = image->deadline_ns;

	assert_int_equal(ends_ns, registry_expire(registry, ends_ns - 1));
	assert_int_equal(0, nr_ended);
	image->deadline_ns = 1; /* nearly over */
	assert_int_equal(0, find("a", NULL, &alice));
	assert_true(image->deadline_ns >= ends_ns);
	assert_int_equal(0, registry_expire(registry, image->deadline_ns));
	assert_int_equal(1, nr_ended);
	assert_int_equal(-ENOENT, find("a", NULL, &alice));
}

static void refused_look_does_not_renew(void **state)
{
	struct registry_image *image = make("a", &alice);

	image->deadline_ns = 1;
	assert_int_equal(-EACCES, find("a", NULL, &bob));
	assert_int_equal(1, image->deadline_ns);
}

static void next_deadline_is_the_earliest(void **state)
{
	struct registry_image *a = make("a", &root), *b = make("b", &root);

	a->deadline_ns = 900;
	b->deadline_ns = 800;
	assert_int_equal(800, registry_expire(registry, 700));
	assert_int_equal(900, registry_expire(registry, 800));
	assert_int_equal(1, registry_count(registry));
}

static void long_lease_is_cut(void **state)
{
	const struct registry_claim wanted = {
		.name = "a",
		.lease_s = UINT32_MAX,
		.owner = &root,
		.end = count_end,
	};
	struct registry_image *image = NULL;

	assert_int_equal(0, registry_claim(registry, &wanted, &image, &why));
	assert_int_equal(registry_defaults.lease_max_s, image->lease_s);
}

/* What a client still holds after the end: the struct, never the pages. */
static void handle_outlives_the_image_without_its_pages(void **state)
{
	struct registry_image *image = registry_get(make("a", &root));
	struct registry_desc *desc = registry_desc_get(image);

	registry_end(image);
	registry_end(image);
	assert_int_equal(1, nr_ended);
	assert_int_equal(REGISTRY_GONE, image->state);
	assert_null(image->content.source);
	assert_memory_equal("desc", desc->bytes, 4);
	registry_desc_put(desc);
	registry_put(image);
}

/* Parts are appended in order; whoever comes second is told so. */
static void the_first_working_set_is_kept(void **state)
{
	struct registry_image *image = make("a", &root);
	static struct workset_part part = {.nr = 2,
					   .runs = {{100, 2}, {50, 1}}};

	assert_int_equal(0, registry_record(image, &part));
	assert_int_equal(-EEXIST, registry_record(image, &part));
	part.from = 3;
	assert_int_equal(-EEXIST, registry_record(image, &part));
	part.from = 2;
	assert_int_equal(0, registry_record(image, &part));
	assert_int_equal(4, image->workset.nr);
	assert_int_equal(100, image->workset.runs[2].first_page);
	registry_end(image);
}

/* As make(), of one lineage, with a working set from @page on (0: none). */
static struct registry_image *
of_lineage(const char *name, const struct peer *owner, uint64_t page)
{
	struct registry_image *image = make(name, owner);
	static struct workset_part part = {.nr = 1, .runs = {{0, 1}}};

	image->content.lineage = 77;
	part.runs[0].first_page = page;
	if (page)
		assert_int_equal(0, registry_record(image, &part));
	return image;
}

/* The first page of what is known, which is of an earlier image or not. */
static void expect_known(struct registry_image *image, uint64_t page,
			 bool is_inherited)
{
	struct workset set = registry_workset(image);

	assert_int_equal(set.nr ? set.runs[0].first_page : 0, page);
	assert_int_equal(set.is_inherited, is_inherited);
}

static void the_next_image_of_a_lineage_inherits(void **state)
{
	struct registry_image *first = of_lineage("a", &root, 100), *next;
	struct registry_image *other = make("b", &root);

	expect_known(first, 100, false);
	expect_known(other, 0, false);
	registry_end(other);
	next = of_lineage("c", &root, 0);
	expect_known(next, 100, true);
	expect_known(of_lineage("d", &alice, 0), 0, false);
	registry_end(first);
	expect_known(next, 100, true); /* its image is gone */
	registry_end(next);
	next = of_lineage("e", &root, 500);
	expect_known(next, 500, false);
	registry_end(next);
	expect_known(of_lineage("f", &root, 0), 500, true);
}

static void free_ends_all(void **state)
{
	struct registry_image *image = NULL;

	make("a", &root);
	assert_int_equal(0, claim("b", &root, &image));
	registry_free(registry);
	registry = NULL;
	assert_int_equal(2, nr_ended);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(owner_root_and_key_may_read_and_nobody_else),
		CASE(unknown_peer_is_not_root),
		CASE(wrong_key_is_refused_in_every_byte),
		CASE(key_of_an_earlier_image_is_stale_even_for_its_owner),
		CASE(an_id_allows_nothing),
		CASE(id_of_an_earlier_image_renews_nothing),
		CASE(keys_are_not_the_same_twice),
		CASE(name_is_taken_until_the_image_ends),
		CASE(made_names_avoid_given_ones),
		CASE(unknown_peer_may_not_claim),
		CASE(user_leaves_room_for_others),
		CASE(image_in_preparation_cannot_be_opened),
		CASE(lease_ends_the_image_and_use_begins_it_anew),
		CASE(refused_look_does_not_renew),
		CASE(next_deadline_is_the_earliest),
		CASE(long_lease_is_cut),
		CASE(handle_outlives_the_image_without_its_pages),
		CASE(the_first_working_set_is_kept),
		CASE(the_next_image_of_a_lineage_inherits),
		CASE(free_ends_all),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}

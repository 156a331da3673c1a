/* SPDX-License-Identifier: MIT */
/* registry.c - see registry.h */
#include "parent/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/descid.h"
#include "common/io.h"

#define NS_PER_S     1000000000ull
#define IMAGES_LIMIT 65536u
#define LEASE_LIMIT  (366u * 24 * 3600)

struct registry {
	struct registry_options options;
	struct registry_image *images;
	unsigned nr_images;
	uint64_t nr_claims; /* for names of our own */
	uint64_t nr_expired;
	struct lineages lineages; /* of images that are gone */
};

const struct registry_options registry_defaults = {
	.images_max = 64,
	.lease_s = 600,
	.lease_max_s = 24 * 3600,
	.prepare_max_s = 60,
};

_Static_assert(DESCID_BYTES == WIRE_KEY_BYTES, "one is in the other's stead");

int registry_new(const struct registry_options *options,
		 struct registry **ret_registry)
{
	struct registry *registry;

	if (!options->images_max || options->images_max > IMAGES_LIMIT ||
	    !options->lease_s || options->lease_s > options->lease_max_s ||
	    options->lease_max_s > LEASE_LIMIT || !options->prepare_max_s)
		return -EINVAL;
	registry = calloc(1, sizeof(*registry));
	if (!registry)
		return -ENOMEM;
	registry->options = *options;
	*ret_registry = registry;
	return 0;
}

void registry_free(struct registry *registry)
{
	if (!registry)
		return;
	while (registry->images)
		registry_end(registry->images);
	lineages_done(&registry->lineages);
	free(registry);
}

static struct registry_image *by_name(struct registry *registry,
				      const char *name)
{
	struct registry_image *image = registry->images;

	while (image && strcmp(image->name, name))
		image = image->next;
	return image;
}

/* Takes the same time wherever the first wrong byte is. */
static int same_key(const uint8_t *a, const uint8_t *b)
{
	unsigned diff = 0;

	for (unsigned i = 0; i < WIRE_KEY_BYTES; i++)
		diff |= a[i] ^ b[i];
	return !diff;
}

int registry_is_for(const struct registry_image *image, const struct peer *peer)
{
	return peer->known && (!peer->uid || peer->uid == image->owner);
}

/*
 * The one place that decides who may read an image.  A key that is shown must
 * be right, whoever shows it: it says which image of that name is meant, and
 * an owner too is better refused than given the bytes of another image.  In its
 * stead the id may be shown (common/descid.h), which says the same and allows
 * nothing.
 */
static int may_have(const struct registry_image *image, const uint8_t *key,
		    const struct peer *peer)
{
	static const uint8_t no_key[WIRE_KEY_BYTES];
	int is_for = registry_is_for(image, peer);

	if (same_key(key, image->key))
		return 0;
	if (same_key(key, no_key) || same_key(key, image->id))
		return is_for ? 0 : -EACCES;
	return is_for ? -ESTALE : -EACCES;
}

static int say_denied(struct refusal *ret_why, int error, const char *name)
{
	if (error == -ESTALE)
		return refuse(ret_why, error,
			      "image %s is gone, and another one has its name",
			      name);
	return refuse(ret_why, error,
		      "image %s: only its owner, root, or who has its key may",
		      name);
}

static void start_lease(struct registry_image *image)
{
	image->deadline_ns = io_monotonic_ns() + image->lease_s * NS_PER_S;
}

int registry_find(struct registry *registry, const struct registry_ask *ask,
		  struct registry_image **ret_image, struct refusal *ret_why)
{
	const char *name = ask->wanted->name;
	struct registry_image *image = by_name(registry, name);
	int error;

	if (!image)
		return refuse(ret_why, -ENOENT,
			      "no image is called %s: see mitosisctl list",
			      name);
	error = may_have(image, ask->wanted->key, ask->peer);
	if (error)
		return say_denied(ret_why, error, name);
	if (ask->ready && image->state != REGISTRY_READY)
		return refuse(ret_why, -EAGAIN,
			      "image %s is still being prepared: try again",
			      name);
	if (image->state == REGISTRY_READY)
		start_lease(image);
	*ret_image = image;
	return 0;
}

static unsigned count_of(const struct registry *registry, uid_t owner)
{
	unsigned nr = 0;

	for (struct registry_image *i = registry->images; i; i = i->next)
		nr += i->owner == owner;
	return nr;
}

/* What a user other than root can fill: one leaves room for others. */
static unsigned share_of(const struct registry *registry, uid_t owner)
{
	unsigned max = registry->options.images_max;

	return owner && max > 1 ? max / 2 : max;
}

static int check_room(struct registry *registry, uid_t owner,
		      struct refusal *ret_why)
{
	unsigned max = registry->options.images_max;

	if (registry->nr_images >= max)
		return refuse(ret_why, -ENOSPC,
			      "there are %u images already: release one, or "
			      "raise --max-images",
			      max);
	if (count_of(registry, owner) >= share_of(registry, owner))
		return refuse(ret_why, -ENOSPC,
			      "user %u has %u images already: release one",
			      owner, share_of(registry, owner));
	return 0;
}

static int check_claim(struct registry *registry,
		       const struct registry_claim *claim,
		       struct refusal *ret_why)
{
	const struct registry_image *taken = by_name(registry, claim->name);

	if (claim->owner->squashed)
		return refuse(ret_why, -EACCES,
			      "root of another host is nobody here: ask as the "
			      "process's user, or see mitosisd "
			      "--no-root-squash");
	if (!claim->owner->known)
		return refuse(ret_why, -EACCES,
			      "cannot tell which user is asking: use the unix "
			      "socket");
	if (taken)
		return refuse(ret_why, -EEXIST,
			      "the name %s is taken by an image of pid %d: "
			      "release it or choose another",
			      claim->name, taken->pid);
	return check_room(registry, claim->owner->uid, ret_why);
}

static void make_name(struct registry *registry, struct registry_image *image,
		      const char *name)
{
	if (*name) {
		(void)snprintf(image->name, sizeof(image->name), "%s", name);
		return;
	}
	do {
		(void)snprintf(image->name, sizeof(image->name), "img-%d-%llu",
			       image->pid,
			       (unsigned long long)++registry->nr_claims);
	} while (by_name(registry, image->name));
}

static uint32_t lease_of(const struct registry *registry, uint32_t wanted_s)
{
	if (!wanted_s)
		return registry->options.lease_s;
	return wanted_s < registry->options.lease_max_s
		       ? wanted_s
		       : registry->options.lease_max_s;
}

static void fill(struct registry_image *image,
		 const struct registry_claim *claim)
{
	struct registry *registry = image->registry;

	image->state = REGISTRY_PREPARING;
	image->refs = 1;
	image->pid = claim->pid;
	image->owner = claim->owner->uid;
	image->lease_s = lease_of(registry, claim->lease_s);
	image->claimed_ns = io_monotonic_ns();
	image->deadline_ns =
		image->claimed_ns + registry->options.prepare_max_s * NS_PER_S;
	image->end = claim->end;
	image->end_arg = claim->end_arg;
	make_name(registry, image, claim->name);
}

int registry_claim(struct registry *registry,
		   const struct registry_claim *claim,
		   struct registry_image **ret_image, struct refusal *ret_why)
{
	struct registry_image *image;
	int error;

	error = check_claim(registry, claim, ret_why);
	if (error)
		return error;
	image = calloc(1, sizeof(*image));
	if (!image)
		return refuse(ret_why, -ENOMEM, "no memory");
	image->registry = registry;
	if (getrandom(image->key, sizeof(image->key), 0) !=
	    sizeof(image->key)) {
		free(image);
		return refuse(ret_why, -EIO, "the kernel gave no random key");
	}
	fill(image, claim);
	image->next = registry->images;
	registry->images = image;
	registry->nr_images++;
	*ret_image = image;
	return 0;
}

int registry_publish(struct registry_image *image,
		     const struct registry_content *content)
{
	struct registry_desc *desc;

	desc = malloc(sizeof(*desc) + content->desc_bytes);
	if (!desc)
		return -ENOMEM;
	desc->refs = 1;
	desc->len_bytes = content->desc_bytes;
	memcpy(desc->bytes, content->desc, content->desc_bytes);
	image->content = *content;
	image->content.desc = NULL;
	image->desc = desc;
	descid_of(desc->bytes, desc->len_bytes, image->id);
	image->state = REGISTRY_READY;
	start_lease(image);
	return 0;
}

static void unlink_image(struct registry_image *image)
{
	struct registry_image **at = &image->registry->images;

	while (*at != image)
		at = &(*at)->next;
	*at = image->next;
	image->next = NULL;
	image->registry->nr_images--;
}

static struct lineage lineage(const struct registry_image *image)
{
	return (struct lineage){image->content.lineage, image->owner};
}

void registry_end(struct registry_image *image)
{
	if (image->state == REGISTRY_GONE)
		return;
	unlink_image(image);
	image->state = REGISTRY_GONE;
	image->content.source = NULL;
	image->content.exports = NULL;
	lineages_keep(&image->registry->lineages, lineage(image),
		      &image->workset);
	if (image->desc)
		registry_desc_put(image->desc);
	image->desc = NULL;
	image->end(image->end_arg);
	registry_put(image);
}

struct registry_image *registry_get(struct registry_image *image)
{
	image->refs++;
	return image;
}

void registry_put(struct registry_image *image)
{
	if (--image->refs)
		return;
	workset_done(&image->workset);
	free(image);
}

struct registry_desc *registry_desc_get(struct registry_image *image)
{
	image->desc->refs++;
	image->opens++;
	return image->desc;
}

void registry_desc_put(struct registry_desc *desc)
{
	if (!--desc->refs)
		free(desc);
}

int registry_record(struct registry_image *image,
		    const struct workset_part *part)
{
	struct workset *set = &image->workset;
	int error = part->from == set->nr ? 0 : -EEXIST;

	for (uint32_t i = 0; !error && i < part->nr; i++)
		error = workset_add(set, part->runs[i].first_page,
				    part->runs[i].nr_pages);
	return error;
}

struct workset registry_workset(struct registry_image *image)
{
	struct registry *registry = image->registry;
	const struct lineage who = lineage(image);
	const struct workset *kept;
	struct workset set = image->workset;

	/* The youngest come first. */
	for (image = registry->images; !set.nr && image; image = image->next) {
		if (image->owner != who.owner ||
		    image->content.lineage != who.id)
			continue;
		set = image->workset;
		set.is_inherited = true;
	}
	if (set.nr)
		return set;
	kept = lineages_find(&registry->lineages, who);
	return kept ? *kept : (struct workset){0};
}

uint64_t registry_expire(struct registry *registry, uint64_t now_ns)
{
	struct registry_image *image, *next;
	uint64_t first_ns = 0;

	for (image = registry->images; image; image = next) {
		next = image->next;
		if (image->deadline_ns <= now_ns) {
			registry->nr_expired += image->state == REGISTRY_READY;
			registry_end(image);
		} else if (!first_ns || image->deadline_ns < first_ns) {
			first_ns = image->deadline_ns;
		}
	}
	return first_ns;
}

uint64_t registry_expired(const struct registry *registry)
{
	return registry->nr_expired;
}

struct registry_image *registry_first(struct registry *registry)
{
	return registry->images;
}

unsigned registry_count(const struct registry *registry)
{
	return registry->nr_images;
}

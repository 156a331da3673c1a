/* SPDX-License-Identifier: MIT */
/*
 * make_seeds.c - inputs to start a fuzz target from, made with our encoders
 *
 *     make_seeds NAME DIRECTORY
 *
 * Writes the seeds of target NAME; none for a target that has no line here.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/childnote.h"
#include "common/cleanup.h"
#include "common/desc.h"
#include "common/io.h"
#include "common/say.h"
#include "common/source.h"
#include "common/wire.h"
#include "common/workset.h"
#include "fs/share_link.h"
#include "sample_image.h"

static void write_seed(const char *directory, const char *name,
		       const void *bytes, size_t len)
{
	CLEANUP_FREE char *path = NULL;
	CLEANUP_CLOSE int fd = -1;

	if (asprintf(&path, "%s/%s", directory, name) < 0)
		abort();
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || io_write_all(fd, bytes, len)) {
		say_error("cannot write the seed %s", path);
		exit(1);
	}
}

static void seed_image(const char *directory, const char *name,
		       const struct image *image)
{
	CLEANUP_FREE void *buf = NULL;
	size_t len;

	if (desc_encode(image, &buf, &len))
		abort();
	write_seed(directory, name, buf, len);
}

/* A whole image, and one with next to nothing: short inputs mutate best. */
static void seed_desc(const char *directory)
{
	struct image *image = sample_image(), *little = image_new();
	struct image_thread leader = {.tid = 1, .restart_nr = -1};

	if (!little)
		abort();
	little->pid = 1;
	little->threads = &leader;
	little->nr_threads = 1;
	seed_image(directory, "sample", image);
	seed_image(directory, "little", little);
	little->threads = NULL;
	image_free(little);
	image_free(image);
}

static void seed_wire(const char *directory)
{
	const struct wire_header header = {WIRE_OPEN, WIRE_REPLY, 7, -2, 100};
	const struct wire_hello hello = {
		WIRE_VERSION, WIRE_READ_MAX, 7373, WIRE_SEC_MUNGE, 3,
		{7, 8, 9}};
	const struct wire_far far = {0x7f0000000000, 100000, 0x123};
	const struct wire_region regions[] = {{0x1000, 0x2000, 5},
					      {0x3000, 0x1000, 6}};
	const struct wire_prepare prepare = {42, 60, "redis"};
	const struct wire_image image = {"redis", {1, 2, 3}};
	const struct wire_opened opened = {3, 60};
	struct workset_run runs[] = {{0x7f0000000, 3}, {5, 1}};
	const struct workset set = {2, 2, runs};
	const struct workset_part part = {
		{"redis", {1}}, 0, 2, {{0x7f0000000, 3}, {5, 1}}};
	const struct wire_read read = {3, SOURCE_MEMORY, 0x7f0000000000, 4096};
	uint8_t seed[1 + WIRE_REQUEST_MAX] = {0};
	uint8_t *body = seed + 1;

	wire_put_header(body, &header);
	write_seed(directory, "header", seed, 1 + WIRE_HEADER_BYTES);
	seed[0]++;
	write_seed(directory, "hello", seed, 1 + wire_put_hello(body, &hello));
	seed[0]++;
	write_seed(directory, "prepare", seed,
		   1 + wire_put_prepare(body, &prepare));
	seed[0]++;
	write_seed(directory, "image", seed, 1 + wire_put_image(body, &image));
	seed[0]++;
	write_seed(directory, "opened", seed,
		   1 + wire_put_opened(body, &opened));
	seed[0]++;
	write_seed(directory, "read", seed, 1 + wire_put_read(body, &read));
	seed[0]++;
	write_seed(directory, "export", seed, 1 + wire_put_export(body, 3));
	seed[0]++;
	write_seed(directory, "taken", seed, 1 + wire_put_taken(body, 9));
	seed[0]++;
	write_seed(directory, "far", seed, 1 + wire_put_far(body, &far));
	seed[0]++;
	wire_put_regions(body, regions, 2);
	write_seed(directory, "regions", seed, 1 + wire_regions_bytes(2));
	seed[0]++;
	write_seed(directory, "part", seed, 1 + workset_put_part(body, &part));
	seed[0]++;
	workset_put(body, &set);
	write_seed(directory, "workset", seed, 1 + workset_bytes(&set));
}

static void seed_share(const char *directory)
{
	const struct share_terms terms = {{1, 2, 3, 4}, {5}};
	struct share_request request;
	struct share_reply reply;

	share_put_request(&terms, &request);
	write_seed(directory, "request", &request, sizeof(request));
	share_put_reply(SHARE_NO, SHARE_MODE, &reply);
	write_seed(directory, "no", &reply, sizeof(reply));
	share_put_reply(SHARE_CANNOT, 1, &reply);
	write_seed(directory, "cannot", &reply, sizeof(reply));
}

/* Notes have one length each, which is far from what mutation finds. */
static void seed_childnote(const char *directory)
{
	const struct childnote_load load = {CHILDNOTE_FORMAT, 2, {7, 900}};
	const struct childnote_pages pages = {
		CHILDNOTE_FORMAT, 2, {{0x7f0000000, 3}, {5, 1}}};

	write_seed(directory, "load", &load, sizeof(load));
	write_seed(directory, "pages", &pages, sizeof(pages));
}

int main(int argc, char **argv)
{
	say_init(argv[0]);
	if (argc != 3) {
		say_error("usage: make_seeds NAME DIRECTORY");
		return 2;
	}
	if (!strcmp(argv[1], "desc") || !strcmp(argv[1], "plan") ||
	    !strcmp(argv[1], "core") || !strcmp(argv[1], "tree"))
		seed_desc(argv[2]);
	if (!strcmp(argv[1], "childnote"))
		seed_childnote(argv[2]);
	if (!strcmp(argv[1], "wire"))
		seed_wire(argv[2]);
	if (!strcmp(argv[1], "share"))
		seed_share(argv[2]);
	return 0;
}

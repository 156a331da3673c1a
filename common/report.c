/* SPDX-License-Identifier: MIT */
/*
 * report.c - see report.h
 *
 * Each record is one walk (common/codec.h), so its two directions agree.
 */
#include "common/report.h"

#include <stdlib.h>
#include <string.h>

#include "common/codec.h"

/* Fixed room for text, padded with zeros, which need not end with one. */
static void walk_text(struct codec *codec, char *text, size_t max)
{
	codec_bytes(codec, text, max);
	if (codec_decoding(codec))
		text[max] = '\0';
}

static void walk_image(struct codec *codec, struct report_image *image)
{
	uint32_t zero = 0;

	walk_text(codec, image->name, PARSE_NAME_MAX);
	walk_text(codec, image->comm, REPORT_COMM_MAX);
	codec_u32(codec, &image->ready);
	codec_i32(codec, &image->pid);
	codec_u32(codec, &image->owner);
	codec_u32(codec, &image->handles);
	codec_u32(codec, &image->lease_s);
	codec_u32(codec, &image->left_s);
	codec_u64(codec, &image->opens);
	codec_u64(codec, &image->age_ns);
	codec_u64(codec, &image->pause_ns);
	codec_u64(codec, &image->prepare_ns);
	codec_u64(codec, &image->present_bytes);
	codec_u32(codec, &zero);
	codec_u32(codec, &zero);
}

static void walk_timing(struct codec *codec, struct timing *timing)
{
	for (unsigned i = 0; i < TIMING_BUCKETS; i++)
		codec_u64(codec, &timing->count[i]);
	codec_u64(codec, &timing->sum_ns);
}

static void walk_refused(struct codec *codec, struct refused *refused)
{
	for (unsigned i = 0; i < REFUSED_REQUESTS_END; i++)
		for (unsigned j = 0; j < REFUSED_REASONS_END; j++)
			codec_u64(codec, &refused->count[i][j]);
}

static void walk_status(struct codec *codec, struct report_status *status)
{
	uint64_t *counters[] = {
		&status->uptime_ns,    &status->prepared,
		&status->refused,      &status->ended,
		&status->accepted,     &status->turned_away,
		&status->broken,       &status->requests,
		&status->reads,	       &status->urgent_reads,
		&status->failed_reads, &status->read_bytes,
		&status->sends,
	};
	uint64_t *rdma_counters[] = {
		&status->rdma_requests,	  &status->rdma_reads,
		&status->rdma_read_bytes, &status->loans,
		&status->lent_pages,
	};

	walk_text(codec, status->version, REPORT_VERSION_MAX);
	codec_i32(codec, &status->pid);
	codec_u32(codec, &status->images);
	codec_u32(codec, &status->images_max);
	codec_u32(codec, &status->clients);
	codec_u32(codec, &status->clients_max);
	codec_u32(codec, &status->strangers);
	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		codec_u64(codec, counters[i]);
	codec_u32(codec, &status->rdma_port);
	codec_u32(codec, &status->rdma_clients);
	for (size_t i = 0; i < sizeof(rdma_counters) / sizeof(*rdma_counters);
	     i++)
		codec_u64(codec, rdma_counters[i]);
	codec_u64(codec, &status->lease_over);
	codec_u64(codec, &status->released);
	codec_u64(codec, &status->died);
	walk_refused(codec, &status->refusals);
	walk_timing(codec, &status->pauses);
	walk_timing(codec, &status->prepares);
}

static struct codec encode_to(uint8_t *out, size_t len)
{
	return (struct codec){
		.mode = CODEC_ENCODE,
		.at = out,
		.end = out + len,
	};
}

/* Decoding only reads, whatever the type of the cursor. */
static struct codec decode_from(const uint8_t *in, size_t len)
{
	return (struct codec){
		.mode = CODEC_DECODE,
		.at = (uint8_t *)in,
		.end = (uint8_t *)in + len,
	};
}

static void put_head(uint8_t *out, uint32_t nr, uint32_t record_bytes)
{
	struct codec codec = encode_to(out, REPORT_HEAD_BYTES);

	codec_u32(&codec, &nr);
	codec_u32(&codec, &record_bytes);
}

/* How many records follow, and how long each is: all of them are there. */
static int get_head(const uint8_t *body, size_t len, uint32_t least_bytes,
		    uint32_t *ret_nr, uint32_t *ret_record_bytes)
{
	struct codec codec = decode_from(body, len);
	uint32_t nr = 0, record_bytes = 0;

	codec_u32(&codec, &nr);
	codec_u32(&codec, &record_bytes);
	if (codec.error)
		return codec.error;
	if (nr > REPORT_IMAGES_MAX || record_bytes < least_bytes ||
	    codec_left(&codec) != (uint64_t)nr * record_bytes)
		return -EPROTO;
	*ret_nr = nr;
	*ret_record_bytes = record_bytes;
	return 0;
}

int report_put_images(const struct report_image *images, size_t nr,
		      void **ret_body, size_t *ret_len)
{
	size_t len = REPORT_HEAD_BYTES + nr * REPORT_IMAGE_BYTES;
	uint8_t *body;

	if (nr > REPORT_IMAGES_MAX)
		return -E2BIG;
	body = malloc(len);
	if (!body)
		return -ENOMEM;
	put_head(body, (uint32_t)nr, REPORT_IMAGE_BYTES);
	for (size_t i = 0; i < nr; i++) {
		struct report_image image = images[i];
		uint8_t *at = body + REPORT_HEAD_BYTES + i * REPORT_IMAGE_BYTES;
		struct codec codec = encode_to(at, REPORT_IMAGE_BYTES);

		walk_image(&codec, &image);
	}
	*ret_body = body;
	*ret_len = len;
	return 0;
}

static int get_image(const uint8_t *at, struct report_image *ret)
{
	struct codec codec = decode_from(at, REPORT_IMAGE_BYTES);

	walk_image(&codec, ret);
	if (codec.error || ret->ready > 1 || !parse_name_ok(ret->name))
		return -EPROTO;
	return 0;
}

int report_get_images(const uint8_t *body, size_t len,
		      struct report_image **ret_images, size_t *ret_nr)
{
	struct report_image *images = NULL;
	uint32_t nr, record_bytes;
	int error;

	error = get_head(body, len, REPORT_IMAGE_BYTES, &nr, &record_bytes);
	if (error)
		return error;
	if (nr) {
		images = calloc(nr, sizeof(*images));
		if (!images)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < nr && !error; i++)
		error = get_image(body + REPORT_HEAD_BYTES +
					  (size_t)i * record_bytes,
				  &images[i]);
	if (error) {
		free(images);
		return error;
	}
	*ret_images = images;
	*ret_nr = nr;
	return 0;
}

size_t report_put_status(uint8_t *out, const struct report_status *status)
{
	struct report_status copy = *status;
	struct codec codec =
		encode_to(out + REPORT_HEAD_BYTES, REPORT_STATUS_BYTES);

	put_head(out, 1, REPORT_STATUS_BYTES);
	walk_status(&codec, &copy);
	return REPORT_HEAD_BYTES + REPORT_STATUS_BYTES;
}

int report_get_status(const uint8_t *body, size_t len,
		      struct report_status *ret_status)
{
	uint8_t record[REPORT_STATUS_BYTES] = {0};
	struct report_status status = {0};
	struct codec codec;
	uint32_t nr, record_bytes;
	int error;

	error = get_head(body, len, REPORT_STATUS_LEAST, &nr, &record_bytes);
	if (error)
		return error;
	if (nr != 1)
		return -EPROTO;
	memcpy(record, body + REPORT_HEAD_BYTES,
	       record_bytes < sizeof(record) ? record_bytes : sizeof(record));
	codec = decode_from(record, sizeof(record));
	walk_status(&codec, &status);
	if (codec.error)
		return codec.error;
	*ret_status = status;
	return 0;
}

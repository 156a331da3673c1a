/* SPDX-License-Identifier: MIT */
/*
 * report.h - what mitosisd tells about itself: the bodies of LIST and STATUS
 *
 * Fixed records and no text format: the reader trusts nobody, and a record of
 * known size is checked in a line.  A body says how long its records are, so
 * that a later daemon may append fields which this reader then skips.
 * docs/protocol.md has the byte tables.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/timing.h"
#include "common/parse.h"
#include "common/refused.h"

#define REPORT_COMM_MAX	    16u
#define REPORT_VERSION_MAX  32u
#define REPORT_IMAGES_MAX   65536u
#define REPORT_HEAD_BYTES   8u
#define REPORT_IMAGE_BYTES  152u
#define REPORT_STATUS_BYTES 936u
#define REPORT_STATUS_LEAST 208u /* of the first daemons */

/* One image of LIST. */
struct report_image {
	char name[PARSE_NAME_MAX + 1];
	char comm[REPORT_COMM_MAX + 1]; /* any bytes: not fit for a terminal */
	uint32_t ready;			/* 0: being prepared */
	int32_t pid;
	uint32_t owner; /* uid */
	uint32_t handles;
	uint32_t lease_s, left_s;
	uint64_t opens, age_ns, pause_ns, prepare_ns, present_bytes;
};

/* STATUS. */
struct report_status {
	char version[REPORT_VERSION_MAX + 1];
	int32_t pid;
	uint32_t images, images_max, clients, clients_max, strangers;
	uint64_t uptime_ns;
	uint64_t prepared, refused, ended;	/* images, ever */
	uint64_t accepted, turned_away, broken; /* connections, ever */
	uint64_t requests, reads, urgent_reads, failed_reads;
	uint64_t read_bytes, sends;
	/* What of this came by RDMA; READs that a device answers are not seen.
	 */
	uint32_t rdma_port; /* the first one; 0: none is served */
	uint32_t rdma_clients;
	uint64_t rdma_requests, rdma_reads, rdma_read_bytes;
	uint64_t loans, lent_pages; /* images lent to devices, now */
	/* Of ended: the lease was over, RELEASE, the twin died. */
	uint64_t lease_over, released, died;
	struct refused refusals;
	struct timing pauses, prepares; /* of the images prepared */
};

/*
 * Encode @nr images; on success *@ret_body is the caller's to free.
 * Returns 0, -E2BIG past REPORT_IMAGES_MAX, or -ENOMEM.
 */
int report_put_images(const struct report_image *images, size_t nr,
		      void **ret_body, size_t *ret_len);

/*
 * Decode a body that may come from anybody; on success *@ret_images (NULL when
 * there is none) is the caller's.  Names are legal or the body is refused.
 * Returns 0, -EPROTO, or -ENOMEM.
 */
int report_get_images(const uint8_t *body, size_t len,
		      struct report_image **ret_images, size_t *ret_nr);

/* Encode into @out, which has room for REPORT_HEAD_BYTES + REPORT_STATUS_BYTES;
 * returns the bytes used. */
size_t report_put_status(uint8_t *out, const struct report_status *status);

/* Fields that an older daemon does not know are 0.  Returns 0 or -EPROTO. */
int report_get_status(const uint8_t *body, size_t len,
		      struct report_status *ret_status);

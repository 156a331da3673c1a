/* SPDX-License-Identifier: MIT */
#include "fs/live.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "fs/channel.h"
#include "fs/faults.h"
#include "fs/metrics.h"

static char *text_of(const struct fuse_file_info *file)
{
	return (char *)(uintptr_t)file->fh;
}

static char *make(fuse_req_t req, enum tree_live live)
{
	const struct ops_context *context = fuse_req_userdata(req);
	struct status_origin origin = *context->origin;

	origin.fuse = channel_name(channel_is_uring(req));
	switch (live) {
	case TREE_LIVE_STATUS:
		return status_text(&origin, context->fetch);
	case TREE_LIVE_STATUS_JSON:
		return status_json(&origin, context->fetch);
	case TREE_LIVE_METRICS:
		return metrics_text(&origin, context->fetch);
	case TREE_LIVE_FAULTS:
		return faults_text(context->fetch);
	}
	return NULL;
}

void live_open(fuse_req_t req, enum tree_live live, struct fuse_file_info *file)
{
	char *text = make(req, live);

	if (!text) {
		(void)fuse_reply_err(req, ENOMEM);
		return;
	}
	file->fh = (uintptr_t)text;
	file->direct_io = 1;
	/* When who asked has gone, no release will come. */
	if (fuse_reply_open(req, file))
		free(text);
}

/*
 * From a copy: the reader has the answer, and may have closed the file, before
 * the call that gave it returns.
 */
static void reply_copy(fuse_req_t req, const char *text, size_t len)
{
	CLEANUP_FREE char *copy = malloc(len);

	if (!copy) {
		(void)fuse_reply_err(req, ENOMEM);
		return;
	}
	memcpy(copy, text, len);
	(void)fuse_reply_buf(req, copy, len);
}

void live_read(fuse_req_t req, size_t size, off_t offset,
	       const struct fuse_file_info *file)
{
	const char *text = text_of(file);
	size_t len = strlen(text);

	if (offset < 0 || (size_t)offset >= len) {
		(void)fuse_reply_buf(req, NULL, 0);
		return;
	}
	text += offset;
	len -= (size_t)offset;
	reply_copy(req, text, size < len ? size : len);
}

void live_release(const struct fuse_file_info *file)
{
	free(text_of(file));
}

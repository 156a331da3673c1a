/* SPDX-License-Identifier: MIT */
#include "fs/passthrough.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

/* What include/uapi/linux/fuse.h has from 6.9 on. */
#define INIT2_PASSTHROUGH (1u << (37 - 32)) /* FUSE_PASSTHROUGH, in flags2 */
#define OPEN_PASSTHROUGH  (1u << 7)	    /* FOPEN_PASSTHROUGH */
#define OPEN_NOFLUSH	  (1u << 5)	    /* FOPEN_NOFLUSH */

/* The backing file is not stacked on others, and one file system may be on us.
 */
#define STACK_DEPTH 1u

/* struct fuse_init_out as far as it is needed. */
struct init_reply {
	uint32_t before[3], flags;
	uint32_t middle[4];
	uint32_t flags2, max_stack_depth;
};

/* struct fuse_open_out. */
struct open_reply {
	uint64_t fh;
	uint32_t open_flags;
	int32_t backing_id;
};

/* struct fuse_backing_map. */
struct backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};

#define IOC_BACKING_OPEN _IOW(229, 1, struct backing_map)

_Static_assert(offsetof(struct init_reply, flags) ==
			       offsetof(struct fuse_init_out, flags) &&
		       offsetof(struct init_reply, flags2) ==
			       offsetof(struct fuse_init_out, flags2),
	       "as the kernel has it");
_Static_assert(sizeof(struct open_reply) == sizeof(struct fuse_open_out),
	       "as the kernel has it");

static bool offers(const struct fuse_buf *buf, size_t len)
{
	const struct fuse_in_header *head = buf->mem;
	const struct fuse_init_in *init = (const void *)(head + 1);

	return len >= sizeof(*head) + sizeof(*init) &&
	       head->opcode == FUSE_INIT && init->flags & FUSE_INIT_EXT &&
	       init->flags2 & INIT2_PASSTHROUGH;
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)

static _Thread_local bool is_wanted; /* in the INIT that this thread answers */

void passthrough_init(struct fuse_conn_info *conn)
{
	if (is_wanted && fuse_set_feature_flag(conn, FUSE_CAP_PASSTHROUGH))
		conn->max_backing_stack_depth = STACK_DEPTH - 1;
}

static int arm(struct fuse_session *session)
{
	is_wanted = true;
	return 0;
}

static void disarm(void)
{
	is_wanted = false;
}

#else

void passthrough_init(struct fuse_conn_info *conn)
{
}

static _Thread_local bool is_init; /* the next reply of this thread is INIT's */

static void complete(struct iovec *iov, int count)
{
	const struct fuse_out_header *head = iov[0].iov_base;
	struct init_reply *reply;

	if (count != 2 || head->error ||
	    iov[1].iov_len < sizeof(struct fuse_init_out))
		return;
	reply = iov[1].iov_base;
	reply->flags |= FUSE_INIT_EXT;
	reply->flags2 |= INIT2_PASSTHROUGH;
	reply->max_stack_depth = STACK_DEPTH;
}

static ssize_t write_reply(int fd, struct iovec *iov, int count, void *userdata)
{
	if (is_init)
		complete(iov, count);
	return writev(fd, iov, count);
}

static ssize_t read_request(int fd, void *buf, size_t len, void *userdata)
{
	return read(fd, buf, len);
}

static int arm(struct fuse_session *session)
{
	static const struct fuse_custom_io io = {
		.writev = write_reply,
		.read = read_request,
	};
	int r = fuse_session_custom_io(session, &io, fuse_session_fd(session));

	is_init = !r;
	return r;
}

static void disarm(void)
{
	is_init = false;
}

#endif

int passthrough_answer_init(struct fuse_session *session, bool wants,
			    bool *ret_has)
{
	struct fuse_buf buf = {.mem = NULL};
	int len = fuse_session_receive_buf(session, &buf);

	if (len > 0) {
		*ret_has = wants && offers(&buf, (size_t)len) && !arm(session);
		fuse_session_process_buf(session, &buf);
		disarm();
	}
	free(buf.mem);
	return len > 0 ? 0 : -EIO;
}

int passthrough_add(int fuse_fd, int fd)
{
	const struct backing_map map = {.fd = fd};
	int id = ioctl(fuse_fd, IOC_BACKING_OPEN, &map);

	return id < 0 ? -errno : id;
}

int passthrough_reply_open(fuse_req_t req, int backing_id)
{
	const struct open_reply reply = {
		.open_flags = OPEN_PASSTHROUGH | OPEN_NOFLUSH,
		.backing_id = backing_id,
	};

	return fuse_reply_buf(req, (const char *)&reply, sizeof(reply));
}

/* SPDX-License-Identifier: MIT */
#include "fs/ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "fs/awake.h"
#include "fs/channel.h"
#include "fs/follow.h"
#include "fs/live.h"
#include "fs/passthrough.h"
#include "fs/reading.h"
#include "fs/threadbuf.h"
#include "fs/warm.h"
#include "fs/xattr.h"

/* "For ever": the image never changes.  Seconds, as FUSE wants them. */
#define FOREVER_S 1e9

static const struct ops_context *context(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static double age_of(const struct tree_node *node)
{
	return node->kind == TREE_LIVE ? 0 : FOREVER_S;
}

static void ops_init(void *userdata, struct fuse_conn_info *conn)
{
	const struct ops_context *ops = userdata;

	channel_want(conn, ops->uring);
	passthrough_init(conn);
}

static int stat_of(fuse_req_t req, const struct tree_node *node,
		   struct stat *ret_stat)
{
	int r = tree_stat(context(req)->tree, node, ret_stat);

	if (r)
		return r;
	ret_stat->st_uid = context(req)->uid;
	ret_stat->st_gid = context(req)->gid;
	return 0;
}

static int entry_of(fuse_req_t req, const struct tree_node *node,
		    struct fuse_entry_param *ret_entry)
{
	*ret_entry = (struct fuse_entry_param){
		.ino = node->ino,
		.attr_timeout = age_of(node),
		.entry_timeout = FOREVER_S,
	};
	return stat_of(req, node, &ret_entry->attr);
}

static void ops_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	const struct tree *tree = context(req)->tree;
	const struct tree_node *dir = tree_get(tree, parent), *node = NULL;
	struct fuse_entry_param entry = {.entry_timeout = FOREVER_S};
	int r = 0;

	if (dir && dir->kind == TREE_DIR)
		node = tree_lookup(tree, dir, name);
	/* This one comes later, perhaps: the absence is not to be remembered.
	 */
	if (node == tree_warm(tree) && !warm_backing_id(context(req)->warm)) {
		(void)fuse_reply_err(req, ENOENT);
		return;
	}
	/* An entry of inode 0 makes the kernel remember the absence. */
	if (node)
		r = entry_of(req, node, &entry);
	if (r)
		(void)fuse_reply_err(req, -r);
	else
		(void)fuse_reply_entry(req, &entry);
}

static void ops_getattr(fuse_req_t req, fuse_ino_t ino,
			struct fuse_file_info *file)
{
	const struct tree_node *node = tree_get(context(req)->tree, ino);
	struct stat st;
	int r = node ? stat_of(req, node, &st) : -ENOENT;

	if (r)
		(void)fuse_reply_err(req, -r);
	else
		(void)fuse_reply_attr(req, &st, age_of(node));
}

/* Files without a known size are read past the page cache. */
static int is_cached(const struct tree_node *node)
{
	return node->kind != TREE_LIVE && node->kind != TREE_MEM;
}

/* Before the answer: it may be closed before we go on. */
static void opening(const struct ops_context *ops)
{
	use_begin(ops->use);
	fetch_pages_opened(ops->fetch);
}

/* Who was interrupted while the file was opened does not close it. */
static void opened(const struct ops_context *ops, int replied)
{
	if (replied != -ENOENT)
		return;
	fetch_pages_closed(ops->fetch);
	if (use_end(ops->use) && ops->unused)
		ops->unused(ops->unused_arg);
}

/* A number may be guessed before there is a file behind it. */
static void open_warm(fuse_req_t req)
{
	const struct ops_context *ops = context(req);
	int id = warm_backing_id(ops->warm);

	if (!id) {
		(void)fuse_reply_err(req, ENOENT);
		return;
	}
	opening(ops);
	opened(ops, passthrough_reply_open(req, id));
}

static void ops_open(fuse_req_t req, fuse_ino_t ino,
		     struct fuse_file_info *file)
{
	const struct ops_context *ops = context(req);
	const struct tree_node *node = tree_get(ops->tree, ino);

	if (!node || (file->flags & O_ACCMODE) != O_RDONLY) {
		(void)fuse_reply_err(req, node ? EROFS : ENOENT);
		return;
	}
	if (node->kind == TREE_LIVE) {
		live_open(req, node->live, file);
		return;
	}
	if (node == tree_warm(ops->tree)) {
		open_warm(req);
		return;
	}
	file->fh = 0;
	file->direct_io = !is_cached(node);
	file->keep_cache = is_cached(node) && !ops->dropper;
	if (node != tree_space(ops->tree)) {
		(void)fuse_reply_open(req, file);
		return;
	}
	opening(ops);
	opened(ops, fuse_reply_open(req, file));
}

static void ops_release(fuse_req_t req, fuse_ino_t ino,
			struct fuse_file_info *file)
{
	const struct ops_context *ops = context(req);
	const struct tree_node *node = tree_get(ops->tree, ino);
	bool is_pages = reading_is_all_pages(ops->tree, node);

	if (node && node->kind == TREE_LIVE)
		live_release(file);
	(void)fuse_reply_err(req, 0);
	if (is_pages)
		fetch_pages_closed(ops->fetch);
	if (is_pages && !use_end(ops->use))
		return;
	if (node && ops->dropper && is_cached(node))
		dropper_drop(ops->dropper, ino);
	if (is_pages && ops->unused)
		ops->unused(ops->unused_arg);
}

static void ops_opendir(fuse_req_t req, fuse_ino_t ino,
			struct fuse_file_info *file)
{
	file->keep_cache = 1;
	file->cache_readdir = 1;
	(void)fuse_reply_open(req, file);
}

/* Leave the request to those who wait for a connection: 0, or -errno. */
static int park(fuse_req_t req, const struct tree_node *node, uint64_t offset,
		size_t len_bytes)
{
	const struct parking_read read = {req, node->ino, len_bytes,
					  (off_t)offset};

	if (!context(req)->parking)
		return -ENOTCONN;
	return parking_add(context(req)->parking, &read);
}

static void reply_part(fuse_req_t req, struct reading *reading, size_t skip,
		       size_t len_bytes)
{
	loan_trim(&reading->loan, skip, len_bytes);
	(void)fuse_reply_iov(req, reading->loan.iov, (int)reading->loan.nr);
}

/*
 * The fetch works in whole pages; a read(2) may begin and end anywhere (direct
 * I/O, and the last page of the executable).
 */
static void reply_pages(fuse_req_t req, const struct tree_node *node,
			uint64_t offset, size_t len_bytes)
{
	uint64_t first = page_floor(offset);
	size_t whole = page_ceil(offset + len_bytes) - first;
	const struct ops_context *ops = context(req);
	struct reading reading = {
		.node = node,
		.offset = first,
		.buf = threadbuf_get(ops->fetch, whole),
		.len_bytes = whole,
	};
	int r;

	if (!reading.buf) {
		(void)fuse_reply_err(req, ENOMEM);
		return;
	}
	if (ops->parking)
		parking_watch(ops->parking);
	awake_read(ops->awake);
	if (ops->follow)
		follow_read(ops->follow, fuse_req_ctx(req)->pid);
	r = reading_get(ops, &reading);
	if (r == -ENOTCONN && !park(req, node, offset, len_bytes))
		return;
	if (r) /* one word for all causes: what the caller can act on */
		(void)fuse_reply_err(req, r == -ENOMEM ? ENOMEM : EIO);
	else
		reply_part(req, &reading, offset - first, len_bytes);
	if (!r)
		reading_end(ops, &reading);
}

/*
 * As /proc/PID/mem: an address without memory is an error, and a read ends
 * where memory ends.  But the first page is the end of the file, so that tools
 * that copy files of unknown size copy an empty one.
 */
static void reply_mem(fuse_req_t req, const struct tree_node *node, size_t size,
		      uint64_t raddr)
{
	uint64_t mapped = tree_mapped(context(req)->tree, raddr, size);

	if (mapped)
		reply_pages(req, node, raddr, mapped);
	else if (raddr < PAGE_BYTES || !size)
		(void)fuse_reply_buf(req, NULL, 0);
	else
		(void)fuse_reply_err(req, EIO);
}

static void ops_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		     struct fuse_file_info *file)
{
	const struct tree_node *node = tree_get(context(req)->tree, ino);
	uint64_t at = (uint64_t)offset;

	if (node && node->kind == TREE_LIVE) {
		live_read(req, size, offset, file);
		return;
	}
	if (node && node->kind == TREE_MEM && offset >= 0) {
		reply_mem(req, node, size, at);
		return;
	}
	if (!node || offset < 0 || at >= node->size_bytes) {
		(void)fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (size > node->size_bytes - at)
		size = node->size_bytes - at;
	if (node->kind == TREE_BYTES)
		(void)fuse_reply_buf(req, (const char *)node->bytes + at, size);
	else
		reply_pages(req, node, at, size);
}

void ops_read_again(const struct parking_read *read)
{
	ops_read(read->req, read->ino, read->size_bytes, read->offset, NULL);
}

static void ops_readlink(fuse_req_t req, fuse_ino_t ino)
{
	const struct tree_node *node = tree_get(context(req)->tree, ino);

	if (node && node->kind == TREE_LINK)
		(void)fuse_reply_readlink(req, node->bytes);
	else
		(void)fuse_reply_err(req, EINVAL);
}

/* "." and "..", then the children; the offset is the next entry's number. */
static const struct tree_node *entry_at(const struct tree *tree,
					const struct tree_node *dir,
					uint64_t index, const char **ret_name)
{
	if (index == 0) {
		*ret_name = ".";
		return dir;
	}
	if (index == 1) {
		*ret_name = "..";
		return tree_get(tree, dir->parent_ino);
	}
	if (index - 2 >= dir->nr_children)
		return NULL;
	*ret_name = dir->children[index - 2]->name;
	return dir->children[index - 2];
}

/* A reply to READDIR that is being filled. */
struct listing {
	fuse_req_t req;
	char *buf;
	size_t size, used;
	int plus; /* READDIRPLUS: each entry with its attributes */
};

/* Append one entry whose successor is @next: 1, 0 when it does not fit, or
 * -ENOMEM. */
static int add_entry(struct listing *listing, const struct tree_node *node,
		     const char *name, off_t next)
{
	size_t left = listing->size - listing->used, bytes;
	char *at = listing->buf + listing->used;
	struct fuse_entry_param entry;
	int r = entry_of(listing->req, node, &entry);

	if (r)
		return r;
	if (name[0] == '.') /* the kernel wants no lookup of "." and ".." */
		entry.ino = 0;
	bytes = listing->plus ? fuse_add_direntry_plus(listing->req, at, left,
						       name, &entry, next)
			      : fuse_add_direntry(listing->req, at, left, name,
						  &entry.attr, next);
	if (bytes > left)
		return 0;
	listing->used += bytes;
	return 1;
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		 int plus)
{
	const struct tree *tree = context(req)->tree;
	const struct tree_node *dir = tree_get(tree, ino), *node;
	struct listing listing = {req, threadbuf_get(context(req)->fetch, size),
				  size, 0, plus};
	const char *name;
	int r = 1;

	if (!dir || dir->kind != TREE_DIR || !listing.buf) {
		(void)fuse_reply_err(req, listing.buf ? ENOTDIR : ENOMEM);
		return;
	}
	while (r > 0 && (node = entry_at(tree, dir, (uint64_t)offset, &name)))
		r = add_entry(&listing, node, name, ++offset);
	if (r < 0 && !listing.used)
		(void)fuse_reply_err(req, -r);
	else
		(void)fuse_reply_buf(req, listing.buf, listing.used);
}

static void ops_readdir(fuse_req_t req, fuse_ino_t ino, size_t size,
			off_t offset, struct fuse_file_info *file)
{
	list(req, ino, size, offset, 0);
}

static void ops_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
			    off_t offset, struct fuse_file_info *file)
{
	list(req, ino, size, offset, 1);
}

static void ops_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
		      struct fuse_file_info *file)
{
	const struct tree *tree = context(req)->tree;
	const struct tree_node *node = tree_get(tree, ino);
	int64_t found;

	if (!node || (whence != SEEK_DATA && whence != SEEK_HOLE)) {
		(void)fuse_reply_err(req, EINVAL);
		return;
	}
	found = tree_seek(tree, node, offset, whence);
	if (found < 0)
		(void)fuse_reply_err(req, (int)-found);
	else
		(void)fuse_reply_lseek(req, found);
}

/* What loaders tell of their children. */
static void ops_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned command,
		      void *arg, struct fuse_file_info *file, unsigned flags,
		      const void *in, size_t in_len, size_t out_len)
{
	const struct ops_context *ops = context(req);
	int r = childnotes_take(ops->origin->notes, ops->fetch, command, in,
				in_len);

	if (r)
		(void)fuse_reply_err(req, -r);
	else
		(void)fuse_reply_ioctl(req, 0, NULL, 0);
}

/* A size of 0 asks how much room is needed. */
static void reply_xattr(fuse_req_t req, const char *bytes, int len, size_t room)
{
	if (len < 0)
		(void)fuse_reply_err(req, -len);
	else if (!room)
		(void)fuse_reply_xattr(req, (size_t)len);
	else if (room < (size_t)len)
		(void)fuse_reply_err(req, ERANGE);
	else
		(void)fuse_reply_buf(req, bytes, (size_t)len);
}

static void ops_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			 size_t size)
{
	const struct tree_node *node = tree_get(context(req)->tree, ino);
	char value[XATTR_VALUE_BYTES];
	int len = -ENODATA;

	if (node && node->vma)
		len = xattr_value(node->vma, name, value);
	reply_xattr(req, value, len, size);
}

static void ops_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	const struct tree_node *node = tree_get(context(req)->tree, ino);
	char list[XATTR_LIST_BYTES];
	int len = 0;

	if (node && node->vma)
		len = xattr_list(node->vma, list);
	reply_xattr(req, list, len, size);
}

/* As large as what the image holds, and full: nothing can be added. */
static void ops_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st = {
		.f_blocks = image_present_pages(context(req)->origin->image, 0,
						UINT64_MAX >> PAGE_SHIFT),
		.f_bsize = PAGE_BYTES,
		.f_frsize = PAGE_BYTES,
		.f_namemax = 255,
		.f_flag = ST_RDONLY | ST_NOSUID | ST_NODEV,
	};

	(void)fuse_reply_statfs(req, &st);
}

const struct fuse_lowlevel_ops ops_table = {
	.init = ops_init,
	.lookup = ops_lookup,
	.getattr = ops_getattr,
	.open = ops_open,
	.read = ops_read,
	.release = ops_release,
	.opendir = ops_opendir,
	.readlink = ops_readlink,
	.readdir = ops_readdir,
	.readdirplus = ops_readdirplus,
	.lseek = ops_lseek,
	.getxattr = ops_getxattr,
	.listxattr = ops_listxattr,
	.statfs = ops_statfs,
	.ioctl = ops_ioctl,
};

/* SPDX-License-Identifier: MIT */
#include "tools/bench/nullfs.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "common/say.h"
#include "fs/channel.h"

#define FILE_INO   2
#define ANSWER_MAX (1ul << 20)
#define FOREVER_S  1e9
#define FILE_NAME  "null"
#define READY_LEN  1

struct nullfs {
	struct nullfs_options options;
	pid_t pid;
	char *answer; /* ANSWER_MAX bytes */
};

static const struct nullfs *asked(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static void null_init(void *userdata, struct fuse_conn_info *conn)
{
	const struct nullfs *nullfs = userdata;

	channel_want(conn, nullfs->options.uring);
}

static void stat_of(fuse_req_t req, fuse_ino_t ino, struct stat *ret)
{
	bool is_file = ino == FILE_INO;

	*ret = (struct stat){
		.st_ino = ino,
		.st_mode = is_file ? S_IFREG | 0600 : S_IFDIR | 0700,
		.st_nlink = 1,
		.st_size = is_file ? (off_t)asked(req)->options.bytes : 0,
	};
}

static void null_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = {
		.ino = FILE_INO,
		.attr_timeout = FOREVER_S,
		.entry_timeout = FOREVER_S,
	};

	if (parent != FUSE_ROOT_ID || strcmp(name, FILE_NAME) != 0) {
		(void)fuse_reply_err(req, ENOENT);
		return;
	}
	stat_of(req, FILE_INO, &entry.attr);
	(void)fuse_reply_entry(req, &entry);
}

static void null_getattr(fuse_req_t req, fuse_ino_t ino,
			 struct fuse_file_info *file)
{
	struct stat st;

	stat_of(req, ino, &st);
	(void)fuse_reply_attr(req, &st, FOREVER_S);
}

static void null_open(fuse_req_t req, fuse_ino_t ino,
		      struct fuse_file_info *file)
{
	file->keep_cache = 1;
	(void)fuse_reply_open(req, file);
}

static void null_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		      struct fuse_file_info *file)
{
	if (size > ANSWER_MAX)
		(void)fuse_reply_err(req, EIO);
	else
		(void)fuse_reply_buf(req, asked(req)->answer, size);
}

static const struct fuse_lowlevel_ops null_ops = {
	.init = null_init,
	.lookup = null_lookup,
	.getattr = null_getattr,
	.open = null_open,
	.read = null_read,
};

static struct fuse_session *mount_it(struct nullfs *nullfs)
{
	char words[256] = "ro,nosuid,nodev,subtype=nullfs";
	char name[] = "nullfs", flag[] = "-o";
	char *argv[] = {name, flag, words, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	struct fuse_session *fuse;

	strcat(words, channel_words(nullfs->options.uring));
	fuse = fuse_session_new(&args, &null_ops, sizeof(null_ops), nullfs);
	fuse_opt_free_args(&args);
	if (!fuse || fuse_session_mount(fuse, nullfs->options.mnt) ||
	    fuse_set_signal_handlers(fuse))
		return NULL;
	return fuse;
}

/* In the process of its own. */
static int serve(struct nullfs *nullfs, int ready_fd)
{
	struct fuse_session *fuse;
	int r;

	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	fuse = mount_it(nullfs);
	if (!fuse || write(ready_fd, "", READY_LEN) != READY_LEN)
		return EXIT_FAILURE;
	r = channel_loop(fuse, nullfs->options.threads);
	fuse_session_unmount(fuse);
	fuse_session_destroy(fuse);
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int start(struct nullfs *nullfs)
{
	CLEANUP_CLOSE int ready = -1;
	char byte;
	int fds[2];

	if (pipe(fds))
		return -errno;
	ready = fds[0];
	nullfs->pid = fork();
	if (!nullfs->pid)
		_exit(serve(nullfs, fds[1]));
	(void)close(fds[1]);
	if (nullfs->pid < 0)
		return -errno;
	return read(ready, &byte, READY_LEN) == READY_LEN ? 0 : -EIO;
}

int nullfs_open(const struct nullfs_options *options, struct nullfs **ret)
{
	struct nullfs *nullfs = calloc(1, sizeof(*nullfs));
	int error = -ENOMEM;

	if (!nullfs)
		return error;
	nullfs->options = *options;
	nullfs->answer = aligned_alloc(PAGE_BYTES, ANSWER_MAX);
	if (nullfs->answer) {
		memset(nullfs->answer, 0x5a, ANSWER_MAX);
		error = start(nullfs);
	}
	if (error) {
		say_error("mounting the null file system on %s: %s",
			  options->mnt, strerror(-error));
		nullfs_close(nullfs);
		return error;
	}
	*ret = nullfs;
	return 0;
}

void nullfs_close(struct nullfs *nullfs)
{
	if (!nullfs)
		return;
	if (nullfs->pid > 0) {
		(void)umount2(nullfs->options.mnt, MNT_DETACH);
		(void)waitpid(nullfs->pid, NULL, 0);
	}
	free(nullfs->answer);
	free(nullfs);
}

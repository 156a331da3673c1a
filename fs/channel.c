/* SPDX-License-Identifier: MIT */
#include "fs/channel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Reads under way before the kernel holds further read-ahead back. */
#define MAX_BACKGROUND 64

/*
 * Questions that a CPU's thread may find waiting.  Each takes 1 MiB of address
 * space, of which only what was ever used is memory.
 */
#define URING_WORDS ",io_uring,io_uring_q_depth=4"

#define THREADS_USUAL 8

#define URING_KNOB "/sys/module/fuse/parameters/enable_uring"

static const char *const names[] = {
	[CHANNEL_AUTO] = "auto",
	[CHANNEL_DEV] = "dev",
	[CHANNEL_URING] = "io_uring",
};

int channel_parse(const char *text, enum channel_wish *ret)
{
	for (int i = CHANNEL_AUTO; i <= CHANNEL_URING; i++)
		if (!strcmp(text, names[i])) {
			*ret = (enum channel_wish)i;
			return 0;
		}
	return -EINVAL;
}

const char *channel_name(bool uring)
{
	return names[uring ? CHANNEL_URING : CHANNEL_DEV];
}

#ifdef FUSE_CAP_OVER_IO_URING

static bool is_enabled(char *why)
{
	CLEANUP_FCLOSE FILE *knob = fopen(URING_KNOB, "re");
	int letter = knob ? fgetc(knob) : EOF;

	if (letter == EOF)
		(void)snprintf(why, CHANNEL_WHY_MAX,
			       "this kernel has no " URING_KNOB
			       " (Linux 6.14 has)");
	else if (letter != 'Y')
		(void)snprintf(why, CHANNEL_WHY_MAX,
			       "the kernel's " URING_KNOB
			       " is %c: write Y there before the mount",
			       letter);
	return letter == 'Y';
}

bool channel_has_uring(char *why)
{
	return is_enabled(why);
}

bool channel_is_uring(fuse_req_t req)
{
	return fuse_req_is_uring(req);
}

/* The environment may have asked libfuse for it. */
static void want_uring(struct fuse_conn_info *conn, bool uring)
{
	if (!uring)
		conn->want &= ~(unsigned)FUSE_CAP_OVER_IO_URING;
}

#else

bool channel_has_uring(char *why)
{
	(void)snprintf(why, CHANNEL_WHY_MAX,
		       "built with libfuse %d.%d; 3.18 or later is needed",
		       FUSE_MAJOR_VERSION, FUSE_MINOR_VERSION);
	return false;
}

bool channel_is_uring(fuse_req_t req)
{
	return false;
}

static void want_uring(struct fuse_conn_info *conn, bool uring)
{
}

#endif

int channel_choose(enum channel_wish wish, bool waits, bool *ret_uring,
		   char *why)
{
	bool has = wish == CHANNEL_URING || (wish == CHANNEL_AUTO && !waits);

	if (has)
		has = channel_has_uring(why);
	if (wish == CHANNEL_URING && !has)
		return -EOPNOTSUPP;
	*ret_uring = has;
	return 0;
}

unsigned channel_threads(bool waits)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (waits || cpus > THREADS_USUAL)
		return THREADS_USUAL;
	return cpus < 2 ? 2 : (unsigned)cpus;
}

const char *channel_words(bool uring)
{
	return uring ? URING_WORDS : "";
}

void channel_want(struct fuse_conn_info *conn, bool uring)
{
	/*
	 * Without AUTO_INVAL_DATA nothing drops the page cache behind the
	 * children's maps; with ASYNC_READ read-ahead overlaps the fetches.
	 */
	conn->want &= ~(unsigned)FUSE_CAP_AUTO_INVAL_DATA;
	conn->want |= conn->capable &
		      (FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS |
		       FUSE_CAP_READDIRPLUS);
	want_uring(conn, uring);
	conn->max_background = MAX_BACKGROUND;
	conn->congestion_threshold = MAX_BACKGROUND * 3 / 4;
}

static void cleanup_config(struct fuse_loop_config **config)
{
	fuse_loop_cfg_destroy(*config);
}

int channel_loop(struct fuse_session *fuse, unsigned threads)
{
	CLEANUP(cleanup_config)
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int r;

	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_clone_fd(config, 0);
	fuse_loop_cfg_set_max_threads(config, threads);
	fuse_loop_cfg_set_idle_threads(config, threads);
	if (threads == 1)
		r = fuse_session_loop(fuse);
	else
		r = fuse_session_loop_mt(fuse, config);
	/* A positive value is the signal that ended the loop. */
	return r < 0 ? r : 0;
}

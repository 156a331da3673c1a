/* SPDX-License-Identifier: MIT */
/*
 * options.h - what mount(8), fstab and people say to mitosisfs
 *
 * Two ways in: `mitosisfs SOURCE MOUNTPOINT [-o ...]`, which is also what
 * mount.fuse3 runs, and the helper form `mount.mitosisfs SOURCE MOUNTPOINT
 * [-sfnv] [-o ...]`, where -f means "fake" and -s "sloppy" (mount(8), EXTERNAL
 * HELPERS).  Words that belong to fstab are dropped (mountwords.h); any other
 * unknown word is an error.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/parse.h"
#include "fs/channel.h"
#include "fs/modes.h"
#include "rdmafetch/sec.h"

#define OPTIONS_WHY_MAX 255
#define OPTIONS_SELF	UINT32_MAX /* of uid, gid: whoever mounts */

/* How a daemon is reached. */
enum options_proto {
	OPTIONS_AUTO, /* RDMA where both ends have it, else TCP */
	OPTIONS_TCP,
	OPTIONS_RDMA, /* or not at all */
};

struct options {
	char *source_text, *mountpoint; /* owned */
	struct parse_source source;
	unsigned port;
	unsigned timeo_ds;    /* tenths of a second, as nfs(5) has it */
	unsigned retrans;     /* tries after the first */
	unsigned retry_m;     /* minutes in which to try to mount */
	unsigned uid, gid;    /* who files are shown to belong to */
	unsigned lease_s;     /* 0: the daemon's default */
	unsigned threads;     /* that answer the kernel, at most */
	unsigned awake_ms;    /* in a burst of faults, at most; 0: never */
	unsigned cache_ttl_s; /* MODES_UNSET until it is decided */
	int sharecache;	      /* 1 said, -1 refused, 0 neither */
	char *mode, *prefetch, *eager;	       /* owned; NULL: not said */
	char *cache, *cache_size, *stash;      /* the same */
	char *warm;			       /* the same */
	unsigned prefetch_pages, readahead_kb; /* MODES_UNSET: not said */
	int profile;			       /* told at the end */
	struct modes modes;		       /* what these say */
	char *socket; /* of the daemon, for unix: sources, owned */
	char *sec_text, *munge_socket, *psk_file, *psk_user; /* owned */
	struct sec_settings sec;			     /* by these */
	char *proto_text, *rdma_dev; /* owned; rdma_dev may be NULL */
	enum options_proto proto;    /* what proto_text says */
	char *fuse_text;	     /* owned */
	enum channel_wish channel;   /* what it says */
	bool uring; /* the caller's, of channel_choose(): not parsed */
	int foreground, debug, fake, sloppy, help, version;
	int allow_other, auto_unmount;
	int hard;	   /* reads wait for a lost parent */
	int reconnect;	   /* sshfs's word for what is always done */
	unsigned said;	   /* a bit for each enum mountword */
	unsigned nr_words; /* of the command line, so far */
	bool is_helper;
	char why[OPTIONS_WHY_MAX + 1]; /* the reason of -EINVAL */
};

/*
 * Parse the command line into @options, which options_done() frees in any case.
 *
 * With help or version set nothing else is checked.  Returns 0, -ENOMEM, or
 * -EINVAL with options->why saying what is wrong and what to do.
 */
int options_parse(int argc, char **argv, struct options *options);

/* Whether reads of what is mounted wait for a network, a daemon, or a parent.
 */
bool options_waits(const struct options *options);

/* The usage text, one option a line. */
const char *options_usage(void);

void options_done(struct options *options);

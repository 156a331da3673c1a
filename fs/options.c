/* SPDX-License-Identifier: MIT */
#include "fs/options.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUSE_USE_VERSION 314
#include <fuse_opt.h>

#include "common/wire.h"
#include "fs/mountwords.h"
#include "fs/share_terms.h"
#include "rdmafetch/verbs_address.h"

#define TIMEO_MAX_DS 6000u
#define RETRANS_MAX  100u
#define RETRY_MAX_M  10000u /* about a week: nfs(5) */
#define LEASE_MAX_S  (30u * 24 * 3600)
#define THREADS_MAX  64u
#define TTL_MAX_S    LEASE_MAX_S
#define TTL_S	     5u /* "a few seconds", as the ancestor */

enum {
	KEY_HELP,
	KEY_VERSION,
	KEY_SLOPPY_OR_SINGLE,
	KEY_FAKE_OR_FOREGROUND,
	KEY_VERBOSE_OR_VERSION,
};

#define OPTION(text, member, value)                                            \
	{                                                                      \
		text, offsetof(struct options, member), value                  \
	}

/* NAME=N, decimal to its last character. */
static const struct number {
	const char *name;
	size_t offset;
	unsigned min, max;
} numbers[] = {
	{"port", offsetof(struct options, port), 1, 65535},
	{"timeo", offsetof(struct options, timeo_ds), 1, TIMEO_MAX_DS},
	{"retrans", offsetof(struct options, retrans), 0, RETRANS_MAX},
	{"retry", offsetof(struct options, retry_m), 0, RETRY_MAX_M},
	{"lease", offsetof(struct options, lease_s), 0, LEASE_MAX_S},
	{"uid", offsetof(struct options, uid), 0, OPTIONS_SELF - 1},
	{"gid", offsetof(struct options, gid), 0, OPTIONS_SELF - 1},
	{"prefetch_pages", offsetof(struct options, prefetch_pages), 1,
	 PREFETCH_PAGES_MAX},
	{"readahead", offsetof(struct options, readahead_kb),
	 MODES_AHEAD_MIN_KB, MODES_AHEAD_MAX_KB},
	{"cache_ttl", offsetof(struct options, cache_ttl_s), 0, TTL_MAX_S},
	{"threads", offsetof(struct options, threads), 1, THREADS_MAX},
};

static const struct fuse_opt table[] = {
	OPTION("mode=%s", mode, 0),
	OPTION("profile", profile, 1),
	OPTION("eager=%s", eager, 0),
	OPTION("warm=%s", warm, 0),
	OPTION("prefetch=%s", prefetch, 0),
	OPTION("cache=%s", cache, 0),
	OPTION("sharecache", sharecache, 1),
	OPTION("nosharecache", sharecache, -1),
	OPTION("cache_size=%s", cache_size, 0),
	OPTION("stash=%s", stash, 0),
	OPTION("socket=%s", socket, 0),
	OPTION("proto=%s", proto_text, 0),
	OPTION("fuse=%s", fuse_text, 0),
	OPTION("rdma_dev=%s", rdma_dev, 0),
	OPTION("sec=%s", sec_text, 0),
	OPTION("munge_socket=%s", munge_socket, 0),
	OPTION("psk_file=%s", psk_file, 0),
	OPTION("psk_user=%s", psk_user, 0),
	OPTION("allow_other", allow_other, 1),
	OPTION("--foreground", foreground, 1),
	OPTION("-d", debug, 1),
	OPTION("debug", debug, 1),
	OPTION("auto_unmount", auto_unmount, 1),
	OPTION("soft", hard, 0),
	OPTION("hard", hard, 1),
	OPTION("reconnect", reconnect, 1),

	FUSE_OPT_KEY("-h", KEY_HELP),
	FUSE_OPT_KEY("--help", KEY_HELP),
	FUSE_OPT_KEY("-V", KEY_VERSION),
	FUSE_OPT_KEY("--version", KEY_VERSION),
	FUSE_OPT_KEY("-s", KEY_SLOPPY_OR_SINGLE),
	FUSE_OPT_KEY("-f", KEY_FAKE_OR_FOREGROUND),
	FUSE_OPT_KEY("-v", KEY_VERBOSE_OR_VERSION),

	FUSE_OPT_KEY("-n", FUSE_OPT_KEY_DISCARD), /* no mtab: there is none */
	FUSE_OPT_END,
};

static const char usage[] =
	"Usage: mitosisfs SOURCE MOUNTPOINT [-f] [-o OPTION[,OPTION...]]\n"
	"       mount -t mitosisfs SOURCE MOUNTPOINT [-o OPTION[,OPTION...]]\n"
	"\n"
	"Shows a point-in-time image of a running process as files.\n"
	"\n"
	"SOURCE\n"
	"  HOST:/pid/N          image process N of HOST now, through its "
	"mitosisd\n"
	"  HOST:/image/NAME     an image prepared there with mitosisctl "
	"prepare\n"
	"  unix:/pid/N          the same through this host's mitosisd socket\n"
	"  local:/pid/N         image process N of this host, with no daemon\n"
	"\n"
	"  -f, --foreground     stay in the foreground, errors on stderr\n"
	"  -h, --help           this text\n"
	"  -V, --version        the version\n"
	"\n"
	"  -o port=N            port of mitosisd (7373)\n"
	"  -o timeo=N           wait N tenths of a second for pages, then try\n"
	"                       again (50)\n"
	"  -o retrans=N         tries after the first (2)\n"
	"  -o soft              after that reads fail with EIO (the default)\n"
	"  -o hard              reads wait until the parent is back\n"
	"  -o retry=N           minutes to try to mount while the host does "
	"not\n"
	"                       answer (0)\n"
	"  -o lease=N           keep the image N seconds after the last sign "
	"of\n"
	"                       this mount (the daemon's choice)\n"
	"  -o mode=MODE         cow: one page a fault; prefetch: what is "
	"around it\n"
	"                       too; eager: everything, in the background "
	"(prefetch)\n"
	"  -o eager=WHEN        background, or wait: mount when all is here "
	"(background)\n"
	"  -o warm=WHEN         mode=eager: auto, off or require: a file in "
	"huge pages that\n"
	"                       children map without asking anybody (auto)\n"
	"  -o prefetch=POLICY   auto, off, next, seq, stride, trace, or N "
	"pages:\n"
	"                       what to bring before it is asked for (auto)\n"
	"  -o profile           when unmounted, tell what it cost\n"
	"  -o prefetch_pages=N  the most pages ahead of a fault (512; 64 but "
	"for auto)\n"
	"  -o readahead=N       KiB that the kernel reads around a fault "
	"(128)\n"
	"  -o cache=WHERE       what keeps pages that have come: kernel, as "
	"memory\n"
	"                       allows; off, nothing beyond an open; stash, "
	"the "
	"kernel\n"
	"                       and a store in memory (kernel)\n"
	"  -o stash=DIR         keep them in files of DIR too, for mounts to "
	"come\n"
	"  -o cache_size=N      what the stash may take, in bytes or with K, M "
	"or G (1G)\n"
	"  -o cache_ttl=N       keep pages N seconds after the last mount and "
	"child\n"
	"                       (5 for /image/ sources, 0 for others)\n"
	"  -o sharecache        share a server with other mounts of the image: "
	"the\n"
	"                       default, but with hard\n"
	"  -o nosharecache      have a server of one's own\n"
	"  -o threads=N         the most threads that answer the kernel (8; of "
	"local:\n"
	"                       as many as CPUs, 2 to 8)\n"
	"  -o fuse=CHANNEL      how the kernel asks: auto, dev (/dev/fuse) or "
	"io_uring\n"
	"                       (auto: io_uring where it can be had, of "
	"local:)\n"
	"  -o socket=PATH       mitosisd's socket, for unix: sources\n"
	"  -o proto=PROTO       auto, tcp or rdma: RDMA where both ends have "
	"it,\n"
	"                       else TCP; one of them, or fail (auto)\n"
	"  -o rdma_dev=NAME     the local RDMA device (the one the route leads "
	"to)\n"
	"  -o sec=KIND          how to say who asks, to a mitosisd of another "
	"host:\n"
	"                       none, munge, or psk: a key, and all in TLS "
	"(none)\n"
	"  -o munge_socket=PATH munged's, where it is not the usual one\n"
	"  -o psk_file=PATH     of the key, with sec=psk "
	"(~/.config/mitosis/client.psk)\n"
	"  -o psk_user=NAME     whose key of that file (your own)\n"
	"  -o allow_other       let other users look (an image holds "
	"secrets)\n"
	"  -o uid=N             show files as user N's (who mounts)\n"
	"  -o gid=N             show files as group N's (the same)\n"
	"  -o auto_unmount      unmount even when mitosisfs is killed\n"
	"  -o reconnect         accepted: a lost connection is always made "
	"anew\n";

const char *options_usage(void)
{
	return usage;
}

static int wrong(struct options *options, const char *format, const char *word)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(options->why, sizeof(options->why), format, word);
#pragma GCC diagnostic pop
	return -1;
}

static int take_word(struct options *options, const char *word)
{
	char **slot = options->nr_words ? &options->mountpoint
					: &options->source_text;

	if (options->nr_words++ >= 2)
		return wrong(options, "one word too many: '%s'", word);
	*slot = strdup(word);
	if (!*slot)
		return wrong(options, "%s", "out of memory");
	return 0;
}

static int take_number(struct options *options, const struct number *number,
		       const char *text)
{
	uint64_t value;

	if (parse_u64(text, number->min, number->max, &value)) {
		(void)snprintf(options->why, sizeof(options->why),
			       "%s=%.40s: a number from %u to %u is wanted",
			       number->name, text, number->min, number->max);
		return -1;
	}
	*(unsigned *)((char *)options + number->offset) = (unsigned)value;
	return 0;
}

/* A word of -o that is neither a key nor in the table. */
static int take_option(struct options *options, const char *arg)
{
	size_t name_len = strcspn(arg, "=");
	enum mountword word = mountword_of(arg);

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (arg[name_len] && strlen(numbers[i].name) == name_len &&
		    !strncmp(arg, numbers[i].name, name_len))
			return take_number(options, &numbers[i],
					   arg + name_len + 1);
	options->said |= 1u << word;
	if (word == MOUNTWORD_NONE && !options->why[0] &&
	    (!options->sloppy || arg[0] == '-'))
		(void)wrong(options,
			    "option '%s' is not known; mitosisfs --help lists "
			    "those that are",
			    arg);
	return 0;
}

/* fuse_opt calls this for keys and for what the table does not know. */
static int take(void *data, const char *arg, int key, struct fuse_args *args)
{
	struct options *options = data;

	switch (key) {
	case KEY_HELP:
		options->help = 1;
		return 0;
	case KEY_VERSION:
		options->version = 1;
		return 0;
	case KEY_SLOPPY_OR_SINGLE:
		if (options->is_helper)
			options->sloppy = 1;
		else
			options->threads = 1;
		return 0;
	case KEY_FAKE_OR_FOREGROUND:
		if (options->is_helper)
			options->fake = 1;
		else
			options->foreground = 1;
		return 0;
	case KEY_VERBOSE_OR_VERSION:
		if (!options->is_helper)
			options->version = 1;
		return 0;
	case FUSE_OPT_KEY_NONOPT:
		return take_word(options, arg);
	default:
		return take_option(options, arg);
	}
}

static int check_proto(struct options *options)
{
	static const char *const names[] = {
		[OPTIONS_AUTO] = "auto",
		[OPTIONS_TCP] = "tcp",
		[OPTIONS_RDMA] = "rdma",
	};
	const char *proto = options->proto_text ? options->proto_text : "auto";
	unsigned i = 0;

	while (i < sizeof(names) / sizeof(names[0]) && strcmp(names[i], proto))
		i++;
	if (i == sizeof(names) / sizeof(names[0]))
		return wrong(options,
			     "proto=%s: no such way; auto, tcp or rdma", proto);
	options->proto = (enum options_proto)i;
	if (options->proto == OPTIONS_RDMA &&
	    options->source.where != PARSE_TCP)
		return wrong(options, "%s",
			     "proto=rdma leads to a mitosisd of a HOST: within "
			     "this host leave it out");
	if (options->rdma_dev && strlen(options->rdma_dev) > VERBS_DEVICE_MAX)
		return wrong(options, "rdma_dev=%.80s: too long",
			     options->rdma_dev);
	return 0;
}

static bool said(const struct options *options, enum mountword word)
{
	return options->said & (1u << word);
}

/*
 * Whether somebody wants to write, or wants devices or setuid.  mount(8) tells
 * a helper "rw" and mount.fuse3 says "dev,suid" of its own accord, so there
 * these words are nobody's wish.
 */
static bool wants_more(const struct options *options)
{
	bool dev = said(options, MOUNTWORD_DEV);
	bool suid = said(options, MOUNTWORD_SUID);

	if (options->is_helper || (dev && suid))
		return false;
	return dev || suid || said(options, MOUNTWORD_RW);
}

/* remount goes first: mount(8) then says all that the kernel shows, too. */
static int check_words(struct options *options)
{
	if (said(options, MOUNTWORD_REMOUNT))
		return wrong(options, "%s",
			     "remount is not possible: an image never changes; "
			     "umount and mount again");
	if (options->why[0])
		return -1;
	if (said(options, MOUNTWORD_NOEXEC))
		return wrong(
			options, "%s",
			"noexec would keep children from running the "
			"image's code; mount without it (fstab: user,exec)");
	if (wants_more(options))
		return wrong(options, "%s",
			     "rw, dev and suid are not possible: an image is "
			     "always mounted ro,nosuid,nodev");
	return 0;
}

static int check_modes(struct options *options)
{
	const struct modes_wish wish = {
		.mode = options->mode,
		.prefetch = options->prefetch,
		.eager = options->eager,
		.prefetch_pages = options->prefetch_pages,
		.readahead_kb = options->readahead_kb,
		.cache = options->cache,
		.warm = options->warm,
		.stash = options->stash,
		.cache_size = options->cache_size,
	};

	static_assert(OPTIONS_WHY_MAX >= MODES_WHY_MAX, "room for the reason");
	if (modes_decide(&wish, &options->modes, options->why))
		return -1;
	if (options->modes.replays && !options->source.name[0])
		return wrong(options, "%s",
			     "prefetch=trace brings what a child of an earlier "
			     "mount looked at: mount a prepared image, "
			     "HOST:/image/NAME");
	return 0;
}

static int check_sec(struct options *options)
{
	const struct sec_words words = {
		.kind = options->sec_text,
		.munge_socket = options->munge_socket,
		.psk_file = options->psk_file,
		.psk_user = options->psk_user,
	};

	if (sec_set(&words, &options->sec, options->why))
		return -1;
	if (options->sec.kind == WIRE_SEC_PSK && options->proto == OPTIONS_RDMA)
		return wrong(options, "%s",
			     "proto=rdma with sec=psk: what goes over RDMA is "
			     "not inside TLS; use proto=tcp, or sec=munge");
	return 0;
}

/*
 * What is kept is for later mounts of the image, which must be able to find it.
 * Who may not mount but by fusermount3 is told by the status: that is no matter
 * of words.
 */
static int check_sharing(struct options *options)
{
	const char *why = share_forbidden(options);
	bool is_off = options->modes.cache == MODES_CACHE_OFF;
	unsigned ttl_s = options->cache_ttl_s;

	if (options->sharecache > 0 && why)
		return wrong(options, "sharecache: %s", why);
	if (ttl_s == MODES_UNSET) {
		options->cache_ttl_s = why || is_off ? 0 : TTL_S;
		return 0;
	}
	if (ttl_s && is_off)
		return wrong(options, "%s",
			     "cache_ttl is for pages that are kept, and "
			     "cache=off keeps none: leave out one of the two");
	if (ttl_s && why)
		return wrong(options,
			     "cache_ttl is for later mounts of the image, and "
			     "none would find this one's pages: %s",
			     why);
	return 0;
}

bool options_waits(const struct options *options)
{
	return options->hard || options->source.where != PARSE_LOCAL;
}

static int check(struct options *options)
{
	if (check_words(options))
		return -1;
	if (options->nr_words < 2)
		return wrong(options, "%s",
			     "need a source and a mount point: mitosisfs "
			     "local:/pid/1234 /mnt");
	if (parse_source(options->source_text, &options->source))
		return wrong(options,
			     "source '%s' is not HOST:/pid/N, HOST:/image/NAME "
			     "or local:/pid/N",
			     options->source_text);
	if (check_modes(options))
		return -1;
	if (check_sharing(options))
		return -1;
	if (check_proto(options))
		return -1;
	if (check_sec(options))
		return -1;
	if (channel_parse(options->fuse_text ? options->fuse_text : "auto",
			  &options->channel))
		return wrong(options,
			     "fuse=%s: no such channel; auto, dev or io_uring",
			     options->fuse_text);
	if (options->hard && options->channel == CHANNEL_URING)
		return wrong(
			options, "%s",
			"fuse=io_uring with hard: libfuse tells nothing of "
			"a reader that is killed, so it would wait on; "
			"leave out one of the two");
	if (!options->threads)
		options->threads = channel_threads(options_waits(options));
	return 0;
}

static bool named_as_helper(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	return strncmp(slash ? slash + 1 : argv0, "mount.", 6) == 0;
}

int options_parse(int argc, char **argv, struct options *options)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	int r;

	*options = (struct options){
		.port = WIRE_PORT,
		.timeo_ds = 50,
		.retrans = 2,
		.prefetch_pages = MODES_UNSET,
		.readahead_kb = MODES_UNSET,
		.threads = 8,
		.cache_ttl_s = MODES_UNSET,
		.uid = OPTIONS_SELF,
		.gid = OPTIONS_SELF,
		.is_helper = named_as_helper(argv[0]),
	};
	r = fuse_opt_parse(&args, options, table, take);
	fuse_opt_free_args(&args);
	if (r) {
		if (!options->why[0])
			(void)wrong(options, "%s",
				    "a number or word is missing after an "
				    "option's '='");
		return -EINVAL;
	}
	if (options->help || options->version)
		return 0;
	return check(options) ? -EINVAL : 0;
}

void options_done(struct options *options)
{
	free(options->source_text);
	free(options->mountpoint);
	free(options->mode);
	free(options->prefetch);
	free(options->eager);
	free(options->cache);
	free(options->warm);
	free(options->cache_size);
	free(options->stash);
	free(options->socket);
	free(options->proto_text);
	free(options->fuse_text);
	free(options->rdma_dev);
	free(options->sec_text);
	free(options->munge_socket);
	free(options->psk_file);
	free(options->psk_user);
	*options = (struct options){0};
}

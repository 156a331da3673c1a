/* SPDX-License-Identifier: MIT */
#include "fs/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUSE_USE_VERSION 314
#include <fuse_opt.h>

#include "common/wire.h"
#include "fs/helper.h"
#include "fs/mountwords.h"
#include "fs/options_check.h"

#define TIMEO_MAX_DS 6000u
#define RETRANS_MAX  100u
#define RETRY_MAX_M  10000u /* about a week: nfs(5) */
#define LEASE_MAX_S  (30u * 24 * 3600)
#define THREADS_MAX  64u
/* A child's start is over by then. */
#define AWAKE_MS     250u
#define AWAKE_MAX_MS 60000u
#define TTL_MAX_S    LEASE_MAX_S

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
	{"awake", offsetof(struct options, awake_ms), 0, AWAKE_MAX_MS},
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

static int take_word(struct options *options, const char *word)
{
	char **slot = options->nr_words ? &options->mountpoint
					: &options->source_text;

	if (options->nr_words++ >= 2)
		return options_wrong(options, "one word too many: '%s'", word);
	*slot = strdup(word);
	if (!*slot)
		return options_wrong(options, "%s", "out of memory");
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

/* Whether @arg is the name of an option of words, NAME=WORD. */
static bool takes_word(const char *arg)
{
	size_t len = strlen(arg);

	for (const struct fuse_opt *opt = table; opt->templ; opt++)
		if (!strncmp(opt->templ, arg, len) &&
		    !strcmp(opt->templ + len, "=%s"))
			return true;
	return false;
}

/* NAME alone, where NAME=SOMETHING is an option. */
static int lacks_value(struct options *options, const char *arg)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!strcmp(arg, numbers[i].name))
			return options_wrong(
				options, "%1$s needs a number, as in %1$s=N",
				arg);
	return takes_word(arg) ? options_wrong(options,
					       "%1$s needs a value, as in "
					       "%1$s=VALUE",
					       arg)
			       : 0;
}

/* A word of -o that is neither a key nor in the table. */
static int take_option(struct options *options, const char *arg)
{
	size_t name_len = strcspn(arg, "=");
	enum mountword word = mountword_of(arg);

	if (lacks_value(options, arg))
		return -1;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (arg[name_len] && strlen(numbers[i].name) == name_len &&
		    !strncmp(arg, numbers[i].name, name_len))
			return take_number(options, &numbers[i],
					   arg + name_len + 1);
	options->said |= 1u << word;
	if (word == MOUNTWORD_NONE && !options->why[0] &&
	    (!options->sloppy || arg[0] == '-'))
		(void)options_wrong(
			options,
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

/* libfuse would say that itself, on a line of its own. */
static bool ends_in_o(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "-o") == 0 && ++i == argc)
			return true;
	return false;
}

int options_parse(int argc, char **argv, struct options *options)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	int r = 0;

	*options = (struct options){
		.port = WIRE_PORT,
		.timeo_ds = 50,
		.retrans = 2,
		.prefetch_pages = MODES_UNSET,
		.readahead_kb = MODES_UNSET,
		.awake_ms = AWAKE_MS,
		.cache_ttl_s = MODES_UNSET,
		.uid = OPTIONS_SELF,
		.gid = OPTIONS_SELF,
		.is_helper = helper_is(argv[0]),
	};
	if (ends_in_o(argc, argv)) {
		(void)options_wrong(options, "%s",
				    "-o wants options behind it: mitosisfs "
				    "--help lists them");
		return -EINVAL;
	}
	if (options->is_helper) {
		args = (struct fuse_args)FUSE_ARGS_INIT(0, NULL);
		r = helper_spread(argc, argv, options, &args);
	}
	if (!r)
		r = fuse_opt_parse(&args, options, table, take);
	fuse_opt_free_args(&args);
	if (r) {
		if (!options->why[0])
			(void)options_wrong(
				options, "%s",
				"a number or word is missing after an "
				"option's '='");
		return -EINVAL;
	}
	if (options->help || options->version)
		return 0;
	return options_check(options) ? -EINVAL : 0;
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

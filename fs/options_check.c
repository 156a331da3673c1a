/* SPDX-License-Identifier: MIT */
#include "fs/options_check.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "fs/mountwords.h"
#include "fs/share_terms.h"
#include "rdmafetch/verbs_address.h"

#define TTL_S 5u /* "a few seconds", as the ancestor */

int options_wrong(struct options *options, const char *format, const char *word)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(options->why, sizeof(options->why), format, word);
#pragma GCC diagnostic pop
	return -1;
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
		return options_wrong(options,
				     "proto=%s: no such way; auto, tcp or rdma",
				     proto);
	options->proto = (enum options_proto)i;
	if (options->proto == OPTIONS_RDMA &&
	    options->source.where != PARSE_TCP)
		return options_wrong(
			options, "%s",
			"proto=rdma leads to a mitosisd of a HOST: within "
			"this host leave it out");
	if (options->rdma_dev && strlen(options->rdma_dev) > VERBS_DEVICE_MAX)
		return options_wrong(options, "rdma_dev=%.80s: too long",
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
		return options_wrong(
			options, "%s",
			"remount is not possible: an image never changes; "
			"umount and mount again");
	if (options->why[0])
		return -1;
	if (said(options, MOUNTWORD_NOEXEC))
		return options_wrong(
			options, "%s",
			"noexec would keep children from running the "
			"image's code; mount without it (fstab: user,exec)");
	if (wants_more(options))
		return options_wrong(
			options, "%s",
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
		return options_wrong(
			options, "%s",
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
		return options_wrong(
			options, "%s",
			"proto=rdma with sec=psk: what goes over RDMA is "
			"not inside TLS; use proto=tcp, or sec=munge");
	return 0;
}

struct text {
	const char *name, *value; /* NULL: not said */
};

/* A word that names something: nothing is called "". */
static int check_filled(struct options *options)
{
	const struct text texts[] = {
		{"socket", options->socket},
		{"stash", options->stash},
		{"rdma_dev", options->rdma_dev},
		{"munge_socket", options->munge_socket},
		{"psk_file", options->psk_file},
		{"psk_user", options->psk_user},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].value && !*texts[i].value)
			return options_wrong(
				options,
				"%s= is empty: say which, or leave it "
				"out",
				texts[i].name);
	return 0;
}

static bool is_said(const char *text, const char *but)
{
	return text && strcmp(text, but) != 0;
}

/*
 * Whoever says how a mitosisd is to be reached, or what it shall be told, means
 * another source.  Numbers (port, lease) and what is true of a local image
 * too (proto=auto, sec=none) may stand in a line that is used for both.
 */
static int check_local(struct options *options)
{
	const struct text texts[] = {
		{"socket", options->socket},
		{"proto", is_said(options->proto_text, "auto")
				  ? options->proto_text
				  : NULL},
		{"rdma_dev", options->rdma_dev},
		{"sec",
		 is_said(options->sec_text, "none") ? options->sec_text : NULL},
		{"munge_socket", options->munge_socket},
		{"psk_file", options->psk_file},
		{"psk_user", options->psk_user},
	};

	if (options->source.where != PARSE_LOCAL)
		return 0;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].value)
			return options_wrong(
				options,
				"%s= is about a mitosisd, and local: has none: "
				"leave it out, or mount HOST:/pid/N",
				texts[i].name);
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
		return options_wrong(options, "sharecache: %s", why);
	if (ttl_s == MODES_UNSET) {
		options->cache_ttl_s = why || is_off ? 0 : TTL_S;
		return 0;
	}
	if (ttl_s && is_off)
		return options_wrong(
			options, "%s",
			"cache_ttl is for pages that are kept, and "
			"cache=off keeps none: leave out one of the two");
	if (ttl_s && why)
		return options_wrong(
			options,
			"cache_ttl is for later mounts of the image, and "
			"none would find this one's pages: %s",
			why);
	return 0;
}

bool options_waits(const struct options *options)
{
	return options->hard || options->source.where != PARSE_LOCAL;
}

/* Whether @text begins with an IPv6 address as it is, up to @ret_rest. */
static bool is_bare_v6(const char *text, const char **ret_rest)
{
	struct in6_addr parsed;
	char address[INET6_ADDRSTRLEN] = "";
	size_t len;

	*ret_rest = strstr(text, ":/");
	if (!*ret_rest)
		return false;
	len = (size_t)(*ret_rest - text);
	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	return inet_pton(AF_INET6, address, &parsed) == 1;
}

static int wrong_source(struct options *options)
{
	const char *text = options->source_text, *rest;
	char right[INET6_ADDRSTRLEN + 80];

	if (!is_bare_v6(text, &rest))
		return options_wrong(
			options,
			"source '%s' is not HOST:/pid/N, HOST:/image/NAME "
			"or local:/pid/N",
			text);
	(void)snprintf(right, sizeof(right), "[%.*s]%.70s", (int)(rest - text),
		       text, rest);
	return options_wrong(options,
			     "an address with colons stands in brackets: %s",
			     right);
}

int options_check(struct options *options)
{
	if (check_words(options))
		return -1;
	if (options->nr_words < 2)
		return options_wrong(
			options, "%s",
			"need a source and a mount point: mitosisfs "
			"local:/pid/1234 /mnt");
	if (parse_source(options->source_text, &options->source))
		return wrong_source(options);
	if (check_filled(options))
		return -1;
	if (check_modes(options))
		return -1;
	if (check_sharing(options))
		return -1;
	if (check_proto(options))
		return -1;
	if (check_local(options))
		return -1;
	if (check_sec(options))
		return -1;
	if (channel_parse(options->fuse_text ? options->fuse_text : "auto",
			  &options->channel))
		return options_wrong(
			options,
			"fuse=%s: no such channel; auto, dev or io_uring",
			options->fuse_text);
	if (options->hard && options->channel == CHANNEL_URING)
		return options_wrong(
			options, "%s",
			"fuse=io_uring with hard: libfuse tells nothing of "
			"a reader that is killed, so it would wait on; "
			"leave out one of the two");
	if (!options->threads)
		options->threads = channel_threads(options_waits(options));
	return 0;
}

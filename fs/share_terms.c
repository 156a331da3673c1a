/* SPDX-License-Identifier: MIT */
#include "fs/share_terms.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

static const char *const names[] = {
	[SHARE_VERSION] = "version of mitosisfs",
	[SHARE_SOURCE] = "name of the source",
	[SHARE_PORT] = "port",
	[SHARE_SOCKET] = "socket",
	[SHARE_MOUNTER] = "mounting user",
	[SHARE_ALLOW_OTHER] = "allow_other",
	[SHARE_UID] = "uid",
	[SHARE_GID] = "gid",
	[SHARE_HARD] = "hard",
	[SHARE_TIMEO] = "timeo",
	[SHARE_RETRANS] = "retrans",
	[SHARE_MODE] = "mode",
	[SHARE_EAGER] = "eager",
	[SHARE_PREFETCH] = "prefetch",
	[SHARE_PREFETCH_PAGES] = "prefetch_pages",
	[SHARE_TRACE] = "trace",
	[SHARE_READAHEAD] = "readahead",
	[SHARE_CACHE] = "cache",
	[SHARE_WARM] = "warm",
	[SHARE_CACHE_SIZE] = "cache_size",
	[SHARE_STASH] = "stash",
	[SHARE_CACHE_TTL] = "cache_ttl",
	[SHARE_THREADS] = "threads",
	[SHARE_AWAKE] = "awake",
	[SHARE_FUSE] = "fuse",
	[SHARE_PROTO] = "proto",
	[SHARE_RDMA_DEV] = "rdma_dev",
	[SHARE_SEC] = "sec",
	[SHARE_MUNGE_SOCKET] = "munge_socket",
	[SHARE_PSK_FILE] = "psk_file",
	[SHARE_PSK_USER] = "psk_user",
	[SHARE_PROFILE] = "profile",
	[SHARE_DEBUG] = "debug",
};

const char *share_term_name(enum share_term term)
{
	return names[term];
}

/*
 * No defence against who can choose the bytes: those come from whom the mount
 * trusts with its pages anyway.
 */
static uint64_t digest(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t sum = 0x9e3779b97f4a7c15ull ^ len;

	while (len) {
		size_t now = len < sizeof(uint64_t) ? len : sizeof(uint64_t);
		uint64_t word = 0;

		memcpy(&word, at, now);
		sum = (sum ^ word) * 0xff51afd7ed558ccdull;
		sum ^= sum >> 32;
		at += now;
		len -= now;
	}
	return sum;
}

static uint64_t words(const char *text)
{
	return text ? digest(text, strlen(text)) : 0;
}

static uint64_t or_self(unsigned id, unsigned self)
{
	return id == OPTIONS_SELF ? self : id;
}

void share_terms_of(const struct options *options,
		    const struct share_image *open,
		    struct share_terms *ret_terms)
{
	const struct modes *modes = &options->modes;
	const uint64_t values[SHARE_NR_TERMS] = {
		[SHARE_VERSION] = words(MITOSIS_VERSION),
		[SHARE_SOURCE] = words(options->source_text),
		[SHARE_PORT] = options->port,
		[SHARE_SOCKET] = words(options->socket),
		[SHARE_MOUNTER] = (uint64_t)geteuid() << 32 | getegid(),
		[SHARE_ALLOW_OTHER] = options->allow_other,
		[SHARE_UID] = or_self(options->uid, geteuid()),
		[SHARE_GID] = or_self(options->gid, getegid()),
		[SHARE_HARD] = options->hard,
		[SHARE_TIMEO] = options->timeo_ds,
		[SHARE_RETRANS] = options->retrans,
		[SHARE_MODE] = modes->kind,
		[SHARE_EAGER] = modes->waits,
		[SHARE_PREFETCH] = modes->replays ? words("trace")
						  : words(modes->policy->name),
		[SHARE_PREFETCH_PAGES] = modes->prefetch_pages,
		[SHARE_TRACE] = open->has_trace,
		[SHARE_READAHEAD] = modes->readahead_kb,
		[SHARE_CACHE] = modes->cache,
		[SHARE_WARM] = modes->warm,
		[SHARE_CACHE_SIZE] = modes->cache_bytes,
		[SHARE_STASH] = words(options->stash),
		[SHARE_CACHE_TTL] = options->cache_ttl_s,
		[SHARE_THREADS] = options->threads,
		[SHARE_AWAKE] = options->awake_ms,
		[SHARE_FUSE] = options->channel,
		[SHARE_PROTO] = options->proto,
		[SHARE_RDMA_DEV] = words(options->rdma_dev),
		[SHARE_SEC] = options->sec.kind,
		[SHARE_MUNGE_SOCKET] = words(options->munge_socket),
		[SHARE_PSK_FILE] = words(options->psk_file),
		[SHARE_PSK_USER] = words(options->psk_user),
		[SHARE_PROFILE] = options->profile,
		[SHARE_DEBUG] = options->debug,
	};

	*ret_terms = (struct share_terms){
		.image = {digest(open->desc, open->desc_bytes),
			  open->desc_bytes, open->image->captured_realtime_ns,
			  open->image->captured_boottime_ns},
	};
	memcpy(ret_terms->values, values, sizeof(values));
}

const char *share_forbidden(const struct options *options)
{
	if (!options->source.name[0])
		return "a source of /pid/ takes an image of its own";
	if (options->sharecache < 0)
		return "nosharecache";
	if (options->foreground)
		return "a server in the foreground ends with its own mount";
	if (options->auto_unmount)
		return "auto_unmount knows of one mount only";
	if (options->hard && !options->sharecache)
		return "umount -f of one hard mount would cut all that share "
		       "its server: say sharecache where that is wanted";
	return NULL;
}

enum share_term share_differ(const struct share_terms *a,
			     const struct share_terms *b)
{
	unsigned term = 0;

	while (term < SHARE_NR_TERMS && a->values[term] == b->values[term])
		term++;
	return (enum share_term)term;
}

void share_name(const struct share_terms *terms, char name[SHARE_NAME_MAX + 1])
{
	(void)snprintf(name, SHARE_NAME_MAX + 1, "%016" PRIx64 "-%016" PRIx64,
		       digest(terms->image, sizeof(terms->image)),
		       digest(terms->values, sizeof(terms->values)));
}

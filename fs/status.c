/* SPDX-License-Identifier: MIT */
#include "fs/status.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/page.h"
#include "common/parse.h"
#include "fs/profile.h"
#include "fs/stashing.h"

/* The word for programs, and what it means for people. */
struct state {
	const char *word, *meaning;
};

static const struct state ready = {"ready", ""};
static const struct state waiting = {
	"waiting", ": reads of new pages wait for the parent"};
static const struct state gone = {"gone", ": reads of new pages fail"};

#define STATUS_FORMAT 1

static const struct state *state_of(const struct status_origin *origin,
				    const struct fetch_stats *stats)
{
	if (stats->is_gone || (origin->alive && !origin->alive(origin->arg)))
		return &gone;
	if (stats->is_lost)
		return stats->is_hard ? &waiting : &gone;
	return &ready;
}

static uint64_t present_pages(const struct image *image)
{
	return image_present_pages(image, 0, UINT64_MAX >> PAGE_SHIFT);
}

/* A process may call itself what it likes: that is still one line. */
static void print_process(FILE *out, const struct image *image)
{
	char comm[sizeof(image->comm)], host[256];

	parse_plain(comm, image->comm, strnlen(image->comm, sizeof(comm) - 1));
	parse_plain(host, image->hostname,
		    strnlen(image->hostname, sizeof(host) - 1));
	fprintf(out, "process: %d (%s) of %s\n", image->host_pid, comm, host);
}

static void print_image(FILE *out, const struct status_origin *origin,
			const struct state *state)
{
	const struct image *image = origin->image;
	char transport[STATUS_TRANSPORT_MAX + 1];

	origin->transport(origin->arg, transport);
	fprintf(out, "source: %s\n", origin->source);
	fprintf(out, "transport: %s\n", transport);
	fprintf(out, "fuse: %s\n", origin->fuse);
	if (origin->name[0])
		fprintf(out, "image: %s\n", origin->name);
	fprintf(out, "state: %s%s\n", state->word, state->meaning);
	print_process(out, image);
	fprintf(out, "threads: %u\n", image->nr_threads);
	fprintf(out, "areas: %u\n", image->nr_vmas);
	fprintf(out, "pause_us: %" PRIu64 "\n", image->pause_ns / 1000);
	fprintf(out, "prepare_us: %" PRIu64 "\n", image->prepare_ns / 1000);
	fprintf(out, "mount_us: %" PRIu64 "\n", origin->mount_ns / 1000);
	fprintf(out, "pages_present: %" PRIu64 "\n", present_pages(image));
}

static void put_image(struct json *json, const struct status_origin *origin,
		      const struct state *state)
{
	const struct image *image = origin->image;
	char transport[STATUS_TRANSPORT_MAX + 1];

	origin->transport(origin->arg, transport);
	json_u64(json, "format", STATUS_FORMAT);
	json_string(json, "source", origin->source);
	json_string(json, "transport", transport);
	json_string(json, "fuse", origin->fuse);
	if (origin->name[0])
		json_string(json, "image", origin->name);
	json_string(json, "state", state->word);
	json_i64(json, "host_pid", image->host_pid);
	json_string(json, "comm", image->comm);
	json_string(json, "hostname", image->hostname);
	json_u64(json, "threads", image->nr_threads);
	json_u64(json, "areas", image->nr_vmas);
	json_u64(json, "pause_ns", image->pause_ns);
	json_u64(json, "prepare_ns", image->prepare_ns);
	json_u64(json, "mount_ns", origin->mount_ns);
	json_u64(json, "pages_present", present_pages(image));
}

const char *status_eager_word(const struct eager_state *state)
{
	if (!state->is_over)
		return "running";
	return state->result ? "failed" : "complete";
}

/* What the eager thread is there for. */
static const char *bringing(const struct status_origin *origin)
{
	return strcmp(origin->mode, "eager") ? "replay" : "eager";
}

/* Whether other mounts share this server, and for how long nobody has used it.
 */
static void print_sharing(FILE *out, const struct status_origin *origin)
{
	const char *why = origin->sharing_why ? origin->sharing_why : "";
	struct share_state state;

	fprintf(out, why[0] ? "sharing: %s (%s)\n" : "sharing: %s\n",
		origin->share ? "yes" : "no", why);
	if (origin->share) {
		share_get_state(origin->share, &state);
		fprintf(out, "mounts: %u\n", state.nr_mounts);
		fprintf(out, "cache_ttl_s: %u\n", state.ttl_s);
	}
	fprintf(out, "users: %u\n", origin->use->nr);
	fprintf(out, "idle_ms: %" PRIu64 "\n",
		use_idle_ns(origin->use) / 1000000);
}

static void put_sharing(struct json *json, const struct status_origin *origin)
{
	struct share_state state;

	json_bool(json, "sharing", origin->share);
	if (origin->sharing_why && origin->sharing_why[0])
		json_string(json, "sharing_why", origin->sharing_why);
	if (origin->share) {
		share_get_state(origin->share, &state);
		json_u64(json, "mounts", state.nr_mounts);
		json_u64(json, "cache_ttl_s", state.ttl_s);
	}
	json_u64(json, "users", origin->use->nr);
	json_u64(json, "idle_ns", use_idle_ns(origin->use));
}

static void print_mode(FILE *out, const struct status_origin *origin)
{
	struct eager_state state;

	fprintf(out, "mode: %s\n", origin->mode);
	fprintf(out, "cache: %s\n", origin->cache);
	print_sharing(out, origin);
	if (!origin->eager)
		return;
	eager_get_state(origin->eager, &state);
	fprintf(out, "%s: %s\n", bringing(origin), status_eager_word(&state));
	fprintf(out, "%s_us: %" PRIu64 "\n", bringing(origin),
		state.took_ns / 1000);
}

static void put_mode(struct json *json, const struct status_origin *origin)
{
	struct eager_state state;
	char key[16];

	json_string(json, "mode", origin->mode);
	json_string(json, "cache", origin->cache);
	put_sharing(json, origin);
	if (!origin->eager)
		return;
	eager_get_state(origin->eager, &state);
	(void)snprintf(key, sizeof(key), "%s_ns", bringing(origin));
	json_string(json, bringing(origin), status_eager_word(&state));
	json_u64(json, key, state.took_ns);
}

static void print_tier(FILE *out, const struct status_origin *origin)
{
	struct warm_state state;

	warm_get_state(origin->warm, &state);
	fprintf(out, "tier: %s", warm_tier_word(state.tier));
	if (state.tier == WARM_COLD)
		fprintf(out, " (%s)", state.why);
	fprintf(out, "\nwarm_kb: %" PRIu64 "\n", state.file_bytes / 1024);
	fprintf(out, "warm_waste_kb: %" PRIu64 "\n", state.waste_bytes / 1024);
	fprintf(out, "reads_warm: %" PRIu64 "\n", state.reads);
}

static void put_tier(struct json *json, const struct status_origin *origin)
{
	struct warm_state state;

	warm_get_state(origin->warm, &state);
	json_string(json, "tier", warm_tier_word(state.tier));
	if (state.tier == WARM_COLD)
		json_string(json, "tier_why", state.why);
	json_u64(json, "warm_bytes", state.file_bytes);
	json_u64(json, "warm_waste_bytes", state.waste_bytes);
	json_u64(json, "reads_warm", state.reads);
}

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
	{"reads_demand", offsetof(struct fetch_stats, demand_reads)},
	{"pages_demand", offsetof(struct fetch_stats, demand_pages)},
	{"pages_shared_in_flight", offsetof(struct fetch_stats, shared_pages)},
	{"reads_prefetch", offsetof(struct fetch_stats, prefetch_reads)},
	{"pages_prefetch", offsetof(struct fetch_stats, prefetch_pages)},
	{"pages_likely", offsetof(struct fetch_stats, likely_pages)},
	{"pages_likely_used", offsetof(struct fetch_stats, likely_used_pages)},
	{"pages_here", offsetof(struct fetch_stats, here_pages)},
	{"pages_faulted", offsetof(struct fetch_stats, faulted_pages)},
	{"bytes_read", offsetof(struct fetch_stats, read_bytes)},
	{"retries", offsetof(struct fetch_stats, retries)},
	{"reconnects", offsetof(struct fetch_stats, reconnects)},
	{"timeouts", offsetof(struct fetch_stats, timeouts)},
	{"errors", offsetof(struct fetch_stats, errors)},
};

#define NR_COUNTERS (sizeof(counters) / sizeof(counters[0]))

static uint64_t counter(const struct fetch_stats *stats, size_t i)
{
	return *(const uint64_t *)((const char *)stats + counters[i].offset);
}

/* Close a memory stream: its text, or NULL when anything failed. */
static char *finish(FILE *out, char **text)
{
	int failed = ferror(out);

	if (fclose(out) || failed) {
		free(*text);
		return NULL;
	}
	return *text;
}

char *status_text(const struct status_origin *origin, struct fetch *fetch)
{
	char *text = NULL;
	size_t len;
	struct fetch_stats stats;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	fetch_get_stats(fetch, &stats);
	print_image(out, origin, state_of(origin, &stats));
	print_mode(out, origin);
	print_tier(out, origin);
	if (origin->stashing)
		stashing_print(out, origin->stashing);
	for (size_t i = 0; i < NR_COUNTERS; i++)
		fprintf(out, "%s: %" PRIu64 "\n", counters[i].name,
			counter(&stats, i));
	profile_print(out, origin, &stats, fetch);
	return finish(out, &text);
}

char *status_json(const struct status_origin *origin, struct fetch *fetch)
{
	char *text = NULL;
	size_t len;
	struct fetch_stats stats;
	FILE *out = open_memstream(&text, &len);
	struct json json;

	if (!out)
		return NULL;
	fetch_get_stats(fetch, &stats);
	json = json_to(out);
	json_object(&json, NULL);
	put_image(&json, origin, state_of(origin, &stats));
	put_mode(&json, origin);
	put_tier(&json, origin);
	if (origin->stashing)
		stashing_put(&json, origin->stashing);
	for (size_t i = 0; i < NR_COUNTERS; i++)
		json_u64(&json, counters[i].name, counter(&stats, i));
	profile_put(&json, origin, &stats, fetch);
	json_end(&json);
	return finish(out, &text);
}

/* SPDX-License-Identifier: MIT */
#include "tools/loadprofile.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/json.h"
#include "common/latency_tell.h"
#include "common/page.h"
#include "common/parse.h"
#include "common/say.h"
#include "loader/phases.h"
#include "tools/childtell.h"

#define STATUS_MAX 65536u
#define FAULTS_MAX (1u << 20)
#define PAGE_KB	   (PAGE_BYTES / 1024)
#define ROWS	   14u

static const char *const keys[LOADPROFILE_KEYS] = {
	"working_set_kb", "faulted_kb",		"fetched_kb",
	"prefetched_kb",  "prefetched_used_kb",
};

struct row {
	const char *name;
	uint64_t value;
};

struct loadprofile_child {
	pid_t pid;
	const char *seen;
	unsigned nr_rows;
	struct row rows[ROWS];
};

/* ---- the mount ---- */

static int find(const char *line, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);

	if (strncmp(line, key, len) != 0 || line[len] != ':' ||
	    line[len + 1] != ' ')
		return -1;
	return parse_u64(line + len + 2, 0, UINT64_MAX, ret);
}

/* All keys of the mount's status; false when there is no such mount. */
static bool read_counters(const struct load *load,
			  uint64_t kb[LOADPROFILE_KEYS])
{
	CLEANUP_FREE char *text = NULL;
	char *save = NULL;
	unsigned found = 0;
	size_t len;

	if (io_slurp_at(load->dir->fd, "../status", STATUS_MAX, &text, &len))
		return false;
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		for (int i = 0; i < LOADPROFILE_KEYS; i++)
			found += !find(line, keys[i], &kb[i]);
	return found == LOADPROFILE_KEYS;
}

/* The caller's to free(), or NULL. */
static struct latency *read_faults(const struct load *load)
{
	CLEANUP_FREE struct latency *faults = calloc(1, sizeof(*faults));
	CLEANUP_FREE char *text = NULL;
	size_t len;

	if (!faults ||
	    io_slurp_at(load->dir->fd, "../faults", FAULTS_MAX, &text, &len) ||
	    latency_read(text, faults))
		return NULL;
	return steal_ptr(&faults);
}

void loadprofile_begin(const struct load *load, struct loadprofile *profile)
{
	profile->has_mount = read_counters(load, profile->kb);
	profile->faults = profile->has_mount ? read_faults(load) : NULL;
	profile->children =
		calloc(load->options->nr_children, sizeof(*profile->children));
}

/* What came since the beginning; false: there is no mount any more. */
static bool look_again(const struct load *load, struct loadprofile *profile)
{
	uint64_t now[LOADPROFILE_KEYS];
	struct latency *faults;

	if (!profile->has_mount || !read_counters(load, now))
		return false;
	for (int i = 0; i < LOADPROFILE_KEYS; i++)
		profile->kb[i] =
			now[i] < profile->kb[i] ? 0 : now[i] - profile->kb[i];
	faults = profile->faults ? read_faults(load) : NULL;
	if (faults)
		latency_subtract(faults, profile->faults);
	free(profile->faults);
	profile->faults = faults;
	return true;
}

/* ---- a child ---- */

static uint64_t us(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static void add(struct loadprofile_child *child, const char *name,
		uint64_t value)
{
	child->rows[child->nr_rows++] = (struct row){name, value};
}

static void add_pages(struct loadprofile_child *child,
		      const struct footprint *pages)
{
	add(child, "working_set_kb",
	    (pages->mapped_pages + pages->copied_pages) * PAGE_KB);
	add(child, "copied_kb", pages->copied_pages * PAGE_KB);
	add(child, "own_kb", pages->own_pages * PAGE_KB);
}

static void add_guard(struct loadprofile_child *child,
		      const struct guard_stats *guard)
{
	add(child, "guard_calls", guard->calls);
	add(child, "guard_replaced", guard->replaced);
	add(child, "guard_failed", guard->failed);
}

static void add_pager(struct loadprofile_child *child,
		      const struct pager_stats *pager)
{
	add(child, "working_set_kb", pager->copied_pages * PAGE_KB);
	add(child, "pager_faults", pager->faults);
	add(child, "pager_events", pager->events);
}

static const char *seen_name(const struct outcome *outcome)
{
	static const char *const names[] = {
		[OUTCOME_UNSEEN] = "no",
		[OUTCOME_AT_SIGNAL] = "signal",
		[OUTCOME_AT_EXIT] = "exit",
	};

	if (outcome->load->options->memory == PLAN_MEMORY_OWN)
		return "pager";
	return names[outcome->seen];
}

void loadprofile_child(struct loadprofile *profile,
		       const struct outcome *outcome)
{
	struct loadprofile_child *child;

	if (!profile->children || !outcome->pid)
		return;
	child = &profile->children[profile->nr_children++];
	child->pid = outcome->pid;
	child->seen = seen_name(outcome);
	add(child, "status", (uint64_t)outcome->status);
	add(child, "life_us", (outcome->ended_ns - outcome->began_ns) / 1000);
	add(child, "user_us", us(outcome->usage.ru_utime));
	add(child, "system_us", us(outcome->usage.ru_stime));
	add(child, "minor_faults", (uint64_t)outcome->usage.ru_minflt);
	add(child, "major_faults", (uint64_t)outcome->usage.ru_majflt);
	if (outcome->seen != OUTCOME_UNSEEN) {
		add_pages(child, &outcome->pages);
		childtell_pages(outcome->load, &outcome->pages.image);
	}
	if (outcome->load->options->memory == PLAN_MEMORY_OWN)
		add_pager(child, &outcome->pager);
	else
		add_guard(child, &outcome->guard);
}

/* ---- telling ---- */

static uint64_t descriptor_bytes(const struct load *load)
{
	struct stat st;

	return fstatat(load->dir->fd, "descriptor", &st, 0)
		       ? 0
		       : (uint64_t)st.st_size;
}

static void put_child(struct json *json, const struct loadprofile_child *child)
{
	json_object(json, NULL);
	json_i64(json, "pid", child->pid);
	for (unsigned i = 0; i < child->nr_rows; i++)
		json_u64(json, child->rows[i].name, child->rows[i].value);
	json_string(json, "seen", child->seen);
	json_end(json);
}

static void put_all(struct json *json, const struct load *load,
		    const struct loadprofile *profile)
{
	json_string(json, "image", load->dir->path);
	json_u64(json, "descriptor_bytes", descriptor_bytes(load));
	for (int i = 0; profile->has_mount && i < LOADPROFILE_KEYS; i++)
		json_u64(json, keys[i], profile->kb[i]);
	if (profile->faults)
		latency_tell_json(json, profile->faults);
	json_object(json, "phases_us");
	for (int phase = 0; phase < PHASES; phase++)
		json_u64(json, phase_name((enum phase)phase),
			 phases_us((enum phase)phase));
	json_end(json);
	json_array(json, "children");
	for (unsigned i = 0; i < profile->nr_children; i++)
		put_child(json, &profile->children[i]);
	json_end(json);
}

static void tell_json(const struct load *load,
		      const struct loadprofile *profile)
{
	CLEANUP_FREE char *text = NULL;
	size_t len;
	FILE *file = open_memstream(&text, &len);
	struct json json;

	if (!file)
		return;
	json = json_to(file);
	json.one_line = true;
	json_object(&json, NULL);
	put_all(&json, load, profile);
	json_end(&json);
	if (!fclose(file))
		(void)io_write_all(STDERR_FILENO, text, len);
}

static void tell_faults(const struct latency *faults)
{
	CLEANUP_FREE char *text = NULL;
	char *save = NULL;
	size_t len;
	FILE *file = open_memstream(&text, &len);

	if (!file)
		return;
	latency_tell_text(file, faults);
	if (fclose(file))
		return;
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		say_note("%s", line);
}

static void tell_child(const struct loadprofile_child *child)
{
	for (unsigned i = 0; i < child->nr_rows; i++)
		say_note("child %d: %s: %llu", child->pid, child->rows[i].name,
			 (unsigned long long)child->rows[i].value);
	say_note("child %d: seen: %s", child->pid, child->seen);
}

static void tell_text(const struct load *load,
		      const struct loadprofile *profile)
{
	say_note("descriptor of %s: %llu bytes", load->dir->path,
		 (unsigned long long)descriptor_bytes(load));
	for (int phase = 0; phase < PHASES; phase++)
		say_note("%6llu us %s",
			 (unsigned long long)phases_us((enum phase)phase),
			 phase_name((enum phase)phase));
	for (int i = 0; profile->has_mount && i < LOADPROFILE_KEYS; i++)
		say_note("%s: %llu", keys[i],
			 (unsigned long long)profile->kb[i]);
	if (profile->faults)
		tell_faults(profile->faults);
	for (unsigned i = 0; i < profile->nr_children; i++)
		tell_child(&profile->children[i]);
}

void loadprofile_tell(const struct load *load, struct loadprofile *profile)
{
	profile->has_mount = look_again(load, profile);
	if (!profile->has_mount)
		free(steal_ptr(&profile->faults));
	if (profile->json)
		tell_json(load, profile);
	else
		tell_text(load, profile);
	free(profile->faults);
	free(profile->children);
}

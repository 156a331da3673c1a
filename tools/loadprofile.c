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
#include "common/parse.h"
#include "common/say.h"
#include "loader/phases.h"

#define STATUS_MAX 65536u

static const char *const keys[LOADPROFILE_KEYS] = {
	"working_set_kb", "faulted_kb",		"fetched_kb",
	"prefetched_kb",  "prefetched_used_kb",
};

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

void loadprofile_begin(const struct load *load, struct loadprofile *profile)
{
	profile->has_mount = read_counters(load, profile->kb);
}

static uint64_t descriptor_bytes(const struct load *load)
{
	struct stat st;

	return fstatat(load->dir->fd, "descriptor", &st, 0)
		       ? 0
		       : (uint64_t)st.st_size;
}

static void tell_json(const struct load *load, const uint64_t *kb)
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
	json_string(&json, "image", load->dir->path);
	json_u64(&json, "descriptor_bytes", descriptor_bytes(load));
	for (int i = 0; kb && i < LOADPROFILE_KEYS; i++)
		json_u64(&json, keys[i], kb[i]);
	json_object(&json, "phases_us");
	for (int phase = 0; phase < PHASES; phase++)
		json_u64(&json, phases_name((enum phase)phase),
			 phases_us((enum phase)phase));
	json_end(&json);
	json_end(&json);
	if (!fclose(file))
		(void)io_write_all(STDERR_FILENO, text, len);
}

static void tell_text(const struct load *load, const uint64_t *kb)
{
	say_note("descriptor of %s: %llu bytes", load->dir->path,
		 (unsigned long long)descriptor_bytes(load));
	for (int phase = 0; phase < PHASES; phase++)
		say_note("%6llu us %s",
			 (unsigned long long)phases_us((enum phase)phase),
			 phases_name((enum phase)phase));
	for (int i = 0; kb && i < LOADPROFILE_KEYS; i++)
		say_note("%s: %llu", keys[i], (unsigned long long)kb[i]);
}

void loadprofile_tell(const struct load *load,
		      const struct loadprofile *profile)
{
	uint64_t kb[LOADPROFILE_KEYS];
	bool has_mount = profile->has_mount && read_counters(load, kb);

	for (int i = 0; has_mount && i < LOADPROFILE_KEYS; i++)
		kb[i] = kb[i] < profile->kb[i] ? 0 : kb[i] - profile->kb[i];
	if (profile->json)
		tell_json(load, has_mount ? kb : NULL);
	else
		tell_text(load, has_mount ? kb : NULL);
}

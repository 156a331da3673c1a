/* SPDX-License-Identifier: MIT */
/* ctl_show.c - see ctl_show.h */
#include "tools/ctl_show.h"

#include <inttypes.h>
#include <pwd.h>
#include <string.h>

#include "common/json.h"
#include "common/page.h"
#include "common/parse.h"

#define NS_PER_MS 1e6
#define NS_PER_S  1000000000ull
#define MIB	  (1024.0 * 1024.0)
#define CELL_MAX  32

struct cell {
	char text[CELL_MAX + 1];
};

static struct cell harmless(const char *text)
{
	struct cell cell = {""};

	parse_plain(cell.text, text, strnlen(text, CELL_MAX));
	return cell;
}

static struct cell owner_of(uint32_t uid)
{
	const struct passwd *entry = getpwuid(uid);
	struct cell cell;

	if (entry)
		return harmless(entry->pw_name);
	(void)snprintf(cell.text, sizeof(cell.text), "%u", uid);
	return cell;
}

static struct cell time_of(uint64_t seconds)
{
	struct cell cell;
	unsigned long s = seconds;

	if (s < 120)
		(void)snprintf(cell.text, sizeof(cell.text), "%lus", s);
	else if (s < 7200)
		(void)snprintf(cell.text, sizeof(cell.text), "%lum", s / 60);
	else
		(void)snprintf(cell.text, sizeof(cell.text), "%luh", s / 3600);
	return cell;
}

static void print_row(const struct report_image *image, int name_width,
		      FILE *out)
{
	struct cell comm = harmless(image->comm);
	struct cell owner = owner_of(image->owner);
	struct cell left = time_of(image->left_s);

	(void)fprintf(out, "%-*s %8d %-16s %-10s", name_width, image->name,
		      image->pid, image->ready ? comm.text : "(preparing)",
		      owner.text);
	(void)fprintf(out, " %9.1f %8.2f %6s %5u\n",
		      (double)image->present_bytes / MIB,
		      (double)image->pause_ns / NS_PER_MS, left.text,
		      image->handles);
}

static void print_images(const struct report_image *images, size_t nr,
			 FILE *out)
{
	int width = 16;

	for (size_t i = 0; i < nr; i++)
		if ((int)strlen(images[i].name) > width)
			width = (int)strlen(images[i].name);
	(void)fprintf(out, "%-*s %8s %-16s %-10s %9s %8s %6s %5s\n", width,
		      "NAME", "PID", "COMMAND", "OWNER", "MIB", "PAUSE/MS",
		      "LEASE", "OPEN");
	for (size_t i = 0; i < nr; i++)
		print_row(&images[i], width, out);
}

static void put_image(struct json *json, const char *key,
		      const struct report_image *image)
{
	json_object(json, key);
	json_string(json, "name", image->name);
	json_i64(json, "pid", image->pid);
	json_string(json, "comm", image->comm);
	json_u64(json, "owner", image->owner);
	json_bool(json, "ready", image->ready);
	json_u64(json, "present_bytes", image->present_bytes);
	json_u64(json, "pause_ns", image->pause_ns);
	json_u64(json, "prepare_ns", image->prepare_ns);
	json_u64(json, "age_ns", image->age_ns);
	json_u64(json, "lease_s", image->lease_s);
	json_u64(json, "left_s", image->left_s);
	json_u64(json, "handles", image->handles);
	json_u64(json, "opens", image->opens);
	json_end(json);
}

void show_images(const struct report_image *images, size_t nr, bool json,
		 FILE *out)
{
	struct json to = json_to(out);

	if (!json) {
		print_images(images, nr, out);
		return;
	}
	json_object(&to, NULL);
	json_u64(&to, "format", SHOW_JSON_FORMAT);
	json_array(&to, "images");
	for (size_t i = 0; i < nr; i++)
		put_image(&to, NULL, &images[i]);
	json_end(&to);
	json_end(&to);
}

/* By request and reason; reasons that nobody met are left out. */
static void put_refusals(struct json *json, const struct refused *refused)
{
	json_object(json, "refusals");
	for (unsigned i = 0; i < REFUSED_REQUESTS_END; i++) {
		json_object(json, refused_request_name(i));
		for (unsigned j = 0; j < REFUSED_REASONS_END; j++)
			if (refused->count[i][j])
				json_u64(json, refused_reason_name(j),
					 refused->count[i][j]);
		json_end(json);
	}
	json_end(json);
}

static void put_times(struct json *json, const char *key,
		      const struct timing *timing)
{
	json_object(json, key);
	json_u64(json, "count", timing_total(timing));
	json_u64(json, "sum_ns", timing->sum_ns);
	json_end(json);
}

static void put_daemon(const struct report_status *status, struct json *json)
{
	json_string(json, "version", status->version);
	json_i64(json, "pid", status->pid);
	json_u64(json, "uptime_ns", status->uptime_ns);
	json_u64(json, "images", status->images);
	json_u64(json, "images_max", status->images_max);
	json_u64(json, "prepared", status->prepared);
	json_u64(json, "refused", status->refused);
	json_u64(json, "ended", status->ended);
	json_u64(json, "clients", status->clients);
	json_u64(json, "clients_max", status->clients_max);
	json_u64(json, "strangers", status->strangers);
	json_u64(json, "accepted", status->accepted);
	json_u64(json, "turned_away", status->turned_away);
	json_u64(json, "broken", status->broken);
	json_u64(json, "requests", status->requests);
	json_u64(json, "reads", status->reads);
	json_u64(json, "urgent_reads", status->urgent_reads);
	json_u64(json, "failed_reads", status->failed_reads);
	json_u64(json, "read_bytes", status->read_bytes);
	json_u64(json, "sends", status->sends);
	json_u64(json, "rdma_port", status->rdma_port);
	json_u64(json, "rdma_clients", status->rdma_clients);
	json_u64(json, "rdma_requests", status->rdma_requests);
	json_u64(json, "rdma_reads", status->rdma_reads);
	json_u64(json, "rdma_read_bytes", status->rdma_read_bytes);
	json_u64(json, "loans", status->loans);
	json_u64(json, "lent_pages", status->lent_pages);
	json_u64(json, "lease_over", status->lease_over);
	json_u64(json, "released", status->released);
	json_u64(json, "died", status->died);
	put_refusals(json, &status->refusals);
	put_times(json, "pauses", &status->pauses);
	put_times(json, "prepares", &status->prepares);
}

static void put_status(const struct report_status *status,
		       const struct ctl_mounts *mounts, FILE *out)
{
	struct json json = json_to(out);

	json_object(&json, NULL);
	json_u64(&json, "format", SHOW_JSON_FORMAT);
	if (status)
		put_daemon(status, &json);
	if (mounts)
		ctl_mounts_put(mounts, &json);
	json_end(&json);
}

static void print_count(FILE *out, const char *what, uint64_t value)
{
	(void)fprintf(out, "  %-14s %llu\n", what, (unsigned long long)value);
}

static void print_refusals(const struct refused *refused, FILE *out)
{
	for (unsigned i = 0; i < REFUSED_REQUESTS_END; i++) {
		const char *before = "";

		(void)fprintf(out, "  %-14s ", refused_request_name(i));
		for (unsigned j = 0; j < REFUSED_REASONS_END; j++) {
			if (!refused->count[i][j])
				continue;
			(void)fprintf(out, "%s%s %" PRIu64, before,
				      refused_reason_name(j),
				      refused->count[i][j]);
			before = ", ";
		}
		(void)fprintf(out, "%s\n", *before ? "" : "none");
	}
}

static void print_mean(const char *what, const struct timing *timing, FILE *out)
{
	uint64_t nr = timing_total(timing);

	if (nr)
		(void)fprintf(out, "  %-14s %.2f ms\n", what,
			      (double)timing->sum_ns / (double)nr / NS_PER_MS);
}

static void print_rdma(const struct report_status *status, FILE *out)
{
	if (!status->rdma_port) {
		(void)fprintf(out, "by RDMA: not served\n");
		return;
	}
	(void)fprintf(out, "by RDMA: %u clients, port %u\n",
		      status->rdma_clients, status->rdma_port);
	print_count(out, "requests", status->rdma_requests);
	print_count(out, "reads", status->rdma_reads);
	print_count(out, "images lent", status->loans);
	print_count(out, "pages lent", status->lent_pages);
}

static void print_daemon(const struct report_status *status, FILE *out)
{
	struct cell version = harmless(status->version);
	struct cell up = time_of(status->uptime_ns / NS_PER_S);

	(void)fprintf(out, "mitosisd %s, pid %d, up %s\n", version.text,
		      status->pid, up.text);
	(void)fprintf(out, "images: %u of at most %u\n", status->images,
		      status->images_max);
	print_count(out, "prepared", status->prepared);
	print_mean("mean pause", &status->pauses, out);
	print_mean("mean prepare", &status->prepares, out);
	print_count(out, "refused", status->refused);
	print_count(out, "ended", status->ended);
	print_count(out, "  lease over", status->lease_over);
	print_count(out, "  released", status->released);
	print_count(out, "  died", status->died);
	(void)fprintf(out, "clients: %u of at most %u\n", status->clients,
		      status->clients_max);
	print_count(out, "accepted", status->accepted);
	print_count(out, "turned away", status->turned_away);
	print_count(out, "broken", status->broken);
	(void)fprintf(out, "served: %.1f MiB\n",
		      (double)status->read_bytes / MIB);
	print_count(out, "requests", status->requests);
	print_count(out, "reads", status->reads);
	print_count(out, "urgent reads", status->urgent_reads);
	print_count(out, "failed reads", status->failed_reads);
	print_count(out, "sends", status->sends);
	print_rdma(status, out);
	(void)fprintf(out, "refused, by request:\n");
	print_refusals(&status->refusals, out);
}

void show_status(const struct report_status *status,
		 const struct ctl_mounts *mounts, bool json, FILE *out)
{
	if (json) {
		put_status(status, mounts, out);
		return;
	}
	if (status)
		print_daemon(status, out);
	if (status && mounts && mounts->nr)
		(void)fputc('\n', out);
	if (mounts)
		ctl_mounts_print(mounts, out);
}

static void put_prepared(const struct wire_image *image,
			 const struct report_image *details, FILE *out)
{
	struct json json = json_to(out);
	char key[2 * WIRE_KEY_BYTES + 1];

	for (unsigned i = 0; i < WIRE_KEY_BYTES; i++)
		(void)snprintf(key + 2 * i, 3, "%02x", image->key[i]);
	json_object(&json, NULL);
	json_u64(&json, "format", SHOW_JSON_FORMAT);
	json_string(&json, "name", image->name);
	json_string(&json, "key", key);
	if (details)
		put_image(&json, "image", details);
	json_end(&json);
}

void show_prepared(const struct wire_image *image,
		   const struct report_image *details, bool json, FILE *out)
{
	if (json) {
		put_prepared(image, details, out);
		return;
	}
	(void)fprintf(out, "%s", image->name);
	if (details)
		(void)fprintf(out,
			      ": paused %.2f ms, prepared in %.1f ms, %.1f MiB",
			      (double)details->pause_ns / NS_PER_MS,
			      (double)details->prepare_ns / NS_PER_MS,
			      (double)details->present_bytes / MIB);
	(void)fprintf(out, "\n");
}

void show_released(const char *name, bool json, FILE *out)
{
	struct json to = json_to(out);

	if (!json)
		return;
	json_object(&to, NULL);
	json_u64(&to, "format", SHOW_JSON_FORMAT);
	json_string(&to, "released", name);
	json_end(&to);
}

void show_renewed(const char *name, uint32_t lease_s, bool json, FILE *out)
{
	struct json to = json_to(out);

	if (!json)
		return;
	json_object(&to, NULL);
	json_u64(&to, "format", SHOW_JSON_FORMAT);
	json_string(&to, "renewed", name);
	json_u64(&to, "lease_s", lease_s);
	json_end(&to);
}

static void trace_json(const char *name, const struct workset *set, FILE *out)
{
	struct json to = json_to(out);

	json_object(&to, NULL);
	json_u64(&to, "format", SHOW_JSON_FORMAT);
	json_string(&to, "image", name);
	json_u64(&to, "pages", workset_pages(set));
	json_bool(&to, "inherited", set->is_inherited);
	json_array(&to, "runs");
	for (uint32_t i = 0; i < set->nr; i++) {
		json_object(&to, NULL);
		json_hex(&to, "address", set->runs[i].first_page << PAGE_SHIFT);
		json_u64(&to, "pages", set->runs[i].nr_pages);
		json_end(&to);
	}
	json_end(&to);
	json_end(&to);
}

void show_trace(const char *name, const struct workset *set, bool json,
		FILE *out)
{
	if (json) {
		trace_json(name, set, out);
		return;
	}
	for (uint32_t i = 0; i < set->nr; i++) {
		uint64_t start = set->runs[i].first_page << PAGE_SHIFT;

		(void)fprintf(
			out, "%012" PRIx64 "-%012" PRIx64 " %8u\n", start,
			start + ((uint64_t)set->runs[i].nr_pages << PAGE_SHIFT),
			set->runs[i].nr_pages);
	}
	(void)fprintf(out, "%" PRIu64 " pages in %u runs%s\n",
		      workset_pages(set), set->nr,
		      set->is_inherited ? ", of an earlier image" : "");
}

/* SPDX-License-Identifier: MIT */
/* ctl_metrics.c - see ctl_metrics.h */
#include "tools/ctl_metrics.h"

#include <stddef.h>
#include <string.h>

#include "common/page.h"
#include "common/prom.h"

struct row {
	const char *name, *help;
	enum prom_type type;
	size_t offset; /* in struct report_status */
	size_t bytes;  /* of the field: 4 or 8 */
};

#define ROW(name, type, field, help)                                           \
	{                                                                      \
		"mitosisd_" name, help, type,                                  \
			offsetof(struct report_status, field),                 \
			sizeof(((struct report_status *)0)->field)             \
	}

static uint64_t value_of(const struct report_status *status,
			 const struct row *row)
{
	const char *at = (const char *)status + row->offset;
	uint64_t wide;
	uint32_t narrow;

	if (row->bytes == sizeof(narrow)) {
		memcpy(&narrow, at, sizeof(narrow));
		return narrow;
	}
	memcpy(&wide, at, sizeof(wide));
	return wide;
}

static void put_rows(struct prom *prom, const struct report_status *status)
{
	static const struct row rows[] = {
		ROW("images", PROM_GAUGE, images, "Images now."),
		ROW("images_limit", PROM_GAUGE, images_max,
		    "Images there may be (--max-images)."),
		ROW("images_prepared_total", PROM_COUNTER, prepared,
		    "Images taken."),
		ROW("clients_limit", PROM_GAUGE, clients_max,
		    "Clients there may be (--max-clients)."),
		ROW("strangers", PROM_GAUGE, strangers,
		    "Connections that did not say HELLO yet."),
		ROW("connections_total", PROM_COUNTER, accepted,
		    "Connections accepted."),
		ROW("connections_broken_total", PROM_COUNTER, broken,
		    "Connections ended for what came, or did not come."),
		ROW("urgent_reads_total", PROM_COUNTER, urgent_reads,
		    "READ messages that somebody waited for."),
		ROW("failed_reads_total", PROM_COUNTER, failed_reads,
		    "READ messages answered without the bytes."),
		ROW("sends_total", PROM_COUNTER, sends,
		    "Sends, each of one or more replies."),
		ROW("lent_images", PROM_GAUGE, loans,
		    "Images lent to clients' RDMA devices now."),
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		prom_family(prom, rows[i].name, rows[i].type, rows[i].help);
		prom_u64(prom, NULL, value_of(status, &rows[i]));
	}
	prom_family(prom, "mitosisd_lent_bytes", PROM_GAUGE,
		    "Memory registered for these.");
	prom_u64(prom, NULL, status->lent_pages << PAGE_SHIFT);
}

static void put_with(struct prom *prom, const char *key, const char *value,
		     uint64_t number)
{
	const struct prom_label labels[] = {{key, value}, {0}};

	prom_u64(prom, labels, number);
}

/* @all counts RDMA's too. */
static void put_ways(struct prom *prom, uint64_t all, uint64_t rdma)
{
	put_with(prom, "transport", "rdma", rdma);
	put_with(prom, "transport", "tcp", all > rdma ? all - rdma : 0);
}

static void put_transports(struct prom *prom,
			   const struct report_status *status)
{
	prom_family(prom, "mitosisd_clients", PROM_GAUGE,
		    "Clients now; tcp: over the unix socket too.");
	put_ways(prom, status->clients, status->rdma_clients);
	prom_family(prom, "mitosisd_requests_total", PROM_COUNTER,
		    "Requests, READs too.");
	put_ways(prom, status->requests, status->rdma_requests);
	prom_family(prom, "mitosisd_reads_total", PROM_COUNTER,
		    "READ messages; READs that a device answers are not "
		    "seen.");
	put_ways(prom, status->reads, status->rdma_reads);
	prom_family(prom, "mitosisd_read_bytes_total", PROM_COUNTER,
		    "Bytes served in answer to READ messages.");
	put_ways(prom, status->read_bytes, status->rdma_read_bytes);
}

static void put_ends(struct prom *prom, const struct report_status *status)
{
	prom_family(prom, "mitosisd_images_ended_total", PROM_COUNTER,
		    "Images ended: their lease was over, somebody released "
		    "them, or their pages died.");
	put_with(prom, "reason", "lease", status->lease_over);
	put_with(prom, "reason", "released", status->released);
	put_with(prom, "reason", "died", status->died);
}

static void put_refusals(struct prom *prom, const struct refused *refused)
{
	prom_family(prom, "mitosisd_refusals_total", PROM_COUNTER,
		    "Requests refused: to join, to take an image, to use "
		    "one.");
	for (unsigned i = 0; i < REFUSED_REQUESTS_END; i++)
		for (unsigned j = 0; j < REFUSED_REASONS_END; j++) {
			const struct prom_label labels[] = {
				{"request", refused_request_name(i)},
				{"reason", refused_reason_name(j)},
				{0}};

			prom_u64(prom, labels, refused->count[i][j]);
		}
}

static void put_times(struct prom *prom, const struct report_status *status)
{
	prom_family(prom, "mitosisd_uptime_seconds", PROM_GAUGE,
		    "Since the daemon began.");
	prom_seconds(prom, NULL, status->uptime_ns);
	prom_family(prom, "mitosisd_pause_duration_seconds", PROM_HISTOGRAM,
		    "How long parents stood still for their images.");
	prom_histogram(prom, NULL, &status->pauses);
	prom_family(prom, "mitosisd_prepare_duration_seconds", PROM_HISTOGRAM,
		    "From request to finished image.");
	prom_histogram(prom, NULL, &status->prepares);
}

void show_metrics(const struct report_status *status, bool json, FILE *out)
{
	const struct prom_label version[] = {{"version", status->version}, {0}};
	struct prom prom = prom_to(out, json ? PROM_JSON : PROM_TEXT);

	prom_family(&prom, "mitosisd_info", PROM_GAUGE,
		    "The daemon's version; always 1.");
	prom_u64(&prom, version, 1);
	put_times(&prom, status);
	put_rows(&prom, status);
	put_ends(&prom, status);
	put_transports(&prom, status);
	put_refusals(&prom, &status->refusals);
	prom_end(&prom);
}
